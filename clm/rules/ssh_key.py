"""
SSH public keys: one line of an authorized_keys file, held against the wire format of what it encodes.

Formats: RFC 4253, 6.6 (RSA); RFC 5656, 3.1 (ECDSA); RFC 8709, 4 (Ed25519); OpenSSH's PROTOCOL.u2f (security keys).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from cm.rpc.errors import InvalidRequest

RSA_MIN: Final = 2048  # bits: NIST SP 800-131A
RSA_MAX: Final = 16_384  # bits: OpenSSH takes no more (sshkey.h, SSHBUF_MAX_BIGNUM)

_LINE: Final = re.compile(r"([^ \t]+)[ \t]+([^ \t]+)(?:[ \t]+(.*))?")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(eq=False)
class KeyRefused(InvalidRequest):
    code = "ssh_key_format"
    message = "This is no SSH public key that is taken: {reason}."
    reason: str


@dataclass(frozen=True)
class PublicKey:
    """:ivar blob: the key as it crosses the wire; what fingerprints are of."""

    kind: str
    blob: bytes
    comment: str = ""

    @property
    def text(self) -> str:
        """One line of an authorized_keys file."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()} {self.comment}".rstrip(" ")

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` tells it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def fingerprint_md5(self) -> str:
        """As ``ssh-keygen -l -E md5`` tells it, without the prefix."""
        return hashlib.md5(self.blob, usedforsecurity=False).digest().hex(":")


def parse_public_key(line: str) -> PublicKey:
    """
    Read a key; blanks around it and between its parts do not matter.

    :raises KeyRefused: it is malformed, weak or of a kind that is not taken; options and certificates are not.
    """
    stripped = line.strip(" \t\r\n")
    if _CONTROL.search(stripped.replace("\t", " ")):
        raise KeyRefused("it must be one line, without control characters")
    found = _LINE.fullmatch(stripped)
    if found is None:
        raise KeyRefused("it must be a type, the key in base64, and perhaps a comment")
    kind, encoded, comment = found[1], found[2], (found[3] or "").strip(" \t")
    if kind not in _BODIES:
        raise KeyRefused(_unknown(kind))
    blob = _decoded(encoded)
    reader = _Reader(blob)
    if reader.string() != kind.encode():
        raise KeyRefused("what it encodes is not of the type that it names")
    _BODIES[kind](reader)
    reader.end()
    return PublicKey(kind, blob, comment)


def _unknown(kind: str) -> str:
    if "-cert-v0" in kind:
        return "certificates are not taken, only plain keys"
    if kind == "ssh-dss":
        return "DSA keys are not taken, as OpenSSH takes them no more"
    if "PRIVATE" in kind or kind.startswith("-----"):
        return "it must be the public part, not a file of another format"
    if "=" in kind or "," in kind or kind.startswith("no-") or kind == "restrict":
        return "options before the key are not taken"
    return "its type is none of " + ", ".join(_BODIES)


def _decoded(encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise KeyRefused("its second part is not base64") from None
    if base64.b64encode(blob).decode() != encoded:
        raise KeyRefused("its base64 does not end as it should")
    return blob


class _Reader:
    """Strings and numbers of SSH's wire format: RFC 4251, 5."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def string(self) -> bytes:
        begin = self._at + 4
        length = int.from_bytes(self._blob[self._at : begin], "big")
        if begin > len(self._blob) or begin + length > len(self._blob):
            raise KeyRefused("it is cut short")
        self._at = begin + length
        return self._blob[begin : self._at]

    def number(self) -> int:
        raw = self.string()
        if not raw or raw[0] & 0x80 or (raw[0] == 0 and not (len(raw) > 1 and raw[1] & 0x80)):
            raise KeyRefused("a number in it is negative, zero or written with needless zeros")
        return int.from_bytes(raw, "big")

    def end(self) -> None:
        if self._at != len(self._blob):
            raise KeyRefused("more follows after its end")


def _rsa(reader: _Reader) -> None:
    exponent, modulus = reader.number(), reader.number()
    if not RSA_MIN <= modulus.bit_length() <= RSA_MAX:
        raise KeyRefused(f"an RSA key needs {RSA_MIN} to {RSA_MAX} bits, this has {modulus.bit_length()}")
    if exponent < 3 or exponent % 2 == 0 or modulus % 2 == 0 or exponent >= modulus:
        raise KeyRefused("its numbers are not an RSA key's")


def _ed25519(reader: _Reader) -> None:
    if len(reader.string()) != 32:
        raise KeyRefused("an Ed25519 key has 32 bytes")


def _ecdsa(name: str, curve: ec.EllipticCurve) -> Callable[[_Reader], None]:
    def read(reader: _Reader) -> None:
        if reader.string() != name.encode():
            raise KeyRefused("its curve is not the one that its type names")
        point = reader.string()
        if point[:1] != b"\x04":  # sshkey.c reads no compressed points
            raise KeyRefused("its point is not in the uncompressed form")
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        except ValueError:
            raise KeyRefused("its point is not on the curve") from None

    return read


def _security_key(body: Callable[[_Reader], None]) -> Callable[[_Reader], None]:
    def read(reader: _Reader) -> None:
        body(reader)
        application = reader.string()
        if not application or not all(0x20 < byte < 0x7F for byte in application):
            raise KeyRefused("its application is not a name")

    return read


_BODIES: Final[dict[str, Callable[[_Reader], None]]] = {
    "ssh-ed25519": _ed25519,
    "ssh-rsa": _rsa,
    "ecdsa-sha2-nistp256": _ecdsa("nistp256", ec.SECP256R1()),
    "ecdsa-sha2-nistp384": _ecdsa("nistp384", ec.SECP384R1()),
    "ecdsa-sha2-nistp521": _ecdsa("nistp521", ec.SECP521R1()),
    "sk-ssh-ed25519@openssh.com": _security_key(_ed25519),
    "sk-ecdsa-sha2-nistp256@openssh.com": _security_key(_ecdsa("nistp256", ec.SECP256R1())),
}
KINDS: Final = tuple(_BODIES)
