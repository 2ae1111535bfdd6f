"""When nodes are looked at for the managed-node model, after what libvirt said."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from twisted.internet.task import Clock

from cm.daemon.mirror import HINT_S, OWN_HINT_S, Mirror
from cm.services.context import Services


class Watched(Mirror):
    """Notes which nodes it would look at, and does not."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(cast(Services, None), clock, 3.0)
        self.looked: list[tuple[float, int]] = []

    def _begin(self, node_id: int, look: Callable[[Services, int], Coroutine[Any, Any, None]]) -> None:
        self.looked.append((self._reactor.seconds(), node_id))


def test_strangers_at_once() -> None:
    """Several events of a node lead to one look, shortly after the first."""
    clock = Clock()
    mirror = Watched(clock)
    for _ in range(3):
        mirror.hint(1, "somebodys")
    mirror.hint(2, "others")
    clock.pump([HINT_S, OWN_HINT_S])
    assert mirror.looked == [(HINT_S, 1), (HINT_S, 2)]


def test_own_later() -> None:
    """A burst's own events are taken together; one of a stranger's does not wait for them."""
    clock = Clock()
    mirror = Watched(clock)
    mirror.hint(1, "vm-17")
    mirror.hint(2, "vm-18")
    mirror.hint(1, "somebodys")
    clock.advance(HINT_S)
    assert mirror.looked == [(HINT_S, 1)]
    clock.advance(OWN_HINT_S - HINT_S)
    assert mirror.looked == [(HINT_S, 1), (OWN_HINT_S, 2)]


def test_under_way() -> None:
    """What comes during a look leads to another after it."""
    clock = Clock()
    mirror = Watched(clock)
    mirror._under_way.add(1)
    mirror.hint(1, "somebodys")
    clock.pump([HINT_S] * 3)
    assert mirror.looked == []
    mirror._under_way.clear()
    clock.advance(HINT_S)
    assert [node_id for _, node_id in mirror.looked] == [1]


def test_stopped() -> None:
    clock = Clock()
    mirror = Watched(clock)
    mirror.stop()
    mirror.hint(1, "somebodys")
    assert not clock.getDelayedCalls()
