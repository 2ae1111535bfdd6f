"""Volumes, disks and attachments are rows of their own; what was deleted has none"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def _key() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def _created() -> sa.Column[datetime]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


# What is live of the old tables, with the ids that it gets. Disks keep theirs; a storage image's or ISO's come after.
_BEFORE = """
CREATE TEMP TABLE old_disk ON COMMIT DROP AS
SELECT d.*, nextval('volume_id_seq') AS volume_id, v.account_id, v.closed_at IS NOT NULL AS ended,
       row_number() OVER (PARTITION BY d.vm_id ORDER BY d.id) - 1 AS number
  FROM disk d JOIN vm v ON v.id = d.vm_id WHERE d.deleted_at IS NULL;
CREATE TEMP TABLE old_image ON COMMIT DROP AS
SELECT i.*, nextval('volume_id_seq') AS volume_id FROM image i WHERE i.deleted_at IS NULL;
CREATE TEMP TABLE old_attachment ON COMMIT DROP AS SELECT * FROM image_attachment;
"""

_VOLUMES = """
INSERT INTO volume (id, storage_id, name, format, size_bytes, claimed_bytes, made, created_at)
SELECT volume_id, storage_id, volume, format, size_bytes, claimed_bytes, state = 'ok', created_at FROM old_image;
INSERT INTO volume (id, storage_id, name, format, mode, backing_id, size_bytes, claimed_bytes, made, created_at)
SELECT d.volume_id, d.storage_id, d.volume, d.format, d.mode,
       CASE WHEN d.mode = 'overlay' OR NOT d.made THEN i.volume_id END, d.size_bytes, d.size_bytes, d.made, d.created_at
  FROM old_disk d LEFT JOIN old_image i ON i.id = d.image_id;
UPDATE image i SET volume_id = o.volume_id FROM old_image o WHERE o.id = i.id;
"""

_DISKS = """
INSERT INTO disk (id, account_id, volume_id, created_at)
SELECT id, account_id, volume_id, created_at FROM old_disk;
SELECT setval('disk_id_seq', max(id)) FROM old_disk HAVING count(*) > 0;
INSERT INTO disk (account_id, image_id, volume_id, created_at)
SELECT account_id, id, volume_id, created_at FROM old_image WHERE kind <> 'system' ORDER BY id;
INSERT INTO attachment (vm_id, number, disk_id, device, bus, boot_order, delete_with_vm, created_at)
SELECT vm_id, number, id, device, bus, CASE WHEN number = 0 THEN 1 END, true, created_at FROM old_disk;
INSERT INTO attachment (vm_id, number, disk_id, device, bus, read_only, cdrom)
SELECT a.vm_id, greatest((SELECT count(*) FROM old_disk o WHERE o.vm_id = a.vm_id), 1) - 1
       + row_number() OVER (PARTITION BY a.vm_id ORDER BY i.kind = 'iso', a.device),
       k.id, a.device, CASE WHEN i.kind = 'iso' THEN 'sata' ELSE 'virtio' END, a.read_only OR i.kind = 'iso',
       i.kind = 'iso'
  FROM old_attachment a JOIN old_image i ON i.id = a.image_id JOIN disk k ON k.image_id = i.id;
"""


def upgrade() -> None:
    op.create_table(
        "volume",
        _key(),
        sa.Column("storage_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), server_default=sa.text("'whole'"), nullable=False),
        sa.Column("backing_id", sa.BigInteger(), nullable=True),
        _number("size_bytes"),
        _number("claimed_bytes"),
        _flag("made"),
        _created(),
        sa.CheckConstraint("mode IN ('overlay', 'copy', 'whole')", name=op.f("ck_volume_mode")),
        sa.CheckConstraint("size_bytes >= 0 AND claimed_bytes >= 0", name=op.f("ck_volume_sizes")),
        sa.CheckConstraint(
            "backing_id IS NULL OR mode = 'overlay' OR (mode = 'copy' AND NOT made)",
            name=op.f("ck_volume_copy_stands_alone"),
        ),
        sa.CheckConstraint("backing_id <> id", name=op.f("ck_volume_backs_another")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volume")),
    )
    op.execute(_BEFORE)
    op.drop_table("image_attachment")
    op.drop_table("disk")
    op.add_column("image", sa.Column("volume_id", sa.BigInteger(), nullable=True))
    op.execute(_VOLUMES)
    for column in ("storage_id", "volume", "format", "size_bytes", "claimed_bytes"):
        op.drop_column("image", column)  # and the index that the volume's name is in
    op.create_unique_constraint(op.f("uq_volume_storage_id_name"), "volume", ["storage_id", "name"])
    op.create_foreign_key(op.f("fk_volume_storage_id"), "volume", "storage", ["storage_id"], ["id"])
    op.create_foreign_key(op.f("fk_volume_backing_id"), "volume", "volume", ["backing_id"], ["id"])
    op.create_index("ix_volume_backing", "volume", ["backing_id"], postgresql_where=sa.text("backing_id IS NOT NULL"))
    op.create_foreign_key(op.f("fk_image_volume_id"), "image", "volume", ["volume_id"], ["id"])
    op.create_index("uq_image_volume", "image", ["volume_id"], unique=True)
    op.create_unique_constraint("uq_image_as_disk", "image", ["id", "volume_id", "account_id"])
    op.create_check_constraint(
        op.f("ck_image_live_has_volume"), "image", "(deleted_at IS NULL) = (volume_id IS NOT NULL)"
    )
    op.create_table(
        "disk",
        _key(),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("volume_id", sa.BigInteger(), nullable=False),
        _created(),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_disk_account_id")),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name=op.f("fk_disk_volume_id")),
        sa.ForeignKeyConstraint(
            ["image_id", "volume_id", "account_id"],
            ["image.id", "image.volume_id", "image.account_id"],
            name=op.f("fk_disk_image_id"),
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disk")),
    )
    op.create_table(
        "attachment",
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("disk_id", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("bus", sa.Text(), nullable=False),
        sa.Column("boot_order", sa.SmallInteger(), nullable=True),
        _flag("read_only"),
        _flag("cdrom"),
        _flag("delete_with_vm"),
        _created(),
        sa.CheckConstraint("disk_id IS NOT NULL OR cdrom", name=op.f("ck_attachment_drive_may_be_empty")),
        sa.CheckConstraint("read_only OR NOT cdrom", name=op.f("ck_attachment_cdrom_is_read")),
        sa.CheckConstraint("number > 0 OR NOT read_only", name=op.f("ck_attachment_root_is_written")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_attachment_vm_id")),
        sa.ForeignKeyConstraint(["disk_id"], ["disk.id"], name=op.f("fk_attachment_disk_id")),
        sa.PrimaryKeyConstraint("vm_id", "number", name=op.f("pk_attachment")),
    )
    op.execute(_DISKS)
    op.create_index("uq_disk_volume", "disk", ["volume_id"], unique=True)
    op.create_index(
        "uq_disk_image", "disk", ["image_id"], unique=True, postgresql_where=sa.text("image_id IS NOT NULL")
    )
    op.create_index("uq_attachment_device", "attachment", ["vm_id", "device"], unique=True)
    op.create_index("uq_attachment_disk", "attachment", ["disk_id", "vm_id"], unique=True)
    op.create_index(
        "uq_attachment_writer", "attachment", ["disk_id"], unique=True, postgresql_where=sa.text("NOT read_only")
    )


# A deleted image's storage and volume are not on record any more: any storage will do, a name that nothing has.
_IMAGES_BACK = """
ALTER TABLE image ADD storage_id bigint, ADD volume text, ADD format text,
      ADD size_bytes bigint NOT NULL DEFAULT 0, ADD claimed_bytes bigint NOT NULL DEFAULT 0;
UPDATE image i SET storage_id = u.storage_id, volume = u.name, format = u.format, size_bytes = u.size_bytes,
                   claimed_bytes = u.claimed_bytes FROM volume u WHERE u.id = i.volume_id;
UPDATE image SET storage_id = (SELECT min(id) FROM storage), volume = 'image-' || uuid || '.gone', format = 'qcow2'
 WHERE volume_id IS NULL;
"""

_DISKS_BACK = """
INSERT INTO disk (id, vm_id, storage_id, image_id, volume, device, bus, format, mode, size_bytes, made, created_at)
SELECT k.id, a.vm_id, u.storage_id, v.image_id, u.name, a.device, a.bus, u.format, u.mode, u.size_bytes, u.made,
       k.created_at
  FROM old_attachment a JOIN old_disk k ON k.id = a.disk_id JOIN volume u ON u.id = k.volume_id
  JOIN vm v ON v.id = a.vm_id WHERE a.delete_with_vm AND k.image_id IS NULL;
SELECT setval('disk_id_seq', max(id)) FROM disk HAVING count(*) > 0;
INSERT INTO image_attachment (vm_id, image_id, device, read_only)
SELECT a.vm_id, k.image_id, a.device, a.read_only FROM old_attachment a JOIN old_disk k ON k.id = a.disk_id
 WHERE k.image_id IS NOT NULL;
"""


def downgrade() -> None:
    op.execute(
        "CREATE TEMP TABLE old_disk ON COMMIT DROP AS SELECT * FROM disk;"
        "CREATE TEMP TABLE old_attachment ON COMMIT DROP AS SELECT * FROM attachment;"
    )
    op.drop_table("attachment")
    op.drop_table("disk")
    op.execute(_IMAGES_BACK)
    live = sa.text("deleted_at IS NULL")
    op.drop_column("image", "volume_id")  # and what it is in
    for column in ("storage_id", "volume", "format"):
        op.alter_column("image", column, nullable=False)
    op.create_foreign_key(op.f("fk_image_storage_id"), "image", "storage", ["storage_id"], ["id"])
    op.create_index("uq_image_volume", "image", ["storage_id", "volume"], unique=True, postgresql_where=live)
    op.create_table(
        "disk",
        _key(),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("storage_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("volume", "device", "bus", "format", "mode")),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        _flag("made"),
        _created(),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_disk_image_id")),
        sa.ForeignKeyConstraint(["storage_id"], ["storage.id"], name=op.f("fk_disk_storage_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_disk_vm_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disk")),
    )
    op.create_index(op.f("ix_disk_vm_id"), "disk", ["vm_id"])
    op.create_index("ix_disk_deleted", "disk", ["deleted_at"], postgresql_using="brin")
    op.create_index("uq_disk_device", "disk", ["vm_id", "device"], unique=True, postgresql_where=live)
    op.create_index("uq_disk_volume", "disk", ["storage_id", "volume"], unique=True, postgresql_where=live)
    op.create_table(
        "image_attachment",
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        _flag("read_only"),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_image_attachment_image_id")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_image_attachment_vm_id")),
        sa.PrimaryKeyConstraint("vm_id", "image_id", name=op.f("pk_image_attachment")),
        sa.UniqueConstraint("vm_id", "device", name=op.f("uq_image_attachment_vm_id_device")),
    )
    op.execute(_DISKS_BACK)
    op.create_index(op.f("ix_image_attachment_image_id"), "image_attachment", ["image_id"])
    op.create_index(
        "uq_image_attachment_writer", "image_attachment", ["image_id"], unique=True,
        postgresql_where=sa.text("NOT read_only"),
    )  # fmt: skip
    op.drop_table("volume")
