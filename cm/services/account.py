"""
Use cases of accounts. A password is hashed on its own threads before the transaction that writes the hash begins.

Whatever ends cached verifications (password, role, activity) is told to all processes as ``account:<id>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy.orm import Session

from cm.results.account import Account, QuotaUse
from cm.rpc.errors import Conflict, InUse, InvalidParameter, NameTaken, NotAuthenticated
from cm.rpc.types import Secret
from cm.runtime.database import notify
from cm.runtime.logins import watched
from cm.runtime.taken import refused_by
from cm.services.context import AsyncClusterCall, ClusterCall, ClusterPolicy
from cm.services.network import release_all
from cm.store.account import (
    LOCAL,
    PUBLIC_QUOTAS,
    QUOTAS,
    AccountFacts,
    close_account,
    find_facts,
    get_account,
    holdings,
    insert_account,
    other_admins,
    update_account,
    write_password,
)
from cm.store.bucket import count_buckets
from cm.store.change import record_change
from cm.store.public_address import give_back_all
from cm.store.vm_template import close_vm_templates_of

TOPIC: Final = "account"
PASSWORD_MIN: Final = 8  # characters: NIST SP 800-63B, 5.1.1.2


@dataclass(eq=False)
class LastAdmin(Conflict):
    code = "last_admin"
    message = "User {user_id} is the last administrator with a password; make another first."
    user_id: int


@dataclass(eq=False)
class NotLocal(Conflict):
    code = "account_not_local"
    message = "The account {user_id} belongs to {origin}; its password and role are not kept here."
    user_id: int
    origin: str


async def hashed(caller: AsyncClusterCall, password: Secret, parameter: str = "password") -> str:
    """
    :raises InvalidParameter: it is too short.
    :raises Overloaded: too many wait for the hashing threads.
    """
    if len(password.reveal()) < PASSWORD_MIN:
        raise InvalidParameter(parameter, f"it must have at least {PASSWORD_MIN} characters")
    return await caller.services.gate.hash(caller.remote, password)


def default_quotas(policy: ClusterPolicy) -> dict[str, int]:
    return {
        "quota_cpu": policy.quota_cpu,
        "quota_memory_mib": policy.quota_memory_mib,
        "quota_storage_mib": policy.quota_storage_mib,
        "quota_vms": policy.quota_vms,
        "quota_networks": policy.quota_networks,
    }


def insert_local(session: Session, policy: ClusterPolicy, values: dict[str, Any]) -> Account:
    """
    Make a local account; quotas that are missing or None are the cluster's defaults.

    :raises NameTaken: the login is in use.
    """
    defaults = default_quotas(policy)
    quotas = {name: defaults[name] if values.get(name) is None else values[name] for name in QUOTAS}
    row = {"name": "", "is_admin": False, "password_hash": None, **values, **quotas}
    with refused_by(session, {"uq_account_local_login": NameTaken("user", values["login"])}):
        account_id = insert_account(session, {**row, "origin": LOCAL, "external_id": None})
    record_change(session, "user", account_id, account_id, "enter")
    return get_account(session, account_id)


async def add(caller: AsyncClusterCall, password: Secret | None, values: dict[str, Any]) -> Account:
    """
    :param password: without one nobody can log in until it is set.
    :raises NameTaken: the login is in use.
    """
    digest = None if password is None else await hashed(caller, password)
    values = {**values, "password_hash": digest}
    return await caller.services.database.transact(insert_local, caller.policy, values)


def edit(caller: ClusterCall, account_id: int, values: dict[str, Any]) -> Account:
    """
    Change what is not None. A quota may go below what is used: nothing more can be claimed then.

    :raises NotLocal: a cloud manager says who its administrators are.
    :raises LastAdmin: nobody could administer the cluster any more.
    """
    session = caller.session
    was = get_account(session, account_id, lock=True, version=caller.if_version)
    newer = any(values[name] is not None and values[name] != was[name] for name in ("is_admin", "active"))
    if values["is_admin"] and was["origin"] != LOCAL:
        raise NotLocal(account_id, was["origin"])
    if values["is_admin"] is False or values["active"] is False:
        _keep_an_admin(session, was)
    update_account(session, account_id, values, newer=newer)
    if newer:
        notify(session, TOPIC, account_id)
    record_change(session, "user", account_id, account_id)
    caller.note("edit user", user_id=account_id, **{k: v for k, v in values.items() if v is not None})
    return get_account(session, account_id)


def _keep_an_admin(session: Session, was: Account) -> None:
    administers = was["is_admin"] and was["active"] and was["has_password"] and was["origin"] == LOCAL
    if administers and other_admins(session, was["user_id"]) == 0:
        raise LastAdmin(was["user_id"])


async def set_password(caller: AsyncClusterCall, account_id: int, new: Secret) -> None:
    """
    Give a local account a new password; its sessions end.

    :raises NotLocal: it logs in elsewhere.
    """
    digest = await hashed(caller, new, "new_password")
    await caller.services.database.transact(_write, account_id, digest, caller.if_version)


def _write(session: Session, account_id: int, digest: str, version: int | None) -> None:
    row = get_account(session, account_id, lock=True, version=version)
    if row["origin"] != LOCAL:
        raise NotLocal(account_id, row["origin"])
    write_new_password(session, account_id, digest)


def write_new_password(session: Session, account_id: int, digest: str) -> None:
    """Store a password's hash; what was verified with the old one ends everywhere."""
    write_password(session, account_id, digest)
    notify(session, TOPIC, account_id)


async def change_password(caller: AsyncClusterCall, old: Secret, new: Secret) -> None:
    """
    Change the caller's own password; their sessions end.

    :raises NotAuthenticated: ``old`` is wrong.
    :raises NotLocal: they log in elsewhere.
    :raises TooManyLogins: too many wrong ones lately; this one was not looked at.
    """
    services = caller.services
    facts: AccountFacts | None = await services.database.read(find_facts, caller.account_id)
    stored = None if facts is None else facts.password_hash
    if facts is None or stored is None:
        raise NotLocal(caller.account_id, "somebody else")

    async def find() -> str | None:
        return stored

    who = f"password of {caller.account_id}"
    with watched(services.logins, caller.identity.login, caller.remote, "password") as claim:
        if await services.gate.right_hash(caller.remote, who, old, find) is None:
            raise NotAuthenticated()
        claim.account_id = caller.account_id
    digest = await hashed(caller, new, "new_password")
    # What was verified is the password at that version; one changed meanwhile is not overwritten.
    await services.database.transact(_write, caller.account_id, digest, facts.version)


def delete(caller: ClusterCall, account_id: int) -> None:
    """
    Delete an account that has neither VMs, images nor buckets. A cloud manager's comes back, empty, with its next call;
    to keep somebody out, block the account.

    :raises InUse: it has live VMs, images or buckets, or networks that others' VMs are on.
    :raises LastAdmin: nobody could administer the cluster any more.
    """
    session = caller.session
    was = get_account(session, account_id, lock=True, version=caller.if_version)
    vms, images = holdings(session, account_id)
    if vms or images:
        raise InUse("user", account_id, f"{vms} VMs and {images} images")
    if buckets := count_buckets(session, account_id):
        raise InUse("user", account_id, f"{buckets} buckets")
    _keep_an_admin(session, was)
    give_back_all(session, account_id)
    release_all(session, account_id)
    for template_id in close_vm_templates_of(session, account_id):
        record_change(session, "vm_template", template_id, account_id, "exit")
    close_account(session, account_id)
    notify(session, TOPIC, account_id)
    record_change(session, "user", account_id, account_id, "exit")
    caller.note("delete user", user_id=account_id, login=was["login"])


def quota(session: Session, account_id: int) -> QuotaUse:
    """An account's quotas, what is used of them and what is left, by resource."""
    row: Mapping[str, Any] = get_account(session, account_id)
    answer: dict[str, Any] = {"user_id": account_id}
    for name in (*QUOTAS, *PUBLIC_QUOTAS):
        resource = name.removeprefix("quota_")
        limit, used = row[name], row[f"used_{resource}"]
        answer |= {name: limit, f"used_{resource}": used, f"free_{resource}": max(limit - used, 0)}
    return cast(QuotaUse, answer | {"quota_points": row["quota_points"]})
