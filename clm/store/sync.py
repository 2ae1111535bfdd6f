"""
The queries of what clusters are to know of people: ``cluster_account`` rows, their versions, dropped groups.

Whoever changes of a user what clusters should hear (activity, login, name) calls ``touch_user`` in the same
transaction, ``enrol_user`` at activation. A user who was never active has no rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from clm.results.cluster import WantedQuota
from clm.rules.cluster import ClusterFacts
from clm.rules.sync import DEFAULT, NAME_MAX, QUOTAS, Account
from cm.rpc.errors import ObjectNotFound
from cm.runtime.database import notify

TOPIC = "sync"  # bare: there is something to be told; with a cluster's id: compare all of it

_ACCOUNTS = f"""
SELECT a.user_id, u.login, left(btrim(u.first_name || ' ' || u.last_name), {NAME_MAX}) AS name,
       u.state = 'active' AND u.deleted_at IS NULL AS active, a.version, {", ".join(f"a.{name}" for name in QUOTAS)}
  FROM cluster_account a JOIN user_account u ON u.id = a.user_id
 WHERE a.cluster_id = :cluster_id
"""


def enrol_user(session: Session, user_id: int) -> None:
    """Have every cluster know a user, as they are now."""
    session.execute(
        text(
            "INSERT INTO cluster_account (cluster_id, user_id)"
            " SELECT id, :user_id FROM cluster WHERE deleted_at IS NULL ORDER BY id"
            " ON CONFLICT (cluster_id, user_id) DO UPDATE SET version = cluster_account.version + 1"
        ),
        {"user_id": user_id},
    )
    notify(session, TOPIC)


def touch_user(session: Session, user_id: int) -> None:
    """Have the clusters that know a user hear how they are now."""
    session.execute(
        text(
            "UPDATE cluster_account SET version = version + 1 WHERE (cluster_id, user_id) IN"
            " (SELECT cluster_id, user_id FROM cluster_account WHERE user_id = :id ORDER BY cluster_id FOR UPDATE)"
        ),
        {"id": user_id},
    )
    notify(session, TOPIC)


def enrol_cluster(session: Session, cluster_id: int) -> None:
    """Have a cluster know every active user, and hear of all again: it is new, or was away."""
    session.execute(
        text(
            "INSERT INTO cluster_account (cluster_id, user_id)"
            " SELECT :cluster_id, id FROM user_account WHERE state = 'active' AND deleted_at IS NULL ORDER BY id"
            " ON CONFLICT DO NOTHING"
        ),
        {"cluster_id": cluster_id},
    )
    session.execute(text("UPDATE cluster_account SET synced_version = 0 WHERE cluster_id = :id"), {"id": cluster_id})
    notify(session, TOPIC, cluster_id)


def due_accounts(session: Session, cluster_id: int, after: int, limit: int) -> list[Account]:
    """Those that the cluster has to be told of, by user id."""
    found = session.execute(
        text(_ACCOUNTS + " AND a.synced_version < a.version AND a.user_id > :after ORDER BY a.user_id LIMIT :limit"),
        {"cluster_id": cluster_id, "after": after, "limit": limit},
    )
    return [_account(row) for row in found]


def is_untold(session: Session, cluster_id: int, user_id: int) -> bool:
    """Whether a cluster has yet to be told of a user as they are now."""
    found = session.execute(
        text(
            "SELECT 1 FROM cluster_account WHERE cluster_id = :cluster_id AND user_id = :user_id"
            " AND synced_version < version"
        ),
        {"cluster_id": cluster_id, "user_id": user_id},
    )
    return found.first() is not None


def wanted_accounts(session: Session, cluster_id: int, after: int = 0, limit: int = 1_000_000) -> list[Account]:
    """All that the cluster should know, by user id."""
    found = session.execute(
        text(_ACCOUNTS + " AND a.user_id > :after ORDER BY a.user_id LIMIT :limit"),
        {"cluster_id": cluster_id, "after": after, "limit": limit},
    )
    return [_account(row) for row in found]


def _account(row: Row[Any]) -> Account:
    return Account(
        row.user_id,
        row.login,
        row.name,
        row.active,
        row.version,
        tuple(getattr(row, name) for name in QUOTAS),
    )


def mark_synced(session: Session, cluster_id: int, told: Iterable[tuple[int, int]]) -> None:
    """
    :param told: user ids, each with the version that the cluster took; what changed since stays due.
    """
    pairs = list(told)
    session.execute(
        text(
            "UPDATE cluster_account a SET synced_version = GREATEST(a.synced_version, t.version)"
            " FROM unnest(CAST(:ids AS bigint[]), CAST(:versions AS bigint[])) AS t (user_id, version)"
            " WHERE a.cluster_id = :c AND a.user_id = t.user_id"
        ),
        {"c": cluster_id, "ids": [user_id for user_id, _ in pairs], "versions": [version for _, version in pairs]},
    )


def raise_versions(session: Session, cluster_id: int, raised: Mapping[int, int]) -> None:
    """Catch up with versions that the cluster knows and we do not."""
    for user_id, version in sorted(raised.items()):
        session.execute(
            text("UPDATE cluster_account SET version = GREATEST(version, :v) WHERE cluster_id = :c AND user_id = :u"),
            {"v": version, "c": cluster_id, "u": user_id},
        )


def mark_whole(session: Session, cluster_id: int) -> None:
    """Note that the cluster knows everybody as it should."""
    session.execute(text("UPDATE cluster SET synced_at = now() WHERE id = :id"), {"id": cluster_id})


# ------------------------------------------------------------------ groups


def drop_group(session: Session, group_id: int) -> None:
    """Have every cluster forget a deleted group."""
    session.execute(
        text(
            "INSERT INTO dropped_group (cluster_id, group_id) SELECT id, :id FROM cluster WHERE deleted_at IS NULL"
            " ON CONFLICT DO NOTHING"
        ),
        {"id": group_id},
    )
    notify(session, TOPIC)


def dropped_groups(session: Session, cluster_id: int, limit: int) -> list[int]:
    return list(
        session.execute(
            text("SELECT group_id FROM dropped_group WHERE cluster_id = :c ORDER BY group_id LIMIT :limit"),
            {"c": cluster_id, "limit": limit},
        ).scalars()
    )


def forget_groups(session: Session, cluster_id: int, group_ids: Sequence[int]) -> None:
    session.execute(
        text("DELETE FROM dropped_group WHERE cluster_id = :c AND group_id = ANY(:ids)"),
        {"c": cluster_id, "ids": list(group_ids)},
    )


# ------------------------------------------------------------------ quotas


def get_quota(session: Session, facts: ClusterFacts, user_id: int) -> WantedQuota:
    """
    A user's quotas at a cluster, as wanted; null is left to the cluster, or its default.

    :raises ObjectNotFound: the cluster has not been told of such a user.
    """
    shown = ", ".join(f"nullif({name}, {DEFAULT}) AS {name}" for name in QUOTAS)
    found = session.execute(
        text(
            f"SELECT cluster_id, user_id, {shown}, version, synced_version >= version AS synced"
            " FROM cluster_account WHERE cluster_id = :c AND user_id = :u"
        ),
        {"c": facts.id, "u": user_id},
    ).first()
    if found is None:
        raise ObjectNotFound("user", user_id)
    return cast(WantedQuota, {"cluster": facts.name, **found._mapping})


def set_quotas(
    session: Session, cluster_id: int, user_ids: Sequence[int], quotas: Mapping[str, int | None]
) -> list[int]:
    """
    :param quotas: columns to set; null for the cluster's default.
    :return: the users that were found.
    """
    wanted = {name: DEFAULT if value is None else value for name, value in quotas.items()}
    columns = ", ".join(f"{name} = :{name}" for name in quotas)
    found = session.execute(
        text(
            f"UPDATE cluster_account SET {columns}, version = version + 1 WHERE (cluster_id, user_id) IN"
            " (SELECT cluster_id, user_id FROM cluster_account WHERE cluster_id = :c AND user_id = ANY(:ids)"
            " ORDER BY user_id FOR UPDATE) RETURNING user_id"
        ),
        {**wanted, "c": cluster_id, "ids": sorted(user_ids)},
    )
    return sorted(found.scalars())
