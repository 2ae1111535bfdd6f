"""Queries about jobs, and about how their runs are worked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.results import job as results
from cm.rpc.errors import ObjectNotFound, VersionChanged
from cm.rpc.vocabulary import JobRunState
from cm.rules.job import Due
from cm.store.rendered import Rendered

LEASE_S: Final = 30.0  # a call has a deadline of its own, and renews it before
RUNS_MAX: Final = 100  # of a job that are kept


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# ------------------------------------------------------------------ jobs


@dataclass(frozen=True)
class JobRow:
    id: int
    account_id: int
    issuer: str
    name: str
    method: str
    params: list[dict[str, Any]]
    cron: str
    timezone: str
    enabled: bool
    next_at: datetime | None
    version: int


_ROW: Final = "SELECT id, account_id, issuer, name, method, params, cron, timezone, enabled, next_at, version FROM job"


def get_job(
    session: Session, job_id: int, account_id: int | None, *, lock: bool = False, version: int | None = None
) -> JobRow:
    """
    :param account_id: whose it has to be; None: anybody's.
    :param lock: hold its row until the transaction ends.
    :raises ObjectNotFound: absent, or somebody else's.
    :raises VersionChanged: it is not at ``version``.
    """
    suffix = " FOR UPDATE" if lock else ""
    found = session.execute(text(f"{_ROW} WHERE id = :id{suffix}"), {"id": job_id}).first()
    if found is None or (account_id is not None and found.account_id != account_id):
        raise ObjectNotFound("job", job_id)
    if version is not None and found.version != version:
        raise VersionChanged("job", job_id, found.version, version)
    return JobRow(**found._mapping)


def count_jobs(session: Session, account_id: int) -> int:
    """How many an account has; nobody adds one until the transaction ends."""
    session.execute(text("SELECT 1 FROM account WHERE id = :id FOR NO KEY UPDATE"), {"id": account_id})
    found = session.scalar(text("SELECT count(*) FROM job WHERE account_id = :id"), {"id": account_id})
    return int(found or 0)


def insert_job(session: Session, values: Mapping[str, Any]) -> int:
    """:param values: ``account_id issuer name method params cron timezone enabled next_at``."""
    found = session.execute(
        text(
            "INSERT INTO job (account_id, issuer, name, method, params, cron, timezone, enabled, next_at) VALUES"
            " (:account_id, :issuer, :name, :method, CAST(:params AS jsonb), :cron, :timezone, :enabled, :next_at)"
            " RETURNING id"
        ),
        {**values, "params": _json(values["params"])},
    )
    return int(found.scalar_one())


def update_job(session: Session, job_id: int, values: Mapping[str, Any]) -> None:
    """:param values: ``name params cron timezone enabled next_at issuer``, all of them."""
    session.execute(
        text(
            "UPDATE job SET name = :name, params = CAST(:params AS jsonb), cron = :cron, timezone = :timezone,"
            " enabled = :enabled, next_at = :next_at, issuer = :issuer, version = version + 1 WHERE id = :id"
        ),
        {**values, "params": _json(values["params"]), "id": job_id},
    )


def delete_job(session: Session, job_id: int) -> None:
    """With its runs."""
    session.execute(text("DELETE FROM job WHERE id = :id"), {"id": job_id})


_RUN: Final = """SELECT r.id AS job_run_id, r.uuid::text AS uuid, r.job_id, r.method, r.state, r.due_at AS due,
       r.missed,
       (SELECT count(*) FROM job_call c WHERE c.run_id = r.id) AS calls,
       (SELECT count(*) FROM job_call c WHERE c.run_id = r.id AND c.status <> '') AS ended_calls,
       (SELECT count(*) FROM job_call c WHERE c.run_id = r.id AND c.status NOT IN ('', 'ok')) AS refused_calls,
       r.created_at AS created, r.started_at AS started, r.finished_at AS finished FROM job_run r"""
_SHOWN: Final = """SELECT j.id AS job_id, j.uuid::text AS uuid, j.name, j.account_id AS user_id, j.method,
       jsonb_array_length(j.params) AS calls, j.cron, j.timezone, j.enabled,
       CASE WHEN j.enabled THEN j.next_at END AS next, j.version, j.created_at AS created, j.params AS _params,
       (SELECT max(r.id) FROM job_run r WHERE r.job_id = j.id) AS _last FROM job j"""


def list_jobs(session: Session, account_id: int | None, *, limit: int, after: int) -> list[results.Job]:
    """A page of jobs, by id. :param account_id: whose; None: everybody's."""
    whose = "" if account_id is None else " AND j.account_id = :account_id"
    found = session.execute(
        text(f"{_SHOWN} WHERE j.id > :after{whose} ORDER BY j.id LIMIT :limit"),
        {"account_id": account_id, "after": after, "limit": limit},
    ).all()
    last = {run["job_run_id"]: run for run in _runs(session, [row._mapping["_last"] for row in found])}
    return [_job(dict(row._mapping), last) for row in found]


def show_job(session: Session, job_id: int) -> results.JobDetail:
    row = dict(session.execute(text(f"{_SHOWN} WHERE j.id = :id"), {"id": job_id}).one()._mapping)
    last = {run["job_run_id"]: run for run in _runs(session, [row["_last"]])}
    return {**_job(row, last), "params": row["_params"]}


def _job(row: Mapping[str, Any], last: Mapping[int, results.JobRun]) -> results.Job:
    told = {name: value for name, value in row.items() if not name.startswith("_")}
    return cast(results.Job, {**told, "last_run": last.get(row["_last"])})


def _runs(session: Session, ids: Sequence[int | None]) -> list[results.JobRun]:
    found = session.execute(text(f"{_RUN} WHERE r.id = ANY(:ids)"), {"ids": [each for each in ids if each is not None]})
    return [_run(row) for row in found]


def _run(row: Any) -> results.JobRun:
    return cast(results.JobRun, {**row._mapping, "state": JobRunState(row.state)})


def render_jobs(session: Session, ids: list[int]) -> Mapping[int, Rendered]:
    """As lists show them. Of one that was deleted nothing is known any more."""
    found = session.execute(text(f"{_SHOWN} WHERE j.id = ANY(:ids)"), {"ids": ids}).all()
    last = {run["job_run_id"]: run for run in _runs(session, [row._mapping["_last"] for row in found])}
    jobs = [_job(dict(row._mapping), last) for row in found]
    return {job["job_id"]: Rendered(job["uuid"], _json(job)) for job in jobs}


def list_runs(session: Session, job_id: int, *, limit: int, before: int | None) -> list[results.JobRun]:
    """Newest first."""
    found = session.execute(
        text(
            f"{_RUN} WHERE r.job_id = :job_id AND r.id < coalesce(CAST(:before AS bigint), r.id + 1)"
            " ORDER BY r.id DESC LIMIT :limit"
        ),
        {"job_id": job_id, "limit": limit, "before": before},
    )
    return [_run(row) for row in found]


def job_of_run(session: Session, run_id: int) -> int:
    """:raises ObjectNotFound: there is no such run."""
    found: int | None = session.scalar(text("SELECT job_id FROM job_run WHERE id = :id"), {"id": run_id})
    if found is None:
        raise ObjectNotFound("job_run", run_id)
    return found


def show_run(session: Session, run_id: int) -> results.JobRunDetail:
    (run,) = _runs(session, [run_id])
    calls = session.execute(
        text(
            "SELECT number, params, status, message, result, started_at AS started, finished_at AS finished"
            " FROM job_call WHERE run_id = :id ORDER BY number"
        ),
        {"id": run_id},
    )
    return {**run, "log": [cast(results.JobCall, dict(row._mapping)) for row in calls]}


# ------------------------------------------------------------------ runs


def now_of(session: Session) -> datetime:
    """The database's clock."""
    found: datetime = session.execute(text("SELECT now()")).scalar_one()
    return found


def open_run(session: Session, job: JobRow, due_at: datetime | None) -> int | None:
    """
    A run with a copy of the job's calls; its row is locked.

    :return: None: one is under way.
    """
    made = session.execute(
        text(
            "INSERT INTO job_run (job_id, method, state, due_at) VALUES (:job_id, :method, 'open', :due_at)"
            " ON CONFLICT (job_id) WHERE state = 'open' DO NOTHING RETURNING id"
        ),
        {"job_id": job.id, "method": job.method, "due_at": due_at},
    ).scalar()
    if made is None:
        return None
    session.execute(
        text(
            "INSERT INTO job_call (run_id, number, params) SELECT :run_id, p.number, p.value"
            " FROM job j, jsonb_array_elements(j.params) WITH ORDINALITY AS p (value, number) WHERE j.id = :job_id"
        ),
        {"run_id": made, "job_id": job.id},
    )
    _forget_old(session, job.id)
    return int(made)


def note_none(session: Session, job: JobRow, state: JobRunState, at: datetime, missed: int) -> None:
    """Moments of a schedule had no run. :param at: the last of them."""
    session.execute(
        text(
            "INSERT INTO job_run (job_id, method, state, due_at, missed, finished_at)"
            " VALUES (:job_id, :method, :state, :at, :missed, now())"
        ),
        {"job_id": job.id, "method": job.method, "state": state, "at": at, "missed": missed},
    )
    _forget_old(session, job.id)


def _forget_old(session: Session, job_id: int) -> None:
    session.execute(
        text(
            "DELETE FROM job_run WHERE job_id = :id AND state <> 'open' AND id <= (SELECT id FROM job_run"
            f" WHERE job_id = :id ORDER BY id DESC OFFSET {RUNS_MAX} LIMIT 1)"
        ),
        {"id": job_id},
    )


def next_due(session: Session) -> JobRow | None:
    """A job whose schedule is due, locked; those that another process is at are left to it."""
    found = session.execute(
        text(f"{_ROW} WHERE enabled AND next_at <= now() ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED")
    ).first()
    return None if found is None else JobRow(**found._mapping)


def write_next(session: Session, job_id: int, due: Due) -> None:
    session.execute(text("UPDATE job SET next_at = :at WHERE id = :id"), {"at": due.next_at, "id": job_id})


@dataclass(frozen=True)
class RunRow:
    """A run that this process has the lease of, and its next call."""

    id: int
    uuid: str
    job_id: int
    account_id: int
    issuer: str
    method: str
    number: int
    params: dict[str, Any]


@dataclass(frozen=True)
class EndedRun:
    """A run whose last call has ended."""

    id: int
    job_id: int
    job: str
    account_id: int
    calls: int
    refused: int


def claim_run(session: Session, worker: str) -> int | None:
    """Take a run that nobody is at, or whose process has died; None: there is none."""
    found: int | None = session.execute(
        text(
            "UPDATE job_run SET worker = :worker, started_at = coalesce(started_at, now()),"
            f" lease_until = clock_timestamp() + make_interval(secs => {LEASE_S})"
            " WHERE id = (SELECT id FROM job_run WHERE state = 'open' AND (lease_until IS NULL"
            " OR lease_until < clock_timestamp()"
            f" OR lease_until > clock_timestamp() + make_interval(secs => {2 * LEASE_S}))"  # a clock was ahead
            " ORDER BY lease_until NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
        ),
        {"worker": worker},
    ).scalar()
    return found


def begin_call(session: Session, run_id: int, worker: str) -> RunRow | EndedRun | None:
    """
    Renew the lease and find the next call; the first that has no outcome, be it begun. Where none is left the run ends.

    :return: None: the run is over, or another process has it.
    """
    run = session.execute(
        text(
            f"UPDATE job_run r SET lease_until = clock_timestamp() + make_interval(secs => {LEASE_S})"
            " FROM job j WHERE r.id = :id AND r.worker = :worker AND r.state = 'open' AND j.id = r.job_id"
            " RETURNING r.id, r.uuid::text AS uuid, j.id AS job_id, j.name, j.account_id, j.issuer, r.method"
        ),
        {"id": run_id, "worker": worker},
    ).first()
    if run is None:
        return None
    call = session.execute(
        text(
            "UPDATE job_call SET started_at = coalesce(started_at, now()) WHERE run_id = :id AND number ="
            " (SELECT min(number) FROM job_call WHERE run_id = :id AND status = '') RETURNING number, params"
        ),
        {"id": run_id},
    ).first()
    if call is None:
        counted = session.execute(
            text("SELECT count(*) AS calls, count(*) FILTER (WHERE status <> 'ok') AS refused FROM job_call"
                 " WHERE run_id = :id"),
            {"id": run_id},
        ).one()  # fmt: skip
        session.execute(
            text("UPDATE job_run SET finished_at = now(), state = :state WHERE id = :id"),
            {"id": run_id, "state": JobRunState.FAILED if counted.refused else JobRunState.DONE},
        )
        return EndedRun(run.id, run.job_id, run.name, run.account_id, counted.calls, counted.refused)
    return RunRow(run.id, run.uuid, run.job_id, run.account_id, run.issuer, run.method, call.number, call.params)


def end_call(
    session: Session, run_id: int, worker: str, number: int, status: str, message: str, result: Mapping[str, Any]
) -> None:
    """
    By the process that has the run: to one that it was taken from the same call may have been refused, of which no
    answer is kept, and was done since.
    """
    session.execute(
        text(
            "UPDATE job_call SET status = :status, message = :message, result = CAST(:result AS jsonb),"
            " finished_at = now() WHERE run_id = :id AND number = :number AND status = ''"
            " AND EXISTS (SELECT 1 FROM job_run WHERE id = :id AND worker = :worker)"
        ),
        {
            "id": run_id, "worker": worker, "number": number, "status": status, "message": message[:500],
            "result": _json(result),
        },
    )  # fmt: skip


def cancel_run(session: Session, run_id: int) -> bool:
    """:return: whether it was under way. A call that is being made is still made."""
    found = session.execute(
        text(
            "UPDATE job_run SET state = 'canceled', finished_at = now() WHERE id = :id AND state = 'open' RETURNING 1"
        ),
        {"id": run_id},
    )
    return found.first() is not None
