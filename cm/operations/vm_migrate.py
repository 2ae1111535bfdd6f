"""
Moving a running VM to another node while its guest goes on.

Its place there is claimed by the call (``services/migrating.py``). From the note that its node is going to be asked
(``BEGUN``) until both nodes were asked where the guest is, nobody else can tell, so it is neither given up nor ended by
a destroy; whoever wants it to end asks for that (``ABORT``), and it ends once the guest is known to be at one node and
nowhere else. libvirt goes on by itself: a manager that takes it over finds it under way, or over.

After whatever went wrong the target's half is ended before the source is believed (``rules/migration.py``). Until both
nodes have answered it waits, for days if need be; the VM holds its place at both meanwhile. Of one that is off, by an
administrator's word (``LOST``, ``services/fencing.py``), nobody waits for an answer, and the VM holds a place at the
other one alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.interfaces.calls import DEADLINE_S, Pace, job
from cm.interfaces.hypervisor import DomainSeen, VncSpec
from cm.interfaces.migration import MigrationSeen, MigrationSpec, MigrationState
from cm.interfaces.network import NetworkSpec
from cm.interfaces.node import INode
from cm.interfaces.source import DiskSource
from cm.operations.base import Kind, Wait, Work, others_stopped, register, vm_of
from cm.operations.linking import await_links, look_for_links
from cm.operations.vm_end import remove_domain
from cm.rpc.errors import (
    CannotMigrate,
    CloudError,
    DomainNotRunning,
    HypervisorError,
    MigrationFailed,
    NoCapacity,
    NotAbandonable,
    NotSupported,
    RunsElsewhere,
    Unavailable,
)
from cm.rpc.vocabulary import CauseKind, Seen, SeenReason, Wanted
from cm.rules.cause import Cause
from cm.rules.migration import NOWHERE, Next, Side, data_host, settle
from cm.rules.names import CONSOLE_DIRECTORY
from cm.rules.operation import ObjectKind, OperationKind
from cm.rules.vm import GONE
from cm.runtime.database import notify
from cm.runtime.wall import unix_seconds
from cm.services.console_log import delete_log
from cm.services.context import ClusterPolicy, vnc_password
from cm.services.evidence import now, record_look, rest_if_ended, screen_as_asked
from cm.services.migrating import (
    ABORT,
    BEGUN,
    LIMIT,
    LOST,
    POST_COPY,
    SOURCE,
    TARGET,
    TIMEOUT,
    move_in,
    reserve_live,
)
from cm.services.network import networks_of
from cm.store.claim import release_target
from cm.store.console_log import leave_log
from cm.store.domain import DomainPlan, domain_plan
from cm.store.link import LINKS, links_changed
from cm.store.migration import Way, kept_port, mark_departure, way_to, write_arrival
from cm.store.operation import OperationRow, get_operation
from cm.store.operation_object import others_at_work
from cm.store.public_address import public_changed, untranslated
from cm.store.vm import VMRow, get_vm, render_vm, write_evidence
from cm.store.vm_state import screen_of, write_down, write_error_unless_on
from cm.store.waking import awaited

# Notes: when the node was asked first; that it was; why it refused; that the guest was told to go on at the other one.
BEGAN_AT: Final = "began_at"
ASKED: Final = "asked"
REFUSED: Final = "refused"
SWITCHED: Final = "switched"
PUBLIC_BY: Final = "public_by"  # until when the target's translation of public addresses is awaited
LOOK_S: Final = 0.5  # between looks at one under way
PROBE_S: Final = 0.2
PUBLIC_S: Final = 10.0
POST_COPY_S: Final = 20.0  # a guest that comes to no end by itself within that time is switched over, where it may be
ROUNDS: Final = 2  # of its memory, before
PREPARED, SENT = 10, 90  # percent
ATTEMPTS_MAX: Final = 20  # before it was begun
MIB: Final = 2**20


@dataclass(frozen=True)
class Migrating:
    """
    :ivar row: of the VM, on the node that it leaves; on the target where that one is lost.
    :ivar spec: how its domain goes.
    :ivar links: bridges that the target's agent makes for it.
    :ivar lost: which of the two nodes are off: one of them at the most.
    """

    row: VMRow
    source: int
    target: Way
    spec: MigrationSpec
    plan: DomainPlan
    networks: tuple[NetworkSpec, ...]
    links: tuple[str, ...]
    lost: frozenset[int] = frozenset()

    @property
    def target_lost(self) -> bool:
        return self.target.id in self.lost

    @property
    def ended(self) -> bool:
        return self.row.seen in GONE


def _migrating(session: Session, row: VMRow, op: OperationRow, policy: ClusterPolicy) -> Migrating:
    """:raises Wait: another worker has not stopped at the VM yet."""
    if others_at_work(session, ObjectKind.VM, row.id, op.id):
        raise others_stopped(ObjectKind.VM, row.id)
    lost = _lost(session, op)
    to = op.arguments[BEGUN] if lost else row.moves_to
    assert to is not None and row.node_id == (to if op.arguments[SOURCE] in lost else op.arguments[SOURCE])
    target, screen = way_to(session, to), screen_of(session, row.id)
    port = screen.port if row.node_id == to and screen is not None else kept_port(session, row.id)
    password = vnc_password(policy.secret, row.uuid, row.vnc_generation)
    plan = domain_plan(session, row.id, password)
    vnc = None if port is None else VncSpec(target.address, port, password, row.vnc_enabled)
    spec = MigrationSpec(
        row.uuid,
        target.uri,
        data_host(target.uri),
        vnc,
        op.arguments.get(LIMIT, 0),
        post_copy=bool(op.arguments.get(POST_COPY)),
        alone=op.parent_id is None,
    )
    links = tuple(sorted({nic.bridge for nic in plan.spec.nics if nic.bridge}))
    return Migrating(row, op.arguments[SOURCE], target, spec, plan, tuple(networks_of(session, row.id)), links, lost)


def _lost(session: Session, op: OperationRow) -> frozenset[int]:
    """As it is by now: who says so does not wait for the worker that is at it."""
    return frozenset(get_operation(session, op.id).arguments.get(LOST, ()))


async def _read(work: Work) -> Migrating:
    return await work.db_vm(_migrating, work.op, work.services.policy)


def _stays(row: VMRow, reason: str) -> MigrationFailed:
    return MigrationFailed(row.id, reason)


# ------------------------------------------------------------------ steps


async def claim_place(work: Work) -> None:
    """One that is tried again claimed nothing yet."""
    await work.db_vm(_claim_place, work.op, work.services.policy)


def _claim_place(session: Session, row: VMRow, op: OperationRow, policy: ClusterPolicy) -> None:
    """:raises MigrationFailed: the VM is not there any more, or does not run."""
    if _lost(session, op):
        return  # tried again, and it is known where alone it may be
    if row.seen in GONE or row.node_id != op.arguments[SOURCE] or not row.node_claimed:
        raise _stays(row, "its guest has ended")
    if row.moves_to is None:
        try:
            reserve_live(session, row, policy, op.arguments.get(BEGUN) or op.arguments.get(TARGET))
        except NoCapacity as error:
            raise _stays(row, f"no other node takes it: {error.reason}") from error


async def prepare(work: Work) -> None:
    """See to it that the guest finds at the target what it has here, and that nothing of it is there already."""
    if work.arguments.get(BEGUN):
        return  # tried again: it may be under way
    going = await _read(work)
    if going.ended:
        raise _stays(going.row, "its guest has ended")
    source, target = work.node(going.source), work.node(going.target.id)
    try:
        why = await target.migrations.takes(await source.migrations.need(going.row.uuid))
    except DomainNotRunning:
        raise _stays(going.row, "its guest has ended") from None
    if why:
        raise CannotMigrate(going.row.id, going.target.name, why)
    await await_links(work, going.target.id, going.links)
    await _await_translation(work, going)
    if await target.run(receive, going) != await source.run(lying, going.plan):
        raise CannotMigrate(going.row.id, going.target.name, "its disks lie at other places there")
    there = await target.hypervisor.look(going.row.uuid)
    if there.state not in GONE:
        raise RunsElsewhere(going.row.id, going.target.id)
    if there.state is not Seen.ABSENT:
        await target.run(remove_domain, going.row.uuid)
    await work.progress(PREPARED)


async def _await_translation(work: Work, going: Migrating) -> None:
    """
    What the guest sends from there before its public addresses are translated there has its connections refused. Not
    for ever: with an address that the node cannot answer for it is as reachable as it can be.

    :raises Wait: the target's agent has not said yet that they are.
    """
    ids = going.row.id, going.target.id
    if not await work.read(untranslated, *ids):
        return
    by = work.arguments.get(PUBLIC_BY, unix_seconds() + PUBLIC_S)
    left = by - unix_seconds()
    if left > 0:
        told = "The other node gets ready for its public address."
        raise Wait(left, told, partial(_translated, *ids), on=awaited(LINKS, going.target.id), public_by=by)


def _translated(vm_id: int, node_id: int, session: Session, op: OperationRow) -> bool:
    return not untranslated(session, vm_id, node_id)


@job(Pace.SLOW, DEADLINE_S)
def lying(node: INode, plan: DomainPlan) -> Sequence[DiskSource]:
    """On the node's threads: where a domain's disks are."""
    return [node.volumes.source(*disk.place) for disk in plan.disks if disk.place is not None]


@job(Pace.SLOW, DEADLINE_S)
def receive(node: INode, going: Migrating) -> Sequence[DiskSource]:
    """On the target's threads: make what its guest needs. :return: where its disks are, which are there."""
    for network in going.networks:
        node.networks.ensure(network)
    node.console_logs.ensure(CONSOLE_DIRECTORY)
    for disk in going.plan.disks:
        if disk.place is not None and node.volumes.find(*disk.place) is None:
            raise CannotMigrate(going.row.id, node.name, f"its disk {disk.device} is not there")
    return lying(node, going.plan)


async def transfer(work: Work) -> None:
    """Have the guest go over: done once it is at the target, and nowhere else."""
    going = await _read(work)
    if not work.arguments.get(BEGUN):
        if work.arguments.get(ABORT):
            raise _stays(going.row, "an administrator has ended it")
        if going.ended:
            raise _stays(going.row, "its guest has ended")
        await work.db(mark_departure, going.row.id)
        raise Wait(0.0, "", begun=going.target.id, began_at=unix_seconds())
    source, seen = work.node(going.source), MigrationSeen(MigrationState.NONE)
    if going.source not in going.lost:
        seen = await source.migrations.look(going.row.uuid)
    if seen.state is MigrationState.RUNNING:
        await _under_way(work, going, seen)
    if await _settled(work, going) is Next.MOVED:
        await work.progress(SENT)
        return
    if going.target_lost:
        raise _stays(going.row, f"the other node, {going.target.name}, is off")
    if work.arguments.get(ABORT):
        raise _stays(going.row, "an administrator has ended it")
    if _late(work):
        raise _stays(going.row, f"its guest wrote faster than it could be sent, for {work.arguments[TIMEOUT]:g} s")
    if work.arguments.get(ASKED):
        why = work.arguments.get(REFUSED) or seen.error or "it ended early, and nobody knows why"
        raise _stays(going.row, why.rstrip("."))
    try:
        over = await source.migrations.migrate(going.spec)
    except (HypervisorError, NotSupported) as error:
        if isinstance(error, HypervisorError):
            await look_for_links(work, going.target.id, going.links, error)
        raise Wait(0.0, "", asked=True, refused=str(error)) from None
    except DomainNotRunning:
        raise Wait(0.0, "", asked=True) from None
    if over:
        raise Wait(0.0, "", asked=True)
    raise Wait(LOOK_S, "Its memory is being sent.", on=_its_vm(work.op), asked=True)


def _its_vm(op: OperationRow) -> str:
    return awaited(ObjectKind.VM, vm_of(op))


def _late(work: Work) -> bool:
    return unix_seconds() - work.arguments[BEGAN_AT] > work.arguments[TIMEOUT]


async def _under_way(work: Work, going: Migrating, seen: MigrationSeen) -> None:
    """
    See to it that it ends, one way or the other.

    :raises Wait: it is under way.
    """
    source, uuid = work.node(going.source), going.row.uuid
    switched, may_switch = work.arguments.get(SWITCHED), work.arguments.get(POST_COPY)
    to_end = work.arguments.get(ABORT) or going.target_lost
    if switched and going.target_lost:  # its memory was at both nodes
        await source.run(remove_domain, uuid)
        raise Wait(PROBE_S, "It is being ended.")
    slow = unix_seconds() - work.arguments[BEGAN_AT] > POST_COPY_S
    if not switched and (to_end or _late(work) and not may_switch):
        await source.migrations.cancel(uuid)
        raise Wait(LOOK_S, "It is being ended.", asked=True)
    if may_switch and not switched and (slow and seen.rounds >= ROUNDS or _late(work)):
        try:
            await source.migrations.switch(uuid)
        except HypervisorError:
            raise Wait(LOOK_S, "Its guest is to go on at the other node.", asked=True) from None
        raise Wait(LOOK_S, "Its guest goes on at the other node.", asked=True, switched=True)
    if not seen.total_bytes:  # it begins just now, or has ended, and its answer is on its way
        raise Wait(PROBE_S, "Its memory is being sent.", on=_its_vm(work.op), asked=True)
    sent = max(0.0, 1 - seen.left_bytes / seen.total_bytes)
    await work.progress(PREPARED + int((SENT - PREPARED) * sent))
    told = f"{seen.left_bytes // MIB} MiB of its memory are left, in round {max(seen.rounds, 1)}"
    told += f", at {seen.rate_bytes_s // MIB} MiB/s." if seen.rate_bytes_s else "."
    raise Wait(LOOK_S, told, on=_its_vm(work.op), asked=True)


async def _settled(work: Work, going: Migrating) -> Next:
    """
    Where the guest is, when no migration is under way: ``MOVED`` or ``STAYED``, and nothing of it is at the other node.

    :raises Wait: something had to be done about it.
    :raises MigrationFailed: it has ended, which is on record.
    """
    uuid, source, target = going.row.uuid, work.node(going.source), work.node(going.target.id)
    here = await _side(work, going, going.source)
    there = await _side(work, going, going.target.id)
    found = settle(here, there)
    match found:
        case Next.MOVED | Next.STAYED:
            return found
        case Next.ENDED:
            reason = here.reason if here.state is not Seen.ABSENT else SeenReason.ABSENT
            if going.lost and reason in (SeenReason.ABSENT, SeenReason.MIGRATED):
                reason = SeenReason.HOST_LOST  # it had gone on at the node that is off, or had not left it
            await work.db(record_look, going.row.id, None, going.row.launched_at, here.state, reason)
            raise _stays(going.row, "its guest has ended")
        case Next.CLEAR_TARGET:
            await target.run(remove_domain, uuid)
        case Next.CLEAR_SOURCE:
            await source.run(remove_domain, uuid)
        case Next.END_SOURCE:
            if going.row.wanted is Wanted.PAUSED:
                return Next.STAYED  # so neither has gone on
            await source.run(remove_domain, uuid)
        case Next.RESUME_SOURCE:
            if going.row.wanted is Wanted.PAUSED:  # it was before, or is meant to be since
                return Next.STAYED
            try:
                await source.hypervisor.resume(uuid)
            except DomainNotRunning:
                pass
    raise Wait(PROBE_S, "Both nodes are asked where its guest is.")


async def _side(work: Work, going: Migrating, node_id: int) -> Side:
    """What one of the two nodes has of it."""
    if node_id in going.lost:
        return NOWHERE
    seen = await work.node(node_id).hypervisor.look(going.row.uuid)
    return Side(seen.state, seen.reason)


async def arrive(work: Work) -> None:
    """Say that it is there: its share of the other node goes back, and its networks and addresses follow."""
    going = await _read(work)
    target, uuid = work.node(going.target.id), going.row.uuid
    if going.target_lost:
        work.step = "transfer"
        raise Wait(0.0, "")
    there = await target.hypervisor.look(uuid)
    if there.state is Seen.PAUSED and there.reason is not SeenReason.USER and going.row.wanted is Wanted.RUNNING:
        await target.hypervisor.resume(uuid)
        there = await target.hypervisor.look(uuid)
    if there.state in GONE or there.state is Seen.UNKNOWN:
        work.step = "transfer"
        raise Wait(PROBE_S, "Both nodes are asked where its guest is.")
    if going.spec.vnc is not None:
        try:  # the screen may have been switched meanwhile
            await target.hypervisor.set_vnc(uuid, going.spec.vnc)
        except (NotSupported, DomainNotRunning):
            pass
    await delete_log(work.services, going.row)  # what it told its console there
    result = {"node_id": going.target.id, "switched": bool(work.arguments.get(SWITCHED))}
    await work.complete(_arrived, work.op, there, going.row.vnc_generation, result=result)


def _arrived(session: Session, op: OperationRow, there: DomainSeen, generation: int) -> None:
    """
    :param generation: of its screen, as the target has it; a call since then found none to switch at the source.
    :raises Wait: the target is off since it was asked.
    """
    vm_id = vm_of(op)
    node_id = op.arguments[BEGUN]
    lost = _lost(session, op)
    if node_id in lost:
        raise Wait(0.0, "")
    if op.arguments[SOURCE] not in lost:
        move_in(session, vm_id)
    write_arrival(session, vm_id, there.state, there.reason)
    links_changed(session, vm_id)
    public_changed(session, vm_id)
    for each in (op.arguments[SOURCE], node_id):
        notify(session, "look", each)
    row = get_vm(session, vm_id)
    if row.vnc_generation != generation:
        screen_as_asked(session, row, Cause(CauseKind.OPERATION, str(op.id)))
    render_vm(session, vm_id)


@register
class VMMigrate(Kind):
    kind = OperationKind.VM_MIGRATE
    notes = (BEGUN, BEGAN_AT, ASKED, REFUSED, SWITCHED, ABORT, PUBLIC_BY, LOST)
    steps = {"claim_place": claim_place, "prepare": prepare, "transfer": transfer, "arrive": arrive}

    def tried(self, op: OperationRow, error: CloudError) -> dict[str, Any]:
        """Once it was begun, until both nodes have answered; what they say in the end is not asked again."""
        waits = isinstance(error, Unavailable) and op.attempts < ATTEMPTS_MAX
        if isinstance(error, MigrationFailed) or not op.arguments.get(BEGUN) and not waits:
            raise error
        return {}

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """
        What the target's hook told of an attempt that came to nothing is over from now on. Should the source have told
        that it stays just before it was lost, it has ended.
        """
        row = get_vm(session, vm_of(op), lock=True)
        if row.seen not in GONE and isinstance(error, MigrationFailed) and op.arguments[SOURCE] in _lost(session, op):
            write_evidence(session, row, Seen.OFF, SeenReason.HOST_LOST, now())
            write_down(session, row.id)
        release_target(session, vm_of(op))
        if op.arguments.get(BEGUN):
            leave_log(session, vm_of(op), op.arguments[BEGUN])
        mark_departure(session, vm_of(op))
        write_error_unless_on(session, vm_of(op), error.for_user())
        rest_if_ended(session, op)
        notify(session, "look", op.arguments[SOURCE])

    def forgotten(self, op: OperationRow) -> Sequence[str]:
        """One that nobody knows the end of is looked for where it was begun."""
        return (REFUSED, ABORT) if op.arguments.get(BEGUN) and op.error != MigrationFailed.code else self.notes

    def dropped(self, session: Session, op: OperationRow) -> None:
        if op.arguments.get(BEGUN) and not {op.arguments[SOURCE], op.arguments[BEGUN]} <= _lost(session, op):
            raise NotAbandonable(op.id, op.kind, "its guest is on its way; end that (admin.vm.abort_migration)")
        release_target(session, vm_of(op))

    def abandoned(self, session: Session, op: OperationRow) -> None:
        rest_if_ended(session, op)
        notify(session, "look", op.arguments[SOURCE])
