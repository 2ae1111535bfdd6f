"""How user data is written"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("vm", sa.Column("user_data_encoding", sa.Text(), server_default=sa.text("'auto'"), nullable=False))


def downgrade() -> None:
    op.drop_column("vm", "user_data_encoding")
