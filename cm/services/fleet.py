"""
The nodes' drivers: one per node, opened when first used; every call on that node's own threads, with a deadline.

A node has three pools of threads, as its driver has three of connections: slow calls must not keep a pass from looking
at the node. Of those that last, copies and uploads, half of the slow pool may be taken, so that VMs start and end there
meanwhile. Streams have the third, each its own thread: who asks for one too many is told so at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from twisted.logger import Logger

from cm.interfaces.calls import DEADLINE_S, Job, NodeCalls, P, Pace, R
from cm.interfaces.hypervisor import NodeInfo
from cm.interfaces.node import INode, Opener
from cm.rpc.errors import DeadlineExceeded, NodeBusy, NodeUnreachable, Overloaded, TooManyAtOnce
from cm.runtime.database import Database
from cm.runtime.pool import on_behalf
from cm.runtime.threads import NODE_SLOW_SIZE, NODE_STREAM_SHARE, NODE_STREAM_SIZE, IThreads
from cm.store.node import NodeAddress, node_address

log = Logger()
LASTING_MAX: Final = NODE_SLOW_SIZE // 2  # at a node, of each process
_POOLS: Final = {Pace.QUICK: "node", Pace.SLOW: "node-slow", Pace.LASTING: "node-slow", Pace.STREAM: "node-stream"}


class Fleet:
    def __init__(self, database: Database, threads: IThreads, opener: Opener) -> None:
        self._database = database
        self._threads = threads
        self._opener = opener
        self._drivers: dict[int, tuple[NodeAddress, INode]] = {}
        self._lasting: Counter[int] = Counter()  # such calls under way, by node
        self._streams: Counter[tuple[int, Hashable]] = Counter()  # under way, by node and account; all under None

    def node(self, node_id: int, deadline_s: float | None = None) -> NodeCalls:
        """
        What may be asked of a node, on its threads (``interfaces/calls.py``); each call, awaited,

        :param deadline_s: in place of each call's own, for what the administrator sets.
        :raises ObjectNotFound: no such node.
        :raises NodeUnreachable: it does not answer.
        :raises DeadlineExceeded: no end in time; the thread goes on, and its outcome is unknown.
        :raises Overloaded: NodeBusy: our own threads or connections were busy: it never began, and that says nothing of
            the node.
        :raises TooManyAtOnce: a stream, and the account on whose behalf it is has as many there as one may have.
        """
        return _Node(self, node_id, deadline_s)

    async def work(
        self, node_id: int, deadline_s: float | None, job: Job[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """``node(node_id, deadline_s).run(job, *args)``."""
        driver = await self.driver(node_id)
        pool = f"{_POOLS[job.pace]}:{node_id}"
        if deadline_s is None:
            deadline_s = job.deadline_s
        with self._counted(node_id, job.pace):
            return await self._threads.run(
                pool, perform, job, lambda: job.function(driver, *args, **kwargs), deadline_s=deadline_s
            )

    @contextmanager
    def _counted(self, node_id: int, pace: Pace) -> Iterator[None]:
        """Of what lasts a node has no more at a time than it should."""
        if pace is Pace.LASTING:
            if self._lasting[node_id] >= LASTING_MAX:
                raise NodeBusy(self._name(node_id), f"{LASTING_MAX} images or disks are being copied there already")
            self._lasting[node_id] += 1
            try:
                yield
            finally:
                self._lasting[node_id] -= 1
        elif pace is Pace.STREAM:
            whose, every = (node_id, on_behalf.get()), (node_id, None)
            if whose != every and self._streams[whose] >= NODE_STREAM_SHARE:
                raise TooManyAtOnce("streams at one node", NODE_STREAM_SHARE)
            if self._streams[every] >= NODE_STREAM_SIZE:
                raise NodeBusy(self._name(node_id), f"it has {NODE_STREAM_SIZE} consoles and transfers already")
            keys = {whose, every}
            self._streams.update(keys)
            try:
                yield
            finally:
                self._streams.subtract(keys)
                for key in keys:
                    if not self._streams[key]:
                        del self._streams[key]
        else:
            yield

    def _name(self, node_id: int) -> str:
        return self._drivers[node_id][0].name if node_id in self._drivers else str(node_id)

    async def driver(self, node_id: int) -> INode:
        found = self._drivers.get(node_id)
        if found is not None:
            return found[1]
        address = await self._database.read(node_address, node_id)
        if node_id not in self._drivers:
            self._drivers[node_id] = (address, self._opener(address.uri, address.name))
        return self._drivers[node_id][1]

    async def probe(self, uri: str, name: str, deadline_s: float = DEADLINE_S) -> NodeInfo:
        """Connect to a node that is not in the cluster yet, ask it for its facts, and close."""
        return await self._threads.run("probe", _probe, self._opener, uri, name, deadline_s=deadline_s)

    async def forget(self, node_id: int) -> None:
        """Close a node's driver (it was removed, or its address changed)."""
        found = self._drivers.pop(node_id, None)
        if found is not None:
            try:
                await self._threads.run(f"node:{node_id}", found[1].close, deadline_s=DEADLINE_S)
            except (NodeUnreachable, DeadlineExceeded, Overloaded) as error:
                # A node that hangs does not hear that it is forgotten; its connections end with their keep-alive.
                log.info("node {node_id}: its connections are left: {error}", node_id=node_id, error=str(error))

    async def close(self) -> None:
        for node_id in list(self._drivers):
            try:
                await self.forget(node_id)
            except Exception:  # closing goes on with the other nodes
                log.failure("node {node_id}: closing its connections failed", node_id=node_id)


class _Node(NodeCalls):
    def __init__(self, fleet: Fleet, node_id: int, deadline_s: float | None) -> None:
        self._fleet = fleet
        self._node_id = node_id
        self._deadline_s = deadline_s

    def run(self, job: Job[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return self._fleet.work(self._node_id, self._deadline_s, job, *args, **kwargs)


def perform(job: Job[..., R], work: Callable[[], R]) -> R:
    """
    On the node's threads.

    :param job: what ``work`` does, for those who watch the threads.
    """
    return work()


def _probe(opener: Opener, uri: str, name: str) -> NodeInfo:
    driver: INode = opener(uri, name)
    try:
        return driver.open()
    finally:
        driver.close()
