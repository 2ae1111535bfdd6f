"""Queries about users: rows for views, and what use cases change of them."""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm import models
from clm.results.user import User
from clm.store.sync import enrol_user, touch_user
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.runtime.rows import Columns, edit_row, has_row

EDITED: Final[Columns] = (
    models.User.email, models.User.first_name, models.User.last_name, models.User.organization,
    models.User.default_cluster_id, models.User.login,
)  # fmt: skip

_SHOWN = """
SELECT id AS user_id, uuid, login, email, first_name, last_name, organization, state, is_cloud_admin, permissions,
       default_cluster_id, password_hash IS NOT NULL AS has_password, totp_confirmed AS has_totp, oidc_issuer,
       created_at AS created, activated_at AS activated, last_login_at AS last_login, version
  FROM user_account
"""


def get_user(session: Session, user_id: int, *, lock: bool = False, version: int | None = None) -> User:
    """
    A user as views show them.

    :param lock: hold the row until the transaction ends.
    :raises ObjectNotFound: there is none, or they were deleted.
    :raises VersionChanged: they are not at ``version``.
    """
    suffix = " FOR NO KEY UPDATE" if lock else ""
    found = session.execute(text(f"{_SHOWN} WHERE id = :id AND deleted_at IS NULL{suffix}"), {"id": user_id}).first()
    if found is None:
        raise ObjectNotFound("user", user_id)
    if version is not None and found.version != version:
        raise VersionChanged("user", user_id, found.version, version)
    return cast(User, dict(found._mapping))


def list_users(
    session: Session, *, state: str | None, search: str | None, limit: int, after: int | None
) -> list[User]:
    """
    By id.

    :param search: a part of login, e-mail or name, in either case.
    """
    where = ["deleted_at IS NULL"]
    if state is not None:
        where.append("state = :state")
    if search:
        where.append("position(lower(:search) IN lower(concat_ws(' ', login, email, first_name, last_name))) > 0")
    if after is not None:
        where.append("id > :after")
    rows = session.execute(
        text(f"{_SHOWN} WHERE {' AND '.join(where)} ORDER BY id LIMIT :limit"),
        {"state": state, "search": search, "after": after, "limit": limit},
    )
    return [cast(User, dict(row._mapping)) for row in rows]


def insert_row(session: Session, values: dict[str, Any]) -> int:
    """:param values: the columns that are not at their default."""
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    made = session.execute(text(f"INSERT INTO user_account ({names}) VALUES ({places}) RETURNING id"), values)
    return int(made.scalar_one())


def update_user(session: Session, user_id: int, values: dict[str, Any]) -> None:
    """Write what is not None of ``EDITED``."""
    edit_row(session, models.User, user_id, EDITED, values, counted=False)


def first_cluster(session: Session) -> int | None:
    """The one that somebody new works on."""
    found: int | None = session.execute(
        text("SELECT id FROM cluster WHERE NOT locked AND deleted_at IS NULL ORDER BY id LIMIT 1")
    ).scalar()
    return found


def raise_version(session: Session, user_id: int) -> int:
    """What was let in with the old version ends; the new one."""
    raised = session.execute(
        text("UPDATE user_account SET version = version + 1 WHERE id = :id RETURNING version"), {"id": user_id}
    )
    return int(raised.scalar_one())


def write_password(session: Session, user_id: int, digest: str) -> None:
    session.execute(
        text("UPDATE user_account SET password_hash = :digest, version = version + 1 WHERE id = :id"),
        {"id": user_id, "digest": digest},
    )


def make_cloud_admin(session: Session, user_id: int) -> None:
    """Whatever a user was: from now on they administer the cloud, are active and have no second factor."""
    session.execute(
        text(
            "UPDATE user_account SET is_cloud_admin = true, state = 'active', totp_confirmed = false,"
            " totp_secret = NULL, recovery_hashes = '{}', activated_at = coalesce(activated_at, now())"
            " WHERE id = :id"
        ),
        {"id": user_id},
    )


def note_login(session: Session, user_id: int, version: int) -> bool:
    """:return: False where the user is at another version, or not active: they are not logged in."""
    return has_row(
        session,
        "UPDATE user_account SET last_login_at = now()"
        " WHERE id = :id AND version = :version AND state = 'active' AND deleted_at IS NULL RETURNING id",
        {"id": user_id, "version": version},
    )


def write_state(session: Session, user_id: int, was: str, now: str) -> bool:
    """
    Compare and set; whether it was done. The first activation is dated, and gives a cluster to work on by default; a
    deletion frees login, address and what an OpenID Connect provider calls them.
    """
    return has_row(
        session,
        "UPDATE user_account SET state = :now, version = version + 1,"
        " activated_at = CASE WHEN 'active' IN (:was, :now) THEN coalesce(activated_at, now())"
        " ELSE activated_at END,"
        " default_cluster_id = CASE WHEN :now = 'active' THEN coalesce(default_cluster_id, (SELECT id FROM cluster"
        " WHERE NOT locked AND deleted_at IS NULL ORDER BY id LIMIT 1)) ELSE default_cluster_id END,"
        " deleted_at = CASE WHEN :now = 'deleted' THEN now() ELSE deleted_at END"
        " WHERE id = :id AND state = :was RETURNING id",
        {"id": user_id, "was": was, "now": now},
    )


def write_cloud_admin(session: Session, user_id: int, admin: bool) -> None:
    session.execute(
        text("UPDATE user_account SET is_cloud_admin = :admin, version = version + 1 WHERE id = :id"),
        {"id": user_id, "admin": admin},
    )


def write_permissions(session: Session, user_id: int, permissions: list[str] | None) -> None:
    """:param permissions: None: the settings' defaults."""
    session.execute(
        text("UPDATE user_account SET permissions = CAST(:permissions AS text[]) WHERE id = :id"),
        {"id": user_id, "permissions": permissions},
    )


def lock_cloud_admins(session: Session) -> list[dict[str, Any]]:
    """
    ``user_id``, ``login`` and ``email`` of the active ones. Nobody else makes or unmakes one until the transaction
    ends.
    """
    rows = session.execute(
        text(
            "SELECT id AS user_id, login, email FROM user_account"
            " WHERE is_cloud_admin AND state = 'active' AND deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE"
        )
    )
    return [dict(row._mapping) for row in rows]


def cloud_admin_emails(session: Session) -> list[str]:
    rows = session.execute(
        text(
            "SELECT email FROM user_account WHERE is_cloud_admin AND state = 'active' AND deleted_at IS NULL"
            " AND email <> '' ORDER BY id"
        )
    )
    return [row.email for row in rows]


def is_taken(session: Session, column: str, value: str) -> bool:
    """:param column: login or email; both differ in more than upper and lower case."""
    assert column in ("login", "email")
    return has_row(
        session,
        f"SELECT 1 FROM user_account WHERE lower({column}) = lower(:value) AND deleted_at IS NULL",
        {"value": value},
    )


def drop_lapsed(session: Session, login: str, email: str, token_s: int) -> list[int]:
    """Delete registrations that nobody confirmed in time, of this login or address; their ids."""
    rows = session.execute(
        text(
            "UPDATE user_account SET state = 'deleted', deleted_at = now(), version = version + 1"
            " WHERE state = 'registered' AND created_at < now() - make_interval(secs => :token_s)"
            " AND (lower(login) = lower(:login) OR (email <> '' AND lower(email) = lower(:email))) RETURNING id"
        ),
        {"login": login, "email": email, "token_s": token_s},
    )
    return [row.id for row in rows]


def drop_all_lapsed(session: Session, token_s: int, limit: int) -> list[int]:
    """
    Delete registrations that nobody confirmed in time, so that neither their logins and addresses nor what strangers
    wrote stays; their ids. Not those who have been sent another token since.
    """
    rows = session.execute(
        text(
            "UPDATE user_account SET state = 'deleted', deleted_at = now(), version = version + 1 WHERE id IN"
            " (SELECT id FROM user_account u WHERE state = 'registered' AND deleted_at IS NULL"
            " AND created_at < now() - make_interval(secs => :token_s) AND NOT EXISTS"
            " (SELECT 1 FROM one_time_token t WHERE t.user_id = u.id AND t.expires_at > now())"
            " ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id"
        ),
        {"token_s": token_s, "limit": limit},
    )
    return [row.id for row in rows]


def release_user(session: Session, user_id: int) -> None:
    """What a user who was deleted had of their own goes; what they did stays in the audit."""
    for table in ("user_session", "one_time_token", "api_key", "ssh_key", "membership", "cluster_admin"):
        session.execute(text(f"DELETE FROM {table} WHERE user_id = :id"), {"id": user_id})
    session.execute(
        text(
            "UPDATE user_account SET password_hash = NULL, totp_secret = NULL, totp_confirmed = false,"
            " recovery_hashes = '{}', is_cloud_admin = false WHERE id = :id"
        ),
        {"id": user_id},
    )


def led_groups(session: Session, user_id: int) -> list[str]:
    """Names of groups that would be without a leader."""
    rows = session.execute(
        text("SELECT name FROM user_group WHERE leader_id = :id AND deleted_at IS NULL ORDER BY name"), {"id": user_id}
    )
    return [row.name for row in rows]


def live_clusters(session: Session) -> dict[int, str]:
    """Names of the clusters, by id."""
    rows = session.execute(text("SELECT id, name FROM cluster WHERE deleted_at IS NULL ORDER BY name"))
    return {row.id: row.name for row in rows}


def was_active(session: Session, user_id: int) -> bool:
    """Whether somebody is active or ever was, so that clusters know them."""
    found = session.execute(
        text("SELECT activated_at IS NOT NULL OR state = 'active' FROM user_account WHERE id = :id"), {"id": user_id}
    )
    return bool(found.scalar())


def touch_clusters(session: Session, user_id: int) -> None:
    """Have every cluster hear of this user, who was changed; of users who never were active no cluster knows."""
    if was_active(session, user_id):
        enrol_user(session, user_id)
    else:
        touch_user(session, user_id)
