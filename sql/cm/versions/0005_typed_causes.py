"""What led to an operation, and why a domain is as it was seen, in words that we know"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KINDS = "cause_kind IN ('call', 'hook', 'look', 'drift', 'operation')"

# A caller's request id had no blanks and could be "look": then there is a request of that name.
CONVERT = """
UPDATE operation o SET
  cause_kind = CASE
    WHEN cause ~ '^hook [0-9]+$' THEN 'hook'
    WHEN cause ~ '^drift [0-9]+$' THEN 'drift'
    WHEN cause ~ '^operation [0-9]+( |$)' THEN 'operation'
    WHEN cause = 'look' AND NOT EXISTS (SELECT 1 FROM request r
      WHERE r.request_id = 'look' AND r.account_id = o.account_id) THEN 'look'
    ELSE 'call' END,
  cause_ref = CASE
    WHEN cause ~ '^(hook|drift|operation) [0-9]+( |$)' THEN split_part(cause, ' ', 2)
    ELSE cause END
"""
BACK = """
UPDATE operation SET cause = CASE cause_kind
  WHEN 'call' THEN cause_ref WHEN 'look' THEN 'look'
  WHEN 'hook' THEN 'hook ' || substring(cause_ref from '[0-9]+$') ELSE cause_kind || ' ' || cause_ref END
"""

# libvirt's "unknown" means that the host was restarted where a domain is off, and nothing anywhere else.
SEEN = """
UPDATE vm SET seen_reason = CASE seen WHEN 'absent' THEN 'absent' ELSE 'other' END
 WHERE seen_reason = 'unknown' AND seen <> 'off'
"""


def upgrade() -> None:
    op.add_column("operation", sa.Column("cause_kind", sa.Text(), server_default=sa.text("'call'"), nullable=False))
    op.add_column("operation", sa.Column("cause_ref", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute(CONVERT)
    op.create_check_constraint(op.f("ck_operation_cause_kind"), "operation", KINDS)
    op.drop_column("operation", "cause")
    op.execute(SEEN)


def downgrade() -> None:
    op.add_column("operation", sa.Column("cause", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute(BACK)
    op.drop_constraint(op.f("ck_operation_cause_kind"), "operation", type_="check")
    op.drop_column("operation", "cause_ref")
    op.drop_column("operation", "cause_kind")
