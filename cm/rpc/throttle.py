"""
How often somebody may be wrong about a password or a code. A try is counted before it is looked at and given back when
it was right, so that no number of tries at once is looked at beyond what is allowed.

Wrong tries fill buckets that drain by themselves and are never fuller than full: whoever is shut out is for seconds,
however long they were guessed at. A bucket is of a login at one place (a network, see ``address.py``), or of a place
for all logins: who is elsewhere does not fill it. What a login is guessed at from everywhere brakes it without closing
it: each place then has fewer tries, unless that login was right from there lately.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cm.rpc.address import network_of
from cm.rpc.errors import TooManyLogins

REMEMBER: Final = 20_000  # keys of each kind; those longest untouched are forgotten


@dataclass(frozen=True, slots=True)
class TryLimits:
    """
    :ivar burst: wrong tries of one login at one place, after which there is one every ``refill_s``.
    :ivar place_burst: those of all logins at one place; then one every ``place_refill_s``.
    :ivar at_once: tries of one login and place that are looked at together; ``place_at_once`` of one place.
    :ivar brake: wrong tries of one login from everywhere, of which one is forgotten every ``brake_refill_s``. Beyond,
        each counts for ``brake_cost`` at its place.
    :ivar proved_s: for how long a place where a login was right is held by its own wrong tries alone.
    """

    burst: int = 10
    refill_s: float = 6.0
    place_burst: int = 60
    place_refill_s: float = 2.0
    at_once: int = 5
    place_at_once: int = 20
    brake: int = 100
    brake_refill_s: float = 36.0
    brake_cost: int = 5
    proved_s: float = 24 * 3600.0


# A code has a million values, three of which are right at any time: 1,440 tries a day find one in 230 days. Whoever may
# try has the password already.
OTP: Final = TryLimits(burst=5, refill_s=60.0)


class _Buckets:
    """Levels by key; each drains by one every ``refill_s`` and is ``size`` at the most."""

    def __init__(self, clock: Callable[[], float], size: float, refill_s: float, remember: int) -> None:
        self._clock = clock
        self._refill_s = refill_s
        self._remember = remember
        self.size = size
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: Hashable) -> float:
        level, since = self._levels.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock() - since) / self._refill_s)

    def wait_s(self, key: Hashable, cost: float) -> float:
        """Until as much fits in."""
        return max(0.0, self.level(key) + cost - self.size) * self._refill_s

    def add(self, key: Hashable, cost: float) -> None:
        """:param cost: below 0 to take it out again."""
        level = min(self.level(key) + cost, self.size)
        if level <= 0.0:
            self._levels.pop(key, None)
            return
        self._levels[key] = (level, self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > self._remember:
            self._levels.popitem(last=False)


@dataclass(slots=True)
class Try:
    """One that is being looked at. ``right`` None: it could not be told, which counts for nobody."""

    right: bool | None = None


class LoginThrottle:
    """
    In memory and of one process: with several, each allows as much.

    :param clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float], limits: TryLimits | None = None, remember: int = REMEMBER) -> None:
        self._clock = clock
        self.limits = limits = limits or TryLimits()
        self._remember = remember
        self._pairs = _Buckets(clock, limits.burst, limits.refill_s, remember)
        self._places = _Buckets(clock, limits.place_burst, limits.place_refill_s, remember)
        self._logins = _Buckets(clock, limits.brake, limits.brake_refill_s, remember)
        self._proved: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._looking: Counter[tuple[str, str | None]] = Counter()

    @contextmanager
    def attempt(self, remote: str, login: str, *, everywhere: bool = False) -> Iterator[Try]:
        """
        Count a try, for as long as the block lasts also as one of those at once; the block says whether it was right.

        :param login: as it is compared: another spelling of it is another login here.
        :param everywhere: tries from all places where it was never right count together, so that who has many addresses
            has no more of them.
        :raises TooManyLogins: it is not to be looked at.
        """
        limits = self.limits
        place = network_of(remote)
        proved = self._is_proved(place, login)
        pair = ("*" if everywhere and not proved else place, login)
        braked = not proved and self._logins.level(login) > limits.brake - 1
        cost = limits.brake_cost if braked else 1
        wait_s = self._pairs.wait_s(pair, min(cost, limits.burst))
        if not proved:
            wait_s = max(wait_s, self._places.wait_s(place, 1))
        if wait_s <= 0 and self._is_busy(pair, place):
            wait_s = 1.0
        if wait_s > 0:
            raise TooManyLogins(math.ceil(wait_s))
        told = Try()
        self._count(pair, place, cost, 1)
        try:
            yield told
        finally:
            self._count(pair, place, cost, -1, undo=told.right is not False)
            if told.right:
                self._prove(place, login)

    def _is_busy(self, pair: tuple[str, str], place: str) -> bool:
        limits = self.limits
        return self._looking[pair] >= limits.at_once or self._looking[(place, None)] >= limits.place_at_once

    def _count(self, pair: tuple[str, str], place: str, cost: int, sign: int, undo: bool = True) -> None:
        for key in (pair, (place, None)):
            self._looking[key] += sign
            if not self._looking[key]:
                del self._looking[key]
        if undo:
            self._pairs.add(pair, cost * sign)
            self._places.add(place, sign)
            self._logins.add(pair[1], sign)

    def _is_proved(self, place: str, login: str) -> bool:
        return self._proved.get((place, login), -math.inf) > self._clock()

    def _prove(self, place: str, login: str) -> None:
        self._proved[(place, login)] = self._clock() + self.limits.proved_s
        self._proved.move_to_end((place, login))
        if len(self._proved) > self._remember:
            self._proved.popitem(last=False)
