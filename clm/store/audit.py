"""Queries about who did what."""

from __future__ import annotations

from collections.abc import Set
from typing import cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from clm.results.cloud import AuditEntry


def list_audit(
    session: Session, user_id: int | None, method: str | None, limit: int, before: int | None
) -> list[AuditEntry]:
    """
    The newest first.

    :param method: a name, or the beginning of one with a ``*`` behind it.
    """
    where = ["true"]
    if user_id is not None:
        where.append("account_id = :user_id")
    if method is not None:
        where.append("starts_with(method, :method)" if method.endswith("*") else "method = :method")
        method = method.removesuffix("*")
    if before is not None:
        where.append("id < :before")
    rows = session.execute(
        text(
            "SELECT id AS audit_id, at, account_id AS user_id, login, method, call_id, request_id, remote, arguments"
            f" FROM audit WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT :limit"
        ),
        {"user_id": user_id, "method": method, "before": before, "limit": limit},
    )
    return [cast(AuditEntry, dict(row._mapping)) for row in rows]


def written_calls(session: Session, calls: Set[str]) -> set[str]:
    """Of calls of the last day, by their ids, those that are on record."""
    found = session.scalars(
        text("SELECT call_id FROM audit WHERE at > now() - interval '1 day' AND call_id = ANY(:calls)"),
        {"calls": sorted(calls)},
    )
    return set(found)
