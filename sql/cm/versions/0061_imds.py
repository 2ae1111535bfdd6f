"""How guests are told EC2's metadata: of each VM, as its image says in the beginning"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

# Of VMs that are there, as it was for all.
OPTIONS = (
    ("imds_tokens", sa.Text(), "'optional'"),
    ("imds_hop_limit", sa.SmallInteger(), "1"),
    ("imds_enabled", sa.Boolean(), "true"),
)
OF_VMS = (("imds_ipv6", sa.Boolean(), "true"), ("imds_tags", sa.Boolean(), "false"))


def upgrade() -> None:
    for table, options in (("image", OPTIONS), ("vm", (*OPTIONS, *OF_VMS))):
        for name, kind, default in options:
            op.add_column(table, sa.Column(name, kind, server_default=sa.text(default), nullable=False))


def downgrade() -> None:
    for table, options in (("image", OPTIONS), ("vm", (*OPTIONS, *OF_VMS))):
        for name, _, _ in options:
            op.drop_column(table, name)
