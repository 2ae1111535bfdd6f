"""Tokens that are mailed: good once, until they expire, and kept as hashes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from clm.rules.user import UserState
from clm.services.account import random_token, token_hash
from clm.services.context import CloudPolicy
from clm.services.mail import send_mail
from clm.store.identity import UserFacts, find_facts
from clm.store.token import OneTimeFacts, find_token, insert_token, use_token
from cm.rpc.errors import NotPermitted
from cm.runtime.wall import utc_now

ACTIVATION: Final = "activation"
PASSWORD: Final = "password"
EMAIL: Final = "email"


@dataclass(eq=False)
class OneTimeTokenRefused(NotPermitted):
    """Wrong, used, expired, or replaced by a newer one: which of these is not told."""

    code = "one_time_token_refused"
    message = "The token is wrong, used or expired; ask for another."


def mail_token(
    session: Session, policy: CloudPolicy, user_id: int, purpose: str, template: str, login: str, email: str
) -> None:
    """Mail somebody a new token; older ones of this purpose end."""
    token = random_token("t")  # one that began with a hyphen would be an option where it is typed
    expires = utc_now().replace(microsecond=0) + timedelta(seconds=policy.token_s)
    insert_token(session, user_id, purpose, token_hash(token), email, expires)
    told = {"login": login, "token": token, "expires": f"{expires:%Y-%m-%d %H:%M} UTC"}
    send_mail(session, policy, template, email, told)


def check_token(session: Session, token: str) -> OneTimeFacts:
    """:raises OneTimeTokenRefused: it is not good any more, or never was."""
    found = find_token(session, token_hash(token))
    if found is None:
        raise OneTimeTokenRefused()
    return found


def take_token(session: Session, token: str, *purposes: str) -> tuple[OneTimeFacts, UserFacts]:
    """
    Use a token up.

    :raises OneTimeTokenRefused: it is not good for one of these purposes.
    """
    found = use_token(session, token_hash(token))
    if found is None or found.purpose not in purposes:
        raise OneTimeTokenRefused()
    facts = find_facts(session, found.user_id)
    if facts is None or facts.state in (UserState.DELETED, UserState.BLOCKED):
        raise OneTimeTokenRefused()
    return found, facts
