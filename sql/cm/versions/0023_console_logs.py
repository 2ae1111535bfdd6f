"""
Logs of serial consoles are their nodes': which one's is a VM's own.

Those of VMs that were launched before lie beside their root disks until the next launch: there the column is NULL.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("vm", sa.Column("console_node_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_vm_console_node_id"), "vm", "node", ["console_node_id"], ["id"])


def downgrade() -> None:
    """What was logged on nodes since stays there, and is not shown; each VM begins anew when it is launched next."""
    op.drop_column("vm", "console_node_id")
