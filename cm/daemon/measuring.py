"""The loops of monitoring: nodes are asked in turn and samples written; blocks are made of old ones, and let go of."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cm.rpc.errors import CloudError
from cm.rules.figures import interval_for
from cm.rules.series import LEVELS, STEPS, Kept, begin_of
from cm.rules.shortage import Left, Shortage, watch
from cm.runtime.loop import Loop
from cm.runtime.metrics import Metrics, NodeGauge
from cm.runtime.wall import unix_seconds
from cm.services.context import Services
from cm.services.measure import LOAD_WITHIN_S, Answer, Sampler
from cm.services.shortage import tell_short
from cm.store.sample import (
    Kind,
    Measured,
    NewSample,
    begin_progress,
    forget_ended,
    make_blocks,
    measured,
    node_loads,
    number_layouts,
    prune_blocks,
    storage_samples,
    take_lease,
    write_samples,
)

log = Logger()
LEASE_S: Final = 30.0  # after which another process measures, where this one says nothing
RENEW_S: Final = 10.0
TURN_S: Final = 1.0
PART: Final = 0.7  # of an interval, in which all nodes are asked: answers have the rest
NODES_PER_S: Final = 20.0  # that are asked, at the most: of 500 nodes a round takes 30 s
STORAGES_S: Final = 60  # between samples of storages
BLOCKS_S: Final = 30.0  # between looks for blocks to make
MORE_S: Final = 0.5  # between batches: the database has others to serve


class Measuring:
    """
    One process of a cluster measures, by a lease; the others look every few seconds whether it still does.

    :param every_s: seconds between samples, as the settings have it.
    """

    def __init__(
        self,
        services: Services,
        reactor: Any,
        every_s: int,
        kept: Kept,
        ended_days: int,
        metrics: Metrics | None = None,
    ) -> None:
        self._services = services
        self._clock = reactor
        self._every_s = every_s
        self._kept = kept
        self._ended_days = ended_days
        self._metrics = metrics
        self._holder = uuid.uuid4().hex  # this process among those of the cluster
        self._held = False
        self._renew_at = 0.0
        self._slot = 0
        self._due: deque[int] = deque()
        self._per_turn = 1
        self._known = Measured({}, {}, {})
        self._loads: dict[int, tuple[float, ...]] = {}
        self._under_way: set[int] = set()
        self._answers: list[Answer] = []
        self._more: list[NewSample] = []
        self._stopping = False
        self._sampler = Sampler()
        self._short: dict[int, Shortage] = {}  # by VM
        self._round: dict[str, NodeGauge] = {}  # what nodes said in it
        self._layouts: dict[tuple[str, ...], int] = {}  # that are committed
        self.rounds = Loop(reactor, "measuring", TURN_S, self.turn)
        self.blocks = Loop(reactor, "packing what was measured", BLOCKS_S, self.pack, BLOCKS_S)

    def start(self) -> None:
        self.rounds.start()
        self.blocks.start()

    async def stop(self) -> None:
        """Another process may measure at once."""
        self._stopping = True
        self.rounds.stop()
        self.blocks.stop()
        if self._held:
            self._held = False
            try:
                await self._services.database.transact(take_lease, self._holder, 0.0)
            except CloudError as error:
                log.info("the lease of measuring ends by itself: {error}", error=str(error))

    # ------------------------------------------------------------------ rounds

    async def turn(self) -> float | None:
        if not await self._is_ours():
            return RENEW_S
        now = unix_seconds()
        interval_s = interval_for(self._every_s, len(self._known.nodes), NODES_PER_S, STEPS)
        slot = begin_of(now, interval_s)
        if slot != self._slot:
            await self._begin(slot, interval_s)
        for _ in range(min(self._per_turn, len(self._due))):
            node_id = self._due.popleft()
            if node_id not in self._under_way:  # else it has not answered since the last round
                self._under_way.add(node_id)
                Deferred.fromCoroutine(self._ask(node_id, slot)).addErrback(self._failed)
        await self._write()
        return None

    async def _is_ours(self) -> bool:
        if self._clock.seconds() < self._renew_at:
            return self._held
        held = await self._services.database.transact(take_lease, self._holder, LEASE_S)
        self._renew_at = self._clock.seconds() + RENEW_S
        if held and not self._held:
            self._sampler.forget()
            self._answers.clear()
            self._short.clear()
            await self._services.database.transact(begin_progress, unix_seconds())
            log.info("this process measures nodes and VMs")
        self._held = held
        if self._metrics is not None:
            self._metrics.measuring(held)
        return held

    async def _begin(self, slot: int, interval_s: int) -> None:
        """A round: all nodes are due, some in each turn."""
        database = self._services.database
        self._known = known = await database.read(measured)
        if slot // STORAGES_S != self._slot // STORAGES_S:
            at = begin_of(slot, STORAGES_S)
            storages = await database.read(storage_samples, at)
            self._more += storages.values()
            if self._metrics is not None:
                self._metrics.storages({name: told(each) for name, each in storages.items()})
            self._loads = await database.read(node_loads, LOAD_WITHIN_S)
        if self._metrics is not None:
            self._metrics.measured(self._round)
        self._round = {}
        self._slot = slot
        self._due = deque(known.nodes)
        self._per_turn = max(1, -(-len(known.nodes) // max(1, int(interval_s * PART / TURN_S))))
        self._sampler.keep(known)
        live = {vm_id for vms in known.vms.values() for vm_id in vms.values()}
        self._short = {vm_id: each for vm_id, each in self._short.items() if vm_id in live}

    async def _ask(self, node_id: int, slot: int) -> None:
        try:
            figures = await self._services.fleet.node(node_id).hypervisor.measure()
            if self._held and not self._stopping:
                self._answers.append(Answer(node_id, slot, figures))
        except CloudError:
            pass  # passes over nodes tell of those that do not answer; here there is a gap
        finally:
            self._under_way.discard(node_id)

    async def _write(self) -> None:
        answers, self._answers = self._answers, []
        more, self._more = self._more, []
        if not answers and not more:
            return
        services = self._services
        made = await services.threads.run("measuring", self._sampler.samples, answers, self._known, self._loads)
        made += more
        unknown = {sample.names for sample in made} - self._layouts.keys()
        if unknown:
            self._layouts |= await services.database.transact(number_layouts, unknown)
        await services.database.transact(write_samples, made, self._layouts)
        await self._tell_short(made)
        if self._metrics is not None:
            self._metrics.samples(len(made))
            names = self._known.nodes
            of_nodes = [each for each in made if each.kind is Kind.NODE and each.object_id in names]
            self._round |= {names[each.object_id]: gauge_of(told(each)) for each in of_nodes}

    async def _tell_short(self, made: Sequence[NewSample]) -> None:
        """Owners of guests that have run out of memory for a while."""
        left = {each.object_id: known for each in made if each.kind is Kind.VM and (known := left_of(told(each)))}
        before, self._short = self._short, watch(self._short, unix_seconds(), left)
        for vm_id, each in self._short.items():
            if each.told and not (vm_id in before and before[vm_id].told):
                await self._services.database.transact(tell_short, vm_id, left[vm_id])

    def _failed(self, failure: Any) -> None:
        log.failure("measuring a node failed", failure=failure)

    # ------------------------------------------------------------------ blocks

    async def pack(self) -> float | None:
        """A batch of each level; the finest first, of whose blocks the others are made."""
        if not self._held:
            return None
        database, more = self._services.database, False
        for level in LEVELS:
            more |= await database.transact(make_blocks, level, unix_seconds())
        more |= await database.transact(prune_blocks, self._kept, unix_seconds())
        await database.transact(forget_ended, self._ended_days)
        return MORE_S if more else None


def told(sample: NewSample) -> dict[str, float]:
    """What is known of a sample, by name."""
    return {name: value for name, value in zip(sample.names, sample.values, strict=True) if not isnan(value)}


def left_of(figures: Mapping[str, float]) -> Left | None:
    """Of a VM's sample, where its guest tells."""
    available, memory = figures.get("memory_available"), figures.get("memory")
    return None if available is None or memory is None else Left(available, memory)


def gauge_of(figures: Mapping[str, float]) -> NodeGauge:
    """Of a node's sample."""
    cpu = figures.get("cpu")
    return NodeGauge(
        None if cpu is None else cpu / 100,
        figures.get("memory"),
        figures.get("memory_used"),
        figures.get("load_1"),
        figures.get("vms", 0.0),
    )
