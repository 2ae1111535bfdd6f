"""Creating and starting VMs: place (a stopped VM gave its node back), make the volumes, define, start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import Pace, job
from cm.interfaces.hypervisor import DiskSpec, DomainSpec
from cm.interfaces.network import NetworkSpec
from cm.interfaces.node import INode
from cm.operations.anew import make_anew
from cm.operations.base import AWAY_S, Kind, Wait, Work, others_stopped, register, vm_of
from cm.operations.linking import await_links, look_for_links
from cm.operations.providing import forget_unmade, provide
from cm.operations.seeding import make_seed
from cm.operations.snapshot_work import holder_of
from cm.operations.variables import have_variables, nvram_path
from cm.rpc.errors import (
    CloudError,
    HypervisorError,
    ImageNotCopied,
    RunsElsewhere,
    VolumeLost,
)
from cm.rpc.vocabulary import CachedState, CauseKind, VolumeMode, Wanted
from cm.rules.cause import Cause
from cm.rules.farm import FARM, HEADS, UNHEARD, FarmHeadDown
from cm.rules.names import CONSOLE_DIRECTORY
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.vm import GONE
from cm.runtime.database import notify
from cm.services.attach_or_create import DISKS, reserve_again
from cm.services.cached_image import bring
from cm.services.console_log import delete_log
from cm.services.context import ClusterPolicy, vnc_password
from cm.services.evidence import rest_by_evidence, screen_as_asked, settle
from cm.services.farm_end import released
from cm.services.network import networks_of
from cm.services.placement import Placing
from cm.services.seed import SeedPlan, plan_seed
from cm.services.suspension import forget_memory, going_on
from cm.store.affinity_group import peers_of
from cm.store.cached_image import Copy, copy_at, find_copy
from cm.store.claim import claim_port
from cm.store.domain import DiskPlan, DomainPlan, VolumePlan, disks_of, domain_plan, plans_of
from cm.store.link import links_changed
from cm.store.operation import OperationRow, holders_left, open_operation
from cm.store.operation_change import place_operation
from cm.store.operation_object import Objects, others_at_work
from cm.store.placement import needs_of, record_placement
from cm.store.public_address import public_changed
from cm.store.reservation import give_up_reservations
from cm.store.unknown import refuse_held, runs_elsewhere
from cm.store.vm import VMRow, get_vm, render_vm
from cm.store.vm_state import intend, mark_launch, place_vm, write_error, write_launched, write_made
from cm.store.waking import awaited, wake

# Notes: whether a launch has waited for a copy of its image already; that its node was lost, and it is placed again.
ASKED: Final = "copy_asked"
AGAIN: Final = "placed_again"
COPY_S: Final = 1800.0  # for a full copy of an image
MAKE_S: Final = 60.0
BOOT_S: Final = 120.0


@dataclass(frozen=True)
class Launch:
    """
    All that the node's threads need to start a VM.

    :ivar row: as it was before.
    :ivar links: the bridges that the node's agent makes for it.
    :ivar held: what may have its disks open, as ``holders_left``.
    :ivar seed: that is to be written before.
    """

    row: VMRow
    uuid: str
    node_id: int
    domain: DomainPlan
    networks: tuple[NetworkSpec, ...]
    links: tuple[str, ...]
    volumes: tuple[VolumePlan, ...]
    held: Sequence[tuple[int, int]] = ()
    seed: SeedPlan | None = None


# ------------------------------------------------------------------ place


async def place(work: Work) -> None:
    """Have the VM hold a node. A new VM does since it was accepted; a stopped one is placed again."""
    if FARM in work.arguments and UNHEARD not in work.arguments:
        await _await_head(work, work.arguments[FARM])
    if work.op.kind is OperationKind.VM_CREATE and not work.op.attempts and AGAIN not in work.arguments:
        return  # nobody has been at it: it has its node, and its domain was nowhere
    elsewhere = await work.db_vm(_place, work.op, work.services.policy)
    if elsewhere is not None:
        raise RunsElsewhere(vm_of(work.op), elsewhere)


async def _await_head(work: Work, farm_id: int) -> None:
    """
    A farm's worker starts when the head is up.

    :raises FarmHeadDown: it is not going to be.
    """
    found = await work.read(released, farm_id)
    if not found.starts:
        raise Wait(found.look_s, found.reason, partial(_up, farm_id), on=awaited(ObjectKind.FARM, farm_id))
    if found.reason:  # it is told, and kept for the farm's own operation
        raise Wait(0.0, found.reason, None, **{UNHEARD: found.reason})


def _up(farm_id: int, session: Session, op: OperationRow) -> bool:
    try:
        return released(session, farm_id).starts
    except FarmHeadDown:
        return True


async def refuse_twice(work: Work) -> None:
    """
    :raises RunsElsewhere: a pass saw the VM's domain run on a node that it is not placed on; that node is looked at
        again.
    """
    node_id = await work.read(runs_elsewhere, vm_of(work.op))
    if node_id is not None:
        await work.db(notify, "look", node_id)
        raise RunsElsewhere(vm_of(work.op), node_id)


def _place(session: Session, row: VMRow, op: OperationRow, policy: ClusterPolicy) -> int | None:
    """
    :return: the node on which the VM was seen to run though it is not placed there; it is looked at again.
    :raises Wait: another worker has not stopped at the VM yet.
    """
    if others_at_work(session, ObjectKind.VM, row.id, op.id):
        raise others_stopped(ObjectKind.VM, row.id)
    elsewhere = runs_elsewhere(session, row.id)
    if elsewhere is not None:
        notify(session, "look", elsewhere)
        return elsewhere
    if row.node_claimed:
        return None
    needs = needs_of(session, row.id)
    request = needs.request(row.cpu, row.memory_mib, peers_of(session, row.id))
    only = going_on(session, row.id) if op.kind is OperationKind.VM_WAKE_UP else None
    decision = Placing(session, policy.placement, only=only).choose(request)
    node_id = decision.node_id
    place_vm(session, row.id, node_id)
    place_operation(session, op.id, node_id)
    claim_port(session, row.id, node_id)
    record_placement(session, row.id, node_id, decision)
    if needs.links:
        links_changed(session, row.id)
    public_changed(session, row.id)
    render_vm(session, row.id)
    return None


# ------------------------------------------------------------------ launch


async def launch(work: Work) -> None:
    """Make what is missing and start; found running, it is only recorded."""
    prepared = await work.db_vm(_prepared, work.services.policy)
    if prepared is None:
        raise _placed_again(work)
    has = prepared.domain.variables is not None and not await _runs(work, prepared)
    if has and await have_variables(work):
        prepared = await work.db_vm(_prepared, work.services.policy)
        if prepared is None:
            raise _placed_again(work)
    await _await_base(work, prepared)
    await await_links(work, prepared.node_id, prepared.links)
    copies = any(v.mode is VolumeMode.COPY and not v.made for v in prepared.volumes)
    if copies:
        await work.progress(10)
        prepared = await work.db_vm(_anew, work.op, work.services.policy)
    node = work.node(prepared.node_id)
    make = make_copies if copies else make_volumes
    made = await node.run(make, prepared.volumes)
    if prepared.seed is not None:
        made = [*made, await node.run(make_seed, prepared.seed)]
    if copies:
        await work.db(write_made, made)
    if await _runs(work, prepared):
        launched_at = None
    else:
        for operation_id, node_id in prepared.held:  # given up just now
            await work.node(node_id).hypervisor.destroy(holder_of(operation_id))
        launched_at = await work.db(_mark_launch, work.op, made)
        try:
            await node.run(boot, prepared)
        except HypervisorError as error:
            await look_for_links(work, prepared.node_id, prepared.links, error)
            raise
    if prepared.row.console_node_id not in (None, prepared.node_id):
        await delete_log(work.services, prepared.row)  # where it ran before
    await work.complete(_launched, work.op, launched_at, prepared.row.vnc_generation, prepared.node_id)


async def _runs(work: Work, prepared: Launch) -> bool:
    """Whether an attempt before has started it."""
    if not work.op.attempts:
        return False
    return (await work.node(prepared.node_id).hypervisor.look(prepared.uuid)).state not in GONE


def _placed_again(work: Work) -> Wait:
    """An administrator has said that its node is off."""
    if work.op.kind is OperationKind.VM_MOVE:
        return Wait(0.0, "")  # its step claims another place
    work.step = "place"
    note: dict[str, Any] = {AGAIN: True}
    return Wait(0.0, "", **note)


def _prepared(session: Session, row: VMRow, policy: ClusterPolicy) -> Launch | None:
    """None: it is placed nowhere."""
    return None if row.node_id is None else prepare(session, row, policy)


async def _await_base(work: Work, prepared: Launch) -> None:
    """
    On a node's own storage disks are made from a copy of their image, which many launches may wait for.

    :raises ImageNotCopied: it could not be had since this launch asked for it.
    """
    for plan in prepared.volumes:
        if not plan.made and plan.base_id is not None and not plan.base_made:
            waits_for = await work.db(_base_copy, work.op, plan.base_id)
            if waits_for is not None:
                told = f"Image {waits_for.image_id} is being copied to the VM's node."
                on = awaited(ObjectKind.CACHED_IMAGE, waits_for.id)
                raise Wait(AWAY_S, told, partial(_copy_ended, waits_for.id), on=on, **{ASKED: True})


def _base_copy(session: Session, op: OperationRow, volume_id: int) -> Copy | None:
    """The copy to be waited for, which is being made if it was not."""
    copy = copy_at(session, volume_id)
    if copy is None or copy.made:
        return None
    if copy.state is CachedState.FAILED:
        if op.arguments.get(ASKED):
            raise ImageNotCopied(copy.image_id, copy.node_id, copy.error)
        cause = Cause(CauseKind.OPERATION, str(op.id))
        bring(session, copy.image_id, copy.storage_id, copy.node_id, account_id=op.account_id, cause=cause)
    return copy


def _copy_ended(copy_id: int, session: Session, op: OperationRow) -> bool:
    copy = find_copy(session, copy_id)
    return copy is None or copy.state in (CachedState.OK, CachedState.FAILED)


def prepare(session: Session, row: VMRow, policy: ClusterPolicy) -> Launch:
    """
    What the node's threads need of a VM that is placed.

    :raises Wait: its node is lost since.
    """
    if row.node_id is None:
        raise Wait(0.0, "")
    refuse_held(session, row.id)
    disks = disks_of(session, row.id)
    for disk in disks:
        if disk.lost:
            raise VolumeLost(disk.device)
    plan = domain_plan(session, row.id, vnc_password(policy.secret, row.uuid, row.vnc_generation), disks)
    volumes = plans_of(disks)
    return Launch(
        row,
        row.uuid,
        row.node_id,
        plan,
        tuple(networks_of(session, row.id)),
        tuple(sorted({nic.bridge for nic in plan.spec.nics if nic.bridge})),
        volumes,
        holders_left(session, row.id) if row.launches else (),
        plan_seed(session, row.id, policy) if plan.seeded else None,
    )


def _anew(session: Session, row: VMRow, op: OperationRow, policy: ClusterPolicy) -> Launch:
    """The same, where copies are going to be made."""
    for plan in prepare(session, row, policy).volumes:
        if plan.mode is VolumeMode.COPY and plan.base is not None and not plan.made:
            make_anew(session, op, plan.volume_id)
    return prepare(session, row, policy)


@job(Pace.SLOW, MAKE_S)
def make_volumes(node: INode, volumes: tuple[VolumePlan, ...]) -> list[int]:
    """On the node's threads: the volumes that are missing. The ids of those that were made now."""
    made = []
    for plan in volumes:
        if plan.made:
            continue
        if plan.base is None:
            node.volumes.create_empty(plan.pool, plan.volume, plan.format, plan.size_bytes)
        elif plan.mode is VolumeMode.COPY:
            node.volumes.create_copy(plan.pool, plan.volume, plan.base, plan.base_format, plan.size_bytes)
        else:
            node.volumes.create_overlay(plan.pool, plan.volume, plan.base, plan.base_format, plan.size_bytes)
        made.append(plan.volume_id)
    return made


@job(Pace.LASTING, COPY_S)
def make_copies(node: INode, volumes: tuple[VolumePlan, ...]) -> list[int]:
    """The same, where some of them are full copies."""
    return make_volumes(node, volumes)


def placed_disk(node: INode, plan: DiskPlan) -> DiskSpec:
    """On the node's threads: a disk where it lies there."""
    source = None if plan.place is None else node.volumes.source(*plan.place)
    return DiskSpec(
        source, plan.format, plan.device, plan.bus, plan.cdrom, plan.read_only, plan.boot_order, plan.remote
    )


def placed(node: INode, plan: DomainPlan) -> DomainSpec:
    """On the node's threads: the whole definition, with the places of its disks there."""
    disks = [placed_disk(node, disk) for disk in plan.disks]
    nvram = "" if plan.variables is None else nvram_path(node, plan.variables)
    return replace(plan.spec, disks=tuple(disks), nvram=nvram)


@job(Pace.SLOW, BOOT_S)
def boot(node: INode, prepared: Launch) -> None:
    """On the node's threads."""
    for network in prepared.networks:
        node.networks.ensure(network)
    node.console_logs.ensure(CONSOLE_DIRECTORY)  # whoever starts the guest makes its log there
    spec = placed(node, prepared.domain)
    if spec.nvram:
        node.variables.ensure(str(PurePosixPath(spec.nvram).parent))
    node.hypervisor.define(spec)
    node.hypervisor.start(prepared.uuid)


def _mark_launch(session: Session, op: OperationRow, made: list[int]) -> datetime:
    """
    Written before the hypervisor is asked: an end that a hook reports from before now is an earlier launch's. From now
    on the disks hold the guest's data: one that is missing later is an error, never made anew.
    """
    if op.kind is OperationKind.VM_START:  # it begins anew, whatever it was before
        forget_memory(session, vm_of(op), Cause(CauseKind.OPERATION, str(op.id)))
    return mark_launch(session, vm_of(op), made)


def _launched(
    session: Session, op: OperationRow, launched_at: datetime | None, generation: int, node_id: int
) -> None:
    """
    :param generation: of its screen, as it was defined; found running, it may have been an earlier one.
    :raises Wait: its node is lost since.
    """
    if get_vm(session, vm_of(op)).node_id != node_id:
        raise Wait(0.0, "")
    cause = Cause(CauseKind.OPERATION, str(op.id))
    asked = write_launched(session, vm_of(op), looked=launched_at is None)
    if asked is None:
        # It ended before we could say that it runs; the hook was faster.
        row = get_vm(session, vm_of(op))
        settle(session, row, row.seen_reason, cause)
    elif asked and (asked != generation or launched_at is None):
        screen_as_asked(session, get_vm(session, vm_of(op)), cause)
    _tell_workers(session, op)


def _tell_workers(session: Session, op: OperationRow) -> None:
    """A farm's workers look again whether they start, if it is their head that was launched, or was not."""
    if HEADS in op.arguments:
        wake(session, ObjectKind.FARM, op.arguments[HEADS])


@register
class VMCreate(Kind):
    kind = OperationKind.VM_CREATE
    notes = (ASKED, AGAIN, UNHEARD)
    steps = {"place": place, "provide": provide, "launch": launch}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """The VM stays, in error, with all it holds, but for disks that could not be made: it can be created by a
        retry, started as it is or destroyed."""
        if op.arguments.get(DISKS):
            forget_unmade(session, op, error)
        write_error(session, vm_of(op), error.for_user())
        _tell_workers(session, op)

    def interrupted(self, session: Session, vm_id: int | None) -> None:
        if vm_id is not None:
            give_up_reservations(session, vm_id)

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        reserve_again(session, get_vm(session, vm_of(op)), op)
        return {}

    def abandoned(self, session: Session, op: OperationRow) -> None:
        """A creation that is given up is undone: the VM is destroyed."""
        intend(session, vm_of(op), Wanted.DESTROYED)
        open_operation(
            session,
            OperationKind.VM_DESTROY,
            account_id=op.account_id,
            objects={ObjectKind.VM: [vm_of(op)]},
            node_id=op.node_id,
            cause=Cause(CauseKind.OPERATION, str(op.id)),
        )


@register
class VMStart(Kind):
    kind = OperationKind.VM_START
    notes = (ASKED, AGAIN)
    steps = {"place": place, "launch": launch}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        write_error(session, vm_of(op), error.for_user())

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_by_evidence(session, op)
