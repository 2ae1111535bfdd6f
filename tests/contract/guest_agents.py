"""What every ``IGuestAgents`` does, of a guest whose agent answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import pytest

from cm.interfaces.guest_agent import NewPassword
from cm.interfaces.node import INode
from cm.rpc.errors import AgentRefused, AgentSilent, DomainNotRunning, NotSupported
from cm.rpc.vocabulary import Seen
from lab.processes import wait_until
from tests.contract.hypervisor import domain_spec

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} {letter}" for letter in "AB"]


class GuestAgentsContract(ABC):
    agents = True  # whether this hypervisor has any
    unix_s = 2_000_000_000.0

    @abstractmethod
    def make(self) -> INode: ...

    @abstractmethod
    def guest(self, node: INode) -> str:
        """The uuid of a running guest with an agent, and an account root."""

    @pytest.fixture
    def node(self) -> Iterator[INode]:
        made = self.make()
        yield made
        made.close()

    def test_none(self, node: INode) -> None:
        """Who has none says so."""
        if self.agents:
            pytest.skip("needs a hypervisor without agents; the others show what one with them does")
        with pytest.raises(NotSupported):
            node.guest_agents.facts(domain_spec().uuid)
        with pytest.raises(NotSupported):
            node.guest_agents.set_password(domain_spec().uuid, NewPassword("root", "secret-1"))

    def test_keys(self, node: INode) -> None:
        """Keys are added once, and those that are not there are gone already."""
        agents, uuid = node.guest_agents, self.answering(node)
        before = list(agents.keys(uuid, "root"))
        for _ in range(2):
            agents.add_keys(uuid, "root", KEYS)
        assert list(agents.keys(uuid, "root")) == [*before, *KEYS]
        for _ in range(2):
            agents.remove_keys(uuid, "root", KEYS[:1])
        assert list(agents.keys(uuid, "root")) == [*before, KEYS[1]]
        agents.remove_keys(uuid, "root", KEYS)

    def test_password(self, node: INode) -> None:
        """It may be set again; of an account that is not there the agent refuses it."""
        uuid = self.answering(node)
        for _ in range(2):
            node.guest_agents.set_password(uuid, NewPassword("root", "secret-1"))
        with pytest.raises(AgentRefused):
            node.guest_agents.set_password(uuid, NewPassword("nobody-there", "secret-1"))

    def test_facts(self, node: INode) -> None:
        """What a guest tells of itself is told, and what it leaves out named."""
        uuid = self.answering(node)
        node.guest_agents.set_time(uuid, self.unix_s)
        facts = node.guest_agents.facts(uuid)
        assert facts.hostname and set(facts.silent) <= {"os", "interfaces", "filesystems", "users"}

    def test_leaves(self, node: INode) -> None:
        """One that is asked to reboot runs on or again; one that is asked to power off ends."""
        uuid = self.answering(node)
        node.guest_agents.reboot(uuid)
        self.answers(node, uuid)
        node.guest_agents.power_off(uuid)
        wait_until(lambda: node.hypervisor.look(uuid).state not in (Seen.RUNNING, Seen.PAUSED), "its end", 60)
        with pytest.raises(DomainNotRunning):
            node.guest_agents.reboot(uuid)

    def answers(self, node: INode, uuid: str) -> None:
        """Wait until a guest's agent answers again."""
        wait_until(lambda: bool(node.guest_agents.facts(uuid).hostname), "its agent", 120)

    def test_gone(self, node: INode) -> None:
        """Of a domain that is off, or absent, nothing is asked."""
        self.answering(node)
        with pytest.raises(DomainNotRunning):
            node.guest_agents.facts(domain_spec().uuid)

    def test_paused(self, node: INode) -> None:
        """A guest that stands still does not answer."""
        uuid = self.answering(node)
        node.hypervisor.pause(uuid)
        try:
            with pytest.raises(AgentSilent):
                node.guest_agents.facts(uuid)
        finally:
            node.hypervisor.resume(uuid)

    def answering(self, node: INode) -> str:
        if not self.agents:
            pytest.skip("needs a hypervisor with agents; test_none shows that this one has none")
        return self.guest(node)
