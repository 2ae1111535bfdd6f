"""
The ends of VMs: stop, shut down, destroy, save. All go one way: end the domain, wait for the evidence of it (the
hook's, or our own look where the hook is late), then do what the intent asks with the disks, then give back what was
held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import COPY_S, DEADLINE_S, POOL_S, Pace, job
from cm.interfaces.node import INode
from cm.operations.anew import make_anew
from cm.operations.base import Kind, Wait, Work, others_stopped, register, storage_reached, vm_of
from cm.operations.snapshot_work import holder_of
from cm.operations.variables import delete_variables
from cm.rpc.errors import CloudError, DomainNotRunning, GuestIgnored, NotAbandonable, ObjectNotFound
from cm.rpc.vocabulary import CauseKind, FreedPolicy, GuestWay, ImageState, Seen
from cm.rules.cause import Cause
from cm.rules.names import pool_name
from cm.rules.operation import CLEANING, ObjectKind, OperationKind
from cm.rules.vm import GONE
from cm.runtime.wall import unix_seconds, utc_now
from cm.services.console_log import delete_log
from cm.services.evidence import SKEW, record_look, rest_by_evidence
from cm.services.guest_power import power_off
from cm.services.release import rest_stopped, update_resources
from cm.services.saving import give_back_image, reserve_image
from cm.services.seed import forget_seed
from cm.services.suspension import forget_memory
from cm.store.change import record_change
from cm.store.domain import EndingVolume, VolumePlan, ending_volumes, node_with_disks, root_storage, volume_plans
from cm.store.free_volume import set_free
from cm.store.node import has_hooks
from cm.store.operation import OperationRow, holders_left
from cm.store.operation_object import Objects, others_at_work
from cm.store.saving import SavedImage, find_saved, keep_saved
from cm.store.storage import is_attached, node_reaching
from cm.store.unknown import nodes_elsewhere
from cm.store.variables import Variables, find_variables
from cm.store.vm import VMRow, find_vm, get_vm
from cm.store.vm_state import intend_as_seen, write_error
from cm.store.waking import awaited
from cm.store.worker import note_begun

LOOK_S: Final = 1.0  # between looks at a guest that takes its time
# What ``await_end``, ``_obeyed`` and ``press_button`` note: that the hook has had its grace, when the guest was asked,
# and by which way.
GRACED: Final = "graced"
PRESSED_AT: Final = "pressed_at"
WAY: Final = "way"
ASKED: Final = {
    GuestWay.WAWEL: "by Wawel's agent in it",
    GuestWay.AGENT: "by its QEMU guest agent",
    GuestWay.BUTTON: "by its power button",
}


@dataclass(frozen=True)
class Ending:
    row: VMRow
    hooks: bool  # evidence of the end comes by a hook


def _alone(session: Session, row: VMRow, op: OperationRow) -> VMRow:
    """:raises Wait: another worker has not stopped at the VM yet."""
    if others_at_work(session, ObjectKind.VM, row.id, op.id):
        raise others_stopped(ObjectKind.VM, row.id)
    return row


def _ending(session: Session, row: VMRow, op: OperationRow) -> Ending:
    _alone(session, row, op)
    return Ending(row, row.node_id is not None and has_hooks(session, row.node_id))


def _its_vm(op: OperationRow) -> str:
    return awaited(ObjectKind.VM, vm_of(op))


def _gone(session: Session, op: OperationRow) -> bool:
    row = find_vm(session, vm_of(op))
    return row is None or row.seen in GONE


async def _look(work: Work, row: VMRow) -> Seen:
    """
    Ask the node itself, and record what it says. What could not be recorded was not seen: nothing may be built on it.

    :raises Wait: the VM moved on meanwhile.
    """
    assert row.node_id is not None
    seen = await work.node(row.node_id).hypervisor.look(row.uuid)
    if await work.db(record_look, row.id, None, row.launched_at, seen.state, seen.reason) == "changed":
        raise Wait(LOOK_S, "The VM moved on while it was looked at.", on=awaited(ObjectKind.VM, row.id))
    return seen.state


async def _remove_domain(work: Work, row: VMRow) -> None:
    """See to it that nothing writes to the VM's disks from here on: its end is on record, but not that it stays so."""
    if row.node_id is not None and row.launches:
        await work.node(row.node_id).run(remove_domain, row.uuid)


async def _remove_elsewhere(work: Work, row: VMRow) -> None:
    """
    The same of a VM that is to be no more, where passes saw it without its being placed there: its disks are nobody's
    before that is over, too. A node that does not answer is waited for; an administrator can erase the VM.
    """
    for node_id in await work.db(nodes_elsewhere, row.id):
        await work.node(node_id).run(remove_domain, row.uuid)


@job(Pace.SLOW, DEADLINE_S)
def remove_domain(node: INode, uuid: str) -> None:
    """
    On the node's threads. Without a definition nobody can start the domain any more, by hand or by its host's restart;
    one that was started since its end was seen ends now.
    """
    node.hypervisor.undefine(uuid)
    node.hypervisor.destroy(uuid)


# ------------------------------------------------------------------ steps


async def cut_power(work: Work) -> None:
    """Destroy the domain, unless it is known to be gone. One that never was, or is gone, is not an error."""
    row = await work.db_vm(_alone, work.op)
    if row.node_id is None or row.seen in GONE or (row.launches == 0 and row.seen is Seen.UNKNOWN):
        return
    await work.node(row.node_id).hypervisor.destroy(row.uuid)


async def press_button(work: Work) -> None:
    """Ask the guest to shut down, by the first way that takes it."""
    row = await work.db_vm(_alone, work.op)
    if row.node_id is None or row.seen in GONE:
        return
    node = work.node(row.node_id)
    try:
        if row.seen is Seen.PAUSED:
            await node.hypervisor.resume(row.uuid)
        way = await power_off(work.services, node, row.id, row.uuid)
    except DomainNotRunning:
        await _look(work, row)
        return
    await work.note(**{WAY: way})


async def await_end(work: Work) -> None:
    """Wait until the end is on record: by the hook, or after its grace by a look."""
    ending = await work.db_vm(_ending, work.op)
    row = ending.row
    if row.seen in GONE or row.node_id is None or row.launches == 0:
        return
    # The hook of a VM that was launched a moment ago cannot be told from an earlier launch's: a look is surer.
    fresh = row.launched_at is not None and utc_now() - row.launched_at < 2 * SKEW
    if ending.hooks and not fresh and not work.arguments.get(GRACED):
        told = "The node has not reported the end yet."
        raise Wait(work.services.policy.hook_grace_s, told, _gone, on=_its_vm(work.op), **{GRACED: True})
    if await _look(work, row) not in GONE:
        await work.node(row.node_id).hypervisor.destroy(row.uuid)
        raise Wait(LOOK_S, "The VM has not ended yet.", _gone, on=_its_vm(work.op))


async def await_shutdown(work: Work) -> None:
    """Wait for the guest to obey the button, for as long as the policy allows."""
    if await _obeyed(work):
        return
    raise GuestIgnored(work.services.policy.shutdown_s)


async def await_shutdown_or_cut(work: Work) -> None:
    """The same, but a guest that does not obey loses its power: the caller asked for its end."""
    if not await _obeyed(work):
        row = await work.db_vm(_alone, work.op)
        assert row.node_id is not None
        await work.node(row.node_id).hypervisor.destroy(row.uuid)
        await _look(work, row)


async def _obeyed(work: Work) -> bool:
    ending = await work.db_vm(_ending, work.op)
    row = ending.row
    if row.seen in GONE or row.node_id is None:
        return True
    pressed = float(work.arguments.get(PRESSED_AT, 0.0)) or unix_seconds()
    left = pressed + work.services.policy.shutdown_s - unix_seconds()
    # The hook wakes us; looks are for guests whose hook was lost, so they may be rare.
    if work.arguments.get(PRESSED_AT) and await _look(work, row) in GONE:
        return True
    if left > 0:
        asked = f" {ASKED[GuestWay(work.arguments[WAY])]}" if WAY in work.arguments else ""
        reason = f"The guest was asked to shut down{asked} and has {work.services.policy.shutdown_s:g} s for it."
        look_s = min(LOOK_S if not ending.hooks else 5 * LOOK_S, left)
        raise Wait(look_s, reason, _gone, on=_its_vm(work.op), **{PRESSED_AT: pressed})
    return False


async def rest(work: Work) -> None:
    """Forget the definition and give the node back; the disk, address and quota stay. Of a suspended VM, its memory."""
    row = await work.db_vm(_alone, work.op)
    await _remove_domain(work, row)
    way = work.arguments.get(WAY)  # null: its power was cut, or it ended by itself before it was asked
    await work.complete(_rested, work.op, result={} if way is None else {WAY: way})


def _rested(session: Session, op: OperationRow) -> None:
    cause = Cause(CauseKind.OPERATION, str(op.id))
    rest_stopped(session, vm_of(op))
    forget_memory(session, vm_of(op), cause)
    forget_seed(session, get_vm(session, vm_of(op)), cause)


async def clean_up(work: Work) -> None:
    """
    Forget the definition and delete the volumes, each through the VM's node or one that has its storage; and the log.
    Those that are kept for others are the VM's no more: from here on they may be somebody's. So they are kept by who is
    the first to begin this: what another began, who was taken for dead or whose call took too long, may be under way at
    the node still, and would wipe or delete by its name what has become somebody's.
    """
    row, parts, held = await work.db_vm(_clean_up_facts, work.op)
    await _remove_domain(work, row)
    await _remove_elsewhere(work, row)
    for operation_id, node_id in held:  # given up for this one, as a rule: it may be writing to them still
        await work.node(node_id).hypervisor.destroy(holder_of(operation_id))
    for node_id, volumes in parts.items():
        wipes = any(volume.made and volume.policy is not FreedPolicy.NONE for volume in volumes)
        kept = await work.node(node_id).run(wipe_volumes if wipes else delete_volumes, volumes)
        if kept:
            await work.db_vm(_set_free, kept)
    await _delete_variables(work)
    await delete_log(work.services, row)


async def _delete_variables(work: Work) -> None:
    """Of a VM that had UEFI, be it that it never started."""
    variables, node_id = await work.db_vm(_variables)
    if variables is not None and node_id is not None:
        await work.node(node_id).run(delete_variables, variables)


def _variables(session: Session, row: VMRow) -> tuple[Variables | None, int | None]:
    """
    :return: where they are, and a node that has their storage.
    :raises Wait: none that answers has it.
    """
    found = find_variables(session, row.id)
    return found, None if found is None else _node_of_storage(session, row, found.storage_id)


def _set_free(session: Session, row: VMRow, kept: Sequence[EndingVolume]) -> None:
    clean = [volume.volume_id for volume in kept if volume.policy is not FreedPolicy.NONE]
    set_free(session, row.id, [volume.volume_id for volume in kept], clean)


def _node_for(session: Session, row: VMRow) -> int:
    """
    A node that the VM's disks can be worked on through.

    :raises Wait: none that answers has their storage.
    """
    node_id = row.node_id or node_with_disks(session, row.id)
    if node_id is None:
        storage_id = root_storage(session, row.id)
        assert storage_id is not None
        raise storage_reached(storage_id)
    return node_id


def _clean_up_facts(
    session: Session, row: VMRow, op: OperationRow
) -> tuple[VMRow, Mapping[int, tuple[EndingVolume, ...]], Sequence[tuple[int, int]]]:
    """
    The VM, and its volumes by the node that they are deleted through: its own, or one that has their storage; and what
    may have them open, as ``holders_left``.

    :raises Wait: none that answers has the storage of some of them.
    """
    through: dict[int, int] = {}  # by storage
    parts: dict[int, list[EndingVolume]] = {}
    volumes = ending_volumes(session, row.id)
    if any(volume.whole for volume in volumes) and not note_begun(session, op.id, CLEANING):
        volumes = tuple(replace(volume, keep=False) for volume in volumes)
    for volume in volumes:
        if volume.storage_id not in through:
            through[volume.storage_id] = _node_of_storage(session, row, volume.storage_id)
        parts.setdefault(through[volume.storage_id], []).append(volume)
    by_node = {node_id: tuple(volumes) for node_id, volumes in parts.items()}
    return row, by_node, holders_left(session, row.id)


def _node_of_storage(session: Session, row: VMRow, storage_id: int) -> int:
    """A stopped VM may have been given a disk on a storage that its node has not: its next start is elsewhere."""
    if row.node_id is not None and is_attached(session, storage_id, row.node_id):
        return row.node_id
    node_id = node_reaching(session, storage_id)
    if node_id is None:
        raise storage_reached(storage_id)
    return node_id


@job(Pace.SLOW, POOL_S)
def delete_volumes(node: INode, volumes: tuple[EndingVolume, ...]) -> list[EndingVolume]:
    """On the node's threads. Those that are kept, and are there."""
    kept = []
    for each in volumes:
        if each.keep and node.volumes.find(each.pool, each.volume) is not None:
            kept.append(each)
        else:
            node.volumes.delete(each.pool, each.volume)
    return kept


@job(Pace.LASTING, COPY_S)
def wipe_volumes(node: INode, volumes: tuple[EndingVolume, ...]) -> list[EndingVolume]:
    """The same, where some of them are wiped before."""
    for each in volumes:
        if each.made and each.policy is not FreedPolicy.NONE:
            overwrite = each.policy is FreedPolicy.WIPE
            node.volumes.wipe(each.pool, each.volume, each.format, each.size_bytes, overwrite)
    return delete_volumes(node, volumes)


async def close(work: Work) -> None:
    """``update_resources``: address, port, capacity and quota go back, and the VM is closed."""
    await work.complete(update_resources, vm_of(work.op), Cause(CauseKind.OPERATION, str(work.op.id)))


async def keep(work: Work) -> None:
    """Copy the root disk, flat, into the image that was reserved for it."""
    row = await work.db(_kept_from, work.op)
    if row is None:
        return
    await work.progress(20)
    await _remove_domain(work, row)
    await _remove_elsewhere(work, row)
    image_id, image_volume, node_id, pool, source = await work.db(_keep_facts, work.op)
    seen = await work.node(node_id).volumes.create_copy(
        pool, image_volume, source.volume, source.format, source_storage=source.pool
    )
    await work.db(_kept, image_id, seen.capacity_bytes)
    await work.progress(80)


def _saved(session: Session, row: VMRow) -> SavedImage:
    image = find_saved(session, row.save_image_id)
    if image is None:
        raise ObjectNotFound("image of vm", row.id)
    return image


def _kept_from(session: Session, op: OperationRow) -> VMRow | None:
    """None: it was kept; be it that it is deleted since."""
    row = get_vm(session, vm_of(op))
    return row if _saved(session, row).state is ImageState.ADDING else None


def _keep_facts(session: Session, op: OperationRow) -> tuple[int, str, int, str, VolumePlan]:
    row = get_vm(session, vm_of(op))
    node_id = _node_for(session, row)
    volume_id = _saved(session, row).volume_id
    assert volume_id is not None
    make_anew(session, op, volume_id)
    image = _saved(session, row)
    assert image.volume is not None and image.storage_id is not None
    return image.id, image.volume, node_id, pool_name(image.storage_id), volume_plans(session, row.id)[0]


def _kept(session: Session, image_id: int, size_bytes: int) -> None:
    account_id = keep_saved(session, image_id, size_bytes)
    record_change(session, "image", image_id, account_id)


# ------------------------------------------------------------------ kinds


@register
class VMStop(Kind):
    kind = OperationKind.VM_STOP
    notes = (GRACED,)
    steps = {"cut_power": cut_power, "await_end": await_end, "rest": rest}

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_by_evidence(session, op)


@register
class VMShutdown(Kind):
    kind = OperationKind.VM_SHUTDOWN
    notes = (PRESSED_AT, WAY)
    steps = {"press_button": press_button, "await_shutdown": await_shutdown, "rest": rest}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """A guest that did not obey goes on running, and is wanted so."""
        rest_by_evidence(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_by_evidence(session, op)


@register
class VMTrash(Kind):
    kind = OperationKind.VM_TRASH
    notes = VMStop.notes
    steps = VMStop.steps

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        rest_by_evidence(session, op)

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_by_evidence(session, op)


@register
class VMDestroy(Kind):
    kind = OperationKind.VM_DESTROY
    notes = (GRACED,)
    steps = {"cut_power": cut_power, "await_end": await_end, "clean_up": clean_up, "close": close}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        write_error(session, vm_of(op), error.for_user())

    def abandoned(self, session: Session, op: OperationRow) -> None:
        raise NotAbandonable(op.id, op.kind, "its disk may be gone already; an administrator can erase the VM")


@register
class VMSave(Kind):
    kind = OperationKind.VM_SAVE
    notes = (GRACED, PRESSED_AT)
    steps = {
        "press_button": press_button,
        "await_shutdown_or_cut": await_shutdown_or_cut,
        "await_end": await_end,
        "keep": keep,
        "clean_up": clean_up,
        "close": close,
    }

    def reopened(self, session: Session, op: OperationRow) -> Objects:
        """The image was given back when the save failed, or deleted since: reserve another of the same name."""
        row = get_vm(session, vm_of(op))
        image = find_saved(session, row.save_image_id)
        if image is None or image.state not in (ImageState.ADDING, ImageState.OK):
            return {ObjectKind.IMAGE: [reserve_image(session, row, row.save_name, row.save_description)]}
        return {ObjectKind.IMAGE: [image.id]}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """The disk stays: the VM is stopped, and can be started, saved again or destroyed."""
        self._undo(session, op, error.for_user())
        write_error(session, vm_of(op), error.for_user())

    def abandoned(self, session: Session, op: OperationRow) -> None:
        row = get_vm(session, vm_of(op))
        image = find_saved(session, row.save_image_id)
        if image is not None and image.state is ImageState.OK:
            raise NotAbandonable(op.id, op.kind, "the image is made; only the VM's end is left")
        self._undo(session, op, "abandoned")

    def _undo(self, session: Session, op: OperationRow, reason: str) -> None:
        vm_id = vm_of(op)
        row = get_vm(session, vm_id)
        if row.save_image_id is not None:
            give_back_image(session, row.save_image_id, reason)
        intend_as_seen(session, vm_id)
        if row.seen in GONE:
            rest_stopped(session, vm_id)
