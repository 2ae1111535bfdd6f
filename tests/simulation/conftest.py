"""One PostgreSQL with the simulations' template, for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.postgres import PrivatePostgres
from simulation.database import make_template
from support.databases import BorrowedPostgres, private_postgres

pytest.register_assert_rewrite("simulation.scenario")  # what scenarios share asserts as they do


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    with private_postgres(tmp_path_factory) as made:
        if not isinstance(made, BorrowedPostgres):
            make_template(made)
        yield made


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")
