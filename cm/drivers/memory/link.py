"""A connection to a node in memory, and how tests make its calls fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cm.drivers.memory.domain import Domain
from cm.drivers.memory.world import World
from cm.rpc.errors import CloudError, DomainNotRunning, NodeUnreachable

KEEPALIVE_S: Final = 4.0  # when libvirt's keep-alive ends a call to a node that hangs


class Faults:
    """The knobs of a world, shared by its nodes."""

    def __init__(self) -> None:
        self.unreachable = False
        self.hang: threading.Event | None = None
        self.hang_s = KEEPALIVE_S
        self.hanging: frozenset[str] = frozenset()  # methods; empty: all
        self.next: dict[str, list[tuple[CloudError, bool]]] = {}
        self.calls: list[str] = []


class Link:
    """
    A connection to a world, which the parts of a node share.

    :param name: our name of the node.
    """

    def __init__(self, name: str, world: World, faults: Faults) -> None:
        self.name = name
        self.world = world
        self.faults = faults
        self.closed = False

    @contextmanager
    def call(self, method: str) -> Iterator[World]:
        """One call: the faults asked for, then the world's lock for as long as the block lasts."""
        faults = self.faults
        faults.calls.append(method)
        if self.closed:
            raise NodeUnreachable(self.name, "its driver was closed")
        hang = faults.hang
        hangs = hang is not None and (not faults.hanging or method in faults.hanging)
        if hang is not None and hangs and not hang.wait(faults.hang_s):
            raise NodeUnreachable(self.name, "connection closed due to keepalive timeout")
        if faults.unreachable:
            raise NodeUnreachable(self.name, "Connection refused")
        queue = faults.next.get(method)
        error, after = queue.pop(0) if queue else (None, False)
        if error is not None and not after:
            raise error
        yield self.world
        if error is not None:
            raise error

    def running(self, uuid: str) -> Domain:
        domain = self.world.domains.get(uuid)
        if domain is None or domain.running is None:
            raise DomainNotRunning(uuid)
        return domain
