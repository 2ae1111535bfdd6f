"""Our own agents within guests, and what they are asked to do"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0079"
down_revision = "0075"
branch_labels = None
depends_on = None


def _text(name: str, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=None if default is None else sa.text(default), nullable=False)


def _time(name: str, *, now: bool = False, needed: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not (now or needed))


def upgrade() -> None:
    op.create_table(
        "guest_agent",
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("launch", sa.BigInteger(), nullable=False),
        _text("key_hash"),
        _text("version"),
        sa.Column("actions", postgresql.JSONB(), nullable=False),
        _time("seen_at", now=True),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_guest_agent_vm_id_vm")),
        sa.PrimaryKeyConstraint("vm_id", name=op.f("pk_guest_agent")),
    )
    op.create_table(
        "guest_command",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("vm_id", sa.BigInteger(), nullable=False),
        sa.Column("launch", sa.BigInteger(), nullable=False),
        _text("action"),
        _text("arguments", "''"),
        _text("state", "'pending'"),
        _text("result", "''"),
        _text("error", "''"),
        _time("created_at", now=True),
        _time("expires_at", needed=True),
        _time("began_at"),
        _time("ended_at"),
        sa.CheckConstraint(
            "state IN ('pending', 'executing', 'finished', 'failed', 'timed_out', 'expired')",
            name=op.f("ck_guest_command_state"),
        ),
        sa.ForeignKeyConstraint(["vm_id"], ["vm.id"], name=op.f("fk_guest_command_vm_id_vm")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guest_command")),
    )
    op.create_index(
        "ix_guest_command_open", "guest_command", ["vm_id", "id"],
        postgresql_where=sa.text("state IN ('pending', 'executing')"),
    )  # fmt: skip
    op.create_index("ix_guest_command_vm", "guest_command", ["vm_id", "id"])


def downgrade() -> None:
    op.drop_table("guest_command")
    op.drop_table("guest_agent")
