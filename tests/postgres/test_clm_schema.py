"""A cloud's schema: the migrations say what the models say."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

import sql.clm
from clm.daemon.migrate import migrate
from clm.models import Base
from cm.rpc.vocabulary import Role
from cm.runtime.migrate import pending
from support.clm import CloudBench


def test_models_match(clm_url: str) -> None:
    """Autogenerate finds no difference between the migrated database and the models."""
    engine = create_engine(clm_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_migrate_is_repeatable(clm_url: str) -> None:
    """A second run changes nothing."""
    engine = create_engine(clm_url)
    before, after = migrate(engine)
    assert before == after and not pending(engine, sql.clm)
    engine.dispose()


def test_start(bench: CloudBench) -> None:
    """A cloud manager starts and knows who administers the cloud."""
    assert bench.identity("admin").may(Role.CLOUD)
    assert bench.identity("ann").may(Role.USER) and not bench.identity("ann").may(Role.CLOUD)
