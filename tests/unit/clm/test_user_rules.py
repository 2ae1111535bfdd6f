"""The way of people from registration on, passwords, and when mails are tried again."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clm.rules.mail import FIRST_S, GIVE_UP_S, LONGEST_S, retry_after
from clm.rules.user import COMMON, NEXT, PASSWORD_MIN, UserEvent, UserState, WrongUserState, first_state, next_state
from clm.rules.user import wrong_with_password as wrong


@pytest.mark.parametrize(("state", "event"), list(product(UserState, UserEvent)))
def test_every_pair(state: UserState, event: UserEvent) -> None:
    """What the table has is what happens; anything else is refused by name."""
    if (state, event) in NEXT:
        assert next_state(1, state, event) is NEXT[state, event]
    else:
        with pytest.raises(WrongUserState) as refused:
            next_state(1, state, event)
        assert (refused.value.user_id, refused.value.state, refused.value.event) == (1, state, event)


def test_ways() -> None:
    """Nobody comes back from being deleted, everybody can be deleted, and all can become active but for those."""
    live = set(UserState) - {UserState.DELETED}
    assert not any(state is UserState.DELETED for state, _ in NEXT)
    for state in live:
        assert NEXT[state, UserEvent.DELETE] is UserState.DELETED
    for state in live - {UserState.ACTIVE}:
        assert UserState.ACTIVE in {NEXT.get((state, event)) for event in UserEvent}
    # Confirming an address lets nobody in who was blocked, and nobody at all by itself.
    assert {state for (state, event) in NEXT if event is UserEvent.CONFIRM} == {UserState.REGISTERED}
    assert NEXT[UserState.REGISTERED, UserEvent.CONFIRM] is UserState.CONFIRMED


def test_first_state() -> None:
    """With a mailer an address is confirmed first, whatever comes then."""
    assert first_state(True, True) is first_state(True, False) is UserState.REGISTERED
    assert first_state(False, True) is UserState.ACTIVE
    assert first_state(False, False) is UserState.CONFIRMED


@given(st.text(max_size=40), st.text(max_size=20))
def test_passwords(password: str, login: str) -> None:
    """Whatever is said, a short one and the login itself never pass, and case makes no common one good."""
    if wrong(password, login) is None:
        assert len(password) >= PASSWORD_MIN and password.lower() != login.lower()
        assert password.lower() not in COMMON and len(set(password)) > 2


@pytest.mark.parametrize("password", ["correct horse", "żółta łódź podwodna", "Tr0ub4dor&3", "a" * 7 + "bc"])
def test_good_passwords(password: str) -> None:
    """Nothing is prescribed but what has a reason: no digits, capitals or signs."""
    assert wrong(password, "ann") is None


def test_common() -> None:
    """The list holds what could be entered at all: long enough, in lower case."""
    assert all(len(each) >= PASSWORD_MIN and each == each.lower() for each in COMMON)
    assert wrong("PassWord123", "ann") and wrong("ANNANNANN", "annannann") and wrong("nnannanna", "annannann")


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=GIVE_UP_S * 2))
def test_retry(attempts: int, age_s: float) -> None:
    """Waits grow, within bounds, and end after a day."""
    wait = retry_after(attempts, age_s)
    if age_s >= GIVE_UP_S:
        assert wait is None
        return
    assert wait is not None and FIRST_S <= wait <= LONGEST_S
    later = retry_after(attempts + 1, age_s)
    assert later is not None and later >= wait
