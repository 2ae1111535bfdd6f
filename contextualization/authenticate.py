"""
Which node sent a request. Keys are cached: a notification drops one at once, and none lives longer than ten seconds, so
that a lost notification does no lasting harm.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twisted.logger import Logger

from cm.runtime.database import Database
from cm.runtime.logins import LoginTrail
from cm.services.agent import record_skew
from cm.store.agent import credential_key
from cm.store.node_report import REPLAY_S
from contextualization.signature import is_signed_by_key
from contextualization.wire import Exchange, Refusal
from node_hooks.signature import ADDRESS_HEADER, BRIDGE_HEADER, Authorization, parse_authorization

log = Logger()

WINDOW_S: Final = REPLAY_S // 2  # a signature's age, in both directions
KEY_S: Final = 10.0
AGAIN_S: Final = 1.0  # between two looks for the key of a node whose signature is not good, or that has none
KEYS_MAX: Final = 4096
LOOKUPS_MAX: Final = 32  # at once: before its signature is checked anybody may name any node
USED_MAX: Final = 50_000  # signatures of agents remembered: 80 a second for as long as each may be shown
SKEW_S: Final = 5.0
SKEW_PERSISTS_S: Final = 60.0


@dataclass(frozen=True)
class Sender:
    """
    A node whose signature is good; ``bridge`` and ``address`` are those it signed, empty without a guest.

    :ivar first: whether this very request came for the first time. One that comes again, as whoever overheard it could
        send it, is answered alike, and is evidence of nothing.
    :ivar time: unix seconds by the node's clock, when it signed.
    """

    node_id: int
    bridge: str = ""
    address: str = ""
    first: bool = True
    time: int = 0


@dataclass
class _Key:
    read: float
    key: bytes | None = field(repr=False)


@dataclass
class _Skew:
    since: float
    recorded: float | None = None


class Authenticator:
    """
    :param wall: unix seconds, as nodes sign them.
    :param monotonic: seconds for ages in the cache.
    :param logins: is told of nodes recognised, and of those that are none.
    """

    def __init__(
        self, database: Database, wall: Callable[[], float], monotonic: Callable[[], float], logins: LoginTrail
    ) -> None:
        self._database = database
        self._logins = logins
        self._wall = wall
        self._monotonic = monotonic
        self._keys: OrderedDict[int, _Key] = OrderedDict()
        self._lookups = 0
        self._forgotten = 0
        self._skews: dict[int, _Skew | None] = {}
        self._since = wall()  # of what was signed before, a former process may have had it already
        self._used: OrderedDict[str, float] = OrderedDict()
        self._warned_at: dict[int, float] = {}  # when the log was told of a node's times beyond the window

    def forget(self, payload: str) -> None:
        """
        Drop the key of the node that a notification names; all of them where it names none.

        :param payload: ``credential:<node id>``.
        """
        self._forgotten += 1
        node_id = payload.rpartition(":")[2]
        if node_id.isdecimal():
            self._keys.pop(int(node_id), None)
        else:
            self._keys.clear()

    async def authenticate(self, exchange: Exchange) -> Sender:
        """
        :raises Refusal: 401 without a good signature of now; 503 when too many unknown nodes are looked up.
        :raises DatabaseUnavailable: the key could not be read.
        """
        claim = parse_authorization(exchange.header("Authorization"))
        if claim is None:
            raise Refusal(401, "not_authenticated", "The request is not signed.")
        bridge, address = exchange.header(BRIDGE_HEADER), exchange.header(ADDRESS_HEADER)
        key = await self._key(claim.node_id, KEY_S)
        if not self._is_signed(claim, key, exchange, bridge, address):
            # A node that has just enrolled may be faster than the notification of its new key.
            key = await self._key(claim.node_id, AGAIN_S)
        if not self._is_signed(claim, key, exchange, bridge, address):
            log.info("a request that claims to be of node {node_id} has no good signature", node_id=claim.node_id)
            self._logins.note(f"node-{claim.node_id}", None, exchange.remote, "node", "bad_signature")
            raise Refusal(401, "bad_signature", "The signature is not that of the node.")
        skew_s = claim.time - self._wall()
        if abs(skew_s) > WINDOW_S:
            # A clock that is far off, or an old request of a good one: nothing here tells which, so nothing is written.
            self._tell(claim.node_id, skew_s)
            self._logins.note(f"node-{claim.node_id}", None, exchange.remote, "node", "clock_skew")
            raise Refusal(401, "clock_skew", f"The node's clock is {skew_s:+.0f} s off ours.")
        self._logins.note(f"node-{claim.node_id}", None, exchange.remote, "node")
        # Those on behalf of guests are many, may be alike within a second, and are no evidence.
        first = not address and self._is_first(claim.signature)
        if first and claim.time > self._since:
            await self._watch_clock(claim.node_id, skew_s)
        return Sender(claim.node_id, bridge, address, first, claim.time)

    def _is_first(self, signature: str) -> bool:
        now = self._monotonic()
        while self._used and next(iter(self._used.values())) <= now:
            self._used.popitem(last=False)
        if signature in self._used:
            return False
        if len(self._used) >= USED_MAX:
            return False  # it cannot be told; evidence comes again with the next request
        self._used[signature] = now + REPLAY_S  # signed by a clock that is ahead, it is good for as long
        return True

    def _tell(self, node_id: int, skew_s: float) -> None:
        now = self._monotonic()
        if now - self._warned_at.get(node_id, float("-inf")) >= SKEW_PERSISTS_S:
            self._warned_at[node_id] = now
            log.warn(
                "node {node_id}: a request is {skew_s:+.0f} s off our clock and refused: its clock is wrong, or the"
                " request is an old one",
                node_id=node_id,
                skew_s=skew_s,
            )

    @staticmethod
    def _is_signed(claim: Authorization, key: bytes | None, exchange: Exchange, bridge: str, address: str) -> bool:
        return key is not None and is_signed_by_key(
            claim, key, exchange.method, exchange.uri, exchange.body, bridge, address
        )

    async def _key(self, node_id: int, age_s: float) -> bytes | None:
        """:param age_s: how old a cached key may be."""
        now = self._monotonic()
        cached = self._keys.get(node_id)
        if cached is not None and now - cached.read < (age_s if cached.key else AGAIN_S):
            return cached.key
        if self._lookups >= LOOKUPS_MAX:
            raise Refusal(503, "overloaded", "Try again shortly.")
        self._lookups += 1
        forgotten = self._forgotten
        try:
            key: bytes | None = await self._database.read(credential_key, node_id)
        finally:
            self._lookups -= 1
        if forgotten == self._forgotten:  # else what was read may be the key that was just replaced
            self._keys[node_id] = _Key(now, key)
            self._keys.move_to_end(node_id)
            while len(self._keys) > KEYS_MAX:
                self._keys.popitem(last=False)
        return key

    async def _watch_clock(self, node_id: int, skew_s: float) -> None:
        """Write a drift row for a clock that stays wrong, once a minute; close it when the clock is right again."""
        now = self._monotonic()
        if abs(skew_s) <= SKEW_S:
            # Also once after our own start: the row may be a former process's.
            if node_id not in self._skews or self._skews[node_id] is not None:
                self._skews[node_id] = None
                await self._database.transact(record_skew, node_id, 0.0)
            return
        watched = self._skews.get(node_id)
        if watched is None:
            watched = self._skews[node_id] = _Skew(now)
        due = watched.since if watched.recorded is None else watched.recorded
        if now - due >= SKEW_PERSISTS_S:
            watched.recorded = now
            log.warn("node {node_id}: its clock is {skew_s:+.0f} s off", node_id=node_id, skew_s=skew_s)
            await self._database.transact(record_skew, node_id, skew_s)
