"""Nodes that an administrator says are off: what ran there runs elsewhere, once, whatever the machine does later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.rpc.errors import NodeAnswers, RoleNeeded
from support.dead import Dead, domains, place_of
from support.sharing import SharingCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[SharingCloud]:
    made = SharingCloud(database_url, tmp_path)
    yield made
    made.stop()


@pytest.mark.parametrize("really", [True, False])
def test_runs_elsewhere(cloud: SharingCloud, really: bool) -> None:
    """With its disk and address; the lost node is locked, and its domain ends first of all when it comes back."""
    (vm_id,) = cloud.begin(1)
    vm = cloud.vm(vm_id)
    dead = Dead(cloud, place_of(cloud, vm_id), really)
    told = dead.fence(reason="burnt")
    assert [(each["vm_id"], each["state"], each["kind"]) for each in told["ended"]] == [(vm_id, "running", "vm_start")]
    assert told["left"] == []
    again = cloud.wait(vm_id, "running")
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm_id) not in (None, dead.node_id)
    assert (again["leases"], again["uuid"]) == (vm["leases"], vm["uuid"])
    shown = cloud.call("admin.node.get_by_id", {"node_id": dead.node_id}, account="admin")
    assert (shown["mode"], shown["mode_reason"], shown["vms_used"]) == ("draining", "burnt", 0)
    assert dead.fence()["ended"] == []
    assert len(domains(cloud)) == 2
    dead.memory.unreachable = False
    cloud.until(lambda: dead.state() == "ok", "it answers")
    assert [node_id for node_id, _ in domains(cloud)] == [cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm_id)]
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM fenced_vm") == 0, "it is forgotten")
    cloud.call("admin.node.unlock", {"node_id": dead.node_id}, account="admin")
    assert cloud.vm(vm_id)["state"] == "running"
    assert cloud.sql("SELECT count(*) FROM drift WHERE closed_at IS NULL") == 0
    assert cloud.leaks() == []


def test_lock_is_outlived(cloud: SharingCloud) -> None:
    """Its storage believes for a while that the lost machine writes to the disk: the start goes on trying."""
    (vm_id,) = cloud.begin(1)
    dead = Dead(cloud, place_of(cloud, vm_id))
    (domain,) = dead.memory.world.domains.values()
    volume = dead.memory.world.storages.behind(domain.spec.disks[0].path)
    assert volume is not None
    volume.writer = "a lock of before"
    (started,) = dead.fence()["ended"]

    def tried() -> bool:
        op = cloud.call("admin.operation.get", [started["operation_id"]], account="admin")
        assert op["state"] != "failed"
        return "write" in op["waiting_for"]

    cloud.until(tried, "it is refused, and waits")
    volume.writer = None
    cloud.wait(vm_id, "running")


def test_by_policy_and_intent(cloud: SharingCloud) -> None:
    """What is to stay off when its host fails is stopped, as is what was being stopped; what was to end, ends."""
    stays, stopping, ending, trashed = cloud.begin(4)
    cloud.call("user.vm.set_policy", {"vm_id": stays, "on_host_failure": "stop"})
    assert cloud.vm(stays)["on_host_failure"] == "stop"
    dead = Dead(cloud, place_of(cloud, stays))
    stop = cloud.call("user.vm.stop", [stopping])["operation_id"]
    destroy = cloud.call("user.vm.destroy", [[ending]])[0]["operation_id"]
    trash = cloud.call("user.vm.trash", [[trashed]])[0]["operation_id"]
    told = {each["vm_id"]: each["kind"] for each in dead.fence()["ended"]}
    assert cloud.sql("SELECT locked FROM node WHERE id = :n", n=dead.node_id)
    assert told == {stays: "vm_stop", stopping: "vm_stop", ending: "vm_destroy", trashed: "vm_trash"}
    for vm_id, state in ((stays, "stopped"), (stopping, "stopped"), (ending, "destroyed"), (trashed, "trashed")):
        cloud.wait(vm_id, state, 60.0)
    assert cloud.ended(destroy)["state"] == "done"
    assert {cloud.ended(each)["state"] for each in (stop, trash)} == {"abandoned"}
    dead.memory.unreachable = False
    cloud.until(lambda: dead.state() == "ok", "it answers")
    cloud.until(lambda: domains(cloud) == [], "nothing of it runs")
    assert cloud.leaks() == []


def test_left(cloud: SharingCloud) -> None:
    """Work that needs the node stays as it is, and is told; a disk of the node's own cannot start elsewhere."""
    busy, kept = cloud.begin(2)
    dead = Dead(cloud, place_of(cloud, busy))
    operation_id = cloud.call("user.vm.create_snapshot", {"vm_id": busy, "name": "before"})["operation_id"]
    cloud.sql("UPDATE storage SET node_id = :n", n=dead.node_id)
    left = {each["vm_id"]: each for each in dead.fence()["left"]}
    assert left.keys() == {busy, kept} and left[kept]["code"] == "disk_on_node"
    cloud.sql("UPDATE storage SET node_id = NULL")
    (stays,) = [each for each in dead.fence()["left"]]
    assert (stays["vm_id"], stays["operation_id"]) == (busy, operation_id) and "snapshot_create" in stays["reason"]
    cloud.wait(kept, "running")
    dead.memory.unreachable = False
    cloud.ended(operation_id)


def test_suspended(cloud: SharingCloud) -> None:
    """
    Of one whose memory was being written nobody knows whether that is whole: it is started elsewhere, and what was
    written goes. One that was to wake up does so elsewhere.
    """
    writing, waking = cloud.begin(2)
    cloud.call("user.vm.suspend", [waking])
    cloud.wait(waking, "suspended")
    cloud.sql("UPDATE node SET locked = id <> :n", n=cloud.first)
    memory = cloud.memory[cloud.first]
    release = memory.hang(60.0, ["save", "restore"])
    suspend = cloud.call("user.vm.suspend", [writing])["operation_id"]
    wake_up = cloud.call("user.vm.wake_up", [waking])["operation_id"]
    cloud.until(lambda: {"save", "restore"} <= set(memory.calls), "the node to be asked")
    cloud.sql("UPDATE node SET locked = false")
    dead = Dead(cloud, cloud.first)
    told = dead.fence()
    assert {each["vm_id"]: each["kind"] for each in told["ended"]} == {writing: "vm_start", waking: "vm_wake_up"}
    assert told["left"] == []
    release()
    for vm_id in (writing, waking):
        cloud.wait(vm_id, "running")
        assert place_of(cloud, vm_id) != dead.node_id
    assert (cloud.ended(suspend)["state"], cloud.ended(wake_up)["state"]) == ("abandoned", "done")
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM operation WHERE finished_at IS NULL") == 0, "all is done")
    assert cloud.sql("SELECT count(*) FROM suspension") == 0
    dead.back()
    assert {node_id for node_id, _ in domains(cloud)} == {place_of(cloud, writing)}
    assert cloud.leaks() == []


def test_created_elsewhere(cloud: SharingCloud) -> None:
    """One that was being started for the first time is placed again, and made as it was asked for."""
    cloud.begin(0)
    cloud.sql("UPDATE node SET locked = id <> :n", n=cloud.first)
    memory = cloud.memory[cloud.first]
    release = memory.hang(60.0, ["start"])
    made = cloud.create(name="new")
    cloud.until(lambda: "start" in memory.calls, "the node to be asked")
    cloud.sql("UPDATE node SET locked = false")
    dead = Dead(cloud, cloud.first)
    assert [(each["vm_id"], each["kind"]) for each in dead.fence()["ended"]] == [(made["vm_id"], "vm_create")]
    release()
    vm = cloud.wait(made["vm_id"], "running")
    assert place_of(cloud, made["vm_id"]) != dead.node_id
    assert cloud.sql("SELECT state FROM operation WHERE kind = 'vm_create' AND vm_id = :v", v=made["vm_id"]) == "done"
    dead.back()
    assert domains(cloud) == [(place_of(cloud, made["vm_id"]), vm["uuid"])]
    assert cloud.leaks() == []


def test_devices_and_size(cloud: SharingCloud) -> None:
    """What was to be changed of a guest is on record, and the one that is started elsewhere has it."""
    plugging, moving = cloud.begin(2)
    disk = cloud.call("user.disk.create", {"name": "data", "size_mib": 5})
    assert cloud.ended(disk["operation_id"])["state"] == "done"
    dead = Dead(cloud, cloud.first)
    attach = cloud.call("user.disk.attach", {"vm_id": plugging, "disk_id": disk["disk_id"]})["operation_id"]
    to = cloud.node_ids[1]
    cold = cloud.call("admin.vm.migrate", {"vm_id": moving, "node_id": to, "live": False}, account="admin")
    told = {each["vm_id"]: each["kind"] for each in dead.fence()["ended"]}
    assert told == {plugging: "disk_attach", moving: "vm_move"}
    assert {cloud.ended(each)["state"] for each in (attach, cold["operation_id"])} == {"done"}
    for vm_id in (plugging, moving):
        cloud.wait(vm_id, "running")
        assert place_of(cloud, vm_id) == to
    uuid = cloud.vm(plugging)["uuid"]
    running = cloud.memory[to].world.domains[uuid].running
    assert running is not None and len(running.disks) == 2
    dead.back()
    assert {node_id for node_id, _ in domains(cloud)} == {to} and cloud.leaks() == []


def test_refused(cloud: SharingCloud) -> None:
    """A node that answers can be asked; nobody but administrators says so of one."""
    cloud.begin(1)
    with pytest.raises(NodeAnswers):
        cloud.call("admin.node.fence", {"node_id": cloud.node_ids[0]}, account="admin")
    with pytest.raises(RoleNeeded):
        cloud.call("admin.node.fence", {"node_id": cloud.node_ids[0]})
    assert cloud.sql("SELECT locked FROM node WHERE id = :n", n=cloud.node_ids[0]) is False
