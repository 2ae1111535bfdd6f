"""Seeds: small CDs with what guests are told as they boot for the first time"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seed",
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_seed_vm_id_vm")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_seed_volume_id_volume")),
        sa.PrimaryKeyConstraint("vm_id", name=op.f("pk_seed")),
        sa.UniqueConstraint("volume_id", name=op.f("uq_seed_volume_id")),
    )


def downgrade() -> None:
    op.drop_table("seed")
