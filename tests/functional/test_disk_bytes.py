"""A guest that writes to its disk and reads it back while that grows, and moves to another storage."""

from __future__ import annotations

import base64
import re
import subprocess
from contextlib import closing
from typing import Any

import pytest

from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import wait_until

# Each round writes a block past all that the guest boots from, and reads it back, around every cache of the guest's.
WRITER = """#!/bin/sh
(
n=0
while :; do
    n=$((n + 1))
    echo "block $n end" | dd of=/dev/vda bs=512 seek=$((100000 + n % 500)) count=1 conv=notrunc,sync,fsync 2>/dev/null
    echo 3 >/proc/sys/vm/drop_caches
    back=$(dd if=/dev/vda bs=512 skip=$((100000 + n % 500)) count=1 2>/dev/null | head -n 1)
    [ "$back" = "block $n end" ] || echo "TINY LOST $n: $back"
    echo "TINY WROTE $n size=$(cat /sys/block/vda/size) t=0"
    sleep 0.2
done
) </dev/null >/dev/console 2>&1 &
"""


class Guest:
    """One that writes, as its console tells."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        program = base64.b64encode(WRITER.encode()).decode()
        self.vm_id = cloud.create(name="writer", disk_mib=64, user_data=program)["vm_id"]
        cloud.wait_for(self.vm_id, "running")
        self.wrote(3)
        (disk,) = cloud.user.call("user.disk.get_list", {"vm_id": self.vm_id, "kind": "vm"})
        self.disk_id = disk["disk_id"]

    def rounds(self) -> list[tuple[int, int]]:
        """Those that are told, and how large its disk was in each, in sectors."""
        told = self.cloud.console(self.vm_id)
        assert "LOST" not in told, told[-2000:]
        return [(int(n), int(size)) for n, size in re.findall(r"TINY WROTE (\d+) size=(\d+) t=0", told)]

    def wrote(self, more: int, size_mib: int = 0) -> None:
        """So many rounds more from now on, the last with a disk of that size at the least."""
        before = max((n for n, _ in self.rounds()), default=0)

        def come() -> bool:
            rounds = self.rounds()
            return bool(rounds) and rounds[-1][0] >= before + more and rounds[-1][1] >= size_mib * 2048

        wait_until(come, f"{more} rounds more", 120, pause=0.2)

    def ask(self, view: str, *more: int) -> int:
        """:return: the operation."""
        return int(self.cloud.user.call(f"user.disk.{view}", [self.disk_id, *more])["operation_id"])

    def done(self, operation_id: int) -> None:
        self.cloud.wait_operation(self.cloud.user, operation_id, 120)

    def disk(self) -> dict[str, Any]:
        told: dict[str, Any] = self.cloud.user.call("user.disk.get_by_id", [self.disk_id])
        return told


@pytest.fixture(scope="module")
def second(shared_cloud: Cloud) -> int:
    """Another storage, on both hosts."""
    admin, path = shared_cloud.admin, shared_cloud.storage_dir.with_name("second")
    path.mkdir(exist_ok=True)
    admin.call("admin.storage.edit", {"storage_id": shared_cloud.storage_id, "offered": True})
    storage = {"name": "second", "kind": "dir", "path": str(path), "offered": True}
    storage_id: int = admin.call("admin.storage.add", storage)["storage_id"]
    for node in admin.call("admin.node.get_list"):
        both = {"storage_id": storage_id, "node_id": node["node_id"]}
        operation_id = admin.call("admin.storage.attach", both)["operation_id"]
        wait_until(lambda op=operation_id: state(admin, op) == "done", "the second storage", 60, pause=0.1)
    return storage_id


def state(client: Any, operation_id: int) -> str:
    told: str = client.call("admin.operation.get", [operation_id])["state"]
    return told


def test_life(shared_cloud: Cloud, second: int) -> None:
    """
    A guest's disk grows under it, moves to another storage, also while libvirtd and the manager are killed, and back
    cold; it reads what it wrote all the while, and what was left behind is gone.
    """
    cloud, guest = shared_cloud, Guest(shared_cloud)
    first, other = cloud.storage_dir, cloud.storage_dir.with_name("second")
    vm = cloud.vm(guest.vm_id)
    guest.done(guest.ask("grow", 96))
    guest.wrote(2, size_mib=96)
    left = [path for path in first.iterdir() if vm["uuid"] in path.name]
    moving = guest.ask("move", second)
    host = next(node.host for node in cloud.nodes if isinstance(node, RealNode) and node.address == vm["node"])
    with closing(host.open()) as connection:
        domain = connection.lookupByUUIDString(vm["uuid"])
        wait_until(lambda: bool(domain.blockJobInfo("vda")), "the copy to begin", 60, pause=0.005)
    cloud.kill_cm()
    host.kill_libvirtd()
    assert cloud.sql(f"SELECT state FROM operation WHERE id = {moving}") in ([["running"]], [["waiting"]])
    cloud.start_cm()
    host.start_libvirtd()
    guest.done(moving)
    guest.wrote(3)
    assert guest.disk()["storage_id"] == second
    (there,) = other.iterdir()
    info = subprocess.run(["qemu-img", "info", "-U", str(there)], capture_output=True, text=True).stdout
    assert "backing file" not in info and "96 MiB" in info
    wait_until(lambda: not any(path.exists() for path in left), "what it left to be gone", 60, pause=0.2)
    cloud.user.call("user.vm.stop", [guest.vm_id])
    cloud.wait_for(guest.vm_id, "stopped")
    last = guest.rounds()[-1][0]
    guest.done(guest.ask("move", cloud.storage_id))
    wait_until(lambda: not list(other.iterdir()), "the second storage to be empty", 60, pause=0.2)
    (back,) = (path for path in first.iterdir() if vm["uuid"] in path.name)
    raw = cloud.base / "back.raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(back), str(raw)], check=True)
    with raw.open("rb") as file:
        file.seek((100_000 + last % 500) * 512)
        assert file.read(512).startswith(f"block {last} end".encode())
    cloud.user.call("user.vm.destroy", [[guest.vm_id]])
    cloud.wait_for(guest.vm_id, "destroyed")
    assert cloud.check_leaks() == []
