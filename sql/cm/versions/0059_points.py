"""What VMs cost: prices kept on them, and when they held a node's CPUs and memory"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

# Whichever statement claims a VM's share of a node, moves it on or gives it back: nothing that costs is forgotten.
KEEP = """
CREATE FUNCTION keep_vm_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        UPDATE vm_run SET ended_at = clock_timestamp() WHERE vm_id = NEW.id AND ended_at IS NULL;
    END IF;
    IF NEW.node_claimed AND NEW.points > 0 THEN
        INSERT INTO vm_run (vm_id, account_id, points, began_at)
        VALUES (NEW.id, NEW.account_id, NEW.points, clock_timestamp());
    END IF;
    RETURN NULL;
END $$
"""
BEGINS = """
CREATE TRIGGER vm_run_begins AFTER INSERT ON vm FOR EACH ROW WHEN (NEW.node_claimed AND NEW.points > 0)
EXECUTE FUNCTION keep_vm_run()
"""
CHANGES = """
CREATE TRIGGER vm_run_changes AFTER UPDATE OF node_claimed, account_id, points ON vm FOR EACH ROW
WHEN ((OLD.points > 0 OR NEW.points > 0) AND
      (OLD.node_claimed, OLD.account_id, OLD.points) IS DISTINCT FROM (NEW.node_claimed, NEW.account_id, NEW.points))
EXECUTE FUNCTION keep_vm_run()
"""


def upgrade() -> None:
    op.add_column("vm", sa.Column("points", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("account", sa.Column("quota_points", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("account", sa.Column("points_told", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("account", sa.Column("points_told_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "vm_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vm_run")),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_vm_run_vm_id_vm")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_vm_run_account_id_account")),
        sa.CheckConstraint("points > 0", name=op.f("ck_vm_run_priced")),
    )
    under_way = sa.text("ended_at IS NULL")
    op.create_index("uq_vm_run_under_way", "vm_run", ["vm_id"], unique=True, postgresql_where=under_way)
    op.create_index("ix_vm_run_account", "vm_run", ["account_id", "ended_at"], unique=False)
    op.create_index("ix_vm_run_ended", "vm_run", ["ended_at"], unique=False)
    # Sizes had prices already, which nobody paid: VMs that are there begin to cost now.
    op.execute("UPDATE vm SET points = t.points FROM template t WHERE t.id = vm.template_id AND vm.closed_at IS NULL")
    op.execute(
        "INSERT INTO vm_run (vm_id, account_id, points, began_at) SELECT id, account_id, points, clock_timestamp()"
        " FROM vm WHERE node_claimed AND points > 0"
    )
    for statement in (KEEP, BEGINS, CHANGES):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER vm_run_changes ON vm")
    op.execute("DROP TRIGGER vm_run_begins ON vm")
    op.execute("DROP FUNCTION keep_vm_run()")
    op.drop_table("vm_run")
    for column in ("points_told_at", "points_told", "quota_points"):
        op.drop_column("account", column)
    op.drop_column("vm", "points")
