"""VMs that are suspended: where their memory lies"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "suspension",
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("greeted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_suspension_node_id_node")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_suspension_vm_id_vm")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_suspension_volume_id_volume")),
        sa.PrimaryKeyConstraint("vm_id", name=op.f("pk_suspension")),
        sa.UniqueConstraint("volume_id", name=op.f("uq_suspension_volume_id")),
    )


def downgrade() -> None:
    op.drop_table("suspension")
