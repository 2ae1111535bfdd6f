"""
Use cases of farms. A farm is made by one call, of which everything is claimed or nothing: its VMs are VMs like others,
made by the same use case, and whatever is asked of one of them by itself may be.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from sqlalchemy.orm import Session

from cm.results.farm import Farm, FarmEnd, GrownFarm, SavedFarm
from cm.rpc.errors import CloudError, InUse, InvalidParameter, VMGuarded, WrongVMState
from cm.rpc.vocabulary import COUNT_MAX
from cm.rules.farm import (
    FARM,
    GROWS,
    HEAD,
    HEAD_S,
    HEADS,
    FarmWrongState,
    farm_state,
    leaving,
    member_name,
    missing_of,
)
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.runtime.database import at_last
from cm.services.context import ClusterCall
from cm.services.farm_end import end_members
from cm.services.farm_key import farm_secret_from, public_key
from cm.services.placement import Placing
from cm.services.public_address import assign_made
from cm.services.saving import reserve_image
from cm.services.vm import Made, NewVM, interrupt, make
from cm.store import farm as store
from cm.store.booking import book
from cm.store.change import record_change
from cm.store.children import adopt
from cm.store.operation import open_operation
from cm.store.operation_object import find_holder
from cm.store.template import get_template
from cm.store.vm import get_vm, render_vm
from cm.store.vm_state import want

# Until a worker gives up beside what its own creation may take: its head's creation, and what it waits for a hello.
WAITS_S: Final = SPECS[OperationKind.VM_CREATE].seconds + HEAD_S


def create(
    caller: ClusterCall,
    head: NewVM,
    worker_template_id: int,
    workers: int,
    shared_key: bool,
    public_ip_id: int | None = None,
) -> GrownFarm:
    """
    Make a head and its workers: all, or none.

    :param head: as it is to be made, with the farm's name; workers are like it but for their size, its disks and CDs.
    :raises ObjectNotFound: a size, the image or another object is not there, or not the caller's to use.
    :raises QuotaReached: NoCapacity: NoFreeAddress: StorageFull: not all of them fit.
    """
    session, account_id = caller.session, caller.account_id
    get_template(session, worker_template_id)
    uuid = str(uuid_module.uuid4())
    values: dict[str, Any] = {"account_id": account_id, "uuid": uuid_module.UUID(uuid)}
    values |= {"name": head.name, "description": head.description, "host": head.name, "shared_key": shared_key}
    values |= {"worker_template_id": worker_template_id}
    values |= {"public_key": public_key(farm_secret_from(caller.policy.secret), uuid)}
    farm_id = store.insert_farm(session, values)
    operation_id = _open_launch(caller, farm_id)
    caller.note("create farm", name=head.name, workers=workers)
    placing = Placing(session, caller.policy.placement)
    first = make(caller, replace(head, noted={HEADS: farm_id}), placing)
    rest = make(caller, _workers_like(head, farm_id, worker_template_id, 1, workers), placing)
    store.put_into_farm(session, farm_id, {**dict.fromkeys(first.ids, HEAD), **_numbered(rest, 1)})
    for child in (*first.operation_ids, *rest.operation_ids):
        adopt(session, child, operation_id)
    if public_ip_id is not None:
        assign_made(caller, public_ip_id, first.summaries)
    record_change(session, "farm", farm_id, account_id, "enter")
    at_last(session, book, first.held.joined(rest.held))
    told = _grown(caller, farm_id, [*first.ids, *rest.ids])
    if head.vnc:
        told["vnc_password"] = msgspec.json.decode(first.summaries[0])["vnc_password"]
    return told


def grow(caller: ClusterCall, farm_id: int, template_id: int | None, workers: int) -> GrownFarm:
    """
    Make more workers, as its head is; all, or none.

    :param template_id: their size; None: as that of those that were made with the farm.
    :raises FarmWrongState: its head is not going to be up.
    :raises InUse: VMs of it are being started.
    :raises InvalidParameter: it would have too many.
    """
    session = caller.session
    row = store.find_farm(session, farm_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    farm = store.get_farm(session, farm_id)
    if farm["state"] not in GROWS:
        raise FarmWrongState(farm_id, farm["state"], " or ".join(sorted(GROWS)))
    _refuse_launch(session, farm_id)
    if farm["workers"] + workers > COUNT_MAX:
        raise InvalidParameter("count", f"a farm has {COUNT_MAX} workers at the most, and this one {farm['workers']}")
    head = next(vm for vm in farm["vms"] if vm["number"] == HEAD)
    like = store.look_alike(session, head["vm_id"])
    number = store.next_number(session, farm_id)
    operation_id = _open_launch(caller, farm_id)
    caller.note("grow farm", farm_id=farm_id, workers=workers)
    alike = NewVM(
        name=row.host,
        description="",
        image_id=like.image_id,
        template_id=0,  # theirs
        user_data=like.user_data,
        user_data_encoding=like.user_data_encoding,
        ssh_key=like.ssh_key,
        ssh_username=like.ssh_username,
        networks=like.networks,
        security_groups=like.security_groups or None,
        metadata=like.metadata,
    )
    made = make(caller, _workers_like(alike, farm_id, template_id or row.worker_template_id, number, workers))
    store.put_into_farm(session, farm_id, _numbered(made, number))
    for child in made.operation_ids:
        adopt(session, child, operation_id)
    record_change(session, "farm", farm_id, row.account_id)
    at_last(session, book, made.held)
    return _grown(caller, farm_id, made.ids)


def _grown(caller: ClusterCall, farm_id: int, made: Sequence[int]) -> GrownFarm:
    farm = store.get_farm(caller.session, farm_id)
    warning = missing_of(farm["joined"], store.head_of(caller.session, farm_id).tells)
    if warning:
        caller.note("warn", message=warning)
    return {**farm, "made": list(made), "warning": warning}


def _workers_like(head: NewVM, farm_id: int, template_id: int, first: int, count: int) -> NewVM:
    return replace(
        head,
        template_id=template_id,
        count=count,
        names=[member_name(head.name, number) for number in range(first, first + count)],
        iso_list=(),
        disk_list=(),
        vnc=False,
        disk_mib=None,
        noted={FARM: farm_id},
        waits_s=WAITS_S,
    )


def _numbered(made: Made, first: int) -> dict[int, int]:
    return {vm_id: number for number, vm_id in enumerate(made.ids, first)}


def _open_launch(caller: ClusterCall, farm_id: int) -> int:
    return open_operation(
        caller.session,
        OperationKind.FARM_LAUNCH,
        account_id=caller.account_id or None,
        objects={ObjectKind.FARM: [farm_id]},
        cause=caller.cause,
    )


def _refuse_launch(session: Session, farm_id: int) -> None:
    """:raises InUse: VMs of the farm are being started."""
    holder = find_holder(session, ObjectKind.FARM, farm_id)
    if holder is not None:
        raise InUse("farm", farm_id, f"operation {holder.id} ({holder.kind})")


# ------------------------------------------------------------------ what callers see


def detail(caller: ClusterCall, farm_id: int, account_id: int | None) -> Farm:
    """
    :param account_id: whose it has to be; None: anybody's.
    """
    store.find_farm(caller.session, farm_id, account_id=account_id)
    return store.get_farm(caller.session, farm_id)


def edit(caller: ClusterCall, farm_id: int, name: str | None, description: str | None) -> Farm:
    """Change its name or description; what is None stays. Its VMs keep their names."""
    session = caller.session
    row = store.find_farm(session, farm_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    store.edit_farm(session, farm_id, name, description)
    record_change(session, "farm", farm_id, row.account_id)
    caller.note("edit farm", farm_id=farm_id)
    return store.get_farm(session, farm_id)


# ------------------------------------------------------------------ ends


def shrink(caller: ClusterCall, farm_id: int, count: int | None, vm_ids: Sequence[int] | None) -> FarmEnd:
    """
    Destroy workers: the youngest, or those that are named.

    :raises FarmWrongState: the farm is no more.
    :raises InvalidParameter: as ``leaving``.
    :raises VMGuarded: VMBusy: one of them cannot be destroyed now; none is then.
    """
    session = caller.session
    store.find_farm(session, farm_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    members = _members(session, farm_id, caller.account_id)
    chosen = leaving(members, count, vm_ids)
    caller.note("shrink farm", farm_id=farm_id, vm_ids=chosen)
    return {"farm_id": farm_id, "status": "ok", "vms": _end(caller, chosen, guarded=True)}


def destroy(caller: ClusterCall, farm_id: int, account_id: int | None) -> FarmEnd:
    """
    Destroy a farm's head and workers, all of them or, by an error, none. What starts its VMs is given up.

    :param account_id: whose it has to be; None: anybody's, and whether its VMs are guarded is no question.
    :raises FarmWrongState: it is destroyed.
    :raises VMGuarded: VMBusy: one of them cannot be destroyed now; none is then.
    """
    session = caller.session
    store.find_farm(session, farm_id, account_id=account_id, lock=True, version=caller.if_version)
    _give_up_launch(session, farm_id)
    members = _members(session, farm_id, account_id)
    caller.note("destroy farm", farm_id=farm_id, vms=len(members))
    ended = _end(caller, [member.vm_id for member in members], guarded=account_id is not None)
    return {"farm_id": farm_id, "status": "ok", "vms": ended}


def destroy_each(caller: ClusterCall, farm_ids: Sequence[int]) -> list[FarmEnd]:
    """Anybody's farms; what keeps one does not keep the others."""
    answers: list[FarmEnd] = []
    for farm_id in farm_ids:
        try:
            with caller.session.begin_nested():
                answers.append(destroy(caller, farm_id, None))
        except CloudError as error:
            caller.note("refuse", farm_id=farm_id, status=error.code, message=str(error))
            answers.append({"farm_id": farm_id, "status": error.code, "vms": [], "message": str(error)})
    return answers


def save_and_shutdown(caller: ClusterCall, farm_id: int, name: str, description: str) -> SavedFarm:
    """
    Shut the head down and keep its root disk as a new system image, and destroy the workers, as in CC1: all of it is
    asked for, or nothing.

    :raises FarmWrongState: it is destroyed, or its head cannot be saved as it is.
    :raises VMGuarded: VMBusy: one of its VMs cannot end now.
    :raises QuotaReached: the image does not fit.
    """
    session = caller.session
    farm = store.find_farm(session, farm_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    _give_up_launch(session, farm_id)
    members = _members(session, farm_id, caller.account_id)
    head_id = next((member.vm_id for member in members if member.number == HEAD), None)
    spec = SPECS[OperationKind.VM_SAVE]
    if head_id is None:
        raise FarmWrongState(farm_id, farm_state(members, True), "a farm with a head")
    # The head has the lowest number, and so is locked first.
    row = get_vm(session, head_id, lock=True)
    if row.guarded:
        raise VMGuarded(head_id)
    if row.state not in spec.allowed or row.operation_id is not None:
        raise WrongVMState(head_id, row.state, " or ".join(sorted(spec.allowed)))
    image_id = reserve_image(session, row, name, description)
    operation_id = open_operation(
        session,
        OperationKind.VM_SAVE,
        account_id=caller.account_id or None,
        objects={ObjectKind.VM: [head_id], ObjectKind.IMAGE: [image_id]},
        node_id=row.node_id,
        cause=caller.cause,
    )
    assert spec.wanted is not None
    want(session, head_id, spec.wanted)
    render_vm(session, head_id)
    caller.note("save farm", farm_id=farm.id, vm_id=head_id, image_id=image_id)
    workers = _end(caller, [member.vm_id for member in members if member.number != HEAD], guarded=True)
    return {
        "farm_id": farm_id,
        "vm_id": head_id,
        "operation_id": operation_id,
        "image_id": image_id,
        "workers": workers,
    }


def _members(session: Session, farm_id: int, account_id: int | None) -> list[Any]:
    """
    :raises FarmWrongState: it has none any more.
    """
    members = store.list_members(session, farm_id)
    if not members:
        raise FarmWrongState(farm_id, farm_state(members, True), "a farm that is not destroyed")
    return members


def _give_up_launch(session: Session, farm_id: int) -> None:
    """Its operation's row before those of its VMs."""
    holder = find_holder(session, ObjectKind.FARM, farm_id, lock=True)
    if holder is not None:
        interrupt(session, holder.id)


def _end(caller: ClusterCall, vm_ids: Sequence[int], *, guarded: bool) -> list[Any]:
    session = caller.session
    for vm_id in sorted(vm_ids):
        if get_vm(session, vm_id, lock=True).guarded and guarded:
            raise VMGuarded(vm_id)
    return list(end_members(session, sorted(vm_ids), caller.account_id or None, caller.cause))
