"""VMs that go to another node while they run"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("node", sa.Column("migration_uri", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("vm", sa.Column("migrated_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("vm", "migrated_at")
    op.drop_column("node", "migration_uri")
