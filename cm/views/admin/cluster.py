"""The cluster as a whole."""

from __future__ import annotations

from typing import cast

from cm.results.cluster import ClusterCheck, CpuBaseline
from cm.rpc.view import admin_view
from cm.services import cpu_baseline as baseline
from cm.services.context import AsyncClusterCall, ClusterCall
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


@admin_view
def cpu_baseline(caller: ClusterCall) -> CpuBaseline:
    """The CPU that all nodes could give when it was last found out, which VMs may ask for (``cpu_model``)."""
    return baseline.shown(caller.session)


@admin_view(changing=True)
async def set_cpu_baseline(caller: AsyncClusterCall) -> CpuBaseline:
    """
    Find out which CPU all nodes can give that are not disabled, and keep it. VMs that ask for it have it from their
    next start on; those that run go on with what they have.
    """
    return await baseline.find_out(caller)
