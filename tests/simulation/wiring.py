"""The network of a simulated node: its kernel, and the production agent's code that leads it to the node's document."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from node_hooks import segments, tables
from node_hooks.answering import Answering
from node_hooks.document import CONSOLES, SETTINGS, Document, parse_document, without_public
from node_hooks.firewall import Tracking
from node_hooks.network import Converger
from node_hooks.report import Facts, Links, _what_matters, describe
from node_hooks.state import StateFile
from node_hooks.taps import Taps
from simulation.kernel import Kernel, SimServer, System

if TYPE_CHECKING:
    from simulation.world import Node

AGAIN_S: Final = 60.0  # after which the same is reported again
PUT_RIGHT_S: Final = 40.0  # that a change by somebody else is told of: it is over when all is at rest
# Of the agent's modules, what asks the machine by itself.
SEAMS: Final[tuple[tuple[Any, str, Any], ...]] = (
    (segments, "ports", lambda bridge: Kernel.current.ports(bridge)),
    (segments, "Server", SimServer),
    (segments, "_has_vlans", lambda: Kernel.current.has_vlans()),
    (segments, "PUT_RIGHT_S", PUT_RIGHT_S),
    (tables, "PUT_RIGHT_S", PUT_RIGHT_S),
)


class _State:
    """What the agent notes for ``wawel-node status``."""

    def note(self, **_: Any) -> None:
        pass


class _Forwards:
    def close(self) -> None:
        pass


class Complaining(logging.Handler):
    """What the agent logs is part of what happens."""

    def emit(self, record: logging.LogRecord) -> None:
        node = Kernel.current.node
        node.simulation.note("agent", node.name, record.getMessage())


@contextmanager
def heard() -> Iterator[None]:
    """Have what agents warn of written to the journal."""
    log, handler = logging.getLogger("wawel.node"), Complaining(logging.WARNING)
    before = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before


class SimConverger(Converger):
    """The production one, over a kernel of ours; connections of guests there are none."""

    def __init__(self, kernel: Kernel, clock: Callable[[], float], runtime: Path) -> None:
        system = cast(Path, System(kernel.settings))
        super().__init__(
            cast(StateFile, _State()), lambda bridge, address="": _Forwards(), run=kernel.run, find=kernel.find,
            clock=clock, has=lambda program: program, listens=kernel.listens, runtime=runtime, system=system,
        )  # fmt: skip
        self._taps = Taps(
            kernel.run, self._tables, self._complaints, Tracking.INET, kernel.find, show=lambda: None,
            end=lambda unwanted, first: 0,
        )  # fmt: skip
        self._answering = Answering(
            kernel.run, kernel.find, clock, self._complaints, self._tables, system,
            tell=lambda uplink, addresses: None, end=lambda unwanted: 0,
        )  # fmt: skip


class Wiring:
    """
    Of one node, for as long as it is one of the cluster's.

    :ivar kernel: outlives the agent, and not the node's power; ``kept``, the document as it was saved, outlives both.
    :ivar document: that the agent works with; ``confirmed``: that it is the manager's of now, not the one kept.
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.kernel = Kernel(node)
        self.kept: dict[str, Any] | None = None
        self.document: Document | None = None
        self.confirmed = False
        self._since = node.boots
        self._powered = 0  # how often its power was off
        self._clock = node.simulation.schedule.seconds
        self._last: dict[str, Any] | None = None
        self._due = 0.0
        self._begin()

    def _begin(self) -> None:
        home = self.node.simulation.home.path / "run" / f"{self.node.name}-{self._since}-{self._powered}"
        home.mkdir(parents=True, exist_ok=True)
        self._converger = SimConverger(self.kernel, self._clock, home)
        self._last = None
        self.confirmed = False

    def power_off(self) -> None:
        self.kernel.clear()
        self._powered += 1  # what is below /run is gone, too

    def start(self) -> None:
        """The agent begins, anew: with the document that it saved, but for public addresses."""
        self._begin()
        self.document = None if self.kept is None else without_public(parse_document(self.kept))
        self.converge()

    def take(self, content: dict[str, Any]) -> None:
        """What the manager wants from now on."""
        self.kept = content
        self.document = parse_document(content)
        self.confirmed = True
        self.converge()

    @property
    def version(self) -> str:
        """The one that is asked about: empty until the manager has confirmed one."""
        return self.document.version if self.document is not None and self.confirmed else ""

    def disturb(self) -> None:
        """The kernel tells the agent that somebody changed nftables."""
        self._converger.disturb()
        self.converge()

    def converge(self) -> None:
        """One round, as the agent does them twice a second: here where something may be otherwise than before."""
        if self.document is None:
            return
        Kernel.current = self.kernel
        before = set(self.kernel.answers())
        self._converger.converge(self.document)
        self.node.simulation.netwatch.changed(self.node, before)

    def report(self, problems: Any = ()) -> dict[str, Any] | None:
        """What is to be told now; None: nothing that is new, or not told for a while."""
        document, now = self.document, self._clock()
        if document is None:
            return None
        facts = Facts(
            document=document, seen=self._converger.seen, problems=tuple(problems),
            applied={name: document.sections[name] for name in (CONSOLES, SETTINGS) if name in document.sections},
            links=Links(self.kernel.taps(), frozenset(self.kernel.listens()), self.kernel.uplinks()),
            boot_id=self.node.agent.boot_id, hook_path="", hook_last=None, now=now,
        )  # fmt: skip
        told = describe(facts, {})
        told["versions"] = {"agent": "1"}
        told["hook"] = {"path": "/etc/libvirt/hooks/qemu", "version": document.hook_version, "last": None}
        if now < self._due and _what_matters(told) == self._last:
            return None
        return told

    def reported(self, told: dict[str, Any]) -> None:
        self._last, self._due = _what_matters(told), self._clock() + AGAIN_S


def read_document(body: bytes) -> dict[str, Any] | None:
    """None: it did not come whole."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


