"""Where guests find what they are told of their VM: of each VM, as its image says in the beginning"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("image", "vm"):  # of those that are there, as it was for all
        column = sa.Column("metadata_source", sa.Text(), server_default=sa.text("'nocloud'"), nullable=False)
        op.add_column(table, column)


def downgrade() -> None:
    for table in ("image", "vm"):
        op.drop_column(table, "metadata_source")
