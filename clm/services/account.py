"""
Use cases of users and their logins.

Whatever ends what was looked up of somebody (password, role, state, groups, permissions, keys, sessions) is told to all
processes as ``user:<id>``.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from clm.results.user import User
from clm.rules.user import UserEvent, UserState, next_state
from clm.services.context import CloudCall, CloudIdentity, CloudPolicy
from clm.store.change import record_change
from clm.store.identity import UserFacts
from clm.store.session import delete_ended, delete_session, delete_sessions, insert_session, renew_session
from clm.store.user import (
    first_cluster,
    get_user,
    insert_row,
    note_login,
    raise_version,
    touch_clusters,
    write_state,
)
from cm.rpc.errors import NameTaken, NotAuthenticated, ObjectNotFound
from cm.runtime.database import notify
from cm.runtime.taken import refused_by
from cm.runtime.wall import utc_now

TOPIC: Final = "user"
SESSION_PREFIX: Final = "wls_"
SESSIONS_MAX: Final = 100  # of one user; the ones longest unused go
CLIENT_MAX: Final = 200  # characters


@dataclass(frozen=True)
class OpenedSession:
    """A session that was opened. The token leaves us this once."""

    session_id: int
    token: str = field(repr=False)
    expires: datetime


def random_token(prefix: str) -> str:
    """256 bits of randomness, as text."""
    return prefix + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """As tokens are stored: they are random, so a fast digest hides them as well as a slow one."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def user_changed(session: Session, user_id: int) -> None:
    """Tell all processes to look this user up anew."""
    notify(session, TOPIC, user_id)


def insert_user(session: Session, values: dict[str, Any]) -> User:
    """
    Make a user.

    :param values: columns of ``user_account``: login and state at least. Somebody active gets a default cluster, and
        the clusters hear of them.
    :raises NameTaken: the login is in use ("user"), or the address ("email"): whether a caller may be told the latter
        is theirs to decide.
    """
    active = values["state"] == UserState.ACTIVE
    values = dict(values)
    if active:
        values.setdefault("default_cluster_id", first_cluster(session))
        values.setdefault("activated_at", utc_now())
    with refused_by(
        session,
        {
            "uq_user_login": NameTaken("user", values["login"]),
            "uq_user_email": NameTaken("email", values.get("email", "")),
        },
    ):
        user_id = insert_row(session, values)
    if active:
        touch_clusters(session, user_id)
    return record_user(session, user_id, "enter")


def record_user(session: Session, user_id: int, event: str = "change") -> User:
    """Write to the feed how a user is now; gives it."""
    shown = get_user(session, user_id)
    record_change(session, "user", user_id, event, users=[user_id], shown=shown)
    return shown


def move(session: Session, user_id: int, event: UserEvent) -> User:
    """
    Bring somebody to the next state. What was let in before ends, and the clusters hear of it.

    :return: as they are now.
    :raises WrongUserState: this cannot happen to them as they are.
    """
    step(session, user_id, event)
    return record_user(session, user_id)


def step(session: Session, user_id: int, event: UserEvent) -> None:
    """``move`` without a word to the feed."""
    was = get_user(session, user_id, lock=True)["state"]
    done = write_state(session, user_id, was, next_state(user_id, was, event))
    assert done, "the row is locked"
    touch_clusters(session, user_id)
    user_changed(session, user_id)


# ------------------------------------------------------------------ sessions


def open_session(
    session: Session, policy: CloudPolicy, facts: UserFacts, remote: str, client: str = ""
) -> OpenedSession:
    """
    Log somebody in who has proved who they are.

    :param facts: what they proved it against; if they changed since then, they have to prove it again.
    :raises NotAuthenticated: they did, or they are not active any more.
    """
    if not note_login(session, facts.id, facts.version):
        raise NotAuthenticated()
    token = random_token(SESSION_PREFIX)
    expires = utc_now().replace(microsecond=0) + timedelta(seconds=policy.session_s)
    session_id = insert_session(
        session,
        {
            "user_id": facts.id,
            "token_hash": token_hash(token),
            "user_version": facts.version,
            "expires_at": expires,
            "remote": remote,
            "client": client[:CLIENT_MAX],
        },
    )
    delete_ended(session, facts.id, SESSIONS_MAX)
    return OpenedSession(session_id, token, expires)


def close_session(caller: CloudCall, session_id: int) -> None:
    """
    End one of the caller's sessions.

    :raises ObjectNotFound: it is not theirs, or over.
    """
    if not delete_session(caller.session, caller.user_id, session_id):
        raise ObjectNotFound("session", session_id)
    user_changed(caller.session, caller.user_id)
    caller.note("end session", session_id=session_id)


def end_sessions(session: Session, user_id: int, keep: int | None = None) -> int:
    """End all sessions of somebody, but for ``keep``; how many there were."""
    ended = delete_sessions(session, user_id, keep)
    user_changed(session, user_id)
    return ended


def end_other_sessions(session: Session, caller: CloudCall) -> None:
    """What the caller proved themselves with has changed: of what was let in with the old, only this session stays."""
    version = raise_version(session, caller.user_id)
    keep = caller.identity.session_id if isinstance(caller.identity, CloudIdentity) else None
    end_sessions(session, caller.user_id, keep)
    if keep is not None:
        renew_session(session, keep, version)
