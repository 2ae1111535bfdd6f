"""
What a packet costs in a security group of 1,000 rules, beside one of ten: there and back between two guests on a node,
in network namespaces. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.clusters import Settings
from benchmarks.report import Figure, Skipped, Target, median
from lab.places import REPOSITORY, environment

UNSHARE = ("unshare", "--net", "--mount", "--propagation", "private")
FEW, MANY = "10", "1000"  # rules
ROUNDS = 7


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    if os.geteuid() != 0:
        yield Skipped("groups", "not root")
        return
    rounds = 3 if settings.quick else ROUNDS
    script = REPOSITORY / "tests" / "unit" / "node_hooks" / "grouping.py"
    with tempfile.TemporaryDirectory() as directory:
        command = [*UNSHARE, sys.executable, str(script), directory, "speed", str(rounds), FEW, MANY]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told = json.loads(done.stdout)
    few, many = told[FEW], told[MANY]
    yield Figure(
        "groups",
        f"there and back, {MANY} rules",
        median(many),
        "us",
        Target(1.1, "at most", on="ratio"),
        median(many) / median(few),
        f"{FEW} rules: {median(few):.1f} us; medians of {rounds} rounds of 3,000, in turn",
    )
