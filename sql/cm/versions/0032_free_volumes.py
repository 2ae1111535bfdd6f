"""Volumes that are free to be used again, and reservations of VMs' disks to be"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_NO = sa.text("false")


def upgrade() -> None:
    op.add_column("storage", sa.Column("hardware_pool", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("storage", sa.Column("keep_freed", sa.Boolean(), server_default=_NO, nullable=False))
    op.add_column("storage", sa.Column("freed", sa.Text(), server_default=sa.text("'none'"), nullable=False))
    op.create_check_constraint(op.f("ck_storage_freed"), "storage", "freed IN ('none', 'discard', 'wipe')")
    op.create_table(
        "free_volume",
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("writer_id", sa.BigInteger(), nullable=True),
        sa.Column("clean", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column("doomed", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("volume_id", name=op.f("pk_free_volume")),
        sa.ForeignKeyConstraint(
            ["volume_id"], ["volume.id"], name=op.f("fk_free_volume_volume_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_free_volume_account_id")),
        sa.ForeignKeyConstraint(["writer_id"], ["account.id"], name=op.f("fk_free_volume_writer_id")),
    )
    op.create_table(
        "reservation",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("tried", sa.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("reused", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column("wipe", sa.Boolean(), server_default=_NO, nullable=False),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now() + interval '1 hour'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("vm_id", "number", name=op.f("uq_reservation_vm_id_number")),
        sa.UniqueConstraint("volume_id", name=op.f("uq_reservation_volume_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_reservation_vm_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_reservation_account_id")),
        sa.ForeignKeyConstraint(
            ["volume_id"], ["volume.id"], name=op.f("fk_reservation_volume_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_reservation_expires_at"), "reservation", ["expires_at"])
    op.create_index(op.f("ix_reservation_operation_id"), "reservation", ["operation_id"])


def downgrade() -> None:
    # What is free or reserved is nobody's: its rows go, and its files are left to the pass over storages.
    op.execute(
        "UPDATE account a SET used_storage_mib = used_storage_mib - r.mib FROM (SELECT r.account_id,"
        " sum(ceil(u.claimed_bytes / 1048576.0)) AS mib FROM reservation r JOIN volume u ON u.id = r.volume_id"
        " GROUP BY 1) r WHERE r.account_id = a.id"
    )
    op.execute(
        "WITH gone AS (DELETE FROM volume WHERE id IN (SELECT volume_id FROM free_volume UNION"
        " SELECT volume_id FROM reservation) RETURNING storage_id, claimed_bytes)"
        " UPDATE storage s SET claimed_bytes = s.claimed_bytes - g.size FROM"
        " (SELECT storage_id, sum(claimed_bytes) AS size FROM gone GROUP BY 1) g WHERE g.storage_id = s.id"
    )
    op.drop_table("reservation")
    op.drop_table("free_volume")
    op.drop_constraint(op.f("ck_storage_freed"), "storage")
    for column in ("freed", "keep_freed", "hardware_pool"):
        op.drop_column("storage", column)
