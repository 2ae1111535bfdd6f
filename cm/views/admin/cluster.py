"""The cluster as a whole."""

from __future__ import annotations

from typing import cast

from cm.results.cluster import ClusterCheck
from cm.rpc.view import admin_view
from cm.services.context import ClusterCall
from cm.store.cluster import count_all
from cm.store.leak import leaks


@admin_view
def check(caller: ClusterCall) -> ClusterCheck:
    """
    Whether the books balance: what accounts, nodes and storages count as used against what lives.

    :return: ``ok``, each ``leaks`` entry with its subject, and how much drift and work is open.
    """
    found = leaks(caller.session)
    return cast(ClusterCheck, {"ok": not found, "leaks": found, **count_all(caller.session)})
