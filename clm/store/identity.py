"""What recognising a caller needs, in one query."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True)
class UserFacts:
    """
    :ivar active: neither waiting, blocked nor deleted.
    :ivar version: grows when password, role or activity change; sessions of an older one have ended.
    :ivar groups: those they are a member of.
    :ivar administers: ids of clusters.
    """

    id: int
    login: str
    state: str
    active: bool
    version: int
    is_cloud_admin: bool
    permissions: tuple[str, ...] | None
    default_cluster_id: int | None
    groups: tuple[int, ...]
    administers: tuple[int, ...]
    has_totp: bool
    password_hash: str | None = field(default=None, repr=False)


_FACTS = """
SELECT u.id, u.login, u.state, u.state = 'active' AND u.deleted_at IS NULL AS active, u.version, u.is_cloud_admin,
       u.permissions, u.default_cluster_id, u.totp_confirmed AS has_totp, u.password_hash,
       ARRAY(SELECT m.group_id FROM membership m JOIN user_group g ON g.id = m.group_id
              WHERE m.user_id = u.id AND m.state = 'member' AND g.deleted_at IS NULL ORDER BY m.group_id) AS groups,
       ARRAY(SELECT c.id FROM cluster c LEFT JOIN cluster_admin a ON a.cluster_id = c.id AND a.user_id = u.id
              WHERE c.deleted_at IS NULL AND (u.is_cloud_admin OR a.user_id IS NOT NULL) ORDER BY c.id) AS administers
  FROM user_account u WHERE
"""


def _facts(session: Session, where: str, **values: object) -> UserFacts | None:
    found = session.execute(text(_FACTS + where), values).first()
    if found is None:
        return None
    told = dict(found._mapping)
    told["permissions"] = None if told["permissions"] is None else tuple(told["permissions"])
    told["groups"], told["administers"] = tuple(told["groups"]), tuple(told["administers"])
    return UserFacts(**told)


def find_facts(session: Session, user_id: int) -> UserFacts | None:
    """A deleted one, too; they are not ``active``."""
    return _facts(session, "u.id = :id", id=user_id)


def find_password(session: Session, login: str) -> str | None:
    """The hash of somebody's password; None: there is nobody of this login, or they have none."""
    found: str | None = session.execute(
        text("SELECT password_hash FROM user_account WHERE lower(login) = lower(:login) AND deleted_at IS NULL"),
        {"login": login},
    ).scalar()
    return found


def find_by_email(session: Session, email: str) -> UserFacts | None:
    """Addresses differ in more than upper and lower case, too."""
    return _facts(session, "lower(u.email) = lower(:email) AND u.email <> '' AND u.deleted_at IS NULL", email=email)


def find_by_login(session: Session, login: str) -> UserFacts | None:
    """Logins differ in more than upper and lower case."""
    return _facts(session, "lower(u.login) = lower(:login) AND u.deleted_at IS NULL", login=login)
