"""
Use cases of jobs: what they call and when is their owner's to say; how runs are worked is ``job_running.py``'s.

A job has its owner's rights of the moment in which it is run, and no more: of groups only a cloud knows, so what is
shared with one of the owner's alone is not a job's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy.orm import Session

from cm.results.job import JobDetail, JobRun, JobRunDetail
from cm.rpc.caller import Identity
from cm.rpc.errors import Conflict, InvalidParameter, NameTaken, NotAuthenticated, ObjectNotFound, QuotaReached
from cm.rpc.parameters import CONTROLS
from cm.rpc.types import Secret
from cm.rpc.view import View
from cm.rpc.vocabulary import Role
from cm.rules.job import refusal
from cm.runtime.cron import check_schedule, moments
from cm.runtime.execute import UNTOLD
from cm.runtime.taken import refused_by
from cm.services.context import ClusterCall
from cm.store import job as store
from cm.store.account import find_facts
from cm.store.change import record_change

JOBS_MAX: Final = 50  # of an account
CALLS_MAX: Final = 100  # of a job
PARAMS_BYTES_MAX: Final = 65_536  # of a job, as JSON


@dataclass(eq=False)
class JobUnderWay(Conflict):
    """No second run while one is under way."""

    code = "job_under_way"
    message = "A run of job {job_id} is under way."
    job_id: int


@dataclass(eq=False)
class NotUnderWay(Conflict):
    """There is nothing to cancel."""

    code = "job_run_over"
    message = "Run {job_run_id} is over."
    job_run_id: int


def check_calls(identity: Identity, method: str, view: View | None, params: Sequence[Mapping[str, Any]]) -> None:
    """
    :param view: of that name; None: there is none.
    :raises InvalidParameter: no job may call this, the caller may not, or a set of parameters is not good for it.
    """
    reason = refusal(method)
    if view is None:
        reason = "there is no such call"
    elif not identity.may(view.role):
        reason = "it is not the caller's to call"
    elif view.waiting or (view.is_async and view.changing) or view.outside is not None:
        reason = "it waits for something outside, and could not be repeated safely"
    elif any(each.annotation is Secret or "Secret" in str(each.annotation) for each in view.parameters):
        reason = "it takes a secret"
    if reason is not None:
        raise InvalidParameter("method", f"no job calls {method[:100]}: {reason}")
    assert view is not None
    if len(msgspec.json.encode(params)) > PARAMS_BYTES_MAX:
        raise InvalidParameter("parameters", f"they are more than {PARAMS_BYTES_MAX} bytes")
    for number, each in enumerate(params, 1):
        if not view.parameters and each:
            raise InvalidParameter("parameters", f"{number}: it takes none")
        unfit = sorted(each.keys() & (CONTROLS.keys() | UNTOLD))
        if unfit:
            raise InvalidParameter("parameters", f"{number}: {unfit[0]} is not a job's to give")
        try:
            view.bind(dict(each))
        except InvalidParameter as error:
            raise InvalidParameter("parameters", f"{number}: {error}") from None


def _next(session: Session, cron: str, timezone: str, enabled: bool) -> datetime | None:
    """
    When it is due next.

    :raises InvalidParameter: it is no schedule.
    """
    now = store.now_of(session)
    check_schedule(cron, timezone, now)
    return next(moments(cron, timezone, now), None) if cron and enabled else None


def create(
    caller: ClusterCall,
    name: str,
    method: str,
    view: View | None,
    params: Sequence[dict[str, Any]],
    cron: str,
    timezone: str,
    enabled: bool,
) -> JobDetail:
    """
    :raises InvalidParameter: as ``check_calls``, or the schedule is none.
    :raises NameTaken: another job of the caller's has the name.
    :raises QuotaReached: they have as many as they may.
    :raises NotAuthenticated: the caller is nobody's account.
    """
    session, account_id = caller.session, caller.account_id
    if not account_id:
        raise NotAuthenticated()
    check_calls(_runner(caller), method, view, params)
    next_at = _next(session, cron, timezone, enabled)
    used = store.count_jobs(session, account_id)
    if used >= JOBS_MAX:
        raise QuotaReached("jobs", JOBS_MAX, used, 1)
    values = {
        "account_id": account_id,
        "issuer": caller.identity.issuer,
        "name": name,
        "method": method,
        "params": list(params),
        "cron": cron,
        "timezone": timezone,
        "enabled": enabled,
        "next_at": next_at,
    }
    with refused_by(session, {"uq_job_name": NameTaken("job", name)}):
        job_id = store.insert_job(session, values)
    record_change(session, "job", job_id, account_id, "enter")
    caller.note("create job", name=name, method=method, calls=len(params), next=next_at)
    return store.show_job(session, job_id)


def edit(caller: ClusterCall, job_id: int, view_of: Any, values: Mapping[str, Any]) -> JobDetail:
    """
    Change what is not None; a run that is under way goes on as it began.

    :param view_of: finds a view by its name.
    :raises ObjectNotFound: it is not the caller's. Others as ``create``.
    """
    session = caller.session
    row = store.get_job(session, job_id, caller.account_id, lock=True, version=caller.if_version)
    given = {name: value for name, value in values.items() if value is not None}
    told: dict[str, Any] = {
        "name": row.name, "params": row.params, "cron": row.cron, "timezone": row.timezone, "enabled": row.enabled,
        **given,
    }  # fmt: skip
    if "params" in given:
        check_calls(_runner(caller), row.method, view_of(row.method), given["params"])
    # A moment that has come, and that nobody has looked at yet, is not lost to an edit of something else.
    as_it_was = all(told[name] == getattr(row, name) for name in ("cron", "timezone", "enabled"))
    told["next_at"] = row.next_at if as_it_was else _next(session, told["cron"], told["timezone"], told["enabled"])
    with refused_by(session, {"uq_job_name": NameTaken("job", told["name"])}):
        store.update_job(session, job_id, {**told, "issuer": caller.identity.issuer})
    record_change(session, "job", job_id, row.account_id)
    caller.note("edit job", job_id=job_id, next=told["next_at"])
    return store.show_job(session, job_id)


def delete(caller: ClusterCall, job_id: int, *, administrator: bool = False) -> None:
    """With its runs; a call that is being made is still made."""
    whose = None if administrator else caller.account_id
    row = store.get_job(caller.session, job_id, whose, lock=True, version=caller.if_version)
    store.delete_job(caller.session, job_id)
    record_change(caller.session, "job", job_id, row.account_id, "exit")
    caller.note("delete job", job_id=job_id)


def disable(caller: ClusterCall, job_id: int) -> JobDetail:
    """An administrator ends anybody's schedule; its owner may begin it again."""
    session = caller.session
    row = store.get_job(session, job_id, None, lock=True, version=caller.if_version)
    told = {"name": row.name, "params": row.params, "cron": row.cron, "timezone": row.timezone, "issuer": row.issuer}
    store.update_job(session, job_id, {**told, "enabled": False, "next_at": None})
    record_change(session, "job", job_id, row.account_id)
    caller.note("disable job", job_id=job_id)
    return store.show_job(session, job_id)


def show(caller: ClusterCall, job_id: int, *, administrator: bool = False) -> JobDetail:
    """:raises ObjectNotFound: it is not the caller's."""
    store.get_job(caller.session, job_id, None if administrator else caller.account_id)
    return store.show_job(caller.session, job_id)


def run(caller: ClusterCall, job_id: int) -> JobRunDetail:
    """
    Have it be run now, whatever its schedule says.

    :raises ObjectNotFound: it is not the caller's.
    :raises JobUnderWay: a run of it is.
    """
    session = caller.session
    row = store.get_job(session, job_id, caller.account_id, lock=True, version=caller.if_version)
    run_id = store.open_run(session, row, None)
    if run_id is None:
        raise JobUnderWay(job_id)
    record_change(session, "job", job_id, row.account_id)
    caller.note("run job", job_id=job_id, method=row.method, calls=len(row.params))
    return store.show_run(session, run_id)


def runs(
    caller: ClusterCall, job_id: int, *, limit: int, before: int | None, administrator: bool = False
) -> list[JobRun]:
    """:raises ObjectNotFound: the job is not the caller's."""
    store.get_job(caller.session, job_id, None if administrator else caller.account_id)
    return store.list_runs(caller.session, job_id, limit=limit, before=before)


def show_run(caller: ClusterCall, run_id: int, *, administrator: bool = False) -> JobRunDetail:
    """:raises ObjectNotFound: it is no run of the caller's."""
    _check_run(caller, run_id, administrator)
    return store.show_run(caller.session, run_id)


def _check_run(caller: ClusterCall, run_id: int, administrator: bool = False) -> store.JobRow:
    try:
        job_id = store.job_of_run(caller.session, run_id)
        return store.get_job(caller.session, job_id, None if administrator else caller.account_id, lock=False)
    except ObjectNotFound:
        raise ObjectNotFound("job_run", run_id) from None


def cancel(caller: ClusterCall, run_id: int) -> JobRunDetail:
    """
    Make no more calls of a run; one that is being made is still made.

    :raises NotUnderWay: it is over.
    """
    job = _check_run(caller, run_id)
    if not store.cancel_run(caller.session, run_id):
        raise NotUnderWay(run_id)
    record_change(caller.session, "job", job.id, job.account_id)
    caller.note("cancel run", job_run_id=run_id)
    return store.show_run(caller.session, run_id)


def _runner(caller: ClusterCall) -> Identity:
    """
    Whom jobs of the caller's are run as: who administers the cluster by a cloud manager's word does so in their own
    calls alone.

    :raises NotAuthenticated: they may call nothing any more.
    """
    owner = owner_of(caller.session, caller.account_id, caller.identity.issuer)
    if owner is None:
        raise NotAuthenticated()
    return owner


def owner_of(session: Session, account_id: int, issuer: str) -> Identity | None:
    """Whom a job is run as, with the rights that they have now; None: they may call nothing."""
    facts = find_facts(session, account_id)
    if facts is None or not facts.active:
        return None
    roles = frozenset({Role.USER, Role.ADMIN} if facts.is_admin else {Role.USER})
    return Identity(facts.id, facts.login, roles, source="local", issuer=issuer)
