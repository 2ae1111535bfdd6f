"""What one request may ask of a server: sizes, depths and times, all in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cm.rpc.errors import TooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """
    :ivar call_s: seconds for one call. A read is given up then; a change goes on, only its caller stops waiting.
    :ivar under_way: calls of all clients together, those included whose callers stopped waiting.
    :ivar drain_bytes: of a body that is too large, how much more is read so that its sender can read the refusal.
    """

    body_bytes: int = 1_048_576
    drain_bytes: int = 8_388_608
    depth: int = 32
    batch: int = 100
    call_s: float = 30.0
    under_way: int = 1000


# Strings are cut out first, so that brackets inside them do not count. Possessive, against inputs of many quotes.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")


def check_depth(body: bytes, limit: int) -> None:
    """
    :raises TooLarge: JSON that is nested more deeply. Looked at before parsing, since parsers recurse.
    """
    if body.count(b"[") + body.count(b"{") <= limit:
        return
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        if bracket in b"[{":
            depth += 1
            if depth > limit:
                raise TooLarge("The nesting", limit)
        else:
            depth -= 1
