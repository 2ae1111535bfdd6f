"""What images are told of their systems: facts, and the family of versions that each belongs to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

EMPTY = {"server_default": sa.text("''"), "nullable": False}


def upgrade() -> None:
    op.add_column("image", sa.Column("system", sa.Text(), **EMPTY))
    op.add_column("image", sa.Column("architecture", sa.Text(), server_default=sa.text("'x86_64'"), nullable=False))
    op.add_column("image", sa.Column("least_memory_mib", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("image", sa.Column("least_disk_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("image", sa.Column("default_user", sa.Text(), **EMPTY))
    op.add_column("image", sa.Column("agent", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("image", sa.Column("family", sa.Text(), **EMPTY))
    op.add_column("image", sa.Column("family_version", sa.Text(), **EMPTY))
    condition = sa.text("deleted_at IS NULL AND family <> ''")
    op.create_index("ix_image_family", "image", ["family"], postgresql_where=condition)


def downgrade() -> None:
    op.drop_index("ix_image_family", table_name="image")
    for column in (
        "family_version", "family", "agent", "default_user", "least_disk_bytes", "least_memory_mib", "architecture",
        "system",
    ):  # fmt: skip
        op.drop_column("image", column)
