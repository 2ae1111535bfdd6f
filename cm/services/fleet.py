"""
The nodes' drivers: one per node, opened when first used; every call on that node's own threads, with a deadline.

A node has two pools of threads, as its driver has two of connections: slow calls must not keep a pass from looking at
the node. Of those that last, copies and uploads, half of the slow pool may be taken, so that VMs start and end there
meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces.hypervisor import NodeInfo
from cm.interfaces.node import is_lasting, is_slow
from cm.rpc.errors import NodeBusy, ObjectNotFound
from cm.runtime.database import Database
from cm.runtime.threads import NODE_SLOW_SIZE, IThreads

log = Logger()
DEADLINE_S = 30.0  # for one ordinary call; storage jobs give their own
LASTING_MAX: Final = NODE_SLOW_SIZE // 2  # at a node, of each process


@dataclass(frozen=True)
class NodeAddress:
    id: int
    name: str
    uri: str


class Fleet:
    """
    :param opener: makes an ``INodeDriver`` from a URI and a name, without connecting.
    """

    def __init__(self, database: Database, threads: IThreads, opener: Callable[[str, str], Any]) -> None:
        self._database = database
        self._threads = threads
        self._opener = opener
        self._drivers: dict[int, tuple[NodeAddress, Any]] = {}
        self._lasting: Counter[int] = Counter()  # such calls under way, by node

    async def run(self, node_id: int, function: Callable[..., Any], *args: Any, deadline_s: float = DEADLINE_S) -> Any:
        """
        Run ``function(driver, *args)`` on the node's threads: its slow ones where it is marked (``interfaces.slow``).

        :raises ObjectNotFound: no such node.
        :raises NodeUnreachable: it does not answer.
        :raises DeadlineExceeded: no end in time; the thread goes on, and its outcome is unknown.
        :raises Overloaded: NodeBusy: our own threads or connections were busy: it never began, and that says nothing of
            the node.
        """
        if not getattr(function, "lasting", False):
            return await self._run(node_id, getattr(function, "slow", False), function, args, deadline_s)
        return await self._run_lasting(node_id, function, args, deadline_s)

    async def call(self, node_id: int, method: str, *args: Any, deadline_s: float = DEADLINE_S) -> Any:
        """Call one method of the node's driver; errors as in ``run``."""
        if not is_lasting(method):
            return await self._run(node_id, is_slow(method), _invoke, (method, args), deadline_s)
        return await self._run_lasting(node_id, _invoke, (method, args), deadline_s)

    async def _run_lasting(
        self, node_id: int, function: Callable[..., Any], args: tuple[Any, ...], deadline_s: float
    ) -> Any:
        await self.driver(node_id)
        if self._lasting[node_id] >= LASTING_MAX:
            name = self._drivers[node_id][0].name if node_id in self._drivers else str(node_id)
            raise NodeBusy(name, f"{LASTING_MAX} images or disks are being copied there already")
        self._lasting[node_id] += 1
        try:
            return await self._run(node_id, True, function, args, deadline_s)
        finally:
            self._lasting[node_id] -= 1

    async def _run(
        self, node_id: int, slow: bool, function: Callable[..., Any], args: tuple[Any, ...], deadline_s: float
    ) -> Any:
        driver = await self.driver(node_id)
        pool = f"{'node-slow' if slow else 'node'}:{node_id}"
        return await self._threads.run(pool, function, driver, *args, deadline_s=deadline_s)

    async def driver(self, node_id: int) -> Any:
        found = self._drivers.get(node_id)
        if found is not None:
            return found[1]
        address = await self._database.read(_address, node_id)
        if node_id not in self._drivers:
            self._drivers[node_id] = (address, self._opener(address.uri, address.name))
        return self._drivers[node_id][1]

    async def probe(self, uri: str, name: str, deadline_s: float = DEADLINE_S) -> NodeInfo:
        """Connect to a node that is not in the cluster yet, ask it for its facts, and let go."""
        info: NodeInfo = await self._threads.run("probe", _probe, self._opener, uri, name, deadline_s=deadline_s)
        return info

    async def forget(self, node_id: int) -> None:
        """Close a node's driver (it was removed, or its address changed)."""
        found = self._drivers.pop(node_id, None)
        if found is not None:
            await self._threads.run(f"node:{node_id}", found[1].close, deadline_s=DEADLINE_S)

    async def close(self) -> None:
        for node_id in list(self._drivers):
            try:
                await self.forget(node_id)
            except Exception:  # closing goes on with the other nodes
                log.failure("node {node_id}: closing its connections failed", node_id=node_id)


def _invoke(driver: Any, method: str, args: tuple[Any, ...]) -> Any:
    return getattr(driver, method)(*args)


def _probe(opener: Callable[[str, str], Any], uri: str, name: str) -> NodeInfo:
    driver = opener(uri, name)
    try:
        info: NodeInfo = driver.open()
        return info
    finally:
        driver.close()


def _address(session: Session, node_id: int) -> NodeAddress:
    found = session.execute(
        text("SELECT id, name, uri FROM node WHERE id = :id AND deleted_at IS NULL"), {"id": node_id}
    ).first()
    if found is None:
        raise ObjectNotFound("node", node_id)
    return NodeAddress(found.id, found.name, found.uri)
