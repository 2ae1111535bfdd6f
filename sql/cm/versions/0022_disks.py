"""Disks count their changes and may lie in the trash; what volumes take is kept"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("disk", sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("disk", sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("uq_disk_uuid", "disk", ["uuid"], unique=True)
    op.create_index("ix_disk_account", "disk", ["account_id", "id"])
    op.create_index("ix_disk_trashed", "disk", ["trashed_at"], postgresql_where=sa.text("trashed_at IS NOT NULL"))
    op.add_column("volume", sa.Column("allocated_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    # A release of before knows no trash: what lies in it is there again.
    op.execute("UPDATE image SET state = 'ok' WHERE state = 'trashed'")
    op.drop_column("volume", "allocated_bytes")
    op.drop_index("ix_disk_trashed", "disk")
    op.drop_index("ix_disk_account", "disk")
    op.drop_index("uq_disk_uuid", "disk")
    op.drop_column("disk", "trashed_at")
    op.drop_column("disk", "version")
