"""
Storages whose server has no answer: whatever touches one waits on its thread, at the call that does, for as long as
that lasts, and then goes on. Who asked for it has been told by then that its end is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from posixpath import dirname
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cm.drivers.memory.node import MemoryNode
    from cm.drivers.memory.world import World
    from simulation.process import Process
    from simulation.simulation import Simulation

# What asks a server, or has QEMU write there. To end a domain there is refused, as the drivers do it.
TOUCHING: Final[Mapping[str, frozenset[str]]] = {
    "volumes": frozenset(
        {"list_all", "find", "create_overlay", "create_copy", "create_empty", "resize", "read_tail", "delete", "wipe"}
    ),
    "pools": frozenset({"attach", "ensure", "detach", "usage"}),
    "hypervisor": frozenset({"start"}),
    "disks": frozenset({"attach", "medium"}),
    "block_jobs": frozenset({"copy", "commit", "pull", "grow", "finish", "abort"}),
    "snapshots": frozenset({"take", "hold"}),
}
WAKES_S: Final = 0.01  # after the server is back


class Waits(BaseException):
    """Of a call that has no answer: its thread stays where it is."""


class Silence:
    """
    Of one simulation.

    :ivar paths: where the storages are mounted that have no answer now.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.paths: set[str] = set()
        self._waiting: list[tuple[Any, ...]] = []

    def begin(self, path: str) -> None:
        self.paths.add(path)
        self._tell()

    def end(self, path: str = "") -> None:
        """It answers again. :param path: empty: all do."""
        self.paths -= {path} if path else set(self.paths)
        self._tell()
        waiting, self._waiting = self._waiting, []
        for go_on, *args in waiting:
            self._simulation.later(WAKES_S, go_on, *args)

    def _tell(self) -> None:
        for node in self._simulation.nodes:
            node.memory.world.silent = set(self.paths)

    def wait(self, go_on: Callable[..., None], *args: Any) -> None:
        """:param go_on: is called once a server is back, be it another."""
        self._waiting.append((go_on, *args))

    def holds(self, memory: MemoryNode, uuid: str) -> bool:
        """Whether a running domain has a disk there: neither it nor its QEMU comes to an end."""
        return memory.world.silent_below(uuid) is not None

    def through(
        self, process: Process, memory: MemoryNode, part: str, method: str, call: Callable[..., Any]
    ) -> Callable[..., Any]:
        """
        A call of a job, which waits if it touches such a storage. What the job has done before is not done twice: when
        it goes on, those calls are answered as they were.
        """
        job = process.threads.job
        if job is None:
            return call

        def made(*args: Any, **kwargs: Any) -> Any:
            number, job.calls = job.calls, job.calls + 1
            if number == len(job.answers):
                if self._touches(memory, part, method, [*args, *kwargs.values()]):
                    raise Waits()
                job.answers.append(_answer(call, args, kwargs))
            well, value = job.answers[number]
            if not well:
                raise value
            return value

        return made

    def _touches(self, memory: MemoryNode, part: str, method: str, given: list[Any]) -> bool:
        if memory.unreachable or method not in TOUCHING.get(part, ()):
            return False
        if method == "ensure" and memory.world.storages.has(given[0].name):
            return False  # it is mounted, which is all that is looked at
        return bool(_paths(memory.world, given) & self.paths)


def _answer(call: Callable[..., Any], args: Any, kwargs: Any) -> tuple[bool, Any]:
    try:
        return True, call(*args, **kwargs)
    except Exception as error:
        return False, error


def _paths(world: World, value: Any) -> set[str]:
    """The directories that an argument of a call leads to."""
    if isinstance(value, list | tuple):
        return set().union(*(_paths(world, each) for each in value))
    if isinstance(value, str):
        if world.storages.has(value):
            return {world.storages._pools[value][0].path}
        domain = world.domains.get(value)
        spec = None if domain is None else domain.running or domain.spec
        return set() if spec is None else _paths(world, spec.disks)
    if hasattr(value, "disks"):  # a domain that is to be
        return _paths(world, value.disks)
    found = {value.path, dirname(value.path)} if isinstance(getattr(value, "path", None), str) else set()
    return found | (_paths(world, value.source) if hasattr(value, "source") else set())
