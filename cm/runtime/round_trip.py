"""
Fewer round trips to PostgreSQL: a connection of psycopg2's whose transactions begin with their first statement, and on
which statements that nobody waits for go along with the next one, or with the commit.

psycopg2 sends ``BEGIN`` by itself and waits for its answer. Each answer that is waited for costs a small transaction as
much as its statement does, and among busy threads more: its thread has to get the interpreter back.
"""

from __future__ import annotations

from typing import Any

from psycopg2 import NotSupportedError
from psycopg2.extensions import (
    ISOLATION_LEVEL_AUTOCOMMIT,
    ISOLATION_LEVEL_READ_COMMITTED,
    TRANSACTION_STATUS_IDLE,
    connection,
    cursor,
)


class Cursor(cursor):
    """What was posted on its connection goes before each of its statements."""

    def execute(self, query: Any, vars: Any = None) -> None:
        before = self.connection.before()
        if before is None:
            super().execute(query, vars)
        else:
            super().execute(before + self.mogrify(query, vars))

    def executemany(self, query: Any, vars_list: Any) -> None:
        before = self.connection.before()
        if before is not None:
            super().execute(before)
        super().executemany(query, vars_list)


class Connection(connection):
    """Transactional, as the one that it is made from; to libpq it commits each statement by itself."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cursor_factory = Cursor
        self.autocommit = True
        self._posted: list[bytes] = []
        self._begins = True

    def set_isolation_level(self, level: int | str | None) -> None:
        """
        Whether statements are in transactions, which SQLAlchemy calls an isolation level.

        :raises NotSupportedError: it is any but these two.
        """
        if level not in (ISOLATION_LEVEL_AUTOCOMMIT, ISOLATION_LEVEL_READ_COMMITTED):
            raise NotSupportedError(f"isolation level {level}")
        self._begins = level == ISOLATION_LEVEL_READ_COMMITTED

    def post(self, query: str, values: Any) -> None:
        """
        Have a statement run right before the next one, or the commit, in whose errors its own are. A rollback before
        that leaves nothing of it.
        """
        with self.cursor() as writer:
            self._posted.append(writer.mogrify(query, values))

    def before(self) -> bytes | None:
        """What has to go before a statement now: it is taken as sent."""
        begins = self._begins and self.get_transaction_status() == TRANSACTION_STATUS_IDLE
        if not begins and not self._posted:
            return None
        parts = [b"BEGIN", *self._posted] if begins else self._posted
        self._posted = []
        return b"; ".join([*parts, b""])

    def commit(self) -> None:
        if self._posted or self.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            self._end("COMMIT")

    def rollback(self) -> None:
        self._posted = []
        if self.closed or self.get_transaction_status() != TRANSACTION_STATUS_IDLE:
            self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        with self.cursor() as writer:
            writer.execute(how)
