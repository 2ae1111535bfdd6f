"""
Consoles of clusters' VMs by way of the cloud: a WebSocket at ``/console?cluster=NAME&ticket=...``.

Who comes says who they are, by a session or an API key; the ticket is the cluster's (``user.vm.open_console``), and has
to be the same person's, which the cluster is told by a token of ours. Pages come with their session's cookie, which
counts for pages of this site alone (``cm/rpc/http/cookie.py``). The cluster speaks the protocol; here bytes pass, until
they end or their session or rights do.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.logger import Logger

from clm.rules.frames import Frames, close_frame
from clm.rules.scope import ScopeNeeded, allows
from clm.services.connection import Clusters, speaker
from clm.services.context import CloudIdentity
from cm.rpc.address import network_of
from cm.rpc.caller import Identity
from cm.rpc.codec import decode_error
from cm.rpc.credentials import Authenticator, parse_authorization
from cm.rpc.errors import (
    CloudError,
    InvalidParameter,
    NotAuthenticated,
    StreamIdle,
)
from cm.rpc.http.relay import Lost, Other, Relay
from cm.rpc.http.request import WireRequest, one, remote
from cm.rpc.limits import Share
from cm.rpc.opening import Opening
from cm.rpc.places import Places
from cm.rpc.standing import Standing
from cm.rpc.turns import Turns
from cm.rpc.vocabulary import Role
from cm.runtime.pool import on_behalf

log = Logger()

SHARE: Final = Share(200, 8, 100, 20, 10)
OPEN: Final = "user.vm.open_console"  # what an API key's scope has to allow
CHECK_S: Final = 5.0  # between looks whether a session still is; its end is told at once
SILENT_S: Final = 120.0  # clusters ping every half minute
ANSWER_S: Final = 15.0  # for a cluster to let somebody in: a node's agent is asked meanwhile
BODY_MAX: Final = 65_536
GONE_WRONG: Final = 4000  # as clusters say it
GOING_AWAY: Final = 1001
_PASSED: Final = (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol", b"origin")
_ARGUMENTS: Final = frozenset({b"ticket", b"cluster", b"viewers"})


class _Console(Relay):
    """One that passes through."""

    def __init__(self, consoles: Consoles, identity: Identity, other: Other, give_back: Any) -> None:
        super().__init__(consoles.reactor, other, self._left)
        self._consoles = consoles
        self._give_back = give_back
        self._frames = Frames()
        self._last: bytes | None = None
        self.identity = identity
        self.check_at = 0.0

    def _left(self) -> None:
        self._consoles.standing.discard(self)
        self._give_back()

    def passed(self, data: bytes) -> None:
        self.heard_at = self.reactor.seconds()
        whole = self._frames.pass_on(data)
        if self._last is None:
            self.write(data)
        elif whole:
            self._end_with(data[:whole])
        else:
            self.write(data)

    def finish(self, code: int, reason: str) -> None:
        """Say why, after the frame that is passing just now."""
        if self._last is not None or self.over:
            return
        self._last = close_frame(code, reason)
        if self._frames.between:
            self._end_with(b"")
        else:
            self.reactor.callLater(1.0, self.end)

    def _end_with(self, data: bytes) -> None:
        self.write(data + (self._last or b""))
        self.end()

    async def check(self) -> None:
        try:
            if await self._consoles.may_stay(self.identity):
                return
            error: CloudError = NotAuthenticated()
        except CloudError as unknown:
            log.info("whether {login} may go on is not known: {error}", login=self.identity.login, error=str(unknown))
            return
        self.finish(GONE_WRONG, f"{error.code}: {error.for_user()}")


class Consoles(Opening):
    """
    The resource ``/console``.

    :param reactor: the reactor.
    :param turns: those of calls.
    """

    def __init__(
        self, reactor: Any, clusters: Clusters, authenticator: Authenticator, turns: Turns, share: Share = SHARE
    ) -> None:
        super().__init__()
        self.reactor = reactor
        self.standing: Standing[_Console] = Standing(reactor, CHECK_S, self._tend)
        self._clusters = clusters
        self._authenticator = authenticator
        self._turns = turns
        self._places = Places("consoles", share)

    def __len__(self) -> int:
        return len(self.standing)

    def stop(self) -> None:
        """End all, and let nobody in."""
        self.standing.stop()
        for console in self.standing:
            console.finish(GOING_AWAY, "the manager is stopped")

    def account_changed(self, subject: str = "") -> None:
        """Notification ``user:<id>``: look at once whether they may still speak; without an id, at all."""
        self.standing.account_changed(subject)

    async def may_stay(self, identity: Identity) -> bool:
        return await self._authenticator.still_good(identity)

    def _tend(self, console: _Console, now: float) -> None:
        if now - console.heard_at > SILENT_S:
            error = StreamIdle(SILENT_S)
            console.finish(GONE_WRONG, f"{error.code}: {error.for_user()}")

    # -------------------------------------------------------------- coming in

    async def let_in(self, request: WireRequest) -> None:
        for name in request.args.keys() - _ARGUMENTS:
            raise InvalidParameter(name[:50].decode("ascii", "replace"), "consoles have no such parameter")
        address = remote(request)
        on_behalf.set(network_of(address))
        await self._turns.take(network_of(address))
        identity = await self._authenticator.authenticate(
            parse_authorization(one(request.requestHeaders, b"authorization")), address
        )
        identity.require(Role.USER)
        if isinstance(identity, CloudIdentity) and identity.scope is not None:
            if not allows(identity.scope, OPEN, True):
                raise ScopeNeeded(OPEN)
        on_behalf.set(identity.account_id)
        name = request.args.get(b"cluster", [b""])[-1].decode("utf-8", "replace")
        connection = await self._clusters.get(name)
        connection.check()
        give_back = self._places.take(identity, address)
        other: Other | None = None
        try:
            who = speaker(identity, connection.facts)
            other = await connection.open_socket(who, _target(request), _asked(request))
            console = _Console(self, identity, other, give_back)
            answer = await self._answer_of(other, connection.facts.name)
            if request._disconnected:
                raise CancelledError()
        except BaseException:
            give_back()
            if other is not None:
                other.close(at_once=True)
            raise
        self.standing.add(console)
        console.take_over(request, answer)

    async def _answer_of(self, other: Other, cluster: str) -> bytes:
        """
        The head of a cluster's answer, if it lets them in.

        :raises CloudError: why not, in its words.
        """
        from clm.drivers.cluster import ClusterUnavailable

        try:
            head = await other.head(b"\r\n\r\n").addTimeout(ANSWER_S, self.reactor)
            if head.split(b" ", 2)[1:2] == [b"101"]:
                return _answer(head)
            length = min(int(_value(head, b"content-length") or b"0"), BODY_MAX)
            body = await other.take(length).addTimeout(ANSWER_S, self.reactor)
            raise decode_error(msgspec.json.decode(body)["error"])
        except (TimeoutError, Lost):
            raise ClusterUnavailable(cluster, "it does not answer for a console") from None
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise ClusterUnavailable(cluster, "what answers for a console there is no cluster manager") from None


def _target(request: WireRequest) -> bytes:
    """The path at the cluster, of what we know alone."""
    ticket = request.args.get(b"ticket", [b""])[-1].decode("ascii", "replace")
    viewers = b"&viewers=1" if request.args.get(b"viewers", [b""])[-1] == b"1" else b""
    return b"/console?ticket=" + quote(ticket, safe="").encode() + viewers


def _asked(request: WireRequest) -> list[tuple[bytes, bytes]]:
    """The headers that the two who speak WebSocket agree by."""
    found = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
    for name in _PASSED:
        found += [(name, value) for value in request.requestHeaders.getRawHeaders(name, [])]
    return found


def _answer(head: bytes) -> bytes:
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    for name in (b"Sec-WebSocket-Accept", b"Sec-WebSocket-Protocol"):
        value = _value(head, name.lower())
        if value is not None:
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])


def _value(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        told, _, value = line.partition(b":")
        if told.lower() == name:
            return value.strip()
    return None
