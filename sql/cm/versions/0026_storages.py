"""Storages have a default, priorities and a reserve, are drained, and remember what was seen of their room"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

LIMIT = (
    "greatest(floor(least(least(capacity_bytes, coalesce(allocated_bytes + available_bytes, capacity_bytes))"
    " * overcommit, 9e18))::bigint - reserve_bytes, 0)"
)
_EMPTY = {"server_default": sa.text("''"), "nullable": False}
_NO = {"server_default": sa.text("false"), "nullable": False}
_ZERO = {"server_default": sa.text("0"), "nullable": False}
def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("devices", sa.Text(), **_EMPTY),
        sa.Column("nfs_version", sa.Text(), **_EMPTY),
        sa.Column("mount_options", sa.Text(), **_EMPTY),
        sa.Column("draining", sa.Boolean(), **_NO),
        sa.Column("offered", sa.Boolean(), **_NO),
        sa.Column("is_default", sa.Boolean(), **_NO),
        sa.Column("priority", sa.SmallInteger(), **_ZERO),
        sa.Column("capacity_follows", sa.Boolean(), **_NO),
        sa.Column("reserve_bytes", sa.BigInteger(), **_ZERO),
        sa.Column("allocated_bytes", sa.BigInteger(), nullable=True),
        sa.Column("available_bytes", sa.BigInteger(), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("full_since", sa.DateTime(timezone=True), nullable=True),
    ]


def upgrade() -> None:
    for column in _columns():
        op.add_column("storage", column)
    op.add_column("storage", sa.Column("limit_bytes", sa.BigInteger(), sa.Computed(LIMIT, persisted=True)))
    op.alter_column("storage", "limit_bytes", nullable=False)
    op.create_check_constraint(op.f("ck_storage_reserve"), "storage", "reserve_bytes >= 0")
    op.create_index(
        "uq_storage_default",
        "storage",
        [sa.text("(true)")],
        unique=True,
        postgresql_where=sa.text("is_default AND deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_storage_default", table_name="storage")
    op.drop_column("storage", "limit_bytes")
    op.drop_constraint(op.f("ck_storage_reserve"), "storage")
    for column in reversed(_columns()):
        op.drop_column("storage", column.name)
