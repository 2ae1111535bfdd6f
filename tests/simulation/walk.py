"""
The exhaustive crash walk: for each kind of operation one run per crash point, in which the process dies exactly there.

A point is a moment before or after a step that blocks, from the user's call to the operation's end; see
``Simulation.crash_point``. Every run begins with the same seed and so comes to its point by the same way. With one
manager the program is started again, as by systemd; with two the other one takes over.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.python.failure import Failure as Raised

from cm.operations import staging
from cm.store.leak import leaks
from simulation.asking import OPEN
from simulation.database import IServer
from simulation.kinds import KINDS, Kind, busy
from simulation.process import Process
from simulation.simulation import Simulation

SEED: Final = 7
DOWN_S: Final = {1: 5.0, 2: 30.0}  # by number of managers: until the dead one is there again
LIMIT_S: Final = 600.0  # until all must be quiet
PASS_S: Final = 16.0  # in which each node gets a pass
REQUEST: Final = "walk"
GONE: Final = ("off", "absent", "crashed")
NOT_CLOSED: Final = ("stopped", "suspended", "trashed")  # what a VM that is off may be wanted to be
STANDING_VOLUMES: Final = frozenset({"image-1.qcow2", "image-2.iso", "image-3.qcow2", "image-4.qcow2"})

# What goes on without any operation. Claims count where they take something.
BACKGROUND: Final = frozenset(
    {
        "due_in", "renew_leases", "keep_lease", "take_over", "take_turns", "next_turn", "recorded", "domains",
        "record_node", "whose", "described", "record_findings", "record_storage_findings", "nodes_by_state",
        "subscribe", "storages_by_node", "prune_table", "close_failed", "mark_passed", "flatten_long",
        "expired_reservations", "doomed_volumes", "read_changes", "pending", "register_worker", "take_lease",
        "begin_progress", "measured", "measure", "samples", "storage_samples", "node_loads", "number_layouts",
        "write_samples", "make_blocks", "prune_blocks", "forget_ended",
    }
)  # fmt: skip


class CalmGuests(random.Random):
    """Draws that make each guest boot in some ten seconds, run on for ever and obey its power button."""

    def random(self) -> float:
        return 0.13


@dataclass(frozen=True)
class Failed:
    """A point whose run did not end as it must. ``name`` tells the step; ``point`` counts from 1."""

    point: int
    name: str
    problem: str


@dataclass
class Walked:
    """A kind of operation, walked with so many managers."""

    kind: str
    managers: int
    points: int = 0
    walked: int = 0
    failures: list[Failed] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> int:
        return self.walked - len({failure.point for failure in self.failures})


# ------------------------------------------------------------------ one run


class Reaper:
    """Counts the points of an operation and kills whichever process comes to the ``fatal`` one."""

    def __init__(self, simulation: Simulation, fatal: int | None, down_s: float) -> None:
        self._simulation = simulation
        self._fatal = fatal
        self._down_s = down_s
        self._counts: dict[tuple[str, str], bool] = {}  # steps under way: whether they are the operation's
        self._moment = -1
        self.points: list[str] = []
        self.killed: Process | None = None
        self.name = ""

    def __call__(self, process: Process, what: str, before: bool) -> bool:
        if self.killed is not None:
            return False
        step = (process.name, what)
        if before:
            self._counts[step] = self._is_ours(what.partition(" ")[2])
        if not self._counts.get(step, False):
            return False
        # Of steps within steps: nothing happens between the begins of two, nor between one's end and another's begin.
        happened = self._simulation.schedule.happened
        if happened == self._moment and (before or self.points[-1].startswith("after") and self._inner):
            self._inner = not before
            return False
        self._inner = not before and happened == self._moment
        self._moment = happened
        self.points.append(f"{'before' if before else 'after'} {what}")
        if len(self.points) != self._fatal:
            return False
        self.killed, self.name = process, self.points[-1]
        self._simulation.kill(process, self._down_s)
        staging._staged.clear()  # of a process's memory, which here all of them share
        return True

    _inner = False

    def _is_ours(self, what: str) -> bool:
        if what in BACKGROUND:
            return False
        if what == "claim_operations":
            due = "SELECT 1 FROM operation WHERE state IN ('queued', 'waiting') AND not_before <= clock_timestamp()"
            return bool(self._simulation.sql(due))
        made = self._simulation.sql("SELECT state FROM operation WHERE cause_ref = :c", c=REQUEST)
        states = [row.state for row in made]
        return not states or any(state in OPEN for state in states)


class Run:
    """One run of one kind, with a death at one point or none."""

    def __init__(self, simulation: Simulation, kind: Kind, reaper: Reaper) -> None:
        self._simulation = simulation
        self._kind = kind
        self._reaper = reaper
        self.problems: list[str] = []

    def go(self) -> None:
        simulation, kind = self._simulation, self._kind
        params = kind.prepare(simulation)
        simulation.on_point = self._reaper
        answer = self._call(params)
        simulation_end = simulation.schedule.seconds() + LIMIT_S
        self._quiet(simulation_end)
        simulation.on_point = None
        if self.problems:
            return
        simulation.run_for(PASS_S)  # evidence may still contradict
        self._quiet(simulation_end)
        self._repeat(params, answer)
        self._check(answer)
        self._clear()
        if simulation.incidents or simulation.broken:
            self.problems += [*simulation.incidents, *simulation.broken]

    def _call(self, params: dict[str, Any]) -> Any:
        """As a client does: the same call again where no answer came."""
        simulation = self._simulation
        box: list[Any] = []
        for _ in range(60):
            if simulation.some_process() is not None:
                asked_of = simulation.some_process()
                asked = simulation.ask(
                    self._kind.method, params, login=self._kind.login, request_id=REQUEST, process=asked_of
                )
                asked.addBoth(box.append)
                while not box and asked_of is not None and asked_of.alive:
                    simulation.run_for(0.02)
            if box:
                break
            simulation.run_for(1.0)
        if not box:
            raise TimeoutError("the call was never answered")
        if isinstance(box[0], Raised):
            box[0].raiseException()
        return box[0]

    def _repeat(self, params: dict[str, Any], answer: Any) -> None:
        if self._call(params) != answer:
            self.problems.append("a repeat of the call has another answer")

    def _quiet(self, end: float) -> None:
        simulation = self._simulation
        while waits_for := busy(simulation):
            if simulation.schedule.seconds() >= end:
                self.problems.append(f"not quiet: {waits_for}")
                return
            simulation.run_for(0.5)

    # -------------------------------------------------------------- checks

    def _check(self, answer: Any) -> None:
        simulation, kind, problems = self._simulation, self._kind, self.problems
        found = simulation.sql("SELECT state, error, user_text FROM operation WHERE cause_ref = :c", c=REQUEST)
        if [(row.state, row.error) for row in found] != [kind.ends] * kind.operations:
            problems.append(f"operations of the call: {[tuple(row) for row in found]}")
        count = simulation.sql("SELECT count(*) FROM audit WHERE request_id = :r", r=REQUEST)[0][0]
        if count != 1:
            problems.append(f"{count} rows of the audit")
        vms = simulation.sql("SELECT id, wanted FROM vm")
        if kind.wanted is not None and [vm.wanted for vm in vms] != [kind.wanted]:
            problems.append(f"intents: {[vm.wanted for vm in vms]}")
        problems += self._evidence()
        problems += kind.check(simulation, answer)
        self._books()

    def _evidence(self) -> Iterable[str]:
        """What is wanted, what is on record and what the nodes have are one."""
        simulation = self._simulation
        rows = simulation.sql(
            "SELECT id, uuid::text, wanted, seen, closed_at IS NOT NULL AS closed, node_id, node_claimed, error,"
            " contextualized_at FROM vm"
        )
        for row in rows:
            domains = {
                node.node_id: node.memory.world.domains[row.uuid]
                for node in simulation.nodes
                if row.uuid in node.memory.world.domains
            }
            what = f"VM {row.id} (wanted {row.wanted}, seen {row.seen}, closed {row.closed}, error {row.error!r})"
            if row.wanted in ("running", "paused"):
                domain = domains.get(row.node_id)
                runs = len(domains) == 1 and domain is not None and domain.running is not None
                if row.closed or row.seen != row.wanted or not row.node_claimed or not runs:
                    yield f"{what} is defined on nodes {sorted(domains)}, runs: {runs}"
                elif domain is not None and domain.paused != (row.wanted == "paused"):
                    yield f"{what}: its domain is {'' if domain.paused else 'not '}paused"
                elif row.contextualized_at is None and self._kind.hello:
                    yield f"{what}: its hello is not on record"
            elif domains:
                yield f"{what} is still defined on nodes {sorted(domains)}"
            elif row.seen not in GONE or row.node_claimed or row.closed != (row.wanted not in NOT_CLOSED):
                yield f"{what} holds its node: {row.node_claimed}"

    def _books(self) -> None:
        simulation = self._simulation
        process = simulation.some_process()
        assert process is not None
        with Session(process.manager.database.engine) as session:
            self.problems += [f"{leak['subject']}: {leak['finding']}" for leak in leaks(session)]
        held = simulation.sql("SELECT id FROM operation WHERE worker_id IS NOT NULL")
        if held:
            self.problems.append(f"operations {[row.id for row in held]} are still a worker's")

    def _clear(self) -> None:
        """Destroy and delete all that was made: nothing is left of it."""
        simulation = self._simulation
        vms = [row.id for row in simulation.sql("SELECT id FROM vm WHERE closed_at IS NULL")]
        if vms:
            simulation.call("user.vm.destroy", {"vm_ids": vms}, login="ann")
        self._quiet(simulation.schedule.seconds() + LIMIT_S)
        images = simulation.sql(
            "SELECT i.id, i.kind, a.login FROM image i JOIN account a ON a.id = i.account_id WHERE i.id > :t"
            " AND i.deleted_at IS NULL AND i.state <> 'deleted'",
            t=max(simulation.disk_ids),
        )
        for image in images:
            simulation.call(f"user.{image.kind}_image.delete", {"image_id": image.id}, login=image.login)
        if images:
            self._quiet(simulation.schedule.seconds() + LIMIT_S)
        self._books()
        left = set(simulation.share.volumes) - STANDING_VOLUMES
        left |= {name for _, there in simulation.own_volumes() for name in there}
        if left:
            self.problems.append(f"volumes are left: {sorted(left)}")
        for node in simulation.nodes:
            if node.memory.world.domains:
                self.problems.append(f"domains are left on {node.name}")
        for what, query in NOTHING.items():
            found = simulation.sql(query)
            if found:
                self.problems.append(f"{what} are left: {[tuple(row) for row in found]}")


NOTHING: Final = {
    "addresses": "SELECT host(address), nic_id FROM network_lease WHERE nic_id IS NOT NULL",
    "NICs": "SELECT id, vm_id FROM nic",
    "ports": "SELECT port, vm_id FROM vnc_port WHERE vm_id IS NOT NULL",
    "quotas": "SELECT login, used_cpu, used_memory_mib, used_storage_mib, used_vms FROM account"
    " WHERE used_cpu + used_memory_mib + used_storage_mib + used_vms > 0",
    "nodes' shares": "SELECT name, vms_used FROM node WHERE cpu_used + memory_mib_used + vms_used > 0",
    "claims on storages": "SELECT name, claimed_bytes FROM storage WHERE claimed_bytes > 0",
    "disks": "SELECT id FROM disk WHERE image_id IS NULL",
    "volumes": "SELECT name FROM volume WHERE claimed_bytes > 0",
    "reservations": "SELECT vm_id, number FROM reservation",
    "free volumes": "SELECT volume_id FROM free_volume",
    "attachments": "SELECT vm_id, device FROM attachment",
    "findings": "SELECT kind, subject FROM drift WHERE closed_at IS NULL",
}


def run_point(
    server: IServer, state_dir: Path, kind: Kind, managers: int, fatal: int | None
) -> tuple[Reaper, list[str]]:
    """One run with a death at point ``fatal``, or none; the points it came by, and its problems."""
    staging._staged.clear()
    with Simulation(
        server, state_dir, SEED, name=f"walk_{os.getpid()}", nodes=2, managers=managers, own=kind.own
    ) as simulation:
        simulation.guests_rng = CalmGuests()
        reaper = Reaper(simulation, fatal, DOWN_S[managers])
        run = Run(simulation, kind, reaper)
        try:
            run.go()
        except Exception as error:
            run.problems.append(f"{type(error).__name__}: {error}")
        if fatal is not None and reaper.killed is None:
            run.problems.append("nobody came to this point")
    return reaper, run.problems


# ------------------------------------------------------------------ the walk


def run(
    server: IServer,
    state_dir: Path,
    kinds: Sequence[str] | None = None,
    progress: Callable[[str], object] = print,
    *,
    managers: Sequence[int] = (1, 2),
    every: int = 1,
) -> list[Walked]:
    """
    Walk kinds of operations, all where none are named.

    :param server: with the template of ``make_template``.
    :param managers: the numbers of managers to walk with.
    :param every: walk each so many-th point only.
    """
    results = []
    for kind in KINDS:
        if kinds is not None and kind.name not in kinds:
            continue
        for count in managers:
            result = walk_kind(server, state_dir, kind, count, every)
            results.append(result)
            progress(f"{kind.name}, managers {count}: {result.passed} of {result.walked} in {result.seconds:.1f} s")
            for failure in result.failures:
                progress(f"  point {failure.point}, {failure.name}: {failure.problem}")
    return results


def walk_kind(server: IServer, state_dir: Path, kind: Kind, managers: int, every: int = 1) -> Walked:
    began = time.monotonic()
    result = Walked(kind.name, managers)
    reaper, problems = run_point(server, state_dir, kind, managers, None)
    result.points = len(reaper.points)
    result.failures += [Failed(0, "without a death", problem) for problem in problems]
    result.walked = 1 if problems else 0
    for fatal in range(1, result.points + 1, every):
        if kind.margin is not None and kind.margin < fatal <= result.points - kind.margin:
            continue
        expected = reaper.points[fatal - 1]
        died, problems = run_point(server, state_dir, kind, managers, fatal)
        result.walked += 1
        if died.name != expected:
            problems.append(f"it died at {died.name!r}: the run is not a repeat of the first")
        result.failures += [Failed(fatal, expected, problem) for problem in problems]
    result.seconds = time.monotonic() - began
    return result


def table(results: Sequence[Walked]) -> str:
    """A Markdown table: per kind its points, and how many runs ended well with one manager and with two."""
    counts = sorted({result.managers for result in results})
    words = {1: "one manager", 2: "two managers"}
    lines = [
        "| operation | " + " | ".join(words[count] for count in counts) + " |",
        "|" + " --- |" * (len(counts) + 1),
    ]
    by_kind = {(result.kind, result.managers): result for result in results}
    for kind in dict.fromkeys(result.kind for result in results):
        cells = []
        for count in counts:
            result = by_kind.get((kind, count))
            cells.append("" if result is None else f"{result.passed} of {result.walked}")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
