"""Children of an operation keep their VM or image busy as others do; a node is emptied by one operation at a time"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OPEN = "state IN ('queued', 'running', 'waiting')"


def _exclusive(name: str, column: str, condition: str) -> None:
    op.create_index(name, "operation", [column], unique=True, postgresql_where=sa.text(f"{OPEN} AND {condition}"))


def upgrade() -> None:
    op.drop_index("uq_operation_open_vm", table_name="operation")
    op.drop_index("uq_operation_open_image", table_name="operation")
    _exclusive("uq_operation_open_vm", "vm_id", "NOT concurrent")
    _exclusive("uq_operation_open_image", "image_id", "vm_id IS NULL AND NOT concurrent")
    _exclusive("uq_operation_open_node", "node_id", "kind = 'node_evacuate'")


def downgrade() -> None:
    op.drop_index("uq_operation_open_node", table_name="operation")
    op.drop_index("uq_operation_open_image", table_name="operation")
    op.drop_index("uq_operation_open_vm", table_name="operation")
    _exclusive("uq_operation_open_vm", "vm_id", "parent_id IS NULL AND NOT concurrent")
    _exclusive("uq_operation_open_image", "image_id", "vm_id IS NULL AND parent_id IS NULL AND NOT concurrent")
