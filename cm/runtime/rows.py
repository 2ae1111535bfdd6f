"""
Single rows written in SQLAlchemy Core on the models' tables, whose columns the type checker knows: for what is changed
by hand. Hot statements are ``Prepared``; joins, claims and common tables are texts, and whether one of these gave a row
is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, func, insert, text, update
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session

Columns = Sequence[InstrumentedAttribute[Any]]


def table_of(model: type[DeclarativeBase]) -> Table:
    return cast(Table, model.__table__)


def insert_row(session: Session, model: type[DeclarativeBase], columns: Columns, values: Mapping[str, Any]) -> int:
    """
    A new row.

    :param values: one for each of ``columns``, by their names; others are not looked at.
    :return: its id.
    """
    table = table_of(model)
    given = {column.key: values[column.key] for column in columns}
    return int(session.execute(insert(table).values(given).returning(table.c.id)).scalar_one())


def edit_row(
    session: Session,
    model: type[DeclarativeBase],
    row_id: int,
    columns: Columns,
    values: Mapping[str, Any],
    *,
    counted: bool = True,
) -> None:
    """
    Write those of ``columns`` for which there is a value that is not None; the others stay as they are.

    :param values: by the columns' names; others are not looked at.
    :param counted: the row is at its next version then.
    """
    table = table_of(model)
    given: dict[str, Any] = {c.key: values[c.key] for c in columns if values.get(c.key) is not None}
    if counted:
        given["version"] = table.c.version + 1
    if given:  # an update of nothing would be one of everything
        session.execute(update(table).where(table.c.id == row_id).values(given))


def close_row(session: Session, model: type[DeclarativeBase], row_id: int) -> None:
    """Note that an object is no more; its row stays, for what refers to it."""
    table = table_of(model)
    session.execute(
        update(table).where(table.c.id == row_id).values(deleted_at=func.clock_timestamp(), version=table.c.version + 1)
    )


def has_row(session: Session, statement: str, values: Mapping[str, Any]) -> bool:
    """Whether a statement gives a row: what was asked for is there, or what was to be written was (``RETURNING``)."""
    return session.execute(text(statement), values).first() is not None
