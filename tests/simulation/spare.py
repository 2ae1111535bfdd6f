"""A node that comes and goes while the others work: it is added, enrolled and used, emptied, and taken out again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from contextualization.wire import Answer, Exchange

if TYPE_CHECKING:
    from simulation.simulation import Simulation
    from simulation.workload import Ask, Workload
    from simulation.world import Node

AGAIN_S: Final = 7.0  # between attempts at what did not come off
LEAVE_TRIES: Final = 12


class Spare:
    """Of one workload. It is ``simulation.nodes[-1]``, whose ``node_id`` is 0 while it is in no cluster."""

    def __init__(self, workload: Workload, node: Node) -> None:
        self.workload = workload
        self.node = node
        self._busy = False

    @property
    def simulation(self) -> Simulation:
        return self.workload.simulation

    def turn(self) -> None:
        """In, if it is out; out, if it is in."""
        if self._busy:
            return
        self._busy = True
        if self.node.node_id == 0:
            uri = f"memory:///{self.node.world_name}"
            self._ask("admin.node.add", self._added, name=self.node.name, uri=uri, address=self.node.address)
        else:
            self._ask("admin.node.maintain", self._emptied, node_id=self.node.node_id)

    def _ask(self, method: str, then: Any, *more: Any, **params: Any) -> None:
        asked = self.workload.ask("admin", method, **params)
        self.simulation.later(1.0, self._look, asked, then, more)

    def _look(self, asked: Ask, then: Any, more: Any) -> None:
        if asked.ended:
            then(asked, *more)
        else:
            self.simulation.later(1.0, self._look, asked, then, more)

    # ------------------------------------------------------------------ in

    def _added(self, asked: Ask) -> None:
        if not asked.accepted:
            self._busy = False
            return
        self.node.node_id = asked.answer["node_id"]
        self.simulation.by_id[self.node.node_id] = self.node
        self._enrol()
        for storage_id in self.simulation.storage_ids:
            both = {"storage_id": storage_id, "node_id": self.node.node_id}
            self.workload.ask("admin", "admin.storage.attach", **both)

    def _enrol(self) -> None:
        """Again and again, until the agent has its credential."""
        if self.node.agent.credential:
            return
        self.simulation.later(AGAIN_S, self._enrol)
        self.workload.counts["admin.node.enrol"] += 1
        try:
            asked: Deferred[Any] = self.simulation.ask("admin.node.enrol", {"node_id": self.node.node_id})
        except LookupError:
            return
        asked.addCallbacks(self._enrolled, lambda failure: None)

    def _enrolled(self, answer: Any) -> None:
        process, agent = self.simulation.some_process(), self.node.agent
        if process is None or agent.credential:
            return
        body = json.dumps({"token": answer["token"], "hostname": self.node.name, "boot_id": agent.boot_id}).encode()

        def take(told: Answer) -> None:
            if told.status == 200 and not agent.credential:
                agent.enrolled(json.loads(told.body)["credential"])
                self._busy = False

        exchange = Exchange("POST", "/node/enrol", {}, body)
        said: Deferred[Answer] = process.run(lambda: Deferred.fromCoroutine(process.endpoint.answer(exchange)))
        said.addCallbacks(take, lambda failure: None)

    # ------------------------------------------------------------------ out

    def _emptied(self, asked: Ask) -> None:
        self._leave(0)

    def _leave(self, tries: int) -> None:
        """Once nothing is placed on it; else it stays."""
        if tries >= LEAVE_TRIES:
            self._ask("admin.node.unlock", self._stays, node_id=self.node.node_id)
        else:
            self.workload.ask("admin", "admin.node.disable", node_id=self.node.node_id)
            self._ask("admin.node.delete", self._left, tries, node_id=self.node.node_id)

    def _left(self, asked: Ask, tries: int) -> None:
        if asked.accepted:
            self.node.leave()
            self._busy = False
        else:
            self.simulation.later(AGAIN_S, self._leave, tries + 1)

    def _stays(self, asked: Ask) -> None:
        self._busy = False
