"""Buckets and what is in them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def _key() -> sa.Column[object]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _uuid() -> sa.Column[object]:
    return sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)


def _now() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _headers() -> sa.Column[object]:
    return sa.Column("headers", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "bucket",
        _key(),
        _uuid(),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _now(),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_bucket_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bucket")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_bucket_account_id_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_bucket_uuid")),
    )
    op.create_table(
        "stored_object",
        _key(),
        _uuid(),
        sa.Column("bucket_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("quota_mib", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("etag", sa.Text(), server_default=sa.text("''"), nullable=False),
        _headers(),
        sa.Column("place", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("multipart", sa.Uuid(), nullable=True),
        _now(),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('coming', 'ok')", name=op.f("ck_stored_object_state")),
        sa.CheckConstraint("(state = 'coming') = (expires_at IS NOT NULL)", name=op.f("ck_stored_object_expires")),
        sa.CheckConstraint("size_bytes >= 0 AND quota_mib >= 0", name=op.f("ck_stored_object_sizes")),
        sa.ForeignKeyConstraint(["bucket_id"], ["bucket.id"], name=op.f("fk_stored_object_bucket_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_stored_object_account_id")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_stored_object_volume_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_object")),
        sa.UniqueConstraint("uuid", name=op.f("uq_stored_object_uuid")),
    )
    op.create_index(
        "uq_stored_object_key", "stored_object", ["bucket_id", "key"], unique=True,
        postgresql_where=sa.text("state = 'ok'"),
    )  # fmt: skip
    op.create_index(
        "ix_stored_object_coming", "stored_object", ["expires_at"], postgresql_where=sa.text("state = 'coming'")
    )
    op.create_index("uq_stored_object_volume", "stored_object", ["volume_id"], unique=True)
    op.create_index("ix_stored_object_account_id", "stored_object", ["account_id"])
    op.create_table(
        "multipart",
        _key(),
        _uuid(),
        sa.Column("bucket_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        _headers(),
        sa.Column("place", sa.Text(), nullable=False),
        _now(),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["bucket_id"], ["bucket.id"], name=op.f("fk_multipart_bucket_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_multipart_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_multipart")),
        sa.UniqueConstraint("uuid", name=op.f("uq_multipart_uuid")),
    )
    for column in ("bucket_id", "account_id", "expires_at"):
        op.create_index(f"ix_multipart_{column}", "multipart", [column])
    op.create_table(
        "multipart_part",
        _key(),
        _uuid(),
        sa.Column("multipart_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("quota_mib", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("etag", sa.Text(), server_default=sa.text("''"), nullable=False),
        _now(),
        sa.CheckConstraint(
            "number BETWEEN 1 AND 10000 AND size_bytes >= 0 AND quota_mib >= 0", name=op.f("ck_multipart_part_number")
        ),
        sa.ForeignKeyConstraint(
            ["multipart_id"], ["multipart.id"], name=op.f("fk_multipart_part_multipart_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_multipart_part")),
        sa.UniqueConstraint("uuid", name=op.f("uq_multipart_part_uuid")),
    )
    op.create_index(
        "uq_multipart_part_number", "multipart_part", ["multipart_id", "number"], unique=True,
        postgresql_where=sa.text("etag <> ''"),
    )  # fmt: skip
    op.create_index("ix_multipart_part_multipart_id", "multipart_part", ["multipart_id"])


def downgrade() -> None:
    for table in ("multipart_part", "multipart", "stored_object", "bucket"):
        op.drop_table(table)
