"""Secrets that the cloud must be able to read again: encrypted at rest with the cloud's key, bound to what they are."""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clm.services.context import CloudPolicy

_NONCE = 12  # bytes: NIST SP 800-38D, 8.2


class Unsealable(Exception):
    """Sealed with another key, as something else, or damaged."""


def seal(policy: CloudPolicy, purpose: str, plain: bytes) -> bytes:
    """
    Encrypt and authenticate (AES-256-GCM).

    :param purpose: what it is, such as ``totp:12``; the same is needed to open it: one cannot stand for another.
    """
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(_key(policy)).encrypt(nonce, plain, purpose.encode())


def unseal(policy: CloudPolicy, purpose: str, sealed: bytes) -> bytes:
    """:raises Unsealable: it cannot be read."""
    try:
        return AESGCM(_key(policy)).decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
    except (InvalidTag, ValueError):
        raise Unsealable(purpose) from None


def _key(policy: CloudPolicy) -> bytes:
    return hashlib.sha256(b"sealed secrets\0" + policy.secret).digest()
