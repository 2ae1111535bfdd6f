"""
What callers say of who they are.

Who turns credentials into an ``Identity`` is an ``Authenticator``; the one that asks the database is not the wire's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.errors import NotAuthenticated
from cm.rpc.throttle import LoginThrottle
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
        :raises TooManyLogins: too many wrong ones lately; these were not looked at.
        """
        ...

    async def still_good(self, identity: Identity) -> bool:
        """Whether somebody it recognised would be let in now; for a connection that outlives its token."""
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
        # Nobody's login has what cannot be printed; no database takes NUL.
        if colon and 0 < len(login) <= LOGIN_MAX and login.isprintable() and 0 < len(password) <= SECRET_MAX:
            return PasswordCredentials(login, Secret(password))
    raise NotAuthenticated()


def authorization(credentials: Credentials) -> str:
    """The ``Authorization`` header that says these credentials."""
    if isinstance(credentials, TokenCredentials):
        return f"Bearer {credentials.token.reveal()}"
    pair = f"{credentials.login}:{credentials.password.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


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
        if self._throttle is None:
            identity = self._recognise(credentials)
        else:
            with self._throttle.attempt(remote, credentials.login) as attempt:
                identity = self._recognise(credentials)
                attempt.right = identity is not None
        if identity is None:
            raise NotAuthenticated()
        return identity

    async def still_good(self, identity: Identity) -> bool:
        return identity in self._tokens.values() or any(identity == known for _, known in self._passwords.values())

    def _recognise(self, credentials: PasswordCredentials) -> Identity | None:
        password, known = self._passwords.get(credentials.login, ("", None))
        right = hmac.compare_digest(password.encode(), credentials.password.reveal().encode())
        return known if right else None
