"""
The life of a VM: the status shown, and what its guest's power-off leads to. Which calls a status allows is each kind's
to say (``operation.py``).

Source: the status table of the ancestors (CC1 codes 0-12, CIRCLE, oVirt, Xen Orchestra, EC2), unified.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from cm.rpc.vocabulary import CrashPolicy, HostFailurePolicy, PowerOffPolicy, Seen, SeenReason, VMState, Wanted
from cm.rules.operation import SPECS, OperationKind

GONE: Final = frozenset({Seen.ABSENT, Seen.OFF, Seen.CRASHED})  # no QEMU process runs for it


@dataclass(frozen=True)
class VMFacts:
    """Intent, evidence and work of one VM, as far as its status depends on them."""

    wanted: Wanted
    seen: Seen
    closed: bool
    failed: bool  # its last operation failed
    work: OperationKind | None  # the open operation that it is busy with


def status(facts: VMFacts) -> VMState:
    """
    The status shown. Total: every combination of facts has one.

    Work comes first, then evidence; intent only tells a VM that is off by will from one that should run.
    """
    if facts.closed:
        return VMState.DESTROYED
    shown = SPECS[facts.work].shown if facts.work is not None else None
    if shown is not None:
        return shown
    if facts.seen is Seen.RUNNING:
        return VMState.RUNNING
    if facts.seen is Seen.PAUSED:
        return VMState.PAUSED
    if facts.wanted is Wanted.SUSPENDED:
        return VMState.SUSPENDED  # whatever failed since: its memory lies there still
    if facts.wanted is Wanted.TRASHED:
        return VMState.TRASHED
    if facts.failed or facts.wanted in (Wanted.DESTROYED, Wanted.SAVED):
        return VMState.ERROR
    if facts.seen is Seen.UNKNOWN:
        return VMState.PENDING
    if facts.wanted is Wanted.STOPPED:
        return VMState.STOPPED
    return VMState.ERROR


HOST_ENDED: Final = frozenset({SeenReason.HOST_RESTARTED, SeenReason.HOST_LOST})
# Its kernel panicked, or its QEMU ended though nobody asked it to: no guest wished for that.
CRASHES: Final = frozenset({SeenReason.PANICKED, SeenReason.CRASHED, SeenReason.FAILED})


def after_power_off(
    wanted: Wanted,
    policy: PowerOffPolicy,
    reason: SeenReason,
    on_host_failure: HostFailurePolicy = HostFailurePolicy.RESTART,
    on_crash: CrashPolicy = CrashPolicy.RESTART,
) -> OperationKind | None:
    """
    What to do with a VM whose domain ended though no operation of ours was under way.

    :param reason: why it ended; the restart of the host itself, or its loss, is nobody's wish: the VM starts again,
        or stays off, as ``on_host_failure`` says. A crash is no wish of its guest's: ``on_crash`` says.
    :return: the operation that settles it. Stopping only records the end and frees the node. None: there is nothing to
        settle: it is suspended, and what has ended had not gone on yet.
    """
    if wanted is Wanted.SUSPENDED:
        return None
    if wanted is Wanted.DESTROYED:
        return OperationKind.VM_DESTROY
    if wanted is Wanted.SAVED:
        return OperationKind.VM_SAVE
    if wanted is Wanted.TRASHED:
        return OperationKind.VM_TRASH
    if wanted is Wanted.STOPPED:
        return OperationKind.VM_STOP
    if reason in HOST_ENDED:
        starts = on_host_failure is HostFailurePolicy.RESTART
        return OperationKind.VM_START if starts else OperationKind.VM_STOP
    if reason in CRASHES:
        return OperationKind.VM_START if on_crash is CrashPolicy.RESTART else OperationKind.VM_STOP
    return {
        PowerOffPolicy.STOP: OperationKind.VM_STOP,
        PowerOffPolicy.SAVE: OperationKind.VM_SAVE,
        PowerOffPolicy.DESTROY: OperationKind.VM_DESTROY,
        PowerOffPolicy.RESTART: OperationKind.VM_START,
    }[policy]


def is_stopped(wanted: Wanted, seen: Seen, reason: SeenReason) -> bool:
    """Whether a guest stands still though it is wanted to run, and its storage is why: it is full, or gave errors."""
    return wanted is Wanted.RUNNING and seen is Seen.PAUSED and reason is SeenReason.IO_ERROR


def hangs(wanted: Wanted, seen: Seen, reason: SeenReason) -> bool:
    """Whether a guest's watchdog has stopped it, though it is wanted to run."""
    return wanted is Wanted.RUNNING and seen is Seen.PAUSED and reason is SeenReason.WATCHDOG


# CC1's numbers (common/states.py), which its clients compare; "running ctx" is a running VM whose guest said hello.
CC1_CODES: Final[dict[VMState, int]] = {
    VMState.PENDING: 0,
    VMState.STARTING: 0,
    VMState.RUNNING: 1,
    VMState.PAUSED: 1,
    VMState.STOPPING: 2,
    VMState.DESTROYING: 2,
    VMState.DESTROYED: 3,
    VMState.SAVING: 4,
    VMState.ERROR: 5,
    VMState.REBOOTING: 8,
    VMState.SUSPENDED: 9,
    VMState.STOPPED: 10,
    VMState.TRASHED: 3,
}
CC1_RUNNING_CTX: Final = 7

XO_POWER_STATE: Final[dict[VMState, str]] = {
    VMState.PENDING: "Halted",
    VMState.STARTING: "Halted",
    VMState.RUNNING: "Running",
    VMState.PAUSED: "Paused",
    VMState.STOPPING: "Running",
    VMState.STOPPED: "Halted",
    VMState.SUSPENDED: "Suspended",
    VMState.SAVING: "Halted",
    VMState.REBOOTING: "Running",
    VMState.ERROR: "Halted",
    VMState.TRASHED: "Halted",
    VMState.DESTROYING: "Running",
    VMState.DESTROYED: "Halted",
}

EC2_STATE: Final[dict[VMState, str]] = {
    VMState.PENDING: "pending",
    VMState.STARTING: "pending",
    VMState.RUNNING: "running",
    VMState.PAUSED: "running",
    VMState.STOPPING: "stopping",
    VMState.STOPPED: "stopped",
    VMState.SUSPENDED: "stopped",
    VMState.SAVING: "stopping",
    VMState.REBOOTING: "running",
    VMState.ERROR: "stopped",
    VMState.TRASHED: "terminated",
    VMState.DESTROYING: "shutting-down",
    VMState.DESTROYED: "terminated",
}


def cc1_code(state: VMState, contextualized: bool) -> int:
    """CC1's number of a status."""
    if state is VMState.RUNNING and contextualized:
        return CC1_RUNNING_CTX
    return CC1_CODES[state]


def vms(ids: Collection[int]) -> str:
    """VMs in a refusal: "VM 3, VM 4 and 2 more"."""
    named = [f"VM {vm_id}" for vm_id in list(ids)[:5]]
    more = len(ids) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
