"""Expiry leases, and when those of VMs end"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

KINDS = "kind IN ('vm', 'image', 'network')"


CAUSES = "cause_kind IN ('call', 'hook', 'look', 'drift', 'operation')"


def _check(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(name), table)
    op.create_check_constraint(op.f(name), table, condition)


def upgrade() -> None:
    op.create_table(
        "expiry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("suspend_s", sa.BigInteger(), nullable=True),
        sa.Column("delete_s", sa.BigInteger(), nullable=True),
        sa.Column("for_all", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("suspend_s > 0 AND delete_s > 0 AND suspend_s < delete_s", name=op.f("ck_expiry_intervals")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_expiry_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_expiry")),
        sa.UniqueConstraint("uuid", name=op.f("uq_expiry_uuid")),
    )
    live = sa.text("deleted_at IS NULL")
    op.create_index("uq_expiry_name", "expiry", ["name"], unique=True, postgresql_where=live)
    op.create_index(
        "uq_expiry_default", "expiry", ["is_default"], unique=True,
        postgresql_where=sa.text("is_default AND deleted_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "vm_expiry",
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("expiry_id", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("suspend_s", sa.BigInteger(), nullable=True),
        sa.Column("suspend_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspend_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delete_s", sa.BigInteger(), nullable=True),
        sa.Column("delete_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delete_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("waits", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["expiry_id"], ["expiry.id"], name=op.f("fk_vm_expiry_expiry_id_expiry")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_vm_expiry_vm_id_vm")),
        sa.PrimaryKeyConstraint("vm_id", name=op.f("pk_vm_expiry")),
    )
    op.create_index(
        "ix_vm_expiry_look_at", "vm_expiry", ["look_at"], unique=False, postgresql_where=sa.text("look_at IS NOT NULL")
    )
    op.create_index("ix_vm_expiry_expiry_id", "vm_expiry", ["expiry_id"], unique=False)
    _check("acl", "ck_acl_kind", KINDS.replace("'network'", "'network', 'expiry'"))
    _check("operation", "ck_operation_cause_kind", CAUSES.replace("'operation'", "'operation', 'expiry'"))


def downgrade() -> None:
    op.execute("DELETE FROM acl WHERE kind = 'expiry'")
    _check("acl", "ck_acl_kind", KINDS)
    op.execute("UPDATE operation SET cause_kind = 'look' WHERE cause_kind = 'expiry'")
    _check("operation", "ck_operation_cause_kind", CAUSES)
    op.drop_table("vm_expiry")
    op.drop_table("expiry")
