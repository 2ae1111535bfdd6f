"""The exam at rest: it is passed, and rules that let somebody do more than they may are seen by it."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest

from cm.rules.access import NEEDS, Action, Level, Shared
from lab.postgres import PrivatePostgres
from simulation import exam, eyes
from simulation.scenario import Scene


def test_passed(server: PrivatePostgres, state_dir: Path) -> None:
    """Of everything that is tried nothing is let in, and two VMs and a saved image are asked about."""
    with Scene(server, state_dir, 501) as scene:
        first, second = scene.vm(), scene.vm()
        scene.act("save_and_shutdown", first, name="saved", description="")
        scene.quiet()
        scene.vm()
        scene.call("user.vm_template.create", {"name": "standard", "image_id": scene.image_id}, login="ann")
        assert exam.sit(scene, scene.clients) == []
        tried = [ask for ask in scene.clients.asks if not ask.accepted]
        assert {"object_not_found", "access_needed"} == {ask.error for ask in tried}
        assert len(tried) > 40 and any("image_id" in ask.params for ask in tried)
        assert scene.state(second) == "running"
        scene.finish()


@pytest.mark.parametrize(
    "shared, action, level",
    [
        (Shared.VM, Action.DESTROY, Level.OPERATOR),
        (Shared.VM, Action.STOP, Level.USER),
        (Shared.VM_TEMPLATE, Action.EDIT, Level.USER),
    ],
)
def test_sees(server: PrivatePostgres, state_dir: Path, shared: Shared, action: Action, level: Level) -> None:
    with Scene(server, state_dir, 502) as scene, mock.patch.dict(NEEDS, {(shared, action): level}):
        scene.vm()
        scene.call("user.vm_template.create", {"name": "standard", "image_id": scene.image_id}, login="ann")
        wrong = exam.sit(scene, scene.clients)
        assert any(action.value in told and "was accepted" in told for told in wrong), wrong


def test_ends_while_it_is_looked_at(server: PrivatePostgres, state_dir: Path) -> None:
    """A guest that ends during a look at everything, and of which nobody has heard yet, is no finding of that look."""
    with Scene(server, state_dir, 503) as scene:
        scene.read_feeds()
        node = scene.nodes[0]
        uuid = scene.uuid(scene.vm(on=node))
        whole = eyes.Look.everything

        def ending(look: eyes.Look) -> None:
            if uuid in node.running():
                node.agent.running = False
                scene.effects.endings.happens(uuid)
                node.memory.guest_power_off(uuid)
            whole(look)
            node.agent.start()

        with mock.patch.object(eyes.Look, "everything", ending):
            assert eyes.at_rest(scene) == []
        assert scene.excuses.used["goes on changing"] == 1
