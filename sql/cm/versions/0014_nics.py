"""Network cards are rows: what a VM's address had decided about its card is written down, and stays as it was"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The model was read from the image of the first disk at each launch.
_NICS = """
INSERT INTO nic (vm_id, number, pool_id, mac, tap, model)
SELECT l.vm_id, l.nic, l.pool_id, CAST('0257' || l.digits AS macaddr), 'wv' || l.digits,
       coalesce((SELECT i.network_device FROM disk d LEFT JOIN image i ON i.id = d.image_id
                  WHERE d.vm_id = l.vm_id AND d.deleted_at IS NULL ORDER BY d.id LIMIT 1), 'virtio')
  FROM (SELECT *, lpad(to_hex(address - inet '0.0.0.0'), 8, '0') AS digits FROM network_lease
         WHERE vm_id IS NOT NULL) l
 ORDER BY l.vm_id, l.nic
"""


def upgrade() -> None:
    op.create_table(
        "nic",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("pool_id", sa.BigInteger(), nullable=False),
        sa.Column("mac", postgresql.MACADDR(), nullable=False),
        sa.Column("tap", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_nic_vm_id")),
        sa.ForeignKeyConstraint(["pool_id"], ["address_pool.id"], name=op.f("fk_nic_pool_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nic")),
    )
    op.execute(_NICS)
    op.create_index("uq_nic_number", "nic", ["vm_id", "number"], unique=True)
    op.create_index("uq_nic_mac", "nic", ["mac"], unique=True)
    op.add_column("network_lease", sa.Column("nic_id", sa.BigInteger(), nullable=True))
    op.execute("UPDATE network_lease l SET nic_id = n.id FROM nic n WHERE n.vm_id = l.vm_id AND n.number = l.nic")
    op.create_foreign_key(op.f("fk_network_lease_nic_id"), "network_lease", "nic", ["nic_id"], ["id"])
    op.drop_column("network_lease", "vm_id")  # and the indexes and the key that it is in
    op.drop_column("network_lease", "nic")
    op.create_index(
        "ix_network_lease_free", "network_lease", ["pool_id", "address"], postgresql_where=sa.text("nic_id IS NULL")
    )
    op.create_index("ix_network_lease_nic", "network_lease", ["nic_id"], postgresql_where=sa.text("nic_id IS NOT NULL"))


def downgrade() -> None:
    op.add_column("network_lease", sa.Column("vm_id", sa.BigInteger(), nullable=True))
    op.add_column("network_lease", sa.Column("nic", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.execute("UPDATE network_lease l SET vm_id = n.vm_id, nic = n.number FROM nic n WHERE n.id = l.nic_id")
    op.create_foreign_key(op.f("fk_network_lease_vm_id"), "network_lease", "vm", ["vm_id"], ["id"])
    op.drop_column("network_lease", "nic_id")
    op.create_index(
        "ix_network_lease_free", "network_lease", ["pool_id", "address"], postgresql_where=sa.text("vm_id IS NULL")
    )
    op.create_index(
        "uq_network_lease_vm", "network_lease", ["vm_id", "nic"], unique=True,
        postgresql_where=sa.text("vm_id IS NOT NULL"),
    )  # fmt: skip
    op.drop_table("nic")
