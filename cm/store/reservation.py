"""
What VMs' new disks are to be made of: storages to choose from, and what is reserved until they are.

A reserved volume has a row like any other, so a storage's ``claimed_bytes`` stay the sum of its volumes', and an
account's those of its images', disks' and reservations'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import StorageFull
from cm.rpc.vocabulary import DiskFormat, FreedPolicy
from cm.rules.attach_or_create import FreeVolume, Place
from cm.rules.names import data_volume, pool_name
from cm.rules.operation import wiping
from cm.runtime.prepared import Prepared
from cm.store.claim import claim_quota, claim_storage, mib, release_quota, release_storage
from cm.store.conditions import is_open
from cm.store.free_volume import delete_volume

FRESH_S: Final = 60  # for so long it is believed how much room was seen on a storage

# Storages of the hardware pool that the VM's root disk is in. Nodes that may run the VM: its own, if it has one; else
# those that take VMs and have attached what it needs besides.
_PLACES = Prepared(
    "places_for_disk",
    """
WITH n AS MATERIALIZED (
    SELECT n.id, n.state = 'ok' AS answers FROM node n
     WHERE n.deleted_at IS NULL AND CASE WHEN CAST(:node_id AS bigint) IS NOT NULL THEN n.id = :node_id ELSE
           NOT n.locked AND NOT EXISTS
           (SELECT 1 FROM unnest(CAST(:beside AS bigint[])) AS w (id) WHERE NOT EXISTS
            (SELECT 1 FROM storage_attachment a WHERE a.storage_id = w.id AND a.node_id = n.id
                AND a.state = 'attached')) END
)
SELECT s.id, s.name, s.kind, s.locked, s.capacity_bytes,
       s.limit_bytes, s.claimed_bytes,
       (SELECT coalesce(sum(u.claimed_bytes), 0)::bigint FROM volume u JOIN reservation r ON r.volume_id = u.id
         WHERE u.storage_id = s.id AND NOT u.made) AS unmade_bytes,
       CASE WHEN s.looked_at > clock_timestamp() - make_interval(secs => :fresh) THEN s.available_bytes END
           AS available_bytes, s.is_default, s.priority, s.draining,
       EXISTS (SELECT 1 FROM storage_attachment a JOIN n ON n.id = a.node_id
                WHERE a.storage_id = s.id AND a.state = 'attached') AS attached,
       EXISTS (SELECT 1 FROM storage_attachment a JOIN n ON n.id = a.node_id
                WHERE a.storage_id = s.id AND a.state = 'attached' AND n.answers) AS reachable
  FROM storage s
 WHERE s.deleted_at IS NULL AND (s.node_id IS NULL OR s.id = :root)
   AND s.hardware_pool = (SELECT hardware_pool FROM storage WHERE id = :root)
   AND (CAST(:only AS bigint) IS NULL OR s.id = :only)
 ORDER BY s.id
""",
)


@dataclass(frozen=True)
class Seat:
    """
    Where a disk has to be seen from.

    :ivar root: the storage of the VM's root disk, whose hardware pool it is.
    :ivar node_id: the node that the VM is placed on; None: any that takes VMs and has the storages of ``beside``.
    """

    root: int
    node_id: int | None = None
    beside: frozenset[int] = frozenset()


def places(session: Session, seat: Seat, only: int | None = None) -> list[Place]:
    """The storages that a disk may come to lie on, as they are now. :param only: one of them."""
    found = _PLACES(session, root=seat.root, node_id=seat.node_id, beside=sorted(seat.beside), only=only, fresh=FRESH_S)
    return [
        Place(
            row.id, row.name, row.kind, row.locked, row.attached, row.reachable, row.capacity_bytes, row.limit_bytes,
            row.claimed_bytes, row.unmade_bytes, row.available_bytes, row.is_default, row.priority,
            row.draining,
        )
        for row in found
    ]  # fmt: skip


def hardware_pools(session: Session) -> list[str]:
    """The names of the pools that storages are in, "" the one of those that name none."""
    found = session.scalars(text("SELECT DISTINCT hardware_pool FROM storage WHERE deleted_at IS NULL ORDER BY 1"))
    return [str(name) for name in found]


# ------------------------------------------------------------------ reserving


@dataclass(frozen=True)
class ReservationRow:
    """
    A disk to be.

    :ivar size_bytes, format: of its volume; ``policy``: of that volume's storage.
    :ivar operation_id: that makes it, or did.
    :ivar tried: storages that could not make it.
    """

    id: int
    vm_id: int
    number: int
    account_id: int
    operation_id: int
    tried: list[int]
    volume_id: int
    storage_id: int
    volume: str
    format: DiskFormat
    size_bytes: int
    claimed_bytes: int
    reused: bool
    wipe: bool
    policy: FreedPolicy

    @property
    def pool(self) -> str:
        return pool_name(self.storage_id)


_ROW: Final = """
SELECT r.id, r.vm_id, r.number, r.account_id, r.operation_id, r.tried, r.volume_id, u.storage_id, u.name AS volume,
       u.format, u.size_bytes, u.claimed_bytes, r.reused, r.wipe, s.freed AS policy
  FROM reservation r JOIN volume u ON u.id = r.volume_id JOIN storage s ON s.id = u.storage_id
"""


def _row(found: Any) -> ReservationRow:
    values = dict(found._mapping)
    values |= {"format": DiskFormat(values["format"]), "policy": FreedPolicy(values["policy"])}
    return ReservationRow(**values)


def find_reservation(session: Session, reservation_id: int) -> ReservationRow | None:
    found = session.execute(text(_ROW + " WHERE r.id = :id"), {"id": reservation_id}).first()
    return None if found is None else _row(found)


def reservations_of(session: Session, vm_id: int) -> list[ReservationRow]:
    """All of a VM, by their numbers, whatever has become of the work on them."""
    return [_row(row) for row in session.execute(text(_ROW + " WHERE r.vm_id = :id ORDER BY r.number"), {"id": vm_id})]


def attached_numbers(session: Session, vm_id: int) -> set[int]:
    """The numbers of a VM's disks."""
    return set(session.scalars(text("SELECT number FROM attachment WHERE vm_id = :id"), {"id": vm_id}))


def next_number(session: Session, vm_id: int) -> int:
    """The first number that no disk of a VM has, nor will have."""
    return int(
        session.execute(
            text(
                "SELECT 1 + greatest((SELECT coalesce(max(number), 0) FROM attachment WHERE vm_id = :id),"
                " (SELECT coalesce(max(number), 0) FROM reservation WHERE vm_id = :id))"
            ),
            {"id": vm_id},
        ).scalar_one()
    )


# Whoever is first has it: the second waits here until that one has committed, and finds it reserved, or gone.
_RESERVE_FREE = text(
    """
INSERT INTO reservation (vm_id, number, account_id, volume_id, operation_id, reused, wipe)
SELECT :vm_id, :number, :account_id, f.volume_id, :operation_id, true, :wipe
  FROM (SELECT volume_id FROM free_volume WHERE volume_id = :volume_id AND NOT doomed FOR UPDATE) f
ON CONFLICT (volume_id) DO NOTHING RETURNING id
"""
)


def reserve_free(
    session: Session, volume: FreeVolume, *, vm_id: int, number: int, account_id: int, operation_id: int, wipe: bool
) -> int | None:
    """
    Reserve a free volume; the account counts it from now on.

    :return: the reservation; None where somebody else was faster.
    :raises QuotaReached: it does not fit the account's quota.
    """
    size_bytes = session.scalar(text("SELECT claimed_bytes FROM volume WHERE id = :id"), {"id": volume.id})
    if size_bytes is None:
        return None
    claim_quota(session, account_id, storage_mib=mib(size_bytes))
    values = {"vm_id": vm_id, "number": number, "account_id": account_id, "operation_id": operation_id, "wipe": wipe}
    made: int | None = session.execute(_RESERVE_FREE, {**values, "volume_id": volume.id}).scalar()
    if made is None:
        release_quota(session, account_id, storage_mib=mib(size_bytes))
    return made


_RESERVE_NEW = text(
    """
WITH made AS (
    INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes)
    VALUES (:storage_id, :name, :format, :size, :size) RETURNING id
)
INSERT INTO reservation (vm_id, number, account_id, volume_id, operation_id)
SELECT :vm_id, :number, :account_id, id, :operation_id FROM made RETURNING id
"""
)


def reserve_new(
    session: Session,
    storage_id: int,
    vm_uuid: str,
    format: DiskFormat,
    size_bytes: int,
    *,
    vm_id: int,
    number: int,
    account_id: int,
    operation_id: int,
) -> int:
    """
    Reserve room for a new volume. The storage's row stays locked: who looks at its room from here on sees all.

    :return: the reservation.
    :raises QuotaReached: StorageFull: it does not fit.
    """
    claim_quota(session, account_id, storage_mib=mib(size_bytes))
    try:
        claim_storage(session, storage_id, size_bytes)
    except StorageFull:
        release_quota(session, account_id, storage_mib=mib(size_bytes))
        raise
    values: dict[str, object] = {
        "vm_id": vm_id,
        "number": number,
        "account_id": account_id,
        "operation_id": operation_id,
    }
    values |= {"name": data_volume(vm_uuid, format), "storage_id": storage_id, "format": format, "size": size_bytes}
    return int(session.execute(_RESERVE_NEW, values).scalar_one())


def move_reservation(session: Session, row: ReservationRow, storage_id: int, format: DiskFormat) -> None:
    """
    Have a volume that could not be made be made on another storage.

    :raises StorageFull: it does not fit there.
    """
    claim_storage(session, storage_id, row.claimed_bytes)
    release_storage(session, row.storage_id, row.claimed_bytes)
    session.execute(
        text("UPDATE volume SET storage_id = :s, format = :f WHERE id = :id"),
        {"s": storage_id, "f": format, "id": row.volume_id},
    )
    session.execute(
        text("UPDATE reservation SET tried = tried || CAST(:tried AS bigint) WHERE id = :id"),
        {"tried": row.storage_id, "id": row.id},
    )


# ------------------------------------------------------------------ the disk is there, or will not be

_ATTACH = text(
    """
WITH r AS (
    DELETE FROM reservation WHERE id = :id RETURNING vm_id, number, account_id, volume_id
), f AS (
    DELETE FROM free_volume WHERE volume_id = (SELECT volume_id FROM r)
), u AS (
    UPDATE volume SET made = true WHERE id = (SELECT volume_id FROM r)
), k AS (
    INSERT INTO disk (account_id, volume_id) SELECT account_id, volume_id FROM r RETURNING id
)
INSERT INTO attachment (vm_id, number, disk_id, device, bus, delete_with_vm)
SELECT r.vm_id,
       CASE WHEN EXISTS (SELECT 1 FROM attachment WHERE vm_id = r.vm_id AND number = r.number)
            THEN (SELECT max(number) + 1 FROM attachment WHERE vm_id = r.vm_id) ELSE r.number END,
       k.id,
       (SELECT 'vd' || chr(c) FROM generate_series(ascii('b'), ascii('z')) AS c WHERE NOT EXISTS
           (SELECT 1 FROM attachment WHERE vm_id = r.vm_id AND device = 'vd' || chr(c)) ORDER BY c LIMIT 1),
       'virtio', true
  FROM r, k RETURNING disk_id, device
"""
)


def attach_reserved(session: Session, reservation_id: int) -> tuple[int, str]:
    """
    The volume is as it has to be: it is the VM's disk from now on, and goes with it.

    :return: the disk, and its device.
    """
    found = session.execute(_ATTACH, {"id": reservation_id}).one()
    return int(found.disk_id), str(found.device)


def find_provided(session: Session, vm_id: int, numbers: Sequence[int]) -> dict[str, Any]:
    """What became of reservations, for their operation's result."""
    found = session.execute(
        text(
            "SELECT a.number, a.disk_id, a.device, u.storage_id, u.name AS volume, u.size_bytes FROM attachment a"
            " JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id"
            " WHERE a.vm_id = :id AND a.number = ANY(:numbers) ORDER BY a.number"
        ),
        {"id": vm_id, "numbers": list(numbers)},
    )
    return {"disks": [dict(row._mapping) for row in found]}


def drop_reservation(session: Session, row: ReservationRow, *, made: bool | None) -> None:
    """
    There will be no disk: its account counts it no more. A volume that was there before is free again, unless a node
    may be wiping it: then it is deleted.

    :param made: whether there is a volume; one that was made for it and never used is free for others then, empty.
        None: nothing was asked of the node yet.
    """
    gone = session.execute(text("DELETE FROM reservation WHERE id = :id RETURNING id"), {"id": row.id}).first()
    if gone is None:
        return
    release_quota(session, row.account_id, storage_mib=mib(row.claimed_bytes))
    if row.reused and made is not False:
        session.execute(
            text(
                "UPDATE free_volume SET doomed = true WHERE volume_id = :id AND EXISTS"
                " (SELECT 1 FROM operation WHERE id = :op AND jsonb_exists(arguments, :note))"
            ),
            {"id": row.volume_id, "op": row.operation_id, "note": wiping(row.volume_id)},
        )
        return
    if made:
        session.execute(text("UPDATE volume SET made = true WHERE id = :id"), {"id": row.volume_id})
        session.execute(text("INSERT INTO free_volume (volume_id, clean) VALUES (:id, true)"), {"id": row.volume_id})
    else:
        delete_volume(session, row.volume_id)


def give_up_reservations(session: Session, vm_id: int, operation_id: int | None = None) -> None:
    """
    Nobody is to make these disks any more: they expire now. What has become of them on the nodes is looked at before
    they are let go.

    :param operation_id: those of one operation alone.
    """
    session.execute(
        text(
            "UPDATE reservation SET expires_at = now() WHERE vm_id = :vm_id"
            " AND (CAST(:op AS bigint) IS NULL OR operation_id = :op)"
        ),
        {"vm_id": vm_id, "op": operation_id},
    )


def renew_reservations(session: Session, operation_id: int) -> int:
    """An operation begins again: what it had reserved stays reserved. :return: how many there are."""
    return int(
        session.execute(
            text("UPDATE reservation SET expires_at = now() + interval '1 hour' WHERE operation_id = :id"),
            {"id": operation_id},
        ).rowcount  # type: ignore[attr-defined]  # of an UPDATE it is a CursorResult
    )


_EXPIRED: Final = f"""
 WHERE r.expires_at <= now() AND NOT EXISTS
       (SELECT 1 FROM operation o WHERE o.id = r.operation_id AND ({is_open("o")} OR o.worker_id IS NOT NULL))
"""


def expired_reservations(session: Session, limit: int = 100) -> list[ReservationRow]:
    """Those whose time is over, and whose operation has ended, with nobody at it any more."""
    found = session.execute(text(f"{_ROW} {_EXPIRED} ORDER BY r.expires_at, r.id LIMIT :limit"), {"limit": limit})
    return [_row(row) for row in found]


def hold_expired(session: Session, reservation_id: int) -> ReservationRow | None:
    """One of these under lock; None where it was renewed meanwhile, or is gone."""
    found = session.execute(text(f"{_ROW} {_EXPIRED} AND r.id = :id FOR UPDATE OF r"), {"id": reservation_id}).first()
    return None if found is None else _row(found)
