"""Sizes, ages and states as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

_POWERS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SPANS: Final = ((86_400 * 365, "y"), (86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def size(count: int | float, power: int = 0) -> str:
    """
    A size with a unit that leaves it two to four digits.

    :param power: the unit that ``count`` is in: 0 bytes, 2 MiB.
    """
    number = float(count)
    while abs(number) >= 1023.5 and power < len(_POWERS) - 1:
        number /= 1024
        power += 1
    shown = f"{number:.1f}" if abs(number) < 9.95 else f"{number:.0f}"
    return f"{shown.removesuffix('.0')} {_POWERS[power]}"


def span(seconds: float) -> str:
    """A length of time in its largest unit: 45 s, 3 min, 2 h, 12 d."""
    for length, unit in _SPANS:
        if abs(seconds) >= length:
            return f"{int(seconds / length)} {unit}"
    return "0 s"


def moment(text: Any) -> datetime | None:
    """A time as the wire writes it."""
    if not isinstance(text, str) or len(text) < 10:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def age(text: Any, now: datetime | None = None) -> str:
    """How long ago a time of the wire was; what is none stays as it is."""
    found = moment(text)
    if found is None:
        return "" if text is None else str(text)
    return span(max(0.0, ((now or datetime.now(UTC)) - found).total_seconds()))


def when(text: Any, now: datetime | None = None) -> str:
    """A time and how far it is: 2026-11-23 06:46:45 UTC (3 min ago)."""
    found = moment(text)
    if found is None:
        return "" if text is None else str(text)
    distance = ((now or datetime.now(UTC)) - found).total_seconds()
    told = f"{span(distance)} ago" if distance >= 0 else f"in {span(-distance)}"
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({told})"
