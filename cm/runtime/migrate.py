"""Bringing a database to the schema of this version, under a lock, so that several starting processes are no matter."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from cm.runtime.database import Database
from cm.runtime.parts import Parts
from cm.runtime.settings import SettingsError
from cm.runtime.threads import IThreads

LOCK = 0x57415745  # advisory lock of whoever migrates


def config(versions: ModuleType, connection: Connection | None = None) -> Config:
    made = Config()
    assert versions.__file__ is not None
    made.set_main_option("script_location", str(Path(versions.__file__).parent))
    made.attributes["connection"] = connection
    return made


def migrate(engine: Engine, versions: ModuleType) -> tuple[str | None, str | None]:
    """
    Apply what is missing.

    :param versions: the package with Alembic's environment and versions: ``sql.cm`` or ``sql.clm``.
    :return: the revision before and after.
    """
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        connection.commit()
        try:
            before = MigrationContext.configure(connection).get_current_revision()
            connection.rollback()
            command.upgrade(config(versions, connection), "head")
            connection.commit()
            after = MigrationContext.configure(connection).get_current_revision()
            connection.rollback()
            return before, after
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})
            connection.commit()


def pending(engine: Engine, versions: ModuleType) -> bool:
    """Whether the database is not at this version's schema."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current != _head(versions)


@cache
def _head(versions: ModuleType) -> str | None:
    """The last revision, for which all of them are loaded."""
    return ScriptDirectory.from_config(config(versions)).get_current_head()


def parts_on(database: Database, threads: IThreads, versions: ModuleType, program: str) -> Parts:
    """
    The parts that a program on a database begins with: it does not start on a schema of another version.

    :param program: whose command ``migrate`` an operator is told to call then.
    """

    async def check() -> None:
        if await threads.run("database", pending, database.engine, versions):
            raise SettingsError([f"the database is not at this version's schema: run {program} migrate"])

    parts = Parts()
    parts.add("database", stop=database.close)
    parts.add("threads", stop=threads.stop)
    parts.add("schema", check)
    return parts
