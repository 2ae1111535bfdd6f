"""Networks that nodes' agents make: what they told of them, and where nodes' tunnels end"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_NO = sa.text("false")


def upgrade() -> None:
    op.add_column("node", sa.Column("tunnel_address", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("node", sa.Column("makes_links", sa.Boolean(), server_default=_NO, nullable=False))
    op.add_column(
        "node_report", sa.Column("links", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("network", sa.Column("is_default", sa.Boolean(), server_default=_NO, nullable=False))
    op.create_index(
        "uq_network_default",
        "network",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND is_default"),
    )


def downgrade() -> None:
    op.drop_index("uq_network_default", "network")
    op.drop_column("network", "is_default")
    op.drop_column("node_report", "links")
    op.drop_column("node", "makes_links")
    op.drop_column("node", "tunnel_address")
