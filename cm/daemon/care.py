"""The loop that deletes what is old, or not needed where room is, while there is more of it; and shortens chains."""

from __future__ import annotations

from typing import Any, Final

from cm.operations import storing, uploading
from cm.runtime.loop import Loop
from cm.services.cached_image import evict_spare
from cm.services.context import Services
from cm.services.disk import purge_overdue
from cm.services.expiring import collect
from cm.services.flattening import flatten_long
from cm.services.free_volume import sweep
from cm.services.image import close_failed
from cm.services.leaving import settle_leaving
from cm.services.trash import destroy_overdue
from cm.services.usage import warn
from cm.store.prune import BATCH, TABLES, Retention, prune_table

CARE_S: Final = 300.0  # between rounds, when all that was old is gone
SWEEP_S: Final = 15.0  # between looks at reservations that nobody came back for, and at long chains
EXPIRY_S: Final = 30.0  # between looks at VMs whose leases end
MORE_S: Final = 1.0  # between batches: the database has others to serve


class Care:
    """
    :param reactor: an ``IReactorTime``.
    """

    def __init__(self, services: Services, reactor: Any, retention: Retention) -> None:
        self._services = services
        self._retention = retention
        self._loop = Loop(reactor, "deleting old records", CARE_S, self.round)
        self.pulse = self._loop.pulse
        self.reservations = Loop(reactor, "expired reservations, long chains", SWEEP_S, self._sweep)
        self.expiry = Loop(reactor, "VMs whose leases end", EXPIRY_S, self._expire)

    def start(self) -> None:
        self._loop.start()
        self.reservations.start()
        self.expiry.start()

    def stop(self) -> None:
        self._loop.stop()
        self.reservations.stop()
        self.expiry.stop()

    async def _expire(self) -> float | None:
        return MORE_S if await collect(self._services) else None

    async def _sweep(self) -> None:
        await sweep(self._services)
        if self._services.policy.snapshot_chain_max:
            await self._services.database.transact(flatten_long, self._services.policy.snapshot_chain_max)

    async def round(self) -> float | None:
        """One batch of each table, each in a transaction of its own: while one lasts the change feed stands still."""
        database = self._services.database
        await database.transact(close_failed, self._services.policy.failed_images_s)
        await uploading.care(self._services)
        await storing.care(self._services)
        await database.transact(evict_spare, self._services.policy.cache_free)
        more = await database.transact(purge_overdue, self._services.policy.trash_s) > 0
        more |= await database.transact(destroy_overdue, self._services.policy.vm_trash_s) > 0
        await settle_leaving(self._services)
        await database.transact(warn, self._services.policy)
        for table in TABLES:
            more |= await database.transact(prune_table, table, self._retention) >= BATCH
        return MORE_S if more else None
