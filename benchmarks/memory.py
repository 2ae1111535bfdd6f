"""
Resident memory of the cluster manager: after its start, and with 10,000 running VMs that were looked at on their nodes
and listed, first by one caller again and again, then by eight at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.client import Caller
from benchmarks.clusters import Settings, roomy_cloud, rss_mib, user_headers
from benchmarks.population import populate
from benchmarks.reads import body
from benchmarks.report import Figure, Target

NODES = 4
SETTLE_S = 5.0


def measure(settings: Settings) -> Iterator[Figure]:
    with roomy_cloud(settings, NODES) as cloud, Caller() as caller:
        time.sleep(SETTLE_S)
        yield Figure(
            "memory", f"idle, {NODES} nodes", rss_mib(cloud.cm.pid or 0), "MiB", Target(150, "at most", unit="MiB")
        )
        vms = len(populate(cloud, settings.vms - 1, settings.steps))
        pid, port, headers = cloud.cm.pid or 0, urlsplit(cloud.url).port or 0, user_headers(cloud)
        yield Figure("memory", f"{vms:,} VMs, before anybody lists them", rss_mib(pid), "MiB")
        for connections, target in ((1, Target(200, "at most", unit="MiB")), (8, None)):
            burst = caller.burst(
                port, [body("user.vm.get_list", {"limit": 10_000})], headers, connections=connections, seconds=5
            )
            yield Figure(
                "memory",
                f"{vms:,} VMs, after lists of all over {connections} connection{'s' if connections > 1 else ''}",
                rss_mib(pid),
                "MiB",
                target,
                note=f"{burst.calls} lists of {burst.answer_bytes / 1e6:.1f} MB",
            )
