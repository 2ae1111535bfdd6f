"""VM templates: what is installed on VMs, apart from their size"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vm_template",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("ready", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("system", sa.Text(), nullable=True),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("iso_list", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("new_disks", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.Column("networks", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("access_method", sa.Text(), nullable=True),
        sa.Column("has_agent", sa.Boolean(), nullable=True),
        sa.Column("traits", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("tags", postgresql.JSONB(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vm_template")),
        sa.UniqueConstraint("uuid", name=op.f("uq_vm_template_uuid")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_vm_template_account_id_account")),
        sa.ForeignKeyConstraint(["parent_id"], ["vm_template.id"], name=op.f("fk_vm_template_parent_id_vm_template")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_vm_template_image_id_image")),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_vm_template_own_parent")),
    )
    live, derived = sa.text("deleted_at IS NULL"), sa.text("parent_id IS NOT NULL")
    op.create_index("ix_vm_template_account", "vm_template", ["account_id"], unique=False, postgresql_where=live)
    op.create_index("ix_vm_template_parent", "vm_template", ["parent_id"], unique=False, postgresql_where=derived)
    op.add_column("vm", sa.Column("vm_template_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_vm_vm_template_id_vm_template"), "vm", "vm_template", ["vm_template_id"], ["id"])
    op.drop_constraint(op.f("ck_acl_kind"), "acl", type_="check")
    kinds = "kind IN ('vm', 'image', 'network', 'expiry', 'vm_template')"
    op.create_check_constraint(op.f("ck_acl_kind"), "acl", kinds)


def downgrade() -> None:
    op.execute("DELETE FROM acl WHERE kind = 'vm_template'")
    op.drop_constraint(op.f("ck_acl_kind"), "acl", type_="check")
    op.create_check_constraint(op.f("ck_acl_kind"), "acl", "kind IN ('vm', 'image', 'network', 'expiry')")
    op.drop_column("vm", "vm_template_id")
    op.drop_table("vm_template")
