"""Volumes that erased VMs have left, and the nodes that may run their domains still: a volume's name tells its first
holder alone. Of VMs that were erased before nothing is known but that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leftover_volume",
        sa.Column("storage_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("node_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.ForeignKeyConstraint(["storage_id"], ["storage.id"], name=op.f("fk_leftover_volume_storage_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_leftover_volume_vm_id")),
        sa.PrimaryKeyConstraint("storage_id", "name", name=op.f("pk_leftover_volume")),
    )


def downgrade() -> None:
    op.drop_table("leftover_volume")
