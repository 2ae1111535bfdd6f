"""Guests of simulated nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from cm.interfaces.hypervisor import NicSpec
from cm.rules.network import address_of_mac
from contextualization.wire import Answer
from simulation.asking import OPEN

if TYPE_CHECKING:
    from simulation.world import Node


HELLO_S: Final = 6.0  # of one that was suspended


class Guest:
    """What runs in a domain from one start to its end: it boots, asks for its metadata, says hello, lives its life."""

    def __init__(self, node: Node, uuid: str, launch: int) -> None:
        self.node = node
        self.uuid = uuid
        self.launch = launch

    def alive(self) -> bool:
        domain = self.node.memory.world.domains.get(self.uuid)
        return domain is not None and domain.running is not None and self.node.launches.get(self.uuid) == self.launch

    def boot(self) -> None:
        simulation = self.node.simulation
        rng = simulation.guests_rng
        simulation.effects.writes(self.node, self.uuid, self.launch)
        simulation.later(rng.uniform(5, 40), self._hello, 0)
        fate = rng.random()
        if fate < 0.11 or fate > 0.91:
            simulation.later(rng.uniform(20, 240), self._power_off)
        elif 0.2 < fate < 0.25:
            simulation.later(rng.uniform(10, 400), self._crash)
        if rng.random() < 0.1:
            self.node.memory.ignores_power_button.add(self.uuid)
        else:
            self.node.memory.ignores_power_button.discard(self.uuid)

    def goes_on(self) -> None:
        """What it was about to do when it was suspended is over; but it says hello once more."""
        self.node.simulation.later(HELLO_S, self._hello, 0)

    def _hello(self, attempt: int) -> None:
        simulation = self.node.simulation
        if not self.alive() or attempt > 20:
            return
        process = simulation.some_process()
        if self._waits(lambda: self._hello(attempt)):
            return
        reachable = process is not None and not self.node.memory.unreachable and self.node.agent.credential
        domain = self.node.memory.world.domains[self.uuid]
        nics = domain.running.nics if domain.running else ()
        if not reachable or not nics or domain.paused or process is None:
            simulation.later(5.0, self._hello, attempt + 1)
            return
        simulation.effects.writes(self.node, self.uuid, self.launch)
        way = self.way()
        if way is None:  # its node's agent was away as it booted
            simulation.later(5.0, self._hello, attempt + 1)
            return
        bridge, address = way
        self.node.agent.ask(process, "GET", "/guest/latest/meta-data/instance-id", b"", bridge, address)
        said = self.node.agent.ask(process, "POST", "/guest/hello", b"", bridge, address)
        said.addCallback(self._heard, attempt)

    def way(self) -> tuple[str, str] | None:
        """The bridge and address by which it asks for what it is told; None: it has none."""
        domain = self.node.memory.world.domains[self.uuid]
        nics = domain.running.nics if domain.running else ()
        return next((each for each in map(self._configured, nics) if each[1]), None)

    def _configured(self, nic: NicSpec) -> tuple[str, str]:
        """The bridge that a card is on, and the address that DHCP gives it there."""
        if nic.bridge:
            return nic.bridge, self.node.agent.wiring.kernel.lease(nic.bridge, nic.mac)
        return self.node.memory.world.networks[nic.network].bridge, str(address_of_mac(nic.mac))

    def _heard(self, answer: Answer, attempt: int) -> None:
        if answer.status != 200:
            self.node.simulation.later(5.0, self._hello, attempt + 1)
        elif self.alive():
            self.node.simulation.insides.boots(self)

    def _waits(self, then: Callable[[], None]) -> bool:
        """Its storage has no answer: it comes to no end before."""
        silence = self.node.simulation.silence
        held = silence.holds(self.node.memory, self.uuid)
        if held:
            silence.wait(then)
        return held

    def _power_off(self) -> None:
        if self.alive() and self._waits(self._power_off):
            return
        if self.alive() and self.node.agent.running and not self.node.memory.world.domains[self.uuid].paused:
            self.node.simulation.note("guest powers off", self.node.name, self.uuid)
            self.node.simulation.effects.endings.happens(self.uuid)
            self.node.memory.guest_power_off(self.uuid)

    def is_told_to_end(self) -> None:
        """By its agent. Where nobody asks it to any more, that is an end by itself."""
        simulation = self.node.simulation
        if not self.alive() or self._waits(self.is_told_to_end):
            return
        if not self.node.agent.running or self.node.memory.world.domains[self.uuid].paused:
            simulation.later(1.0, self.is_told_to_end)
            return
        simulation.note("guest ends as it is told", self.node.name, self.uuid)
        busy = simulation.sql(
            "SELECT 1 FROM operation o JOIN vm v ON v.id = o.vm_id"
            f" WHERE v.uuid = CAST(:u AS uuid) AND o.state IN {OPEN}",
            u=self.uuid,
        )
        if not busy:
            simulation.effects.endings.happens(self.uuid)
        self.node.memory.guest_power_off(self.uuid)

    def _crash(self) -> None:
        if self.alive() and self._waits(self._crash):
            return
        if self.alive() and self.node.agent.running:
            panics = self.launch % 2 == 1
            told = "guest's kernel panics" if panics else "guest crashes"
            self.node.simulation.note(told, self.node.name, self.uuid)
            self.node.simulation.effects.endings.happens(self.uuid, "crash")
            (self.node.memory.panic if panics else self.node.memory.crash)(self.uuid)
