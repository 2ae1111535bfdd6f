"""What agents in guests are asked, as they hang, boot anew or hear of it late; and that what is wrong is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from cm.services import guest_command
from cm.services.guest_command import _seal, command_key
from cm.store.guest_command import Due
from lab.postgres import PrivatePostgres
from simulation.inside import BOOT_S
from simulation.scenario import Scene

PASSWORD = "user.vm.password_reset"


class Within:
    """A VM of ann's whose guest has an agent of ours, and what is asked of it."""

    def __init__(self, scene: Scene, temper: str) -> None:
        self.scene = scene
        with mock.patch.object(scene.insides, "_drawn", return_value=temper):
            self.vm_id = scene.vm()
        self.uuid = scene.uuid(self.vm_id)
        scene.run_for(1.0)  # its agent waits

    def ask(self, method: str = PASSWORD, **more: Any) -> Any:
        ask = self.scene.clients.ask("ann", method, vm_id=self.vm_id, **more)
        self.scene.until(lambda: ask.ended, f"{method} is answered", 60)
        return ask

    def states(self) -> list[str]:
        return [row.state for row in self.scene.sql("SELECT state FROM guest_command ORDER BY id")]

    def wrong(self) -> list[str]:
        """After whatever may come late."""
        self.scene.run_for(120)
        return [*self.scene.broken, *self.scene.insides.at_rest(self.scene.clients)]


@contextmanager
def within(server: PrivatePostgres, state_dir: Path, temper: str) -> Iterator[Within]:
    with Scene(server, state_dir, 408, nodes=1) as scene:
        yield Within(scene, temper)


def test_done(server: PrivatePostgres, state_dir: Path) -> None:
    """Who asks hears what was done, by an agent that boots anew in between, too."""
    with within(server, state_dir, "quick") as guest:
        asked = guest.ask()
        assert asked.answer["way"] == "wawel"
        assert guest.scene.insides.disks[guest.uuid].inside.passwords == {"root": asked.answer["password"]}
        assert guest.ask("user.vm.reboot").answer["way"] == "wawel"
        guest.scene.run_for(BOOT_S[1])
        assert guest.ask("user.vm.set_hostname", hostname="renamed").answer["hostname"] == "renamed"
        assert guest.ask("user.vm.shutdown").accepted
        guest.scene.until_state(guest.vm_id, "stopped")
        assert guest.states() == ["finished"] * 4 and guest.wrong() == []


@pytest.mark.parametrize(("temper", "state", "done"), [("mute", "timed_out", 1), ("restless", "expired", 0)])
def test_silent(server: PrivatePostgres, state_dir: Path, temper: str, state: str, done: int) -> None:
    """What is not told is timed out, what has not begun never does: also not once its guest has booted again."""
    with within(server, state_dir, temper) as guest:
        assert guest.ask().error == "agent_silent"
        assert guest.states() == [state]
        assert guest.wrong() == [] and len(guest.scene.insides.done) == done


def test_heard_late(server: PrivatePostgres, state_dir: Path) -> None:
    """An agent that hears what it is to do when its time is over leaves it."""
    with within(server, state_dir, "quick") as guest:
        hears_late(guest)
        assert guest.wrong() == [] and guest.scene.insides.done == {}
        assert guest.states() == ["timed_out"]


def hears_late(guest: Within) -> None:
    guest.scene.at_point("database begin", lambda _: bool(guest.scene.hold(4.0)))
    with mock.patch.object(guest_command, "COMMAND_S", 3.0):
        assert guest.ask().error == "agent_silent"


def test_late_is_seen(server: PrivatePostgres, state_dir: Path) -> None:
    """One that is not told how much time is left does it late, and that is not overlooked."""
    begin = guest_command.begin_command

    def careless(*args: Any) -> Due | None:
        found = begin(*args)
        return None if found is None else replace(found, left_s=100.0)

    with within(server, state_dir, "quick") as guest, mock.patch.object(guest_command, "begin_command", careless):
        hears_late(guest)
        assert "s after its time" in guest.wrong()[0]


def test_told_again_is_seen(server: PrivatePostgres, state_dir: Path) -> None:
    """Nor is an endpoint that tells twice what is to be done."""
    with within(server, state_dir, "quick") as guest:
        key = command_key(guest.scene.processes[0].manager.policy.secret)
        sealed = _seal(key, f"set_time of {guest.vm_id}", {"unix_s": 1.0})
        guest.ask()
        with mock.patch.object(guest_command, "begin_command", lambda *_: Due("set_time", sealed, 100.0)):
            guest.scene.insides.agents[guest.uuid]._asks_again(1)
            guest.scene.run_for(2.0)
        assert "is told what is not for it" in guest.scene.broken[0]
