"""What libvirt has on nodes, whoever made it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")
_EMPTY = sa.text("'{}'")


def _node(*, key: bool) -> sa.Column[int]:
    return sa.Column("node_id", sa.BigInteger(), primary_key=key, autoincrement=False, nullable=False)


def _of_node(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f(f"fk_{table}_node_id_node"))


def upgrade() -> None:
    op.create_table(
        "managed_object",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        _node(key=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("properties", postgresql.JSONB(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        _of_node("managed_object"),
    )
    op.create_index("uq_managed_object_key", "managed_object", ["node_id", "kind", "key"], unique=True)
    op.create_index("ix_managed_object_name", "managed_object", ["kind", "name"])
    op.create_table(
        "managed_look",
        _node(key=True),
        sa.Column("turn_at", sa.DateTime(timezone=True)),
        sa.Column("domains_stale", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("storage_stale", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("domains_at", sa.DateTime(timezone=True)),
        sa.Column("storage_at", sa.DateTime(timezone=True)),
        sa.Column("figures", postgresql.JSONB(), server_default=_EMPTY, nullable=False),
        _of_node("managed_look"),
    )
    op.create_table(
        "saved_domain",
        _node(key=True),
        sa.Column("path", sa.Text(), primary_key=True),
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True)),
        _of_node("saved_domain"),
    )


def downgrade() -> None:
    for table in ("saved_domain", "managed_look", "managed_object"):
        op.drop_table(table)
