"""Everybody's jobs."""

from __future__ import annotations

from cm.results.job import Job, JobDetail, JobRun, JobRunDetail
from cm.rpc.types import Id, Limit
from cm.rpc.view import admin_view
from cm.services import job as service
from cm.services.context import ClusterCall
from cm.store.job import list_jobs
from cm.views.user.job import Runs


@admin_view
def get_list(caller: ClusterCall, user_id: Id | None = None, limit: Limit = 100, after: Id | None = None) -> list[Job]:
    """
    Jobs, by id, each with its last run.

    :param user_id: of one user.
    :param after: the last ``job_id`` of the page before.
    """
    return list_jobs(caller.session, user_id, limit=limit, after=after or 0)


@admin_view
def get_by_id(caller: ClusterCall, job_id: Id) -> JobDetail:
    """One job, with what it calls."""
    return service.show(caller, job_id, administrator=True)


@admin_view
def get_runs(caller: ClusterCall, job_id: Id, limit: Runs = 20, before: Id | None = None) -> list[JobRun]:
    """The last hundred runs of a job, newest first, as ``user.job.get_runs``."""
    return service.runs(caller, job_id, limit=limit, before=before, administrator=True)


@admin_view
def get_run(caller: ClusterCall, job_run_id: Id) -> JobRunDetail:
    """A run with what came of each call."""
    return service.show_run(caller, job_run_id, administrator=True)


@admin_view(changing=True)
def disable(caller: ClusterCall, job_id: Id) -> JobDetail:
    """Have a job's schedule not count any more. Its owner may have it count again."""
    return service.disable(caller, job_id)


@admin_view(changing=True)
def delete(caller: ClusterCall, job_id: Id) -> None:
    """Delete anybody's job and what is known of its runs."""
    service.delete(caller, job_id, administrator=True)
