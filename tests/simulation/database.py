"""
A PostgreSQL whose clock and uuids are the simulation's: the functions that statements call for them are looked up first
in a schema of ours, and take the time from a setting that goes along with each statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from sqlalchemy import Engine, create_engine, event, text

from clm.daemon.migrate import migrate as migrate_clm
from cm.daemon.migrate import migrate as migrate_cm


class IServer(Protocol):
    """As much of a server as simulations use."""

    def url(self, name: str) -> str: ...

    def create_database(self, name: str, template: str = ...) -> Any: ...

    def drop_database(self, name: str) -> None: ...


TEMPLATES: Final = {"cm": "sim_template", "clm": "sim_clm_template"}
MIGRATE: Final = {"cm": migrate_cm, "clm": migrate_clm}
PATH = "sim, pg_catalog, public"
_TIMEOUT: Final = re.compile(r"statement_timeout=\d+")
FUNCTIONS = """
CREATE SCHEMA sim;
CREATE SEQUENCE sim.drawn;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT current_setting('sim.now')::timestamptz $$;
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('sim.now')::timestamptz $$;
CREATE FUNCTION sim.gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE
    AS $$ SELECT md5(nextval('sim.drawn')::text)::uuid $$;
"""
# What another simulation's transactions on the same server would move: where a feed begins decides how often it reads
# before it has caught up. No two transactions of a simulation are open at once, so all rows that there are can be read.
SNAPSHOTS = "".join(
    f"CREATE FUNCTION sim.pg_snapshot_{end}(pg_snapshot) RETURNS xid8 LANGUAGE sql STABLE"
    " AS $$ SELECT (coalesce(max(xid), 0) + 1)::text::xid8 FROM change $$;"
    for end in ("xmin", "xmax")
)


def make_template(server: IServer) -> None:
    """One for each of the two managers, on a server that cleans up nothing by itself."""
    engine = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET autovacuum = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    for manager, name in TEMPLATES.items():
        server.create_database(name)
        bare = create_engine(server.url(name))
        with bare.begin() as connection:
            connection.execute(text(FUNCTIONS))
            _settings(connection, name)
        bare.dispose()
        engine = create_engine(server.url(name))
        MIGRATE[manager](engine)
        with engine.begin() as connection:
            connection.execute(text(SNAPSHOTS))
            _leave_alone(connection)
        engine.dispose()


def _leave_alone(connection: Any) -> None:
    """
    What the server does by itself when it comes to it, which changes plans and so the order of rows, is left out.
    """
    for schema, table in connection.execute(
        text("SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
    ).all():
        connection.execute(text(f'ALTER TABLE "{schema}"."{table}" SET (autovacuum_enabled = false)'))


def make_database(server: IServer, name: str, manager: str = "cm") -> str:
    """A migrated database; its URL."""
    server.drop_database(name)
    server.create_database(name, template=TEMPLATES[manager])
    engine = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        _settings(connection, name)  # they are not copied with a database
    engine.dispose()
    return server.url(name)


def _settings(connection: Any, name: str) -> None:
    connection.execute(text(f"ALTER DATABASE {name} SET search_path = {PATH}"))
    connection.execute(text(f"ALTER DATABASE {name} SET sim.now = '2026-01-01 00:00:00+00'"))


def keep_time(engine: Engine, now: Callable[[], float]) -> None:
    """
    Have each statement of an engine run at the simulated time ``now`` (unix seconds), for as long as it takes: that a
    machine is busy with other things is none of what is simulated.
    """

    @event.listens_for(engine, "do_connect")
    def _(dialect: Any, record: Any, given: Any, parameters: dict[str, Any]) -> None:
        parameters["connect_timeout"] = 0
        parameters["options"] = _TIMEOUT.sub("statement_timeout=0", parameters.get("options", ""))

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def _(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> Any:
        at = now()
        info = connection.info
        if info.get("sim_now") != at:
            info["sim_now"] = at
            statement = f"SET sim.now = '{datetime.fromtimestamp(at, UTC).isoformat()}'; {statement}"
        return statement, parameters

    @event.listens_for(engine, "rollback")
    def _(connection: Any) -> None:
        if not connection.invalidated:
            connection.info.pop("sim_now", None)  # the setting is what it was before


def look_into(url: str, now: Callable[[], float], **more: Any) -> Engine:
    """A connection of the simulation's own, beside those of its managers."""
    made = create_engine(url, pool_size=1, **more)
    keep_time(made, now)
    return made


class Glances:
    """
    Statements by themselves: nobody else is at the database just then, and a transaction around each would be three
    round trips in place of one. On a connection of their own, for to change between the two ways is a round trip, too.
    """

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self._engine = look_into(url, now, isolation_level="AUTOCOMMIT")

    def rows(self, statement: str, values: Mapping[str, Any]) -> Any:
        """What a statement gives; None where it is none that gives rows."""
        with self._engine.connect() as connection:
            found = connection.execute(text(statement), values)
            return found.all() if found.returns_rows else None

    def close(self) -> None:
        self._engine.dispose()


class Server:
    """A running PostgreSQL, for processes that did not start it."""

    def __init__(self, url: str) -> None:
        """:param url: of its database ``postgres``."""
        self._url = url
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)

    def url(self, name: str) -> str:
        return self._url.replace("/postgres?", f"/{name}?")

    def create_database(self, name: str, template: str = "template1") -> None:
        with self._engine.connect() as connection:
            # Its files are copied, as PrivatePostgres has it: through the log a copy costs five times the CPU.
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{self._by_files()}'))

    def _by_files(self) -> str:
        version = self._engine.dialect.server_version_info
        return " STRATEGY file_copy" if version is not None and version >= (15,) else ""

    def drop_database(self, name: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))

    def close(self) -> None:
        self._engine.dispose()
