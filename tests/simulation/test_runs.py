"""Whoever acts on an end that never was is found, though all agrees again by the next look."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

from cm.rpc.vocabulary import Wanted
from cm.services import evidence
from lab.postgres import PrivatePostgres
from simulation.scenario import Scene


@pytest.mark.parametrize(
    ("skew", "asked"),
    [(evidence.SKEW, evidence.ON), (timedelta(days=-1), evidence.ON), (timedelta(days=-1), frozenset())],
    ids=["as it is", "late ends looked at", "late ends believed"],
)
def test_late_release(
    server: PrivatePostgres, state_dir: Path, skew: timedelta, asked: frozenset[Wanted]
) -> None:
    """The hook of a run that was stopped is heard of after the next one has begun."""
    with (
        Scene(server, state_dir, 146) as scene,
        mock.patch.object(evidence, "SKEW", skew),
        mock.patch.object(evidence, "ON", asked),
    ):
        node = scene.nodes[0]
        vm_id = scene.vm(on=node)
        node.agent.stalled_until = scene.schedule.seconds() + 30
        scene.act("stop", vm_id)
        scene.quiet()
        scene.run_for(5)
        with scene.only(node):
            scene.act("start", vm_id)
        scene.run_for(60)
        scene.quiet()
        found = scene.runs.at_rest()
        assert (scene.runs_on(vm_id) == ["n1"]) is not bool(found)
        assert bool(found) is (not asked), found
