"""Disks on real hosts' own storages, and the copies of images that they are made from."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functional.test_migration import over
from lab.cloud import Cloud
from lab.furnish import import_image
from lab.processes import wait_until

MIB = 2**20
LARGE_MIB = 192
UEFI = Path("/usr/share/qemu/firmware/60-edk2-x86_64.json")


class Own:
    """A cloud of two hosts, each with a directory of its own as a storage."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.directories: dict[int, Path] = {}
        self.storages: dict[int, int] = {}
        for node in cloud.nodes:
            directory = cloud.base / f"own-{node.name}"
            directory.mkdir(mode=0o755)
            values = {"name": f"own {node.name}", "kind": "dir", "path": str(directory), "node_id": node.node_id}
            added = self.admin("storage.add", **values)
            self.directories[node.node_id], self.storages[node.node_id] = directory, added["storage_id"]
            self.over(self.admin("storage.attach", storage_id=added["storage_id"], node_id=node.node_id))

    def admin(self, method: str, **params: Any) -> Any:
        return self.cloud.admin.call(f"admin.{method}", params)

    def over(self, work: Any) -> None:
        op = self.cloud.wait_operation(self.cloud.admin, work["operation_id"])
        assert op["state"] == "done", op

    def vms(self, count: int, image_id: int) -> list[dict[str, Any]]:
        values = {"name": "local", "description": "", "image_id": image_id, "local_disk": True, "count": count,
                  "template_id": self.cloud.template_ids["tiny"]}  # fmt: skip
        made = self.cloud.user.call("user.vm.create", values)
        return [self.cloud.wait_running(vm["vm_id"], contextualized=False) for vm in made]

    def files(self, node_id: int, ending: str) -> list[Path]:
        return sorted(self.directories[node_id].glob(f"*{ending}"))

    def copies(self, image_id: int) -> list[tuple[int, str, int]]:
        found = self.admin("system_image.get_cached", image_id=image_id)
        return [(each["node_id"], each["state"], each["disks"]) for each in found]


@pytest.fixture(scope="module")
def own(start_cloud: Any) -> Iterator[Own]:
    yield Own(start_cloud(durable=False, settings={"cluster": {"shutdown_s": 15.0}}))


def test_one_copy(own: Own) -> None:
    """A cold node gets an image once for three VMs, the next has it there; when they are gone it can be evicted."""
    cloud, node = own.cloud, own.cloud.nodes[0].node_id
    image_id = cloud.import_blank("cold")
    own.admin("node.lock", node_id=cloud.nodes[1].node_id)
    vms = own.vms(3, image_id)
    (copy,) = own.files(node, "-cached.qcow2")
    made = copy.stat()
    vms += own.vms(1, image_id)
    assert own.files(node, "-cached.qcow2") == [copy] and own.copies(image_id) == [(node, "ok", 4)]
    assert (copy.stat().st_ino, copy.stat().st_ctime) == (made.st_ino, made.st_ctime)
    for vm in vms:
        root = own.directories[node] / f"vm-{vm['uuid']}-root.qcow2"
        told = subprocess.run(
            ["qemu-img", "info", "-U", "-f", "qcow2", "--output=json", root], capture_output=True, check=True
        )
        assert json.loads(told.stdout)["backing-filename"] == str(copy)
    own.admin("node.unlock", node_id=cloud.nodes[1].node_id)
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"] for vm in vms]})
    for vm in vms:
        cloud.wait_for(vm["vm_id"], "destroyed")
    assert own.files(node, "") == [copy]
    for work in own.admin("system_image.evict", image_id=image_id):
        own.over(work)
    assert own.files(node, "") == [] and own.copies(image_id) == []
    assert cloud.check_leaks() == []


def test_through_the_manager(own: Own) -> None:
    """
    A node that has not the image's storage gets it through the manager, also when that is killed in the middle of it,
    and it is the image byte for byte; with the image it goes.
    """
    cloud, node = own.cloud, own.cloud.nodes[1]
    source = cloud.import_dir / "large.qcow2"
    with source.with_suffix(".raw").open("wb") as file:
        for _ in range(LARGE_MIB):
            file.write(os.urandom(MIB))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", source.with_suffix(".raw"), source], check=True)
    image_id = import_image(cloud, "large", "", source)
    image = own.admin("system_image.get_by_id", image_id=image_id)
    kept = cloud.sql(f"SELECT u.sha256 FROM volume u JOIN image i ON i.volume_id = u.id WHERE i.id = {image_id}")
    assert kept == [[hashlib.sha256(source.read_bytes()).hexdigest()]]
    own.over(own.admin("storage.detach", storage_id=cloud.storage_id, node_id=node.node_id))
    (work,) = own.admin("system_image.prefetch", image_id=image_id, node_ids=[node.node_id])
    wait_until(
        lambda: any(file.stat().st_blocks > 2048 for file in own.files(node.node_id, "-cached.qcow2")),
        "the first bytes on the node", 60, pause=0.005,
    )  # fmt: skip
    cloud.kill_cm()
    cloud.start_cm()
    own.over(work)
    (copy,) = own.files(node.node_id, "-cached.qcow2")
    there = cloud.storage_dir / f"image-{image['uuid']}.qcow2"
    subprocess.run(["cmp", there, copy], check=True)
    assert own.copies(image_id) == [(node.node_id, "ok", 0)]
    own.over(own.admin("system_image.delete", image_id=image_id))
    wait_until(lambda: not own.files(node.node_id, "-cached.qcow2"), "the end of the copy", 60, pause=0.05)
    own.over(own.admin("storage.attach", storage_id=cloud.storage_id, node_id=node.node_id))
    assert cloud.check_leaks() == []


@pytest.mark.skipif(not UEFI.exists(), reason="there is no firmware for UEFI (bin/bootstrap hosts)")
def test_uefi(own: Own) -> None:
    """
    What a guest's UEFI keeps is with its disk: on the other host's own storage, where this goes while the guest is off;
    on the one that both have, where it went while the guest ran, from its next start on, and the guest goes from there.
    """
    cloud = own.cloud
    here, there = cloud.nodes
    for node in (here, there):
        own.admin("node.edit", node_id=node.node_id, migration_uri=node.uri)
    own.admin("node.lock", node_id=there.node_id)
    values = {"name": "uefi", "description": "", "image_id": cloud.import_blank("firmware"), "local_disk": True,
              "template_id": cloud.template_ids["tiny"], "firmware": "uefi"}  # fmt: skip
    (made,) = cloud.user.call("user.vm.create", values)
    vm = cloud.wait_running(made["vm_id"], contextualized=False)
    own.admin("node.unlock", node_id=there.node_id)
    tops = [*own.directories.values(), cloud.storage_dir]

    def kept() -> list[Path]:
        return [path for top in tops for path in top.rglob(f"nvram/**/vm-{vm['uuid']}.fd")]

    def power(call: str, state: str) -> dict[str, Any]:
        cloud.user.call(f"user.vm.{call}", {"vm_id": vm["vm_id"]})
        if state == "running":
            return dict(cloud.wait_running(vm["vm_id"], contextualized=False))
        return dict(cloud.wait_for(vm["vm_id"], state))

    def written() -> bytes:
        """The firmware's, with a mark behind what it has of variables."""
        (path,) = kept()
        whole = path.read_bytes()
        assert whole[40:44] == b"_FVH"
        path.write_bytes(whole[:-16] + b"what a guest has")
        return path.read_bytes()

    def done(method: str, **params: Any) -> None:
        ended = over(cloud, own.admin(method, **params)["operation_id"])
        assert ended["state"] == "done", ended

    power("stop", "stopped")
    content = written()
    disk_id = int(cloud.sql(f"SELECT disk_id FROM attachment WHERE vm_id = {vm['vm_id']} AND number = 0")[0][0])
    done("disk.move", disk_id=disk_id, storage_id=own.storages[there.node_id])
    wait_until(lambda: len(kept()) == 1, "the end of what the disk has left", 60, pause=0.05)
    (moved,) = kept()
    assert moved.parents[2] == own.directories[there.node_id] and moved.read_bytes() == content
    assert cloud.node_of(power("start", "running")) is there and kept() == [moved]
    done("disk.move", disk_id=disk_id, storage_id=cloud.storage_id)
    assert kept() == [moved]
    power("stop", "stopped")
    content = written()
    power("start", "running")
    (shared,) = kept()
    assert shared.parents[2] == cloud.storage_dir and shared.read_bytes()[-16:] == content[-16:]
    told = subprocess.run(["virsh", "-q", "-c", there.uri, "dumpxml", f"vm-{vm['vm_id']}"], capture_output=True,
                          text=True, timeout=60, check=True).stdout  # fmt: skip
    assert str(shared) in told
    done("vm.migrate", vm_id=vm["vm_id"])
    assert cloud.node_of(cloud.wait_running(vm["vm_id"], contextualized=False)) is here and kept() == [shared]
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait_for(vm["vm_id"], "destroyed")
    assert kept() == [] and cloud.check_leaks() == []
    assert [path for top in tops for path in top.glob("nvram/*")] == []
