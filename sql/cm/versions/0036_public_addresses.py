"""Public addresses, and ports of shared ones"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")
_NO = sa.text("false")
_EMPTY = sa.text("''")


def upgrade() -> None:
    for name, default in (("quota_public_addresses", "2"), ("quota_public_ports", "20")):
        op.add_column("account", sa.Column(name, sa.BigInteger(), server_default=sa.text(default), nullable=False))
    op.add_column("node", sa.Column("answers_public", sa.Boolean(), server_default=_NO, nullable=False))
    op.add_column(
        "node_report", sa.Column("public", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.create_table(
        "public_address",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("address", postgresql.INET(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("nic_id", sa.BigInteger(), nullable=True),
        sa.Column("shared", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column("uplink", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("description", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_address")),
        sa.UniqueConstraint("uuid", name=op.f("uq_public_address_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_public_address_account_id")),
        sa.ForeignKeyConstraint(["nic_id"], ["nic.id"], name=op.f("fk_public_address_nic_id"), ondelete="SET NULL"),
        sa.CheckConstraint("NOT shared OR account_id IS NULL", name=op.f("ck_public_address_shared")),
        sa.CheckConstraint("nic_id IS NULL OR account_id IS NOT NULL", name=op.f("ck_public_address_owner")),
        sa.CheckConstraint("deleted_at IS NULL OR account_id IS NULL", name=op.f("ck_public_address_deleted")),
    )
    op.create_index(
        "uq_public_address_address", "public_address", ["address"], unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )  # fmt: skip
    op.create_index(
        "uq_public_address_nic", "public_address", ["nic_id", sa.text("family(address)")], unique=True,
        postgresql_where=sa.text("nic_id IS NOT NULL"),
    )  # fmt: skip
    op.create_index(
        "ix_public_address_account_id", "public_address", ["account_id"],
        postgresql_where=sa.text("account_id IS NOT NULL"),
    )  # fmt: skip
    op.create_table(
        "public_port",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("address_id", sa.BigInteger(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("port", sa.BigInteger(), nullable=False),
        sa.Column("nic_id", sa.BigInteger(), nullable=False),
        sa.Column("guest_port", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_port")),
        sa.ForeignKeyConstraint(["address_id"], ["public_address.id"], name=op.f("fk_public_port_address_id")),
        sa.ForeignKeyConstraint(["nic_id"], ["nic.id"], name=op.f("fk_public_port_nic_id"), ondelete="CASCADE"),
        sa.CheckConstraint("protocol IN ('tcp', 'udp')", name=op.f("ck_public_port_protocol")),
        sa.CheckConstraint(
            "port BETWEEN 1 AND 65535 AND guest_port BETWEEN 1 AND 65535", name=op.f("ck_public_port_ports")
        ),
    )
    op.create_index("uq_public_port_port", "public_port", ["address_id", "protocol", "port"], unique=True)
    op.create_index("uq_public_port_guest", "public_port", ["nic_id", "protocol", "guest_port"], unique=True)
    # Lists show what was written down of VMs: they get the new member as it is for all of them.
    op.execute("UPDATE vm SET summary = left(summary, -1) || ',\"public_ip\": null}' WHERE summary <> ''")


def downgrade() -> None:
    """:raises DBAPIError: guests are reached by public addresses: a release before would not know whose they are."""
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM public_address WHERE account_id IS NOT NULL)"
        " OR EXISTS (SELECT 1 FROM public_port)"
        " THEN RAISE EXCEPTION 'public addresses are in use: release them first'; END IF; END $$"
    )
    op.drop_table("public_port")
    op.drop_table("public_address")
    op.drop_column("node_report", "public")
    op.drop_column("node", "answers_public")
    op.drop_column("account", "quota_public_ports")
    op.drop_column("account", "quota_public_addresses")
