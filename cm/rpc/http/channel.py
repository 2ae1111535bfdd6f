"""
HTTP as strictly as it can be read in one way alone, for every daemon's sites.

Between a proxy and us, a request that two readers could take for different ones is how somebody's request is smuggled
into another's. Twisted refuses a repeated Content-Length, and one beside Transfer-Encoding; here goes what it lets by:
a Transfer-Encoding that is repeated, ``identity`` or of HTTP/1.0, folded header lines, headers given twice of which
readers take the first or the last, lengths too long to be numbers (RFC 9112: 5.2, 6.1, 6.3, 11.2).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from twisted.internet.protocol import Protocol
from twisted.web.http import HTTPChannel
from twisted.web.server import Site

from cm.rpc.address import counted_address
from cm.rpc.limits import CONNECTIONS, CONNECTIONS_PER_ADDRESS

LENGTH_DIGITS: Final = 15  # of a Content-Length; Python reads numbers of thousands of them, and then no longer

# Given twice they make two requests of one, or two callers.
SINGLE: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"last-event-id",
        b"transfer-encoding",
        b"x-request-id",
    }
)
# What says how long a request is.
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class StrictChannel(HTTPChannel):
    """One connection. What is refused is answered by 400 and its end, before any view or credential is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self._given: set[bytes] = set()  # headers of the request that is being read, those of ``SINGLE``

    def lineReceived(self, line: bytes) -> None:
        if line[:1] in (b" ", b"\t"):
            self._refuse()
            return
        super().lineReceived(line)

    def headerReceived(self, line: bytes) -> bool:
        if not self._receivedHeaderCount:  # the first of a request
            self._given.clear()
        name = line[: line.find(b":")].lower()
        if name in SINGLE:
            value = line[len(name) + 1 :].strip(b" \t")
            if name in self._given or name in _FRAMING and self._is_ambiguous(name, value):
                self._refuse()
                return False
            self._given.add(name)
        return bool(super().headerReceived(line))

    def _is_ambiguous(self, name: bytes, value: bytes) -> bool:
        if name == b"transfer-encoding":
            return value.lower() != b"chunked" or self._version != b"HTTP/1.1"
        return not (value.isdigit() and len(value) <= LENGTH_DIGITS)

    def upgrade(self, protocol: Any) -> None:
        """The connection is another protocol's from now on. Who waits for its end (the site counts) is told as ever."""
        lost: Any = self.__dict__.get("connectionLost", super().connectionLost)

        def ended(reason: Any) -> None:
            protocol.connectionLost(reason)
            lost(reason)

        self.setTimeout(None)
        self.dataReceived, self.connectionLost = protocol.dataReceived, ended
        protocol.makeConnection(self.transport)
        self._networkProducer.resumeProducing()

    def _refuse(self) -> None:
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.loseConnection()


class _Refused(Protocol):
    """A connection that is one too many."""

    def connectionMade(self) -> None:
        self.transport.abortConnection()


class StrictSite(Site):
    """
    A site whose connections are ``StrictChannel``: HTTP/1 alone, also under TLS, where HTTP/2 could be agreed on.

    :ivar connections: open at once; ``connections_per_address`` of one address, so that nobody takes all the files that
        a process may have open. Beyond them a connection is closed before anything is read from it.
    """

    protocol = StrictChannel
    connections = CONNECTIONS
    connections_per_address = CONNECTIONS_PER_ADDRESS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open: Counter[str] = Counter()

    def buildProtocol(self, addr: Any) -> Any:
        place = counted_address(getattr(addr, "host", ""))
        if self._open.total() >= self.connections or (place and self._open[place] >= self.connections_per_address):
            return _Refused()
        made = super().buildProtocol(addr)
        lost = made.connectionLost

        def count_out(reason: Any) -> None:
            self._open[place] -= 1
            if not self._open[place]:
                del self._open[place]
            lost(reason)

        self._open[place] += 1
        made.connectionLost = count_out
        return made

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: Any) -> None:
        """No access log: paths and headers hold secrets; calls are counted and logged by whoever answers them."""
