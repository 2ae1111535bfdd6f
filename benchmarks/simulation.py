"""
How fast simulated time runs, beside empty transactions on the same PostgreSQL: a simulated minute is mostly those that
the loops of a manager make.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.clusters import Settings
from benchmarks.report import Figure, Target
from lab.places import REPOSITORY, environment

LIMIT_S = 600


def measure(settings: Settings) -> Iterator[Figure]:
    path = f"{REPOSITORY}:{REPOSITORY}/bin:{REPOSITORY}/tests"
    done = subprocess.run(
        [sys.executable, "-m", "simulation.speed"], check=True, capture_output=True, text=True, timeout=LIMIT_S,
        env=environment(PYTHONPATH=path, PYTHONHASHSEED="0"),
    )  # fmt: skip
    told = json.loads(done.stdout)
    # An hour at rest took this many seconds; a transaction that does nothing took empty_ms / 1000.
    a_minute_ms = 60_000 / told["rest"]
    note = f"an empty transaction took {told['empty_ms']:.3f} ms"
    yield Figure(
        "simulation", "3 nodes, 30 VMs at rest: simulated minutes in a minute, one worker", told["rest"], "min",
        Target(1000, "at least", unit="min"), ratio=a_minute_ms / told["empty_ms"], note=note,
    )  # fmt: skip
    yield Figure(
        "simulation", "the same, and a call every 20 s", told["work"], "min",
        ratio=60_000 / told["work"] / told["empty_ms"],
    )  # fmt: skip
