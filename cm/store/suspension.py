"""Queries about the memory of VMs that are suspended, or are going to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.names import pool_name
from cm.runtime.prepared import Prepared


@dataclass(frozen=True)
class SuspensionRow:
    """
    :ivar made: all of it is written.
    :ivar info: what the node told of itself that wrote it, as ``NodeInfo``; ``node_id``: it.
    :ivar greeted: the guest had said hello.
    """

    vm_id: int
    account_id: int
    volume_id: int
    storage_id: int
    volume: str
    claimed_bytes: int
    made: bool
    node_id: int
    info: Mapping[str, Any]
    greeted: bool

    @property
    def place(self) -> tuple[str, str]:
        """Pool and volume."""
        return pool_name(self.storage_id), self.volume


_FIND = Prepared(
    "find_suspension",
    "SELECT s.vm_id, v.account_id, s.volume_id, u.storage_id, u.name AS volume, u.claimed_bytes, u.made, s.node_id,"
    " n.info, s.greeted FROM suspension s JOIN vm v ON v.id = s.vm_id JOIN volume u ON u.id = s.volume_id"
    " JOIN node n ON n.id = s.node_id WHERE s.vm_id = :id",
)


def find_suspension(session: Session, vm_id: int) -> SuspensionRow | None:
    found = _FIND(session, id=vm_id).first()
    return None if found is None else SuspensionRow(**found._mapping)


def insert_suspension(
    session: Session, vm_id: int, storage_id: int, volume: str, size_bytes: int, node_id: int, greeted: bool
) -> int:
    """
    What a VM's memory is going to be written to; its room is claimed already.

    :return: the volume's id.
    """
    return int(
        session.execute(
            text(
                "WITH lies AS (INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes)"
                " VALUES (:storage_id, :volume, 'raw', :size, :size) RETURNING id)"
                " INSERT INTO suspension (vm_id, volume_id, node_id, greeted)"
                " SELECT :vm_id, id, :node_id, :greeted FROM lies RETURNING volume_id"
            ),
            {
                "vm_id": vm_id,
                "storage_id": storage_id,
                "volume": volume,
                "size": size_bytes,
                "node_id": node_id,
                "greeted": greeted,
            },
        ).scalar_one()
    )


def write_saved(session: Session, vm_id: int) -> None:
    """All of a VM's memory is written."""
    session.execute(
        text("UPDATE volume u SET made = true FROM suspension s WHERE s.vm_id = :id AND u.id = s.volume_id"),
        {"id": vm_id},
    )


def delete_suspension(session: Session, vm_id: int) -> None:
    """Its memory is of no use any more; the volume is left, and nobody's."""
    session.execute(text("DELETE FROM suspension WHERE vm_id = :id"), {"id": vm_id})
