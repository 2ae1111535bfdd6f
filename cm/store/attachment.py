"""What is attached to VMs: their places for disks, and what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Attachment
from cm.rpc.errors import DiskHeld, InUse
from cm.rpc.vocabulary import DiskBus
from cm.rules.operation import OperationKind
from cm.runtime.prepared import Prepared
from cm.runtime.rows import Columns
from cm.store.claim import mib, release_quota
from cm.store.conditions import is_on
from cm.store.erased import MAY_BE_WRITTEN, refuse_erased

# Of an attachment ``a`` that another of the same disk cannot be beside: one of both writes.
_FOES = "a.disk_id = k.id AND (NOT a.read_only OR NOT CAST(:read_only AS boolean) AND i.kind <> 'iso')"
_FOE = Prepared(
    "foe_of_attachment",
    f"SELECT a.vm_id FROM disk k JOIN image i ON i.id = k.image_id JOIN attachment a ON {_FOES}"
    " WHERE k.image_id = :id LIMIT 1",
)
_HOLDER = Prepared(
    "holder_of_disk_of_image",
    "SELECT k.id, o.id AS operation_id, o.kind FROM disk k JOIN operation_object h ON h.kind = 'disk'"
    " AND h.object_id = k.id AND h.exclusive JOIN operation o ON o.id = h.operation_id WHERE k.image_id = :id",
)
# Whoever is faster has it: two creates look at the same free image, and the one that comes later waits here. Who works
# on a disk, or gives it to a VM that is there, locks its entry before, as creates do.
_ATTACH = Prepared(
    "attach_image",
    f"""
INSERT INTO attachment (vm_id, number, disk_id, device, bus, read_only, cdrom)
SELECT CAST(:vm_id AS bigint), (SELECT coalesce(max(number), 0) + 1 FROM attachment WHERE vm_id = :vm_id), k.id,
       CAST(:device AS text),
       CASE WHEN i.kind = 'iso' THEN 'sata' ELSE 'virtio' END, CAST(:read_only AS boolean) OR i.kind = 'iso',
       i.kind = 'iso'
  FROM disk k JOIN image i ON i.id = k.image_id WHERE k.image_id = :image_id
   AND NOT EXISTS (SELECT 1 FROM attachment a WHERE {_FOES})
   AND NOT EXISTS (SELECT 1 FROM operation_object h WHERE h.kind = 'disk' AND h.object_id = k.id AND h.exclusive)
   AND NOT EXISTS (SELECT 1 FROM volume u WHERE u.id = k.volume_id AND {MAY_BE_WRITTEN})
    ON CONFLICT DO NOTHING
""",
)


def attach_image(session: Session, vm_id: int, image_id: int, device: str, *, read_only: bool) -> None:
    """
    For a VM that is being made. The image is held already.

    :param device: its name in the guest, ``vdb``.
    :raises InUse: another VM may write to it, be it erased, or this one has it already.
    :raises DiskHeld: an operation is under way on it.
    """
    if _ATTACH(session, vm_id=vm_id, image_id=image_id, device=device, read_only=read_only).rowcount:
        return
    holder = _HOLDER(session, id=image_id).first()
    if holder is not None:
        raise DiskHeld(holder.id, holder.operation_id, OperationKind(holder.kind))
    refuse_erased(session, image_id, "image")
    foe = _FOE(session, id=image_id, read_only=read_only).scalar()
    raise InUse("image", image_id, f"VM {foe or vm_id}")


# ------------------------------------------------------------------ of VMs that are there


@dataclass(frozen=True)
class Place:
    """One of a VM's places. ``disk_id``: None of an empty drive."""

    vm_id: int
    number: int
    disk_id: int | None
    device: str
    bus: DiskBus
    boot_order: int | None
    read_only: bool
    cdrom: bool
    delete_with_vm: bool
    leaving: bool


_COLUMNS = "vm_id, number, disk_id, device, bus, boot_order, read_only, cdrom, delete_with_vm, leaving"


def _place(row: Any) -> Place:
    values = dict(row._mapping)
    return Place(**{**values, "bus": DiskBus(values["bus"])})


def places_of(session: Session, vm_id: int) -> Sequence[Place]:
    """A VM's, by their numbers; the root disk's is first."""
    found = session.execute(
        text(f"SELECT {_COLUMNS} FROM attachment WHERE vm_id = :id ORDER BY number"), {"id": vm_id}
    )
    return [_place(row) for row in found]


def places_with(session: Session, disk_id: int) -> Sequence[Place]:
    """Where a disk is attached, by VM; what is asked under its lock stays so."""
    found = session.execute(
        text(f"SELECT {_COLUMNS} FROM attachment WHERE disk_id = :id ORDER BY vm_id"), {"id": disk_id}
    )
    return [_place(row) for row in found]


_MADE_OF: Columns = (
    Attachment.vm_id, Attachment.number, Attachment.disk_id, Attachment.device, Attachment.bus, Attachment.boot_order,
    Attachment.read_only, Attachment.cdrom, Attachment.delete_with_vm,
)  # fmt: skip


def insert_place(session: Session, place: Place) -> None:
    """Its disk and its VM are locked, and nothing speaks against it."""
    session.execute(
        text(
            f"INSERT INTO attachment ({', '.join(column.key for column in _MADE_OF)})"
            f" VALUES ({', '.join(f':{column.key}' for column in _MADE_OF)})"
        ),
        {column.key: getattr(place, column.key) for column in _MADE_OF},
    )


_OWN = text(
    "SELECT k.account_id, u.claimed_bytes, EXISTS (SELECT 1 FROM snapshot s WHERE s.disk_id = k.id) AS snapped"
    " FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id"
    " WHERE a.vm_id = :v AND a.disk_id = :d AND a.number > 0 AND k.image_id IS NULL FOR UPDATE OF k"
)
# Nobody knows what its guest wrote, or whether.
_FREE = text(
    """
WITH gone AS (
    DELETE FROM disk WHERE id = :d RETURNING id, account_id, volume_id
), told AS (
    INSERT INTO change (account_id, kind, object_id, event) SELECT account_id, 'disk', id, 'exit' FROM gone
)
INSERT INTO free_volume (volume_id, writer_id, doomed)
SELECT g.volume_id, g.account_id, NOT s.keep_freed
  FROM gone g JOIN volume u ON u.id = g.volume_id JOIN storage s ON s.id = u.storage_id
"""
)


def delete_place(session: Session, vm_id: int, disk_id: int) -> None:
    """
    What is gone from the domain is gone from the record, once. A disk that is in no catalogue was its VM's alone: its
    volume is free then, or deleted, as its storage has it. One with snapshots stays the VM's, from its next start on.
    """
    own = session.execute(_OWN, {"v": vm_id, "d": disk_id}).first()
    if own is not None and own.snapped:
        mark_leaving(session, vm_id, disk_id, False)
        return
    session.execute(
        text("DELETE FROM attachment WHERE vm_id = :v AND disk_id = :d AND number > 0"), {"v": vm_id, "d": disk_id}
    )
    if own is not None:
        session.execute(_FREE, {"d": disk_id})
        release_quota(session, own.account_id, storage_mib=mib(own.claimed_bytes))


def mark_leaving(session: Session, vm_id: int, disk_id: int, leaving: bool) -> None:
    """Whether the guest was asked to let go of a disk."""
    session.execute(
        text("UPDATE attachment SET leaving = :leaving WHERE vm_id = :v AND disk_id = :d"),
        {"leaving": leaving, "v": vm_id, "d": disk_id},
    )


@dataclass(frozen=True)
class Leaving:
    """A disk that a guest was asked to let go of, and did not in time."""

    vm_id: int
    uuid: str
    node_id: int | None  # where it runs; None: it is off
    disk_id: int
    device: str


def list_leaving(session: Session) -> Sequence[Leaving]:
    """Of VMs that no operation is busy with."""
    found = session.execute(
        text(
            f"SELECT v.id, v.uuid::text, CASE WHEN {is_on('v')} THEN v.node_id END, a.disk_id, a.device"
            " FROM attachment a JOIN vm v ON v.id = a.vm_id WHERE a.leaving AND NOT EXISTS"
            " (SELECT 1 FROM operation_object h WHERE h.kind = 'vm' AND h.object_id = v.id AND h.exclusive)"
            " ORDER BY v.id LIMIT 200"
        )
    )
    return [Leaving(*row) for row in found]


# ------------------------------------------------------------------ drives


def write_medium(session: Session, vm_id: int, device: str, disk_id: int | None) -> None:
    """What is in a drive; a disk that is no more leaves it empty."""
    session.execute(
        text(
            "UPDATE attachment SET disk_id = (SELECT id FROM disk WHERE id = CAST(:disk AS bigint))"
            " WHERE vm_id = :v AND device = :device AND cdrom"
        ),
        {"v": vm_id, "device": device, "disk": disk_id},
    )


def delete_drive(session: Session, vm_id: int, device: str) -> None:
    session.execute(
        text("DELETE FROM attachment WHERE vm_id = :v AND device = :device AND cdrom"), {"v": vm_id, "device": device}
    )


def write_boot_orders(session: Session, vm_id: int, devices: Sequence[str]) -> None:
    """These in this order; none of the others."""
    session.execute(
        text(
            "UPDATE attachment a SET boot_order = w.number"
            " FROM attachment b LEFT JOIN unnest(CAST(:devices AS text[])) WITH ORDINALITY AS w (device, number)"
            "  ON w.device = b.device"
            " WHERE a.vm_id = :v AND b.vm_id = a.vm_id AND b.number = a.number"
        ),
        {"v": vm_id, "devices": list(devices)},
    )
