"""
What a guest says of itself, made fit to be kept and shown. It may be wrong, huge or meant to harm: lists end, texts are
one line of what can be printed, numbers are such as the database holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LIST_MAX: Final = 64  # interfaces, file systems, users; addresses of an interface
TEXT_MAX: Final = 255  # characters
KEYS_MAX: Final = 256  # lines of an account's authorized_keys
KEY_MAX: Final = 8192  # characters of one
ACTIONS_MAX: Final = 64  # that an agent says that it can do
WORD_MAX: Final = 32  # characters of an action's name, and of a version
_LARGEST: Final = 2**63 - 1


def line_of(told: Any, limit: int = TEXT_MAX) -> str:
    """One line, without what cannot be printed."""
    return "".join(each for each in str(told or "")[: 4 * limit] if each.isprintable())[:limit]


def number_of(told: Any) -> int:
    """A number from 0 on; whatever is none is 0."""
    if isinstance(told, bool) or not isinstance(told, (int, float)) or told != told:
        return 0
    return int(min(max(told, 0), _LARGEST))


def amount_of(told: Any) -> float:
    """Likewise, with what is behind its point, as far as people look at it."""
    if isinstance(told, bool) or not isinstance(told, (int, float)) or not 0 <= told < 1e12:
        return 0.0
    return round(float(told), 2)


def list_of(told: Any, limit: int = LIST_MAX) -> list[Any]:
    return told[:limit] if isinstance(told, list) else []


def maps_of(told: Any) -> list[Mapping[str, Any]]:
    return [each for each in list_of(told) if isinstance(each, dict)]


def words_of(told: Any) -> tuple[str, ...]:
    """Names of actions: of small letters and strokes, each once."""
    return tuple(dict.fromkeys(each for each in map(_word, list_of(told, ACTIONS_MAX)) if each))


def _word(told: Any) -> str:
    fits = isinstance(told, str) and len(told) <= WORD_MAX and told.isascii()
    return told if fits and told.replace("_", "").isalpha() and told.islower() else ""


@dataclass(frozen=True)
class AgentWord:
    """
    What our agent in a guest says each time that it calls.

    :ivar key_hash: of the key that it made for itself: who has it is the same agent as before.
    """

    key_hash: str = field(repr=False)
    version: str = ""
    actions: tuple[str, ...] = ()


def lines_of(told: Any) -> list[str]:
    """Lines of an ``authorized_keys``."""
    texts: Iterable[Any] = list_of(told, KEYS_MAX)
    return [line for line in (line_of(each, KEY_MAX) for each in texts) if line]
