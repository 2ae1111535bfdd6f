"""
Claims and releases: the only statements that change what accounts, nodes and storages count as used.

Each is one conditional UPDATE, so the database settles races: it succeeds within the limit or changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rpc.errors import NoFreePort, ObjectNotFound, OwnerBlocked, QuotaReached, StorageFull
from cm.runtime.database import CHANNEL, note_notified
from cm.runtime.prepared import Prepared
from cm.store.link import links_changed
from cm.store.node_document import DOCUMENT, document_changed
from cm.store.public_address import public_changed
from cm.store.unknown import HELD_PORTS

MIB = 1024 * 1024


def mib(size_bytes: int) -> int:
    """Bytes as MiB, rounded up: what a quota counts."""
    return -(-size_bytes // MIB)


_CLAIM_QUOTA = Prepared(
    "claim_quota",
    """
UPDATE account SET used_cpu = used_cpu + :cpu, used_memory_mib = used_memory_mib + :memory_mib,
                   used_storage_mib = used_storage_mib + :storage_mib, used_vms = used_vms + :vms
 WHERE id = :id AND active AND deleted_at IS NULL
   AND (CAST(:cpu AS bigint) = 0 OR used_cpu + :cpu <= quota_cpu)
   AND (CAST(:memory_mib AS bigint) = 0 OR used_memory_mib + :memory_mib <= quota_memory_mib)
   AND (CAST(:storage_mib AS bigint) = 0 OR used_storage_mib + :storage_mib <= quota_storage_mib)
   AND (CAST(:vms AS bigint) = 0 OR used_vms + :vms <= quota_vms)
""",
)


def claim_quota(
    session: Session, account_id: int, *, cpu: int = 0, memory_mib: int = 0, storage_mib: int = 0, vms: int = 0
) -> None:
    """
    Count more as used by an account; its row stays locked until the transaction ends.

    :raises QuotaReached: naming the first resource that would go over.
    """
    asked = {"cpu": cpu, "memory_mib": memory_mib, "storage_mib": storage_mib, "vms": vms}
    moved = _CLAIM_QUOTA(session, id=account_id, **asked)
    if moved.rowcount == 1:
        return
    refuse_quota(session, account_id, **asked)
    found = _QUOTA(session, id=account_id).one()
    raise QuotaReached("vms", found.quota_vms, found.used_vms, vms)


QUOTA: Final = (
    "active, deleted_at, quota_cpu, used_cpu, quota_memory_mib, used_memory_mib, quota_storage_mib, used_storage_mib,"
    " quota_vms, used_vms"
)
_QUOTA = Prepared("quota_of", f"SELECT {QUOTA} FROM account WHERE id = :id")


def refuse_quota(session: Session, account_id: int, **asked: int) -> None:
    """
    Look, without a lock, whether an account may have so much more.

    :raises QuotaReached: OwnerBlocked: ObjectNotFound: as ``check_quota``.
    """
    check_quota(account_id, _QUOTA(session, id=account_id).first(), asked)


def check_quota(account_id: int, found: Any, asked: Mapping[str, int]) -> None:
    """
    :param found: the columns of ``QUOTA``; None: there is no such account.
    :param asked: how much more, by resource.
    :raises QuotaReached: naming the first resource that would go over.
    :raises OwnerBlocked: ObjectNotFound: it may have nothing.
    """
    if found is None or found.deleted_at is not None:
        raise ObjectNotFound("account", account_id)
    if not found.active:
        raise OwnerBlocked(account_id)
    for resource, more in asked.items():
        limit, used = getattr(found, f"quota_{resource}"), getattr(found, f"used_{resource}")
        if more and used + more > limit:
            raise QuotaReached(resource, limit, used, more)


def count_quota(
    session: Session, account_id: int, *, cpu: int, memory_mib: int, storage_mib: int, vms: int, force: bool
) -> None:
    """
    ``claim_quota`` for what is there already.

    :param force: beyond the quota, and also of a blocked account.
    :raises QuotaReached: without ``force``.
    """
    asked = {"cpu": cpu, "memory_mib": memory_mib, "storage_mib": storage_mib, "vms": vms}
    if not force:
        claim_quota(session, account_id, **asked)
        return
    counted = session.execute(
        text(
            "UPDATE account SET used_cpu = used_cpu + :cpu, used_memory_mib = used_memory_mib + :memory_mib,"
            " used_storage_mib = used_storage_mib + :storage_mib, used_vms = used_vms + :vms"
            " WHERE id = :id AND deleted_at IS NULL RETURNING id"
        ),
        {"id": account_id, **asked},
    ).first()
    if counted is None:
        raise ObjectNotFound("account", account_id)


def count_storage(session: Session, storage_id: int, size_bytes: int) -> None:
    """Count what lies on a storage already, whether it has room or not."""
    session.execute(
        text("UPDATE storage SET claimed_bytes = claimed_bytes + :size WHERE id = :id"),
        {"id": storage_id, "size": size_bytes},
    )


def count_node(session: Session, node_id: int, *, cpu: int, memory_mib: int) -> None:
    """Count a VM that is on a node already, whether it is locked or full or not."""
    session.execute(
        text(
            "UPDATE node SET cpu_used = cpu_used + :cpu, memory_mib_used = memory_mib_used + :memory_mib,"
            " vms_used = vms_used + 1 WHERE id = :id"
        ),
        {"id": node_id, "cpu": cpu, "memory_mib": memory_mib},
    )
    document_changed(session, node_id)


_RELEASE_QUOTA = text(
    """
UPDATE account SET used_cpu = used_cpu - :cpu, used_memory_mib = used_memory_mib - :memory_mib,
                   used_storage_mib = used_storage_mib - :storage_mib, used_vms = used_vms - :vms
 WHERE id = :id
"""
)


def release_quota(
    session: Session, account_id: int, *, cpu: int = 0, memory_mib: int = 0, storage_mib: int = 0, vms: int = 0
) -> None:
    """Count less as used. The table's check refuses what was never claimed."""
    session.execute(
        _RELEASE_QUOTA,
        {"id": account_id, "cpu": cpu, "memory_mib": memory_mib, "storage_mib": storage_mib, "vms": vms},
    )


_CLAIM_NODE = Prepared(
    "claim_node",
    """
UPDATE node SET cpu_used = cpu_used + :cpu, memory_mib_used = memory_mib_used + :memory_mib, vms_used = vms_used + 1
 WHERE id = :id AND deleted_at IS NULL AND NOT locked
   AND cpu_used + :cpu <= floor(cpu_total * cpu_overcommit)
   AND memory_mib_used + :memory_mib <= floor(memory_mib_total * memory_overcommit)
RETURNING pg_notify(:channel, :document)
""",
)


def claim_node(session: Session, node_id: int, *, cpu: int, memory_mib: int) -> bool:
    """
    Claim a VM's share of a node, whose agent is told that there will be other NICs; False where it no longer fits or
    the node was locked meanwhile.
    """
    topic = f"{DOCUMENT}:{node_id}"
    moved = _CLAIM_NODE(session, id=node_id, cpu=cpu, memory_mib=memory_mib, channel=CHANNEL, document=topic)
    if moved.rowcount != 1:
        return False
    note_notified(session, topic)
    return True


_CLAIM_MORE = text(
    "UPDATE node SET cpu_used = cpu_used + :cpu, memory_mib_used = memory_mib_used + :memory_mib WHERE id = :id"
    " AND (:cpu = 0 OR cpu_used + :cpu <= floor(cpu_total * cpu_overcommit))"
    " AND (:memory_mib = 0 OR memory_mib_used + :memory_mib <= floor(memory_mib_total * memory_overcommit))"
    " RETURNING id"
)


def claim_more_of_node(session: Session, node_id: int, *, cpu: int, memory_mib: int) -> bool:
    """Claim more for a VM that is there already, be the node locked; False where it does not fit."""
    asked = {"id": node_id, "cpu": cpu, "memory_mib": memory_mib}
    return session.execute(_CLAIM_MORE, asked).first() is not None


def release_part_of_node(session: Session, node_id: int, *, cpu: int, memory_mib: int) -> None:
    """Count less as used by a VM that stays."""
    session.execute(
        text(
            "UPDATE node SET cpu_used = cpu_used - :cpu, memory_mib_used = memory_mib_used - :memory_mib WHERE id = :id"
        ),
        {"id": node_id, "cpu": cpu, "memory_mib": memory_mib},
    )


_RELEASE_SHARE = text(
    "UPDATE node SET cpu_used = cpu_used - :cpu, memory_mib_used = memory_mib_used - :memory_mib,"
    " vms_used = vms_used - 1 WHERE id = :id"
)


def release_node(session: Session, vm_id: int) -> bool:
    """
    Give back a VM's share of its node and its VNC port, once: a second call finds nothing claimed. The nodes that
    carry its networks are told.

    :return: whether anything was given back.
    """
    links_changed(session, vm_id)
    public_changed(session, vm_id)
    found = session.execute(
        text("UPDATE vm SET node_claimed = false WHERE id = :id AND node_claimed RETURNING node_id, cpu, memory_mib"),
        {"id": vm_id},
    ).first()
    if found is None:
        return False
    session.execute(_RELEASE_SHARE, {"id": found.node_id, "cpu": found.cpu, "memory_mib": found.memory_mib})
    session.execute(text("UPDATE vnc_port SET vm_id = NULL WHERE vm_id = :id"), {"id": vm_id})
    return True


_CLAIM_STORAGE = Prepared(
    "claim_storage",
    """
UPDATE storage SET claimed_bytes = claimed_bytes + :size
 WHERE id = :id AND deleted_at IS NULL AND claimed_bytes + :size <= limit_bytes
""",
)


def claim_storage(session: Session, storage_id: int, size_bytes: int) -> None:
    """
    Claim virtual size on a storage, within what may be promised of it.

    :raises StorageFull: it does not fit.
    """
    moved = _CLAIM_STORAGE(session, id=storage_id, size=size_bytes)
    if moved.rowcount == 1:
        return
    refuse_storage(session, storage_id, size_bytes)
    raise StorageFull(storage_id, 0, size_bytes)


ROOM: Final = "(s.limit_bytes - s.claimed_bytes)"
_ROOM = Prepared("room_on", f"SELECT {ROOM} AS room FROM storage s WHERE id = :id AND deleted_at IS NULL")


def refuse_storage(session: Session, storage_id: int, size_bytes: int) -> None:
    """
    Look, without a lock, whether so much more fits a storage.

    :raises StorageFull: it does not.
    :raises ObjectNotFound: there is no such storage.
    """
    found = _ROOM(session, id=storage_id).first()
    if found is None:
        raise ObjectNotFound("storage", storage_id)
    check_room(storage_id, found.room, size_bytes)


def check_room(storage_id: int, room_bytes: int, size_bytes: int) -> None:
    """:raises StorageFull: so much does not fit there."""
    if room_bytes < size_bytes:
        raise StorageFull(storage_id, max(room_bytes, 0), size_bytes)


def release_storage(session: Session, storage_id: int, size_bytes: int) -> None:
    session.execute(
        text("UPDATE storage SET claimed_bytes = claimed_bytes - :size WHERE id = :id"),
        {"id": storage_id, "size": size_bytes},
    )


_CLAIM_PORT = Prepared(
    "claim_port",
    f"""
UPDATE vnc_port SET vm_id = :vm_id
 WHERE (node_id, port) = (SELECT node_id, port FROM vnc_port WHERE node_id = :node_id
                              AND vm_id IS NULL AND reserved_for IS NULL
                              AND port NOT IN {HELD_PORTS.format(node_id=":node_id")}
                            ORDER BY port LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING port
""",
)


def claim_port(session: Session, vm_id: int, node_id: int) -> int:
    """
    :raises NoFreePort: every VNC port of the node belongs to a VM, or to a domain that is none of ours.
    """
    port = _CLAIM_PORT(session, vm_id=vm_id, node_id=node_id).scalar()
    if port is None:
        raise NoFreePort(node_id)
    return int(port)


def claim_target(session: Session, vm_id: int, node_id: int) -> None:
    """
    Have a VM hold a port of the node that it is going to move to; that node's share is claimed for it already
    (``claim_node``). Both go back by ``release_target``, or are what the VM holds by ``take_target``.

    :raises NoFreePort: every VNC port of the node is taken.
    """
    reserved = session.execute(
        text(
            "UPDATE vnc_port SET reserved_for = :vm_id WHERE (node_id, port) = (SELECT node_id, port FROM vnc_port"
            " WHERE node_id = :node_id AND vm_id IS NULL AND reserved_for IS NULL AND port NOT IN "
            f"{HELD_PORTS.format(node_id=':node_id')} ORDER BY port LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING port"
        ),
        {"vm_id": vm_id, "node_id": node_id},
    ).scalar()
    if reserved is None:
        raise NoFreePort(node_id)
    session.execute(text("UPDATE vm SET moves_to = :n WHERE id = :id"), {"n": node_id, "id": vm_id})


def release_target(session: Session, vm_id: int) -> bool:
    """
    Give back what a VM holds of the node that it was going to move to, once. The nodes that carry its networks are
    told.

    :return: whether it held any.
    """
    links_changed(session, vm_id)
    found = session.execute(
        text(
            "UPDATE vm SET moves_to = NULL FROM (SELECT id, moves_to AS was FROM vm WHERE id = :id FOR UPDATE) old"
            " WHERE vm.id = old.id AND old.was IS NOT NULL RETURNING old.was AS node_id, vm.cpu, vm.memory_mib"
        ),
        {"id": vm_id},
    ).first()
    if found is None:
        return False
    session.execute(_RELEASE_SHARE, {"id": found.node_id, "cpu": found.cpu, "memory_mib": found.memory_mib})
    session.execute(text("UPDATE vnc_port SET reserved_for = NULL WHERE reserved_for = :id"), {"id": vm_id})
    return True


def take_target(session: Session, vm_id: int) -> int | None:
    """Place a VM, which is placed nowhere, on the node that it holds a share of. :return: that node, if any."""
    node_id: int | None = session.scalar(
        text(
            "UPDATE vm SET node_id = moves_to, node_claimed = true, moves_to = NULL WHERE id = :id AND NOT node_claimed"
            " AND moves_to IS NOT NULL RETURNING node_id"
        ),
        {"id": vm_id},
    )
    if node_id is not None:
        session.execute(
            text("UPDATE vnc_port SET vm_id = :id, reserved_for = NULL WHERE reserved_for = :id"), {"id": vm_id}
        )
        public_changed(session, vm_id)
    return node_id
