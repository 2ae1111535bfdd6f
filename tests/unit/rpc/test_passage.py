"""A gate: so many of each caller at once, in turn; and large bodies, which come in through one."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport

from cm.rpc.limits import Limits
from cm.rpc.passage import Passage
from cm.rpc.request import WireSite
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
