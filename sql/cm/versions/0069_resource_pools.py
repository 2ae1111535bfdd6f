"""VM profiles, VM templates that are saved of VMs, resource pools with who makes VMs in them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _profiles()
    _resource_pools()


def _profiles() -> None:
    op.create_table(
        "vm_profile",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vm_template_id", sa.BigInteger(), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vm_profile")),
        sa.UniqueConstraint("uuid", name=op.f("uq_vm_profile_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_vm_profile_account_id_account")),
        sa.ForeignKeyConstraint(
            ["vm_template_id"], ["vm_template.id"], name=op.f("fk_vm_profile_vm_template_id_vm_template")
        ),
        sa.ForeignKeyConstraint(["template_id"], ["template.id"], name=op.f("fk_vm_profile_template_id_template")),
    )
    live = sa.text("deleted_at IS NULL")
    op.create_index("uq_vm_profile_name", "vm_profile", ["account_id", "name"], unique=True, postgresql_where=live)
    op.create_index("ix_vm_profile_vm_template", "vm_profile", ["vm_template_id"], unique=False, postgresql_where=live)
    coming = sa.text("NOT ready")
    op.create_index("ix_vm_template_coming", "vm_template", ["image_id"], unique=False, postgresql_where=coming)


def _resource_pools() -> None:
    op.create_table(
        "resource_pool",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("hardware_pool", sa.Text(), nullable=True),
        *(
            sa.Column(f"quota_{name}", sa.BigInteger(), nullable=True)
            for name in ("cpu", "memory_mib", "storage_mib", "vms", "nics")
        ),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_pool")),
        sa.UniqueConstraint("uuid", name=op.f("uq_resource_pool_uuid")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["resource_pool.id"], name=op.f("fk_resource_pool_parent_id_resource_pool")
        ),
    )
    live, inside = sa.text("deleted_at IS NULL"), sa.text("parent_id IS NOT NULL")
    op.create_index("uq_resource_pool_name", "resource_pool", ["name"], unique=True, postgresql_where=live)
    op.create_index("ix_resource_pool_parent", "resource_pool", ["parent_id"], unique=False, postgresql_where=inside)
    op.create_table(
        "resource_pool_grant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("pool_id", sa.BigInteger(), nullable=False),
        sa.Column("privilege", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_pool_grant")),
        sa.UniqueConstraint(
            "pool_id", "privilege", "account_id", name=op.f("uq_resource_pool_grant_pool_id_privilege_account_id")
        ),
        sa.UniqueConstraint(
            "pool_id",
            "privilege",
            "issuer",
            "group_id",
            name=op.f("uq_resource_pool_grant_pool_id_privilege_issuer_group_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["resource_pool.id"], name=op.f("fk_resource_pool_grant_pool_id_resource_pool")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_resource_pool_grant_account_id_account")),
        sa.CheckConstraint(
            "num_nonnulls(account_id, group_id) = 1 AND (group_id IS NULL) = (issuer IS NULL) AND issuer <> ''",
            name=op.f("ck_resource_pool_grant_subject"),
        ),
        sa.CheckConstraint(
            "privilege IN ('cloud_create', 'cloud_view')", name=op.f("ck_resource_pool_grant_privilege")
        ),
    )
    op.create_index("ix_resource_pool_grant_account", "resource_pool_grant", ["account_id"])
    op.create_index("ix_resource_pool_grant_group", "resource_pool_grant", ["issuer", "group_id"])
    op.add_column("vm", sa.Column("resource_pool_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_vm_resource_pool_id_resource_pool"), "vm", "resource_pool", ["resource_pool_id"], ["id"]
    )
    members = sa.text("resource_pool_id IS NOT NULL AND closed_at IS NULL")
    op.create_index("ix_vm_resource_pool_id", "vm", ["resource_pool_id"], unique=False, postgresql_where=members)


def downgrade() -> None:
    op.drop_column("vm", "resource_pool_id")
    op.drop_table("resource_pool_grant")
    op.drop_table("resource_pool")
    op.drop_index("ix_vm_template_coming", "vm_template")
    op.drop_table("vm_profile")
