"""
A node's connections: a fast lane and a slow lane.

libvirtd serves five calls of one client at a time (``max_client_requests``); with five slow ones under way even
``getInfo`` waits. So storage jobs, define and start travel on the slow lane and everything else on the fast one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libvirt

from cm.drivers.libvirt.endpoint import endpoint_of
from cm.drivers.libvirt.errors import translate
from cm.drivers.libvirt.lane import Lane
from cm.rpc.errors import NodeUnreachable

# The test driver's state lives in this process and ends with its last connection: these lanes are kept for ever, so
# that closing a node and opening it again finds its domains, as on a real host.
_in_process: dict[str, Lane] = {}
_in_process_lock = threading.Lock()


class Connections:
    """
    The two lanes of one node. Connections are made at the first call that needs them.

    :param connect_timeout_s: for probe and open together.
    """

    def __init__(self, uri: str, *, node: str, connect_timeout_s: float = 5.0) -> None:
        self.node = node
        endpoint = endpoint_of(uri)
        self.driver = endpoint.driver
        self.in_process = endpoint.in_process
        self._closed = False

        def lane() -> Lane:
            return Lane(uri, endpoint, node=node, connect_timeout_s=connect_timeout_s)

        if endpoint.in_process:
            with _in_process_lock:
                self.fast_lane = self.slow_lane = _in_process.setdefault(uri, lane())
        else:
            self.fast_lane, self.slow_lane = lane(), lane()

    @contextmanager
    def fast(self, subject: str = "", storage: str = "") -> Iterator[Any]:
        """The fast connection; libvirt's errors leave the block as ours, see ``errors.translate``."""
        with self._use(self.fast_lane, subject, storage) as connection:
            yield connection

    @contextmanager
    def slow(self, subject: str = "", storage: str = "") -> Iterator[Any]:
        """The slow connection, likewise."""
        with self._use(self.slow_lane, subject, storage) as connection:
            yield connection

    @contextmanager
    def _use(self, lane: Lane, subject: str, storage: str) -> Iterator[Any]:
        if self._closed:
            raise NodeUnreachable(self.node, "its driver was closed")
        try:
            with lane.use() as connection:
                yield connection
        except libvirt.libvirtError as error:
            raise translate(error, node=self.node, subject=subject, storage=storage) from error

    def close(self) -> None:
        """Close both; repeatable. An in-process lane stays, see above."""
        self._closed = True
        if not self.in_process:
            self.fast_lane.close()
            self.slow_lane.close()
