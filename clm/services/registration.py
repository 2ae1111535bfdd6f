"""
How people come to have an account: they register, confirm their address, and are activated.

That an address is known is told to nobody but whoever reads the mail sent there: with a mailer, a registration is
answered alike whether the address is new or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from clm.results.user import Confirmed, Registered, RegistrationState
from clm.rules.user import UserEvent, UserState, first_state
from clm.services.account import insert_user, move, record_user
from clm.services.context import AsyncCloudCall, CloudCall, CloudPolicy
from clm.services.mail import send_mail
from clm.services.password import hashed
from clm.services.token import ACTIVATION, EMAIL, OneTimeTokenRefused, mail_token, take_token
from clm.store.change import record_change
from clm.store.identity import UserFacts, find_by_email
from clm.store.user import (
    cloud_admin_emails,
    drop_all_lapsed,
    drop_lapsed,
    get_user,
    is_taken,
    release_user,
    update_user,
)
from cm.rpc.errors import NameTaken, NotPermitted
from cm.rpc.types import Secret

PRUNED_MAX: Final = 500  # of one transaction
_ANSWERS: Final[Mapping[str, RegistrationState]] = {
    UserState.REGISTERED: "mail_confirmation",
    UserState.CONFIRMED: "admin_confirmation",
    UserState.ACTIVE: "completed",
}


@dataclass(eq=False)
class RegistrationClosed(NotPermitted):
    code = "registration_closed"
    message = "Nobody may register here by themselves; ask an administrator of the cloud."


async def register(caller: AsyncCloudCall, password: Secret, values: dict[str, Any]) -> Registered:
    """
    :param values: login, email, first_name, last_name, organization.
    :return: ``state``; ``user_id`` is told where there is no mailer, since who confirms an address knows it is theirs.
    :raises RegistrationClosed: the settings say so.
    :raises NameTaken: the login is in use.
    :raises InvalidParameter: the password is not good enough.
    """
    services = caller.services
    if not caller.policy.registration:
        raise RegistrationClosed()
    digest = await hashed(caller, password, values["login"])
    row = {**values, "password_hash": digest}
    answer: Registered = await services.database.transact(_register, caller.policy, row)
    return answer


def _register(session: Session, policy: CloudPolicy, values: dict[str, Any]) -> Registered:
    mailer = bool(policy.mail_from)
    if mailer:
        for user_id in drop_lapsed(session, values["login"], values["email"], policy.token_s):
            record_change(session, "user", user_id, "exit", users=[user_id])
    state = first_state(mailer, policy.auto_activation)
    if is_taken(session, "login", values["login"]):
        raise NameTaken("user", values["login"])
    row = {**values, "state": state}
    try:
        user_id = insert_user(session, row)["user_id"]
    except NameTaken as taken:
        if taken.kind != "email":
            raise
        if mailer:
            mail_owner(session, policy, values["email"])
            return {"user_id": None, "state": _ANSWERS[state]}
        # Nobody proves here that an address is theirs, so nobody loses one by it: the newcomer goes without.
        user_id = insert_user(session, {**row, "email": ""})["user_id"]
    if mailer:
        mail_token(session, policy, user_id, ACTIVATION, "activation", values["login"], values["email"])
        return {"user_id": None, "state": _ANSWERS[state]}
    return {"user_id": user_id, "state": _ANSWERS[state]}


def prune_registrations(session: Session, policy: CloudPolicy) -> int:
    """Delete registrations that nobody confirmed; how many, at most ``PRUNED_MAX``."""
    gone = drop_all_lapsed(session, policy.token_s, PRUNED_MAX)
    for user_id in gone:
        release_user(session, user_id)
        record_change(session, "user", user_id, "exit", users=[user_id])
    return len(gone)


def mail_owner(session: Session, policy: CloudPolicy, email: str) -> None:
    """Tell whoever has this address that it was given for another account."""
    owner = find_by_email(session, email)
    if owner is not None:
        send_mail(session, policy, "email_taken", email, {"login": owner.login})


# ------------------------------------------------------------------ tokens that come back


def activate(caller: CloudCall, token: str) -> Confirmed:
    """
    Confirm an address: of a registration, or a new one of somebody who is registered.

    :return: ``state``: as ``register``.
    :raises OneTimeTokenRefused: the token is not good.
    """
    session, policy = caller.session, caller.policy
    found, facts = take_token(session, token, ACTIVATION, EMAIL)
    if found.purpose == EMAIL:
        _change_email(session, policy, facts, found.subject)
    elif facts.state == UserState.REGISTERED:
        confirm(session, policy, facts.id)
    state = get_user(session, facts.id)["state"]
    return {"state": _ANSWERS.get(UserState(state), "completed")}


def confirm(session: Session, policy: CloudPolicy, user_id: int) -> None:
    """Somebody who is registered has shown that the address is theirs; administrators hear of those who wait now."""
    user = move(session, user_id, UserEvent.CONFIRM)
    if policy.auto_activation:
        move(session, user_id, UserEvent.ACTIVATE)
        return
    for email in cloud_admin_emails(session):
        send_mail(session, policy, "admin_notice", email, {name: user[name] for name in ("login", "email", "user_id")})


def ask_new_email(session: Session, policy: CloudPolicy, user_id: int, login: str, email: str) -> None:
    """Have somebody confirm a new address. If it is another's, that one hears of it and nobody else does."""
    if is_taken(session, "email", email):
        mail_owner(session, policy, email)
    else:
        mail_token(session, policy, user_id, EMAIL, "email_change", login, email)


def _change_email(session: Session, policy: CloudPolicy, facts: UserFacts, email: str) -> None:
    if is_taken(session, "email", email):  # meanwhile, by somebody else
        raise OneTimeTokenRefused()
    was = get_user(session, facts.id, lock=True)["email"]
    update_user(session, facts.id, {"email": email})
    send_mail(session, policy, "email_changed", was, {"login": facts.login})
    record_user(session, facts.id)
