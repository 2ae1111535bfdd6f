"""What becomes of VMs that crash or hang, ends that hooks told of, and how long guests booted"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("vm", sa.Column("on_crash", sa.Text(), server_default=sa.text("'restart'"), nullable=False))
    op.create_check_constraint(op.f("ck_vm_on_crash"), "vm", "on_crash IN ('restart', 'stop')")
    op.add_column("vm", sa.Column("on_hang", sa.Text(), server_default=sa.text("'ignore'"), nullable=False))
    op.create_check_constraint(op.f("ck_vm_on_hang"), "vm", "on_hang IN ('ignore', 'restart', 'stop')")
    op.add_column("vm", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("vm", sa.Column("boot_s", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("vm", "boot_s")
    op.drop_column("vm", "released_at")
    op.drop_constraint(op.f("ck_vm_on_hang"), "vm", type_="check")
    op.drop_column("vm", "on_hang")
    op.drop_constraint(op.f("ck_vm_on_crash"), "vm", type_="check")
    op.drop_column("vm", "on_crash")
