"""
The audit of calls that clusters took: written a moment later and many at a time, so that no call waits for it.

A cluster keeps its own audit in the transaction of the change; this one adds who called from where, in one place for
all clusters. The last fifth of a second is lost when the process is killed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.orm import Session
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from clm.services.context import CloudCall, Services
from cm.runtime.execute import write_audit

log = Logger()
DELAY_S: Final = 0.2
KEPT_MAX: Final = 10_000  # rows, while the database is away

Entry = tuple[str, CloudCall, Mapping[str, Any]]


class Trail:
    """What was accepted lately and is still to be written."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: list[Entry] = []
        self._timer: Any = None

    def add(self, method: str, caller: CloudCall, arguments: Mapping[str, Any]) -> None:
        if len(self._kept) >= KEPT_MAX:
            log.error("the audit of forwarded calls is full; {method} of {login} is lost", method=method,
                      login=caller.identity.login)  # fmt: skip
            return
        self._kept.append((method, caller, arguments))
        if self._timer is None:
            self._timer = self._services.reactor.callLater(DELAY_S, self._due)

    def _due(self) -> None:
        self._timer = None
        Deferred.fromCoroutine(self.flush())

    async def flush(self) -> None:
        """Write what is kept; what cannot be written now is kept for the next time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        kept, self._kept = self._kept, []
        if not kept:
            return
        try:
            await self._services.database.transact(_write, kept)
        except Exception:
            log.failure("the audit of {count} forwarded calls could not be written", count=len(kept))
            self._kept = [*kept, *self._kept][:KEPT_MAX]


def _write(session: Session, entries: Sequence[Entry]) -> None:
    for method, caller, arguments in entries:
        write_audit(session, method, caller, arguments)
