"""Single rows as SQLAlchemy Core writes them."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.models import Template
from cm.runtime.database import Database
from cm.runtime.rows import close_row, edit_row, has_row, insert_row

COLUMNS = (Template.name, Template.cpu, Template.memory_mib)


def test_rows(database: Database) -> None:
    """What is None or not named stays, other values are not looked at; an edit of nothing is none, of no row at all."""

    def go(session: Session) -> None:
        first, second = (
            insert_row(session, Template, COLUMNS, {"name": name, "cpu": 1, "memory_mib": 2, "points": 3})
            for name in ("a", "b")
        )
        edit_row(session, Template, first, COLUMNS, {"name": None, "cpu": 4, "points": 5})
        edit_row(session, Template, first, (Template.name,), {"name": "c"}, counted=False)
        edit_row(session, Template, first, COLUMNS, {"name": None}, counted=False)
        close_row(session, Template, second)
        found = session.execute(
            text("SELECT name, cpu, memory_mib, points, version, deleted_at IS NULL AS live FROM template ORDER BY id")
        )
        assert [tuple(row) for row in found] == [("c", 4, 2, 0, 1, True), ("b", 1, 2, 0, 1, False)]
        rename = "UPDATE template SET name = :new WHERE name = :old RETURNING id"
        assert has_row(session, rename, {"old": "b", "new": "e"})
        assert not has_row(session, rename, {"old": "b", "new": "f"})
        with pytest.raises(KeyError):
            insert_row(session, Template, COLUMNS, {"name": "d", "cpu": 1})
        raise KeyError

    with pytest.raises(KeyError):
        database.transact_now(go)
