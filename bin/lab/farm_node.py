"""
A manager's way to the nodes of a farm (``farm.py``), and ``wawel-cm run`` with it: ``lab.farm_node SOCKET CONFIG``.

It is the whole program but for one thing: ``memory:///world`` is a world of the farm, where the program as it is would
have an empty one in its own process.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cm.daemon.main import load
from cm.interfaces.hypervisor import DomainEvent, NodeInfo
from cm.interfaces.stream import Picture
from cm.rpc.errors import NodeUnreachable, NotSupported
from cm.runtime.program import run_until_signal
from lab.farm import LENGTH_BYTES, packed
from lab.places import LabProblem

DEADLINE_S = 30.0


class FarmLink:
    """The connections of a process to a farm: one for each call under way, kept for the next; one more for events."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._free: list[socket.socket] = []
        self._lock = threading.Lock()
        self._events: socket.socket | None = None
        self._heard: dict[str, Callable[[DomainEvent], None]] = {}

    def _connect(self, timeout_s: float | None = DEADLINE_S) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Before it has a time-out: with one, a connect whose turn has not come is refused (EAGAIN) instead of waiting,
        # as those of 500 nodes at once are, and the nodes would be taken for unreachable.
        made.connect(self._path)
        made.settimeout(timeout_s)
        return made

    def call(self, world: str, method: str, *arguments: Any) -> Any:
        """
        :raises CloudError: what the provider raised; NodeUnreachable: the farm does not answer.
        """
        try:
            with self._lock:
                connection = self._free.pop() if self._free else None
            connection = connection or self._connect()
            connection.sendall(packed((world, method, arguments)))
            error, value = _receive(connection)
        except (OSError, EOFError) as broken:
            raise NodeUnreachable(world, str(broken) or "the farm has ended") from None
        with self._lock:
            self._free.append(connection)
        if error is None:
            return value
        kind, details = error
        if kind is None:
            raise LabProblem(f"the farm: {method}: {details}")
        raise kind(**details)

    def subscribe(self, world: str, callback: Callable[[DomainEvent], None]) -> None:
        with self._lock:
            self._heard[world] = callback
            if self._events is None:
                self._events = self._connect(None)
                threading.Thread(target=self._listen, args=(self._events,), name="farm", daemon=True).start()
            self._events.sendall(packed((world, "subscribe", ())))

    def forget(self, world: str) -> None:
        with self._lock:
            self._heard.pop(world, None)

    def _listen(self, connection: socket.socket) -> None:
        try:
            while True:
                world, event = _receive(connection)
                callback = self._heard.get(world)
                if callback is not None:
                    callback(event)
        except (OSError, EOFError):
            return


def _receive(connection: socket.socket) -> Any:
    return pickle.loads(_exactly(connection, int.from_bytes(_exactly(connection, LENGTH_BYTES), "big")))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError("the farm has ended")
        data += part
    return bytes(data)


class _Part:
    """One part of a node of a farm. Its methods are the provider's, which runs there."""

    def __init__(self, name: str, link: FarmLink, world: str) -> None:
        self._name = name
        self._link = link
        self._world = world

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        return partial(self._link.call, self._world, f"{self._name}.{method}")


class _Volumes(_Part):
    def upload(self, storage: str, volume: str, path: str, format: Any, size: int, progress: Any) -> Any:
        """The farm reads the file itself; progress is told when it has."""
        seen = self._link.call(self._world, "volumes.upload", storage, volume, path, format, size)
        progress(os.stat(path).st_size)
        return seen


class _Streams:
    """What flows cannot be passed on to a farm."""

    def console(self, *_: Any) -> None:
        raise NotSupported("stream")

    def screenshot(self, *_: Any) -> Picture:
        raise NotSupported("stream")

    def download(self, *_: Any) -> int:
        raise NotSupported("stream")

    def upload(self, *_: Any) -> int:
        raise NotSupported("stream")


class _Hypervisor(_Part):
    def subscribe(self, callback: Callable[[DomainEvent], None], lost: Callable[[str], None]) -> None:
        self._link.subscribe(self._world, callback)


class FarmNode:
    """One node of a farm."""

    def __init__(self, link: FarmLink, uri: str, name: str) -> None:
        self.name = name
        self._link = link
        self._world = world = urlsplit(uri).path.strip("/")
        self.hypervisor = _Hypervisor("hypervisor", link, world)
        self.pools = _Part("pools", link, world)
        self.volumes = _Volumes("volumes", link, world)
        self.disks = _Part("disks", link, world)
        self.block_jobs = _Part("block_jobs", link, world)
        self.migrations = _Part("migrations", link, world)
        self.suspensions = _Part("suspensions", link, world)
        self.networks = _Part("networks", link, world)
        self.nics = _Part("nics", link, world)
        self.streams = _Streams()
        self.snapshots = _Part("snapshots", link, world)
        self.guest_agents = _Part("guest_agents", link, world)
        self.console_logs = _Part("console_logs", link, world)
        self.variables = _Part("variables", link, world)
        self.sizing = _Part("sizing", link, world)
        self.managed = _Part("managed", link, world)

    def open(self) -> NodeInfo:
        return self.hypervisor.info()

    def close(self) -> None:
        self._link.forget(self._world)


def _make(path: str, settings: Any) -> Any:
    from twisted.internet import reactor

    from cm.daemon.app import ClusterManager

    return reactor, ClusterManager(reactor, settings, partial(FarmNode, FarmLink(path)))


if __name__ == "__main__":
    run_until_signal(load(Path(sys.argv[2])), partial(_make, sys.argv[1]))
