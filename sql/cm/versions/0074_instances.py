"""VMs as CIRCLE's instances: since when they are what they are, what was done to them at once, and their weight"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0074"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("vm", sa.Column("cpu_shares", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_vm_cpu_shares"), "vm", "cpu_shares BETWEEN 2 AND 10000")
    for name in ("password_sealed", "shown"):
        op.add_column("vm", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    for name in ("shown_since", "changed_at"):
        now = sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
        op.add_column("vm", now)
    # Of those that are there nobody wrote down more than this.
    op.execute(
        "UPDATE vm SET shown = CASE WHEN summary = '' THEN '' ELSE coalesce(summary::json->>'state', '') END,"
        " shown_since = coalesce(closed_at, launched_at, created_at),"
        " changed_at = coalesce(closed_at, launched_at, created_at)"
    )
    op.create_table(
        "vm_event",
        sa.Column(
            "id", sa.BigInteger(), server_default=sa.text("nextval('operation_id_seq'::regclass)"), nullable=False
        ),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_vm_event_account_id_account")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_vm_event_vm_id_vm")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vm_event")),
    )
    op.create_index("ix_vm_event_vm", "vm_event", ["vm_id", "id"])
    op.create_index("ix_vm_event_at", "vm_event", ["at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_table("vm_event")
    op.drop_constraint(op.f("ck_vm_cpu_shares"), "vm")
    for name in ("changed_at", "shown_since", "shown", "password_sealed", "cpu_shares"):
        op.drop_column("vm", name)
