"""What all tests need of the process that they run in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import clm.views.forward
import cm.rpc.view
from cm.rpc.view import Registry, View
from support import answers
from support.pieces import PIECE

# Whoever runs us in the background may have us ignore Ctrl-C, which programs that we start would inherit, and so never
# be interrupted by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A landing is judged by the examples of the run before it (.ci/run sets WAWEL_FIXED); whoever runs the tests to learn
# something gets new ones. How long an example takes is for the benchmarks to say.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("fresh", deadline=None)
settings.load_profile("fixed" if os.environ.get("WAWEL_FIXED") else "fresh")

answers.install()

# Managers begin and end some thousand times in a run. What a view is follows from its function or from a table, and
# reading those is half of a manager's start: here each is read once. Not those that a manager makes for itself: its
# registry goes with them, and would be kept, a megabyte for each.
_read, _forwarded = cm.rpc.view.view_of, clm.views.forward.forwarded_views
_once = cache(_read)
_views: dict[tuple[str, ...], list[View]] = {}


def _view_of(function: Callable[..., Any]) -> View:
    return _read(function) if "<locals>" in function.__qualname__ else _once(function)


def _forwarded_views(own: Registry, table: Mapping[str, Any] | None = None) -> Iterator[View]:
    if table is not None:
        return _forwarded(own, table)
    names = tuple(own.names())
    if names not in _views:
        _views[names] = list(_forwarded(own))
    return iter(_views[names])


cm.rpc.view.view_of = _view_of
cm.rpc.view.read_cases = cache(cm.rpc.view.read_cases)
clm.views.forward.forwarded_views = _forwarded_views


_taken: dict[str, bool] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """
    Where several processes share the modules of a group out (``bin/test``), each leaves alone what another has taken:
    what one takes, it does alone and whole.
    """
    if not (taken := os.environ.get("WAWEL_TAKEN")):
        return None
    piece = item.stash.get(PIECE, item.path.stem)
    if piece not in _taken:
        Path(taken).mkdir(exist_ok=True)
        try:
            (Path(taken) / piece).mkdir()
            _taken[piece] = True
        except FileExistsError:
            _taken[piece] = False
    return None if _taken[piece] else True


@pytest.fixture(autouse=True)
def as_declared() -> Iterator[None]:
    """Whatever a manager answers in a test is of the type that its view declares."""
    yield
    found = answers.take()
    assert not found, "\n".join(found[: answers.FAULTS_SHOWN])
