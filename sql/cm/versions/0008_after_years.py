"""Indexes for what is asked of tables that grow with closed VMs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = "state IN ('queued', 'running', 'waiting')"
CLOSED = "closed_at IS NOT NULL"


def upgrade() -> None:
    op.create_index("ix_operation_open", "operation", ["id"], postgresql_where=sa.text(OPEN))
    op.create_index(
        "ix_operation_open_image",
        "operation",
        ["image_id", "id"],
        postgresql_where=sa.text(f"{OPEN} AND image_id IS NOT NULL"),
    )
    op.create_index("ix_vm_closed_account", "vm", ["account_id", "id"], postgresql_where=sa.text(CLOSED))
    op.create_index("ix_vm_closed_node", "vm", ["node_id", "id"], postgresql_where=sa.text(CLOSED))
    op.create_index(op.f("ix_hook_event_received_at"), "hook_event", ["received_at"])
    op.create_index(op.f("ix_placement_at"), "placement", ["at"])
    op.create_index("ix_operation_finished", "operation", ["finished_at"], postgresql_using="brin")
    op.create_index(
        "ix_operation_parent", "operation", ["parent_id"], postgresql_where=sa.text("parent_id IS NOT NULL")
    )
    op.create_index("ix_disk_deleted", "disk", ["deleted_at"], postgresql_using="brin")
    op.create_index("ix_drift_closed", "drift", ["closed_at"], postgresql_where=sa.text(CLOSED))


def downgrade() -> None:
    op.drop_index("ix_drift_closed", table_name="drift")
    op.drop_index("ix_disk_deleted", table_name="disk")
    op.drop_index("ix_operation_parent", table_name="operation")
    op.drop_index("ix_operation_finished", table_name="operation")
    op.drop_index(op.f("ix_placement_at"), table_name="placement")
    op.drop_index(op.f("ix_hook_event_received_at"), table_name="hook_event")
    op.drop_index("ix_vm_closed_node", table_name="vm")
    op.drop_index("ix_vm_closed_account", table_name="vm")
    op.drop_index("ix_operation_open_image", table_name="operation")
    op.drop_index("ix_operation_open", table_name="operation")
