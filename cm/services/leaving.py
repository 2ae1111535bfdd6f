"""
Disks and NICs that guests were asked to let go of, and did not in time. A request cannot be taken back, so a guest may
give one up at any later time: what is gone from its domain goes from the record.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.errors import CloudError, DomainNotRunning
from cm.services.context import Services
from cm.services.nic import drop
from cm.store.attachment import Leaving, delete_place, list_leaving, mark_leaving
from cm.store.disk import touch_disk
from cm.store.nic import LeavingNic, list_leaving_nics, mark_nic_leaving
from cm.store.vm import find_vm, render_vm

log = Logger()


async def settle_leaving(services: Services) -> None:
    """Look at each; a VM that is off was asked for nothing any more."""
    asked: list[Leaving | LeavingNic] = [
        *await services.database.read(list_leaving),
        *await services.database.read(list_leaving_nics),
    ]
    for left in asked:
        gone = False
        if left.node_id is not None:
            try:
                gone = await _look(services, left.node_id, left) is None
            except DomainNotRunning:
                continue  # its end is told otherwise, and then it is off
            except CloudError as error:
                log.info("VM {vm}: {device} was not looked at: {error}", vm=left.vm_id, device=_name(left),
                         error=str(error))  # fmt: skip
                continue
            if not gone:
                continue
        await services.database.transact(_settle, left, gone)


async def _look(services: Services, node_id: int, left: Leaving | LeavingNic) -> Any:
    node = services.fleet.node(node_id)
    if isinstance(left, LeavingNic):
        return await node.nics.look(left.uuid, left.mac)
    return await node.disks.look(left.uuid, left.device)


def _name(left: Leaving | LeavingNic) -> str:
    return f"NIC {left.nic_id}" if isinstance(left, LeavingNic) else f"disk {left.disk_id}"


def _settle(session: Session, left: Leaving | LeavingNic, gone: bool) -> None:
    row = find_vm(session, left.vm_id, lock=True)
    if row is None or row.closed_at is not None or row.operation_id is not None:
        return  # whoever is at it sees for itself
    if gone:
        log.info("VM {vm}: its guest has let go of {device}", vm=left.vm_id, device=_name(left))
    match left, gone:
        case LeavingNic(), True:
            drop(session, row, left.nic_id)
        case LeavingNic(), False:
            mark_nic_leaving(session, left.nic_id, False)
        case Leaving(), True:
            delete_place(session, left.vm_id, left.disk_id)
        case Leaving(), False:
            mark_leaving(session, left.vm_id, left.disk_id, False)
    if isinstance(left, Leaving):
        touch_disk(session, left.disk_id)
    render_vm(session, left.vm_id)
