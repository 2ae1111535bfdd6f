"""Traits of nodes, which sizes and VMs ask for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

TABLES = ("node", "template", "vm")


def upgrade() -> None:
    for table in TABLES:
        words = postgresql.ARRAY(sa.Text())
        op.add_column(table, sa.Column("traits", words, server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "traits")
