"""Emptying a node: every VM's place is claimed before the first is stopped, and nothing is forgotten on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import HypervisorError, InUse, NodeUnreachable, ObjectNotFound, WrongOperationState
from support.sharing import SharingCloud


class Cluster(SharingCloud):
    """Whose first node is emptied."""

    def evacuate(self, node_id: int | None = None, **more: Any) -> dict[str, Any]:
        """Without a word of ``live``, cold; ``test_migrating.py`` has the others."""
        asked = {"node_id": node_id or self.first, "live": False, **more}
        return self.call("admin.node.evacuate", asked, account="admin")

    def admin(self, method: str, *params: Any) -> Any:
        return self.call(f"admin.{method}", list(params), account="admin")

    def is_empty(self) -> bool:
        """Nothing is to be moved from the first node, and nothing stays there."""
        told = self.evacuate()
        return bool(told["node"] == "n1" and told["moving"] == told["left"] == [])

    def operation(self, operation_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.admin("operation.get", operation_id)
        return found

    def over(self, operation_id: int) -> dict[str, Any]:
        """An operation once it has ended."""
        self.until(lambda: self.operation(operation_id)["finished"])
        return self.operation(operation_id)

    def place(self, vm_id: int) -> int | None:
        return self.sql("SELECT node_id FROM vm WHERE id = :id", id=vm_id)

    def until(self, test: Callable[[], Any], deadline_s: float = 20.0) -> Any:
        end = time.monotonic() + deadline_s
        while not (found := test()):
            assert time.monotonic() < end
            time.sleep(0.02)
        return found

    def running_on(self, node_id: int) -> set[str]:
        return {domain.uuid for domain in self.memory[node_id].hypervisor.domains() if domain.state == "running"}


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(database_url, tmp_path, nodes=3)
    yield made
    made.stop()


def test_all_move(cloud: Cluster) -> None:
    """The node is locked, what ran runs elsewhere with its address; a second run finds nothing."""
    vms = cloud.begin(3)
    before = {vm_id: cloud.vm(vm_id)["leases"] for vm_id in vms}
    planned = cloud.evacuate(dry_run=True)["plan"]
    assert [step["step"] for step in planned] == ["lock node", "move", "move", "move"]
    assert not cloud.admin("node.get_by_id", cloud.first)["locked"] and cloud.leaks() == []
    told = cloud.evacuate()
    assert told["left"] == []
    assert [(m["vm_id"], m["node_id"]) for m in told["moving"]] == [(s["vm_id"], s["node_id"]) for s in planned[1:]]
    for move in told["moving"]:
        assert cloud.wait(move["vm_id"], "running")["leases"] == before[move["vm_id"]]
        assert cloud.place(move["vm_id"]) == move["node_id"] != cloud.first
        assert cloud.sql("SELECT node_id FROM vnc_port WHERE vm_id = :v", v=move["vm_id"]) == move["node_id"]
    messages = [row for row in cloud.call("user.message.get_list") if row["code"] == "vm_moved"]
    assert {row["params"]["vm_id"] for row in messages} == set(vms)
    assert cloud.memory[cloud.first].hypervisor.domains() == []
    assert cloud.is_empty()
    assert cloud.leaks() == []
    cloud.admin("node.delete", cloud.first)


def test_no_place(cloud: Cluster) -> None:
    """Places are claimed for all before any VM is stopped: what fits nowhere is named and runs on untouched."""
    vms = cloud.begin(4)
    cloud.sql("UPDATE vm SET memory_mib = 512 WHERE id = :v", v=vms[3])
    cloud.sql("UPDATE account SET used_memory_mib = 384 + 512 WHERE id = :u", u=cloud.user_id)
    cloud.sql("UPDATE node SET memory_mib_used = 384 + 512 WHERE id = :n", n=cloud.first)
    cloud.sql("UPDATE node SET memory_mib_total = CASE id WHEN :b THEN 600 ELSE 200 END WHERE id <> :a",
              a=cloud.first, b=cloud.node_ids[1])  # fmt: skip
    uuids = {vm_id: cloud.vm(vm_id)["uuid"] for vm_id in vms}
    planned = [step for step in cloud.evacuate(dry_run=True)["plan"] if step["step"] == "leave"]
    told = cloud.evacuate()
    # The big one chose first.
    assert {m["vm_id"]: m["node"] for m in told["moving"]} == {vms[3]: "n2", vms[0]: "n3"}
    assert [left["vm_id"] for left in told["left"]] == vms[1:3] == [step["vm_id"] for step in planned]
    assert all("not enough memory" in left["reason"] for left in told["left"])
    assert cloud.sql("SELECT sum(memory_mib_used) FROM node WHERE id <> :a", a=cloud.first) == 640
    for move in told["moving"]:
        cloud.wait(move["vm_id"], "running")
    assert cloud.running_on(cloud.first) == {uuids[vm_id] for vm_id in vms[1:3]}
    assert cloud.memory[cloud.first].calls.count("destroy") == 4  # each one's end, and its removal
    again = cloud.evacuate()
    assert ([left["vm_id"] for left in again["left"]], again["moving"]) == (vms[1:3], [])
    cloud.sql("UPDATE node SET memory_mib_total = 16384")
    for move in cloud.evacuate()["moving"]:
        cloud.wait(move["vm_id"], "running")
    assert cloud.running_on(cloud.first) == set() and cloud.leaks() == []


def test_claims_hold(cloud: Cluster) -> None:
    """What is claimed for a move nobody else gets, neither the share nor the port, and its node is in use."""
    (vm,) = cloud.begin(1)
    second = cloud.node_ids[1]
    cloud.sql("UPDATE node SET locked = true WHERE id = :n", n=cloud.node_ids[2])
    cloud.sql("UPDATE node SET memory_mib_total = 256 WHERE id = :n", n=second)
    cloud.sql("DELETE FROM vnc_port WHERE node_id = :n AND port > 5901", n=second)
    release = cloud.memory[cloud.first].hang(20.0)
    cloud.evacuate()
    other = cloud.create(name="other")
    cloud.wait(other["vm_id"], "running")
    assert cloud.sql("SELECT array_agg(port ORDER BY port) FROM vnc_port WHERE vm_id IS NOT NULL AND node_id = :n"
                     " AND reserved_for IS NULL", n=second) == [5901]  # fmt: skip
    with pytest.raises(Exception, match="not enough memory"):
        cloud.create(name="third")
    with pytest.raises(InUse):
        cloud.admin("node.delete", second)
    assert cloud.leaks() == []
    release()
    cloud.wait(vm, "running")
    assert cloud.place(vm) == second and cloud.leaks() == []


def test_ports(cloud: Cluster) -> None:
    """A node without a free port is no place, and says so."""
    (vm,) = cloud.begin(1)
    cloud.sql("DELETE FROM vnc_port WHERE node_id <> :n", n=cloud.first)
    (left,) = cloud.evacuate()["left"]
    assert left["vm_id"] == vm and "VNC port" in left["reason"]
    assert cloud.vm(vm)["state"] == "running" and cloud.leaks() == []


def test_states(cloud: Cluster) -> None:
    """What cannot be moved is named with its reason: paused, under way, its disk on this node alone."""
    vms = cloud.begin(4)
    paused, busy, local, stopped = vms
    cloud.call("user.vm.pause", [paused])
    cloud.wait(paused, "paused")
    cloud.call("user.vm.stop", [stopped])
    cloud.wait(stopped, "stopped")
    cloud.sql("INSERT INTO storage (name, kind, path, capacity_bytes, overcommit) VALUES ('local', 'dir', '/l', 1, 1)")
    put = "UPDATE volume SET storage_id = :s WHERE id = (SELECT k.volume_id FROM attachment a"
    put += " JOIN disk k ON k.id = a.disk_id WHERE a.vm_id = :v AND a.number = 0)"
    cloud.sql(put, s=cloud.sql("SELECT id FROM storage WHERE name = 'local'"), v=local)
    for node in cloud.memory.values():
        node.ignores_power_button.add(cloud.vm(busy)["uuid"])
    cloud.call("user.vm.shutdown", [busy])
    told = cloud.evacuate()
    assert told["moving"] == []
    reasons = {left["vm_id"]: left["reason"] for left in told["left"]}
    assert set(reasons) == {paused, busy, local}
    assert "paused" in reasons[paused] and "vm_shutdown" in reasons[busy] and "storage" in reasons[local]
    cloud.sql(put, s=cloud.storage_id, v=local)


def test_second_run(cloud: Cluster) -> None:
    """A run while the first is at work tells what that is at, and starts nothing twice."""
    vms = cloud.begin(2)
    release = cloud.memory[cloud.first].hang(20.0)
    first = cloud.evacuate()["moving"]
    again = cloud.evacuate()["moving"]
    assert [(m["vm_id"], m["node_id"], m["operation_id"]) for m in again] == [
        (m["vm_id"], m["node_id"], m["operation_id"]) for m in first
    ]
    assert all(m["begun"] for m in again) and not any(m["begun"] for m in first)
    assert cloud.sql("SELECT count(*) FROM operation WHERE kind = 'node_evacuate'") == 1
    release()
    for vm_id in vms:
        cloud.wait(vm_id, "running")
    assert cloud.sql("SELECT count(*) FROM operation WHERE kind = 'vm_move'") == 2


def test_killed(cloud: Cluster) -> None:
    """A manager that dies half-way: its successor goes on; each VM is moved once, and nothing is left over."""
    vms = cloud.begin(3)
    release = cloud.memory[cloud.first].hang(0.5)
    cloud.evacuate()
    cloud.stop()
    release()
    cloud.start()
    for vm_id in vms:
        cloud.wait(vm_id, "running")
        assert cloud.place(vm_id) != cloud.first
    assert cloud.memory[cloud.first].hypervisor.domains() == [] and cloud.leaks() == []
    evacuation = cloud.sql("SELECT id FROM operation WHERE kind = 'node_evacuate'")
    assert cloud.over(evacuation)["state"] == "done"
    assert sum(len(cloud.running_on(node_id)) for node_id in cloud.node_ids) == 3


def test_target_dies(cloud: Cluster) -> None:
    """A node that dies before its VM is started there: the VM goes to another one that has room."""
    (vm,) = cloud.begin(1)
    release = cloud.memory[cloud.first].hang(20.0)
    (move,) = cloud.evacuate()["moving"]
    dead = cloud.memory[move["node_id"]]
    dead.unreachable = True
    cloud.until(lambda: cloud.sql("SELECT state FROM node WHERE id = :n", n=move["node_id"]) == "unreachable")
    release()
    cloud.wait(vm, "running")
    assert cloud.place(vm) not in (move["node_id"], cloud.first)
    dead.unreachable = False
    assert cloud.leaks() == []


def test_nowhere_left(cloud: Cluster) -> None:
    """With no place left at all its VM waits and says for what; given up it is stopped, and the next run names it."""
    (vm,) = cloud.begin(1)
    release = cloud.memory[cloud.first].hang(20.0)
    (move,) = cloud.evacuate()["moving"]
    for node_id in cloud.node_ids[1:]:
        cloud.admin("node.lock", node_id)
    release()
    operation = move["operation_id"]
    told = cloud.until(lambda: cloud.admin("operation.get", operation)["admin_text"])
    assert "no node can take it now" in told and cloud.leaks() == []
    cloud.admin("operation.abandon", operation)
    cloud.wait(vm, "stopped")
    (left,) = cloud.evacuate()["left"]
    assert left["vm_id"] == vm and f"operation {operation}" in left["reason"]
    for node_id in cloud.node_ids[1:]:
        cloud.admin("node.unlock", node_id)
    cloud.call("user.vm.start", [vm])
    cloud.wait(vm, "running")
    assert cloud.is_empty()
    assert cloud.leaks() == []


def test_failed_goes_on(cloud: Cluster) -> None:
    """A VM that an earlier run stopped and could not start is started by the next, from wherever it is."""
    (vm,) = cloud.begin(1)
    node = cloud.memory[cloud.first]
    node.fail_next("undefine", HypervisorError("no", 1))
    cloud.evacuate()
    assert "no" in cloud.wait(vm, "error")["error"]
    assert cloud.leaks() == []
    (step,) = cloud.evacuate(dry_run=True)["plan"]
    assert (step["step"], step["vm_id"]) == ("move", vm)
    (move,) = cloud.evacuate()["moving"]
    cloud.wait(vm, "running")
    assert cloud.place(vm) == move["node_id"] and cloud.leaks() == []


def test_fails_there(cloud: Cluster) -> None:
    """One that does not start on its next node is an error there, and the next run names it."""
    (vm,) = cloud.begin(1)
    for node_id in cloud.node_ids[1:]:
        cloud.memory[node_id].fail_next("start", HypervisorError("no start", 1))
    cloud.evacuate()
    assert "no start" in cloud.wait(vm, "error")["error"]
    (left,) = cloud.evacuate()["left"]
    assert left["vm_id"] == vm and "no start" in left["reason"]
    cloud.call("user.vm.start", [vm])
    cloud.wait(vm, "running")
    assert cloud.evacuate()["left"] == [] and cloud.leaks() == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_destroyed_meanwhile(cloud: Cluster, when: str) -> None:
    """Its owner may destroy a VM that is being moved: all that it holds goes back, and it runs nowhere."""
    (vm,) = cloud.begin(1)
    if when == "before":
        release = cloud.memory[cloud.first].hang(20.0)
        cloud.evacuate()
        cloud.call("user.vm.destroy", [[vm]])
        release()
    else:
        for node_id in cloud.node_ids[1:]:
            cloud.memory[node_id].fail_next("start", NodeUnreachable("n", "lost"), after=True)
        cloud.evacuate()
        cloud.until(lambda: cloud.place(vm) not in (None, cloud.first))
        cloud.call("user.vm.destroy", [[vm]])
    cloud.wait(vm, "destroyed")
    assert cloud.leaks() == []
    cloud.until(lambda: not any(cloud.memory[node_id].hypervisor.domains() for node_id in cloud.node_ids))


def test_retry(cloud: Cluster) -> None:
    """A failed move that is tried again claims a place before it stops anything."""
    (vm,) = cloud.begin(1)
    cloud.memory[cloud.first].fail_next("destroy", HypervisorError("no", 1))
    (move,) = cloud.evacuate()["moving"]
    cloud.until(lambda: cloud.admin("operation.get", move["operation_id"])["state"] == "failed")
    assert cloud.vm(vm)["state"] == "running" and cloud.leaks() == []
    for node_id in cloud.node_ids[1:]:
        cloud.admin("node.lock", node_id)
    cloud.admin("operation.retry", move["operation_id"])
    cloud.until(lambda: cloud.admin("operation.get", move["operation_id"])["state"] == "failed")
    assert cloud.vm(vm)["state"] == "running" and cloud.leaks() == []
    for node_id in cloud.node_ids[1:]:
        cloud.admin("node.unlock", node_id)
    cloud.admin("operation.retry", move["operation_id"])
    cloud.until(lambda: cloud.admin("operation.get", move["operation_id"])["state"] == "done")
    assert cloud.vm(vm)["state"] == "running" and cloud.place(vm) != cloud.first and cloud.leaks() == []


def test_refused(cloud: Cluster) -> None:
    with pytest.raises(ObjectNotFound):
        cloud.evacuate(10**9)


# ------------------------------------------------------------------ one operation, and the moves that it waits for


def test_children(cloud: Cluster) -> None:
    """One operation stands for the whole: it waits for the moves, tells how far they are, and what came of them."""
    vms = cloud.begin(3)
    release = cloud.memory[cloud.first].hang(20.0)
    told = cloud.evacuate()
    evacuation = told["operation_id"]
    moves = cloud.call("admin.operation.get_list", {"parent_id": evacuation}, account="admin")
    assert {move["operation_id"] for move in moves} == {move["operation_id"] for move in told["moving"]}
    assert {(move["kind"], move["parent_id"]) for move in moves} == {("vm_move", evacuation)}
    cloud.until(lambda: cloud.operation(evacuation)["waiting_for"] == "0 of 3 have ended.")
    release()
    op = cloud.over(evacuation)
    assert (op["kind"], op["state"], op["progress"], op["result"]) == ("node_evacuate", "done", 100, {"moved": vms})
    assert (op["parent_id"], op["node_id"], op["vm_id"]) == (None, cloud.first, None)
    assert cloud.leaks() == []


def test_a_move_fails(cloud: Cluster) -> None:
    """Where a move failed the whole has failed, and names it; tried again it moves what is there still."""
    vms = cloud.begin(2)
    cloud.memory[cloud.first].fail_next("destroy", HypervisorError("no", 1))
    evacuation = cloud.evacuate()["operation_id"]
    op = cloud.over(evacuation)
    assert (op["state"], op["error"]) == ("failed", "node_not_emptied")
    assert "Of 2 VMs" in op["text"] and op["text"].count("(operation ") == 1
    messages = {row["code"]: row["params"] for row in cloud.call("user.message.get_list", account="admin")}
    assert messages["node_evacuate_failed"]["node_id"] == cloud.first
    cloud.admin("operation.retry", evacuation)
    op = cloud.over(evacuation)
    assert (op["state"], op["result"]) == ("done", {"moved": vms}), op
    assert cloud.running_on(cloud.first) == set() and cloud.leaks() == []


def test_retry_has_one_at_a_time(cloud: Cluster) -> None:
    """One that failed is not tried again beside another that empties the same node."""
    cloud.begin(1)
    cloud.memory[cloud.first].fail_next("destroy", HypervisorError("no", 1))
    failed = cloud.over(cloud.evacuate()["operation_id"])["operation_id"]
    release = cloud.memory[cloud.first].hang(20.0)
    second = cloud.evacuate()["operation_id"]
    assert second != failed
    with pytest.raises(WrongOperationState, match=f"behind operation {second}"):
        cloud.admin("operation.retry", failed)
    release()
    assert cloud.over(second)["state"] == "done" and cloud.leaks() == []


def test_given_up(cloud: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up, what nobody has begun stays where it runs and its place goes back; what is under way is not left so."""
    monkeypatch.setattr("cm.operations.engine.PER_NODE", 1)
    vms = cloud.begin(3)
    release = cloud.memory[cloud.first].hang(20.0)
    told = cloud.evacuate()
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM operation WHERE kind = 'vm_move' AND started_at IS NOT NULL"))
    cloud.admin("operation.abandon", told["operation_id"])
    states = {m["vm_id"]: cloud.operation(m["operation_id"])["state"] for m in told["moving"]}
    assert sorted(states.values()) == ["abandoned", "abandoned", "running"]
    assert cloud.operation(told["operation_id"])["state"] == "abandoned"
    assert cloud.sql("SELECT count(*) FROM vm WHERE moves_to IS NOT NULL") == 1 and cloud.leaks() == []
    release()
    for vm_id in vms:
        cloud.wait(vm_id, "running")
        assert (cloud.place(vm_id) == cloud.first) == (states[vm_id] == "abandoned")
    assert cloud.leaks() == []


def test_destroyed_while_it_leaves(cloud: Cluster) -> None:
    """A VM that its owner destroys meanwhile is no failure of the evacuation."""
    (vm,) = cloud.begin(1)
    release = cloud.memory[cloud.first].hang(20.0)
    evacuation = cloud.evacuate()["operation_id"]
    cloud.call("user.vm.destroy", [[vm]])
    release()
    cloud.wait(vm, "destroyed")
    op = cloud.over(evacuation)
    assert (op["state"], op["result"]) == ("done", {"moved": []}) and cloud.leaks() == []


def test_joins(cloud: Cluster) -> None:
    """What comes to be movable while a node is being emptied is moved by the same operation, once that is asked for."""
    first, late = cloud.begin(2)
    cloud.call("user.vm.pause", [late])
    cloud.wait(late, "paused")
    release = cloud.memory[cloud.first].hang(20.0)
    told = cloud.evacuate()
    assert [left["vm_id"] for left in told["left"]] == [late]
    release()
    cloud.wait(first, "running")
    cloud.call("user.vm.resume", [late])
    cloud.wait(late, "running")
    again = cloud.evacuate()
    assert cloud.over(again["operation_id"])["state"] == "done" and cloud.leaks() == []
    assert cloud.place(late) != cloud.first
