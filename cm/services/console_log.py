"""
What VMs wrote to their serial consoles. Each node logs that of its VMs to files in a directory of its own: no
storage's, so a full or dead one does not take the logs with it, and nobody takes one for what a guest has it look like.

A log is of the VM's last launch and those before it on that node; where it is started elsewhere it begins anew. The end
of a VM deletes it; what that did not reach, and what was left behind by a move, is on record until a sweep of the node.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.calls import FIGURES_S
from cm.rpc.errors import CloudError, ObjectNotFound, VolumeNotFound
from cm.rules.access import Action
from cm.rules.names import CONSOLE_DIRECTORY, console_path, console_volume, pool_name
from cm.rules.vm import GONE
from cm.services.access import Who, authorized_vm, person_of
from cm.services.context import AsyncClusterCall, Services
from cm.store.console_log import answering_nodes, forget_logs, is_answering, needless_logs
from cm.store.domain import node_with_disks, root_storage
from cm.store.vm import VMRow

log = Logger()


async def tail(caller: AsyncClusterCall, vm_id: int, limit: int) -> str:
    """
    :raises ObjectNotFound: no such VM that the caller sees.
    :raises VolumeNotFound: it never started, or it is destroyed, or its last node is no more.
    :raises NodeUnreachable: the node that it ran on last does not answer.
    :raises NotSupported: its hypervisor keeps no log.
    """
    services = caller.services
    node_id, pool, name = await services.database.read(
        _where, vm_id, person_of(caller.identity), caller.action("vm_id")
    )
    try:
        node = services.fleet.node(node_id)
        if pool is None:
            found = await node.console_logs.read_tail(name, limit)
        else:
            found = await node.volumes.read_tail(pool, name, limit)
    except ObjectNotFound as error:  # the storage was just detached, or the node deleted
        raise VolumeNotFound(pool or "", PurePosixPath(name).name) from error
    return found.decode("utf-8", errors="replace")


def _where(session: Session, vm_id: int, who: Who, action: Action) -> tuple[int, str | None, str]:
    """The node, and the log's path there; of what an older version launched pool and volume."""
    row = authorized_vm(session, who, vm_id, action)
    volume = console_volume(row.uuid)
    if row.closed_at is not None:
        raise VolumeNotFound("", volume)
    if row.console_node_id is not None:
        return row.console_node_id, None, console_path(row.uuid)
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
        await services.fleet.node(node_id, FIGURES_S).console_logs.delete(console_path(row.uuid))
    except CloudError as error:
        log.info("node {id}: the log of VM {vm} stays for now: {error}", id=node_id, vm=row.id, error=str(error))
        return
    await services.database.transact(forget_logs, node_id, [row.id])


async def sweep_logs(services: Services) -> None:
    """``sweep_node`` for every node that answers."""
    for node_id in await services.database.read(answering_nodes):
        try:
            await sweep_node(services, node_id)
        except CloudError as error:
            log.info("node {id}: logs of consoles are not swept: {error}", id=node_id, error=str(error))


async def sweep_node(services: Services, node_id: int) -> list[str]:
    """
    Delete a node's logs of VMs that have ended, or log elsewhere since; and the pool that an older version made of
    their directory.

    :return: the uuids of those VMs.
    """
    node = services.fleet.node(node_id)
    await node.console_logs.ensure(CONSOLE_DIRECTORY)
    needless = await services.database.read(needless_logs, node_id)
    if not needless:
        return []
    # Whatever is on record: what runs there writes there.
    running = {domain.uuid for domain in await node.hypervisor.domains() if domain.state not in GONE}
    deleted = []
    for vm_id, uuid in needless:
        if uuid not in running:
            await node.console_logs.delete(console_path(uuid))
            await services.database.transact(forget_logs, node_id, [vm_id])
            deleted.append(uuid)
    return deleted
