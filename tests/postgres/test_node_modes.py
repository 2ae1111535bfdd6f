"""What nodes are there for: what each mode keeps away, what is quiet in it, and its way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from admin_bench import Bench, cluster_bench, ended
from test_evacuate import Cluster
from test_health import codes, look, node, placed, silence_agent

from cm.rpc.errors import InUse, NodeUnreachable
from cm.rpc.vocabulary import NodeMode
from cm.services.reconcile import run_pass
from cm.store.managed import take_looks
from cm.store.reconcile import Rhythm, nodes_by_state, take_turns

CALLS: Final = {
    NodeMode.ACTIVE: "unlock",
    NodeMode.PASSIVE: "lock",
    NodeMode.DRAINING: "evacuate",
    NodeMode.MAINTENANCE: "maintain",
    NodeMode.DISABLED: "disable",
}
VERDICTS: Final = {
    NodeMode.ACTIVE: "fits",
    NodeMode.PASSIVE: "locked",
    NodeMode.DRAINING: "it is being emptied",
    NodeMode.MAINTENANCE: "in maintenance",
    NodeMode.DISABLED: "disabled",
}
bench = cluster_bench
RHYTHM: Final = Rhythm(15.0, 2.0, 20.0)


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(database_url, tmp_path, nodes=2)
    yield made
    made.stop()


def test_every_mode_from_every_other(bench: Bench) -> None:
    """Each call leads from any mode to its own, but emptying ends no maintenance; placement names what it finds."""
    node_id = node(bench, enrolled=False)
    for was in NodeMode:
        for mode, call in CALLS.items():
            bench.call("admin.node.unlock", node_id=node_id)
            bench.call(f"admin.node.{CALLS[was]}", node_id=node_id)
            bench.call(f"admin.node.{call}", node_id=node_id)
            kept = mode is NodeMode.DRAINING and was in (NodeMode.MAINTENANCE, NodeMode.DISABLED)
            now = was if kept else mode
            shown = bench.call("admin.node.get_by_id", node_id=node_id)
            assert (shown["mode"], shown["locked"]) == (now, now is not NodeMode.ACTIVE), (was, mode)
            ended(run_pass(bench.services, node_id))
            assert placed(bench) == {"n1": VERDICTS[now]}, (was, mode)


def test_told(bench: Bench) -> None:
    """Why, who and since when, until the node is active again."""
    node_id = node(bench, enrolled=False)
    shown = bench.call("admin.node.lock", node_id=node_id, reason="a fan is loud")
    assert (shown["mode_reason"], shown["mode_by"]) == ("a fan is loud", "root") and shown["mode_since"]
    assert bench.call("admin.node.disable", node_id=node_id)["mode_reason"] == ""
    shown = bench.call("admin.node.unlock", node_id=node_id)
    assert (shown["mode_reason"], shown["mode_by"], shown["mode_since"]) == ("", "", None)


def test_maintenance(bench: Bench) -> None:
    """A node in maintenance may be silent, down and amiss without anybody being alarmed; afterwards it counts again."""
    node_id = node(bench)
    bench.change("UPDATE worker SET started_at = now() - interval '1 day'")
    bench.call("admin.node.maintain", node_id=node_id, reason="kernel")
    silence_agent(bench, node_id, 13)
    shown = look(bench, node_id)
    assert (shown["set_aside"], shown["health"], codes(shown)) == (True, "ok", ["agent_silent"])
    bench.memory("n1").unreachable = True
    assert look(bench, node_id)["state"] == "unreachable"
    counted = {key: value for key, value in bench.call("admin.cluster.check").items() if key.startswith("nodes_")}
    assert counted == {"nodes_ok": 0, "nodes_away": 0, "nodes_degraded": 0, "nodes_set_aside": 1}
    assert bench.database.read_now(nodes_by_state) == {"set_aside": 1}
    bench.call("admin.node.unlock", node_id=node_id)
    counted = bench.call("admin.cluster.check")
    assert (counted["nodes_away"], counted["nodes_degraded"], counted["nodes_set_aside"]) == (1, 1, 0)
    assert bench.call("admin.node.get_by_id", node_id=node_id)["health"] == "degraded"


def test_disabled(bench: Bench) -> None:
    """Nothing is asked of a disabled node, whoever wants to look at it, and it is seen anew once it is unlocked."""
    node_id = node(bench, enrolled=False)
    storage_id = bench.storage(node_id)
    vm_id = bench.vm(node_id, storage_id, bench.image(storage_id))
    before = bench.trace()
    with pytest.raises(InUse) as refused:
        bench.call("admin.node.disable", node_id=node_id)
    assert refused.value.users == f"VM {vm_id}" and bench.trace() == before
    bench.change("UPDATE vm SET node_claimed = false, seen = 'off'")
    bench.change("UPDATE node SET vms_used = 0, cpu_used = 0, memory_mib_used = 0, passed_at = NULL")
    bench.change("INSERT INTO drift (kind, node_id, subject, evidence) VALUES ('unknown_domain', :n, 'x', '{}')",
                 n=node_id)  # fmt: skip
    bench.call("admin.node.disable", node_id=node_id)
    ended(bench.services.fleet.forget(node_id))  # as each process does when it is notified
    asked = len(bench.memory("n1").calls)
    assert bench.database.transact_now(take_turns, RHYTHM) == []
    assert bench.database.transact_now(take_looks, 3.0, 5.0) == []
    with pytest.raises(NodeUnreachable, match="unlock it first"):
        bench.call("admin.node.check", node_id=node_id)
    assert ended(run_pass(bench.services, node_id)) is None
    shown = bench.call("admin.node.get_by_id", node_id=node_id)
    assert (shown["state"], shown["set_aside"], len(bench.memory("n1").calls)) == ("new", True, asked)
    assert bench.call("admin.drift.get_list", closed=True)[0]["outcome"] == "node disabled"
    bench.call("admin.node.unlock", node_id=node_id)
    assert bench.database.transact_now(take_turns, RHYTHM) == [node_id]
    assert look(bench, node_id)["state"] == "ok" and placed(bench) == {"n1": "fits"}


def test_emptied_for_maintenance(cloud: Cluster) -> None:
    """It counts as set aside once its VMs have left, not before, and is the same evacuation where one is under way."""
    (vm_id,) = cloud.begin(1)
    release = cloud.memory[cloud.first].hang(20.0)
    told: dict[str, Any] = cloud.admin("node.maintain", cloud.first, False, "new disks")
    shown = cloud.admin("node.get_by_id", cloud.first)
    assert (shown["mode"], shown["mode_reason"], shown["set_aside"]) == ("maintenance", "new disks", False)
    assert cloud.evacuate()["operation_id"] == told["operation_id"]
    release()
    assert cloud.over(told["operation_id"])["state"] == "done"
    assert cloud.place(vm_id) == cloud.node_ids[1]
    shown = cloud.admin("node.get_by_id", cloud.first)
    assert (shown["mode"], shown["set_aside"]) == ("maintenance", True)
    cloud.admin("node.disable", cloud.first)
    assert cloud.leaks() == []
