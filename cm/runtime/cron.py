"""Schedules in the language of Debian's cron, in time zones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from cm.rpc.errors import InvalidParameter

SHORTEST_S: Final = 300.0  # between two moments: what comes more often is a program's, which can wait for events
_LOOKED_AT: Final = 200  # moments of a schedule that are looked at for the shortest interval
zones = cache(available_timezones)  # it reads a directory of hundreds of files


def check_schedule(cron: str, timezone: str, now: datetime) -> None:
    """
    :param cron: minute, hour, day of the month, month, day of the week; "": none.
    :raises InvalidParameter: it is no schedule, never due, or due too often; or there is no such time zone.
    """
    if timezone not in zones():
        raise InvalidParameter("timezone", "it is no time zone such as Europe/Warsaw")
    if not cron:
        return
    if len(cron.split()) != 5:
        raise InvalidParameter("cron", "give minute, hour, day of the month, month, day of the week")
    try:
        found = list(islice(moments(cron, timezone, now), _LOOKED_AT))
    except CronSimError as error:
        raise InvalidParameter("cron", str(error)) from None
    if not found:
        raise InvalidParameter("cron", "it is never due")
    for first, second in zip(found, found[1:], strict=False):
        if (second - first).total_seconds() < SHORTEST_S:
            raise InvalidParameter("cron", f"it is due more often than every {SHORTEST_S:g} seconds")


def moments(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """
    When a schedule is due after a moment, in UTC. Where clocks go forward what falls into the gap comes right behind
    it; where they go back what is due at one time of the day comes once.
    """
    for each in CronSim(cron, after.astimezone(ZoneInfo(timezone))):
        yield each.astimezone(UTC)
