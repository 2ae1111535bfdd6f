"""The machines that guests get: firmware, chipset, boot menu, CPU; what nodes have of that"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0076"
down_revision = "0071"
branch_labels = None
depends_on = None

SAYS = {"firmware": "bios", "machine": "auto"}


def upgrade() -> None:
    for table in ("image", "vm"):  # of those that are there, as it was for all
        for name, value in SAYS.items():
            op.add_column(table, sa.Column(name, sa.Text(), server_default=sa.text(f"'{value}'"), nullable=False))
    op.add_column("vm", sa.Column("boot_menu_s", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("vm", sa.Column("cpu_model", sa.Text(), server_default=sa.text("'host'"), nullable=False))
    op.add_column("vm", sa.Column("nvram_storage_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_vm_nvram_storage_id_storage"), "vm", "storage", ["nvram_storage_id"], ["id"])
    op.create_index(
        "ix_vm_nvram_storage_id", "vm", ["nvram_storage_id"],
        postgresql_where=sa.text("nvram_storage_id IS NOT NULL AND closed_at IS NULL"),
    )  # fmt: skip
    for name in ("firmware", "machine", "cpu_model"):
        op.add_column("vm_template", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("vm_template", sa.Column("boot_menu_s", sa.Integer(), nullable=True))
    offers = sa.Column("offers", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("node", offers)
    op.create_table(
        "cpu_baseline",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("features", postgresql.JSONB(), nullable=False),
        sa.Column("node_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_cpu_baseline_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cpu_baseline")),
    )


def downgrade() -> None:
    op.drop_table("cpu_baseline")
    op.drop_column("node", "offers")
    for name in ("firmware", "machine", "cpu_model", "boot_menu_s"):
        op.drop_column("vm_template", name)
    op.drop_index("ix_vm_nvram_storage_id", table_name="vm")
    for name in ("nvram_storage_id", "cpu_model", "boot_menu_s"):
        op.drop_column("vm", name)
    for table in ("image", "vm"):
        for name in SAYS:
            op.drop_column(table, name)
