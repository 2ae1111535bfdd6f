"""
What nodes of libvirt's test driver forget when they end, as all of their state is in memory: a kept cloud is told of
it, so that its books say what there is. Real hosts keep their disks, and say by themselves that they were restarted.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cm.rpc.errors import CloudError
from lab.nodes import TestNode, our_domains
from lab.places import LabProblem
from lab.processes import wait_until

if TYPE_CHECKING:
    from lab.cloud import Cloud

STOP_S = 15.0                                                            # for all VMs at the end of a demo
FOUND_S = 90.0                                                           # two passes over a node, and some


def restore_volumes(cloud: Cloud) -> None:
    """Give the nodes the images and the disks that the books have."""
    rows = cloud.sql(f"SELECT name, size_bytes FROM volume WHERE made AND storage_id = {cloud.storage_id}")
    for node in cloud.nodes:
        if isinstance(node, TestNode):
            node.restore(f"wawel-{cloud.storage_id}", {volume: int(size) for volume, size in rows})


def settle(cloud: Cloud) -> None:
    """
    Have VMs that were left running, by a demo that was killed, recorded as ended: as an operator does it, by the ledger
    of drift.

    :raises LabProblem: the passes over the nodes did not find them gone.
    """
    lost = lost_vms(cloud)
    if not lost:
        return
    with cloud.steps.step(f"recording that {len(lost)} VMs ended with their nodes"):
        wait_until(lambda: _settled(cloud, lost), "the end of VMs that the nodes forgot", FOUND_S, 0.2)


def lost_vms(cloud: Cloud) -> set[int]:
    """VMs that hold a node of the test driver, and have no domain there."""
    nodes = {node.node_id: node for node in cloud.nodes if isinstance(node, TestNode)}
    found: set[int] = set()
    for node_id, node in nodes.items():
        connection = node.open()
        try:
            there = {domain.UUIDString() for domain in our_domains(connection)}
        finally:
            connection.close()
        placed = cloud.sql(
            f"SELECT id, uuid FROM vm WHERE node_id = {node_id} AND closed_at IS NULL AND seen IN ('running', 'paused')"
        )
        found |= {int(row[0]) for row in placed if row[0] and row[1] not in there}
    return found


def _settled(cloud: Cloud, lost: set[int]) -> bool:
    for node in cloud.nodes:
        with suppress(CloudError):
            cloud.admin.call("admin.node.check", {"node_id": node.node_id})
    for each in cloud.admin.call("admin.drift.get_list"):
        if each["kind"] == "missing_domain" and each.get("vm_id") in lost:
            with suppress(CloudError):                                   # somebody applied it, or it is gone by itself
                cloud.admin.call("admin.drift.apply", {"drift_id": each["drift_id"]})
    return not lost_vms(cloud)


def stop_vms(cloud: Cloud) -> None:
    """Before the nodes of a kept cloud end: cut their VMs' power, so that the books do not say that they run."""
    if not any(isinstance(node, TestNode) for node in cloud.nodes) or not cloud.cm.running:
        return
    with suppress(CloudError, LabProblem):                               # what is missed is settled at the next start
        running = [vm["vm_id"] for vm in cloud.admin.call("admin.vm.get_list") if vm["state"] in ("running", "paused")]
        if running:
            cloud.admin.call("admin.vm.stop", {"vm_ids": running})
            wait_until(lambda: _stopped(cloud, running), "the end of the VMs", STOP_S, 0.1)


def _stopped(cloud: Cloud, vm_ids: list[int]) -> bool:
    told = {vm["vm_id"]: vm["state"] for vm in cloud.admin.call("admin.vm.get_list")}
    return all(told.get(vm_id) not in ("running", "paused", "stopping") for vm_id in vm_ids)
