"""A connection to the database that is nobody's but the test's."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy.engine import make_url


def connect_beside(url: str) -> Any:
    """
    psycopg2's own connection, whose statements are committed one by one.

    :param url: as SQLAlchemy takes it.
    """
    connection = psycopg2.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    connection.autocommit = True
    return connection


@contextmanager
def listening(url: str) -> Iterator[Callable[[str | None], list[str]]]:
    """
    What is notified: a function that gives the payloads since it was last asked. With one that is expected it waits
    for that one; with None, for what may be on its way.
    """
    connection = connect_beside(url)
    connection.cursor().execute("LISTEN wawel")

    def take(expected: str | None = None) -> list[str]:
        payloads: list[str] = []
        until = time.monotonic() + (0.2 if expected is None else 10)
        while expected not in payloads and (left := until - time.monotonic()) > 0:
            select.select([connection], [], [], left)
            connection.poll()
            payloads += [each.payload for each in connection.notifies]
            connection.notifies.clear()
        return payloads

    try:
        yield take
    finally:
        connection.close()
