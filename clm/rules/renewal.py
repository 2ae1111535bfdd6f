"""
Links by which a VM's expiry lease is renewed without a login: what they say, under a seal that the cloud alone makes.

A link names one VM and one person, and ends by itself. It is good for a renewal, and for nothing else: who finds one
can have a VM live longer, as its owner was asked whether it should.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import astuple, dataclass
from typing import Final

import msgspec

LINK_S: Final = 3 * 86_400.0  # CIRCLE's
_SEAL: Final = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Renewal:
    """
    :ivar message_id: the cloud's message that it was mailed with: each notice has a link of its own.
    :ivar until: unix seconds.
    """

    cluster_id: int
    vm_id: int
    user_id: int
    message_id: int
    until: int


class NoRenewal(Exception):
    """It is not a link of ours, or was changed."""


_decode: Final = msgspec.json.Decoder(tuple[int, int, int, int, int]).decode


def write_link(secret: bytes, renewal: Renewal) -> str:
    """:param secret: the cloud's."""
    told = msgspec.json.encode(astuple(renewal))
    return "r" + base64.urlsafe_b64encode(_seal(secret, told) + told).decode().rstrip("=")


def read_link(secret: bytes, link: str) -> Renewal:
    """
    What a link says, whether or not it has ended.

    :raises NoRenewal: nobody who has ``secret`` wrote it.
    """
    if not link.startswith("r"):
        raise NoRenewal
    text = link[1:]
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise NoRenewal from None
    seal, told = raw[:_SEAL], raw[_SEAL:]
    if not hmac.compare_digest(seal, _seal(secret, told)):
        raise NoRenewal
    return Renewal(*_decode(told))


def _seal(secret: bytes, told: bytes) -> bytes:
    key = hashlib.sha256(b"expiry renewals\0" + secret).digest()
    return hmac.new(key, told, hashlib.sha256).digest()
