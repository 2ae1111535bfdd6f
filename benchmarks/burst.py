"""
Many VMs asked for at once, on nodes of libvirt's test driver: what the cluster manager itself takes, since starting a
domain there takes next to nothing. Ends when every VM runs and every operation is done.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.clusters import Settings, roomy_cloud
from benchmarks.report import Figure, Target, median, percentile, spread
from cm.rpc.client import RpcClient
from lab.cloud import Cloud
from lab.processes import wait_until

NODES = 4
VMS = 200
CONNECTIONS = 8


def measure(settings: Settings) -> Iterator[Figure]:
    rounds = 1 if settings.quick else 5
    with roomy_cloud(settings, NODES) as cloud:
        yield from _single(cloud, 5 if settings.quick else 20)
        for name, ask in (
            (f"{VMS} VMs, a call each over {CONNECTIONS} connections", _many_calls),
            (f"{VMS} VMs in one call", _one_call),
        ):
            accepted: list[float] = []
            running: list[float] = []
            for _ in range(rounds):
                cloud.sql("TRUNCATE audit")
                began = time.perf_counter()
                ask(cloud)
                accepted.append(time.perf_counter() - began)
                wait_until(lambda: _running(cloud) == VMS, "all VMs running", 120, pause=0.01)
                running.append(time.perf_counter() - began)
                _check_operations(cloud)
                _destroy_all(cloud)
            yield Figure("burst", f"{name}: all running", median(running), "s", Target(8, "at most", unit="s"),
                         note=f"{spread(running, 's')}; all accepted after {median(accepted):.2f} s")  # fmt: skip


def _single(cloud: Cloud, times: int) -> Iterator[Figure]:
    accepted: list[float] = []
    running: list[float] = []
    for number in range(times + 2):
        began = time.perf_counter()
        made = cloud.create(name="single")
        answered = time.perf_counter()
        wait_until(partial(_runs, cloud, made["vm_id"]), "a single VM running", 20, pause=0.002)
        ended = time.perf_counter()
        if number >= 2:  # the first ones prepare statements and load modules
            accepted.append((answered - began) * 1000)
            running.append((ended - answered) * 1000)
    _destroy_all(cloud)
    yield Figure("burst", "one VM: the accepted call", median(accepted), "ms", note=spread(accepted))
    yield Figure("burst", "one VM: accepted to running", median(running), "ms", Target(100, "at most", unit="ms"),
                 note=f"{spread(running)}, p99 {percentile(running, 0.99):.3g}")  # fmt: skip


def _runs(cloud: Cloud, vm_id: int) -> bool:
    """:raises RuntimeError: it never will."""
    vm = cloud.vm(vm_id)
    if vm["error"]:
        raise RuntimeError(f"VM {vm_id}: {vm['error']}")
    return bool(vm["state"] == "running")


def wanted(cloud: Cloud) -> dict[str, object]:
    return {"description": "", "image_id": cloud.image_id, "template_id": cloud.template_ids["tiny"]}


def _many_calls(cloud: Cloud) -> None:
    clients = [cloud.client("user") for _ in range(CONNECTIONS)]
    in_threads([partial(_share, cloud, client) for client in clients])


def _share(cloud: Cloud, client: RpcClient) -> None:
    for number in range(VMS // CONNECTIONS):
        client.call("user.vm.create", {"name": f"burst-{number}", **wanted(cloud)})


def _one_call(cloud: Cloud) -> None:
    cloud.user.call("user.vm.create", {"name": "burst", "count": VMS, **wanted(cloud)})


def in_threads(functions: Sequence[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _running(cloud: Cloud) -> int:
    time.sleep(0.04)
    found = cloud.user.call("user.vm.get_list", {"limit": 1000})
    wrong = [vm["error"] for vm in found if vm["error"]]
    if wrong:
        raise RuntimeError(f"{len(wrong)} VMs failed: {wrong[0]}")
    return sum(vm["state"] == "running" and vm["operation_id"] is None for vm in found)


def _check_operations(cloud: Cloud) -> None:
    """:raises RuntimeError: an operation failed or was repeated."""
    found = cloud.sql("SELECT state, attempts, count(*) FROM operation WHERE kind = 'vm_create' GROUP BY 1, 2")
    if any(state != "done" or attempts != "0" for state, attempts, _ in found):
        raise RuntimeError(f"operations by state and attempts: {found}")


def _destroy_all(cloud: Cloud) -> None:
    ids = [vm["vm_id"] for vm in cloud.user.call("user.vm.get_list", {"limit": 1000})]
    for start in range(0, len(ids), 50):
        cloud.user.call("user.vm.destroy", {"vm_ids": ids[start : start + 50]})
    wait_until(lambda: not cloud.user.call("user.vm.get_list", {"limit": 1}), "all VMs gone", 180, pause=0.2)
    cloud.sql("DELETE FROM operation WHERE kind = 'vm_create'")
