"""Decisions of placement, as they are kept to be explained; and which storages a VM needs of its node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results.placement import NodeVerdict
from cm.rpc.vocabulary import StorageId
from cm.rules.machine import asks
from cm.rules.placement import Decision, Peers, Verdict, VMRequest
from cm.runtime.prepared import Prepared

_STORAGES = Prepared(
    "storages_of_vm",
    "SELECT u.storage_id, CAST(NULL AS text) AS uplink, CAST(NULL AS text[]) AS traits, CAST(NULL AS text) AS firmware,"
    " CAST(NULL AS text) AS machine, CAST(NULL AS text) AS architecture"
    " FROM attachment a JOIN disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id WHERE a.vm_id = :id"
    " UNION ALL SELECT u.storage_id, NULL, NULL, NULL, NULL, NULL FROM seed e JOIN volume u ON u.id = e.volume_id"
    " WHERE e.vm_id = :id"
    " UNION ALL SELECT NULL, w.uplink, NULL, NULL, NULL, NULL FROM nic c JOIN network w ON w.id = c.network_id"
    " WHERE c.vm_id = :id AND w.kind <> 'nat'"
    " UNION ALL SELECT CASE WHEN v.firmware = 'uefi' THEN v.nvram_storage_id END, NULL, v.traits, v.firmware,"
    " v.machine,"
    " CASE WHEN i.kind = 'system' THEN i.architecture ELSE '' END"
    " FROM vm v JOIN image i ON i.id = v.image_id WHERE v.id = :id",
)


class Needs(NamedTuple):
    """
    What a node must have to run a VM.

    :ivar storages: of its disks and of what is attached to it.
    :ivar links: whether it must make links for its networks. :ivar uplinks: of its own, that they are on.
    :ivar traits: that it was given. :ivar asks: of its machine.
    """

    storages: frozenset[StorageId]
    links: bool
    uplinks: frozenset[str]
    traits: frozenset[str]
    asks: frozenset[str]

    def request(self, cpu: int, memory_mib: int, peers: Peers | None) -> VMRequest:
        return VMRequest(
            cpu, memory_mib, self.storages, links=self.links, uplinks=self.uplinks, traits=self.traits, peers=peers,
            asks=self.asks,
        )  # fmt: skip


def needs_of(session: Session, vm_id: int) -> Needs:
    found = _STORAGES(session, id=vm_id).all()
    return Needs(
        frozenset(StorageId(row.storage_id) for row in found if row.storage_id is not None),
        any(row.storage_id is None and row.traits is None for row in found),
        frozenset(row.uplink for row in found if row.uplink),
        frozenset(trait for row in found for trait in row.traits or ()),
        next((asks(row.firmware, row.machine, row.architecture) for row in found if row.firmware), frozenset()),
    )


def write_traits(session: Session, vm_id: int, traits: Sequence[str]) -> None:
    session.execute(text("UPDATE vm SET traits = :traits WHERE id = :id"), {"id": vm_id, "traits": list(traits)})


def storages_of(session: Session, vm_id: int) -> frozenset[StorageId]:
    """The storages that a node must reach to run a VM: of its disks, and of what is attached to it."""
    return needs_of(session, vm_id).storages


_RECORD = Prepared(
    "record_placement",
    "INSERT INTO placement (vm_id, node_id, verdicts, others)"
    " VALUES (:vm_id, :node_id, CAST(:verdicts AS jsonb), CAST(:others AS jsonb))",
)


def record_placement(session: Session, vm_id: int, node_id: int, decision: Decision | None = None) -> None:
    """
    Keep where a VM was placed, so that it can be explained later.

    :param decision: None: nobody chose, it was there already.
    """
    verdicts, others = (decision.verdicts, decision.others) if decision is not None else ((), {})
    _RECORD.post(session, vm_id=vm_id, node_id=node_id, verdicts=verdicts_text(verdicts), others=others_text(others))


def verdicts_text(verdicts: Sequence[Verdict]) -> str:
    """A decision's verdicts as they are kept, JSON."""
    return msgspec.json.encode([verdict._asdict() for verdict in verdicts]).decode()


def others_text(others: Mapping[str, int]) -> str:
    """How many of the other nodes had which reason, as it is kept, JSON."""
    return msgspec.json.encode(others).decode()


@dataclass(frozen=True)
class PlacementRow:
    """A decision that was kept: the best nodes' verdicts, and how many of the others had which reason."""

    node_id: int | None
    verdicts: list[NodeVerdict]
    others: dict[str, int]
    at: datetime


def last_placement(session: Session, vm_id: int) -> PlacementRow | None:
    found = session.execute(
        text("SELECT node_id, verdicts, others, at FROM placement WHERE vm_id = :id ORDER BY id DESC LIMIT 1"),
        {"id": vm_id},
    ).first()
    return None if found is None else PlacementRow(found.node_id, found.verdicts, found.others, found.at)
