"""
Prepared statements for hot paths: planned once per connection, not at each call, and run on the driver's own cursor.

psycopg2 sends every statement as text, and planning a join of six tables takes longer than running it. SQLAlchemy's
way to the cursor and back took four times as long as psycopg2's; its transactions, errors and listeners are kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.orm import Session

from cm.runtime import round_trip
from cm.runtime.prompt import ROWS_MAX, NotPrompt, PromptSession

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z_0-9]*)")
_names: Final[dict[str, Prepared]] = {}


class Result(list[Any]):
    """
    The rows of a statement: tuples whose columns are attributes too.

    :ivar rowcount: how many rows it gave or changed.
    """

    __slots__ = ("rowcount",)

    def __init__(self, rows: Sequence[Any] | map[Any], rowcount: int) -> None:
        super().__init__(rows)
        self.rowcount = rowcount

    def first(self) -> Any:
        return self[0] if self else None

    def one(self) -> Any:
        """:raises NoResultFound: MultipleResultsFound: there is not one row."""
        if len(self) == 1:
            return self[0]
        raise MultipleResultsFound(f"{len(self)} rows") if self else NoResultFound("no row")

    def all(self) -> list[Any]:
        return self

    def scalar(self) -> Any:
        """The first row's first value; None without a row."""
        return self[0][0] if self else None

    def scalar_one(self) -> Any:
        """The only row's first value. :raises NoResultFound: MultipleResultsFound: as ``one``."""
        return self.one()[0]

    def scalars(self) -> list[Any]:
        """Each row's first value."""
        return [row[0] for row in self]


def _row_class(names: Sequence[str]) -> type:
    """Of the rows of one statement. ``_mapping``: as a dict, as in SQLAlchemy's rows."""
    columns: dict[str, Any] = {name: property(itemgetter(number)) for number, name in enumerate(names)}
    mapping = property(lambda row: dict(zip(names, row, strict=True)))
    return type("Row", (tuple,), {"__slots__": (), **columns, "_mapping": mapping})


class Prepared:
    """
    One statement with ``:name`` parameters. PostgreSQL infers their types; ``CAST(:x AS bigint)`` where it cannot.

    :param name: unique in the program.
    :raises ValueError: another one has that name, be it the same statement: then one of the two is a copy.
    """

    def __init__(self, name: str, statement: str) -> None:
        if _names.setdefault(name, self) is not self:
            raise ValueError(f"two statements have the name {name}")
        self.name = name
        self.parameters: list[str] = []
        self._prepare = f"PREPARE {name} AS {_PARAMETER.sub(self._number, statement)}"
        places = ", ".join(["%s"] * len(self.parameters))
        self._execute = f"EXECUTE {name} ({places})" if places else f"EXECUTE {name}"
        self._row: type | None = None

    def _number(self, found: re.Match[str]) -> str:
        if found[1] not in self.parameters:
            self.parameters.append(found[1])
        return f"${self.parameters.index(found[1]) + 1}"

    def __call__(self, session: Session, **values: Any) -> Result:
        """
        Run it in the session's transaction.

        :raises DBAPIError: as ``session.execute`` does.
        """
        cursor = self._cursor(session, values)
        description = cursor.description
        if description is None:
            result = Result((), cursor.rowcount)
        else:
            if self._row is None:
                self._row = _row_class([column[0] for column in description])
            result = Result(map(self._row, cursor.fetchall()), cursor.rowcount)
        cursor.close()
        return result

    def column(self, session: Session, **values: Any) -> list[Any]:
        """Each row's first value, for statements that give very many: no row is made of them."""
        cursor = self._cursor(session, values)
        found = [row[0] for row in cursor.fetchall()]
        cursor.close()
        return found

    def post(self, session: Session, **values: Any) -> None:
        """
        Have it run with the transaction's next statement, or its commit, in the same round trip: where it gives nothing
        that is looked at, and what may be wrong with it was looked at before. Its errors are that statement's.
        """
        connection = session.connection()
        dbapi = connection.connection.dbapi_connection
        if not isinstance(dbapi, round_trip.Connection):
            self._cursor(session, values).close()
            return
        self._know(connection)
        statement, given = _told(connection, None, self._execute, self._places(values))
        dbapi.post(statement, given)

    def _cursor(self, session: Session, values: dict[str, Any]) -> Any:
        """
        Where the statement has been executed.

        :raises NotPrompt: the session is a prompt one, and this many rows would take the reactor's time.
        """
        if isinstance(session, PromptSession):
            if values.get("limit", 0) > ROWS_MAX:
                raise NotPrompt("a large page")
            return session.run(self.name, self._prepare, self._execute, self._places(values))
        connection = session.connection()
        self._know(connection)
        return _run(connection, self._execute, self._places(values))

    def _know(self, connection: Connection) -> None:
        """Prepare it where this connection does not know it yet."""
        known = connection.info.setdefault("prepared", set())
        if self.name not in known:
            _run(connection, self._prepare, None).close()
            known.add(self.name)

    def _places(self, values: dict[str, Any]) -> tuple[Any, ...]:
        return tuple([values[name] for name in self.parameters])


def _told(connection: Connection, cursor: Any, statement: str, values: tuple[Any, ...] | None) -> tuple[str, Any]:
    """Who listens to an engine's statements hears of this one, too, and may change it."""
    for listener in connection.dispatch.before_cursor_execute:
        statement, values = listener(connection, cursor, statement, values, None, False)
    return statement, values


def _run(connection: Connection, statement: str, values: tuple[Any, ...] | None) -> Any:
    """A cursor on which a statement was executed."""
    dbapi = connection.connection
    cursor = dbapi.cursor()
    try:
        statement, values = _told(connection, cursor, statement, values)
        cursor.execute(statement, values)
    except psycopg2.Error as error:
        lost = connection.dialect.is_disconnect(error, dbapi.dbapi_connection, cursor)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement, values, error, psycopg2.Error, connection_invalidated=lost, dialect=connection.dialect
        ) from error
    return cursor
