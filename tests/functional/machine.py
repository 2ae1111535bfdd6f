"""
What tests of disks on real hosts are made of: a guest that reads CDs and knows ext4, a storage that is as large as it
is told, and calls that take time.
"""

from __future__ import annotations

import time
from typing import Any

from functional.test_snapshots import Shell
from lab.cloud import Cloud
from lab.nodes import RealNode

PATIENCE_S = 120.0


def work(cloud: Cloud, method: str, **params: Any) -> Any:
    """A call, a user's or an administrator's, and its operation's good end."""
    caller = cloud.admin if method.startswith("admin.") else cloud.user
    answer = caller.call(method, params)
    cloud.wait_operation(caller, answer["operation_id"], PATIENCE_S)
    return answer


def failed(cloud: Cloud, operation_id: int) -> dict[str, Any]:
    """An operation's bad end."""
    until = time.monotonic() + PATIENCE_S
    found: dict[str, Any] = {}
    while time.monotonic() < until:
        asked = {"operation_id": operation_id, "timeout": 5.0}
        found = cloud.user.call("user.operation.wait", asked)
        if found["state"] == "failed":
            return found
        assert found["state"] != "done", found
    raise AssertionError(f"operation {operation_id} has not ended: {found}")


def gone(cloud: Cloud, vm_id: int) -> None:
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm_id]})
    cloud.wait_for(vm_id, "destroyed")


def delete_image(cloud: Cloud, image_id: int) -> None:
    work(cloud, "admin.system_image.delete", image_id=image_id)


def purge(cloud: Cloud, disk_id: int) -> None:
    cloud.user.call("user.disk.delete", {"disk_id": disk_id})
    work(cloud, "user.disk.purge", disk_id=disk_id)


class Machine:
    """A VM with the installed system, which reads CDs and knows ext4."""

    def __init__(self, cloud: Cloud, **values: Any) -> None:
        self.cloud = cloud
        self.vm = cloud.create(template_id=cloud.template_ids["small"], **values)
        self.id = self.vm["vm_id"]
        self._shell: Shell | None = None

    @property
    def node(self) -> RealNode:
        node = self.cloud.node_of(self.cloud.vm(self.id))
        assert isinstance(node, RealNode)
        return node

    def restart(self) -> None:
        """Until it is ready again, from the disk."""
        self.hang_up()
        heard = self.cloud.console_file(self.vm).stat().st_size
        work(self.cloud, "user.vm.start", vm_id=self.id)
        self.cloud.wait_running(self.id, contextualized=False)
        self.cloud.wait_for_console(self.vm, "TINY READY", PATIENCE_S, start=heard)

    def run(self, command: str) -> str:
        """What a command in it printed."""
        if self._shell is None:
            self._shell = Shell(self.cloud, self.vm)
        return self._shell.run(command).replace("\r\n", "\n").strip()

    def hang_up(self) -> None:
        if self._shell is not None:
            self._shell.__exit__()
            self._shell = None

    def until(self, command: str, wanted: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while (told := self.run(command)) != wanted:
            assert time.monotonic() < until, f"{command}: {told}, not {wanted}"

    def mounted(self, kind: str, device: str) -> None:
        self.run(f"mkdir -p /mnt; mount -t {kind} /dev/{device} /mnt 2>/dev/null; echo done")
        assert self.run("grep -c ' /mnt ' /proc/mounts") == "1"

    def unmounted(self) -> None:
        self.run("umount /mnt; echo done")
        assert self.run("grep -c ' /mnt ' /proc/mounts") == "0"


class Small:
    """A storage in a node's memory."""

    def __init__(self, cloud: Cloud, node: RealNode, mib: int) -> None:
        self.cloud, self.host = cloud, node.host
        self.path = cloud.base / "small"
        self.path.mkdir()
        self.host.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(self.path)])
        values = {"name": "small", "kind": "dir", "path": str(self.path), "capacity_bytes": 2**33, "offered": True}
        self.id: int = cloud.admin.call("admin.storage.add", values)["storage_id"]
        self._both = {"storage_id": self.id, "node_id": node.node_id}
        work(cloud, "admin.storage.attach", **self._both)

    def resize(self, mib: int) -> None:
        self.host.run(["mount", "-o", f"remount,size={mib}m", str(self.path)])

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cloud.admin.call("admin.storage.get_by_id", {"storage_id": self.id})
        return found

    def close(self) -> None:
        work(self.cloud, "admin.storage.detach", **self._both)
        self.cloud.admin.call("admin.storage.delete", {"storage_id": self.id})
        self.host.run(["umount", str(self.path)])
