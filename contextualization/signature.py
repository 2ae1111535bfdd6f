"""
Checking what ``node_hooks.signature`` signs. The server keeps the key alone: a database that is read by others gives
away no credential that could enrol elsewhere, and ``sign`` itself starts from the credential.
"""

from __future__ import annotations

import hashlib
import hmac

from node_hooks.signature import Authorization


def signature_by_key(key: bytes, method: str, path: str, time: int, body: bytes, bridge: str, address: str) -> str:
    """As ``node_hooks.signature.sign``, by the credential's SHA-256. The fields hold no line feed: HTTP has none."""
    fields = [method, path, str(time), bridge, address, hashlib.sha256(body).hexdigest()]
    return hmac.new(key, "\n".join(fields).encode(), hashlib.sha256).hexdigest()


def is_signed_by_key(
    claim: Authorization, key: bytes, method: str, path: str, body: bytes, bridge: str, address: str
) -> bool:
    """Whether the holder of the credential behind ``key`` signed this, compared in constant time."""
    if any("\n" in each for each in (method, path, bridge, address)):
        return False
    return hmac.compare_digest(signature_by_key(key, method, path, claim.time, body, bridge, address), claim.signature)
