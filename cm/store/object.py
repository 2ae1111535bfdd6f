"""
What there is, for the graph of objects: one statement for each noun, whoever asks, and however much there is of it.
Administrators see all; others the VMs and disks that they see elsewhere, and storages that have such a disk or are
offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import Seen, Wanted
from cm.rules.access import Person
from cm.rules.object import MIB, Host, Link, Load, Machine, Place, Pool, Storage
from cm.rules.operation import OperationKind
from cm.rules.vm import XO_POWER_STATE, VMFacts, status
from cm.runtime.prepared import Prepared
from cm.store.access import GRANTED_VM, SEEN_DISK, values_of
from cm.store.conditions import keeps_busy
from cm.store.sample import Kind, latest

# Nothing that is stored is a pool's: it is called by the first account, which is as old as the database.
_POOL = Prepared(
    "object_pool",
    "SELECT (SELECT CAST(md5('pool/' || uuid) AS uuid)::text FROM account ORDER BY id LIMIT 1) AS uuid,"
    " (SELECT id FROM storage WHERE is_default AND deleted_at IS NULL) AS storage_id",
)
_HOSTS = Prepared(
    "object_hosts",
    """
SELECT id, uuid::text AS uuid, name, comment, address, coalesce(nullif(host_label, ''), name) AS hostname,
       state = 'ok' AS running, NOT locked AS enabled, cpu_total, memory_mib_total, memory_mib_used
  FROM node WHERE deleted_at IS NULL ORDER BY id
""",
)
_STORAGE: Final = "s.id, s.uuid::text AS uuid, s.name, s.kind, s.capacity_bytes, s.node_id"
_STORAGES = Prepared("object_storages", f"SELECT {_STORAGE} FROM storage s WHERE s.deleted_at IS NULL ORDER BY s.id")
_SEEN_STORAGES = Prepared(
    "object_storages_seen",
    f"SELECT {_STORAGE} FROM storage s WHERE s.deleted_at IS NULL AND (s.offered OR s.id = ANY(:ids)) ORDER BY s.id",
)
_LINKS = Prepared(
    "object_links",
    """
SELECT CAST(md5(s.uuid || '/' || n.uuid) AS uuid)::text AS uuid, a.storage_id, a.node_id,
       a.state = 'attached' AS attached
  FROM storage_attachment a JOIN storage s ON s.id = a.storage_id JOIN node n ON n.id = a.node_id
 WHERE s.deleted_at IS NULL AND n.deleted_at IS NULL ORDER BY a.storage_id, a.node_id
""",
)

_TAGS: Final = """
  LEFT JOIN (SELECT object_id, json_agg(CASE value WHEN '' THEN key ELSE key || '=' || value END ORDER BY key)::text
                    AS listed
               FROM object_tag WHERE kind = 'vm' GROUP BY object_id) g ON g.object_id = v.id
"""
_ADDRESS: Final = """(SELECT host(l.address) FROM nic c JOIN network_lease l ON l.nic_id = c.id
         WHERE c.vm_id = v.id ORDER BY c.number, l.address LIMIT 1)"""


def _machines(name: str, seen: str) -> Prepared:
    return Prepared(
        name,
        f"""
SELECT v.id, v.uuid::text AS uuid,
       '{{"type":"VM","UUID":"' || v.uuid || '","name_label":' || to_json(v.name)
       || ',"name_description":' || to_json(v.description) || ',"tags":' || coalesce(g.listed, '[]')
       || ',"address":' || coalesce('"' || {_ADDRESS} || '"', 'null') AS told,
       v.wanted, v.seen, v.error <> '' AS failed, o.kind AS work, v.node_id, v.cpu, v.memory_mib
  FROM vm v LEFT JOIN operation o ON o.vm_id = v.id AND {keeps_busy("o")} {_TAGS}
 WHERE v.closed_at IS NULL AND {seen} ORDER BY v.id
""",
    )


def _places(name: str, vm: str, disk: str) -> Prepared:
    """A disk that has no name of its own, nor an entry, is called as the VM that writes to it."""
    return Prepared(
        name,
        f"""
SELECT k.id, k.uuid::text AS uuid,
       '{{"type":"VDI","UUID":"' || k.uuid || '","name_label":'
       || to_json(coalesce(nullif(k.name, ''), i.name, v.name, ''))
       || ',"name_description":' || to_json(coalesce(nullif(k.description, ''), i.description, '')) AS told,
       u.storage_id, u.size_bytes, u.allocated_bytes, v.id AS vm_id,
       CAST(md5(v.uuid || '/' || t.number) AS uuid)::text AS link
  FROM disk k JOIN volume u ON u.id = k.volume_id LEFT JOIN image i ON i.id = k.image_id
  LEFT JOIN (attachment t JOIN vm v ON v.id = t.vm_id AND v.closed_at IS NULL AND {vm}) ON t.disk_id = k.id
 WHERE k.trashed_at IS NULL AND {disk} ORDER BY k.id, t.vm_id
""",
    )


_FIND_LINKS: Final = """
SELECT l.uuid::text AS uuid, l.disk_id AS object_id, l.vm_id, CAST(NULL AS bigint) AS node_id
  FROM (SELECT CAST(md5(v.uuid || '/' || t.number) AS uuid) AS uuid, t.disk_id, t.vm_id
          FROM attachment t JOIN vm v ON v.id = t.vm_id JOIN disk k ON k.id = t.disk_id
          LEFT JOIN image i ON i.id = k.image_id
         WHERE v.closed_at IS NULL AND k.trashed_at IS NULL AND {seen}) AS l
 WHERE l.uuid = ANY(CAST(CAST(:uuids AS text[]) AS uuid[]))
"""
_FIND_ALL_LINKS = Prepared(
    "object_links_found",
    _FIND_LINKS.format(seen="true")
    + """
UNION ALL
SELECT l.uuid::text, l.storage_id, NULL, l.node_id
  FROM (SELECT CAST(md5(s.uuid || '/' || n.uuid) AS uuid) AS uuid, a.storage_id, a.node_id
          FROM storage_attachment a JOIN storage s ON s.id = a.storage_id JOIN node n ON n.id = a.node_id
         WHERE s.deleted_at IS NULL AND n.deleted_at IS NULL) AS l
 WHERE l.uuid = ANY(CAST(CAST(:uuids AS text[]) AS uuid[]))
""",
)

_MINE: Final = f"(v.account_id = :account_id OR {GRANTED_VM})"
_FIND_SEEN_LINKS = Prepared(
    "object_links_found_seen", _FIND_LINKS.format(seen=f"{_MINE} AND (k.account_id = :account_id OR {SEEN_DISK})")
)
_ALL_MACHINES = _machines("object_vms", "true")
_SEEN_MACHINES = _machines("object_vms_seen", _MINE)
_ALL_PLACES = _places("object_disks", "true", "true")
_SEEN_PLACES = _places("object_disks_seen", _MINE, f"(k.account_id = :account_id OR {SEEN_DISK})")


def read_pool(session: Session, name: str) -> Pool:
    found = _POOL(session).one()
    return Pool(found.uuid, name, found.storage_id)


def read_hosts(session: Session, since: float) -> list[Host]:
    """:param since: what was measured before is old."""
    rows = _HOSTS(session)
    loads = latest(session, Kind.NODE, [row.id for row in rows], since)
    return [_host(row, loads.get(row.id, {})) for row in rows]


def _host(row: Any, load: dict[str, float]) -> Host:
    used, percent = load.get("memory_used"), load.get("cpu")
    return Host(
        id=row.id,
        uuid=row.uuid,
        name=row.name,
        description=row.comment,
        address=row.address,
        hostname=row.hostname,
        running=row.running,
        enabled=row.enabled,
        cpus=row.cpu_total,
        memory_bytes=row.memory_mib_total * MIB,
        used_bytes=row.memory_mib_used * MIB if used is None else int(used),
        cpu_percent=None if percent is None else round(percent, 2),
    )


def read_storages(session: Session, ids: list[int] | None) -> list[Storage]:
    """:param ids: those that somebody has disks on, who sees them and those that are offered; None: all."""
    rows = _STORAGES(session) if ids is None else _SEEN_STORAGES(session, ids=ids)
    return [Storage(*row) for row in rows]


def read_links(session: Session) -> list[Link]:
    return [Link(*row) for row in _LINKS(session)]


def read_machines(session: Session, person: Person | None) -> list[Machine]:
    """:param person: who sees them; None: all."""
    rows = _ALL_MACHINES(session) if person is None else _SEEN_MACHINES(session, **values_of(person))
    states: dict[tuple[str, str, bool, str | None], str] = {}
    made = []
    for vm_id, uuid, told, wanted, seen, failed, work, node_id, cpus, memory_mib in rows:
        key = (wanted, seen, failed, work)
        state = states.get(key)
        if state is None:
            kind = OperationKind(work) if work else None
            facts = VMFacts(Wanted(wanted), Seen(seen), False, failed, kind)
            state = states[key] = XO_POWER_STATE[status(facts)]
        made.append(Machine(vm_id, uuid, told, state, node_id, cpus, memory_mib * MIB))
    return made


def read_places(session: Session, person: Person | None) -> list[Place]:
    """:param person: who sees them; None: all."""
    rows = _ALL_PLACES(session) if person is None else _SEEN_PLACES(session, **values_of(person))
    return [Place(*row) for row in rows]


def read_loads(session: Session, machines: list[Machine], since: float) -> dict[int, Load]:
    """Of VMs that were measured since then."""
    found = latest(session, Kind.VM, [vm.id for vm in machines], since)
    return {vm_id: _load(values) for vm_id, values in found.items()}


class FoundLink(NamedTuple):
    """
    What lies between two objects.

    :ivar object_id: a disk's or a storage's. :ivar vm_id: whose place it has; ``node_id``: that it is attached to.
    """

    object_id: int
    vm_id: int | None
    node_id: int | None


def find_links(session: Session, person: Person | None, uuids: Sequence[UUID]) -> dict[UUID, FoundLink]:
    """
    Of UUIDs those that are a disk's place in a VM, or a storage's attachment to a node, as the graph tells them.

    :param person: who asks; None: administrators, who alone are told of nodes.
    """
    asked = [str(uuid) for uuid in uuids]
    if person is None:
        rows = _FIND_ALL_LINKS(session, uuids=asked)
    else:
        rows = _FIND_SEEN_LINKS(session, uuids=asked, **values_of(person))
    return {UUID(row.uuid): FoundLink(row.object_id, row.vm_id, row.node_id) for row in rows}


def _load(values: dict[str, float]) -> Load:
    numbered = {int(name[5:]): value for name, value in values.items() if name.startswith("vcpu/")}
    has, free = values.get("memory"), values.get("memory_available")
    used = values.get("memory_rss") if has is None or free is None else has - free
    return Load(
        [round(numbered[number], 2) for number in sorted(numbered)], None if used is None else int(max(used, 0))
    )
