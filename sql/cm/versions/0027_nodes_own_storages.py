"""Storages of one node, and copies of images there"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("storage", sa.Column("node_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_storage_node_id"), "storage", "node", ["node_id"], ["id"])
    own = sa.text("node_id IS NOT NULL AND deleted_at IS NULL")
    op.create_index("ix_storage_node", "storage", ["node_id"], postgresql_where=own)
    op.add_column(
        "template", sa.Column("local_disk", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "cached_image",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'copying', 'ok', 'failed', 'evicting')", name=op.f("ck_cached_image_state")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_cached_image_image_id")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_cached_image_volume_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cached_image")),
    )
    op.create_index("uq_cached_image_volume", "cached_image", ["volume_id"], unique=True)
    op.create_index("ix_cached_image_image", "cached_image", ["image_id"])


def downgrade() -> None:
    """VMs whose disks are on such copies stay as they are; the copies are volumes that nobody knows then."""
    op.drop_table("cached_image")
    op.drop_column("template", "local_disk")
    op.drop_index("ix_storage_node", "storage")
    op.drop_column("storage", "node_id")
