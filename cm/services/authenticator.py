"""
Who calls: passwords of local accounts, sessions that this cluster signed, and caller tokens of cloud managers.

What was found out is remembered for a while, so that a call costs no query: keyed by login, account and token subject,
bounded, and dropped at once when ``account:<id>`` is notified.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.credentials import Credentials, LoginThrottle, PasswordCredentials
from cm.rpc.errors import AccountBlocked, NotAuthenticated
from cm.rpc.keys import SigningKey
from cm.rpc.password import PasswordCache
from cm.rpc.token import SESSION_S, Claims, TokenSigner, TokenVerifier
from cm.rpc.types import Secret
from cm.rpc.vocabulary import Role
from cm.runtime.database import notify
from cm.runtime.remember import Remembered
from cm.services.accounts import TOPIC, default_quotas, passwords_of
from cm.services.context import ClusterPolicy, Services
from cm.store.account import AccountFacts, ensure_external, find_external, find_facts, find_local, set_login
from cm.store.change import record_change

# A cloud manager cannot make anybody a node of ours.
_GRANTED: Final = frozenset({Role.GUEST, Role.USER, Role.ADMIN})


@dataclass(frozen=True)
class OpenedSession:
    """A session that was opened. The token leaves us this once."""

    token: str
    expires: datetime


class DatabaseAuthenticator:
    """
    The wire's ``Authenticator`` over the table ``account``.

    :param clm_keys: public keys (PEM) of cloud managers by key id; an issuer's accounts are its own.
    :param session_key: signs and verifies this cluster's own sessions.
    :param clock: seconds that only grow, for what is remembered; ``wall`` for the times in tokens.
    """

    def __init__(
        self,
        services: Services,
        session_key: SigningKey,
        clm_keys: Mapping[str, str | bytes] | None = None,
        throttle: LoginThrottle | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        name = services.policy.name
        self._services = services
        self._wall = wall
        self._audience = name
        self._issuer = f"cm:{name}"
        self._signer = TokenSigner(session_key.private_pem, session_key.key_id, self._issuer, SESSION_S, wall)
        self._verifier = TokenVerifier(
            {**(clm_keys or {}), session_key.key_id: session_key.public_pem},
            name,
            issuers={session_key.key_id: self._issuer},
            clock=wall,
        )
        self._throttle = throttle or LoginThrottle(clock)
        services.extra.setdefault("throttle", self._throttle)
        self._right = PasswordCache(clock)
        self._by_login: Remembered[str, AccountFacts] = Remembered(clock)
        self._by_id: Remembered[int, AccountFacts] = Remembered(clock)
        self._by_subject: Remembered[tuple[str, str], AccountFacts] = Remembered(clock)
        self._news = 0  # grows with each notification: what was read before it is not kept

    # -------------------------------------------------------------- notifications

    def account_changed(self, subject: str = "") -> None:
        """Notification ``account:<id>``; without an id (the notifications were interrupted) all is forgotten."""
        self._news += 1
        account_id = int(subject) if subject.isdigit() else None
        for memory in (self._by_login, self._by_id, self._by_subject):
            memory.forget(None if account_id is None else lambda facts: facts.id == account_id)

    # -------------------------------------------------------------- recognising

    async def authenticate(self, credentials: Credentials | None, remote: str) -> Identity:
        """
        :raises NotAuthenticated: the credentials are not good; whether the login exists is not told.
        :raises TokenRefused: a token is not good, with the reason.
        :raises AccountBlocked: they are good, and the account is blocked.
        :raises Overloaded: too many wrong attempts.
        """
        if credentials is None:
            return ANONYMOUS
        if isinstance(credentials, PasswordCredentials):
            facts = await self._by_password(credentials.login, credentials.password, remote)
            return _identity(facts, "password")
        claims = self._verifier.verify(credentials.token.reveal())
        if claims.issuer == self._issuer:
            return _identity(await self._of_session(claims), "token")
        facts = await self._of_cloud(claims)
        roles = claims.identity.roles & _GRANTED
        return Identity(facts.id, claims.identity.login, roles, claims.identity.groups, source="token")

    async def open_session(self, login: str, password: Secret, remote: str) -> OpenedSession:
        """
        A token for twelve hours, or until the account's password, role or activity changes.

        :raises NotAuthenticated: AccountBlocked: Overloaded: as ``authenticate``.
        """
        facts = await self._by_password(login, password, remote)
        # Rounded down, as the token's own times are.
        expires = datetime.fromtimestamp(int(self._wall()) + SESSION_S, UTC)
        token = self._signer.sign(_identity(facts, "token"), self._audience, keys=[facts.version])
        return OpenedSession(token, expires)

    async def _by_password(self, login: str, password: Secret, remote: str) -> AccountFacts:
        given = password.reveal()
        known = self._by_login.find(login)
        if known is not None and self._right.find(login, given) == known.version:
            return _active(known)
        self._throttle.check(remote, login)
        news = self._news
        facts = await self._services.database.read(find_local, login)
        stored = None if facts is None else facts.password_hash
        # A login that does not exist takes as long.
        verify = passwords_of(self._services).verify
        right = await self._services.threads.run("password", verify, stored, given)
        if facts is None or not right:
            self._throttle.failed(remote, login)
            raise NotAuthenticated()
        self._throttle.succeeded(remote, login)
        if news == self._news:
            self._by_login.keep(login, facts)
            self._right.remember(login, given, facts.version)
        return _active(facts)

    async def _of_session(self, claims: Claims) -> AccountFacts:
        account_id = claims.identity.account_id
        facts = self._by_id.find(account_id)
        if facts is None:
            news = self._news
            facts = await self._services.database.read(find_facts, account_id)
            if facts is None:
                raise NotAuthenticated()
            if news == self._news:
                self._by_id.keep(account_id, facts)
        if claims.keys != (facts.version,):
            # Blocked is worth telling; whoever holds the token was the account's owner at that time.
            _active(facts)
            raise NotAuthenticated()
        return _active(facts)

    async def _of_cloud(self, claims: Claims) -> AccountFacts:
        subject = (claims.issuer, str(claims.identity.account_id))
        facts = self._by_subject.find(subject)
        if facts is None or facts.login != claims.identity.login:
            news = self._news
            facts = await self._services.database.transact(
                _ensure, *subject, claims.identity.login, self._services.policy
            )
            if news == self._news:
                self._by_subject.keep(subject, facts)
        return _active(facts)


def _ensure(session: Session, origin: str, external_id: str, login: str, policy: ClusterPolicy) -> AccountFacts:
    """The account of a cloud manager's caller, made when they call first, renamed when they were."""
    facts = find_external(session, origin, external_id)
    if facts is None:
        values: dict[str, Any] = {
            "origin": origin,
            "external_id": external_id,
            "login": login,
            "name": "",
            "is_admin": False,
            "password_hash": None,
            **default_quotas(policy),
        }
        made = ensure_external(session, values)
        if made is not None:
            record_change(session, "user", made, made, "enter")
        facts = find_external(session, origin, external_id)
        assert facts is not None
    if facts.login != login:
        set_login(session, facts.id, login)
        notify(session, TOPIC, facts.id)
        facts = AccountFacts(facts.id, login, facts.is_admin, facts.active, facts.version)
    return facts


def _active(facts: AccountFacts) -> AccountFacts:
    if not facts.active:
        raise AccountBlocked()
    return facts


def _identity(facts: AccountFacts, source: Any) -> Identity:
    roles = {Role.USER, Role.ADMIN} if facts.is_admin else {Role.USER}
    return Identity(facts.id, facts.login, frozenset(roles), source=source)
