"""Queries about VM profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import VMProfile
from cm.results import vm_profile as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.runtime.rows import Columns, close_row, edit_row, insert_row

WRITTEN: Final[Columns] = (VMProfile.name, VMProfile.vm_template_id, VMProfile.template_id)
_PROFILE: Final = """
SELECT p.id AS vm_profile_id, p.uuid::text AS uuid, p.name, p.account_id AS user_id, p.vm_template_id,
       v.name AS vm_template_name, p.template_id, t.name AS template_name, p.version, p.created_at AS created
  FROM vm_profile p JOIN vm_template v ON v.id = p.vm_template_id JOIN template t ON t.id = p.template_id
 WHERE p.deleted_at IS NULL AND p.account_id = :account_id
"""


def list_vm_profiles(session: Session, account_id: int) -> Sequence[results.VMProfile]:
    """An account's, by name; also those whose size or VM template is deleted."""
    found = session.execute(text(f"{_PROFILE} ORDER BY p.name, p.id"), {"account_id": account_id})
    return [cast(results.VMProfile, dict(row._mapping)) for row in found]


def get_vm_profile(
    session: Session, profile_id: int, account_id: int, *, lock: bool = False, version: int | None = None
) -> results.VMProfile:
    """
    :param account_id: whose it has to be.
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent, deleted, or another's.
    :raises VersionChanged: it is not at ``version``.
    """
    suffix = " FOR NO KEY UPDATE OF p" if lock else ""
    values = {"id": profile_id, "account_id": account_id}
    found = session.execute(text(f"{_PROFILE} AND p.id = :id{suffix}"), values).first()
    if found is None:
        raise ObjectNotFound("vm_profile", profile_id)
    if version is not None and found.version != version:
        raise VersionChanged("vm_profile", profile_id, found.version, version)
    return cast(results.VMProfile, dict(found._mapping))


def profiles_with(session: Session, account_id: int, vm_template_id: int) -> list[int]:
    """An account's profiles that a VM template is in."""
    statement = text(
        "SELECT id FROM vm_profile WHERE account_id = :a AND vm_template_id = :t AND deleted_at IS NULL ORDER BY id"
    )
    return list(session.scalars(statement, {"a": account_id, "t": vm_template_id}))


def count_vm_profiles(session: Session, account_id: int) -> int:
    """Holds the account until the transaction ends, so that nobody else makes one."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    statement = text("SELECT count(*) FROM vm_profile WHERE account_id = :id AND deleted_at IS NULL")
    return int(session.execute(statement, {"id": account_id}).scalar_one())


def insert_vm_profile(session: Session, account_id: int, values: dict[str, Any]) -> int:
    """:param values: by the names of ``WRITTEN``. :return: its id."""
    return insert_row(session, VMProfile, (VMProfile.account_id, *WRITTEN), {**values, "account_id": account_id})


def update_vm_profile(session: Session, profile_id: int, values: dict[str, Any]) -> None:
    """Write what is not None of ``WRITTEN``."""
    edit_row(session, VMProfile, profile_id, WRITTEN, values)


def close_vm_profile(session: Session, profile_id: int) -> None:
    close_row(session, VMProfile, profile_id)
