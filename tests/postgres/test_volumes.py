"""The pass over storages: leftovers of the ended are deleted; what nobody can account for is reported alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import CloudError, NotApplicable
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.store.clearing import write_low
from support.cloud import MemoryCloud, run


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, nodes=1)
    yield made
    made.stop()


@pytest.fixture
def two(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    """Two nodes that share their storage."""
    made = MemoryCloud(database_url, tmp_path, nodes=2)
    pool = f"wawel-{made.storage_id}"
    for node in made.memory.values():
        node.pools.attach(StorageSpec(pool, StorageKind.NETFS, "/srv/main", "filer", f"/export/{made.world}"))
    node.volumes.create_empty(pool, "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)
    yield made
    made.stop()


def test_pass(cloud: MemoryCloud) -> None:
    """A closed VM's leftovers go, a strange volume and a missing one are drift, and what is a live VM's stays."""
    node, pool = next(iter(cloud.memory.values())), f"wawel-{cloud.storage_id}"
    live, gone, lost = (cloud.create(name=name) for name in ("live", "gone", "lost"))
    for vm in (live, gone, lost):
        cloud.wait(vm["vm_id"], "running")
    cloud.call("user.vm.destroy", [[gone["vm_id"]]])
    cloud.wait(gone["vm_id"], "destroyed")
    cloud.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE id = :i", i=gone["vm_id"])
    leftover, strange = f"vm-{gone['uuid']}-root.qcow2", f"vm-{uuid.uuid4()}-root.qcow2"
    cloud.sql("UPDATE vm SET console_node_id = NULL WHERE id = :i", i=live["vm_id"])  # launched by an older version
    rotated, older = f"vm-{live['uuid']}-console.log.0", f"vm-{gone['uuid']}-console.log.1"
    for volume in (leftover, strange, rotated, older):
        node.volumes.create_empty(pool, volume, DiskFormat.QCOW2, 2**20)
    node.hypervisor.destroy(lost["uuid"])
    cloud.wait(lost["vm_id"], "stopped")
    node.volumes.delete(pool, f"vm-{lost['uuid']}-root.qcow2")
    run(cloud.manager.reconciler.check_storages)
    present = {volume.name for volume in node.volumes.list_all(pool)}
    assert not present & {leftover, older}
    assert {strange, rotated, f"vm-{live['uuid']}-root.qcow2", "image-1.qcow2"} <= present
    found = cloud.call("admin.drift.get_list", account="admin")
    assert {(row["kind"], row["subject"]) for row in found} == {
        ("leaked_volume", f"{pool}/{strange}"),
        ("missing_volume", f"{pool}/vm-{lost['uuid']}-root.qcow2"),
    }


@pytest.mark.parametrize("policy", ["discard", "wipe"])
def test_wiped(cloud: MemoryCloud, policy: str) -> None:
    """A leftover is deleted as its storage has it, as is one that an administrator approves of. It claims nothing."""
    node, pool = next(iter(cloud.memory.values())), f"wawel-{cloud.storage_id}"
    cloud.sql("UPDATE storage SET freed = :f WHERE id = :s", f=policy, s=cloud.storage_id)
    gone = cloud.create()
    cloud.wait(gone["vm_id"], "running")
    cloud.call("user.vm.destroy", [[gone["vm_id"]]])
    cloud.wait(gone["vm_id"], "destroyed")
    cloud.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE id = :i", i=gone["vm_id"])
    leftover, strange = f"vm-{gone['uuid']}-root.qcow2", f"vm-{uuid.uuid4()}-d0.raw"
    claimed = cloud.sql("SELECT claimed_bytes FROM storage WHERE id = :s", s=cloud.storage_id)

    def is_wiped(volume: str) -> None:
        cloud.until(lambda: volume not in {v.name for v in node.volumes.list_all(pool)}, "it is deleted")
        assert node.calls.count("wipe") == 1
        node.calls.clear()
        cloud.until(lambda: not cloud.sql("SELECT count(*) FROM volume WHERE name = :n", n=volume), "its row is gone")
        assert cloud.sql("SELECT claimed_bytes FROM storage WHERE id = :s", s=cloud.storage_id) == claimed
        assert cloud.leaks() == []

    node.volumes.create_empty(pool, leftover, DiskFormat.QCOW2, 2**20)
    node.volumes.create_empty(pool, strange, DiskFormat.RAW, 2**20)
    node.world.storages.share(pool).volumes[leftover].allocation_bytes = 2**19
    node.calls.clear()
    release = node.hang(methods=["wipe"])
    told = cloud.call("admin.storage.check", [cloud.storage_id], account="admin")
    assert told["deleted"] == [leftover] and [row["subject"] for row in told["findings"]] == [f"{pool}/{strange}"]
    low = cloud.manager.database.transact_now(write_low, cloud.storage_id, True)
    assert low is not None and low.going_bytes == 2**19, "nothing of the trash has to go for it"
    release()
    is_wiped(leftover)
    (row,) = cloud.call("admin.drift.get_list", account="admin")
    cloud.call("admin.drift.apply", [row["drift_id"]], account="admin")
    is_wiped(strange)
    assert cloud.call("admin.drift.get_list", account="admin") == []


@pytest.mark.parametrize("end", ["it comes back", "it is deleted"])
def test_erased(two: MemoryCloud, end: str) -> None:
    """The disk of an erased VM stays as long as its domain may write to it: until its node answers without it, or is
    deleted. So does what it used again, whose name is of another VM that has ended."""
    pool = f"wawel-{two.storage_id}"
    two.sql("UPDATE storage SET keep_freed = true WHERE id = :s", s=two.storage_id)
    first = two.create(name="first", new_disks=[64])
    two.wait(first["vm_id"], "running")
    for view in ("stop", "destroy"):
        two.call(f"user.vm.{view}", [first["vm_id"]] if view == "stop" else [[first["vm_id"]]])
        two.wait(first["vm_id"], {"stop": "stopped", "destroy": "destroyed"}[view])
    (free,) = two.call("admin.storage.get_free_volumes", [two.storage_id], account="admin")
    vm = two.create(new_disks=[64])
    two.wait(vm["vm_id"], "running")
    assert two.call("admin.storage.get_free_volumes", [two.storage_id], account="admin") == []
    node_id = two.sql("SELECT node_id FROM vm WHERE id = :i", i=vm["vm_id"])
    (other,) = [node for number, node in two.memory.items() if number != node_id]
    away = two.memory[node_id]
    away.unreachable = True
    two.call("admin.vm.erase", [vm["vm_id"]], account="admin")
    two.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE closed_at IS NOT NULL")
    disks = {f"vm-{vm['uuid']}-root.qcow2", free["name"]}
    assert first["uuid"] in free["name"]

    while two.sql("SELECT state FROM node WHERE id = :n", n=node_id) == "ok":
        time.sleep(0.1)

    def after_a_pass() -> bool:
        run(two.manager.reconciler.check_storages)
        there = disks & {volume.name for volume in other.volumes.list_all(pool)}
        assert there in (disks, set())
        return bool(there)

    def told() -> dict[str, Any]:
        found = two.call("admin.drift.get_list", account="admin")
        return {row["subject"]: row for row in found if row["subject"] in {f"{pool}/{disk}" for disk in disks}}

    assert after_a_pass() and len(told()) == 2
    for row in told().values():
        assert row["kind"] == "leaked_volume" and f"node {node_id}" in row["proposal"]
        assert row["evidence"]["plan"] == "wait"
    if end == "it is deleted":
        two.call("admin.node.delete", [node_id], account="admin")
    else:
        away.unreachable = False
        until = time.monotonic() + 20
        while away.hypervisor.domains():
            assert time.monotonic() < until
            time.sleep(0.1)
    assert not after_a_pass() and told() == {}
    run(two.manager.reconciler.check_storages)
    assert two.sql("SELECT count(*) FROM leftover_volume") == 0 and two.leaks() == []


def test_plans(cloud: MemoryCloud) -> None:
    """An administrator has a leftover deleted, after a look that nothing uses it, and what is missing marked as lost;
    restored, it is as it was."""
    node, pool = next(iter(cloud.memory.values())), f"wawel-{cloud.storage_id}"
    vm, healthy = cloud.create(name="lost"), cloud.create(name="healthy")
    for each in (vm, healthy):
        cloud.wait(each["vm_id"], "running")
    disk, strange = f"vm-{vm['uuid']}-root.qcow2", f"vm-{uuid.uuid4()}-root.qcow2"
    base = f"vm-{uuid.uuid4()}-root.qcow2"
    node.volumes.create_empty(pool, base, DiskFormat.QCOW2, 2**20)
    node.volumes.create_overlay(pool, strange, base, DiskFormat.QCOW2, 2**20)
    node.hypervisor.destroy(vm["uuid"])
    cloud.wait(vm["vm_id"], "stopped")
    kept = node.world.storages.share(pool).volumes.pop(disk)

    def rows(closed: bool = False) -> dict[str, dict[str, Any]]:
        run(cloud.manager.reconciler.check_storages)
        found = cloud.call("admin.drift.get_list", {"closed": closed}, account="admin")
        return {row["subject"].partition("/")[2]: row for row in found}

    def apply(volume: str) -> None:
        drift_id = rows()[volume]["drift_id"]
        cloud.call("admin.drift.apply", [drift_id], account="admin")

    assert {name: row["evidence"]["plan"] for name, row in rows().items()} == {
        strange: "delete", base: "leave", disk: "mark_lost"
    }  # fmt: skip
    assert rows()[strange]["evidence"]["base"] == base
    with pytest.raises(NotApplicable):
        apply(base)
    apply(strange)
    cloud.until(lambda: strange not in {v.name for v in node.volumes.list_all(pool)}, "it is deleted")
    assert rows(closed=True)[strange]["outcome"] == "applied"
    # What came into use since is left alone, and has to be approved of again.
    drift_id = rows()[base]["drift_id"]
    cloud.sql("UPDATE drift SET approved_at = now() WHERE id = :i", i=drift_id)
    node.volumes.create_overlay(pool, strange, base, DiskFormat.QCOW2, 2**20)
    assert rows()[base]["evidence"]["plan"] == "leave"
    node.volumes.delete(pool, strange)
    assert rows()[base]["approved"] is None and base in {v.name for v in node.volumes.list_all(pool)}
    apply(disk)
    assert disk not in rows() and cloud.vm(vm["vm_id"])["state"] == "error"
    (shown,) = cloud.call("user.disk.get_list", {"vm_id": vm["vm_id"]})
    assert shown["state"] == "lost"
    assert [row["code"] for row in cloud.call("user.message.get_list")][:1] == ["disk_lost"]
    failed = cloud.ended(cloud.call("user.vm.start", [vm["vm_id"]])["operation_id"])
    assert failed["state"] == "failed" and failed["error"] == "volume_lost"
    node.world.storages.share(pool).volumes[disk] = kept
    assert disk not in rows()
    assert cloud.call("user.message.get_list")[0]["code"] == "disk_found"
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")


def test_lost_image(cloud: MemoryCloud) -> None:
    """
    An image that is lost makes no VMs, and can be deleted; what it claims is counted until then. Whose VMs' disks stand
    on it is told, and they are not started.
    """
    node, pool = next(iter(cloud.memory.values())), f"wawel-{cloud.storage_id}"
    vm_id = cloud.create(name="before")["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    disk_id = cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v", v=vm_id)
    run(cloud.manager.reconciler.check_storages)
    kept = node.world.storages.share(pool).volumes.pop("image-1.qcow2")
    run(cloud.manager.reconciler.check_storages)
    (row,) = cloud.call("admin.drift.get_list", account="admin")
    cloud.call("admin.drift.apply", [row["drift_id"]], account="admin")
    with pytest.raises(CloudError):
        cloud.create()
    assert cloud.call("admin.system_image.get_by_id", [cloud.image_id], account="admin")["state"] == "failed"
    assert cloud.call("user.message.get_list")[0]["code"] == "image_lost"
    assert cloud.vm(vm_id)["state"] == "error" and cloud.call("user.disk.get_by_id", [disk_id])["state"] == "lost"
    failed = cloud.ended(cloud.call("user.vm.start", [vm_id])["operation_id"])
    assert (failed["state"], failed["error"]) == ("failed", "volume_lost")
    node.world.storages.share(pool).volumes["image-1.qcow2"] = kept
    run(cloud.manager.reconciler.check_storages)
    cloud.wait(cloud.create()["vm_id"], "running")
    assert cloud.call("user.message.get_list")[0]["code"] == "image_found"
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")
    assert cloud.leaks() == []


def test_two_storages(cloud: MemoryCloud) -> None:
    """What is amiss on a storage stays in the ledger while another is looked at; what is of a deleted one does not."""
    (node,) = cloud.memory.values()
    second = cloud.sql(
        "INSERT INTO storage (name, kind, path, capacity_bytes, overcommit)"
        " VALUES ('second', 'dir', '/srv/second', 1099511627776, 4.0) RETURNING id"
    )
    cloud.sql(
        "INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached')",
        s=second,
        n=cloud.node_ids[0],
    )
    node.pools.attach(StorageSpec(f"wawel-{second}", StorageKind.DIR, "/srv/second"))
    strange = {f"wawel-{storage_id}/vm-{uuid.uuid4()}-root.qcow2" for storage_id in (cloud.storage_id, second)}
    for subject in strange:
        node.volumes.create_empty(*subject.split("/"), DiskFormat.QCOW2, 2**20)

    def rows() -> dict[str, int]:
        return {row["subject"]: row["drift_id"] for row in cloud.call("admin.drift.get_list", account="admin")}

    run(cloud.manager.reconciler.check_storages)
    first = rows()
    assert set(first) == strange
    run(cloud.manager.reconciler.check_storages)
    assert rows() == first
    cloud.sql("DELETE FROM storage_attachment WHERE storage_id = :s", s=second)
    cloud.call("admin.storage.delete", [second], account="admin")
    assert set(rows()) == {subject for subject in strange if subject.startswith(f"wawel-{cloud.storage_id}/")}
