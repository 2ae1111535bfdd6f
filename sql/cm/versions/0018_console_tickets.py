"""Tickets that let somebody at a VM's serial console, once and soon"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_ticket",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("account_version", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("groups", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("force", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_console_ticket")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_console_ticket_vm_id_vm")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_console_ticket_account_id_account")),
    )
    op.create_index("ix_console_ticket_expires_at", "console_ticket", ["expires_at"])
    op.create_index("ix_console_ticket_account_id", "console_ticket", ["account_id"])


def downgrade() -> None:
    op.drop_table("console_ticket")
