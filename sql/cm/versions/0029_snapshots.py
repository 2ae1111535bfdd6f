"""Snapshots of disks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "snapshot",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("disk_id", sa.BigInteger(), nullable=False),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("spare_id", sa.BigInteger(), nullable=True),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("consistency", sa.Text(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("spare_id <> volume_id", name=op.f("ck_snapshot_spare_is_another")),
        sa.CheckConstraint("(taken_at IS NULL) = (consistency IS NULL)", name=op.f("ck_snapshot_taken_somehow")),
        sa.ForeignKeyConstraint(["disk_id"], ["disk.id"], name=op.f("fk_snapshot_disk_id")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_snapshot_volume_id")),
        sa.ForeignKeyConstraint(["spare_id"], ["volume.id"], name=op.f("fk_snapshot_spare_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot")),
        sa.UniqueConstraint("uuid", name=op.f("uq_snapshot_uuid")),
        sa.UniqueConstraint("volume_id", name=op.f("uq_snapshot_volume"), deferrable=True, initially="IMMEDIATE"),
    )
    op.create_index("ix_snapshot_disk", "snapshot", ["disk_id"])
    op.create_index(
        "ix_snapshot_group", "snapshot", ["group_id"], postgresql_where=sa.text("group_id IS NOT NULL")
    )
    op.create_index(
        "uq_snapshot_spare", "snapshot", ["spare_id"], unique=True, postgresql_where=sa.text("spare_id IS NOT NULL")
    )


def downgrade() -> None:
    # Its volumes stay below those that stand on them, as no release before knows of them: take snapshots back first.
    op.drop_table("snapshot")
