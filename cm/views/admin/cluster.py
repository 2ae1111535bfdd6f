"""The cluster as a whole."""

from __future__ import annotations

from typing import cast

from sqlalchemy import text

from cm.results.cluster import ClusterCheck
from cm.rpc.view import admin_view
from cm.services.context import ClusterCall
from cm.store.claim import leaks
from cm.store.conditions import is_open, leads_elsewhere

_COUNTS = text(
    f"""
SELECT (SELECT count(*) FROM drift WHERE closed_at IS NULL) AS open_drift,
       (SELECT count(*) FROM operation WHERE {is_open()}) AS open_operations,
       (SELECT count(*) FROM operation WHERE {is_open()} AND deadline < clock_timestamp())
           AS overdue_operations,
       (SELECT count(*) FROM node WHERE deleted_at IS NULL AND state = 'ok') AS nodes_ok,
       (SELECT count(*) FROM node WHERE deleted_at IS NULL AND state <> 'ok') AS nodes_away,
       (SELECT count(*) FROM node WHERE deleted_at IS NULL AND (agent_silent_since IS NOT NULL
           OR unhooked_since IS NOT NULL OR troubles <> '[]' OR {leads_elsewhere()})) AS nodes_degraded,
       (SELECT count(*) FROM vm WHERE closed_at IS NULL) AS vms
"""
)


@admin_view
def check(caller: ClusterCall) -> ClusterCheck:
    """
    Whether the books balance: what accounts, nodes and storages count as used against what lives.

    :return: ``ok``, each ``leaks`` entry with its subject, and how much drift and work is open.
    """
    found = leaks(caller.session)
    counts = caller.session.execute(_COUNTS).one()
    return cast(ClusterCheck, {"ok": not found, "leaks": found, **counts._mapping})
