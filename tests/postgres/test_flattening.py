"""Chains of volumes are kept short by themselves, while guests go on and snapshots stay what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from cm.rpc.errors import NodeUnreachable, TooManySnapshots
from cm.services.flattening import flatten_long
from support.cloud import MemoryCloud
from support.guest import Guest, check_balance, done, rows, snapshot, used


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    postgres.create_database("flattening", template="wawel_template")
    made = MemoryCloud(postgres.url("flattening"), Path(tmp_path_factory.mktemp("flattening")), nodes=1)
    yield made
    made.stop()
    postgres.drop_database("flattening")


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
    cloud.until(lambda: cloud.vm(guest.vm_id)["operation_id"] is None, "the VM to be free")
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
    guest.node.world.hang_jobs = False
    assert cloud.ended(operation_id)["state"] == "done"
    if method == "hold":
        cloud.wait(guest.vm_id, "stopped")
        guest.start()
    assert len(chain(guest)) == 1 and guest.read() == "ABCD"


def test_limit(cloud: MemoryCloud, guest: Guest) -> None:
    """However short the chain is, a disk has no more than so many snapshots, and is told so."""
    policy = cloud.manager.policy
    object.__setattr__(policy, "snapshots_per_disk", 3)
    try:
        with pytest.raises(TooManySnapshots, match="3 snapshots already"):
            cloud.call("user.disk.create_snapshot", {"disk_id": guest.disk_id(), "name": "fourth"})
    finally:
        object.__setattr__(policy, "snapshots_per_disk", 16)
