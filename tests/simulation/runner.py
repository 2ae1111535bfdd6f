"""Runs seeds: one, with a replay that must be equal; many, on all cores; and the shortest plan that still fails."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from simulation import calm, exam, eyes, invariants, judge
from simulation.asking import OPEN
from simulation.chance import stream
from simulation.database import IServer
from simulation.faults import Faults
from simulation.plan import Fault, draw
from simulation.simulation import Simulation
from simulation.workload import PACE_S, Workload

REST_LIMIT_S: Final = 2 * 3600.0
STEP_S: Final = 30.0
QUIET_S: Final = 5.0  # what a guest does at the last moment has reached its last reader by then
QUIET_TRIES: Final = 60
# Nodes are told of cards that come. Of those that go with a guest an agent hears when it asks anew, every 20 s, and its
# manager has read them by then, 10 s at the latest after they went: their taps are gone with the guest anyhow.
LEFT_S: Final = 32.0


@dataclass
class Outcome:
    """What one run showed. ``problems`` is empty where every invariant held."""

    seed: int
    minutes: float
    managers: int
    plan: list[Fault]
    problems: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list, repr=False)
    digest: str = ""
    injected: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)  # reading views that were called at rest
    effects: Counter[str] = field(default_factory=Counter)  # what succeeded, by kind and mode
    errors: Counter[str] = field(default_factory=Counter)
    excuses: Counter[str] = field(default_factory=Counter)  # how often each was used
    points: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)  # where nothing was broken: seconds, by kind
    simulated_s: float = 0.0
    seconds: float = 0.0
    vms: int = 0
    calm: bool = False  # nothing was to be broken, and so nothing may fail
    clouds: int = 0


def managers_of(seed: int) -> int:
    """Two managers on one database in two of five seeds."""
    return 2 if stream(seed, "managers").random() < 0.4 else 1


def clouds_of(seed: int) -> int:
    """A cloud manager before the cluster in every third seed, in half of these by two processes."""
    return stream(seed, "clouds").choice((0, 0, 0, 0, 1, 2))


def run_seed(
    server: IServer, state_dir: Path, seed: int, *, minutes: float = 30.0, kinds: Sequence[str] | None = None,
    plan: Sequence[Fault] | None = None, managers: int | None = None, clouds: int | None = None, name: str = "sim",
    pace_s: float = PACE_S,
) -> Outcome:  # fmt: skip
    """
    One run: a workload of ``minutes`` under faults, then rest, then the end of all VMs.

    :param kinds: of faults; None for all.
    :param plan: in place of the drawn one.
    :param clouds: processes of a cloud manager; None: as the seed says.
    """
    count = managers_of(seed) if managers is None else managers
    clouds = clouds_of(seed) if clouds is None else clouds
    chosen = list(draw(seed, minutes * 60, kinds, cloud=clouds > 0) if plan is None else plan)
    outcome = Outcome(seed, minutes, count, chosen, clouds=clouds, calm=plan is None and not chosen)
    began = time.perf_counter()
    simulation = Simulation(
        server, state_dir, seed, name=name, managers=count, clouds=clouds, storages=2, spares=1, own=True
    )
    with simulation:
        try:
            _live(simulation, outcome, pace_s)
        except Exception as error:
            import traceback

            outcome.problems.append(f"the run broke: {error!r}\n{traceback.format_exc()}")
        outcome.problems += simulation.broken
        outcome.points = simulation.points_seen
        outcome.excuses = simulation.excuses.used
        outcome.simulated_s = simulation.schedule.seconds()
        for row in simulation.sql("SELECT kind, state, count(*) AS n FROM operation GROUP BY 1, 2 ORDER BY 1, 2"):
            outcome.operations[f"{row.kind} {row.state}"] += row.n
        outcome.vms = simulation.sql("SELECT count(*) AS n FROM vm")[0].n
        for row in simulation.sql(
            "SELECT id, kind, state, vm_id, attempts, error, finished_at FROM operation ORDER BY id"
        ):
            simulation.note("operation", *row)
    outcome.journal = simulation.journal
    outcome.digest = hashlib.sha256("\n".join(simulation.journal).encode()).hexdigest()
    outcome.seconds = time.perf_counter() - began
    return outcome


def _live(simulation: Simulation, outcome: Outcome, pace_s: float) -> None:
    seconds = outcome.minutes * 60
    workload = Workload(simulation, seconds, pace_s)
    faults = Faults(simulation, outcome.plan)
    simulation.watcher.begin()
    simulation.read_feeds()
    simulation.run_for(seconds)
    faults.end()
    outcome.injected, outcome.calls, outcome.errors = faults.injected, workload.counts, workload.errors
    # Time runs on, until nothing is under way and every node has had a pass since.
    _rest(simulation, workload)
    simulation.care()
    simulation.look_at_storages()
    _await_quiet(simulation)  # a guest may have ended just now
    outcome.problems += invariants.at_rest(simulation, workload)
    outcome.problems += simulation.effects.at_rest(workload)
    outcome.problems += workload.senders.at_rest()
    outcome.problems += workload.jobs.at_rest(judge.model_of(simulation))
    outcome.problems += workload.expiries.at_rest(judge.model_of(simulation))
    if not outcome.plan and outcome.calm:
        outcome.problems += calm.at_rest(simulation, workload)
        outcome.times = calm.times(simulation, workload)
    outcome.problems += exam.sit(simulation, workload)
    outcome.problems += eyes.at_rest(simulation, outcome.read)
    simulation.note("at rest")
    _destroy_all(simulation, workload)
    wrong = _evict_all(simulation, workload) + invariants.in_the_end(simulation)
    outcome.problems += [f"in the end: {problem}" for problem in wrong]
    outcome.effects = simulation.effects.table(workload)


def _rest(simulation: Simulation, workload: Workload) -> None:
    simulation.run_for(90)
    end = simulation.schedule.seconds() + REST_LIMIT_S
    calm = 0
    while calm < 2 and simulation.schedule.seconds() < end:
        # Who was told to wait may have begun to send late, and have left; what they sent is there until it expires.
        busy = simulation.sql(
            f"SELECT 1 FROM operation WHERE state IN {OPEN}"
            " UNION ALL SELECT 1 FROM image WHERE state = 'uploading'"
            " UNION ALL SELECT 1 FROM job_run WHERE state = 'open' LIMIT 1"
        )
        spooled = sum(len(node.agent.spool) for node in simulation.members())
        calm = calm + 1 if not busy and not spooled and not workload.under_way else 0
        simulation.run_for(STEP_S)
    _await_quiet(simulation)


def _await_quiet(simulation: Simulation) -> None:
    """
    Guests go on ending by themselves, whenever that is: until their nodes were asked why, what their policies say is
    done, and its last reader has heard of it, and so have the nodes that it was on.
    """
    said = -1
    for _ in range(QUIET_TRIES):
        busy = simulation.sql(
            f"SELECT 1 FROM operation WHERE state IN {OPEN} UNION ALL"
            " SELECT 1 FROM vm WHERE seen IN ('off', 'absent', 'crashed')"
            " AND greatest(seen_at, closed_at) > clock_timestamp() - make_interval(secs => :left) LIMIT 1",
            left=LEFT_S,
        )
        ended = any(each.at > simulation.unix_s() - QUIET_S for each in simulation.effects.endings.all)
        busy = busy or ended
        if said == (said := simulation.sql("SELECT coalesce(max(id), 0) AS last FROM change")[0].last) and not busy:
            break
        simulation.run_for(QUIET_S)


def _destroy_all(simulation: Simulation, workload: Workload) -> None:
    """Every state offers an exit, and taking it works: whatever became of a VM, its end can be asked for."""
    for _ in range(3):
        rows = simulation.sql("SELECT id FROM vm WHERE closed_at IS NULL ORDER BY id")
        if not rows:
            break
        for row in rows:
            workload.ask("admin", "admin.vm.destroy", vm_ids=[row.id])
        _rest(simulation, workload)
    simulation.run_for(20)  # a pass over every node discards the domains of VMs that were erased
    simulation.look_at_storages()


def _evict_all(simulation: Simulation, workload: Workload) -> list[str]:
    """Nothing is made from copies of images any more: each can be thrown out of its node, and is gone then."""
    images = [
        row.id
        for row in simulation.sql(
            "SELECT id FROM image WHERE deleted_at IS NULL AND id IN (SELECT image_id FROM cached_image) ORDER BY 1"
        )
    ]
    asks = [workload.ask("admin", "admin.system_image.evict", image_id=image_id) for image_id in images]
    _rest(simulation, workload)
    wrong = [f"copies of image {ask.params['image_id']} are not thrown out: {ask.error}" for ask in asks if ask.error]
    left = simulation.sql("SELECT id, image_id, state, error FROM cached_image ORDER BY id")
    return wrong + [f"copy {row.id} of image {row.image_id} is left: {row.state} {row.error}" for row in left]


def shrink(
    outcome: Outcome, again: Callable[[Sequence[Fault]], Outcome], *, limit: int = 60
) -> tuple[list[Fault], Outcome]:
    """
    The shortest plan found that still fails: parts are left out, larger ones first (Zeller's delta debugging).

    :param again: runs the seed with another plan.
    """
    best, found = list(outcome.plan), outcome
    size = max(1, len(best) // 2)
    tried = 0
    while best and tried < limit:
        start, shorter = 0, False
        while start < len(best) and tried < limit:
            rest = best[:start] + best[start + size :]
            result = again(rest)
            tried += 1
            if result.problems:
                best, found, shorter = rest, result, True
            else:
                start += size
        if size == 1 and not shorter:
            break
        size = max(1, size // 2)
    return best, found
