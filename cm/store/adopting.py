"""Rows of a VM that is taken into the records: what its domain holds already is found, and counted as its own."""

from __future__ import annotations

import uuid as uuid_module
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.runtime.rows import has_row
from cm.store.creation import DiskRow


@dataclass(frozen=True)
class Evidence:
    """
    Of its domain, and the intent that it suggests.

    :ivar console_node_id: the node, if its console is logged to the directory there that is for that.
    """

    wanted: str
    seen: str
    seen_reason: str
    console_node_id: int | None


@dataclass(frozen=True)
class AdoptedVM:
    """What its row says beside the evidence. Quota, storage and the node's share are counted already."""

    id: int
    uuid: uuid_module.UUID
    name: str
    account_id: int
    image_id: int
    template_id: int
    reservation_id: uuid_module.UUID
    cpu: int
    memory_mib: int
    secret: str = field(repr=False)
    node_id: int
    metadata_source: str
    firmware: str
    nvram_storage_id: int | None
    nvram_directory: str


@dataclass(frozen=True)
class AttachableImage:
    """:ivar writer_id: the VM that it is attached to for writing."""

    id: int
    writer_id: int | None


def storages_by_directory(session: Session, node_id: int) -> dict[str, int]:
    """The directories of the storages that a node has, and their ids."""
    found = session.execute(
        text(
            "SELECT s.path, s.id FROM storage s JOIN storage_attachment a ON a.storage_id = s.id"
            " WHERE a.node_id = :n AND a.state = 'attached' AND s.deleted_at IS NULL"
        ),
        {"n": node_id},
    )
    return {row.path.rstrip("/"): row.id for row in found}


_INSERT_VM = text(
    """
INSERT INTO vm (id, uuid, name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, wanted,
                seen, seen_reason, seen_at, launched_at, launches, console_node_id, node_id, node_claimed,
                points, metadata_source, firmware, nvram_storage_id,
                nvram_directory)
VALUES (:id, :uuid, :name, :account_id, :image_id, :template_id, :reservation_id, :cpu, :memory_mib, :secret, :wanted,
        :seen, :seen_reason, clock_timestamp(), clock_timestamp(), 1, :console_node_id, :node_id, true,
        (SELECT points FROM template WHERE id = :template_id), :metadata_source, :firmware, :nvram_storage_id,
        :nvram_directory)
"""
)


def insert_adopted(session: Session, row: AdoptedVM, evidence: Evidence) -> None:
    """
    :raises sqlalchemy.exc.IntegrityError: by ``pk_vm``, where its number is another VM's.
    """
    session.execute(_INSERT_VM, {**asdict(row), **asdict(evidence)})


def insert_adopted_disk(session: Session, vm_id: int, disk: DiskRow) -> None:
    """:param disk: its root disk, whose volume is there."""
    session.execute(
        text(
            "WITH lies AS (INSERT INTO volume (storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes,"
            " made) VALUES (:storage_id, :volume, :format, :mode, :backing_id, :size_bytes, :size_bytes, true)"
            " RETURNING id), held AS (INSERT INTO disk (account_id, volume_id)"
            " SELECT v.account_id, lies.id FROM lies, vm v WHERE v.id = :vm_id RETURNING id)"
            " INSERT INTO attachment (vm_id, number, disk_id, device, bus, boot_order, delete_with_vm)"
            " SELECT :vm_id, 0, id, :device, :bus, 1, true FROM held"
        ),
        {**asdict(disk), "vm_id": vm_id},
    )


def place_where_seen(session: Session, vm_id: int, node_id: int, evidence: Evidence) -> None:
    """A VM that is on record is on that node from now on; the node's share of it is counted already."""
    session.execute(
        text(
            "WITH left_behind AS (INSERT INTO console_leftover (vm_id, node_id) SELECT id, console_node_id FROM vm"
            " WHERE id = :id AND console_node_id IS DISTINCT FROM CAST(:console_node_id AS bigint)"
            " AND console_node_id IS NOT NULL ON CONFLICT DO NOTHING),"
            " goes_on AS (DELETE FROM console_leftover WHERE vm_id = :id AND node_id = :console_node_id)"
            " UPDATE vm SET node_id = :node_id, node_claimed = true, wanted = :wanted, seen = :seen,"
            " seen_reason = :seen_reason, seen_at = clock_timestamp(), error = '',"
            " console_node_id = :console_node_id WHERE id = :id"
        ),
        {"node_id": node_id, "id": vm_id, **asdict(evidence)},
    )


def close_findings(session: Session, uuid: str) -> None:
    """Of the drift ledger those that said that the domain is nobody's, or is missing elsewhere."""
    session.execute(
        text(
            "UPDATE drift SET closed_at = clock_timestamp(), outcome = 'adopted' WHERE closed_at IS NULL"
            " AND subject = :uuid AND kind IN ('unknown_domain', 'missing_domain')"
        ),
        {"uuid": uuid},
    )


class SystemImage(NamedTuple):
    id: int
    volume_id: int


def find_system_image(session: Session, storage_id: int, volume: str) -> SystemImage | None:
    """The live system image that lies there, or is copied there."""
    found = session.execute(
        text(
            "SELECT i.id, u.id AS volume_id FROM volume u LEFT JOIN cached_image c ON c.volume_id = u.id"
            " JOIN image i ON i.volume_id = u.id OR i.id = c.image_id"
            " WHERE u.storage_id = :s AND u.name = :v AND i.kind = 'system'"
        ),
        {"s": storage_id, "v": volume},
    ).first()
    return None if found is None else SystemImage(found.id, found.volume_id)


def is_system_image(session: Session, image_id: int) -> bool:
    return has_row(
        session,
        "SELECT 1 FROM image WHERE id = :i AND deleted_at IS NULL AND kind = 'system'",
        {"i": image_id},
    )


def find_attachable(session: Session, storage_id: int, volume: str) -> AttachableImage | None:
    """The live image, other than a system's, that lies there."""
    row = session.execute(
        text(
            "SELECT i.id, (SELECT vm_id FROM disk k JOIN attachment a ON a.disk_id = k.id WHERE k.image_id = i.id"
            " AND NOT a.read_only) AS writer FROM volume u JOIN image i ON i.volume_id = u.id"
            " WHERE u.storage_id = :s AND u.name = :v AND i.kind <> 'system'"
        ),
        {"s": storage_id, "v": volume},
    ).first()
    return None if row is None else AttachableImage(row.id, row.writer)


def find_template(session: Session, template_id: int | None, *, cpu: int, memory_mib: int) -> int | None:
    """That template, or without an id the oldest of this size."""
    found: int | None = session.scalar(
        text(
            "SELECT id FROM template WHERE deleted_at IS NULL AND CASE WHEN CAST(:id AS bigint) IS NULL"
            " THEN cpu = :cpu AND memory_mib = :memory ELSE id = :id END ORDER BY id LIMIT 1"
        ),
        {"id": template_id, "cpu": cpu, "memory": memory_mib},
    )
    return found


def lock_port(session: Session, node_id: int, port: int) -> int | None:
    """The VM that has a port of a node, or is going to have it; None also where the node has no such port."""
    row = session.execute(
        text("SELECT vm_id, reserved_for FROM vnc_port WHERE node_id = :n AND port = :p FOR UPDATE"),
        {"n": node_id, "p": port},
    ).first()
    return None if row is None else row.vm_id or row.reserved_for


def take_port(session: Session, vm_id: int, node_id: int, port: int) -> None:
    session.execute(
        text("UPDATE vnc_port SET vm_id = :v WHERE node_id = :n AND port = :p"),
        {"v": vm_id, "n": node_id, "p": port},
    )
