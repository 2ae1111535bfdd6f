"""
What looks wrong and is not held against the product: each for a reason, for so long and no longer, and counted. An
excuse that is used oftener than is told here hides something, and fails the fixed seeds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulation.simulation import Simulation

# A pass comes by each node every ten seconds or so; what it finds and puts right has its own work, and then another.
FOUND_OUT_S: Final = 90.0


@dataclass(frozen=True)
class Excuse:
    """
    :ivar lasts_s: from when it was given; infinite: until its subject ends, or for the one call that it is of.
    :ivar most: uses in a seed, on the average over many.
    """

    why: str
    lasts_s: float
    most: float


EXCUSES: Final[Mapping[str, Excuse]] = {
    "tampered": Excuse("somebody stopped, paused or started a domain; until passes have found that", FOUND_OUT_S, 3.0),
    "started by hand": Excuse("its definition is that of its last launch, until its next one", math.inf, 0.5),
    "volume deleted": Excuse("somebody deleted a disk; until its VM has ended", math.inf, 1.0),
    "in the ledger": Excuse("what a VM is differs from what it should be, and the drift ledger says so", math.inf, 2.0),
    "end under way": Excuse("a guest ended while work on its VM was under way, which decides", math.inf, 4.0),
    "end before a call": Excuse("a guest ended, and a call came before that was heard", math.inf, 1.0),
    "end around a power cut": Excuse("the node of a guest that ended lost its power, and what it knew", math.inf, 1.0),
    "save refused": Excuse("an automatic save that quota or room does not allow; the VM is stopped", math.inf, 1.0),
    "answer lost": Excuse("a call that may have been done, and was answered of what came of it", math.inf, 12.0),
    "session ended": Excuse("a call with a session that was ended while it was under way", math.inf, 1.0),
    "told to wait": Excuse("too many calls, or a cluster that is locked", math.inf, 2.0),
    "wrong parameter": Excuse("what a call names has gone: a group that they left", math.inf, 6.0),
    "seen by a group": Excuse("a cluster does not hear who is in a group: they find out when they ask", math.inf, 4.0),
    "left behind": Excuse("a node was emptied of a group that is together, and one could not leave", math.inf, 1.0),
    "goes on changing": Excuse("a look at everything in which something changed; it is looked at again", math.inf, 2.0),
}  # fmt: skip


class Excuses:
    """
    Those of one simulation.

    :ivar used: how often each counted, once for each subject; ``over``: how often one was asked for that had ended.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._since: dict[tuple[str, object], float] = {}
        self._counted: set[tuple[str, object]] = set()
        self.used: Counter[str] = Counter()
        self.over: Counter[str] = Counter()

    def give(self, name: str, subject: object) -> None:
        """From now on; given again it begins again."""
        assert name in EXCUSES
        self._since[name, subject] = self._simulation.unix_s()

    def given(self, name: str, subject: object) -> bool:
        """Whether it ever was, and has not been ended."""
        return (name, subject) in self._since

    def holds(self, name: str, subject: object) -> bool:
        """Whether it was given, and has not ended; to be asked only where something looks wrong."""
        since = self._since.get((name, subject))
        if since is None:
            return False
        fresh = self._simulation.unix_s() <= since + EXCUSES[name].lasts_s
        (self._count if fresh else self._over)(name, subject)
        return fresh

    def end(self, name: str, subject: object) -> None:
        self._since.pop((name, subject), None)

    def use(self, name: str, subject: object) -> None:
        """One that its own case gives, and that is over with it."""
        assert name in EXCUSES
        self._count(name, subject)

    def _count(self, name: str, subject: object) -> None:
        if (name, subject) not in self._counted:
            self._counted.add((name, subject))
            self.used[name] += 1

    def _over(self, name: str, subject: object) -> None:
        self.over[name] += 1


def too_often(used: Counter[str], seeds: int) -> list[str]:
    """Excuses that were used oftener than they are told to be. :param seeds: how many were run."""
    return [
        f"the excuse '{name}' was used {times} times in {seeds} seeds; {EXCUSES[name].most:g} a seed are told"
        for name, times in sorted(used.items())
        if times > EXCUSES[name].most * seeds
    ]
