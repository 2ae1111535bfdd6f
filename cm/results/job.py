"""Jobs, their runs, and what came of each call."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Map, Named, Number, Owner, Prose, Time, Total, Uuid, Version
from cm.rpc.vocabulary import JobRunState

_Method = Annotated[str, Meta(examples=["user.vm.start"])]
_Cron = Annotated[str, Meta(examples=["30 2 * * *"], description="Empty: it is run by hand alone.")]
_Params = Annotated[Map, Meta(description="By name, as the call takes them.", examples=[{"vm_id": 17}])]


class JobCall(TypedDict):
    """One call of a run."""

    number: Annotated[int, Meta(ge=1, examples=[1])]
    params: _Params
    status: Annotated[str, Meta(examples=["ok"], description='"ok", or an error\'s slug; empty: it has not ended.')]
    message: Prose
    result: Annotated[Map, Meta(description="The numbers of what the answer is about, by name; the rest is not kept.")]
    started: Time | None
    finished: Time | None


class JobRun(TypedDict):
    """A run of a job, or moments of its schedule for which there was none."""

    job_run_id: Number
    uuid: Uuid
    job_id: Number
    method: _Method
    state: JobRunState
    due: Annotated[Time | None, Meta(description="The moment of the schedule; null: it was asked for.")]
    missed: Annotated[Total, Meta(description="How many moments of the schedule it stands for that had no run.")]
    calls: Total
    ended_calls: Total
    refused_calls: Annotated[Total, Meta(description="How many of them were refused.")]
    created: Time
    started: Time | None
    finished: Time | None


class JobRunDetail(JobRun):
    """A run with its calls."""

    log: Annotated[list[JobCall], Meta(description="By number.")]


class Job(TypedDict):
    """A call over a set of parameters."""

    job_id: Number
    uuid: Uuid
    name: Named
    user_id: Owner
    method: _Method
    calls: Annotated[Total, Meta(description="How many sets of parameters it has.")]
    cron: _Cron
    timezone: Annotated[str, Meta(examples=["Europe/Warsaw"])]
    enabled: Annotated[bool, Meta(description="Whether its schedule counts.")]
    next: Annotated[Time | None, Meta(description="When it is due; null: it has no schedule, or is disabled.")]
    last_run: JobRun | None
    version: Version
    created: Time


class JobDetail(Job):
    """A job with what it calls."""

    params: Annotated[list[_Params], Meta(description="One call each.")]
