"""
The slow pass over storages: volumes that nothing of ours needs any more, and volumes that are missing.

A leaked volume that was a closed VM's or a given-up image's is deleted, since nobody can miss it, once no domain can
write to it; one that we cannot account for becomes a row of the drift ledger, as does a missing one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.volume import VolumeSeen
from cm.results.storage import StorageCheck, VolumeFinding
from cm.rpc.errors import CloudError, StorageUnreached
from cm.rpc.vocabulary import DriftKind
from cm.rules.names import console_volume, pool_name, volume_of
from cm.rules.reconcile import Finding
from cm.services.context import AsyncClusterCall, Services
from cm.store.conditions import is_open
from cm.store.drift import record_storage_findings
from cm.store.storage import get_storage, node_reaching
from cm.store.unknown import held_volumes

log = Logger()
KINDS: Final = (DriftKind.LEAKED_VOLUME, DriftKind.MISSING_VOLUME)


@dataclass(frozen=True)
class Expected:
    """What should be on a storage, read before it was listed."""

    live: frozenset[str]  # volumes that must be there
    passing: frozenset[str]  # volumes of work under way, which may come and go


def expected(session: Session, storage_id: int) -> Expected:
    live = session.scalars(
        text(
            "SELECT d.volume FROM disk d JOIN vm v ON v.id = d.vm_id WHERE d.storage_id = :s AND d.deleted_at IS NULL"
            " AND d.made AND NOT EXISTS (SELECT 1 FROM operation o WHERE o.vm_id = v.id"
            f"  AND {is_open('o')})"
            " UNION ALL SELECT volume FROM image WHERE storage_id = :s AND state = 'ok' AND deleted_at IS NULL"
        ),
        {"s": storage_id},
    )
    passing = session.scalars(
        text(
            "SELECT volume FROM disk WHERE storage_id = :s AND deleted_at IS NULL"
            " UNION ALL SELECT volume FROM image WHERE storage_id = :s AND (deleted_at IS NULL OR EXISTS"
            f"  (SELECT 1 FROM operation o WHERE o.image_id = image.id AND {is_open('o')}))"
        ),
        {"s": storage_id},
    )
    open_vms = session.scalars(text("SELECT uuid FROM vm WHERE closed_at IS NULL"))
    return Expected(frozenset(live), frozenset(passing) | {console_volume(uuid) for uuid in open_vms})


@dataclass(frozen=True)
class Ended:
    """Of the uuids in volumes' names, those of closed VMs and of images that ended."""

    over: frozenset[str]
    last_on: Mapping[str, int]  # those of VMs that may still run, where one was erased; by uuid, the node's id


def ended(session: Session, uuids: Sequence[str]) -> Ended:
    """A VM may be closed without its node's word (``release.erase``): until that node answers or is deleted, its domain
    may be there, and write."""
    found = session.execute(
        text(
            "SELECT v.uuid::text AS uuid, n.id AS node_id FROM vm v"
            " LEFT JOIN node n ON n.id = v.node_id AND n.deleted_at IS NULL"
            " WHERE v.uuid = ANY(CAST(:u AS uuid[])) AND v.closed_at < now() - interval '1 minute'"
            " UNION ALL SELECT uuid::text, NULL FROM image WHERE uuid = ANY(CAST(:u AS uuid[]))"
            " AND deleted_at < now() - interval '1 minute'"
        ),
        {"u": list(uuids)},
    ).all()
    return Ended(
        frozenset(row.uuid for row in found if row.node_id is None),
        {row.uuid: row.node_id for row in found if row.node_id is not None},
    )


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


async def pass_over_storage(services: Services, storage_id: int, node_id: int) -> None:
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
    present = {volume.name for volume in volumes}
    used = await database.read(in_use, storage_id, volumes)
    ours = {name: volume for name in sorted(present - before.live) if (volume := volume_of(name)) is not None}
    uuids = {name: volume.uuid for name, volume in ours.items() if str(volume.base) not in before.passing}
    closed = await database.read(ended, sorted(set(uuids.values())))
    over = closed.over | await not_running(services, closed.last_on)
    findings: list[Finding] = []
    deleted: list[str] = []
    for name, uuid in uuids.items():
        if name in used:
            findings.append(Finding(DriftKind.LEAKED_VOLUME, f"{pool}/{name}", None, (), f"leave it: {used[name]}"))
        elif uuid in over:
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
