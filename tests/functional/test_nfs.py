"""A netfs on a real NFS server, with clients that have a kernel of their own: moves between them, and outages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from functional.test_snapshots import BEYOND, Shell, work
from lab.cloud import Cloud
from lab.furnish import MOUNTED
from lab.nfs import LEASE_S
from lab.nodes import RealNode
from lab.processes import wait_until

OUTAGE_S = 30  # three times the server's lease
# Writes that the server has to take, one after the other; a wait, and every tenth, is told on the guest's console.
WRITER = f"""#!/bin/sh
(n=0 errors=0 last=; while :; do
    now=$(cut -d. -f1 /proc/uptime)
    [ -z "$last" ] || [ $((now - last)) -lt {OUTAGE_S // 2} ] || echo "TINY WAITED s=$((now - last)) "
    last=$now n=$((n + 1))
    echo x | dd of=/dev/vda seek={BEYOND + 64} oflag=direct bs=512 conv=sync count=1 2>/dev/null ||
        errors=$((errors + 1))
    [ $((n % 10)) != 0 ] || echo "TINY WROTE errors=$errors "
    sleep 0.3
done) </dev/null >/dev/console 2>&1 &
"""


@pytest.fixture(scope="module")
def guests(uml_cloud: Cloud) -> Iterator[list[dict[str, Any]]]:
    """Two VMs that run, on one host each; gone with the module, and nothing left of them."""
    made = [uml_cloud.create(name="nfs0", user_data=WRITER, disk_mib=96), uml_cloud.create(name="nfs1")]
    try:
        yield [uml_cloud.wait_running(vm["vm_id"], contextualized=False) for vm in made]
    finally:
        for vm in made:
            if uml_cloud.vm(vm["vm_id"])["state"] != "destroyed":
                uml_cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
        for vm in made:
            uml_cloud.wait_for(vm["vm_id"], "destroyed")
    assert uml_cloud.check_leaks() == []


def volumes(node: Any) -> set[str]:
    """What a node's libvirt finds on the server now."""
    connection = node.open()
    try:
        (pool,) = (each for each in connection.listAllStoragePools() if MOUNTED in each.XMLDesc())
        pool.refresh()
        return set(pool.listVolumes())
    finally:
        connection.close()


def test_seen_from_both(uml_cloud: Cloud, guests: list[dict[str, Any]]) -> None:
    """Both nodes mounted the export as we say, and each finds there what the other made."""
    cloud = uml_cloud
    (storage,) = (each for each in cloud.admin.call("admin.storage.get_list") if each["kind"] == "netfs")
    assert [each["state"] for each in storage["nodes"]] == ["attached", "attached"]
    there = {path.name for path in cloud.storage_dir.iterdir()}
    for node in cloud.nodes:
        assert isinstance(node, RealNode)
        assert volumes(node) == there and all(any(vm["uuid"] in name for name in there) for vm in guests)
        mounts = node.host.run(["cat", "/proc/mounts"]).stdout.splitlines()
        (mount,) = (line.split() for line in mounts if MOUNTED in line)
        assert mount[2] == "nfs4" and {"vers=4.2", "hard", "nosuid", "noexec"} <= set(mount[3].split(","))


def silent(cloud: Cloud) -> set[str]:
    """What is amiss at all nodes alike."""
    known = cloud.admin.call("admin.node.get_list")
    return set.intersection(*({trouble["code"] for trouble in node["troubles"]} for node in known))


def test_outage(uml_cloud: Cloud, guests: list[dict[str, Any]]) -> None:
    """
    A server that hangs for three times its lease: the guest that writes stands still and has no error afterwards. A VM
    whose end is asked for meanwhile is left as it is, says why, and ends when the server is back; libvirt answers all
    the time.
    """
    cloud = uml_cloud
    assert cloud.nfs is not None and OUTAGE_S > 2 * LEASE_S
    writer, ending = guests
    cloud.wait_for_console(writer, "TINY WROTE", 180)
    console, so_far = cloud.console_file(writer), cloud.console_file(writer).stat().st_size
    hung = time.monotonic()
    cloud.nfs.hang()
    try:
        (asked,) = cloud.user.call("user.vm.destroy", {"vm_ids": [ending["vm_id"]]})

        def told() -> bool:
            work = cloud.user.call("user.operation.wait", {"operation_id": asked["operation_id"], "timeout": 0.5})
            return work["state"] != "done" and "does not answer" in work["text"] + work["waiting_for"]

        wait_until(told, "the reason why the VM does not end", 25, pause=0.5)
        assert cloud.vm(ending["vm_id"])["state"] == "destroying"
        wait_until(lambda: silent(cloud) == {"storage_silent"}, "the word of the agents", 25, pause=0.5)
        for node in cloud.nodes:
            connection = node.open()
            assert len(connection.listAllDomains()) == 1
            connection.close()
        time.sleep(max(0.0, hung + OUTAGE_S - time.monotonic()))
    finally:
        cloud.nfs.go_on()
    cloud.wait_for(ending["vm_id"], "destroyed", 90)
    cloud.wait_for_console(writer, "TINY WAITED", 60, so_far)
    since = console.read_text().rpartition("TINY WAITED s=")[2]
    assert int(since.split()[0]) >= OUTAGE_S - 2
    cloud.wait_for_console(writer, "TINY WROTE", 60, console.stat().st_size)
    assert console.read_text().rpartition("errors=")[2].split()[0] == "0"
    assert cloud.vm(writer["vm_id"])["state"] == "running"
    wait_until(lambda: not silent(cloud), "the word of the agents that it is back", 30, pause=0.5)
    assert {node["state"] for node in cloud.admin.call("admin.node.get_list")} == {"ok"}


def test_start_elsewhere(uml_cloud: Cloud, guests: list[dict[str, Any]]) -> None:
    """A VM that was stopped starts on the other host, with what it wrote."""
    cloud, vm = uml_cloud, guests[0]
    work(cloud, "user.vm.stop", vm_id=vm["vm_id"])
    here = cloud.node_of(vm)
    cloud.admin.call("admin.node.lock", {"node_id": here.node_id})
    try:
        work(cloud, "user.vm.start", vm_id=vm["vm_id"])
        moved = cloud.wait_running(vm["vm_id"], contextualized=False)
        assert moved["node"] != vm["node"]
        with Shell(cloud, moved) as shell:
            assert shell.read("vda", BEYOND + 64) == "x"
    finally:
        cloud.admin.call("admin.node.unlock", {"node_id": here.node_id})
