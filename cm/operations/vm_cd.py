"""Having a running VM's drive hold what the record says is in it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.node import INode
from cm.operations.base import Wait, Work, register
from cm.operations.plugging import AGAIN_S, PlugKind, node_of_domain
from cm.operations.vm_launch import placed_disk
from cm.operations.vm_power import settle_end
from cm.rpc.errors import DomainNotRunning, NotSupported
from cm.rpc.vocabulary import CauseKind, DiskBus
from cm.rules.cause import Cause
from cm.rules.operation import OperationKind
from cm.services.drive import open_cd
from cm.services.evidence import rest_by_evidence
from cm.store.attachment import delete_drive, write_medium
from cm.store.domain import DiskPlan, disk_plan, disks_of
from cm.store.operation import OperationRow
from cm.store.vm import VMRow, render_vm


@dataclass(frozen=True)
class Drive:
    """
    A drive of a VM that runs.

    :ivar plan: None: there is to be no such drive.
    """

    uuid: str
    node_id: int
    device: str
    plan: DiskPlan | None
    force: bool


def _drive(session: Session, row: VMRow, op: OperationRow) -> Drive | None:
    """None where the VM is off: its next start takes the record."""
    node_id = node_of_domain(session, row, op)
    if node_id is None:
        return None
    device = str(op.arguments["device"])
    found = next((disk_plan(each) for each in disks_of(session, row.id) if each.device == device), None)
    return Drive(row.uuid, node_id, device, found, bool(op.arguments.get("force")))


@job(Pace.SLOW, DEADLINE_S)
def settle_drive(node: INode, drive: Drive) -> bool:
    """
    On the node's threads. A drive that came while the guest ran is changed as a whole where its tray cannot be opened.

    :return: False where that has to be asked again.
    """
    wanted = None if drive.plan is None else placed_disk(node, drive.plan)
    there = node.disks.look(drive.uuid, drive.device)
    if there is not None and wanted is not None and there.source == wanted.source:
        return True
    if there is not None and wanted is not None:
        try:
            node.disks.medium(drive.uuid, drive.device, wanted.source, force=drive.force)
        except NotSupported:
            if wanted.bus != DiskBus.SCSI:
                raise
        else:
            return True
    if there is not None:
        node.disks.detach(drive.uuid, drive.device)
        if node.disks.look(drive.uuid, drive.device) is not None:
            return False
    if wanted is not None and wanted.source is not None:
        node.disks.attach(drive.uuid, wanted)
    return True


async def settle(work: Work) -> None:
    drive = await work.db_vm(_drive, work.op)
    if drive is not None:
        try:
            if not await work.node(drive.node_id).run(settle_drive, drive):
                raise Wait(AGAIN_S, "The drive is being taken from the guest.")
        except DomainNotRunning:
            pass
    await work.complete(settle_end, work.op)


@register
class VMCd(PlugKind):
    kind = OperationKind.VM_CD
    steps = {"settle": settle}

    def undo(self, session: Session, op: OperationRow, row: VMRow) -> None:
        """The record is as before; of a VM that runs the domain is made to agree, once."""
        undo, device = bool(op.arguments.get("undo")), str(op.arguments["device"])
        if not undo and op.arguments.get("made"):
            delete_drive(session, row.id, device)
        elif not undo:
            write_medium(session, row.id, device, op.arguments.get("was"))
        if undo or row.runs_on is None:
            rest_by_evidence(session, op, by_policy=True)
        else:
            cause = Cause(CauseKind.OPERATION, str(op.id))
            open_cd(session, row, op.account_id, {"device": device, "undo": True, "force": True}, cause)
        render_vm(session, row.id)
