"""What is at rest is looked at once nothing happens any more; a look counts only where nothing happened meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from simulation import eyes
from simulation.excuses import Excuses
from simulation.runner import QUIET_S, _await_quiet


class _Simulation:
    """Of which a loop begins an operation while it is looked at first; it has ended by the next look."""

    def __init__(self) -> None:
        self.looks = 0
        self.open: list[int] = []
        self.effects = SimpleNamespace(endings=SimpleNamespace(all=[]))
        self.excuses = Excuses(SimpleNamespace(unix_s=lambda: 0.0))  # type: ignore[arg-type]  # its clock is all that is asked

    def run_for(self, _seconds: float) -> None:
        self.open = [202] if not self.looks else []

    def sql(self, statement: str) -> list[Any]:
        if "FROM change" in statement:
            return [SimpleNamespace(last=7)]
        return [SimpleNamespace(id=number) for number in self.open]


def test_work_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work goes from running to waiting and back, which no change tells: what is seen of it meanwhile is not wrong."""
    simulation: Any = _Simulation()

    class Look:
        def __init__(self, seen: Any, _model: Any) -> None:
            self.seen = seen

        def everything(self) -> None:
            simulation.looks += 1
            if simulation.open:
                self.seen.wrong.append("operation 202 is 'waiting', and should be 'running'")

    monkeypatch.setattr(eyes, "Look", Look)
    monkeypatch.setattr(eyes.judge, "model_of", lambda _: None)
    assert eyes.at_rest(simulation) == [] and simulation.looks == 2
    assert simulation.excuses.used == {"goes on changing": 1}


def test_ended_just_now() -> None:
    """A guest ends by itself before the look: it waits for what that leads to, and until everybody has heard of it."""
    at, ends, done = [0.0], 6.0, 13.0

    def sql(statement: str, **_: Any) -> list[Any]:
        if "FROM change" in statement:
            return [SimpleNamespace(last=7 + (at[0] >= ends) + (at[0] >= done))]
        return [1] if ends <= at[0] < done else []

    def run_for(seconds: float) -> None:
        at[0] += seconds

    endings = SimpleNamespace(all=[])
    simulation: Any = SimpleNamespace(
        sql=sql, run_for=run_for, unix_s=lambda: at[0], effects=SimpleNamespace(endings=endings)
    )
    _await_quiet(simulation)
    assert at[0] == QUIET_S  # it knows nothing of what is to come
    _await_quiet(simulation)
    assert at[0] >= done + QUIET_S
    before = at[0]
    endings.all.append(SimpleNamespace(at=before + QUIET_S - 1))  # which no record tells of yet
    _await_quiet(simulation)
    assert at[0] >= before + 2 * QUIET_S
