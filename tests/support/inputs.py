"""One input of a fuzz: a request as it is sent, and what is held of its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from support.connection import Answered


class Broken(AssertionError):
    """An answer that may not be."""


@dataclass
class Input:
    """
    :ivar target: path and query, as they are sent.
    :ivar said: all that it says, as it is meant: an answer may repeat that.
    :ivar blind: its answer may tell what was said before it: what was kept was not looked at.
    :ivar judge: what an answer refuses with, "": it does not; what it raises (``Broken``) is wrong with it.
    :ivar shown: what it is told by, where its answer was wrong.
    """

    method: str
    target: str
    headers: list[tuple[str, bytes]]
    body: bytes
    said: bytes
    changes: bool
    judge: Callable[[Answered], str]
    shown: str
    blind: bool = False
