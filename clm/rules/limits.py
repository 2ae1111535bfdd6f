"""
How often anybody may call what needs no login: a token bucket for each remote address, or for each thing asked about.

A bucket holds ``burst`` calls, and one is added every ``refill_s``. The remote is the peer of the connection: behind a
reverse proxy all callers are that one address, and share its buckets; ``docs/cloud.md`` says so to operators.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cm.rpc.address import network_of
from cm.rpc.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Limit:
    """:ivar subject: the parameter whose value has a bucket of its own, whoever asks; "": the remote address has."""

    burst: int
    refill_s: float
    subject: str = ""


_CHEAP: Final = (Limit(120, 0.5),)  # what a page of the portal shows; one query or none
_TOKEN: Final = (Limit(20, 6.0),)  # tokens are too long to be guessed; this bounds the work
_MAILS: Final = (Limit(10, 60.0), Limit(3, 1200.0, "email"))  # nobody's mailbox is to be filled by us

LIMITS: Final[Mapping[str, tuple[Limit, ...]]] = {
    "guest.cloud.get_info": _CHEAP,
    "guest.cluster.list_names": _CHEAP,
    "guest.news.get_list": _CHEAP,
    "guest.oidc.get_list": _CHEAP,
    "guest.user.is_mailer_active": _CHEAP,
    # Wrong passwords are counted by LoginThrottle (cm/rpc/throttle.py); this bounds the right ones.
    "guest.session.login": (Limit(60, 1.0),),
    "guest.oidc.begin": (Limit(30, 2.0),),
    "guest.oidc.finish": (Limit(30, 2.0),),
    "guest.user.register": _MAILS,
    "guest.user.reset_password_mail": _MAILS,
    "guest.user.activate": _TOKEN,
    "guest.user.check_token": _TOKEN,
    "guest.user.set_password_token": _TOKEN,
    "guest.expiry.get": _TOKEN,
    "guest.expiry.renew": _TOKEN,
    # They tell who has an account, which is what one who tries names wants to know.
    "guest.user.exists": (Limit(10, 30.0),),
    "guest.user.email_exists": (Limit(5, 60.0),),
}

DEFAULT: Final = (Limit(30, 2.0),)  # a view that has been forgotten here, until its test says so


class RateLimits:
    """
    The buckets, in memory: each process allows as much. The ones longest untouched are pushed out.

    :param clock: seconds that only grow.
    """

    def __init__(
        self, clock: Callable[[], float], limits: Mapping[str, tuple[Limit, ...]] = LIMITS, remember: int = 20_000
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._remember = remember
        self._used: OrderedDict[tuple[str, str, str], tuple[float, float]] = OrderedDict()

    def take(self, method: str, remote: str, arguments: Mapping[str, Any]) -> None:
        """
        Count a call; one that is refused is not counted.

        :param remote: "" for a call from this process itself, which no address is counted for.
        :raises RateLimited: a bucket is empty.
        """
        now = self._clock()
        place = network_of(remote)
        levels: dict[tuple[str, str, str], float] = {}
        for limit in self._limits.get(method, DEFAULT):
            whose = str(arguments.get(limit.subject, "")).lower() if limit.subject else place
            if not whose:
                continue
            key = (method, limit.subject, whose)
            used, since = self._used.get(key, (0.0, now))
            level = max(0.0, used - (now - since) / limit.refill_s)
            if level > limit.burst - 1:
                raise RateLimited(method, int((level - limit.burst + 1) * limit.refill_s) + 1)
            levels[key] = level + 1.0
        for key, level in levels.items():
            self._used[key] = (level, now)
            self._used.move_to_end(key)
        while len(self._used) > self._remember:
            self._used.popitem(last=False)
