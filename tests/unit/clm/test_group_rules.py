"""Groups' rules: every pair of status and event, and who may decide."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.group import (
    NEXT,
    Event,
    LeaderStays,
    NotLeader,
    Status,
    WrongMembership,
    check_leads,
    check_remove,
    needed,
    next_status,
)

ALLOWED = {
    ("none", "request"): "waiting",
    ("waiting", "accept"): "member",
    ("waiting", "remove"): "none",
    ("member", "remove"): "none",
}


@pytest.mark.parametrize(("was", "event"), list(product(Status, Event)))
def test_every_pair(was: Status, event: Event) -> None:
    """What is allowed leads where it should; all else is refused, with what it would have needed."""
    wanted = ALLOWED.get((was.value, event.value))
    if wanted is not None:
        assert next_status(1, 2, was, event).value == wanted
        return
    with pytest.raises(WrongMembership) as refused:
        next_status(1, 2, was, event)
    assert refused.value.details() == {"group_id": 1, "user_id": 2, "state": was.value, "needs": needed(event)}
    assert was.value not in needed(event).split(" or ")


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_nobody_comes_in_unasked(events: list[Event]) -> None:
    """Whatever happens, a member asked first and was accepted after that; and each status has a way out."""
    status, history = Status.NONE, []
    for event in events:
        try:
            status = next_status(1, 2, status, event)
        except WrongMembership:
            continue
        history = [] if status is Status.NONE else [*history, event]
        if status is Status.MEMBER:
            assert history == [Event.REQUEST, Event.ACCEPT]
        assert any(was is status for was, _ in NEXT)


ids = st.integers(1, 3)


@given(ids, ids, st.booleans())
def test_who_leads(leader: int, user: int, admin: bool) -> None:
    """The leader and cloud administrators decide, nobody else."""
    if user == leader or admin:
        check_leads(1, leader, user, admin)
    else:
        with pytest.raises(NotLeader):
            check_leads(1, leader, user, admin)


@given(ids, ids, ids, st.booleans())
def test_who_removes(leader: int, removed: int, user: int, admin: bool) -> None:
    """Oneself, the leader and cloud administrators remove; nobody removes the leader."""
    if user not in (removed, leader) and not admin:
        with pytest.raises(NotLeader):
            check_remove(1, leader, removed, user, admin)
    elif removed == leader:
        with pytest.raises(LeaderStays):
            check_remove(1, leader, removed, user, admin)
    else:
        check_remove(1, leader, removed, user, admin)
