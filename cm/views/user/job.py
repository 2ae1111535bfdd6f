"""
``user.job.*``: calls that the cluster makes for somebody, one after the other over a set of parameters, when they ask
for it or by a schedule.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from msgspec import Meta

from cm.results.job import Job, JobDetail, JobRun, JobRunDetail
from cm.rpc.types import Id, Limit, Name
from cm.rpc.view import Registry, View, user_view
from cm.rules.job import CRON_LENGTH
from cm.services import job as service
from cm.services.context import ClusterCall
from cm.services.job import CALLS_MAX
from cm.store.job import list_jobs

Method = Annotated[str, Meta(min_length=3, max_length=100, examples=["user.vm.start"])]
Params = Annotated[
    list[Annotated[dict[str, Any], Meta(description="Parameters by name, as the call takes them.")]],
    Meta(min_length=1, max_length=CALLS_MAX, examples=[[{"vm_id": 17}]]),
]
Cron = Annotated[
    str,
    Meta(
        max_length=CRON_LENGTH,
        examples=["30 2 * * mon-fri"],
        description="Minute, hour, day of the month, month, day of the week, as Debian's cron has them.",
    ),
]
Zone = Annotated[str, Meta(max_length=64, examples=["Europe/Warsaw"])]
Runs = Annotated[int, Meta(ge=1, le=100)]


@cache
def _views() -> Registry:
    return Registry.collect("cm.views")


def _view(method: str) -> View | None:
    return _views().find(method)


@user_view
def get_list(caller: ClusterCall, limit: Limit = 100, after: Id | None = None) -> list[Job]:
    """
    The caller's jobs, by id, each with its last run.

    :param after: the last ``job_id`` of the page before.
    """
    return list_jobs(caller.session, caller.account_id, limit=limit, after=after or 0)


@user_view
def get_by_id(caller: ClusterCall, job_id: Id) -> JobDetail:
    """One of the caller's jobs, with what it calls."""
    return service.show(caller, job_id)


@user_view(changing=True)
def create(
    caller: ClusterCall,
    name: Name,
    method: Method,
    parameters: Params,
    cron: Cron = "",
    timezone: Zone = "UTC",
    enabled: bool = True,
) -> JobDetail:
    """
    Make a job. Its calls are made in the caller's name, with the rights that they have when it is run, but for what is
    shared with groups alone; one that is refused does not stop the others.

    No job calls what takes or tells secrets, is about accounts, sessions, rights or jobs, or asks the outside before it
    changes anything.

    :param method: a view of this cluster, by its name.
    :param parameters: one call each, in this order.
    :param cron: when it is run, every five minutes at the most; without it, by ``run`` alone.
    :param timezone: in which the schedule is meant.
    :param enabled: whether the schedule counts.
    """
    return service.create(caller, name, method, _view(method), parameters, cron, timezone, enabled)


@user_view(changing=True)
def edit(
    caller: ClusterCall,
    job_id: Id,
    name: Name | None = None,
    parameters: Params | None = None,
    cron: Cron | None = None,
    timezone: Zone | None = None,
    enabled: bool | None = None,
) -> JobDetail:
    """
    Change a job; what is left out stays. A run that is under way goes on as it began.

    :param cron: "": none any more.
    """
    values = {"name": name, "params": parameters, "cron": cron, "timezone": timezone, "enabled": enabled}
    return service.edit(caller, job_id, _view, values)


@user_view(changing=True)
def delete(caller: ClusterCall, job_id: Id) -> None:
    """Delete a job and what is known of its runs. A call that is being made is still made."""
    service.delete(caller, job_id)


@user_view(changing=True)
def run(caller: ClusterCall, job_id: Id) -> JobRunDetail:
    """Have a job be run now, whatever its schedule says; within seconds. No second run while one is under way."""
    return service.run(caller, job_id)


@user_view
def get_runs(caller: ClusterCall, job_id: Id, limit: Runs = 20, before: Id | None = None) -> list[JobRun]:
    """
    The last hundred runs of a job, newest first, and moments of its schedule for which there was none: "missed", as no
    cluster manager was there, which is not made up for; "skipped", as one was under way.

    :param before: the last ``job_run_id`` of the page before.
    """
    return service.runs(caller, job_id, limit=limit, before=before)


@user_view
def get_run(caller: ClusterCall, job_run_id: Id) -> JobRunDetail:
    """A run with what came of each call."""
    return service.show_run(caller, job_run_id)


@user_view(changing=True)
def cancel(caller: ClusterCall, job_run_id: Id) -> JobRunDetail:
    """Make no more calls of a run that is under way; one that is being made is still made."""
    return service.cancel(caller, job_run_id)
