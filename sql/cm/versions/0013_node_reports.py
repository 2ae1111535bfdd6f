"""What nodes' agents report"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("agent_protocol", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("node", sa.Column("troubles", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.add_column("node", sa.Column("unfit", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "node_report",
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("content", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("behind_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drifted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_node_report_node_id")),
        sa.PrimaryKeyConstraint("node_id", name=op.f("pk_node_report")),
    )


def downgrade() -> None:
    op.drop_table("node_report")
    op.drop_column("node", "unfit")
    op.drop_column("node", "troubles")
    op.drop_column("node", "agent_protocol")
