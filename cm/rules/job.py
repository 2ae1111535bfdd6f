"""
Jobs: which calls they may make, when a schedule is due, and what is kept of an answer.

Source: Xen Orchestra's jobs and schedules (a call over a set of parameters, cron in a time zone, no second run while
one is under way); the language of schedules is that of Debian's cron.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

CRON_LENGTH: Final = 100
LATE_S: Final = 60.0  # as late as this a moment is still kept; what is later was missed
MISSED_MAX: Final = 1000  # moments that are counted
IDS_MAX: Final = 100  # numbers of an answer that are kept

# What no job may call, with the reason.
REFUSED: Final[Mapping[str, str]] = {
    "guest.*": "nobody's rights are needed for it",
    "node.*": "nodes call it",
    "*.job.*": "a job does not change jobs",
    "user.account.*": "it is about the account itself",
    "*.session.*": "it is about sessions",
    "admin.user.*": "it is about who may call",
    "admin.administrator.*": "it is about who may call",
    "admin.trust.*": "it is about who may call",
    "admin.cloud.*": "cloud managers call it",
    "*.acl.*": "it is about who may do what",
    "user.vm.attach_vnc": "its answer is a password that is told once",
    "user.vm.open_console": "its answer is a ticket that is told once",
    "*.create_download": "its answer is an address that is told once",
    "*.upload": "its bytes come by another way",
    "*.multipart.*": "its bytes come by another way",
}


def refusal(method: str) -> str | None:
    """Why no job may make a call; None: one may, as far as its name says."""
    return next((reason for pattern, reason in REFUSED.items() if fnmatchcase(method, pattern)), None)


# ------------------------------------------------------------------ schedules


@dataclass(frozen=True)
class Due:
    """
    What a schedule that is looked at leads to.

    :ivar run_at: the moment that it is run for; None: it is not.
    :ivar missed: moments that nobody was there for, and the last of them.
    :ivar next_at: when to look next; None: never.
    """

    run_at: datetime | None
    missed: int
    missed_at: datetime | None
    next_at: datetime | None


def due(moments: Callable[[datetime], Iterator[datetime]], next_at: datetime, now: datetime) -> Due:
    """
    :param moments: when the schedule is due after a moment.
    :param next_at: the moment that was to come next when it was looked at last; it has come.
    """
    passed = [next_at]
    coming: datetime | None = None
    for each in moments(next_at):
        if each > now:
            coming = each
            break
        passed.append(each)
        if len(passed) > MISSED_MAX:
            coming = next(moments(now), None)
            break
    last = passed[-1]
    runs = now - last <= timedelta(seconds=LATE_S)
    lost = passed[:-1] if runs else passed
    return Due(last if runs else None, len(lost), lost[-1] if lost else None, coming)


# ------------------------------------------------------------------ answers


def kept(answer: Any) -> dict[str, Any]:
    """What is kept of an answer: the numbers of what it is about, by name. No texts: some are secrets."""
    found: dict[str, list[int]] = {}
    _collect(answer, found, [0])
    return dict(found)


def _collect(value: Any, found: dict[str, list[int]], count: list[int]) -> None:
    if isinstance(value, list):
        for each in value:
            _collect(each, found, count)
    elif isinstance(value, dict):
        for name, each in value.items():
            is_number = isinstance(each, int) and not isinstance(each, bool)
            if name.endswith("_id") and is_number:
                numbers = found.setdefault(name, [])
                if each not in numbers and count[0] < IDS_MAX:
                    numbers.append(each)
                    count[0] += 1
            else:
                _collect(each, found, count)


def status_of(answer: Any) -> tuple[str, str]:
    """Of a call that was answered: "ok", or the slug and message of the first of a list that was refused."""
    if isinstance(answer, list):
        for each in answer:
            told = each.get("status") if isinstance(each, dict) else None
            if isinstance(told, str) and told != "ok" and "message" in each:
                return told, str(each["message"])
    return "ok", ""


def is_good(statuses: Sequence[str]) -> bool:
    return all(each == "ok" for each in statuses)
