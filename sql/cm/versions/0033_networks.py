"""Networks, cut from address pools: each pool of before is one, with its number"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import CIDR, INET, ExcludeConstraint

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_NO = sa.text("false")
_YES = sa.text("true")
_EMPTY = sa.text("''")
_LIVE = "deleted_at IS NULL"
_KINDS = "kind IN ('nat', 'vxlan', 'bridge')"
_APART = sa.text(f"{_LIVE} AND NOT overlap")


def upgrade() -> None:
    op.add_column("address_pool", sa.Column("kind", sa.Text(), server_default=sa.text("'nat'"), nullable=False))
    op.add_column("address_pool", sa.Column("network6", CIDR(), nullable=True))
    op.add_column("address_pool", sa.Column("overlap", sa.Boolean(), server_default=_NO, nullable=False))
    for column, bits in (("prefix_default", 26), ("prefix_min", 20), ("prefix_max", 30)):
        default = sa.text(f"'{bits}'")
        op.add_column("address_pool", sa.Column(column, sa.SmallInteger(), server_default=default, nullable=False))
    op.create_table(
        "network",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("pool_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("prefix", CIDR(), nullable=False),
        sa.Column("prefix6", CIDR(), nullable=True),
        sa.Column("gateway", INET(), nullable=False),
        sa.Column("gateway6", INET(), nullable=True),
        sa.Column("overlap", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column("bridge", sa.Text(), nullable=False),
        sa.Column("uplink", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("vlan", sa.SmallInteger(), nullable=True),
        sa.Column("mtu", sa.SmallInteger(), nullable=True),
        sa.Column("domain", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("dns", sa.Text(), server_default=_EMPTY, nullable=False),
        sa.Column("dhcp", sa.Boolean(), server_default=_YES, nullable=False),
        sa.Column("masquerade", sa.Boolean(), server_default=_YES, nullable=False),
        sa.Column("metadata_served", sa.Boolean(), server_default=_YES, nullable=False),
        sa.Column("locked", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network")),
        sa.UniqueConstraint("uuid", name=op.f("uq_network_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_network_account_id")),
        sa.ForeignKeyConstraint(["pool_id"], ["address_pool.id"], name=op.f("fk_network_pool_id")),
        sa.CheckConstraint(_KINDS, name=op.f("ck_network_kind")),
        sa.CheckConstraint("family(prefix) = family(gateway)", name=op.f("ck_network_gateway")),
        sa.CheckConstraint("(prefix6 IS NULL) = (gateway6 IS NULL)", name=op.f("ck_network_gateway6")),
        *(
            ExcludeConstraint(
                (column, "&&"), name=f"ex_network_{column}", using="gist", where=_APART, ops={column: "inet_ops"}
            )
            for column in ("prefix", "prefix6")
        ),
    )
    op.execute(
        "INSERT INTO network (id, uuid, pool_id, kind, name, prefix, gateway, bridge, dns, locked, version, created_at,"
        " deleted_at) SELECT id, uuid, id, 'nat', name, network, gateway, bridge, dns, locked, version, created_at,"
        " deleted_at FROM address_pool"
    )
    op.execute(
        "SELECT setval(pg_get_serial_sequence('network', 'id'), max(id)) FROM (SELECT max(id) AS id FROM address_pool"
        " UNION ALL SELECT nextval(pg_get_serial_sequence('address_pool', 'id'))) given"
    )
    live = sa.text(_LIVE)
    op.create_index(
        "uq_network_name", "network", [sa.text("coalesce(account_id, 0)"), "name"], unique=True, postgresql_where=live
    )
    op.create_index("uq_network_bridge", "network", ["bridge"], unique=True, postgresql_where=live)
    only = sa.text(f"{_LIVE} AND kind <> 'vxlan'")
    op.create_index("uq_network_only", "network", ["pool_id"], unique=True, postgresql_where=only)
    op.create_index("ix_network_pool_id", "network", ["pool_id"])
    op.create_index("ix_network_account_id", "network", ["account_id"])
    op.drop_constraint("ex_address_pool_network", "address_pool")
    for column in ("gateway", "bridge", "dns"):
        op.drop_column("address_pool", column)  # and the index of bridges
    op.create_exclude_constraint(
        "ex_address_pool_network",
        "address_pool",
        ("network", "&&"),
        where=_APART,
        using="gist",
        ops={"network": "inet_ops"},
    )
    op.create_check_constraint(op.f("ck_address_pool_kind"), "address_pool", _KINDS)
    op.create_check_constraint(op.f("ck_address_pool_nat"), "address_pool", "kind <> 'nat' OR NOT overlap")
    op.create_check_constraint(
        op.f("ck_address_pool_prefixes"),
        "address_pool",
        "prefix_min <= prefix_default AND prefix_default <= prefix_max",
    )
    _repoint("pool_id", "network_id", "network")
    op.create_index("ix_nic_network_id", "nic", ["network_id"])
    op.add_column("nic", sa.Column("spoofing", sa.Boolean(), server_default=_NO, nullable=False))


def _repoint(before: str, after: str, table: str) -> None:
    """NICs and leases say by ``after`` what they said by ``before``: the numbers are the same."""
    for each in ("nic", "network_lease"):
        op.drop_constraint(op.f(f"fk_{each}_{before}"), each)
        op.alter_column(each, before, new_column_name=after)
        op.create_foreign_key(op.f(f"fk_{each}_{after}"), each, table, [after], ["id"])


def downgrade() -> None:
    """:raises DBAPIError: there are networks that a release before does not know."""
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM network WHERE kind <> 'nat' AND deleted_at IS NULL) OR EXISTS"
        " (SELECT 1 FROM address_pool WHERE kind <> 'nat' AND deleted_at IS NULL) THEN RAISE EXCEPTION 'networks of"
        " other kinds than nat: release them and delete their pools first'; END IF; END $$"
    )
    op.drop_column("nic", "spoofing")
    op.drop_index("ix_nic_network_id", "nic")
    _repoint("network_id", "pool_id", "address_pool")
    for name in ("nat", "prefixes", "kind"):
        op.drop_constraint(op.f(f"ck_address_pool_{name}"), "address_pool")
    op.drop_constraint("ex_address_pool_network", "address_pool")
    op.add_column("address_pool", sa.Column("gateway", INET(), nullable=True))
    op.add_column("address_pool", sa.Column("bridge", sa.Text(), nullable=True))
    op.add_column("address_pool", sa.Column("dns", sa.Text(), server_default=_EMPTY, nullable=False))
    op.execute("DELETE FROM network WHERE kind <> 'nat'")
    op.execute("DELETE FROM address_pool WHERE kind <> 'nat'")
    op.execute(
        "UPDATE address_pool p SET gateway = w.gateway, bridge = w.bridge, dns = w.dns, locked = w.locked,"
        " version = w.version FROM network w WHERE w.id = p.id"
    )
    op.execute(
        "SELECT setval(pg_get_serial_sequence('address_pool', 'id'), nextval(pg_get_serial_sequence('network', 'id')))"
    )
    op.drop_table("network")
    for column in ("gateway", "bridge"):
        op.alter_column("address_pool", column, nullable=False)
    for column in ("kind", "network6", "overlap", "prefix_default", "prefix_min", "prefix_max"):
        op.drop_column("address_pool", column)
    op.create_index("uq_address_pool_bridge", "address_pool", ["bridge"], unique=True, postgresql_where=sa.text(_LIVE))
    op.create_exclude_constraint(
        "ex_address_pool_network",
        "address_pool",
        ("network", "&&"),
        where=sa.text(_LIVE),
        using="gist",
        ops={"network": "inet_ops"},
    )
