"""VMs that go to another node while they run: one copy at every moment, and the record says which."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.node import MemoryNode
from cm.rpc.errors import (
    CannotMigrate,
    HypervisorError,
    NoCapacity,
    NodeUnreachable,
    NotAbandonable,
    ObjectNotFound,
    VMBusy,
    WrongVMState,
)
from support.sharing import SharingCloud


class Cluster(SharingCloud):
    """Whose operations are waited for."""

    def admin(self, method: str, **params: Any) -> Any:
        return self.call(f"admin.{method}", params, account="admin")

    def over(self, operation_id: int) -> dict[str, Any]:
        def ended() -> bool:
            return bool(self.admin("operation.get", operation_id=operation_id)["finished"])

        self.until(ended, f"operation {operation_id} ends", 30.0)
        found: dict[str, Any] = self.admin("operation.get", operation_id=operation_id)
        return found

    def place(self, vm_id: int) -> int:
        return int(self.sql("SELECT node_id FROM vm WHERE id = :id", id=vm_id))

    def uuid(self, vm_id: int) -> str:
        return str(self.vm(vm_id)["uuid"])

    def runs_on(self, vm_id: int) -> list[int]:
        """Where its guest is, and that it is nowhere else."""
        uuid = self.uuid(vm_id)
        found = {n: m.world.domains.get(uuid) for n, m in self.memory.items()}
        assert not any(uuid in memory.world.expected for memory in self.memory.values())
        return [node_id for node_id, domain in found.items() if domain is not None and domain.running is not None]

    def steps(self, vm_id: int, step: str) -> Callable[[], bool]:
        return lambda: self.sql("SELECT max(step) FROM operation WHERE vm_id = :v AND finished_at IS NULL"
                                " AND (arguments->>'asked' IS NOT NULL)", v=vm_id) == step  # fmt: skip


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(database_url, tmp_path, nodes=3)
    yield made
    made.stop()


def nodes(cloud: Cluster, vm: int, moved: dict[str, Any]) -> tuple[MemoryNode, MemoryNode]:
    return cloud.memory[cloud.first], cloud.memory[moved["node_id"]]


def endless(cloud: Cluster, vm: int, **more: Any) -> dict[str, Any]:
    """One that comes to no end is under way."""
    cloud.memory[cloud.first].world.converges_not.add(cloud.uuid(vm))
    moved: dict[str, Any] = cloud.admin("vm.migrate", vm_id=vm, **more)
    cloud.until(cloud.steps(vm, "transfer"), "its memory is being sent")
    return moved


def stayed(cloud: Cluster, vm: int, operation_id: int) -> str:
    op = cloud.over(operation_id)
    assert (op["state"], op["error"]) == ("failed", "migration_failed"), op
    vm_now = cloud.wait(vm, "running")
    assert vm_now["error"] == "" and cloud.runs_on(vm) == [cloud.place(vm)] == [cloud.first]
    assert cloud.leaks() == [] and cloud.sql("SELECT count(*) FROM drift WHERE closed_at IS NULL") == 0
    return str(op["text"])


def test_moves(cloud: Cluster) -> None:
    """It is elsewhere, with its address, its port there and its hello, and was not started anew."""
    (vm,) = cloud.begin(vnc=True)
    cloud.sql("UPDATE vm SET contextualized_at = now() WHERE id = :v", v=vm)
    before = cloud.vm(vm)
    planned = cloud.admin("vm.migrate", vm_id=vm, dry_run=True)["plan"]
    assert [step["step"] for step in planned] == ["move"] and cloud.leaks() == []
    moved = cloud.admin("vm.migrate", vm_id=vm)
    assert moved["how"] == "live" and moved["node_id"] == planned[0]["node_id"] != cloud.first
    op = cloud.over(moved["operation_id"])
    assert (op["state"], op["progress"]) == ("done", 100) and op["result"]["node_id"] == moved["node_id"], op
    after = cloud.wait(vm, "running")
    assert cloud.place(vm) == moved["node_id"] and cloud.runs_on(vm) == [moved["node_id"]]
    assert (after["leases"], after["uuid"]) == (before["leases"], before["uuid"])
    assert cloud.sql("SELECT launches FROM vm WHERE id = :v AND contextualized_at IS NOT NULL", v=vm) == 1
    assert cloud.sql("SELECT node_id FROM vnc_port WHERE vm_id = :v", v=vm) == moved["node_id"]
    assert cloud.uuid(vm) not in cloud.memory[cloud.first].world.domains
    assert cloud.leaks() == [] and cloud.sql("SELECT count(*) FROM drift WHERE closed_at IS NULL") == 0
    back = cloud.admin("vm.migrate", vm_id=vm, node_id=cloud.first)
    assert cloud.over(back["operation_id"])["state"] == "done" and cloud.runs_on(vm) == [cloud.first]
    cloud.call("user.vm.destroy", [[vm]])
    cloud.until(lambda: cloud.vm(vm)["state"] == "destroyed", "it is destroyed")
    assert cloud.leaks() == []


def test_screen_on_arrival(cloud: Cluster) -> None:
    """What is asked of its screen when the target has it as it was, and the source has no domain, comes there."""
    (vm,) = cloud.begin(vnc=False)
    target = cloud.memory[cloud.node_ids[1]]
    release = target.hang(60.0, ["set_vnc"])
    try:
        moved = cloud.admin("vm.migrate", vm_id=vm, node_id=cloud.node_ids[1])
        cloud.until(lambda: "set_vnc" in target._faults.calls, "the target to be asked")
        told = cloud.call("user.vm.attach_vnc", [vm])
        assert cloud.over(told["operation_id"])["state"] == "done"
    finally:
        release()
    assert cloud.over(moved["operation_id"])["state"] == "done"

    def seen() -> tuple[bool, str]:
        vnc = target.world.domains[cloud.uuid(vm)].vnc
        assert vnc is not None
        return vnc.enabled, vnc.password

    cloud.until(lambda: seen() == (True, told["password"]), "its screen")


def test_paused(cloud: Cluster) -> None:
    """One that is paused is so there, too, and goes on when it is resumed."""
    (vm,) = cloud.begin()
    cloud.call("user.vm.pause", [vm])
    cloud.wait(vm, "paused")
    moved = cloud.admin("vm.migrate", vm_id=vm)
    assert cloud.over(moved["operation_id"])["state"] == "done"
    cloud.wait(vm, "paused")
    cloud.call("user.vm.resume", [vm])
    cloud.wait(vm, "running")
    assert cloud.runs_on(vm) == [moved["node_id"]]


def test_refused(cloud: Cluster) -> None:
    """What is in its way is told before anything is done."""
    (vm,) = cloud.begin()
    second, third = cloud.node_ids[1:]

    def refused(error: type[Exception], match: str, **more: Any) -> None:
        with pytest.raises(error, match=match):
            cloud.admin("vm.migrate", vm_id=vm, **more)
        assert cloud.leaks() == [] and cloud.runs_on(vm) == [cloud.first]

    refused(CannotMigrate, "runs there already", node_id=cloud.first)
    refused(ObjectNotFound, "node", node_id=10**6)
    cloud.sql("UPDATE node SET info = jsonb_build_object('arch', CASE id WHEN :n THEN 'arm64' ELSE 'x86_64' END)",
              n=second)  # fmt: skip
    refused(CannotMigrate, "architecture is arm64", node_id=second)
    cloud.sql("UPDATE node SET locked = true WHERE id = :n", n=third)
    refused(NoCapacity, "locked.*arm64")
    cloud.sql("UPDATE node SET locked = false, info = '{}'")
    cloud.sql("DELETE FROM storage_attachment WHERE node_id = :n", n=second)
    refused(NoCapacity, "storage not attached", node_id=second)
    cloud.sql("DELETE FROM storage_attachment WHERE node_id = :n", n=third)
    cloud.sql("UPDATE storage SET node_id = :n", n=cloud.first)
    refused(CannotMigrate, "own storage main")
    refused(CannotMigrate, "own storage main", live=False)
    cloud.sql("UPDATE storage SET node_id = NULL")
    attach = "INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached')"
    cloud.sql(attach, s=cloud.storage_id, n=third)
    with pytest.raises(WrongVMState):
        cloud.admin("vm.abort_migration", vm_id=vm)
    cloud.memory[cloud.first].world.converges_not.add(cloud.uuid(vm))
    moved = cloud.admin("vm.migrate", vm_id=vm, node_id=third)
    with pytest.raises(VMBusy):
        cloud.admin("vm.migrate", vm_id=vm)
    cloud.admin("vm.abort_migration", vm_id=vm)
    stayed(cloud, vm, moved["operation_id"])
    cloud.call("user.vm.stop", [vm])
    cloud.wait(vm, "stopped")
    with pytest.raises(WrongVMState):
        cloud.admin("vm.migrate", vm_id=vm)


def test_cold(cloud: Cluster) -> None:
    """It is started at the node that was asked for."""
    (vm,) = cloud.begin()
    moved = cloud.admin("vm.migrate", vm_id=vm, node_id=cloud.node_ids[2], live=False)
    assert moved["how"] == "cold" and cloud.over(moved["operation_id"])["state"] == "done"
    assert cloud.runs_on(vm) == [cloud.node_ids[2]] and cloud.leaks() == []
    assert cloud.sql("SELECT launches FROM vm WHERE id = :v", v=vm) == 2


def test_other_cpu(cloud: Cluster) -> None:
    """A node whose CPU lacks what the guest has is asked before anything is begun."""
    (vm,) = cloud.begin()
    from dataclasses import replace

    for node_id in cloud.node_ids[1:]:
        world = cloud.memory[node_id].world
        world.info = replace(world.info, cpu_model="another")
    op = cloud.over(cloud.admin("vm.migrate", vm_id=vm)["operation_id"])
    assert op["error"] == "cannot_migrate" and "CPU" in op["admin_text"]
    assert cloud.runs_on(vm) == [cloud.first] and cloud.leaks() == []
    assert "migrate" not in cloud.memory[cloud.first].calls


def test_abort(cloud: Cluster) -> None:
    """An administrator ends it; it cannot be given up or destroyed on its way, and what it claimed goes back."""
    (vm,) = cloud.begin()
    moved = endless(cloud, vm)
    with pytest.raises(NotAbandonable):
        cloud.admin("operation.abandon", operation_id=moved["operation_id"])
    (told,) = cloud.call("user.vm.destroy", [[vm]])
    assert told["status"] == "operation_not_abandonable", told
    assert cloud.sql("SELECT count(*) FROM vm WHERE moves_to IS NOT NULL") == 1 and cloud.leaks() == []

    def told() -> dict[str, Any]:
        found: dict[str, Any] = cloud.admin("operation.get", operation_id=moved["operation_id"])
        return found

    cloud.until(lambda: "MiB" in told()["waiting_for"], "it is told how far it is")
    assert 0 < told()["progress"] < 100
    cloud.admin("vm.abort_migration", vm_id=vm)
    assert "ended it" in stayed(cloud, vm, moved["operation_id"])
    cloud.memory[cloud.first].world.converges_not.clear()
    cloud.admin("operation.retry", operation_id=moved["operation_id"])
    assert cloud.over(moved["operation_id"])["state"] == "done" and cloud.runs_on(vm) == [cloud.place(vm)]


def test_never_converges(cloud: Cluster) -> None:
    """After its time it stays, or goes on there all the same, as was asked."""
    (vm,) = cloud.begin()
    moved = endless(cloud, vm, timeout_s=1.0)
    assert "faster" in stayed(cloud, vm, moved["operation_id"])
    moved = endless(cloud, vm, timeout_s=1.0, post_copy=True)
    op = cloud.over(moved["operation_id"])
    assert op["state"] == "done" and op["result"]["switched"] and cloud.runs_on(vm) == [moved["node_id"]]
    assert cloud.leaks() == []


@pytest.mark.parametrize("broken", ["left defined", "nowhere"])
def test_comes_to_nothing(cloud: Cluster, broken: str) -> None:
    """The last moment goes wrong: what is left at the target is cleared away, and the guest goes on here."""
    (vm,) = cloud.begin()
    cloud.memory[cloud.first].world.broken = broken
    moved = cloud.admin("vm.migrate", vm_id=vm)
    stayed(cloud, vm, moved["operation_id"])
    assert cloud.uuid(vm) not in cloud.memory[moved["node_id"]].world.domains
    assert not cloud.memory[cloud.first].world.domains[cloud.uuid(vm)].paused


def test_source_does_not_know(cloud: Cluster) -> None:
    """The source stands still and does not know that its guest runs at the target: there it is."""
    (vm,) = cloud.begin()
    cloud.memory[cloud.first].world.broken = "unknown"
    moved = cloud.admin("vm.migrate", vm_id=vm)
    assert cloud.over(moved["operation_id"])["state"] == "done"
    assert cloud.runs_on(vm) == [moved["node_id"]] == [cloud.place(vm)] and cloud.leaks() == []


@pytest.mark.parametrize("broken", ["unknown", "nowhere"])
def test_paused_and_broken(cloud: Cluster, broken: str) -> None:
    """Its owner paused it: whatever becomes of its last moment, it stands still, at one place, until they resume it."""
    (vm,) = cloud.begin()
    cloud.call("user.vm.pause", {"vm_id": vm})
    cloud.wait(vm, "paused")
    cloud.memory[cloud.first].world.broken = broken
    moved = cloud.admin("vm.migrate", vm_id=vm)
    assert cloud.over(moved["operation_id"])["state"] == "failed"
    cloud.wait(vm, "paused")
    (place,) = cloud.runs_on(vm)
    assert place == cloud.place(vm) and cloud.memory[place].world.domains[cloud.uuid(vm)].paused
    cloud.call("user.vm.resume", {"vm_id": vm})
    cloud.wait(vm, "running")
    assert not cloud.memory[place].world.domains[cloud.uuid(vm)].paused and cloud.leaks() == []


def test_target_away(cloud: Cluster) -> None:
    """While the target cannot be asked nobody believes in the source; then it is, and has nothing left there."""
    (vm,) = cloud.begin()
    moved = endless(cloud, vm)
    cloud.memory[moved["node_id"]].unreachable = True
    attempts = "SELECT attempts FROM operation WHERE id = :o"
    cloud.until(lambda: cloud.sql(attempts, o=moved["operation_id"]) > 1, "it waits")
    assert cloud.admin("operation.get", operation_id=moved["operation_id"])["finished"] is None
    assert cloud.sql("SELECT moves_to FROM vm WHERE id = :v", v=vm) == moved["node_id"]
    cloud.memory[moved["node_id"]].unreachable = False
    stayed(cloud, vm, moved["operation_id"])


def test_refused_by_hypervisor(cloud: Cluster) -> None:
    """What the hypervisor says is told, and nothing is left."""
    (vm,) = cloud.begin()
    cloud.memory[cloud.first].fail_next("migrate", HypervisorError("Unsafe migration", 81))
    assert "Unsafe" in stayed(cloud, vm, cloud.admin("vm.migrate", vm_id=vm)["operation_id"])


def test_answer_lost(cloud: Cluster) -> None:
    """It was begun, and nobody was told: it is found under way."""
    (vm,) = cloud.begin()
    lost = NodeUnreachable("n1", "Connection reset by peer")
    cloud.memory[cloud.first].fail_next("migrate", lost, after=True)
    moved = cloud.admin("vm.migrate", vm_id=vm)
    assert cloud.over(moved["operation_id"])["state"] == "done" and cloud.runs_on(vm) == [moved["node_id"]]
    assert cloud.memory[cloud.first].calls.count("migrate") == 1


def test_guest_ends(cloud: Cluster) -> None:
    """Its guest powers off on its way: it has ended, by its policy, and is nowhere."""
    (vm,) = cloud.begin()
    moved = endless(cloud, vm)
    cloud.memory[cloud.first].guest_power_off(cloud.uuid(vm))
    op = cloud.over(moved["operation_id"])
    assert "ended" in op["text"]
    cloud.wait(vm, "stopped")
    assert cloud.runs_on(vm) == [] and cloud.leaks() == []


def test_manager_restarts(cloud: Cluster) -> None:
    """It goes on without its manager, whose successor finds it over."""
    (vm,) = cloud.begin()
    moved = endless(cloud, vm)
    uuid = cloud.uuid(vm)
    cloud.stop()
    cloud.memory[cloud.first].world.converges_not.clear()
    from cm.drivers.memory.migration import push

    while push(cloud.memory[cloud.first].world, uuid):
        pass
    cloud.start()
    assert cloud.over(moved["operation_id"])["state"] == "done"
    assert cloud.runs_on(vm) == [moved["node_id"]] == [cloud.place(vm)] and cloud.leaks() == []


def test_evacuates_live(cloud: Cluster) -> None:
    """Those go on that can, also one that is paused; of the others it is told why not."""
    runs, paused = cloud.begin(2)
    cloud.call("user.vm.pause", [paused])
    cloud.wait(paused, "paused")
    planned = cloud.admin("node.evacuate", node_id=cloud.first, dry_run=True)["plan"]
    assert [step.get("how") for step in planned] == [None, "live", "live"]
    told = cloud.admin("node.evacuate", node_id=cloud.first)
    assert {m["vm_id"]: m["how"] for m in told["moving"]} == {runs: "live", paused: "live"} and told["left"] == []
    assert cloud.over(told["operation_id"])["state"] == "done"
    cloud.wait(paused, "paused")
    assert cloud.sql("SELECT max(launches) FROM vm") == 1 and cloud.first not in cloud.runs_on(runs)
    assert cloud.leaks() == []


def test_evacuates_cold(cloud: Cluster) -> None:
    """Where no guest can go on it is started, and the answer says why; a paused one stays."""
    runs, paused = cloud.begin(2)
    cloud.call("user.vm.pause", [paused])
    cloud.wait(paused, "paused")
    cloud.sql("UPDATE node SET info = jsonb_build_object('arch', CASE id WHEN :n THEN 'x86_64' ELSE 'arm64' END)",
              n=cloud.first)  # fmt: skip
    told = cloud.admin("node.evacuate", node_id=cloud.first)
    assert [(m["vm_id"], m["how"]) for m in told["moving"]] == [(runs, "cold")]
    assert "arm64" in told["moving"][0]["why_cold"]
    assert [each["vm_id"] for each in told["left"]] == [paused] and "arm64" in told["left"][0]["reason"]
    cloud.over(told["operation_id"])
    assert cloud.sql("SELECT launches FROM vm WHERE id = :v", v=runs) == 2 and cloud.leaks() == []


def test_sent_by_hand(cloud: Cluster) -> None:
    """What somebody sent to another node has not ended: the ledger has it, and its policy does not follow."""
    (vm,) = cloud.begin(on_poweroff="destroy")
    uuid = cloud.uuid(vm)
    from cm.interfaces.migration import MigrationSpec

    spec = MigrationSpec(uuid, f"memory:///{cloud.world}-n2")
    memory = cloud.memory[cloud.first]
    cloud.memory[cloud.node_ids[1]].world.networks.update(memory.world.networks)
    memory.migrations.migrate(spec)
    while memory.migrations.look(uuid).state == "running":
        time.sleep(0.01)
    found = "SELECT count(*) FROM drift WHERE vm_id = :v AND closed_at IS NULL"
    cloud.until(lambda: cloud.sql(found, v=vm) == 2, "the ledger has it, of both nodes")
    assert cloud.sql("SELECT seen FROM vm WHERE id = :v", v=vm) == "running"
    assert cloud.sql("SELECT count(*) FROM operation WHERE vm_id = :v AND kind <> 'vm_create'", v=vm) == 0
