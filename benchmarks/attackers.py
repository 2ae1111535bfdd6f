"""
Callers who mean no good, in one process of their own: ``benchmarks.attackers`` reads one JSON object per line from its
input, says when all its connections are open, attacks for so many seconds, and tells what came of it.

It asks 127.0.0.1 alone, holds at most ``CONNECTIONS_MAX`` connections, and ends each attack by itself after at most
``SECONDS_MAX``.
"""

from __future__ import annotations

import base64
import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report import child_environment

CONNECTIONS_MAX = 1200
SECONDS_MAX = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SLUG = re.compile(rb'"slug":"(\w+)"|<string>([a-z_]+): ')


@dataclass(frozen=True)
class Attack:
    """
    :ivar requests: whole HTTP requests, sent in turn by each connection as fast as it is answered.
    :ivar open_only: what is answered by a stream without end, which is held.
    """

    name: str
    requests: Sequence[bytes]
    connections: int
    open_only: bool = False


class Attackers:
    """The program, as a child of ours."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.attackers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=child_environment(),
        )  # fmt: skip

    def begin(self, port: int, attack: Attack, seconds: float) -> None:
        """Return when all connections are open and have sent."""
        assert self._process.stdin is not None
        wanted = {
            "port": port,
            "requests": [base64.b64encode(each).decode() for each in attack.requests],
            "connections": attack.connections,
            "open_only": attack.open_only,
            "seconds": seconds,
        }
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        self._line()

    def end(self) -> dict[str, int]:
        """Wait for its end: answers by how they ended."""
        told: dict[str, int] = self._line()
        return told

    def _line(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the attackers have ended")
        return json.loads(line)

    def __enter__(self) -> Attackers:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(eq=False)
class _Connection:
    number: int
    socket: socket.socket | None = None
    left: bytes = b""
    received: bytearray = field(default_factory=bytearray)
    held: bool = False


class _Crowd:
    def __init__(self, wanted: Mapping[str, Any]) -> None:
        self._address = ("127.0.0.1", wanted["port"])
        self._requests = [base64.b64decode(each) for each in wanted["requests"]]
        self._open_only = wanted["open_only"]
        self._selector = selectors.DefaultSelector()
        self.outcomes: Counter[str] = Counter()
        self._connections = [_Connection(number) for number in range(min(wanted["connections"], CONNECTIONS_MAX))]

    def begin(self) -> None:
        for connection in self._connections:
            self._connect(connection)

    def attack(self, seconds: float) -> None:
        end = time.monotonic() + min(seconds, SECONDS_MAX)
        while (left := end - time.monotonic()) > 0:
            for key, events in self._selector.select(min(left, 0.1)):
                connection: _Connection = key.data
                try:
                    if events & selectors.EVENT_WRITE:
                        self._send(connection)
                    if events & selectors.EVENT_READ:
                        self._receive(connection)
                except OSError:
                    self._closed(connection)
        waiting = sum(each.held or not (each.left or each.received) for each in self._connections)
        if waiting > len(self._connections) // 100:
            self.outcomes["unanswered"] = waiting
        for connection in self._connections:
            self._drop(connection)

    def _connect(self, connection: _Connection) -> None:
        made = connection.socket = socket.create_connection(self._address, timeout=10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        connection.held = False
        self._selector.register(made, selectors.EVENT_READ, connection)
        self._next(connection)

    def _next(self, connection: _Connection) -> None:
        connection.left = self._requests[connection.number % len(self._requests)]
        connection.number += 1
        connection.received.clear()
        try:
            self._send(connection)
        except OSError:
            self._closed(connection)

    def _send(self, connection: _Connection) -> None:
        assert connection.socket is not None
        try:
            sent = connection.socket.send(connection.left)
        except BlockingIOError:
            sent = 0
        connection.left = connection.left[sent:]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.left else 0)
        self._selector.modify(connection.socket, events, connection)

    def _receive(self, connection: _Connection) -> None:
        assert connection.socket is not None
        data = connection.socket.recv(1 << 20)
        if not data:
            self._closed(connection)
            return
        if connection.held:
            return
        connection.received += data
        head = connection.received.find(b"\r\n\r\n")
        if head < 0:
            return
        if self._open_only and b"\r\nTransfer-Encoding: chunked" in connection.received[:head]:
            connection.held = True
            return
        length = _LENGTH.search(connection.received, 0, head + 2)
        if len(connection.received) < head + 4 + (int(length[1]) if length else 0):
            return
        slug = _SLUG.search(connection.received, head)
        status = connection.received[9:12].decode("ascii", "replace")
        self.outcomes[(slug[1] or slug[2]).decode() if slug else "answered" if status == "200" else status] += 1
        if not connection.left:
            self._next(connection)
        else:
            self._closed(connection)  # refused before it was sent whole

    def _closed(self, connection: _Connection) -> None:
        self.outcomes["closed"] += 1
        self._drop(connection)
        self._connect(connection)

    def _drop(self, connection: _Connection) -> None:
        if connection.socket is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
            connection.socket = None


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        crowd = _Crowd(wanted)
        crowd.begin()
        print("{}", flush=True)
        crowd.attack(wanted["seconds"])
        print(json.dumps(crowd.outcomes), flush=True)


if __name__ == "__main__":
    main()
