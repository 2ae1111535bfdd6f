"""
The signatures of a guest's identity document, in AWS's three forms, so that what verifies AWS's verifies ours by
another certificate: ``openssl``, Vault.
"""

from __future__ import annotations

import base64
import textwrap

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7

from cm.runtime.database import Database
from cm.services.identity import Identity, ensure_identity

_OPTIONS = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]


class Signer:
    """:raises ValueError: it is no RSA key."""

    def __init__(self, identity: Identity) -> None:
        key = load_pem_private_key(identity.private_key.encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("identity documents are signed by RSA")
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(identity.certificate.encode())

    def sign(self, data: bytes) -> bytes:
        """RSA's signature over bytes (PKCS #1 v1.5, SHA-256)."""
        return self._key.sign(data, padding.PKCS1v15(), SHA256())

    def public_numbers(self) -> tuple[int, int]:
        """Modulus and exponent of the key that verifies them."""
        numbers = self._key.public_key().public_numbers()
        return numbers.n, numbers.e

    def leaves(self, document: str) -> dict[str, str]:
        """
        What stands beside the document: ``signature`` is over its bytes alone; ``pkcs7`` and ``rsa2048``, which AWS
        makes by different keys, hold the document, as Vault wants it, and our certificate.
        """
        data = document.encode()
        signed = pkcs7.PKCS7SignatureBuilder().set_data(data).add_signer(self._certificate, self._key, SHA256())
        message = _lines(signed.sign(Encoding.DER, _OPTIONS))
        return {
            "pkcs7": message,
            "rsa2048": message,
            "signature": _lines(self.sign(data)),
        }


class Signers:
    """The cluster's signer. Its key is made when a guest asks for the first time: a cluster without such has none."""

    def __init__(self, database: Database, region: str) -> None:
        self._database = database
        self._region = region
        self._signer: Signer | None = None

    async def get(self) -> Signer:
        if self._signer is None:
            self._signer = Signer(await self._database.transact(ensure_identity, self._region))
        return self._signer


def _lines(data: bytes) -> str:
    """Base64 as PEM has it, without its first and last line."""
    return "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
