"""
Disks and network cards on real hosts: a guest writes a disk that came while it ran, and a guest of the other host reads
it; a card comes and goes.
"""

from __future__ import annotations

import time
from typing import Any

from functional.test_snapshots import Shell, work
from lab.cloud import Cloud


def seen(shell: Shell, disk: str) -> bool:
    return shell.run(f"grep -c -w {disk} /proc/partitions") == "1"


def eventually(shell: Shell, disk: str, wanted: bool) -> bool:
    until = time.monotonic() + 20
    while seen(shell, disk) is not wanted:
        if time.monotonic() > until:
            return False
    return True


def card_seen(shell: Shell, mac: str, wanted: bool) -> bool:
    """Whether the guest comes to have a network card, or not to have it."""
    until = time.monotonic() + 20
    while (shell.run(f"cat /sys/class/net/*/address | grep -c {mac}") == "1") is not wanted:
        if time.monotonic() > until:
            return False
    return True


def places(cloud: Cloud, disk_id: int) -> list[int]:
    return [a["vm_id"] for a in cloud.user.call("user.disk.get_by_id", {"disk_id": disk_id})["attachments"]]


def test_from_guest_to_guest(shared_cloud: Cloud) -> None:
    """What one guest wrote to a data disk the other finds there; each sees it come, and the first sees it go."""
    cloud = shared_cloud
    vms: list[dict[str, Any]] = [cloud.create(name=f"disks{n}") for n in range(2)]
    disk_id = work(cloud, "user.disk.create", name="data", size_mib=8)["disk_id"]
    try:
        first, second = (cloud.wait_running(vm["vm_id"], contextualized=False) for vm in vms)
        assert first["node"] != second["node"], "the two hosts have one each"
        with Shell(cloud, first) as shell:
            assert not seen(shell, "vdb")
            work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=first["vm_id"])
            assert eventually(shell, "vdb", True)
            shell.write("vdb", "A", 16)
            work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=first["vm_id"])
            assert places(cloud, disk_id) == [] and eventually(shell, "vdb", False)
            # A network card likewise: it comes, and has let go of its address when it is gone.
            network = cloud.admin.call("admin.network.get_list")[0]["network_id"]
            card = work(cloud, "user.nic.attach", vm_id=first["vm_id"], network_id=network)
            assert card_seen(shell, card["mac"], True)
            work(cloud, "user.nic.detach", vm_id=first["vm_id"], nic=card["nic"])
            assert card_seen(shell, card["mac"], False)
            assert len(cloud.user.call("user.nic.get_list", {"vm_id": first["vm_id"]})) == 1
        with Shell(cloud, second) as shell:
            work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=second["vm_id"], bus="scsi")
            assert eventually(shell, "sda", True) and shell.read("sda", 16) == "A"
            work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=second["vm_id"])
            assert eventually(shell, "sda", False)
    finally:
        cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"] for vm in vms]})
        for vm in vms:
            cloud.wait_for(vm["vm_id"], "destroyed")
        cloud.user.call("user.disk.delete", {"disk_id": disk_id})
        work(cloud, "user.disk.purge", disk_id=disk_id)
    assert cloud.check_leaks() == []
