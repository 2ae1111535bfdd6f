"""
What may be asked of a node, as services and operations ask it: awaited, on threads of the node, each call with its pace
and its deadline. They are said here and nowhere else: who calls does not know them, and the connections of the libvirt
driver follow them.

A call is ``await fleet.node(node_id).hypervisor.look(uuid)``; several that belong together are a function that is a
``job`` and takes the node first: ``await fleet.node(node_id).run(boot, prepared)``. Arguments and results have the
types of the interface's method, by way of the lambda that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeVar, overload

from cm.interfaces.node import INode

P = ParamSpec("P")
R = TypeVar("R")

DEADLINE_S: Final = 30.0  # of what is neither a pass nor about the content of volumes
PASS_S: Final = 20.0  # of what a pass asks: it is not to hold up the next one
LOOK_S: Final = 10.0  # of one of many that a pass looks at
FIGURES_S: Final = 8.0  # copies may hold all that is slow of a node, and a caller waits
POOL_S: Final = 120.0  # a mount from a slow server; a large file that is deleted
COPY_S: Final = 3600.0  # a whole disk
STREAM_S: Final = 12 * 3600.0  # a console, or a transfer; each ends long before where nothing moves


class Pace(Enum):
    """
    How long a call lasts, hence where it runs. Slow ones must not keep anybody from looking at the node, so they have
    threads and connections of their own; of those that last, for minutes and up to an hour, few may be under way at a
    node at a time. Streams last as long as whoever is at their other end likes: they share with nobody.
    """

    QUICK = "quick"
    SLOW = "slow"
    LASTING = "lasting"
    STREAM = "stream"


@dataclass(frozen=True, eq=False)
class Job(Generic[P, R]):
    """
    A function of a node, with all that who runs it has to know.

    :ivar deadline_s: until who waits for it is told that its end is not known.
    """

    name: str
    function: Callable[Concatenate[INode, P], R]
    pace: Pace
    deadline_s: float

    def __call__(self, node: INode, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Now and here: for one job within another of at least its pace, and for tests."""
        return self.function(node, *args, **kwargs)


def job(pace: Pace, deadline_s: float) -> Callable[[Callable[Concatenate[INode, P], R]], Job[P, R]]:
    """
    Decorator: make a function that takes a node first one that can be run at a node.

    :param pace: at least that of each call that it makes.
    """

    def decorate(function: Callable[Concatenate[INode, P], R]) -> Job[P, R]:
        return Job(function.__name__, function, pace, deadline_s)

    return decorate


class Call(Generic[P, R]):
    """One method of a node's driver, as an attribute of ``_Calls``: called, it is run there and its result awaited."""

    def __init__(self, method: Callable[[INode], Callable[P, R]], pace: Pace, deadline_s: float) -> None:
        self._method = method
        self.job: Job[P, R] = Job("", self._function, pace, deadline_s)

    def __set_name__(self, owner: type, name: str) -> None:
        self.job = replace(self.job, name=name)

    def _function(self, node: INode, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._method(node)(*args, **kwargs)

    @overload
    def __get__(self, calls: None, owner: type) -> Call[P, R]: ...

    @overload
    def __get__(self, calls: _Calls, owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...

    def __get__(self, calls: _Calls | None, owner: type) -> Call[P, R] | Callable[P, Coroutine[Any, Any, R]]:
        return self if calls is None else partial(calls.run, self.job)


def _quick(method: Callable[[INode], Callable[P, R]], deadline_s: float = DEADLINE_S) -> Call[P, R]:
    return Call(method, Pace.QUICK, deadline_s)


def _slow(method: Callable[[INode], Callable[P, R]], deadline_s: float = DEADLINE_S) -> Call[P, R]:
    return Call(method, Pace.SLOW, deadline_s)


def _lasting(method: Callable[[INode], Callable[P, R]], deadline_s: float) -> Call[P, R]:
    return Call(method, Pace.LASTING, deadline_s)


def _stream(method: Callable[[INode], Callable[P, R]], deadline_s: float = STREAM_S) -> Call[P, R]:
    return Call(method, Pace.STREAM, deadline_s)


class _Calls:
    def __init__(self, node: NodeCalls) -> None:
        self.run = node.run


class HypervisorCalls(_Calls):
    info = _quick(lambda node: node.hypervisor.info, PASS_S)
    domains = _quick(lambda node: node.hypervisor.domains, PASS_S)
    measure = _quick(lambda node: node.hypervisor.measure, PASS_S)
    cpu = _quick(lambda node: node.hypervisor.cpu, PASS_S)
    common_cpu = _quick(lambda node: node.hypervisor.common_cpu, PASS_S)
    look = _quick(lambda node: node.hypervisor.look)
    describe = _quick(lambda node: node.hypervisor.describe, LOOK_S)
    define = _slow(lambda node: node.hypervisor.define)
    start = _slow(lambda node: node.hypervisor.start)
    destroy = _quick(lambda node: node.hypervisor.destroy)
    shutdown = _quick(lambda node: node.hypervisor.shutdown)
    reset = _quick(lambda node: node.hypervisor.reset)
    press_keys = _quick(lambda node: node.hypervisor.press_keys)
    pause = _quick(lambda node: node.hypervisor.pause)
    resume = _quick(lambda node: node.hypervisor.resume)
    undefine = _slow(lambda node: node.hypervisor.undefine)
    set_vnc = _quick(lambda node: node.hypervisor.set_vnc)
    subscribe = _quick(lambda node: node.hypervisor.subscribe)


class PoolCalls(_Calls):
    attach = _slow(lambda node: node.pools.attach, POOL_S)
    ensure = _slow(lambda node: node.pools.ensure)
    detach = _slow(lambda node: node.pools.detach, POOL_S)
    usage = _slow(lambda node: node.pools.usage, FIGURES_S)


class VolumeCalls(_Calls):
    list_all = _slow(lambda node: node.volumes.list_all, POOL_S)
    find = _quick(lambda node: node.volumes.find)
    source = _quick(lambda node: node.volumes.source)
    create_overlay = _slow(lambda node: node.volumes.create_overlay)
    create_copy = _lasting(lambda node: node.volumes.create_copy, COPY_S)
    create_empty = _slow(lambda node: node.volumes.create_empty, COPY_S)  # a device is written with zeros
    upload = _lasting(lambda node: node.volumes.upload, COPY_S)
    resize = _slow(lambda node: node.volumes.resize)
    read_tail = _slow(lambda node: node.volumes.read_tail)
    delete = _slow(lambda node: node.volumes.delete, POOL_S)
    wipe = _lasting(lambda node: node.volumes.wipe, COPY_S)


class DiskCalls(_Calls):
    look = _quick(lambda node: node.disks.look, LOOK_S)
    attach = _slow(lambda node: node.disks.attach)
    detach = _slow(lambda node: node.disks.detach)
    medium = _slow(lambda node: node.disks.medium)


class BlockJobCalls(_Calls):
    copy = _slow(lambda node: node.block_jobs.copy)
    commit = _slow(lambda node: node.block_jobs.commit)
    pull = _slow(lambda node: node.block_jobs.pull)
    look = _quick(lambda node: node.block_jobs.look)
    grow = _slow(lambda node: node.block_jobs.grow)
    finish = _slow(lambda node: node.block_jobs.finish)
    abort = _slow(lambda node: node.block_jobs.abort)


class MigrationCalls(_Calls):
    need = _quick(lambda node: node.migrations.need)
    takes = _quick(lambda node: node.migrations.takes)
    migrate = _slow(lambda node: node.migrations.migrate)
    look = _quick(lambda node: node.migrations.look, LOOK_S)
    switch = _slow(lambda node: node.migrations.switch)
    cancel = _slow(lambda node: node.migrations.cancel)


class SuspensionCalls(_Calls):
    save = _lasting(lambda node: node.suspensions.save, COPY_S)
    restore = _lasting(lambda node: node.suspensions.restore, COPY_S)


class NetworkCalls(_Calls):
    ensure = _quick(lambda node: node.networks.ensure)
    remove = _quick(lambda node: node.networks.remove)


class NicCalls(_Calls):
    look = _quick(lambda node: node.nics.look, LOOK_S)
    attach = _slow(lambda node: node.nics.attach)
    detach = _slow(lambda node: node.nics.detach)


class StreamCalls(_Calls):
    console = _stream(lambda node: node.streams.console)
    screenshot = _stream(lambda node: node.streams.screenshot, FIGURES_S)
    download = _stream(lambda node: node.streams.download)
    upload = _stream(lambda node: node.streams.upload)


class SnapshotCalls(_Calls):
    take = _slow(lambda node: node.snapshots.take)
    thaw = _slow(lambda node: node.snapshots.thaw)
    hold = _slow(lambda node: node.snapshots.hold)


class GuestAgentCalls(_Calls):
    # An agent that hangs takes its time of each: slow, so that nobody is kept from looking at the node meanwhile.
    facts = _slow(lambda node: node.guest_agents.facts)
    set_password = _slow(lambda node: node.guest_agents.set_password)
    keys = _slow(lambda node: node.guest_agents.keys)
    add_keys = _slow(lambda node: node.guest_agents.add_keys)
    remove_keys = _slow(lambda node: node.guest_agents.remove_keys)
    set_time = _slow(lambda node: node.guest_agents.set_time)
    power_off = _slow(lambda node: node.guest_agents.power_off)
    reboot = _slow(lambda node: node.guest_agents.reboot)


class ConsoleLogCalls(_Calls):
    ensure = _slow(lambda node: node.console_logs.ensure)
    read_tail = _slow(lambda node: node.console_logs.read_tail)
    delete = _slow(lambda node: node.console_logs.delete)


class VariableCalls(_Calls):
    ensure = _slow(lambda node: node.variables.ensure)
    read = _slow(lambda node: node.variables.read)
    write = _slow(lambda node: node.variables.write)
    delete = _slow(lambda node: node.variables.delete)


class SizingCalls(_Calls):
    size = _quick(lambda node: node.sizing.size, LOOK_S)
    set_vcpus = _slow(lambda node: node.sizing.set_vcpus)
    plug_memory = _slow(lambda node: node.sizing.plug_memory)
    unplug_memory = _slow(lambda node: node.sizing.unplug_memory)


class ManagedCalls(_Calls):
    host = _quick(lambda node: node.managed.host, PASS_S)
    free_memory = _quick(lambda node: node.managed.free_memory, LOOK_S)
    all_domains = _quick(lambda node: node.managed.all_domains, PASS_S)
    storage = _slow(lambda node: node.managed.storage, PASS_S)
    domain_define_xml = _slow(lambda node: node.managed.domain_define_xml)
    domain_act = _slow(lambda node: node.managed.domain_act, POOL_S)  # a start waits for hooks and for storages
    domain_save = _lasting(lambda node: node.managed.domain_save, COPY_S)
    domain_saved = _slow(lambda node: node.managed.domain_saved)
    domain_restore = _lasting(lambda node: node.managed.domain_restore, COPY_S)
    domain_xml = _quick(lambda node: node.managed.domain_xml)
    pool_define_xml = _slow(lambda node: node.managed.pool_define_xml)
    pool_create_xml = _slow(lambda node: node.managed.pool_create_xml, POOL_S)
    pool_act = _slow(lambda node: node.managed.pool_act, POOL_S)
    pool_xml = _slow(lambda node: node.managed.pool_xml)
    volume_create_xml = _lasting(lambda node: node.managed.volume_create_xml, COPY_S)  # may be allocated at once
    volume_find = _slow(lambda node: node.managed.volume_find)
    volume_xml = _slow(lambda node: node.managed.volume_xml)


class NodeCalls(Protocol):
    """One node. Who derives from it has jobs run there."""

    @property
    def hypervisor(self) -> HypervisorCalls:
        return HypervisorCalls(self)

    @property
    def pools(self) -> PoolCalls:
        return PoolCalls(self)

    @property
    def volumes(self) -> VolumeCalls:
        return VolumeCalls(self)

    @property
    def disks(self) -> DiskCalls:
        return DiskCalls(self)

    @property
    def block_jobs(self) -> BlockJobCalls:
        return BlockJobCalls(self)

    @property
    def migrations(self) -> MigrationCalls:
        return MigrationCalls(self)

    @property
    def suspensions(self) -> SuspensionCalls:
        return SuspensionCalls(self)

    @property
    def networks(self) -> NetworkCalls:
        return NetworkCalls(self)

    @property
    def nics(self) -> NicCalls:
        return NicCalls(self)

    @property
    def streams(self) -> StreamCalls:
        return StreamCalls(self)

    @property
    def snapshots(self) -> SnapshotCalls:
        return SnapshotCalls(self)

    @property
    def guest_agents(self) -> GuestAgentCalls:
        return GuestAgentCalls(self)

    @property
    def console_logs(self) -> ConsoleLogCalls:
        return ConsoleLogCalls(self)

    @property
    def variables(self) -> VariableCalls:
        return VariableCalls(self)

    @property
    def sizing(self) -> SizingCalls:
        return SizingCalls(self)

    @property
    def managed(self) -> ManagedCalls:
        return ManagedCalls(self)

    def run(self, job: Job[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """``job(node, *args)`` as one piece of work there."""
