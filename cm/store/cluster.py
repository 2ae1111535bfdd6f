"""The cluster as a whole."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.store.conditions import is_open, is_set_aside, leads_elsewhere

_USED = f"deleted_at IS NULL AND NOT {is_set_aside()}"
_COUNTS = text(
    f"""
SELECT (SELECT count(*) FROM drift WHERE closed_at IS NULL) AS open_drift,
       (SELECT count(*) FROM operation WHERE {is_open()}) AS open_operations,
       (SELECT count(*) FROM operation WHERE {is_open()} AND deadline < clock_timestamp())
           AS overdue_operations,
       (SELECT count(*) FROM node WHERE {_USED} AND state = 'ok') AS nodes_ok,
       (SELECT count(*) FROM node WHERE {_USED} AND state <> 'ok') AS nodes_away,
       (SELECT count(*) FROM node WHERE deleted_at IS NULL AND {is_set_aside()}) AS nodes_set_aside,
       (SELECT count(*) FROM node WHERE {_USED} AND (agent_silent_since IS NOT NULL
           OR unhooked_since IS NOT NULL OR troubles <> '[]' OR {leads_elsewhere()})) AS nodes_degraded,
       (SELECT count(*) FROM vm WHERE closed_at IS NULL) AS vms
"""
)


def count_all(session: Session) -> dict[str, int]:
    """How much there is of what an administrator looks after, by the names that the view gives it."""
    return dict(session.execute(_COUNTS).one()._mapping)
