"""Tickets that let somebody read a file of a storage, for a while"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "download_ticket",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("disk_id", sa.BigInteger(), nullable=True),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("account_version", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_download_ticket_account_id")),
        sa.ForeignKeyConstraint(
            ["volume_id"], ["volume.id"], name=op.f("fk_download_ticket_volume_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_download_ticket")),
    )
    for column in ("volume_id", "account_id", "expires_at"):
        op.create_index(op.f(f"ix_download_ticket_{column}"), "download_ticket", [column])


def downgrade() -> None:
    op.drop_table("download_ticket")
