"""One PostgreSQL with the simulations' template, for all tests here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.postgres import PrivatePostgres
from simulation.database import make_template

pytest.register_assert_rewrite("simulation.scenario")  # what scenarios share asserts as they do


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    base = Path(os.environ.get("WAWEL_TEST_POSTGRES") or tmp_path_factory.mktemp("pg"))
    with PrivatePostgres(base, durable=False) as made:
        make_template(made)
        yield made
        made.close()
        shutil.rmtree(made.base, ignore_errors=True)  # it may lie elsewhere than asked for


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")
