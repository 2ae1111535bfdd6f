"""
An administrator who knows which machines are off, and says so of nodes that do not answer. Drawn apart from the rest of
the workload.
"""

from __future__ import annotations

from simulation.draws import Draws


class Fencers(Draws):
    STREAM = "fencers"
    PACE_S = 20.0
    ASKED = {"fence": 1}

    def _fence(self) -> None:
        """Nobody says so by way of a cloud: a word that comes late is about a machine that may be on again."""
        known = {row.id for row in self.simulation.sql("SELECT id FROM node WHERE deleted_at IS NULL")}
        off = [
            node for node in self.simulation.nodes
            if node.node_id in known and node.memory.unreachable and not node.agent.running and not node.running()
        ]  # fmt: skip
        if off and self.simulation.cloud is None:
            node = self._rng.choice(off)
            self._workload.ask("admin", "admin.node.fence", node_id=node.node_id, reason="its power is gone")
