"""Requests for what only an administrator gives"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "change_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=True),
        sa.Column("wanted", postgresql.JSONB(), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("answered_by", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_request")),
        sa.UniqueConstraint("uuid", name=op.f("uq_change_request_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_change_request_account_id_account")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_change_request_vm_id_vm")),
        sa.ForeignKeyConstraint(["answered_by"], ["account.id"], name=op.f("fk_change_request_answered_by_account")),
        sa.CheckConstraint("kind IN ('resize', 'expiry', 'quota')", name=op.f("ck_change_request_kind")),
        sa.CheckConstraint("(kind = 'quota') = (vm_id IS NULL)", name=op.f("ck_change_request_about")),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'declined', 'withdrawn')", name=op.f("ck_change_request_state")
        ),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("ck_change_request_closed")),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_change_request_open", "change_request", ["account_id", "kind", sa.text("coalesce(vm_id, 0)")],
        unique=True, postgresql_where=is_open,
    )  # fmt: skip
    op.create_index("ix_change_request_account", "change_request", ["account_id", "id"], unique=False)
    op.create_index("ix_change_request_open", "change_request", ["id"], unique=False, postgresql_where=is_open)
    op.create_index("ix_change_request_created_at", "change_request", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("change_request")
