"""The key that signs guests' identity documents, and the certificate that others verify them by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy.orm import Session

from cm.runtime.wall import utc_now
from cm.store.identity import find_identity, insert_identity

BITS: Final = 2048  # of AWS's ``rsa2048``, whose verifiers take RSA alone
VALID: Final = timedelta(days=365 * 30)  # it is verified by being known, not by its dates


@dataclass(frozen=True)
class Identity:
    """Both PEM."""

    private_key: str = field(repr=False)
    certificate: str


def ensure_identity(session: Session, region: str) -> Identity:
    """The cluster's key, which is made now if there is none; that takes a tenth of a second."""
    found = find_identity(session)
    if found is None:
        made = make_identity(region)
        insert_identity(session, made.private_key, made.certificate)
        found = find_identity(session)
    return Identity(found.private_key, found.certificate)


def make_identity(region: str) -> Identity:
    """A new key, with a certificate by itself."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"identity documents of {region}"[:64])])
    now = utc_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # of whoever verifies by a clock that is behind
        .not_valid_after(now + VALID)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(private.decode(), certificate.public_bytes(Encoding.PEM).decode())
