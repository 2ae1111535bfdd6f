"""The CPU that all of the cluster's nodes can give: one row, or none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy.orm import Session

from cm.rules.machine import Cpu
from cm.runtime.prepared import Prepared

_FIND = Prepared(
    "cpu_baseline", "SELECT model, vendor, features, node_ids, computed_at FROM cpu_baseline WHERE id = 1"
)
_WRITE = Prepared(
    "write_cpu_baseline",
    "INSERT INTO cpu_baseline (id, model, vendor, features, node_ids, computed_at) OVERRIDING SYSTEM VALUE"
    " VALUES (1, :model, :vendor, CAST(:features AS jsonb), CAST(:node_ids AS bigint[]), clock_timestamp())"
    " ON CONFLICT (id) DO UPDATE SET model = excluded.model, vendor = excluded.vendor, features = excluded.features,"
    " node_ids = excluded.node_ids, computed_at = excluded.computed_at",
)


class Baseline(NamedTuple):
    """:ivar node_ids: of whose CPUs it was found."""

    cpu: Cpu
    node_ids: Sequence[int]
    computed_at: datetime


def find_baseline(session: Session) -> Baseline | None:
    found = _FIND(session).first()
    if found is None:
        return None
    features = tuple((feature["name"], feature["has"]) for feature in found.features)
    return Baseline(Cpu(found.model, found.vendor, features), found.node_ids, found.computed_at)


def baseline_cpu(session: Session) -> Cpu | None:
    found = find_baseline(session)
    return None if found is None else found.cpu


def write_baseline(session: Session, cpu: Cpu, node_ids: Sequence[int]) -> None:
    """VMs that ask for it have it from their next start on."""
    features = msgspec.json.encode([{"name": name, "has": has} for name, has in cpu.features]).decode()
    _WRITE(session, model=cpu.model, vendor=cpu.vendor, features=features, node_ids=list(node_ids))
