"""Running a coroutine up to where it waits: a ``Deferred``, with its callbacks and context, is for what does wait."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import Any

from twisted.internet.defer import Deferred


def begin(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, Deferred[Any] | None]:
    """
    What a coroutine gives, or else what will: its result and None, or None and the ``Deferred`` of it, which may be
    cancelled. Most calls that something remembered answers give their result at once, for a tenth of what a
    ``Deferred`` takes.

    :raises Exception: what the coroutine raised, if it never waited.
    """
    try:
        waiting = coroutine.send(None)
    except StopIteration as done:
        return done.value, None
    return None, Deferred.fromCoroutine(_rest(coroutine, waiting))


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, Any], waiting: Any) -> Generator[Any, Any, Any]:
    try:
        while True:
            try:
                given = yield waiting
            except GeneratorExit:  # nobody will go on with it; of what is collected together it may be gone already
                coroutine.close()
                raise
            except BaseException as error:
                waiting = coroutine.throw(error)
            else:
                waiting = coroutine.send(given)
    except StopIteration as done:
        return done.value
