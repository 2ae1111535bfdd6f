"""Disks by size on real hosts: a storage that is full after all, and a volume that somebody else gets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import wait_until

SIZE_MIB = 64


@pytest.fixture
def full(shared_cloud: Cloud) -> Iterator[int]:
    """A storage that has bytes left and takes no file, which is first where there is room; its id."""
    cloud, path = shared_cloud, shared_cloud.base / "full"
    path.mkdir(exist_ok=True)
    nodes = [node for node in cloud.nodes if isinstance(node, RealNode)]
    for node in nodes:
        node.host.run(["mount", "-t", "tmpfs", "-o", "size=512m,nr_inodes=1", "tmpfs", str(path)])
    values = {"name": "full", "kind": "dir", "path": str(path), "capacity_bytes": 2**45, "priority": 20}
    storage_id: int = cloud.admin.call("admin.storage.add", values)["storage_id"]

    def everywhere(verb: str) -> None:
        for node in nodes:
            both = {"storage_id": storage_id, "node_id": node.node_id}
            work = cloud.admin.call(f"admin.storage.{verb}", both)
            cloud.wait_operation(cloud.admin, work["operation_id"])

    everywhere("attach")
    yield storage_id
    everywhere("detach")
    cloud.admin.call("admin.storage.delete", {"storage_id": storage_id})
    for node in nodes:
        node.host.run(["umount", str(path)])


def _qemu_io(volume: Path, command: str) -> str:
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, str(volume)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_full_storage(shared_cloud: Cloud, full: int) -> None:
    """
    A new disk that the first storage cannot make (ENOSPC) is made on the second, and the VM starts with it. When it
    ends its volume is kept, and the next VM of somebody else's that asks for the size has it, and finds zeros.
    """
    cloud = shared_cloud
    # Whatever other tests have left: this one comes first, the full one before it.
    keep = {"storage_id": cloud.storage_id, "keep_freed": True, "priority": 10}
    cloud.admin.call("admin.storage.edit", keep)
    made = []
    try:
        blank = cloud.import_blank("aoc-blank")
        for name in ("first", "second"):
            vm = cloud.create(name=f"aoc-{name}", image_id=blank, new_disks=[SIZE_MIB])
            made.append(vm["vm_id"])
            cloud.wait_running(vm["vm_id"], contextualized=False)
            ((storage_id, volume),) = cloud.sql(
                "SELECT u.storage_id, u.name FROM attachment a JOIN disk k ON k.id = a.disk_id"
                f" JOIN volume u ON u.id = k.volume_id WHERE a.vm_id = {vm['vm_id']} AND a.number = 1"
            )
            file = cloud.storage_dir / volume
            assert int(storage_id) == cloud.storage_id
            with closing(cloud.node_of(cloud.vm(vm["vm_id"])).open()) as connection:
                assert str(file) in connection.lookupByUUIDString(vm["uuid"]).XMLDesc()
            cloud.wait_operation(cloud.user, cloud.user.call("user.vm.stop", {"vm_id": vm["vm_id"]})["operation_id"])
            if name == "first":
                first = file
                _qemu_io(file, "write -P 0xab 1M 64k")
            else:
                assert file == first
                assert "verification failed" not in _qemu_io(file, f"read -P 0 0 {SIZE_MIB}M")
            gone = cloud.user.call("user.vm.destroy", {"vm_ids": [made.pop()]})
            cloud.wait_operation(cloud.user, gone[0]["operation_id"])
        assert cloud.sql(f"SELECT claimed_bytes FROM storage WHERE id = {full}") == [["0"]]
    finally:
        if made:
            cloud.user.call("user.vm.destroy", {"vm_ids": made})
        cloud.admin.call("admin.storage.edit", {**keep, "keep_freed": False, "priority": 0})
        for free in cloud.admin.call("admin.storage.get_free_volumes", {"storage_id": cloud.storage_id}):
            cloud.admin.call("admin.storage.delete_free_volume", {"volume_id": free["volume_id"]})
        wait_until(lambda: not cloud.admin.call("admin.storage.get_free_volumes"), "they are deleted", 40)
    assert not first.exists()
