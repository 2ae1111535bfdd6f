"""Access to VMs and images for other accounts and for groups"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acl",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(account_id, group_id) = 1 AND (group_id IS NULL) = (issuer IS NULL) AND issuer <> ''",
            name=op.f("ck_acl_subject"),
        ),
        sa.CheckConstraint("kind IN ('vm', 'image')", name=op.f("ck_acl_kind")),
        sa.CheckConstraint("level IN ('user', 'operator', 'owner')", name=op.f("ck_acl_level")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_acl_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acl")),
        sa.UniqueConstraint("kind", "object_id", "account_id", name=op.f("uq_acl_kind_object_id_account_id")),
        sa.UniqueConstraint(
            "kind", "object_id", "issuer", "group_id", name=op.f("uq_acl_kind_object_id_issuer_group_id")
        ),
    )
    op.create_index("ix_acl_account", "acl", ["account_id", "kind"])
    op.create_index("ix_acl_group", "acl", ["issuer", "group_id", "kind"])


def downgrade() -> None:
    op.drop_table("acl")
