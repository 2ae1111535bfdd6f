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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TREE: Final = ("cm", "clm", "contextualization", "node_hooks", "sql", "tests/simulation", "bin/lab")
LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", "static")
SEEDS: Final = 200
MINUTES: Final = 12.0
SILENT_S: Final = 900.0  # a seed that takes longer hangs
CONTROL: Final = "control"


@dataclass(frozen=True)
class Edit:
    """:ivar old: occurs exactly once in ``file`` (a path in the repository)."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """A defect. ``what`` says in a sentence what the product does then."""

    name: str
    what: str
    edits: tuple[Edit, ...]


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


ENGINE: Final = "cm/operations/engine.py"
EVIDENCE: Final = "cm/services/evidence.py"
EXECUTE: Final = "cm/runtime/execute.py"
LAUNCH: Final = "cm/operations/vm_launch.py"
RELEASE: Final = "cm/services/release.py"
VM_END: Final = "cm/operations/vm_end.py"

# `holds` without its answer: every worker may write.
_NO_FENCE: Final = Edit(
    "cm/store/operation.py",
    "    return found is not None\n\n\ndef record_step(",
    "    return True\n\n\ndef record_step(",
)

MUTATIONS: Final = (
    Mutation(
        "event_lost",
        "A batch of hook events is acknowledged though storing its first failed.",
        (
            Edit(
                "contextualization/events.py",
                "self._give_up(node_id, record)\n                raise\n",
                "self._give_up(node_id, record)\n                return records[-1].sequence\n",
            ),
        ),
    ),
    Mutation(
        "event_repeated",
        "The table of hook events lacks its unique key: a repeated event is stored and takes effect again.",
        (
            Edit(
                "sql/cm/versions/0001_the_first_schema.py",
                '        sa.PrimaryKeyConstraint("node_id", "boot_id", "sequence", name=op.f("pk_hook_event")),\n',
                "",
            ),
        ),
    ),
    Mutation(
        "request_repeated",
        "A request_id is not recognised: a repeated call is done again.",
        (Edit(EXECUTE, "answered = _first_answer(session, call, digest, key)", "answered = None"),),
    ),
    Mutation(
        "no_lease",
        "Leases are not renewed, and a worker that lost its operation writes on.",
        (
            Edit(
                ENGINE,
                "await self._services.database.transact(renew_leases, self.worker_id, list(self._running), LEASE_S)",
                "pass",
            ),
            _NO_FENCE,
        ),
    ),
    Mutation("no_fence", "A worker whose operation was given up or taken over writes on.", (_NO_FENCE,)),
    Mutation(
        "silence_is_absence",
        "A node that does not answer has no domains, and a running VM without domain has ended.",
        (
            Edit(
                "cm/services/reconcile.py",
                'record_node, node_id, "unreachable", str(error))\n        return None\n',
                'record_node, node_id, "unreachable", str(error))\n        domains = []\n',
            ),
            Edit(
                "cm/rules/reconcile.py",
                "        if state is Seen.ABSENT and record.seen in (Seen.RUNNING, Seen.PAUSED):\n",
                "        if False:\n",
            ),
        ),
    ),
    Mutation(
        "node_kept",
        "A stopped VM does not give its share of the node back.",
        (
            Edit(
                RELEASE,
                "    release_node(session, vm_id)\n    session.execute(\n        text(\"UPDATE vm SET error = ''",
                "    session.execute(\n        text(\"UPDATE vm SET error = ''",
            ),
        ),
    ),
    Mutation(
        "node_taken_twice",
        "A VM that holds a node is placed again and claims another share.",
        (Edit(LAUNCH, "    if row.node_claimed:\n        return\n", ""),),
    ),
    Mutation(
        "done_too_early",
        "An operation is done in one transaction, and what its end means is written in the next.",
        (
            Edit(
                "cm/operations/base.py",
                "        await self.db(_complete, self.op, function, args, result or {})\n",
                "        await self.db(_complete, self.op, None, (), result or {})\n"
                "        if function is not None:\n"
                "            await self.services.database.transact(function, *args)\n",
            ),
        ),
    ),
    Mutation(
        "dead_not_taken_over",
        "Nobody takes over what a dead worker was at.",
        (Edit(ENGINE, "await self._services.database.transact(take_over, self.worker_id)", "list[int]()"),),
    ),
    Mutation(
        "quota_kept",
        "A failed or abandoned save does not give back its image's quota.",
        (
            Edit(
                "cm/services/saving.py",
                "    release_quota(session, found.account_id, storage_mib=mib(found.claimed_bytes))\n",
                "",
            ),
        ),
    ),
    Mutation(
        "address_kept",
        "The addresses of a destroyed VM stay leased to it.",
        (Edit(RELEASE, "    release_addresses(session, vm_id)\n", ""),),
    ),
    Mutation(
        "volumes_left",
        "The end of a VM leaves its volumes on the storage.",
        (
            Edit(
                VM_END,
                "        await work.run(node_id, delete_volumes, volumes, row.uuid, deadline_s=120.0)\n",
                "        pass\n",
            ),
        ),
    ),
    Mutation(
        "volumes_first",
        "The volumes of a VM are deleted while its domain runs.",
        (Edit(VM_END, "(cut_power, await_end, clean_up, close)", "(clean_up, cut_power, await_end, close)"),),
    ),
    Mutation(
        "disk_made_anew",
        "Each start makes the disk anew: what the guest had written is lost.",
        (Edit(LAUNCH, "        if plan.made:\n            continue\n", ""),),
    ),
    Mutation(
        "late_release",
        "A release that an earlier launch left behind ends the run of now.",
        (
            Edit(
                EVIDENCE,
                "    if row.launched_at is not None and event.time < row.launched_at + SKEW:\n",
                "    if False:\n",
            ),
        ),
    ),
    Mutation(
        "stale_look",
        "What a look saw before a VM changed overwrites what is known since.",
        (
            Edit(EVIDENCE, "    if version is not None and row.version != version:\n", "    if False:\n"),
            Edit(EVIDENCE, "    if row.launched_at != launched_at:\n", "    if False:\n"),
        ),
    ),
    Mutation(
        "domain_left",
        "A pass leaves the domains of closed VMs alone.",
        (Edit("cm/services/reconcile.py", "    for leftover in made.discard:\n", "    for leftover in ():\n"),),
    ),
    Mutation(
        "audit_missing",
        "One view writes no row of the audit.",
        (
            Edit(
                EXECUTE,
                "    write_audit(session, view.name, call, arguments)\n",
                '    if view.name != "user.vm.edit":\n        write_audit(session, view.name, call, arguments)\n',
            ),
        ),
    ),
    Mutation(
        "credential_logged",
        "The endpoint logs a node's credential when it enrols.",
        (
            Edit(
                "contextualization/endpoint.py",
                '        log.info("node {node_id}: enrolled from {hostname}",',
                '        log.info("enrolled: {enrolled}", enrolled=enrolled.credential)\n'
                '        log.info("node {node_id}: enrolled from {hostname}",',
            ),
        ),
    ),
    Mutation(
        "image_orphaned",
        "Ours once: erasing a VM that is being saved leaves its image to be added by nobody.",
        (
            Edit(
                RELEASE,
                '        give_back_image(caller.session, row.save_image_id, "erased")\n',
                "        pass\n",
            ),
        ),
    ),
    Mutation(
        "share_kept",
        "Ours once: a stop that is given up after its domain has ended keeps the node's share.",
        (Edit(EVIDENCE, "    if row.seen not in GONE or row.node_id is None:\n", "    if True:\n"),),
    ),
    Mutation(
        "clocks_compared",
        "Ours once: a look is dropped where a manager's clock says that it was before the launch, and believed.",
        (
            Edit(
                EVIDENCE,
                "    if row.launched_at != launched_at:\n",
                "    if row.launched_at is not None and row.launched_at > now():\n",
            ),
            Edit("cm/operations/vm_end.py", '== "changed":\n        raise Wait(', '== "changed":\n        repr('),
        ),
    ),
    Mutation(
        "erased_disk_deleted",
        "Ours once: the disk of an erased VM is deleted while its domain runs on a node that does not answer.",
        (
            Edit(
                "cm/services/volumes.py",
                "closed.over | await not_running(services, closed.last_on)",
                "closed.over | closed.last_on.keys()",
            ),
        ),
    ),
    Mutation(
        "trail_given_up",
        "Ours once: the cloud's audit of what it passed on is not tried again by itself while the database is away.",
        (Edit("clm/services/trail.py", "            self._write_in(AGAIN_S)\n", ""),),
    ),
    Mutation(
        "feed_repeated",
        "Two processes of a cloud that follow a cluster at once both write down what it tells.",
        (
            Edit(
                "clm/services/follow.py",
                "    if not store.move_cursor(session, cluster_id, was, now):\n        raise Superseded()\n",
                "    store.move_cursor(session, cluster_id, was, now)\n",
            ),
        ),
    ),
    Mutation(
        "feed_lost",
        "The cloud's place in a cluster's feed moves in one transaction, and what was read is written in the next.",
        (
            Edit(
                "clm/services/follow.py",
                "        await self._services.database.transact(_write, self.connection.facts.id, cursor, now, events,"
                " messages)\n",
                "        cluster_id = self.connection.facts.id\n"
                "        await self._services.database.transact(_write, cluster_id, cursor, now, [], [])\n"
                "        await self._services.database.transact(_write, cluster_id, now, now, events, messages)\n",
            ),
        ),
    ),
    Mutation(
        "forwarded_unnamed",
        "The cloud gives each call that it passes on a name of its own, also a repeated one.",
        (
            Edit(
                "clm/services/forwarding.py",
                'params["request_id"] = caller.request_id or f"clm-{uuid.uuid4().hex}"',
                'params["request_id"] = f"clm-{uuid.uuid4().hex}"',
            ),
        ),
    ),
    Mutation(
        "people_told_once",
        "What the cloud has to tell of people counts as told before the cluster has heard it.",
        (
            Edit(
                "clm/services/sync.py",
                "        after = due[-1].user_id\n",
                "        after = due[-1].user_id\n"
                "        told = [(each.user_id, each.version) for each in due]\n"
                "        await services.database.transact(store.mark_synced, cluster_id, told)\n",
            ),
            Edit("clm/daemon/watcher.py", "        if stale or clock() >= self._compare_at:\n", "        if stale:\n"),
        ),
    ),
)

# A run that has failed already need not be driven on: what hangs would be waited for for simulated hours.
HASTE: Final = (
    Edit("tests/simulation/runner.py", "REST_LIMIT_S: Final = 2 * 3600.0", "REST_LIMIT_S: Final = 3600.0"),
    Edit(
        "tests/simulation/runner.py",
        "    _destroy_all(simulation, workload)\n",
        "    if outcome.problems or simulation.broken:\n        return\n    _destroy_all(simulation, workload)\n",
    ),
)


def apply(root: Path, edits: Sequence[Edit]) -> None:
    """
    Put edits into a tree.

    :raises MutationProblem: an old text is not there exactly once.
    """
    for edit in edits:
        path = root / edit.file
        content = path.read_text() if path.is_file() else ""
        found = content.count(edit.old)
        if found != 1:
            raise MutationProblem(f"{edit.file} has {found} times, in place of once:\n{edit.old}")
        path.write_text(content.replace(edit.old, edit.new))


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
    wrong = []
    for mutation in MUTATIONS:
        for edit in (*mutation.edits, *HASTE):
            path = ROOT / edit.file
            found = path.read_text().count(edit.old) if path.is_file() else 0
            if found != 1:
                wrong.append(f"{mutation.name}: {edit.file} has the old text {found} times")
    return wrong


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
        with copied((*edits, *HASTE)) as root:
            seed, count, problem = _until_failure(root, first, most, minutes)
        result = Result(name, seed, count, problem, time.monotonic() - began)
        results.append(result)
        verdict = f"seed {seed} fails: {problem}" if seed is not None else "all passed"
        progress(f"{name}: {count} seed(s) in {result.seconds:.0f} s: {verdict}")
    return results


def _until_failure(root: Path, first: int, seeds: int, minutes: float) -> tuple[int | None, int, str]:
    """Run seeds in a copy: the first that failed, how many were run, and the problem's first line."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(str(root / part) for part in ("", "bin", "tests"))
    environment["PYTHONHASHSEED"] = "0"
    command = [sys.executable, "-m", "simulation.mutations", "--watch", str(first), str(seeds), str(minutes)]
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


def watch(first: int, seeds: int, minutes: float) -> None:
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
                outcome = next(iter(farm.run([seed], minutes=minutes, kinds=None, managers=None)))
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
        watch(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    else:
        sys.exit(main(sys.argv[1:]))
