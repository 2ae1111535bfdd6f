"""
The machine of a VM beside its size: firmware, chipset, boot menu, CPU. A new VM has what its caller, its VM template
and its image say, in this order; a stopped one may be given another.

UEFI keeps variables, in a file beside the VM's root disk as that was when it got UEFI first: any node that the VM may
start on has it. It stays there though the disk moves, and goes with the VM.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from cm.rpc.errors import InvalidParameter, NoCpuBaseline, NoVariables, VMBusy, WrongVMState
from cm.rpc.vocabulary import CpuModel, DiskBus, Firmware, MachineType, StorageKind, VMState
from cm.rules.machine import Machine, MachineChange
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.placement import Placing, explained
from cm.store.affinity_group import peers_of
from cm.store.cpu_baseline import baseline_cpu
from cm.store.placement import needs_of
from cm.store.vm import VMRow
from cm.store.vm_state import machine_of, write_machine


def check_machine(session: Session, machine: Machine, *, bus: str, storage_id: int, storage_kind: str) -> None:
    """
    :param bus: of its root disk, which lies on that storage.
    :raises InvalidParameter: the chipset has no such bus.
    :raises NoVariables: UEFI has no place for its variables there.
    :raises NoCpuBaseline: there is none.
    """
    if machine.machine is MachineType.Q35 and bus == DiskBus.IDE:
        raise InvalidParameter("machine", "its root disk is an IDE disk, which q35 has none of")
    if machine.firmware is Firmware.UEFI and storage_kind == StorageKind.LOGICAL:
        raise NoVariables(storage_id)
    if machine.cpu_model is CpuModel.BASELINE and baseline_cpu(session) is None:
        raise NoCpuBaseline()


def edit_machine(caller: ClusterCall, vm_id: int, change: MachineChange) -> None:
    """
    Change what is not None of a stopped VM's; whoever calls renders it.

    :raises ObjectNotFound: AccessNeeded: as ``authorized_vm``.
    :raises VMBusy: WrongVMState: it is not stopped.
    :raises InvalidParameter: NoVariables: NoCpuBaseline: as ``check_machine``.
    :raises NoCapacity: no node would take it then, as things are.
    """
    session = caller.session
    who = person_of(caller.identity)
    row = authorized_vm(session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    if row.operation_id is not None:
        raise VMBusy(vm_id, row.operation_id, row.operation_kind or "")
    if row.closed_at is not None or row.state is not VMState.STOPPED:
        raise WrongVMState(vm_id, row.state, VMState.STOPPED)
    was = machine_of(session, vm_id)
    machine = was.machine.changed(change)
    kept_on = was.nvram_storage_id
    if machine.firmware is Firmware.UEFI and kept_on is None:
        if was.root_id is None:
            raise InvalidParameter("firmware", "it has no root disk, beside which UEFI would keep its variables")
        kept_on = was.root_id
    check_machine(
        session, machine, bus=was.bus or "", storage_id=was.root_id or 0,
        storage_kind=(was.kind or "") if kept_on != was.nvram_storage_id else "",
    )  # fmt: skip
    write_machine(session, vm_id, machine, kept_on)
    _look_for_place(caller, row)
    caller.note("set machine", vm_id=vm_id, **vars(machine))


def _look_for_place(caller: ClusterCall, row: VMRow) -> None:
    session = caller.session
    request = needs_of(session, row.id).request(row.cpu, row.memory_mib, peers_of(session, row.id))
    decision = Placing(session, caller.policy.placement).decide(request)
    if caller.dry_run:
        caller.note("place", vm_id=row.id, node_id=decision.node_id, **explained(decision))
