"""
What makes an ID token the proof of who somebody is: OpenID Connect Core 1.0, 3.1.3.7.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

__all__ = ["Expected", "IdTokenRefused", "Key", "UnknownKey", "half_hash", "public_key", "verify_id_token"]

# Signatures that only the provider can make: never "none", nor those by a secret that the client shares.
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
LEEWAY_S: Final = 60  # between the provider's clock and ours
SUBJECT_MAX: Final = 255  # characters: Core, 2
TOKEN_MAX: Final = 65_536  # characters
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class IdTokenRefused(Exception):
    """Says why, printable and bounded."""


class UnknownKey(IdTokenRefused):
    """It names a key that is not among those given; the provider may have a new one."""


@dataclass(frozen=True)
class Expected:
    """
    :ivar nonce: as the login was begun with.
    :ivar access_token: that came with the ID token.
    :ivar now: seconds since 1970.
    """

    issuer: str
    client_id: str
    nonce: str
    access_token: str = field(repr=False)
    now: float


def verify_id_token(id_token: str, keys: Sequence[Key], expected: Expected) -> dict[str, Any]:
    """
    Its claims; ``sub`` is a text.

    :param keys: the provider's.
    :raises UnknownKey: it may be good, with newer keys.
    :raises IdTokenRefused: it proves nothing.
    """
    if len(id_token) > TOKEN_MAX:
        raise IdTokenRefused("it is too long")
    try:
        header = jws.extract_compact(id_token.encode()).headers()
    except (JoseError, ValueError, TypeError, RecursionError):
        raise IdTokenRefused("it is malformed") from None
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise IdTokenRefused(f"it is signed by {_shown(algorithm)}")
    claims = _signed(id_token, _named(keys, header.get("kid")))
    try:
        jwt.JWTClaimsRegistry(
            now=int(expected.now),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": expected.issuer},
            aud={"essential": True, "value": expected.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": expected.nonce},
        ).validate(claims)
    except (JoseError, ValueError, TypeError, OverflowError) as error:
        raise IdTokenRefused(_shown(error)) from None
    if not isinstance(claims["nonce"], str) or not 1 <= len(claims["sub"]) <= SUBJECT_MAX:
        raise IdTokenRefused("it names nobody")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise IdTokenRefused("it was issued to another client")
    if "at_hash" in claims and claims["at_hash"] != half_hash(algorithm, expected.access_token):
        raise IdTokenRefused("it is of another access token")
    return claims


def _named(keys: Sequence[Key], name: object) -> list[Key]:
    """Those that may have signed: the one of this name, or any, for a token that names none."""
    found = [key for key in keys if name is None or key.kid == name]
    if not found:
        raise UnknownKey("it is signed with a key that is not the provider's")
    return found


def _signed(id_token: str, keys: Sequence[Key]) -> dict[str, Any]:
    why: Exception | None = None
    for key in keys:
        try:
            return jwt.decode(id_token, key, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            why = error
    raise IdTokenRefused(f"its signature is wrong ({_shown(why)})") from None


def half_hash(algorithm: str, text: str) -> str:
    """``at_hash`` of an access token: Core, 3.1.3.6. Ed25519 hashes by SHA-512."""
    digest = _HASHES.get(algorithm[-3:], hashlib.sha512)(text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def public_key(entry: Any) -> Key | None:
    """A key that signatures are checked with; None for any other, which a provider's set may hold, too."""
    if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP") or entry.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(entry)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _shown(text: object) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in str(text)[:100])
