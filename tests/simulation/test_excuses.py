"""Excuses end, are counted once for each of their subjects, and too many of them are a finding."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from cm.rpc.errors import AccountBlocked
from simulation.excuses import EXCUSES, FOUND_OUT_S, Excuses, too_often
from simulation.invariants import _answers
from simulation.workload import Ask, Workload


def made() -> tuple[Any, Excuses]:
    """A clock that a test turns, and the excuses by it."""
    clock = SimpleNamespace(now=0.0)
    return clock, Excuses(SimpleNamespace(unix_s=lambda: clock.now))  # type: ignore[arg-type]  # its clock is all that is asked


def test_ends() -> None:
    clock, excuses = made()
    assert not excuses.holds("tampered", "a")
    excuses.give("tampered", "a")
    assert excuses.holds("tampered", "a") and not excuses.holds("tampered", "b")
    clock.now = FOUND_OUT_S + 1
    assert not excuses.holds("tampered", "a")
    assert excuses.used == {"tampered": 1} and excuses.over == {"tampered": 1}


def test_counted_once_for_each() -> None:
    _, excuses = made()
    for subject in ("a", "a", "b"):
        excuses.use("answer lost", subject)
    assert excuses.used == {"answer lost": 2}


def test_unknown() -> None:
    """None is made up where it is used."""
    _, excuses = made()
    with pytest.raises(AssertionError):
        excuses.use("it was late", 1)


@pytest.mark.parametrize(
    ("method", "unsure", "wrong"),
    [("admin.storage.adopt_volume", True, 0), ("admin.storage.adopt_volume", False, 1), ("user.vm.stop", True, 1)],
)
def test_refused_for_what_came_of_it(method: str, unsure: bool, wrong: int) -> None:
    """Only of a view that keeps no answers, and only where an answer may have been lost."""
    _, excuses = made()
    ask = Ask(1, "admin", method, {}, "r1", 0.0, ended=True, error="in_use", unsure=unsure)
    counted = [SimpleNamespace(request_id="r1", n=1)]
    simulation: Any = SimpleNamespace(sql=lambda _: counted, cloud=None, excuses=excuses)
    workload: Any = SimpleNamespace(asks=[ask], own=frozenset())
    assert len(_answers(simulation, workload)) == wrong
    assert excuses.used == ({} if wrong else {"answer lost": 1})


@pytest.mark.parametrize(("there", "wrong"), [(True, 0), (False, 1)])
def test_refused_once_the_right_was_lost(there: bool, wrong: int) -> None:
    """A call that somebody was asked, and nobody answered, may have been done before its caller was blocked."""
    _, excuses = made()
    answers = [Deferred(), fail(AccountBlocked())]

    def asked(*_: Any, **more: Any) -> Deferred[Any]:
        answer = answers.pop(0)
        if not answer.called and not there:
            raise LookupError("no process is up")
        return answer

    simulation: Any = SimpleNamespace(
        ask_as_user=asked, later=lambda *_: None, note=lambda *_: None, schedule=SimpleNamespace(seconds=lambda: 30.0),
        sql=lambda _: [SimpleNamespace(request_id="r1", n=1)], cloud=None, excuses=excuses,
    )  # fmt: skip
    workload = Workload.__new__(Workload)
    workload.simulation, workload.errors = simulation, Counter()
    ask = Ask(1, "eve", "user.vm.stop", {}, "r1", 0.0)
    workload.asks = [ask]
    workload._try(ask)
    workload._again(ask, 1)
    assert ask.ended and ask.error == "account_blocked"
    assert len(_answers(simulation, workload)) == wrong
    assert excuses.used == ({} if wrong else {"answer lost": 1})


def test_too_often() -> None:
    most = EXCUSES["tampered"].most
    assert too_often(Counter({"tampered": int(most * 10)}), 10) == []
    assert len(too_often(Counter({"tampered": int(most * 10) + 1}), 10)) == 1
