"""
Having the domain of a VM that runs agree with what is on record: of disks, of discs in drives and of network cards
alike. The record comes first, so whatever ends such work otherwise than well has to say what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import DiskCalls, NicCalls
from cm.operations.base import Kind, Wait, Work, others_stopped, vm_of
from cm.rpc.errors import CloudError, DomainNotRunning
from cm.rules.operation import ObjectKind
from cm.runtime.wall import unix_seconds
from cm.store.operation import OperationRow
from cm.store.operation_object import others_at_work
from cm.store.vm import VMRow, find_vm

ASKED_AT: Final = "asked_at"  # when the guest was first asked
AGAIN_S: Final = 1.0  # between looks at a guest that takes its time; in early boot it has to be asked again


def node_of_domain(session: Session, row: VMRow, op: OperationRow) -> int | None:
    """
    :return: where the domain is that has to agree; None where the VM is off: its next start takes the record.
    :raises Wait: another worker has not stopped at the VM yet.
    """
    if others_at_work(session, ObjectKind.VM, row.id, op.id):
        raise others_stopped(ObjectKind.VM, row.id)
    return row.runs_on


async def let_go(
    work: Work, calls: DiskCalls | NicCalls, uuid: str, device: str, what: str, kept: Callable[[float], CloudError]
) -> None:
    """
    Ask a guest for a device until it is gone from the domain; what a call answers says nothing.

    :param kept: the error where it keeps it, by the seconds that it had.
    :raises Wait: it has not let go of it yet.
    """
    try:
        await calls.detach(uuid, device)
        if await calls.look(uuid, device) is None:
            return
    except DomainNotRunning:
        return
    asked_at = work.arguments.get(ASKED_AT) or unix_seconds()
    patience = work.services.policy.detach_s
    if unix_seconds() - asked_at >= patience:
        raise kept(patience)
    raise Wait(
        AGAIN_S, f"The guest was asked to let go of {what} and has {patience:g} s for it.", asked_at=asked_at
    )


class PlugKind(Kind):
    """Failed or given up, it undoes what it was to do."""

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        self._undo(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        self._undo(session, op)

    def _undo(self, session: Session, op: OperationRow) -> None:
        row = find_vm(session, vm_of(op), lock=True)
        if row is not None and row.closed_at is None:
            self.undo(session, op, row)

    def undo(self, session: Session, op: OperationRow, row: VMRow) -> None:
        """Of a VM that is not closed. Whether its domain has changed already may not be known."""
        raise NotImplementedError  # each kind has its own
