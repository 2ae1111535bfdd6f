"""VMs that are suspended and woken up: nothing is lost, nothing goes on from what is of before, the books balance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import (
    HypervisorError,
    NodeUnreachable,
    NotAbandonable,
    NotSupported,
    QuotaReached,
    StorageFull,
    VMBusy,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskFormat, SeenReason
from cm.rules.suspension import memory_bytes
from cm.services.reconcile import run_pass
from support.cloud import MemoryCloud, run
from support.guest import Guest, check_balance, done, rows, share_storages, used

ROOM = memory_bytes(128)


class Sleeper(Guest):
    def suspend(self) -> dict[str, Any]:
        done(self.cloud, "user.vm.suspend", vm_id=self.vm_id)
        return self.cloud.wait(self.vm_id, "suspended")

    def wake_up(self) -> dict[str, Any]:
        done(self.cloud, "user.vm.wake_up", vm_id=self.vm_id)
        return self.cloud.wait(self.vm_id, "running")

    def failed(self, verb: str) -> dict[str, Any]:
        """Ask for it, and have it fail."""
        asked = self.cloud.call(f"user.vm.{verb}", {"vm_id": self.vm_id})
        ended = self.cloud.ended(asked["operation_id"])
        assert ended["state"] == "failed", ended
        return ended

    def memories(self) -> list[str]:
        """The memory that lies on the storage."""
        share = next(iter(self.cloud.memory.values())).world.storages.share(f"wawel-{self.cloud.storage_id}")
        return [name for name, volume in share.volumes.items() if volume.saved is not None or "-memory" in name]

    def runs_on(self) -> list[int]:
        found = {n: m.world.domains.get(self.uuid) for n, m in self.cloud.memory.items()}
        return [node_id for node_id, domain in found.items() if domain is not None and domain.running is not None]

    def settled(self) -> None:
        """What was deleted is gone, and everything is counted."""
        under_way = "SELECT count(*) FROM operation WHERE state IN ('queued', 'running', 'waiting')"
        self.cloud.until(lambda: self.cloud.sql(under_way) == 0, "it settles")
        check_balance(self.cloud)


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    share_storages(made)
    yield made
    made.stop()


def test_there_and_back(cloud: MemoryCloud) -> None:
    """
    Its memory lies on its storage and is counted, its node's share and port are free, and it goes on elsewhere: not
    started anew, with its address, its hello and its disk; and then nothing is left of it.
    """
    guest = Sleeper(cloud, vnc=True)
    cloud.sql("UPDATE vm SET contextualized_at = now() WHERE id = :v", v=guest.vm_id)
    guest.write("awake;")
    before, (mib, claimed) = cloud.vm(guest.vm_id), used(cloud)
    first = guest.runs_on()
    asleep = guest.suspend()
    assert (asleep["cc1_state"], asleep["power_state"], asleep["ec2_state"]) == (9, "Suspended", "stopped")
    assert guest.runs_on() == [] and len(guest.memories()) == 1
    assert used(cloud) == (mib + ROOM // 2**20, claimed + ROOM)
    assert rows(cloud, "SELECT sum(vms_used), sum(memory_mib_used) FROM node")[0] == (0, 0)
    assert cloud.sql("SELECT count(*) FROM vnc_port WHERE vm_id IS NOT NULL") == 0
    uses = {each["use"]: each["count"] for each in cloud.call("user.account.get_statistics")["uses"]}
    assert uses["memory"] == 1
    content = cloud.call("admin.storage.get_content", {"storage_id": cloud.storage_id}, account="admin")
    assert [each["vm_id"] for each in content if "-memory" in each["name"]] == [guest.vm_id]
    guest.settled()
    cloud.call("admin.node.lock", {"node_id": first[0]}, account="admin")
    awake = guest.wake_up()
    assert guest.runs_on() == [node_id for node_id in cloud.node_ids if node_id not in first]
    assert guest.read().endswith("awake;") and awake["leases"] == before["leases"] and awake["contextualized"]
    domain = cloud.memory[guest.runs_on()[0]].world.domains[guest.uuid]
    assert (domain.paused, domain.reason) == (False, SeenReason.UNPAUSED)
    assert domain.vnc is not None and domain.vnc.port == int(awake["vnc_endpoint"].split(":")[1])
    guest.settled()
    assert guest.memories() == [] and used(cloud) == (mib, claimed)
    guest.destroy()
    guest.settled()


def test_refused(cloud: MemoryCloud) -> None:
    """What does not fit is refused by the call, and in other states it is not to be had; each says why."""
    guest = Sleeper(cloud)
    cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib + 100 WHERE id = :a", a=cloud.user_id)
    with pytest.raises(QuotaReached):
        cloud.call("user.vm.suspend", {"vm_id": guest.vm_id})
    cloud.sql("UPDATE account SET quota_storage_mib = 1000000")
    cloud.sql("UPDATE storage SET capacity_bytes = 1000000, overcommit = 1.0")
    with pytest.raises(StorageFull):
        cloud.call("user.vm.suspend", {"vm_id": guest.vm_id})
    cloud.sql("UPDATE storage SET capacity_bytes = 1099511627776, kind = 'logical'")
    with pytest.raises(NotSupported):
        cloud.call("user.vm.suspend", {"vm_id": guest.vm_id})
    cloud.sql("UPDATE storage SET kind = 'dir'")
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.wake_up", {"vm_id": guest.vm_id})
    assert cloud.leaks() == [] and cloud.vm(guest.vm_id)["state"] == "running"
    guest.suspend()
    for verb in ("start", "suspend", "pause", "shutdown"):
        with pytest.raises(WrongVMState):
            cloud.call(f"user.vm.{verb}", {"vm_id": guest.vm_id})
    with pytest.raises(WrongVMState):
        cloud.call("user.disk.grow", {"disk_id": guest.disk_id(), "size_mib": 96})
    (told,) = cloud.call("user.vm.operations", {"vm_ids": [guest.vm_id]})
    allowed = {each["call"] for each in told["operations"] if each["allowed"]}
    assert {"user.vm.wake_up", "user.vm.stop", "user.vm.destroy"} <= allowed
    assert allowed.isdisjoint({"user.vm.start", "user.vm.suspend", "user.vm.save", "user.nic.attach"})


def test_asked_twice(cloud: MemoryCloud) -> None:
    """Who asks again while it is under way is told that it is, and nothing more is claimed."""
    guest = Sleeper(cloud)
    release = guest.node.hang(30.0, ["save"])
    try:
        cloud.call("user.vm.suspend", {"vm_id": guest.vm_id})
        claimed = used(cloud)
        with pytest.raises(VMBusy):
            cloud.call("user.vm.suspend", {"vm_id": guest.vm_id})
        assert used(cloud) == claimed
    finally:
        release()
    cloud.wait(guest.vm_id, "suspended")
    guest.settled()


def test_full_after_all(cloud: MemoryCloud) -> None:
    """A storage that is full when it is written: the guest goes on, and what was claimed goes back."""
    guest = Sleeper(cloud)
    guest.node.fail_next("save", StorageFull(0, 0, 0))
    assert "storage" in guest.failed("suspend")["text"].lower()
    assert cloud.wait(guest.vm_id, "running")["error"] == "" and len(guest.runs_on()) == 1
    guest.settled()
    assert guest.memories() == []
    guest.suspend()


def test_left_job(cloud: MemoryCloud) -> None:
    """A job that work which was given up has left on its disk is ended: libvirt writes no memory beside one."""
    guest = Sleeper(cloud)
    pool, node = f"wawel-{cloud.storage_id}", guest.node
    size_bytes = cloud.sql("SELECT u.size_bytes FROM disk k JOIN volume u ON u.id = k.volume_id WHERE k.id = :d",
                           d=guest.disk_id())  # fmt: skip
    node.volumes.create_empty(pool, "left.qcow2", DiskFormat.QCOW2, size_bytes)
    node.block_jobs.copy(guest.uuid, "vda", node.volumes.source(pool, "left.qcow2"), DiskFormat.QCOW2)
    guest.suspend()
    assert node.calls.count("save") == 2 and len(guest.memories()) == 1
    guest.wake_up()


def test_ends_meanwhile(cloud: MemoryCloud) -> None:
    """A guest that ends by itself before it is written has ended, as its policy says, and nothing is kept."""
    guest = Sleeper(cloud, on_poweroff="restart")
    release = guest.node.hang(30.0, ["look"])
    try:
        asked = cloud.call("user.vm.suspend", {"vm_id": guest.vm_id})
        cloud.until(lambda: "look" in guest.node.calls, "its node is asked")
        guest.node.guest_power_off(guest.uuid)
    finally:
        release()
    assert cloud.ended(asked["operation_id"])["error"] == "suspension_failed"
    cloud.wait(guest.vm_id, "running")
    assert cloud.sql("SELECT launches FROM vm WHERE id = :v", v=guest.vm_id) == 2
    guest.settled()
    assert guest.memories() == []


@pytest.mark.parametrize("after", [False, True])
def test_answers_that_are_lost(cloud: MemoryCloud, after: bool) -> None:
    """Whether a call was begun or its answer alone is lost: it is suspended once, and goes on once."""
    guest = Sleeper(cloud)
    guest.write("awake;")
    for method in ("save", "undefine"):
        guest.node.fail_next(method, NodeUnreachable("n", "Connection reset by peer"), after=after)
    guest.suspend()
    guest.settled()
    assert len(guest.memories()) == 1
    for memory in cloud.memory.values():
        for method in ("restore", "resume"):
            memory.fail_next(method, NodeUnreachable("n", "Connection reset by peer"), after=after)
    guest.wake_up()
    assert guest.read().endswith("awake;") and len(guest.runs_on()) == 1
    guest.settled()
    assert guest.memories() == []


def test_wake_up_fails(cloud: MemoryCloud) -> None:
    """It stays suspended, its node's share goes back, the reason is told, and it can be woken up again."""
    guest = Sleeper(cloud)
    guest.suspend()
    for memory in cloud.memory.values():
        memory.fail_next("restore", HypervisorError("guest CPU doesn't match specification", 9))
    assert "CPU" in guest.failed("wake_up")["text"]
    assert "CPU" in cloud.wait(guest.vm_id, "suspended")["error"]
    assert guest.runs_on() == [] and len(guest.memories()) == 1
    assert cloud.sql("SELECT sum(vms_used) FROM node") == 0
    guest.settled()
    for memory in cloud.memory.values():
        memory._faults.next.clear()
    assert guest.wake_up()["error"] == ""
    guest.settled()


def test_only_where_it_can(cloud: MemoryCloud) -> None:
    """It is placed where its guest can go on: at no node of another hypervisor, nor with an older one."""
    guest = Sleeper(cloud)
    (node_id,) = guest.runs_on()
    guest.suspend()
    other = next(each for each in cloud.node_ids if each != node_id)
    cloud.sql("UPDATE node SET info = '{\"arch\": \"x86_64\"}' WHERE id = :n", n=node_id)
    cloud.sql("UPDATE node SET info = '{\"arch\": \"aarch64\"}' WHERE id = :n", n=other)
    cloud.call("admin.node.lock", {"node_id": node_id}, account="admin")
    guest.failed("wake_up")
    assert cloud.wait(guest.vm_id, "suspended")["error"] and guest.memories()
    cloud.call("admin.node.unlock", {"node_id": node_id}, account="admin")
    guest.wake_up()
    assert guest.runs_on() == [node_id]


@pytest.mark.parametrize("end", ["stop", "destroy", "erase"])
def test_ends(cloud: MemoryCloud, end: str) -> None:
    """Who stops a suspended VM forgets its memory; with a VM that is destroyed or erased it goes."""
    guest = Sleeper(cloud)
    guest.suspend()
    if end == "stop":
        guest.stop()
        guest.settled()
        assert guest.memories() == []
        guest.start()
        return
    if end == "destroy":
        guest.destroy()
    else:
        cloud.call("admin.vm.erase", {"vm_id": guest.vm_id}, account="admin")
    assert used(cloud)[0] == 0 and cloud.leaks() == []
    cloud.until(lambda: guest.memories() == [] or end == "erase", "it is gone")


def test_given_up(cloud: MemoryCloud) -> None:
    """
    Once it is being written nobody gives it up, but a destroy ends it; whoever gives up waking it leaves it asleep,
    be its domain there already or not, and who wakes it next finds it so.
    """
    guest = Sleeper(cloud)
    release = guest.node.hang(30.0, ["save"])
    try:
        asked = cloud.call("user.vm.suspend", {"vm_id": guest.vm_id})
        cloud.until(lambda: "save" in guest.node.calls, "it is being written")
        with pytest.raises(NotAbandonable):
            cloud.call("user.operation.abandon", {"operation_id": asked["operation_id"]})
        with pytest.raises(VMBusy):
            cloud.call("user.vm.stop", {"vm_id": guest.vm_id})
    finally:
        release()
    cloud.wait(guest.vm_id, "suspended")
    hung = [memory.hang(30.0, ["resume"]) for memory in cloud.memory.values()]
    asked = cloud.call("user.vm.wake_up", {"vm_id": guest.vm_id})
    cloud.until(lambda: any("resume" in memory.calls for memory in cloud.memory.values()), "it is there")
    cloud.call("user.vm.destroy", {"vm_ids": [guest.vm_id]})
    for release in hung:
        release()
    cloud.wait(guest.vm_id, "destroyed")
    guest.settled()


def test_waking_is_given_up(cloud: MemoryCloud) -> None:
    """Its domain is there and has not gone on: it stays suspended, and wakes up there."""
    guest = Sleeper(cloud)
    guest.write("awake;")
    networks = guest.node.world.networks
    guest.suspend()
    hung = [memory.hang(30.0, ["look"]) for memory in cloud.memory.values()]
    asked = cloud.call("user.vm.wake_up", {"vm_id": guest.vm_id})
    cloud.until(lambda: cloud.sql("SELECT node_claimed FROM vm WHERE id = :v", v=guest.vm_id), "it is placed")
    (placed,) = rows(cloud, "SELECT node_id FROM vm WHERE id = :v", v=guest.vm_id)
    (name,) = guest.memories()
    memory = cloud.memory[placed.node_id]
    saved = memory.world.storages.source(f"wawel-{cloud.storage_id}", name).saved
    assert saved is not None
    memory.world.networks.update(networks)
    memory.world.define(saved)
    memory.world.restore(saved)
    cloud.call("user.operation.abandon", {"operation_id": asked["operation_id"]})
    for release in hung:
        release()
    assert cloud.wait(guest.vm_id, "suspended")["error"] == ""
    cloud.call("admin.node.check", {"node_id": placed.node_id}, account="admin")
    assert cloud.vm(guest.vm_id)["state"] == "suspended" and guest.runs_on() == [placed.node_id]
    guest.wake_up()
    assert guest.read().endswith("awake;")
    guest.settled()


def _pass(cloud: MemoryCloud, node_id: int) -> None:
    run(lambda: run_pass(cloud.manager.services, node_id))


def _placed(cloud: MemoryCloud, vm_id: int) -> int | None:
    node_id: int | None = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm_id)
    return node_id


def test_waking_is_given_up_and_done_late(cloud: MemoryCloud) -> None:
    """
    Its memory is being read when that is given up. A pass that finds no domain of it takes it from no node meanwhile:
    the domain is there later, and nobody deletes the disks before it is gone.
    """
    guest = Sleeper(cloud)
    guest.suspend()
    hung = [memory.hang(30.0, ["restore"]) for memory in cloud.memory.values()]
    asked = cloud.call("user.vm.wake_up", {"vm_id": guest.vm_id})
    cloud.until(lambda: any("restore" in memory.calls for memory in cloud.memory.values()), "it is read")
    node_id = _placed(cloud, guest.vm_id)
    assert node_id is not None
    cloud.call("user.operation.abandon", {"operation_id": asked["operation_id"]})
    _pass(cloud, node_id)
    assert (cloud.vm(guest.vm_id)["state"], _placed(cloud, guest.vm_id)) == ("suspended", node_id)
    for release in hung:
        release()
    cloud.until(lambda: guest.runs_on() == [node_id], "it is there all the same")
    world = cloud.memory[node_id].world
    writes = world.domains[guest.uuid].writes
    _pass(cloud, node_id)
    assert (cloud.vm(guest.vm_id)["state"], _placed(cloud, guest.vm_id)) == ("suspended", node_id)
    guest.destroy()
    assert guest.runs_on() == [] and writes
    guest.settled()


def test_waking_is_given_up_and_comes_to_nothing(cloud: MemoryCloud) -> None:
    """Once nobody is at it any more, a pass that finds no domain gives its node's share back."""
    guest = Sleeper(cloud)
    guest.suspend()
    hung = [memory.hang(30.0, ["restore"]) for memory in cloud.memory.values()]
    for memory in cloud.memory.values():
        memory.fail_next("restore", NodeUnreachable("n", "Connection reset by peer"))
    asked = cloud.call("user.vm.wake_up", {"vm_id": guest.vm_id})
    cloud.until(lambda: any("restore" in memory.calls for memory in cloud.memory.values()), "it is read")
    node_id = _placed(cloud, guest.vm_id)
    assert node_id is not None
    cloud.call("user.operation.abandon", {"operation_id": asked["operation_id"]})
    for release in hung:
        release()
    at_work = "SELECT count(*) FROM operation WHERE state = 'abandoned' AND worker_id IS NOT NULL"
    cloud.until(lambda: cloud.sql(at_work) == 0, "its worker has stopped")
    _pass(cloud, node_id)
    cloud.until(lambda: _placed(cloud, guest.vm_id) is None, "it rests")
    for memory in cloud.memory.values():
        memory._faults.next.clear()
    guest.settled()
    guest.wake_up()


def _restored_by_hand(cloud: MemoryCloud, guest: Sleeper) -> int:
    """The domain of a suspended VM that is placed nowhere stands still on a node. :return: its number."""
    node_id = cloud.node_ids[0]
    memory, (name,) = cloud.memory[node_id], guest.memories()
    saved = memory.world.storages.source(f"wawel-{cloud.storage_id}", name).saved
    assert saved is not None
    for other in cloud.memory.values():
        memory.world.networks.update(other.world.networks)
    memory.world.define(saved)
    memory.world.restore(saved)
    _pass(cloud, node_id)
    return node_id


def test_adopted(cloud: MemoryCloud) -> None:
    """A VM whose domain is found where it is not placed goes on as that is: its memory is of before, and goes."""
    guest = Sleeper(cloud)
    guest.suspend()
    node_id = _restored_by_hand(cloud, guest)
    asked = {"node_id": node_id, "uuid": guest.uuid, "user_id": cloud.user_id}
    cloud.call("admin.vm.adopt", asked, account="admin")
    cloud.call("user.vm.resume", {"vm_id": guest.vm_id})
    cloud.wait(guest.vm_id, "running")
    guest.settled()
    assert guest.memories() == []
    guest.suspend()
    assert len(guest.memories()) == 1
    guest.wake_up()


def test_destroyed_where_it_is_not_placed(cloud: MemoryCloud) -> None:
    """A domain that a pass saw where its VM is not placed ends before the VM's disks do."""
    guest = Sleeper(cloud)
    guest.suspend()
    memory = cloud.memory[_restored_by_hand(cloud, guest)]
    (volume,) = memory.world.domains[guest.uuid].writes
    release = memory.hang(30.0, ["undefine", "destroy"])
    try:
        asked = len(memory.calls)
        cloud.call("user.vm.destroy", {"vm_ids": [guest.vm_id]})
        cloud.until(lambda: "undefine" in memory.calls[asked:], "it is to end")
        assert (
            volume.writer == guest.uuid
            and volume.name in memory.world.storages.share(f"wawel-{cloud.storage_id}").volumes
        )
    finally:
        release()
    cloud.wait(guest.vm_id, "destroyed")
    assert guest.runs_on() == []
    guest.settled()
