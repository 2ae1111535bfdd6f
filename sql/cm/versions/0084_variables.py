"""Which directory the variables of a VM's UEFI are in: they go along with its root disk"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("vm", sa.Column("nvram_directory", sa.Text(), server_default=sa.text("''"), nullable=False))


def downgrade() -> None:
    op.drop_column("vm", "nvram_directory")
