"""
PostgreSQL: transactions on database threads, repeated after a serialization failure or deadlock, and notifications.

A function whose first parameter is ``session`` holds SQL and rules alone and returns plain records. Effects come after
commit: what it appends to ``session.info["after_commit"]`` is called on the reactor once the commit has succeeded.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from psycopg2 import errorcodes
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger

from cm.rpc.errors import CloudError, DatabaseUnavailable
from cm.runtime.prepared import Prepared
from cm.runtime.prompt import NotPrompt, PromptReads, open_prompt
from cm.runtime.round_trip import Connection
from cm.runtime.threads import IThreads

log = Logger()
T = TypeVar("T")

CHANNEL = "wawel"  # LISTEN/NOTIFY channel; the payload is "<topic>" or "<topic>:<id>"
RETRIED = {errorcodes.SERIALIZATION_FAILURE, errorcodes.DEADLOCK_DETECTED}
# The server is stopping or starting, or has no connection to spare: nothing was done, and later it may be.
AWAY = {
    errorcodes.ADMIN_SHUTDOWN,
    errorcodes.CRASH_SHUTDOWN,
    errorcodes.CANNOT_CONNECT_NOW,
    errorcodes.TOO_MANY_CONNECTIONS,
}
ATTEMPTS = 6


class CommitUnknown(DatabaseUnavailable):
    """The connection ended during the commit: it may or may not have happened."""

    code = "commit_unknown"
    message = "The database went away while it was committing; look before you repeat the call."


class Faster(Exception):
    """
    Raised in a transaction: what it was decided on is so no more. It is repeated, on what is there then.

    :param error: what the caller is told if others are faster again and again.
    """

    def __init__(self, error: CloudError) -> None:
        super().__init__(error)
        self.error = error


class Database:
    """
    One database for one process.

    :param url: SQLAlchemy URL, ``postgresql+psycopg2://...``; it may hold a password and is never logged.
    :param pool_size: connections kept; as many as there are threads in the pool ``database``. Reads have threads of
        their own, ``reads``, so that they do not queue behind transactions that wait for each other.
    :param deliver: called with what a transaction of ours notified, once it has been committed; see
        ``Listener.deliver``.
    :param reactor: in whose thread ``read_prompt`` may read; without one that watches descriptors it is ``read``.
    """

    def __init__(
        self,
        url: str,
        threads: IThreads,
        *,
        pool_size: int = 8,
        statement_timeout_s: float = 30.0,
        deliver: Callable[[list[str]], None] | None = None,
        reactor: Any = None,
    ) -> None:
        self._threads = threads
        self._deliver = deliver
        # Compiled (jit), a statement over 20,000 live VMs takes a second more than it takes as it is.
        # A prepared statement is planned once a connection, not at its first five calls, each time for its values: that
        # took most of the time of what a process did in its first minutes.
        options = (
            f"-c statement_timeout={int(statement_timeout_s * 1000)} -c timezone=UTC -c jit=off"
            " -c plan_cache_mode=force_generic_plan"
        )
        connect = {"options": options, "connect_timeout": 5, "application_name": "wawel"}
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            pool_use_lifo=True,  # the connection that was used last knows the statements
            max_overflow=2,
            pool_timeout=10,
            connect_args={**connect, "connection_factory": Connection},
        )
        # Reads keep one connection a thread: getting one from a pool, setting its isolation and giving it back took
        # as long as the query of a small read itself.
        self._reading: Engine = create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connect
        )
        self._prompt: PromptReads | None = None
        if IReactorFDSet.providedBy(reactor):  # the simulation's watches no descriptors, and all its reads are steps
            dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
            self._prompt = PromptReads(reactor, threads, partial(open_prompt, dsn, connect))
        self._local = threading.local()
        self._generation = 0  # grows when connections are known to be dead
        self.url = url

    def __repr__(self) -> str:
        return f"<Database {self.engine.url.render_as_string(hide_password=True)}>"

    # -------------------------------------------------------------- on the reactor

    async def transact(self, function: Callable[..., T], *args: Any) -> T:
        """
        Run ``function(session, *args)`` on a database thread in one transaction; commit when it returns.

        :raises DatabaseUnavailable: no connection; nothing was done, a retry may help.
        :raises CommitUnknown: the connection was lost in the commit.
        """
        effects: list[Callable[[], None]] = []
        result: T = await self._threads.run("database", self._transact, function, args, effects)
        for effect in effects:
            effect()
        return result

    async def read(self, function: Callable[..., T], *args: Any) -> T:
        """Run ``function(session, *args)``, which only reads, without a transaction around its statements."""
        return await self._threads.run("reads", self.read_now, function, *args)

    async def read_prompt(self, function: Callable[..., T], *args: Any) -> T:
        """
        ``read`` of what takes well under a millisecond, by prepared statements alone: in the reactor's thread if that
        can be at once, else as ``read``.
        """
        self._threads.note()
        reading = None if self._prompt is None else self._prompt.begin(function, args)
        if reading is not None:
            try:
                result: T = await reading
                return result
            except NotPrompt:
                pass
        return await self.read(function, *args)

    # -------------------------------------------------------------- on a database thread

    def transact_now(self, function: Callable[..., T], *args: Any) -> T:
        """``transact`` for callers that are on a thread already."""
        effects: list[Callable[[], None]] = []
        result = self._transact(function, args, effects)
        for effect in effects:
            effect()
        return result

    def _transact(self, function: Callable[..., T], args: tuple[Any, ...], effects: list[Callable[[], None]]) -> T:
        for attempt in range(ATTEMPTS):
            session = Session(self.engine, autoflush=False, expire_on_commit=False)
            last: list[Callable[[], None]] = []
            session.info["last"] = last
            session.info["first"] = attempt == 0
            committing = False
            try:
                result = function(session, *args)
                for each in last:
                    each()
                session.flush()
                committing = True
                session.commit()
                if self._deliver is not None and session.info.get("notified"):
                    effects.append(partial(self._deliver, list(session.info["notified"])))
                effects.extend(session.info.get("after_commit", ()))
                return result
            except DBAPIError as error:
                session.rollback() if not error.connection_invalidated else session.invalidate()
                final = attempt == ATTEMPTS - 1
                if _code(error) in session.info.get("late", ()):
                    continue
                if _code(error) in RETRIED and not final:
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))
                elif is_away(error):
                    if committing and error.connection_invalidated:
                        raise CommitUnknown() from error
                    # A connection of the pool that died unnoticed; a fresh one may work.
                    if final or attempt >= 2:
                        raise DatabaseUnavailable() from error
                    self.engine.dispose()
                else:
                    raise
            except Faster as faster:
                session.rollback()
                if attempt == ATTEMPTS - 1:
                    raise faster.error from None
            except BaseException:
                session.rollback()
                raise
            finally:
                session.close()
        raise AssertionError("unreachable")

    def read_now(self, function: Callable[..., T], *args: Any) -> T:
        """``read`` for callers that are on a thread already."""
        for attempt in range(3):
            session = self._reader()
            try:
                return function(session, *args)
            except DBAPIError as error:
                self._drop_reader()
                if not is_away(error):
                    raise
                if attempt == 2:
                    raise DatabaseUnavailable() from error
                self._generation += 1
            except BaseException:
                session.expunge_all()
                raise
        raise AssertionError("unreachable")

    def _reader(self) -> Session:
        """This thread's session for reading, on a connection that commits each statement by itself."""
        local = self._local
        if getattr(local, "session", None) is None or local.generation != self._generation:
            self._drop_reader()
            local.generation = self._generation
            local.session = Session(self._reading, autoflush=False)
        session: Session = local.session
        return session

    def _drop_reader(self) -> None:
        session = getattr(self._local, "session", None)
        self._local.session = None
        if session is not None:
            try:
                session.invalidate()
            except DBAPIError:
                pass  # it was dead

    def close(self) -> None:
        if self._prompt is not None:
            self._prompt.close()
        self._generation += 1
        self._drop_reader()
        self.engine.dispose()
        self._reading.dispose()


def _code(error: DBAPIError) -> str | None:
    return getattr(error.orig, "pgcode", None)


def is_away(error: DBAPIError) -> bool:
    """Whether the database cannot be talked to now, as against a statement that it refused."""
    if error.connection_invalidated or _code(error) in AWAY:
        return True
    return isinstance(error, (OperationalError, InterfaceError)) and _code(error) is None


def at_last(session: Session, function: Callable[..., None], *args: Any) -> None:
    """
    Have ``function(session, *args)`` be the last thing that this transaction does before its commit: for rows that
    everybody needs. In a savepoint, which may be rolled back by itself, it is done at once.
    """
    last = session.info.get("last")
    if last is None or session.in_nested_transaction():
        function(session, *args)
    else:
        last.append(partial(function, session, *args))


def may_fail_late(session: Session, code: str) -> bool:
    """
    Whether what is posted now may fail, to have the transaction repeated: that it does not fit is then seen by nobody
    before the commit. Of a transaction that is repeated already it may not: it has to tell what is wrong.

    :param code: the SQLSTATE that it fails with, and nothing else of this transaction does.
    """
    if not session.info.get("first") or session.in_nested_transaction():
        return False
    session.info.setdefault("late", set()).add(code)
    return True


def after_commit(session: Session, effect: Callable[[], None]) -> None:
    """Have ``effect`` called on the reactor once this transaction has been committed."""
    session.info.setdefault("after_commit", []).append(effect)


_NOTIFY = Prepared("notify", "SELECT pg_notify(:channel, :payload)")


def notify(session: Session, topic: str, subject: int | None = None) -> None:
    """Tell every process on this database, at commit, that ``topic`` has news. Equal ones in a transaction are one."""
    payload = topic if subject is None else f"{topic}:{subject}"
    note_notified(session, payload)
    _NOTIFY.post(session, channel=CHANNEL, payload=payload)


def note_notified(session: Session, payload: str) -> None:
    """Say that a statement of this transaction notifies ``payload`` by itself."""
    session.info.setdefault("notified", {})[payload] = True


def data_directory(session: Session) -> Path | None:
    """PostgreSQL's, if it tells us (it does superusers) and is on this machine; else None."""
    found = session.execute(
        text(
            "SELECT setting, inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8' OR"
            " inet_server_addr() = '::1' AS here FROM pg_settings WHERE name = 'data_directory'"
        )
    ).first()
    return Path(found.setting) if found is not None and found.setting and found.here else None
