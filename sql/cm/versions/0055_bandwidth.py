"""Bandwidth limits of network cards; descriptions of pools"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("kbit_in", "kbit_out"):
        op.add_column("nic", sa.Column(column, sa.BigInteger(), nullable=True))
        op.create_check_constraint(op.f(f"ck_nic_{column}"), "nic", f"{column} > 0")
    description = sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False)
    op.add_column("address_pool", description)


def downgrade() -> None:
    op.drop_column("address_pool", "description")
    for column in ("kbit_in", "kbit_out"):
        op.drop_constraint(op.f(f"ck_nic_{column}"), "nic")
        op.drop_column("nic", column)
