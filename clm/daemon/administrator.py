"""The first administrator of a cloud, made from the command line: nobody could log in to make it."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from clm.services.account import insert_user, user_changed
from clm.services.context import CloudPolicy
from clm.store.identity import find_by_login
from clm.store.user import make_cloud_admin, touch_clusters, write_password
from cm.rpc.password import Passwords


def set_administrator(engine: Engine, login: str, password: str, policy: CloudPolicy) -> bool:
    """
    Make an administrator of the cloud, or give a user of that login a new password and the role; a second factor that
    was lost goes with the old password.

    :return: whether they were made.
    """
    digest = Passwords().hash(password)
    with Session(engine) as session, session.begin():
        facts = find_by_login(session, login)
        if facts is None:
            insert_user(session, {"login": login, "state": "active", "is_cloud_admin": True, "password_hash": digest})
            return True
        make_cloud_admin(session, facts.id)
        write_password(session, facts.id, digest)
        touch_clusters(session, facts.id)
        user_changed(session, facts.id)
        return False
