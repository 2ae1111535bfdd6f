"""Nodes that administrators say are off, and what becomes of VMs then"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "vm", sa.Column("on_host_failure", sa.Text(), server_default=sa.text("'restart'"), nullable=False)
    )
    op.create_check_constraint(op.f("ck_vm_on_host_failure"), "vm", "on_host_failure IN ('restart', 'stop')")
    op.create_table(
        "fenced_vm",
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_fenced_vm_node_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_fenced_vm_vm_id")),
        sa.PrimaryKeyConstraint("node_id", "vm_id", name=op.f("pk_fenced_vm")),
    )


def downgrade() -> None:
    op.drop_table("fenced_vm")
    op.drop_constraint(op.f("ck_vm_on_host_failure"), "vm", type_="check")
    op.drop_column("vm", "on_host_failure")
