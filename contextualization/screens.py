"""
Screens that nodes' agents call out for: an agent's connection, joined to the manager's process that asked for it, which
waits at a UNIX socket of this machine (``cm/rpc/meeting.py``). Of what passes nothing is looked at or kept.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qs

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.logger import Logger

from cm.rpc.http.relay import Other, Others, Relay
from cm.rpc.http.request import WireRequest
from cm.runtime.database import Database
from cm.store.screen import take_call
from contextualization.authenticate import Sender
from contextualization.wire import Exchange, Refusal

log = Logger()

PATH: Final = "/node/screen"
UPGRADE: Final = "wawel-screen"  # what the connection becomes: bytes
PER_NODE: Final = 64  # of those that are shown at once
CONNECT_S: Final = 5.0
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{20,100}")
_ANSWER: Final = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % UPGRADE.encode()


class Screens:
    """:param reactor: connects, and has the time."""

    def __init__(self, database: Database, reactor: Any) -> None:
        self._database = database
        self._reactor = reactor

    async def join(self, sender: Sender, exchange: Exchange, request: WireRequest) -> None:
        """
        Until either side ends it.

        :raises Refusal: it asks for no such connection, nobody asked for the call, or whoever did is gone.
        """
        if exchange.header("Upgrade").lower() != UPGRADE:
            raise Refusal(426, "upgrade_required", f"This answers by a connection of the protocol {UPGRADE}.")
        token = parse_qs(exchange.query, max_num_fields=4).get("token", [""])[0]
        if not _TOKEN.fullmatch(token):
            raise Refusal(400, "invalid_parameter", "token is none.")
        meeting = await self._database.transact(take_call, token, sender.node_id)
        if meeting is None:
            raise Refusal(404, "not_found", "Nobody asked this node for that call.")
        other = await self._connect(meeting, token)
        over: Deferred[None] = Deferred()
        if request._disconnected:
            other.close(at_once=True)
            return
        Relay(self._reactor, other, lambda: over.callback(None)).take_over(request, _ANSWER)
        await over

    async def _connect(self, meeting: str, token: str) -> Other:
        place = UNIXClientEndpoint(self._reactor, meeting, timeout=CONNECT_S)
        try:
            other: Other = await place.connect(Others.forProtocol(lambda: Other(token.encode() + b"\n")))
        except Exception as error:  # whatever Twisted and the system call it
            log.warn(
                "a screen cannot be joined at {meeting}: {error}. A manager and an endpoint need one machine and one"
                " state directory for that.",
                meeting=meeting,
                error=str(error),
            )
            raise Refusal(503, "unavailable", "The manager that asked for the call cannot be reached.") from None
        return other
