"""Every source of chance of the process, from one seed, for as long as a simulation runs."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


def stream(seed: int, name: str) -> random.Random:
    """A source of its own for one purpose, so that leaving something out of one does not change another."""
    return random.Random(f"{seed}:{name}")


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """
    Have ``random``, ``secrets``, ``uuid.uuid4`` and ``os.urandom`` draw from the seed. Nothing that is made meanwhile
    is secret.
    """
    source = stream(seed, "urandom")
    state = random.getstate()
    random.seed(f"{seed}:random")
    try:
        with (
            mock.patch.object(os, "urandom", source.randbytes),
            mock.patch.object(random, "_urandom", source.randbytes),
            mock.patch.object(uuid, "uuid4", lambda: uuid.UUID(bytes=source.randbytes(16), version=4)),
        ):
            yield
    finally:
        random.setstate(state)
