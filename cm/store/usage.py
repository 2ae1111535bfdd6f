"""Queries about what VMs cost. Sums are made by the database: a month of an account may have very many runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.rules.usage import HOUR_S, Period, Run
from cm.runtime.prepared import Prepared

# What of a run is in the period, as far as it has passed.
_SECONDS: Final = (
    "greatest(extract(epoch FROM least(coalesce(r.ended_at, clock_timestamp()), clock_timestamp(),"
    " CAST(:end AS timestamptz)) - greatest(r.began_at, CAST(:begin AS timestamptz))), 0)"
)
_IN: Final = (
    "(r.ended_at IS NULL OR r.ended_at > CAST(:begin AS timestamptz)) AND r.began_at < CAST(:end AS timestamptz)"
)
_USED = Prepared(
    "points_used",
    f"SELECT coalesce(sum(r.points * {_SECONDS}), 0) / {HOUR_S} FROM vm_run r WHERE r.account_id = :id AND {_IN}",
)


def now_of(session: Session) -> datetime:
    """The database's clock."""
    found: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found


def points_used(session: Session, account_id: int, period: Period) -> float:
    return float(_USED(session, id=account_id, begin=period.begin, end=period.end).scalar_one())


def runs_of(session: Session, account_id: int, period: Period, limit: int) -> Sequence[Run]:
    """An account's runs of which something is in a period, the newest ``limit`` of them."""
    found = session.execute(
        text(
            "SELECT r.vm_id, v.name, r.points, r.began_at, r.ended_at FROM vm_run r JOIN vm v ON v.id = r.vm_id"
            f" WHERE r.account_id = :id AND {_IN} ORDER BY r.began_at DESC, r.id DESC LIMIT :limit"
        ),
        {"id": account_id, "begin": period.begin, "end": period.end, "limit": limit},
    )
    return [Run(*row) for row in found]


class AccountPoints(NamedTuple):
    """:ivar hours: of its VMs, together. :ivar limit: of its own; 0: the cluster's."""

    account_id: int
    login: str
    points: float
    hours: float
    vms: int
    limit: int


def points_by_account(session: Session, period: Period, *, after: int, limit: int) -> Sequence[AccountPoints]:
    """A page, by id, of the accounts that used any in a period."""
    found = session.execute(
        text(
            f"SELECT a.id, a.login, sum(r.points * {_SECONDS}) / {HOUR_S} AS points, sum({_SECONDS}) / {HOUR_S},"
            " count(DISTINCT r.vm_id), a.quota_points FROM vm_run r JOIN account a ON a.id = r.account_id"
            f" WHERE r.account_id > :after AND {_IN} GROUP BY a.id ORDER BY a.id LIMIT :limit"
        ),
        {"begin": period.begin, "end": period.end, "after": after, "limit": limit},
    )
    return [AccountPoints(row[0], row[1], float(row[2]), float(row[3]), row[4], row[5]) for row in found]


class ToTell(NamedTuple):
    """:ivar told: of which per cent of its points an account was told in this month."""

    account_id: int
    login: str
    points: float
    limit: int
    told: int


def near_their_limit(session: Session, period: Period, limit: int, least: int) -> Sequence[ToTell]:
    """
    Accounts that have used ``least`` per cent of a month's points at least, and were not told of the last of it.

    :param limit: of those who have none of their own; 0: none.
    """
    found = session.execute(
        text(
            "SELECT a.id, a.login, u.points, a.own, a.told FROM ("
            " SELECT id, login, coalesce(nullif(quota_points, 0), :limit) AS own,"
            "  CASE WHEN points_told_at >= CAST(:begin AS timestamptz) THEN points_told ELSE 0 END AS told"
            "  FROM account WHERE deleted_at IS NULL) a CROSS JOIN LATERAL ("
            # Only the runs of those who have a limit are read.
            f" SELECT coalesce(sum(r.points * {_SECONDS}), 0) / {HOUR_S} AS points FROM vm_run r"
            f"  WHERE r.account_id = a.id AND {_IN}) u"
            " WHERE a.own > 0 AND a.told < 100 AND u.points > 0 AND u.points * 100 >= :least * a.own ORDER BY a.id"
        ),
        {"begin": period.begin, "end": period.end, "limit": limit, "least": least},
    )
    return [ToTell(row.id, row.login, float(row.points), int(row.own), int(row.told)) for row in found]


def record_told(session: Session, account_id: int, share: int) -> bool:
    """False: another process was first."""
    found = session.execute(
        text(
            "UPDATE account SET points_told = :share, points_told_at = clock_timestamp() WHERE id = :id"
            " AND (points_told_at IS NULL OR points_told_at < date_trunc('month', clock_timestamp(), 'UTC')"
            "      OR points_told < :share) RETURNING id"
        ),
        {"id": account_id, "share": share},
    ).first()
    return found is not None


def limit_of(session: Session, account_id: int) -> int:
    """Of its own; 0: the cluster's."""
    found = session.scalar(text("SELECT quota_points FROM account WHERE id = :id"), {"id": account_id})
    return int(found or 0)
