"""``bin/simulate``: run seeds of the simulated cloud, and say what they showed."""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from simulation import walk
from simulation.calm import ANSWER, ANSWERED_S, TAKES_S
from simulation.effects import EXPECTED
from simulation.excuses import EXCUSES
from simulation.farm import Farm, server_of_our_own
from simulation.kinds import KINDS as OPERATIONS
from simulation.plan import ALL_KINDS
from simulation.runner import Outcome, shrink

BOUNDS_S: Final = TAKES_S | {ANSWER: ANSWERED_S}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="bin/simulate",
        description="Run the whole of a cluster on a simulated clock, with faults drawn from a seed.",
        epilog="Exit status: 0 when all invariants held, 1 when one did not, 2 for wrong use.",
    )
    made.add_argument("--seed", type=int, help="the seed to run, or the first of many (default: 1)")
    made.add_argument("--many", type=int, metavar="N", help="run N seeds, on all cores, and print a table")
    made.add_argument("--fresh", action="store_true", help="begin with a seed that nobody chose")
    made.add_argument(
        "--minutes", type=float, default=30.0, help="simulated minutes of work, then all comes to rest (default: 30)"
    )
    made.add_argument(
        "--faults",
        metavar="LIST",
        help="kinds, with commas; 'none'; 'all'; default: all but storage_silent. Known: " + ", ".join(ALL_KINDS),
    )
    made.add_argument("--managers", type=int, choices=(1, 2, 3), help="processes of the manager (default: by the seed)")
    made.add_argument(
        "--clouds", type=int, choices=(0, 1, 2), help="processes of a cloud manager before it (default: by the seed)"
    )
    made.add_argument("--workers", type=int, help="worker processes (default: one a core)")
    made.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="write what happened here; of many seeds: a folder, with a file for each",
    )
    made.add_argument("--no-shrink", action="store_true", help="do not look for the shortest plan that fails")
    made.add_argument("--walk", action="store_true", help="kill a manager at every point of every kind of operation")
    made.add_argument(
        "--mutations", action="store_true", help="put known defects into copies of the tree, and find each; first word"
    )
    made.add_argument("--every", type=int, default=1, metavar="K", help="of a walk: only every K-th point (default: 1)")
    return made


def main(argv: list[str]) -> int:
    if argv[:1] == ["--mutations"]:
        from simulation import mutations

        return mutations.main(argv[1:])
    options = parser().parse_args(argv)
    kinds = None
    if options.faults is not None:
        named = list(ALL_KINDS) if options.faults == "all" else options.faults.split(",")
        kinds = [kind for kind in named if kind and kind != "none"]
        unknown = sorted(set(kinds) - set(ALL_KINDS))
        if unknown:
            print(f"bin/simulate: no such faults: {', '.join(unknown)}", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory(prefix="wawel-sim-") as made, server_of_our_own() as server:
        state_dir = Path(made) / "state"
        if options.walk:
            farm = Farm(server, state_dir, options.workers)
            try:
                results = farm.walk([kind.name for kind in OPERATIONS], every=options.every)
            finally:
                farm.close()
            print(walk.table(results))
            return 1 if any(result.failures for result in results) else 0
        first = random.SystemRandom().randrange(10**6, 10**9) if options.fresh else (options.seed or 1)
        seeds = range(first, first + (options.many or 1))
        farm = Farm(server, state_dir, options.workers if options.many else 1)
        try:
            return run_all(farm, seeds, options, kinds)
        finally:
            farm.close()


def run_all(farm: Farm, seeds: range, options: argparse.Namespace, kinds: list[str] | None) -> int:
    began = time.monotonic()
    given = {"minutes": options.minutes, "kinds": kinds, "managers": options.managers, "clouds": options.clouds}
    if len(seeds) == 1:
        outcome = farm.run_one(seeds[0], journal=options.journal, **given)
        outcomes = [outcome]
        print(line(outcome))
    else:
        outcomes = []
        if options.journal:
            options.journal.mkdir(parents=True, exist_ok=True)
        for outcome in farm.run(seeds, options.journal, **given):
            outcomes.append(outcome)
            if outcome.problems or sys.stdout.isatty():
                print(line(outcome), flush=True)
            elif len(outcomes) % 20 == 0:
                print(f"[{time.monotonic() - began:6.1f} s] {len(outcomes)} of {len(seeds)}", flush=True)
    failed = [outcome for outcome in outcomes if outcome.problems]
    for outcome in failed[:3]:
        tell(farm, outcome, options, given)
    print(table(outcomes, time.monotonic() - began))
    return 1 if failed else 0


def line(outcome: Outcome) -> str:
    verdict = "passed" if not outcome.problems else f"FAILED: {outcome.problems[0].splitlines()[0]}"
    cloud = f" behind {outcome.clouds} cloud manager(s)" if outcome.clouds else ""
    return (
        f"seed {outcome.seed}: {outcome.managers} manager(s){cloud}, {len(outcome.plan)} faults, {outcome.vms} VMs,"
        f" {outcome.minutes:g} min of work and {outcome.simulated_s / 60 - outcome.minutes:.0f} of rest in"
        f" {outcome.seconds:.1f} s, journal {outcome.digest[:12]}: {verdict}"
    )


def tell(farm: Farm, outcome: Outcome, options: argparse.Namespace, given: dict[str, object]) -> None:
    """A failure: the seed, the shortest plan found that still fails, and what happened last."""
    print(f"\nseed {outcome.seed} failed:")
    for problem in outcome.problems[:8]:
        print("  " + problem.replace("\n", "\n    "))
    plan, found = outcome.plan, outcome
    if not options.no_shrink:
        print("looking for the shortest plan that still fails ...", flush=True)
        rest = {key: value for key, value in given.items() if key != "kinds"}
        plan, found = shrink(outcome, lambda shorter: farm.run_one(outcome.seed, list(shorter), **rest))
    print(f"{len(plan)} of {len(outcome.plan)} faults are enough:")
    for fault in plan:
        print(f"  {fault}")
    print("the last that happened before the end of the faults:")
    ends = next((i for i, text in enumerate(found.journal) if text.endswith("faults end")), len(found.journal))
    for text in found.journal[max(0, ends - 25) : ends + 1]:
        print("  " + text[:220])
    print(f"as a regression test: Regression(seed={outcome.seed}, minutes={outcome.minutes:g})")


def table(outcomes: list[Outcome], seconds: float) -> str:
    """What was run, as Markdown."""
    injected: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    points: Counter[str] = Counter()
    effects: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    excuses: Counter[str] = Counter()
    for outcome in outcomes:
        injected += outcome.injected
        operations += outcome.operations
        points += outcome.points
        effects += outcome.effects
        calls += outcome.calls
        excuses += outcome.excuses
    failed = sorted(outcome.seed for outcome in outcomes if outcome.problems)
    simulated = sum(outcome.simulated_s for outcome in outcomes) / 60
    busy = sum(outcome.seconds for outcome in outcomes)
    rows = [
        f"{len(outcomes)} seeds, {len(outcomes) - len(failed)} passed, {len(failed)} failed {failed or ''}".rstrip(),
        f"{simulated:,.0f} simulated minutes, {sum(outcome.minutes for outcome in outcomes):,.0f} of them of work, in"
        f" {seconds:,.0f} s on {os.cpu_count()} cores; in one worker {simulated / busy * 60:,.0f} simulated minutes a"
        f" minute; {sum(outcome.vms for outcome in outcomes):,} VMs",
        "",
        "| fault | injected |",
        "|---|---|",
        *(f"| {kind} | {injected[kind]:,} |" for kind in ALL_KINDS),
        f"| all | {injected.total():,} |",
        "",
        "| operation | done | failed | abandoned |",
        "|---|---|---|---|",
    ]
    for kind in sorted({name.split()[0] for name in operations}):
        ends = " | ".join(f"{operations[f'{kind} {state}']:,}" for state in ("done", "failed", "abandoned"))
        rows.append(f"| {kind} | {ends} |")
    rows += ["", "| seen to be done | times |", "|---|---|"]
    rows += [f"| {name} | {effects[name]:,} |" for name in (*EXPECTED, *sorted(effects.keys() - set(EXPECTED)))]
    if all(outcome.calm for outcome in outcomes):
        rows += ["", "| where nothing is broken | times | half in, s | 99 % in, s | most, s | bound, s |"]
        rows += ["|---|---|---|---|---|---|", *calm_rows(outcomes)]
    rows += ["", "| excused | times | for how long | of what |", "|---|---|---|---|"]
    for name, excuse in EXCUSES.items():
        lasts = "its own case" if excuse.lasts_s == math.inf else f"{excuse.lasts_s:g} s"
        rows.append(f"| {name} | {excuses[name]:,} | {lasts} | {excuse.why} |")
    places = f"{len(points)} crash points, passed {points.total():,} times"
    rows += ["", f"{len(calls)} views, {calls.total():,} calls; {places}"]
    return "\n".join(rows)


def calm_rows(outcomes: list[Outcome]) -> list[str]:
    took: dict[str, list[float]] = {}
    for outcome in outcomes:
        for kind, found in outcome.times.items():
            took.setdefault(kind, []).extend(found)
    rows = []
    for kind, found in sorted(took.items()):
        found.sort()
        at = [found[len(found) // 2], found[len(found) * 99 // 100], found[-1], BOUNDS_S.get(kind, 0.0)]
        rows.append(f"| {kind} | {len(found):,} | " + " | ".join(f"{each:.1f}" for each in at) + " |")
    return rows


if __name__ == "__main__":
    # A run that is told to end takes its workers and its PostgreSQL with it; also one in the background, for which a
    # shell ignores interrupts.
    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
