"""
A plugin of pytest for ``bin/mutate``: which lines each test runs, or which tests are run, and in which order.

``WAWEL_MUTATE_MAP`` names the file that gets a line of JSON for each test that passed; ``WAWEL_MUTATE_TESTS`` one with
the tests to run, a line each, the seconds that it has before its name: the others are left out.

Coverage.py could tell the lines as well. This is less: the tests' names are all that we ask of it, a function that has
been seen whole costs a call and nothing more, and the tests need no package for a tool that few people start.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(f"{ROOT / name}{os.sep}" for name in ("cm", "clm", "contextualization"))
PR_SET_PDEATHSIG = 1
HUNG = 75  # the status, and the name of the test in a file of this suffix
HUNG_SUFFIX = ".hung"
ENOUGH = 30  # calls of a function in one test: what it has not run by then, it seldom runs


class Place:
    """A function's lines, and which of them ran since they were last collected."""

    def __init__(self, code: CodeType) -> None:
        self.file = str(Path(code.co_filename).relative_to(ROOT))
        self.lines = len({line for _, _, line in code.co_lines() if line is not None})
        self.seen: set[int] = set()
        self.calls = 0

    def step(self, frame: FrameType, event: str, arg: Any) -> Any:
        self.seen.add(frame.f_lineno)
        return self.step


class Tracer:
    """Of all threads. What a thread of an earlier test still runs is told of the test of now."""

    def __init__(self) -> None:
        self._places: dict[CodeType, Place | None] = {}

    def call(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        try:
            place = self._places[code]
        except KeyError:
            # Bodies of modules and classes run at the import, for whichever test is first.
            ours = code.co_filename.startswith(OURS) and code.co_flags & inspect.CO_OPTIMIZED
            place = self._places[code] = Place(code) if ours else None
        if place is None:
            return None
        place.seen.add(frame.f_lineno)
        place.calls += 1
        return place.step if len(place.seen) < place.lines and place.calls < ENOUGH else None

    def take(self) -> dict[str, str]:
        """The lines since the last call, for each file a number with their bits, in base 16."""
        found: dict[str, int] = {}
        for place in list(self._places.values()):
            if place is not None and place.seen:
                lines, place.seen, place.calls = place.seen, set(), 0
                found[place.file] = found.get(place.file, 0) | sum(1 << line for line in lines)
        return {file: format(bits, "x") for file, bits in found.items()}


class Recording:
    def __init__(self, target: Path) -> None:
        self._target = target.open("a")
        self._tracer = Tracer()
        self._good: dict[str, bool] = {}
        threading.settrace(self._tracer.call)
        sys.settrace(self._tracer.call)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._tracer.take()
        began = time.monotonic()
        yield
        if self._good.pop(item.nodeid, False):
            seconds = round(time.monotonic() - began, 3)
            told = {"test": item.nodeid, "seconds": seconds, "lines": self._tracer.take()}
            self._target.write(json.dumps(told) + "\n")
            self._target.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """What fails or is skipped in a tree without an edit says nothing of one with an edit."""
        self._good[report.nodeid] = self._good.get(report.nodeid, True) and report.passed

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        threading.settrace(None)
        self._target.close()


class Choice:
    """
    Runs the tests that a file names, in its order. One that takes longer than it has ends the process: what it waits
    for does not come.
    """

    def __init__(self, names: Path) -> None:
        lines = names.read_text().splitlines()
        self._hung = names.with_suffix(HUNG_SUFFIX)
        told = [line.partition(" ")[::2] for line in lines]
        self._order = {name: number for number, (_, name) in enumerate(told)}
        self._deadline_s = {name: float(seconds) for seconds, name in told}

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        timer = threading.Timer(self._deadline_s[item.nodeid], _end_hung, (item.nodeid, self._hung))
        timer.daemon = True
        timer.start()
        yield
        timer.cancel()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._order]
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self._order])
        items[:] = sorted(chosen, key=lambda item: self._order[item.nodeid])


def _end_hung(name: str, target: Path) -> None:
    target.write_text(name)
    os._exit(HUNG)


def pytest_configure(config: pytest.Config) -> None:
    # With whoever asked for this run it ends, however that ends.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if target := os.environ.get("WAWEL_MUTATE_MAP"):
        config.pluginmanager.register(Recording(Path(target)))
    if names := os.environ.get("WAWEL_MUTATE_TESTS"):
        config.pluginmanager.register(Choice(Path(names)))
