"""
Where blocking work runs: pools of threads, each named for what it waits on, so that what hangs holds only its own.

The pools are our own, not ``twisted.python.threadpool``: see ``pool.py``.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, gatherResults
from zope.interface import Interface, implementer

from cm.rpc.errors import Overloaded
from cm.runtime.interface import interface_method
from cm.runtime.pool import Company, Pool, on_behalf

Result = TypeVar("Result")

NODE_SIZE: Final = 4  # of each "node:<name>", and connections; libvirt works on five calls of a client at a time
NODE_SLOW_SIZE: Final = 6  # of each "node-slow:<name>"; the engine runs no more operations at one node
NODE_STREAM_SIZE: Final = 16  # of each "node-stream:<name>": a console or a transfer has one as long as it lasts
NODE_STREAM_SHARE: Final = 4  # of them, those of one account
SIZES: Final = {
    "database": 8, "reads": 8, "images": 4, "password": 1, "probe": 2, "node": NODE_SIZE, "node-slow": NODE_SLOW_SIZE,
    "node-stream": NODE_STREAM_SIZE, "uploads": 16, "measuring": 1,
}  # fmt: skip
# How many calls of a pool are at work at once, as long as each is brief and several accounts call. Those that compute
# hold the one interpreter in turn: more of them get little done sooner, but whoever answers a short read has to win it
# from each of them, some times a call. During a burst of one user another's reads took eight times as long, now twice
# (``benchmarks/run --only scale``).
BRISK: Final = {"database": 2}
QUEUE_MAX: Final = 1000  # calls waiting in one pool
SHARE: Final = 0.125  # of a pool's threads, that work on behalf of one at most: others find one free at once


class IThreads(Interface):
    """Runs blocking functions away from the reactor's thread."""

    @interface_method
    async def run(pool: str, function: Callable[..., Result], *args: Any, deadline_s: float | None = None) -> Result:
        """
        Run a function in a thread of a pool and give its result. The caller's context variables go with it.

        :param pool: what the function waits on: ``database``, ``images``, ``password``, ``node:<name>``...
        :param deadline_s: seconds from the moment the call begins, and as many at the most for it to begin: what
            waited in our own queue had the whole time all the same. A call that has begun cannot be stopped: its thread
            goes on and its result is dropped.
        :raises DeadlineExceeded: it began, and had not ended so many seconds later: evidence of what it waits on. Where
            this process itself stood still meanwhile, it has some seconds more, once.
        :raises Overloaded: it never began, and never will: too many calls wait in this pool, or waited before it for
            the whole deadline, or the pools are stopped. That says nothing of what the pool waits on.
        """

    @interface_method
    def note() -> None:
        """Tell of a call, on whose behalf it is, that may be answered without any of these threads."""


@implementer(IThreads)
class InlineThreads:
    """Runs everything at once in the calling thread; for tests. Deadlines do not pass."""

    def __init__(self) -> None:
        self.pools: list[str] = []  # one entry per call, for assertions

    async def run(
        self, pool: str, function: Callable[..., Result], *args: Any, deadline_s: float | None = None
    ) -> Result:
        self.pools.append(pool)
        return contextvars.copy_context().run(function, *args)

    def note(self) -> None:
        pass

    async def stop(self, grace_s: float = 0) -> None:
        pass


def size_of(pool: str, sizes: Mapping[str, int] = SIZES) -> int:
    """Threads of a pool; a name before a colon stands for all pools of that kind."""
    size = sizes.get(pool) or sizes.get(pool.partition(":")[0])
    if size is None:
        raise ValueError(f"no size is known for the thread pool {pool}")
    return size


@implementer(IThreads)
class Threads:
    """
    The real provider.

    :param reactor: an ``IReactorTime`` and ``IReactorFromThreads``; ``run`` belongs to its thread.
    :param sizes: threads per pool; a name before a colon stands for all pools of that kind (``{"node": 4}``).
    :param share: the part of a pool's threads that works for one account at most, and for at least one of its calls.
        What waits is taken up in turn between accounts. An account that has been alone in the pool for ``ALONE_S`` may
        have all but that part, so that others still find a thread free at once.
    """

    def __init__(
        self,
        reactor: Any,
        sizes: Mapping[str, int] | None = None,
        queue_max: int = QUEUE_MAX,
        share: float = SHARE,
    ) -> None:
        self._reactor = reactor
        self._sizes = {**SIZES, **(sizes or {})}
        self._queue_max = queue_max
        self._share = share
        self._pools: dict[str, Pool] = {}
        self._company = Company(reactor)
        self._stopped = False

    async def run(
        self, pool: str, function: Callable[..., Result], *args: Any, deadline_s: float | None = None
    ) -> Result:
        found = self._pools.get(pool)
        if found is None:
            found = self._make(pool)
        self._company.note(on_behalf.get())
        result: Result = await found.submit(function, args, deadline_s)
        return result

    def note(self) -> None:
        self._company.note(on_behalf.get())

    def _make(self, name: str) -> Pool:
        if self._stopped:
            raise Overloaded()
        size = size_of(name, self._sizes)
        # Who asks for a stream is refused beyond their share (``services/fleet.py``), and does not wait for one to end.
        share = NODE_STREAM_SHARE if name.startswith("node-stream:") else max(1, int(size * self._share))
        brisk = min(size, BRISK.get(name, size))
        self._pools[name] = made = Pool(self._reactor, name, size, self._queue_max, share, brisk, self._company)
        return made

    def waiting(self) -> dict[str, int]:
        """Calls under way or queued, by pool; for metrics."""
        return {name: pool.pending for name, pool in self._pools.items()}

    def forget(self, pool: str) -> None:
        """Let a pool go (a node that was removed): what it was given is done, then its threads end."""
        found = self._pools.pop(pool, None)
        if found is not None:
            found.close()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Refuse new calls and wait for those under way, for at most the grace; threads that hang are left behind."""
        self._stopped = True
        pools, self._pools = list(self._pools.values()), {}
        await gatherResults([Deferred.fromCoroutine(pool.stop(grace_s)) for pool in pools])
