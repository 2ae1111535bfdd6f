"""
What may be asked of a VM as it is now, and why not the rest: the error that the call itself would give.

Told is what hangs on who asks, on the VM's state and on what is under way: the rows of ``cm/rules/operation.py`` and
the levels of ``cm/rules/access.py``. Whatever else a call may be refused for (its parameters, quota, room) it says
itself; a dry run tells that, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from cm.results.offer import Offer, VMOffers
from cm.rpc.errors import CloudError, ObjectNotFound, VMBusy, VMGuarded, WrongVMState
from cm.rpc.vocabulary import VMState
from cm.rules.access import NEEDS, AccessNeeded, Action, Level, Shared, enough
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.services.access import level_on, person_of, require
from cm.services.console import RUNNING
from cm.services.context import ClusterCall
from cm.services.offers import for_each, offer
from cm.services.vm import ENDING
from cm.store.vm import VMRow, find_vm

LIVE: Final = frozenset(VMState) - {VMState.DESTROYED}
TRASHED: Final = frozenset({VMState.TRASHED})


@dataclass(frozen=True)
class Call:
    """
    :ivar view: that asks for it.
    :ivar kind: the operation that it opens; None: it is done at once.
    :ivar states: in which a call without an operation may be made.
    :ivar undisturbed: likewise, and only while nothing else is under way.
    """

    view: str
    action: Action
    kind: OperationKind | None = None
    states: frozenset[VMState] = LIVE
    undisturbed: bool = False

    @property
    def allowed(self) -> frozenset[VMState]:
        return self.states if self.kind is None else SPECS[self.kind].allowed

    @property
    def alone(self) -> bool:
        """It waits for nobody: while the VM is busy it is refused."""
        return self.undisturbed or self.kind is not None and ObjectKind.VM in SPECS[self.kind].holds

    def refusal(self, row: VMRow, level: Level) -> CloudError | None:
        """What the call would be refused by; None: it would be taken, as far as this can tell."""
        needs = NEEDS[Shared.VM, self.action]
        if not enough(level, needs):
            return AccessNeeded(Shared.VM, row.id, needs)
        wrong = WrongVMState(row.id, row.state, " or ".join(sorted(self.allowed)))
        if row.closed_at is not None:
            return wrong
        if row.guarded and self.kind in ENDING:
            return VMGuarded(row.id)
        if self.alone and row.operation_id is not None:
            kind = row.operation_kind
            if self.kind is OperationKind.VM_DESTROY and kind is not None and SPECS[kind].interruptible:
                return None
            return VMBusy(row.id, row.operation_id, kind or "")
        return None if row.state in self.allowed else wrong


_A, _K = Action, OperationKind
_ON: Final = frozenset({VMState.RUNNING})
CALLS: Final = (
    Call("user.vm.start", _A.START, _K.VM_START),
    Call("user.vm.shutdown", _A.SHUTDOWN, _K.VM_SHUTDOWN),
    Call("user.vm.stop", _A.STOP, _K.VM_STOP),
    Call("user.vm.reset", _A.RESET, _K.VM_RESET),
    Call("user.vm.pause", _A.PAUSE, _K.VM_PAUSE),
    Call("user.vm.resume", _A.RESUME, _K.VM_RESUME),
    Call("user.vm.suspend", _A.STOP, _K.VM_SUSPEND),
    Call("user.vm.wake_up", _A.START, _K.VM_WAKE_UP),
    Call("user.vm.edit", _A.EDIT),
    Call("user.vm.resize", _A.RESIZE, states=frozenset({VMState.STOPPED, VMState.RUNNING}), undisturbed=True),
    Call("user.vm.set_imds", _A.EDIT),
    Call("user.vm.set_policy", _A.DESTROY),
    Call("user.vm.save", _A.SAVE, _K.VM_TO_IMAGE),
    Call("user.vm.save_as_template", _A.SAVE, _K.VM_TO_IMAGE),
    Call("user.vm.save_and_shutdown", _A.SAVE, _K.VM_SAVE),
    Call("user.vm.create_snapshot", _A.SNAPSHOT, _K.SNAPSHOT_CREATE),
    Call("user.vm.open_console", _A.CONSOLE, states=frozenset(RUNNING)),
    Call("user.vm.attach_vnc", _A.CONSOLE, _K.VM_VNC),
    Call("user.vm.detach_vnc", _A.CONSOLE, _K.VM_VNC),
    Call("user.vm.insert_cd", _A.DRIVE, _K.VM_CD),
    Call("user.vm.eject_cd", _A.DRIVE, _K.VM_CD),
    Call("user.disk.attach", _A.ATTACH, _K.DISK_ATTACH),
    Call("user.disk.detach", _A.ATTACH, _K.DISK_DETACH),
    Call("user.nic.attach", _A.ATTACH, _K.NIC_ATTACH),
    Call("user.nic.detach", _A.ATTACH, _K.NIC_DETACH),
    Call("user.expiry.renew", _A.RENEW),
    Call("user.expiry.set", _A.RENEW),
    Call("user.vm.password_reset", _A.PASSWORD, states=_ON),
    Call("user.vm.install_keys", _A.KEYS, states=_ON),
    Call("user.vm.remove_keys", _A.KEYS, states=_ON),
    Call("user.vm.set_time", _A.EDIT, states=_ON),
    Call("user.vm.reboot", _A.RESET, states=_ON),
    Call("user.vm.set_hostname", _A.EDIT, states=_ON),
    Call("user.vm.set_hosts", _A.EDIT, states=_ON),
    Call("user.vm.mount_share", _A.PASSWORD, states=_ON),
    Call("user.vm.unmount_share", _A.PASSWORD, states=_ON),
    Call("user.vm.generate_key", _A.KEYS, states=_ON),
    Call("user.vm.grow_root", _A.EDIT, states=_ON),
    Call("user.acl.set", _A.GRANT),
    Call("user.vm.trash", _A.DESTROY, _K.VM_TRASH),
    Call("user.vm.recover", _A.DESTROY, states=TRASHED, undisturbed=True),
    Call("user.vm.destroy", _A.DESTROY, _K.VM_DESTROY),
)


def of_vms(caller: ClusterCall, vm_ids: Sequence[int]) -> list[VMOffers]:
    """An entry for each VM; one that the caller does not see has the error instead."""
    return cast(list[VMOffers], for_each("vm_id", vm_ids, partial(_of_vm, caller)))


def _of_vm(caller: ClusterCall, vm_id: int) -> list[Offer]:
    """:raises ObjectNotFound: absent, not shared with the caller, or destroyed and somebody else's."""
    row = find_vm(caller.session, vm_id)
    if row is None:
        raise ObjectNotFound("vm", vm_id)
    who = person_of(caller.identity)
    level = level_on(caller.session, who, Shared.VM, vm_id, row.account_id, live=row.closed_at is None)
    require(level, Shared.VM, vm_id, NEEDS[Shared.VM, caller.action("vm_ids")])
    assert level is not None
    return [offer(call.view, call.kind, call.refusal(row, level)) for call in CALLS]
