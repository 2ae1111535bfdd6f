"""
Placement: a pure function over a snapshot. Filters say which nodes can take a VM, weights say which should.

Every node gets a verdict with the nearest change that would make it fit, so that a refusal explains itself.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from cm.rpc.errors import NoCapacity
from cm.rpc.vocabulary import ImageId, NodeId, NodeMode, NodeState, NodeTrouble, StorageId
from cm.rules.machine import lacking
from cm.rules.node_report import REMEDIES

Policy = Literal["spread", "pack"]
# Of score points, for a node where a VM's group does not want it: more than anything but another thousand of priority.
PEERS_WEIGHT: Final = 5.0
PRIORITY_WEIGHT: Final = 0.01  # of one score point, per step of a node's priority
# Of one score point, for a node that has the image already: worth a copy less, and not one node full of VMs beside
# others that are empty.
CACHED_WEIGHT: Final = 0.25
MIB: Final = 2**20
# Why a node that is not active takes none.
CLOSED: Final[Mapping[NodeMode, str]] = {
    NodeMode.PASSIVE: "locked",
    NodeMode.DRAINING: "it is being emptied",
    NodeMode.MAINTENANCE: "in maintenance",
    NodeMode.DISABLED: "disabled",
}
KEPT: Final = 10  # verdicts of a decision that are kept; of five hundred nodes all of them were 50 kB a VM


@dataclass(frozen=True)
class LocalRoot:
    """A root disk that is to lie on a storage of the node's own, beside a copy of its image."""

    image_id: ImageId
    size_bytes: int
    image_bytes: int  # of the copy, where the node has none yet


@dataclass(frozen=True)
class Peers:
    """
    Where the others of a VM's affinity group are.

    :ivar strict: it rather does not run than where they do not want it.
    :ivar nodes: of those that run, or are on their way.
    """

    apart: bool
    strict: bool
    nodes: frozenset[NodeId] = frozenset()

    def minds(self, node_id: NodeId) -> bool:
        """Whether a node is one where the group does not want another."""
        return bool(self.nodes) and (node_id in self.nodes) is self.apart

    def joined(self, node_id: NodeId) -> Peers:
        """One more runs there."""
        return replace(self, nodes=self.nodes | {node_id})


@dataclass(frozen=True)
class VMRequest:
    """What a VM asks of a node."""

    cpu: int
    memory_mib: int
    storages: frozenset[StorageId]  # all must be attached
    local: LocalRoot | None = None
    links: bool = False  # it has NICs on networks that nodes' agents make
    uplinks: frozenset[str] = frozenset()  # bridges and interfaces of nodes that its NICs' networks are on
    traits: frozenset[str] = frozenset()  # that its node must have
    peers: Peers | None = None
    asks: frozenset[str] = frozenset()  # of its machine, see ``cm/rules/machine.py``


class OwnStorage(NamedTuple):
    """
    A storage of a node's own. ``free_bytes``: that may still be claimed; ``cached``: it has the image that the snapshot
    is for, or what it takes is claimed.
    """

    id: StorageId
    free_bytes: int
    cached: bool

    def needs(self, root: LocalRoot) -> int:
        return root.size_bytes + (0 if self.cached else root.image_bytes)


# What there is one of for each node is a tuple: a frozen dataclass takes ten times as long to make.
class NodeLoad(NamedTuple):
    """A node in the snapshot. Capacities are after overcommit; a stopping VM still counts as used."""

    id: NodeId
    name: str
    state: NodeState
    mode: NodeMode
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
    unfit: NodeTrouble | None = None  # what its agent reports
    own: tuple[OwnStorage, ...] = ()  # of snapshots that are for an image alone
    links: bool = False  # its agent makes networks, and it is known where its tunnels end
    uplinks: frozenset[str] = frozenset()  # bridges and interfaces that its agent told of
    traits: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()  # of machines


class Verdict(NamedTuple):
    """One node's answer. ``score``: higher is better, None where it does not fit; ``change``: what would help."""

    node_id: NodeId
    node: str
    fits: bool
    score: float | None
    reason: str
    change: str


def _no(node: NodeLoad, reason: str, change: str) -> Verdict:
    return Verdict(node.id, node.name, False, None, reason, change)


def judge(vm: VMRequest, node: NodeLoad, policy: Policy = "spread") -> Verdict:
    """One node's verdict: the first filter that refuses, or its score."""

    if node.mode is not NodeMode.ACTIVE:
        return _no(node, CLOSED[node.mode], "unlock it")
    if node.state is not NodeState.OK:
        return _no(node, f"{node.state}", "wait until it answers")
    if node.other_host:
        return _no(node, NodeTrouble.OTHER_HOST, "accept its machine in the drift ledger, or correct its URI")
    if node.agent_silent:
        return _no(node, NodeTrouble.AGENT_SILENT, "start wawel-node there, or let it reach the endpoint")
    if node.hooks_silent:
        change = "reload libvirtd there, which then finds its hook, and unlock the node"
        return _no(node, NodeTrouble.HOOKS_SILENT, change)
    if node.unfit is not None:
        return _no(node, node.unfit, REMEDIES.get(node.unfit, "see what its agent reports"))
    machine = lacking(vm.asks, node.offers)
    if machine:
        names = ", ".join(sorted(machine))
        change = f"have it offer {names}, if it can (UEFI: install ovmf), and call admin.node.check"
        return _no(node, f"does not offer {names}", change)
    without = vm.traits - node.traits
    if without:
        names = ", ".join(sorted(without))
        return _no(node, f"not {names}", f"give it the traits {names}, if it is that")
    if vm.links and not node.links:
        return _no(node, "no links", "have a wawel-node there that makes links, and give the node a tunnel_address")
    absent = vm.uplinks - node.uplinks
    if absent:
        names = ", ".join(sorted(absent))
        return _no(node, f"no {names}", f"make {names} there, a bridge or an interface, of which its wawel-node tells")
    missing = vm.storages - node.storages
    if missing:
        names = ", ".join(str(s) for s in sorted(missing))
        return _no(node, "storage not attached", f"attach storage {names}")
    minds = vm.peers is not None and vm.peers.minds(node.id)
    if minds and vm.peers is not None and vm.peers.strict:
        if vm.peers.apart:
            change = "move that one elsewhere, or have the group not be strict"
            return _no(node, "one of its affinity group is there", change)
        return _no(node, "its affinity group is elsewhere", "have the group not be strict")
    cpu_free = node.cpu_capacity - node.cpu_used
    if vm.cpu > cpu_free:
        return _no(node, "not enough CPUs", f"free {vm.cpu - cpu_free} CPUs")
    memory_free = node.memory_mib_capacity - node.memory_mib_used
    if vm.memory_mib > memory_free:
        return _no(node, "not enough memory", f"free {vm.memory_mib - memory_free} MiB of memory")
    bonus = PRIORITY_WEIGHT * node.priority - PEERS_WEIGHT * minds
    if vm.local is not None:
        own = own_storage(vm.local, node)
        if own is None:
            return _no(node, "no storage of its own", "add a storage with this node_id, and attach it")
        missing_bytes = own.needs(vm.local) - own.free_bytes
        if missing_bytes > 0:
            return _no(node, "not enough room on its own storage", f"free {-(-missing_bytes // MIB)} MiB there")
        bonus += CACHED_WEIGHT * own.cached
    left = (
        (cpu_free - vm.cpu) / max(node.cpu_capacity, 1)
        + (memory_free - vm.memory_mib) / max(node.memory_mib_capacity, 1)
    ) / 2
    score = (left if policy == "spread" else 1 - left) + bonus
    reason = "fits, against the wish of its affinity group" if minds else "fits"
    return Verdict(node.id, node.name, True, round(score, 6), reason, "")


def own_storage(root: LocalRoot, node: NodeLoad) -> OwnStorage | None:
    """Of a node's own storages the one that a root disk goes to; the one that comes nearest where none has room."""
    return max(
        node.own, key=lambda own: (own.free_bytes >= own.needs(root), own.cached, own.free_bytes, -own.id), default=None
    )


class Decision(NamedTuple):
    """
    Where a VM goes, and why.

    :ivar own: of the node's own storages the one for its root disk, as it was; None: it asked for none.

    :ivar verdicts: the best ``KEPT`` of all nodes', the best first.
    :ivar others: of the other nodes how many had which reason.
    """

    node_id: NodeId
    verdicts: tuple[Verdict, ...]
    others: Mapping[str, int]
    own: OwnStorage | None = None


def order(verdict: Verdict) -> tuple[bool, float, NodeId]:
    """Sorts verdicts, the best first; among equals the lowest id, so that a replay chooses the same."""
    return not verdict.fits, -(verdict.score or 0.0), verdict.node_id


class Ranking:
    """
    What a snapshot's nodes say to one request. Where several VMs alike are placed, only the node that took one is asked
    anew: of five hundred nodes all would take longer than everything else that a new VM needs.

    :param policy: "spread" takes the emptiest node, "pack" the fullest that still fits, which keeps whole nodes free.
    """

    def __init__(self, vm: VMRequest, nodes: Iterable[NodeLoad], policy: Policy = "spread") -> None:
        self.vm = vm
        self._policy = policy
        self._nodes = {node.id: node for node in nodes}
        self._verdicts = sorted((judge(vm, node, policy) for node in self._nodes.values()), key=order)
        self._reasons = Counter(verdict.reason for verdict in self._verdicts)

    @property
    def nodes(self) -> Iterable[NodeLoad]:
        """The snapshot, with what was taken."""
        return self._nodes.values()

    def decide(self) -> Decision:
        """
        :raises NoCapacity: no node fits; its reason counts the verdicts.
        """
        if not self._verdicts or not self._verdicts[0].fits:
            raise NoCapacity(_reasons_text(self._reasons))
        kept = tuple(self._verdicts[:KEPT])
        others = self._reasons - Counter(verdict.reason for verdict in kept)
        node_id = kept[0].node_id
        own = None if self.vm.local is None else own_storage(self.vm.local, self._nodes[node_id])
        return Decision(node_id, kept, dict(others), own)

    def take(self, decision: Decision) -> None:
        """A VM goes where the last decision said."""
        node = self._nodes[decision.node_id]
        own = node.own
        if self.vm.local is not None and decision.own is not None:
            taken = decision.own._replace(
                free_bytes=decision.own.free_bytes - decision.own.needs(self.vm.local), cached=True
            )
            own = tuple(taken if each.id == taken.id else each for each in own)
        self.put(
            node._replace(
                cpu_used=node.cpu_used + self.vm.cpu,
                memory_mib_used=node.memory_mib_used + self.vm.memory_mib,
                own=own,
            )
        )

    def put(self, node: NodeLoad) -> None:
        """A node is new, or is now like this."""
        self.drop(node.id)
        new = judge(self.vm, node, self._policy)
        self._nodes[node.id] = node
        insort(self._verdicts, new, key=order)
        self._reasons[new.reason] += 1

    def drop(self, node_id: NodeId) -> None:
        """A node is no more, if it ever was."""
        node = self._nodes.pop(node_id, None)
        if node is not None:
            old = judge(self.vm, node, self._policy)
            del self._verdicts[bisect_left(self._verdicts, order(old), key=order)]
            self._reasons[old.reason] -= 1
            if not self._reasons[old.reason]:
                del self._reasons[old.reason]

    def copy(self) -> Ranking:
        """One to take from, which leaves this one as it is."""
        made = Ranking(self.vm, (), self._policy)
        made._nodes, made._verdicts, made._reasons = self._nodes.copy(), self._verdicts.copy(), self._reasons.copy()
        return made


def place(vm: VMRequest, nodes: Iterable[NodeLoad], policy: Policy = "spread") -> Decision:
    """
    Choose the node for a VM.

    :raises NoCapacity: no node fits; its reason counts the verdicts.
    """
    return Ranking(vm, nodes, policy).decide()


def refusal(verdicts: Sequence[Verdict]) -> str:
    """Why no node fits, in one line: "2 nodes: not enough memory; 1 node: locked"."""
    return _reasons_text(Counter(verdict.reason for verdict in verdicts))


def _reasons_text(reasons: Mapping[str, int]) -> str:
    if not reasons:
        return "there are no nodes"
    return "; ".join(
        f"{count} node{'s' if count > 1 else ''}: {reason}" for reason, count in sorted(reasons.items()) if count
    )
