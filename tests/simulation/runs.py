"""
When each domain ran, as the nodes know it: nobody has acted on an end that never was. What follows from one ends the
domain that ran on in well under the time between two looks, and then all agrees.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulation.simulation import Simulation

# What an end by itself leads to, by policy.
FOLLOWS: Final = ("vm_stop", "vm_save_and_shutdown", "vm_destroy", "vm_start")


class Runs:
    """Of one simulation. Moments are seconds of its own clock."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._of: dict[str, list[tuple[str, float, float]]] = defaultdict(list)  # by uuid: where, from, until

    def begins(self, where: str, uuid: str) -> None:
        self._of[uuid].append((where, self._simulation.schedule.seconds(), math.inf))

    def ends(self, where: str, uuid: str) -> None:
        now = self._simulation.schedule.seconds()
        self._of[uuid] = [
            (node, since, now if node == where and until == math.inf else until)
            for node, since, until in self._of[uuid]
        ]

    def ended(self, uuid: str) -> list[float]:
        """When runs of a domain ended."""
        return [until for _, _, until in self._of[uuid] if until < math.inf]

    def at_rest(self) -> list[str]:
        """Work that hooks and looks led to, as if a VM had ended, while it ran."""
        from simulation.simulation import EPOCH

        wrong = []
        for row in self._simulation.sql(
            "SELECT o.id, o.kind, o.cause_kind, o.cause_ref, v.id AS vm_id, v.uuid::text AS uuid,"
            " extract(epoch FROM o.created_at)::float8 AS at FROM operation o JOIN vm v ON v.id = o.vm_id"
            " WHERE o.cause_kind IN ('hook', 'look') AND o.kind = ANY(:follows) ORDER BY o.id",
            follows=list(FOLLOWS),
        ):
            at = row.at - EPOCH
            there = [each for each in self._of[row.uuid] if each[1] < at < each[2]]
            hung = self._simulation.effects.endings.hung(row.uuid)
            if row.kind == "vm_stop" and any(since < when - EPOCH <= at for _, since, _ in there for when in hung):
                continue  # so its policy was
            if there and not self._simulation.excuses.given("tampered", row.uuid):
                told = f"{row.cause_kind} {row.cause_ref} had it that it ended"
                ran = f"it ran on {there[0][0]} since {there[0][1]:.1f}"
                wrong.append(f"VM {row.vm_id}: {told}, which led to {row.kind} at {at:.1f}; {ran}")
        return wrong
