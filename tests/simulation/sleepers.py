"""
People who suspend VMs and wake them up, mostly, or stop them, or try what is refused; now and then work is given up, or
a VM destroyed, or put into the trash, from where they mostly take it again. Drawn apart from the rest of the workload.
"""

from __future__ import annotations

from typing import Any

from simulation.asking import OPEN
from simulation.draws import Draws


class Sleepers(Draws):
    STREAM = "sleepers"
    PACE_S = 13.0
    ASKED = {
        "suspend": 6, "wake_up": 7, "stop": 1, "start": 1, "give_up": 2, "retry": 1, "destroy": 1, "trash": 3,
        "recover": 4,
    }  # fmt: skip

    def _vm(self, where: str) -> Any:
        return self._one(
            "SELECT a.login, v.id FROM vm v JOIN account a ON a.id = v.account_id"
            f" WHERE v.closed_at IS NULL AND {where} ORDER BY 2"
        )

    def _ask(self, verb: str, where: str) -> None:
        row = self._vm(where)
        if row is not None:
            self._workload.ask(row.login, f"user.vm.{verb}", vm_id=row.id)

    def _suspend(self) -> None:
        self._ask("suspend", "v.seen IN ('running', 'paused')")

    def _wake_up(self) -> None:
        self._ask("wake_up", "v.wanted = 'suspended'")

    def _stop(self) -> None:
        self._ask("stop", "v.wanted = 'suspended'")

    def _start(self) -> None:
        self._ask("start", "v.wanted = 'suspended'")

    def _end(self, verb: str, where: str) -> None:
        row = self._vm(where)
        if row is not None:
            self._workload.ask(row.login, f"user.vm.{verb}", vm_ids=[row.id])

    def _destroy(self) -> None:
        self._end("destroy", "v.wanted IN ('suspended', 'trashed')")

    def _trash(self) -> None:
        self._end("trash", "v.wanted IN ('running', 'stopped', 'suspended')")

    def _recover(self) -> None:
        self._end("recover", "v.wanted = 'trashed'")

    def _work(self, where: str, verb: str) -> None:
        row = self._one(
            "SELECT a.login, o.id FROM operation o JOIN vm v ON v.id = o.vm_id JOIN account a ON a.id = v.account_id"
            f" WHERE o.kind IN ('vm_suspend', 'vm_wake_up', 'vm_trash') AND {where} AND v.closed_at IS NULL ORDER BY 2"
        )
        if row is not None:
            self._workload.ask(row.login, f"user.operation.{verb}", operation_id=row.id)

    def _give_up(self) -> None:
        self._work(f"o.state IN {OPEN}", "abandon")

    def _retry(self) -> None:
        self._work("o.state = 'failed'", "retry")
