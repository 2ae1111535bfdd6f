"""Networks on bridges and VLANs of the nodes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_ADDRESSED = "(prefix IS NULL) = (gateway IS NULL) AND (prefix IS NOT NULL OR kind = 'bridge')"
_NULLABLE = (("network", "prefix"), ("network", "gateway"), ("address_pool", "network"))


def upgrade() -> None:
    for table, column in _NULLABLE:
        op.alter_column(table, column, nullable=True)
    op.create_check_constraint(op.f("ck_network_addressed"), "network", _ADDRESSED)
    network = "network IS NOT NULL OR kind = 'bridge'"
    op.create_check_constraint(op.f("ck_address_pool_network"), "address_pool", network)
    op.create_index(
        "uq_network_vlan", "network", ["uplink", "vlan"], unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND vlan IS NOT NULL"),
    )  # fmt: skip
    uplinks = sa.Column("uplinks", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("node", uplinks)


def downgrade() -> None:
    op.drop_column("node", "uplinks")
    op.drop_index("uq_network_vlan", "network")
    op.drop_constraint(op.f("ck_address_pool_network"), "address_pool")
    op.drop_constraint(op.f("ck_network_addressed"), "network")
    for table, column in _NULLABLE:
        op.alter_column(table, column, nullable=False)
