"""
What an operation kind is: a list of steps, each repeatable: look what is there, do what is missing, record.

A step that was done before a crash is found done by the next worker. Whatever a step writes goes through ``Work.db``,
whose transaction first makes sure that this worker still holds the operation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, TypeVar

from sqlalchemy.orm import Session

from cm.interfaces.calls import Job, NodeCalls, P, R
from cm.interfaces.node import INode
from cm.operations.lease import Lease, Stale
from cm.rpc.errors import CloudError, Overloaded
from cm.rpc.vocabulary import OPEN_OPERATIONS, OperationState
from cm.rules.operation import BEHIND, GAVE_WAY, SPECS, ObjectKind, OperationKind
from cm.runtime.pool import on_behalf
from cm.runtime.wall import steady_seconds
from cm.services.context import Services
from cm.services.kind import ENDS, Ends
from cm.services.message import tell_done
from cm.store.children import list_children
from cm.store.operation import OperationRow, first_open
from cm.store.operation_object import others_at_work
from cm.store.storage import node_reaching
from cm.store.vm import hold_vm, render_live
from cm.store.waking import OPERATION, awaited, wake, wake_parent
from cm.store.worker import finish, holds, keep_lease, keep_note, record_step

T = TypeVar("T")


class Wait(Exception):
    """
    Raised by a step: call it again when what it waits for has changed, or ``seconds`` from now.

    :param seconds: as long as looks may be apart: for what is awaited without a word of its change, and should that be
        lost.
    :param reason: what for, in a sentence for whoever asked; "": it goes on at once, or stays as it was told before.
    :param unless: asked before it waits, under the lock of what it waits for: ``unless(session, op)`` true means do not
        wait at all.
    :param on: the object whose change wakes it (``store/waking.py``).
    :param note: kept in the operation's arguments.
    """

    def __init__(
        self,
        seconds: float,
        reason: str,
        unless: Callable[[Session, OperationRow], bool] | None = None,
        *,
        on: str = "",
        **note: Any,
    ) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.reason = reason
        self.unless = unless
        self.on = on
        self.note = note


CHILDREN_S: Final = 5.0  # between looks at how far children are; the end of each is notified
OTHERS_S: Final = 5.0  # a worker that died has its marks cleared by then
AWAY_S: Final = 60.0  # a node that answers again, or gets the storage, is notified
TOLD: Final = "It gave way to other work on its VM or disk, and is begun again later."
OTHERS: Final = "A worker has not stopped yet at an operation on it that was given up."


def others_stopped(noun: ObjectKind, object_id: int) -> Wait:
    """Wait until no worker touches an object any more for an operation that was given up."""

    def stopped(session: Session, op: OperationRow) -> bool:
        return not others_at_work(session, noun, object_id, op.id)

    return Wait(OTHERS_S, OTHERS, stopped, on=awaited(noun, object_id))


def storage_reached(storage_id: int) -> Wait:
    """Wait until a node answers that has a storage attached."""

    def reached(session: Session, op: OperationRow) -> bool:
        return node_reaching(session, storage_id) is not None

    reason = f"No node that answers has storage {storage_id} attached."
    return Wait(AWAY_S, reason, reached, on=awaited(ObjectKind.STORAGE, storage_id))


def vm_of(op: OperationRow) -> int:
    """The VM of an operation of a kind that is of one."""
    assert op.vm_id is not None
    return op.vm_id


def image_of(op: OperationRow) -> int:
    """The image of an operation of a kind that is of one."""
    return op.get(ObjectKind.IMAGE)


class LeaseLost(Exception):
    """The operation was given up, or another worker has it: stop at once and touch nothing more."""


BEGINS: Final = 3  # times that a call is put in line again which was not begun in time


class Work:
    """
    One claim of one operation by one worker.

    :param lease: None: it was claimed just now.
    """

    def __init__(self, op: OperationRow, worker_id: int, services: Services, lease: Lease | None = None) -> None:
        self.lease = lease or Lease()
        self.op = op
        self.services = services
        self.worker_id = worker_id
        self.step = op.step or KINDS[op.kind].first
        self.completed = False
        self.outcome = OperationState.DONE
        self._progress = op.progress

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.op.arguments

    async def db(self, function: Callable[..., T], *args: Any) -> T:
        """
        Run ``function(session, *args)`` in a transaction, if this worker still holds the operation.

        :raises LeaseLost: it does not.
        """
        return await self.services.database.transact(_fenced, self.op, self.worker_id, function, args)

    async def db_vm(self, function: Callable[..., T], *args: Any) -> T:
        """
        The same with the operation's VM, read under its lock: ``function(session, row, *args)``. For
        operations that their VM is busy with.
        """
        return await self.services.database.transact(_fenced_vm, self.op, self.worker_id, function, args)

    async def read(self, function: Callable[..., T], *args: Any) -> T:
        return await self.services.database.read(function, *args)

    def node(self, node_id: int, deadline_s: float | None = None) -> NodeCalls:
        """
        A node, to be asked: ``Fleet.node``, while this worker holds the operation. What is under way already when it is
        taken over nobody stops: steps see to that where it would harm.

        :raises LeaseLost: it does not: the call was not begun.
        """
        return _HeldNode(self, node_id, deadline_s)

    async def keep(self) -> None:
        """:raises LeaseLost: this worker does not hold the operation."""
        if not self.lease.sure:
            asked_at = steady_seconds()
            if not await self.services.database.transact(keep_lease, self.op, self.worker_id):
                raise LeaseLost()
            self.lease.renewed(asked_at)

    async def begin(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        :param call: makes a call that checks the lease on its thread.
        :raises LeaseLost: this worker does not hold the operation.
        """
        for _ in range(BEGINS):
            await self.keep()
            try:
                return await call()
            except Stale:
                continue
        raise Overloaded()

    async def run_images(self, function: Callable[..., T], *args: Any, deadline_s: float | None = None) -> T:
        """Run blocking work on local image files, in the share of threads of the account whose operation it is."""
        before = on_behalf.get()
        on_behalf.set(self.op.account_id)
        try:
            return await self.services.threads.run("images", function, *args, deadline_s=deadline_s)
        finally:
            on_behalf.set(before)

    async def progress(self, percent: int) -> None:
        """Record how far the operation is; it never goes back."""
        if percent > self._progress:
            self._progress = percent
            await self.db(record_step, self.op.id, self.step, min(percent, 99))

    async def complete(
        self, function: Callable[..., Any] | None = None, *args: Any, result: dict[str, Any] | None = None
    ) -> None:
        """End the operation well, with ``function(session, *args)`` in the same transaction. For the last step."""
        await self.db(_complete, self.op, function, args, result or {})
        self.completed = True

    async def note(self, **note: Any) -> None:
        """Keep something in the operation's arguments, for its later steps and attempts."""
        await self.db(keep_note, self.op.id, note)
        self.op = replace(self.op, arguments={**self.op.arguments, **note})

    async def give_way(self) -> None:
        """End an operation of a kind that yields, as far as it is."""
        await self.db(_give_way, self.op)
        self.completed, self.outcome = True, OperationState.ABANDONED


class _HeldNode(NodeCalls):
    def __init__(self, work: Work, node_id: int, deadline_s: float | None) -> None:
        self._work = work
        self._node = work.services.fleet.node(node_id, deadline_s)

    def run(self, job: Job[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        check = self._work.lease.check

        def held(node: INode, /, *args: P.args, **kwargs: P.kwargs) -> R:
            check()
            return job.function(node, *args, **kwargs)

        held_job = replace(job, function=held)
        return self._work.begin(lambda: self._node.run(held_job, *args, **kwargs))


def _fenced(session: Session, op: OperationRow, worker_id: int, function: Callable[..., T], args: tuple[Any, ...]) -> T:
    if not holds(session, op, worker_id):
        raise LeaseLost()
    return function(session, *args)


def _fenced_vm(
    session: Session, op: OperationRow, worker_id: int, function: Callable[..., T], args: tuple[Any, ...]
) -> T:
    assert op.vm_id is not None and not op.concurrent
    row = hold_vm(session, op.vm_id, op.id, worker_id, op.attempts)
    if row is None:
        raise LeaseLost()
    return function(session, row, *args)


def _complete(
    session: Session,
    op: OperationRow,
    function: Callable[..., Any] | None,
    args: tuple[Any, ...],
    result: dict[str, Any],
) -> None:
    finish(session, op.id, OperationState.DONE, result=result)
    if function is not None:
        function(session, *args)
    tell_done(session, op)
    wake_parent(session, op.parent_id)
    if op.vm_id is not None:
        render_live(session, op.vm_id)


def _give_way(session: Session, op: OperationRow) -> None:
    finish(session, op.id, OperationState.ABANDONED, user_text=TOLD, result={GAVE_WAY: True})
    wake(session, OPERATION, op.id)


async def await_yielding(work: Work) -> None:
    """Before the first step: wait until those have ended that give way to the operation."""
    other = await work.read(first_open, work.arguments[BEHIND])
    if other is not None:
        name = SPECS[other.kind].yields.format(**{noun: other.find(ObjectKind(noun)) for noun in other.about})
        raise Wait(OTHERS_S, f"Waits for {name} to end.", _none_before, on=awaited(OPERATION, other.id))


def _none_before(session: Session, op: OperationRow) -> bool:
    return first_open(session, op.arguments[BEHIND]) is None


async def await_children(work: Work) -> Sequence[OperationRow]:
    """
    For a step: wait until all that the operation waits for have ended. Its progress is the mean of theirs.

    :return: they, oldest first.
    """
    children = await work.db(list_children, work.op.id)
    going_on = [child.progress for child in children if child.state in OPEN_OPERATIONS]
    if not going_on:
        return children
    ended = len(children) - len(going_on)
    await work.progress((100 * ended + sum(going_on)) // len(children))
    told = f"{ended} of {len(children)} have ended."
    raise Wait(CHILDREN_S, told, _all_ended, on=awaited(OPERATION, work.op.id))


def _all_ended(session: Session, op: OperationRow) -> bool:
    return all(child.state not in OPEN_OPERATIONS for child in list_children(session, op.id))


Step = Callable[[Work], Awaitable[None]]


class Kind(Ends):
    """
    One kind of operation. Subclasses name their ``kind`` and ``steps``; the last step calls ``Work.complete``.

    A step's name is what the journal keeps and callers are shown: an operation that waits goes on with the step of that
    name, under whichever release. One that is renamed or taken away leaves behind those who wait in it.
    """

    steps: ClassVar[dict[str, Step]]

    def after(self, step: str) -> str:
        """The name of the next step. The last one ends the operation, so nothing comes after it."""
        names = list(self.steps)
        return names[names.index(step) + 1]

    def failed(self, session: Session, op: OperationRow, error: CloudError) -> None:
        """What its failure undoes or records, in the transaction that marks it failed."""

    def tried(self, op: OperationRow, error: CloudError) -> dict[str, Any]:
        """
        An attempt failed, and another is to follow.

        :return: what is to be found in the arguments then.
        :raises CloudError: enough is enough: the operation fails with this.
        """
        return {}


KINDS: dict[OperationKind, Kind] = {}


def register(kind: type[Kind]) -> type[Kind]:
    """Class decorator: make a kind known to the engine."""
    KINDS[kind.kind] = ENDS[kind.kind] = kind()
    return kind
