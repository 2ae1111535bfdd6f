"""
Who calls: passwords, sessions (``wls_...``) and API keys (``wak_...``).

What was found out is remembered for a while, so that a call costs no query: keyed by login and by the token's hash,
bounded, and dropped at once when ``user:<id>`` is notified. Passwords that were right are remembered as keyed digests
(``cm/rpc/password.py``); tokens are never remembered, only their hashes.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from clm.services import totp
from clm.services.account import SESSION_PREFIX, OpenedSession, open_session, token_hash
from clm.services.api_key import ACCESS_LENGTH, EC2_PREFIX, ec2_secret
from clm.services.context import CloudIdentity, CloudPolicy
from clm.services.ec2_session import EC2Session, open_ec2_session, read_ec2_session
from clm.services.identity import identity_of
from clm.store.api_key import ApiKeyFacts, find_api_key, find_api_key_by_id, touch_api_key
from clm.store.identity import UserFacts, find_by_login, find_facts, find_password
from clm.store.session import find_session, find_session_by_id, touch_session
from cm.rpc.caller import ANONYMOUS, Identity
from cm.rpc.credentials import Credentials, PasswordCredentials
from cm.rpc.errors import AccountBlocked, NotAuthenticated, NotPermitted
from cm.rpc.gate import PasswordGate
from cm.rpc.password import PasswordCache
from cm.rpc.types import Secret
from cm.runtime.database import Database
from cm.runtime.logins import LoginTrail, watched
from cm.runtime.remember import Remembered
from cm.runtime.wall import steady_seconds, unix_seconds

log = Logger()

USED_S: Final = 60.0  # the last use of a session or key is written at most this often
HASHING: Final = 2  # passwords looked at together: as many as there are threads for them
_TOKEN = re.compile(r"w(?:ls|ak)_[A-Za-z0-9_-]{43}\Z")


@dataclass(eq=False)
class AccountInactive(NotPermitted):
    """Told to whoever has the right password alone."""

    code = "account_inactive"
    message = "The account is not active yet: it is {state}."
    state: str


@dataclass(frozen=True)
class _Held:
    """A token that was good when it was looked up."""

    user: UserFacts
    expires_at: datetime | None
    session_id: int | None = None
    api_key_id: int | None = None
    scope: tuple[str, ...] | None = None
    ec2_key: ApiKeyFacts | None = None


class CloudAuthenticator:
    """
    The wire's ``Authenticator`` over a cloud's users.

    :param clock: seconds that only grow, for what is remembered; ``wall`` for when sessions and keys expire.
    """

    def __init__(
        self,
        database: Database,
        policy: CloudPolicy,
        gate: PasswordGate,
        logins: LoginTrail,
        clock: Callable[[], float] = steady_seconds,
        wall: Callable[[], float] = unix_seconds,
    ) -> None:
        self._database = database
        self._policy = policy
        self._wall = wall
        self._gate = gate
        self._logins = logins
        self._right = PasswordCache(clock)
        self._by_login: Remembered[str, UserFacts] = Remembered(clock)
        self._by_token: Remembered[str, _Held] = Remembered(clock)
        self._used: Remembered[tuple[str, int], bool] = Remembered(clock, USED_S)

    def user_changed(self, subject: str = "") -> None:
        """Notification ``user:<id>``; without an id (the notifications were interrupted) all is forgotten."""
        user_id = int(subject) if subject.isdigit() else None
        self._by_login.forget(None if user_id is None else lambda facts: facts.id == user_id)
        self._by_token.forget(None if user_id is None else lambda held: held.user.id == user_id)

    async def authenticate(self, credentials: Credentials | None, remote: str) -> Identity:
        """
        :raises NotAuthenticated: the password is wrong or the token is not good (any more), which of these is not told;
            OTPRequired: the password is right, and this user's session is opened by ``guest.session.login``.
        :raises AccountBlocked: AccountInactive: told to whoever has the password or the token.
        :raises TooManyLogins: too many wrong ones lately; this one was not looked at.
        """
        if credentials is None:
            return ANONYMOUS
        if isinstance(credentials, PasswordCredentials):
            with watched(self._logins, credentials.login, remote, "basic") as claim:
                facts = await self._by_password(credentials.login, credentials.password, remote)
                claim.account_id = facts.id
                if facts.has_totp:
                    raise totp.OTPRequired()
            return identity_of(facts, self._policy, "password")
        token = credentials.token.reveal()
        is_session = token.startswith(SESSION_PREFIX)
        with watched(self._logins, "", remote, "session" if is_session else "key") as claim:
            if _TOKEN.match(token) is None:
                raise NotAuthenticated()
            lookup = _find_by_session if is_session else _find_by_key
            identity = self._identified(await self._by_token_hash(token_hash(token), lookup, token), remote)
            claim.login, claim.account_id = identity.login, identity.account_id
        return identity

    async def by_ec2_key(self, access_key: str, remote: str, token: str = "") -> tuple[CloudIdentity, Secret]:
        """
        Whose EC2 pair this is, and the secret that they must have signed with: it is the caller of this method who
        looks whether they did, and then says ``ec2_key_used``.

        :param token: of a temporary pair.
        :raises NotAuthenticated: there is none, or it has expired. AccountBlocked: AccountInactive: its user is.
        """
        # That they were let in is for the caller of this to note, once the signature is good.
        with watched(self._logins, "", remote, "ec2"):
            temporary = read_ec2_session(self._policy, access_key, token) if token else None
            if token and (temporary is None or temporary.until <= self._wall()):
                raise NotAuthenticated()
            kept = access_key if temporary is None else temporary.made_with
            if not kept.startswith(EC2_PREFIX):
                raise NotAuthenticated()
            held = await self._by_token_hash(token_hash(kept), _find_by_ec2_key, kept)
        assert held.ec2_key is not None
        secret = ec2_secret(self._policy, held.ec2_key) if temporary is None else temporary.secret
        return self._identity(held), Secret(secret)

    def ec2_key_used(self, identity: CloudIdentity) -> None:
        """Somebody signed with a pair: until that was looked at, anybody might have named it."""
        assert identity.api_key_id is not None
        self._note_key(identity.api_key_id)

    async def open_ec2_session(self, identity: CloudIdentity, seconds: int) -> EC2Session:
        """
        A temporary pair of whoever signed with a pair of theirs.

        :raises NotAuthenticated: that is gone meanwhile.
        """
        assert identity.api_key_id is not None
        key = await self._database.read(find_api_key_by_id, identity.api_key_id)
        if key is None:
            raise NotAuthenticated()
        return open_ec2_session(self._policy, key.access_key, self._wall(), seconds)

    def _identified(self, held: _Held, remote: str) -> CloudIdentity:
        self._note_use(held, remote)
        return self._identity(held)

    def _identity(self, held: _Held) -> CloudIdentity:
        return identity_of(
            held.user,
            self._policy,
            "token",
            scope=held.scope,
            session_id=held.session_id,
            api_key_id=held.api_key_id,
        )

    async def log_in(
        self, login: str, password: Secret, otp: str | None, remote: str, client: str = ""
    ) -> tuple[OpenedSession, CloudIdentity]:
        """
        Open a session.

        :param otp: of the authenticator, or a recovery code; needed once the user has a second factor.
        :raises OTPRequired: the password is right, and ``otp`` is missing.
        :raises NotAuthenticated: AccountBlocked: AccountInactive: TooManyLogins: as ``authenticate``.
        """
        with watched(self._logins, login, remote, "password") as claim:
            facts = await self._by_password(login, password, remote, afresh=True)
            claim.account_id = facts.id
            if facts.has_totp:
                if otp is None:
                    raise totp.OTPRequired()
                claim.how = "totp"
                await totp.check(self._database, self._gate, self._policy, facts.id, otp, remote)
            opened = await self._database.transact(open_session, self._policy, facts, remote, client)
        return opened, identity_of(facts, self._policy, "token", session_id=opened.session_id)

    async def still_good(self, identity: Identity) -> bool:
        """
        Whether somebody recognised before would be recognised as the same now, with the same rights; for a connection
        that outlives many calls.
        """
        if not isinstance(identity, CloudIdentity):
            return False
        return await self._database.read(self._still, identity)

    def _still(self, session: Session, identity: CloudIdentity) -> bool:
        facts = find_facts(session, identity.account_id)
        if facts is None or not facts.active:
            return False
        scope: tuple[str, ...] | None = None
        if identity.session_id is not None:
            held = find_session_by_id(session, identity.session_id)
            if held is None or held.user_version != facts.version or self._over(held.expires_at):
                return False
        if identity.api_key_id is not None:
            key = find_api_key_by_id(session, identity.api_key_id)
            if key is None or self._over(key.expires_at):
                return False
            scope = key.scope
        now = identity_of(
            facts,
            self._policy,
            identity.source,
            scope=scope,
            session_id=identity.session_id,
            api_key_id=identity.api_key_id,
        )
        return now == identity

    # -------------------------------------------------------------- passwords

    async def _by_password(self, login: str, password: Secret, remote: str, *, afresh: bool = False) -> UserFacts:
        """:param afresh: whatever is remembered."""
        given = password.reveal()
        # Nobody's login has other letters; ones that a database takes for the same would not be counted as the same.
        login = login.lower() if login.isascii() else ""
        lately = self._right.find(login, given)
        known = None if afresh else self._by_login.find(login)
        if known is not None and lately == known.version:
            return _let_in(known)
        keep = self._by_login.keeper()
        # The hash alone first: looking up all else takes longer for somebody who exists.
        stored = await self._gate.right_hash(remote, login, password, lambda: self._database.read(find_password, login))
        facts = None if stored is None else await self._database.read(find_by_login, login)
        if facts is None or facts.password_hash != stored:
            raise NotAuthenticated()
        if keep(login, facts):
            self._right.remember(login, given, facts.version)
        return _let_in(facts)

    # -------------------------------------------------------------- tokens

    async def _by_token_hash(
        self, digest: str, lookup: Callable[[Session, str, str], _Held | None], token: str
    ) -> _Held:
        held = await self._by_token.look_up(digest, lambda: self._database.read(lookup, token, digest))
        if held is None:
            raise NotAuthenticated()
        if self._over(held.expires_at):
            raise NotAuthenticated()
        _let_in(held.user)
        return held

    def _over(self, expires_at: datetime | None) -> bool:
        return expires_at is not None and expires_at <= datetime.fromtimestamp(self._wall(), UTC)

    def _note_use(self, held: _Held, remote: str) -> None:
        """Write when a session or key was used, now and then, while its call goes on."""
        if held.session_id is not None:
            self._note(("session", held.session_id), touch_session, held.session_id, remote)
        else:
            assert held.api_key_id is not None
            self._note_key(held.api_key_id)

    def _note_key(self, api_key_id: int) -> None:
        self._note(("api_key", api_key_id), touch_api_key, api_key_id)

    def _note(self, what: tuple[str, int], *arguments: Any) -> None:
        if self._used.find(what):
            return
        self._used.keep(what, True)
        Deferred.fromCoroutine(self._database.transact(*arguments)).addErrback(
            lambda failure: log.debug("a use was not noted: {error}", error=str(failure.value))
        )


def _find_by_session(session: Session, token: str, digest: str) -> _Held | None:
    found = find_session(session, digest)
    if found is None:
        return None
    facts = find_facts(session, found.user_id)
    # Blocked is worth telling; whoever holds the token was let in before it. What else is newer has ended it.
    if facts is None or (facts.version != found.user_version and facts.state != "blocked"):
        return None
    return _Held(facts, found.expires_at, session_id=found.id)


def _find_by_key(session: Session, token: str, digest: str) -> _Held | None:
    found = find_api_key(session, token[:ACCESS_LENGTH])
    if found is None or found.secret_hash is None or not hmac.compare_digest(found.secret_hash, digest):
        return None
    facts = find_facts(session, found.user_id)
    if facts is None:
        return None
    return _Held(facts, found.expires_at, api_key_id=found.id, scope=found.scope)


def _find_by_ec2_key(session: Session, access_key: str, digest: str) -> _Held | None:
    found = find_api_key(session, access_key)
    if found is None or found.secret_sealed is None:
        return None
    facts = find_facts(session, found.user_id)
    if facts is None:
        return None
    return _Held(facts, found.expires_at, api_key_id=found.id, scope=found.scope, ec2_key=found)


def _let_in(facts: UserFacts) -> UserFacts:
    if facts.active:
        return facts
    if facts.state == "blocked":
        raise AccountBlocked()
    if facts.state == "deleted":
        raise NotAuthenticated()
    raise AccountInactive(facts.state)
