"""Which machine a node is"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = ("host_uuid", "host_label", "seen_host_uuid", "seen_host_label", "machine_id", "machine_label")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("node", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_index(
        "uq_node_host", "node", ["host_uuid", "host_label"], unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND host_uuid <> ''"),
    )  # fmt: skip
    op.create_index(
        "uq_node_machine", "node", ["machine_id", "machine_label"], unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND machine_id <> ''"),
    )  # fmt: skip


def downgrade() -> None:
    op.execute("DELETE FROM drift WHERE kind = 'other_host'")
    op.drop_index("uq_node_machine", table_name="node")
    op.drop_index("uq_node_host", table_name="node")
    for name in reversed(COLUMNS):
        op.drop_column("node", name)
