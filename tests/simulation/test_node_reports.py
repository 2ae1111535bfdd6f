"""Nodes that are not well, and say so, or cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.postgres import PrivatePostgres
from simulation.scenario import Scene
from simulation.world import Node


def shown(scene: Scene, node: Node) -> Any:
    return scene.call("admin.node.get_by_id", {"node_id": node.node_id})


def codes(scene: Scene, node: Node) -> list[str]:
    return [trouble["code"] for trouble in shown(scene, node)["troubles"]]


def placed(scene: Scene, count: int) -> set[str]:
    """Where new VMs run."""
    made = [int(each["vm_id"]) for each in scene.call("user.vm.create", scene.new(count=count), login="bob")]
    scene.quiet()
    return {name for vm_id in made for name in scene.runs_on(vm_id)}


def test_without_nft(server: PrivatePostgres, state_dir: Path) -> None:
    """
    A node whose agent has no nft goes on with its VMs and takes no more, also once the manager has started anew; when
    nft is there it takes VMs again.
    """
    with Scene(server, state_dir, 131) as scene:
        node = scene.nodes[0]
        there = scene.vm(on=node)
        node.agent.lacks["nft_missing"] = "nft is not installed"
        scene.until(lambda: codes(scene, node) == ["nft_missing"], "it is told")
        scene.kill(scene.processes[0], 5.0)
        scene.run_for(30)
        assert placed(scene, 6) == {"n2", "n3"}
        assert scene.state(there) == "running" and scene.shown(there)["doubtful"] is None
        node.agent.lacks.clear()
        scene.until(lambda: codes(scene, node) == [], "it is well again")
        assert "n1" in placed(scene, 3)
        scene.finish()


def test_document_not_applied(server: PrivatePostgres, state_dir: Path) -> None:
    """A node that does not put in place what is wanted is drift, and takes no VMs until it does."""
    with Scene(server, state_dir, 132) as scene:
        node = scene.nodes[0]
        scene.until(lambda: shown(scene, node)["report"] is not None, "its first report")
        node.agent.frozen = dict(node.agent.applied)
        scene.call("admin.node.edit", {"node_id": scene.nodes[1].node_id, "address": "192.0.2.200"})
        scene.until(lambda: codes(scene, node) == ["document_behind"], "it is told", 180)
        assert {kind for kind, _ in scene.ledger()} == {"document_behind"}
        assert placed(scene, 6) == {"n2", "n3"}
        node.agent.frozen = None
        scene.until(lambda: (codes(scene, node), scene.ledger()) == ([], []), "it is well again")
        scene.finish()


def test_old_agent(server: PrivatePostgres, state_dir: Path) -> None:
    """An agent of the release before reports nothing, and its node is as good as any; replaced, it tells."""
    with Scene(server, state_dir, 133) as scene:
        node = scene.nodes[0]
        scene.until(lambda: shown(scene, node)["report"] is not None, "its first report")
        node.agent.protocol = 1
        scene.until(lambda: shown(scene, node)["agent_protocol"] == 1, "the word of the old one")
        assert (shown(scene, node)["report"], codes(scene, node)) == (None, [])
        assert "n1" in placed(scene, 3)
        node.agent.protocol = 2
        scene.until(lambda: shown(scene, node)["report"] is not None, "a report")
        scene.finish()


def test_written_before_it_enrolled(server: PrivatePostgres, state_dir: Path) -> None:
    """What a node's hook wrote before its agent was enrolled is delivered once it is, whether or not more comes."""
    with Scene(server, state_dir, 134, nodes=1, spares=1) as scene:
        spare = scene.clients.spare
        assert spare is not None
        spare.node.agent.record("00000000-0000-4000-8000-000000000001", "stranger", "started", "begin")
        spare.turn()
        scene.until(lambda: bool(spare.node.agent.credential), "it is enrolled")
        scene.until(lambda: not spare.node.agent.spool, "the record is delivered")
        scene.finish()
