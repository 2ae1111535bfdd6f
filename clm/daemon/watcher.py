"""
The loops of a cloud: for each cluster health, accounts and change feed; for the whole, deleting old rows.

Each cluster is looked after by one process, whichever takes its lock; loops of one cluster never wait for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from clm.rules.cluster import INCOMPATIBLE
from clm.services import sync
from clm.services.cluster import check
from clm.services.context import Services
from clm.services.follow import Follower
from clm.services.registration import PRUNED_MAX, prune_registrations
from clm.store.feed import BATCH, prune
from cm.runtime.logins import prune_logins
from cm.runtime.loop import Locks, Loop
from cm.runtime.pulse import Pulse

if TYPE_CHECKING:
    from clm.drivers.cluster import ClusterConnection

log = Logger()
DUTIES: Final = 0x57434C  # first key of the locks; the second is what is to be done
CARE: Final = 0  # of the whole: deleting old rows; others are ids of clusters
TAKE_S: Final = 2.0  # between looks for duties that are free
CARE_S: Final = 300.0


class Duty:
    """All that is done for one cluster, while its lock is ours."""

    def __init__(self, services: Services, connection: ClusterConnection, check_s: float, sync_s: float) -> None:
        self._services = services
        self.connection = connection
        self._sync_s = sync_s
        self._compare_at = 0.0
        name = connection.facts.name
        reactor = services.reactor
        self.health = Loop(reactor, f"looking at {name}", check_s, self._look)
        self.accounts = Loop(reactor, f"telling {name} of accounts", sync_s, self._tell)
        self.follower = Follower(services, connection)

    def start(self) -> None:
        self.health.start()
        self.accounts.start()
        self.follower.start()

    def stop(self) -> None:
        self.health.stop()
        self.accounts.stop()
        self.follower.stop()

    def compare(self) -> None:
        """Have all accounts compared at once."""
        self._compare_at = 0.0
        self.accounts.wake()

    async def _look(self) -> None:
        await check(self._services, self.connection)

    async def _tell(self) -> None:
        facts = self.connection.facts
        if facts.locked or facts.state == INCOMPATIBLE:
            return
        clock = self._services.reactor.seconds
        stale = await sync.push_due(self._services, self.connection)
        if stale or clock() >= self._compare_at:
            await sync.compare(self._services, self.connection)
            self._compare_at = clock() + self._sync_s * 0.9
        await sync.drop_groups(self._services, self.connection)


class Watcher:
    """
    :param locks: of the cloud's database, held by this process alone.
    """

    def __init__(self, services: Services, locks: Locks, check_s: float, sync_s: float) -> None:
        self._services = services
        self._clusters = services.clusters
        self._times = (check_s, sync_s)
        self._locks = locks
        self.duties: dict[int, Duty] = {}
        self._stopped = False
        self._taking = Loop(services.reactor, "taking duties", TAKE_S, self._take)
        self._care = Loop(services.reactor, "deleting old rows", CARE_S, self._prune)
        self._cares = False

    def start(self) -> None:
        self._services.signals.subscribe("sync", self.sync_changed)
        self._clusters.subscribe(self._taking.wake)
        self._taking.start()

    def sync_changed(self, subject: str = "") -> None:
        """Notification ``sync`` or ``sync:<cluster id>``, which says that all is to be compared."""
        for cluster_id, duty in self.duties.items():
            if subject == str(cluster_id):
                duty.compare()
            elif not subject:
                duty.accounts.wake()

    def pulses(self) -> list[Pulse]:
        """Of all loops that are ours now."""
        duties = [loop.pulse for duty in self.duties.values() for loop in (duty.health, duty.accounts)]
        return [self._taking.pulse, self._care.pulse, *duties]

    async def _take(self) -> None:
        """Do what is ours to do: for each cluster whose lock is held."""
        there = {each.facts.id: each for each in self._clusters.all()}
        held = await self._services.threads.run("duties", self._locks.hold, {CARE, *there})
        if self._stopped:
            return
        for cluster_id, duty in list(self.duties.items()):
            # A connection that was made anew leads elsewhere.
            if cluster_id not in held or there.get(cluster_id) is not duty.connection:
                self.duties.pop(cluster_id).stop()
        for cluster_id, connection in there.items():
            if cluster_id in held and cluster_id not in self.duties:
                self.duties[cluster_id] = duty = Duty(self._services, connection, *self._times)
                duty.start()
        if (CARE in held) != self._cares:
            self._cares = CARE in held
            if self._cares:
                self._care = Loop(self._services.reactor, "deleting old rows", CARE_S, self._prune)
                self._care.start()
            else:
                self._care.stop()

    async def _prune(self) -> float | None:
        database = self._services.database
        lapsed = await database.transact(prune_registrations, self._services.policy)
        gone = await database.transact(prune)
        gone["login"] = await database.transact(prune_logins, self._services.policy.login_days, BATCH)
        return 1.0 if lapsed >= PRUNED_MAX or any(count >= BATCH for count in gone.values()) else None

    async def stop(self) -> None:
        """Do nothing more, and leave it to other processes."""
        self._stopped = True
        self._taking.stop()
        self._care.stop()
        for duty in self.duties.values():
            duty.stop()
        self.duties.clear()
        await self._services.threads.run("duties", self._locks.close)
