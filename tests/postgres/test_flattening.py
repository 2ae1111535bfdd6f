"""Chains of volumes are kept short by themselves, while guests go on and snapshots stay what they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy.orm import Session

from cm.rpc.errors import HypervisorError, InUse, NodeUnreachable, NotAbandonable, TooManySnapshots, VMBusy
from cm.services.flattening import flatten_long
from support.cloud import MemoryCloud, at_database
from support.guest import Guest, check_balance, done, rows, snapshot, used


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "flattening", nodes=1) as made:
        yield made


@pytest.fixture()
def guest(cloud: MemoryCloud) -> Iterator[Guest]:
    """With three snapshots, so that its disk is read through four files of its own, and an image."""
    before, made = used(cloud), Guest(cloud)
    for letter in "ABC":
        made.write(letter)
        snapshot(made)
    made.write("D")
    yield made
    for node in cloud.memory.values():
        node._faults.next.clear()
        node.world.hang_jobs = False
    made.destroy()
    assert used(cloud) == before
    check_balance(cloud)


def begin(cloud: MemoryCloud, limit: int = 3) -> int | None:
    """What the loop does. :return: the operation, if there was need of one."""
    before = cloud.sql("SELECT coalesce(max(id), 0) FROM operation")
    with Session(cloud.manager.database.engine) as session, session.begin():
        begun = flatten_long(session, limit)
    found = rows(cloud, "SELECT id FROM operation WHERE kind = 'disk_flatten' AND id > :b", b=before)
    assert len(found) == begun <= 1
    return found[0].id if found else None


def all_ended(cloud: MemoryCloud) -> None:
    """Also those that end what another had begun."""
    left = "SELECT 1 FROM operation WHERE kind = 'disk_flatten' AND finished_at IS NULL"
    cloud.until(lambda: not rows(cloud, left), "no flattening is open")


def chain(guest: Guest) -> list[str]:
    """What the running domain reads its disk through."""
    return list(guest.node.world.storages.chain(guest.node.world.domains[guest.uuid].running.disks[0].path))


def test_long(cloud: MemoryCloud, guest: Guest) -> None:
    """What is longer than allowed is flattened, once; the guest writes on, and snapshots hold what they held."""
    claimed, volume, image = used(cloud), guest.volume(), chain(guest)[-1]
    assert len(chain(guest)) == 4 and begin(cloud, limit=4) is None
    operation_id = begin(cloud)
    assert operation_id is not None
    guest.write("E")
    assert cloud.ended(operation_id)["state"] == "done"
    assert chain(guest) == [image] and guest.volume() is volume and used(cloud) == claimed
    assert guest.read() == "ABCDE" and begin(cloud) is None
    ids = sorted(row["snapshot_id"] for row in cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id}))
    done(cloud, "user.snapshot.delete", snapshot_id=ids[0])
    assert guest.read() == "ABCDE"
    guest.stop()
    for snapshot_id, content in ((ids[2], "ABC"), (ids[1], "AB")):
        done(cloud, "user.snapshot.revert", snapshot_id=snapshot_id)
        assert guest.read() == content


def test_left_alone(cloud: MemoryCloud, guest: Guest) -> None:
    """Not while something else holds the disk, nor of a VM that is stopped."""
    guest.node.world.hang_jobs = True
    ids = [row["snapshot_id"] for row in cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id})]
    answer = cloud.call("user.snapshot.delete", {"snapshot_id": ids[-1]})
    assert begin(cloud) is None
    guest.node.world.hang_jobs = False
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    guest.stop()
    assert begin(cloud, limit=1) is None


def test_abandoned(cloud: MemoryCloud, guest: Guest) -> None:
    """Given up, what the node does is ended, the disk is as it was, and for a day nobody begins again."""
    guest.node.world.hang_jobs = True
    operation_id = begin(cloud)
    assert operation_id is not None
    cloud.until(lambda: bool(guest.node.world.domains[guest.uuid].jobs), "the copy to begin")
    told = cloud.call("user.operation.get_list", {"vm_id": guest.vm_id})
    assert (told[0]["operation_id"], told[0]["kind"]) == (operation_id, "disk_flatten")
    cloud.call("user.operation.abandon", {"operation_id": operation_id})
    guest.node.world.hang_jobs = False
    all_ended(cloud)
    assert not guest.node.world.domains[guest.uuid].jobs
    guest.write("E")
    assert guest.read() == "ABCDE" and begin(cloud) is None
    cloud.sql("UPDATE operation SET finished_at = now() - interval '25 hours' WHERE id = :o", o=operation_id)
    operation_id = begin(cloud)
    assert operation_id is not None and cloud.ended(operation_id)["state"] == "done"
    assert len(chain(guest)) == 1 and guest.read() == "ABCDE"


@pytest.mark.parametrize("method", ["pull", "look_job", "hold"])
def test_calls_fail(cloud: MemoryCloud, guest: Guest, method: str) -> None:
    """Whatever call fails, before its effect or after, and though the guest ends meanwhile, it is done in the end."""
    for after in (False, True):
        guest.node.fail_next(method, NodeUnreachable("n", "gone"), after=after)
    guest.node.world.hang_jobs = True
    operation_id = begin(cloud)
    assert operation_id is not None
    if method == "hold":
        cloud.until(lambda: bool(guest.node.world.domains[guest.uuid].jobs), "the copy to begin")
        guest.node.guest_power_off(guest.uuid)
        assert cloud.ended(operation_id)["result"] == {"gave_way": True}
        cloud.wait(guest.vm_id, "stopped")
        guest.start()
        long_ago(cloud, 6)
        operation_id = begin(cloud)
        assert operation_id is not None
    guest.node.world.hang_jobs = False
    assert cloud.ended(operation_id)["state"] == "done"
    assert len(chain(guest)) == 1 and guest.read() == "ABCD"


def long_ago(cloud: MemoryCloud, minutes: int) -> None:
    """Let so long have passed since all flattenings."""
    cloud.sql(
        "UPDATE operation SET finished_at = now() - make_interval(mins => :m) WHERE kind = 'disk_flatten'"
        " AND finished_at IS NOT NULL",
        m=minutes,
    )


def under_way(cloud: MemoryCloud, guest: Guest) -> int:
    """A flattening whose node copies, and comes no further."""
    guest.node.world.hang_jobs = True
    long_ago(cloud, 6)
    operation_id = begin(cloud)
    assert operation_id is not None
    cloud.until(lambda: bool(guest.node.world.domains[guest.uuid].jobs), "the copy to begin")
    return operation_id


def beside(cloud: MemoryCloud, guest: Guest, method: str, **params: Any) -> dict[str, Any]:
    """A call while a disk is flattened: it is taken, the flattening ends half-way, and what was asked for is done."""
    flattening, world = under_way(cloud, guest), guest.node.world
    assert cloud.vm(guest.vm_id)["operation_id"] is None
    answer: Any = cloud.call(method, params)
    answer = answer[0] if isinstance(answer, list) else answer
    ended = cloud.ended(flattening)
    assert (ended["state"], ended["result"]) == ("abandoned", {"gave_way": True}), (method, ended)
    world.hang_jobs = False
    done = cloud.ended(answer["operation_id"])
    assert (done["state"], done["text"]) == ("done", ""), (method, done)
    assert begin(cloud) is None, "not at once again"
    return dict(answer)


def test_in_nobodys_way(cloud: MemoryCloud, guest: Guest) -> None:
    """No call that is about a VM or its disk is refused for a flattening, and none has to ask twice."""
    vm = {"vm_id": guest.vm_id}
    made = cloud.call("user.disk.create", {"name": "data", "size_mib": 1})
    assert cloud.ended(made["operation_id"])["state"] == "done"
    data = {"disk_id": made["disk_id"], **vm}
    for method in ("pause", "resume"):
        beside(cloud, guest, f"user.vm.{method}", **vm)
    beside(cloud, guest, "user.vm.reset", vm_ids=[guest.vm_id])
    images = [beside(cloud, guest, "user.vm.save", **vm, name="saved")["image_id"]]
    beside(cloud, guest, "user.disk.attach", **data)
    beside(cloud, guest, "user.disk.detach", **data)
    beside(cloud, guest, "user.disk.grow", disk_id=guest.disk_id(), size_mib=96)
    (first, *_) = cloud.call("user.snapshot.get_list", vm)
    copied = beside(cloud, guest, "user.snapshot.to_image", snapshot_id=first["snapshot_id"], name="copied")
    images.append(copied["image_id"])
    taken = beside(cloud, guest, "user.disk.create_snapshot", disk_id=guest.disk_id(), name="more")
    guest.write("E")
    beside(cloud, guest, "user.snapshot.delete", snapshot_id=taken["snapshot_ids"][0])
    assert guest.read() == "ABCDE" and len(chain(guest)) == 4
    for method in ("stop", "shutdown"):
        beside(cloud, guest, f"user.vm.{method}", **vm)
        cloud.wait(guest.vm_id, "stopped")
        guest.start()
    long_ago(cloud, 6)
    operation_id = begin(cloud)
    assert operation_id is not None and cloud.ended(operation_id)["state"] == "done"
    assert guest.read() == "ABCDE" and len(chain(guest)) == 1
    for image_id in images:
        done(cloud, "user.system_image.delete", image_id=image_id)
    cloud.call("user.disk.delete", {"disk_id": made["disk_id"]})
    done(cloud, "user.disk.purge", disk_id=made["disk_id"])


def test_destroyed(cloud: MemoryCloud, guest: Guest) -> None:
    """A destroy waits for nothing that goes with the domain."""
    flattening = under_way(cloud, guest)
    guest.destroy()
    assert cloud.ended(flattening)["state"] == "abandoned"
    guest.__init__(cloud)  # type: ignore[misc]


def test_told_what_for(cloud: MemoryCloud, guest: Guest) -> None:
    """Whoever waits until the node has let go is told so; a manager that ends in between, another goes on for."""
    flattening = under_way(cloud, guest)
    guest.node.fail_next("abort", NodeUnreachable("n", "gone"))
    guest.node.fail_next("abort", NodeUnreachable("n", "gone"), after=True)
    operation_id = cloud.call("user.vm.pause", {"vm_id": guest.vm_id})["operation_id"]
    told = f"Waits for the flattening of disk {guest.disk_id()} to end."
    cloud.until(
        lambda: cloud.call("user.operation.get", [operation_id])["waiting_for"] == told, "it says what it waits for"
    )
    assert cloud.call("user.operation.get", [flattening])["state"] in ("queued", "running", "waiting")
    (refused,) = cloud.call("user.vm.reset", {"vm_ids": [guest.vm_id]})
    assert refused["status"] == "vm_busy" and "vm_pause" in refused["message"]
    with pytest.raises(NotAbandonable):
        cloud.call("user.operation.abandon", {"operation_id": flattening})
    cloud.stop()
    cloud.start()
    assert cloud.ended(operation_id)["state"] == "done"
    assert cloud.ended(flattening)["result"] == {"gave_way": True}
    assert not guest.node.world.domains[guest.uuid].jobs
    done(cloud, "user.vm.resume", vm_id=guest.vm_id)


def test_stop_waits_for_nothing(cloud: MemoryCloud, guest: Guest) -> None:
    """What QEMU does ends with the guest: a stop does not wait for it, whatever the node says of that."""
    flattening = under_way(cloud, guest)
    release = guest.node.hang(methods=("abort", "look_job"))
    guest.stop()
    assert cloud.call("user.operation.get", [flattening])["state"] in ("queued", "running", "waiting")
    release()
    guest.start()
    assert cloud.ended(flattening)["result"] == {"gave_way": True}


def test_retried(cloud: MemoryCloud, guest: Guest) -> None:
    """One that failed does not begin again while there is something that it would be in the way of."""
    guest.node.fail_next("pull", HypervisorError("no", 1))
    long_ago(cloud, 6)
    flattening = begin(cloud)
    assert flattening is not None and cloud.ended(flattening)["state"] == "failed"
    all_ended(cloud)
    guest.node.world.hang_jobs = True
    ids = [row["snapshot_id"] for row in cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id})]
    answer = cloud.call("user.snapshot.delete", {"snapshot_id": ids[-1]})
    with pytest.raises(VMBusy, match="snapshot_delete"):
        cloud.call("user.operation.retry", {"operation_id": flattening})
    guest.node.world.hang_jobs = False
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    cloud.call("user.operation.retry", {"operation_id": flattening})
    assert cloud.ended(flattening)["state"] == "done" and len(chain(guest)) == 1


def test_unsettled(cloud: MemoryCloud, guest: Guest) -> None:
    """
    A snapshot that came to nothing, and whose removal was given up, leaves a domain writing below what is on record:
    until it is deleted nothing is done to what the domain has open.
    """
    ids = sorted(row["snapshot_id"] for row in cloud.call("user.snapshot.get_list", {"vm_id": guest.vm_id}))
    guest.node.fail_next("pull", HypervisorError("no", 1))
    long_ago(cloud, 6)
    flattening = begin(cloud)
    assert flattening is not None and cloud.ended(flattening)["state"] == "failed"
    all_ended(cloud)
    failed = []
    for method, work in (
        ("commit", lambda: cloud.call("user.snapshot.delete", {"snapshot_id": ids[0]})),
        ("grow", lambda: cloud.call("user.disk.grow", {"disk_id": guest.disk_id(), "size_mib": 4096})),
    ):
        guest.node.fail_next(method, HypervisorError("no", 1))
        failed.append(work()["operation_id"])
        assert cloud.ended(failed[-1])["state"] == "failed"
    for _ in range(200):
        guest.node.fail_next("look_job", NodeUnreachable("n", "gone"))
    answer = cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "nothing"})
    taking = answer["operation_id"]
    cloud.until(lambda: cloud.call("user.operation.get", [taking])["step"] == "take", "its layer to be on record")
    for _ in range(2):  # it, and the clearing up
        cloud.call("user.operation.abandon", {"operation_id": cloud.vm(guest.vm_id)["operation_id"]})
    cloud.until(lambda: cloud.vm(guest.vm_id)["operation_id"] is None, "nothing is under way")
    guest.node._faults.next.clear()
    (left,) = answer["snapshot_ids"]
    guest.write("E")
    long_ago(cloud, 2000)
    assert begin(cloud) is None
    for refused in (
        lambda: cloud.call("user.snapshot.delete", {"snapshot_id": ids[1]}),
        lambda: cloud.call("user.disk.grow", {"disk_id": guest.disk_id(), "size_mib": 4096}),
        *[partial(cloud.call, "user.operation.retry", {"operation_id": each}) for each in (flattening, *failed)],
    ):
        with pytest.raises(InUse, match=f"snapshot {left}"):
            refused()
    guest.stop()
    done(cloud, "user.snapshot.delete", snapshot_id=ids[1])  # nothing is open
    assert guest.read() == "ABCDE"
    guest.start()
    guest.write("F")
    done(cloud, "user.snapshot.delete", snapshot_id=left)
    for each in failed:
        cloud.call("user.operation.retry", {"operation_id": each})
        assert cloud.ended(each)["state"] == "done"
    operation_id = begin(cloud, limit=1)
    assert operation_id is not None and cloud.ended(operation_id)["state"] == "done"
    assert len(chain(guest)) == 1 and guest.read() == "ABCDEF"


def test_limit(cloud: MemoryCloud, guest: Guest) -> None:
    """However short the chain is, a disk has no more than so many snapshots, and is told so."""
    policy = cloud.manager.policy
    object.__setattr__(policy, "snapshots_per_disk", 3)
    try:
        with pytest.raises(TooManySnapshots, match="3 snapshots already"):
            cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "fourth"})
    finally:
        object.__setattr__(policy, "snapshots_per_disk", 16)
