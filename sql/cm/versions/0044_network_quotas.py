"""Quotas of users' networks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("quota_networks", sa.BigInteger(), server_default=sa.text("16"), nullable=False)
    op.add_column("account", column)


def downgrade() -> None:
    op.drop_column("account", "quota_networks")
