"""The migrations make what the models say, and nothing else."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from cm.daemon.migrate import migrate, pending
from cm.models import Base
from cm.store.prune import prune


def test_models_match(database_url: str) -> None:
    """Autogenerate finds no difference between the migrated database and the models."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_migrate_is_repeatable(database_url: str) -> None:
    """A second run finds nothing to do."""
    engine = create_engine(database_url)
    before, after = migrate(engine)
    assert before == after and not pending(engine)
    engine.dispose()


POOL = "INSERT INTO address_pool (name, network, gateway, bridge) VALUES (:n, :c, '10.0.0.1', :n)"


def test_networks_do_not_overlap(database_url: str) -> None:
    """The database itself refuses address pools that share addresses, equal, wider or narrower."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(POOL), {"n": "a", "c": "10.0.0.0/24"})
    for cidr in ("10.0.0.0/24", "10.0.0.0/16", "10.0.0.128/25"):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(POOL), {"n": "b", "c": cidr})
    with engine.begin() as connection:
        connection.execute(text(POOL), {"n": "b", "c": "10.0.1.0/24"})
    engine.dispose()


def test_prune(database) -> None:
    """Pruning an empty database is possible, and tells what it did."""
    assert set(database.transact_now(prune).values()) == {0}
