"""
What callers say of who they are, and how often they may say it wrongly.

Who turns credentials into an ``Identity`` is an ``Authenticator``; the one that asks the database is not the wire's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.errors import NotAuthenticated, Overloaded
from cm.rpc.types import SECRET_MAX, Secret

HEADER_MAX: Final = 8192  # bytes of an Authorization header
LOGIN_MAX: Final = 64
_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*\Z")  # b64token: RFC 6750, 2.1


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    login: str
    password: Secret


@dataclass(frozen=True, slots=True)
class TokenCredentials:
    token: Secret


Credentials = PasswordCredentials | TokenCredentials


class Authenticator(Protocol):
    async def authenticate(self, credentials: Credentials | None, remote: str) -> Identity:
        """
        Who this is; ``ANONYMOUS`` without credentials.

        :raises NotAuthenticated: the credentials are not good. Whether the login exists is not told.
        :raises Overloaded: too many wrong attempts.
        """
        ...


def parse_authorization(header: bytes | None) -> Credentials | None:
    """
    The credentials of an ``Authorization`` header: ``Basic`` (UTF-8) or ``Bearer``.

    :raises NotAuthenticated: there is a header and it makes no sense.
    """
    if header is None:
        return None
    # Blanks around a header are none of it; anything else that Python takes for blank is.
    scheme, _, rest = header.strip(b" \t").partition(b" ")
    rest = rest.lstrip(b" ")
    if not rest or len(header) > HEADER_MAX:
        raise NotAuthenticated()
    kind = scheme.lower()
    if kind == b"bearer":
        if _TOKEN.match(rest) is None:
            raise NotAuthenticated()
        return TokenCredentials(Secret(rest.decode("ascii")))
    if kind == b"basic":
        try:
            login, colon, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise NotAuthenticated() from None
        if colon and 0 < len(login) <= LOGIN_MAX and 0 < len(password) <= SECRET_MAX:
            return PasswordCredentials(login, Secret(password))
    raise NotAuthenticated()


def authorization(credentials: Credentials) -> str:
    """The ``Authorization`` header that says these credentials."""
    if isinstance(credentials, TokenCredentials):
        return f"Bearer {credentials.token.reveal()}"
    pair = f"{credentials.login}:{credentials.password.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


class LoginThrottle:
    """
    Counts wrong passwords per remote address and login, and per remote address alone, in token buckets.

    In memory and per process: with several processes each allows as much. Addresses beyond ``remember`` push out the
    ones that failed longest ago.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        burst: int = 10,
        per_remote_burst: int = 100,
        refill_s: float = 6.0,
        remember: int = 10_000,
    ) -> None:
        self._clock = clock
        self._bursts = (burst, per_remote_burst)
        self._refill_s = refill_s
        self._remember = remember
        self._failures: OrderedDict[tuple[str, str | None], tuple[float, float]] = OrderedDict()

    def check(self, remote: str, login: str) -> None:
        """:raises Overloaded: too many failures lately; the password is not even looked at."""
        for key, burst in self._keys(remote, login):
            if self._level(key) >= burst:
                raise Overloaded()

    def failed(self, remote: str, login: str) -> None:
        now = self._clock()
        for key, _ in self._keys(remote, login):
            self._failures[key] = (self._level(key) + 1, now)
            self._failures.move_to_end(key)
        while len(self._failures) > self._remember:
            self._failures.popitem(last=False)

    def succeeded(self, remote: str, login: str) -> None:
        self._failures.pop((remote, login), None)

    def _keys(self, remote: str, login: str) -> tuple[tuple[tuple[str, str | None], int], ...]:
        return (((remote, login), self._bursts[0]), ((remote, None), self._bursts[1]))

    def _level(self, key: tuple[str, str | None]) -> float:
        """How full the bucket of failures is; it empties by one every ``refill_s`` seconds."""
        level, since = self._failures.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock() - since) / self._refill_s)


class StaticAuthenticator:
    """An ``Authenticator`` over given passwords and tokens; for tests and for programs without accounts."""

    def __init__(
        self,
        passwords: Mapping[str, tuple[str, Identity]] | None = None,
        tokens: Mapping[str, Identity] | None = None,
        throttle: LoginThrottle | None = None,
    ) -> None:
        self._passwords = dict(passwords or {})
        self._tokens = dict(tokens or {})
        self._throttle = throttle

    async def authenticate(self, credentials: Credentials | None, remote: str) -> Identity:
        if credentials is None:
            return ANONYMOUS
        if isinstance(credentials, TokenCredentials):
            identity = self._tokens.get(credentials.token.reveal())
            if identity is None:
                raise NotAuthenticated()
            return identity
        login = credentials.login
        if self._throttle:
            self._throttle.check(remote, login)
        password, known = self._passwords.get(login, ("", None))
        if known is None or not hmac.compare_digest(password.encode(), credentials.password.reveal().encode()):
            if self._throttle:
                self._throttle.failed(remote, login)
            raise NotAuthenticated()
        if self._throttle:
            self._throttle.succeeded(remote, login)
        return known
