"""What a VM wrote to its serial console: the tail of the volume that its node logs it to."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.rpc.errors import VolumeNotFound
from cm.rules.access import Action
from cm.rules.names import console_volume, pool_name
from cm.services.access import Who, authorized_vm, person_of
from cm.services.context import AsyncClusterCall
from cm.store.domain import node_with_disks, root_storage


async def tail(caller: AsyncClusterCall, vm_id: int, limit: int) -> str:
    """
    :raises ObjectNotFound: no such VM that the caller sees.
    :raises VolumeNotFound: it never started, or it is destroyed.
    :raises NotSupported: its hypervisor keeps no log.
    """
    node_id, pool, volume = await caller.services.database.read(
        _where, vm_id, person_of(caller.identity), caller.action("vm_id")
    )
    found = await caller.services.fleet.node(node_id).volumes.read_tail(pool, volume, limit)
    return found.decode("utf-8", errors="replace")


def _where(session: Session, vm_id: int, who: Who, action: Action) -> tuple[int, str, str]:
    row = authorized_vm(session, who, vm_id, action)
    storage_id = root_storage(session, vm_id)
    volume = console_volume(row.uuid)
    node_id = row.node_id or node_with_disks(session, vm_id)
    if node_id is None or storage_id is None:
        raise VolumeNotFound("", volume)
    return node_id, pool_name(storage_id), volume
