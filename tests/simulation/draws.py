"""Calls that people make by draws of their own, so that seeds of before tell the same story else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from simulation.chance import stream

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Workload


class Draws:
    """
    Of one workload.

    :cvar STREAM: the name of its draws.
    :cvar PACE_S: mean seconds between two of them.
    :cvar ASKED: what is drawn, the names of methods without their "_", and how often compared to the others.
    """

    STREAM: ClassVar[str]
    PACE_S: ClassVar[float]
    ASKED: ClassVar[Mapping[str, int]]

    def __init__(self, workload: Workload, until_s: float) -> None:
        self._workload = workload
        self._until_s = until_s
        self._rng = stream(workload.simulation.seed, self.STREAM)
        self._later()

    @property
    def simulation(self) -> Simulation:
        return self._workload.simulation

    def _later(self) -> None:
        self.simulation.later(self._rng.expovariate(1 / self.PACE_S), self._tick)

    def _tick(self) -> None:
        if self.simulation.schedule.seconds() < self._until_s:
            self._draw()
            self._later()

    def _draw(self) -> None:
        getattr(self, "_" + self._rng.choices(list(self.ASKED), list(self.ASKED.values()))[0])()

    def _one(self, statement: str) -> Any:
        """One of the rows that it gives; None without any."""
        found = self.simulation.sql(statement)
        return self._rng.choice(found) if found else None
