"""Health apart from reachability: agents and hooks that are silent, and VMs of which what is shown is doubtful."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench, ended

from cm.drivers.memory.node import MemoryNode
from cm.services.agent import enrol, record_agent
from cm.services.evidence import update_vm
from cm.services.reconcile import run_pass
from cm.store.hook_event import HookRecord
from cm.store.vm import render_vm


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    made.change("UPDATE worker SET started_at = now() - interval '1 day'")
    yield made
    made.close()


def node(bench: Bench, name: str = "n1", *, enrolled: bool = True) -> int:
    node_id = int(bench.call("admin.node.add", name=name, uri=f"memory:///{name}", address="192.0.2.1")["node_id"])
    if enrolled:
        token = bench.call("admin.node.enrol", node_id=node_id)["token"]
        bench.database.transact_now(enrol, token, "boot-1", "1", "1")
        bench.change("UPDATE node SET hooks_since = now() - interval '1 hour' WHERE id = :n", n=node_id)
    return node_id


def look(bench: Bench, node_id: int) -> Any:
    """A pass, and what administrators see then."""
    ended(run_pass(bench.services, node_id))
    return bench.call("admin.node.get_by_id", node_id=node_id)


def codes(shown: Any) -> list[str]:
    return [trouble["code"] for trouble in shown["troubles"]]


def placed(bench: Bench) -> dict[str, str]:
    """What placement says of each node."""
    if not bench.sql("SELECT count(*) FROM template"):
        bench.call("admin.template.add", name="small", cpu=1, memory_mib=64)
    template_id = bench.sql("SELECT min(id) FROM template")
    verdicts = bench.call("admin.placement.explain", template_id=template_id)["verdicts"]
    return {verdict["node"]: verdict["reason"] for verdict in verdicts}


def running(bench: Bench, node_id: int, launched_s: int) -> int:
    """A VM of the user's that was launched so long ago, and has run since as far as is known."""
    storage_id = bench.storage(node_id)
    vm_id = bench.vm(node_id, storage_id, bench.image(storage_id))
    bench.change(
        "UPDATE vm SET seen = 'running', wanted = 'running', launches = 1,"
        " launched_at = now() - make_interval(secs => :s) WHERE id = :v", v=vm_id, s=launched_s,
    )  # fmt: skip
    bench.database.transact_now(render_vm, vm_id)
    return vm_id


def hook(bench: Bench, node_id: int, operation: str, sequence: int = 1) -> str:
    uuid = "00000000-0000-4000-8000-000000000001"
    record = HookRecord("boot-1", sequence, uuid, "vm-1", operation, "begin", "-", datetime.now(UTC))
    return bench.database.transact_now(update_vm, node_id, record)


def silence_agent(bench: Bench, node_id: int, minutes: int) -> None:
    bench.change(
        "UPDATE node SET agent_seen_at = now() - make_interval(mins => :m) WHERE id = :n", m=minutes, n=node_id
    )


def changes(bench: Bench, node_id: int) -> int:
    return int(bench.sql("SELECT count(*) FROM change WHERE kind = 'node' AND object_id = :n", n=node_id))


def test_agent_died(bench: Bench) -> None:
    """A node whose agent died 13 minutes ago answers, and takes no VMs; as soon as the agent speaks it is well."""
    first, second = node(bench, "n1"), node(bench, "n2")
    assert codes(look(bench, first)) == []
    silence_agent(bench, first, 13)
    before = changes(bench, first)
    shown = look(bench, first)
    assert (shown["state"], shown["health"], codes(shown)) == ("ok", "degraded", ["agent_silent"])
    assert shown["troubles"][0]["since"] == shown["agent_seen_at"]
    assert changes(bench, first) == before + 1
    assert look(bench, second)["health"] == "ok"
    assert placed(bench) == {"n1": "agent_silent", "n2": "fits"}
    assert look(bench, first)["troubles"] == shown["troubles"]
    assert changes(bench, first) == before + 1
    checked = bench.call("admin.node.check", node_id=first)
    assert (checked["state"], checked["health"]) == ("ok", "degraded")
    assert bench.call("admin.cluster.check")["nodes_degraded"] == 1
    assert bench.database.transact_now(record_agent, first)
    assert bench.call("admin.node.get_by_id", node_id=first)["health"] == "ok"
    assert (placed(bench), changes(bench, first)) == ({"n1": "fits", "n2": "fits"}, before + 2)


def test_nobody_listened(bench: Bench) -> None:
    """That nothing was heard while no manager listened is no silence; one that was is not forgotten by a new start."""
    first, second = node(bench, "n1"), node(bench, "n2")
    silence_agent(bench, first, 13)
    assert codes(look(bench, first)) == ["agent_silent"]
    silence_agent(bench, second, 13)
    bench.change("INSERT INTO worker (name) VALUES ('started just now')")
    assert (codes(look(bench, first)), codes(look(bench, second))) == (["agent_silent"], [])
    bench.change("UPDATE worker SET started_at = now() - interval '2 minutes'")
    assert codes(look(bench, second)) == ["agent_silent"]


def test_without_agent(bench: Bench) -> None:
    """Nodes that never had an agent are well without one, whatever was launched there."""
    node_id = node(bench, enrolled=False)
    running(bench, node_id, 3600)
    shown = look(bench, node_id)
    assert (shown["health"], shown["troubles"], placed(bench)) == ("ok", [], {"n1": "fits"})


def test_hooks_never_ran(bench: Bench) -> None:
    """A launch without any hook's word shows that libvirt runs none; the next word shows that it does again."""
    node_id = node(bench)
    running(bench, node_id, 30)
    assert codes(look(bench, node_id)) == []  # the word may be on its way
    bench.change("UPDATE vm SET launched_at = now() - interval '2 minutes'")
    shown = look(bench, node_id)
    assert (shown["state"], shown["hooks"], shown["health"], codes(shown)) == ("ok", True, "degraded", ["hooks_silent"])
    assert placed(bench) == {"n1": "hooks_silent"}
    before = changes(bench, node_id)
    hook(bench, node_id, "reconnect")
    assert (placed(bench), changes(bench, node_id)) == ({"n1": "fits"}, before + 1)
    assert codes(look(bench, node_id)) == []


def test_hooks_are_old(bench: Bench) -> None:
    """A word from before a launch says nothing of it; one from after it, of another VM, does."""
    node_id = node(bench)
    running(bench, node_id, 120)
    hook(bench, node_id, "started")
    bench.change("UPDATE node SET hooked_at = now() - interval '3 minutes'")
    assert codes(look(bench, node_id)) == ["hooks_silent"]
    hook(bench, node_id, "release", 2)
    assert codes(look(bench, node_id)) == []


def test_launched_before_enrolment(bench: Bench) -> None:
    """What was launched before the hook was there had none; unlocking has only later launches count, likewise."""
    node_id = node(bench)
    running(bench, node_id, 120)
    bench.change("UPDATE node SET hooks_since = now() - interval '1 minute'")
    assert codes(look(bench, node_id)) == []
    bench.change("UPDATE node SET hooks_since = now() - interval '1 hour'")
    assert codes(look(bench, node_id)) == ["hooks_silent"]
    bench.call("admin.node.unlock", node_id=node_id)
    assert (codes(look(bench, node_id)), placed(bench)) == ([], {"n1": "fits"})


def mine(bench: Bench, vm_id: int) -> tuple[Any, Any]:
    """What its owner is shown of a VM, alone and in the list."""
    alone = bench.call("user.vm.get_by_id", by=bench.user, vm_id=vm_id)
    (listed,) = bench.call("user.vm.get_list", by=bench.user)
    assert alone["doubtful"] == listed["doubtful"]
    return alone["state"], alone["doubtful"]


def test_silent_node(bench: Bench) -> None:
    """The VMs of a node that has been silent for a while are shown as they were, and as doubtful since it was heard."""
    node_id = node(bench)
    vm_id = running(bench, node_id, 600)
    bench.change("UPDATE node SET hooks_since = now()")
    memory = MemoryNode.named("n1")
    memory.unreachable = True
    look(bench, node_id)
    assert mine(bench, vm_id) == ("running", None)
    bench.change("UPDATE node SET seen_at = now() - interval '5 minutes'")
    assert look(bench, node_id)["state"] == "unreachable"
    seen_at = bench.call("admin.node.get_by_id", node_id=node_id)["seen_at"]
    assert mine(bench, vm_id) == ("running", {"reason": "node_silent", "since": seen_at})
    told = bench.sql("SELECT count(*) FROM change WHERE kind = 'vm' AND object_id = :v", v=vm_id)
    look(bench, node_id)
    assert bench.sql("SELECT count(*) FROM change WHERE kind = 'vm' AND object_id = :v", v=vm_id) == told
    memory.unreachable = False
    look(bench, node_id)
    assert mine(bench, vm_id)[1]["reason"] == "domain_missing"  # there was none to begin with


def test_missing_domain(bench: Bench) -> None:
    """A VM whose domain is missing stays running, and doubtful, until somebody says what became of it."""
    node_id = node(bench)
    vm_id = running(bench, node_id, 600)
    bench.change("UPDATE node SET hooks_since = now()")
    look(bench, node_id)
    state, doubt = mine(bench, vm_id)
    assert (state, doubt["reason"]) == ("running", "domain_missing")
    look(bench, node_id)
    assert mine(bench, vm_id) == (state, doubt)
    [drift] = bench.call("admin.drift.get_list")
    bench.call("admin.drift.apply", drift_id=drift["drift_id"])
    assert mine(bench, vm_id) == ("stopping", None)
