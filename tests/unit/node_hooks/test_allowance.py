"""How often guests may ask: never more than a burst and what time brings, and nobody pays for another."""

from hypothesis import given
from hypothesis import strategies as st

from node_hooks.allowance import Allowance

asks = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), max_size=200)


@given(asks, st.floats(0.5, 20), st.floats(1, 30))
def test_bounds(asked: list[tuple[str, float]], per_s: float, burst: float) -> None:
    """In no stretch of time more than the burst and its share of the rate; one that has waited is let in."""
    allowance = Allowance(per_s, burst)
    now, let_in = 0.0, {"a": [], "b": [], "c": []}
    last: dict[str, float] = {}
    for who, pause_s in asked:
        now += pause_s
        taken = allowance.takes(who, now)
        if who not in last or (now - last[who]) * per_s >= 1.01:
            assert taken
        last[who] = now
        if taken:
            let_in[who].append(now)
    for times in let_in.values():
        for first in range(len(times)):
            for after in range(first, len(times)):
                assert after - first + 1 <= burst + per_s * (times[after] - times[first]) + 1e-6


def test_forgets() -> None:
    """However many guests have asked, those that have been quiet are not kept; those that have not are."""
    allowance = Allowance(1.0, 10.0)
    for number in range(5_000):
        assert allowance.takes(f"10.0.{number // 250}.{number % 250}", number / 50)
    assert len(allowance) <= Allowance.KEPT + 1
    assert all(allowance.takes("10.9.9.9", 1000.0) for _ in range(10)) and not allowance.takes("10.9.9.9", 1000.0)
