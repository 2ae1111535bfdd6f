"""
A node's connections: a fast pool, a slow pool and one for streams, and one call at a time on each connection.

**Three pools**: libvirtd serves five calls of one client at a time (``max_client_requests``), and with five slow ones
under way even ``getInfo`` waits. So storage jobs, define and start travel apart from everything else
(``interfaces/calls.py``), on threads of their own, too. A stream has a connection as long as it lasts.

**One call at a time**: with libvirt 9.0 ten threads on one connection, whose libvirtd was killed again and again,
ended in a segmentation fault of the whole process within seconds, below ``virNetClientIOEventLoop``, three runs of
three; with one call at a time, never. Connections are opened when the others are busy, and kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import libvirt

from cm.drivers.libvirt.endpoint import Endpoint, endpoint_of
from cm.drivers.libvirt.errors import translate
from cm.drivers.libvirt.lane import Lane
from cm.drivers.libvirt.session import Session
from cm.rpc.errors import NodeBusy, NodeUnreachable
from cm.runtime.threads import NODE_SIZE, NODE_SLOW_SIZE, NODE_STREAM_SIZE

# For a free connection. Well under the deadline of a pass (20 s) and of all that is taken for evidence of the node: to
# wait for our own connections says nothing of it, and must end as NodeBusy before that.
WAIT_S: Final = 8.0


class Line(NamedTuple):
    """A connection that a stream has to itself; ``drop`` has it closed at the end of its block."""

    connection: Any
    node: str
    drop: Callable[[], None]

    def check(self) -> None:
        """:raises NodeUnreachable: it has ended, which a stream on it does not tell."""
        if not self.connection.isAlive():
            raise NodeUnreachable(self.node, "the connection was closed")


class LanePool:
    """Lanes that are lent to one caller each; always the first that is free, so that a lost node costs one attempt."""

    def __init__(self, uri: str, endpoint: Endpoint, *, node: str, connect_timeout_s: float, size: int) -> None:
        self._node = node
        self._lanes = [Lane(uri, endpoint, node=node, connect_timeout_s=connect_timeout_s) for _ in range(size)]
        self._free = set(range(size))
        self._changed = threading.Condition()

    @property
    def first(self) -> Lane:
        """The lane that carries events: the next call after a loss mends it before any other."""
        return self._lanes[0]

    @contextmanager
    def lend(self, first: bool = False) -> Iterator[Lane]:
        """
        :param first: the first lane and no other.
        :raises NodeBusy: none became free in time.
        """
        deadline = time.monotonic() + WAIT_S
        with self._changed:
            while not ((0 in self._free) if first else self._free):
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise NodeBusy(self._node, "all connections to it are in use")
            number = min(self._free)
            self._free.remove(number)
        try:
            yield self._lanes[number]
        finally:
            with self._changed:
                self._free.add(number)
                self._changed.notify_all()

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()


# The test driver's state lives in this process and ends with its last connection: these pools are kept for ever, so
# that closing a node and opening it again finds its domains, as on a real host.
_in_process: dict[str, LanePool] = {}
_in_process_lock = threading.Lock()


class Connections:
    """
    The pools of one node. Connections are made at the first call that needs them.

    :param connect_timeout_s: for probe and open together.
    """

    def __init__(self, uri: str, *, node: str, connect_timeout_s: float = 5.0) -> None:
        self.node = node
        endpoint = endpoint_of(uri)
        self.driver = endpoint.driver
        self.in_process = endpoint.in_process
        self._closed = False

        def pool(size: int) -> LanePool:
            return LanePool(uri, endpoint, node=node, connect_timeout_s=connect_timeout_s, size=size)

        if endpoint.in_process:
            with _in_process_lock:
                if uri not in _in_process:
                    _in_process[uri] = pool(1)
                self._fast = self._slow = self._streams = _in_process[uri]
        else:
            self._fast, self._slow, self._streams = pool(NODE_SIZE), pool(NODE_SLOW_SIZE), pool(NODE_STREAM_SIZE)

    @contextmanager
    def fast(self, subject: str = "", storage: str = "") -> Iterator[Any]:
        """A fast connection; libvirt's errors leave the block as ours, see ``errors.translate``. Must not be nested."""
        with self._translated(subject, storage), self._fast.lend() as lane, lane.use() as connection:
            yield connection

    @contextmanager
    def slow(self, subject: str = "", storage: str = "") -> Iterator[Any]:
        """A slow connection, likewise."""
        with self._translated(subject, storage), self._slow.lend() as lane, lane.use() as connection:
            yield connection

    @contextmanager
    def stream(self, subject: str = "", storage: str = "") -> Iterator[Line]:
        """One for a stream and what opens it, likewise."""
        with self._translated(subject, storage), self._streams.lend() as lane, lane.use() as connection:
            yield Line(connection, self.node, lane.drop)

    def watch(self, opened: Callable[[Session], None], lost: Callable[[str], None]) -> None:
        """Have ``opened`` called with the connection that carries events, now and after each loss of it."""
        self._fast.first.opened = opened
        self._fast.first.lost = lost
        with self._translated("", ""), self._fast.lend(first=True) as lane:
            lane.with_session(opened)

    @contextmanager
    def _translated(self, subject: str, storage: str) -> Iterator[None]:
        if self._closed:
            raise NodeUnreachable(self.node, "its driver was closed")
        try:
            yield
        except libvirt.libvirtError as error:
            raise translate(error, node=self.node, subject=subject, storage=storage) from error

    def close(self) -> None:
        """Close all; repeatable. An in-process pool stays, see above."""
        self._closed = True
        if not self.in_process:
            self._fast.close()
            self._slow.close()
            self._streams.close()
