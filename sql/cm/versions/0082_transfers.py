"""Offers of ownership"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transfer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("to_account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'offered'"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sa.UniqueConstraint("uuid", name=op.f("uq_transfer_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_transfer_account_id_account")),
        sa.ForeignKeyConstraint(["to_account_id"], ["account.id"], name=op.f("fk_transfer_to_account_id_account")),
        sa.CheckConstraint("account_id <> to_account_id", name=op.f("ck_transfer_to_another")),
        sa.CheckConstraint("kind IN ('vm', 'image', 'vm_template')", name=op.f("ck_transfer_kind")),
        sa.CheckConstraint(
            "state IN ('offered', 'accepted', 'declined', 'withdrawn', 'expired', 'void')",
            name=op.f("ck_transfer_state"),
        ),
        sa.CheckConstraint("(state = 'offered') = (closed_at IS NULL)", name=op.f("ck_transfer_closed")),
    )
    offered = sa.text("state = 'offered'")
    op.create_index("uq_transfer_object", "transfer", ["kind", "object_id"], unique=True, postgresql_where=offered)
    op.create_index("ix_transfer_account", "transfer", ["account_id", "id"], unique=False)
    op.create_index("ix_transfer_to_account", "transfer", ["to_account_id", "id"], unique=False)
    op.create_index("ix_transfer_created_at", "transfer", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("transfer")
