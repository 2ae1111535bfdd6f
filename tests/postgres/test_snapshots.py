"""Snapshots of disks and of whole VMs: taken, taken back to, deleted; and what they claim."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from cm.rpc.errors import (
    CloudError,
    HypervisorError,
    InUse,
    NodeUnreachable,
    NotSupported,
    TooManySnapshots,
    WrongDiskState,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskFormat
from cm.runtime.wall import utc_now
from cm.services.evidence import update_vm
from cm.store.hook_event import HookRecord
from support.cloud import MemoryCloud, at_database, run
from support.guest import Guest, check_balance, done, rows, snapshot, used

MIB = 2**20


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "snapshots", nodes=1, reconcile_s=3600.0) as made:
        yield made


@pytest.fixture(autouse=True)
def balanced(cloud: MemoryCloud) -> Iterator[None]:
    yield
    check_balance(cloud)


@pytest.fixture()
def guest(cloud: MemoryCloud) -> Iterator[Guest]:
    made = Guest(cloud)
    yield made
    made.destroy()


def test_running(cloud: MemoryCloud, guest: Guest) -> None:
    """A snapshot of a running VM: the guest goes on in a new volume, and what it wrote before stays as it was."""
    guest.write("A")
    before, old = used(cloud), guest.volume()
    made = snapshot(guest)
    guest.write("B")
    told = cloud.call("user.snapshot.get_by_id", {"snapshot_id": made})
    assert told["consistency"] == "crash" and told["taken"] and told["vm_id"] == guest.vm_id
    assert told["name"] == "before" and told["group_id"] is None and told["operation_id"] is None
    assert guest.volume() is not old and old.content == b"A" and old.writer is None
    assert guest.read() == "AB"
    size = told["size_bytes"]
    assert used(cloud) == (before[0] + -(-size // MIB), before[1] + size)


@pytest.mark.parametrize("on", [True, False])
def test_delete(cloud: MemoryCloud, guest: Guest, on: bool) -> None:
    """Deleted ones are merged with what came after, the guest running or not; what they claimed goes back."""
    before = used(cloud)
    ids = []
    for letter in "ABC":
        guest.write(letter)
        ids.append(snapshot(guest))
    guest.write("D")
    if not on:
        guest.stop()
    for number in (1, 2, 0):  # between two others, below what is written to, the last one
        done(cloud, "user.snapshot.delete", snapshot_id=ids[number])
        assert guest.read() == "ABCD"
    assert used(cloud) == before
    assert cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id}) == []
    assert not [d for node in cloud.memory.values() for d in node.hypervisor.domains() if d.name.startswith("merge")]
    if not on:
        guest.start()
    guest.write("E")
    assert guest.read() == "ABCDE"


def test_revert(cloud: MemoryCloud, guest: Guest) -> None:
    """A stopped VM's disk is taken back, to a later snapshot too; a running one's is refused, and costs nothing."""
    guest.write("A")
    first = snapshot(guest)
    guest.write("B")
    second = snapshot(guest)
    guest.write("C")
    claimed = used(cloud)
    with pytest.raises(WrongVMState):
        cloud.call("user.snapshot.revert", {"snapshot_id": first})
    guest.stop()
    for target, content in ((first, "A"), (second, "AB"), (first, "A")):
        done(cloud, "user.snapshot.revert", snapshot_id=target)
        assert guest.read() == content and used(cloud) == claimed
    guest.start()
    guest.write("X")
    with pytest.raises(InUse):  # the second and what is written to now stand on it
        cloud.call("user.snapshot.delete", {"snapshot_id": first})
    done(cloud, "user.snapshot.delete", snapshot_id=second)
    done(cloud, "user.snapshot.delete", snapshot_id=first)
    assert guest.read() == "AX"


def test_image_stays(cloud: MemoryCloud, guest: Guest) -> None:
    """An image is needed by disks that stand on it by their snapshots alone: before and after they are taken back."""

    def stays() -> None:
        with pytest.raises(InUse, match=f"VM {guest.vm_id}"):
            cloud.call("admin.system_image.delete", {"image_id": cloud.image_id}, account="admin")

    made = snapshot(guest)
    stays()
    guest.stop()
    done(cloud, "user.snapshot.revert", snapshot_id=made)
    stays()
    guest.start()


def test_beside(cloud: MemoryCloud, guest: Guest) -> None:
    """Later snapshots that a running VM's disk was taken back from are merged without it."""
    guest.write("A")
    first = snapshot(guest)
    for letter in "BC":
        guest.write(letter)
        snapshot(guest)
    second, third = (row["snapshot_id"] for row in cloud.call("user.snapshot.get_list", {})[1::-1])
    guest.stop()
    done(cloud, "user.snapshot.revert", snapshot_id=first)
    guest.start()
    guest.write("X")
    done(cloud, "user.snapshot.delete", snapshot_id=second)
    assert guest.read() == "AX"
    guest.stop()
    done(cloud, "user.snapshot.revert", snapshot_id=third)
    assert guest.read() == "ABC"


def test_whole(cloud: MemoryCloud) -> None:
    """All disks of a VM at one moment, frozen where there is an agent; taken back together, or one of them."""
    volume = f"image-{uuid.uuid4()}.raw"
    for node in cloud.memory.values():
        node.volumes.create_empty(f"wawel-{cloud.storage_id}", volume, DiskFormat.RAW, MIB)
    image_id = cloud.image(volume, kind="storage", name="data", size_bytes=MIB, format="raw")
    cloud.sql("UPDATE volume SET claimed_bytes = 0 WHERE name = :n", n=volume)
    guest = Guest(cloud, disk_list=[image_id])
    guest.node.agents[guest.uuid] = True
    for number in (0, 1):
        guest.write("A", number)
    answer = done(cloud, "user.vm.create_snapshot", vm_id=guest.vm_id, name="both", freeze="yes")
    assert len(answer["snapshot_ids"]) == 2 and answer["group_id"] == answer["snapshot_ids"][0]
    told = cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id})
    assert {row["consistency"] for row in told} == {"frozen"} and len({row["taken"] for row in told}) == 1
    for number in (0, 1):
        guest.write("B", number)
    guest.stop()
    alone = done(cloud, "user.snapshot.revert", snapshot_id=answer["snapshot_ids"][1], alone=True)
    assert alone["group_id"] is None and (guest.read(0), guest.read(1)) == ("AB", "A")
    done(cloud, "user.snapshot.revert", snapshot_id=answer["snapshot_ids"][1])
    assert (guest.read(0), guest.read(1)) == ("A", "A")
    with pytest.raises(InUse):
        cloud.call("user.storage_image.delete", {"image_id": image_id})
    done(cloud, "user.snapshot.delete", snapshot_id=answer["snapshot_ids"][0])
    assert cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id}) == []
    guest.destroy()


@pytest.mark.parametrize("freed", ["none", "wipe"])
def test_purged(cloud: MemoryCloud, freed: str) -> None:
    """Snapshots of a disk that is deleted for good end with it; in the trash they rest with it."""
    before = used(cloud)
    cloud.sql("UPDATE storage SET freed = :f, keep_freed = true WHERE id = :s", f=freed, s=cloud.storage_id)
    made = done(cloud, "user.disk.create", name="data", size_mib=1)
    first = done(cloud, "user.disk.create_snapshot", disk_id=made["disk_id"], name="first")
    done(cloud, "user.disk.create_snapshot", disk_id=made["disk_id"], name="second")
    (told,) = cloud.call("user.snapshot.get_list", {"disk_id": made["disk_id"], "limit": 1})
    assert told["consistency"] == "off" and told["vm_id"] is None
    done(cloud, "user.snapshot.revert", snapshot_id=first["snapshot_ids"][0])
    cloud.call("user.disk.delete", {"disk_id": made["disk_id"]})
    with pytest.raises(WrongDiskState):
        cloud.call("user.snapshot.delete", {"snapshot_id": told["snapshot_id"]})
    done(cloud, "user.disk.purge", disk_id=made["disk_id"])
    cloud.sql("UPDATE storage SET freed = 'none', keep_freed = false WHERE id = :s", s=cloud.storage_id)
    (node,) = cloud.memory.values()
    assert ("wipe" in node.calls) == (freed == "wipe")
    assert used(cloud) == before and cloud.call("user.snapshot.get_list", {}) == []


def test_destroyed(cloud: MemoryCloud) -> None:
    """Snapshots of a VM's own disk end with it, on the storage too."""
    before, guest = used(cloud), Guest(cloud)
    guest.write("A")
    snapshot(guest)
    guest.stop()
    snapshot(guest)
    guest.destroy()
    assert used(cloud) == before
    assert cloud.sql("SELECT count(*) FROM snapshot") == 0


def test_not_frozen(cloud: MemoryCloud, guest: Guest) -> None:
    """Where freezing was insisted on and the agent does not answer, there is no snapshot, and nothing of it is left."""
    before, old = used(cloud), guest.volume()
    guest.write("A")
    answer = cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "no", "freeze": "yes"})
    assert cloud.ended(answer["operation_id"])["error"] == "guest_not_frozen"
    cloud.until(lambda: not cloud.call("user.snapshot.get_list", {}), "the snapshot to go")
    cloud.until(lambda: used(cloud) == before, "the claims to go back")
    assert guest.volume() is old and guest.read() == "A"


@pytest.mark.parametrize("freeze", ["auto", "yes"])
def test_frozen_late(cloud: MemoryCloud, guest: Guest, freeze: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A guest whose agent freezes it later than anybody waits for is thawed, by asking until it answers; only then there
    is a snapshot without freezing, or none where that was insisted on.
    """
    monkeypatch.setattr("cm.operations.snapshot_create.THAW_S", 0.05)
    node = guest.node
    node.agents[guest.uuid], node.world.slow_agents[guest.uuid] = True, 2
    node.fail_next("thaw", NodeUnreachable("n", "gone"))
    guest.write("A")
    answer = cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "late", "freeze": freeze})
    ended = cloud.ended(answer["operation_id"])
    assert node.world.slow_agents[guest.uuid] == 0 and node.world.frozen == set()
    if freeze == "auto":
        assert (ended["state"], ended["result"]["consistency"]) == ("done", "crash")
    else:
        assert ended["error"] == "guest_not_frozen"
        cloud.until(lambda: not cloud.call("user.snapshot.get_list", {}), "the snapshot to go")
    guest.write("B")
    assert guest.read() == "AB"


def test_never_thawed(cloud: MemoryCloud, guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest whose agent answers nothing any more is asked for some minutes; then its snapshot is as good as it is."""
    monkeypatch.setattr("cm.operations.snapshot_create.THAWS_MAX", 2)
    monkeypatch.setattr("cm.operations.snapshot_create.THAW_S", 0.05)
    node = guest.node
    node.agents[guest.uuid], node.world.slow_agents[guest.uuid] = True, 1000
    answer = cloud.call("user.vm.create_snapshot", {"vm_id": guest.vm_id, "name": "late"})
    assert cloud.ended(answer["operation_id"])["result"]["consistency"] == "crash"


def test_answer_lost(cloud: MemoryCloud, guest: Guest) -> None:
    """A call that was done though its answer was lost is found done."""
    guest.write("A")
    guest.node.fail_next("take", NodeUnreachable("n", "gone"), after=True)
    made = snapshot(guest)
    guest.write("B")
    assert guest.read() == "AB"
    assert cloud.call("user.snapshot.get_by_id", {"snapshot_id": made})["consistency"] == "crash"


@pytest.mark.parametrize("method", ["take", "pull", "commit", "hold", "create_overlay", "delete"])
def test_calls_fail(cloud: MemoryCloud, guest: Guest, method: str) -> None:
    """Whatever call fails once, the work is done in the end, and the disk has what it had."""
    for node in cloud.memory.values():
        for after in (False, True):
            node.fail_next(method, NodeUnreachable("n", "gone"), after=after)
    guest.write("A")
    ids = []
    for letter in "BC":
        ids.append(snapshot(guest))
        guest.write(letter)
    done(cloud, "user.snapshot.delete", snapshot_id=ids[0])
    guest.stop()
    done(cloud, "user.snapshot.delete", snapshot_id=ids[1])
    assert guest.read() == "ABC"
    for node in cloud.memory.values():
        node._faults.next.clear()


def no_point(cloud: MemoryCloud, snapshot_id: int) -> None:
    """It is there, and can neither be taken back to nor copied."""
    assert cloud.call("user.snapshot.get_by_id", {"snapshot_id": snapshot_id})["taken"] is None
    for method, more in (("revert", {}), ("create_disk", {"name": "copy"}), ("to_image", {"name": "copy"})):
        with pytest.raises(InUse):
            cloud.call(f"user.snapshot.{method}", {"snapshot_id": snapshot_id, **more})


@pytest.mark.parametrize("again", [True, False])
def test_given_up_as_it_goes(cloud: MemoryCloud, guest: Guest, again: bool) -> None:
    """A deletion that is given up when the volume is gone leaves a snapshot that nobody takes for whole."""
    before, node = used(cloud), guest.node
    guest.write("A")
    volume, made = guest.volume(), snapshot(guest)
    guest.write("B")
    guest.stop()
    for _ in range(40):
        node.fail_next("delete", NodeUnreachable("n", "gone"), after=True)
    answer = cloud.call("user.snapshot.delete", {"snapshot_id": made})
    pool = f"wawel-{cloud.storage_id}"
    cloud.until(lambda: node.volumes.find(pool, volume.name) is None, "the volume to be gone")
    cloud.call("user.operation.abandon", {"operation_id": answer["operation_id"]})
    node._faults.next.clear()
    check_balance(cloud)
    no_point(cloud, made)
    if again:
        done(cloud, "user.snapshot.delete", snapshot_id=made)
        assert used(cloud) == before
        guest.start()
        assert guest.read() == "AB"


def test_given_up_between(cloud: MemoryCloud, guest: Guest) -> None:
    """What a later snapshot is being merged into is none to go back to any more; the others and the disk are whole."""
    ids = []
    for letter in "ABC":
        guest.write(letter)
        ids.append(snapshot(guest))
    guest.write("D")
    node = guest.node
    node.world.hang_jobs = True
    answer = cloud.call("user.snapshot.delete", {"snapshot_id": ids[1]})
    cloud.until(lambda: bool(node.world.domains[guest.uuid].jobs), "the merge to begin")
    cloud.call("user.operation.abandon", {"operation_id": answer["operation_id"]})
    node.world.hang_jobs = False
    guest.stop()
    no_point(cloud, ids[1])
    assert guest.read() == "ABCD"
    done(cloud, "user.snapshot.delete", snapshot_id=ids[1])
    for number, content in ((2, "ABC"), (0, "A")):
        done(cloud, "user.snapshot.revert", snapshot_id=ids[number])
        assert guest.read() == content


@pytest.mark.parametrize("then", ["snapshot", "save", "grow"])
def test_given_up_under_way(cloud: MemoryCloud, guest: Guest, then: str) -> None:
    """A merge that was given up goes on at its node: whoever has the disk next ends it before all else."""
    guest.write("A")
    made, node = snapshot(guest), guest.node
    guest.write("B")
    node.world.hang_jobs = True
    answer = cloud.call("user.snapshot.delete", {"snapshot_id": made})
    cloud.until(lambda: bool(node.world.domains[guest.uuid].jobs), "the merge to begin")
    cloud.call("user.operation.abandon", {"operation_id": answer["operation_id"]})
    assert node.world.domains[guest.uuid].jobs
    node.world.hang_jobs = False
    if then == "snapshot":
        later = snapshot(guest)
        guest.write("C")
        done(cloud, "user.snapshot.delete", snapshot_id=later)
    elif then == "save":
        done(cloud, "user.vm.save", vm_id=guest.vm_id, name="kept")
        guest.write("C")
    else:
        done(cloud, "user.disk.grow", disk_id=guest.disk_id(), size_mib=200)
        guest.write("C")
    assert guest.read() == "ABC" and not node.world.domains[guest.uuid].jobs
    done(cloud, "user.snapshot.delete", snapshot_id=made)
    assert guest.read() == "ABC"


def test_given_up_off(cloud: MemoryCloud, guest: Guest) -> None:
    """The domain without a guest that holds a stopped VM's disk ends with what it merged for; the next one needs it."""
    guest.write("A")
    made, node = snapshot(guest), guest.node
    guest.write("B")
    guest.stop()

    def held() -> list[Any]:
        return [domain for domain in node.world.domains.values() if domain.spec.name.startswith("merge-")]

    node.world.hang_jobs = True
    answer = cloud.call("user.snapshot.delete", {"snapshot_id": made})
    cloud.until(lambda: any(domain.jobs for domain in held()), "the merge to begin")
    cloud.call("user.operation.abandon", {"operation_id": answer["operation_id"]})
    node.world.hang_jobs = False
    done(cloud, "user.snapshot.delete", snapshot_id=made)
    assert not held()
    guest.start()
    assert guest.read() == "AB"


def test_lost(cloud: MemoryCloud, guest: Guest) -> None:
    """Who has a disk is told that a snapshot's volume is lost, and found: it is the disk's loss where that reads it."""
    guest.write("A")
    below, first = guest.volume().name, snapshot(guest)
    guest.write("B")
    beside, second = guest.volume().name, snapshot(guest)
    guest.stop()
    done(cloud, "user.snapshot.revert", snapshot_id=first)
    volumes = next(iter(cloud.memory.values())).world.storages.share(f"wawel-{cloud.storage_id}").volumes

    def told() -> dict[str, Any]:
        run(cloud.manager.reconciler.check_storages)
        found: dict[str, Any] = cloud.call("user.message.get_list")[0]
        return found

    for name, made, what, state in ((beside, second, "snapshot", "stopped"), (below, first, "disk", "error")):
        kept = volumes.pop(name)
        run(cloud.manager.reconciler.check_storages)
        (drift,) = cloud.call("admin.drift.get_list", account="admin")
        cloud.call("admin.drift.apply", [drift["drift_id"]], account="admin")
        lost = told()
        assert (lost["code"], lost["params"]["snapshot_id"]) == (f"{what}_lost", made)
        assert cloud.vm(guest.vm_id)["state"] == state
        volumes[name] = kept
        assert told()["code"] == f"{what}_found"
    guest.start()
    assert guest.read() == "A"


def test_destroyed_while_held(cloud: MemoryCloud) -> None:
    """Before a VM's volumes are deleted the domain without a guest that has one open ends, also when no pass comes."""
    guest = Guest(cloud)
    made, node = snapshot(guest), guest.node
    guest.stop()
    domains, written = node.world.domains, []
    node.world.hang_jobs = True
    answer = cloud.call("user.snapshot.delete", {"snapshot_id": made})
    cloud.until(lambda: any(d.jobs for d in domains.values() if d.spec.name.startswith("merge-")), "the merge to begin")
    volumes = type(node.volumes)
    delete = volumes.delete

    def deleted(self: Any, pool: str, name: str) -> None:
        volume = node.world.storages.share(pool).volumes.get(name)
        written.append(volume is not None and volume.writer is not None)
        delete(self, pool, name)

    async def nothing(*_: Any) -> None: ...

    with (
        mock.patch("cm.services.reconcile._discard", nothing),
        mock.patch.object(volumes, "delete", deleted),
    ):
        cloud.call("user.operation.abandon", {"operation_id": answer["operation_id"]})
        guest.destroy()
    node.world.hang_jobs = False
    assert written and not any(written)
    assert not [domain for domain in domains.values() if domain.spec.name.startswith("merge-")]


def test_many(cloud: MemoryCloud, guest: Guest) -> None:
    """A disk has no more than so many; beyond the quota nothing is claimed."""
    policy = cloud.manager.policy
    for _ in range(2):
        snapshot(guest)
    object.__setattr__(policy, "snapshots_per_disk", 2)
    try:
        with pytest.raises(TooManySnapshots):
            cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "third"})
    finally:
        object.__setattr__(policy, "snapshots_per_disk", 16)
    cloud.sql("UPDATE storage SET kind = 'logical' WHERE id = :s", s=cloud.storage_id)
    with pytest.raises(NotSupported):
        cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "third"})
    cloud.sql("UPDATE storage SET kind = 'dir' WHERE id = :s", s=cloud.storage_id)
    before = used(cloud)
    cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib WHERE login = 'user'")
    with pytest.raises(CloudError) as raised:
        cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "third"})
    assert raised.value.code == "quota_reached" and used(cloud) == before
    cloud.sql("UPDATE account SET quota_storage_mib = 524288 WHERE login = 'user'")
    cloud.call("user.snapshot.edit", {"snapshot_id": cloud.sql("SELECT max(id) FROM snapshot"), "name": "renamed"})
    assert cloud.call("user.snapshot.get_list", {"limit": 1})[0]["name"] == "renamed"


def test_copies(cloud: MemoryCloud, guest: Guest) -> None:
    """What a snapshot holds becomes a disk, and an image that VMs are made from, while its guest writes on."""
    guest.write("boots:A")
    made = snapshot(guest)
    guest.write("B")
    for method, kind in (("create_disk", "storage"), ("to_image", "system")):
        answer = done(cloud, f"user.snapshot.{method}", snapshot_id=made, name="copy", description="of it")
        told = cloud.call(f"user.{kind}_image.get_by_id", {"image_id": answer["image_id"]})
        assert (told["state"], told["name"], told["description"]) == ("ok", "copy", "of it")
        (row,) = rows(
            cloud, "SELECT u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :i",
            i=answer["image_id"],
        )  # fmt: skip
        volume = guest.node.world.storages.source(f"wawel-{cloud.storage_id}", row.name)
        assert (volume.content, volume.base) == (b"boots:A", None)
        if kind == "system":
            other = Guest(cloud, image_id=answer["image_id"])
            assert other.read() == "boots:A"
            other.destroy()
        ended = cloud.call(f"user.{kind}_image.delete", {"image_id": answer["image_id"]})
        assert cloud.ended(ended["operation_id"])["state"] == "done"
    assert guest.read() == "boots:AB"
    done(cloud, "user.snapshot.delete", snapshot_id=made)


def _ends(cloud: MemoryCloud, guest: Guest) -> None:
    """Its node's hook says so."""
    node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=guest.vm_id)
    guest.node.guest_power_off(guest.uuid)
    at = utc_now() + timedelta(minutes=1)
    record = HookRecord("boot-1", guest.vm_id, guest.uuid, "vm", "release", "end", "-", at)
    assert cloud.manager.database.transact_now(update_vm, node_id, record) == "ended"


@pytest.mark.parametrize("how", ["done", "failed", "abandoned"])
def test_ended_under_copy(cloud: MemoryCloud, guest: Guest, how: str) -> None:
    """A guest that ends while a snapshot of its is copied leads to what its policy says, however the copy ends."""
    guest.write("A")
    made, node = snapshot(guest), guest.node
    release = node.hang(60.0, ["create_copy"])
    try:
        node._faults.calls.clear()
        answer = cloud.call("user.snapshot.create_disk", {"snapshot_id": made, "name": "copy"})
        cloud.until(lambda: "create_copy" in node._faults.calls, "its node to be asked")
        _ends(cloud, guest)
        if how == "failed":
            node.fail_next("create_copy", HypervisorError("Input/output error", 38))
        elif how == "abandoned":
            cloud.call("user.operation.abandon", [answer["operation_id"]])
    finally:
        release()
    assert cloud.ended(answer["operation_id"])["state"] == how
    cloud.wait(guest.vm_id, "stopped")
    under_way = "SELECT count(*) FROM operation WHERE finished_at IS NULL"
    cloud.until(lambda: cloud.sql(under_way) == 0, "what a failure left to be removed")
    if how != "abandoned":
        cloud.ended(cloud.call("user.storage_image.delete", {"image_id": answer["image_id"]})["operation_id"])
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM operation WHERE finished_at IS NULL") == 0, "all to end")


@pytest.mark.parametrize("how", ["failed", "abandoned"])
def test_ended_under_merge(cloud: MemoryCloud, guest: Guest, how: str) -> None:
    """The same while one is deleted, and that comes to nothing."""
    guest.write("A")
    made, node = snapshot(guest), guest.node
    node.world.hang_jobs = True
    try:
        answer = cloud.call("user.snapshot.delete", {"snapshot_id": made})
        cloud.until(lambda: bool(node.world.domains[guest.uuid].jobs), "the merge to begin")
        if how == "failed":
            for _ in range(5):
                node.fail_next("hold", HypervisorError("Input/output error", 38))
        _ends(cloud, guest)
        if how == "abandoned":
            cloud.call("user.operation.abandon", [answer["operation_id"]])
        assert cloud.ended(answer["operation_id"])["state"] == how
    finally:
        node.world.hang_jobs = False
        node._faults.next.clear()
    cloud.wait(guest.vm_id, "stopped")
