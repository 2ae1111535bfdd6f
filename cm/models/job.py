"""Jobs: calls that are made for their owner by hand or by a schedule, their runs, and each call of a run."""

from __future__ import annotations

import uuid as uuid_module
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from cm.models.base import Base, Empty, Key, NewUuid, Now, Yes, Zero


class Job(Base):
    __tablename__ = "job"
    __table_args__ = (
        Index("uq_job_name", "account_id", "name", unique=True),
        Index("ix_job_next", "next_at", postgresql_where=text("enabled AND next_at IS NOT NULL")),
    )
    id: Mapped[Key]
    uuid: Mapped[NewUuid]
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))  # whose rights its calls have
    issuer: Mapped[Empty]  # the cloud manager that its owner came by; it has to be trusted still
    name: Mapped[str]
    method: Mapped[str]
    params: Mapped[list[Any]] = mapped_column(JSONB)  # the parameters of each call
    cron: Mapped[Empty]  # "": by hand alone
    timezone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    enabled: Mapped[Yes]
    next_at: Mapped[datetime | None]  # when its schedule is due next
    version: Mapped[Zero]
    created_at: Mapped[Now]


class JobRun(Base):
    """One run, or a moment of the schedule that was let go by. Who works it has its lease."""

    __tablename__ = "job_run"
    __table_args__ = (
        Index("ix_job_run_job", "job_id", "id"),
        # No second run while one is under way.
        Index("uq_job_run_open", "job_id", unique=True, postgresql_where=text("state = 'open'")),
        CheckConstraint("state IN ('open', 'done', 'failed', 'canceled', 'missed', 'skipped')", "state"),
    )
    id: Mapped[Key]
    # Of which the request ids of its calls are made: nobody guesses them.
    uuid: Mapped[uuid_module.UUID] = mapped_column(Uuid, unique=True, server_default=text("gen_random_uuid()"))
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    method: Mapped[str]
    state: Mapped[str]
    missed: Mapped[Zero]  # moments of the schedule that this row stands for
    due_at: Mapped[datetime | None]  # None: it was asked for by hand
    worker: Mapped[Empty]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[Now]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobCall(Base):
    """One call of a run, as its job had it when the run began."""

    __tablename__ = "job_call"
    run_id: Mapped[int] = mapped_column(ForeignKey("job_run.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[Empty]  # "": it has not ended; "ok", or an error's slug
    message: Mapped[Empty]
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))  # numbers alone: no secrets
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
