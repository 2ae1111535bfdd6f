"""
A list of all VMs over 20 simulated clusters of 1,000 VMs each, first with all of them well, then with one that accepts
connections and answers nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.clusters import Settings, federation
from benchmarks.report import Figure, Target, child_environment, median, spread
from cm.rpc.client import RpcClient

CLUSTERS = 20
VMS = 1000
DEADLINE_S = 2.0


def measure(settings: Settings) -> Iterator[Figure]:
    rounds = 2 if settings.quick else 5
    argv = [sys.executable, "-m", "benchmarks.simulated", str(CLUSTERS), str(VMS)]
    simulated = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child_environment()
    )
    assert simulated.stdin is not None and simulated.stdout is not None
    try:
        ports: dict[str, int] = json.loads(simulated.stdout.readline())
        # A dead cluster is looked at again only after the benchmark, so that its first list is one that did not know.
        more = {"clusters": {"list_deadline_s": DEADLINE_S, "check_s": 3600.0, "sync_s": 3600.0}}
        with federation(settings, clusters=1, more=more) as whole:
            for name, port in ports.items():
                told = {"name": name, "url": f"http://127.0.0.1:{port}", "login": "admin", "password": "simulated"}
                whole.admin.call("cloud.cluster.add", told)
            user = whole.user
            seconds = [_list(user, CLUSTERS, 0) for _ in range(rounds)]
            name = f"{CLUSTERS} clusters, {CLUSTERS * VMS:,} VMs"
            yield Figure("lists", name, median(seconds) * 1000, "ms", note=spread(seconds, "s"))
            simulated.stdin.write(f"{ports['simulated-7']}\n")
            simulated.stdin.flush()
            first = _list(user, CLUSTERS - 1, 1)
            yield Figure(
                "lists",
                f"one of them dead, nobody knows yet; deadline {DEADLINE_S:g} s",
                first * 1000,
                "ms",
                Target(DEADLINE_S * 1.1 * 1000, "at most", unit="ms"),
                first / DEADLINE_S,
                "ratio: to the deadline",
            )
            seconds = [_list(user, CLUSTERS - 1, 1) for _ in range(rounds)]
            yield Figure(
                "lists",
                "one of them dead, lists after that",
                max(seconds) * 1000,
                "ms",
                Target(DEADLINE_S * 1.1 * 1000, "at most", unit="ms"),
                max(seconds) / DEADLINE_S,
                f"the slowest; {spread(seconds, 's')}",
            )
    finally:
        simulated.stdin.close()
        simulated.wait(10)


def _list(user: RpcClient, answered: int, missing: int) -> float:
    """Seconds of one list of everything; that it is everything is checked."""
    began = time.perf_counter()
    told: dict[str, Any] = user.call("user.vm.get_list", {"cluster": "*"})
    lasted = time.perf_counter() - began
    if len(told["items"]) != answered * VMS or len(told["missing"]) != missing:
        raise RuntimeError(f"{len(told['items'])} VMs, {len(told['missing'])} clusters missing")
    return lasted
