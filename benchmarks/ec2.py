"""
EC2's protocol: what a call costs our processes in CPU beside what it costs moto, which answers out of its own memory,
in the same run; what pollers do to a neighbour; and what the endpoint adds to the cloud manager's memory.

Calls are made ready beforehand and signed, so that neither signing nor reading XML is measured.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from benchmarks.client import Burst, Caller
from benchmarks.clusters import BUSY, Settings, cpu_s, federation, rss_mib
from benchmarks.reads import body, reference
from benchmarks.report import Figure, Skipped, Target, child_environment, median
from cm.rpc.client import RpcClient
from lab.credentials import Account
from lab.federation import Federation
from lab.places import state_dir
from lab.processes import wait_until

VERSION = "2016-11-15"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
POLLERS = 20
MADE_EACH = 100  # instances of one call


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """
    A server of EC2's protocol.

    :ivar pids: whose CPU counts; the first one's answers.
    """

    name: str
    port: int
    pids: Sequence[int]
    key: Mapping[str, str]
    common: Mapping[str, str]

    def body(self, action: str, **parameters: str) -> bytes:
        """A request with a signature of version 2, good for five minutes."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = {
            "Action": action, "Version": VERSION, "AWSAccessKeyId": self.key["access_key"], "Timestamp": now,
            "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", **parameters,
        }  # fmt: skip
        text = "&".join(f"{quote(name, safe='-_.~')}={quote(told[name], safe='-_.~')}" for name in sorted(told))
        signed = f"POST\n127.0.0.1:{self.port}\n/\n{text}".encode()
        made = base64.b64encode(hmac.digest(self.key["secret_key"].encode(), signed, hashlib.sha256)).decode()
        return f"{text}&Signature={quote(made, safe='')}".encode()

    def ask(self, action: str, **parameters: str) -> bytes:
        """:raises RuntimeError: it refuses."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/", self.body(action, **parameters), {**FORM, **self.common})
            response = connection.getresponse()
            told = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{self.name}: {action}: {response.status} {told[:500]!r}")
        return told

    def burst(self, caller: Caller, bodies: Sequence[bytes], seconds: float) -> tuple[Burst, list[float]]:
        """One connection; of each process the milliseconds of CPU a call."""
        before = [cpu_s(pid) for pid in self.pids]
        made = caller.burst(self.port, bodies, {**FORM, **self.common}, seconds=seconds, path="/")
        used = [cpu_s(pid) - was for pid, was in zip(self.pids, before, strict=True)]
        return made, [each * 1000 / (made.calls + 1) for each in used]


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    sizes = (10, 100) if settings.quick else (100, 1000)
    port = _port()
    more: dict[str, dict[str, Any]] = {"listen": {"ec2": f"127.0.0.1:{port}"}, "limits": dict(BUSY["limits"])}
    with federation(settings, 1, more, vms=sizes[-1]) as whole:
        ours = _ours(whole, port)
        idle = rss_mib(ours.pids[0])
        with Caller() as caller, _moto() as theirs:
            if theirs is None:
                yield Skipped("ec2", "moto is not there (bin/bootstrap moto): no figures beside it")
            have = 0
            for size in sizes:
                _fill(ours, size - have)
                if theirs is not None:
                    _fill(theirs, size - have)
                have = size
                wait_until(partial(_run_all, whole, size), "all instances running", 600, pause=0.5)
                yield _describe(settings, caller, ours, theirs, size)
            yield _run(settings, caller, ours, theirs)
            wait_until(partial(_run_all, whole, have), "all instances running", 600, pause=0.5)
            yield from _pollers(settings, whole, caller, ours, sizes[-1])
        yield Figure(
            "ec2", f"memory of the cloud manager after describing {sizes[-1]:,}", rss_mib(ours.pids[0]), "MiB",
            note=f"{idle:.0f} MiB after its start",
        )  # fmt: skip
    yield from _memory(settings, sizes[-1])


def _ours(whole: Federation, port: int) -> Server:
    key = whole.user.call("user.api_key.create", {"name": "bench", "scope": ["all"], "ec2": True})
    clm, cm = whole.clm.daemon.pid, whole.clusters[0].cm.pid
    assert clm is not None and cm is not None
    return Server("wawel", port, (clm, cm), key, {})


@contextmanager
def _moto() -> Iterator[Server | None]:
    program = state_dir() / "moto" / "venv" / "bin" / "moto_server"
    if not program.exists():
        yield None
        return
    port = _port()
    process = subprocess.Popen(
        [str(program), "-H", "127.0.0.1", "-p", str(port)], env=child_environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    scope = "Credential=AKIDEXAMPLE/20260101/us-east-1/ec2/aws4_request"
    common = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    made = Server("moto", port, (process.pid,), {"access_key": "AKIDEXAMPLE", "secret_key": "x"}, common)
    try:
        wait_until(lambda: _answers(made), "moto's first answer", 60, pause=0.2)
        yield made
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(server: Server) -> bool:
    try:
        server.ask("DescribeRegions")
    except (OSError, http.client.HTTPException, RuntimeError):
        return False
    return True


def _made_of(server: Server) -> dict[str, str]:
    if server.name == "moto":
        return {"ImageId": "ami-12c6146b", "InstanceType": "t2.micro"}
    image = server.ask("DescribeImages").partition(b"<imageId>")[2].partition(b"<")[0].decode()
    kind = server.ask("DescribeInstanceTypes").partition(b"<instanceType>")[2].partition(b"<")[0].decode()
    return {"ImageId": image, "InstanceType": kind}


def _fill(server: Server, count: int) -> None:
    made_of = _made_of(server)
    for start in range(0, count, MADE_EACH):
        some = str(min(MADE_EACH, count - start))
        server.ask("RunInstances", MinCount=some, MaxCount=some, ClientToken=uuid.uuid4().hex, **made_of)


def _running(whole: Federation) -> int:
    made = whole.clusters[0].user.call("user.vm.get_list", {"limit": 10_000})
    wrong = [vm["error"] for vm in made if vm["error"]]
    if wrong:
        raise RuntimeError(f"{len(wrong)} VMs failed: {wrong[0]}")
    return sum(vm["state"] == "running" and vm["operation_id"] is None for vm in made)


def _run_all(whole: Federation, count: int) -> bool:
    return _running(whole) >= count


def _beside(theirs: float | None) -> str:
    return "" if theirs is None else f"; moto {theirs:.1f} ms"


def _describe(settings: Settings, caller: Caller, ours: Server, theirs: Server | None, size: int) -> Figure:
    rounds, seconds = (1, 1.0) if settings.quick else (5, 4.0)
    found: list[list[float]] = []
    moto: list[float] = []
    p50: list[float] = []
    more = {"MaxResults": "1000"} if size <= 1000 else {}
    for _ in range(rounds):
        burst, used = ours.burst(caller, [ours.body("DescribeInstances")], seconds)
        found.append(used)
        p50.append(burst.p50_ms)
        if theirs is not None:
            moto.append(theirs.burst(caller, [theirs.body("DescribeInstances", **more)], seconds)[1][0])
    sums = [sum(used) for used in found]
    beside = median(moto) if moto else None
    return Figure(
        "ec2", f"DescribeInstances of {size:,}: CPU of a call", median(sums), "ms",
        Target(size / 4, "at most", unit="ms"), None if beside is None else median(sums) / beside,
        f"cloud manager {median([each[0] for each in found]):.1f}, cluster manager "
        f"{median([each[1] for each in found]):.1f}; p50 {median(p50):.0f} ms; {burst.answer_bytes:,} bytes"
        + _beside(beside),
    )  # fmt: skip


def _run(settings: Settings, caller: Caller, ours: Server, theirs: Server | None) -> Figure:
    """The cluster manager's CPU is that of the guests' start, too."""
    calls = 20 if settings.quick else 60

    def made(server: Server) -> tuple[Burst, list[float]]:
        made_of = _made_of(server)
        bodies = [
            server.body("RunInstances", MinCount="1", MaxCount="1", ClientToken=uuid.uuid4().hex, **made_of)
            for _ in range(calls)
        ]
        before = [cpu_s(pid) for pid in server.pids]
        taken: list[float] = []
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for each in bodies:
            began = time.perf_counter()
            connection.request("POST", "/", each, {**FORM, **server.common})
            response = connection.getresponse()
            told = response.read()
            taken.append((time.perf_counter() - began) * 1000)
            if response.status != 200:
                raise RuntimeError(f"{server.name}: {response.status} {told[:500]!r}")
        connection.close()
        used = [(cpu_s(pid) - was) * 1000 / calls for pid, was in zip(server.pids, before, strict=True)]
        return Burst(0, median(taken), 0, 0, len(told), calls), used

    burst, used = made(ours)
    beside = None if theirs is None else made(theirs)[1][0]
    return Figure(
        "ec2", "RunInstances of one, accepted: CPU of the cloud manager", used[0], "ms",
        Target(10, "at most", unit="ms"), None if beside is None else used[0] / beside,
        f"p50 {burst.p50_ms:.0f} ms beside the others' start; cluster manager {used[1]:.1f} ms with that"
        + _beside(beside),
    )  # fmt: skip


def _pollers(
    settings: Settings, whole: Federation, caller: Caller, ours: Server, size: int
) -> Iterator[Figure]:
    """
    A neighbour's get_by_id while somebody polls, beside the constant resource, which is a process of its own: pollers
    and servers share the machine's cores, and what that costs is nobody's unfairness.
    """
    account = Account("neighbour", "Neighbour-of-20-pollers")
    whole.add_user(account)
    token = whole.clm.log_in(account)
    headers = {"Authorization": f"Bearer {token}"}
    cluster = whole.clusters[0]
    with _as(whole, token) as neighbour:
        vm = neighbour.call("user.vm.create", {
            "name": "neighbour", "description": "", "image_id": cluster.image_id,
            "template_id": min(cluster.template_ids.values()), "cluster": cluster.name,
        })[0]  # fmt: skip
    asked = [body("user.vm.get_by_id", {"vm_id": vm["vm_id"], "cluster": cluster.name})]
    port = urlsplit(whole.clm.url).port or 0
    rounds = 1 if settings.quick else 3
    slower: list[float] = []
    resource: list[float] = []
    during: list[float] = []
    with reference() as beside, Caller() as polling:
        for _ in range(rounds):
            for at, bodies, found in ((beside, [body("nothing")], resource), (port, asked, slower)):
                alone = caller.burst(at, bodies, headers, seconds=1.0)
                pollers = threading.Thread(target=_poll, args=(polling, ours))
                pollers.start()
                time.sleep(4.0)  # each has its first answer
                burst = caller.burst(at, bodies, headers, seconds=4.0)
                pollers.join()
                found.append(burst.p50_ms / alone.p50_ms)
            during.append(burst.p50_ms)
    yield Figure(
        "ec2", f"another's get_by_id while {POLLERS} poll DescribeInstances of {size:,}", median(during), "ms",
        # Pollers make nothing faster: a resource that was so had a busier machine around it before.
        Target(3, "at most", "ratio"), median(slower) / max(1.0, median(resource)),
        f"median of calls, {median(slower):.1f} times its time alone; the constant resource "
        f"{median(resource):.1f} times",
    )  # fmt: skip


def _poll(caller: Caller, server: Server) -> None:
    told = server.body("DescribeInstances")
    caller.burst(server.port, [told], {**FORM, **server.common}, connections=POLLERS, seconds=12.0, path="/")


@contextmanager
def _as(whole: Federation, token: str) -> Iterator[Any]:
    with RpcClient(whole.clm.url, token=token) as client:
        yield client


def _memory(settings: Settings, size: int) -> Iterator[Figure]:
    """The same work asked of a cloud manager with an endpoint and of one without."""
    found = {}
    for with_ec2 in (False, True):
        port = _port()
        listen = {"listen": {"ec2": f"127.0.0.1:{port}" if with_ec2 else ""}}
        with federation(settings, 1, listen, vms=size) as whole:
            cluster = whole.clusters[0]
            for _ in range(0, size, MADE_EACH):
                cluster.user.call("user.vm.create", {
                    "name": "memory", "description": "", "image_id": cluster.image_id, "count": MADE_EACH,
                    "template_id": min(cluster.template_ids.values()),
                })  # fmt: skip
            for _ in range(5):
                cluster.user.call("user.vm.get_list", {"limit": 10_000})
            if with_ec2:
                ours = _ours(whole, port)
                for _ in range(5):
                    ours.ask("DescribeInstances")
            found[with_ec2] = rss_mib(whole.clm.daemon.pid or 0)
    yield Figure(
        "ec2", f"what the endpoint adds to the cloud manager, {size:,} instances described", found[True] - found[False],
        "MiB", Target(60, "at most", unit="MiB"), note=f"{found[False]:.0f} MiB without it",
    )  # fmt: skip
