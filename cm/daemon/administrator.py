"""The first administrator, made from the command line: nobody could log in to make it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from cm.rpc.password import Passwords
from cm.runtime.database import notify
from cm.services.account import TOPIC, insert_local
from cm.services.context import ClusterPolicy
from cm.store.account import find_local, update_account, write_password


def set_administrator(engine: Engine, login: str, password: str, policy: ClusterPolicy) -> bool:
    """
    Make a local administrator, or give an account of that login a new password and the role.

    :return: whether it was made.
    """
    digest = Passwords().hash(password)
    with Session(engine) as session, session.begin():
        facts = find_local(session, login)
        if facts is None:
            values: dict[str, Any] = {"login": login, "name": "", "is_admin": True, "password_hash": digest}
            insert_local(session, policy, values)
            return True
        update_account(session, facts.id, {"is_admin": True, "active": True}, newer=False)  # the password's change is
        write_password(session, facts.id, digest)
        notify(session, TOPIC, facts.id)
        return False
