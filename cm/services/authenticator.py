"""
Who calls: passwords of local accounts, sessions that this cluster signed, and caller tokens of cloud managers.

What was found out is remembered for a while, so that a call costs no query: keyed by login, account and token subject,
bounded, and dropped at once when ``account:<id>`` is notified. Keys of cloud managers are read when ``trust`` is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.credentials import Credentials, PasswordCredentials
from cm.rpc.errors import AccountBlocked, NotAuthenticated
from cm.rpc.gate import PasswordGate
from cm.rpc.keys import SigningKey
from cm.rpc.password import PasswordCache
from cm.rpc.token import SESSION_S, Claims, IssuerKey, TokenRefused, TokenSigner, TokenVerifier, key_id_of
from cm.rpc.types import ID_MAX, Secret
from cm.rpc.vocabulary import Role
from cm.runtime.database import Database, notify
from cm.runtime.logins import Claim, LoginTrail, watched
from cm.runtime.remember import REMEMBER_S, Remembered
from cm.runtime.wall import steady_seconds, unix_seconds
from cm.services.account import TOPIC, default_quotas
from cm.services.context import ClusterPolicy
from cm.store.account import (
    LOCAL,
    AccountFacts,
    ensure_external,
    find_external,
    find_facts,
    find_local,
    find_password,
    set_login,
)
from cm.store.change import record_change
from cm.store.trust import list_keys

log = Logger()

# A key that is not known may have been added by another process just now; keys that nobody knows cost no more than
# this many seconds allow.
NEW_KEY_S: Final = 0.1

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

    :param clm_keys: public keys (PEM) of cloud managers by key id, from the settings; those of the table
        ``trusted_key`` are added to them. An issuer's accounts are its own.
    :param session_key: signs and verifies this cluster's own sessions.
    :param clock: seconds that only grow, for what is remembered; ``wall`` for the times in tokens.
    """

    def __init__(
        self,
        database: Database,
        policy: ClusterPolicy,
        gate: PasswordGate,
        logins: LoginTrail,
        session_key: SigningKey,
        clm_keys: Mapping[str, str | bytes] | None = None,
        clock: Callable[[], float] = steady_seconds,
        wall: Callable[[], float] = unix_seconds,
    ) -> None:
        name = policy.name
        self._database = database
        self._policy = policy
        self._gate = gate
        self._logins = logins
        self._clock = clock
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
        self._right = PasswordCache(clock)
        self._by_login: Remembered[str, AccountFacts] = Remembered(clock)
        self._by_id: Remembered[int, AccountFacts] = Remembered(clock)
        self._by_subject: Remembered[tuple[str, str], AccountFacts] = Remembered(clock)
        self._own_keys = frozenset({session_key.key_id, *(clm_keys or {})})
        self._keys_at = -REMEMBER_S  # when the database was last asked for its keys
        self._key_reads = [0, 0]  # begun; and the number of the one whose keys are in force
        self._trusted: dict[str, IssuerKey] = {}
        self._on_keys: list[Callable[[], object]] = []

    def subscribe(self, callback: Callable[[], object]) -> None:
        """Have ``callback()`` called when other keys are trusted than before."""
        self._on_keys.append(callback)

    # -------------------------------------------------------------- notifications

    def account_changed(self, subject: str = "") -> None:
        """Notification ``account:<id>``; without an id (the notifications were interrupted) all is forgotten."""
        account_id = int(subject) if subject.isdigit() else None
        for memory in (self._by_login, self._by_id, self._by_subject):
            memory.forget(None if account_id is None else lambda facts: facts.id == account_id)

    def trust_changed(self, _subject: str = "") -> None:
        """Notification ``trust``."""
        self._keys_at = -math.inf  # should the reading fail, the next token tries again
        Deferred.fromCoroutine(self.load_keys()).addErrback(
            lambda failure: log.warn("the trusted keys could not be read: {error}", error=str(failure.value))
        )

    async def load_keys(self) -> None:
        """Trust the keys that the database holds now, and no others but those of the settings."""
        self._key_reads[0] += 1
        mine, at = self._key_reads[0], self._clock()
        rows = await self._database.read(list_keys)
        if mine < self._key_reads[1]:
            return  # a reading that began later has ended already
        self._key_reads[1] = mine
        self._keys_at = max(self._keys_at, at)
        keys = {row["key_id"]: IssuerKey(row["public_key"], row["issuer"]) for row in rows}
        if keys == self._trusted:
            return
        self._trusted = keys
        left = self._verifier.set_keys(keys)
        if left:
            log.warn("keys of these ids are not trusted, as the settings have others: {ids}", ids=left)
        for callback in self._on_keys:
            callback()

    def has_own_key(self, key_id: str) -> bool:
        """Whether the settings have a key of this id, or it is that of our sessions."""
        return key_id in self._own_keys

    # -------------------------------------------------------------- recognising

    async def authenticate(self, credentials: Credentials | None, remote: str) -> Identity:
        """
        :raises NotAuthenticated: the credentials are not good; whether the login exists is not told.
        :raises TokenRefused: a token is not good, with the reason.
        :raises AccountBlocked: they are good, and the account is blocked.
        :raises TooManyLogins: too many wrong passwords lately; this one was not looked at.
        """
        if credentials is None:
            return ANONYMOUS
        if isinstance(credentials, PasswordCredentials):
            with watched(self._logins, credentials.login, remote, "basic") as claim:
                facts = await self._by_password(credentials.login, credentials.password, remote)
                claim.account_id = facts.id
            return _identity(facts, "password")
        with watched(self._logins, "", remote, "token") as claim:
            identity = await self._by_token(credentials.token.reveal(), claim)
            claim.login, claim.account_id = identity.login, identity.account_id
        return identity

    async def _by_token(self, token: str, claim: Claim) -> Identity:
        await self._keys_for(token)
        claims = self._verifier.verify(token)
        claim.login = claims.identity.login
        if claims.issuer == self._issuer:
            claim.how = "session"
            return _identity(await self._of_session(claims), "token")
        facts = await self._of_cloud(claims)
        roles = claims.identity.roles & _GRANTED
        login, groups = claims.identity.login, claims.identity.groups
        return Identity(facts.id, login, roles, groups, source="token", issuer=claims.issuer)

    async def still_good(self, identity: Identity) -> bool:
        """
        Whether a cloud manager's caller would still be let in, for a connection that outlives its token: their account
        is active and a key is trusted to speak for their cloud manager. Others are asked by their credentials again.
        """
        if not self._verifier.trusts(identity.issuer):
            return False
        facts = await self._facts_of(identity.account_id)
        return facts is not None and facts.active

    async def _keys_for(self, token: str) -> None:
        age = self._clock() - self._keys_at
        if age >= REMEMBER_S or (age >= NEW_KEY_S and not self._verifier.knows(key_id_of(token) or "")):
            self._keys_at = self._clock()  # whoever comes meanwhile goes on with the keys that there are
            await self.load_keys()

    async def open_session(self, login: str, password: Secret, remote: str) -> OpenedSession:
        """
        A token for twelve hours, or until the account's password, role or activity changes.

        :raises NotAuthenticated: AccountBlocked: TooManyLogins: as ``authenticate``.
        """
        with watched(self._logins, login, remote, "password") as claim:
            facts = await self._by_password(login, password, remote)
            claim.account_id = facts.id
        # Rounded down, as the token's own times are.
        expires = datetime.fromtimestamp(int(self._wall()) + SESSION_S, UTC)
        token = self._signer.sign(_identity(facts, "token"), self._audience, keys=[facts.version])
        return OpenedSession(token, expires)

    async def _by_password(self, login: str, password: Secret, remote: str) -> AccountFacts:
        given = password.reveal()
        lately, known = self._right.find(login, given), self._by_login.find(login)
        if known is not None and lately == known.version:
            return _active(known)
        keep = self._by_login.keeper()
        # The hash alone first: looking up all else takes longer for somebody who exists.
        stored = await self._gate.right_hash(remote, login, password, lambda: self._database.read(find_password, login))
        facts = None if stored is None else await self._database.read(find_local, login)
        if facts is None or facts.password_hash != stored:
            raise NotAuthenticated()
        if keep(login, facts):
            self._right.remember(login, given, facts.version)
        return _active(facts)

    async def _of_session(self, claims: Claims) -> AccountFacts:
        facts = await self._facts_of(claims.identity.account_id)
        if facts is None:
            raise NotAuthenticated()
        if claims.keys != (facts.version,):
            # Blocked is worth telling; whoever holds the token was the account's owner at that time.
            _active(facts)
            raise NotAuthenticated()
        return _active(facts)

    async def _facts_of(self, account_id: int) -> AccountFacts | None:
        return await self._by_id.look_up(account_id, lambda: self._database.read(find_facts, account_id))

    async def _of_cloud(self, claims: Claims) -> AccountFacts:
        # Our own accounts are nobody else's, and ids are what the database can count.
        if claims.issuer == LOCAL or not 0 <= claims.identity.account_id <= ID_MAX:
            raise TokenRefused("its key may not speak for its subject")
        subject = (claims.issuer, str(claims.identity.account_id))
        facts = self._by_subject.find(subject)
        if facts is None or facts.login != claims.identity.login:
            keep = self._by_subject.keeper()
            facts = await self._database.transact(_ensure, *subject, claims.identity.login, self._policy)
            keep(subject, facts)
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
