"""
What is to become of VMs: when their guests power themselves off, and whether their users may destroy them; what the
nodes must have that they start on. And what their guests are told, by whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from cm.rpc.errors import WrongVMState
from cm.rpc.vocabulary import CrashPolicy, HangPolicy, HostFailurePolicy, PowerOffPolicy
from cm.rules.imds import ImdsChange
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.expiry import look_soon
from cm.store.guest import guest_changed
from cm.store.placement import write_traits
from cm.store.vm import get_vm, render_vm
from cm.store.vm_state import write_imds, write_policy


def set_policy(
    caller: ClusterCall,
    vm_id: int,
    on_poweroff: PowerOffPolicy | None,
    guarded: bool | None,
    on_host_failure: HostFailurePolicy | None,
    on_crash: CrashPolicy | None,
    on_hang: HangPolicy | None,
) -> str:
    """
    What becomes of a VM whose guest powers itself off, crashes or hangs, or whose host fails, and whether it is
    guarded; what is None stays.
    """
    who = person_of(caller.identity)
    row = authorized_vm(caller.session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    write_policy(caller.session, [vm_id], on_poweroff, guarded, on_host_failure, on_crash, on_hang)
    if guarded is not None:
        look_soon(caller.session, vm_id)  # its deletion may have waited for that
    caller.note(
        "set policy",
        vm_id=vm_id,
        on_poweroff=on_poweroff,
        guarded=guarded,
        on_host_failure=on_host_failure,
        on_crash=on_crash,
        on_hang=on_hang,
    )
    return render_vm(caller.session, vm_id)


def set_imds(caller: ClusterCall, vm_id: int, change: ImdsChange) -> str:
    """How a VM's guest is told EC2's metadata, from its next request on."""
    who = person_of(caller.identity)
    row = authorized_vm(caller.session, who, vm_id, caller.action("vm_id"), lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    write_imds(caller.session, [vm_id], change)
    guest_changed(caller.session, vm_id)
    caller.note("set metadata", vm_id=vm_id, **asdict(change))
    return render_vm(caller.session, vm_id)


def set_traits(caller: ClusterCall, vm_id: int, traits: Sequence[str]) -> str:
    """Have a VM start, and go, where nodes have these; one that runs elsewhere runs on."""
    row = get_vm(caller.session, vm_id, lock=True, version=caller.if_version)
    if row.closed_at is not None:
        raise WrongVMState(vm_id, row.state, "a VM that is not destroyed")
    write_traits(caller.session, vm_id, traits)
    caller.note("set traits", vm_id=vm_id, traits=list(traits))
    return render_vm(caller.session, vm_id)
