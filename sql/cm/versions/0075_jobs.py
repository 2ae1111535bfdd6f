"""Jobs: calls over a set of parameters, by hand or by a schedule, and what came of them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0075"
down_revision = "0078"
branch_labels = None
depends_on = None


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False)


def _text(name: str, default: str | None = "''") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=None if default is None else sa.text(default), nullable=False)


def _time(name: str, *, now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not now)


def upgrade() -> None:
    op.create_table(
        "job",
        _id(),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        _text("issuer"),
        _text("name", None),
        _text("method", None),
        sa.Column("params", postgresql.JSONB(), nullable=False),
        _text("cron"),
        _text("timezone", "'UTC'"),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _time("next_at"),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _time("created_at", now=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_job_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("uuid", name=op.f("uq_job_uuid")),
    )
    op.create_index("uq_job_name", "job", ["account_id", "name"], unique=True)
    op.create_index(
        "ix_job_next", "job", ["next_at"], postgresql_where=sa.text("enabled AND next_at IS NOT NULL")
    )
    op.create_table(
        "job_run",
        _id(),
        sa.Column("uuid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        _text("method", None),
        _text("state", None),
        sa.Column("missed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _time("due_at"),
        _text("worker"),
        _time("lease_until"),
        _time("created_at", now=True),
        _time("started_at"),
        _time("finished_at"),
        sa.CheckConstraint(
            "state IN ('open', 'done', 'failed', 'canceled', 'missed', 'skipped')", name=op.f("ck_job_run_state")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_run_job_id_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
        sa.UniqueConstraint("uuid", name=op.f("uq_job_run_uuid")),
    )
    op.create_index("ix_job_run_job", "job_run", ["job_id", "id"])
    # No second run while one is under way.
    op.create_index("uq_job_run_open", "job_run", ["job_id"], unique=True, postgresql_where=sa.text("state = 'open'"))
    op.create_table(
        "job_call",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("params", postgresql.JSONB(), nullable=False),
        _text("status"),
        _text("message"),
        sa.Column("result", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        _time("started_at"),
        _time("finished_at"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["job_run.id"], name=op.f("fk_job_call_run_id_job_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_job_call")),
    )


def downgrade() -> None:
    for table in ("job_call", "job_run", "job"):
        op.drop_table(table)
