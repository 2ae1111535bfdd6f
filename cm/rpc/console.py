"""
VMs' serial consoles and screens on the wire: a WebSocket at ``/console?ticket=...``, whose bytes are the console's,
both ways; a screen's are VNC's, of a server that asks for no password.

The ticket is what ``user.vm.open_console`` answered. It opens one console, once, within half a minute, so it does no
harm in the log of a proxy; a browser could send no header. A page's ticket is good for pages of that origin alone, and
where somebody says who they are, it has to be theirs. What ends a console is told by the close frame: 1000 where the
guest's side did, ``GONE_WRONG`` with the error's slug and text otherwise. With ``viewers=1`` a message of text tells
who is there, whenever that changes: ``{"viewers": [{"login": ..., "kind": ...}]}``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc.address import network_of
from cm.rpc.caller import Identity
from cm.rpc.credentials import Authenticator, parse_authorization
from cm.rpc.errors import (
    CloudError,
    Incident,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ScreenClosed,
    StreamIdle,
)
from cm.rpc.http.request import WireRequest, one, remote
from cm.rpc.http.websocket import GOING_AWAY, NORMAL, WebSocket
from cm.rpc.limits import Share
from cm.rpc.opening import Opening
from cm.rpc.places import Places
from cm.rpc.standing import Standing
from cm.rpc.turns import Turns
from cm.rpc.vocabulary import ConsoleKind
from cm.runtime.pipe import PIPE_BYTES, Broken, Duplex
from cm.runtime.pool import on_behalf

log = Logger()

# Of one account so many: fewer than it may have streams at nodes, as each is a thread there.
SHARE: Final = Share(200, 8, 100, 20, 10)
IDLE_S: Final = 1800.0  # neither side wrote
CHECK_S: Final = 5.0  # between looks whether they still may
PING_S: Final = 30.0
SILENT_S: Final = 90.0  # not even a ping was answered
GONE_WRONG: Final = 4000  # of the codes that are an application's (RFC 6455, 7.4.2)


ORIGIN_MAX: Final = 300


@dataclass(frozen=True)
class Comer:
    """
    Somebody at the door.

    :ivar origin: of the page that comes; "": it is none.
    :ivar identity: who they say they are; None: they do not say.
    """

    remote: str
    call_id: str
    origin: str
    identity: Identity | None


class Speaking(Protocol):
    """Somebody who was let in."""

    identity: Identity
    vm_id: int
    kind: ConsoleKind

    async def join(self, ends: Duplex) -> None:
        """Until the node's side ends. :raises CloudError: why it does, where the guest has not ended."""

    async def check(self) -> None:
        """:raises CloudError: they may speak no more."""

    async def ended(self, reason: str, inward_bytes: int, outward_bytes: int) -> None:
        """Keep what became of it."""


class Door(Protocol):
    async def admit(self, secret: str, comer: Comer) -> Speaking:
        """:raises CloudError: the ticket is not good, or not theirs, or what it is for may not be done any more."""


class _Console:
    """One console that is spoken to."""

    def __init__(self, consoles: Consoles, speaking: Speaking, give_back: Any) -> None:
        self._consoles = consoles
        self._speaking = speaking
        self._give_back = give_back
        reactor = consoles.reactor
        call = reactor.callFromThread
        self._ends = Duplex(arrived=lambda: call(self._pass_on), drained=lambda: call(self._take_more))
        self.socket = WebSocket(reactor, self._received, self._lost, self._pass_on)
        self._inward = self._outward = 0
        self._reason = ""
        self._tells = False
        self.identity = speaking.identity
        self.vm_id, self.kind = speaking.vm_id, speaking.kind
        self.moved_at = self.pinged_at = reactor.seconds()
        self.check_at = 0.0

    def begin(self, request: WireRequest) -> None:
        """:raises MalformedRequest: it is no request for a WebSocket."""
        self.socket.accept(request)
        self._tells = request.args.get(b"viewers", [b""])[-1] == b"1"
        self._consoles.came(self)
        Deferred.fromCoroutine(self._run()).addErrback(lambda f: log.failure("a console's end failed", f))

    async def _run(self) -> None:
        code, reason = NORMAL, "the console has ended"
        try:
            await self._speaking.join(self._ends)
        except CloudError as error:
            code, reason = GONE_WRONG, f"{error.code}: {error.for_user()}"
        except Exception:
            log.failure("a console could not be joined")
            code, reason = GONE_WRONG, str(Incident("console"))
        finally:
            self._ends.end()
        self._pass_on()
        self.socket.close(code, self._reason or reason)
        self._consoles.left(self)
        self._give_back()
        try:
            await self._speaking.ended(self._reason or reason, self._inward, self._outward)
        except CloudError as error:
            log.warn("the end of a console is in no audit: {error}", error=str(error))

    # -------------------------------------------------------------- both ways

    def _received(self, data: bytes) -> None:
        self.moved_at = self._consoles.reactor.seconds()
        self._inward += len(data)
        if not self._ends.inward.offer(data):
            self.socket.pause_reading()

    def _take_more(self) -> None:
        self.socket.resume_reading()

    def _pass_on(self) -> None:
        while not self.socket.is_paused:
            try:
                data = self._ends.outward.poll(PIPE_BYTES)
            except Broken:
                return
            if not data:
                return
            self.moved_at = self._consoles.reactor.seconds()
            self._outward += len(data)
            self.socket.write(data)

    def _lost(self) -> None:
        self._reason = self._reason or "they left"
        self._ends.end()
        self._ends.outward.fail()

    def finish(self, error: CloudError | None = None) -> None:
        """End it from our side; the node's is told, and does the rest."""
        if not self._reason:
            self._reason = "the manager is stopped" if error is None else f"{error.code}: {error.for_user()}"
            self.socket.close(GOING_AWAY if error is None else GONE_WRONG, self._reason)

    def tell(self, text: str) -> None:
        """Say something beside what the VM does, to who asked for that."""
        if self._tells:
            self.socket.tell(text)

    async def check(self) -> None:
        try:
            await self._speaking.check()
        except (NotAuthenticated, NotPermitted, NotFound, ScreenClosed) as error:
            self.finish(error)
        except CloudError as error:
            log.info("whether {login} may go on is not known: {error}", login=self.identity.login, error=str(error))


class Consoles(Opening):
    """
    The resource ``/console``.

    :param reactor: an ``IReactorTime`` and ``IReactorFromThreads``.
    :param authenticator: of those who say who they are.
    :param turns: those of calls.
    """

    def __init__(
        self,
        reactor: Any,
        door: Door,
        authenticator: Authenticator,
        turns: Turns | None = None,
        share: Share = SHARE,
    ) -> None:
        super().__init__()
        self.reactor = reactor
        self._subscribers: list[Callable[[bool], object]] = []
        self._authenticator = authenticator
        self.standing: Standing[_Console] = Standing(reactor, CHECK_S, self._tend)
        self._door = door
        self._turns = turns or Turns(reactor)
        self._places = Places("consoles", share)

    def __len__(self) -> int:
        return len(self.standing)

    def stop(self) -> None:
        """End all, and let nobody in."""
        self.standing.stop()
        for console in self.standing:
            console.finish()

    def account_changed(self, subject: str = "") -> None:
        """Notification ``account:<id>``: look at once whether its owner may still speak; without an id, at all."""
        self.standing.account_changed(subject)

    def vms_changed(self, vm_ids: frozenset[int] | None) -> None:
        """Look at once whether those who speak to these may; None: to any."""
        self.standing.look_at(lambda console: vm_ids is None or console.vm_id in vm_ids)

    def came(self, console: _Console) -> None:
        self.standing.add(console)
        self._changed(console.vm_id)

    def left(self, console: _Console) -> None:
        self.standing.discard(console)
        self._changed(console.vm_id)

    def subscribe(self, callback: Callable[[bool], object]) -> None:
        """Have it called with whether there is anybody, whenever somebody comes or leaves."""
        self._subscribers.append(callback)

    def _changed(self, vm_id: int) -> None:
        for callback in self._subscribers:
            callback(len(self.standing) > 0)
        there = [console for console in self.standing if console.vm_id == vm_id]
        told = [{"login": console.identity.login, "kind": console.kind} for console in there]
        text = msgspec.json.encode({"viewers": told}).decode()
        for console in there:
            console.tell(text)

    # -------------------------------------------------------------- coming in

    async def let_in(self, request: WireRequest) -> None:
        address = remote(request)
        on_behalf.set(network_of(address))
        await self._turns.take(network_of(address))
        secret = request.args.get(b"ticket", [b""])[-1].decode("ascii", "replace")
        credentials = parse_authorization(one(request.requestHeaders, b"authorization"))
        identity = None if credentials is None else await self._authenticator.authenticate(credentials, address)
        origin = (one(request.requestHeaders, b"origin") or b"")[:ORIGIN_MAX].decode("ascii", "replace")
        speaking = await self._door.admit(secret, Comer(address, uuid.uuid4().hex, origin, identity))
        on_behalf.set(speaking.identity.account_id)
        give_back = self._places.take(speaking.identity, address)
        try:
            _Console(self, speaking, give_back).begin(request)
        except BaseException:
            give_back()
            raise

    # -------------------------------------------------------------- staying

    def _tend(self, console: _Console, now: float) -> None:
        if now - console.moved_at > IDLE_S:
            console.finish(StreamIdle(IDLE_S))
        elif now - console.socket.heard_at > SILENT_S:
            console.finish(StreamIdle(SILENT_S))
        elif now - console.pinged_at > PING_S:
            console.pinged_at = now
            console.socket.ping()
