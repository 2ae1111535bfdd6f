"""
The life of a VM, as tables: the status shown, which calls it allows, and what its guest's power-off leads to.

Source: the status table of the ancestors (CC1 codes 0-12, CIRCLE, oVirt, Xen Orchestra, EC2), unified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cm.rpc.vocabulary import PowerOffPolicy, Seen, SeenReason, VMState, Wanted
from cm.rules.operation import OperationKind

GONE: Final = frozenset({Seen.ABSENT, Seen.OFF, Seen.CRASHED})  # no QEMU process runs for it


@dataclass(frozen=True)
class VMFacts:
    """Intent, evidence and work of one VM, as far as its status depends on them."""

    wanted: Wanted
    seen: Seen
    closed: bool
    failed: bool  # its last operation failed
    work: OperationKind | None  # its open root operation


# What the open operation makes of the status; kinds that are not here leave it to the evidence.
UNDER_WAY: Final[dict[OperationKind, VMState]] = {
    OperationKind.VM_CREATE: VMState.STARTING,
    OperationKind.VM_START: VMState.STARTING,
    OperationKind.VM_STOP: VMState.STOPPING,
    OperationKind.VM_SHUTDOWN: VMState.STOPPING,
    OperationKind.VM_RESET: VMState.REBOOTING,
    OperationKind.VM_MOVE: VMState.REBOOTING,
    OperationKind.VM_SAVE: VMState.SAVING,
    OperationKind.VM_DESTROY: VMState.DESTROYING,
}


def status(facts: VMFacts) -> VMState:
    """
    The status shown. Total: every combination of facts has one.

    Work comes first, then evidence; intent only tells a VM that is off by will from one that should run.
    """
    if facts.closed:
        return VMState.DESTROYED
    if facts.work in UNDER_WAY:
        return UNDER_WAY[facts.work]
    if facts.seen is Seen.RUNNING:
        return VMState.RUNNING
    if facts.seen is Seen.PAUSED:
        return VMState.PAUSED
    if facts.failed or facts.wanted in (Wanted.DESTROYED, Wanted.SAVED):
        return VMState.ERROR
    if facts.seen is Seen.UNKNOWN:
        return VMState.PENDING
    if facts.wanted is Wanted.STOPPED:
        return VMState.STOPPED
    return VMState.ERROR


ANY_REST: Final = frozenset({VMState.RUNNING, VMState.PAUSED, VMState.STOPPED, VMState.ERROR, VMState.PENDING})

# Which resting states a call may be made in. Destroy is always allowed but in the states that it leads through.
ALLOWED: Final[dict[OperationKind, frozenset[VMState]]] = {
    # Pending is also what a launch leaves that was given up half-way: whether its domain runs, a start or stop finds.
    OperationKind.VM_START: frozenset({VMState.STOPPED, VMState.ERROR, VMState.PENDING}),
    OperationKind.VM_STOP: frozenset({VMState.RUNNING, VMState.PAUSED, VMState.ERROR, VMState.PENDING}),
    OperationKind.VM_SHUTDOWN: frozenset({VMState.RUNNING}),
    OperationKind.VM_RESET: frozenset({VMState.RUNNING}),
    # An error is what an earlier move left, if it ended half-way; ``evacuate`` tells it from others.
    OperationKind.VM_MOVE: frozenset({VMState.RUNNING, VMState.ERROR}),
    OperationKind.VM_PAUSE: frozenset({VMState.RUNNING}),
    OperationKind.VM_RESUME: frozenset({VMState.PAUSED}),
    OperationKind.VM_SAVE: frozenset({VMState.RUNNING, VMState.PAUSED, VMState.STOPPED}),
    OperationKind.VM_DESTROY: ANY_REST,
    OperationKind.VM_VNC: frozenset({VMState.RUNNING, VMState.PAUSED, VMState.STOPPED, VMState.STARTING}),
}

# Open operations that a destroy may end early: the caller wants no part of their outcome any more.
INTERRUPTIBLE: Final = frozenset(
    {
        OperationKind.VM_CREATE,
        OperationKind.VM_START,
        OperationKind.VM_STOP,
        OperationKind.VM_SHUTDOWN,
        OperationKind.VM_RESET,
        OperationKind.VM_MOVE,
        OperationKind.VM_PAUSE,
        OperationKind.VM_RESUME,
    }
)

# The intent that a call writes.
WANTED_BY: Final[dict[OperationKind, Wanted]] = {
    OperationKind.VM_CREATE: Wanted.RUNNING,
    OperationKind.VM_START: Wanted.RUNNING,
    OperationKind.VM_STOP: Wanted.STOPPED,
    OperationKind.VM_SHUTDOWN: Wanted.STOPPED,
    OperationKind.VM_RESET: Wanted.RUNNING,
    OperationKind.VM_MOVE: Wanted.RUNNING,
    OperationKind.VM_PAUSE: Wanted.PAUSED,
    OperationKind.VM_RESUME: Wanted.RUNNING,
    OperationKind.VM_SAVE: Wanted.SAVED,
    OperationKind.VM_DESTROY: Wanted.DESTROYED,
}


def after_power_off(wanted: Wanted, policy: PowerOffPolicy, reason: SeenReason) -> OperationKind:
    """
    What to do with a VM whose domain ended though no operation of ours was under way.

    :param reason: why it ended; the restart of the host itself is nobody's wish, so the VM starts again.
    :return: the operation that settles it. Stopping only records the end and frees the node.
    """
    if wanted is Wanted.DESTROYED:
        return OperationKind.VM_DESTROY
    if wanted is Wanted.SAVED:
        return OperationKind.VM_SAVE
    if wanted is Wanted.STOPPED:
        return OperationKind.VM_STOP
    if reason is SeenReason.HOST_RESTARTED:
        return OperationKind.VM_START
    return {
        PowerOffPolicy.STOP: OperationKind.VM_STOP,
        PowerOffPolicy.SAVE: OperationKind.VM_SAVE,
        PowerOffPolicy.DESTROY: OperationKind.VM_DESTROY,
        PowerOffPolicy.RESTART: OperationKind.VM_START,
    }[policy]


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
    VMState.STOPPED: 10,
}
CC1_RUNNING_CTX: Final = 7

XO_POWER_STATE: Final[dict[VMState, str]] = {
    VMState.PENDING: "Halted",
    VMState.STARTING: "Halted",
    VMState.RUNNING: "Running",
    VMState.PAUSED: "Paused",
    VMState.STOPPING: "Running",
    VMState.STOPPED: "Halted",
    VMState.SAVING: "Halted",
    VMState.REBOOTING: "Running",
    VMState.ERROR: "Halted",
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
    VMState.SAVING: "stopping",
    VMState.REBOOTING: "running",
    VMState.ERROR: "stopped",
    VMState.DESTROYING: "shutting-down",
    VMState.DESTROYED: "terminated",
}


def cc1_code(state: VMState, contextualized: bool) -> int:
    """CC1's number of a status."""
    if state is VMState.RUNNING and contextualized:
        return CC1_RUNNING_CTX
    return CC1_CODES[state]
