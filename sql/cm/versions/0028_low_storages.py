"""Storages that run low: since when, so that it is told once"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("storage", sa.Column("low_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("storage", "low_since")
