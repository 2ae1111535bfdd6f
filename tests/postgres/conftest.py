"""A private PostgreSQL for the session; each test gets a database copied from a migrated template."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from cm.daemon.migrate import migrate
from cm.runtime.database import Database
from cm.runtime.threads import InlineThreads
from lab.postgres import PrivatePostgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    base = Path(os.environ.get("WAWEL_TEST_POSTGRES") or tmp_path_factory.mktemp("pg"))
    with PrivatePostgres(base, durable=False) as server:
        server.create_database("wawel_template")
        engine = create_engine(server.url("wawel_template"))
        migrate(engine)
        engine.dispose()
        yield server
        server.close()
        shutil.rmtree(server.base, ignore_errors=True)  # it may lie elsewhere than asked for


@pytest.fixture
def database_url(postgres: PrivatePostgres) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, migrated database."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, template="wawel_template")
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database with threads that run inline: ``transact_now`` and ``read_now`` are all a test needs."""
    made = Database(database_url, InlineThreads())
    yield made
    made.close()
