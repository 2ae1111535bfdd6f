"""Farms: a head and its workers, as one"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0076"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "farm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("shared_key", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("worker_template_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_farm")),
        sa.UniqueConstraint("uuid", name=op.f("uq_farm_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_farm_account_id_account")),
        sa.ForeignKeyConstraint(
            ["worker_template_id"], ["template.id"], name=op.f("fk_farm_worker_template_id_template")
        ),
    )
    op.create_index("ix_farm_account", "farm", ["account_id", "id"], unique=False)
    op.add_column("vm", sa.Column("farm_id", sa.BigInteger(), nullable=True))
    op.add_column("vm", sa.Column("farm_number", sa.SmallInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_vm_farm_id_farm"), "vm", "farm", ["farm_id"], ["id"])
    op.create_check_constraint(op.f("ck_vm_farm_has_number"), "vm", "(farm_id IS NULL) = (farm_number IS NULL)")
    op.create_index(
        "uq_vm_farm", "vm", ["farm_id", "farm_number"], unique=True, postgresql_where=sa.text("farm_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_column("vm", "farm_number")
    op.drop_column("vm", "farm_id")
    op.drop_table("farm")
