"""Groups of VMs that are to run on one node, or each on another"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "affinity_group",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("affinity", sa.Text(), nullable=False),
        sa.Column("strict", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_affinity_group")),
        sa.UniqueConstraint("uuid", name=op.f("uq_affinity_group_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_affinity_group_account_id_account")),
    )
    live = sa.text("deleted_at IS NULL")
    op.create_index("uq_affinity_group_name", "affinity_group", ["account_id", "name"], unique=True,
                    postgresql_where=live)  # fmt: skip
    op.add_column("vm", sa.Column("affinity_group_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_vm_affinity_group_id_affinity_group"), "vm", "affinity_group", ["affinity_group_id"], ["id"]
    )
    members = sa.text("affinity_group_id IS NOT NULL AND closed_at IS NULL")
    op.create_index("ix_vm_affinity_group_id", "vm", ["affinity_group_id"], unique=False, postgresql_where=members)


def downgrade() -> None:
    op.drop_column("vm", "affinity_group_id")
    op.drop_table("affinity_group")
