"""
How jobs are run: what is due is opened, and runs that nobody is at are worked, call after call, as their owner.

Several processes do so on one database. A schedule is looked at under its job's lock, and what it leads to is written
in the same transaction, so each moment leads to one run, or to a row that says why not. A run has a lease; where its
process is killed another takes it up at the call that has no outcome, and repeats that by the same request id: a change
that was made is answered for, not made again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.caller import Control, Execute, Identity
from cm.rpc.codec import plain
from cm.rpc.errors import (
    AccountBlocked,
    CloudError,
    DatabaseUnavailable,
    InternalError,
    NotAuthenticated,
    UnknownMethod,
)
from cm.rpc.view import View
from cm.rpc.vocabulary import JobRunState
from cm.rules.job import due, kept, status_of
from cm.runtime.cron import moments
from cm.services.context import Services
from cm.services.job import owner_of
from cm.services.message import tell
from cm.store import job as store
from cm.store.change import record_change
from cm.store.job import EndedRun, RunRow

log = Logger()
DUE_OF_A_ROUND: Final = 100
RUNS_OF_A_ROUND: Final = 20


class JobRunner:
    """
    One process's part.

    :param worker: its name, unlike all others'.
    :param find: a view by its name.
    """

    def __init__(self, services: Services, worker: str, find: Callable[[str], View | None], execute: Execute) -> None:
        self._services = services
        self._worker = worker
        self._find = find
        self._execute = execute

    async def round(self) -> bool:
        """
        Open what is due, and work what is open.

        :return: whether there may be more.
        """
        database = self._services.database
        opened = 0
        while opened < DUE_OF_A_ROUND and await database.transact(look):
            opened += 1
        for _ in range(RUNS_OF_A_ROUND):
            run_id = await database.transact(store.claim_run, self._worker)
            if run_id is None:
                return opened == DUE_OF_A_ROUND
            await self.work(run_id)
        return True

    async def work(self, run_id: int) -> None:
        """Make the calls of a run that this process has."""
        database = self._services.database
        while (row := await database.transact(next_call, run_id, self._worker)) is not None:
            status, message, result = await self._call(row)
            await database.transact(end_call, row, self._worker, status, message, result)

    async def _call(self, row: RunRow) -> tuple[str, str, dict[str, Any]]:
        """
        :raises DatabaseUnavailable: nobody knows whether it was made: it is repeated once the lease has ended.
        """
        try:
            answer = await self._answer(row)
        except DatabaseUnavailable:
            raise
        except CloudError as error:
            return error.code, error.for_user(), {}
        except Exception:  # of one view that is at fault: the other calls of the run are made all the same
            log.failure("call {number} of run {run_id} of a job broke", number=row.number, run_id=row.id)
            return InternalError.code, "It broke; the log has more.", {}
        status, message = status_of(answer)
        return status, message, kept(answer)

    async def _answer(self, row: RunRow) -> Any:
        """
        :raises AccountBlocked: NotAuthenticated: its owner may call nothing any more, or came by a cloud manager that
            is trusted no more.
        :raises UnknownMethod: a release has it no more.
        """
        owner = await self._owner(row)
        view = self._find(row.method)
        if view is None:
            raise UnknownMethod(row.method)
        owner.require(view.role)
        arguments, _ = view.bind(row.params)
        name = f"job-{row.uuid}-{row.number}"
        control = Control(name, request_id=name if view.changing else None, remote="job")
        return plain(await self._execute(view, owner, arguments, control))

    async def _owner(self, row: RunRow) -> Identity:
        owner = await self._services.database.read(owner_of, row.account_id, row.issuer)
        if owner is None:
            raise AccountBlocked()
        if row.issuer and not await self._services.authenticator.still_good(owner):
            raise NotAuthenticated()
        return owner


def next_call(session: Session, run_id: int, worker: str) -> RunRow | None:
    """
    The next call of a run that this process has. Where none is left the run ends, and its owner is told if it failed.
    """
    found = store.begin_call(session, run_id, worker)
    if not isinstance(found, EndedRun):
        return found
    record_change(session, "job", found.job_id, found.account_id)
    if found.refused:
        told = {"job_id": found.job_id, "job_run_id": found.id, "name": found.job}
        counted = {"calls": found.calls, "refused": found.refused}
        tell(session, (found.account_id,), "error", "job_failed", {**told, **counted})
    return None


def end_call(
    session: Session, row: RunRow, worker: str, status: str, message: str, result: dict[str, Any]
) -> None:
    """A call has its outcome."""
    store.end_call(session, row.id, worker, row.number, status, message, result)
    record_change(session, "job", row.job_id, row.account_id)


def look(session: Session) -> bool:
    """
    Open the run of one schedule that is due, or note why there is none.

    :return: whether one was due.
    """
    job = store.next_due(session)
    if job is None:
        return False
    assert job.next_at is not None
    found = due(partial(moments, job.cron, job.timezone), job.next_at, store.now_of(session))
    if found.missed_at is not None:
        store.note_none(session, job, JobRunState.MISSED, found.missed_at, found.missed)
        log.warn("job {job_id}: {missed} moments of its schedule were missed", job_id=job.id, missed=found.missed)
    if found.run_at is not None and store.open_run(session, job, found.run_at) is None:
        store.note_none(session, job, JobRunState.SKIPPED, found.run_at, 1)
    store.write_next(session, job.id, found)
    record_change(session, "job", job.id, job.account_id)
    return True
