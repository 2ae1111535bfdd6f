"""
A list on a terminal that may be narrow: nothing is folded. Long texts are cut with an ellipsis, then the columns that
matter least are left out, and where not even the rest fits each object is told line by line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# What a list is for; these stay as they are.
NEEDED: Final = frozenset({"ID", "NAME", "STATE", "ADDRESS", "CLUSTER", "LOGIN", "KIND", "NODE ID", "FITS", "STATUS"})
# Texts that may be cut, and to how many columns at least.
TEXTS: Final = {
    "NAME": 16, "TEXT": 20, "REASON": 20, "DESCRIPTION": 12, "COMMENT": 12, "PROPOSAL": 20, "SUBJECT": 16, "ERROR": 16,
    "MESSAGE": 20, "PATH": 16, "URL": 16, "TOPIC": 16, "IMAGE": 10, "TEMPLATE": 8, "OWNER": 8, "STORAGES": 10,
    "FINGERPRINT": 16, "STEP": 10, "E-MAIL": 16, "NODES": 10,
}  # fmt: skip
# Left out first, in this order; then from the right.
FIRST_OUT: Final = ("UUID", "FORMAT", "ACCESS", "COMMENT", "DESCRIPTION", "URL", "PATH", "AGE", "SEEN", "TEMPLATE",
                    "OWNER", "STORAGES", "NODES", "IMAGE", "CPU", "MEMORY")  # fmt: skip
GAP: Final = 2


@dataclass(frozen=True)
class Layout:
    """
    :ivar widths: of the columns that are shown, by their place; none where objects are to be told line by line.
    :ivar left_out: headings of the others.
    """

    widths: dict[int, int]
    left_out: tuple[str, ...] = ()


def fit(headings: Sequence[str], widths: Sequence[int], room: int) -> Layout:
    """
    Which columns are shown, and how wide.

    :param widths: what each needs, its heading as well.
    :param room: columns of the terminal.
    """
    shown = list(range(len(headings)))
    left_out: list[str] = []
    least = [min(wide, max(TEXTS[h], len(h))) if h in TEXTS else wide for h, wide in zip(headings, widths, strict=True)]
    while sum(least[n] for n in shown) + GAP * (len(shown) - 1) > room:
        out = _least_needed([(n, headings[n]) for n in shown])
        if out is None:
            return Layout({}, ())
        shown.remove(out)
        left_out.append(headings[out])
    spare = room - sum(least[n] for n in shown) - GAP * (len(shown) - 1)
    made = {}
    for number in shown:
        more = min(spare, widths[number] - least[number])
        made[number] = least[number] + more
        spare -= more
    return Layout(made, tuple(sorted(left_out, key=list(headings).index)))


def _least_needed(shown: Sequence[tuple[int, str]]) -> int | None:
    free = [(number, heading) for number, heading in shown if heading not in NEEDED]
    if not free or len(shown) < 2:
        return None
    for name in FIRST_OUT:
        for number, heading in free:
            if heading == name:
                return number
    return free[-1][0]


def cut(text: str, wide: int, width: int) -> str:
    """
    A text in so many columns, with an ellipsis where something is missing.

    :param width: columns that the text takes.
    """
    if width <= wide:
        return text
    from unicodedata import combining, east_asian_width

    made, used = "", 0
    for c in text:
        step = 0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1
        if used + step > wide - 1:
            break
        made, used = made + c, used + step
    return made + "…"
