"""What an administrator decided about volumes that are left over or missing"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("volume", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("drift", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("drift", "approved_at")
    op.drop_column("volume", "lost_at")
