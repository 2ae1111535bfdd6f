"""Queries about templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import ObjectNotFound, VersionChanged

_TEMPLATE = """
SELECT id AS template_id, uuid::text AS uuid, name, description, cpu, memory_mib, points, ec2name, version,
       created_at AS created
  FROM template WHERE deleted_at IS NULL
"""


def list_templates(session: Session) -> Sequence[dict[str, Any]]:
    """The smallest first."""
    return [dict(row._mapping) for row in session.execute(text(_TEMPLATE + " ORDER BY cpu, memory_mib, id"))]


def get_template(
    session: Session, template_id: int, *, lock: bool = False, version: int | None = None
) -> dict[str, Any]:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    suffix = " FOR NO KEY UPDATE" if lock else ""
    found = session.execute(text(f"{_TEMPLATE} AND id = :id{suffix}"), {"id": template_id}).first()
    if found is None:
        raise ObjectNotFound("template", template_id)
    if version is not None and found.version != version:
        raise VersionChanged("template", template_id, found.version, version)
    return dict(found._mapping)


def insert_template(session: Session, values: dict[str, Any]) -> int:
    return int(
        session.execute(
            text(
                "INSERT INTO template (name, description, cpu, memory_mib, points, ec2name)"
                " VALUES (:name, :description, :cpu, :memory_mib, :points, :ec2name) RETURNING id"
            ),
            values,
        ).scalar_one()
    )


def update_template(session: Session, template_id: int, values: dict[str, Any]) -> None:
    """Write what is not None."""
    session.execute(
        text(
            "UPDATE template SET name = coalesce(:name, name), description = coalesce(:description, description),"
            " cpu = coalesce(:cpu, cpu), memory_mib = coalesce(:memory_mib, memory_mib),"
            " points = coalesce(:points, points), ec2name = coalesce(:ec2name, ec2name), version = version + 1"
            " WHERE id = :id"
        ),
        {**values, "id": template_id},
    )


def close_template(session: Session, template_id: int) -> None:
    session.execute(
        text("UPDATE template SET deleted_at = clock_timestamp(), version = version + 1 WHERE id = :id"),
        {"id": template_id},
    )
