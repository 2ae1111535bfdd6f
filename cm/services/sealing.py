"""What is kept in the database and is to be read there by nobody: encrypted and authenticated (AES-GCM)."""

from __future__ import annotations

import base64
import os
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12  # bytes: NIST SP 800-38D, 8.2


def seal(key: bytes, about: str, plain: bytes) -> str:
    """:param about: what it is; the same is needed to open it: one cannot stand for another."""
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, plain, about.encode())).decode()


def unseal(key: bytes, about: str, sealed: str) -> bytes:
    """:raises InvalidTag: it was sealed with another key, as something else, or is damaged."""
    raw = base64.b64decode(sealed)
    return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], about.encode())
