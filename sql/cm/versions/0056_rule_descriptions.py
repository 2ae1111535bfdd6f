"""Descriptions of security groups' rules"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    description = sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False)
    op.add_column("security_rule", description)


def downgrade() -> None:
    op.drop_column("security_rule", "description")
