"""
Another size for a VM that is stopped: it is counted otherwise from now on, costs what the new size does, and has it
from its next start on. Its disks stay as they are (``user.disk.grow``).
"""

from __future__ import annotations

from cm.rpc.errors import VMBusy, WrongVMState
from cm.rpc.vocabulary import PoolResource, VMEventCode, VMState
from cm.rules.access import Action
from cm.rules.image import check_least
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.placement import Placing, explained
from cm.services.resource_pool import claim_more
from cm.store.affinity_group import peers_of
from cm.store.claim import claim_quota, release_quota
from cm.store.image import least_memory
from cm.store.instance import note_event
from cm.store.placement import needs_of
from cm.store.template import get_template
from cm.store.vm import render_vm
from cm.store.vm_state import write_size


def resize(caller: ClusterCall, vm_id: int, template_id: int, *, administrator: bool = False) -> str:
    """
    Whoever asks, the VM's account pays. Its summary, as JSON text.

    :raises ObjectNotFound: there is no such VM for the caller, or no such size.
    :raises VMBusy: WrongVMState: it is not stopped.
    :raises ImageNeedsMore: its image's guests cannot do with so little memory.
    :raises QuotaReached: its account, or its resource pool, has not so much left.
    :raises NoCapacity: no node would take it then, as things are.
    """
    session = caller.session
    who = None if administrator else person_of(caller.identity)
    action = Action.SEE if who is None else caller.action("vm_id")
    row = authorized_vm(session, who, vm_id, action, lock=True, version=caller.if_version)
    size, least_mib = get_template(session, template_id), least_memory(session, row.image_id)
    if row.operation_id is not None:
        raise VMBusy(vm_id, row.operation_id, row.operation_kind or "")
    if row.closed_at is not None or row.state is not VMState.STOPPED:
        raise WrongVMState(vm_id, row.state, VMState.STOPPED)
    memory_mib = size["memory_mib"]
    check_least(row.image_id, least_memory_mib=least_mib, least_disk_bytes=0, memory_mib=memory_mib, disk_bytes=0)
    request = needs_of(session, vm_id).request(size["cpu"], memory_mib, peers_of(session, vm_id))
    decision = Placing(session, caller.policy.placement).decide(request)
    if caller.dry_run:
        caller.note("place", vm_id=vm_id, node_id=decision.node_id, **explained(decision))
    more_cpu, more_mib = size["cpu"] - row.cpu, memory_mib - row.memory_mib
    claim_more(session, vm_id, {PoolResource.CPU: more_cpu, PoolResource.MEMORY_MIB: more_mib})
    claim_quota(session, row.account_id, cpu=max(more_cpu, 0), memory_mib=max(more_mib, 0))
    release_quota(session, row.account_id, cpu=max(-more_cpu, 0), memory_mib=max(-more_mib, 0))
    write_size(session, vm_id, template_id, size["cpu"], memory_mib, size["points"])
    told = {"num_cores": size["cpu"], "ram_size": memory_mib}
    note_event(session, vm_id, VMEventCode.RESOURCES_CHANGE, caller.account_id, told)
    caller.note("resize", vm_id=vm_id, cpu=size["cpu"], memory_mib=memory_mib, points=size["points"])
    return render_vm(session, vm_id)
