"""
What changes hands with an object, by its kind, in the transaction that has somebody accept it. Who may is
``transfer.py``'s.

Everything is decided and written under the locks of the object and of both accounts: there is no moment in which it is
counted for both or for neither, and a manager that is killed leaves all of it or nothing. No node is asked: nothing
that lies there knows whose it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from cm.rpc.errors import InUse, ObjectNotFound, QuotaReached, VMBusy, WrongImageState, WrongVMState, refuse
from cm.rpc.vocabulary import ImageKind, ImageState, TransferKind, VMEventCode, VMState
from cm.rules import disk as disk_rules
from cm.rules.access import Action, Level, Shared
from cm.rules.transfer import Obstacle, holding_back, mib_of, obstacle, out_of_reach
from cm.runtime.database import Faster
from cm.services.access import authorized_image, level_on, person_of
from cm.services.context import ClusterCall
from cm.services.public_address import leave_owner
from cm.services.security_group import default_group, put_into
from cm.services.usage import refuse_points
from cm.services.vm_template import VM_TEMPLATES_MAX
from cm.store import transfer as store
from cm.store.account import login_of
from cm.store.change import record_change
from cm.store.claim import claim_quota, release_quota
from cm.store.disk import find_disk, find_disk_of_image, touch_disk
from cm.store.guest import guest_changed
from cm.store.image import find_image
from cm.store.instance import note_event
from cm.store.network import get_network
from cm.store.nic import nics_of
from cm.store.node_document import documents_changed
from cm.store.public_port import count_ports
from cm.store.security_group import find_nic
from cm.store.standing import disk_standing, image_standing
from cm.store.vm import VMRow, find_vm, get_vm, render_vm
from cm.store.vm_template import count_vm_templates, find_vm_template

TRANSFERABLE: Final = frozenset({VMState.RUNNING, VMState.PAUSED, VMState.STOPPED, VMState.SUSPENDED})


@dataclass(frozen=True)
class Held:
    """An object that may change hands, locked."""

    id: int
    account_id: int
    name: str
    version: int


# ------------------------------------------------------------------ VMs


def _hold_vm(session: Session, vm_id: int) -> Held:
    """:raises Faster: a disk was attached or detached just now."""
    disks = store.disks_with(session, vm_id)
    for disk_id in disks:
        find_disk(session, disk_id, lock=True)
    row = find_vm(session, vm_id, lock=True)
    if row is None:
        raise ObjectNotFound("vm", vm_id)
    if store.disks_with(session, vm_id) != disks:
        raise Faster(InUse("vm", vm_id, "whoever attaches or detaches a disk"))
    return Held(row.id, row.account_id, row.name, row.version)


def _check_vm(session: Session, vm_id: int) -> None:
    """
    :raises WrongVMState: VMBusy: it has ended, or lies in the trash; or something is under way.
    :raises DiskHeld: likewise on a disk of it. InUse: an erased VM may write to one.
    :raises NotTransferable: something keeps it.
    """
    row = get_vm(session, vm_id)
    if row.operation_id is not None:
        raise VMBusy(vm_id, row.operation_id, row.operation_kind or "")
    if row.closed_at is not None or row.state not in TRANSFERABLE:
        raise WrongVMState(vm_id, row.state, " or ".join(sorted(TRANSFERABLE)))
    held = store.held_vm(session, vm_id)
    refuse(holding_back(held))
    for disk in held.going:
        refuse(disk_rules.busy(disk_standing(session, disk.id)))


def _give_vm(caller: ClusterCall, held: Held) -> None:
    """
    :raises NotTransferable: the caller could not use a network or an ISO of it.
    :raises QuotaReached: PointsUsedUp: they have not so much left.
    """
    session, was, becomes = caller.session, held.account_id, caller.account_id
    row, vm = get_vm(session, held.id), store.held_vm(session, held.id)
    networks = {each for each, _ in vm.networks if _may_use_network(caller, each)}
    refuse(out_of_reach(vm, networks, {each for each in vm.isos if _may_use_image(caller, each)}))
    disks = [each.id for each in vm.going]
    images = [each.image_id for each in vm.going if each.image_id is not None]
    if row.node_claimed and store.points_of(session, row.id):
        refuse_points(session, becomes, caller.policy)
    _claim_ports(session, becomes, store.count_ports_of(session, row.id))
    claimed = store.claimed_of(session, disks=disks, vm_id=row.id)
    _recount(session, was, becomes, cpu=row.cpu, memory_mib=row.memory_mib, storage_mib=mib_of(claimed), vms=1)
    grouped = _leave_groups(session, row)
    leave_owner(session, row)
    _end_access(session, Shared.VM, [row.id], was)
    _end_access(session, Shared.IMAGE, images, was)
    _leave(session, "disk", disks, was)
    snapshots = store.snapshots_of(session, disks)
    _leave(session, "snapshot", snapshots, was)
    store.write_vm_owner(session, row.id, becomes)
    store.write_disk_owner(session, disks, becomes)
    store.write_image_owner(session, images, becomes)
    if grouped:
        group_id = default_group(session, becomes)
        for number in grouped:
            put_into(session, get_vm(session, row.id), number, [group_id])
    documents_changed(session, row.node_id, row.moves_to)
    guest_changed(session, row.id)
    for disk_id in disks:
        touch_disk(session, disk_id, "enter")
    for kind, ids in (("image", images), ("snapshot", snapshots)):
        for object_id in ids:
            record_change(session, kind, object_id, becomes, "enter")
    note_event(session, row.id, VMEventCode.TRANSFER, becomes, {"old_owner": login_of(session, was)})
    render_vm(session, row.id, "enter")


def _may_use_network(caller: ClusterCall, network_id: int) -> bool:
    row = get_network(caller.session, network_id)
    if row.account_id is None:
        return True
    who = person_of(caller.identity)
    return level_on(caller.session, who, Shared.NETWORK, network_id, row.account_id, live=True) is not None


def _may_use_image(caller: ClusterCall, image_id: int) -> bool:
    try:
        authorized_image(caller.session, person_of(caller.identity), image_id, Action.USE, kinds=(ImageKind.ISO,))
    except ObjectNotFound:
        return False
    return True


def _claim_ports(session: Session, account_id: int, ports: int) -> None:
    """:raises QuotaReached: its VMs may not have so many public ports more."""
    if ports:
        used, quota = count_ports(session, account_id)
        if used + ports > quota:
            raise QuotaReached("public_ports", quota, used, ports)


def _recount(
    session: Session, was: int, becomes: int, *, cpu: int = 0, memory_mib: int = 0, storage_mib: int = 0, vms: int = 0
) -> None:
    """:raises QuotaReached: OwnerBlocked: as ``claim_quota``, of whoever gets it."""
    claim_quota(session, becomes, cpu=cpu, memory_mib=memory_mib, storage_mib=storage_mib, vms=vms)
    release_quota(session, was, cpu=cpu, memory_mib=memory_mib, storage_mib=storage_mib, vms=vms)


def _leave_groups(session: Session, row: VMRow) -> list[int]:
    """
    A VM's cards leave their security groups, whose rules are their owner's to change.

    :return: the numbers of those that were in any: they are in the new owner's default group next, so that what was
        closed stays so.
    """
    grouped: list[int] = []
    for nic in nics_of(session, row.id):
        found = find_nic(session, row.id, nic.number)
        if found is not None and found.groups:
            put_into(session, row, nic.number, [])
            grouped.append(nic.number)
    return grouped


def _end_access(session: Session, kind: Shared, object_ids: Collection[int], account_id: int) -> None:
    """What was granted on objects ends with its owner's saying; they, and accounts that had any, see them no more."""
    if not object_ids:
        return
    for lost in store.drop_grants(session, kind, object_ids):
        record_change(session, kind.value, lost.object_id, lost.account_id, "exit")
    _leave(session, kind.value, object_ids, account_id)


def _leave(session: Session, kind: str, object_ids: Collection[int], account_id: int) -> None:
    for object_id in object_ids:
        record_change(session, kind, object_id, account_id, "exit")


# ------------------------------------------------------------------ images


def _hold_image(session: Session, image_id: int) -> Held:
    disk_id = find_disk_of_image(session, image_id)
    if disk_id is not None:
        find_disk(session, disk_id, lock=True)
    row = find_image(session, image_id, lock=True)
    if row is None or row.state is ImageState.DELETED:
        raise ObjectNotFound("image", image_id)
    return Held(row.id, row.account_id, row.name, row.version)


def _check_image(session: Session, image_id: int) -> None:
    """
    :raises WrongImageState: it is not ready, or something is under way; DiskHeld, InUse: likewise on its disk.
    :raises NotTransferable: a VM has it attached.
    """
    image = image_standing(session, image_id)
    if image.state is not ImageState.OK:
        raise WrongImageState(image_id, image.state, ImageState.OK)
    if image.busy:
        raise WrongImageState(image_id, "busy", "no other operation under way")
    vm_id = store.attached_to(session, image_id)
    if vm_id is not None:
        raise obstacle(TransferKind.IMAGE, image_id, Obstacle.ATTACHED, vm_id)
    if image.disk_id is not None:
        refuse(disk_rules.busy(disk_standing(session, image.disk_id)))


def _give_image(caller: ClusterCall, held: Held) -> None:
    """:raises QuotaReached: the caller has not so much left."""
    session, was, becomes = caller.session, held.account_id, caller.account_id
    disk_id = find_disk_of_image(session, held.id)
    disks = [] if disk_id is None else [disk_id]
    claimed = store.claimed_of(session, disks=disks, images=[held.id])
    _recount(session, was, becomes, storage_mib=mib_of(claimed))
    snapshots = store.snapshots_of(session, disks)
    _end_access(session, Shared.IMAGE, [held.id], was)
    _leave(session, "disk", disks, was)
    _leave(session, "snapshot", snapshots, was)
    store.write_image_owner(session, [held.id], becomes)
    for each in disks:
        touch_disk(session, each, "enter")
    for snapshot_id in snapshots:
        record_change(session, "snapshot", snapshot_id, becomes, "enter")
    record_change(session, "image", held.id, becomes, "enter")


# ------------------------------------------------------------------ VM templates


def _hold_template(session: Session, template_id: int) -> Held:
    row = find_vm_template(session, template_id, lock=True)
    if row is None:
        raise ObjectNotFound("vm_template", template_id)
    return Held(row.id, row.account_id, row.name, row.version)


def _give_template(caller: ClusterCall, held: Held) -> None:
    """
    :raises NotTransferable: the caller does not see the template that it is made of.
    :raises QuotaReached: they have as many as they may.
    """
    session, was, becomes = caller.session, held.account_id, caller.account_id
    row = find_vm_template(session, held.id)
    assert row is not None, "it is held"
    if row.parent_id is not None and _level_on_template(caller, row.parent_id) is None:
        raise obstacle(TransferKind.VM_TEMPLATE, held.id, Obstacle.PARENT, row.parent_id)
    used = count_vm_templates(session, becomes)
    if used >= VM_TEMPLATES_MAX:
        raise QuotaReached("VM templates", VM_TEMPLATES_MAX, used, 1)
    _end_access(session, Shared.VM_TEMPLATE, [held.id], was)
    store.write_template_owner(session, held.id, becomes)
    record_change(session, "vm_template", held.id, becomes, "enter")


def _level_on_template(caller: ClusterCall, template_id: int) -> Level | None:
    parent = find_vm_template(caller.session, template_id)
    if parent is None:
        return None
    who = person_of(caller.identity)
    return level_on(caller.session, who, Shared.VM_TEMPLATE, template_id, parent.account_id, live=True)


# ------------------------------------------------------------------ whichever it is


def hold(session: Session, kind: TransferKind, object_id: int) -> Held:
    """
    Lock an object with all that goes with it, before whatever else.

    :raises ObjectNotFound: it is absent.
    """
    if kind is TransferKind.VM:
        return _hold_vm(session, object_id)
    return _hold_image(session, object_id) if kind is TransferKind.IMAGE else _hold_template(session, object_id)


def check(session: Session, kind: TransferKind, object_id: int) -> None:
    """Whether an object that is held could change hands, whoever gets it; of a VM template nothing says no."""
    if kind is TransferKind.VM:
        _check_vm(session, object_id)
    elif kind is TransferKind.IMAGE:
        _check_image(session, object_id)


def give(caller: ClusterCall, kind: TransferKind, held: Held) -> None:
    """Give an object that is held, and was looked at, to the caller, whom it is offered to."""
    if kind is TransferKind.VM:
        _give_vm(caller, held)
    elif kind is TransferKind.IMAGE:
        _give_image(caller, held)
    else:
        _give_template(caller, held)
