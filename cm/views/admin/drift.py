"""The drift ledger: differences between what is wanted and what is seen that have no safe automatic answer."""

from __future__ import annotations

from cm.results.drift import AppliedDrift, Drift, PlannedDrift, SettledDrift
from cm.rpc.types import Id, Limit
from cm.rpc.view import admin_view
from cm.rpc.vocabulary import DriftKind
from cm.services import drift as service
from cm.services.context import ClusterCall
from cm.store.drift import list_drift


@admin_view
def get_list(
    caller: ClusterCall, node_id: Id | None = None, closed: bool = False, limit: Limit = 1000, before: Id | None = None
) -> list[Drift]:
    """
    Open findings, newest first, with what was seen and what is proposed; settled ones if ``closed``.

    :param before: the last ``drift_id`` of the page before.
    """
    return list_drift(caller.session, node_id=node_id, closed=closed, before=before, limit=limit)


@admin_view(changing=True)
def apply(caller: ClusterCall, drift_id: Id) -> SettledDrift:
    """Do what a finding proposes."""
    return service.apply(caller, drift_id)


@admin_view
def plan(caller: ClusterCall, node_id: Id | None = None, kind: DriftKind | None = None) -> list[PlannedDrift]:
    """What applying the open findings would do, the oldest first; 1,000 at the most."""
    return service.plan(caller, node_id, kind)


@admin_view(changing=True)
def apply_all(caller: ClusterCall, node_id: Id | None = None, kind: DriftKind | None = None) -> list[AppliedDrift]:
    """
    Do what the open findings propose, of one node or kind, wherever anything can be done from here; what is refused of
    one stops no other. A dry run tells of each.
    """
    return service.apply_all(caller, node_id, kind)


@admin_view(changing=True)
def dismiss(caller: ClusterCall, drift_id: Id) -> SettledDrift:
    """Close a finding that is all right as it is."""
    return service.dismiss(caller, drift_id)
