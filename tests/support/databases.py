"""The private PostgreSQL of a session of tests, with migrated databases to copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from lab.postgres import PrivatePostgres


@contextmanager
def private_postgres(factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """A server in the directory that ``bin/test`` names, else in one of pytest's; both end with the context."""
    base = Path(os.environ.get("WAWEL_TEST_POSTGRES") or factory.mktemp("pg"))
    with PrivatePostgres(base, durable=False) as server:
        yield server
        server.close()
        shutil.rmtree(server.base, ignore_errors=True)  # it may lie elsewhere than asked for


def add_template(server: PrivatePostgres, name: str, migrate: Callable[[Engine], object]) -> None:
    """A database with a manager's tables."""
    server.create_database(name)
    engine = create_engine(server.url(name))
    migrate(engine)
    engine.dispose()
