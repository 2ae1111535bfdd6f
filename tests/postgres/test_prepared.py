"""Prepared statements on a real database."""

from __future__ import annotations

import pytest
from psycopg2 import NotSupportedError
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from cm.rpc.errors import DatabaseUnavailable
from cm.runtime.database import CommitUnknown, Database
from cm.runtime.prepared import Prepared

_ADD = Prepared("test_add", "INSERT INTO template (name, cpu, memory_mib) VALUES (:name, :cpu, 1) RETURNING id, name")
_ALL = Prepared("test_all", "SELECT id, name AS _name, cpu FROM template ORDER BY id")
_CUT = Prepared("test_cut", "SELECT pg_terminate_backend(pg_backend_pid())")


def test_as_sqlalchemy(database: Database) -> None:
    """Rows, counts and errors are those that the same statement has by SQLAlchemy, in the session's transaction."""

    def go(session: Session) -> None:
        assert _ADD(session, name="100%", cpu=1).one().name == "100%"
        [row] = _ALL(session)
        same = session.execute(text("SELECT id, name AS _name, cpu FROM template")).one()
        assert _ALL.column(session) == _ALL(session).scalars() == [row.id]
        assert row == tuple(same) and row._mapping == dict(same._mapping) and row._name == same._name
        assert _ADD(session, name="b", cpu=2).rowcount == 1
        with pytest.raises(IntegrityError) as refused, session.begin_nested():
            _ADD(session, name=None, cpu=1)
        assert refused.value.orig is not None and not refused.value.connection_invalidated
        assert len(_ALL(session)) == 2
        raise KeyError

    with pytest.raises(KeyError):
        database.transact_now(go)
    assert database.read_now(_ALL) == []  # it went with the transaction; the statement stays prepared


def test_lost_connection(database: Database) -> None:
    """A connection that ends is known for it: a transaction is tried again on others, and so is a read."""
    tries: list[int] = []

    def once(session: Session) -> int:
        tries.append(1)
        if len(tries) == 1:
            _CUT(session)
        return len(_ALL(session))

    assert database.transact_now(once) == 0 and len(tries) == 2
    tries.clear()
    assert database.read_now(once) == 0 and len(tries) == 2
    with pytest.raises(DatabaseUnavailable):
        database.transact_now(_CUT)


def test_listeners(database: Database) -> None:
    """Who listens to an engine's statements hears of them, may change them, and may refuse them."""
    heard: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute", retval=True)
    def _(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> object:
        heard.append(statement.partition(" (")[0])
        return statement.replace("EXECUTE test_all", "SELECT 7"), parameters

    assert database.transact_now(lambda session: _ALL(session).scalar()) == 7
    assert heard == [heard[0], "EXECUTE test_all"] and heard[0].startswith("PREPARE test_all AS")

    @event.listens_for(database.engine, "before_cursor_execute")
    def _(*_: object) -> None:
        raise DBAPIError("", None, Exception("no"))

    with pytest.raises(DBAPIError, match="no"):
        database.transact_now(_ALL)


def test_round_trips(database: Database) -> None:
    """
    A transaction begins with its first statement; what is posted goes with the next one or the commit, in order; and
    nothing of it is left by a rollback.
    """
    sent: list[str] = []

    def sent_so_far(session: Session) -> str:
        asked = text("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        return str(session.execute(asked).scalar_one())

    def go(session: Session) -> list[str]:
        _ADD.post(session, name="%s; 'a'", cpu=1)
        found = [row._name for row in _ALL(session)]
        with session.begin_nested() as inner:
            _ADD.post(session, name="b", cpu=1)
            inner.rollback()
        _ADD.post(session, name="c", cpu=1)
        sent.append(sent_so_far(session))
        _ADD.post(session, name="d", cpu=1)
        return found

    assert database.transact_now(go) == ["%s; 'a'"]
    assert sent[0].startswith("EXECUTE test_add ('c', 1); SELECT")
    assert [row._name for row in database.read_now(_ALL)] == ["%s; 'a'", "c", "d"]
    sent.append(database.transact_now(lambda session: (_ALL(session), sent_so_far(session))[1]))
    sent.append(database.transact_now(sent_so_far))
    assert sent[1].startswith("SELECT query") and sent[2].startswith("BEGIN; SELECT query")

    def refused(session: Session) -> None:
        _ADD.post(session, name="e", cpu=1)
        raise KeyError

    with pytest.raises(KeyError):
        database.transact_now(refused)

    def wrong(session: Session, then: bool) -> None:
        _ADD.post(session, name="f", cpu=1)
        _ADD.post(session, name=None, cpu=1)
        if then:
            _ALL(session)
            raise AssertionError("it was told of nothing")

    for then in (True, False):
        with pytest.raises(IntegrityError):
            database.transact_now(wrong, then)
    assert len(database.read_now(_ALL)) == 3
    database.transact_now(lambda session: session.execute(text("DELETE FROM template")))


def test_lost_with_posts(database: Database) -> None:
    """A connection that is lost with the commit that carries a write: whether it happened is not known."""

    def go(session: Session) -> None:
        _ALL(session)
        _ADD.post(session, name="g", cpu=1)
        _CUT.post(session)

    with pytest.raises(CommitUnknown):
        database.transact_now(go)
    assert database.read_now(_ALL) == []


def test_without_transaction(database: Database) -> None:
    """What is run without a transaction is in none, be its connection one that begins them by itself."""
    with database.engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone.execute(text("VACUUM template"))
        alone.execute(text("INSERT INTO template (name, cpu, memory_mib) VALUES ('a', 1, 1)"))
        alone.rollback()
    assert len(database.transact_now(_ALL)) == 1
    with database.engine.connect() as connection:
        connection.execute(text("DELETE FROM template"))
        connection.rollback()
    with pytest.raises(NotSupportedError), database.engine.connect() as connection:
        connection.execution_options(isolation_level="SERIALIZABLE")
    assert len(database.transact_now(_ALL)) == 1
    database.transact_now(lambda session: session.execute(text("DELETE FROM template")))
