"""Quotas of users' networks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cluster_account", sa.Column("quota_networks", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("cluster_account", "quota_networks")
