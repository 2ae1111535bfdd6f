"""
The slow pass over storages: volumes that nothing of ours needs any more, and volumes that are missing.

A leaked volume that was a closed VM's or a given-up image's is deleted, since nobody can miss it, once no domain can
write to it; one that we cannot account for becomes a row of the drift ledger, as does a missing one. What an
administrator approved of there the pass deletes, after its own look that nothing uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.volume import VolumeSeen
from cm.results.storage import StorageCheck, VolumeFinding
from cm.rpc.errors import CloudError, StorageUnreached
from cm.rpc.vocabulary import CauseKind, DiskFormat, FreedPolicy
from cm.rules.cause import Cause
from cm.rules.names import console_of, pool_name, volume_of
from cm.rules.reconcile import Finding
from cm.rules.storage import capabilities
from cm.rules.stray import KINDS, guest_format, leftover, missing
from cm.services.clearing import clear
from cm.services.context import AsyncClusterCall, Services
from cm.services.disk_bytes import open_volume_delete
from cm.services.lost import note_found
from cm.store.drift import approved_volumes, record_storage_findings
from cm.store.storage import freed_policy, get_storage, node_reaching, record_usage
from cm.store.unknown import held_volumes
from cm.store.volume import (
    ended,
    expected,
    forget_left,
    guest_volumes,
    insert_leftover,
    left_volumes,
    record_allocation,
)

log = Logger()


def in_use(session: Session, storage_id: int, volumes: Sequence[VolumeSeen]) -> Mapping[str, str]:
    """Volumes that are not to be deleted whatever our records say of them, and why: a domain that is no VM's of ours
    uses them, or another volume is an overlay on them."""
    by_path = {volume.path: volume.name for volume in volumes}
    bases = {by_path[v.base]: f"volume {v.name} is an overlay on it" for v in volumes if v.base in by_path}
    held = held_volumes(session, storage_id)
    return {**bases, **{name: f"{domain} uses it; adopt that domain" for name, domain in held.items()}}


async def not_running(services: Services, placed: Collection[tuple[str, int]]) -> frozenset[tuple[str, int]]:
    """
    A node that does not answer tells nothing.

    :param placed: VMs, by their uuids, each with a node that may have a domain of it.
    :return: those of them of which it has none.
    """
    gone: set[tuple[str, int]] = set()
    for node_id in sorted({node for _, node in placed}):
        try:
            domains = await services.fleet.node(node_id).hypervisor.domains()
        except CloudError as error:
            log.info("node {id}: whether VMs of it have ended is not known: {error}", id=node_id, error=str(error))
            continue
        there = {domain.uuid for domain in domains}
        gone |= {(uuid, node) for uuid, node in placed if node == node_id and uuid not in there}
    return frozenset(gone)


async def check_storage(caller: AsyncClusterCall, storage_id: int) -> StorageCheck:
    """
    Pass over a storage now.

    :return: through which node, the volumes that were deleted, or are being, and what is in the drift ledger of it.
    :raises StorageUnreached: no node that answers has it attached.
    """
    services = caller.services
    await services.database.read(get_storage, storage_id)
    node_id = await services.database.read(node_reaching, storage_id)
    if node_id is None:
        raise StorageUnreached(storage_id)
    deleted, findings = await settle_storage(services, storage_id, node_id)
    found: list[VolumeFinding] = [{"kind": f.kind, "subject": f.subject, "proposal": f.proposal} for f in findings]
    return {"storage_id": storage_id, "node_id": node_id, "deleted": deleted, "findings": found}


def _outdated(session: Session, storage_id: int, present: Collection[str]) -> list[Finding]:
    """What guests may write to and an older release made of a format that they do not write to there any more."""
    written = capabilities(get_storage(session, storage_id)["kind"]).written
    found = guest_volumes(session, storage_id, [str(format) for format in DiskFormat if format not in written])
    return [
        guest_format(pool_name(storage_id), each.name, each.format, each.disk_id)
        for each in found
        if each.name in present
    ]


def _wipe(session: Session, storage_id: int, node_id: int, seen: VolumeSeen) -> None:
    """Have an operation wipe a leftover, as the storage has it, and delete it. It is on record until it is gone."""
    formats = capabilities(get_storage(session, storage_id)["kind"]).formats
    format = DiskFormat.QCOW2 if seen.name.endswith(".qcow2") and DiskFormat.QCOW2 in formats else DiskFormat.RAW
    taken = (seen.capacity_bytes, seen.allocation_bytes)
    volume_id = insert_leftover(session, storage_id, seen.name, format, *taken)
    if volume_id is not None:
        open_volume_delete(session, volume_id, Cause(CauseKind.LOOK, str(node_id)))


async def run_storage_pass(services: Services, storage_id: int, node_id: int) -> None:
    """``settle_storage`` in its turn: a storage that cannot be listed now is listed another time."""
    try:
        await settle_storage(services, storage_id, node_id)
    except CloudError as error:
        log.info("storage {id}: not listed: {error}", id=storage_id, error=str(error))


async def settle_storage(services: Services, storage_id: int, node_id: int) -> tuple[list[str], list[Finding]]:
    """
    List a storage through a node that has it attached, and settle what differs.

    :return: the volumes that were deleted, or are being, and what is for the ledger.
    """
    database, fleet, pool = services.database, services.fleet, pool_name(storage_id)
    before = await database.read(expected, storage_id)
    left = await database.read(left_volumes, storage_id)
    volumes = await fleet.node(node_id).volumes.list_all(pool)
    usage = await fleet.node(node_id).pools.usage(pool, False)
    await database.transact(record_allocation, storage_id, [(v.name, v.allocation_bytes) for v in volumes])
    await database.transact(record_usage, storage_id, usage)
    present = {volume.name for volume in volumes}
    used = await database.read(in_use, storage_id, volumes)
    ours = {name: volume for name in sorted(present - before.live) if (volume := volume_of(name)) is not None}
    uuids = {
        name: volume.uuid
        for name, volume in ours.items()
        if str(volume.base) not in before.passing and volume.uuid not in before.left and name not in left
    }
    closed = await database.read(ended, sorted(set(uuids.values())))
    held = {(each.uuid, node) for each in left.values() for node in each.nodes}
    gone = await not_running(services, held | set(closed.last_on.items()))
    over = closed.over | {uuid for uuid, _ in gone & set(closed.last_on.items())}
    # Whoever a volume is named after: it was used again, moved or brought since, and its last VM may write to it.
    waiting = {
        name: [node for node in each.nodes if (each.uuid, node) not in gone]
        for name, each in left.items()
        if each.settled
    }
    uuids |= {name: left[name].uuid for name in waiting if name in present - before.live - before.passing}
    approved = await database.read(approved_volumes, pool)
    policy, _ = await database.read(freed_policy, storage_id)
    findings: list[Finding] = []
    deleted: list[str] = []
    by_name = {volume.name: volume for volume in volumes}
    for name, uuid in uuids.items():
        if name in waiting:
            needless, waits_for = not waiting[name], min(waiting[name], default=None)
        else:
            needless = uuid in over or (uuid in closed.logged and console_of(name) is not None)
            waits_for = None if needless else closed.last_on.get(uuid)
        if name not in used and (needless or (waits_for is None and name in approved)):
            log.warn("storage {id}: leftover volume {name} is deleted", id=storage_id, name=name)
            try:
                if policy is FreedPolicy.NONE:
                    await fleet.node(node_id).volumes.delete(pool, name)
                else:  # which may take an hour
                    await database.transact(_wipe, storage_id, node_id, by_name[name])
                deleted.append(name)
                continue
            except CloudError as error:
                log.info("storage {id}: {name}: {error}", id=storage_id, name=name, error=str(error))
                if needless:
                    continue
        seen = by_name[name]
        taken = (seen.allocation_bytes, seen.capacity_bytes)
        findings.append(leftover(pool, name, taken, seen.base.rpartition("/")[2], used.get(name), waits_for))
    settled = [
        name for name, nodes in waiting.items() if not nodes and (name not in present or name in before.passing)
    ]
    if settled:
        await database.transact(forget_left, storage_id, settled)
    # Asked again: what ended while the storage was listed is not missing.
    still = (await database.read(expected, storage_id)).live
    findings += [missing(pool, name) for name in sorted((before.live & still) - present)]
    findings += await database.read(_outdated, storage_id, present)
    if before.lost & present:
        await database.transact(note_found, storage_id, sorted(before.lost & present))
    await database.transact(record_storage_findings, pool, node_id, findings, KINDS)
    if deleted:  # which left room
        usage = await fleet.node(node_id).pools.usage(pool, False)
    for purged in await database.transact(clear, storage_id, node_id, usage, services.policy.storage_low_percent):
        log.warn("storage {id} runs low: disk {disk} goes, from the trash", id=storage_id, disk=purged.disk_id)
    return deleted, findings
