"""Wrong passwords counted: beforehand, at once, by place, and never for long."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import TooManyLogins
from cm.rpc.throttle import OTP, LoginThrottle, TryLimits

HERE, THERE = "192.0.2.1", "198.51.100.7"


class Throttle(LoginThrottle):
    def __init__(self, limits: TryLimits | None = None, remember: int = 20_000) -> None:
        self.now = 1000.0
        super().__init__(lambda: self.now, limits, remember)

    def tries(self, login: str = "anna", remote: str = HERE, right: bool = False, everywhere: bool = False) -> int:
        """0: it was looked at; else the seconds to wait."""
        try:
            with self.attempt(remote, login, everywhere=everywhere) as attempt:
                attempt.right = right
        except TooManyLogins as error:
            assert error.retry and error.retry_after_s > 0
            return error.retry_after_s
        return 0

    def looked_at(self, count: int, login: str = "anna", remote: str = HERE) -> int:
        return sum(self.tries(login, remote) == 0 for _ in range(count))


class TestCounting:
    def test_beforehand(self) -> None:
        """A try counts while it is being looked at, so that many at once are no more than many one by one."""
        throttle = Throttle(TryLimits(burst=3, at_once=100))
        with ExitStack() as stack:
            looking = [stack.enter_context(throttle.attempt(HERE, "anna")) for _ in range(3)]
            assert throttle.tries() > 0
            for attempt in looking:
                attempt.right = False
        assert throttle.tries() > 0

    def test_at_once(self) -> None:
        """So many of a login, and so many of a place, are looked at together; others' are none of them."""
        throttle = Throttle(TryLimits(at_once=2, place_at_once=3))
        with ExitStack() as stack:
            for login in ("anna", "anna", "bob"):
                stack.enter_context(throttle.attempt(HERE, login)).right = True
            assert throttle.tries("anna") == throttle.tries("carl") == 1
            assert throttle.tries("anna", THERE) == 0
        assert throttle.tries("anna") == throttle.tries("carl") == 0
        assert not throttle._looking

    @pytest.mark.parametrize("right", [True, None])
    def test_given_back(self, right: bool | None) -> None:
        """One that was right, or that could not be looked at, is no try."""
        throttle = Throttle(TryLimits(burst=3))
        for _ in range(50):
            with throttle.attempt(HERE, "anna") as attempt:
                attempt.right = right
        assert throttle.looked_at(10) == 3

    def test_broken(self) -> None:
        """The database was away: nobody's guess."""
        throttle = Throttle(TryLimits(burst=1))
        for _ in range(5):
            with pytest.raises(OSError), throttle.attempt(HERE, "anna"):
                raise OSError
        assert throttle.looked_at(5) == 1

    def test_place(self) -> None:
        """Many logins from one network are counted together, and shut nobody out elsewhere."""
        throttle = Throttle()
        looked_at = sum(throttle.tries(f"user-{n}", f"2001:db8::{n:x}") == 0 for n in range(300))
        assert looked_at == throttle.limits.place_burst
        assert throttle.tries("user-1", THERE) == 0


class TestShutOut:
    def test_short(self) -> None:
        """After hours of guesses one waits as long as after the first that was too many."""
        throttle = Throttle()
        assert throttle.looked_at(11) == 10
        first = throttle.tries()
        for _ in range(5000):
            throttle.now += 1
            throttle.tries()
        assert throttle.tries() <= max(first, 30) and first <= 6
        throttle.now += 30
        assert throttle.tries(right=True) == 0

    @given(
        st.lists(st.tuples(st.sampled_from(["anna", "bob"]), st.sampled_from([HERE, THERE, "::1"]), st.integers(0, 9)))
    )
    def test_bounded(self, tries: list[tuple[str, str, int]]) -> None:
        """Whatever happened, half a minute later anybody's next try is looked at."""
        throttle = Throttle(TryLimits(burst=5, place_burst=6, brake=8))
        for login, remote, seconds in tries:
            throttle.now += seconds
            assert throttle.tries(login, remote) <= 30
        throttle.now += 30
        assert throttle.tries("anna", HERE) == 0

    def test_victim(self) -> None:
        """Whoever guesses at a login, from however many addresses, leaves its owner at another address alone."""
        throttle = Throttle()
        assert throttle.tries(remote=HERE, right=True) == 0
        for n in range(2000):
            throttle.tries(remote=f"2001:db8:{n:x}::1")
            throttle.now += 0.1
        assert throttle.looked_at(10) == 10  # where it was right lately
        assert throttle.looked_at(3, remote=THERE) == 2  # a new address: fewer tries, yet some
        throttle.now += 30
        assert throttle.tries(remote=THERE, right=True) == 0

    def test_neighbour(self) -> None:
        """Where somebody logged in lately, what others at that address guess does not shut them out."""
        throttle = Throttle()
        throttle.tries("anna", right=True)
        throttle.looked_at(100, "zzz")
        for n in range(300):
            throttle.tries(f"user-{n}")
        assert throttle.tries("bob") > 0 and throttle.tries("anna") == 0

    def test_brake(self) -> None:
        """Many addresses together have fewer tries at one login than each of them alone would have."""
        throttle = Throttle()
        looked_at = sum(throttle.looked_at(20, remote=f"2001:db8:{n:x}::1") for n in range(500))
        assert 100 <= looked_at <= 100 + 500 * 2 < 500 * 10

    def test_codes(self) -> None:
        """Codes of a second factor are counted wherever they come from, but where one was right lately."""
        throttle = Throttle(OTP)
        assert throttle.tries("7", HERE, right=True, everywhere=True) == 0
        places = [throttle.tries("7", f"2001:db8:{n:x}::1", everywhere=True) == 0 for n in range(50)]
        assert sum(places) == 5
        assert throttle.tries("7", HERE, right=True, everywhere=True) == 0


def test_memory() -> None:
    throttle = Throttle(remember=10)
    for n in range(100):
        throttle.tries(f"login-{n}", f"10.0.0.{n}")
        throttle.tries(f"login-{n}", f"10.0.1.{n}", right=True)
    kept = (throttle._pairs, throttle._places, throttle._logins, throttle._proved, throttle._looking)
    assert all(len(each) <= 10 for each in kept) and len(throttle._looking) == 0
