"""Time and fairness, where nothing is broken; how soon all is well after something was; and what rest costs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.postgres import PrivatePostgres
from simulation import calm
from simulation.calm import TAKES_S, kept_off, stays_off, too_long
from simulation.scenario import Scene

ALONE_S = 1.0  # that a VM takes which waits for no other: of ninety, in six seeds, none took half of it
COPY_S = 30.0
GROWING = ("operation", "audit", "change", "hook_event", "request", "placement", "drift", "message")


def _took(scene: Scene, login: str) -> list[float]:
    """How long the creates of somebody took, the quickest first."""
    rows = scene.sql(
        "SELECT extract(epoch FROM o.finished_at - o.created_at)::float8 AS took FROM operation o JOIN account a"
        " ON a.id = o.account_id WHERE o.kind = 'vm_create' AND a.login = :l ORDER BY 1",
        l=login,
    )
    return [row.took for row in rows]


def test_nobody_waits_for_anothers_burst(server: PrivatePostgres, state_dir: Path) -> None:
    """
    One of bob's VMs, asked for after a dozen of ann's, takes what it takes alone: some calls of a quarter of a second
    each at the most.
    """
    with Scene(server, state_dir, 301) as scene:
        scene.call("user.vm.create", scene.new("many", count=12), login="ann")
        scene.call("user.vm.create", scene.new("one"), login="bob")
        scene.quiet()
        assert _took(scene, "bob")[0] <= ALONE_S and _took(scene, "ann")[-1] <= ALONE_S
        scene.finish()


def test_nobody_waits_for_anothers_copies(server: PrivatePostgres, state_dir: Path) -> None:
    """
    While all nodes are busy with copies for ann, what copies nothing takes what it takes alone, and a copy of bob's
    waits for one that was begun before it, not for all that were asked for.
    """
    with Scene(server, state_dir, 301) as scene:
        for node in scene.nodes:
            node.copy_s = COPY_S
        scene.call("user.vm.create", scene.new("many", count=13, deploy_mode="copy"), login="ann")
        scene.run_for(1.0)
        for mode in ("overlay", "copy"):
            scene.call("user.vm.create", scene.new(mode, deploy_mode=mode), login="bob")
        scene.quiet()
        quick, slow = _took(scene, "bob")
        assert quick <= ALONE_S < COPY_S / 2 <= _took(scene, "ann")[0]
        assert slow <= 2 * COPY_S + ALONE_S
        scene.finish()


def test_a_slow_node_holds_up_no_other(server: PrivatePostgres, state_dir: Path) -> None:
    """Work on a node that takes its time is not waited for by others."""
    with Scene(server, state_dir, 302) as scene:
        slow, fast = scene.nodes[:2]
        ours = [scene.vm(on=slow) for _ in range(3)]
        other = scene.vm(on=fast)
        slow.slow = 60.0
        for vm_id in ours:
            scene.act("stop", vm_id)
        began = scene.schedule.seconds()
        scene.act("stop", other)
        scene.until_state(other, "stopped", 30.0)
        assert scene.schedule.seconds() - began < 15.0
        scene.finish()


def test_well_soon_after(server: PrivatePostgres, state_dir: Path) -> None:
    """A minute after a node is back all that happened while it was away is on record, and nothing is doubtful."""
    with Scene(server, state_dir, 303) as scene:
        node = scene.nodes[0]
        stays, ends = scene.vm(on=node), scene.vm(on=node)
        scene.part(node)
        scene.run_for(30.0)
        node.memory.guest_power_off(scene.uuid(ends))
        scene.run_for(60.0)
        scene.heal()
        scene.until_state(ends, "stopped", 60.0)
        scene.until(lambda: scene.shown(stays)["doubtful"] is None, "nothing is doubtful", 60.0)
        assert scene.state(stays) == "running"
        scene.finish()


def test_rest_writes_nothing(server: PrivatePostgres, state_dir: Path) -> None:
    """VMs at rest add no row to any table that grows, no line to the log, and next to no statements."""
    with Scene(server, state_dir, 304) as scene:

        def rest(seconds: float) -> tuple[int, int, dict[str, int]]:
            statements, lines = scene.statements, len(scene.journal)
            before = {name: scene.sql(f"SELECT count(*) FROM {name}")[0][0] for name in GROWING}
            scene.run_for(seconds)
            grown = {name: scene.sql(f"SELECT count(*) FROM {name}")[0][0] - before[name] for name in GROWING}
            return scene.statements - statements, len(scene.journal) - lines, grown

        scene.run_for(60.0)
        empty, *_ = rest(120.0)
        for _ in range(8):
            scene.vm()
        scene.run_for(60.0)
        full, lines, grown = rest(120.0)
        assert {name: n for name, n in grown.items() if n} == {}
        assert lines == 0, scene.journal[-lines:]
        assert full <= empty * 1.1 + 8, f"{empty} statements without VMs, {full} with eight"
        scene.finish()


@pytest.mark.parametrize(
    ("reason", "taken", "excused"),
    [
        ("1 node: locked; 2 nodes: storage not attached", False, True),
        ("1 node: in maintenance; 2 nodes: storage not attached", False, True),
        ("3 nodes: storage not attached", True, True),
        ("3 nodes: storage not attached", False, False),
        ("1 node: not enough memory; 2 nodes: storage not attached", True, False),
        ("3 nodes: locked", False, False),
    ],
)
def test_what_may_stay_off(reason: str, taken: bool, excused: bool) -> None:
    """Where nothing is broken a VM stays off for its own node alone, and for what an administrator did to that."""
    text = f"storage own n1: No node can take this VM now: {reason}."
    assert stays_off(SimpleNamespace(error="no_capacity", admin_text=text), taken) is excused
    assert not stays_off(SimpleNamespace(error="no_capacity", admin_text=text.replace("own", "main")), taken)


@pytest.mark.parametrize(
    ("reason", "grouped", "excused"),
    [
        ("3 nodes: one of its affinity group is there", True, True),
        ("1 node: locked; 2 nodes: its affinity group is elsewhere", True, True),
        ("3 nodes: one of its affinity group is there", False, False),
        ("1 node: not enough memory; 2 nodes: its affinity group is elsewhere", True, False),
        ("3 nodes: locked", True, False),
    ],
)
def test_what_a_group_keeps_off(reason: str, grouped: bool, excused: bool) -> None:
    text = f"No node can take this VM now: {reason}."
    assert kept_off(SimpleNamespace(error="no_capacity", admin_text=text, grouped=grouped)) is excused


def test_a_guest_that_stands_still(server: PrivatePostgres, state_dir: Path) -> None:
    """Paused, as by a pause that was given up, a guest lets go of nothing: that long it may take, and no longer."""
    with Scene(server, state_dir, 305) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        uuid, begun = scene.uuid(vm_id), scene.unix_s()
        domain = node.memory.world.domains[uuid]
        domain.paused = True
        scene.effects.did["pause", uuid].append(begun)
        asked = scene.call("user.nic.detach", {"vm_id": vm_id, "nic": 0}, login="ann")
        scene.run_for(2 * TAKES_S["nic_detach"])
        scene.call("user.operation.abandon", {"operation_id": asked["operation_id"]}, login="ann")
        scene.quiet()
        assert calm.at_rest(scene, scene.clients) == []
        went_on = scene.unix_s()
        domain.paused = False
        scene.effects.did["resume", uuid].append(went_on)
        scene.run_for(30.0)
        assert scene.effects.stood_still(uuid, begun, scene.unix_s()) == pytest.approx(went_on - begun)
        scene.effects.did.clear()  # had nobody paused it, this would be too long
        (wrong,) = calm.at_rest(scene, scene.clients)
        assert "nic_detach" in wrong and "took" in wrong
        scene.finish()


def test_only_guests_stand_still() -> None:
    for kind in ("nic_detach", "vm_stop"):
        assert too_long(kind, TAKES_S[kind] + 1.0, 0.0)
    assert not too_long("nic_detach", TAKES_S["nic_detach"] + 1.0, 2.0)
    assert too_long("vm_stop", TAKES_S["vm_stop"] + 1.0, 2.0)
