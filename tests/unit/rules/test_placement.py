"""Placement: what fits, what is best, and that every node's verdict says why."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import NoCapacity
from cm.rpc.vocabulary import ImageId, NodeId, NodeMode, NodeState, NodeTrouble, StorageId
from cm.rules.placement import (
    KEPT,
    LocalRoot,
    NodeLoad,
    OwnStorage,
    Peers,
    Policy,
    Ranking,
    VMRequest,
    judge,
    own_storage,
    place,
    refusal,
)

loads = st.builds(
    NodeLoad,
    id=st.integers(1, 50).map(NodeId),
    name=st.text("abc", min_size=1, max_size=3),
    state=st.sampled_from(NodeState),
    mode=st.sampled_from(NodeMode),
    cpu_capacity=st.integers(0, 64),
    cpu_used=st.integers(0, 80),
    memory_mib_capacity=st.integers(0, 65536),
    memory_mib_used=st.integers(0, 70000),
    storages=st.frozensets(st.integers(1, 3).map(StorageId)),
    priority=st.integers(-5, 5),
    other_host=st.booleans(),
    agent_silent=st.booleans(),
    hooks_silent=st.booleans(),
    unfit=st.sampled_from([None, NodeTrouble.NFT_MISSING]),
    own=st.lists(
        st.builds(OwnStorage, st.integers(4, 9).map(StorageId), st.integers(-5, 40), st.booleans()),
        max_size=3,
        unique_by=lambda own: own.id,
    ).map(tuple),
    links=st.booleans(),
    traits=st.frozensets(st.sampled_from(["ssd", "gpu", "west"])),
)
requests = st.builds(
    VMRequest,
    cpu=st.integers(1, 16),
    memory_mib=st.integers(1, 8192),
    storages=st.frozensets(st.integers(1, 3).map(StorageId), max_size=2),
    local=st.none() | st.builds(LocalRoot, st.just(ImageId(1)), st.integers(1, 20), st.integers(1, 20)),
    links=st.booleans(),
    traits=st.frozensets(st.sampled_from(["ssd", "gpu"]), max_size=1),
    peers=st.none()
    | st.builds(Peers, st.booleans(), st.booleans(), st.frozensets(st.integers(1, 50).map(NodeId), max_size=4)),
)
clusters = st.lists(loads, max_size=8, unique_by=lambda n: n.id)


@given(requests, clusters, st.sampled_from(["spread", "pack"]))
def test_place(vm: VMRequest, nodes: list[NodeLoad], policy: str) -> None:
    """The chosen node really fits; none is chosen only where none fits; every node has one verdict."""
    fitting = {
        n.id
        for n in nodes
        if n.state is NodeState.OK
        and not (n.mode is not NodeMode.ACTIVE or n.other_host or n.agent_silent or n.hooks_silent or n.unfit)
        and vm.storages <= n.storages
        and (n.links or not vm.links)
        and vm.traits <= n.traits
        and not (vm.peers is not None and vm.peers.strict and vm.peers.minds(n.id))
        and n.cpu_used + vm.cpu <= n.cpu_capacity
        and n.memory_mib_used + vm.memory_mib <= n.memory_mib_capacity
        and (vm.local is None or any(own.free_bytes >= own.needs(vm.local) for own in n.own))
    }
    if not fitting:
        with pytest.raises(NoCapacity):
            place(vm, nodes, policy)  # type: ignore[arg-type]
        return
    chosen, verdicts, others, _ = place(vm, nodes, policy)  # type: ignore[arg-type]
    assert chosen in fitting
    assert {v.node_id for v in verdicts} == {n.id for n in nodes}
    assert {v.node_id for v in verdicts if v.fits} == fitting
    assert all(v.change for v in verdicts if not v.fits)
    assert others == {}


@given(requests, st.lists(loads, min_size=KEPT + 1, max_size=30, unique_by=lambda n: n.id))
def test_many_nodes(vm: VMRequest, nodes: list[NodeLoad]) -> None:
    """Of many nodes the best are kept, and every other one is counted by its reason."""
    every = sorted((judge(vm, n) for n in nodes), key=lambda v: (not v.fits, -(v.score or 0.0), v.node_id))
    if not every[0].fits:
        with pytest.raises(NoCapacity) as refused:
            place(vm, nodes)
        assert refused.value.reason == refusal(every)
        return
    decision = place(vm, nodes)
    assert list(decision.verdicts) == every[:KEPT]
    assert decision.others == Counter(v.reason for v in every[KEPT:])


@given(requests, clusters, st.integers(1, 8))
def test_many_vms(vm: VMRequest, nodes: list[NodeLoad], count: int) -> None:
    """VMs placed one after the other on one snapshot go where each would go by itself, with the same verdicts."""
    ranking, left = Ranking(vm, nodes), {n.id: n for n in nodes}
    for _ in range(count):
        try:
            alone = place(vm, left.values())
        except NoCapacity as refused:
            with pytest.raises(NoCapacity, match=re.escape(str(refused))):
                ranking.decide()
            return
        decision = ranking.decide()
        assert decision == alone
        ranking.take(decision)
        took = left[decision.node_id]
        left[took.id] = took._replace(
            cpu_used=took.cpu_used + vm.cpu, memory_mib_used=took.memory_mib_used + vm.memory_mib
        )


@given(requests, clusters, clusters)
def test_ranking_kept(vm: VMRequest, was: list[NodeLoad], now: list[NodeLoad]) -> None:
    """A ranking that is told what is new and what has gone says what one made anew does; a copy leaves it as it is."""
    kept, anew = Ranking(vm, was), Ranking(vm, now)
    for gone in {node.id for node in was} - {node.id for node in now}:
        kept.drop(gone)
    for node in now:
        kept.put(node)
    copies = [kept.copy(), kept.copy(), anew]
    try:
        expected = anew.decide()
    except NoCapacity as refused:
        for each in copies:
            with pytest.raises(NoCapacity, match=re.escape(str(refused))):
                each.decide()
        return
    for each in copies:
        assert each.decide() == expected
        each.take(expected)
    assert kept.decide() == expected


@given(requests, clusters)
def test_order_does_not_matter(vm: VMRequest, nodes: list[NodeLoad]) -> None:
    """The same snapshot gives the same node, however it is ordered."""
    try:
        chosen = place(vm, nodes).node_id
    except NoCapacity as refused:
        with pytest.raises(NoCapacity) as again:
            place(vm, nodes[::-1])
        assert str(again.value) == str(refused)
    else:
        assert place(vm, nodes[::-1]).node_id == chosen


def node(number: int, used: int, **more: object) -> NodeLoad:
    values = {
        "id": NodeId(number),
        "name": f"n{number}",
        "state": NodeState.OK,
        "mode": NodeMode.ACTIVE,
        "cpu_capacity": 10,
        "cpu_used": used,
        "memory_mib_capacity": 10_000,
        "memory_mib_used": used * 1000,
        "storages": frozenset({StorageId(1)}),
        **more,
    }
    return NodeLoad(**values)  # type: ignore[arg-type]


VM = VMRequest(2, 2000, frozenset({StorageId(1)}))


def test_own_storage() -> None:
    """A disk goes to the storage that has its image if it fits there; a node with the image may be somewhat fuller."""
    root = LocalRoot(ImageId(1), 10, 5)
    vm = VMRequest(2, 2000, frozenset(), root)
    here = (OwnStorage(StorageId(4), 30, False), OwnStorage(StorageId(5), 12, True))
    chosen = own_storage(root, node(1, 0, own=here))
    assert chosen is not None and chosen.id == 5
    chosen = own_storage(root, node(1, 0, own=(here[0], here[1]._replace(free_bytes=9))))
    assert chosen is not None and chosen.id == 4
    cold, warm = node(1, 1, own=here[:1]), node(2, 3, own=here[1:])
    assert place(vm, [cold, warm]).node_id == 2
    assert place(vm, [cold, warm._replace(cpu_used=5, memory_mib_used=5000)]).node_id == 1
    assert judge(vm, node(1, 0)).reason == "no storage of its own"
    assert judge(vm, node(1, 0, own=(OwnStorage(StorageId(4), 14, False),))).reason.startswith("not enough room")


@given(requests, clusters)
def test_own_storages_are_not_overbooked(vm: VMRequest, nodes: list[NodeLoad]) -> None:
    """However many VMs are placed one after the other, none goes where disk and image do not fit."""
    if vm.local is None:
        return
    ranking = Ranking(vm, nodes)
    for _ in range(8):
        try:
            decision = ranking.decide()
        except NoCapacity:
            return
        assert decision.own is not None and decision.own.free_bytes >= decision.own.needs(vm.local)
        ranking.take(decision)
        after = {own.id: own for own in next(n for n in ranking.nodes if n.id == decision.node_id).own}
        assert after[decision.own.id].free_bytes >= 0 and after[decision.own.id].cached


def test_policies() -> None:
    """Spread takes the emptiest node, pack the fullest that fits; a priority can outweigh a small difference."""
    nodes = [node(1, 4), node(2, 1), node(3, 9)]
    assert place(VM, nodes)[0] == 2
    assert place(VM, nodes, "pack")[0] == 1
    assert place(VM, [node(1, 2), node(2, 2, priority=1)])[0] == 2


def test_nearest_change() -> None:
    """A refusal says what would help."""
    assert judge(VM, node(1, 9)).change == "free 1 CPUs"
    assert judge(VM, node(1, 0, storages=frozenset())).change == "attach storage 1"
    assert judge(VM, node(1, 0, mode=NodeMode.PASSIVE)).change == "unlock it"
    assert refusal([judge(VM, node(1, 9)), judge(VM, node(2, 9))]) == "2 nodes: not enough CPUs"
    assert refusal([]) == "there are no nodes"


@given(
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 8), min_size=1, max_size=5),
    st.integers(1, 6),
    st.sampled_from(["spread", "pack"]),
)
def test_affinity_group(apart: bool, strict: bool, used: list[int], count: int, policy: Policy) -> None:
    """
    VMs of a group that are placed one after the other are each on another node, or all on one, as long as there is room
    for that; beyond it a strict group has no more placed, another is placed where there is room.
    """
    nodes = {n: node(n, number) for n, number in enumerate(used, 1)}
    request = VMRequest(1, 1000, frozenset({StorageId(1)}), peers=Peers(apart, strict))
    went: list[int] = []
    for _ in range(count):
        room = [n for n, load in nodes.items() if load.cpu_used < load.cpu_capacity]
        assert request.peers is not None
        wanted = [n for n in room if not request.peers.minds(NodeId(n))]
        if not wanted and (strict or not room):
            with pytest.raises(NoCapacity, match="affinity group" if room else "not enough"):
                place(request, nodes.values(), policy)
            return
        chosen, verdicts, _, _ = place(request, nodes.values(), policy)
        assert chosen in (wanted or room)
        assert ("against" in verdicts[0].reason) is not bool(wanted)
        went.append(chosen)
        took = nodes[chosen]
        nodes[chosen] = took._replace(cpu_used=took.cpu_used + 1, memory_mib_used=took.memory_mib_used + 1000)
        request = replace(request, peers=request.peers.joined(NodeId(chosen)))
    if strict:
        assert len(set(went)) == (len(went) if apart else 1)
