"""What administrators of the cloud do about users. Each change is told to the clusters, and ends what it has to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from clm.results.user import User
from clm.rules.permission import KNOWN, unknown
from clm.rules.scope import require_session
from clm.rules.user import UserEvent, UserState
from clm.services import totp
from clm.services.account import end_sessions, insert_user, move, record_user, step, user_changed
from clm.services.context import AsyncCloudCall, CloudCall, CloudIdentity
from clm.services.holding import holdings
from clm.services.mail import send_mail
from clm.services.password import hashed
from clm.store.change import record_change
from clm.store.user import (
    get_user,
    led_groups,
    live_clusters,
    lock_cloud_admins,
    release_user,
    touch_clusters,
    update_user,
    was_active,
    write_cloud_admin,
    write_permissions,
)
from cm.rpc.errors import Conflict, InUse, InvalidParameter, NameTaken, ObjectNotFound
from cm.rpc.types import Secret
from cm.runtime.taken import refused_by


@dataclass(eq=False)
class LastCloudAdmin(Conflict):
    code = "last_cloud_admin"
    message = "User {user_id} is the last administrator of the cloud; make another first."
    user_id: int


async def add(caller: AsyncCloudCall, password: Secret | None, values: dict[str, Any]) -> User:
    """
    An active user.

    :param password: without one nobody can log in until it is set, or asked for by mail.
    :raises NameTaken: login or address is in use.
    :raises SessionNeeded: an API key makes no administrators.
    """
    services = caller.services
    if values["is_cloud_admin"]:
        require_session("cloud.user.add", _key_of(caller))
    digest = None if password is None else await hashed(caller, password, values["login"])
    made: User = await services.database.transact(
        insert_user, {**values, "password_hash": digest, "state": UserState.ACTIVE}
    )
    return made


def edit(caller: CloudCall, user_id: int, values: dict[str, Any]) -> User:
    """
    Change what is not None. An administrator's word on an address is taken.

    :raises NameTaken: login or address is in use.
    :raises ObjectNotFound: there is no such cluster.
    :raises SessionNeeded: another address is where a new password is mailed to; an API key gives none.
    """
    session = caller.session
    was = get_user(session, user_id, lock=True, version=caller.if_version)
    if values.get("email") not in (None, was["email"]):
        require_session("cloud.user.edit", _key_of(caller))
    check_cluster(session, values.get("default_cluster_id"))
    before: Mapping[str, Any] = was
    told = {name: value for name, value in values.items() if value is not None and value != before[name]}
    refusals = {
        "uq_user_login": NameTaken("user", str(told.get("login"))),
        "uq_user_email": NameTaken("email", str(told.get("email"))),
    }
    with refused_by(session, refusals):
        update_user(session, user_id, told)
    if told.keys() & {"login", "first_name", "last_name"}:
        touch_clusters(session, user_id)
    if told:
        user_changed(session, user_id)
    caller.note("edit user", user_id=user_id, **told)
    return record_user(session, user_id)


def _key_of(caller: CloudCall) -> int | None:
    return caller.identity.api_key_id if isinstance(caller.identity, CloudIdentity) else None


def check_cluster(session: Session, cluster_id: int | None) -> None:
    """:raises ObjectNotFound: it is none to work on."""
    if cluster_id is not None and cluster_id not in live_clusters(session):
        raise ObjectNotFound("cluster", cluster_id)


def activate(caller: CloudCall, user_id: int) -> User:
    """
    Let somebody in who waits; their address counts as confirmed.

    :raises WrongUserState: they do not wait.
    """
    get_user(caller.session, user_id, lock=True, version=caller.if_version)
    user = move(caller.session, user_id, UserEvent.ACTIVATE)
    send_mail(caller.session, caller.policy, "activated", user["email"], {"login": user["login"]})
    caller.note("activate user", user_id=user_id)
    return user


def block(caller: CloudCall, user_id: int, block: bool) -> User:
    """
    Keep somebody out at once, everywhere; or let them in again.

    :raises WrongUserState: they are blocked already, or not blocked.
    :raises LastCloudAdmin: nobody could administer the cloud any more.
    """
    get_user(caller.session, user_id, version=caller.if_version)
    if block:
        _keep_an_admin(caller.session, user_id)
    user = move(caller.session, user_id, UserEvent.BLOCK if block else UserEvent.UNBLOCK)
    if block:
        end_sessions(caller.session, user_id)
    template = "blocked" if block else "unblocked"
    send_mail(caller.session, caller.policy, template, user["email"], {"login": user["login"]})
    caller.note("block user" if block else "unblock user", user_id=user_id)
    return user


def set_admin(caller: CloudCall, user_id: int, admin: bool) -> User:
    """
    Make somebody an administrator of the cloud, or let them be one no more; their sessions end.

    :raises LastCloudAdmin: nobody could administer the cloud any more.
    """
    session = caller.session
    if not admin:
        _keep_an_admin(session, user_id)
    was = get_user(session, user_id, lock=True, version=caller.if_version)
    if was["is_cloud_admin"] == admin:
        return was
    write_cloud_admin(session, user_id, admin)
    end_sessions(session, user_id)
    caller.note("set cloud administrator", user_id=user_id, admin=admin)
    return record_user(session, user_id)


def _keep_an_admin(session: Session, user_id: int) -> None:
    admins = [admin["user_id"] for admin in lock_cloud_admins(session)]
    if admins == [user_id]:
        raise LastCloudAdmin(user_id)


async def delete(caller: AsyncCloudCall, user_id: int) -> None:
    """
    Delete somebody: login and address are free again, sessions and keys end, the audit keeps what they did.

    :raises InUse: they lead groups, or have something on a cluster.
    :raises Unavailable: a cluster that may hold something of theirs does not answer.
    :raises LastCloudAdmin: nobody could administer the cloud any more.
    """
    services = caller.services
    if await services.database.read(_is_known_to_clusters, user_id):
        held = await holdings(services, user_id)
        if held:
            raise InUse("user", user_id, ", ".join(f"{what} on {name}" for name, what in sorted(held.items())))
    await services.database.transact(_delete, user_id, caller.if_version)


def _is_known_to_clusters(session: Session, user_id: int) -> bool:
    """:raises ObjectNotFound: there is no such user, or no more: the clusters need not be asked."""
    get_user(session, user_id)
    return was_active(session, user_id)


def _delete(session: Session, user_id: int, version: int | None) -> None:
    _keep_an_admin(session, user_id)
    get_user(session, user_id, lock=True, version=version)
    led = led_groups(session, user_id)
    if led:
        raise InUse("user", user_id, f"the groups that they lead: {', '.join(led)}")
    step(session, user_id, UserEvent.DELETE)
    release_user(session, user_id)
    record_change(session, "user", user_id, "exit", users=[user_id])


def reset_totp(caller: CloudCall, user_id: int) -> None:
    """Somebody has lost their authenticator and their recovery codes."""
    get_user(caller.session, user_id, lock=True)
    totp.clear(caller.session, user_id)
    caller.note("reset second factor", user_id=user_id)


def end_all_sessions(caller: CloudCall, user_id: int) -> int:
    """How many there were. Keys stay."""
    get_user(caller.session, user_id)
    caller.note("end sessions", user_id=user_id)
    return end_sessions(caller.session, user_id)


def set_permissions(caller: CloudCall, user_id: int, permissions: list[str] | None) -> User:
    """
    :param permissions: None: those that the settings give to everybody.
    :raises InvalidParameter: there is no such permission.
    """
    wrong = unknown(permissions or ())
    if wrong:
        raise InvalidParameter("permissions", f"there is no {', '.join(wrong)}; there are {', '.join(KNOWN)}")
    get_user(caller.session, user_id, lock=True, version=caller.if_version)
    told = None if permissions is None else sorted(set(permissions))
    write_permissions(caller.session, user_id, told)
    user_changed(caller.session, user_id)
    caller.note("set permissions", user_id=user_id, permissions=told)
    return record_user(caller.session, user_id)
