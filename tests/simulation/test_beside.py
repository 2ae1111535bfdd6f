"""VMs of strict affinity groups: who is where the group did not want them is seen, and who may be there is not."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from cm.rules.placement import Peers
from lab.postgres import PrivatePostgres
from simulation.scenario import Scene


def _group(scene: Scene, affinity: str, strict: bool = True) -> int:
    params = {"name": f"{affinity} {strict}", "affinity": affinity, "strict": strict}
    return int(scene.call("user.affinity_group.create", params, login="ann")["affinity_group_id"])


def _put(scene: Scene, group_id: int, *vm_ids: int) -> None:
    for vm_id in vm_ids:
        scene.act("set_affinity_group", vm_id, affinity_group_id=group_id)


def test_may_be_there(server: PrivatePostgres, state_dir: Path) -> None:
    """Whoever is put into a group as they run, and a group that becomes strict, is let be until the next start."""
    with Scene(server, state_dir, 521) as scene:
        scene.watcher.begin()
        node, other = scene.nodes[:2]
        one, two, three = scene.vm(on=node), scene.vm(on=node), scene.vm(on=other)
        _put(scene, _group(scene, "apart"), one, two)
        scene.run_for(5.0)
        scene.act("stop", one)
        scene.quiet()
        scene.act("start", one)
        scene.quiet()
        assert scene.runs_on(one) != scene.runs_on(two)
        wish = _group(scene, "together", strict=False)
        _put(scene, wish, two, three)
        scene.run_for(5.0)
        scene.call("user.affinity_group.edit", {"affinity_group_id": wish, "strict": True}, login="ann")
        scene.run_for(5.0)
        assert scene.runs_on(two) != scene.runs_on(three)
        scene.finish()


@pytest.mark.parametrize("affinity", ["apart", "together"])
def test_sees(server: PrivatePostgres, state_dir: Path, affinity: str) -> None:
    """A start, and a move, for which the group is not asked."""
    with Scene(server, state_dir, 522) as scene, mock.patch.object(Peers, "minds", lambda *_: False):
        scene.watcher.begin()
        group_id = _group(scene, affinity)
        node, other = scene.nodes[:2]
        first = scene.vm(on=node, affinity_group_id=group_id)
        second = scene.vm(on=node if affinity == "apart" else other)
        scene.act("stop", second)
        scene.quiet()
        _put(scene, group_id, second)
        assert scene.broken == []
        with scene.only(node if affinity == "apart" else other):
            scene.act("start", second)
            scene.quiet()
        (wrong,) = scene.broken
        assert f"VMs {first} and {second}" in wrong and f"VM {second} was placed " in wrong
        scene.broken.clear()
        scene.finish()
