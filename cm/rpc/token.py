"""
Caller tokens: what a cloud manager says of a caller to a cluster, signed with Ed25519, for a minute.

A token is a JWT of these claims: ``sub`` (account id as text), ``login``, ``roles``, ``groups``, ``keys`` (opaque to
the wire), ``aud`` (the cluster's name), ``iss``, ``iat``, ``exp``, ``jti``. Its header's ``kid`` names the key. A
cluster also signs the sessions of its own accounts, as issuer ``cm:<name>``: these may live longer.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cm.rpc.caller import Identity
from cm.rpc.errors import NotAuthenticated
from cm.rpc.vocabulary import Role

ALGORITHM: Final = "EdDSA"
LIFETIME_S: Final = 60
SESSION_S: Final = 12 * 3600
LEEWAY_S: Final = 5
TOKEN_MAX: Final = 8192  # characters
_REQUIRED: Final = ["sub", "login", "roles", "aud", "iss", "iat", "exp", "jti"]


@dataclass(eq=False)
class TokenRefused(NotAuthenticated):
    code = "token_refused"
    message = "The token is refused: {reason}."
    reason: str


@dataclass(frozen=True, slots=True)
class Claims:
    """A verified token. ``keys`` and ``jti`` are for whoever wants them; ``identity`` is what calls need."""

    identity: Identity
    issuer: str
    jti: str
    expires: float
    keys: tuple[Any, ...] = ()


class TokenSigner:
    """
    :param issuer: ``clm`` and the like, or ``cm:<name>`` for a cluster's own sessions.
    """

    def __init__(
        self,
        private_key_pem: str | bytes,
        key_id: str,
        issuer: str = "clm",
        lifetime_s: int = LIFETIME_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        key = load_pem_private_key(_bytes(private_key_pem), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"the key {key_id} is not an Ed25519 key")
        self._key = key
        self._key_id = key_id
        self._issuer = issuer
        self._lifetime_s = lifetime_s
        self._clock = clock

    def __repr__(self) -> str:
        return f"<TokenSigner {self._issuer} {self._key_id}>"

    def sign(self, identity: Identity, audience: str, keys: Sequence[Any] = (), lifetime_s: int | None = None) -> str:
        """A token for this identity at one cluster."""
        now = int(self._clock())
        claims = {
            "sub": str(identity.account_id),
            "login": identity.login,
            "roles": sorted(role.value for role in identity.roles),
            "groups": list(identity.groups),
            "keys": list(keys),
            "aud": audience,
            "iss": self._issuer,
            "iat": now,
            "exp": now + (self._lifetime_s if lifetime_s is None else lifetime_s),
            "jti": secrets.token_hex(12),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._key_id})


class TokenVerifier:
    """
    :param keys: public keys by key id, in PEM.
    :param audience: this cluster's name; tokens for others are refused, whoever signed them.
    :param issuers: for a key id, the one issuer that it may speak for; without an entry, any but this cluster itself.
    """

    def __init__(
        self,
        keys: Mapping[str, str | bytes],
        audience: str,
        leeway_s: int = LEEWAY_S,
        lifetime_s: int = LIFETIME_S,
        session_s: int = SESSION_S,
        issuers: Mapping[str, str] | None = None,
        cache_max: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = {key_id: _public(key_id, pem) for key_id, pem in keys.items()}
        self._audience = audience
        self._leeway_s = leeway_s
        self._lifetimes = {f"cm:{audience}": session_s}
        self._lifetime_s = lifetime_s
        self._issuers = dict(issuers or {})
        self._cache_max = cache_max
        self._clock = clock
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def verify(self, token: str) -> Claims:
        """:raises TokenRefused: with the reason."""
        now = self._clock()
        known = self._verified.get(token)
        if known is not None:
            if now < known.expires + self._leeway_s:
                return known
            del self._verified[token]
            raise TokenRefused("it has expired")
        if len(token) > TOKEN_MAX:
            raise TokenRefused("it is too long")
        claims = self._read(token, now)
        self._verified[token] = claims
        if len(self._verified) > self._cache_max:
            self._verified.popitem(last=False)
        return claims

    def _read(self, token: str, now: float) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM:
                raise TokenRefused("its algorithm is not EdDSA")
            key_id = header.get("kid")
            key = self._keys.get(key_id) if isinstance(key_id, str) else None
            if key is None or not isinstance(key_id, str):
                raise TokenRefused("its key is unknown")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                # Times are looked at below, by our own clock.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidAudienceError:
            raise TokenRefused("it is for another cluster") from None
        except jwt.MissingRequiredClaimError as error:
            raise TokenRefused(f"it lacks {error.claim}") from None
        except jwt.InvalidSignatureError:
            raise TokenRefused("its signature is wrong") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenRefused("it is malformed") from None
        return self._checked(claims, key_id, now)

    def _checked(self, claims: Mapping[str, Any], key_id: str, now: float) -> Claims:
        issued, expires, issuer = claims["iat"], claims["exp"], claims["iss"]
        if not _is_time(issued) or not _is_time(expires) or not isinstance(issuer, str):
            raise TokenRefused("it is malformed")
        if claims["aud"] != self._audience:  # a list of audiences would make one token good everywhere
            raise TokenRefused("it is for another cluster")
        if now >= expires + self._leeway_s:
            raise TokenRefused("it has expired")
        if issued > now + self._leeway_s:
            raise TokenRefused("it is from the future; the clocks differ")
        if expires - issued > self._lifetimes.get(issuer, self._lifetime_s):
            raise TokenRefused("it lives too long")
        allowed = self._issuers.get(key_id)
        if issuer != allowed and (allowed is not None or issuer in self._lifetimes):
            raise TokenRefused("its key may not speak for its issuer")
        try:
            identity = Identity(
                account_id=int(claims["sub"]),
                login=str(claims["login"]),
                roles=frozenset(Role(role) for role in claims["roles"]),
                groups=tuple(int(group) for group in claims.get("groups", ())),
                source="token",
            )
            return Claims(identity, issuer, str(claims["jti"]), float(expires), tuple(claims.get("keys", ())))
        except (TypeError, ValueError):
            raise TokenRefused("it is malformed") from None


def _public(key_id: str, pem: str | bytes) -> Ed25519PublicKey:
    key = load_pem_public_key(_bytes(pem))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"the key {key_id} is not an Ed25519 key")
    return key


def _bytes(pem: str | bytes) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53
