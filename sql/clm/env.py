"""Alembic's environment of a cluster's database; run by ``wawel-clm migrate`` with an open connection."""

from __future__ import annotations

from alembic import context

from clm.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run `wawel-clm migrate`: it hands the connection over.")
context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()
