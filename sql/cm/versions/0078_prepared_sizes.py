"""How large running VMs may become"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("max_cpu", "max_memory_mib"):
        op.add_column("vm", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    for name in ("max_cpu", "max_memory_mib"):
        op.drop_column("vm", name)
