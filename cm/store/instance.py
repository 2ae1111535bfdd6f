"""Queries about VMs as CIRCLE's instances, and about what was done to them at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import VMEventCode, VMState
from cm.runtime.prepared import Prepared
from cm.store.conditions import is_open, keeps_busy
from cm.store.operation import COLUMNS, KNOWN, OperationRow, operation_row

EVENTS_MAX: Final = 1000  # of a VM; then the oldest go
_ENDINGS: Final = "('vm_stop', 'vm_shutdown', 'vm_suspend', 'vm_move')"

_FOUND = Prepared(
    "instances",
    f"""
SELECT v.id, v.uuid::text AS uuid, v.name, v.description, v.account_id, a.login, v.cpu, v.memory_mib, i.architecture,
       i.platform, v.cpu_shares, v.boot_menu_s, v.raw_data,
       greatest(v.memory_mib, v.max_memory_mib) AS max_memory_mib, v.vm_template_id, v.contextualized_at,
       v.ssh_username, v.wanted, v.seen, v.error, v.closed_at, v.launched_at, v.created_at, v.changed_at, v.shown_since,
       v.password_sealed, n.address AS node, o.kind AS operation_kind,
       (SELECT port FROM vnc_port p WHERE p.vm_id = v.id) AS vnc_port,
       ARRAY(SELECT DISTINCT x FROM unnest(v.traits) AS x ORDER BY x) AS traits,
       e.id AS lease, coalesce(e.name, '') AS lease_name, x.suspend_at, x.delete_at,
       coalesce((SELECT json_object_agg(g.key, g.value) FROM object_tag g
                  WHERE g.kind = 'vm' AND g.object_id = v.id AND v.closed_at IS NULL), '{{}}') AS tags,
       EXISTS (SELECT 1 FROM operation s JOIN vm_template m ON m.image_id = CAST(s.objects->'image'->>0 AS bigint)
                WHERE s.vm_id = v.id AND s.kind = 'vm_to_image' AND {is_open('s')} AND NOT m.ready) AS is_base,
       coalesce(v.closed_at, (SELECT max(s.finished_at) FROM operation s
                               WHERE s.vm_id = v.id AND s.kind IN {_ENDINGS} AND s.state = 'done')) AS terminated_at
  FROM unnest(CAST(CAST(:ids AS text[]) AS bigint[])) WITH ORDINALITY AS u (id, place) JOIN vm v ON v.id = u.id
  JOIN account a ON a.id = v.account_id JOIN image i ON i.id = v.image_id
  LEFT JOIN node n ON n.id = v.node_id AND v.node_claimed
  LEFT JOIN vm_expiry x ON x.vm_id = v.id LEFT JOIN expiry e ON e.id = x.expiry_id
  LEFT JOIN operation o ON o.vm_id = v.id AND {keeps_busy("o")}
 ORDER BY u.place
""",
)
_DISKS = Prepared(
    "instance_disks",
    """
SELECT t.vm_id, t.device, t.bus, t.read_only, t.cdrom, t.boot_order, t.delete_with_vm, k.id AS disk_id,
       k.uuid::text AS uuid, coalesce(nullif(k.name, ''), i.name, '') AS name, k.trashed_at, u.name AS filename,
       u.storage_id, u.format, u.size_bytes, u.made, u.backing_id,
       (SELECT min(b.id) FROM image b WHERE b.volume_id = u.backing_id) AS base
  FROM attachment t LEFT JOIN disk k ON k.id = t.disk_id LEFT JOIN volume u ON u.id = k.volume_id
  LEFT JOIN image i ON i.id = k.image_id
 WHERE t.vm_id = ANY(CAST(CAST(:ids AS text[]) AS bigint[])) ORDER BY t.vm_id, t.number
""",
)
_NICS = Prepared(
    "instance_nics",
    """
SELECT c.vm_id, c.number, c.uuid::text AS uuid, c.network_id, c.model, c.mac::text AS mac,
       (SELECT host(min(l.address)) FROM network_lease l WHERE l.nic_id = c.id AND family(l.address) = 4) AS ipv4,
       (SELECT host(min(l.address)) FROM network_lease l WHERE l.nic_id = c.id AND family(l.address) = 6) AS ipv6
  FROM nic c WHERE c.vm_id = ANY(CAST(CAST(:ids AS text[]) AS bigint[])) ORDER BY c.vm_id, c.number
""",
)


@dataclass(frozen=True)
class InstanceRow:
    """A VM with its disks and cards, as they are in the tables."""

    vm: Any
    disks: Sequence[Any]
    nics: Sequence[Any]


def read_instances(session: Session, vm_ids: Sequence[int]) -> list[InstanceRow]:
    """In the order of the ids; what is not there is left out."""
    if not vm_ids:
        return []
    ids = [str(each) for each in vm_ids]
    disks: dict[int, list[Any]] = {}
    nics: dict[int, list[Any]] = {}
    for row in _DISKS(session, ids=ids):
        disks.setdefault(row.vm_id, []).append(row)
    for row in _NICS(session, ids=ids):
        nics.setdefault(row.vm_id, []).append(row)
    return [InstanceRow(row, disks.get(row.id, ()), nics.get(row.id, ())) for row in _FOUND(session, ids=ids)]


def list_ids(
    session: Session,
    *,
    account_id: int | None,
    node_id: int | None = None,
    everything: bool,
    before: int | None,
    limit: int,
) -> list[int]:
    """
    A page of VMs, newest first.

    :param account_id: whose; None: everybody's.
    :param everything: also those that are destroyed, or lie in the trash.
    """
    where = ["true"]
    where += [] if account_id is None else ["account_id = :account_id"]
    where += [] if node_id is None else ["node_id = :node_id"]
    where += [] if before is None else ["id < :before"]
    where += [] if everything else ["closed_at IS NULL", f"shown <> '{VMState.TRASHED}'"]
    found = session.scalars(
        text(f"SELECT id FROM vm WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT :limit"),
        {"account_id": account_id, "node_id": node_id, "before": before, "limit": limit},
    )
    return list(found)


# ------------------------------------------------------------------ activities


@dataclass(frozen=True)
class VMEventRow:
    id: int
    vm_id: int
    account_id: int | None
    code: VMEventCode
    params: dict[str, Any]
    at: datetime


_EVENT = Prepared(
    "note_vm_event",
    f"""
WITH made AS (
    INSERT INTO vm_event (vm_id, account_id, code, params)
    VALUES (:vm_id, :account_id, :code, CAST(:params AS jsonb)))
DELETE FROM vm_event WHERE vm_id = :vm_id AND id <= (
    SELECT id FROM vm_event WHERE vm_id = :vm_id ORDER BY id DESC OFFSET {EVENTS_MAX - 1} LIMIT 1)
""",
)
_EVENTS = Prepared(
    "vm_events",
    f"SELECT id, vm_id, account_id, code, params, at FROM vm_event WHERE vm_id = :vm_id"
    f" AND id < coalesce(CAST(:before AS bigint), {2**63 - 1}) ORDER BY id DESC LIMIT :limit",
)


def note_event(
    session: Session, vm_id: int, code: VMEventCode, account_id: int | None, params: Mapping[str, Any] | None = None
) -> None:
    """
    Something was done to a VM at once, in the transaction that did it.

    :param account_id: whose doing; None or 0: the cluster's own.
    :param params: of the sentence that tells of it; no secrets.
    """
    told = msgspec.json.encode(params or {}).decode()
    _EVENT.post(session, vm_id=vm_id, account_id=account_id or None, code=code.value, params=told)


def list_events(session: Session, vm_id: int, *, before: int | None, limit: int) -> list[VMEventRow]:
    """Newest first; those of a newer release are left out."""
    known = set(VMEventCode)
    found = _EVENTS(session, vm_id=vm_id, before=before, limit=limit)
    return [
        VMEventRow(row.id, row.vm_id, row.account_id, VMEventCode(row.code), row.params, row.at)
        for row in found if row.code in known
    ]  # fmt: skip


def operations_within(session: Session, operation_ids: Collection[int], limit: int) -> list[OperationRow]:
    """What some operations had others do, at whatever distance, oldest first."""
    columns = ", ".join(f"o.{name.strip()}" for name in COLUMNS.split(","))
    found = session.execute(
        text(
            "WITH RECURSIVE below AS (SELECT id, 1 AS depth FROM operation WHERE parent_id = ANY(:ids) UNION ALL"
            " SELECT o.id, b.depth + 1 FROM below b JOIN operation o ON o.parent_id = b.id WHERE b.depth < 8)"
            f" SELECT {columns} FROM below b JOIN operation o ON o.id = b.id WHERE o.kind IN ({KNOWN})"
            " ORDER BY o.id LIMIT :limit"
        ),
        {"ids": list(operation_ids), "limit": limit},
    )
    return [operation_row(row) for row in found]


def state_facts(session: Session, vm_id: int) -> Any:
    """What a VM's status in CIRCLE's words depends on."""
    return session.execute(
        text(
            "SELECT v.wanted, v.seen, v.error, v.closed_at, v.launched_at, o.kind AS operation_kind FROM vm v"
            f" LEFT JOIN operation o ON o.vm_id = v.id AND {keeps_busy('o')} WHERE v.id = :id"
        ),
        {"id": vm_id},
    ).one()
