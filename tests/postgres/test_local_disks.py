"""Disks on nodes' own storages: where they go, the copies of images that they are made from, what stays with a node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.volume import Volume
from cm.interfaces.hypervisor import DiskSpec
from cm.interfaces.source import FileSource
from cm.interfaces.volume import StorageSpec
from cm.operations import carrying
from cm.rpc.errors import (
    HypervisorError,
    InUse,
    InvalidParameter,
    NoCapacity,
    NodeUnreachable,
    NotSupported,
    ObjectNotFound,
)
from cm.rpc.vocabulary import DiskBus, DiskFormat, StorageKind
from cm.rules.names import root_volume
from cm.services.cached_image import NoOwnStorage, StorageOfNode, evict_spare
from cm.services.saving import StorageNotOnNode
from support.cloud import MemoryCloud, run
from tests.contract.hypervisor import domain_spec

MIB = 2**20
IMAGE = 64 * MIB


class Cluster(MemoryCloud):
    """Two nodes with one storage that both reach, and one of each node's own."""

    def fill(self) -> None:
        super().fill()
        pool = f"wawel-{self.storage_id}"
        self.spec = StorageSpec(pool, StorageKind.NETFS, "/srv/main", "filer", f"/export/{self.world}")
        for memory in self.memory.values():
            memory.pools.attach(self.spec)
        next(iter(self.memory.values())).volumes.create_empty(pool, "image-1.qcow2", DiskFormat.QCOW2, IMAGE)
        self.own = {node_id: self.add_own(node_id) for node_id in self.node_ids}

    def add_own(self, node_id: int, **more: Any) -> int:
        values = {"name": f"own-{node_id}", "kind": "dir", "path": "/srv/own", "capacity_bytes": 1000 * MIB}
        added = self.admin("storage.add", **{**values, "overcommit": 1.0, "node_id": node_id, **more})
        work = self.admin("storage.attach", storage_id=added["storage_id"], node_id=node_id)
        assert self.over(work["operation_id"])["state"] == "done"
        found: int = added["storage_id"]
        return found

    def admin(self, method: str, **params: Any) -> Any:
        return self.call(f"admin.{method}", params, account="admin")

    def over(self, operation_id: int) -> dict[str, Any]:
        def found() -> Any:
            return self.admin("operation.get", operation_id=operation_id)

        self.until(lambda: found()["finished"], f"operation {operation_id} ends")
        ended: dict[str, Any] = found()
        return ended

    def local(self, node: int | None = None, **more: Any) -> list[dict[str, Any]]:
        """VMs with disks on their node's own storage, on this node if one is named; running."""
        if node is not None:
            self.sql("UPDATE node SET locked = id <> :n", n=node)
        values = {"name": "vm", "description": "", "image_id": self.image_id, "template_id": self.template_id}
        made = self.call("user.vm.create", {**values, "local_disk": True, **more})
        self.sql("UPDATE node SET locked = false")
        return [self.wait(vm["vm_id"], "running") for vm in made]

    def copies(self) -> list[tuple[int, str, int]]:
        """Node, state and number of disks of each."""
        found = self.admin("system_image.get_cached")
        return [(each["node_id"], each["state"], each["disks"]) for each in found]

    def calls(self, node_id: int, name: str) -> int:
        return self.memory[node_id]._faults.calls.count(name)

    def destroy(self, *vms: dict[str, Any]) -> None:
        self.call("user.vm.destroy", {"vm_ids": [vm["vm_id"] for vm in vms]})
        for vm in vms:
            self.wait(vm["vm_id"], "destroyed")

    def volumes(self, node_id: int) -> list[str]:
        return sorted(each.name for each in self.memory[node_id].volumes.list_all(f"wawel-{self.own[node_id]}"))


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(database_url, tmp_path / "state")
    yield made
    made.stop()


def test_one_copy(cloud: Cluster) -> None:
    """
    Several VMs on a cold node wait for one copy of their image, the next takes it as it is; each disk lies beside it,
    and all of it is counted: of the node's own storage, and of the user's quota the disks alone.
    """
    first, second = cloud.node_ids
    vms = cloud.local(first, count=3)
    assert cloud.calls(first, "create_copy") == 1 and cloud.copies() == [(first, "ok", 3)]
    vms += cloud.local(first)
    assert cloud.calls(first, "create_copy") == 1 and cloud.copies() == [(first, "ok", 4)]
    assert cloud.calls(second, "create_copy") == 0
    name = cloud.volumes(first)
    assert {root_volume(vm["uuid"]) for vm in vms} < set(name)
    assert cloud.sql("SELECT claimed_bytes FROM storage WHERE id = :s", s=cloud.own[first]) == 5 * IMAGE
    assert cloud.sql("SELECT claimed_bytes FROM storage WHERE id = :s", s=cloud.storage_id) == 0
    assert cloud.sql("SELECT used_storage_mib FROM account WHERE id = :a", a=cloud.user_id) == 4 * 64
    assert cloud.leaks() == []
    with pytest.raises(InUse, match="VM"):
        cloud.admin("system_image.delete", image_id=cloud.image_id)
    cloud.destroy(*vms)
    assert cloud.copies() == [(first, "ok", 0)] and cloud.leaks() == []
    gone = cloud.admin("system_image.delete", image_id=cloud.image_id)
    assert cloud.over(gone["operation_id"])["state"] == "done"
    cloud.until(lambda: cloud.copies() == [], "the copy goes with its image")
    assert cloud.volumes(first) == [] and cloud.leaks() == []
    assert cloud.sql("SELECT sum(claimed_bytes) FROM storage") == 0


def test_snapshots_stand_on_copies(cloud: Cluster) -> None:
    """Neither an image nor a node's copy of it goes while the snapshot of a disk stands on that copy."""
    (vm,) = cloud.local(cloud.node_ids[0])
    disk_id = cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm["vm_id"])
    made = cloud.call("user.disk.create_snapshot", {"disk_id": disk_id, "name": "before"})
    assert cloud.over(made["operation_id"])["state"] == "done"
    with pytest.raises(InUse, match=f"VM {vm['vm_id']}"):
        cloud.admin("system_image.delete", image_id=cloud.image_id)
    with pytest.raises(InUse):
        cloud.admin("system_image.evict", image_id=cloud.image_id, node_ids=[cloud.node_ids[0]])
    cloud.call("user.vm.stop", {"vm_id": vm["vm_id"]})
    cloud.wait(vm["vm_id"], "stopped")
    cloud.call("user.vm.start", {"vm_id": vm["vm_id"]})
    cloud.wait(vm["vm_id"], "running")
    cloud.destroy(vm)
    assert cloud.leaks() == []


def test_placement(cloud: Cluster) -> None:
    """A node that has the image is preferred to an emptier one; without room on its own storage a node is no choice."""
    first, second = cloud.node_ids
    cloud.local(second)
    made = cloud.local(count=2)
    places = {cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"]) for vm in made}
    assert places == {second} and cloud.calls(first, "create_copy") == 0
    # Room for an image, and not for a disk beside it: the node that has the image already still takes one.
    cloud.sql("UPDATE storage SET capacity_bytes = claimed_bytes + :more WHERE id = ANY(:ids)", more=IMAGE,
              ids=list(cloud.own.values()))  # fmt: skip
    (last,) = cloud.local()
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=last["vm_id"]) == second
    with pytest.raises(NoCapacity, match="not enough room on its own storage"):
        cloud.local()
    cloud.sql("UPDATE storage SET locked = true WHERE node_id IS NOT NULL")
    with pytest.raises(NoCapacity, match="no storage of its own"):
        cloud.local()
    assert cloud.leaks() == []


def test_template_decides(cloud: Cluster) -> None:
    """A template says whether disks are local, the caller has the last word; a copied disk needs no image after."""
    template = cloud.admin("template.add", name="fast", memory_mib=128, local_disk=True)["template_id"]
    (vm,) = cloud.local(template_id=template, local_disk=None, deploy_mode="copy")
    where = "SELECT u.storage_id FROM volume u WHERE u.name = :n"
    assert cloud.sql(where, n=root_volume(vm["uuid"])) in cloud.own.values()
    assert [(state, disks) for _, state, disks in cloud.copies()] == [("ok", 0)]
    (other,) = cloud.local(template_id=template, local_disk=False)
    assert cloud.sql(where, n=root_volume(other["uuid"])) == cloud.storage_id


def test_through_the_manager(cloud: Cluster) -> None:
    """What a node cannot copy by itself comes from one that has the image's storage, byte for byte."""
    first, second = cloud.node_ids
    cloud.sql("DELETE FROM storage_attachment WHERE storage_id = :s AND node_id = :n", s=cloud.storage_id, n=second)
    cloud.memory[second].pools.detach(cloud.spec.name)
    (vm,) = cloud.local(second)
    assert cloud.calls(second, "create_copy") == 0 and cloud.calls(second, "upload_part") == 1
    assert cloud.calls(first, "download") == 1
    pool, (copy, *_) = f"wawel-{cloud.own[second]}", cloud.volumes(second)
    seen = cloud.memory[second].volumes.find(pool, copy)
    there = cloud.memory[first].volumes.find(cloud.spec.name, "image-1.qcow2")
    assert seen is not None and there is not None and seen.capacity_bytes == IMAGE
    shares = [
        cloud.memory[n].world.storages.share(name).volumes[volume]
        for n, name, volume in ((first, cloud.spec.name, "image-1.qcow2"), (second, pool, copy))
    ]
    assert shares[0].read(0, MIB) == shares[1].read(0, MIB)
    with pytest.raises(StorageNotOnNode):
        cloud.call("user.vm.save_and_shutdown", [vm["vm_id"], "kept", ""])


@pytest.mark.parametrize("side, call", [(0, "download"), (1, "upload_part")])
def test_breaks_on_its_way(cloud: Cluster, monkeypatch: pytest.MonkeyPatch, side: int, call: str) -> None:
    """Whichever of the two nodes fails in the middle, the copy fails with its reason, and nobody waits on."""
    monkeypatch.setattr(carrying, "PIPE_BYTES", 65_536)
    second = cloud.node_ids[1]
    cloud.sql("DELETE FROM storage_attachment WHERE storage_id = :s AND node_id = :n", s=cloud.storage_id, n=second)
    for _ in range(1 - side):  # the first piece comes
        cloud.memory[cloud.node_ids[0]].fail_next("find", NodeUnreachable("n1", "Connection reset by peer"))
    (told,) = cloud.admin("system_image.prefetch", image_id=cloud.image_id, node_ids=[second])
    ended = cloud.over(told["operation_id"])
    assert ended["state"] == "done"
    cloud.admin("system_image.evict", image_id=cloud.image_id)
    cloud.until(lambda: cloud.copies() == [], "the copy goes")
    cloud.memory[cloud.node_ids[side]].fail_next(call, NotSupported("do this"))
    (told,) = cloud.admin("system_image.prefetch", image_id=cloud.image_id, node_ids=[second])
    ended = cloud.over(told["operation_id"])
    assert (ended["state"], ended["error"]) == ("failed", "not_supported")
    assert [state for _, state, _ in cloud.copies()] == ["failed"] and cloud.leaks() == []


def test_verified(cloud: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What came through the manager is held against what was recorded when its image was imported, and read back from its
    node: an image that has changed is not copied, and a copy that was damaged on its way is made anew.
    """
    first, second = cloud.node_ids
    cloud.sql("DELETE FROM storage_attachment WHERE storage_id = :s AND node_id = :n", s=cloud.storage_id, n=second)
    share = cloud.memory[first].world.storages.share(cloud.spec.name)
    image = share.volumes["image-1.qcow2"]
    record = "UPDATE volume SET sha256 = :sum WHERE id = (SELECT volume_id FROM image WHERE id = :i)"

    def fetched() -> dict[str, Any]:
        (told,) = cloud.admin("system_image.prefetch", image_id=cloud.image_id, node_ids=[second])
        return cloud.over(told["operation_id"])

    cloud.sql(record, sum=hashlib.sha256(image.read(0, image.length)).hexdigest(), i=cloud.image_id)
    assert fetched()["state"] == "done" and cloud.calls(second, "download") == 1
    cloud.admin("system_image.evict", image_id=cloud.image_id)
    cloud.until(lambda: cloud.copies() == [], "the copy goes")
    cloud.sql(record, sum="0" * 64, i=cloud.image_id)
    ended = fetched()
    assert (ended["state"], ended["error"]) == ("failed", "image_changed")
    cloud.sql(record, sum="", i=cloud.image_id)
    write, looks = Volume.write, cloud.calls(second, "download")

    def damaged(volume: Volume, at: int, data: bytes) -> None:
        monkeypatch.undo()
        write(volume, at, data[:-1] + bytes([data[-1] ^ 1]))

    monkeypatch.setattr(Volume, "write", damaged)
    ended = fetched()
    assert ended["state"] == "done" and cloud.calls(second, "download") == looks + 2
    cloud.until(lambda: len(cloud.volumes(second)) == 1, "the damaged one goes")
    (copy,) = cloud.volumes(second)
    came = cloud.memory[second].world.storages.share(f"wawel-{cloud.own[second]}").volumes[copy]
    assert came.read(0, image.length) == image.read(0, image.length)
    assert cloud.copies() == [(second, "ok", 0)] and cloud.leaks() == []


def test_saved(cloud: Cluster) -> None:
    """The image that a VM on its node's own storage is saved to lies where images lie, for all nodes."""
    (vm,) = cloud.local()
    saved = cloud.call("user.vm.save_and_shutdown", [vm["vm_id"], "kept", ""])
    cloud.until(lambda: cloud.call("user.system_image.get_by_id", [saved["image_id"]])["state"] == "ok", "it is kept")
    assert cloud.call("user.system_image.get_by_id", [saved["image_id"]])["storage_id"] == cloud.storage_id
    cloud.until(lambda: cloud.sql("SELECT closed_at FROM vm WHERE id = :v", v=vm["vm_id"]), "the VM ends")
    assert cloud.leaks() == []


def test_prefetch_and_evict(cloud: Cluster) -> None:
    """An image is brought to nodes beforehand and removed again; where it is in use, that is told."""
    first, second = cloud.node_ids
    told = cloud.admin("system_image.prefetch", image_id=cloud.image_id)
    assert [(each["node_id"], each["status"]) for each in told] == [(first, "ok"), (second, "ok")]
    for each in told:
        assert cloud.over(each["operation_id"])["state"] == "done"
    again = cloud.admin("system_image.prefetch", image_id=cloud.image_id, node_ids=[first])
    assert [each["operation_id"] for each in again] == [None]
    (vm,) = cloud.local(first)
    assert cloud.calls(first, "create_copy") == 1
    told = cloud.admin("system_image.evict", image_id=cloud.image_id)
    assert [(each["node_id"], each["status"]) for each in told] == [(first, "in_use"), (second, "ok")]
    cloud.until(lambda: cloud.copies() == [(first, "ok", 1)], "the other copy goes")
    assert cloud.volumes(second) == [] and cloud.leaks() == []
    with pytest.raises(InUse):
        cloud.admin("system_image.evict", image_id=cloud.image_id, node_ids=[first])
    for work in ("prefetch", "evict"):
        with pytest.raises(ObjectNotFound):
            cloud.admin(f"system_image.{work}", image_id=cloud.image_id, node_ids=[second, 10**9])
    cloud.destroy(vm)
    cloud.admin("storage.lock", storage_id=cloud.own[second])
    with pytest.raises(NoOwnStorage):
        cloud.admin("system_image.prefetch", image_id=cloud.image_id, node_ids=[second])


def test_image_that_was_a_disk(cloud: Cluster) -> None:
    """
    An image that becomes a disk loses its copies, and the sum of its bytes, for guests write to it; as an image again
    it is copied as it is then. It becomes none while it is being copied.
    """
    first, second = cloud.node_ids
    cloud.sql("DELETE FROM storage_attachment WHERE storage_id = :s AND node_id = :n", s=cloud.storage_id, n=second)
    share = cloud.memory[first].world.storages.share(cloud.spec.name)
    image = share.volumes["image-1.qcow2"]
    mine = cloud.image("mine.qcow2", name="mine")
    share.volumes["mine.qcow2"] = replace(image, name="mine.qcow2")
    record = "UPDATE volume SET sha256 = :sum WHERE id = (SELECT volume_id FROM image WHERE id = :i)"
    cloud.sql(record, sum=hashlib.sha256(image.read(0, image.length)).hexdigest(), i=mine)
    convert = "user.system_image.convert_to_storage_image"
    cloud.memory[first].fail_next("delete", NodeUnreachable("n1", "Connection reset by peer"))
    told = cloud.admin("system_image.prefetch", image_id=mine)
    with pytest.raises(InUse, match="copies it"):
        cloud.call(convert, [mine])
    for each in told:
        assert cloud.over(each["operation_id"])["state"] == "done"
    cloud.memory[first].fail_next("delete", HypervisorError("Input/output error", 38))
    cloud.call(convert, [mine])
    cloud.until(lambda: cloud.copies() == [(first, "failed", 0)], "its copies go, but for one")
    cloud.admin("system_image.evict", image_id=mine)
    cloud.until(lambda: cloud.copies() == [], "its copies go")
    assert cloud.volumes(first) == cloud.volumes(second) == []
    share.volumes["mine.qcow2"].content = b"written by a guest"
    cloud.call("user.storage_image.convert_to_system_image", [mine])
    for each in cloud.admin("system_image.prefetch", image_id=mine):
        assert cloud.over(each["operation_id"])["state"] == "done"
    for node_id in (first, second):
        (copy,) = cloud.volumes(node_id)
        came = cloud.memory[node_id].world.storages.share(f"wawel-{cloud.own[node_id]}").volumes[copy]
        assert came.content.endswith(b"written by a guest")
    assert cloud.leaks() == []


def test_room_is_made(cloud: Cluster) -> None:
    """Where little is left, images that nothing is made from go, the longest unused first, and no more."""
    (first, _), pool = cloud.node_ids, cloud.spec.name
    images = [cloud.image_id]
    for n in (2, 3):
        next(iter(cloud.memory.values())).volumes.create_empty(pool, f"image-{n}.qcow2", DiskFormat.QCOW2, IMAGE)
        images.append(cloud.image(f"image-{n}.qcow2", name=f"image {n}"))
    (vm,) = cloud.local(first)
    for image_id in images:
        for each in cloud.admin("system_image.prefetch", image_id=image_id, node_ids=[first]):
            if each["operation_id"]:
                cloud.over(each["operation_id"])
    cloud.sql("UPDATE cached_image SET last_used_at = now() - interval '1 day' WHERE image_id <> :i", i=images[2])
    database = cloud.manager.database
    database.transact_now(evict_spare, 0.5)
    assert len(cloud.copies()) == 3
    cloud.sql("UPDATE storage SET capacity_bytes = 300 * 1048576 WHERE id = :s", s=cloud.own[first])
    database.transact_now(evict_spare, 0.2)
    cloud.until(lambda: len(cloud.copies()) == 2, "one goes")
    kept = {each["image_id"] for each in cloud.admin("system_image.get_cached")}
    assert kept == {images[0], images[2]} and cloud.leaks() == []
    assert cloud.wait(vm["vm_id"], "running")


def test_room_is_really_low(cloud: Cluster) -> None:
    """So they do where little is really free, whatever was promised; what a disk stands on stays."""
    (first, _), pool = cloud.node_ids, cloud.spec.name
    next(iter(cloud.memory.values())).volumes.create_empty(pool, "image-2.qcow2", DiskFormat.QCOW2, IMAGE)
    other = cloud.image("image-2.qcow2", name="image 2")
    (vm,) = cloud.local(first)
    (work,) = cloud.admin("system_image.prefetch", image_id=other, node_ids=[first])
    cloud.over(work["operation_id"])
    share = cloud.memory[first].world.storages.share(f"wawel-{cloud.own[first]}")
    run(cloud.manager.reconciler.check_storages)
    assert len(cloud.copies()) == 2
    (told,) = cloud.admin("storage.get_statistics", storage_id=cloud.own[first])
    assert {each["use"]: each["count"] for each in told["uses"]} == {"root_disk": 1, "cache": 2}
    share.capacity_bytes = sum(volume.allocation_bytes for volume in share.volumes.values()) + 1
    run(cloud.manager.reconciler.check_storages)
    cloud.until(lambda: len(cloud.copies()) == 1, "the unused one goes")
    assert {each["image_id"] for each in cloud.admin("system_image.get_cached")} == {cloud.image_id}
    assert cloud.wait(vm["vm_id"], "running") and cloud.leaks() == []


def test_failed_copy(cloud: Cluster) -> None:
    """VMs whose copy cannot be had fail with the reason, and start once it can."""
    first, _ = cloud.node_ids
    cloud.sql("UPDATE node SET locked = id <> :n", n=first)
    for _ in range(8):
        cloud.memory[first].fail_next("create_copy", HypervisorError("no space left on device", 1))
    made = cloud.create(local_disk=True)
    vm = cloud.wait(made["vm_id"], "error")
    assert "could not be copied" in vm["error"]
    assert [(state, disks) for _, state, disks in cloud.copies()] == [("failed", 1)] and cloud.leaks() == []
    cloud.memory[first]._faults.next.clear()
    cloud.call("user.vm.start", [made["vm_id"]])
    cloud.wait(made["vm_id"], "running")
    assert [(state, disks) for _, state, disks in cloud.copies()] == [("ok", 1)] and cloud.leaks() == []


def test_needed_while_it_goes(cloud: Cluster) -> None:
    """A VM that is made in the moment that its copy goes gets another."""
    first, _ = cloud.node_ids
    cloud.destroy(*cloud.local(first))
    cloud.memory[first].fail_next("delete", NodeUnreachable("n1", "Connection reset by peer"))
    told = cloud.admin("system_image.evict", image_id=cloud.image_id, node_ids=[first])
    cloud.local(first)
    assert cloud.over(told[0]["operation_id"])["state"] == "done"
    assert cloud.copies() == [(first, "ok", 1)] and cloud.leaks() == []
    assert cloud.calls(first, "create_copy") == 2


def test_held_by_an_unknown_domain(cloud: Cluster) -> None:
    """A copy that a domain of nobody's stands on is left alone, on that node; others have other files at that place."""
    first, second = cloud.node_ids
    for each in cloud.admin("system_image.prefetch", image_id=cloud.image_id):
        assert cloud.over(each["operation_id"])["state"] == "done"
    (copy,) = cloud.volumes(first)
    disk = DiskSpec(FileSource(f"/srv/own/{copy}"), DiskFormat.QCOW2, "vda", DiskBus.VIRTIO)
    stranger = domain_spec(name="stranger", disks=(disk,))
    cloud.memory[first].hypervisor.define(stranger)
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM unknown_domain"), "a pass sees the stranger")
    told = cloud.admin("system_image.evict", image_id=cloud.image_id)
    ended = {each["node_id"]: cloud.over(each["operation_id"])["state"] for each in told}
    assert ended == {first: "failed", second: "done"}
    assert cloud.volumes(first) == [copy] and cloud.volumes(second) == [] and cloud.leaks() == []
    cloud.admin("system_image.delete", image_id=cloud.image_id)
    # It cannot go with its image, and is not tried again but in a while.
    newest = "SELECT max(id) FROM operation WHERE kind = 'image_cache'"
    tried = cloud.sql(newest)
    assert cloud.over(tried)["state"] == "failed"
    assert cloud.sql("SELECT count(*) FROM operation WHERE kind = 'image_cache' AND finished_at IS NULL") == 0
    database = cloud.manager.database
    database.transact_now(evict_spare, 0.0)
    assert cloud.sql(newest) > tried and cloud.over(cloud.sql(newest))["state"] == "failed"
    cloud.memory[first].hypervisor.undefine(stranger.uuid)
    cloud.until(lambda: not cloud.sql("SELECT count(*) FROM unknown_domain"), "a pass sees that it is gone")
    database.transact_now(evict_spare, 0.0)
    cloud.until(lambda: cloud.copies() == [], "it goes")
    assert cloud.volumes(first) == [] and cloud.leaks() == []


def test_turns(cloud: Cluster) -> None:
    """As many images are copied at once as the settings say; the others wait for their turn, and get it."""
    first, second = cloud.node_ids
    cloud.sql("UPDATE node SET locked = false")
    image_id = cloud.image("other.qcow2", name="other")
    for n in range(4):  # others under way, which have ended unseen
        cloud.sql(
            "WITH lies AS (INSERT INTO volume (storage_id, name, format) VALUES (:s, :v, 'qcow2') RETURNING id)"
            " INSERT INTO cached_image (image_id, volume_id, state) SELECT :i, id, 'copying' FROM lies",
            s=cloud.own[second], v=f"x{n}", i=image_id,
        )  # fmt: skip
    (told,) = cloud.admin("system_image.prefetch", image_id=cloud.image_id, node_ids=[first])

    def waiting() -> Any:
        return cloud.admin("operation.get", operation_id=told["operation_id"])

    cloud.until(lambda: waiting()["state"] == "waiting", "it waits")
    assert "as many as may be at once" in waiting()["waiting_for"] and cloud.calls(first, "create_copy") == 0
    cloud.sql("UPDATE cached_image SET state = 'ok' WHERE image_id = :i", i=image_id)
    cloud.sql("UPDATE operation SET not_before = now() WHERE id = :id", id=told["operation_id"])
    assert cloud.over(told["operation_id"])["state"] == "done"


def test_stays_with_its_node(cloud: Cluster) -> None:
    """A VM whose disk is the node's moves nowhere and says so; the node stays as long as there is such a disk."""
    first, second = cloud.node_ids
    (vm,) = cloud.local(first)
    told = cloud.admin("node.evacuate", node_id=first)
    (left,) = told["left"]
    assert (left["vm_id"], left["code"], told["moving"]) == (vm["vm_id"], "disk_on_node", [])
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    with pytest.raises(InUse, match=f"VM {vm['vm_id']}'s disk"):
        cloud.admin("node.delete", node_id=first)
    cloud.sql("UPDATE node SET locked = false")
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"]) == first
    cloud.destroy(vm)
    cloud.admin("node.delete", node_id=first)
    assert cloud.copies() == [] and cloud.leaks() == []
    assert cloud.sql("SELECT deleted_at IS NOT NULL FROM storage WHERE id = :s", s=cloud.own[first])


def test_refused(cloud: Cluster) -> None:
    """A node's own storage is attached to no other node, is no network's, takes no images, and goes when empty."""
    first, second = cloud.node_ids
    with pytest.raises(StorageOfNode):
        cloud.admin("storage.attach", storage_id=cloud.own[first], node_id=second)
    with pytest.raises(InvalidParameter, match="cannot be a node's own"):
        cloud.admin("storage.add", name="n", kind="netfs", path="/srv/n", address="filer", source="/n", node_id=first)
    with pytest.raises(StorageOfNode):
        cloud.admin(
            "system_image.import_url", name="i", description="", url="http://127.0.0.1/x", storage_id=cloud.own[first]
        )
    cloud.destroy(*cloud.local(first))
    with pytest.raises(InUse, match="1 copies of images"):
        cloud.admin("storage.delete", storage_id=cloud.own[first])
    assert cloud.leaks() == []
