"""
The nodes' drivers: one per node, opened when first used; every call on that node's own threads, with a deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.interfaces import NodeInfo
from cm.rpc.errors import ObjectNotFound
from cm.runtime.database import Database
from cm.runtime.threads import IThreads

log = Logger()
DEADLINE_S = 30.0  # for one ordinary call; storage jobs give their own


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
        self._drivers: dict[int, tuple[str, Any]] = {}

    async def run(self, node_id: int, function: Callable[..., Any], *args: Any, deadline_s: float = DEADLINE_S) -> Any:
        """
        Run ``function(driver, *args)`` on the node's threads.

        :raises ObjectNotFound: no such node.
        :raises NodeUnreachable: it does not answer.
        :raises DeadlineExceeded: no end in time; the thread goes on, and its outcome is unknown.
        """
        driver = await self.driver(node_id)
        return await self._threads.run(f"node:{node_id}", function, driver, *args, deadline_s=deadline_s)

    async def call(self, node_id: int, method: str, *args: Any, deadline_s: float = DEADLINE_S) -> Any:
        """Call one method of the node's driver; errors as in ``run``."""
        return await self.run(node_id, _invoke, method, args, deadline_s=deadline_s)

    async def driver(self, node_id: int) -> Any:
        found = self._drivers.get(node_id)
        if found is not None:
            return found[1]
        address = await self._database.read(_address, node_id)
        if node_id not in self._drivers:
            self._drivers[node_id] = (address.uri, self._opener(address.uri, address.name))
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
