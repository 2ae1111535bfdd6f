"""Queries about launch templates and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.launch_template import LaunchTemplate, LaunchTemplateVersion
from cm.rpc.codec import encode_json
from cm.rpc.errors import ObjectNotFound
from cm.runtime.rows import has_row

_TEMPLATE = """
SELECT t.id AS launch_template_id, t.uuid::text AS uuid, t.cluster_id, t.name, t.default_version, t.latest_version,
       t.tags, t.created_at AS created
  FROM launch_template t JOIN cluster c ON c.id = t.cluster_id AND c.deleted_at IS NULL WHERE t.user_id = :user_id
"""
_VERSION = """
SELECT launch_template_id, number, description, data, created_at AS created FROM launch_template_version
 WHERE launch_template_id = :id
"""


def list_templates(session: Session, user_id: int) -> list[LaunchTemplate]:
    """A user's, newest first."""
    rows = session.execute(text(_TEMPLATE + " ORDER BY t.id DESC"), {"user_id": user_id})
    return [cast(LaunchTemplate, dict(row._mapping)) for row in rows]


def get_template(session: Session, user_id: int, template_id: int, *, lock: bool = False) -> LaunchTemplate:
    """
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: the user has none of this id.
    """
    locked = " FOR NO KEY UPDATE OF t" if lock else ""
    values = {"user_id": user_id, "id": template_id}
    found = session.execute(text(_TEMPLATE + " AND t.id = :id" + locked), values).first()
    if found is None:
        raise ObjectNotFound("launch_template", template_id)
    return cast(LaunchTemplate, dict(found._mapping))


def has_cluster(session: Session, cluster_id: int) -> bool:
    """Whether there is one; it stays until the transaction ends."""
    return has_row(
        session, "SELECT 1 FROM cluster WHERE id = :id AND deleted_at IS NULL FOR KEY SHARE", {"id": cluster_id}
    )


def count_versions(session: Session, user_id: int) -> int:
    """How many the user has of all templates; nobody else adds one for them until the transaction ends."""
    session.execute(text("SELECT 1 FROM user_account WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
    count = session.execute(
        text(
            "SELECT count(*) FROM launch_template_version v JOIN launch_template t ON t.id = v.launch_template_id"
            " WHERE t.user_id = :id"
        ),
        {"id": user_id},
    )
    return int(count.scalar_one())


def insert_template(session: Session, user_id: int, cluster_id: int, name: str, tags: Mapping[str, str]) -> int:
    """It has no version yet."""
    values = {"user_id": user_id, "cluster_id": cluster_id, "name": name, "tags": encode_json(tags).decode()}
    return int(
        session.execute(
            text(
                "INSERT INTO launch_template (user_id, cluster_id, name, tags)"
                " VALUES (:user_id, :cluster_id, :name, CAST(:tags AS jsonb)) RETURNING id"
            ),
            values,
        ).scalar_one()
    )


def insert_version(session: Session, template_id: int, number: int, description: str, data: str) -> None:
    values = {"id": template_id, "number": number, "description": description, "data": data}
    session.execute(
        text(
            "INSERT INTO launch_template_version (launch_template_id, number, description, data)"
            " VALUES (:id, :number, :description, :data)"
        ),
        values,
    )
    session.execute(text("UPDATE launch_template SET latest_version = :number WHERE id = :id"), values)


def list_versions(session: Session, template_id: int) -> list[LaunchTemplateVersion]:
    """The newest first; whose the template is, is known."""
    rows = session.execute(text(_VERSION + " ORDER BY number DESC"), {"id": template_id})
    return [cast(LaunchTemplateVersion, dict(row._mapping)) for row in rows]


def get_version(session: Session, template_id: int, number: int) -> LaunchTemplateVersion:
    """:raises ObjectNotFound: the template has none of this number."""
    found = session.execute(text(_VERSION + " AND number = :number"), {"id": template_id, "number": number}).first()
    if found is None:
        raise ObjectNotFound("launch_template_version", number)
    return cast(LaunchTemplateVersion, dict(found._mapping))


def write_default(session: Session, template_id: int, number: int) -> None:
    session.execute(
        text("UPDATE launch_template SET default_version = :number WHERE id = :id"),
        {"id": template_id, "number": number},
    )


def delete_version(session: Session, template_id: int, number: int) -> bool:
    """Whether it was still there."""
    return has_row(
        session,
        "DELETE FROM launch_template_version WHERE launch_template_id = :id AND number = :number RETURNING number",
        {"id": template_id, "number": number},
    )


def delete_template(session: Session, template_id: int) -> None:
    """With all its versions."""
    session.execute(text("DELETE FROM launch_template WHERE id = :id"), {"id": template_id})


def write_tags(session: Session, template_id: int, tags: Mapping[str, str], gone: Sequence[str]) -> int:
    """Take tags away, then put some on. :return: how many it has now."""
    return int(
        session.execute(
            text(
                "UPDATE launch_template SET tags = (tags - CAST(:gone AS text[])) || CAST(:tags AS jsonb)"
                " WHERE id = :id RETURNING (SELECT count(*) FROM jsonb_object_keys(tags))"
            ),
            {"id": template_id, "tags": encode_json(tags).decode(), "gone": list(gone)},
        ).scalar_one()
    )
