"""
Proof that the simulation can see: known defects, each put into a copy of the tree alone, and the first seed that fails.

A defect that no seed shows is a finding about faults, workload or invariants, never a reason to leave it out of here.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulation.defects import DEFECTS
from simulation.edits import Edit, Mutation
from simulation.sights import SIGHTS

ROOT: Final = Path(__file__).resolve().parents[2]
TREE: Final = ("cm", "clm", "contextualization", "node_hooks", "sql", "tests/simulation", "tests/support", "bin/lab")
LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", "static")
SEEDS: Final = 200
MINUTES: Final = 12.0
SILENT_S: Final = 900.0  # a seed that takes longer hangs
CONTROL: Final = "control"
MUTATIONS: Final = (*SIGHTS, *DEFECTS)
# A run that has failed already need not be driven on: what hangs would be waited for for simulated hours.
HASTE: Final = Mutation(
    "haste",
    "A run ends soon after it has failed.",
    (
        Edit("tests/simulation/runner.py", "REST_LIMIT_S: Final = 2 * 3600.0", "REST_LIMIT_S: Final = 3600.0"),
        Edit(
            "tests/simulation/runner.py",
            "    _destroy_all(simulation, workload)\n",
            "    if outcome.problems or simulation.broken:\n        return\n    _destroy_all(simulation, workload)\n",
        ),
    ),
)


@dataclass(frozen=True)
class Result:
    """:ivar seed: the first that failed; None where none of those that were run did."""

    name: str
    seed: int | None
    seeds: int
    problem: str
    seconds: float


class MutationProblem(Exception):
    """A mutation cannot be put in, or its run says nothing: the table would lie."""


def apply(root: Path, edits: Sequence[Edit]) -> None:
    """
    Put edits into a tree.

    :raises MutationProblem: an old text is not there exactly once.
    """
    for edit in edits:
        found, path = edit.times(root), root / edit.file
        if found != 1:
            raise MutationProblem(f"{edit.file} has {found} times, in place of once:\n{edit.old}")
        path.write_text(path.read_text().replace(edit.old, edit.new))


@contextmanager
def copied(edits: Sequence[Edit]) -> Iterator[Path]:
    """A copy of the tree with some edits."""
    with tempfile.TemporaryDirectory(prefix="wawel-mutation-") as made:
        root = Path(made)
        for name in TREE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name, ignore=LEFT_OUT)
        apply(root, edits)
        yield root


def check() -> list[str]:
    """Mutations whose edits no longer fit the tree."""
    return [
        f"{mutation.name}: {edit.file} has the old text {found} times"
        for mutation in (*MUTATIONS, HASTE)
        for edit in mutation.edits
        if (found := edit.times(ROOT)) != 1
    ]


def prove(
    names: Sequence[str] | None = None, seeds: int = SEEDS, progress: Callable[[str], None] = print, *,
    first: int = 1, minutes: float = MINUTES,
) -> list[Result]:  # fmt: skip
    """
    Run every mutation until its first failing seed. ``control``, the tree as it is, comes last and runs as many seeds
    as the mutation that took most.

    :param names: of mutations, ``control`` among them if wanted; None for all and the control.
    :param seeds: at the most, for each.
    :param first: the seed to begin with.
    :raises MutationProblem: an unknown name, an edit that does not fit, or a run that ended without a word.
    """
    by_name = {mutation.name: mutation for mutation in MUTATIONS}
    chosen = [*by_name, CONTROL] if names is None else list(names)
    unknown = sorted(set(chosen) - {*by_name, CONTROL})
    if unknown:
        raise MutationProblem(f"no such mutations: {', '.join(unknown)}; known: {', '.join([*by_name, CONTROL])}")
    results: list[Result] = []
    for name in sorted(chosen, key=lambda each: each == CONTROL):
        edits = () if name == CONTROL else by_name[name].edits
        most = seeds
        if name == CONTROL and results:
            most = max(result.seeds for result in results)
        began = time.monotonic()
        with copied((*edits, *HASTE.edits)) as root:
            given = {} if name == CONTROL else focus(by_name[name])
            seed, count, problem = _until_failure(root, first, most, minutes, given)
        result = Result(name, seed, count, problem, time.monotonic() - began)
        results.append(result)
        verdict = f"seed {seed} fails: {problem}" if seed is not None else "all passed"
        progress(f"{name}: {count} seed(s) in {result.seconds:.0f} s: {verdict}")
    return results


def focus(mutation: Mutation) -> dict[str, Any]:
    """What is given to the runs of a mutation, in place of what seeds say."""
    found: dict[str, Any] = {"kinds": mutation.faults or None, "clouds": mutation.clouds, "managers": mutation.managers}
    return {name: value for name, value in found.items() if value is not None}


def _until_failure(
    root: Path, first: int, seeds: int, minutes: float, given: Mapping[str, Any]
) -> tuple[int | None, int, str]:
    """Run seeds in a copy: the first that failed, how many were run, and the problem's first line."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(str(root / part) for part in ("", "bin", "tests"))
    environment["PYTHONHASHSEED"] = "0"
    command = [sys.executable, "-m", "simulation.mutations", "--watch", str(first), str(seeds), str(minutes)]
    command.append(json.dumps(given))
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True,
            start_new_session=True,
        )  # fmt: skip
        hung = threading.Event()
        count = 0
        try:
            assert child.stdout is not None
            while True:
                timer = threading.Timer(SILENT_S, _end, (child, hung))
                timer.start()
                try:
                    line = child.stdout.readline()
                finally:
                    timer.cancel()
                if hung.is_set():
                    return first + count, count + 1, f"the seed did not end in {SILENT_S:.0f} s"
                if not line:
                    break
                told = json.loads(line)
                count += 1
                if told["problem"]:
                    return told["seed"], count, told["problem"]
            if child.wait() or count != seeds:
                errors.seek(0)
                raise MutationProblem(f"a run ended after {count} of {seeds} seeds:\n{errors.read()[-3000:]}")
            return None, count, ""
        finally:
            try:
                child.wait(60)  # after a failure it ends on its own, with its database
            except subprocess.TimeoutExpired:
                _end(child, hung)
                child.wait()


def _end(child: subprocess.Popen[str], hung: threading.Event) -> None:
    hung.set()
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def watch(first: int, seeds: int, minutes: float, given: Mapping[str, Any]) -> None:
    """Inside of a copy: one seed after the other up to the first that fails, each as a line of JSON."""
    from simulation.farm import Farm, server_of_our_own

    ours = tuple(name.rpartition("/")[2] for name in TREE)
    for name, module in sorted(sys.modules.items()):
        place = getattr(module, "__file__", None)
        if name.partition(".")[0] in ours and place and not Path(place).resolve().is_relative_to(ROOT):
            raise MutationProblem(f"{name} was not imported from the copy")
    with tempfile.TemporaryDirectory(prefix="wawel-sim-") as made, server_of_our_own() as server:
        farm = Farm(server, Path(made) / "state", 1)
        try:
            for seed in range(first, first + seeds):
                # One at a time: what waits in the pool's queue could not be called off.
                outcome = next(iter(farm.run([seed], minutes=minutes, **given)))
                problem = outcome.problems[0].splitlines()[0] if outcome.problems else ""
                print(json.dumps({"seed": seed, "problem": problem}), flush=True)
                if problem:
                    break
        finally:
            farm.close()


def table(results: Sequence[Result]) -> str:
    """As Markdown."""
    what = {mutation.name: mutation.what for mutation in MUTATIONS} | {CONTROL: "The tree as it is."}
    rows = ["| defect | what it does | first failing seed | seeds run | problem |", "|---|---|---|---|---|"]
    for result in results:
        seed = "none" if result.seed is None else str(result.seed)
        problem = result.problem.replace("|", "\\|")
        short = problem if len(problem) <= 160 else problem[:157] + "..."
        rows.append(f"| {result.name} | {what[result.name]} | {seed} | {result.seeds} | {short} |")
    caught = [result for result in results if result.name != CONTROL and result.seed is not None]
    missed = [result.name for result in results if result.name != CONTROL and result.seed is None]
    rows += ["", f"{len(caught)} of {len(caught) + len(missed)} defects were seen"]
    if missed:
        rows[-1] += f"; not seen: {', '.join(missed)}"
    return "\n".join(rows)


def main(argv: Sequence[str]) -> int:
    made = argparse.ArgumentParser(
        prog="bin/simulate --mutations",
        description="Put known defects into copies of the tree, one at a time, and look for the seed that shows each.",
        epilog="Exit status: 0 when each was seen and the control passed, 1 when not, 2 for wrong use.",
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="mutations, or 'control' (default: all)")
    made.add_argument("--seeds", type=int, default=SEEDS, help=f"at the most, for each (default: {SEEDS})")
    made.add_argument("--first", type=int, default=1, help="the seed to begin with (default: 1)")
    made.add_argument("--minutes", type=float, default=MINUTES, help=f"simulated minutes (default: {MINUTES:g})")
    made.add_argument("--list", action="store_true", help="tell the mutations, and whether they fit the tree")
    options = made.parse_args(argv)
    if options.list:
        for mutation in MUTATIONS:
            print(f"{mutation.name}: {mutation.what}")
        wrong = check()
        print("\n".join(wrong) if wrong else "all fit the tree")
        return 1 if wrong else 0
    try:
        results = prove(
            options.names or None,
            options.seeds,
            lambda line: print(line, file=sys.stderr, flush=True),
            first=options.first,
            minutes=options.minutes,
        )
    except MutationProblem as problem:
        print(f"bin/simulate: {problem}", file=sys.stderr)
        return 2
    print(table(results))
    return 0 if all((result.seed is None) == (result.name == CONTROL) for result in results) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watch(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), json.loads(sys.argv[5]))
    else:
        sys.exit(main(sys.argv[1:]))
