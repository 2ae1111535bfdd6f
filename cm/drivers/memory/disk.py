"""``IDisks`` in memory. Whether a guest lets go is its world's to say (``holds_disks``, ``locks_tray``)."""

from __future__ import annotations

from dataclasses import replace

from cm.drivers.memory.domain import Domain
from cm.drivers.memory.link import Link
from cm.drivers.memory.world import World
from cm.interfaces.disks import DiskSeen
from cm.interfaces.hypervisor import DiskSpec
from cm.interfaces.source import DiskSource
from cm.rpc.errors import DiskBusy, InvalidParameter, NotSupported, TrayLocked


class MemoryDisks:
    def __init__(self, link: Link) -> None:
        self._link = link

    def look(self, uuid: str, device: str) -> DiskSeen | None:
        with self._link.call("look_disk") as world, world.lock:
            found = _find(self._link.running(uuid), device)
            return None if found is None else DiskSeen(device, found.source, found.cdrom, _reads(found))

    def attach(self, uuid: str, disk: DiskSpec) -> None:
        if disk.source is None:
            raise InvalidParameter("disk", "is a drive without a medium")
        with self._link.call("attach") as world, world.lock:
            domain = self._link.running(uuid)
            found = _find(domain, disk.device)
            if found is not None:
                if found.source != disk.source:
                    raise DiskBusy(uuid, disk.device, "another disk is in its place")
                return
            world.open_disk(domain, disk)
            _put(domain, [*_disks(domain), disk])
            if disk.cdrom:
                domain.came.add(disk.device)

    def detach(self, uuid: str, device: str) -> None:
        with self._link.call("detach") as world, world.lock:
            domain = self._link.running(uuid)
            if device in domain.jobs:
                raise DiskBusy(uuid, device, "a job is under way")
            if _find(domain, device) is None:
                return
            domain.asked.add(device)
            if uuid not in world.holds_disks and not domain.paused:
                let_go(world, domain)

    def medium(self, uuid: str, device: str, source: DiskSource | None, *, force: bool = False) -> None:
        with self._link.call("medium") as world, world.lock:
            domain = self._link.running(uuid)
            found = _find(domain, device)
            if found is None or not found.cdrom:
                raise InvalidParameter("device", f"the domain {uuid} has no drive {device}")
            if found.source == source:
                return
            if device in domain.came:
                raise NotSupported(f"open the tray of {device}, which came while the domain ran")
            if uuid in world.locks_tray and not force:
                raise TrayLocked(uuid, device)
            changed = replace(found, source=source)
            world.open_disk(domain, changed)
            _put(domain, [changed if disk.device == device else disk for disk in _disks(domain)])


def let_go(world: World, domain: Domain) -> None:
    """The guest does what it was asked; under the world's lock."""
    for disk in [disk for disk in _disks(domain) if disk.device in domain.asked]:
        volume = world.storages.behind(disk.path)
        if volume is not None and any(each is volume for each in domain.writes):
            volume.writer = None
            domain.writes = [each for each in domain.writes if each is not volume]
    _put(domain, [disk for disk in _disks(domain) if disk.device not in domain.asked])
    domain.came -= domain.asked
    domain.asked.clear()


def _disks(domain: Domain) -> tuple[DiskSpec, ...]:
    return () if domain.running is None else domain.running.disks


def _find(domain: Domain, device: str) -> DiskSpec | None:
    return next((disk for disk in _disks(domain) if disk.device == device), None)


def _put(domain: Domain, disks: list[DiskSpec]) -> None:
    assert domain.running is not None
    domain.running = replace(domain.running, disks=tuple(disks))


def _reads(disk: DiskSpec) -> bool:
    return disk.read_only or disk.cdrom
