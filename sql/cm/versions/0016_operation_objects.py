"""What an operation is about are rows while it is open: one index keeps any object to one of them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OPEN = "state IN ('queued', 'running', 'waiting')"
# Given up, with a worker that has not let go yet.
LEFT = "state = 'abandoned' AND worker_id IS NOT NULL"

# Of an attachment that is gone nothing is left that an operation could be about.
_OBJECTS = f"""
UPDATE operation o
   SET objects = jsonb_strip_nulls(jsonb_build_object(
       'image', CASE WHEN o.image_id IS NOT NULL THEN jsonb_build_array(o.image_id)
                     WHEN o.kind = 'vm_save_and_shutdown' THEN
                     (SELECT jsonb_build_array(v.save_image_id) FROM vm v
                       WHERE v.id = o.vm_id AND v.save_image_id IS NOT NULL) END,
       'node', CASE WHEN o.kind = 'node_evacuate' THEN jsonb_build_array(o.node_id) END,
       'storage', CASE WHEN o.kind = 'storage_attach' THEN jsonb_build_array(o.storage_id) END,
       'attachment', CASE WHEN o.kind = 'storage_attach' THEN
                     (SELECT jsonb_build_array(a.id) FROM storage_attachment a
                       WHERE a.storage_id = o.storage_id AND a.node_id = o.node_id) END))
 WHERE o.image_id IS NOT NULL OR o.storage_id IS NOT NULL OR o.kind = 'node_evacuate'
    OR o.kind = 'vm_save_and_shutdown' AND o.{OPEN}
"""
_HELD = f"""
INSERT INTO operation_object (operation_id, kind, object_id, exclusive)
SELECT a.id, a.kind, a.object_id,
       a.held AND row_number() OVER (PARTITION BY a.held, a.kind, a.object_id ORDER BY a.id) = 1
  FROM (SELECT id, 'vm' AS kind, vm_id AS object_id, {OPEN} AND NOT concurrent AS held
          FROM operation WHERE vm_id IS NOT NULL AND ({OPEN} OR {LEFT})
         UNION ALL
        SELECT o.id, e.key, CAST(n.value AS bigint), o.{OPEN} AND e.key <> 'storage'
          FROM operation o CROSS JOIN LATERAL jsonb_each(o.objects) e
               CROSS JOIN LATERAL jsonb_array_elements_text(e.value) n
         WHERE o.{OPEN} OR o.{LEFT}) a
"""


def _open(name: str, columns: list[str], condition: str = "", *, unique: bool = False) -> None:
    op.create_index(name, "operation", columns, unique=unique, postgresql_where=sa.text(OPEN + condition))


def upgrade() -> None:
    op.add_column("storage_attachment", sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False))
    op.create_index("uq_storage_attachment_id", "storage_attachment", ["id"], unique=True)
    empty = sa.text("'{}'")
    op.add_column("operation", sa.Column("objects", postgresql.JSONB(), server_default=empty, nullable=False))
    op.execute(_OBJECTS)
    op.create_table(
        "operation_object",
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operation.id"], name=op.f("fk_operation_object_operation_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("operation_id", "kind", "object_id", name=op.f("pk_operation_object")),
    )
    op.execute(_HELD)
    for name, unique, condition in (
        ("uq_operation_object_held", True, "exclusive"),
        ("ix_operation_object_shared", False, "NOT exclusive"),
    ):
        op.create_index(
            name, "operation_object", ["kind", "object_id"], unique=unique, postgresql_where=sa.text(condition)
        )
    op.drop_index("uq_operation_open_vm", table_name="operation")
    op.drop_index("uq_operation_open_node", table_name="operation")
    _open("ix_operation_open_vm", ["vm_id"])
    op.drop_column("operation", "image_id")  # and the indexes that it is in
    op.drop_column("operation", "storage_id")


def downgrade() -> None:
    for column in ("image_id", "storage_id"):
        op.add_column("operation", sa.Column(column, sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE operation SET image_id = CAST(objects->'image'->>0 AS bigint),"
        " storage_id = CAST(objects->'storage'->>0 AS bigint) WHERE objects <> '{}' AND vm_id IS NULL"
    )
    op.execute(
        "UPDATE operation o SET storage_id = i.storage_id FROM image i WHERE i.id = o.image_id AND o.storage_id IS NULL"
    )
    op.create_foreign_key(op.f("fk_operation_image_id"), "operation", "image", ["image_id"], ["id"])
    op.create_foreign_key(op.f("fk_operation_storage_id"), "operation", "storage", ["storage_id"], ["id"])
    op.drop_index("ix_operation_open_vm", table_name="operation")
    _open("uq_operation_open_vm", ["vm_id"], " AND NOT concurrent", unique=True)
    _open("uq_operation_open_image", ["image_id"], " AND vm_id IS NULL AND NOT concurrent", unique=True)
    _open("uq_operation_open_node", ["node_id"], " AND kind = 'node_evacuate'", unique=True)
    _open("ix_operation_open_image", ["image_id", "id"], " AND image_id IS NOT NULL")
    op.drop_table("operation_object")
    op.drop_column("operation", "objects")
    op.drop_index("uq_storage_attachment_id", table_name="storage_attachment")
    op.drop_column("storage_attachment", "id")
