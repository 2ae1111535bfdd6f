"""Resource pools: whose limit counts, what is promised of it, and who may do what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import QuotaReached
from cm.rpc.vocabulary import PoolResource, Privilege
from cm.rules.resource_pool import Pool, PoolTooSmall, check_limits, check_room, limited_by, privileges, promised

VMS = PoolResource.VMS


def pools(*told: tuple[int, int | None, int | None, int]) -> dict[int, Pool]:
    """Of VMs alone: id, parent, limit, used."""
    nothing = dict.fromkeys(PoolResource, 0)
    none: dict[PoolResource, int | None] = dict.fromkeys(PoolResource)
    return {
        each: Pool(each, parent, {**none, VMS: limit}, {**nothing, VMS: used}) for each, parent, limit, used in told
    }


def test_nearest_counts() -> None:
    """The nearest pool upwards with a limit; without any there is none."""
    tree = pools((1, None, 9, 0), (2, 1, None, 0), (3, 2, 4, 0), (4, 3, None, 0), (5, None, None, 0))
    assert [getattr(limited_by(tree, each, VMS), "id", None) for each in tree] == [1, 1, 3, 3, None]


def test_promises_count() -> None:
    """What a pool within has as its limit is given away, be it used or not."""
    tree = pools((1, None, 9, 1), (2, 1, 4, 0), (3, 1, None, 2), (4, 3, None, 1))
    assert promised(tree, 1, VMS) == 1 + 4 + 2 + 1
    check_room(tree, 4, {VMS: 1})
    with pytest.raises(QuotaReached) as refused:
        check_room(tree, 4, {VMS: 2})
    assert (refused.value.limit, refused.value.used, refused.value.asked) == (9, 8, 2)
    check_room(tree, 2, {VMS: 4})
    check_room(tree, 4, {VMS: 0})


def test_shrinking() -> None:
    """A limit is neither less than what is used nor than what pools within were given."""
    check_limits(pools((1, None, 5, 1), (2, 1, 4, 0)), 1)
    for limit in (4, 0):
        with pytest.raises(PoolTooSmall):
            check_limits(pools((1, None, limit, 1), (2, 1, 4, 0)), 1)
    with pytest.raises(PoolTooSmall):  # the pool within asks for more than there is
        check_limits(pools((1, None, 5, 1), (2, 1, 5, 0)), 2)


@st.composite
def trees(draw: st.DrawFn) -> dict[int, Pool]:
    told = []
    for number in range(draw(st.integers(1, 7))):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        told.append((number, parent, draw(st.none() | st.integers(0, 9)), draw(st.integers(0, 5))))
    return pools(*told)


@given(trees(), st.data())
def test_no_pool_is_over(tree: dict[int, Pool], data: st.DataObject) -> None:
    """Where limits hold, VMs that have room in one pool break no other's limit."""
    try:
        for each in tree:
            check_limits(tree, each)
        where = data.draw(st.sampled_from(sorted(tree)))
        check_room(tree, where, {VMS: 2})
    except (PoolTooSmall, QuotaReached):
        return
    pool = tree[where]
    after = {**tree, where: Pool(where, pool.parent_id, pool.limits, {**pool.used, VMS: pool.used[VMS] + 2})}
    for each in after:
        check_limits(after, each)


def test_privileges() -> None:
    """They hold in the pools within; whoever makes VMs sees the pool."""
    tree = pools((1, None, None, 0), (2, 1, None, 0), (3, None, None, 0))
    held = {1: {Privilege.CLOUD_CREATE}, 3: {Privilege.CLOUD_VIEW}}
    both = frozenset(Privilege)
    assert [privileges(tree, each, held) for each in tree] == [both, both, frozenset({Privilege.CLOUD_VIEW})]
    assert privileges(tree, 1, {2: {Privilege.CLOUD_CREATE}}) == frozenset()
