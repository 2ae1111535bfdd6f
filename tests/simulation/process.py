"""
A manager's process inside the simulation: its reactor, threads and notifications, and its death.

Whatever blocks is a *step*: it begins a little after it was asked for, happens in one moment, and its result comes a
little later. Between any two of these a process may be killed; then nothing of it ever happens again.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from sqlalchemy.engine import make_url
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from cm.interfaces.calls import Pace
from cm.rpc.errors import DeadlineExceeded, NodeUnreachable, Overloaded
from cm.runtime.listener import Listener
from cm.runtime.pool import HELD_UP_S, SPARED_S
from cm.runtime.threads import SIZES, IThreads, size_of
from cm.runtime.wall import steady_seconds
from cm.services.fleet import perform
from simulation.silence import Waits

if TYPE_CHECKING:
    from simulation.schedule import Event
    from simulation.simulation import Simulation


class Killed(BaseException):
    """The process died while this function was under way: what it had done is done, the rest never is."""


class Process:
    """One life of a program."""

    is_cloud = False

    def __init__(self, simulation: Simulation, name: str) -> None:
        self.simulation = simulation
        self.name = name
        self.alive = True
        self.skew_s = 0.0
        self.stalled_until = 0.0  # its machine gives it no time until then
        self.reactor = SimReactor(self)
        self.threads = SimThreads(self)
        self.listener: SimListener | None = None
        self.manager: Any = None
        self.endpoint: Any = None
        # What the dead would still do must not be collected: a coroutine that is runs its ``finally`` clauses.
        self.remains: list[Any] = []
        self._ends: dict[int, Callable[[], None]] = {}
        self._end_number = 0

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call as this process: its clock is the wall clock meanwhile."""
        simulation = self.simulation
        before, simulation.running = simulation.running, self
        try:
            return function(*args, **kwargs)
        finally:
            simulation.running = before

    def happen(self, function: Callable[..., Any], args: Any, kwargs: Any = MappingProxyType({})) -> None:
        """Call as this process, unless it has died meanwhile; once it has time."""
        if self.alive and self.stalled(self.happen, function, args, kwargs):
            return
        if self.alive:
            self.run(function, *args, **kwargs)
        else:
            self.remains.append((function, args))

    def stalled(self, function: Callable[..., Any], *args: Any) -> bool:
        """Whether it has no time now; what is to happen does so then, in its order."""
        schedule = self.simulation.schedule
        left_s = self.stalled_until - schedule.seconds()
        if left_s > 0:
            schedule.callLater(left_s, function, *args)
        return left_s > 0

    def when_dead(self, function: Callable[[], None]) -> Callable[[], None]:
        """Have ``function`` called when it is killed, as others notice it; the answer calls that off."""
        self._end_number += 1
        number = self._end_number
        self._ends[number] = function

        def call_off() -> None:
            self._ends.pop(number, None)

        return call_off

    def kill(self) -> None:
        self.alive = False
        self.simulation.note("kill", self.name)
        ends, self._ends = self._ends, {}
        for function in ends.values():
            function()
        if self.listener is not None:
            self.listener.cut()
        if self.manager is not None:
            self.manager.database.close()


@implementer(IReactorTime)
class SimReactor:
    """The part of a reactor that managers use, of one process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._schedule = process.simulation.schedule

    def seconds(self) -> float:
        return self._schedule.seconds()

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> Event:
        return self._schedule.callLater(delay, self._process.happen, callable, args, kwargs)

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._schedule.callLater(0, self._process.happen, callable, args, kwargs)

    def getDelayedCalls(self) -> list[Event]:
        return self._schedule.getDelayedCalls()


EVENT: Final = "take_event"  # the step in which what a hook told is stored
# Of each process; those of the cloud manager are named where it starts.
THREADS: Final = {**SIZES, "mail": 1, "duties": 1, "oidc": 4}


class Pool:
    """So many threads, and who waits for one."""

    __slots__ = ("size", "busy", "late", "queue")

    def __init__(self, size: int) -> None:
        self.size = size
        self.busy = 0
        self.late = 0  # those whose call overran its deadline: others take their place
        self.queue: deque[Job] = deque()

    def has_room(self) -> bool:
        return self.busy - self.late < self.size and self.busy < 2 * self.size


class Job:
    """
    :ivar answers: what its calls to a node were answered, where one may yet have to wait for a storage; ``calls``: how
        many it has made.
    """

    __slots__ = ("pool", "function", "args", "context", "deferred", "timer", "due_at", "spared", "begun_at", "late",
                 "answers", "calls")  # fmt: skip

    def __init__(self, pool: str, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.pool = pool
        self.function = function
        self.args = args
        self.context = contextvars.copy_context()
        self.deferred: Deferred[Any] = Deferred()
        self.timer: Any = None
        self.due_at = 0.0
        self.spared = False
        self.begun_at: float | None = None
        self.late = False
        self.answers: list[tuple[bool, Any]] = []
        self.calls = 0


@implementer(IThreads)
class SimThreads:
    """Blocking work, one step at a time, after delays that are drawn; in pools of the size that they really have."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._stopped = False
        self._pools: dict[str, Pool] = {}
        self.job: Job | None = None  # that is done just now

    async def run(
        self, pool: str, function: Callable[..., Any], *args: Any, deadline_s: float | None = None
    ) -> Any:
        process = self._process
        job = Job(pool, function, args)
        process.remains.append(job) if not process.alive else None
        if process.alive:
            if self._stopped:
                raise Overloaded()
            if deadline_s is not None:
                self._watch(job, deadline_s, deadline_s)
            self._pool(pool).queue.append(job)
            self._next(pool)
        return await job.deferred

    def note(self) -> None:
        pass

    def _pool(self, name: str) -> Pool:
        if name not in self._pools:
            self._pools[name] = Pool(size_of(name, THREADS))
        return self._pools[name]

    def _next(self, name: str) -> None:
        """Threads that are free take what waits."""
        pool, simulation = self._pool(name), self._process.simulation
        while pool.queue and pool.has_room():
            job = pool.queue.popleft()
            pool.busy += 1
            job.begun_at = simulation.schedule.seconds()
            simulation.schedule.callLater(simulation.delay_s(name, pace_of(job)), self._begin, job)

    def _watch(self, job: Job, seconds: float, deadline_s: float) -> None:
        job.due_at = self._process.simulation.schedule.seconds() + seconds
        job.timer = self._process.reactor.callLater(seconds, self._overrun, job, deadline_s)

    def _overrun(self, job: Job, deadline_s: float) -> None:
        """As ``Threads``: what never began says nothing, and never will; who stood still gives some seconds more."""
        if job.deferred.called:
            return
        if not job.spared and self._process.simulation.schedule.seconds() - job.due_at > HELD_UP_S:
            job.spared = True
            self._watch(job, SPARED_S, deadline_s)
            return
        pool = self._pool(job.pool)
        if job.begun_at is None:
            pool.queue.remove(job)
            job.deferred.errback(Failure(Overloaded()))
            return
        left_s = job.begun_at + deadline_s - self._process.simulation.schedule.seconds()
        if left_s > 0:
            self._watch(job, left_s, deadline_s)
            return
        job.late = True
        pool.late += 1
        job.deferred.errback(Failure(DeadlineExceeded(f"waiting for {job.pool.partition(':')[0]}", deadline_s)))
        self._next(job.pool)

    def _begin(self, job: Job) -> None:
        process, simulation = self._process, self._process.simulation
        if not process.alive:
            process.remains.append(job)
            return
        if process.stalled(self._begin, job):
            return
        node = simulation.node_of(job.pool)
        if node is not None and node.hangs_until > simulation.schedule.seconds():
            # libvirt's keep-alive ends the call; should the node wake up before, it does what it was asked.
            left_s = node.hangs_until - simulation.schedule.seconds()
            node.silent_at = simulation.schedule.seconds()
            if left_s > node.KEEPALIVE_S:
                error = NodeUnreachable(node.name, "connection closed due to keepalive timeout")
                simulation.schedule.callLater(node.KEEPALIVE_S, self._deliver, job, False, error)
            else:
                simulation.schedule.callLater(left_s + 0.01, self._begin, job)
            return
        process.run(self._perform, job)

    def _perform(self, job: Job) -> None:
        process, simulation = self._process, self._process.simulation
        if simulation.crash_point(process, f"{job.pool.partition(':')[0]} {name_of(job)}", before=True):
            process.remains.append(job)
            return
        value: Any
        if simulation.unstored and name_of(job) == EVENT:
            simulation.unstored -= 1
            simulation.commit_fault = "lost"
        self.job, job.calls = job, 0
        try:
            value, well = job.context.run(job.function, *job.args), True
        except Killed:
            process.remains.append(job)
            return
        except Waits:
            simulation.silence.wait(self._begin, job)
            return
        except Exception as error:
            value, well = error, False
            node = simulation.node_of(job.pool)
            if node is not None and isinstance(error, NodeUnreachable):
                node.silent_at = simulation.schedule.seconds()
        finally:
            self.job = None
        if simulation.crash_point(process, f"{job.pool.partition(':')[0]} {name_of(job)}", before=False):
            process.remains.append(job)
            return
        simulation.schedule.callLater(simulation.answer_s(job.pool), self._deliver, job, well, value)

    def _deliver(self, job: Job, well: bool, value: Any) -> None:
        process = self._process
        if not process.alive:
            process.remains.append(job)
            return
        if process.stalled(self._deliver, job, well, value):
            return
        pool = self._pool(job.pool)
        pool.busy -= 1
        pool.late -= job.late
        process.run(self._next, job.pool)
        if job.deferred.called:
            return  # its deadline passed
        if job.timer is not None and job.timer.active():
            job.timer.cancel()
        if well:
            process.run(job.deferred.callback, value)
        else:
            process.run(job.deferred.errback, Failure(value))

    def waiting(self) -> dict[str, int]:
        return {}

    def forget(self, pool: str) -> None:
        pass

    async def stop(self, grace_s: float = 5.0) -> None:
        self._stopped = True


def pace_of(job: Job) -> str:
    """Of a node's call, in whichever pool it is: "lasting", "slow" or ""."""
    if job.function is not perform or job.args[0].pace is Pace.QUICK:
        return ""
    return str(job.args[0].pace.value)


def name_of(job: Job) -> str:
    """What a step does, for the journal: the method of a driver, or the innermost function that was handed over."""
    function, args = job.function, job.args
    while True:
        if function is perform:
            return str(args[0].name)
        inner = next((each for each in args if callable(each) and hasattr(each, "__name__")), None)
        if function.__name__ not in THROUGH or inner is None:
            return function.__name__
        rest = args[args.index(inner) + 1 :]
        # What transactions are handed comes as one tuple, behind the function.
        nested = next((each for each in rest if isinstance(each, tuple) and any(callable(one) for one in each)), None)
        function, args = inner, rest if nested is None else nested


THROUGH: Final = frozenset({"_transact", "read_now", "_fenced", "_fenced_vm"})


def cut_off(connection: Any) -> None:
    """End a connection, if there is one, and its locks with it."""
    if connection is not None and not connection.closed:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock_all()")  # at once: the server would, a moment later
            connection.close()
        except psycopg2.Error:
            pass


class SimListener(Listener):
    """
    Notifications as the simulation carries them: after the commit, to every process on the database, each after a
    delay of its own. The advisory lock is the real one.
    """

    def __init__(self, process: Process, url: str) -> None:
        super().__init__(process.reactor, url)
        self._process = process
        self._begun = False
        self._connection: Any = None
        process.listener = self

    def start(self, lock: tuple[int, int] | None = None) -> Deferred[None]:
        self._lock = lock
        self._begun = True
        self.hold()
        return succeed(None)

    def hold(self) -> None:
        """Connect, and take the lock that says that this process lives."""
        url = make_url(self._url).set(drivername="postgresql")
        self._connection = psycopg2.connect(url.render_as_string(hide_password=False))
        self._connection.autocommit = True
        if self._lock is not None:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", self._lock)
        self.connected, self._locked_since = True, steady_seconds()

    def hear(self, payloads: list[str]) -> None:
        if self.connected:
            self._dispatch(payloads)

    def lose(self) -> None:
        """The connection ends; what is notified until ``find`` is lost."""
        self.connected, self._locked_since = False, None
        self.cut()

    def find(self) -> None:
        """It is there again, and everybody looks afresh."""
        if self._begun and not self.connected:
            self.hold()
            self._afresh()

    def cut(self) -> None:
        connection, self._connection = self._connection, None
        cut_off(connection)

    def stop(self) -> None:
        self.connected = False
        self.cut()
        self._wake_read.close()
        self._wake_write.close()
