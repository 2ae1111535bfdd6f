"""
Calls that only read, beside a constant resource of Twisted's in the same run: bursts of the reference and of the call
take turns, and a call's ratio is the median over its rounds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.client import Burst, Caller
from benchmarks.clusters import Settings, roomy_cloud, user_headers
from benchmarks.population import populate
from benchmarks.report import Figure, Target, child_environment, median

NODES = 4
CONNECTIONS = (1, 8)


@dataclass(frozen=True)
class Read:
    """A call to be measured. ``targets`` by the number of connections."""

    name: str
    bodies: Sequence[bytes]
    target: Target | None = None
    seconds: float = 1.0


def body(method: str, params: object = ()) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode()


def reads(vm_ids: Sequence[int]) -> list[Read]:
    some = vm_ids[:: max(1, len(vm_ids) // 200)]
    return [
        Read("no work (guest.cluster.get_info)", [body("guest.cluster.get_info")]),
        Read(
            "user.vm.get_by_id",
            [body("user.vm.get_by_id", {"vm_id": vm_id}) for vm_id in some],
            Target(0.2, "at least", "ratio"),
        ),
        Read(
            "user.vm.get_list, first page of 100",
            [body("user.vm.get_list", {"limit": 100})],
            Target(0.25, "at least", "ratio"),
        ),
        Read(
            f"user.vm.get_list, all {len(vm_ids):,}",
            [body("user.vm.get_list", {"limit": 10_000})],
            Target(12, "at least", unit="/s"),
            2.0,
        ),
        # Two thirds of that.
        Read(
            f"user.object.get_all, {len(vm_ids):,} VMs with their disks",
            [body("user.object.get_all")],
            Target(8, "at least", unit="/s"),
            2.0,
        ),
    ]


@contextmanager
def reference() -> Iterator[int]:
    """The constant resource, running; its port."""
    argv = [sys.executable, "-m", "benchmarks.reference"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=child_environment())
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


def measure(settings: Settings) -> Iterator[Figure]:
    rounds = 3 if settings.quick else 9
    with roomy_cloud(settings, NODES) as cloud:
        vm_ids = populate(cloud, settings.vms - 1, settings.steps)
        headers = user_headers(cloud)
        port = urlsplit(cloud.url).port or 0
        with reference() as beside, Caller() as caller:
            for connections in CONNECTIONS:
                for read in reads(vm_ids):
                    yield _compare(caller, port, beside, read, headers, connections, rounds)


def _compare(
    caller: Caller, port: int, beside: int, read: Read, headers: dict[str, str], connections: int, rounds: int
) -> Figure:
    def refer() -> float:
        return caller.burst(beside, [body("nothing")], headers, connections=connections, seconds=0.6).per_second

    caller.burst(port, read.bodies, headers, connections=connections, seconds=0.3)  # statements prepared, plans cached
    refer()
    bursts: list[Burst] = []
    ratios: list[float] = []
    references = [refer()]
    for _ in range(rounds):
        burst = caller.burst(port, read.bodies, headers, connections=connections, seconds=read.seconds)
        references.append(refer())
        bursts.append(burst)
        ratios.append(burst.per_second / ((references[-2] + references[-1]) / 2))
    p50 = median([burst.p50_ms for burst in bursts])
    note = (
        f"p50 {p50:.2f} ms, {bursts[0].answer_bytes:,} bytes, reference {median(references):,.0f}/s,"
        f" ratios {min(ratios):.3f}-{max(ratios):.3f}"
    )
    return Figure(
        "reads",
        f"{read.name}, {connections} connection{'s' if connections > 1 else ''}",
        median([burst.per_second for burst in bursts]),
        "/s",
        read.target,
        median(ratios),
        note,
    )
