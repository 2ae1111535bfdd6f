"""What a look at a node found, as a digest"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for part in ("domains", "storage"):
        op.add_column("managed_look", sa.Column(f"{part}_digest", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    for part in ("domains", "storage"):
        op.drop_column("managed_look", f"{part}_digest")
