"""Guests on their way to a node that an administrator says is off, or from it: one copy, where it is known to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.dead import Dead, domains, place_of
from support.sharing import SharingCloud


class Cluster(SharingCloud):
    def migrate(self, vm_id: int, **more: Any) -> dict[str, Any]:
        asked = {"vm_id": vm_id, "node_id": self.node_ids[1], **more}
        moved: dict[str, Any] = self.call("admin.vm.migrate", asked, account="admin")
        return moved

    def begun(self, vm_id: int) -> dict[str, Any]:
        """A migration of which memory is being sent, to no end."""
        self.memory[self.first].world.converges_not.add(self.vm(vm_id)["uuid"])
        moved = self.migrate(vm_id)
        asked = "SELECT arguments ? 'asked' FROM operation WHERE id = :o"
        self.until(lambda: self.sql(asked, o=moved["operation_id"]), "its memory is being sent")
        return moved

    def one(self, vm_id: int, node_id: int, launches: int) -> None:
        """Its guest runs there and has no domain elsewhere; so often it was started."""
        vm = self.wait(vm_id, "running")
        assert place_of(self, vm_id) == node_id and domains(self) == [(node_id, vm["uuid"])]
        running = self.memory[node_id].world.domains[vm["uuid"]]
        assert running.running is not None and not running.paused
        assert self.sql("SELECT launches FROM vm WHERE id = :v", v=vm_id) == launches
        self.until(lambda: self.sql("SELECT count(*) FROM fenced_vm") == 0, "it is forgotten")
        assert self.leaks() == [] and self.sql("SELECT count(*) FROM drift WHERE closed_at IS NULL") == 0


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(database_url, tmp_path, nodes=3)
    yield made
    made.stop()


def asked_target(cloud: Cluster) -> tuple[int, dict[str, Any], Callable[[], None]]:
    """A VM that migrates, whose target hangs as it is asked whether it takes it, and what lets that go on."""
    (vm_id,) = cloud.begin()
    target = cloud.memory[cloud.node_ids[1]]
    release = target.hang(60.0, ["takes"])
    moved = cloud.migrate(vm_id)
    cloud.until(lambda: "takes" in target.calls, "the target to be asked")
    return vm_id, moved, release


def test_target_before(cloud: Cluster) -> None:
    """Its source was not asked yet: it is given up, and runs on."""
    vm_id, moved, release = asked_target(cloud)
    dead = Dead(cloud, cloud.node_ids[1])
    told = dead.fence()
    assert [(each["vm_id"], each["node_id"], each["operation_id"]) for each in told["diverted"]] == [
        (vm_id, cloud.first, None)
    ]
    assert told["ended"] == told["left"] == []
    release()
    assert cloud.ended(moved["operation_id"])["state"] == "abandoned"
    dead.back()
    cloud.one(vm_id, cloud.first, 1)


@pytest.mark.parametrize("really", [True, False])
def test_target_under_way(cloud: Cluster, really: bool) -> None:
    """While its memory is sent: the source is believed, and it runs on; nobody waits for the target."""
    (vm_id,) = cloud.begin()
    moved = cloud.begun(vm_id)
    dead = Dead(cloud, cloud.node_ids[1], really)
    (told,) = dead.fence()["diverted"]
    assert (told["vm_id"], told["node_id"], told["operation_id"]) == (vm_id, cloud.first, moved["operation_id"])
    op = cloud.ended(moved["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "migration_failed") and "is off" in op["text"]
    assert cloud.vm(vm_id)["state"] == "running" and dead.fence()["diverted"] == []
    assert cloud.sql("SELECT node_id FROM console_leftover WHERE vm_id = :v", v=vm_id) == dead.node_id
    dead.back()
    cloud.one(vm_id, cloud.first, 1)


def test_target_in_the_last_moment(cloud: Cluster) -> None:
    """
    The source stands still and does not know whether its guest went on there. Its memory may be older than its disks
    then: it is started anew.
    """
    (vm_id,) = cloud.begin()
    moved = cloud.begun(vm_id)
    target, source = cloud.memory[cloud.node_ids[1]], cloud.memory[cloud.first]
    release = target.hang(60.0, ["look"])
    source.world.broken = "unknown"
    source.world.converges_not.clear()
    uuid = cloud.vm(vm_id)["uuid"]
    cloud.until(lambda: source.world.domains[uuid].paused, "the last moment")
    dead = Dead(cloud, cloud.node_ids[1])
    assert len(dead.fence()["diverted"]) == 1
    release()
    assert cloud.ended(moved["operation_id"])["state"] == "failed"
    cloud.wait(vm_id, "running")
    dead.back()
    cloud.one(vm_id, cloud.first, 2)


def test_target_after(cloud: Cluster) -> None:
    """It had gone over, and was not on record there: it has ended with it, and is started where its policy says."""
    (vm_id,) = cloud.begin(vnc=True)
    target = cloud.memory[cloud.node_ids[1]]
    release = target.hang(60.0, ["set_vnc"])
    moved = cloud.migrate(vm_id)
    cloud.until(lambda: "set_vnc" in target.calls, "the target to be asked")
    assert domains(cloud) == [(cloud.node_ids[1], cloud.vm(vm_id)["uuid"])]
    dead = Dead(cloud, cloud.node_ids[1], really=False)
    assert len(dead.fence()["diverted"]) == 1
    release()
    assert cloud.ended(moved["operation_id"])["state"] == "failed"
    vm = cloud.wait(vm_id, "running")
    assert len(domains(cloud)) == 2
    dead.back()
    assert vm["error"] == ""
    cloud.one(vm_id, place_of(cloud, vm_id), 2)


def test_source_before(cloud: Cluster) -> None:
    """It was not asked yet: its guest has ended there as the others have."""
    vm_id, moved, release = asked_target(cloud)
    dead = Dead(cloud, cloud.first)
    told = dead.fence()
    assert [(each["vm_id"], each["kind"]) for each in told["ended"]] == [(vm_id, "vm_start")]
    assert told["diverted"] == told["left"] == []
    release()
    assert cloud.ended(moved["operation_id"])["state"] == "abandoned"
    cloud.wait(vm_id, "running")
    dead.back()
    cloud.one(vm_id, place_of(cloud, vm_id), 2)


@pytest.mark.parametrize("policy", ["restart", "stop"])
def test_source_under_way(cloud: Cluster, policy: str) -> None:
    """While its memory was sent: what the target has of it is no guest, so it has ended."""
    (vm_id,) = cloud.begin()
    cloud.call("user.vm.set_policy", {"vm_id": vm_id, "on_host_failure": policy})
    moved = cloud.begun(vm_id)
    dead = Dead(cloud, cloud.first)
    (told,) = dead.fence()["diverted"]
    assert (told["vm_id"], told["node_id"], told["operation_id"]) == (vm_id, cloud.node_ids[1], moved["operation_id"])
    assert cloud.ended(moved["operation_id"])["state"] == "failed"
    if policy == "stop":
        cloud.wait(vm_id, "stopped")
        dead.back()
        assert domains(cloud) == [] and cloud.leaks() == []
        return
    cloud.wait(vm_id, "running")
    dead.back()
    cloud.one(vm_id, place_of(cloud, vm_id), 2)


def test_source_after(cloud: Cluster) -> None:
    """It runs at the target, as its source did not know: it is accepted there, as it runs."""
    (vm_id,) = cloud.begin()
    leases = cloud.vm(vm_id)["leases"]
    moved = cloud.begun(vm_id)
    target, source = cloud.memory[cloud.node_ids[1]], cloud.memory[cloud.first]
    release = target.hang(60.0, ["look"])
    source.world.broken = "unknown"
    source.world.converges_not.clear()
    uuid = cloud.vm(vm_id)["uuid"]
    cloud.until(lambda: source.world.domains[uuid].paused, "the last moment")
    dead = Dead(cloud, cloud.first, really=False)
    assert len(dead.fence()["diverted"]) == 1
    release()
    assert cloud.ended(moved["operation_id"])["state"] == "done"
    assert cloud.wait(vm_id, "running")["leases"] == leases
    dead.back()
    cloud.one(vm_id, cloud.node_ids[1], 1)
    assert cloud.sql("SELECT node_id FROM vnc_port WHERE vm_id = :v", v=vm_id) == cloud.node_ids[1]


@pytest.mark.parametrize("first", [0, 1])
def test_both(cloud: Cluster, first: int) -> None:
    """Whichever was said of first: it is nowhere, and started on a third."""
    (vm_id,) = cloud.begin()
    moved = cloud.begun(vm_id)
    cloud.memory[cloud.first].unreachable = cloud.memory[cloud.node_ids[1]].unreachable = True
    dead = [Dead(cloud, node_id) for node_id in cloud.node_ids[:2]]
    if first:
        dead.reverse()
    assert len(dead[0].fence()["diverted"]) == 1
    told = dead[1].fence()
    assert [(each["vm_id"], each["kind"]) for each in told["ended"]] == [(vm_id, "vm_start")], told
    assert cloud.ended(moved["operation_id"])["state"] == "abandoned"
    cloud.wait(vm_id, "running")
    for each in dead:
        each.back()
    cloud.one(vm_id, cloud.node_ids[2], 2)
