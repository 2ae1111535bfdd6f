"""Judging nodes and doubting VMs, as passes find them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.vocabulary import Doubt, VMId
from cm.services.context import ClusterPolicy, Services
from cm.store.change import record_change
from cm.store.health import doubt, record_health, silent_for
from cm.store.vm import find_vm, render_vm

log = Logger()


def judge(session: Session, node_ids: Sequence[int], policy: ClusterPolicy) -> None:
    """Record how nodes are; the feed hears of those of which that changed."""
    changed = record_health(session, node_ids, policy.agent_silent_s, policy.hooks_silent_s)
    for node_id, set_aside in changed.items():
        if not set_aside:
            log.warn("node {node_id}: its health has changed", node_id=node_id)
        record_change(session, "node", node_id, None)


async def doubt_silent(services: Services, node_id: int, doubted: Mapping[VMId, Doubt]) -> None:
    """
    A node does not answer: after a while what is shown of its VMs is doubtful.

    :param doubted: the VMs that are shown as running there, and what is doubted of them already.
    """
    new = {vm_id: Doubt.NODE_SILENT for vm_id, why in doubted.items() if why is Doubt.NONE}
    silent = bool(new) and await services.database.read(silent_for, node_id, services.policy.doubtful_s)
    if silent:
        await services.database.transact(_write, new)


async def doubt_missing(services: Services, missing: Collection[VMId], doubted: Mapping[VMId, Doubt]) -> None:
    """
    A node has answered: of its VMs those are doubtful whose domain it does not have, and no others.

    :param doubted: likewise.
    """
    wanted = {vm_id: Doubt.DOMAIN_MISSING if vm_id in missing else Doubt.NONE for vm_id in doubted}
    changes = {vm_id: why for vm_id, why in wanted.items() if why is not doubted[vm_id]}
    if changes:
        await services.database.transact(_write, changes)


def _write(session: Session, changes: Mapping[VMId, Doubt]) -> None:
    for vm_id in sorted(changes):
        row = find_vm(session, vm_id, lock=True)
        if row is not None and row.closed_at is None and doubt(session, vm_id, changes[vm_id]):
            render_vm(session, vm_id)
