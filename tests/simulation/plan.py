"""The plan of what goes wrong, drawn from a seed before the run: a list that can be shortened."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from simulation.chance import stream


@dataclass(frozen=True)
class Fault:
    """``at_s`` after the workload's begin; ``node`` counts from 0; ``size`` is the kind's own measure, 0 to 1."""

    at_s: float
    kind: str
    node: int
    size: float

    def __str__(self) -> str:
        return f"{self.kind}@{self.at_s:.1f}s(node {self.node + 1}, {self.size:.2f})"


# How often each kind is drawn, compared to the others.
KINDS: Final = {
    "crash": 6, "hook_lost": 2, "hook_skipped": 2, "hook_delayed": 2, "hook_repeated": 3, "answer_lost": 3,
    "agent_restart": 1, "node_hang": 2, "node_dead": 2, "node_partition": 2, "libvirtd_restart": 2,
    "domain_destroyed": 2, "domain_undefined": 1, "domain_paused": 1, "domain_started": 1, "stranger": 1,
    "volume_deleted": 1, "storage_slow": 2, "storage_fails": 3, "storage_full": 1, "call_fails": 4, "answer_gone": 3,
    "clock_skew": 1, "node_skew": 1, "database_restart": 2, "commit_unknown": 3, "notifications_lost": 2,
    "manager_stall": 2, "answers_late": 2, "hook_unstored": 2,
}  # fmt: skip
# Drawn apart, and every fourth of these, so that what else a plan has is as it was; and only where it is named.
STORAGE_KINDS: Final = {"storage_silent": 1}
# Of nodes' networks, drawn apart, so that what else a plan has is as it was.
NETWORK_KINDS: Final = {
    "agent_away": 3, "document_late": 3, "document_cut": 3, "node_rebooted": 2, "nft_flushed": 3, "link_deleted": 2,
    "peer_added": 1, "route_deleted": 1,
}  # fmt: skip
# Those that take a cloud manager, drawn apart, so that a cluster's plan is the same with and without one.
CLOUD_KINDS: Final = {"cloud_crash": 4, "link_cut": 3, "link_answer_lost": 3, "link_slow": 2, "forward_twice": 4}
# What guests do, drawn apart likewise.
GUEST_KINDS: Final = {"size_kept": 1}
ALL_KINDS: Final = KINDS | NETWORK_KINDS | STORAGE_KINDS | CLOUD_KINDS | GUEST_KINDS


def draw(seed: int, seconds: float, kinds: Sequence[str] | None = None, *, cloud: bool = False) -> list[Fault]:
    """
    A fault or two a minute, in the order of time.

    :param kinds: None: all but those that are drawn only where they are named.
    :param cloud: with those of a cloud manager.
    """
    made = _drawn(stream(seed, "fault plan"), seconds, KINDS, kinds)
    made += _drawn(stream(seed, "network fault plan"), seconds, NETWORK_KINDS, kinds)
    made += _drawn(stream(seed, "storage fault plan"), seconds, STORAGE_KINDS, kinds or ())[::4]
    made += _drawn(stream(seed, "guest fault plan"), seconds, GUEST_KINDS, kinds)[::2]
    if cloud:
        made += _drawn(stream(seed, "cloud fault plan"), seconds, CLOUD_KINDS, kinds)
    return sorted(made, key=lambda fault: fault.at_s)


def _drawn(
    rng: random.Random, seconds: float, among: Mapping[str, int], kinds: Sequence[str] | None
) -> list[Fault]:
    names = [name for name in among if kinds is None or name in kinds]
    if not names:
        return []
    count = round(seconds / 60 * rng.uniform(0.3, 2.5)) + 1
    weights = [among[name] for name in names]
    return [
        Fault(rng.uniform(0, seconds), rng.choices(names, weights)[0], rng.randrange(4), rng.random())
        for _ in range(count)
    ]
