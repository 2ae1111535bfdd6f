"""What nodes are locked for, why, by whom and since when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("locked_for", "locked_reason", "locked_by"):
        op.add_column("node", sa.Column(column, sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("node", sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ("locked_at", "locked_by", "locked_reason", "locked_for"):
        op.drop_column("node", column)
