"""
Queries about disks: one under lock, and as their viewers see them. What joins them to VMs is ``attachment.py``'s.

Who sees a disk: its account; whoever has a level on its entry in the catalogue; whoever sees a VM that has it. A VM's
own disk has no entry, and the level on the VM is the level on it; of others the VM's people are users.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Disk
from cm.results import disk as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import DiskFormat, DiskKind, DiskState, VolumeMode
from cm.rules.access import Level, Person, enough, highest
from cm.rules.names import image_volume
from cm.runtime.prepared import Prepared
from cm.runtime.rows import edit_row
from cm.store.access import FOR_CALLER, GRANTED_VM, SEEN_DISK, values_of
from cm.store.change import record_change
from cm.store.conditions import is_lost
from cm.store.rendered import Rendered, rendered

_NAME: Final = "coalesce(nullif(k.name, ''), i.name, (SELECT v.name FROM attachment t JOIN vm v ON v.id = t.vm_id"
DISK_NAME: Final = f"{_NAME} WHERE t.disk_id = k.id ORDER BY t.vm_id LIMIT 1), '')"
DISK_STATE: Final = (
    f"CASE WHEN {is_lost('u')} THEN 'lost'"
    " WHEN i.state IN ('adding', 'failed', 'deleted') THEN i.state WHEN k.trashed_at IS NOT NULL THEN 'trashed'"
    " WHEN NOT u.made THEN 'adding' ELSE 'ok' END"
)


@dataclass(frozen=True)
class DiskFacts:
    """
    A disk as its services and operations need it.

    :ivar name: its own, its entry's, or the VM's that it is attached to.
    :ivar state: as it is shown.
    :ivar backing_id: the volume that its own stands on.
    """

    id: int
    uuid: str
    account_id: int
    kind: DiskKind
    name: str
    image_id: int | None
    volume_id: int
    storage_id: int
    volume: str
    format: DiskFormat
    mode: VolumeMode
    backing_id: int | None
    size_bytes: int
    claimed_bytes: int
    made: bool
    state: DiskState
    trashed_at: datetime | None
    version: int


_FIND = Prepared(
    "find_disk",
    f"""
SELECT k.id, k.uuid::text AS uuid, k.account_id, coalesce(i.kind, 'vm') AS kind, {DISK_NAME} AS name, k.image_id,
       u.id AS volume_id, u.storage_id, u.name AS volume, u.format, u.mode, u.backing_id, u.size_bytes,
       u.claimed_bytes, u.made, {DISK_STATE} AS state, k.trashed_at, k.version + coalesce(i.version, 0) AS version
  FROM disk k JOIN volume u ON u.id = k.volume_id LEFT JOIN image i ON i.id = k.image_id WHERE k.id = :id
""",
)
_LOCK_IMAGE = text(
    "SELECT 1 FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = (SELECT image_id FROM disk WHERE id = :id)"
    " FOR UPDATE OF i FOR NO KEY UPDATE OF u"
)
_LOCK = text(
    "SELECT 1 FROM volume u JOIN disk k ON k.volume_id = u.id WHERE k.id = :id FOR NO KEY UPDATE OF u FOR UPDATE OF k"
)


def find_disk(session: Session, disk_id: int, *, lock: bool = False) -> DiskFacts | None:
    """
    :param lock: hold its entry, volume and row until the transaction ends, also against those who would attach it
        (``FOR UPDATE``). Before the rows of its VMs.
    """
    if lock:
        session.execute(_LOCK_IMAGE, {"id": disk_id})
        session.execute(_LOCK, {"id": disk_id})
    found = _FIND(session, id=disk_id).first()
    if found is None:
        return None
    values = dict(found._mapping)
    values["kind"], values["state"] = DiskKind(values["kind"]), DiskState(values["state"])
    values["format"], values["mode"] = DiskFormat(values["format"]), VolumeMode(values["mode"])
    return DiskFacts(**values)


def get_disk(session: Session, disk_id: int, *, lock: bool = False, version: int | None = None) -> DiskFacts:
    """
    A disk, whoever asks for it (``services/access.py`` asks who).

    :raises ObjectNotFound: absent.
    :raises VersionChanged: it is not at ``version``.
    """
    row = find_disk(session, disk_id, lock=lock)
    if row is None:
        raise ObjectNotFound("disk", disk_id)
    if version is not None and row.version != version:
        raise VersionChanged("disk", disk_id, row.version, version)
    return row


def find_disk_of_image(session: Session, image_id: int) -> int | None:
    """The disk that a storage image or an ISO is; None where there is none, or of a system image."""
    found: int | None = session.scalar(text("SELECT id FROM disk WHERE image_id = :id"), {"id": image_id})
    return found


def touch_disk(session: Session, disk_id: int, event: str = "change") -> None:
    """A disk was changed: its version grows, and the feed tells. Call it last."""
    account_id = session.scalar(
        text("UPDATE disk SET version = version + 1 WHERE id = :id RETURNING account_id"), {"id": disk_id}
    )
    if account_id is not None:
        record_change(session, "disk", disk_id, account_id, event)


_INSERT = text(
    """
WITH lies AS (
    INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes)
    VALUES (:storage_id, :volume, :format, :size_bytes, :size_bytes) RETURNING id
), made AS (
    INSERT INTO image (uuid, kind, name, description, account_id, volume_id, state, access, disk_controller)
    SELECT :uuid, 'storage', :name, :description, :account_id, id, 'adding', 'private', 'virtio' FROM lies
    RETURNING id, account_id, volume_id
), disked AS (
    INSERT INTO disk (account_id, image_id, volume_id) SELECT account_id, id, volume_id FROM made
    RETURNING id, image_id, account_id
), told AS (
    INSERT INTO change (account_id, kind, object_id, event)
    SELECT account_id, 'disk', id, 'enter' FROM disked UNION ALL SELECT account_id, 'image', id, 'enter' FROM made
)
SELECT id, image_id FROM disked
"""
)


def insert_disk(
    session: Session, *, account_id: int, name: str, description: str, storage_id: int, format: DiskFormat,
    size_bytes: int,
) -> tuple[int, int]:  # fmt: skip
    """
    A disk to be, with its entry in the catalogue and a name for its volume. Quota and room are claimed already.

    :return: its id, and its entry's.
    """
    key = uuid.uuid4()
    values = {"account_id": account_id, "name": name, "description": description, "storage_id": storage_id}
    found = session.execute(
        _INSERT,
        {**values, "uuid": key, "volume": image_volume(key, str(format)), "format": format, "size_bytes": size_bytes},
    ).one()
    return int(found.id), int(found.image_id)


def name_disk(session: Session, disk_id: int, name: str | None, description: str | None) -> None:
    """Of a VM's own disk; what is None stays. An entry's names are the entry's."""
    edit_row(session, Disk, disk_id, (Disk.name, Disk.description), {"name": name, "description": description},
             counted=False)  # fmt: skip


def set_trashed(session: Session, disk_id: int, trashed: bool) -> None:
    """Put a disk into the trash, with its entry, or take both out."""
    session.execute(
        text(
            "WITH disked AS (UPDATE disk SET trashed_at = CASE WHEN :trashed THEN clock_timestamp() END WHERE id = :id"
            " RETURNING image_id)"
            " UPDATE image SET state = CASE WHEN :trashed THEN 'trashed' ELSE 'ok' END, version = version + 1"
            " WHERE id = (SELECT image_id FROM disked)"
        ),
        {"id": disk_id, "trashed": trashed},
    )


def list_overdue(session: Session, seconds: float) -> Sequence[int]:
    """Entries of disks that lie in the trash for so long, the oldest first; a page of them."""
    return list(
        session.scalars(
            text(
                "SELECT k.image_id FROM disk k JOIN image i ON i.id = k.image_id WHERE i.state = 'trashed'"
                " AND k.trashed_at < clock_timestamp() - make_interval(secs => :seconds)"
                " ORDER BY k.trashed_at LIMIT 100"
            ),
            {"seconds": seconds},
        )
    )


# ------------------------------------------------------------------ who sees one

_VM_LEVELS: Final = f"(SELECT json_agg(g.level) FROM acl g WHERE g.kind = 'vm' AND g.object_id = v.id AND {FOR_CALLER})"
_THROUGH = Prepared(
    "levels_through_vms",
    f"""
SELECT v.id, t.delete_with_vm, v.account_id = :account_id AS mine, {_VM_LEVELS} AS levels
  FROM attachment t JOIN vm v ON v.id = t.vm_id
 WHERE t.disk_id = :id AND (v.account_id = :account_id OR {GRANTED_VM}) ORDER BY v.id
""",
)


def _through(mine: bool, levels: Sequence[str] | None, delete_with_vm: bool) -> Level | None:
    """The level on a disk of somebody who has these on a VM that has it; None: they do not see the VM."""
    held = highest([*map(Level, levels or ()), *([Level.OWNER] if mine else [])])
    return held if held is None or delete_with_vm else Level.USER


def levels_through_vms(session: Session, person: Person, disk_id: int) -> Sequence[tuple[int, Level]]:
    """The VMs that have a disk and that somebody sees, with the level that each gives them on the disk."""
    found = _THROUGH(session, id=disk_id, **values_of(person))
    given = [(row.id, _through(row.mine, row.levels, row.delete_with_vm)) for row in found]
    return [(vm_id, level) for vm_id, level in given if level is not None]


# ------------------------------------------------------------------ as it is shown

_COLUMNS: Final = f"""k.id AS disk_id, k.uuid::text AS uuid, coalesce(i.kind, 'vm') AS kind, {DISK_NAME} AS name,
       coalesce(nullif(k.description, ''), i.description, '') AS description, k.account_id AS user_id,
       w.login AS user_login, k.image_id, u.storage_id, s.name AS storage_name, u.format, u.size_bytes,
       u.claimed_bytes, u.allocated_bytes, {DISK_STATE} AS state, coalesce(i.error, '') AS error,
       k.trashed_at AS trashed, k.version + coalesce(i.version, 0) AS version, k.created_at AS created"""
_FROM: Final = (
    "disk k JOIN volume u ON u.id = k.volume_id JOIN storage s ON s.id = u.storage_id"
    " JOIN account w ON w.id = k.account_id LEFT JOIN image i ON i.id = k.image_id"
)
_FEED = Prepared("feed_disk", f"SELECT {_COLUMNS}, k.id AS _id, false AS _gone FROM {_FROM} WHERE k.id = ANY(:ids)")


def render_disks(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    """What everybody sees who may see them: neither where they are attached nor by which level."""
    return rendered(_FEED(session, ids=ids))


_SHOWN: Final = f"""
SELECT {_COLUMNS}, i.access, o.id AS operation_id, o.kind AS operation, coalesce(o.user_text, '') AS waiting_for,
       (SELECT json_agg(json_build_object(
                   'vm_id', t.vm_id, 'vm_name', v.name, 'number', t.number, 'device', t.device, 'bus', t.bus,
                   'boot_order', t.boot_order, 'read_only', t.read_only, 'cdrom', t.cdrom,
                   'delete_with_vm', t.delete_with_vm, 'leaving', t.leaving,
                   'arriving', coalesce(o.vm_id = t.vm_id AND o.kind IN ('disk_attach', 'attach_or_create'), false),
                   'mine', v.account_id = :account_id, 'levels', {_VM_LEVELS})
               ORDER BY t.vm_id)
          FROM attachment t JOIN vm v ON v.id = t.vm_id WHERE t.disk_id = k.id) AS attachments,
       (SELECT array_agg(g.level) FROM acl g WHERE g.kind = 'image' AND g.object_id = k.image_id AND {FOR_CALLER})
           AS levels
  FROM {_FROM}
  LEFT JOIN operation_object h ON h.kind = 'disk' AND h.object_id = k.id AND h.exclusive
  LEFT JOIN operation_object e ON e.kind = 'image' AND e.object_id = k.image_id AND e.exclusive
  LEFT JOIN operation o ON o.id = coalesce(h.operation_id, e.operation_id)
 WHERE true
"""
_OTHERS: Final = f"k.account_id <> :account_id AND {SEEN_DISK}"


def _viewer(viewer: Person | None) -> dict[str, Any]:
    return {"account_id": None, "issuer": None, "groups": []} if viewer is None else values_of(viewer)


def _shown(row: Any, viewer: Person | None, trash_s: float) -> results.Disk:
    """A disk as its viewer sees it: who is not its owner is told of those attachments whose VMs they see."""
    found = dict(row._mapping)
    mine = viewer is None or found["user_id"] == viewer.account_id
    public = found.pop("access") == "public" and found["state"] == DiskState.OK
    levels = [Level(level) for level in found.pop("levels") or ()] + ([Level.USER] if public else [])
    attachments, seen = [], []
    for attachment in found["attachments"] or ():
        through = _through(attachment.pop("mine") or False, attachment.pop("levels"), attachment["delete_with_vm"])
        attachments.append(attachment)
        if through is not None:
            levels.append(through)
            seen.append(attachment)
    level = Level.OWNER if mine else highest([Level.USER, *levels])
    found["attachments"] = attachments if enough(level, Level.OWNER) else seen
    purged = None if found["trashed"] is None or not trash_s else found["trashed"] + timedelta(seconds=trash_s)
    return cast(results.Disk, {**found, "purged": purged, "mine": mine, "level": level})


def show_disk(session: Session, disk_id: int, viewer: Person | None, trash_s: float) -> results.Disk:
    """
    :param viewer: the caller; None for administrators, who see all.
    :param trash_s: how long what lies in the trash is kept; 0: for ever.
    :raises ObjectNotFound: absent, or not shared with them.
    """
    where = " AND k.id = :id" + ("" if viewer is None else f" AND (k.account_id = :account_id OR {_OTHERS})")
    found = session.execute(text(_SHOWN + where), {"id": disk_id, **_viewer(viewer)}).first()
    if found is None:
        raise ObjectNotFound("disk", disk_id)
    return _shown(found, viewer, trash_s)


def list_disks(
    session: Session,
    *,
    viewer: Person | None,
    trash_s: float,
    limit: int,
    before: int | None = None,
    trashed: bool = False,
    shared: bool = False,
    kind: DiskKind | None = None,
    vm_id: int | None = None,
    account_id: int | None = None,
    storage_id: int | None = None,
) -> Sequence[results.Disk]:
    """
    A page, newest first.

    :param viewer: the caller, who sees their own; None for administrators, who see all.
    :param trashed: what lies in the trash, and nothing else.
    :param shared: others' that the viewer sees instead of their own.
    :param vm_id: those of a VM, whosever; that the viewer sees it is known.
    :param before: the last id of the page before.
    """
    where = f" AND k.trashed_at IS {'NOT ' if trashed else ''}NULL"
    if vm_id is not None:
        where += " AND k.id IN (SELECT t.disk_id FROM attachment t WHERE t.vm_id = :vm_id)"
    elif viewer is not None:
        where += f" AND {_OTHERS}" if shared else " AND k.account_id = :account_id"
    if kind is not None:
        where += " AND coalesce(i.kind, 'vm') = :kind"
    if account_id is not None:
        where += " AND k.account_id = :whose"
    if storage_id is not None:
        where += " AND u.storage_id = :storage_id"
    if before is not None:
        where += " AND k.id < :before"
    values = {"kind": kind, "vm_id": vm_id, "whose": account_id, "storage_id": storage_id, "before": before}
    found = session.execute(
        text(f"{_SHOWN}{where} ORDER BY k.id DESC LIMIT :limit"), {**_viewer(viewer), **values, "limit": limit}
    )
    return [_shown(row, viewer, trash_s) for row in found]
