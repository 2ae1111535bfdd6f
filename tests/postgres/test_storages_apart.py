"""Disks and copies between storages that no node reaches both: their bytes go through the manager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.volume import Volume
from cm.rpc.errors import (
    CannotMigrate,
    NodeUnreachable,
    NotSupported,
    StorageFull,
    StoragesApart,
    StorageUnreached,
    VariablesStay,
)
from tests.postgres.test_local_disks import Cluster

MIB = 2**20
BEHIND = 2**16  # the header of a file


class Apart(Cluster):
    """A stopped VM on the first node's own storage, and what is said of its disk."""

    def fill(self) -> None:
        super().fill()
        self.first, self.second = self.node_ids
        (vm,) = self.local(self.first)
        self.vm_id: int = vm["vm_id"]
        self.call("user.vm.stop", [self.vm_id])
        self.wait(self.vm_id, "stopped")
        self.disk_id: int = self.sql("SELECT disk_id FROM attachment WHERE vm_id = :v", v=self.vm_id)

    def lies(self) -> tuple[int, str, int | None]:
        """The disk's storage, its volume, and what that stands on."""
        row = "SELECT u.{} FROM disk d JOIN volume u ON u.id = d.volume_id WHERE d.id = :d"
        storage_id, name, backing_id = (
            self.sql(row.format(each), d=self.disk_id) for each in ("storage_id", "name", "backing_id")
        )
        return storage_id, name, backing_id

    def file(self, node_id: int, name: str) -> Volume:
        volumes = self.memory[node_id].world.storages.share(f"wawel-{self.own[node_id]}").volumes
        return volumes[name]

    def move(self, node_id: int) -> dict[str, Any]:
        return self.over(self.begin(node_id)["operation_id"])

    def begin(self, node_id: int) -> dict[str, Any]:
        work: dict[str, Any] = self.admin("disk.move", disk_id=self.disk_id, storage_id=self.own[node_id])
        return work

    def settled(self) -> None:
        open_ones = "SELECT count(*) FROM operation WHERE finished_at IS NULL"
        self.until(lambda: self.sql(open_ones) == 0, "what the disk has left is deleted")


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Apart]:
    made = Apart(database_url, tmp_path / "state")
    yield made
    made.stop()


def test_moved(cloud: Apart) -> None:
    """What stands on a node's copy of an image goes to another node's storage, whole, and its VM starts there."""
    assert cloud.lies()[2] is not None
    cloud.file(cloud.first, cloud.lies()[1]).write(BEHIND, b"what its guest wrote")
    copies = cloud.calls(cloud.first, "create_copy")
    assert cloud.move(cloud.second)["state"] == "done"
    storage_id, volume, backing_id = cloud.lies()
    assert (storage_id, backing_id) == (cloud.own[cloud.second], None)
    cloud.settled()
    assert volume in cloud.volumes(cloud.second)
    assert cloud.calls(cloud.first, "create_copy") == copies + 1 and cloud.calls(cloud.second, "upload_part") == 1
    cloud.admin("system_image.evict", image_id=cloud.image_id)
    cloud.until(lambda: cloud.volumes(cloud.first) == [], "nothing of it stays where it was")
    cloud.call("user.vm.start", [cloud.vm_id])
    cloud.wait(cloud.vm_id, "running")
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=cloud.vm_id) == cloud.second
    assert cloud.leaks() == []


def test_bytes(cloud: Apart) -> None:
    """A disk that stands on nothing goes as it is, without a copy of it where it lies."""
    assert cloud.move(cloud.second)["state"] == "done"
    cloud.file(cloud.second, cloud.lies()[1]).write(BEHIND, b"what its guest wrote")
    before = cloud.file(cloud.second, cloud.lies()[1])
    copies = cloud.calls(cloud.second, "create_copy")
    assert cloud.move(cloud.first)["state"] == "done"
    after = cloud.file(cloud.first, cloud.lies()[1])
    assert after.read(0, after.length) == before.read(0, before.length)
    assert after.capacity_bytes == before.capacity_bytes and cloud.calls(cloud.second, "create_copy") == copies
    cloud.settled()
    assert cloud.leaks() == []


@pytest.mark.parametrize("side, call", [(0, "download"), (1, "upload_part")])
def test_breaks_on_its_way(cloud: Apart, side: int, call: str) -> None:
    """Whichever node fails, the disk stays where it is and nothing of the attempt does; a retry brings it there."""
    cloud.memory[cloud.node_ids[side]].fail_next(call, NotSupported("do this"))
    began = cloud.begin(cloud.second)
    ended = cloud.over(began["operation_id"])
    assert (ended["state"], ended["error"]) == ("failed", "not_supported")
    cloud.settled()
    assert cloud.lies()[0] == cloud.own[cloud.first] and cloud.volumes(cloud.second) == []
    assert cloud.leaks() == []
    cloud.admin("operation.retry", operation_id=began["operation_id"])
    assert cloud.over(began["operation_id"])["state"] == "done"
    cloud.settled()
    assert cloud.lies()[0] == cloud.own[cloud.second] and cloud.leaks() == []


def test_given_up(cloud: Apart) -> None:
    """Given up while its other node is away: both volumes that were claimed go, and the disk stays as it was."""
    before = cloud.lies()
    cloud.sql("UPDATE node SET state = 'unreachable' WHERE id = :n", n=cloud.second)
    with pytest.raises(StorageUnreached):
        cloud.begin(cloud.second)
    cloud.sql("UPDATE node SET state = 'ok' WHERE id = :n", n=cloud.second)
    cloud.sql("UPDATE storage SET capacity_bytes = 0 WHERE id = :s", s=cloud.own[cloud.second])
    with pytest.raises(StorageFull):
        cloud.begin(cloud.second)
    cloud.sql("UPDATE storage SET capacity_bytes = :b WHERE id = :s", b=1000 * MIB, s=cloud.own[cloud.second])
    assert cloud.lies() == before and cloud.leaks() == []


def test_copies(cloud: Apart) -> None:
    """What stands on an image is not copied there, as its bytes are in two places; what has been moved there is."""
    values = {"disk_id": cloud.disk_id, "name": "copy", "description": ""}
    cloud.sql("UPDATE storage SET offered = true, node_id = NULL")  # as if others might have them attached, too
    with pytest.raises(StoragesApart):
        cloud.call("user.disk.copy", {**values, "storage_id": cloud.own[cloud.second]})
    assert cloud.move(cloud.second)["state"] == "done"
    made = cloud.call("user.disk.copy", {**values, "storage_id": cloud.own[cloud.first]})
    assert cloud.over(made["operation_id"])["state"] == "done"
    where = "SELECT u.storage_id FROM disk d JOIN volume u ON u.id = d.volume_id WHERE d.id = :d"
    assert cloud.sql(where, d=made["disk_id"]) == cloud.own[cloud.first]
    cloud.settled()
    for node_id, own in cloud.own.items():
        cloud.sql("UPDATE storage SET node_id = :n WHERE id = :s", n=node_id, s=own)
    assert cloud.leaks() == []


def test_seed_follows(cloud: Apart) -> None:
    """A seed that is not read yet goes with the root disk to another node's storage: else its VM starts nowhere."""
    (vm,) = cloud.local(cloud.first, metadata="seed-iso")
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.disk_id = cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm["vm_id"])
    used = cloud.sql("SELECT used_storage_mib FROM account WHERE id = :a", a=cloud.user_id)
    for node_id, other_id in ((cloud.second, cloud.first), (cloud.first, cloud.second)):
        assert cloud.move(node_id)["state"] == "done"
        cloud.settled()
        lies = "SELECT u.storage_id FROM seed e JOIN volume u ON u.id = e.volume_id WHERE e.vm_id = :v"
        assert cloud.sql(lies, v=vm["vm_id"]) == cloud.own[node_id]
        assert not any(vm["uuid"] in name for name in cloud.volumes(other_id))
        assert cloud.leaks() == []
    assert cloud.sql("SELECT used_storage_mib FROM account WHERE id = :a", a=cloud.user_id) == used
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"]) == cloud.first
    assert len([name for name in cloud.volumes(cloud.first) if vm["uuid"] in name]) == 2
    assert cloud.leaks() == []


def test_no_room_for_a_seed(cloud: Apart) -> None:
    """Where it does not fit beside its VM's root disk, the disk stays where it was, and so does the seed."""
    (vm,) = cloud.local(cloud.first, metadata="seed-iso")
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.disk_id = cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm["vm_id"])
    cloud.sql("UPDATE storage SET capacity_bytes = :b WHERE id = :s", b=64 * MIB, s=cloud.own[cloud.second])
    ended = cloud.move(cloud.second)
    assert (ended["state"], ended["error"]) == ("failed", "storage_full")
    cloud.settled()
    assert cloud.lies()[0] == cloud.own[cloud.first] and cloud.leaks() == []
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")


def uefi(cloud: Apart) -> Any:
    """A stopped VM on the first node's own storage, whose firmware has written into its variables."""
    for node_id in cloud.node_ids:
        cloud.admin("node.check", node_id=node_id)  # which tells that it offers UEFI
    (vm,) = cloud.local(cloud.first, firmware="uefi")
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.disk_id = cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm["vm_id"])
    variables(cloud, cloud.first)[f"nvram/vm-{vm['uuid']}.fd"] = b"what it boots from"
    return vm


def variables(cloud: Apart, node_id: int) -> dict[str, bytes]:
    """What UEFI keeps on a node's own storage, by path."""
    return cloud.memory[node_id].world.storages.share(f"wawel-{cloud.own[node_id]}").variables


def test_variables_follow(cloud: Apart) -> None:
    """What UEFI keeps goes with its VM's root disk to another node's storage and back, whatever it boots by then."""
    vm = uefi(cloud)
    for node_id, other_id, firmware in ((cloud.second, cloud.first, "uefi"), (cloud.first, cloud.second, "bios")):
        cloud.call("user.vm.edit", {"vm_id": vm["vm_id"], "firmware": firmware})
        assert cloud.move(node_id)["state"] == "done"
        cloud.settled()
        (path,) = variables(cloud, node_id)
        directory = cloud.sql("SELECT nvram_directory FROM vm WHERE id = :v", v=vm["vm_id"])
        assert path == f"nvram/{directory}/vm-{vm['uuid']}.fd"
        assert variables(cloud, other_id) == {} and variables(cloud, node_id)[path] == b"what it boots from"
        cloud.call("user.vm.edit", {"vm_id": vm["vm_id"], "firmware": "uefi"})
        cloud.call("user.vm.start", [vm["vm_id"]])
        cloud.wait(vm["vm_id"], "running")
        world = cloud.memory[node_id].world
        assert world.domains[vm["uuid"]].spec.nvram.endswith(path)
        assert variables(cloud, node_id) == {path: b"what it boots from"}
        cloud.call("user.vm.stop", [vm["vm_id"]])
        cloud.wait(vm["vm_id"], "stopped")
    cloud.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait(vm["vm_id"], "destroyed")
    assert variables(cloud, cloud.first) == variables(cloud, cloud.second) == {} and cloud.leaks() == []


@pytest.mark.parametrize("call", ["read", "write"])
def test_variables_break(cloud: Apart, call: str) -> None:
    """Where they cannot be brought, the disk and they stay, and nothing of the attempt does; a retry brings both."""
    vm = uefi(cloud)
    kept = dict(variables(cloud, cloud.first))
    failing = cloud.first if call == "read" else cloud.second
    cloud.memory[failing].fail_next(call, NotSupported("do this"), after=True)
    began = cloud.begin(cloud.second)
    ended = cloud.over(began["operation_id"])
    assert (ended["state"], ended["error"]) == ("failed", "not_supported")
    cloud.settled()
    assert variables(cloud, cloud.first) == kept and variables(cloud, cloud.second) == {}
    assert cloud.lies()[0] == cloud.own[cloud.first] and cloud.volumes(cloud.second) == [] and cloud.leaks() == []
    cloud.admin("operation.retry", operation_id=began["operation_id"])
    assert cloud.over(began["operation_id"])["state"] == "done"
    cloud.settled()
    assert list(variables(cloud, cloud.second).values()) == list(kept.values()) and variables(cloud, cloud.first) == {}
    assert cloud.sql("SELECT nvram_storage_id FROM vm WHERE id = :v", v=vm["vm_id"]) == cloud.own[cloud.second]


@pytest.mark.parametrize("breaks", [False, True])
def test_variables_follow_late(cloud: Apart, breaks: bool) -> None:
    """Of a guest that ran when its disk moved they stay, which is why it goes to no other node; its next start."""
    vm = uefi(cloud)
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    work = cloud.admin("disk.move", disk_id=cloud.disk_id, storage_id=cloud.storage_id)
    assert cloud.over(work["operation_id"])["state"] == "done"
    cloud.settled()
    assert cloud.lies()[0] == cloud.storage_id and len(variables(cloud, cloud.first)) == 1
    for live in (True, False):
        with pytest.raises(CannotMigrate, match="what its UEFI keeps is on its node's own storage own-"):
            cloud.admin("vm.migrate", vm_id=vm["vm_id"], live=live)
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    if breaks:
        cloud.memory[cloud.first].fail_next("write", NodeUnreachable("first", "Connection reset by peer"), after=True)
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    shared = cloud.memory[cloud.first].world.storages.share(f"wawel-{cloud.storage_id}").variables
    ((path, content),) = shared.items()
    directory = cloud.sql("SELECT nvram_directory FROM vm WHERE id = :v", v=vm["vm_id"])
    assert directory and path == f"nvram/{directory}/vm-{vm['uuid']}.fd"
    assert cloud.memory[cloud.first].world.domains[vm["uuid"]].spec.nvram.endswith(path)
    assert content == b"what it boots from" and variables(cloud, cloud.first) == {}
    moved = cloud.admin("vm.migrate", vm_id=vm["vm_id"])
    assert cloud.over(moved["operation_id"])["state"] == "done"
    cloud.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait(vm["vm_id"], "destroyed")
    assert shared == {} and cloud.leaks() == []


def test_variables_stay(cloud: Apart) -> None:
    """Devices have no place for them: where no node has both, the disk does not go there, unless the VM has BIOS."""
    vm = uefi(cloud)
    before = cloud.lies()
    cloud.sql("UPDATE storage SET kind = 'logical' WHERE id = ANY(:s)", s=list(cloud.own.values()))
    cloud.sql("UPDATE volume SET format = 'raw', backing_id = NULL WHERE name = :n", n=before[1])
    with pytest.raises(VariablesStay):
        cloud.begin(cloud.second)
    cloud.call("user.vm.edit", {"vm_id": vm["vm_id"], "firmware": "bios"})
    assert cloud.admin("disk.move", disk_id=cloud.disk_id, storage_id=cloud.own[cloud.second], dry_run=True)
    assert cloud.lies()[0] == before[0]
