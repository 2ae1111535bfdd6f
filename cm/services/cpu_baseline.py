"""
The CPU that all of a cluster's nodes can give their guests. VMs that ask for it run on any of them, and go from one to
another while they run. It is found out when an administrator says so, not by itself: a node that comes later must not
take from guests what they have.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from cm.results.cluster import CpuBaseline
from cm.rpc.errors import NoCapacity, NoCpuBaseline
from cm.rules.machine import Cpu
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.cpu_baseline import find_baseline, write_baseline
from cm.store.node import enabled_nodes


def shown(session: Session) -> CpuBaseline:
    """:raises NoCpuBaseline: nobody has had it found out."""
    found = find_baseline(session)
    if found is None:
        raise NoCpuBaseline()
    return {
        "model": found.cpu.model,
        "vendor": found.cpu.vendor,
        "features": [name for name, has in found.cpu.features if has],
        "without": [name for name, has in found.cpu.features if not has],
        "node_ids": list(found.node_ids),
        "computed": found.computed_at,
    }


async def find_out(caller: AsyncClusterCall) -> CpuBaseline:
    """
    Ask all nodes but disabled ones, and keep what they have in common.

    :raises NoCapacity: there are none.
    :raises NodeUnreachable: one does not answer; nothing is changed.
    :raises NotSupported: one cannot tell.
    :raises HypervisorError: they have nothing in common.
    """
    services = caller.services
    ids = await services.database.read(enabled_nodes)
    if not ids:
        raise NoCapacity("there are no nodes")
    cpus = [await services.fleet.node(node_id).hypervisor.cpu() for node_id in ids]
    cpu = await services.fleet.node(ids[0]).hypervisor.common_cpu(list(dict.fromkeys(cpus)))
    return await services.database.transact(_keep, caller, ids, cpu)


def _keep(session: Session, caller: ClusterCall, ids: Sequence[int], cpu: Cpu) -> CpuBaseline:
    write_baseline(session, cpu, ids)
    caller.note("set CPU baseline", model=cpu.model, node_ids=list(ids))
    return shown(session)
