"""
What may be asked of a node, how long it lasts and until when it is waited for stands in one table: it covers the
interfaces, threads follow it, the libvirt driver's connections and jobs of several calls agree.
"""

from __future__ import annotations

import ast
import contextvars
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred

from cm import operations
from cm.drivers.memory.node import MemoryNode
from cm.interfaces import calls
from cm.interfaces.block_job import IBlockJobs
from cm.interfaces.calls import Call, Job, Pace
from cm.interfaces.console_log import IConsoleLogs
from cm.interfaces.disks import IDisks
from cm.interfaces.guest_agent import IGuestAgents
from cm.interfaces.hypervisor import IHypervisor
from cm.interfaces.migration import IMigrations
from cm.interfaces.network import INetworks
from cm.interfaces.nics import INics
from cm.interfaces.sizing import ISizing
from cm.interfaces.snapshot import ISnapshots
from cm.interfaces.stream import IStreams
from cm.interfaces.suspension import ISuspensions
from cm.interfaces.variables import IVariables
from cm.interfaces.volume import IPools, IVolumes
from cm.operations import engine
from cm.rpc.errors import NodeBusy, NodeUnreachable, TooManyAtOnce
from cm.runtime.pool import on_behalf
from cm.runtime.threads import NODE_SIZE, NODE_SLOW_SIZE, NODE_STREAM_SHARE, NODE_STREAM_SIZE, SIZES
from cm.services.fleet import Fleet
from cm.store.node import NodeAddress

ROOT = Path(__file__).resolve().parents[3]
PARTS = {
    "hypervisor": (IHypervisor, calls.HypervisorCalls),
    "pools": (IPools, calls.PoolCalls),
    "volumes": (IVolumes, calls.VolumeCalls),
    "disks": (IDisks, calls.DiskCalls),
    "block_jobs": (IBlockJobs, calls.BlockJobCalls),
    "migrations": (IMigrations, calls.MigrationCalls),
    "suspensions": (ISuspensions, calls.SuspensionCalls),
    "networks": (INetworks, calls.NetworkCalls),
    "nics": (INics, calls.NicCalls),
    "streams": (IStreams, calls.StreamCalls),
    "snapshots": (ISnapshots, calls.SnapshotCalls),
    "guest_agents": (IGuestAgents, calls.GuestAgentCalls),
    "console_logs": (IConsoleLogs, calls.ConsoleLogCalls),
    "variables": (IVariables, calls.VariableCalls),
    "sizing": (ISizing, calls.SizingCalls),
}
BY_WAY_OF = {"variables": ("variables", "console_log")}
MODULES = [import_module(each.name) for each in pkgutil.walk_packages(operations.__path__, "cm.operations.")]
JOBS = [each for module in MODULES for each in vars(module).values() if isinstance(each, Job)]


def paces(part: str) -> dict[str, Pace]:
    table = vars(PARTS[part][1])
    return {name: call.job.pace for name, call in table.items() if isinstance(call, Call)}


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def called(function: ast.FunctionDef) -> set[str]:
    """The attributes that a function calls."""
    made = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {call.attr for call in made if isinstance(call, ast.Attribute)}


@pytest.mark.parametrize("part", PARTS)
def test_whole(part: str) -> None:
    """Each method of an interface can be asked, under its own name and no other."""
    interface = PARTS[part][0]
    assert set(paces(part)) == {name for name, value in vars(interface).items() if callable(value) and name[0] != "_"}
    for name, call in vars(PARTS[part][1]).items():
        if isinstance(call, Call):
            assert (call.job.name, call.job.deadline_s > 0) == (name, True)
            text = ast.unparse(ast.parse((ROOT / "cm/interfaces/calls.py").read_text()))
            assert f"{name} = _{call.job.pace.value}(lambda node: node.{part}.{name}" in text


@pytest.mark.parametrize("part", PARTS)
def test_connections_agree(part: str) -> None:
    """Of the libvirt driver's calls those that are slow take a slow connection, streams one of their own."""
    taken = {}
    made: dict[str, set[str]] = {}
    for name in BY_WAY_OF.get(part, (part.removesuffix("s"),)):
        for function in functions(ROOT / f"cm/drivers/libvirt/{name}.py"):
            made[function.name] = made.get(function.name, set()) | called(function)
    for name in made.keys() & paces(part):
        asked = made[name].union(*(made[helper] for helper in made[name] & made.keys() if helper[0] == "_"))
        if part in BY_WAY_OF:
            asked = asked.union(*(made[helper] for helper in asked & made.keys()))
            asked = asked.union(*(made[helper] for helper in asked & made.keys()))
        if pools := {"fast", "slow", "stream"} & asked:
            taken[name] = pools
    assert len(taken) >= len(paces(part)) - 1 and taken  # ``subscribe`` and ``source`` go by way of other modules
    right = {Pace.QUICK: {"fast"}, Pace.SLOW: {"slow"}, Pace.LASTING: {"slow"}, Pace.STREAM: {"stream"}}
    assert taken == {name: right[paces(part)[name]] for name in taken}


def test_jobs_agree() -> None:
    """A job is at least as slow as each call that it makes."""
    order = [Pace.QUICK, Pace.SLOW, Pace.LASTING, Pace.STREAM]
    found = {}
    for path in sorted((ROOT / "cm").rglob("*.py")):
        for function in functions(path):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "job":
                    inner = [ast.unparse(c.func).split(".") for c in ast.walk(function) if isinstance(c, ast.Call)]
                    asked = {paces(name[1])[name[2]] for name in inner if len(name) == 3 and name[0] == "node"}
                    found[function.name] = asked
    jobs = {job.name: job for job in JOBS}
    assert set(found) == set(jobs) >= {"boot", "remove_domain", "make_volumes", "make_copies", "delete_volumes"}
    for name, asked in found.items():
        # ``make_volumes`` copies only within ``make_copies``.
        slowest = max((order.index(pace) for pace in asked), default=0)
        assert order.index(jobs[name].pace) >= slowest or name == "make_volumes", name


def test_sizes_fit() -> None:
    """No more threads than connections, and no more operations at a node than can work there."""
    assert (SIZES["node"], SIZES["node-slow"]) == (NODE_SIZE, NODE_SLOW_SIZE)
    assert SIZES["node-stream"] == NODE_STREAM_SIZE
    assert engine.PER_NODE <= NODE_SLOW_SIZE
    pytest.importorskip("libvirt")
    from cm.drivers.libvirt.connection import Connections

    made = Connections("qemu+tcp://192.0.2.1/system", node="n1")
    assert (len(made._fast._lanes), len(made._slow._lanes)) == (NODE_SIZE, NODE_SLOW_SIZE)
    assert len(made._streams._lanes) == NODE_STREAM_SIZE


class Flowing:
    """Threads on which nothing ends until it is let."""

    def __init__(self) -> None:
        self.under_way: list[tuple[str, Deferred[None]]] = []

    async def run(self, pool: str, *_: Any, deadline_s: float | None = None) -> None:
        self.under_way.append((pool, Deferred()))
        await self.under_way[-1][1]


class Hanging(Flowing):
    async def run(self, pool: str, *_: Any, deadline_s: float | None = None) -> None:
        raise NodeUnreachable("n1", "connection closed due to keepalive timeout")


def test_forget_a_node_that_hangs() -> None:
    """It is forgotten all the same, and nobody's pass fails by it."""
    fleet = Fleet(cast(Any, None), cast(Any, Hanging()), cast(Any, None))
    fleet._drivers[1] = (NodeAddress(1, "n1", "memory:///n"), MemoryNode())
    done: list[Any] = []
    Deferred.fromCoroutine(fleet.forget(1)).addBoth(done.append)
    assert done == [None] and not fleet._drivers


def test_streams_are_shared() -> None:
    """Of a node's streams an account has its share and no more, and who is one too many is told so at once."""
    threads = Flowing()
    fleet = Fleet(cast(Any, None), cast(Any, threads), cast(Any, None))
    for number in (1, 2):
        fleet._drivers[number] = (NodeAddress(number, f"n{number}", "memory:///n"), MemoryNode())

    def begin(whose: int | None, node_id: int = 1) -> Deferred[int]:
        context = contextvars.copy_context()
        context.run(on_behalf.set, whose)
        call = fleet.node(node_id).streams.download("pool", "volume", 0, 1, bytes)
        return context.run(Deferred.fromCoroutine, call)

    def refused(whose: int | None, error: type[Exception]) -> None:
        told: list[Any] = []
        begin(whose).addErrback(lambda failure: told.append(failure.check(error)))
        assert told == [error]

    first = [begin(7) for _ in range(NODE_STREAM_SHARE)]
    refused(7, TooManyAtOnce)
    begin(7, node_id=2)
    for number in range(NODE_STREAM_SIZE - NODE_STREAM_SHARE):
        begin(100 + number)
    refused(8, NodeBusy)
    refused(None, NodeBusy)
    threads.under_way[0][1].callback(None)
    assert first[0].called
    begin(7)
    refused(7, TooManyAtOnce)
    assert {pool for pool, _ in threads.under_way} == {"node-stream:1", "node-stream:2"}
    for _, each in threads.under_way:
        if not each.called:
            each.callback(None)
    assert not fleet._streams


def test_no_names_of_methods() -> None:
    """Nobody in the manager reaches for a node's method by a string, and nobody holds a driver as anything."""
    for path in sorted((ROOT / "cm").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "attrgetter", "methodcaller"):
                names = {each.id for each in node.args if isinstance(each, ast.Name)}
                assert not {"driver", "node"} & names, (path, node.lineno)
            if isinstance(node, ast.arg) and node.arg in ("driver", "opener", "fleet") and node.annotation is not None:
                assert "Any" not in ast.unparse(node.annotation), (path, node.lineno)


RIGHT = """
from cm.drivers.libvirt.node import LibvirtNode
from cm.drivers.memory.node import MemoryNode
from cm.interfaces.calls import Job, Pace, job
from cm.interfaces.hypervisor import DomainSeen
from cm.interfaces.node import INode
from cm.interfaces.volume import VolumeSeen
from cm.operations.base import Work
from cm.rpc.vocabulary import DiskFormat
from lab.farm_node import FarmNode


async def right(work: Work, memory: MemoryNode, libvirt: LibvirtNode, farm: FarmNode) -> VolumeSeen:
    nodes: list[INode] = [memory, libvirt, farm]
    seen: DomainSeen = await work.node(1).hypervisor.look("uuid")
    number: int = await work.node(1).run(count, seen.uuid)
    return await work.node(number).volumes.create_copy("pool", "copy", "disk", DiskFormat.QCOW2)


@job(Pace.QUICK, 1.0)
def count(node: INode, uuid: str) -> int:
    return len(node.hypervisor.domains())


async def wrong(work: Work) -> None:
"""
WRONG = {
    'await work.node(1).hypervisor.look(7)': "arg-type",
    'await work.node(1).hypervisor.lok("uuid")': "attr-defined",
    'await work.node(1).volumes.create_copy("pool", "copy", DiskFormat.QCOW2, "disk")': "arg-type",
    'await work.node(1).volumes.delete("pool")': "call-arg",
    'await work.node(1).volumes.delete("pool", volume_name="a")': "call-arg",
    'x: int = await work.node(1).volumes.delete("pool", "a")': "func-returns-value",
    'x2: str = (await work.node(1).hypervisor.look("uuid")).state.frist': "attr-defined",
    'await work.node(1).run(count, 7)': "arg-type",
    'await work.node(1).run(len, "x")': "arg-type",
    'work.services.fleet.call(1, "look", "uuid")': "attr-defined",
}


def test_types(tmp_path: Path) -> None:
    """mypy sees a call's method, arguments and result: what is wrong is refused, each line with its reason."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(RIGHT + "".join(f"    {line}\n" for line in WRONG))
    argv = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-error-summary", str(snippet)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)
    first = RIGHT.count("\n") + 1
    told: dict[int, str] = {}
    for line in done.stdout.splitlines():
        if ": error: " in line:
            told[int(line.split(":")[1])] = told.get(int(line.split(":")[1]), "") + line
    assert sorted(told) == list(range(first, first + len(WRONG))), done.stdout + done.stderr
    for number, (line, code) in enumerate(WRONG.items(), first):
        assert f"[{code}]" in told[number], (line, told[number])
