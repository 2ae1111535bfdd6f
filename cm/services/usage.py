"""Use cases of points: what an account used, who is told that little is left, and who may start no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from cm.results.usage import PointsHistory, PointsOfAccount
from cm.rpc.errors import LimitReached
from cm.rules.usage import WARN_AT, Period, line, month_of, read_month, to_tell
from cm.services.context import ClusterCall, ClusterPolicy
from cm.services.message import tell
from cm.store.account import get_account
from cm.store.usage import limit_of, near_their_limit, now_of, points_by_account, points_used, record_told, runs_of

RUNS_MAX: Final = 5000  # that a line is drawn of


@dataclass(eq=False)
class PointsUsedUp(LimitReached):
    """Until the next month, or until an administrator gives more."""

    code = "points_used_up"
    message = "Of this month's {limit} points {used} are used; what runs goes on, and nothing more can be started."
    limit: int
    used: int


def limit(policy: ClusterPolicy, own: int) -> int:
    """Points of a month; 0: without a bound."""
    return own or policy.quota_points


def refuse_points(session: Session, account_id: int, policy: ClusterPolicy) -> None:
    """
    :raises PointsUsedUp: the cluster refuses then, and this account's are.
    """
    if not policy.points_refuse:
        return
    most = limit(policy, limit_of(session, account_id))
    if most:
        used = points_used(session, account_id, month_of(now_of(session)))
        if used >= most:
            raise PointsUsedUp(most, int(used))


def history(caller: ClusterCall, account_id: int, month: str) -> PointsHistory:
    """
    :raises InvalidParameter: ``month`` is none.
    """
    session = caller.session
    own = get_account(session, account_id)["quota_points"]
    now = now_of(session)
    period = read_month(month, now)
    runs = runs_of(session, account_id, period, RUNS_MAX + 1)
    drawn = line(runs[:RUNS_MAX], period, now) if period.begin <= now else []
    return {
        "user_id": account_id,
        "month": f"{period.begin:%Y-%m}",
        "used": round(points_used(session, account_id, period), 2),
        "limit": limit(caller.policy, own),
        "points": [{"at": each.at, "points": round(each.points, 2), "label": each.label} for each in drawn],
        "complete": len(runs) <= RUNS_MAX,
    }


def report(caller: ClusterCall, month: str, *, after: int, most: int) -> Sequence[PointsOfAccount]:
    """
    :raises InvalidParameter: ``month`` is none.
    """
    period = read_month(month, now_of(caller.session))
    return [
        {
            "user_id": each.account_id,
            "login": each.login,
            "used": round(each.points, 2),
            "limit": limit(caller.policy, each.limit),
            "hours": round(each.hours, 2),
            "vms": each.vms,
        }
        for each in points_by_account(caller.session, period, after=after, limit=most)
    ]


def warn(session: Session, policy: ClusterPolicy) -> int:
    """
    Tell those of whose points little or nothing is left, each once a month of each.

    :return: how many.
    """
    period: Period = month_of(now_of(session))
    told = 0
    for each in near_their_limit(session, period, policy.quota_points, min(WARN_AT)):
        share = to_tell(each.points, each.limit, each.told)
        if share and record_told(session, each.account_id, share):
            params = {"used": round(each.points), "limit": each.limit, "percent": share}
            tell(session, [each.account_id], "warn", "point_limit", params)
            told += 1
    return told
