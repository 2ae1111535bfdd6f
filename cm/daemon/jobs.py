"""The loop that runs jobs: their schedules are looked at, and runs that nobody is at are worked."""

from __future__ import annotations

import uuid
from typing import Any, Final

from cm.rpc.caller import Execute
from cm.rpc.view import Registry
from cm.runtime.loop import Loop
from cm.services.context import Services
from cm.services.job_running import JobRunner

JOBS_S: Final = 5.0  # between looks
MORE_S: Final = 0.1


class Jobs:
    """
    :param reactor: an ``IReactorTime``.
    """

    def __init__(self, services: Services, reactor: Any, registry: Registry, execute: Execute) -> None:
        self.runner = JobRunner(services, uuid.uuid4().hex, registry.find, execute)
        self._loop = Loop(reactor, "jobs", JOBS_S, self._round)
        self.pulse = self._loop.pulse

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()

    async def _round(self) -> float | None:
        return MORE_S if await self.runner.round() else None
