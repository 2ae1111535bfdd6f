"""Queries about groups and who is in them."""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from clm import models
from clm.results.group import Group, GroupPerson, LedGroup, SeenGroup
from clm.rules.group import Status
from clm.store.sync import drop_group
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.runtime.rows import Columns, edit_row, has_row, insert_row

EDITED: Final[Columns] = (models.Group.name, models.Group.description, models.Group.leader_id)

_COUNT = "(SELECT count(*) FROM membership n WHERE n.group_id = g.id AND n.state = '{}')"
_FIELDS = f"""
g.id AS group_id, g.uuid::text AS uuid, g.name, g.description, g.leader_id, l.login AS leader,
trim(l.first_name || ' ' || l.last_name) AS leader_name, {_COUNT.format("member")} AS members, g.version,
g.created_at AS created
"""
_GROUPS = "FROM user_group g JOIN user_account l ON l.id = g.leader_id"
_OF_USER = f"""
SELECT {_FIELDS}, coalesce(m.state, 'none') AS status {_GROUPS}
  LEFT JOIN membership m ON m.group_id = g.id AND m.user_id = :user_id
 WHERE g.deleted_at IS NULL
"""
_BY_NAME: Final = " ORDER BY lower(g.name), g.id"


def _rows(session: Session, statement: str, **values: object) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in session.execute(text(statement), values)]


def list_all(session: Session) -> list[Group]:
    return cast(list[Group], _rows(session, f"SELECT {_FIELDS} {_GROUPS} WHERE g.deleted_at IS NULL{_BY_NAME}"))


def list_with_status(session: Session, user_id: int) -> list[SeenGroup]:
    """All, with what the user is in each."""
    return cast(list[SeenGroup], _rows(session, _OF_USER + _BY_NAME, user_id=user_id))


def list_joined(session: Session, user_id: int) -> list[SeenGroup]:
    """Those that the user is a member of."""
    return cast(list[SeenGroup], _rows(session, f"{_OF_USER} AND m.state = 'member'{_BY_NAME}", user_id=user_id))


def list_led(session: Session, user_id: int) -> list[LedGroup]:
    """Those that the user leads, with how many wait to be let in."""
    fields = f"{_FIELDS}, {_COUNT.format('waiting')} AS requests"
    where = f"WHERE g.deleted_at IS NULL AND g.leader_id = :user_id{_BY_NAME}"
    return cast(list[LedGroup], _rows(session, f"SELECT {fields} {_GROUPS} {where}", user_id=user_id))


def get_with_status(session: Session, group_id: int, user_id: int) -> SeenGroup:
    """:raises ObjectNotFound: absent or deleted."""
    found = _rows(session, f"{_OF_USER} AND g.id = :id", user_id=user_id, id=group_id)
    if not found:
        raise ObjectNotFound("group", group_id)
    return cast(SeenGroup, found[0])


def get_group(session: Session, group_id: int, *, lock: bool = False, version: int | None = None) -> Group:
    """
    :param lock: nobody else changes it, or who is in it, until the transaction ends.
    :raises ObjectNotFound: absent or deleted.
    :raises VersionChanged: it is not at ``version``.
    """
    if lock:  # in a statement of its own, so that the next one sees what whoever held it has written
        session.execute(text("SELECT 1 FROM user_group WHERE id = :id FOR NO KEY UPDATE"), {"id": group_id})
    found = _rows(session, f"SELECT {_FIELDS} {_GROUPS} WHERE g.deleted_at IS NULL AND g.id = :id", id=group_id)
    if not found:
        raise ObjectNotFound("group", group_id)
    if version is not None and found[0]["version"] != version:
        raise VersionChanged("group", group_id, found[0]["version"], version)
    return cast(Group, found[0])


def count_led(session: Session, user_id: int) -> int:
    """How many groups the user leads; nobody makes it more until the transaction ends."""
    session.execute(text("SELECT 1 FROM user_account WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
    count = session.execute(
        text("SELECT count(*) FROM user_group WHERE leader_id = :id AND deleted_at IS NULL"), {"id": user_id}
    )
    return int(count.scalar_one())


def insert_group(session: Session, name: str, description: str, leader_id: int) -> int:
    values = {"name": name, "description": description, "leader_id": leader_id}
    return insert_row(session, models.Group, EDITED, values)


def update_group(session: Session, group_id: int, **values: object) -> None:
    """Write what is not None of ``EDITED``."""
    edit_row(session, models.Group, group_id, EDITED, values)


def close_group(session: Session, group_id: int) -> list[int]:
    """Delete it with all memberships; have the clusters forget it. Gives who was in it, or waited to be."""
    session.execute(
        text("UPDATE user_group SET deleted_at = now(), version = version + 1 WHERE id = :id"), {"id": group_id}
    )
    drop_group(session, group_id)
    gone = session.execute(text("DELETE FROM membership WHERE group_id = :id RETURNING user_id"), {"id": group_id})
    return sorted(row.user_id for row in gone)


# ------------------------------------------------------------------ who is in one


def list_people(session: Session, group_id: int, status: Status) -> list[GroupPerson]:
    """Who is that in the group, by login: id, login and name alone, for people see one another here."""
    found = _rows(
        session,
        "SELECT u.id AS user_id, u.login, trim(u.first_name || ' ' || u.last_name) AS name"
        " FROM membership m JOIN user_account u ON u.id = m.user_id"
        " WHERE m.group_id = :id AND m.state = :state AND u.deleted_at IS NULL ORDER BY lower(u.login)",
        id=group_id,
        state=status.value,
    )
    return cast(list[GroupPerson], found)


def everybody(session: Session, group_id: int) -> list[int]:
    """Ids of the members and of those who wait to be."""
    rows = session.execute(
        text("SELECT user_id FROM membership WHERE group_id = :id ORDER BY user_id"), {"id": group_id}
    )
    return [row.user_id for row in rows]


def get_login(session: Session, user_id: int) -> str:
    """:raises ObjectNotFound: there is no such user."""
    login: str | None = session.execute(
        text("SELECT login FROM user_account WHERE id = :id AND deleted_at IS NULL"), {"id": user_id}
    ).scalar()
    if login is None:
        raise ObjectNotFound("user", user_id)
    return login


def is_active(session: Session, user_id: int) -> bool:
    """They are not blocked or deleted either until the transaction ends."""
    return has_row(
        session,
        "SELECT 1 FROM user_account WHERE id = :id AND state = 'active' AND deleted_at IS NULL FOR SHARE",
        {"id": user_id},
    )


def status_of(session: Session, group_id: int, user_id: int) -> Status:
    found = session.execute(
        text("SELECT state FROM membership WHERE group_id = :group AND user_id = :user"),
        {"group": group_id, "user": user_id},
    ).scalar()
    return Status.NONE if found is None else Status(found)


def write_status(session: Session, group_id: int, user_id: int, was: Status, now: Status) -> bool:
    """Whether they were still what they ``was``."""
    values = {"group": group_id, "user": user_id, "was": was.value, "now": now.value}
    if was is Status.NONE:
        statement = (
            "INSERT INTO membership (group_id, user_id, state) VALUES (:group, :user, :now) ON CONFLICT DO NOTHING"
        )
    elif now is Status.NONE:
        statement = "DELETE FROM membership WHERE group_id = :group AND user_id = :user AND state = :was"
    else:
        statement = (
            "UPDATE membership SET state = :now, since = now()"
            " WHERE group_id = :group AND user_id = :user AND state = :was"
        )
    result = session.execute(text(statement), values)
    assert isinstance(result, CursorResult)
    return bool(result.rowcount == 1)
