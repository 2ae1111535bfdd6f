"""How often an account may change something: a token bucket for each."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from cm.rpc.caller import Identity
from cm.rpc.errors import RateLimited
from cm.rpc.limits import Limits
from cm.rpc.vocabulary import Role

REMEMBER: Final = 50_000  # accounts; the ones longest untouched are pushed out, whose buckets are full again by then
WHAT: Final = "changing methods"


class ChangeRate:
    """
    In memory: each process allows as much.

    :param clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float], limits: Limits, remember: int = REMEMBER) -> None:
        self._clock = clock
        self._burst = limits.changes_burst
        self._per_s = limits.changes_per_s
        self._times = limits.privileged_times
        self._remember = remember
        self._used: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, identity: Identity) -> None:
        """
        Count a change that is asked for, before it is looked at: one that is refused later has cost as much as one that
        is made. Those of nobody's account are counted where they are served.

        :raises RateLimited: the account has had its share; this one does not count.
        """
        if identity.source == "none":
            return
        times = self._times if identity.may(Role.ADMIN) else 1
        key = identity.account_id or identity.login
        now = self._clock()
        level, since = self._used.get(key, (0.0, now))
        level = max(0.0, level - (now - since) * self._per_s * times)
        if level > self._burst * times - 1:
            wait_s = (level - self._burst * times + 1) / (self._per_s * times)
            raise RateLimited(WHAT, max(1, math.ceil(wait_s)))
        self._used[key] = (level + 1, now)
        self._used.move_to_end(key)
        if len(self._used) > self._remember:
            self._used.popitem(last=False)
