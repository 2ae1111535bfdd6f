"""Keys of cloud managers, versions of their accounts, messages, and a change feed that loses nothing"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trusted_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_trusted_key")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("params", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_message_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_account", "message", ["account_id", "id"])
    op.create_index(op.f("ix_message_created_at"), "message", ["created_at"])
    op.add_column(
        "account", sa.Column("external_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    # What is there already gets this transaction's id: it is older than whatever comes.
    op.add_column(
        "change",
        sa.Column(
            "xid", sa.BigInteger(), server_default=sa.text("(pg_current_xact_id()::text)::bigint"), nullable=False
        ),
    )
    op.create_index("ix_change_order", "change", ["xid", "id"])
    op.create_index(op.f("ix_change_at"), "change", ["at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_change_at"), table_name="change")
    op.drop_index("ix_change_order", table_name="change")
    op.drop_column("change", "xid")
    op.drop_column("account", "external_version")
    op.drop_index(op.f("ix_message_created_at"), table_name="message")
    op.drop_index("ix_message_account", table_name="message")
    op.drop_table("message")
    op.drop_table("trusted_key")
