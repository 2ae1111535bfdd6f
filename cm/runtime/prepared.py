"""
Prepared statements for hot paths: planned once per connection, not at each call.

psycopg2 sends every statement as text, and planning a join of six tables takes longer than running it.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class Prepared:
    """
    One statement with ``:name`` parameters. PostgreSQL infers their types; ``CAST(:x AS bigint)`` where it cannot.

    :param name: unique in the program.
    """

    def __init__(self, name: str, statement: str) -> None:
        self.name = name
        self.parameters: list[str] = []
        self._prepare = f"PREPARE {name} AS {_PARAMETER.sub(self._number, statement)}"
        places = ", ".join(["%s"] * len(self.parameters))
        self._execute = f"EXECUTE {name} ({places})" if places else f"EXECUTE {name}"

    def _number(self, found: re.Match[str]) -> str:
        if found[1] not in self.parameters:
            self.parameters.append(found[1])
        return f"${self.parameters.index(found[1]) + 1}"

    def __call__(self, session: Session, **values: Any) -> CursorResult[Any]:
        """Run it in the session's transaction."""
        connection = session.connection()
        known = connection.info.setdefault("prepared", set())
        if self.name not in known:
            connection.exec_driver_sql(self._prepare.replace("%", "%%"))
            known.add(self.name)
        return connection.exec_driver_sql(self._execute, tuple(values[name] for name in self.parameters))


