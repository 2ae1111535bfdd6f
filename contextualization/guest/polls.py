"""
What our own agent in a guest asks: whether there is something to do, what exactly, and where it says what became of it.

Who asks is settled as for all of a guest's requests, by tap and lease; within the guest the first to speak after a
launch is its agent, and proves to be the same by the key that it made for itself: other accounts of the guest reach
this address, too, and are told nothing. What it says is a stranger's word, and bounded.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cm.rpc.limits import check_depth
from cm.rules.guest import Guest
from cm.rules.guest_word import AgentWord, line_of, words_of
from cm.runtime.database import Database
from cm.services.guest_command import begin, poll, take_result
from contextualization.guest.offers import Offers
from contextualization.wire import Answer, Exchange, Refusal, json_answer, not_found

log = Logger()

POLL: Final = "/agent/poll"
BEGIN: Final = "/agent/begin"
RESULT: Final = "/agent/result"
PROGRAM: Final = "/agent/program"
PROTOCOL: Final = 1
WAIT_HEADER: Final = "x-wawel-wait"  # said by the node: for how many seconds it lets a guest wait
WAIT_S: Final = 25.0
# Of a node whose agent gives up on us after 5 s.
SHORT_S: Final = 3.0
DEPTH_MAX: Final = 8
KEY_MIN: Final = 32  # characters
KEY_MAX: Final = 128
CALLS_PER_S: Final = 40  # of one guest; each command takes three
REMEMBERED: Final = 4096  # guests whose calls are counted


class GuestPolls:
    """
    :param key: what commands are sealed by.
    :param hears: whether notifications of commands come; without them the queue is looked at every second.
    """

    def __init__(self, database: Database, clock: IReactorTime, key: bytes, hears: bool, offers: Offers) -> None:
        self._offers = offers
        self._database = database
        self._clock = clock
        self._key = key
        self._look_s = WAIT_S if hears else 1.0
        self._waiting: dict[int, Deferred[bool]] = {}  # by VM; fires True: look, False: another poll took its place
        self._calls: OrderedDict[int, tuple[float, int]] = OrderedDict()  # by VM: since when, and how many
        self._handlers: dict[str, Callable[[Guest, AgentWord, dict[str, Any], Exchange], Any]] = {
            POLL: self._poll, BEGIN: self._begin, RESULT: self._result, PROGRAM: self._program,
        }  # fmt: skip

    def command_came(self, payload: str) -> None:
        """:param payload: a VM's id; "" where notifications may have been lost."""
        for vm_id in [int(payload)] if payload.isdecimal() else list(self._waiting):
            self._wake(vm_id, True)

    def _wake(self, vm_id: int, look: bool) -> None:
        waiting = self._waiting.pop(vm_id, None)
        if waiting is not None and not waiting.called:
            waiting.callback(look)

    async def answer(self, guest: Guest, exchange: Exchange, path: str) -> Answer:
        """:raises Refusal: of whatever is not as the agent says it."""
        handler = self._handlers.get(path)
        if handler is None:
            raise not_found()
        if exchange.method != "POST":
            raise Refusal(405, "method_not_allowed", "This takes POST.", allow="POST")
        self._count(guest.vm_id)
        said = _said(exchange.body)
        answer: Answer = await handler(guest, _word(said), said, exchange)
        return answer

    def _count(self, vm_id: int) -> None:
        now = self._clock.seconds()
        since, calls = self._calls.pop(vm_id, (now, 0))
        if now - since >= 1.0:
            since, calls = now, 0
        self._calls[vm_id] = (since, calls + 1)
        while len(self._calls) > REMEMBERED:
            self._calls.popitem(last=False)
        if calls >= CALLS_PER_S:
            raise Refusal(429, "too_many_requests", "An agent need not call so often.")

    async def _poll(self, guest: Guest, word: AgentWord, said: dict[str, Any], exchange: Exchange) -> Answer:
        """The next command, as soon as there is one; none after a while. The poll before is answered at once."""
        wait_s = _wait_s(said.get("wait_s"), exchange.header(WAIT_HEADER))
        deadline = self._clock.seconds() + wait_s
        self._wake(guest.vm_id, False)
        while True:
            # From before the look, so that a command that comes between the two is not missed.
            woken: Deferred[bool] = Deferred()
            self._waiting[guest.vm_id] = woken
            timer = None
            try:
                ours, command_id = await self._database.transact(poll, guest, word)
                if not ours:
                    raise _not_ours()
                left_s = min(deadline - self._clock.seconds(), self._look_s)
                if command_id is not None:
                    return json_answer({"command": command_id})
                if left_s <= 0:
                    offer = await self._offers.update(word.version)
                    return json_answer({"command": None} | ({} if offer is None else {"update": offer}))
                timer = self._clock.callLater(left_s, self._wake, guest.vm_id, True)
                if not await woken:
                    return json_answer({"command": None})
            finally:
                if timer is not None and timer.active():
                    timer.cancel()
                if self._waiting.get(guest.vm_id) is woken:
                    del self._waiting[guest.vm_id]

    async def _begin(self, guest: Guest, word: AgentWord, said: dict[str, Any], _: Exchange) -> Answer:
        begun = await self._database.transact(begin, guest, word, _id(said), self._key)
        if begun is None:
            raise Refusal(410, "gone", "This is not to be done, or not any more.")
        return json_answer({"action": begun.action, "arguments": begun.arguments, "left_s": round(begun.left_s, 3)})

    async def _result(self, guest: Guest, word: AgentWord, said: dict[str, Any], _: Exchange) -> Answer:
        done = said.get("ok") is True
        error = None if done else line_of(said.get("error")) or "it does not say why"
        result = said.get("result") if done else None
        if not await self._database.transact(take_result, guest, word, _id(said), self._key, result, error):
            raise Refusal(410, "gone", "Nobody waits for this.")
        return json_answer({})

    async def _program(self, guest: Guest, word: AgentWord, said: dict[str, Any], _: Exchange) -> Answer:
        """No secret: whoever asks to install it is told the same."""
        offset = said.get("offset")
        if isinstance(offset, bool) or not isinstance(offset, int) or not 0 <= offset < 2**31:
            raise Refusal(400, "bad_request", "offset is no number of a byte.")
        return json_answer(self._offers.chunk(offset))


def _said(body: bytes) -> dict[str, Any]:
    """:raises Refusal: it is no object of JSON."""
    check_depth(body, DEPTH_MAX)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Refusal(400, "malformed_request", "The body is no JSON object.")
    return said


def _word(said: dict[str, Any]) -> AgentWord:
    """:raises Refusal: it speaks another protocol, or has no key."""
    if said.get("protocol") != PROTOCOL:
        raise Refusal(400, "wrong_protocol", f"This speaks protocol {PROTOCOL}.")
    key = said.get("key")
    if not isinstance(key, str) or not KEY_MIN <= len(key) <= KEY_MAX:
        raise Refusal(400, "bad_request", f"An agent's key has {KEY_MIN} to {KEY_MAX} characters.")
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return AgentWord(digest, line_of(said.get("version"), 32), words_of(said.get("actions")))


def _id(said: dict[str, Any]) -> int:
    told = said.get("command")
    if isinstance(told, bool) or not isinstance(told, int) or not 0 < told < 2**63:
        raise Refusal(400, "bad_request", "command is no number of a command.")
    return told


def _wait_s(asked: Any, allowed: str) -> float:
    """:param allowed: what the guest's node says."""
    most = min(float(allowed), WAIT_S) if allowed.isdecimal() else SHORT_S
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not asked >= 0:
        return most
    return min(float(asked), most)


def _not_ours() -> Refusal:
    return Refusal(403, "forbidden", "Another program of this guest is its agent until the VM is started anew.")
