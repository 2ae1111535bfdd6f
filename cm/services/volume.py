"""
The slow pass over storages: volumes that nothing of ours needs any more, and volumes that are missing.

A leaked volume that was a closed VM's or a given-up image's is deleted, since nobody can miss it, once no domain can
write to it; one that we cannot account for becomes a row of the drift ledger, as does a missing one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.volume import VolumeSeen
from cm.results.storage import StorageCheck, VolumeFinding
from cm.rpc.errors import CloudError, StorageUnreached
from cm.rpc.vocabulary import DriftKind
from cm.rules.names import console_of, pool_name, volume_of
from cm.rules.reconcile import Finding
from cm.services.context import AsyncClusterCall, Services
from cm.store.drift import record_storage_findings
from cm.store.storage import get_storage, node_reaching
from cm.store.unknown import held_volumes
from cm.store.volume import ended, expected, record_allocation

log = Logger()
KINDS: Final = (DriftKind.LEAKED_VOLUME, DriftKind.MISSING_VOLUME)


def in_use(session: Session, storage_id: int, volumes: Sequence[VolumeSeen]) -> Mapping[str, str]:
    """Volumes that are not to be deleted whatever our records say of them, and why: a domain that is no VM's of ours
    uses them, or another volume is an overlay on them."""
    by_path = {volume.path: volume.name for volume in volumes}
    bases = {by_path[v.base]: f"volume {v.name} is an overlay on it" for v in volumes if v.base in by_path}
    held = held_volumes(session, storage_id)
    return {**bases, **{name: f"{domain} uses it; adopt that domain" for name, domain in held.items()}}


async def not_running(services: Services, last_on: Mapping[str, int]) -> frozenset[str]:
    """Of VMs, by their uuids, those that their nodes have no domain of. A node that does not answer tells nothing."""
    gone: set[str] = set()
    for node_id in sorted(set(last_on.values())):
        try:
            domains = await services.fleet.node(node_id).hypervisor.domains()
        except CloudError as error:
            log.info("node {id}: whether VMs of it have ended is not known: {error}", id=node_id, error=str(error))
            continue
        there = {domain.uuid for domain in domains}
        gone |= {uuid for uuid, node in last_on.items() if node == node_id and uuid not in there}
    return frozenset(gone)


async def check_storage(caller: AsyncClusterCall, storage_id: int) -> StorageCheck:
    """
    Pass over a storage now.

    :return: through which node, the volumes that were deleted, and what is in the drift ledger of it.
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


async def run_storage_pass(services: Services, storage_id: int, node_id: int) -> None:
    """``settle_storage`` in its turn: a storage that cannot be listed now is listed another time."""
    try:
        await settle_storage(services, storage_id, node_id)
    except CloudError as error:
        log.info("storage {id}: not listed: {error}", id=storage_id, error=str(error))


async def settle_storage(services: Services, storage_id: int, node_id: int) -> tuple[list[str], list[Finding]]:
    """
    List a storage through a node that has it attached, and settle what differs.

    :return: the volumes that were deleted, and what is for the ledger.
    """
    database, fleet, pool = services.database, services.fleet, pool_name(storage_id)
    before = await database.read(expected, storage_id)
    volumes = await fleet.node(node_id).volumes.list_all(pool)
    await database.transact(record_allocation, storage_id, [(v.name, v.allocation_bytes) for v in volumes])
    present = {volume.name for volume in volumes}
    used = await database.read(in_use, storage_id, volumes)
    ours = {name: volume for name in sorted(present - before.live) if (volume := volume_of(name)) is not None}
    uuids = {
        name: volume.uuid
        for name, volume in ours.items()
        if str(volume.base) not in before.passing and volume.uuid not in before.left
    }
    closed = await database.read(ended, sorted(set(uuids.values())))
    over = closed.over | await not_running(services, closed.last_on)
    findings: list[Finding] = []
    deleted: list[str] = []
    for name, uuid in uuids.items():
        if name in used:
            findings.append(Finding(DriftKind.LEAKED_VOLUME, f"{pool}/{name}", None, (), f"leave it: {used[name]}"))
        elif uuid in over or (uuid in closed.logged and console_of(name) is not None):
            log.warn("storage {id}: leftover volume {name} is deleted", id=storage_id, name=name)
            try:
                await fleet.node(node_id).volumes.delete(pool, name)
                deleted.append(name)
            except CloudError as error:
                log.info("storage {id}: {name}: {error}", id=storage_id, name=name, error=str(error))
        elif uuid in closed.last_on:
            proposal = f"it is deleted when node {closed.last_on[uuid]} has no domain of it any more, or is deleted"
            findings.append(Finding(DriftKind.LEAKED_VOLUME, f"{pool}/{name}", None, (), proposal))
        else:
            proposal = "delete it by hand, when you know what it was; an older dump may just not know it"
            findings.append(Finding(DriftKind.LEAKED_VOLUME, f"{pool}/{name}", None, (), proposal))
    # Asked again: what ended while the storage was listed is not missing.
    still = (await database.read(expected, storage_id)).live
    for name in sorted((before.live & still) - present):
        findings.append(Finding(DriftKind.MISSING_VOLUME, f"{pool}/{name}", None, (), "restore it from a backup"))
    await database.transact(record_storage_findings, pool, node_id, findings, KINDS)
    return deleted, findings
