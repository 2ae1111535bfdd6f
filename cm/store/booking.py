"""
What VMs hold of their account, of storages and of nodes, booked and given back at once.

The rows of accounts and storages are everybody's: as long as one transaction has them, no other create or end goes on.
So what VMs hold is changed by one statement, the last one before the commit (``at_last``), and until then it is only
looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from psycopg2 import errorcodes
from sqlalchemy.orm import Session

from cm.rpc.errors import NoCapacity
from cm.runtime.database import CHANNEL, Faster, at_last, may_fail_late, note_notified
from cm.runtime.prepared import Prepared
from cm.store.claim import mib, refuse_quota, refuse_storage
from cm.store.node_document import DOCUMENT
from cm.store.vm import VMRow


class Share(NamedTuple):
    """Of a node."""

    cpu: int
    memory_mib: int
    vms: int


@dataclass(frozen=True)
class Booking:
    """
    What VMs of one account hold. ``storages``: bytes by storage; ``nodes``: by node.

    :ivar own: those of the storages that are nodes' own: where one is full, another node may do.
    :ivar targets: volumes that their disks were to move to, by moves that failed while guests changed over.
    """

    account_id: int
    cpu: int
    memory_mib: int
    storage_mib: int
    vms: int
    storages: Mapping[int, int] = field(default_factory=dict)
    nodes: Mapping[int, Share] = field(default_factory=dict)
    own: frozenset[int] = frozenset()
    targets: tuple[int, ...] = ()

    @property
    def quota(self) -> dict[str, int]:
        return {"cpu": self.cpu, "memory_mib": self.memory_mib, "storage_mib": self.storage_mib, "vms": self.vms}

    def joined(self, other: Booking) -> Booking:
        """Both at once, of one account."""
        storages, nodes = Counter(self.storages), dict(self.nodes)
        storages.update(other.storages)
        for node_id, share in other.nodes.items():
            nodes[node_id] = Share(*map(sum, zip(share, nodes.get(node_id, Share(0, 0, 0)), strict=True)))
        return Booking(
            self.account_id,
            self.cpu + other.cpu,
            self.memory_mib + other.memory_mib,
            self.storage_mib + other.storage_mib,
            self.vms + other.vms,
            storages,
            nodes,
            self.own | other.own,
            self.targets + other.targets,
        )

    def values(self) -> dict[str, object]:
        nodes = sorted(self.nodes.items())
        return {
            "account_id": self.account_id,
            **self.quota,
            "storage_ids": sorted(self.storages),
            "sizes": [size for _, size in sorted(self.storages.items())],
            "node_ids": [node_id for node_id, _ in nodes],
            "cpus": [share.cpu for _, share in nodes],
            "memories": [share.memory_mib for _, share in nodes],
            "counts": [share.vms for _, share in nodes],
        }


# The order in which accounts, storages and nodes are locked is that of the last line. Conditions hold for the newest
# rows: PostgreSQL looks at them again where it had to wait.
_BOOKED = """
WITH a AS (
    UPDATE account SET used_cpu = used_cpu + :cpu, used_memory_mib = used_memory_mib + :memory_mib,
                       used_storage_mib = used_storage_mib + :storage_mib, used_vms = used_vms + :vms
     WHERE id = :account_id AND active AND deleted_at IS NULL
       AND (CAST(:cpu AS bigint) = 0 OR used_cpu + :cpu <= quota_cpu)
       AND (CAST(:memory_mib AS bigint) = 0 OR used_memory_mib + :memory_mib <= quota_memory_mib)
       AND (CAST(:storage_mib AS bigint) = 0 OR used_storage_mib + :storage_mib <= quota_storage_mib)
       AND (CAST(:vms AS bigint) = 0 OR used_vms + :vms <= quota_vms)
    RETURNING 1
), s AS (
    UPDATE storage o SET claimed_bytes = o.claimed_bytes + w.size
      FROM unnest(CAST(:storage_ids AS bigint[]), CAST(:sizes AS bigint[])) AS w (id, size)
     WHERE o.id = w.id AND o.deleted_at IS NULL AND o.claimed_bytes + w.size <= o.limit_bytes
    RETURNING 1
), n AS (
    UPDATE node o SET cpu_used = o.cpu_used + w.cpu, memory_mib_used = o.memory_mib_used + w.memory,
                      vms_used = o.vms_used + w.vms
      FROM unnest(CAST(:node_ids AS bigint[]), CAST(:cpus AS bigint[]), CAST(:memories AS bigint[]),
                  CAST(:counts AS bigint[])) AS w (id, cpu, memory, vms)
     WHERE o.id = w.id AND o.deleted_at IS NULL AND NOT o.locked
       AND o.cpu_used + w.cpu <= floor(o.cpu_total * o.cpu_overcommit)
       AND o.memory_mib_used + w.memory <= floor(o.memory_mib_total * o.memory_overcommit)
    RETURNING pg_notify(:channel, :document || ':' || o.id)
)
"""
_BOOK = Prepared(
    "book",
    f"""
{_BOOKED}
SELECT (SELECT count(*) FROM a) AS accounts, (SELECT count(*) FROM s) AS storages, (SELECT count(*) FROM n) AS nodes
""",
)
# The same for who looks at nothing: where something does not fit it divides by zero.
_BOOK_ALL = Prepared(
    "book_all",
    f"""
{_BOOKED}
SELECT 1 / CAST((SELECT count(*) FROM a) = 1 AND (SELECT count(*) FROM s) = cardinality(CAST(:storage_ids AS bigint[]))
            AND (SELECT count(*) FROM n) = cardinality(CAST(:node_ids AS bigint[])) AS integer)
""",
)


def book_with_commit(session: Session, booking: Booking) -> None:
    """
    ``book`` as the last thing of a transaction, ``at_last``, and mostly in the round trip of its commit: where somebody
    was faster the transaction is repeated, and then looks for what does not fit.
    """
    at_last(session, _post if may_fail_late(session, errorcodes.DIVISION_BY_ZERO) else book, booking)


def _post(session: Session, booking: Booking) -> None:
    _BOOK_ALL.post(session, **booking.values(), channel=CHANNEL, document=DOCUMENT)
    for node_id in booking.nodes:
        note_notified(session, f"{DOCUMENT}:{node_id}")


def book(session: Session, booking: Booking) -> None:
    """
    Count all of it as used, within every limit; its rows stay locked until the transaction ends: let that be at once.

    :raises QuotaReached: OwnerBlocked: ObjectNotFound: StorageFull: it does not fit any more: somebody was faster.
    :raises Faster: a node or its own storage no longer fits, or was locked meanwhile: decide anew.
    """
    done = _BOOK(session, **booking.values(), channel=CHANNEL, document=DOCUMENT).one()
    for node_id in booking.nodes:
        note_notified(session, f"{DOCUMENT}:{node_id}")
    if not done.accounts:
        refuse_quota(session, booking.account_id, **booking.quota)
    if done.storages < len(booking.storages):
        for storage_id, size in sorted(booking.storages.items()):
            if storage_id not in booking.own:
                refuse_storage(session, storage_id, size)
    if not done.accounts or done.storages < len(booking.storages) or done.nodes < len(booking.nodes):
        raise Faster(NoCapacity("others are faster; try again"))


_GIVE_BACK = Prepared(
    "give_back",
    """
WITH a AS (
    UPDATE account SET used_cpu = used_cpu - :cpu, used_memory_mib = used_memory_mib - :memory_mib,
                       used_storage_mib = used_storage_mib - :storage_mib, used_vms = used_vms - :vms
     WHERE id = :account_id
    RETURNING 1
), s AS (
    UPDATE storage o SET claimed_bytes = o.claimed_bytes - w.size
      FROM unnest(CAST(:storage_ids AS bigint[]), CAST(:sizes AS bigint[])) AS w (id, size) WHERE o.id = w.id
    RETURNING 1
), n AS (
    UPDATE node o SET cpu_used = o.cpu_used - w.cpu, memory_mib_used = o.memory_mib_used - w.memory,
                      vms_used = o.vms_used - w.vms
      FROM unnest(CAST(:node_ids AS bigint[]), CAST(:cpus AS bigint[]), CAST(:memories AS bigint[]),
                  CAST(:counts AS bigint[])) AS w (id, cpu, memory, vms)
     WHERE o.id = w.id
    RETURNING 1
)
SELECT (SELECT count(*) FROM a) AS accounts, (SELECT count(*) FROM s) AS storages, (SELECT count(*) FROM n) AS nodes
""",
)


def give_back(session: Session, booking: Booking) -> None:
    """Count all of it as used no more. The tables' checks refuse what was never booked."""
    _GIVE_BACK.post(session, **booking.values())


_CLOSE = Prepared(
    "close_vm",
    """
WITH attached AS (
    DELETE FROM attachment WHERE vm_id = :id RETURNING disk_id, delete_with_vm
), disks AS (
    DELETE FROM disk WHERE id = ANY(ARRAY(SELECT disk_id FROM attached WHERE delete_with_vm))
    RETURNING id, account_id, image_id, volume_id
), entries AS (
    UPDATE image SET state = 'deleted', deleted_at = clock_timestamp(), volume_id = NULL, version = version + 1
     WHERE id = ANY(ARRAY(SELECT image_id FROM disks WHERE image_id IS NOT NULL)) RETURNING id, account_id
), told AS (
    INSERT INTO change (account_id, kind, object_id, event)
    SELECT account_id, 'image', id, 'exit' FROM entries UNION ALL
    SELECT account_id, 'disk', id, 'exit' FROM disks WHERE image_id IS NOT NULL
), snapshots AS (
    DELETE FROM snapshot WHERE disk_id = ANY(ARRAY(SELECT disk_id FROM attached WHERE delete_with_vm))
    RETURNING volume_id, spare_id
), memories AS (
    DELETE FROM suspension WHERE vm_id = :id RETURNING volume_id
), seeds AS (
    DELETE FROM seed WHERE vm_id = :id RETURNING volume_id
), volumes AS (
    DELETE FROM volume WHERE id = ANY(ARRAY(SELECT volume_id FROM disks UNION ALL SELECT volume_id FROM snapshots
                                            UNION ALL SELECT spare_id FROM snapshots
                                            UNION ALL SELECT volume_id FROM memories
                                            UNION ALL SELECT volume_id FROM seeds))
    RETURNING storage_id, claimed_bytes, name
), left_behind AS (
    INSERT INTO leftover_volume (storage_id, name, vm_id, node_ids)
    SELECT storage_id, name, :id, CAST(:may_run_on AS bigint[]) FROM volumes
     WHERE CAST(:may_run_on AS bigint[]) IS NOT NULL
    ON CONFLICT (storage_id, name) DO UPDATE SET vm_id = excluded.vm_id, node_ids = excluded.node_ids
), targets AS (
    UPDATE volume SET backing_id = NULL WHERE backing_id = ANY(ARRAY(SELECT volume_id FROM disks)) AND mode = 'copy'
    RETURNING id
), leases AS (
    UPDATE network_lease l SET nic_id = NULL WHERE nic_id = ANY(ARRAY(SELECT id FROM nic WHERE vm_id = :id))
       AND family(address) = (SELECT family(prefix) FROM network WHERE id = l.network_id)
), leases6 AS (
    DELETE FROM network_lease l WHERE nic_id = ANY(ARRAY(SELECT id FROM nic WHERE vm_id = :id))
       AND family(address) <> (SELECT family(prefix) FROM network WHERE id = l.network_id)
), nics AS (
    DELETE FROM nic WHERE vm_id = :id
), ports AS (
    UPDATE vnc_port SET vm_id = NULL WHERE vm_id = :id
), expired AS (
    DELETE FROM vm_expiry WHERE vm_id = :id
), kept AS (
    UPDATE vnc_port SET reserved_for = NULL WHERE reserved_for = :id
), drifted AS (
    UPDATE drift SET closed_at = clock_timestamp(), outcome = 'vm closed' WHERE vm_id = :id AND closed_at IS NULL
), logged AS (
    INSERT INTO console_leftover (vm_id, node_id)
    SELECT id, console_node_id FROM vm WHERE id = :id AND console_node_id IS NOT NULL ON CONFLICT DO NOTHING
), closed AS (
    UPDATE vm SET closed_at = clock_timestamp(), vnc_enabled = false, seen = 'absent', secret = '', user_data = '',
                  node_claimed = false, moves_to = NULL
     WHERE id = :id
)
SELECT storage_id, claimed_bytes, NULL AS target_id FROM volumes UNION ALL
SELECT NULL, NULL, id FROM targets WHERE NOT EXISTS (SELECT 1 FROM image i WHERE i.volume_id = targets.id)
""",
)


def close_rows(session: Session, row: VMRow, may_run_on: Sequence[int] | None = None) -> Booking:
    """
    Close a VM: its leases, ports and attachments are its no more, and its own disks are gone. The VM's row is locked.

    :param may_run_on: nodes that may have its domain still, so that its volumes are there; None: both are gone.
    :return: what it held, to be given back.
    """
    storages: dict[int, int] = {}
    storage_mib = 0
    targets = []
    for volume in _CLOSE(session, id=row.id, may_run_on=None if may_run_on is None else list(may_run_on)):
        if volume.target_id is not None:
            targets.append(volume.target_id)
            continue
        storages[volume.storage_id] = storages.get(volume.storage_id, 0) + volume.claimed_bytes
        storage_mib += mib(volume.claimed_bytes)
    nodes: dict[int, Share] = {}
    for node_id in (row.node_id if row.node_claimed else None, row.moves_to):
        if node_id is not None:
            was = nodes.get(node_id, Share(0, 0, 0))
            nodes[node_id] = Share(was.cpu + row.cpu, was.memory_mib + row.memory_mib, was.vms + 1)
    held = (row.account_id, row.cpu, row.memory_mib, storage_mib, 1, storages, nodes)
    return Booking(*held, targets=tuple(targets))
