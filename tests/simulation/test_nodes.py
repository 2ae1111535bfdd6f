"""
Nodes whose list lacks something, that are silent, busy or locked: what went wrong elsewhere, done here. As
``test_evidence``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cm.interfaces.hypervisor import DomainSeen
from cm.services.fleet import LASTING_MAX
from lab.postgres import PrivatePostgres
from simulation.scenario import Scene, nothing_happened


def _others(uuid: str) -> Callable[[Sequence[DomainSeen]], Sequence[DomainSeen]]:
    return lambda found: [domain for domain in found if domain.uuid != uuid]


@pytest.mark.parametrize(("lacks", "times"), [("all", 1), ("one", 4)])
def test_list_that_lacks(server: PrivatePostgres, state_dir: Path, lacks: str, times: int) -> None:
    """
    CloudStack #3741, #3664: a VM that was missing from its host's report was marked stopped, and then stopped, though
    it ran.

    A node that lists none of its domains, or not all, changes nothing: the VMs run, are shown so and hold what they
    held. The ledger tells of it while it lasts.
    """
    with Scene(server, state_dir, 101) as scene:
        node = scene.nodes[0]
        missing, other = scene.vm(on=node), scene.vm(on=node)
        held = scene.used(), scene.leased()
        without, asked = _others(scene.uuid(missing)), 0

        def lacking(found: Sequence[DomainSeen]) -> Sequence[DomainSeen]:
            nonlocal asked
            asked += 1
            if asked > times:
                return found
            return [] if lacks == "all" else without(found)

        with scene.lists(node, lacking):
            scene.until(lambda: asked == times, "it was asked")
            scene.run_for(2)
            wrong = {missing} if lacks == "one" else {missing, other}
            assert set(scene.ledger()) == {("missing_domain", vm_id) for vm_id in wrong}
            for vm_id in (missing, other):
                nothing_happened(scene, vm_id)
            scene.until(lambda: asked > times, "it was asked again")
        scene.run_for(20)
        for vm_id in (missing, other):
            nothing_happened(scene, vm_id)
        assert (scene.used(), scene.leased()) == held
        assert scene.ledger() == []
        scene.finish()


def test_node_that_is_silent(server: PrivatePostgres, state_dir: Path) -> None:
    """
    KubeVirt #2443, LXD #13083: a node that does not answer is either dead or parted, and taking it for dead moves or
    stops what runs.

    Five minutes of silence change nothing of its VMs; that it is silent is shown.
    """
    with Scene(server, state_dir, 102) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        held = scene.used(), scene.leased()
        scene.part(node)
        scene.run_for(300)
        nothing_happened(scene, vm_id)
        assert scene.call("admin.node.get_by_id", {"node_id": node.node_id})["state"] == "unreachable"
        scene.heal()
        scene.run_for(20)
        assert scene.call("admin.node.get_by_id", {"node_id": node.node_id})["state"] == "ok"
        nothing_happened(scene, vm_id)
        assert (scene.used(), scene.leased(), scene.ledger()) == (*held, [])
        scene.finish()


def test_agent_that_died(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Ours once: an agent had died 13 minutes before, its node counted as well, and what was placed there failed.

    A node whose agent is silent answers, is told to be degraded, and takes no VMs; its own go on. A manager that
    starts anew does not forget it. With the agent's first word it is well again, and what had waited in its spool is
    taken.
    """
    with Scene(server, state_dir, 105) as scene:
        dead = scene.nodes[0]
        there = scene.vm(on=dead)
        dead.agent.running = False

        def health() -> tuple[str, str, list[str]]:
            shown = scene.call("admin.node.get_by_id", {"node_id": dead.node_id})
            return shown["state"], shown["health"], [trouble["code"] for trouble in shown["troubles"]]

        scene.until(lambda: health()[1] == "degraded", "it is told", 120)
        assert health() == ("ok", "degraded", ["agent_silent"])
        scene.kill(scene.processes[0], 5.0)
        scene.run_for(30)
        made = [int(each["vm_id"]) for each in scene.call("user.vm.create", scene.new(count=6), login="bob")]
        scene.quiet()
        assert {name for vm_id in made for name in scene.runs_on(vm_id)} == {"n2", "n3"}
        assert health()[:2] == ("ok", "degraded")
        nothing_happened(scene, there)
        assert scene.shown(there)["doubtful"] is None
        dead.agent.start()
        scene.until(lambda: health() == ("ok", "ok", []), "it is well again", 60)
        scene.finish()


def test_doubtful(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Ours once: a VM whose domain was missing, or whose node was silent, was shown as running with no sign of doubt.

    It stays running, and its owner sees since when that is doubtful, and why; when it is seen again nothing is.
    """
    with Scene(server, state_dir, 106) as scene:
        node = scene.nodes[0]
        vm_id, other = scene.vm(on=node), scene.vm(on=scene.nodes[1])
        scene.part(node)
        scene.run_for(30)
        assert scene.shown(vm_id)["doubtful"] is None
        scene.run_for(60)
        assert (scene.shown(vm_id)["doubtful"]["reason"], scene.shown(other)["doubtful"]) == ("node_silent", None)
        nothing_happened(scene, vm_id)
        scene.heal()
        scene.run_for(20)
        assert scene.shown(vm_id)["doubtful"] is None
        with scene.lists(node, _others(scene.uuid(vm_id))):
            scene.run_for(20)
            assert scene.shown(vm_id)["doubtful"]["reason"] == "domain_missing"
            nothing_happened(scene, vm_id)
        scene.run_for(20)
        assert scene.shown(vm_id)["doubtful"] is None
        scene.finish()


def test_node_that_copies(server: PrivatePostgres, state_dir: Path) -> None:
    """
    Ours once: four copies at a time held all the threads of a node; a pass then took its own wait for one for the
    node's silence, and nothing was placed there for as long as they lasted.

    More copies than are worked at a time, of minutes each: the node gets its passes as always and counts as well; VMs
    end there, are paused, stopped and started. Copies that have no place yet say so.
    """
    with Scene(server, state_dir, 104, nodes=1) as scene:
        (node,) = scene.nodes
        other, ending = scene.vm(), scene.vm()
        node.copy_s = 800.0
        copies = scene.call("user.vm.create", scene.new(count=6, deploy_mode="copy"), login="bob")
        scene.run_for(30)

        def passed() -> float:
            at = scene.sql("SELECT extract(epoch FROM seen_at) AS at FROM node WHERE id = :n", n=node.node_id)[0].at
            return scene.unix_s() - float(at)

        node.memory.guest_power_off(scene.uuid(ending))
        for _ in range(12):
            scene.run_for(10)
            shown = scene.call("admin.node.get_by_id", {"node_id": node.node_id})
            assert (shown["state"], shown["state_reason"]) == ("ok", "")
            assert passed() < 30
        assert (scene.state(ending), scene.ledger()) == ("stopped", [])
        assert scene.call("admin.node.check", {"node_id": node.node_id})["state"] == "ok"
        scene.act("pause", other)
        scene.until_state(other, "paused", 5.0)
        scene.act("stop", other)
        scene.until_state(other, "stopped", 30.0)
        for vm_id in (other, ending):
            scene.act("start", vm_id)
            scene.until_state(vm_id, "running", 5.0)
        waiting = [row.admin_text for row in scene.sql("SELECT admin_text FROM operation WHERE state = 'queued'")]
        assert len(waiting) >= len(copies) - LASTING_MAX
        assert all("are being copied there already" in text for text in waiting)
        node.copy_s = 10.0
        scene.quiet(3000.0)
        assert {scene.state(vm["vm_id"]) for vm in copies} == {"running"}
        scene.finish()


def test_locked_node(server: PrivatePostgres, state_dir: Path) -> None:
    """
    CloudStack #11286: a host was put into maintenance, and a VM on it was stopped.

    Locking a node keeps new VMs away and touches none that is there.
    """
    with Scene(server, state_dir, 103) as scene:
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        scene.call("admin.node.lock", {"node_id": node.node_id})
        made = scene.call("user.vm.create", scene.new(count=4), login="bob")
        scene.run_for(60)
        nothing_happened(scene, vm_id)
        assert scene.runs_on(vm_id) == [node.name]
        assert {name for each in made for name in scene.runs_on(each["vm_id"])} == {"n2", "n3"}
        scene.finish()
