"""
The engine that works the journal: claims operations that are due, runs them step by step, lets leases run out for the
dead and takes over what they left.

One per process. It lives on the reactor; everything that blocks runs elsewhere.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from cm.operations.base import KINDS, LeaseLost, Wait, Work, await_yielding
from cm.operations.lease import Lease
from cm.rpc.errors import (
    CloudError,
    DatabaseUnavailable,
    DeadlineExceeded,
    Incident,
    NodeUnreachable,
    Overloaded,
    Unavailable,
)
from cm.rpc.vocabulary import OperationState
from cm.rules.operation import BEHIND, PATIENT, SPECS, ObjectKind
from cm.runtime.loop import Loop
from cm.runtime.metrics import Metrics
from cm.runtime.pulse import Pulse
from cm.runtime.threads import NODE_SLOW_SIZE
from cm.runtime.wall import steady_seconds, utc_now
from cm.services.context import Services
from cm.services.kind import look_at_holder
from cm.services.message import tell_failed
from cm.store.message import where_of
from cm.store.operation import OperationRow
from cm.store.vm import render_live
from cm.store.waking import awaited, hold_awaited, wake_parent
from cm.store.worker import (
    LEASE_S,
    SILENT_S,
    claim_operations,
    clear_mark,
    dead_in,
    due_in,
    finish,
    holds,
    put_back,
    renew_leases,
    take_over,
)

log = Logger()

RENEW_S: Final = SILENT_S / 2
LOOK_S: Final = 2.0  # between looks for the dead; one that is silent is looked at again when that says something
# Our own lock is held for so long before others' missing ones say something: after an outage of the database everybody
# comes back, not all at once.
SETTLED_S: Final = 3.0
POLL_S: Final = 0.5  # at the least between looks for what becomes due by time alone; all else is notified
LOST_S: Final = 60.0  # a look takes at most the 30 s that a statement may, and the rest before it
IDLE_S: Final = 5.0  # at the most: what is due later is known by then
PARALLEL: Final = 32  # operations under way in one process
PER_NODE: Final = NODE_SLOW_SIZE  # of them on one node: more would only queue for its slow threads and connections
BACKOFF_MAX_S: Final = 30.0
NEWER_S: Final = 5.0  # until it is another worker's turn, which may be of another release
NEWER: Final = "Its next step, {step}, is not one of this release; a manager whose release knows it goes on with it."
ASKED_MAX_S: Final = 3600.0  # whatever a server asks for (Retry-After): an operation has a deadline too


class Engine:
    """
    :param worker_id: this process in the table ``worker``; its advisory lock is held by the listener.
    """

    def __init__(self, services: Services, clock: IReactorTime, worker_id: int, metrics: Metrics | None = None) -> None:
        self._services = services
        self._metrics = metrics
        self._clock = clock
        self.worker_id = worker_id
        self._running: dict[int, OperationRow] = {}
        self._held: dict[int, Lease] = {}  # of the same
        self._look_at = 0.0  # the dead are looked for, by the clock
        self._pumping = False
        self._again = False
        self._stopping = False
        self._idle: Deferred[None] | None = None
        self.leases = Loop(clock, "the journal's leases", RENEW_S, self._tend)
        self._next: Any = None  # the timer of the next look
        self._woken: Any = None  # that of one at once
        self.pulse = Pulse(clock, "the journal", LOST_S)

    # -------------------------------------------------------------- life

    def start(self) -> None:
        self.leases.start()
        self.wake()

    async def stop(self, grace_s: float = 10.0) -> None:
        """Claim no more; let what is under way come to the end of its step or of the grace."""
        self._stopping = True
        self.pulse.stop()
        self.leases.stop()
        for timer in (self._next, self._woken):
            if timer is not None and timer.active():
                timer.cancel()
        if self._running:
            self._idle = Deferred()
            timer = self._clock.callLater(grace_s, self._give_up)
            await self._idle
            if timer.active():
                timer.cancel()

    def _give_up(self) -> None:
        if self._idle is not None and not self._idle.called:
            self._idle.callback(None)

    def _failed(self, failure: Any) -> None:
        if failure.check(DatabaseUnavailable, Overloaded):
            log.warn("the journal waits: {error}", error=str(failure.value))
        else:
            log.failure("the journal's loop failed", failure=failure)

    def wake(self, _payload: str = "") -> None:
        """
        There may be something to do: look, once however often this is called meanwhile. What made it so is ended
        first, such as a call that is still to be answered: the look's thread would take the interpreter from it.
        """
        if self._pumping:
            self._again = True
        elif self._woken is None and not self._stopping:
            self._woken = self._clock.callLater(0, self._begin)

    def _begin(self) -> None:
        self._woken = None
        Deferred.fromCoroutine(self._pump()).addErrback(self._failed)

    # -------------------------------------------------------------- claiming

    async def _pump(self) -> None:
        if self._pumping or self._stopping:
            self._again = True
            return
        self._pumping = True
        wait_s: float | None = None
        try:
            while not self._stopping:
                self._again = False
                self.pulse.beat()
                room = PARALLEL - len(self._running)
                if room <= 0:
                    return
                busy = Counter(op.node_id for op in self._running.values() if op.node_id and SPECS[op.kind].calls_node)
                full = [node_id for node_id, count in busy.items() if count >= PER_NODE]
                # A few at a time, so that the claims of one round cannot overfill a node.
                asked_at = steady_seconds()
                claimed, wait_s = await self._services.database.transact(
                    _claim, self.worker_id, min(room, PER_NODE), full
                )
                for op in claimed:
                    self._running[op.id] = op
                    self._held[op.id] = Lease(asked_at)
                    Deferred.fromCoroutine(self._run(op)).addErrback(self._failed)
                if wait_s is not None and not self._again:
                    return
        finally:
            self._pumping = False
            self._look_in(POLL_S if self._again or wait_s is None else max(POLL_S, wait_s))

    def _look_in(self, seconds: float) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        if not self._stopping:
            self._next = self._clock.callLater(seconds, self._poll)

    def _poll(self) -> None:
        Deferred.fromCoroutine(self._look()).addErrback(self._failed)

    async def _look(self) -> None:
        """Claim only where something is due: mostly nothing is, and to ask costs a third of trying."""
        self.pulse.beat()
        wait_s = 0.0
        try:
            wait_s = await self._services.database.read(due_in, IDLE_S)
        finally:
            if wait_s > 0 or self._stopping:
                self._look_in(max(POLL_S, wait_s))
            else:
                self.wake()

    async def _tend(self) -> None:
        """Renew the leases of what is under way, and take over what the dead left."""
        if self._running:
            await self._renew()
        if self._clock.seconds() >= self._look_at:
            await self._look_for_dead()

    async def _renew(self) -> None:
        asked_at = steady_seconds()
        ours = await self._services.database.transact(renew_leases, self.worker_id, list(self._running), LEASE_S)
        for operation_id in ours:
            if operation_id in self._held:
                self._held[operation_id].renewed(asked_at)

    async def _look_for_dead(self) -> None:
        database, by_lock = self._services.database, self._services.signals.held_s >= SETTLED_S
        left_s = await database.read(dead_in, self.worker_id, by_lock)
        if left_s is None or left_s >= 0:
            wait_s = LOOK_S if left_s is None else min(LOOK_S, left_s + 0.01)
            self._look_at = self._clock.seconds() + wait_s
            self.leases.within(wait_s)
            return
        taken = await self._services.database.transact(take_over, self.worker_id, by_lock)
        if taken:
            log.info("took over {count} operations of dead workers: {ids}", count=len(taken), ids=list(taken))
            self.wake()

    # -------------------------------------------------------------- running

    async def _run(self, op: OperationRow) -> None:
        lease = self._held[op.id]
        work = Work(op, self.worker_id, self._services, lease)
        try:
            await self._walk(work)
        except LeaseLost:
            log.info("operation {id} ({kind}) was given up or taken over", id=op.id, kind=op.kind)
            await self._insist(_stopped, self.worker_id, op)
        finally:
            if self._held.get(op.id) is lease:  # else it was lost, and claimed anew by ourselves
                del self._running[op.id], self._held[op.id]
            if self._stopping and not self._running:
                self._give_up()
            self.wake()

    async def _walk(self, work: Work) -> None:
        op, kind = work.op, KINDS[work.op.kind]
        try:
            if utc_now() > op.deadline:
                seconds = (op.deadline - op.created_at).total_seconds()
                late = DeadlineExceeded(f"operation {op.id} ({op.kind})", seconds, op.user_text)
                if op.admin_text != op.user_text:
                    late.add_note(op.admin_text)
                raise late
            if BEHIND in op.arguments:
                await await_yielding(work)
            while not work.completed:
                step = kind.steps.get(work.step)
                if step is None:
                    raise Wait(NEWER_S, NEWER.format(step=work.step))
                await step(work)
                if not work.completed:
                    work.step = kind.after(work.step)
                    if self._stopping:
                        raise Wait(0.0, "")
            told = "operation {id} ({kind}) of VM {vm_id} is {state}"
            log.info(told, id=op.id, kind=op.kind, vm_id=op.vm_id, state=work.outcome)
            self._measure(op, work.outcome)
        except LeaseLost:
            raise
        except Wait as wait:
            await self._hold(work, wait, None)
        except CloudError as error:
            final = isinstance(error, DeadlineExceeded) and utc_now() > op.deadline
            # Later it may work. After one call's DeadlineExceeded the outcome is unknown, but steps look first.
            if not final and (_is_patient(work) or isinstance(error, (Unavailable, Overloaded))):
                await self._retry(work, error)
            else:
                await self._fail(work, error)
        except Exception:
            if not await self._holds(work):
                # What it needed may have been taken from under it: an import's file goes with the import.
                log.failure("operation {id} ({kind}) broke off", id=op.id, kind=op.kind, level=LogLevel.info)
                raise LeaseLost() from None
            incident = f"operation-{op.id}-{op.attempts}"
            log.failure("operation {id} ({kind}): incident {incident}", id=op.id, kind=op.kind, incident=incident)
            broken = Incident(incident)
            if _is_patient(work) or op.attempts < 2:
                await self._retry(work, broken)
            else:
                await self._fail(work, broken)

    async def _holds(self, work: Work) -> bool:
        """Whether it is still this worker's; if the database cannot be asked, it is taken to be."""
        try:
            held: bool = await self._services.database.transact(holds, work.op, self.worker_id)
        except (DatabaseUnavailable, Overloaded):
            return True
        return held

    async def _retry(self, work: Work, error: CloudError) -> None:
        try:
            note = KINDS[work.op.kind].tried(work.op, error)
        except CloudError as enough:
            await self._fail(work, enough)
            return
        delay = min(0.2 * 2 ** min(work.op.attempts, 10), BACKOFF_MAX_S) * random.uniform(0.7, 1.3)
        delay = max(delay, min(float(getattr(error, "after_s", 0.0)), ASKED_MAX_S))
        log.warn(
            "operation {id} ({kind}) goes on in {delay} s: {error}",
            id=work.op.id,
            kind=work.op.kind,
            delay=round(delay, 1),
            error=error.for_administrator(),
        )
        away = isinstance(error, NodeUnreachable) and work.op.node_id is not None
        on = awaited(ObjectKind.NODE, work.op.node_id or 0) if away else ""
        await self._hold(work, Wait(delay, error.for_user(), on=on, **note), error)

    async def _hold(self, work: Work, wait: Wait, failure: CloudError | None) -> None:
        assert wait.note.keys() <= set(KINDS[work.op.kind].notes), "a note that a retry would not know to drop"
        await self._insist(_put_back, work.worker_id, work.op, work.step, wait, failure)

    async def _fail(self, work: Work, error: CloudError) -> None:
        log.error(
            "operation {id} ({kind}) of VM {vm_id} failed: {error}",
            id=work.op.id,
            kind=work.op.kind,
            vm_id=work.op.vm_id,
            error=error.for_administrator(),
        )
        await self._insist(_fail, work.worker_id, work.op, error)
        self._measure(work.op, "failed")

    def _measure(self, op: OperationRow, state: str) -> None:
        if self._metrics is not None:
            self._metrics.operation(op.kind, state, (utc_now() - op.created_at).total_seconds())

    async def _insist(self, function: Any, *args: Any) -> None:
        """A transaction that must happen: go on until the database is back. Should we die, the lease runs out."""
        while True:
            try:
                await self._services.database.transact(function, *args)
                return
            except (DatabaseUnavailable, Overloaded):
                if self._stopping:
                    return
                pause: Deferred[None] = Deferred()
                self._clock.callLater(1.0, pause.callback, None)
                await pause


def _claim(
    session: Session, worker_id: int, limit: int, full_nodes: Sequence[int]
) -> tuple[Sequence[OperationRow], float | None]:
    """What is due; and where that is all, in how many seconds more is."""
    claimed = claim_operations(session, worker_id, limit, full_nodes, LEASE_S)
    return claimed, None if len(claimed) == limit else due_in(session, IDLE_S)


def _stopped(session: Session, worker_id: int, op: OperationRow) -> None:
    """A worker touches no more what was given up; what it did last came after whatever was done about that."""
    clear_mark(session, op.id, worker_id, op.attempts)
    look_at_holder(session, op)


def _is_patient(work: Work) -> bool:
    return KINDS[work.op.kind].spec.patient or bool(work.arguments.get(PATIENT))


def _put_back(
    session: Session, worker_id: int, op: OperationRow, step: str, wait: Wait, failure: CloudError | None
) -> None:
    if not holds(session, op, worker_id):
        clear_mark(session, op.id, worker_id, op.attempts)
        return
    # Evidence may have arrived since the step looked; its wake-up found nobody waiting yet.
    if wait.unless is not None and not _locked_by(op, wait.on):
        hold_awaited(session, wait.on)
    seconds = 0.0 if wait.unless is not None and wait.unless(session, op) else wait.seconds
    told = wait.reason if failure is None else failure.for_administrator()
    put_back(
        session,
        op.id,
        seconds=seconds,
        waiting=failure is None,
        step=step,
        waits_for=wait.on,
        user_text=wait.reason,
        admin_text=told,
        note=wait.note,
    )


def _locked_by(op: OperationRow, what: str) -> bool:
    """Whether what an operation waits for is its own VM, whose row ``holds`` has locked."""
    return op.vm_id is not None and what == awaited(ObjectKind.VM, op.vm_id)


def _fail(session: Session, worker_id: int, op: OperationRow, error: CloudError) -> None:
    if not holds(session, op, worker_id):
        clear_mark(session, op.id, worker_id, op.attempts)
        return
    where = str(where_of(session, op))
    told, more = error.for_user(), (f"{where}: " if where else "") + error.for_administrator()
    finish(session, op.id, OperationState.FAILED, error=error.code, user_text=told, admin_text=more)
    KINDS[op.kind].failed(session, op, error)
    look_at_holder(session, op)
    tell_failed(session, op, error)
    wake_parent(session, op.parent_id)
    if op.vm_id is not None:
        render_live(session, op.vm_id)
