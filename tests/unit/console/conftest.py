"""The console in this process, with a home of its own and servers to talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from clm.console.main import main

from .wire import PASSWORD, Wire


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code, and what it printed where."""

    code: int
    out: str
    told: str


Wawel = Callable[..., Ran]


def run(*arguments: str, standard_input: str | bytes = "") -> Ran:
    """Run the console as its program does, with standard streams that are no terminal."""
    with CliRunner().isolation(input=standard_input) as streams:
        code = main(arguments)
        out, told = streams[0].getvalue(), streams[1].getvalue()
    return Ran(code, out.decode(), told.decode())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("URL", "PROFILE", "TOKEN", "CA", "CLUSTER"):
        monkeypatch.delenv(f"WAWEL_{name}", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def _lone() -> Iterator[Wire]:
    made = Wire(events=True)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def _cloud() -> Iterator[Wire]:
    made = Wire(cloud=True)
    yield made
    made.stop()


@pytest.fixture
def lone(_lone: Wire) -> Wire:
    """A lone cluster; it tells events."""
    _lone.reset()
    _lone.events.script, _lone.events.asked = [], []
    return _lone


@pytest.fixture
def cloud(_cloud: Wire) -> Wire:
    """A cloud of the clusters north and south; it tells no events."""
    _cloud.reset()
    return _cloud


@pytest.fixture
def wawel(home: Path) -> Wawel:
    """The console; nobody is logged in."""
    return run


def log_in(wire: Wire, who: str = "anna") -> None:
    done = run(
        "login",
        "--url",
        wire.url,
        "--profile",
        who,
        "--login",
        who,
        "--password-file",
        "-",
        "--use",
        standard_input=PASSWORD,
    )
    assert done.code == 0, done.told


@pytest.fixture
def anna(lone: Wire, wawel: Wawel) -> Wawel:
    """The console, logged in to the lone cluster as a user."""
    log_in(lone)
    return wawel


@pytest.fixture
def root(lone: Wire, wawel: Wawel) -> Wawel:
    """Likewise as its administrator."""
    log_in(lone, "root")
    return wawel
