"""A VM that is going to move holds a share and a port of its next node"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FREE = "vm_id IS NULL AND reserved_for IS NULL"


def upgrade() -> None:
    op.add_column("vm", sa.Column("moves_to", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_vm_moves_to"), "vm", "node", ["moves_to"], ["id"])
    op.create_check_constraint(op.f("ck_vm_closed_moves_nowhere"), "vm", "closed_at IS NULL OR moves_to IS NULL")
    op.add_column("vnc_port", sa.Column("reserved_for", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_vnc_port_reserved_for"), "vnc_port", "vm", ["reserved_for"], ["id"])
    op.drop_index("ix_vnc_port_free", table_name="vnc_port")
    op.create_index("ix_vnc_port_free", "vnc_port", ["node_id", "port"], postgresql_where=sa.text(FREE))
    op.create_index(
        "uq_vnc_port_reserved_for",
        "vnc_port",
        ["reserved_for"],
        unique=True,
        postgresql_where=sa.text("reserved_for IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_vnc_port_reserved_for", table_name="vnc_port")
    op.drop_index("ix_vnc_port_free", table_name="vnc_port")
    op.create_index("ix_vnc_port_free", "vnc_port", ["node_id", "port"], postgresql_where=sa.text("vm_id IS NULL"))
    op.drop_column("vnc_port", "reserved_for")
    op.drop_constraint(op.f("ck_vm_closed_moves_nowhere"), "vm")
    op.drop_column("vm", "moves_to")
