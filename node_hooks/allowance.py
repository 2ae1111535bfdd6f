"""How often each guest may ask, so that one that never stops takes no time from its neighbours: a token bucket each."""

from typing import NamedTuple


class _Bucket(NamedTuple):
    tokens: float
    at: float


class Allowance:
    """
    Not for several threads at once.

    :param per_s: requests a second, in the long run.
    :param burst: that may come at once after a while of none.
    """

    KEPT = 1024  # buckets before those that are full again, which are as none, are forgotten

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: dict[str, _Bucket] = {}

    def takes(self, who: str, now: float) -> bool:
        """
        :param now: seconds of a clock that only grows.
        :return: whether it may ask now, which is counted.
        """
        bucket = self._buckets.get(who)
        tokens = self._burst if bucket is None else self._filled(bucket, now)
        if tokens < 1.0:
            return False
        if bucket is None and len(self._buckets) >= self.KEPT:
            self._buckets = {
                name: each for name, each in self._buckets.items() if self._filled(each, now) < self._burst
            }
        self._buckets[who] = _Bucket(tokens - 1.0, now)
        return True

    def __len__(self) -> int:
        return len(self._buckets)

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._burst, bucket.tokens + (now - bucket.at) * self._per_s)
