"""
Caller tokens: what a cloud manager says of a caller to a cluster, signed with Ed25519, for a minute.

A token is a JWT of these claims: ``sub`` (account id as text), ``login``, ``roles``, ``groups``, ``keys`` (opaque to
the wire), ``aud`` (the cluster's name), ``iss``, ``iat``, ``exp``, ``jti``. Its header's ``kid`` names the key. It is
good for one request. A cluster also signs the sessions of its own accounts, as issuer ``cm:<name>``: these live
longer and are shown with every request.
"""

from __future__ import annotations

import heapq
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cm.rpc.caller import Identity
from cm.rpc.errors import NotAuthenticated
from cm.rpc.types import ID_MAX, Login, Name
from cm.rpc.vocabulary import Role

ALGORITHM: Final = "EdDSA"
LIFETIME_S: Final = 60
SESSION_S: Final = 12 * 3600
LEEWAY_S: Final = 5
TOKEN_MAX: Final = 8192  # characters
LOGIN_MAX: Final = 64  # characters, as the wire's logins
JTI_MAX: Final = 128  # characters
USED_MAX: Final = 200_000  # 3,000 a second for the 65 s that each is remembered; some 40 MB
_REQUIRED: Final = ["sub", "login", "roles", "aud", "iss", "iat", "exp", "jti"]
# Base64 as Python decodes it takes blanks and signs between; one token has one spelling.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\Z")


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
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key (PEM) and the one issuer that it may speak for."""

    public_key: str | bytes
    issuer: str


class _Payload(msgspec.Struct, gc=False):
    """
    What a token may say, whoever signed it: what the database and the log can hold, and ids in their one spelling.
    Times, audience and issuer's right are looked at beside it.
    """

    sub: Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,18})(?![\s\S])")]
    login: Annotated[
        str, msgspec.Meta(min_length=1, max_length=LOGIN_MAX, pattern=r"^[^\x00-\x1f\x7f-\x9f]+(?![\s\S])")
    ]
    roles: list[Role]
    iss: Name
    jti: Annotated[str, msgspec.Meta(min_length=1, max_length=JTI_MAX)]
    groups: list[Annotated[int, msgspec.Meta(ge=0, le=ID_MAX)]] = []
    keys: list[Any] = []


class UsedTokens:
    """
    The tokens that were seen, until they expire: none is good twice.

    Bounded: where there are more, the ones that expire soonest are forgotten, and could be shown again for what is left
    of their minute. Each process remembers for itself until it ends, so a token that was overheard on its way to one
    could be shown to another of the same cluster, or to the next after a restart, within its minute. Remembering in
    the database would cost every call a write; what stands in its place is TLS, under which nothing is overheard, and
    the ``request_id`` that a forwarded change carries: shown twice it happens once, wherever.
    """

    def __init__(self, most: int = USED_MAX) -> None:
        self._most = most
        self._known: set[tuple[str, str]] = set()
        self._by_end: list[tuple[float, tuple[str, str]]] = []

    def __len__(self) -> int:
        return len(self._known)

    def use(self, issuer: str, jti: str, until: float, now: float) -> bool:
        """Whether it is the first time; from now on it is not."""
        while self._by_end and self._by_end[0][0] <= now:
            self._known.discard(heapq.heappop(self._by_end)[1])
        key = (issuer, jti)
        if key in self._known:
            return False
        self._known.add(key)
        heapq.heappush(self._by_end, (until, key))
        if len(self._by_end) > self._most:
            self._known.discard(heapq.heappop(self._by_end)[1])
        return True


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
    What is verified is remembered for sessions alone: any other token is good once.

    :param keys: public keys by key id, in PEM, for as long as the process lives; ``set_keys`` adds others to them.
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
        used_max: int = USED_MAX,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fixed = {key_id: read_public_key(key_id, pem) for key_id, pem in keys.items()}
        self._keys = dict(self._fixed)
        self._audience = audience
        self._leeway_s = leeway_s
        self._lifetimes = {f"cm:{audience}": session_s}
        self._lifetime_s = lifetime_s
        self._fixed_issuers = dict(issuers or {})
        self._issuers = dict(self._fixed_issuers)
        self._cache_max = cache_max
        self._clock = clock
        self._verified: OrderedDict[str, Claims] = OrderedDict()
        self._used = UsedTokens(used_max)

    def set_keys(self, keys: Mapping[str, IssuerKey]) -> list[str]:
        """
        Trust these besides those it was made with, and no longer others that were set before.

        :return: ids of keys that were not taken: one it was made with has that id, or it is no Ed25519 key.
        """
        made, issuers, left = dict(self._fixed), dict(self._fixed_issuers), []
        for key_id, key in keys.items():
            try:
                public = read_public_key(key_id, key.public_key)
            except ValueError:
                left.append(key_id)
                continue
            if key_id in self._fixed:
                left.append(key_id)
            else:
                made[key_id], issuers[key_id] = public, key.issuer
        changed = {key_id for key_id, was in self._keys.items() if _raw(was) != _raw(made.get(key_id))}
        self._keys, self._issuers = made, issuers
        for token in [token for token, claims in self._verified.items() if claims.key_id in changed]:
            del self._verified[token]
        return left

    def knows(self, key_id: str) -> bool:
        return key_id in self._keys

    def trusts(self, issuer: str) -> bool:
        """Whether any key may speak for this issuer now."""
        return any(self._may_speak(key_id, issuer) for key_id in self._keys)

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
        if _TOKEN.match(token) is None:
            raise TokenRefused("it is malformed")
        claims = self._read(token, now)
        if claims.issuer not in self._lifetimes:
            if not self._used.use(claims.issuer, claims.jti, claims.expires + self._leeway_s, now):
                raise TokenRefused("it was used before")
            return claims
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
        if not self._may_speak(key_id, issuer):
            raise TokenRefused("its key may not speak for its issuer")
        try:
            told = msgspec.convert(claims, _Payload)
            account_id = int(told.sub)
            if issuer not in self._lifetimes:
                msgspec.convert(told.login, Login)  # of our own accounts, administrators may have named some otherwise
        except (msgspec.ValidationError, UnicodeError):
            raise TokenRefused("it is malformed") from None
        if account_id > ID_MAX or not (told.login + issuer).isprintable():  # lone surrogates, which no pattern tells
            raise TokenRefused("it is malformed")
        identity = Identity(
            account_id,
            told.login,
            frozenset(told.roles),
            tuple(told.groups),
            source="token",
            issuer="" if issuer in self._lifetimes else issuer,
        )
        return Claims(identity, issuer, told.jti, float(expires), tuple(told.keys), key_id)

    def _may_speak(self, key_id: str, issuer: str) -> bool:
        allowed = self._issuers.get(key_id)
        return issuer == allowed or (allowed is None and issuer not in self._lifetimes)


def key_id_of(token: str) -> str | None:
    """Which key a token says that it was signed with; nothing of it is verified."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid") if len(token) <= TOKEN_MAX else None
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    return key_id if isinstance(key_id, str) else None


def read_public_key(key_id: str, pem: str | bytes) -> Ed25519PublicKey:
    """:raises ValueError: it is not an Ed25519 public key in PEM."""
    try:
        key = load_pem_public_key(_bytes(pem))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"the key {key_id} is not an Ed25519 key")
    return key


def _raw(key: Ed25519PublicKey | None) -> bytes:
    return b"" if key is None else key.public_bytes_raw()


def _bytes(pem: str | bytes) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53
