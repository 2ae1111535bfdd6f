"""Queries about templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Template
from cm.results import template as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns, close_row, edit_row, insert_row
from cm.store.rendered import Rendered, rendered

EDITED: Final[Columns] = (
    Template.name, Template.description, Template.cpu, Template.memory_mib, Template.disk_mib, Template.local_disk,
    Template.traits, Template.points, Template.ec2name,
)  # fmt: skip

_COLUMNS = """id AS template_id, uuid::text AS uuid, name, description, cpu, memory_mib, disk_mib, local_disk,
       traits, points, ec2name, version, created_at AS created"""
_TEMPLATE = f"SELECT {_COLUMNS} FROM template WHERE deleted_at IS NULL"
_FEED = Prepared(
    "feed_template",
    f"SELECT {_COLUMNS}, id AS _id, deleted_at IS NOT NULL AS _gone FROM template WHERE id = ANY(:ids)",
)


def render_templates(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    return rendered(_FEED(session, ids=ids))


def list_templates(session: Session) -> Sequence[results.Template]:
    """The smallest first."""
    found = session.execute(text(_TEMPLATE + " ORDER BY cpu, memory_mib, id"))
    return [cast(results.Template, dict(row._mapping)) for row in found]


def get_template(
    session: Session, template_id: int, *, lock: bool = False, version: int | None = None
) -> results.Template:
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
    return cast(results.Template, dict(found._mapping))


def find_named(session: Session, name: str) -> int | None:
    """The live template of a name."""
    statement = text("SELECT id FROM template WHERE name = :name AND deleted_at IS NULL")
    found = session.scalar(statement, {"name": name})
    return None if found is None else int(found)


class Size(NamedTuple):
    """What VMs made by a template get."""

    id: int
    cpu: int
    memory_mib: int
    disk_mib: int  # 0: as large as the image
    local_disk: bool
    traits: list[str]  # that their nodes must have


def insert_template(session: Session, values: Mapping[str, Any]) -> int:
    """
    :param values: every column of ``EDITED``.
    :return: its id.
    """
    return insert_row(session, Template, EDITED, values)


def update_template(session: Session, template_id: int, values: Mapping[str, Any]) -> None:
    """Write what is not None of ``EDITED``."""
    edit_row(session, Template, template_id, EDITED, values)


def close_template(session: Session, template_id: int) -> None:
    close_row(session, Template, template_id)
