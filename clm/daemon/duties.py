"""
Which of a cloud's processes does what only one should do at a time: advisory locks, held on a connection of their own.

What is done under a lock must bear that two do it for a moment: a connection may die unnoticed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import psycopg2
from sqlalchemy.engine import make_url
from twisted.logger import Logger

log = Logger()
LOCK_CLASS: Final = 0x57434C  # first key of the locks; the second is what is to be done
CARE: Final = 0  # of the whole: deleting old rows; others are ids of clusters


class Locks:
    """Blocking; for one thread at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._held: set[int] = set()

    def hold(self, wanted: Collection[int]) -> frozenset[int]:
        """
        Take what is free of these, and release others.

        :return: what is held now; nothing while the database is away.
        """
        try:
            if self._connection is None:
                self._connection = self._connect()
            with self._connection.cursor() as cursor:
                for duty in sorted(self._held.difference(wanted)):
                    cursor.execute("SELECT pg_advisory_unlock(%s, %s)", (LOCK_CLASS, duty))
                    self._held.discard(duty)
                for duty in sorted(set(wanted).difference(self._held)):
                    cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", (LOCK_CLASS, duty))
                    if cursor.fetchone()[0]:
                        self._held.add(duty)
                cursor.execute("SELECT 1")  # a dead connection shows itself, and its locks are gone
        except psycopg2.Error as error:
            log.warn("duties are given up, the database is away: {error}", error=str(error).strip())
            self.close()
        return frozenset(self._held)

    def _connect(self) -> Any:
        url = make_url(self._url).set(drivername="postgresql")
        made = psycopg2.connect(
            url.render_as_string(hide_password=False),
            connect_timeout=5,
            application_name="wawel duties",
            options="-c statement_timeout=5000",
        )
        made.autocommit = True
        return made

    def close(self) -> None:
        """Release everything."""
        self._held.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock_all()")  # at once: the server would, a moment later
                connection.close()
            except psycopg2.Error:
                pass  # it was dead
