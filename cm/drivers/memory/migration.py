"""
``IMigrations`` in memory, between two worlds of this process. A migration is a little further at each look, and each
time that somebody pushes it, as it would be by itself.

While it is under way the target expects the guest: what libvirt shows of that is a domain that stands still, and has no
disk open. In one moment, ``_arrive``, the guest and its disks are there and nowhere else. ``World.broken`` has the ways
in which that moment was seen to go wrong with libvirt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from cm.drivers.memory.domain import INTERNAL_ERROR, Domain, Passage
from cm.drivers.memory.link import Faults, Link
from cm.drivers.memory.world import World
from cm.interfaces.migration import CpuNeed, MigrationSeen, MigrationSpec, MigrationState
from cm.rpc.errors import CloudError, HypervisorError
from cm.rpc.vocabulary import SeenReason

MIB: Final = 2**20
LOST: Final = "Unable to read from monitor: Connection reset by peer"
_between = threading.RLock()  # taken before the locks of two worlds
Find = Callable[[str], tuple[World, Faults] | None]


class MemoryMigrations:
    """:param find: a world by its name, with its faults."""

    def __init__(self, link: Link, find: Find) -> None:
        self._link = link
        self._find = find

    def need(self, uuid: str) -> CpuNeed:
        with self._link.call("need") as world:
            self._link.running(uuid)
            return CpuNeed("memory", world.info.arch, "", world.info.cpu_model)

    def takes(self, need: CpuNeed) -> str:
        with self._link.call("takes") as world:
            return "" if need.text == world.info.cpu_model else "its CPU lacks what the guest was given"

    def migrate(self, spec: MigrationSpec) -> bool:
        with self._link.call("migrate") as world, _between:
            domain = self._link.running(spec.uuid)
            if domain.passage is not None:
                return False
            world.failures[spec.uuid] = ""
            try:
                self._begin(world, domain, spec)
            except CloudError as error:
                world.failures[spec.uuid] = str(error)
                raise
            return False

    def _begin(self, world: World, domain: Domain, spec: MigrationSpec) -> None:
        found = self._find(urlsplit(spec.target_uri).path.strip("/"))
        if found is None or found[1].unreachable:
            raise HypervisorError("unable to connect to server: Connection refused", INTERNAL_ERROR)
        target, faults = found
        if target is world:
            raise HypervisorError("Attempt to migrate guest to the same host", INTERNAL_ERROR)
        if domain.jobs:
            raise HypervisorError("domain has an active block job", INTERNAL_ERROR)
        running = domain.running
        assert running is not None
        target.expect(running if spec.vnc is None or running.vnc is None else replace(running, vnc=spec.vnc))
        domain.passage = Passage(spec, target, lambda: faults.unreachable, running.memory_mib * MIB)

    def look(self, uuid: str) -> MigrationSeen:
        with self._link.call("look_passage") as world:
            push(world, uuid)
            domain = world.domains.get(uuid)
            passage = None if domain is None else domain.passage
            if passage is None:
                return MigrationSeen(MigrationState.NONE, error=world.failures.get(uuid, ""))
            left = passage.total_bytes * max(passage.looks_left, 0) // max(passage.looks_left + passage.rounds, 1)
            return MigrationSeen(MigrationState.RUNNING, passage.total_bytes, left, 32 * MIB, passage.rounds)

    def switch(self, uuid: str) -> None:
        with self._link.call("switch") as world, _between:
            domain = world.domains.get(uuid)
            passage = None if domain is None else domain.passage
            if passage is None:
                return
            if not passage.spec.post_copy or not passage.rounds:
                raise HypervisorError("Postcopy must be started after migration has been started", INTERNAL_ERROR)
            passage.looks_left = 0
            world.converges_not.discard(uuid)
            push(world, uuid)

    def cancel(self, uuid: str) -> None:
        with self._link.call("cancel") as world, _between:
            domain = world.domains.get(uuid)
            if domain is not None and domain.passage is not None:
                _fail(world, domain, domain.passage, "operation aborted: migration out: canceled by client")


def push(world: World, uuid: str) -> bool:
    """A migration under way comes a little further, or to its end. :return: whether there was one."""
    with _between:
        domain = world.domains.get(uuid)
        passage = None if domain is None else domain.passage
        if domain is None or passage is None:
            return False
        if passage.target_away() or uuid not in passage.target.expected:
            _fail(world, domain, passage, LOST)
        elif not world.hang_jobs:
            passage.rounds += 1
            passage.looks_left -= 1
            if passage.looks_left < 0 and uuid not in world.converges_not:
                missing = passage.target.missing_of(passage.target.expected[uuid])
                if missing:
                    _fail(world, domain, passage, missing)
                else:
                    _arrive(world, domain, passage)
        return True


def _fail(world: World, domain: Domain, passage: Passage, why: str) -> None:
    """The guest stays. The target's half goes, as libvirtd sees to it there, be it later."""
    domain.passage = None
    world.failures[domain.spec.uuid] = f"the hypervisor refused: {why}"
    passage.target.expect_no_more(domain.spec.uuid)


def _arrive(world: World, domain: Domain, passage: Passage) -> None:
    uuid, target = domain.spec.uuid, passage.target
    broken, world.broken = world.broken, ""
    stands = domain.reason if domain.paused else None  # it is as it was there
    if broken == "left defined":  # its QEMU got no lock: the definition stays
        _fail(world, domain, passage, 'Failed to get "write" lock')
        target.define(domain.spec)
        return
    if broken:  # the source's libvirtd was killed in the last moment, and does not know
        domain.passage = None
        domain.paused, domain.reason = True, SeenReason.MIGRATION
        if broken == "nowhere":
            target.expect_no_more(uuid)
            return
        with world.lock:
            world.let_go(domain)
        target.arrive(uuid, world, stands)
        return
    with world.lock:
        world.let_go(domain)
        del world.domains[uuid]
    target.arrive(uuid, world, stands)
    world.has_ended(domain.running or domain.spec, "migrated")
