"""Launch templates, and tags of SSH keys"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _tags() -> sa.Column[object]:
    return sa.Column("tags", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "launch_template",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("cluster_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("default_version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("latest_version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        _tags(),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"], ["cluster.id"], name=op.f("fk_launch_template_cluster_id_cluster"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name=op.f("fk_launch_template_user_id_user_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_launch_template")),
        sa.UniqueConstraint("uuid", name=op.f("uq_launch_template_uuid")),
        sa.UniqueConstraint("user_id", "cluster_id", "name", name=op.f("uq_launch_template_user_id_cluster_id_name")),
    )
    op.create_index(op.f("ix_launch_template_cluster_id"), "launch_template", ["cluster_id"], unique=False)
    op.create_table(
        "launch_template_version",
        sa.Column("launch_template_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["launch_template_id"], ["launch_template.id"],
            name=op.f("fk_launch_template_version_launch_template_id_launch_template"), ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("launch_template_id", "number", name=op.f("pk_launch_template_version")),
    )  # fmt: skip
    op.add_column("ssh_key", _tags())


def downgrade() -> None:
    op.drop_column("ssh_key", "tags")
    op.drop_table("launch_template_version")
    op.drop_table("launch_template")
