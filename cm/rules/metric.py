"""What is measured, in which unit, and how an answer about it may be asked for; also CC1's numbers of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import NodeMetric, SeriesUnit, StorageMetric, VMMetric
from cm.rules.series import DAY, HOUR, RESOLUTIONS, WEEK, Kept, begin_of, resolution_for

VALUES_MAX: Final = 50_000  # of one answer: some 500 kB
POINTS: Final = 360  # of a series where nobody says how many
SPAN_S: Final = HOUR

_PERCENT, _BYTES, _COUNT = SeriesUnit.PERCENT, SeriesUnit.BYTES, SeriesUnit.COUNT
VM_UNITS: Final[Mapping[VMMetric, SeriesUnit]] = {
    VMMetric.CPU: _PERCENT,
    VMMetric.VCPU: _PERCENT,
    VMMetric.MEMORY: _BYTES,
    VMMetric.MEMORY_RSS: _BYTES,
    VMMetric.MEMORY_AVAILABLE: _BYTES,
    VMMetric.READ_BYTES: SeriesUnit.BYTES_PER_S,
    VMMetric.WRITE_BYTES: SeriesUnit.BYTES_PER_S,
    VMMetric.READ_REQUESTS: SeriesUnit.REQUESTS_PER_S,
    VMMetric.WRITE_REQUESTS: SeriesUnit.REQUESTS_PER_S,
    VMMetric.RX_BYTES: SeriesUnit.BYTES_PER_S,
    VMMetric.TX_BYTES: SeriesUnit.BYTES_PER_S,
    VMMetric.RX_PACKETS: SeriesUnit.PACKETS_PER_S,
    VMMetric.TX_PACKETS: SeriesUnit.PACKETS_PER_S,
}
NODE_UNITS: Final[Mapping[NodeMetric, SeriesUnit]] = {
    NodeMetric.CPU: _PERCENT,
    NodeMetric.VMS: _COUNT,
    NodeMetric.MEMORY: _BYTES,
    NodeMetric.MEMORY_USED: _BYTES,
    NodeMetric.LOAD_1: _COUNT,
    NodeMetric.LOAD_5: _COUNT,
    NodeMetric.LOAD_15: _COUNT,
}
STORAGE_UNITS: Final[Mapping[StorageMetric, SeriesUnit]] = dict.fromkeys(StorageMetric, _BYTES)
RATES: Final = frozenset({SeriesUnit.BYTES_PER_S, SeriesUnit.REQUESTS_PER_S, SeriesUnit.PACKETS_PER_S})
# Where nobody says which.
USUAL: Final = (
    VMMetric.CPU, VMMetric.MEMORY, VMMetric.READ_BYTES, VMMetric.WRITE_BYTES, VMMetric.RX_BYTES, VMMetric.TX_BYTES,
)  # fmt: skip


@dataclass(frozen=True)
class Window:
    """What an answer is about: from ``since`` on, before ``until``, a value for each ``resolution_s``; unix seconds."""

    since: int
    until: int
    resolution_s: int

    @property
    def points(self) -> int:
        return (self.until - self.since) // self.resolution_s


def window(
    since: int | None, until: int | None, resolution_s: int | None, now: float, sampled_s: int, kept: Kept, series: int
) -> Window:
    """
    :param resolution_s: None: for some hundred values.
    :param sampled_s: between samples.
    :param series: how many are asked for, at the least.
    :raises InvalidParameter: no such time, or too many values at once.
    """
    end = int(now) if until is None else min(until, int(now))
    begin = end - SPAN_S if since is None else since
    if begin >= end:
        raise InvalidParameter("since", "it must be before until, and in the past")
    if resolution_s is None:
        resolution_s = next((each for each in RESOLUTIONS if (end - begin) / each <= POINTS), RESOLUTIONS[-1])
    elif resolution_s not in RESOLUTIONS:
        raise InvalidParameter("resolution_s", f"it must be one of {', '.join(map(str, RESOLUTIONS))}")
    resolution_s = resolution_for(resolution_s, begin, now, sampled_s, kept)
    begin = begin_of(begin, resolution_s)
    found = Window(begin, begin + -(-(end - begin) // resolution_s) * resolution_s, resolution_s)
    check_size(found.points * series)
    return found


def check_size(values: int) -> None:
    """:raises InvalidParameter: these are too many for one answer."""
    if values > VALUES_MAX:
        raise InvalidParameter("resolution_s", f"that would be {values} values; an answer has {VALUES_MAX} at the most")


# ------------------------------------------------------------------ CC1

CC1_METRICS: Final = (
    VMMetric.CPU, VMMetric.READ_REQUESTS, VMMetric.READ_BYTES, VMMetric.WRITE_REQUESTS, VMMetric.WRITE_BYTES,
    VMMetric.RX_BYTES, VMMetric.RX_PACKETS, VMMetric.TX_BYTES, VMMetric.TX_PACKETS,
)  # fmt: skip
CC1_NAMES: Final = (
    "cpu_time", "rd_req", "rd_bytes", "wr_req", "wr_bytes", "rx_bytes", "rx_packets", "tx_bytes", "tx_packets",
)  # fmt: skip
CC1_UNITS: Final = ("time", "ops", "bytes", "ops", "bytes", "bytes", "ops", "bytes", "ops")
CC1_RESOLUTIONS: Final = RESOLUTIONS
CC1_RANGES: Final = (HOUR, 6 * HOUR, 12 * HOUR, DAY, WEEK, 31 * DAY, 366 * DAY)
