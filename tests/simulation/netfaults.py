"""What goes wrong with the networks of nodes: agents and documents, and what somebody else does there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.plan import Fault
    from simulation.simulation import Simulation
    from simulation.world import Node


class NetworkFaults:
    simulation: Simulation
    _ended: bool

    def _agent_away(self, fault: Fault, node: Node) -> None:
        """For minutes: its node keeps what it has, whatever becomes of it."""
        node.agent.running = False
        self.simulation.later(30 + 210 * fault.size**2, self._agent_comes, node)

    @staticmethod
    def _agent_comes(node: Node) -> None:
        if not node.memory.unreachable and not node.agent.running:
            node.agent.start()

    def _document_late(self, fault: Fault, node: Node) -> None:
        """What its agent is answered next is under way for a while, and old when it comes."""
        node.agent.late_until = self.simulation.schedule.seconds() + 5 + 115 * fault.size**2

    def _document_cut(self, fault: Fault, node: Node) -> None:
        """Only a part of it comes, again and again."""
        node.agent.cut += 1 + int(3 * fault.size)

    def _node_rebooted(self, fault: Fault, node: Node) -> None:
        """Nothing of its networks is left, and its guests are off; its agent comes soon, and a manager later."""
        if not node.agent.running:
            return
        node.memory.unreachable = True
        node.cut_power()
        self.simulation.later(3 + 27 * fault.size, self._up_again, node)

    def _up_again(self, node: Node) -> None:
        if not self._ended and not node.agent.running:
            self.simulation.note("up again", node.name)
            node.memory.unreachable = False
            node.boot()

    def _nft_flushed(self, fault: Fault, node: Node) -> None:
        """By somebody else: guests are held by nothing, until the kernel has told the agent so."""
        node.agent.wiring.kernel.nft.flush()
        self.simulation.later(0.05, node.agent.disturbed)

    def _link_deleted(self, fault: Fault, node: Node) -> None:
        """A bridge, a tunnel or a VLAN, by somebody; the agent looks twice a second whether they are there."""
        kernel = node.agent.wiring.kernel
        found = sorted(name for name in kernel.devices if name.startswith(("wn", "wx", "wu")))
        if found:
            kernel.delete(found[int(fault.size * len(found))])
            self.simulation.later(0.5, node.agent.disturbed)

    def _peer_added(self, fault: Fault, node: Node) -> None:
        """Frames of a network go to somebody who does not carry it, until the agent looks through its entries."""
        kernel = node.agent.wiring.kernel
        for name in sorted(name for name in kernel.devices if name.startswith("wx"))[:1]:
            kernel.peers.setdefault(name, {})["192.0.2.99"] = None

    def _route_deleted(self, fault: Fault, node: Node) -> None:
        """Guests of a network are unreachable, until the agent looks through its routes."""
        kernel = node.agent.wiring.kernel
        for key in list(kernel.routes)[:1]:
            del kernel.routes[key]
