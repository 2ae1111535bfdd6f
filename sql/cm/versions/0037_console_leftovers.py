"""
Which logs of serial consoles nodes have still to delete: what is in no pool is listed by nobody.

Those that a pass would have found to delete are taken over as far as records tell of them: of VMs that ended lately,
or whose node does not answer. An absent one is no error.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "console_leftover",
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_console_leftover_vm_id")),
        sa.ForeignKeyConstraint(["node_id"], ["node.id"], name=op.f("fk_console_leftover_node_id")),
        sa.PrimaryKeyConstraint("vm_id", "node_id", name=op.f("pk_console_leftover")),
    )
    op.create_index("ix_console_leftover_node", "console_leftover", ["node_id"])
    op.execute(
        "INSERT INTO console_leftover (vm_id, node_id) SELECT v.id, n.id FROM vm v"
        " JOIN node n ON n.id = v.console_node_id AND n.deleted_at IS NULL"
        " WHERE v.closed_at > now() - interval '1 day' OR v.closed_at IS NOT NULL AND n.state <> 'ok'"
    )


def downgrade() -> None:
    """A pass of the version before finds the logs themselves."""
    op.drop_table("console_leftover")
