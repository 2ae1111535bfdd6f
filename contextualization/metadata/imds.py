"""
EC2's instance metadata protocol, both versions. Tokens are stateless, so that every process knows those of the others:
VM, expiry and an HMAC over both and the VM's uuid.

The hop limit is told to the node, which sets the IP TTL of the answer that carries the token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final

from cm.rules.guest import Guest
from contextualization.metadata.tree import VERSIONS, Listing, Tree, find
from contextualization.wire import BINARY, PLAIN, Answer, Exchange, Refusal, not_found
from node_hooks.signature import HOP_LIMIT_HEADER

TOKEN_PATH: Final = "/latest/api/token"
TOKEN_HEADER: Final = "X-aws-ec2-metadata-token"
TTL_HEADER: Final = "X-aws-ec2-metadata-token-ttl-seconds"
TTL_MAX: Final = 21_600  # seconds; EC2's


def answer_imds(
    guest: Guest, tree: Callable[[], Tree], exchange: Exchange, path: str, *, key: bytes, now: float, v1: bool
) -> Answer:
    """
    :param tree: makes what is told below each version, or has it.
    :param path: the guest's own, decoded.
    :param v1: whether the cluster answers requests without a token, where the VM's own options do not forbid it.
    :raises Refusal: 400, 401, 404, 405 as EC2 does.
    """
    if path.rstrip("/") == TOKEN_PATH:
        if exchange.method != "PUT":
            raise _wrong_method("PUT")
        return _issue(guest, exchange, key, now)
    if exchange.method != "GET":
        raise _wrong_method("GET")
    token = exchange.header(TOKEN_HEADER)
    if token or TOKEN_HEADER.lower() in exchange.headers:
        if not is_token_of(guest, token, key, now):
            raise _unauthorized()
    elif guest.imds.needs_token(v1):
        raise _unauthorized()
    version, _, rest = path.lstrip("/").partition("/")
    if not version:
        return Answer(200, "\n".join(VERSIONS).encode(), PLAIN)
    if version not in VERSIONS:
        raise not_found()
    if not rest:
        return Answer(200, "\n".join(tree()).encode(), PLAIN)  # the one listing without slashes
    found = find(tree(), rest)
    if found is None:
        raise not_found()
    if isinstance(found, Listing):
        return Answer(200, found.text.encode(), PLAIN)
    if isinstance(found, bytes):
        return Answer(200, found, BINARY)
    return Answer(200, found.encode("utf-8", "replace"), PLAIN)


def _issue(guest: Guest, exchange: Exchange, key: bytes, now: float) -> Answer:
    asked = exchange.header(TTL_HEADER)
    ttl_s = int(asked) if re.fullmatch(r"[0-9]{1,5}", asked) else 0
    if not 1 <= ttl_s <= TTL_MAX:
        raise Refusal(400, "bad_request", "The token's life must be 1 to 21600 seconds.")
    headers = {TTL_HEADER: str(ttl_s), HOP_LIMIT_HEADER: str(guest.imds.hop_limit)}
    return Answer(200, make_token(guest, int(now) + ttl_s, key).encode(), PLAIN, headers)


def make_token(guest: Guest, expires: int, key: bytes) -> str:
    """:param expires: unix seconds."""
    payload = guest.vm_id.to_bytes(8, "big") + expires.to_bytes(8, "big")
    return base64.urlsafe_b64encode(payload + _mac(guest, payload, key)).decode()


def is_token_of(guest: Guest, token: str, key: bytes, now: float) -> bool:
    """Whether we made this token for this very VM, and it lives."""
    try:
        content = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    payload, mac = content[:16], content[16:]
    if len(content) != 48 or not hmac.compare_digest(mac, _mac(guest, payload, key)):
        return False
    return int.from_bytes(payload[:8], "big") == guest.vm_id and now < int.from_bytes(payload[8:], "big")


def _mac(guest: Guest, payload: bytes, key: bytes) -> bytes:
    return hmac.new(key, b"imds\0" + guest.uuid.encode() + payload, hashlib.sha256).digest()


def _unauthorized() -> Refusal:
    return Refusal(401, "unauthorized", "A valid token is needed.")


def _wrong_method(allowed: str) -> Refusal:
    return Refusal(405, "method_not_allowed", f"This takes {allowed}.", allow=allowed)
