"""Tickets for screens as for serial consoles, of one origin's pages, and what nodes' agents are asked to call for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Who holds a ticket of before has half a minute; an older manager gives out no others.
    op.add_column("console_ticket", sa.Column("kind", sa.Text(), nullable=False, server_default="serial"))
    op.add_column("console_ticket", sa.Column("origin", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "screen_call",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("port", sa.BigInteger(), nullable=False),
        sa.Column("meeting", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_screen_call")),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_screen_call_node_id_node")),
    )
    op.create_index("ix_screen_call_node_id", "screen_call", ["node_id"])
    op.create_index("ix_screen_call_expires_at", "screen_call", ["expires_at"])


def downgrade() -> None:
    op.drop_table("screen_call")
    op.drop_column("console_ticket", "origin")
    op.drop_column("console_ticket", "kind")
