"""Queries about accounts: rows for views, facts for recognising callers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cm.models import Account
from cm.results import account as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, edit_row, insert_row, table_of
from cm.store.rendered import Rendered, rendered

LOCAL: Final = "local"
QUOTAS: Final = ("quota_cpu", "quota_memory_mib", "quota_storage_mib", "quota_vms", "quota_networks")
PUBLIC_QUOTAS: Final = ("quota_public_addresses", "quota_public_ports")  # the cluster's own: no cloud tells them
_QUOTAS: Final[Columns] = tuple(getattr(Account, name) for name in QUOTAS)
_PUBLIC_QUOTAS: Final[Columns] = tuple(getattr(Account, name) for name in PUBLIC_QUOTAS)
MADE_OF: Final[Columns] = (
    Account.origin, Account.external_id, Account.login, Account.name, Account.is_admin, Account.password_hash, *_QUOTAS,
)  # fmt: skip
EDITED: Final[Columns] = (
    Account.name, Account.is_admin, Account.active, *_QUOTAS, *_PUBLIC_QUOTAS, Account.quota_points,
)  # fmt: skip


@dataclass(frozen=True)
class AccountFacts:
    """What recognising a caller needs. A deleted account is not ``active``."""

    id: int
    login: str
    is_admin: bool
    active: bool
    version: int
    password_hash: str | None = field(default=None, repr=False)


_FACTS = """
SELECT id, login, is_admin, active AND deleted_at IS NULL AS active, version, password_hash FROM account WHERE
"""


def _facts(found: Any) -> AccountFacts | None:
    return None if found is None else AccountFacts(**found._mapping)


def find_facts(session: Session, account_id: int) -> AccountFacts | None:
    return _facts(session.execute(text(_FACTS + "id = :id"), {"id": account_id}).first())


def find_local(session: Session, login: str) -> AccountFacts | None:
    """A local account by its login."""
    where = "origin = 'local' AND login = :login AND deleted_at IS NULL"
    return _facts(session.execute(text(_FACTS + where), {"login": login}).first())


def find_password(session: Session, login: str) -> str | None:
    """The hash of a local account's password; None: there is no such account, or it has none."""
    found: str | None = session.scalar(
        text("SELECT password_hash FROM account WHERE origin = 'local' AND login = :login AND deleted_at IS NULL"),
        {"login": login},
    )
    return found


def find_external(session: Session, origin: str, external_id: str) -> AccountFacts | None:
    """The account that a cloud manager knows as ``external_id``."""
    where = "origin = :origin AND external_id = :external_id"
    return _facts(session.execute(text(_FACTS + where), {"origin": origin, "external_id": external_id}).first())


def insert_account(session: Session, values: Mapping[str, Any]) -> int:
    """
    A new account.

    :param values: every column of ``MADE_OF``; ``external_id`` and ``password_hash`` may be None.
    :return: its id.
    """
    return insert_row(session, Account, MADE_OF, values)


def ensure_external(session: Session, values: Mapping[str, Any]) -> int | None:
    """Insert a cloud manager's account unless somebody was faster; the id if it is new."""
    table = table_of(Account)
    made = insert(table).values({column.key: values[column.key] for column in MADE_OF})
    found: int | None = session.scalar(
        made.on_conflict_do_nothing(index_elements=[Account.origin, Account.external_id]).returning(table.c.id)
    )
    return found


def set_login(session: Session, account_id: int, login: str) -> None:
    """Follow a cloud manager that renamed an account."""
    session.execute(text("UPDATE account SET login = :login WHERE id = :id"), {"id": account_id, "login": login})


@dataclass(frozen=True)
class ExternalAccount:
    """A cloud manager's account as it was last taken over. ``quotas`` are in the order of ``QUOTAS``."""

    id: int
    login: str
    name: str
    active: bool
    external_version: int
    quotas: tuple[int, ...]


def lock_external(session: Session, origin: str, external_ids: Sequence[str]) -> dict[str, ExternalAccount]:
    """An issuer's accounts of these ids, as far as there are any, held until the transaction ends."""
    found = session.execute(
        text(
            f"SELECT id, external_id, login, name, active, external_version, {', '.join(QUOTAS)} FROM account"
            " WHERE origin = :origin AND external_id = ANY(:ids) ORDER BY id FOR UPDATE"
        ),
        {"origin": origin, "ids": list(external_ids)},
    )
    return {
        row.external_id: ExternalAccount(
            row.id, row.login, row.name, row.active, row.external_version, tuple(getattr(row, q) for q in QUOTAS)
        )
        for row in found
    }


def write_external(session: Session, account: ExternalAccount, *, newer: bool) -> None:
    """
    Write all of it.

    :param newer: whether cached verifications end.
    """
    values = {
        "login": account.login,
        "name": account.name,
        "active": account.active,
        "external_version": account.external_version,
        **dict(zip(QUOTAS, account.quotas, strict=True)),
    }
    edit_row(session, Account, account.id, (*EDITED, Account.login, Account.external_version), values, counted=newer)


def list_external(session: Session, origin: str, *, after: int, limit: int) -> Sequence[results.CloudAccount]:
    """A page of an issuer's accounts by their number there; the issuer's own, 0, is not among them."""
    found = session.execute(
        text(
            "SELECT external_id, external_version AS version, id AS user_id, login, name, active,"
            f" {', '.join(QUOTAS)} FROM account WHERE origin = :origin AND CAST(external_id AS numeric) > :after"
            " ORDER BY CAST(external_id AS numeric) LIMIT :limit"
        ),
        {"origin": origin, "after": after, "limit": limit},
    )
    return [cast(results.CloudAccount, dict(row._mapping)) for row in found]


_COLUMNS = """id AS user_id, uuid::text AS uuid, origin, external_id, login, name, is_admin, active,
       password_hash IS NOT NULL AS has_password, version, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms,
       used_cpu, used_memory_mib, used_storage_mib, used_vms, quota_networks,
       (SELECT count(*) FROM network w WHERE w.account_id = account.id AND w.deleted_at IS NULL) AS used_networks,
       quota_public_addresses, quota_public_ports, quota_points,
       (SELECT count(*) FROM public_address a WHERE a.account_id = account.id) AS used_public_addresses,
       (SELECT count(*) FROM public_port p JOIN nic c ON c.id = p.nic_id JOIN vm v ON v.id = c.vm_id
         WHERE v.account_id = account.id) AS used_public_ports, created_at AS created"""
_ACCOUNT = f"SELECT {_COLUMNS} FROM account WHERE deleted_at IS NULL"
_FEED = Prepared(
    "feed_user", f"SELECT {_COLUMNS}, id AS _id, deleted_at IS NOT NULL AS _gone FROM account WHERE id = ANY(:ids)"
)


def render_accounts(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids))


def list_accounts(session: Session, *, after: int | None, limit: int) -> Sequence[results.Account]:
    """A page by id."""
    found = session.execute(
        text(_ACCOUNT + " AND id > :after ORDER BY id LIMIT :limit"), {"after": after or 0, "limit": limit}
    )
    return [cast(results.Account, dict(row._mapping)) for row in found]


def get_account(
    session: Session, account_id: int, *, lock: bool = False, version: int | None = None
) -> results.Account:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    suffix = " FOR UPDATE" if lock else ""
    found = session.execute(text(f"{_ACCOUNT} AND id = :id{suffix}"), {"id": account_id}).first()
    if found is None:
        raise ObjectNotFound("user", account_id)
    if version is not None and found.version != version:
        raise VersionChanged("user", account_id, found.version, version)
    return cast(results.Account, dict(found._mapping))


def update_account(session: Session, account_id: int, values: Mapping[str, Any], *, newer: bool) -> None:
    """
    Write what is not None of ``EDITED``.

    :param newer: whether cached verifications end.
    """
    edit_row(session, Account, account_id, EDITED, values, counted=newer)


def login_of(session: Session, account_id: int) -> str:
    """Of an account that is there, be it deleted."""
    return str(session.scalar(text("SELECT login FROM account WHERE id = :id"), {"id": account_id}))


def write_password(session: Session, account_id: int, password_hash: str) -> None:
    session.execute(
        text("UPDATE account SET password_hash = :hash, version = version + 1 WHERE id = :id"),
        {"id": account_id, "hash": password_hash},
    )


def other_admins(session: Session, account_id: int) -> int:
    """
    How many other administrators could still log in with a password of their own. Their rows stay locked, so that two
    cannot remove each other.
    """
    found = session.scalars(
        text(
            "SELECT id FROM account WHERE id <> :id AND origin = 'local' AND is_admin AND active AND deleted_at IS NULL"
            " AND password_hash IS NOT NULL ORDER BY id FOR UPDATE"
        ),
        {"id": account_id},
    )
    return len(found.all())


def holdings(session: Session, account_id: int) -> tuple[int, int]:
    """How many live VMs and images an account has."""
    found = session.execute(
        text(
            "SELECT (SELECT count(*) FROM vm WHERE account_id = :id AND closed_at IS NULL) AS vms,"
            " (SELECT count(*) FROM image WHERE account_id = :id AND deleted_at IS NULL) AS images"
        ),
        {"id": account_id},
    ).one()
    return int(found.vms), int(found.images)


def close_account(session: Session, account_id: int) -> None:
    """Delete an account; its login becomes free again ("#" is in no login)."""
    session.execute(
        text(
            "UPDATE account SET deleted_at = clock_timestamp(), active = false, password_hash = NULL,"
            " external_id = NULL, login = login || '#' || id, version = version + 1 WHERE id = :id"
        ),
        {"id": account_id},
    )
