"""
What directed scenarios on the simulator share: a cluster with calm guests, whose calls are answered, whose nodes lie
and fall silent when told to, and which is held to the invariants at rest and in its end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from twisted.python.failure import Failure

from cm.drivers.memory.parts import MemoryHypervisor
from cm.interfaces.hypervisor import DomainSeen
from cm.rpc.errors import CloudError
from simulation import invariants
from simulation.asking import OPEN
from simulation.database import IServer, Server
from simulation.process import Process
from simulation.simulation import Simulation
from simulation.walk import CalmGuests
from simulation.workload import Workload
from simulation.world import Node

PASS_S: Final = 16.0  # in which each node gets a pass
REST_S: Final = 900.0  # until all must be quiet


class Scene(Simulation):
    """A simulation in which nothing happens but what a scenario does. Guests boot, and run on until told otherwise."""

    def __init__(
        self, server: IServer, state_dir: Path, seed: int, *, nodes: int = 3, managers: int = 1, storages: int = 1,
        spares: int = 0, own: bool = False,
    ) -> None:  # fmt: skip
        self._databases = Server(server.url("postgres"))  # by a connection: a psql for each takes as long as a scenario
        name = f"scenario_{os.getpid()}"
        given = {"nodes": nodes, "managers": managers, "storages": storages, "spares": spares, "own": own}
        super().__init__(self._databases, state_dir, seed, name=name, **given)
        self._held_s: float | None = None

    def __enter__(self) -> Scene:
        super().__enter__()
        self.guests_rng = CalmGuests()
        self.clients = Workload(self, 0.0)  # asks nothing by itself; what is asked through it is asked until answered
        self.run_for(0.2)
        return self

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._databases.close()

    # ------------------------------------------------------------------ calls

    def new(self, name: str = "vm", **more: Any) -> dict[str, Any]:
        """The parameters of a creation."""
        return {
            "name": name, "description": "", "image_id": self.image_id, "template_id": self.template_id, **more,
        }  # fmt: skip

    def vm(self, *, on: Node | None = None, **more: Any) -> int:
        """A VM of ann's that runs, on a node of choice, and whose guest has said hello."""
        with self.only(on):
            vm_id = int(self.call("user.vm.create", self.new(**more), login="ann")[0]["vm_id"])
        self.until(lambda: bool(self.row(vm_id).contextualized_at), f"VM {vm_id} says hello")
        self.quiet()
        return vm_id

    def act(self, verb: str, vm_id: int, *, login: str = "ann", **more: Any) -> dict[str, Any]:
        """``user.vm.<verb>`` of one VM; of a view that takes several, its answer for this one."""
        several = verb in ("destroy", "reset")
        found = self.call(
            f"user.vm.{verb}", {"vm_ids": [vm_id]} if several else {"vm_id": vm_id, **more}, login=login
        )
        answer: dict[str, Any] = found[0] if several else found
        return answer

    def refused(self, method: str, params: dict[str, Any], *, login: str = "ann") -> str:
        """The slug of the error with which a call is refused; "" where it is not."""
        try:
            self.call(method, params, login=login)
        except CloudError as error:
            return error.code
        return ""

    def all_of(self, asked: Sequence[Any], limit_s: float = 60.0) -> list[Any]:
        """The answers of calls that are under way together, or their failures, in the order of asking."""
        box: dict[int, Any] = {}
        for number, each in enumerate(asked):
            each.addBoth(lambda value, number=number: box.__setitem__(number, value))
        self.until(lambda: len(box) == len(asked), "all calls are answered", limit_s)
        return [box[number].value if isinstance(box[number], Failure) else box[number] for number in range(len(asked))]

    # ------------------------------------------------------------------ what is so

    def shown(self, vm_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.call("admin.vm.get_by_id", {"vm_id": vm_id})
        return found

    def state(self, vm_id: int) -> str:
        return str(self.shown(vm_id)["state"])

    def row(self, vm_id: int) -> Any:
        return self.sql("SELECT *, uuid::text AS key FROM vm WHERE id = :id", id=vm_id)[0]

    def uuid(self, vm_id: int) -> str:
        return str(self.row(vm_id).key)

    def runs_on(self, vm_id: int) -> list[str]:
        """The names of the nodes that run its domain."""
        uuid = self.uuid(vm_id)
        return [node.name for node in self.nodes if uuid in node.running()]

    def used(self, login: str = "ann") -> tuple[int, int, int, int]:
        """CPUs, MiB of memory, MiB of storage and VMs that are counted for an account."""
        row = self.sql("SELECT * FROM account WHERE login = :login", login=login)[0]
        return row.used_cpu, row.used_memory_mib, row.used_storage_mib, row.used_vms

    def leased(self) -> tuple[int, int]:
        """Addresses and VNC ports that VMs hold."""
        return (
            self.sql("SELECT count(*) FROM network_lease WHERE nic_id IS NOT NULL")[0][0],
            self.sql("SELECT count(*) FROM vnc_port WHERE vm_id IS NOT NULL")[0][0],
        )

    def operations(self, vm_id: int) -> list[tuple[str, str, str]]:
        """Kind, state and error of a VM's operations, oldest first, as its owner is shown them."""
        found = self.call("user.operation.get_list", {"vm_id": vm_id}, login="ann")
        return [(str(each["kind"]), str(each["state"]), each["error"]) for each in reversed(found)]

    def ledger(self) -> list[tuple[str, int | None]]:
        """The open findings: what, and of which VM."""
        return [(str(each["kind"]), each["vm_id"]) for each in self.call("admin.drift.get_list")]

    def books(self) -> list[str]:
        """What is counted and is not there."""
        return invariants._books(self)

    def told(self, words: str) -> bool:
        return any(words in line for line in self.journal)

    # ------------------------------------------------------------------ time

    def until(self, holds: Callable[[], bool], what: str, limit_s: float = 120.0) -> None:
        """
        Let time pass until something holds.

        :raises AssertionError: it never did.
        """
        began = self.schedule.seconds()
        while not holds():
            assert self.schedule.seconds() < began + limit_s, f"in {limit_s} s it never came to this: {what}"
            self.run_for(0.1 if self.schedule.seconds() < began + 2 else 0.5)

    def until_state(self, vm_id: int, state: str, limit_s: float = 120.0) -> None:
        """Let time pass until a VM's summary, and then the view, says so."""

        def shows() -> bool:
            return bool(self.sql("SELECT 1 FROM vm WHERE id = :id AND summary::json->>'state' = :s", id=vm_id, s=state))

        self.until(shows, f"VM {vm_id} is {state}", limit_s)
        assert self.state(vm_id) == state

    def quiet(self, limit_s: float = REST_S) -> None:
        """Let pass what is under way."""
        self.until(lambda: not self.sql(f"SELECT 1 FROM operation WHERE state IN {OPEN}"), "nothing is open", limit_s)

    # ------------------------------------------------------------------ faults

    @contextmanager
    def only(self, node: Node | None) -> Iterator[None]:
        """Have nothing be placed on other nodes."""
        others = [other for other in self.nodes if node is not None and other is not node]
        for other in others:
            self.call("admin.node.lock", {"node_id": other.node_id})
        yield
        for other in others:
            self.call("admin.node.unlock", {"node_id": other.node_id})

    @contextmanager
    def lists(self, node: Node, change: Callable[[Sequence[DomainSeen]], Sequence[DomainSeen]]) -> Iterator[None]:
        """Have a node list its domains otherwise than they are."""
        whole = MemoryHypervisor.domains

        def domains(memory: MemoryHypervisor) -> Sequence[DomainSeen]:
            found = whole(memory)
            return change(found) if memory._link.world is node.memory.world else found

        with mock.patch.object(MemoryHypervisor, "domains", domains):
            yield

    def hold(self, seconds: float) -> None:
        """Have the answer to the call that is under way come so late."""
        self._held_s = seconds

    def answer_s(self, pool: str) -> float:
        held, self._held_s = self._held_s, None
        return super().answer_s(pool) if held is None else held

    def at_point(self, what: str, act: Callable[[Process], bool], *, before: bool = False) -> None:
        """
        Have something happen once: when a process comes to a step, or after it.

        :param act: given the process; whether it dies there.
        """

        def on_point(process: Process, name: str, is_before: bool) -> bool:
            if name != what or is_before is not before:
                return False
            self.on_point = None
            return act(process)

        self.on_point = on_point

    def part(self, node: Node) -> None:
        """The node is heard of no more; its guests go on."""
        self.note("parted", node.name)
        node.memory.unreachable = True

    def cut(self, node: Node) -> None:
        """Its power is off."""
        self.note("cut", node.name)
        node.memory.unreachable = True
        node.cut_power()

    def heal(self) -> None:
        """All nodes are there again, with what they had on disk."""
        for node in self.nodes:
            node.memory.unreachable, node.slow, node.copy_s, node.late_s = False, 1.0, 0.0, 0.0
            agent = node.agent
            agent.lose = agent.skip = agent.repeat = agent.deaf = 0
            agent.stalled_until = 0.0
            if not agent.running:
                node.boot()

    # ------------------------------------------------------------------ the end

    def rest(self) -> None:
        """Nothing is open, nothing is in a spool, and each node has had a pass since."""
        for _ in range(2):
            self.quiet()
            self.until(lambda: not any(node.agent.spool for node in self.nodes), "all spools are empty", REST_S)
            self.run_for(PASS_S)

    def finish(self) -> None:
        """Heal and rest; then destroy all that lives; hold both to the invariants."""
        self.on_point = None
        self.heal()
        self.rest()
        self.look_at_storages()
        problems = invariants.at_rest(self, self.clients)
        living = [row.id for row in self.sql("SELECT id FROM vm WHERE closed_at IS NULL ORDER BY id")]
        if living:
            answers = self.call("admin.vm.destroy", {"vm_ids": living})
            problems += [f"destroy was refused: {answer}" for answer in answers if answer["status"] != "ok"]
        self.rest()
        self.look_at_storages()
        problems += [f"in the end: {problem}" for problem in invariants.in_the_end(self)]
        assert not problems + self.broken, "\n".join(problems + self.broken)


def nothing_happened(scene: Scene, vm_id: int) -> None:
    """A VM runs, as its only operation had it."""
    assert scene.state(vm_id) == "running"
    assert len(scene.runs_on(vm_id)) == 1
    assert scene.operations(vm_id) == [("vm_create", "done", "")]
    assert scene.row(vm_id).launches == 1


def abandon(scene: Scene, operation_id: int, login: str) -> str:
    role = "admin" if login == "admin" else "user"
    return scene.refused(f"{role}.operation.abandon", {"operation_id": operation_id}, login=login)
