"""Templates say how large root disks are"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("template", sa.Column("disk_mib", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.drop_constraint(op.f("ck_template_positive"), "template", type_="check")
    positive = "cpu > 0 AND memory_mib > 0 AND disk_mib >= 0 AND points >= 0"
    op.create_check_constraint(op.f("ck_template_positive"), "template", positive)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_template_positive"), "template", type_="check")
    positive = "cpu > 0 AND memory_mib > 0 AND points >= 0"
    op.create_check_constraint(op.f("ck_template_positive"), "template", positive)
    op.drop_column("template", "disk_mib")
