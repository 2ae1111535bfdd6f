"""Guests on real hosts that boot by UEFI, whose variables outlast a stop and another node; such as become larger."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from functional.test_snapshots import Shell, work
from lab.cloud import Cloud

UEFI = Path("/usr/share/qemu/firmware/60-edk2-x86_64.json")


@pytest.mark.skipif(not UEFI.exists(), reason="there is no firmware for UEFI (bin/bootstrap hosts)")
def test_uefi(shared_cloud: Cloud) -> None:
    """A guest with the CPU that both hosts can give starts in its firmware, and again on the other host."""
    cloud = shared_cloud
    nodes = cloud.admin.call("admin.node.get_list")
    assert all({"uefi", "q35", "pc"} <= set(node["info"]["offers"]) for node in nodes)
    baseline = cloud.admin.call("admin.cluster.set_cpu_baseline")
    assert baseline["model"] and baseline["node_ids"] == [node["node_id"] for node in nodes]
    blank = cloud.import_blank()
    made = cloud.create(name="uefi", image_id=blank, firmware="uefi", boot_menu_s=1, cpu_model="baseline")
    try:
        first = cloud.wait_running(made["vm_id"], contextualized=False)
        paths = [storage["path"] for storage in cloud.admin.call("admin.storage.get_list")]
        (variables,) = (path for each in paths if (path := Path(each, "nvram", f"vm-{first['uuid']}.fd")).exists())
        begun = variables.read_bytes()
        assert begun[40:44] == b"_FVH", "a firmware volume"
        told = ["virsh", "-q", "-c", cloud.node_of(first).uri, "dumpxml", f"vm-{made['vm_id']}"]
        described = subprocess.run(told, capture_output=True, text=True, timeout=60, check=True).stdout
        assert "OVMF_CODE" in described and f"<model fallback='forbid'>{baseline['model']}</model>" in described
        cloud.user.call("user.vm.stop", {"vm_id": made["vm_id"]})
        cloud.wait_for(made["vm_id"], "stopped")
        kept = variables.read_bytes()
        assert len(kept) == len(begun)
        node_id = next(node["node_id"] for node in nodes if node["address"] == first["node"])
        cloud.admin.call("admin.node.lock", {"node_id": node_id})
        try:
            cloud.user.call("user.vm.start", {"vm_id": made["vm_id"]})
            second = cloud.wait_running(made["vm_id"], contextualized=False)
        finally:
            cloud.admin.call("admin.node.unlock", {"node_id": node_id})
        assert second["node"] != first["node"] and variables.exists()
    finally:
        cloud.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
        cloud.wait_for(made["vm_id"], "destroyed")
    assert not variables.exists() and cloud.check_leaks() == []


def test_larger(shared_cloud: Cloud) -> None:
    """A guest of Linux sees CPUs come as it runs, and its domain has the memory; the books count what it has."""
    cloud = shared_cloud
    small = cloud.admin.call("admin.template.get_by_id", {"template_id": cloud.template_ids["small"]})
    more = {"name": "larger", "cpu": small["cpu"] + 1, "memory_mib": small["memory_mib"] + 128}
    larger = cloud.admin.call("admin.template.add", more)["template_id"]
    most = {"max_cpu": more["cpu"] + 1, "max_memory_mib": small["memory_mib"] + 256}
    made = cloud.create(name="grows", template_id=small["template_id"], **most)
    try:
        vm = cloud.wait_running(made["vm_id"], contextualized=False)
        with Shell(cloud, vm) as shell:
            assert shell.run("grep -c ^processor /proc/cpuinfo") == str(small["cpu"])
            work(cloud, "user.vm.resize", vm_id=vm["vm_id"], template_id=larger)
            told = ["virsh", "-q", "-c", cloud.node_of(vm).uri, "dumpxml", f"vm-{vm['vm_id']}"]
            described = subprocess.run(told, capture_output=True, text=True, timeout=60, check=True).stdout
            assert f"<memory unit='KiB'>{more['memory_mib'] * 1024}</memory>" in described
            assert "model='dimm'" in described and f"current='{more['cpu']}'" in described
            assert shell.run("ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l") == str(more["cpu"])
    finally:
        cloud.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
        cloud.wait_for(made["vm_id"], "destroyed")
    assert cloud.check_leaks() == []
