"""The step that an operation goes on with by its name: a number means another step once a kind has gained one"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The steps of each kind as they stood when they were kept by number. Ended operations and those that have not begun
# mostly stand at the first, which needs no name.
STEPS = {
    "vm_create": ("place", "launch"),
    "vm_start": ("place", "launch"),
    "vm_stop": ("cut_power", "await_end", "rest"),
    "vm_shutdown": ("press_button", "await_shutdown", "rest"),
    "vm_reset": ("reset",),
    "vm_move": ("claim_place", "cut_power_there", "await_end_there", "leave", "launch_elsewhere"),
    "vm_pause": ("pause",),
    "vm_resume": ("resume",),
    "vm_destroy": ("cut_power", "await_end", "clean_up", "close"),
    "vm_save_and_shutdown": ("press_button", "await_shutdown_or_cut", "await_end", "keep", "clean_up", "close"),
    "vm_vnc": ("apply_vnc",),
    "image_import": ("fetch", "inspect_and_claim", "upload", "finish"),
    "image_delete": ("delete",),
    "storage_attach": ("settle",),
}
NAMES = ", ".join(f"('{kind}', {n}, '{name}')" for kind, names in STEPS.items() for n, name in enumerate(names))
# One that is under way, even in its first step, goes on with that one and not with what may be put before it.
CONVERT = f"""
UPDATE operation o SET step = s.name FROM (VALUES {NAMES}) AS s (kind, number, name)
 WHERE s.kind = o.kind AND s.number = o.step_number
   AND (o.step_number > 0 OR o.state IN ('queued', 'running', 'waiting') AND o.started_at IS NOT NULL)
"""
BACK = f"""
UPDATE operation o SET step_number = s.number FROM (VALUES {NAMES}) AS s (kind, number, name)
 WHERE s.kind = o.kind AND s.name = o.step AND s.number > 0
"""


def upgrade() -> None:
    op.alter_column("operation", "step", new_column_name="step_number")
    op.add_column("operation", sa.Column("step", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.execute(CONVERT)
    op.drop_column("operation", "step_number")


def downgrade() -> None:
    op.add_column("operation", sa.Column("step_number", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.execute(BACK)
    op.drop_column("operation", "step")
    op.alter_column("operation", "step_number", new_column_name="step")
