"""A private PostgreSQL with a cluster manager's tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cm.daemon.migrate import migrate
from lab.postgres import PrivatePostgres
from support.databases import add_template, private_postgres


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    with private_postgres(tmp_path_factory) as server:
        add_template(server, "wawel_template", migrate)
        yield server
