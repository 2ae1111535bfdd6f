"""
What one request, one caller and all callers together may ask of a server: sizes, depths, times and numbers, all in one
place. They are the settings ``[limits]`` of both managers; ``docs/limits.md`` lists them with everything else that has
a bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final, Literal

from cm.rpc.errors import TooLarge
from cm.runtime.threads import SHARE

CONNECTIONS: Final = 12_000  # a process may have 65,536 files open by its unit; each holds some 15 kB here
CONNECTIONS_PER_ADDRESS: Final = 3000  # as many as one cloud manager needs at its cluster: its calls and its waits


@dataclass(frozen=True, slots=True)
class Share:
    """
    How places are shared out.

    :ivar size: all of them.
    :ivar per_account: of one account; administrators and cloud managers have ``times`` as many.
    :ivar per_address: of one address, for callers that do not come by a cloud manager; see ``address.counted_address``.
    :ivar kept: the last ones, which only administrators and cloud managers get.
    """

    size: int
    per_account: int
    per_address: int
    kept: int
    times: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """
    :ivar body_bytes: of a request; ``guest_body_bytes`` of one that comes without credentials.
    :ivar large_bodies: those larger than a guest's that are taken in at once, one of each caller; others wait unread.
    :ivar drain_bytes: of a body that is too large, how much more is read so that its sender can read the refusal.
    :ivar depth: of nesting, in either dialect.
    :ivar elements: values of one body; in XML, elements. Reading one takes 0.2 microseconds in JSON, 3 in XML.
    :ivar calls: of one request, counted over batch and ``system.multicall`` together.
    :ivar answer_bytes: of the answer to one request; ``guest_answer_bytes`` where it came without credentials.
    :ivar call_s: seconds for one call. A read is given up then; a change goes on, only its caller stops waiting.
    :ivar request_s: seconds for all calls of a request; what has not begun then does not begin.
    :ivar under_way: calls of all clients together, those included whose callers stopped waiting; ``waits`` those that
        wait for something to happen and work on nothing; ``streams`` readers of the change feed. Of each an account
        and an address have their share, and the last ones are kept for those who run the cloud: see ``Places``.
    :ivar thread_share: the part of a pool's threads that works for one account at most.
    :ivar changes_burst: changing calls that an account may make at once, of which ``changes_per_s`` come back.
    :ivar privileged_times: how many times an account's share administrators and cloud managers have.
    :ivar connections: open at once, whether they ask for something or not.
    """

    body_bytes: int = 1_048_576
    guest_body_bytes: int = 65_536
    large_bodies: int = 8
    drain_bytes: int = 8_388_608
    depth: int = 32
    elements: int = 20_000
    calls: int = 100
    answer_bytes: int = 67_108_864
    guest_answer_bytes: int = 4_194_304
    call_s: float = 30.0
    request_s: float = 60.0
    under_way: int = 1000
    under_way_per_account: int = 100
    under_way_per_address: int = 300
    under_way_kept: int = 100
    waits: int = 4000
    waits_per_account: int = 50
    waits_per_address: int = 500
    waits_kept: int = 500
    streams: int = 2000
    streams_per_account: int = 20
    streams_per_address: int = 400
    streams_kept: int = 200
    thread_share: float = SHARE
    changes_burst: int = 500
    changes_per_s: float = 5.0
    privileged_times: int = 10
    connections: int = CONNECTIONS
    connections_per_address: int = CONNECTIONS_PER_ADDRESS

    def share(self, kind: Literal["under_way", "waits", "streams"]) -> Share:
        size, account, address, kept = (
            getattr(self, kind + ending) for ending in ("", "_per_account", "_per_address", "_kept")
        )
        return Share(size, account, address, kept, self.privileged_times)

    def problems(self) -> list[str]:
        """What is wrong with them as settings, one line each."""
        found = [
            f"limits.{each.name} is not above zero"
            for each in fields(self)
            if getattr(self, each.name) < (0 if each.name.endswith("_kept") else 1e-9)
        ]
        if self.thread_share > 1:
            found.append("limits.thread_share is above 1")
        for each in fields(self):
            whole, _, part = each.name.rpartition("_")
            if part == "kept" and getattr(self, each.name) >= getattr(self, whole):
                found.append(f"limits.{each.name} leaves none of limits.{whole} to users")
        return found


# A string is one token, so that brackets and commas in it do not count. Possessive, against inputs of many quotes.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
_TOKENS_PER_ELEMENT = 4  # a name, a value, a comma, and a bracket in most


_BLOCK = 16_384  # bytes counted at a time: where the sign is dense, counting a megabyte takes 5 ms


def count_up_to(body: bytes, limit: int, *signs: bytes, without: bytes = b"") -> int:
    """How often any of these signs stands there, less ``without``; no further than to the first excess over a limit."""
    found = 0
    for start in range(0, len(body), _BLOCK):
        end = start + _BLOCK
        found += sum(body.count(sign, start, end) for sign in signs)
        if without:
            found -= body.count(without, start, end + len(without) - 1)
        if found > limit:
            break
    return found


def check_depth(body: bytes, depth_max: int, elements_max: int = 20_000) -> None:
    """
    Look at JSON before it is parsed, since parsers recurse and build. The scan ends at the first excess, whatever
    comes after it.

    :raises TooLarge: it is nested more deeply, or has more values.
    """
    if len(body) <= _BLOCK:  # as nearly all are
        if body.count(b"[") + body.count(b"{") <= depth_max and body.count(b",") < elements_max - depth_max:
            return
    elif (
        count_up_to(body, depth_max, b"[", b"{") <= depth_max
        and count_up_to(body, elements_max - depth_max - 1, b",") < elements_max - depth_max
    ):
        return
    depth = elements = tokens = 0
    for found in _TOKENS.finditer(body):
        tokens += 1
        first = body[found.start()]
        if first in b"[{":
            depth += 1
            elements += 1
            if depth > depth_max:
                raise TooLarge("The nesting", depth_max)
        elif first in b"]}":
            depth -= 1
        elif first in b",":
            elements += 1
        if elements > elements_max or tokens > elements_max * _TOKENS_PER_ELEMENT:
            raise TooLarge("The number of values", elements_max)
