"""Operations that wait say for what, and are woken by it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

DUE = "state IN ('queued', 'waiting') AND waits_for <> ''"


def upgrade() -> None:
    op.add_column("operation", sa.Column("waits_for", sa.Text(), server_default=sa.text("''"), nullable=False))
    # What waited was woken by its VM, or by its children.
    op.execute(
        "UPDATE operation SET waits_for = CASE WHEN vm_id IS NULL THEN 'operation:' || id ELSE 'vm:' || vm_id END"
        " WHERE state = 'waiting' AND (vm_id IS NOT NULL OR kind = 'node_evacuate')"
    )
    op.create_index("ix_operation_waits_for", "operation", ["waits_for"], postgresql_where=sa.text(DUE))


def downgrade() -> None:
    op.drop_index("ix_operation_waits_for", table_name="operation")
    op.drop_column("operation", "waits_for")
