"""
The audit of calls that clusters took: written a moment later and many at a time, so that no call waits for it.

A cluster keeps its own audit in the transaction of the change; this one adds who called from where, in one place for
all clusters. While the database is away the rows wait; what a killed process held, a fifth of a second's as a rule, is
lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from clm.services.context import CloudCall
from clm.store.audit import written_calls
from cm.rpc.errors import DatabaseUnavailable, Overloaded
from cm.runtime.database import CommitUnknown, Database
from cm.runtime.execute import write_audit

log = Logger()
DELAY_S: Final = 0.2
AGAIN_S: Final = 1.0  # after the database did not answer
KEPT_MAX: Final = 10_000  # rows, while the database is away

Entry = tuple[str, CloudCall, Mapping[str, Any]]


class Trail:
    """What was accepted lately and is still to be written."""

    def __init__(self, database: Database, reactor: Any) -> None:
        self._database = database
        self._reactor = reactor
        self._kept: list[Entry] = []
        self._unsure: set[str] = set()  # the calls among them that may be written already
        self._timer: Any = None
        self._lock = DeferredLock()

    def add(self, method: str, caller: CloudCall, arguments: Mapping[str, Any]) -> None:
        if len(self._kept) >= KEPT_MAX:
            log.error("the audit of forwarded calls is full; {method} of {login} is lost", method=method,
                      login=caller.identity.login)  # fmt: skip
            return
        self._kept.append((method, caller, arguments))
        self._write_in(DELAY_S)

    def _write_in(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = self._reactor.callLater(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        Deferred.fromCoroutine(self.flush())

    async def flush(self) -> None:
        """Write what is kept; what cannot be written now is kept, and tried again."""
        await self._lock.run(lambda: Deferred.fromCoroutine(self._flush()))

    async def stop(self) -> None:
        """Write what is kept, once: a program that ends does not wait for its database."""
        await self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._kept:
            log.error("the audit of {count} forwarded calls is lost: the database is away", count=len(self._kept))

    async def _flush(self) -> None:
        kept, self._kept = self._kept, []
        if not kept:
            return
        try:
            await self._store(kept)
        except Exception:
            # One that the database refuses must not take the others with it.
            for entry in kept:
                try:
                    await self._store([entry])
                except Exception:
                    log.failure("the audit of {method} could not be written", method=entry[0])

    async def _store(self, entries: list[Entry]) -> None:
        """:raises Exception: the database refuses them; while it is away they are kept."""
        calls = {caller.call_id for _, caller, _ in entries}
        try:
            await self._database.transact(_write, entries, calls & self._unsure)
        except (DatabaseUnavailable, Overloaded) as error:
            if isinstance(error, CommitUnknown):
                self._unsure |= calls
            self._kept = [*entries, *self._kept]
            log.warn("the audit of {count} forwarded calls waits for the database", count=len(self._kept))
            self._write_in(AGAIN_S)
        else:
            self._unsure -= calls


def _write(session: Session, entries: Sequence[Entry], unsure: Set[str]) -> None:
    """:param unsure: calls that may be there already, from a commit that was not answered."""
    written = written_calls(session, unsure) if unsure else set()
    for method, caller, arguments in entries:
        if caller.call_id not in written:
            write_audit(session, method, caller, arguments)
