"""Images of VMs that go on: what they hold and cost, and what is left of those that come to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cm.interfaces.block_job import BlockJobState
from cm.rpc.errors import (
    CloudError,
    DiskHeld,
    HypervisorError,
    InUse,
    NodeUnreachable,
    NotAbandonable,
    NotSupported,
    VMBusy,
)
from support.cloud import MemoryCloud, at_database
from support.guest import MIB, Guest, check_balance, done, rows, snapshot, used


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "vm_images", nodes=1) as made:
        yield made


@pytest.fixture()
def guest(cloud: MemoryCloud) -> Iterator[Guest]:
    """In the end nothing is left of it, nor of what was made of it."""
    before, made = used(cloud), Guest(cloud)
    made.write("boots:A")
    yield made
    for node in cloud.memory.values():
        node._faults.next.clear()
        node.world.hang_jobs = False
    made.destroy()
    for row in rows(cloud, "SELECT id FROM image WHERE state IN ('ok', 'failed') AND name = 'kept'"):
        ended = cloud.call("user.system_image.delete", {"image_id": row.id})
        assert cloud.ended(ended["operation_id"])["state"] == "done"
    assert used(cloud) == before
    assert cloud.sql("SELECT count(*) FROM snapshot") == 0
    assert not [d for node in cloud.memory.values() for d in node.hypervisor.domains() if d.name.startswith("merge")]
    check_balance(cloud)


def save(guest: Guest, **more: Any) -> Any:
    return guest.cloud.call("user.vm.save", {"vm_id": guest.vm_id, "name": "kept", **more})


def content(cloud: MemoryCloud, image_id: int) -> str:
    """What an image holds, which stands on nothing."""
    told = cloud.call("user.system_image.get_by_id", {"image_id": image_id})
    assert told["state"] == "ok"
    (row,) = rows(cloud, "SELECT u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :i", i=image_id)
    storages = next(iter(cloud.memory.values())).world.storages
    volume = storages.source(f"wawel-{cloud.storage_id}", row.name)
    assert volume.base is None
    return str(volume.content.decode())


def at_step(cloud: MemoryCloud, operation_id: int, step: str) -> None:
    cloud.until(lambda: cloud.sql("SELECT step FROM operation WHERE id = :o", o=operation_id) == step, step)


def remains_gone(cloud: MemoryCloud, image_id: int) -> None:
    """Of an image that was not made."""
    claimed = "SELECT u.claimed_bytes FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :i"
    cloud.until(lambda: not cloud.sql(claimed, i=image_id), "its remains to go")


def merged(guest: Guest) -> None:
    guest.cloud.until(lambda: guest.cloud.sql("SELECT count(*) FROM snapshot") == 0, "the layer to go")
    guest.cloud.until(lambda: guest.cloud.vm(guest.vm_id)["operation_id"] is None, "the VM to be free")


def ends_saved(cloud: MemoryCloud, guest: Guest, answer: Any, volume: Any) -> None:
    """It writes, and ends while it is saved: both have what they should, and it starts from the volume that it had."""
    guest.write("B")
    guest.node.guest_power_off(guest.uuid)
    guest.node._faults.next.clear()
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    cloud.wait(guest.vm_id, "stopped")
    assert guest.read() == "boots:AB" and content(cloud, answer["image_id"]) == "boots:A"
    guest.start()
    assert guest.volume() is volume


def test_running(cloud: MemoryCloud, guest: Guest) -> None:
    """The image has what the disk had; its guest writes on, and after it to the volume that it wrote to before."""
    before, volume, node = used(cloud), guest.volume(), guest.node
    node.world.hang_jobs = True
    answer = save(guest, description="of it")
    at_step(cloud, answer["operation_id"], "merge")
    assert guest.volume() is not volume and volume.writer in (None, guest.uuid)
    guest.write("B")
    size = rows(cloud, "SELECT size_bytes FROM volume WHERE name = :n", n=volume.name)[0].size_bytes
    assert used(cloud) == (before[0] + 2 * -(-size // MIB), before[1] + 2 * size)
    told = cloud.vm(guest.vm_id)
    assert (told["state"], told["operation_id"]) == ("running", answer["operation_id"])
    node.world.hang_jobs = False
    ended = cloud.ended(answer["operation_id"])
    assert ended["state"] == "done"
    assert ended["result"] == {"image_id": answer["image_id"], "consistency": "crash"}
    assert guest.volume() is volume and guest.read() == "boots:AB"
    assert content(cloud, answer["image_id"]) == "boots:A"
    told = cloud.call("user.system_image.get_by_id", {"image_id": answer["image_id"]})
    assert (told["name"], told["description"], told["access"]) == ("kept", "of it", "private")
    assert used(cloud) == (before[0] + -(-size // MIB), before[1] + size)
    other = Guest(cloud, image_id=answer["image_id"])
    assert other.read() == "boots:A"
    other.destroy()


def test_frozen(cloud: MemoryCloud, guest: Guest) -> None:
    """The result tells whether the guest's agent froze it; where that was insisted on and it did not, there is none."""
    answer = save(guest, freeze="yes")
    ended = cloud.ended(answer["operation_id"])
    assert (ended["state"], ended["error"]) == ("failed", "guest_not_frozen")
    merged(guest)
    told = cloud.call("user.system_image.get_by_id", {"image_id": answer["image_id"]})
    assert told["state"] == "failed" and "agent" in told["error"]
    guest.node.agents[guest.uuid] = True
    for freeze, consistency in (("yes", "frozen"), ("auto", "frozen"), ("no", "crash")):
        answer = save(guest, freeze=freeze)
        assert cloud.ended(answer["operation_id"])["result"]["consistency"] == consistency


def test_stopped(cloud: MemoryCloud, guest: Guest) -> None:
    """One that is stopped is copied as it is, and stays stopped; one that is paused stays paused."""
    cloud.call("user.vm.pause", {"vm_id": guest.vm_id})
    cloud.wait(guest.vm_id, "paused")
    volume = guest.volume()
    answer = save(guest)
    assert cloud.ended(answer["operation_id"])["state"] == "done" and cloud.vm(guest.vm_id)["state"] == "paused"
    assert guest.volume() is volume and content(cloud, answer["image_id"]) == "boots:A"
    guest.stop()
    answer = save(guest)
    ended = cloud.ended(answer["operation_id"])
    assert ended["result"] == {"image_id": answer["image_id"], "consistency": "off"}
    assert cloud.vm(guest.vm_id)["state"] == "stopped" and content(cloud, answer["image_id"]) == "boots:A"
    assert cloud.sql("SELECT count(*) FROM operation_object") == 0


def test_beside_snapshots(cloud: MemoryCloud, guest: Guest) -> None:
    """Snapshots of before stay what they were, and nothing of the save stays among them."""
    first = snapshot(guest)
    guest.write("B")
    answer = save(guest)
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    assert content(cloud, answer["image_id"]) == "boots:AB"
    assert [row["snapshot_id"] for row in cloud.call("user.snapshot.get_list", {})] == [first]
    guest.write("C")
    assert guest.read() == "boots:ABC"
    done(cloud, "user.snapshot.delete", snapshot_id=first)


@pytest.mark.parametrize("lost", ["top", "base"])
def test_disk_is_gone(cloud: MemoryCloud, guest: Guest, lost: str) -> None:
    """
    Of a disk whose volume somebody deleted, or one that it stands on, nothing is made that would be taken for its copy:
    all that would read it fails, and says that what it needs is not there.
    """
    first = snapshot(guest)
    below = "SELECT u.name FROM snapshot s JOIN volume u ON u.id = s.volume_id WHERE s.id = :s"
    name = guest.volume().name if lost == "top" else cloud.sql(below, s=first)
    guest.stop()
    share = next(iter(cloud.memory.values())).world.storages.share(f"wawel-{cloud.storage_id}")
    kept, before, point = share.volumes.pop(name), used(cloud), {"snapshot_id": first, "name": "none"}
    disk = {"disk_id": guest.disk_id(), "name": "none"}
    under_way = "SELECT count(*) FROM operation WHERE state IN ('waiting', 'running', 'queued')"
    asked: list[tuple[str, dict[str, Any]]] = [
        ("user.vm.save", {"vm_id": guest.vm_id, "name": "none"}),
        ("user.disk.copy", disk),
        ("user.disk.to_image", disk),
        ("user.disk.create_snapshot", disk),
    ]
    if lost == "base":
        asked += [("user.snapshot.to_image", point), ("user.snapshot.create_disk", point)]
    for method, params in asked:
        ended = cloud.ended(cloud.call(method, params)["operation_id"])
        assert (ended["state"], ended["error"]) == ("failed", "volume_not_found"), method
        assert "restore it from a backup" in ended["text"]
        cloud.until(lambda: cloud.sql(under_way) == 0, "what it left to go")
    share.volumes[name] = kept
    assert rows(cloud, "SELECT id FROM image WHERE name = 'none' AND state = 'ok'") == []
    for row in rows(cloud, "SELECT id, kind FROM image WHERE name = 'none' AND state = 'failed'"):
        view = "system_image" if row.kind == "system" else "storage_image"
        assert cloud.ended(cloud.call(f"user.{view}.delete", {"image_id": row.id})["operation_id"])["state"] == "done"
    assert used(cloud) == before and guest.read() == "boots:A"
    done(cloud, "user.snapshot.delete", snapshot_id=first)


def test_refused(cloud: MemoryCloud, guest: Guest) -> None:
    """What cannot be is refused before anything is done."""
    before = used(cloud)

    def refused() -> str:
        with pytest.raises(CloudError) as raised:
            save(guest)
        assert used(cloud) == before and cloud.sql("SELECT count(*) FROM operation_object") == 0
        return raised.value.code

    cloud.sql("UPDATE storage SET kind = 'logical' WHERE id = :s", s=cloud.storage_id)
    with pytest.raises(NotSupported, match="stop it first"):
        save(guest)
    cloud.sql("UPDATE storage SET kind = 'dir' WHERE id = :s", s=cloud.storage_id)
    size_mib = 1 + (rows(cloud, "SELECT max(size_bytes) AS n FROM volume")[0].n - 1) // MIB
    quota = "UPDATE account SET quota_storage_mib = used_storage_mib + :n WHERE login = 'user'"
    cloud.sql(quota, n=2 * size_mib - 1)  # room for the image alone
    assert refused() == "quota_reached"
    cloud.sql("UPDATE account SET quota_storage_mib = 524288 WHERE login = 'user'")
    guest.node.world.hang_jobs = True
    answer = save(guest)
    at_step(cloud, answer["operation_id"], "merge")
    with pytest.raises(VMBusy):
        save(guest)
    guest.node.world.hang_jobs = False
    assert cloud.ended(answer["operation_id"])["state"] == "done"


@pytest.mark.parametrize("method", ["take", "commit", "finish", "create_overlay", "create_copy", "delete", "look_job"])
def test_calls_fail(cloud: MemoryCloud, guest: Guest, method: str) -> None:
    """Whatever call fails, before it had its effect or after, the work is done in the end, and nothing is lost."""
    for after in (False, True):
        guest.node.fail_next(method, NodeUnreachable("n", "gone"), after=after)
    volume, answer = guest.volume(), save(guest)
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    guest.write("B")
    assert guest.volume() is volume
    assert guest.read() == "boots:AB" and content(cloud, answer["image_id"]) == "boots:A"


@pytest.mark.parametrize("step", ["copy", "merge"])
def test_abandoned(cloud: MemoryCloud, guest: Guest, step: str) -> None:
    """Given up, the guest writes on and has all that it wrote; of the image nothing is left, unless it was made."""
    node = guest.node
    if step == "copy":
        for _ in range(40):
            node.fail_next("create_copy", NodeUnreachable("n", "gone"))
    node.world.hang_jobs = True
    answer = save(guest)
    at_step(cloud, answer["operation_id"], step)
    cloud.until(lambda: bool(node.world.domains[guest.uuid].jobs) or step == "copy", "the merge to begin")
    guest.write("B")
    cloud.call("user.operation.abandon", {"operation_id": answer["operation_id"]})
    node.world.hang_jobs = False
    node._faults.next.clear()
    merged(guest)
    guest.write("C")
    assert guest.read() == "boots:ABC"
    left = rows(cloud, "SELECT state FROM image WHERE id = :i AND deleted_at IS NULL", i=answer["image_id"])
    if step == "merge":
        assert content(cloud, answer["image_id"]) == "boots:A"
    else:
        cloud.until(lambda: not rows(cloud, "SELECT 1 FROM image WHERE id = :i AND deleted_at IS NULL",
                                     i=answer["image_id"]), "the image to go")  # fmt: skip
        assert {row.state for row in left} <= {"deleted"}


def test_destroyed(cloud: MemoryCloud) -> None:
    """A destroy ends it; nothing of image, layer or disk is left."""
    before, guest = used(cloud), Guest(cloud)
    for _ in range(40):
        guest.node.fail_next("create_copy", NodeUnreachable("n", "gone"))
    answer = save(guest)
    at_step(cloud, answer["operation_id"], "copy")
    node = guest.node
    guest.destroy()
    node._faults.next.clear()
    assert cloud.call("user.operation.get", {"operation_id": answer["operation_id"]})["state"] == "abandoned"
    cloud.until(lambda: used(cloud) == before, "all to go back")
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM operation_object") == 0, "what is left to be deleted")
    check_balance(cloud)


@pytest.mark.parametrize("turned", [False, True])
def test_ends_while_it_turns(cloud: MemoryCloud, guest: Guest, turned: bool) -> None:
    """
    A guest that ends while it is turned back to its disk has all that it wrote, whichever volume that went to: its
    definition tells. Until then it can be neither given up nor destroyed.
    """
    node, volume = guest.node, guest.volume()
    for _ in range(60):
        node.fail_next("finish", NodeUnreachable("n", "gone"), after=turned)
    answer = save(guest)
    noted = "SELECT arguments ->> 'changing' FROM operation WHERE id = :o"
    cloud.until(lambda: cloud.sql(noted, o=answer["operation_id"]) == "true", "the note")
    for method, params in (
        ("user.operation.abandon", {"operation_id": answer["operation_id"]}),
        ("user.vm.destroy", {"vm_ids": [guest.vm_id]}),
    ):
        try:
            told = cloud.call(method, params)
            assert [each["status"] for each in told] == ["operation_not_abandonable"]
        except NotAbandonable:
            assert method == "user.operation.abandon"
    if turned:
        cloud.until(lambda: guest.volume() is volume, "the guest to be turned")
    ends_saved(cloud, guest, answer, volume)


def test_ends_before(cloud: MemoryCloud, guest: Guest) -> None:
    """A guest that ends before the merge: it is merged without it."""
    node, volume = guest.node, guest.volume()
    for _ in range(40):
        node.fail_next("create_copy", NodeUnreachable("n", "gone"))
    answer = save(guest)
    at_step(cloud, answer["operation_id"], "copy")
    ends_saved(cloud, guest, answer, volume)


def test_retried_beside_a_snapshot(cloud: MemoryCloud, guest: Guest) -> None:
    """While a snapshot of its disk is yet to be taken a failed one cannot be tried again, and is told why."""
    guest.node.fail_next("create_copy", HypervisorError("Input/output error", 38))
    answer = save(guest)
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    merged(guest)
    remains_gone(cloud, answer["image_id"])
    for _ in range(40):
        guest.node.fail_next("take", NodeUnreachable("n", "gone"))
    other = cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "other", "freeze": "no"})
    with pytest.raises((VMBusy, DiskHeld)):
        cloud.call("user.operation.retry", {"operation_id": answer["operation_id"]})
    guest.node._faults.next.clear()
    assert cloud.ended(other["operation_id"])["state"] == "done"
    gone = cloud.call("user.snapshot.delete", {"snapshot_id": other["snapshot_ids"][0]})
    assert cloud.ended(gone["operation_id"])["state"] == "done"
    cloud.call("user.operation.retry", {"operation_id": answer["operation_id"]})
    assert cloud.ended(answer["operation_id"])["state"] == "done"


def test_retried(cloud: MemoryCloud, guest: Guest) -> None:
    """One that failed can be tried again: its image is claimed anew, and is of the moment of the new attempt."""
    guest.node.fail_next("create_copy", HypervisorError("Input/output error", 38))
    answer = save(guest)
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    merged(guest)
    remains_gone(cloud, answer["image_id"])
    guest.write("B")
    cloud.call("user.operation.retry", {"operation_id": answer["operation_id"]})
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    assert content(cloud, answer["image_id"]) == "boots:AB" and guest.read() == "boots:AB"


def test_unmerged_is_no_snapshot(cloud: MemoryCloud, guest: Guest) -> None:
    """Once merging has begun, what the image was made from is no point in time any more, and says so."""
    guest.node.world.hang_jobs = True
    answer = save(guest)
    at_step(cloud, answer["operation_id"], "merge")
    cloud.until(lambda: bool(guest.node.world.domains[guest.uuid].jobs), "the merge to begin")
    (told,) = cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id})
    assert (told["taken"], told["consistency"]) == (None, None)
    assert guest.node.block_jobs.look(guest.uuid, "vda").state is BlockJobState.RUNNING
    guest.node.world.hang_jobs = False
    assert cloud.ended(answer["operation_id"])["state"] == "done"


def test_remains_come_first(cloud: MemoryCloud, guest: Guest) -> None:
    """
    Of one that failed a layer may be left, on record and unused, if clearing it up was given up: nothing is put onto
    that, neither by a retry, and it can be deleted.
    """
    volume, release = guest.volume(), guest.node.hang(20.0, ["take"])
    guest.node.calls.clear()
    answer = save(guest, freeze="yes")
    cloud.until(lambda: "take" in guest.node.calls, "it to come so far")
    for _ in range(200):
        guest.node.fail_next("look_job", NodeUnreachable("n", "gone"))
    release()
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    clearing = cloud.vm(guest.vm_id)["operation_id"]
    cloud.call("user.operation.abandon", {"operation_id": clearing})
    guest.node._faults.next.clear()
    (left,) = rows(cloud, "SELECT id FROM snapshot")
    guest.write("B")
    remains_gone(cloud, answer["image_id"])
    for refused in (
        lambda: save(guest),
        lambda: cloud.call("user.operation.retry", {"operation_id": answer["operation_id"]}),
        lambda: cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "other"}),
    ):
        with pytest.raises(InUse, match=f"snapshot {left.id}"):
            refused()
    gone = cloud.call("user.snapshot.delete", {"snapshot_id": left.id})
    assert cloud.ended(gone["operation_id"])["state"] == "done"
    guest.write("C")
    assert guest.volume() is volume and guest.read() == "boots:ABC"
    assert cloud.ended(save(guest)["operation_id"])["state"] == "done"
    assert guest.volume() is volume and guest.read() == "boots:ABC"


@pytest.mark.parametrize("freeze", ["no", "yes"])
def test_remains_go_with_the_next(cloud: MemoryCloud, guest: Guest, freeze: str) -> None:
    """
    Clearing up that was given up when it had merged all, and the next attempt, which fails as well, as its image could
    not be made, or its guest has no agent: whoever clears up after that clears up both.
    """
    before, node = used(cloud), guest.node
    for _ in range(2 if freeze == "no" else 0):
        node.fail_next("create_copy", HypervisorError("Input/output error", 38))
    for _ in range(40):
        node.fail_next("delete", NodeUnreachable("n", "gone"))
    answer = save(guest, freeze=freeze)
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    clearing = cloud.vm(guest.vm_id)["operation_id"]
    at_step(cloud, clearing, "forget")
    cloud.until(lambda: bool(rows(cloud, "SELECT 1 FROM volume WHERE NOT made")), "it to come so far")
    (told,) = cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id})
    assert told["going"] and told["operation_id"] == clearing
    cloud.call("user.operation.abandon", {"operation_id": clearing})
    (told,) = cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id})
    assert not told["going"]
    node._faults.next.pop("delete")
    remains_gone(cloud, answer["image_id"])
    guest.write("B")
    cloud.call("user.operation.retry", {"operation_id": answer["operation_id"]})
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    merged(guest)
    guest.write("C")
    assert rows(cloud, "SELECT 1 FROM snapshot") == [] and guest.read() == "boots:ABC"
    remains_gone(cloud, answer["image_id"])
    assert used(cloud) == before
