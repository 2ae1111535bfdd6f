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


class BorrowedPostgres(PrivatePostgres):
    """A server with its templates, which another process keeps for one session after the other (``bin/mutate``)."""

    def start(self) -> PrivatePostgres:
        return self

    def close(self) -> None:
        """It stays."""

    def _end(self, signals: list[int]) -> None:
        pytest.skip("needs a server that this session has started itself, to end it")


@contextmanager
def private_postgres(factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    """
    A server in the directory that ``bin/test`` names, else in one of pytest's; both end with the context. Or the one
    that runs in the directory ``WAWEL_BORROWED_POSTGRES``, which stays.
    """
    if borrowed := os.environ.get("WAWEL_BORROWED_POSTGRES"):
        yield BorrowedPostgres(Path(borrowed), durable=False)
        return
    with server_at(Path(os.environ.get("WAWEL_TEST_POSTGRES") or factory.mktemp("pg"))) as server:
        yield server


@contextmanager
def server_at(base: Path) -> Iterator[PrivatePostgres]:
    """A server in a directory; both end with the context."""
    with PrivatePostgres(base, durable=False) as server:
        yield server
        server.close()
        shutil.rmtree(server.base, ignore_errors=True)  # it may lie elsewhere than asked for


def add_template(server: PrivatePostgres, name: str, migrate: Callable[[Engine], object]) -> None:
    """A database with a manager's tables; a borrowed server has them."""
    if isinstance(server, BorrowedPostgres):
        return
    server.create_database(name)
    engine = create_engine(server.url(name))
    migrate(engine)
    engine.dispose()
