"""Security groups"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "security_group",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_group")),
        sa.UniqueConstraint("uuid", name=op.f("uq_security_group_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_security_group_account_id")),
    )
    op.create_index(
        "uq_security_group_name", "security_group", ["account_id", "name"], unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )  # fmt: skip
    op.create_index(
        "uq_security_group_default", "security_group", ["account_id"], unique=True,
        postgresql_where=sa.text("is_default AND deleted_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "security_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("port_first", sa.BigInteger(), nullable=True),
        sa.Column("port_last", sa.BigInteger(), nullable=True),
        sa.Column("remote", postgresql.CIDR(), nullable=True),
        sa.Column("remote_group_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_rule")),
        sa.ForeignKeyConstraint(["group_id"], ["security_group.id"], name=op.f("fk_security_rule_group_id")),
        sa.ForeignKeyConstraint(
            ["remote_group_id"], ["security_group.id"], name=op.f("fk_security_rule_remote_group_id")
        ),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_security_rule_direction")),
        sa.CheckConstraint(
            "(remote IS NULL OR remote_group_id IS NULL)",
            name=op.f("ck_security_rule_one"),
        ),
        sa.CheckConstraint(
            "(port_first IS NULL) = (port_last IS NULL) AND (port_first IS NULL OR protocol IN ('tcp', 'udp')"
            " AND port_first BETWEEN 1 AND port_last AND port_last <= 65535)",
            name=op.f("ck_security_rule_ports"),
        ),
    )
    op.create_index("ix_security_rule_group_id", "security_rule", ["group_id"])
    op.create_index(
        "ix_security_rule_remote_group_id", "security_rule", ["remote_group_id"],
        postgresql_where=sa.text("remote_group_id IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "nic_group",
        sa.Column("nic_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("nic_id", "group_id", name=op.f("pk_nic_group")),
        sa.ForeignKeyConstraint(["nic_id"], ["nic.id"], name=op.f("fk_nic_group_nic_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["security_group.id"], name=op.f("fk_nic_group_group_id")),
    )
    op.create_index("ix_nic_group_group_id", "nic_group", ["group_id"])


def downgrade() -> None:
    """:raises DBAPIError: network cards are in groups: a release before would let everything pass at them."""
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM nic_group) THEN RAISE EXCEPTION 'network cards in security groups:"
        " take them out first'; END IF; END $$"
    )
    op.drop_table("nic_group")
    op.drop_table("security_rule")
    op.drop_table("security_group")
