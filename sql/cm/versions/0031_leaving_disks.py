"""Attachments that guests were asked to let go of are marked"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "attachment", sa.Column("leaving", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index("ix_attachment_leaving", "attachment", ["vm_id"], postgresql_where=sa.text("leaving"))


def downgrade() -> None:
    op.drop_index("ix_attachment_leaving", "attachment")
    op.drop_column("attachment", "leaving")
