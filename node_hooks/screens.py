"""
Screens of this node's guests, joined to whoever looks at them: asked by the document, the agent calls out to the
endpoint with the call's one-time token, and passes on what QEMU's VNC server and the endpoint say. It opens no port,
and reads nothing of what passes.
"""

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from node_hooks.client import Client
from node_hooks.errors import NodeError
from node_hooks.reading import read_entries, read_text

log = logging.getLogger("wawel.node.screens")

SCREENS_MAX = 64  # at once; each is a thread
BUFFER_BYTES = 262_144  # that wait in each direction; then the side that is faster is not read
PIECE_BYTES = 65_536
CONNECT_S = 5.0
FLUSH_S = 5.0  # for what one side said last
LOOK_S = 1.0  # between looks whether the agent is being stopped
UPGRADE = "wawel-screen"
_TOKEN_MAX = 100
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True)
class Call:
    """:ivar token: says at the endpoint for whom this is; good once, and for this node."""

    token: str
    address: str
    port: int


def parse_calls(given: object, problems: list[str]) -> tuple[Call, ...]:
    """Absent while nobody waits for one."""
    found = []
    for entry in read_entries(given) if given is not None else ():
        try:
            token, address, port = read_text(entry["token"]), read_text(entry["address"]), entry["port"]
            if not token or len(token) > _TOKEN_MAX or type(port) is not int or not 0 < port < 65536:
                raise ValueError("no token and port")
            found.append(Call(token, address, port))
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"a call for a screen: {error}")
    return tuple(found)


def without_calls(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """A document as it is kept: calls are of the moment, and their tokens secret."""
    sections = content.get("sections")
    if not isinstance(sections, dict) or "calls" not in sections:
        return content
    return {**content, "sections": {name: each for name, each in sections.items() if name != "calls"}}


class Screens:
    """:param connect: makes a client of the endpoint, one for each call."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._known: set[str] = set()
        self._count = 0
        self._lock = threading.Lock()
        self._stopping = False

    def __len__(self) -> int:
        return self._count

    def answer(self, calls: Iterable[Call], ports: tuple[int, int] | None) -> None:
        """
        Call out for those that are new.

        :param ports: of this node's screens: nothing else is joined to anybody.
        """
        calls = list(calls)
        new = [call for call in calls if call.token not in self._known]
        self._known = {call.token for call in calls}
        for call in new:
            if ports is None or not ports[0] <= call.port <= ports[1]:
                log.error("port %d is asked for, which is no screen's", call.port)
                continue
            with self._lock:
                if self._count >= SCREENS_MAX:
                    log.warning("%d screens are shown; another one is not", self._count)
                    continue
                self._count += 1
            threading.Thread(target=self._serve, args=(call,), name=f"screen {call.port}", daemon=True).start()

    def close(self) -> None:
        """End all, within a second or so."""
        self._stopping = True

    def _serve(self, call: Call) -> None:
        try:
            self._join(call)
        except (OSError, NodeError) as error:
            log.warning("the screen at %s port %d is not shown: %s", call.address, call.port, error)
        except Exception:  # a thread of its own: nobody else would tell of it
            log.exception("the screen at %s port %d is not shown", call.address, call.port)
        finally:
            with self._lock:
                self._count -= 1

    def _join(self, call: Call) -> None:
        # The screen first: nobody is called for one that is not there.
        with socket.create_connection((call.address, call.port), CONNECT_S) as screen:
            outward = self._connect().open(f"/node/screen?token={quote(call.token, safe='')}", UPGRADE)
            with outward:
                log.info("the screen at port %d is shown", call.port)
                join(screen, outward, lambda: self._stopping)


class _Side:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waiting = bytearray()  # to be sent there
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)

    @property
    def pending(self) -> bool:
        """Whether there is something to be read though nothing comes."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def flush(self) -> None:
        try:
            while self.waiting:
                del self.waiting[: self.sock.send(self.waiting[:PIECE_BYTES])]
        except _LATER:
            pass


def join(one: socket.socket, other: socket.socket, stopping: Callable[[], bool]) -> None:
    """
    Pass on both ways until either side ends; what it said last still goes out.

    :raises OSError: a connection broke.
    """
    left, right = _Side(one), _Side(other)
    while not stopping():
        readers = [(side, there) for side, there in ((left, right), (right, left)) if len(there.waiting) < BUFFER_BYTES]
        writers = [side.sock for side in (left, right) if side.waiting]
        at_once = any(side.pending for side, _ in readers)
        ready, _, _ = select.select([side.sock for side, _ in readers], writers, [], 0 if at_once else LOOK_S)
        for side, there in readers:
            if side.sock not in ready and not side.pending:
                continue
            try:
                data = side.sock.recv(PIECE_BYTES)
            except _LATER:
                continue
            if not data:
                _flush_last(there)
                return
            there.waiting += data
        left.flush()
        right.flush()


def _flush_last(side: _Side) -> None:
    until = time.monotonic() + FLUSH_S
    while side.waiting and time.monotonic() < until:
        side.flush()
        if side.waiting:
            select.select([], [side.sock], [], LOOK_S)
