"""An index of volumes that are lost, which whoever reads from them is told by"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_volume_lost", "volume", ["id"], postgresql_where=sa.text("lost_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_volume_lost", "volume")
