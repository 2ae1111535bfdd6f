"""
What a small and a large cluster take for the same, in turns in one run (``large.py`` builds them): reads, lists over a
million closed VMs, creates and bursts, rest, start and stop, several processes on one database, and fairness.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.burst import in_threads, wanted
from benchmarks.client import Caller
from benchmarks.clusters import Settings, cpu_s, rss_mib, user_headers
from benchmarks.large import Side, another, sides
from benchmarks.reads import body, reference
from benchmarks.report import Figure, Target, median, spread
from cm.rpc.client import RpcClient
from cm.rpc.errors import CloudError, Unavailable
from lab.daemon import Daemon
from lab.places import LabProblem
from lab.processes import children_of, wait_until

VMS = 200
CONNECTIONS = 8
BURST_S = 180  # until all run, and until all are gone
CALL_S = 25.0  # in all, for one kind of call at one cluster
LISTS: Sequence[tuple[str, str, str, dict[str, Any]]] = (
    ("closed VMs, 100 of a user's {mine:,}", "reader", "user.vm.get_list", {"closed": True, "limit": 100}),
    ("closed VMs of a user without any", "nobody", "user.vm.get_list", {"closed": True}),
    ("system images", "demo", "user.system_image.get_list", {}),
    ("admin.operation.get_list, only_open", "admin", "admin.operation.get_list", {"only_open": True}),
    ("admin.cluster.check", "admin", "admin.cluster.check", {}),
)


def measure(settings: Settings) -> Iterator[Figure]:
    began = time.perf_counter()
    rounds = 1 if settings.quick else 3
    with sides(settings) as (small, large):
        note = f"{large.nodes} nodes, {large.live:,} live and {large.closed:,} closed VMs, and a small one beside it"
        size = int(large.cloud.sql("SELECT pg_database_size(current_database())")[0][0]) / 2**20
        yield Figure("scale", "building the clusters", time.perf_counter() - began, "s",
                     Target(600, "at most", unit="s"), note=f"{note}; {size:,.0f} MiB on disk")  # fmt: skip
        for part in (_reads, _lists, _rest, _creates, _bursts, _fairness, _starts, _processes):
            with settings.steps.step(part.__name__.strip("_")):
                yield from part(small, large, rounds)


def _pair(
    name: str, unit: str, small: Sequence[float], large: Sequence[float], target: tuple[float, float] | None = None
) -> Iterator[Figure]:
    """Medians of both; the ratio of the second is to the first."""
    bounds = [None, None] if target is None else [Target(each, "at most", unit=unit) for each in target]
    a, b = median(small), median(large)
    yield Figure("scale", f"{name}, small", a, unit, bounds[0], note=spread(small, unit))
    yield Figure("scale", f"{name}, large", b, unit, bounds[1], b / a if a else None, note=spread(large, unit))


# ---------------------------------------------------------------------- reads


def _headers(side: Side) -> dict[str, str]:
    return user_headers(side.cloud, "reader")


def _port(side: Side) -> int:
    return urlsplit(side.cloud.url).port or 0


def _by_id(side: Side) -> list[bytes]:
    return [body("user.vm.get_by_id", {"vm_id": vm_id}) for vm_id in side.reads]


def _reads(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    with reference() as beside, Caller() as caller:
        for name, least, bodies in (
            ("get_by_id", 0.5, _by_id),
            ("a page of 100", 0.4, lambda side: [body("user.vm.get_list", {"limit": 100})]),
        ):
            found: dict[str, list[tuple[float, float, float]]] = {small.name: [], large.name: []}
            for number in range(rounds * 2 + 1):
                for side in (small, large):
                    refer = caller.burst(beside, [body("nothing")], _headers(side), seconds=0.5).per_second
                    burst = caller.burst(_port(side), bodies(side), _headers(side), seconds=0.8)
                    if number:  # the first one prepares statements
                        found[side.name].append((burst.per_second, burst.per_second / refer, burst.p50_ms))
            for side in (small, large):
                rates, ratios, times = zip(*found[side.name], strict=True)
                yield Figure(
                    "scale", f"{name}, {side.name}", median(rates), "/s",
                    Target(least, "at least", "ratio"), median(ratios),
                    f"ratio to the constant resource, {min(ratios):.3f}-{max(ratios):.3f}; p50 {median(times):.2f} ms",
                )  # fmt: skip


def _lists(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    for name, who, method, params in LISTS:
        taken: tuple[list[float], list[float]] = ([], [])
        broken = ""
        for side in (small, large):
            broken = broken or _timed(side, who, method, params)[1]
        until = [time.perf_counter() + CALL_S] * 2
        for _ in range(rounds * 5):
            for index, side in enumerate((small, large)):
                if not taken[index] or time.perf_counter() < until[index]:
                    ms, failed = _timed(side, who, method, params)
                    taken[index].append(ms)
                    broken = broken or failed
        for each in _pair(name.format(mine=large.closed // 200), "ms", *taken):
            yield each if not broken else Figure(each.benchmark, each.name, each.value, each.unit, None, each.ratio,
                                                 f"{each.note}; {broken}")  # fmt: skip


def _timed(side: Side, who: str, method: str, params: dict[str, Any]) -> tuple[float, str]:
    """Milliseconds of a call, and what it failed with."""
    began = time.perf_counter()
    failed = ""
    try:
        side.call(who, method, params)
    except CloudError as error:
        failed = f"{method} failed: {error}"
    return (time.perf_counter() - began) * 1000, failed


# ---------------------------------------------------------------------- rest


def _rest(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    """As it is set up, which is with measuring (half a core at the most), and without."""
    seconds = 10.0 if rounds == 1 else 30.0
    for side in (small, large):
        yield _at_rest(side, f"at rest, {side.name}: the manager's share of a core", seconds,
                       Target(50, "at most", unit="%") if side is large else None)  # fmt: skip
    config = large.cloud.config.read_text()
    with _as_configured(large, config + "\n[monitoring]\nevery_s = 0\n", back_to=config):
        time.sleep(seconds)  # what a start has to catch up with
        yield _at_rest(large, "the same, large, measuring nothing", seconds, Target(5, "at most", unit="%"))


@contextmanager
def _as_configured(side: Side, config: str, back_to: str) -> Iterator[None]:
    """The manager with other settings; it is started anew for them, and afterwards."""

    def start(text: str) -> None:
        side.cloud.stop_cm()
        side.cloud.config.write_text(text)
        side.cloud.start_cm()

    start(config)
    try:
        yield
    finally:
        start(back_to)


def _at_rest(side: Side, name: str, seconds: float, bound: Target | None) -> Figure:
    pid, server = side.cloud.cm.pid, side.cloud.postgres.pid
    assert pid is not None and server is not None
    before = cpu_s(pid), _database_cpu_s(server)
    began = time.perf_counter()
    time.sleep(seconds)
    lasted = time.perf_counter() - began
    manager, database = (cpu_s(pid) - before[0]) / lasted, (_database_cpu_s(server) - before[1]) / lasted
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    (answering,) = side.cloud.sql("SELECT count(*) FILTER (WHERE state = 'ok') || ' of ' || count(*) FROM node")
    return Figure(
        "scale", name, manager * 100, "%", bound,
        note=f"{seconds:.0f} s; PostgreSQL {database * 100:.2g} %; {rss_mib(pid):.0f} MiB,"
        f" {status['Threads'].strip()} threads, {len(os.listdir(f'/proc/{pid}/fd'))} descriptors;"
        f" {answering[0]} nodes answer",
    )  # fmt: skip


def _database_cpu_s(server: int) -> float:
    return cpu_s(server, True) + sum(cpu_s(pid) for pid in children_of(server))


# ---------------------------------------------------------------------- creates


def _creates(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    accepted: tuple[list[float], list[float]] = ([], [])
    running: tuple[list[float], list[float]] = ([], [])
    for number in range(4 + rounds * 7):
        for index, side in enumerate((small, large)):
            began = time.perf_counter()
            made = side.cloud.create(name="single")
            answered = time.perf_counter()
            wait_until(partial(_runs, side, made["vm_id"]), "a single VM running", 60, pause=0.002)
            if number >= 2:  # the first ones prepare statements
                accepted[index].append((answered - began) * 1000)
                running[index].append((time.perf_counter() - answered) * 1000)
    for side in (small, large):
        _end_all(side)
    yield from _pair("one create accepted, alone", "ms", *accepted, target=(4, 6))
    yield from _pair("the same, accepted to running", "ms", *running)


def _runs(side: Side, vm_id: int) -> bool:
    """:raises LabProblem: it never will."""
    vm = side.call("demo", "user.vm.get_by_id", {"vm_id": vm_id})
    if vm["error"]:
        raise LabProblem(f"VM {vm_id}: {vm['error']}")
    return bool(vm["state"] == "running" and vm["operation_id"] is None)


def _end_all(side: Side) -> None:
    """Destroy what ``demo`` has."""
    ids = [vm["vm_id"] for vm in side.call("demo", "user.vm.get_list", {"limit": 1000})]
    for start in range(0, len(ids), 50):
        side.call("demo", "user.vm.destroy", {"vm_ids": ids[start : start + 50]})
    wait_until(lambda: not side.call("demo", "user.vm.get_list", {"limit": 1}), "all VMs gone", BURST_S, pause=0.1)


def _ask_once(side: Side) -> None:
    side.call("demo", "user.vm.create", {"name": "burst", "count": VMS, **wanted(side.cloud)})


def _ask_often(side: Side, urls: Sequence[str] = ()) -> None:
    """A call for each, over some connections, to these processes in turn. What is not answered is asked again."""
    user = side.cloud.credentials.user
    urls = urls or (side.cloud.url,)
    clients = [RpcClient(urls[i % len(urls)], user.login, user.password, timeout_s=60) for i in range(CONNECTIONS)]
    in_threads([partial(_share, side, client, index) for index, client in enumerate(clients)])
    for client in clients:
        client.close()


def _share(side: Side, client: RpcClient, index: int) -> None:
    lost = 0
    for number in range(VMS // CONNECTIONS):
        params = {"name": f"burst-{index}-{number}", **wanted(side.cloud)}
        name = f"{index}-{number}-{time.monotonic_ns()}"
        while True:
            try:
                client.call("user.vm.create", params, request_id=name)
                break
            except Unavailable:
                lost += 1
                if lost > 50:
                    raise
                client = RpcClient(side.cloud.url, side.cloud.credentials.user.login,
                                   side.cloud.credentials.user.password, timeout_s=60)  # fmt: skip
                time.sleep(0.05)


def _burst(side: Side, ask: Callable[[Side], None]) -> tuple[float, float]:
    """Seconds until all were accepted, and until all ran with their operations done; they are ended afterwards."""
    began = time.perf_counter()
    ask(side)
    accepted = time.perf_counter() - began
    _all_run(side)
    lasted = time.perf_counter() - began
    _end_all(side)
    return accepted, lasted


def _all_run(side: Side) -> None:
    """:raises LabProblem: one failed."""

    def run() -> bool:
        time.sleep(0.04)
        found = side.call("demo", "user.vm.get_list", {"limit": 1000})
        wrong = [vm["error"] for vm in found if vm["error"]]
        if wrong:
            raise LabProblem(f"{len(wrong)} VMs failed: {wrong[0]}")
        return sum(vm["state"] == "running" and vm["operation_id"] is None for vm in found) == VMS

    wait_until(run, "all VMs running", BURST_S, pause=0.01)


def _bursts(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    for name, ask, bounds in (
        (f"{VMS} VMs in one call", _ask_once, (1.5, 2.5)),
        (f"{VMS} VMs in as many calls over {CONNECTIONS} connections", _ask_often, None),
    ):
        accepted: tuple[list[float], list[float]] = ([], [])
        running: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for index, side in enumerate((small, large)):
                one, all_of_them = _burst(side, ask)
                accepted[index].append(one)
                running[index].append(all_of_them)
        yield from _pair(f"{name}: accepted", "s", *accepted)
        yield from _pair(f"{name}: running", "s", *running, target=bounds)


# ---------------------------------------------------------------------- fairness


def _fairness(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    """
    How a read suffers from a neighbour's burst, beside how the constant resource does, which is a process of its own:
    the burst's clients and both servers share the machine's cores, and what that costs is nobody's unfairness.
    """
    with reference() as beside, Caller() as caller:
        slower: tuple[list[float], list[float]] = ([], [])
        resource: tuple[list[float], list[float]] = ([], [])
        during: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for index, side in enumerate((small, large)):
                for port, bodies, found in (
                    (beside, [body("nothing")], resource[index]),
                    (_port(side), _by_id(side), slower[index]),
                ):
                    alone = caller.burst(port, bodies, _headers(side), seconds=1.0)
                    asking = threading.Thread(target=_ask_often, args=(side,))
                    asking.start()
                    burst = caller.burst(port, bodies, _headers(side), seconds=1.5)
                    asking.join()
                    _all_run(side)
                    _end_all(side)
                    found.append(burst.p50_ms / alone.p50_ms)
                during[index].append(burst.p50_ms)
        for index, side in enumerate((small, large)):
            yield Figure(
                "scale", f"another's get_by_id in a burst, {side.name}", median(during[index]), "ms",
                Target(3, "at most", "ratio"), median(slower[index]) / median(resource[index]),
                f"median of calls, {median(slower[index]):.2f} times its time alone ({min(slower[index]):.2f}-"
                f"{max(slower[index]):.2f}); the constant resource {median(resource[index]):.2f} times",
            )  # fmt: skip


# ---------------------------------------------------------------------- processes


def _starts(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    """Stop, start, and the first burst of a process that has done nothing yet."""
    stops: tuple[list[float], list[float]] = ([], [])
    starts: tuple[list[float], list[float]] = ([], [])
    first: tuple[list[float], list[float]] = ([], [])
    for _ in range(min(rounds, 2)):
        for index, side in enumerate((small, large)):
            began = time.perf_counter()
            side.cloud.stop_cm()
            stops[index].append(time.perf_counter() - began)
            began = time.perf_counter()
            side.cloud.start_cm()
            starts[index].append(time.perf_counter() - began)
            first[index].append(_burst(side, _ask_often)[1])
    yield from _pair("stop, idle", "s", *stops)
    yield from _pair("start, to the first answer", "s", *starts)
    yield from _pair(f"the first burst of {VMS} after a start, as many calls: running", "s", *first)


def _processes(small: Side, large: Side, rounds: int) -> Iterator[Figure]:
    with _three(large) as (others, urls):
        _burst(large, partial(_ask_often, urls=urls))  # warm
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            with _paused(large, others):
                taken[0].append(_burst(large, _ask_often)[1])
            time.sleep(1)
            taken[1].append(_burst(large, partial(_ask_often, urls=urls))[1])
        one, three = median(taken[0]), median(taken[1])
        yield Figure("scale", f"{VMS} creates by three processes, large", three, "s", Target(1.1, "at most", "ratio"),
                     three / one, f"ratio to one process, {one:.2f} s; {spread(taken[1], 's')}")  # fmt: skip
        yield from _killed(large, others[0], urls)


@contextmanager
def _three(side: Side) -> Iterator[tuple[list[Daemon], list[str]]]:
    """Two more processes."""
    made = [another(side.cloud, number) for number in (2, 3)]
    try:
        for daemon, url in made:
            daemon.start()
            wait_until(partial(_answers, daemon, url), "another process's first answer", 60, pause=0.05)
        yield [daemon for daemon, _ in made], [side.cloud.url, *(url for _, url in made)]
    finally:
        for daemon, _ in made:
            daemon.stop()


def _answers(daemon: Daemon, url: str) -> bool:
    daemon.check()
    try:
        RpcClient(url, timeout_s=5).call("guest.cluster.get_info")
    except Unavailable:
        return False
    return True


@contextmanager
def _paused(side: Side, others: Sequence[Daemon]) -> Iterator[None]:
    """Stand still, but not in the middle of a transaction, whose locks would hold the others up."""
    old = (
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND xact_start < now() - interval '0.25 s'"
    )
    try:
        for _ in range(50):
            for daemon in others:
                daemon.pause()
            time.sleep(0.4)
            if side.cloud.sql(old) == [["0"]]:
                break
            for daemon in others:
                daemon.resume()
            time.sleep(0.2)
        else:
            raise LabProblem("no moment came at which two idle processes had no transaction open")
        yield
    finally:
        for daemon in others:
            daemon.resume()


def _killed(side: Side, victim: Daemon, urls: Sequence[str]) -> Iterator[Figure]:
    """One of three is killed in a burst: its work is in other hands, or done, after how long?"""
    worker = side.cloud.sql(f"SELECT max(id) FROM worker WHERE name LIKE '%:{victim.pid}'")[0][0]
    held = f"SELECT id FROM operation WHERE worker_id = {worker} AND state IN ('queued', 'running', 'waiting')"
    asking = threading.Thread(target=_ask_often, args=(side, [urls[0], urls[2]]))
    asking.start()
    wait_until(lambda: len(side.cloud.sql(held)) >= 5, "work in the hands of the process to be killed", 60)
    victim.kill()
    began = time.perf_counter()
    orphans = ", ".join(row[0] for row in side.cloud.sql(held)) or "0"
    lost = f"SELECT count(*) FROM operation WHERE id IN ({orphans}) AND worker_id = {worker} AND finished_at IS NULL"
    wait_until(lambda: side.cloud.sql(lost) == [["0"]], "the dead process's work in other hands", 60, pause=0.05)
    took = time.perf_counter() - began
    asking.join()
    _all_run(side)
    _end_all(side)
    yield Figure("scale", "a process killed in a burst: its work taken over, large", took, "s",
                 Target(3, "at most", unit="s"), note=f"{orphans.count(',') + 1} operations in its hands")  # fmt: skip
