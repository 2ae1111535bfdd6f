"""Nodes that lose their power while a VM goes from one to the other, and are fenced: one copy, at every moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.postgres import PrivatePostgres
from simulation.scenario import Scene
from simulation.world import Node


def _fenced(scene: Scene, node: Node) -> None:
    """Its power is off, and an administrator says so."""
    scene.cut(node)
    silent = "SELECT 1 FROM node WHERE id = :id AND state = 'unreachable'"
    scene.until(lambda: bool(scene.sql(silent, id=node.node_id)), f"{node.name} is found silent")
    scene.call("admin.node.fence", {"node_id": node.node_id})


def _back(scene: Scene) -> None:
    scene.heal()
    scene.rest()
    for node in scene.nodes:
        scene.call("admin.node.unlock", {"node_id": node.node_id})


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("broken", ["", "unknown", "nowhere"])
def test_at_each_moment(server: PrivatePostgres, state_dir: Path, side: str, broken: str) -> None:
    """
    Ours. From before it is begun until after its end, by steps of half a second: the VM runs on, or is started anew,
    once, without the lost node, and that has nothing of it when it is back.
    """
    with Scene(server, state_dir, 307) as scene:
        vm_id = scene.vm()
        for step in range(8):
            (here,) = scene.runs_on(vm_id)
            source = next(node for node in scene.nodes if node.name == here)
            target = next(node for node in scene.nodes if node is not source)
            source.memory.world.broken = broken
            scene.call("admin.vm.migrate", {"vm_id": vm_id, "node_id": target.node_id})
            scene.run_for(0.5 * step)
            lost = source if side == "source" else target
            _fenced(scene, lost)
            scene.quiet()
            scene.until_state(vm_id, "running")
            assert len(scene.runs_on(vm_id)) == 1 and scene.runs_on(vm_id) != [lost.name]
            _back(scene)
            assert scene.uuid(vm_id) not in lost.memory.world.domains
            assert scene.state(vm_id) == "running" and scene.ledger() == []
            source.memory.world.broken = ""
        scene.finish()
