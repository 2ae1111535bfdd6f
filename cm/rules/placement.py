"""
Placement: a pure function over a snapshot. Filters say which nodes can take a VM, weights say which should.

Every node gets a verdict with the nearest change that would make it fit, so that a refusal explains itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from cm.rpc.errors import NoCapacity
from cm.rpc.vocabulary import NodeId, NodeState, NodeTrouble, StorageId

Policy = Literal["spread", "pack"]
PRIORITY_WEIGHT: Final = 0.01  # of one score point, per step of a node's priority


@dataclass(frozen=True)
class VMRequest:
    """What a VM asks of a node."""

    cpu: int
    memory_mib: int
    storages: frozenset[StorageId]  # all must be attached


@dataclass(frozen=True)
class NodeLoad:
    """A node in the snapshot. Capacities are after overcommit; a stopping VM still counts as used."""

    id: NodeId
    name: str
    state: NodeState
    locked: bool
    cpu_capacity: int
    cpu_used: int
    memory_mib_capacity: int
    memory_mib_used: int
    storages: frozenset[StorageId]
    priority: int = 0
    # What makes VMs fail there, see ``NodeTrouble``. Only nodes that have an agent are ever said to lack its word.
    other_host: bool = False
    agent_silent: bool = False
    hooks_silent: bool = False


@dataclass(frozen=True)
class Verdict:
    """One node's answer. ``score``: higher is better, None where it does not fit; ``change``: what would help."""

    node_id: NodeId
    node: str
    fits: bool
    score: float | None
    reason: str
    change: str


def judge(vm: VMRequest, node: NodeLoad, policy: Policy = "spread") -> Verdict:
    """One node's verdict: the first filter that refuses, or its score."""

    def no(reason: str, change: str) -> Verdict:
        return Verdict(node.id, node.name, False, None, reason, change)

    if node.locked:
        return no("locked", "unlock it")
    if node.state is not NodeState.OK:
        return no(f"{node.state}", "wait until it answers")
    if node.other_host:
        return no(NodeTrouble.OTHER_HOST, "accept its machine in the drift ledger, or correct its URI")
    if node.agent_silent:
        return no(NodeTrouble.AGENT_SILENT, "start wawel-node there, or let it reach the endpoint")
    if node.hooks_silent:
        return no(NodeTrouble.HOOKS_SILENT, "reload libvirtd there, which then finds its hook, and unlock the node")
    missing = vm.storages - node.storages
    if missing:
        names = ", ".join(str(s) for s in sorted(missing))
        return no("storage not attached", f"attach storage {names}")
    cpu_free = node.cpu_capacity - node.cpu_used
    if vm.cpu > cpu_free:
        return no("not enough CPUs", f"free {vm.cpu - cpu_free} CPUs")
    memory_free = node.memory_mib_capacity - node.memory_mib_used
    if vm.memory_mib > memory_free:
        return no("not enough memory", f"free {vm.memory_mib - memory_free} MiB of memory")
    left = (
        (cpu_free - vm.cpu) / max(node.cpu_capacity, 1)
        + (memory_free - vm.memory_mib) / max(node.memory_mib_capacity, 1)
    ) / 2
    score = (left if policy == "spread" else 1 - left) + PRIORITY_WEIGHT * node.priority
    return Verdict(node.id, node.name, True, round(score, 6), "fits", "")


def place(vm: VMRequest, nodes: Sequence[NodeLoad], policy: Policy = "spread") -> tuple[NodeId, tuple[Verdict, ...]]:
    """
    Choose the node for a VM.

    :param policy: "spread" takes the emptiest node, "pack" the fullest that still fits, which keeps whole nodes free.
    :return: the node, and every node's verdict, the best first; among equals the lowest id, so that a replay
        chooses the same.
    :raises NoCapacity: no node fits; its reason counts the verdicts.
    """
    verdicts = sorted(
        (judge(vm, node, policy) for node in nodes),
        key=lambda v: (not v.fits, -(v.score or 0.0), v.node_id),
    )
    if not verdicts or not verdicts[0].fits:
        raise NoCapacity(refusal(verdicts))
    return verdicts[0].node_id, tuple(verdicts)


def refusal(verdicts: Sequence[Verdict]) -> str:
    """Why no node fits, in one line: "2 nodes: not enough memory; 1 node: locked"."""
    if not verdicts:
        return "there are no nodes"
    counts: dict[str, int] = {}
    for verdict in verdicts:
        counts[verdict.reason] = counts.get(verdict.reason, 0) + 1
    return "; ".join(f"{count} node{'s' if count > 1 else ''}: {reason}" for reason, count in sorted(counts.items()))
