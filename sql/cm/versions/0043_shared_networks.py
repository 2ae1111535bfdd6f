"""Networks that are shared"""

from __future__ import annotations

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_acl_kind"), "acl")
    op.create_check_constraint(op.f("ck_acl_kind"), "acl", "kind IN ('vm', 'image', 'network')")


def downgrade() -> None:
    op.execute("DELETE FROM acl WHERE kind = 'network'")
    op.drop_constraint(op.f("ck_acl_kind"), "acl")
    op.create_check_constraint(op.f("ck_acl_kind"), "acl", "kind IN ('vm', 'image')")
