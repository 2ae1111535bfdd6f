"""
The pair of SSH keys of a farm. Its private part is derived from the cluster's secret and the farm's uuid, as passwords
of screens are, so that none is ever stored: neither a row, nor a journal, nor a backup of the database has it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cm.rules.guest import Guest

_PURPOSE: Final = b"wawel farm keys"


def farm_secret_from(secret: bytes) -> bytes:
    """What keys of farms are derived from, from a cluster's secret: one cannot be told from another."""
    return hmac.new(secret, _PURPOSE, hashlib.sha256).digest()


def _key(farm_secret: bytes, uuid: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hmac.new(farm_secret, uuid.encode(), hashlib.sha256).digest())


def public_key(farm_secret: bytes, uuid: str) -> str:
    """As a line of authorized_keys has it, without a comment."""
    return _key(farm_secret, uuid).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def private_key_for(guest: Guest, farm_secret: bytes) -> str:
    """
    The private part, as OpenSSH keeps it, for a guest that is to have it; "": it is not to. Nor is it where the
    cluster's secret has changed since: what would be derived now opens nothing.
    """
    farm = guest.farm
    if farm is None or not farm.has_key or public_key(farm_secret, farm.uuid) != farm.public_key:
        return ""
    made = _key(farm_secret, farm.uuid).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return made.decode()
