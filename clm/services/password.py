"""Passwords: hashed on threads of their own, before the transaction that writes the hash begins."""

from __future__ import annotations

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from clm.rules.user import UserState, wrong_with_password
from clm.services.account import end_other_sessions, end_sessions
from clm.services.context import AsyncCloudCall, CloudCall, CloudPolicy
from clm.services.token import ACTIVATION, PASSWORD, OneTimeTokenRefused, check_token, mail_token, take_token
from clm.store.identity import UserFacts, find_by_email, find_facts
from clm.store.token import drop_tokens
from clm.store.user import get_user, write_password
from cm.rpc.errors import InvalidParameter, NotAuthenticated
from cm.rpc.types import Secret
from cm.runtime.logins import watched

log = Logger()


async def hashed(caller: AsyncCloudCall, password: Secret, login: str, parameter: str = "password") -> str:
    """
    :raises InvalidParameter: it may not be this user's password.
    :raises Overloaded: too many wait for the hashing threads.
    """
    wrong = wrong_with_password(password.reveal(), login)
    if wrong is not None:
        raise InvalidParameter(parameter, wrong)
    return await caller.services.gate.hash(caller.remote, password)


async def check_own_password(caller: AsyncCloudCall, password: Secret) -> UserFacts:
    """
    Have the caller prove once more who they are.

    :return: what it was checked against.
    :raises NotAuthenticated: it is wrong, or they have none.
    :raises TooManyLogins: too many wrong ones lately; this one was not looked at.
    """
    services = caller.services
    facts = await services.database.read(find_facts, caller.user_id)

    async def find() -> str | None:
        return None if facts is None else facts.password_hash

    who = f"password of {caller.user_id}"
    with watched(services.logins, caller.identity.login, caller.remote, "password") as claim:
        if await services.gate.right_hash(caller.remote, who, password, find) is None or facts is None:
            raise NotAuthenticated()
        claim.account_id = facts.id
    return facts


async def change_own(caller: AsyncCloudCall, old: Secret, new: Secret) -> None:
    """
    Change the caller's password; their other sessions end, and this one stays.

    :raises NotAuthenticated: ``old`` is wrong. TooManyLogins: too many wrong ones lately.
    :raises InvalidParameter: ``new`` is not good enough.
    :raises VersionChanged: it was changed meanwhile.
    """
    services = caller.services
    facts = await check_own_password(caller, old)
    digest = await hashed(caller, new, facts.login, "new_password")
    await services.database.transact(_write_own, caller, digest, facts.version)


def _write_own(session: Session, caller: CloudCall, digest: str, version: int) -> None:
    get_user(session, caller.user_id, lock=True, version=version)
    write_password(session, caller.user_id, digest)
    drop_tokens(session, caller.user_id)
    end_other_sessions(session, caller)


async def set_password(caller: AsyncCloudCall, user_id: int, new: Secret) -> None:
    """Give somebody a new password; their sessions end."""
    services = caller.services
    user = await services.database.read(get_user, user_id)
    digest = await hashed(caller, new, user["login"], "new_password")
    await services.database.transact(write_new_password, user_id, digest, caller.if_version)


def write_new_password(session: Session, user_id: int, digest: str, version: int | None = None) -> None:
    """Store a password's hash; what was opened with the old one ends everywhere, and so do mailed tokens."""
    get_user(session, user_id, lock=True, version=version)
    write_password(session, user_id, digest)
    drop_tokens(session, user_id)
    end_sessions(session, user_id)


# ------------------------------------------------------------------ forgotten


def ask_reset(caller: AsyncCloudCall, email: str) -> None:
    """
    Mail whoever has this address a token for a new password. It goes on behind the answer: neither what is answered nor
    how long it takes tells whether anybody has the address.
    """
    services = caller.services
    Deferred.fromCoroutine(services.database.transact(_mail_reset, caller.policy, email)).addErrback(
        lambda failure: log.warn("a mail for a new password was not written: {error}", error=str(failure.value))
    )


def _mail_reset(session: Session, policy: CloudPolicy, email: str) -> None:
    facts = find_by_email(session, email)
    if facts is None or facts.state == UserState.BLOCKED or not policy.mail_from:
        return
    purpose, template = (PASSWORD, "password_reset")
    if facts.state == UserState.REGISTERED:
        purpose, template = (ACTIVATION, "activation")  # it is that mail which they lack
    # To the address as they gave it: one that only looks like theirs (Unicode has such) is not theirs.
    mail_token(session, policy, facts.id, purpose, template, facts.login, get_user(session, facts.id)["email"])


async def set_by_token(caller: AsyncCloudCall, token: str, new: Secret) -> None:
    """
    Set a password by the token that was mailed.

    :raises OneTimeTokenRefused: it is not good.
    :raises InvalidParameter: the password is not good enough; the token still is.
    """
    services = caller.services
    found = await services.database.read(check_token, token)
    if found.purpose != PASSWORD:
        raise OneTimeTokenRefused()
    user = await services.database.read(get_user, found.user_id)
    digest = await hashed(caller, new, user["login"], "new_password")
    await services.database.transact(_set_by_token, token, digest)


def _set_by_token(session: Session, token: str, digest: str) -> None:
    _, facts = take_token(session, token, PASSWORD)
    write_new_password(session, facts.id, digest)
