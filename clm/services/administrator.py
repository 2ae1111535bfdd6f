"""Use cases of cluster administrators: people to whom a cluster's ``admin.*`` views are open."""

from __future__ import annotations

from typing import Final

from clm.results.cluster import Administrator
from clm.rules.cluster import ClusterFacts
from clm.services.connection import administers
from clm.services.context import CloudCall
from clm.services.forward import NotClusterAdministrator
from clm.store import cluster as store
from clm.store.change import record_change
from cm.runtime.database import notify

USER_TOPIC: Final = "user"  # ends what was remembered of who somebody is


def _administered(caller: CloudCall, reference: int | str) -> ClusterFacts:
    """:raises NotClusterAdministrator: the caller has no say there."""
    facts = store.get_reference(caller.session, reference)
    if not administers(caller.identity, facts.id):
        raise NotClusterAdministrator(facts.name)
    return facts


def get_list(caller: CloudCall, reference: int | str) -> list[Administrator]:
    return store.list_administrators(caller.session, _administered(caller, reference).id)


def add(caller: CloudCall, reference: int | str, user_id: int) -> list[Administrator]:
    """Make somebody an administrator of a cluster, or find that they are."""
    session = caller.session
    facts = _administered(caller, reference)
    if store.add_administrator(session, facts.id, user_id):
        _tell(caller, facts, user_id, "enter")
    caller.note("add administrator", cluster=facts.name, user_id=user_id)
    return store.list_administrators(session, facts.id)


def delete(caller: CloudCall, reference: int | str, user_id: int) -> list[Administrator]:
    """
    Take it from them. The last may go, and one may go oneself: the cloud's administrators remain.

    :raises ObjectNotFound: they are none.
    """
    session = caller.session
    facts = _administered(caller, reference)
    store.delete_administrator(session, facts.id, user_id)
    _tell(caller, facts, user_id, "exit")
    caller.note("delete administrator", cluster=facts.name, user_id=user_id)
    return store.list_administrators(session, facts.id)


def _tell(caller: CloudCall, facts: ClusterFacts, user_id: int, event: str) -> None:
    session = caller.session
    notify(session, USER_TOPIC, user_id)
    shown = None if event == "exit" else {"cluster_id": facts.id, "cluster": facts.name, "user_id": user_id}
    seen_by = {user_id, *store.administrators_of(session, facts.id)}
    record_change(session, "administrator", user_id, event, users=sorted(seen_by), shown=shown)
