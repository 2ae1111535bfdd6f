"""Samples of what VMs, nodes and storages use"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0052"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sample_layout",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("names", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sample_layout")),
        sa.UniqueConstraint("names", name=op.f("uq_sample_layout_names")),
    )
    op.create_table(
        "sample_recent",
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("object_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("layout_id", sa.Integer(), nullable=False),
        sa.Column("loads", postgresql.ARRAY(sa.REAL()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "object_id", "at", name=op.f("pk_sample_recent")),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "sample_block",
        sa.Column("kind", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("object_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("step_s", sa.Integer(), nullable=False),
        sa.Column("layout_id", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "object_id", "level", "start", name=op.f("pk_sample_block")),
    )
    op.create_index("ix_sample_block_old", "sample_block", ["level", "start"])
    # They are compressed already.
    op.execute("ALTER TABLE sample_block ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_table(
        "sample_progress",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("object_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("level", name=op.f("pk_sample_progress")),
    )
    op.create_table(
        "measuring_lease",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measuring_lease")),
    )


def downgrade() -> None:
    for table in ("measuring_lease", "sample_progress", "sample_block", "sample_recent", "sample_layout"):
        op.drop_table(table)
