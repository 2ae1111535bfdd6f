"""
Another size for a VM. One that is stopped has it from its next start on; one that runs gets it as it runs, within what
it was prepared for. It is counted otherwise, and costs what the new size does. Disks stay as they are
(``user.disk.grow``).

While a running VM is getting it, of either size the larger is counted, of CPUs and of memory: what is not there cannot
be used, and what was given back is nobody's before the node has told so.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cm.rpc.errors import InvalidParameter, NoCapacity, VMBusy, WrongVMState
from cm.rpc.vocabulary import PoolResource, VMEventCode, VMState
from cm.rules.access import Action
from cm.rules.image import check_least
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.sizing import Ceiling, Size, check_ceiling, check_live, kept
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.services.placement import Placing, explained
from cm.services.resource_pool import claim_more
from cm.store.affinity_group import peers_of
from cm.store.claim import claim_more_of_node, claim_quota, release_part_of_node, release_quota
from cm.store.image import least_memory
from cm.store.instance import note_event
from cm.store.operation import open_operation
from cm.store.placement import needs_of
from cm.store.template import get_template
from cm.store.vm import VMRow, render_vm
from cm.store.vm_state import ceiling_of, write_ceiling, write_counted, write_size


def resize(
    caller: ClusterCall,
    vm_id: int,
    template_id: int,
    max_cpu: int | None = None,
    max_memory_mib: int | None = None,
    *,
    administrator: bool = False,
) -> str:
    """
    Whoever asks, the VM's account pays. Its summary, as JSON text; of one that runs with the operation.

    :raises ObjectNotFound: there is no such VM for the caller, or no such size.
    :raises VMBusy: WrongVMState: it is neither stopped nor running.
    :raises InvalidParameter: it is to be prepared for less than it has, or while it runs.
    :raises NotPrepared: it runs, and can get that by another start alone.
    :raises ImageNeedsMore: its image's guests cannot do with so little memory.
    :raises QuotaReached: its account, or its resource pool, has not so much left.
    :raises NoCapacity: no node would take it then, as things are; or its own has not so much left.
    """
    session = caller.session
    who = None if administrator else person_of(caller.identity)
    action = Action.SEE if who is None else caller.action("vm_id")
    row = authorized_vm(session, who, vm_id, action, lock=True, version=caller.if_version)
    size, least_mib = get_template(session, template_id), least_memory(session, row.image_id)
    if row.operation_id is not None:
        raise VMBusy(vm_id, row.operation_id, row.operation_kind or "")
    if row.closed_at is not None or row.state not in (VMState.STOPPED, VMState.RUNNING):
        raise WrongVMState(vm_id, row.state, "stopped or running")
    wanted = Size(size["cpu"], size["memory_mib"])
    check_least(row.image_id, least_memory_mib=least_mib, least_disk_bytes=0, memory_mib=wanted.memory_mib,
                disk_bytes=0)  # fmt: skip
    if row.state is VMState.RUNNING:
        if max_cpu is not None or max_memory_mib is not None:
            raise InvalidParameter("max_cpu", "a VM is prepared for more as it starts: stop it first")
        if wanted == Size(row.cpu, row.memory_mib):
            _note(caller, row, template_id, wanted, size["points"])
        else:
            _begin(caller, row, template_id, wanted, size["points"])
    else:
        _write(caller, row, template_id, wanted, size["points"], max_cpu, max_memory_mib)
    return render_vm(session, vm_id)


def _write(
    caller: ClusterCall, row: VMRow, template_id: int, wanted: Size, points: int, max_cpu: int | None,
    max_memory_mib: int | None,
) -> None:  # fmt: skip
    session = caller.session
    was = kept(ceiling_of(session, row.id)[0], wanted)
    ceiling = Ceiling(
        was.max_cpu if max_cpu is None else max_cpu,
        was.max_memory_mib if max_memory_mib is None else max_memory_mib,
    )
    check_ceiling(wanted, ceiling)
    request = needs_of(session, row.id).request(*wanted, peers_of(session, row.id))
    decision = Placing(session, caller.policy.placement).decide(request)
    if caller.dry_run:
        caller.note("place", vm_id=row.id, node_id=decision.node_id, **explained(decision))
    claim_size(session, row, wanted)
    count_less(session, row, wanted)
    write_ceiling(session, [row.id], ceiling)
    _note(caller, row, template_id, wanted, points)


def _note(caller: ClusterCall, row: VMRow, template_id: int, wanted: Size, points: int) -> None:
    """What is counted already is its size from now on."""
    session = caller.session
    write_size(session, row.id, template_id, wanted, points)
    told = {"num_cores": wanted.cpu, "ram_size": wanted.memory_mib}
    note_event(session, row.id, VMEventCode.RESOURCES_CHANGE, caller.account_id, told)
    caller.note("resize", vm_id=row.id, **wanted._asdict(), points=points)


def _begin(caller: ClusterCall, row: VMRow, template_id: int, wanted: Size, points: int) -> None:
    session = caller.session
    now, (ceiling, _) = Size(row.cpu, row.memory_mib), ceiling_of(session, row.id)
    check_live(now, wanted, ceiling)
    claim_live(session, row, wanted)
    arguments: dict[str, Any] = {"template_id": template_id, "points": points}
    arguments |= {"cpu": wanted.cpu, "memory_mib": wanted.memory_mib}
    arguments |= {"from_cpu": now.cpu, "from_memory_mib": now.memory_mib}
    open_operation(
        session,
        OperationKind.VM_RESIZE,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [row.id]},
        node_id=row.node_id,
        arguments=arguments,
        cause=caller.cause,
    )
    caller.note("operation", vm_id=row.id, kind=OperationKind.VM_RESIZE, **wanted._asdict(), points=points)


def claim_live(session: Session, row: VMRow, wanted: Size) -> None:
    """
    Count of each the larger, while a VM that runs is getting another size.

    :raises QuotaReached: NoCapacity: there is not so much left.
    """
    most = Size(row.cpu, row.memory_mib).most(wanted)
    claim_size(session, row, most)
    more = {"cpu": most.cpu - row.cpu, "memory_mib": most.memory_mib - row.memory_mib}
    assert row.node_id is not None
    if any(more.values()) and not claim_more_of_node(session, row.node_id, **more):
        told = f"{more['cpu']} CPUs and {more['memory_mib']} MiB of memory more"
        raise NoCapacity(f"the VM's own has not {told}; stopped, it can be started on another")
    write_counted(session, row.id, most)


def claim_size(session: Session, row: VMRow, size: Size) -> None:
    """:raises QuotaReached: its account, or its resource pool, has not so much more as that is."""
    more_cpu, more_mib = max(size.cpu - row.cpu, 0), max(size.memory_mib - row.memory_mib, 0)
    claim_more(session, row.id, {PoolResource.CPU: more_cpu, PoolResource.MEMORY_MIB: more_mib})
    claim_quota(session, row.account_id, cpu=more_cpu, memory_mib=more_mib)


def count_less(session: Session, row: VMRow, size: Size) -> None:
    """Of what it is counted for give back what it has more than that."""
    less = {"cpu": max(row.cpu - size.cpu, 0), "memory_mib": max(row.memory_mib - size.memory_mib, 0)}
    release_quota(session, row.account_id, **less)
    if row.node_claimed and row.node_id is not None:
        release_part_of_node(session, row.node_id, **less)
