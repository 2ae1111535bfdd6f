"""The drift ledger: differences between what is wanted and what is seen that have no safe automatic answer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from cm.rpc.types import Id, Limit
from cm.rpc.view import admin_view
from cm.services import drift as service
from cm.services.context import ClusterCall

_LIST = text(
    """
SELECT d.id AS drift_id, d.kind, d.node_id, n.name AS node, d.vm_id, d.subject, d.evidence, d.proposal,
       d.first_seen_at AS first_seen, d.last_seen_at AS last_seen,
       extract(epoch FROM clock_timestamp() - d.first_seen_at)::bigint AS age_s, d.closed_at AS closed, d.outcome
  FROM drift d JOIN node n ON n.id = d.node_id
 WHERE (d.closed_at IS NOT NULL) = :closed AND (CAST(:node_id AS bigint) IS NULL OR d.node_id = :node_id)
   AND (CAST(:before AS bigint) IS NULL OR d.id < :before)
 ORDER BY d.id DESC LIMIT :limit
"""
)


@admin_view
def get_list(
    caller: ClusterCall, node_id: Id | None = None, closed: bool = False, limit: Limit = 1000, before: Id | None = None
) -> list[dict[str, Any]]:
    """
    Open findings, newest first, with what was seen and what is proposed; settled ones if ``closed``.

    :param before: the last ``drift_id`` of the page before.
    """
    parameters = {"node_id": node_id, "closed": closed, "limit": limit, "before": before}
    return [dict(row._mapping) for row in caller.session.execute(_LIST, parameters)]


@admin_view(changing=True)
def apply(caller: ClusterCall, drift_id: Id) -> dict[str, Any]:
    """Do what a finding proposes."""
    return service.apply(caller, drift_id)


@admin_view(changing=True)
def dismiss(caller: ClusterCall, drift_id: Id) -> dict[str, Any]:
    """Close a finding that is all right as it is."""
    return service.dismiss(caller, drift_id)
