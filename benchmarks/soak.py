"""
``bin/soak``: a cluster under lives of VMs, for minutes or hours: what each life leaves in the database, and what the
manager takes for itself as operations go by. Each figure has a bound; ``lives.py`` beside it makes the lives.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clusters import BUSY, rss_mib
from benchmarks.lives import OPERATIONS, Workload
from benchmarks.report import HEADER, Figure, Target, between, conditions, line, page_table
from lab import forgotten
from lab.cloud import Cloud
from lab.places import LabProblem, find_program
from lab.steps import Steps

NODES = 2
SETTLED_S = 20.0  # before anything is measured, and at most a third of the run
SAMPLE_S = 2.0

# Bytes that a life of create, edit, stop, start and destroy adds to a table with its indexes, at most: about twice what
# it was counted to add. ``kept``: when pruning takes them away again.
TABLES: dict[str, tuple[float, str]] = {
    "vm": (4000, "for ever"),
    "operation": (3000, "for ever"),
    "audit": (3000, "for ever"),
    "change": (4500, "7 days"),
    "request": (6000, "7 days"),
    "placement": (2000, "30 days after the end"),
}
# For all other tables together, bytes a life, and bytes once: they grow by whole pages, and updates leave dead rows
# until a vacuum comes. Where two minutes have but few lives, as on a busy machine, that is more than what each adds.
OTHERS, OTHERS_ONCE = 1500.0, 512 * 1024
WAL, LOG, STATEMENTS = 120_000.0, 4000.0, 800.0  # bytes, bytes, statements a life
SLOPE_MIB, ONCE_MIB = 0.2, 4.0  # resident memory: per thousand operations of the second half, and once
DESCRIPTORS, THREADS = 10, 6  # more at the most in the second half than in the first


@dataclass(frozen=True)
class Sample:
    """The manager at a moment; ``operations`` done until then."""

    at: float
    operations: int
    rss_mib: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Mark:
    """What had been written when so many lives had ended."""

    lives: int
    tables: dict[str, int]
    wal: int
    log: int
    statements: int


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/soak", description="Run a cluster of its own under lives of VMs (create, edit, lists, stop, start,"
        " destroy) and measure what a life leaves in each table and in the logs, and whether the manager's memory,"
        " descriptors and threads grow. Nothing is left behind.",
        epilog="Exit status: 0 every bound held, 1 one did not, or a call or an operation failed, 2 wrong usage.",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="for how long (default: 5)")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="lives at a time, 1 to 64 (default: 8)")
    parser.add_argument(
        "--hypervisor", choices=["test", "memory"],
        help="test: libvirt's test driver; memory: nodes without libvirt (default: test where there is a libvirtd)",
    )  # fmt: skip
    parser.add_argument("--page", metavar="FILE", type=Path, help="renew the table of docs/reliability.md there")
    options = parser.parse_args(arguments)
    if not 0.5 <= options.minutes <= 10_000:
        parser.error("--minutes must be 0.5 to 10000")
    if not 1 <= options.clients <= 64:
        parser.error("--clients must be 1 to 64")
    options.hypervisor = options.hypervisor or ("test" if find_program("libvirtd") else "memory")
    return options


def soak(minutes: float, clients: int, hypervisor: str, steps: Steps) -> tuple[list[Figure], list[str]]:
    """
    :return: the figures; and what went wrong beside them: failed calls, and what was left when all had ended.
    :raises LabProblem: the cluster did not start, or came to no end.
    """
    with tempfile.TemporaryDirectory(prefix="wawel-soak-") as directory:
        os.chmod(directory, 0o755)
        cloud = Cloud(Path(directory) / "cloud", NODES, hypervisor, steps=steps, settings=BUSY)
        cloud.postgres.settings = {"shared_preload_libraries": "pg_stat_statements"}
        with cloud:
            forgotten.restore_volumes(cloud)  # each test driver has a storage of its own
            cloud.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            samples, first, last, wrong = _run(cloud, minutes * 60, clients, steps)
            found = figures(samples, first, last)
            return found, wrong + cloud.check_leaks()


def _run(
    cloud: Cloud, seconds: float, clients: int, steps: Steps
) -> tuple[list[Sample], Mark, Mark, list[str]]:
    work = Workload(cloud, clients)
    samples: list[Sample] = []
    first: Mark | None = None
    began = told = time.monotonic()
    work.start()
    try:
        while (now := time.monotonic()) < began + seconds and not work.failures:
            if now > began + min(SETTLED_S, seconds / 3):
                first = first or mark(cloud, work.lives)
                samples.append(sample(cloud, work.lives))
            if now > told + 60:
                told = now
                steps.say(f"{work.lives:,} lives, {rss_mib(cloud.cm.pid or 0):.1f} MiB")
            time.sleep(SAMPLE_S)
    finally:
        work.stop()
    last = mark(cloud, work.lives)
    wrong = [f"a client stopped: {failure}" for failure in work.failures]
    states = cloud.sql("SELECT kind, state, attempts, count(*) FROM operation WHERE state <> 'done' OR attempts > 0"
                       " GROUP BY 1, 2, 3")  # fmt: skip
    wrong += [f"operations: {' '.join(row)}" for row in states]
    if first is None or last.lives <= first.lives or len(samples) < 4:
        raise LabProblem(f"too little was done to measure: {work.lives} lives; {'; '.join(wrong) or 'none failed'}")
    return samples, first, last, wrong


def sample(cloud: Cloud, lives: int) -> Sample:
    """:raises LabProblem: the manager has ended."""
    cloud.cm.check()
    pid = cloud.cm.pid
    status = dict(each.split(":", 1) for each in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Sample(time.monotonic(), lives * OPERATIONS, rss_mib(pid or 0), len(os.listdir(f"/proc/{pid}/fd")),
                  int(status["Threads"]))  # fmt: skip


def mark(cloud: Cloud, lives: int) -> Mark:
    tables = {name: int(size) for name, size in cloud.sql(
        "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables WHERE relname <> 'pg_stat_statements'"
    )}  # fmt: skip
    wal, statements = cloud.sql(
        "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), (SELECT sum(calls) FROM pg_stat_statements s"
        " JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database())"
    )[0]
    return Mark(lives, tables, int(wal), cloud.cm.log.stat().st_size, int(statements))


def slope(samples: Sequence[Sample]) -> float:
    """MiB of resident memory per thousand operations: the straight line through the samples that fits best."""
    points = [(each.operations / 1000, each.rss_mib) for each in samples]
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else 0.0


def figures(samples: Sequence[Sample], first: Mark, last: Mark) -> list[Figure]:
    """What was measured, with its bounds."""
    lives = last.lives - first.lives
    grown = {name: (size - first.tables.get(name, 0)) / lives for name, size in last.tables.items()}
    found = [
        Figure("soak", f"table {name}", max(0.0, grown.pop(name, 0.0)), "B", Target(bound, "at most", unit="B a life"),
               note=f"kept {kept}")  # fmt: skip
        for name, (bound, kept) in TABLES.items()
    ]
    largest = max(grown, key=lambda name: grown[name], default="")
    found.append(Figure(
        "soak", "all other tables", sum(grown.values()), "B",
        Target(round(OTHERS + OTHERS_ONCE / lives), "at most", unit="B a life"),
        note=f"most of it {largest}; {OTHERS:.0f} B a life and, once, {OTHERS_ONCE // 1024} KiB are allowed",
    ))  # fmt: skip
    for name, value, bound, unit in (
        ("write-ahead log", last.wal - first.wal, WAL, "B"),
        ("the manager's log", last.log - first.log, LOG, "B"),
        ("statements, with those of passes and loops", last.statements - first.statements, STATEMENTS, ""),
    ):
        found.append(Figure("soak", name, value / lives, unit, Target(bound, "at most", unit=f"{unit} a life".strip())))
    half = len(samples) // 2
    early, late = samples[:half], samples[half:]
    done = (late[-1].operations - late[0].operations) / 1000
    allowed = SLOPE_MIB + (ONCE_MIB / done if done else ONCE_MIB)
    found.append(Figure(
        "soak", "memory per 1,000 operations, second half", slope(late), "MiB",
        Target(round(allowed, 2), "at most", unit="MiB"),
        note=f"{samples[0].rss_mib:.1f} to {samples[-1].rss_mib:.1f} MiB in {samples[-1].operations:,} operations;"
        f" {SLOPE_MIB} and, once, {ONCE_MIB:.0f} MiB are allowed",
    ))  # fmt: skip
    for name, more in (("descriptors", DESCRIPTORS), ("threads", THREADS)):
        before, after = (max(getattr(each, name) for each in part) for part in (early, late))
        found.append(Figure("soak", f"{name}, most in the second half", after, "", Target(before + more, "at most"),
                            note=f"{before} in the first"))  # fmt: skip
    return found


def report(found: Sequence[Figure], wrong: Sequence[str], summary: str) -> bool:
    """Print it; whether all is well."""
    print(f"\n{summary}\n{HEADER}")
    for each in found:
        print(line(each))
    for problem in wrong:
        print(f"WRONG: {problem}")
    missed = [each.name for each in found if each.verdict == "MISSED"]
    print(f"{len(missed)} bounds missed, {len(wrong)} other things wrong")
    return not missed and not wrong


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    steps = Steps()
    try:
        found, wrong = soak(options.minutes, options.clients, options.hypervisor, steps)
    except LabProblem as problem:
        print(f"bin/soak: {problem}", file=sys.stderr)
        return 1
    driver = "libvirt's test driver" if options.hypervisor == "test" else "the memory provider"
    done = next(each.note for each in found if each.name.startswith("memory")).partition(" in ")[2].partition(";")[0]
    summary = f"{options.minutes:g} minutes, {options.clients} clients, {NODES} nodes of {driver}: {done}"
    good = report(found, wrong, summary)
    if options.page:
        told = conditions()
        where = f"{told['machine']}; {told['system']}; load average {told['load average']} at the end."
        table = f"{summary}.\n{where}\n\n{page_table(found)}"
        options.page.write_text(between(options.page.read_text(), "soak", table))
    return 0 if good else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that clouds and their directories go in order
    sys.exit(main(sys.argv[1:]))
