"""How often guests may call: each view of theirs has its row, and a bucket never gives more than it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.limits import LIMITS, Limit, RateLimits
from cm.rpc.errors import RateLimited
from cm.rpc.view import Registry
from cm.rpc.vocabulary import Role


def test_every_guest_view() -> None:
    """A view for guests is given a limit when it is made, and a row without a view goes."""
    views = {view.name: view for view in Registry.collect("clm.views") if view.role is Role.GUEST}
    assert set(LIMITS) == set(views)
    for name, limits in LIMITS.items():
        assert any(not limit.subject for limit in limits), f"{name}: one address could ask without end"
        for limit in limits:
            assert limit.burst >= 1 and limit.refill_s > 0
            assert not limit.subject or limit.subject in {each.name for each in views[name].parameters}


LIMIT = Limit(3, 10.0)


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=60))
def test_bucket(pauses: list[float]) -> None:
    """In any window a bucket gives its burst and what was added meanwhile; who waits as told gets through."""
    now = 0.0
    limits = RateLimits(lambda: now, {"m": (LIMIT,)})
    given_at: list[float] = []
    for pause in pauses:
        now += pause
        try:
            limits.take("m", "192.0.2.1", {})
            given_at.append(now)
        except RateLimited as limited:
            refused_at, now = now, now + limited.retry_after_s
            limits.take("m", "192.0.2.1", {})
            given_at.append(now)
            assert limited.retry_after_s <= LIMIT.refill_s + 1 and now > refused_at
    for first in range(len(given_at)):
        for last in range(first, len(given_at)):
            window = given_at[last] - given_at[first]
            assert last - first + 1 <= LIMIT.burst + window / LIMIT.refill_s + 1e-6


def test_keys() -> None:
    """Addresses do not count for each other; a subject counts whoever asks, in either case; we ourselves do not."""
    limits = RateLimits(lambda: 0.0, {"m": (Limit(2, 1.0), Limit(3, 1.0, "email"))})
    for remote in ("a", "a", "b"):
        limits.take("m", remote, {"email": "X@y.z"})
    with pytest.raises(RateLimited) as refused:
        limits.take("m", "c", {"email": "x@Y.z"})
    assert (refused.value.method, refused.value.retry_after_s) == ("m", 2)
    limits.take("m", "c", {"email": "other@y.z"})
    with pytest.raises(RateLimited):
        limits.take("m", "a", {"email": "third@y.z"})
    limits.take("m", "d", {"email": "third@y.z"})
    for _ in range(100):
        limits.take("m", "", {})


def test_refused_costs_nothing() -> None:
    """A call refused for its address uses up nothing of what it was about."""
    limits = RateLimits(lambda: 0.0, {"m": (Limit(1, 1.0), Limit(2, 1.0, "email"))})
    limits.take("m", "a", {"email": "x"})
    for _ in range(5):
        with pytest.raises(RateLimited):
            limits.take("m", "a", {"email": "x"})
    limits.take("m", "b", {"email": "x"})


def test_bounded() -> None:
    """Many addresses push out the ones that called longest ago, and the memory stays as it is."""
    limits = RateLimits(lambda: 0.0, {"m": (Limit(1, 1.0),)}, remember=100)
    for number in range(1000):
        limits.take("m", str(number), {})
    assert len(limits._used) == 100
    with pytest.raises(RateLimited):
        limits.take("m", "999", {})
    limits.take("m", "0", {})



def test_unlisted() -> None:
    """A view without a row is limited all the same."""
    limits = RateLimits(lambda: 0.0, {})
    with pytest.raises(RateLimited):
        for _ in range(1000):
            limits.take("m", "a", {})
