"""Nothing that there is was forgotten in the crash walk and in what is expected to be seen."""

from __future__ import annotations

from simulation.faults import MUTATING
from simulation.views import (
    NOT_CALLED,
    NOT_FAILED,
    NOT_READ,
    asked_for,
    driver_calls,
    forgotten,
    unseen,
    unwalked,
    views,
)


def test_kinds() -> None:
    assert unwalked() == []
    assert unseen() == []


def test_changing_views() -> None:
    assert forgotten(views(changing=True), asked_for(), NOT_CALLED) == []


def test_failing_calls() -> None:
    """Each call that changes something on a node fails now and then."""
    assert forgotten(driver_calls(), MUTATING, NOT_FAILED) == []


def test_reasons() -> None:
    """Each is for a view that there is."""
    assert NOT_READ.keys() <= views(changing=False)
    assert NOT_CALLED.keys() <= views(changing=True)


def test_forgotten() -> None:
    assert forgotten({"a", "b", "c"}, {"a"}, {"b": "hard"}) == ["c was never done, and no reason is told"]
    assert forgotten({"a", "b"}, {"a", "b"}, {"b": "hard"}) == ["b is said not to be done, and was"]
    assert forgotten({"a"}, {"a"}, {"d": "hard"}) == ["d has a reason, and is not there"]
