"""How well nodes are, and what is doubtful of their VMs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIMES = ("agent_silent_since", "hooked_at", "hooks_since", "unhooked_since")


def upgrade() -> None:
    for name in TIMES:
        op.add_column("node", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("vm", sa.Column("doubt", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("vm", sa.Column("doubt_since", sa.DateTime(timezone=True), nullable=True))
    # Launches of before had no word on record; those from now on have.
    op.execute("UPDATE node SET hooks_since = clock_timestamp() WHERE hooks")


def downgrade() -> None:
    op.drop_column("vm", "doubt_since")
    op.drop_column("vm", "doubt")
    for name in reversed(TIMES):
        op.drop_column("node", name)
