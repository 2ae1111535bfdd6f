"""Use cases of quotas: what each cluster is to allow whom. The cluster counts; here is what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clm.results.cluster import WantedQuota
from clm.services.context import CloudCall
from clm.store import sync
from clm.store.cluster import get_reference
from cm.rpc.errors import InvalidParameter, ObjectNotFound
from cm.runtime.database import notify


def get(caller: CloudCall, reference: int | str, user_id: int) -> WantedQuota:
    """:raises ObjectNotFound: the user was never active, so no cluster knows them."""
    facts = get_reference(caller.session, reference)
    return sync.get_quota(caller.session, facts, user_id)


def edit(
    caller: CloudCall, reference: int | str, user_ids: Sequence[int], quotas: Mapping[str, int | None]
) -> list[WantedQuota]:
    """
    Set quotas of users at one cluster: of all of them, or of none.

    :param quotas: those to be set; null: to the cluster's default.
    :raises ObjectNotFound: the cluster has not been told of one of them.
    """
    session = caller.session
    facts = get_reference(session, reference)
    if not quotas:
        raise InvalidParameter("cpu", "at least one quota must be given")
    found = sync.set_quotas(session, facts.id, user_ids, quotas)
    for user_id in user_ids:
        if user_id not in found:
            raise ObjectNotFound("user", user_id)
    notify(session, sync.TOPIC)
    caller.note("set quotas", cluster=facts.name, user_ids=list(user_ids), **quotas)
    return [sync.get_quota(session, facts, user_id) for user_id in user_ids]
