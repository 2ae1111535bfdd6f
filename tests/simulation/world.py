"""
What is outside of the managers: nodes with their domains and storages, and the agent of each; ``guest`` has what runs
in them.

Nodes are the memory provider, which passes the contract suites that the libvirt driver passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from twisted.internet.defer import Deferred

from cm.drivers.memory.migration import push
from cm.drivers.memory.node import MemoryNode
from cm.rpc.vocabulary import SeenReason
from contextualization.guest.polls import WAIT_HEADER
from contextualization.wire import Answer, Exchange
from node_hooks.problem import Problem
from node_hooks.signature import ADDRESS_HEADER, BRIDGE_HEADER, Authorization, sign
from simulation.guest import Guest
from simulation.process import Killed, Process
from simulation.wiring import Wiring, read_document

if TYPE_CHECKING:
    from cm.drivers.memory.world import World
    from simulation.simulation import Simulation

POLL_S: Final = 20.0
GRACE_S: Final = 10.0  # until an answer that does not come is given up
RETRY_S: Final = 2.0
BETWEEN_S: Final = 0.05
PUSH_S: Final = 0.7  # in which a migration comes a little further
# The calls of a driver that change nothing are not worth dying at.
LOOKS: Final = frozenset(
    {"source", "info", "domains", "look", "describe", "usage", "list_all", "find", "read_tail", "open", "close"}
    | {"download", "need", "takes", "measure", "host", "free_memory", "all_domains", "storage", "domain_saved"}
    | {"domain_xml", "pool_xml", "volume_find", "volume_xml", "screenshot", "facts", "keys", "cpu", "common_cpu"}
    | {"size"}
)


class Node:
    """A physical host, and the faults that it suffers just now."""

    KEEPALIVE_S: Final = 4.0

    def __init__(self, simulation: Simulation, number: int) -> None:
        self.simulation = simulation
        self.number = number
        self.name = f"n{number}"
        self.address = f"192.0.2.{number}"
        self.world_name = f"{simulation.name}-{self.name}"
        self.memory = MemoryNode.named(self.world_name)
        self.memory.on_hook = self._on_hook
        self.node_id = 0  # ours in the cluster
        self.hangs_until = 0.0
        self.slow = 1.0  # how much longer than usual its slow calls last
        self.late_s = 0.0  # how much later than it happened each call is answered, at the most
        self.copy_s = 0.0  # how long a copy lasts besides, at the most
        self.silent_at: float | None = None  # when a call to it last had no answer
        self.skew_s = 0.0
        self.boots = 1
        self.agent = Agent(self)
        self.launches: dict[str, int] = {}  # by uuid: which run of a domain this is
        self.guests: dict[str, Guest] = {}
        self.expects: set[str] = set()  # uuids of guests on their way here
        self.wakes: set[str] = set()  # of such as go on from their memory
        self.drowsy: set[str] = set()  # of such as have it, and were not told to go on
        self.memory.world.on_arrival = self._on_arrival

    def running(self) -> list[str]:
        """But for one that stands still since its guest may be at another node, or was not told to go on yet."""
        domains = self.memory.world.domains.items()
        on = ((u, d) for u, d in domains if d.running is not None)
        return sorted(u for u, d in on if not (d.paused and (self._leaves(u, d.reason) or u in self.drowsy)))

    def _leaves(self, uuid: str, reason: SeenReason) -> bool:
        """Whether a domain that stands still does so for its move. What came to nothing leaves it here, standing."""
        if reason is not SeenReason.MIGRATION:
            return False
        others = [node.memory.world for node in self.simulation.nodes if node is not self]
        return any(uuid in world.expected or uuid in world.domains for world in others)

    def logs(self) -> list[str]:
        """The names of what consoles are logged to."""
        return sorted(PurePosixPath(path).name for path in self.memory.world.logs)

    def _on_hook(self, uuid: str, name: str, operation: str, sub_operation: str) -> None:
        simulation = self.simulation
        if operation == "migrate":
            self.expects.add(uuid)
            simulation.later(PUSH_S, self._push, uuid)
        if uuid in self.expects:  # nothing of the guest is here yet
            self.agent.record(uuid, name, operation, sub_operation)
            if operation == "release":
                self.expects.discard(uuid)
            return
        if operation == "restore":
            self.wakes.add(uuid)
            self.drowsy.add(uuid)
            simulation.effects.wakes(self, uuid)
        if operation == "prepare":
            self.launches[uuid] = self.launches.get(uuid, 0) + 1
            simulation.watcher.starts(self, uuid)
            simulation.effects.starts(self, uuid)
        self.agent.record(uuid, name, operation, sub_operation)
        if operation == "release":
            self.drowsy.discard(uuid)
            simulation.runs.ends(self.name, uuid)
        if operation == "started":
            simulation.runs.begins(self.name, uuid)
            if uuid in self.wakes:
                self.wakes.discard(uuid)
                self._goes_on(uuid)
                return
            self.guests[uuid] = Guest(self, uuid, self.launches[uuid])
            self.guests[uuid].boot()

    def _goes_on(self, uuid: str) -> None:
        """It was suspended, here or elsewhere: it does not boot, and says hello if it has not."""
        slept = max((node for node in self.simulation.nodes if uuid in node.guests), key=lambda n: n.launches[uuid])
        self.launches[uuid] = slept.launches[uuid] + 1
        guest = slept.guests.pop(uuid)
        guest.node, guest.launch = self, self.launches[uuid]
        self.guests[uuid] = guest
        guest.goes_on()

    def _push(self, uuid: str) -> None:
        """A migration goes on by itself."""
        if any([push(node.memory.world, uuid) for node in self.simulation.nodes]):
            self.simulation.later(PUSH_S, self._push, uuid)

    def _on_arrival(self, uuid: str, world: World) -> None:
        """A guest goes on here, with all that it was about to do."""
        source = next(node for node in self.simulation.nodes if node.memory.world is world)
        self.expects.discard(uuid)
        self.simulation.watcher.starts(self, uuid)
        self.launches[uuid] = max(self.launches.get(uuid, 0), source.launches.get(uuid, 0)) + 1
        self.simulation.runs.begins(self.name, uuid)
        guest = source.guests.pop(uuid, None)
        if guest is not None:
            guest.node, guest.launch = self, self.launches[uuid]
            self.guests[uuid] = guest

    def cut_power(self) -> None:
        """The host is off: its agent and guests with it."""
        self.simulation.power_cuts.append(self.simulation.unix_s())
        for uuid in self.running():
            self.simulation.runs.ends(self.name, uuid)
        self.memory.power_cut()
        self.expects.clear()
        self.agent.running = False
        self.agent.wiring.power_off()

    def boot(self) -> None:
        self.boots += 1
        self.agent.start()

    def leave(self) -> None:
        """It is in no cluster any more: what is defined here is nobody's, and is cleared away with its agent."""
        for uuid in self.running():
            if self.simulation.sql("SELECT 1 FROM vm WHERE uuid = CAST(:u AS uuid) AND node_id = :n", u=uuid,
                                   n=self.node_id):  # fmt: skip
                self.simulation.break_invariant(f"{self.name} was taken out while VM {uuid} runs on it")
        self.memory.power_cut()
        self.memory.world.domains.clear()
        self.node_id = 0
        self.boots += 1
        self.agent = Agent(self)


class Agent:
    """
    The node's agent with its spool: records in order, each until it is acknowledged. What the disk holds outlives the
    agent, and the node's power.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.credential = ""
        self.spool: list[dict[str, Any]] = []
        self.sequence = 0
        self.running = True
        self.lose = 0  # records that the hook cannot write
        self.skip = 0  # records that are written and lost
        self.repeat = 0  # batches that are delivered again later
        self.unstored = 0  # batches that cannot be stored when they come
        self.deaf = 0  # answers that are lost
        self.stalled_until = 0.0
        self.protocol = 2  # 1: an agent of the release before, which reports nothing
        self.lacks: dict[str, str] = {}  # what is amiss on its node: text by code
        self.frozen: dict[str, str] | None = None  # what is said to be in place, whatever is: versions of sections
        self.late_until = 0.0  # when the next document comes
        self.waits_until = 0.0  # when that comes which is under way so long
        self.cut = 0  # documents of which only a part comes
        self.wiring = Wiring(node)
        self.applied: dict[str, str] = {}
        self.told: dict[str, Any] = {}  # sections of the last document
        self.reports = 0
        self.delivered = 0
        self._sending = False
        self._attempt = 0
        self._pause_s = 0.1
        self._asked = 0
        self._life = 0

    def enrolled(self, credential: str) -> None:
        """It may speak from now on, and has what the hook wrote before."""
        self.credential = credential
        self._poll()
        self.wake()

    # ------------------------------------------------------------------ the document

    def _again_soon(self, seconds: float) -> None:
        """Ask for the document then; what was asked before is not waited for any more."""
        self._asked += 1
        self.node.simulation.later(seconds, self._poll, self._asked)

    def _poll(self, asked: int | None = None) -> None:
        """Ask for the document, and be answered when it is another, or after a while: so it is known that it lives."""
        simulation = self.node.simulation
        if self.node.agent is not self or asked not in (None, self._asked):
            return  # its node has left, or it asks already
        process = simulation.some_process()
        speaks = self.running and not self.node.memory.unreachable and bool(self.credential)
        if process is None or not speaks or simulation.schedule.seconds() < self.stalled_until:
            self._again_soon(RETRY_S)
            return
        self._again_soon(POLL_S if self.protocol == 1 else POLL_S + GRACE_S)
        if self.protocol == 1:
            self.ask(process, "GET", "/node/document")
            return
        path = f"/node/document?format=2&version={quote(self.wiring.version, safe='')}&wait={POLL_S:.0f}"
        number = self._asked
        call_off = process.when_dead(lambda: self._broken(number))
        self.ask(process, "GET", path).addCallback(self._heard, number, call_off)

    def _broken(self, asked: int) -> None:
        if asked == self._asked:
            self._again_soon(RETRY_S)

    def _heard(self, answer: Answer, asked: int, call_off: Callable[[], None]) -> None:
        call_off()
        late_s = self.late_until - self.node.simulation.schedule.seconds()
        if asked != self._asked or late_s > 0:
            if asked == self._asked:
                self.waits_until, self.late_until = self.late_until, 0.0
                self._asked += 1
                self.node.simulation.later(late_s, self._heard, answer, self._asked, call_off)
            return
        content = read_document(answer.body) if answer.status == 200 and not self.cut else None
        self.cut = max(0, self.cut - 1)
        if not self.running or self.node.memory.unreachable or content is None:
            self._again_soon(RETRY_S)
            return
        self.told = content["sections"]
        if content["version"] != self.wiring.version:
            self.wiring.take(content)
        else:
            self.wiring.converge()
        self.tell()
        self._again_soon(BETWEEN_S)

    def tell(self) -> None:
        """Report what is new."""
        process = self.node.simulation.some_process()
        speaks = self.running and not self.node.memory.unreachable and self.protocol > 1 and bool(self.credential)
        told = self.wiring.report(Problem(code, "", text) for code, text in sorted(self.lacks.items()))
        if told is None or process is None or not speaks:
            return
        self.applied = told["applied"] if self.frozen is None else self.frozen
        self.reports += 1
        more = {
            "run": f"{self.boot_id}-{self._life}", "sequence": self.reports,
            "applied": {} if self.lacks else self.applied,
        }  # fmt: skip
        answered = self.ask(process, "POST", "/node/report", json.dumps({**told, **more}).encode())
        answered.addCallback(lambda answer: self.wiring.reported(told) if answer.status == 200 else None)

    def disturbed(self) -> None:
        """What somebody did to its network is looked at, and told."""
        if self.running and self.node.agent is self:
            self.wiring.disturb()
            self.tell()

    def start(self) -> None:
        self.running = True
        self._life += 1
        self._attempt += 1
        self._sending = False
        self.wiring.start()
        self._again_soon(BETWEEN_S)
        self.wake()

    @property
    def boot_id(self) -> str:
        return f"boot-{self.node.name}-{self.node.boots}"

    def record(self, uuid: str, name: str, operation: str, sub_operation: str) -> None:
        simulation = self.node.simulation
        if self.lose and operation == "release":
            self.lose -= 1
            simulation.note("hook lost", self.node.name, operation, uuid)
            return
        self.sequence += 1
        if self.skip and operation == "release":
            self.skip -= 1
            simulation.note("hook skipped", self.node.name, operation, uuid)
            return
        self.spool.append(
            {
                "domain_uuid": uuid, "domain_name": name, "operation": operation, "sub_operation": sub_operation,
                "sequence": self.sequence, "boot_id": self.boot_id,
                "time": round(simulation.unix_s() + self.node.skew_s, 6),
            }
        )  # fmt: skip
        self.wake()

    def wake(self) -> None:
        if not self._sending and self.running and self.spool and self.credential:
            self._sending = True
            self._attempt += 1
            self.node.simulation.later(self.node.simulation.hook_delay_s(), self._send, self._attempt)

    def _again(self, attempt: int) -> None:
        """After a failure, with growing pauses."""
        if attempt == self._attempt:
            self._attempt += 1
            self._pause_s = min(5.0, self._pause_s * 2)
            self.node.simulation.later(self._pause_s, self._send, self._attempt)

    def _send(self, attempt: int) -> None:
        simulation = self.node.simulation
        if attempt != self._attempt or not self.running:
            return
        if simulation.schedule.seconds() < self.stalled_until or self.node.memory.unreachable:
            self._again(attempt)
            return
        process = simulation.some_process()
        if process is None:
            self._again(attempt)
            return
        boot_id = self.spool[0]["boot_id"]
        batch = [record for record in self.spool[:100] if record["boot_id"] == boot_id]
        body = json.dumps({"boot_id": boot_id, "events": batch}).encode()
        if self.unstored:
            self.unstored -= 1
            simulation.unstored += 1
        answered = self.ask(process, "POST", "/node/events", body)
        answered.addCallback(self._answered, attempt)
        simulation.later(15.0, self._again, attempt)
        if self.repeat:
            self.repeat -= 1
            simulation.later(simulation.faults_rng.uniform(1, 60), self._repeat, body)

    def _repeat(self, body: bytes) -> None:
        simulation = self.node.simulation
        process = simulation.some_process()
        if process is not None and self.running:
            simulation.note("hook repeated", self.node.name)
            self.ask(process, "POST", "/node/events", body)

    def _answered(self, answer: Answer, attempt: int) -> None:
        if attempt != self._attempt or not self.running:
            return
        if self.deaf:
            self.deaf -= 1
            self.node.simulation.note("answer lost", self.node.name)
            return  # its own timeout sends it again
        if answer.status != 200:
            self.node.simulation.note("hook refused", self.node.name, answer.status)
            return
        through = json.loads(answer.body)["acknowledged"]
        boot_id = self.spool[0]["boot_id"]
        before = len(self.spool)
        self.spool = [r for r in self.spool if r["boot_id"] != boot_id or r["sequence"] > through]
        self.delivered += before - len(self.spool)
        self._pause_s = 0.1
        self._attempt += 1
        self._sending = False
        self.wake()

    def ask(
        self, process: Process, method: str, path: str, body: bytes = b"", bridge: str = "", address: str = "",
        waits_s: int = 0,
    ) -> Deferred[Answer]:  # fmt: skip
        """A signed request to one process's endpoint. :param waits_s: for which an agent in a guest may wait."""
        at = int(self.node.simulation.unix_s() + self.node.skew_s)
        signature = sign(self.credential, method, path, at, body, bridge, address)
        headers = {"authorization": (Authorization(self.node.node_id, at, signature).header(),)}
        if bridge:
            headers |= {BRIDGE_HEADER.lower(): (bridge,), ADDRESS_HEADER.lower(): (address,)}
        if waits_s:
            headers |= {WAIT_HEADER: (str(waits_s),)}
        exchange = Exchange(method, path, headers, body)
        answered: Deferred[Answer] = process.run(
            lambda: Deferred.fromCoroutine(process.endpoint.answer(exchange))
        )
        return answered


class SimDriver:
    """One process's connection to a node: every changing call is a place to die at, before and after it."""

    def __init__(self, process: Process, memory: MemoryNode) -> None:
        self.name = memory.name
        self.hypervisor = _SimPart(process, memory, "hypervisor")
        self.pools = _SimPart(process, memory, "pools")
        self.volumes = _SimPart(process, memory, "volumes")
        self.block_jobs = _SimPart(process, memory, "block_jobs")
        self.disks = _SimPart(process, memory, "disks")
        self.migrations = _SimPart(process, memory, "migrations")
        self.suspensions = _SimPart(process, memory, "suspensions")
        self.networks = _SimPart(process, memory, "networks")
        self.nics = _SimPart(process, memory, "nics")
        self.snapshots = _SimPart(process, memory, "snapshots")
        self.guest_agents = _SimPart(process, memory, "guest_agents")
        self.console_logs = _SimPart(process, memory, "console_logs")
        self.variables = _SimPart(process, memory, "variables")
        self.sizing = _SimPart(process, memory, "sizing")
        self.streams = _SimPart(process, memory, "streams")
        self.open, self.close = memory.open, memory.close


class _SimPart:
    def __init__(self, process: Process, memory: MemoryNode, name: str) -> None:
        self._process = process
        self._memory = memory
        self._name = name
        self._part = getattr(memory, name)

    def __getattr__(self, method: str) -> Any:
        call, process = self._call(method), self._process
        silence, job = process.simulation.silence, process.threads.job
        if silence.paths or (job is not None and job.answers):
            return silence.through(process, self._memory, self._name, method, call)
        return call

    def _call(self, method: str) -> Any:
        function = getattr(self._part, method)
        if method in LOOKS:
            return function
        process = self._process

        def call(*args: Any, **kwargs: Any) -> Any:
            if process.simulation.crash_point(process, f"node {method}", before=True):
                raise Killed()
            if method == "delete" and len(args) == 2:  # a volume: a pool and a name; else a console's log
                process.simulation.watcher.deletes(self._memory, *args[:2])
            if method == "wipe":
                process.simulation.watcher.wipes(self._memory, *args[:2])
            value = function(*args, **kwargs)
            process.simulation.effects.called(method, args, self._memory)
            if process.simulation.crash_point(process, f"node {method}", before=False):
                raise Killed()
            return value

        return call
