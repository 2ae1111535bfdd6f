"""A logical storage on a real volume group, on a host with device-mapper: the table of kinds says the truth of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cm.rpc.errors import CloudError
from cm.rules.storage import EXTENT_BYTES, capabilities
from functional.test_disks import eventually
from functional.test_snapshots import Shell, work
from lab.cloud import Cloud
from lab.nodes import RealNode

GROUP = "wawelvg"


def sizes(cloud: Cloud) -> dict[str, int]:
    """What LVM itself has of the group, by name, in bytes."""
    node = cloud.nodes[0]
    assert isinstance(node, RealNode)
    told = node.host.run(["lvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "lv_name,lv_size", GROUP]).stdout
    return {name: int(size) for name, size in (line.split() for line in told.splitlines())}


@pytest.fixture(scope="module")
def storage_id(uml_cloud: Cloud) -> Iterator[int]:
    """A group that was made by attaching it to the first host, of a disk that was empty."""
    told = {"name": "group", "kind": "logical", "source": GROUP, "devices": ["/dev/ubda"], "offered": True}
    made: int = uml_cloud.admin.call("admin.storage.add", told)["storage_id"]
    attached = uml_cloud.admin.call("admin.storage.attach", {"storage_id": made, "node_id": uml_cloud.nodes[0].node_id})
    uml_cloud.wait_operation(uml_cloud.admin, attached["operation_id"])
    yield made
    assert sizes(uml_cloud) == {}


def refused(cloud: Cloud, method: str, **params: Any) -> str:
    """The code of the error that a call is refused with."""
    client = cloud.admin if method.startswith("admin.") else cloud.user
    with pytest.raises(CloudError) as refusal:
        client.call(method, params)
    return refusal.value.code


def test_disk(uml_cloud: Cloud, storage_id: int) -> None:
    """A VM boots from a volume of the group; a data disk there is used by it, copied, and deleted."""
    cloud = uml_cloud
    path, description = cloud.image_file()
    told = {"name": "on lvm", "description": description, "path": str(path), "storage_id": storage_id}
    image = cloud.admin.call("admin.system_image.import_file", {**told, "access": "public"})
    cloud.wait_operation(cloud.admin, image["operation_id"], deadline=120)
    vm = cloud.create(name="lvm", image_id=image["image_id"])
    disks = []
    try:
        disks.append(work(cloud, "user.disk.create", name="data", size_mib=5, storage_id=storage_id)["disk_id"])
        vm = cloud.wait_running(vm["vm_id"], contextualized=False)
        assert vm["node"] == cloud.nodes[0].address
        before = sizes(cloud)
        assert len(before) == 3 and sorted(before.values())[0] == 2 * EXTENT_BYTES
        assert all(size % EXTENT_BYTES == 0 for size in before.values())
        with Shell(cloud, vm) as shell:
            work(cloud, "user.disk.attach", disk_id=disks[0], vm_id=vm["vm_id"])
            assert eventually(shell, "vdb", True)
            assert shell.run("cat /sys/block/vdb/size") == str(2 * EXTENT_BYTES // 512)
            shell.write("vdb", "A", 16)
            assert refused(cloud, "user.disk.grow", disk_id=disks[0], size_mib=16) == "vm_wrong_state"
            work(cloud, "user.disk.detach", disk_id=disks[0], vm_id=vm["vm_id"])
            work(cloud, "user.disk.grow", disk_id=disks[0], size_mib=16)
            disks.append(work(cloud, "user.disk.copy", disk_id=disks[0], name="copy")["disk_id"])
            work(cloud, "user.disk.attach", disk_id=disks[1], vm_id=vm["vm_id"])
            assert eventually(shell, "vdb", True) and shell.read("vdb", 16) == "A"
            assert shell.run("cat /sys/block/vdb/size") == str(4 * EXTENT_BYTES // 512)
            work(cloud, "user.disk.detach", disk_id=disks[1], vm_id=vm["vm_id"])
            cloud.admin.call("admin.storage.edit", {"storage_id": cloud.storage_id, "offered": True})
            odd = {"name": "odd", "size_mib": 5, "storage_id": cloud.storage_id}
            disks.append(work(cloud, "user.disk.create", **odd)["disk_id"])
            work(cloud, "user.disk.attach", disk_id=disks[2], vm_id=vm["vm_id"])
            assert eventually(shell, "vdb", True)
            shell.write("vdb", "C", 16)
            work(cloud, "user.disk.move", disk_id=disks[2], storage_id=storage_id)
            assert shell.read("vdb", 16) == "C"
            assert shell.run("cat /sys/block/vdb/size") == str(2 * EXTENT_BYTES // 512)
            work(cloud, "user.disk.detach", disk_id=disks[2], vm_id=vm["vm_id"])
        assert len(sizes(cloud)) == 5
        can = capabilities("logical")
        assert (can.resizes, can.snapshots, can.shared) == (False, False, False)
        assert refused(cloud, "user.vm.create_snapshot", vm_id=vm["vm_id"], name="no") == "not_supported"
        other = cloud.nodes[1].node_id
        assert refused(cloud, "admin.storage.attach", storage_id=storage_id, node_id=other) == "in_use"
        assert len(sizes(cloud)) == 5
    finally:
        cloud.admin.call("admin.storage.edit", {"storage_id": cloud.storage_id, "offered": False})
        cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
        cloud.wait_for(vm["vm_id"], "destroyed")
        for disk_id in disks:
            cloud.user.call("user.disk.delete", {"disk_id": disk_id})
            work(cloud, "user.disk.purge", disk_id=disk_id)
        gone = cloud.admin.call("admin.system_image.delete", {"image_id": image["image_id"]})
        cloud.wait_operation(cloud.admin, gone["operation_id"])
