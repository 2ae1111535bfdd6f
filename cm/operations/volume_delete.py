"""
Deleting a volume that is nobody's: what a disk has left, or was going to move to; a free one, or a leftover, that is to
be wiped before. Its room goes back when it is gone.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.orm import Session

from cm.interfaces.source import DiskSource
from cm.operations.base import Kind, Wait, Work, others_stopped, register, storage_reached
from cm.operations.variables import delete_variables, giving_node
from cm.rpc.errors import DomainNotRunning, InvalidParameter, NotSupported
from cm.rpc.vocabulary import FreedPolicy
from cm.rules.names import pool_name
from cm.rules.operation import ObjectKind, OperationKind
from cm.services.disk_bytes import VARIABLES
from cm.store.disk_bytes import Lies, delete_volume, find_volume, has_node, is_somebodys
from cm.store.operation import OperationRow
from cm.store.operation_object import others_at_work
from cm.store.storage import freed_policy, node_reaching
from cm.store.unknown import refuse_held_volume
from cm.store.variables import Variables
from cm.store.vm import VMRow, find_vm
from cm.store.waking import awaited

LET_GO_S = 5.0  # between looks at a domain that still has it


class Leaving(NamedTuple):
    """
    :ivar vm: that had it, while it may still run.
    :ivar node_id: that it is deleted through.
    :ivar policy: what its storage does to the content of what is freed.
    """

    volume: Lies
    vm: VMRow | None
    node_id: int
    policy: FreedPolicy


def _facts(session: Session, op: OperationRow) -> Leaving | None:
    volume_id = op.get(ObjectKind.VOLUME)
    if others_at_work(session, ObjectKind.VOLUME, volume_id, op.id):
        raise others_stopped(ObjectKind.VOLUME, volume_id)
    volume = find_volume(session, volume_id)
    if volume is None or is_somebodys(session, volume_id):
        return None
    node_id = node_reaching(session, volume.storage_id, op.attempts)
    if node_id is None:
        raise storage_reached(volume.storage_id)
    refuse_held_volume(session, volume.storage_id, volume.name)
    vm_id = op.arguments.get("vm_id")
    vm = None if vm_id is None else find_vm(session, vm_id)
    policy, _ = freed_policy(session, volume.storage_id)
    return Leaving(volume, vm if vm is not None and vm.closed_at is None else None, node_id, policy)


async def delete(work: Work) -> None:
    facts: Leaving | None = await work.db(_facts, work.op)
    if facts is not None:
        pool = pool_name(facts.volume.storage_id)
        volume, volumes = facts.volume, work.node(facts.node_id).volumes
        if facts.vm is not None and facts.vm.node_id is not None:
            # Where it lies is asked of the node that has its storage: the VM's may have it no more, or never had.
            await _let_go(work, facts.vm, facts.vm.node_id, await volumes.source(pool, volume.name))
        if facts.policy is not FreedPolicy.NONE:
            overwrite = facts.policy is FreedPolicy.WIPE
            await volumes.wipe(pool, volume.name, volume.format, volume.size_bytes, overwrite)
        await volumes.delete(pool, volume.name)
        await _delete_variables(work)
        await work.complete(delete_volume, facts.volume.id)
    else:
        await work.complete()


async def _delete_variables(work: Work) -> None:
    """What its disk's VM has left with it of what UEFI keeps."""
    for variables, node_id in await work.db(_variables_left, work.op):
        await work.node(node_id).run(delete_variables, variables)


def _variables_left(session: Session, op: OperationRow) -> list[tuple[Variables, int]]:
    """
    With nodes that have their storages, where these are not gone. They are never those that are the VM's: each
    directory is used once.

    :raises Wait: no node that answers has one.
    """
    left = [Variables(**told) for told in op.arguments.get(VARIABLES, ())]
    return [(each, giving_node(session, op, each.storage_id)) for each in left if has_node(session, each.storage_id)]


async def _let_go(work: Work, vm: VMRow, node_id: int, source: DiskSource) -> None:
    """
    End the job that writes to it, if that is still there.

    :raises Wait: the domain stands on it.
    """
    node, device = work.node(node_id), work.arguments["device"]
    try:
        seen = await node.block_jobs.look(vm.uuid, device)
        if seen.target == source:
            await node.block_jobs.abort(vm.uuid, device)
            seen = await node.block_jobs.look(vm.uuid, device)
    except (DomainNotRunning, InvalidParameter, NotSupported):
        return  # it runs no more, or has no such disk any more, or never had a job
    if seen.target == source or seen.source == source:
        raise Wait(LET_GO_S, "A domain still has it.", on=awaited(ObjectKind.VM, vm.id))


@register
class VolumeDelete(Kind):
    kind = OperationKind.VOLUME_DELETE
    steps = {"delete": delete}

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """For a storage that will not come back: its room goes back, and the volume is left where it may be."""
        if not is_somebodys(session, op.get(ObjectKind.VOLUME)):
            delete_volume(session, op.get(ObjectKind.VOLUME))
