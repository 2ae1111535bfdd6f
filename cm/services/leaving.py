"""
Disks that guests were asked to let go of, and did not in time. A request cannot be taken back, so a guest may give one
up at any later time: what is gone from its domain goes from the record.
"""

from __future__ import annotations

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.errors import CloudError, DomainNotRunning
from cm.services.context import Services
from cm.store.attachment import Leaving, delete_place, list_leaving, mark_leaving
from cm.store.disk import touch_disk
from cm.store.vm import find_vm, render_vm

log = Logger()


async def settle_leaving(services: Services) -> None:
    """Look at each; a VM that is off was asked for nothing any more."""
    for left in await services.database.read(list_leaving):
        gone = False
        if left.node_id is not None:
            try:
                gone = await services.fleet.node(left.node_id).disks.look(left.uuid, left.device) is None
            except DomainNotRunning:
                continue  # its end is told otherwise, and then it is off
            except CloudError as error:
                log.info("VM {vm}: disk {disk} was not looked at: {error}", vm=left.vm_id, disk=left.disk_id,
                         error=str(error))  # fmt: skip
                continue
            if not gone:
                continue
        await services.database.transact(_settle, left, gone)


def _settle(session: Session, left: Leaving, gone: bool) -> None:
    row = find_vm(session, left.vm_id, lock=True)
    if row is None or row.closed_at is not None or row.operation_id is not None:
        return  # whoever is at it sees for itself
    if gone:
        delete_place(session, left.vm_id, left.disk_id)
        log.info("VM {vm}: its guest has let go of disk {disk}", vm=left.vm_id, disk=left.disk_id)
    else:
        mark_leaving(session, left.vm_id, left.disk_id, False)
    touch_disk(session, left.disk_id)
    render_vm(session, left.vm_id)
