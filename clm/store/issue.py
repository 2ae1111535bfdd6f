"""Queries about issues. They go by mail, so what is known of them is who sent one when: the audit tells that."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session


def count_issues(session: Session, user_id: int) -> int:
    """How many the user has sent within the last hour."""
    count = session.execute(
        text(
            "SELECT count(*) FROM audit WHERE at > now() - interval '1 hour' AND account_id = :id"
            " AND method = 'user.issue.send'"
        ),
        {"id": user_id},
    )
    return int(count.scalar_one())
