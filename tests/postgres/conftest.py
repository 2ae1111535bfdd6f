"""A private PostgreSQL for the session; each test gets a database copied from a migrated template."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from clm.daemon.migrate import migrate as migrate_cloud
from cm.daemon.migrate import migrate
from cm.runtime.database import Database
from cm.runtime.threads import InlineThreads
from lab.postgres import PrivatePostgres
from support.clm import CloudBench
from support.databases import add_template, private_postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    with private_postgres(tmp_path_factory) as server:
        add_template(server, "wawel_template", migrate)
        add_template(server, "wawel_clm_template", migrate_cloud)
        yield server


@pytest.fixture
def database_url(postgres: PrivatePostgres) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, migrated database."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name, template="wawel_template")
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def clm_url(postgres: PrivatePostgres) -> Iterator[str]:
    """The SQLAlchemy URL of a fresh, migrated database of a cloud manager."""
    name = f"clm_{next(_numbers)}"
    postgres.create_database(name, template="wawel_clm_template")
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def bench(clm_url: str, tmp_path: Path) -> Iterator[CloudBench]:
    """A cloud manager in this process, with users admin, ann and bob."""
    made = CloudBench(clm_url, tmp_path / "clm")
    yield made
    made.stop()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database with threads that run inline: ``transact_now`` and ``read_now`` are all a test needs."""
    made = Database(database_url, InlineThreads())
    yield made
    made.close()
