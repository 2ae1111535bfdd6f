"""A gate: so many of each caller at once, in turn; and large bodies, which come in through one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.testing import StringTransport

from cm.rpc.errors import Overloaded
from cm.rpc.http.request import WireSite
from cm.rpc.limits import Limits
from cm.rpc.passage import Passage
from cm.rpc.server import make_root

from .sample import AS_ANNA, AS_ROOT, Sample


class Doors:
    def __init__(self, per_key: int, size: int) -> None:
        self.gate = Passage(per_key, size)
        self.through: list[str] = []

    def enter(self, key: str) -> Deferred[None]:
        entering = self.gate.enter(key)
        entering.addCallbacks(lambda _: self.through.append(key), lambda _: None)
        return entering


def test_turns() -> None:
    """One of each at once, others as soon as there is room; what was left waits in turn."""
    doors = Doors(1, 2)
    for key in "aaabbc":
        doors.enter(key)
    assert doors.through == ["a", "b"] and len(doors.gate) == 4
    for key in "abab":
        doors.gate.leave(key)
    assert "".join(doors.through) == "ababca"
    assert len(doors.gate) == 0


def test_given_up() -> None:
    """Who does not wait any more is nobody's turn, and nothing is left of them."""
    doors = Doors(1, 5)
    doors.enter("a")
    waiting = [doors.enter("a") for _ in range(2)]
    waiting[0].cancel()
    doors.gate.leave("a")
    assert doors.through == ["a", "a"]
    doors.gate.leave("a")
    assert not doors.gate._through and not doors.gate._waiting


class Transport(StringTransport):
    """One that stops reading when it is told to."""

    def abortConnection(self) -> None:
        self.loseConnection()


class Client:
    def __init__(self, site: WireSite, authorization: bytes, size: int) -> None:
        self.protocol: Any = site.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)
        self._left = b'"' + b"x" * (size - 2) + b'"'
        head = b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\nContent-Length: %d\r\n\r\n"
        self.protocol.dataReceived(head % (authorization, size))

    @property
    def reads(self) -> bool:
        return self.transport.producerState == "producing"

    def send(self, size: int) -> None:
        data, self._left = self._left[:size], self._left[size:]
        self.protocol.dataReceived(data)


def test_large_bodies() -> None:
    """Of one caller one large body is taken in at a time; others' and small ones come in beside it."""
    sample = Sample(limits=Limits(large_bodies=3))
    site = WireSite(make_root(sample.dispatcher), sample.dispatcher.limits, sample.clock)
    mine = [Client(site, AS_ANNA, 500_000) for _ in range(3)]
    other, small = Client(site, AS_ROOT, 500_000), Client(site, AS_ANNA, 50)
    assert [each.reads for each in (*mine, other, small)] == [True, False, False, True, True]
    small.send(50)
    mine[0].send(400_000)
    assert b"HTTP/1.1 200" in small.transport.value() and not mine[1].reads
    mine[0].send(100_000)
    assert [each.reads for each in mine[1:]] == [True, False]
    mine[1].protocol.connectionLost(None)
    assert mine[2].reads
    mine[2].send(500_000)
    other.send(500_000)
    sample.clock.advance(1)
    assert not site.large_bodies._through


# ------------------------------------------------------------------ with a bound on those who wait


class Queue:
    def __init__(self, slots: int = 1, waiting_max: int = 300) -> None:
        self.queue = Passage(slots, slots, waiting_max)
        self.inside: list[str] = []
        self.entered: list[str] = []
        self.refused: list[str] = []

    def come(self, key: str, name: str = "") -> Deferred[None]:
        coming = maybeDeferred(self.queue.enter, key)
        name = name or key

        def came(_: None) -> None:
            self.inside.append(key)
            self.entered.append(name)

        def failed(failure: Any) -> None:
            failure.trap(Overloaded, CancelledError)
            self.refused.append(name)

        coming.addCallbacks(came, failed)
        return coming

    def go(self, times: int = 1) -> list[str]:
        """Those that came in meanwhile."""
        before = len(self.entered)
        for _ in range(times):
            self.queue.leave(self.inside.pop(0))
        return self.entered[before:]


@pytest.fixture
def queue() -> Iterator[Queue]:
    yield Queue()


def test_one_alone(queue: Queue) -> None:
    """One alone waits for one of each other key, not for the 300 that came before."""
    for n in range(100):
        queue.come("a", f"a{n}")
    queue.come("b")
    queue.come("c")
    assert queue.go(4) == ["a1", "b", "c", "a2"]


def test_slots() -> None:
    """As many are inside as there are slots, of whomever; a key that waits comes after those before it."""
    queue = Queue(slots=2)
    for name in "aabc":
        queue.come(name)
    assert queue.entered == ["a", "a"]
    assert queue.go() == ["b"] and queue.go(3) == ["c"]
    queue.come("d")
    assert queue.entered[-1] == "d" and len(queue.queue) == 0


def test_hung_up(queue: Queue) -> None:
    """Who leaves holds no place."""
    queue.come("a")
    leaving = queue.come("b")
    queue.come("c")
    leaving.cancel()
    assert queue.go() == ["c"] and queue.refused == ["b"]


def test_full() -> None:
    """When too many wait, whoever sent the most loses one to who sent fewer, and is refused themselves."""
    queue = Queue(waiting_max=3)
    for n in range(5):
        queue.come("a", f"a{n}")
    assert queue.refused == ["a4"]
    queue.come("b")
    assert queue.refused == ["a4", "a3"]
    queue.come("c")
    assert queue.refused == ["a4", "a3", "a2"]
    queue.come("d")
    assert queue.refused[3:] == ["d"] and len(queue.queue) == 3
    assert queue.go(3) == ["a1", "b", "c"]
