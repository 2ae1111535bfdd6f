"""``ISnapshots`` in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cm.drivers.memory.domain import SYSTEM_ERROR
from cm.drivers.memory.link import Link
from cm.drivers.memory.volume import Volume
from cm.drivers.memory.world import World
from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.snapshot import NewTop
from cm.rpc.errors import DiskBusy, GuestNotFrozen, HypervisorError, InvalidParameter
from cm.rpc.vocabulary import Consistency, DiskFormat, Freeze


class MemorySnapshots:
    def __init__(self, link: Link) -> None:
        self._link = link

    def take(self, uuid: str, disks: Sequence[NewTop], freeze: Freeze) -> Consistency | None:
        """An agent that does not answer costs no time here."""
        with self._link.call("take") as world, world.lock:
            domain = self._link.running(uuid)
            running = domain.running
            assert running is not None
            before = {disk.device: disk for disk in running.disks}
            for top in disks:
                if top.device not in before:
                    raise InvalidParameter("disks", f"the domain has no disk {top.device}")
            if all(before[top.device].source == top.source for top in disks):
                return Consistency.CRASH
            for top in disks:
                if top.device in domain.jobs:
                    raise DiskBusy(uuid, top.device, "a job is under way")
            frozen = freeze is not Freeze.NO and world.agents.get(uuid, False) and not domain.paused
            if freeze is Freeze.YES and not frozen:
                raise GuestNotFrozen("Guest agent is not responding: QEMU guest agent is not connected")
            if frozen and uuid in world.slow_agents:
                world.frozen.add(uuid)
                return None
            changed = {
                top.device: replace(before[top.device], source=top.source, format=DiskFormat.QCOW2) for top in disks
            }
            tops = [self._volume(world, disk.path) for disk in changed.values()]  # all are there, or nothing happens
            for disk, above in zip(changed.values(), tops, strict=True):
                below = world.storages.behind(before[disk.device].path)
                if below is not None:
                    below.writer = None
                above.writer = uuid
                domain.writes = [volume for volume in domain.writes if volume is not below] + [above]

            def after(spec: DomainSpec) -> DomainSpec:
                return replace(spec, disks=tuple(changed.get(disk.device, disk) for disk in spec.disks))

            domain.running, domain.spec = after(running), after(domain.spec)
            return Consistency.FROZEN if frozen else Consistency.CRASH

    def thaw(self, uuid: str) -> bool:
        with self._link.call("thaw") as world, world.lock:
            domain = self._link.running(uuid)
            left = world.slow_agents.get(uuid, 0)
            if left:
                world.slow_agents[uuid] = left - 1
            if left or domain.paused or not world.agents.get(uuid, False):
                return False
            world.frozen.discard(uuid)
            return True

    def _volume(self, world: World, path: str) -> Volume:
        volume = world.storages.behind(path)
        if volume is None or volume.missing:
            raise HypervisorError(f"Cannot access storage file '{path}': No such file or directory", SYSTEM_ERROR)
        return volume

    def hold(self, spec: DomainSpec) -> None:
        with self._link.call("hold") as world:
            world.hold(spec)
