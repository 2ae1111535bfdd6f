"""
The second factor: codes of an authenticator (RFC 6238: 30 s, 6 digits, SHA-1, as all of them know), and recovery codes.

A code is good once, also when it is sent twice at once: the database keeps the last time step that was used.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final

import pyotp
from sqlalchemy.orm import Session

from clm.results.user import BegunFactor, RecoveryCodes, SecondFactor
from clm.services.account import end_other_sessions, token_hash, user_changed
from clm.services.context import AsyncCloudCall, CloudCall, CloudPolicy
from clm.services.password import check_own_password
from clm.services.seal import seal, unseal
from clm.store.totp import TotpFacts, confirm_totp, get_totp, use_recovery_code, use_step, write_totp
from cm.rpc.errors import Conflict, NotAuthenticated
from cm.rpc.gate import PasswordGate
from cm.rpc.types import Secret
from cm.runtime.database import Database
from cm.runtime.wall import unix_seconds

STEP_S: Final = 30
WINDOW: Final = 1  # steps to either side: RFC 6238, 5.2, allows for the network and for clocks
RECOVERY_CODES: Final = 10


@dataclass(eq=False)
class OTPRequired(NotAuthenticated):
    """Told to whoever has the right password alone."""

    code = "otp_required"
    message = "A second factor is needed: send the code of your authenticator, or a recovery code, as otp."


@dataclass(eq=False)
class OTPRefused(NotAuthenticated):
    """Told to whoever has the right password alone."""

    code = "otp_refused"
    message = "The code of the second factor is wrong, or was used already."


@dataclass(eq=False)
class TOTPActive(Conflict):
    code = "totp_active"
    message = "A second factor is on already; turn it off first."


@dataclass(eq=False)
class TOTPMissing(Conflict):
    code = "totp_missing"
    message = "No second factor is {what}."
    what: str


def begin(caller: CloudCall) -> BegunFactor:
    """
    A new secret, which is told this once. Beginning again replaces one that was not confirmed.

    :raises TOTPActive: there is a second factor already.
    """
    if get_totp(caller.session, caller.user_id, lock=True).confirmed:
        raise TOTPActive()
    secret = pyotp.random_base32()
    write_totp(caller.session, caller.user_id, seal(caller.policy, _purpose(caller.user_id), secret.encode()))
    caller.note("begin second factor", user_id=caller.user_id)
    uri = pyotp.TOTP(secret).provisioning_uri(name=caller.identity.login, issuer_name=f"Wawel {caller.policy.name}")
    return {"secret": secret, "uri": uri}


async def confirm(caller: AsyncCloudCall, otp: str) -> RecoveryCodes:
    """
    Turn the second factor on; the caller's other sessions, opened without it, end.

    :return: ``recovery_codes``, told this once.
    :raises TOTPMissing: none was begun. TOTPActive: it is on already.
    :raises OTPRefused: the authenticator does not have the secret.
    """
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    hashes = [token_hash(code) for code in codes]
    services = caller.services
    await throttled(services.database, services.gate, caller.user_id, caller.remote, _confirm, caller, otp, hashes)
    return {"recovery_codes": codes}


def _confirm(session: Session, caller: CloudCall, otp: str, hashes: list[str]) -> bool:
    facts = get_totp(session, caller.user_id, lock=True)
    if facts.confirmed:
        raise TOTPActive()
    if facts.sealed is None:
        raise TOTPMissing("begun")
    step = _step_of(caller.policy, caller.user_id, facts, otp)
    if step is None:
        return False
    confirm_totp(session, caller.user_id, step, hashes)
    end_other_sessions(session, caller)
    return True


async def check(
    database: Database, gate: PasswordGate, policy: CloudPolicy, user_id: int, otp: str, remote: str
) -> None:
    """
    Use a code up.

    :raises OTPRefused: it is wrong, or was used.
    :raises TooManyLogins: too many wrong ones lately, whoever sent them; this one was not looked at.
    """
    await throttled(database, gate, user_id, remote, _use, policy, user_id, otp)


def _use(session: Session, policy: CloudPolicy, user_id: int, otp: str) -> bool:
    facts = get_totp(session, user_id)
    if not facts.confirmed:
        return False
    if use_recovery_code(session, user_id, token_hash(_plain(otp))):
        return True
    step = _step_of(policy, user_id, facts, otp)
    return step is not None and use_step(session, user_id, step)


async def throttled(
    database: Database, gate: PasswordGate, user_id: int, remote: str, use: Any, *arguments: Any
) -> None:
    """
    Run ``use(session, ...)``, which says whether a code was right, as often as guessing may be allowed: failures count
    for the user wherever they come from, but not against places where they had the code right lately.
    """
    with gate.otp_throttle.attempt(remote, str(user_id), everywhere=True) as attempt:
        attempt.right = bool(await database.transact(use, *arguments))
    if not attempt.right:
        raise OTPRefused()


async def disable(caller: AsyncCloudCall, otp: str, password: Secret) -> None:
    """
    :raises NotAuthenticated: the password is wrong; OTPRefused: the code is.
    :raises TOTPMissing: there is no second factor.
    """
    services, user_id = caller.services, caller.user_id
    await check_own_password(caller, password)
    if not (await services.database.read(get_totp, user_id)).confirmed:
        raise TOTPMissing("on")
    await check(services.database, services.gate, caller.policy, user_id, otp, caller.remote)
    await services.database.transact(clear, user_id)


def clear(session: Session, user_id: int) -> None:
    """Take somebody's second factor away."""
    write_totp(session, user_id, None)
    user_changed(session, user_id)


def show(session: Session, user_id: int) -> SecondFactor:
    """Whether it is on, and how many recovery codes are left."""
    facts = get_totp(session, user_id)
    return {"active": facts.confirmed, "recovery_codes_left": len(facts.recovery_hashes)}


def _step_of(policy: CloudPolicy, user_id: int, facts: TotpFacts, otp: str) -> int | None:
    """The time step whose code this is, near now."""
    assert facts.sealed is not None
    totp = pyotp.TOTP(unseal(policy, _purpose(user_id), facts.sealed).decode())
    now = int(unix_seconds()) // STEP_S
    for step in range(now - WINDOW, now + WINDOW + 1):
        if hmac.compare_digest(totp.generate_otp(step), _plain(otp)):
            return step
    return None


def _plain(otp: str) -> str:
    """As people copy it: in groups, in either case."""
    return "".join(otp.split()).replace("-", "").lower()


def _recovery_code() -> str:
    """80 bits: too many to be guessed, so that a fast digest of it may be stored."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def _purpose(user_id: int) -> str:
    return f"totp:{user_id}"
