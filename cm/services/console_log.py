"""
What VMs wrote to their serial consoles. Each node logs that of its VMs to files in a directory of its own, which is a
libvirt pool there: no storage's, so a full or dead one does not take the logs with it.

A log is of the VM's last launch and those before it on that node; where it is started elsewhere it begins anew. The end
of a VM deletes it; what that did not reach, and what was left behind by a move, a sweep of each node does.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.calls import FIGURES_S
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import CloudError, ObjectNotFound, VolumeNotFound
from cm.rpc.vocabulary import StorageKind
from cm.rules.access import Action
from cm.rules.names import CONSOLE_DIRECTORY, CONSOLE_POOL, console_of, console_volume, pool_name
from cm.rules.vm import GONE
from cm.services.access import Who, authorized_vm, person_of
from cm.services.context import AsyncClusterCall, Services
from cm.store.console_log import answering_nodes, is_answering, needless_logs
from cm.store.domain import node_with_disks, root_storage
from cm.store.vm import VMRow

log = Logger()
CONSOLES: Final = StorageSpec(CONSOLE_POOL, StorageKind.DIR, CONSOLE_DIRECTORY)


async def tail(caller: AsyncClusterCall, vm_id: int, limit: int) -> str:
    """
    :raises ObjectNotFound: no such VM that the caller sees.
    :raises VolumeNotFound: it never started, or it is destroyed, or its last node is no more.
    :raises NodeUnreachable: the node that it ran on last does not answer.
    :raises NotSupported: its hypervisor keeps no log.
    """
    services = caller.services
    node_id, pool, volume = await services.database.read(
        _where, vm_id, person_of(caller.identity), caller.action("vm_id")
    )
    try:
        found = await services.fleet.node(node_id).volumes.read_tail(pool, volume, limit)
    except ObjectNotFound as error:  # somebody removed the pool, or the node was just deleted
        raise VolumeNotFound(pool, volume) from error
    return found.decode("utf-8", errors="replace")


def _where(session: Session, vm_id: int, who: Who, action: Action) -> tuple[int, str, str]:
    row = authorized_vm(session, who, vm_id, action)
    volume = console_volume(row.uuid)
    if row.closed_at is not None:
        raise VolumeNotFound("", volume)
    if row.console_node_id is not None:
        return row.console_node_id, CONSOLE_POOL, volume
    storage_id = root_storage(session, vm_id)
    node_id = row.node_id or node_with_disks(session, vm_id)
    if node_id is None or storage_id is None:
        raise VolumeNotFound("", volume)
    return node_id, pool_name(storage_id), volume


async def delete_log(services: Services, row: VMRow) -> None:
    """
    Delete the log of a VM that ends, or was launched on another node. A node that cannot do it now has it swept later:
    nobody waits for a log.
    """
    node_id = row.console_node_id
    if node_id is None:
        return
    if node_id != row.node_id and not await services.database.read(is_answering, node_id):
        return
    try:
        await services.fleet.node(node_id, FIGURES_S).volumes.delete(CONSOLE_POOL, console_volume(row.uuid))
    except CloudError as error:
        log.info("node {id}: the log of VM {vm} stays for now: {error}", id=node_id, vm=row.id, error=str(error))


async def sweep_logs(services: Services) -> None:
    """``sweep_node`` for every node that answers."""
    for node_id in await services.database.read(answering_nodes):
        try:
            await sweep_node(services, node_id)
        except CloudError as error:
            log.info("node {id}: logs of consoles are not swept: {error}", id=node_id, error=str(error))


async def sweep_node(services: Services, node_id: int) -> list[str]:
    """
    Delete a node's logs of VMs that have ended, or log elsewhere since. Those of VMs that are not on record are left:
    an older dump may just not know them.

    :return: what was deleted.
    """
    node = services.fleet.node(node_id)
    try:
        volumes = await node.volumes.list_all(CONSOLE_POOL)
    except ObjectNotFound:
        return []  # nothing was launched there yet
    logs = {volume.name: uuid for volume in volumes if (uuid := console_of(volume.name)) is not None}
    needless = await services.database.read(needless_logs, node_id, sorted(set(logs.values())))
    if not needless:
        return []
    # Whatever is on record: what runs there writes there.
    running = {domain.uuid for domain in await node.hypervisor.domains() if domain.state not in GONE}
    deleted = sorted(name for name, uuid in logs.items() if uuid in needless - running)
    for name in deleted:
        await node.volumes.delete(CONSOLE_POOL, name)
    return deleted
