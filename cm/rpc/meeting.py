"""
Where the bytes of a node's agent meet who waits for them.

The agent calls out to the contextualization endpoint, which may be a program of its own; whoever looks at a screen came
to a cluster manager. The manager listens at a UNIX socket in the state directory, which both share, and says in the
request for the call where that is. The endpoint connects there, says the request's one-time token, and passes on.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from cm.rpc.errors import ScreenUnreachable
from cm.runtime.pipe import Broken

log = Logger()

DIRECTORY: Final = "meetings"
TOKEN_BYTES: Final = 32
TOKEN_MAX: Final = 100
INTRODUCE_S: Final = 10.0  # for whoever connects to say its token
BUFFER_MAX: Final = 65_536  # bytes that nobody has asked for yet; then no more are read


class NodeEnd(Protocol):
    """
    A node's end: first read by ``read``, from ``pass_to`` on handed over as it comes.

    :ivar ended: nothing comes any more.
    """

    def __init__(self, meetings: Meetings) -> None:
        self._meetings: Meetings | None = meetings
        self._buffer = b""
        self._wanted: tuple[int, Deferred[bytes]] | None = None
        self._received: Any = None
        self._lost: Any = None
        self._timer: Any = None
        self.ended = False

    def connectionMade(self) -> None:
        assert self._meetings is not None
        self._timer = self._meetings.reactor.callLater(INTRODUCE_S, self.close)

    def dataReceived(self, data: bytes) -> None:
        if self._received is not None:
            self._received(data)
            return
        self._buffer += data
        if self._meetings is not None:
            token, found, rest = self._buffer.partition(b"\n")
            if found or len(token) > TOKEN_MAX:
                meetings, self._meetings = self._meetings, None
                self._timer.cancel()
                self._buffer = rest
                if not found or not meetings.introduce(token.decode("ascii", "replace"), self):
                    self.close()
            return
        self._satisfy()
        if len(self._buffer) > BUFFER_MAX:
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._wanted is not None:
            (_, wanted), self._wanted = self._wanted, None
            wanted.errback(Broken())
        if self._lost is not None:
            self._lost()

    def read(self, count: int) -> Deferred[bytes]:
        """So many bytes; ``Broken`` where they do not come any more."""
        wanted: Deferred[bytes] = Deferred()
        self._wanted = (count, wanted)
        self._satisfy()
        if self.ended and self._wanted is not None:
            self._wanted = None
            wanted.errback(Broken())
        return wanted

    def _satisfy(self) -> None:
        if self._wanted is not None and len(self._buffer) >= self._wanted[0]:
            (count, wanted), self._wanted = self._wanted, None
            data, self._buffer = self._buffer[:count], self._buffer[count:]
            wanted.callback(data)

    def write(self, data: bytes) -> None:
        if not self.ended:
            self.transport.write(data)

    def pass_to(self, received: Any, lost: Any, producer: Any) -> None:
        """
        :param received: called with what comes; ``lost``: once, when nothing will any more.
        :param producer: is held back while what was written waits.
        """
        self._received, self._lost = received, lost
        if self.ended:
            lost()
            return
        self.transport.registerProducer(producer, True)
        self.transport.resumeProducing()
        buffer, self._buffer = self._buffer, b""
        if buffer:
            received(buffer)

    def hold(self, back: bool) -> None:
        """Read no more, or again."""
        if not self.ended:
            (self.transport.pauseProducing if back else self.transport.resumeProducing)()

    def close(self) -> None:
        if self.transport is not None and not self.ended:
            self.transport.abortConnection()


class Meetings:
    """
    Those who wait in this process.

    :param reactor: listens, and has the time.
    :param directory: of the state that all of a cluster's programs on this machine share.
    :ivar path: of the socket; "": this process does not listen.
    """

    def __init__(self, reactor: Any, state_dir: Path) -> None:
        self.reactor = reactor
        self._directory = state_dir / DIRECTORY
        self._waiting: dict[str, Deferred[NodeEnd]] = {}
        self._port: IListeningPort | None = None
        self.path = ""

    def start(self) -> None:
        """It blocks for a moment. :raises OSError: there is no listening here."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        _sweep(self._directory)
        path = str(self._directory / f"{secrets.token_hex(6)}.sock")
        factory = Factory()
        factory.noisy = False
        factory.buildProtocol = lambda address: NodeEnd(self)
        self._port = self.reactor.listenUNIX(path, factory, mode=0o600)
        self.path = path

    async def stop(self) -> None:
        """Nobody waits any more."""
        for waiting in list(self._waiting.values()):
            waiting.cancel()
        if self._port is not None:
            port, self._port, self.path = self._port, None, ""
            await port.stopListening()

    def token(self) -> str:
        return secrets.token_urlsafe(TOKEN_BYTES)

    def introduce(self, token: str, end: NodeEnd) -> bool:
        """Whether somebody waits for the one who knows this token; a second does so in vain."""
        waiting = self._waiting.pop(token, None)
        if waiting is None:
            return False
        waiting.callback(end)
        return True

    async def expect(self, token: str, seconds: float) -> NodeEnd:
        """:raises ScreenUnreachable: nobody came in time."""
        waiting: Deferred[NodeEnd] = Deferred()
        self._waiting[token] = waiting
        waiting.addTimeout(seconds, self.reactor)
        try:
            return await waiting
        except TimeoutError:
            raise ScreenUnreachable(f"the node's agent did not call within {seconds:g} s") from None
        finally:
            self._waiting.pop(token, None)


def _sweep(directory: Path) -> None:
    """Remove what processes left that ended without a word."""
    for path in directory.glob("*.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.info("{path}: {error}", path=os.fspath(path), error=str(error))
