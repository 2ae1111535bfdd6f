"""
How soon 500 subscribers of the cloud's change feed hear of a change that was made through it: from the answer of the
call to the event's arrival at each of them.

All 500 connections are held by one program (``benchmarks.subscribers``), on the same two cores as both managers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.clusters import Settings, federation
from benchmarks.report import Figure, Target, child_environment, median, percentile, spread

SUBSCRIBERS = 500


def measure(settings: Settings) -> Iterator[Figure]:
    changes = 5 if settings.quick else 40
    # All of them are one account's.
    with federation(settings, clusters=1, more={"limits": {"streams_per_account": SUBSCRIBERS}}) as whole:
        cluster = whole.clusters[0]
        vm_id = cluster.create(name="watched")["vm_id"]
        cluster.wait_running(vm_id, contextualized=False)
        port = urlsplit(whole.clm.url).port or 0
        argv = [sys.executable, "-m", "benchmarks.subscribers", str(port), str(SUBSCRIBERS)]
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child_environment()
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(whole.clm.token(whole.credentials.user) + "\n")
            process.stdin.flush()
            ready = json.loads(process.stdout.readline())
            assert ready["subscribed"] == SUBSCRIBERS, ready
            late: list[float] = []
            lost = 0
            for number in range(changes):
                name = f"change-{number}"
                cluster.user.call("user.vm.edit", {"vm_id": vm_id, "name": name})
                answered = time.time()
                process.stdin.write(name + "\n")
                process.stdin.flush()
                arrived = json.loads(process.stdout.readline())["arrived"]
                lost += SUBSCRIBERS - len(arrived)
                late += [max(0.0, at - answered) for at in arrived]
        finally:
            process.stdin.close()
            process.wait(10)
    if lost:
        raise RuntimeError(f"{lost} events did not arrive")
    late_ms = [1000 * each for each in late]
    note = f"{changes} changes, none lost; median {median(late_ms):.0f} ms, {spread(late_ms)}"
    yield Figure(
        "feed",
        f"{SUBSCRIBERS} subscribers, p99 of arrival",
        percentile(late_ms, 0.99),
        "ms",
        Target(1000, "at most", unit="ms"),
        note=note,
    )
