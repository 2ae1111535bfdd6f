"""
Use cases of a cloud manager: it keeps our copies of its people's accounts as its own records are.

Each record has a version, which grows there with every change: an older one that arrives late is not taken. What a
local administrator changed of such an account (a quota, its activity) stays until the cloud manager looks: it finds
the difference by ``get_users`` and puts its own record back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from cm.results.account import AppliedUsers
from cm.rpc.errors import InvalidParameter, NotPermitted
from cm.runtime.database import notify
from cm.services.account import TOPIC, default_quotas
from cm.services.context import ClusterCall
from cm.store.access import drop_groups
from cm.store.account import QUOTAS, ExternalAccount, ensure_external, lock_external, write_external
from cm.store.change import record_change


@dataclass(eq=False)
class CloudManagerNeeded(NotPermitted):
    """A password or session is nobody's cloud manager, an administrator's either."""

    code = "cloud_manager_needed"
    message = "Only a cloud manager may do this, by its token."


@dataclass(frozen=True)
class CloudRecord:
    """
    A cloud manager's record of one of its people. A quota that is None: what the account has; the cluster's where there
    is no account yet, and for those in ``defaults``.
    """

    external_id: str
    login: str
    name: str
    active: bool
    version: int
    quotas: Mapping[str, int | None]
    defaults: frozenset[str] = frozenset()


def issuer_of(caller: ClusterCall) -> str:
    """
    :raises CloudManagerNeeded: this caller has no cloud manager.
    """
    if not caller.identity.issuer:
        raise CloudManagerNeeded()
    return caller.identity.issuer


def put_users(caller: ClusterCall, records: Sequence[CloudRecord]) -> AppliedUsers:
    """
    Make the accounts of the caller's cloud manager as it says; those that are not named stay.

    :return: how many records are in force now, and the external ids of those that were too old.
    """
    issuer, session = issuer_of(caller), caller.session
    by_id = {record.external_id: record for record in records}
    if len(by_id) != len(records):
        raise InvalidParameter("users", "an external_id is there twice")
    defaults = default_quotas(caller.policy)
    made = _add_missing(session, issuer, by_id, defaults)
    stale = []
    for external_id, was in lock_external(session, issuer, list(by_id)).items():
        record = by_id[external_id]
        if external_id in made:
            continue
        if record.version < was.external_version:
            stale.append(external_id)
        elif _write(session, was, record, defaults):
            caller.note("edit user", external_id=external_id)
    for external_id in made:
        caller.note("add user", external_id=external_id)
    return {"applied": len(by_id) - len(stale), "stale": sorted(stale, key=int)}


def _add_missing(
    session: Session, issuer: str, records: Mapping[str, CloudRecord], defaults: Mapping[str, int]
) -> set[str]:
    """Accounts for those who have none; somebody's first call may make theirs at the same time, and be faster."""
    made = set()
    missing = records.keys() - lock_external(session, issuer, list(records)).keys()
    # In one order for all, so that two cannot wait for each other.
    for external_id in sorted(missing):
        record = records[external_id]
        given = [None if quota in record.defaults else record.quotas[quota] for quota in QUOTAS]
        quotas = tuple(defaults[name] if value is None else value for name, value in zip(QUOTAS, given, strict=True))
        values = {
            "origin": issuer,
            "external_id": external_id,
            "login": record.login,
            "name": record.name,
            "is_admin": False,
            "password_hash": None,
            **dict(zip(QUOTAS, quotas, strict=True)),
        }
        account_id = ensure_external(session, values)
        if account_id is None:
            continue
        made.add(external_id)
        write_external(
            session,
            ExternalAccount(account_id, record.login, record.name, record.active, record.version, quotas),
            newer=False,
        )
        record_change(session, "user", account_id, account_id, "enter")
    return made


def _write(session: Session, was: ExternalAccount, record: CloudRecord, defaults: Mapping[str, int]) -> bool:
    """Whether it made a difference."""
    given = [defaults[quota] if quota in record.defaults else record.quotas[quota] for quota in QUOTAS]
    now = replace(
        was,
        login=record.login,
        name=record.name,
        active=record.active,
        external_version=record.version,
        quotas=tuple(old if new is None else new for old, new in zip(was.quotas, given, strict=True)),
    )
    if now == was:
        return False
    # Whoever is remembered as active, or by another name, is looked up again.
    newer = now.active != was.active
    write_external(session, now, newer=newer)
    if newer or now.login != was.login:
        notify(session, TOPIC, was.id)
    if now != replace(was, external_version=now.external_version):
        record_change(session, "user", was.id, was.id)
    return True


def end_groups(caller: ClusterCall, group_ids: Sequence[int]) -> int:
    """
    Groups of the caller's cloud manager are no more: what they were granted ends.

    :return: how many objects that concerned.
    """
    concerned = drop_groups(caller.session, issuer_of(caller), group_ids)
    for (kind, object_id), account_id in concerned:
        record_change(caller.session, kind, object_id, account_id)
        caller.note("take back what groups were granted", kind=kind, object_id=object_id)
    return len(concerned)
