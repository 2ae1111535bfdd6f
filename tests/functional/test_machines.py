"""Guests that boot by UEFI on real hosts: their variables outlast a stop and another node, and end with the VM."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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
