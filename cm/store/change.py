"""
The change feed: its rows, written by the transactions that make the change; and what readers are told of them.

Whom a change concerns and what its object looks like is found out when it is read, for a page of changes at a time:
readers see the object as it is by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.feed import FINAL, FeedRow, Position
from cm.runtime.prepared import Prepared
from cm.store.access import Audience, audience

_encode = msgspec.json.Encoder().encode
_INSERT = text(
    "INSERT INTO change (account_id, kind, object_id, event) VALUES (:account_id, :kind, :object_id, :event)"
)


def record_change(session: Session, kind: str, object_id: int, account_id: int | None, event: str = "change") -> None:
    """
    :param account_id: whose object it is; None for the cluster's own.
    :param event: "enter", "change" or "exit".
    """
    session.execute(_INSERT, {"account_id": account_id, "kind": kind, "object_id": object_id, "event": event})


_PAGE = Prepared(
    "read_changes",
    f"SELECT xid, id, at, account_id, kind, object_id, event FROM change WHERE {FINAL} ORDER BY xid, id LIMIT :limit",
)

# Per kind: the object as its views show it. ``_gone``: there is nothing to show any more. An image's is for all who may
# use it, so it tells nothing of whose VMs do.
_SHOWN: Final[Mapping[str, str]] = {
    "image": """
SELECT i.id AS image_id, i.uuid::text AS uuid, i.kind, i.name, i.description, i.account_id AS user_id,
       a.login AS user_login, i.storage_id, s.name AS storage_name, i.format, i.size_bytes, i.sha256, i.state,
       i.progress, i.error, i.access, i.platform, i.disk_controller, i.network_device, i.video_device, i.version,
       i.created_at AS created, i.id AS _id, i.deleted_at IS NOT NULL AS _gone
  FROM image i JOIN account a ON a.id = i.account_id JOIN storage s ON s.id = i.storage_id WHERE i.id = ANY(:ids)
""",
    "template": """
SELECT id AS template_id, uuid::text AS uuid, name, description, cpu, memory_mib, points, ec2name, version,
       created_at AS created, id AS _id, deleted_at IS NOT NULL AS _gone
  FROM template WHERE id = ANY(:ids)
""",
    "user": """
SELECT id AS user_id, uuid::text AS uuid, origin, external_id, login, name, is_admin, active, version, quota_cpu,
       quota_memory_mib, quota_storage_mib, quota_vms, used_cpu, used_memory_mib, used_storage_mib, used_vms,
       created_at AS created, id AS _id, deleted_at IS NOT NULL AS _gone
  FROM account WHERE id = ANY(:ids)
""",
    "message": """
SELECT id AS message_id, level, code, params, created_at AS created, id AS _id, false AS _gone
  FROM message WHERE id = ANY(:ids)
""",
}
# Of these only the uuid is told; who wants more asks for it.
_TABLES: Final = {"node": "node", "storage": "storage", "network": "address_pool"}
_READ: Final = {
    "vm": Prepared("feed_vm", "SELECT id AS _id, uuid::text AS uuid, summary FROM vm WHERE id = ANY(:ids)"),
    **{kind: Prepared(f"feed_{kind}", statement) for kind, statement in _SHOWN.items()},
    **{
        kind: Prepared(f"feed_{kind}", f"SELECT id AS _id, uuid::text AS uuid FROM {table} WHERE id = ANY(:ids)")
        for kind, table in _TABLES.items()
    },
}
_EXTERNAL: Final = Prepared(
    "feed_external",
    "SELECT id, origin, external_id FROM account WHERE id = ANY(:ids) AND external_id IS NOT NULL",
)


_PUBLIC: Final = frozenset({"template"})
_SHARED: Final = frozenset({"vm", "image"})
_NOBODY: Final = Audience(None, frozenset(), {}, False)


@dataclass(frozen=True, slots=True)
class _Object:
    """What is known of a change's object. ``json`` is what is shown of it, None where nothing is."""

    uuid: str | None = None
    json: str | None = None


_UNKNOWN: Final = _Object()


def read_changes(session: Session, after: Position, limit: int) -> Sequence[FeedRow]:
    """Changes after a position that nothing can precede any more, with whom they concern."""
    changes = _PAGE(session, xid=after[0], id=after[1], limit=limit).all()
    if not changes:
        return []
    ids: dict[str, set[int]] = {}
    for change in changes:
        ids.setdefault(change.kind, set()).add(change.object_id)
    objects = {kind: _objects(session, kind, list(found)) for kind, found in ids.items()}
    shared = [(kind, object_id) for kind in _SHARED & ids.keys() for object_id in ids[kind]]
    audiences = audience(session, shared) if shared else {}
    rows = [
        _row(
            change,
            objects[change.kind].get(change.object_id, _UNKNOWN),
            audiences.get((change.kind, change.object_id), _NOBODY),
        )
        for change in changes
    ]
    numbers = _numbers(session, {account_id for row in rows for account_id in row.users})
    if not numbers:
        return rows
    return [
        replace(row, external=frozenset(numbers[account_id] for account_id in row.users if account_id in numbers))
        for row in rows
    ]


def _row(change: Any, found: _Object, seen_by: Audience) -> FeedRow:
    exits = change.event == "exit"
    # The end of somebody's access is written as an exit of theirs.
    personal = exits and seen_by.owner not in (None, change.account_id)
    users: set[int] = {change.account_id} if change.account_id is not None else set()
    if not personal:
        users |= seen_by.accounts
        users |= {seen_by.owner} if seen_by.owner is not None else set()
    return FeedRow(
        position=(change.xid, change.id),
        kind=change.kind,
        object_id=change.object_id,
        uuid=found.uuid,
        event=change.event,
        at=change.at,
        object=None if exits else found.json,
        users=frozenset(users),
        groups=frozenset()
        if personal
        else frozenset((issuer, group) for issuer, groups in seen_by.groups.items() for group in groups),
        public=not personal and (seen_by.public or change.kind in _PUBLIC),
        personal=personal,
    )


def _objects(session: Session, kind: str, ids: list[int]) -> dict[int, _Object]:
    if kind not in _READ:
        return {}
    made = {}
    for found in _READ[kind](session, ids=ids):
        values = dict(found._mapping)
        number = values.pop("_id")
        if kind == "vm":
            made[number] = _Object(found.uuid, found.summary or None)
        elif kind in _TABLES:
            made[number] = _Object(found.uuid)
        else:
            gone = values.pop("_gone")
            made[number] = _Object(values.get("uuid"), None if gone else _encode(values).decode())
    return made


def _numbers(session: Session, account_ids: set[int]) -> dict[int, tuple[str, int]]:
    """Accounts of cloud managers, as those call them."""
    if not account_ids:
        return {}
    return {row.id: (row.origin, int(row.external_id)) for row in _EXTERNAL(session, ids=list(account_ids))}
