"""
People who make farms, grow and shrink them, save and end them; now and then what starts one is given up, or is tried
again. Drawn apart from the rest of the workload.
"""

from __future__ import annotations

from typing import Any

from simulation.asking import OPEN
from simulation.beginning import LOGINS
from simulation.draws import Draws


class Farmers(Draws):
    STREAM = "farmers"
    PACE_S = 25.0
    ASKED = {"create": 4, "grow": 2, "shrink": 2, "destroy": 2, "save": 1, "edit": 1, "give_up": 1, "retry": 2}

    def _farm(self) -> Any:
        return self._one(
            "SELECT DISTINCT a.login, f.id FROM farm f JOIN account a ON a.id = f.account_id"
            " JOIN vm v ON v.farm_id = f.id WHERE v.closed_at IS NULL ORDER BY 2"
        )

    def _ask(self, verb: str, **more: Any) -> None:
        row = self._farm()
        if row is not None:
            self._workload.ask(row.login, f"user.farm.{verb}", farm_id=row.id, **more)

    def _create(self) -> None:
        simulation = self.simulation
        self._workload.ask(
            self._rng.choice(LOGINS), "user.farm.create", name=f"farm{len(self._workload.asks)}", description="",
            image_id=simulation.image_id, head_template_id=simulation.template_id,
            worker_template_id=simulation.template_id, count=self._rng.randint(1, 2),
        )  # fmt: skip

    def _grow(self) -> None:
        self._ask("grow")

    def _shrink(self) -> None:
        self._ask("shrink", count=1)

    def _destroy(self) -> None:
        self._ask("destroy")

    def _save(self) -> None:
        self._ask("save_and_shutdown", name=f"head{len(self._workload.asks)}", description="")

    def _edit(self) -> None:
        self._ask("edit", description=f"{len(self._workload.asks)}")

    def _work(self, where: str, verb: str) -> None:
        row = self._one(
            "SELECT a.login, o.id FROM operation o JOIN account a ON a.id = o.account_id"
            f" WHERE o.kind = 'farm_launch' AND {where} ORDER BY 2"
        )
        if row is not None:
            self._workload.ask(row.login, f"user.operation.{verb}", operation_id=row.id)

    def _give_up(self) -> None:
        self._work(f"o.state IN {OPEN}", "abandon")

    def _retry(self) -> None:
        self._work("o.state = 'failed'", "retry")
