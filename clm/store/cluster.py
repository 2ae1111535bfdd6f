"""The queries of clusters and of who administers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.cluster import Administrator, Cluster, SeenCluster
from clm.rules.cluster import ClusterFacts, Seen, match_facts
from cm.rpc.errors import NameTaken, ObjectNotFound, VersionChanged
from cm.runtime.rows import has_row
from cm.runtime.taken import refused_by
from cm.runtime.wall import utc_now

_FACTS = text(
    "SELECT id, uuid::text AS uuid, name, url, ca, locked, state FROM cluster WHERE deleted_at IS NULL ORDER BY name"
)
_SHOWN = """
SELECT id AS cluster_id, uuid, name, url, locked, version, state, error, release, latency_ms, seen_at, checked_at,
       synced_at, created_at, ca <> '' AS has_ca,
       (SELECT count(*) FROM cluster_account a WHERE a.cluster_id = cluster.id AND a.synced_version < a.version)
           AS accounts_due
  FROM cluster WHERE deleted_at IS NULL
"""


def list_facts(session: Session) -> list[ClusterFacts]:
    """All clusters, by name."""
    return [ClusterFacts(**row._mapping) for row in session.execute(_FACTS)]


def get_reference(session: Session, reference: int | str) -> ClusterFacts:
    """
    A cluster by id, name or uuid.

    :raises ObjectNotFound: there is none.
    """
    found = match_facts(reference, list_facts(session))
    if found is None:
        raise ObjectNotFound("cluster", reference)
    return found


def list_clusters(session: Session) -> list[Cluster]:
    """As administrators see them, by name."""
    return [cast(Cluster, dict(row._mapping)) for row in session.execute(text(_SHOWN + " ORDER BY name"))]


def get_cluster(session: Session, cluster_id: int, *, lock: bool = False, version: int | None = None) -> Cluster:
    """
    :param version: what the caller saw.
    :raises ObjectNotFound: VersionChanged:
    """
    found = session.execute(
        text(_SHOWN + " AND id = :id" + (" FOR UPDATE" if lock else "")), {"id": cluster_id}
    ).first()
    if found is None:
        raise ObjectNotFound("cluster", cluster_id)
    row = cast(Cluster, dict(found._mapping))
    if version is not None and row["version"] != version:
        raise VersionChanged("cluster", cluster_id, row["version"], version)
    return row


def for_users(row: Cluster) -> SeenCluster:
    """What everybody with an account may know of a cluster: of its address and failures they need to know nothing."""
    return {
        "cluster_id": row["cluster_id"],
        "uuid": row["uuid"],
        "name": row["name"],
        "state": "locked" if row["locked"] else row["state"] or "unknown",
        "release": row["release"],
        "latency_ms": row["latency_ms"],
        "seen_at": row["seen_at"],
    }


def insert_cluster(session: Session, name: str, url: str, ca: str, seen: Seen, latency_ms: float) -> int:
    """
    A cluster that has just proved itself.

    :raises NameTaken: there is one of this name.
    """
    with refused_by(session, {"uq_cluster_name": NameTaken("cluster", name)}):
        made: int = session.execute(
            text(
                "INSERT INTO cluster (name, url, ca, state, release, latency_ms, seen_at, checked_at)"
                " VALUES (:name, :url, :ca, :state, :release, :latency, now(), now()) RETURNING id"
            ),
            {
                "name": name,
                "url": url,
                "ca": ca,
                "state": seen.state,
                "release": seen.release,
                "latency": latency_ms,
            },
        ).scalar_one()
    return made


def set_missing_defaults(session: Session) -> None:
    """Give users without a cluster of their own choice the first that there is."""
    session.execute(
        text(
            "UPDATE user_account SET default_cluster_id = (SELECT min(id) FROM cluster WHERE deleted_at IS NULL)"
            " WHERE default_cluster_id IS NULL AND deleted_at IS NULL"
        )
    )


def update_cluster(session: Session, cluster_id: int, values: Mapping[str, Any]) -> None:
    """
    :param values: columns; those that are None stay.
    :raises NameTaken: there is another of this name.
    """
    given = {name: value for name, value in values.items() if value is not None}
    columns = ", ".join(f"{name} = :{name}" for name in given)
    with refused_by(session, {"uq_cluster_name": NameTaken("cluster", str(given.get("name", "")))}):
        session.execute(
            text(f"UPDATE cluster SET {columns + ', ' if columns else ''}version = version + 1 WHERE id = :id"),
            {**given, "id": cluster_id},
        )


def close_cluster(session: Session, cluster_id: int) -> None:
    """Take a cluster out: its accounts and administrators are forgotten, its users' default moves on."""
    values = {"id": cluster_id}
    session.execute(
        text("UPDATE cluster SET deleted_at = now(), version = version + 1, feed_cursor = '' WHERE id = :id"), values
    )
    session.execute(text("UPDATE user_account SET default_cluster_id = NULL WHERE default_cluster_id = :id"), values)
    set_missing_defaults(session)
    for table in ("cluster_account", "cluster_admin", "dropped_group"):
        session.execute(text(f"DELETE FROM {table} WHERE cluster_id = :id"), values)


def record_seen(session: Session, cluster_id: int, seen: Seen, latency_ms: float | None) -> bool:
    """
    Write down what a look found.

    :return: whether the state is another than before.
    """
    was = session.execute(
        text("SELECT state FROM cluster WHERE id = :id AND deleted_at IS NULL FOR UPDATE"), {"id": cluster_id}
    ).scalar()
    if was is None:
        return False
    answered = latency_ms is not None
    session.execute(
        text(
            "UPDATE cluster SET state = :state, error = :error, checked_at = :now, latency_ms = :latency,"
            " release = CASE WHEN :answered THEN :release ELSE release END,"
            " seen_at = CASE WHEN :answered THEN :now ELSE seen_at END WHERE id = :id"
        ),
        {
            "id": cluster_id,
            "state": seen.state,
            "error": seen.error,
            "release": seen.release,
            "latency": latency_ms,
            "answered": answered,
            "now": utc_now(),
        },
    )
    return bool(was != seen.state)


# ------------------------------------------------------------------ administrators


def list_administrators(session: Session, cluster_id: int) -> list[Administrator]:
    """Those made administrators of this cluster; cloud administrators are so of every one."""
    found = session.execute(
        text(
            "SELECT u.id AS user_id, u.login, u.first_name, u.last_name, u.email, a.since FROM cluster_admin a"
            " JOIN user_account u ON u.id = a.user_id WHERE a.cluster_id = :id AND u.deleted_at IS NULL"
            " ORDER BY u.login"
        ),
        {"id": cluster_id},
    )
    return [cast(Administrator, dict(row._mapping)) for row in found]


def add_administrator(session: Session, cluster_id: int, user_id: int) -> bool:
    """
    :return: whether they were none before.
    :raises ObjectNotFound: there is no such user.
    """
    known = session.execute(
        text("SELECT id FROM user_account WHERE id = :id AND deleted_at IS NULL FOR SHARE"), {"id": user_id}
    ).scalar()
    if known is None:
        raise ObjectNotFound("user", user_id)
    return has_row(
        session,
        "INSERT INTO cluster_admin (cluster_id, user_id) VALUES (:c, :u) ON CONFLICT DO NOTHING RETURNING user_id",
        {"c": cluster_id, "u": user_id},
    )


def delete_administrator(session: Session, cluster_id: int, user_id: int) -> None:
    """:raises ObjectNotFound: they were none."""
    gone = session.execute(
        text("DELETE FROM cluster_admin WHERE cluster_id = :c AND user_id = :u RETURNING user_id"),
        {"c": cluster_id, "u": user_id},
    ).scalar()
    if gone is None:
        raise ObjectNotFound("administrator", user_id)


def administrators_of(session: Session, cluster_id: int) -> list[int]:
    """Who sees what happens to a cluster besides the cloud's administrators."""
    return list(
        session.execute(text("SELECT user_id FROM cluster_admin WHERE cluster_id = :id"), {"id": cluster_id}).scalars()
    )
