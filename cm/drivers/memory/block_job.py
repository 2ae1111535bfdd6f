"""``IBlockJobs`` in memory. A job is a little further at each look, so that tests and simulation see all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cm.drivers.memory.domain import SYSTEM_ERROR, DiskJob, Domain
from cm.drivers.memory.link import Link
from cm.drivers.memory.volume import Volume
from cm.drivers.memory.world import World
from cm.interfaces.block_job import BlockJobKind, BlockJobSeen, BlockJobState
from cm.interfaces.hypervisor import DiskSpec
from cm.interfaces.source import DiskSource, path_of
from cm.rpc.errors import DiskBusy, HypervisorError, InvalidParameter
from cm.rpc.vocabulary import DiskFormat

_FINISHED: Final = (BlockJobKind.COPY, BlockJobKind.ACTIVE_COMMIT)  # by whoever asked for them


class MemoryBlockJobs:
    def __init__(self, link: Link) -> None:
        self._link = link

    def copy(self, uuid: str, device: str, target: DiskSource, format: DiskFormat, limit_bytes_s: int = 0) -> None:
        with self._link.call("copy") as world, world.lock:
            domain, disk = self._disk(uuid, device)
            if self._begun(domain, device, BlockJobKind.COPY, path_of(target)):
                return
            into, below = world.storages.behind(path_of(target)), world.storages.behind(disk.path)
            if into is None or into.missing:
                raise HypervisorError(f"Cannot access storage file '{path_of(target)}'", SYSTEM_ERROR)
            job = DiskJob(BlockJobKind.COPY, path_of(target), format, into.capacity_bytes, source=target)
            if below is not None and into.capacity_bytes != below.capacity_bytes:
                return  # as QEMU: it begins, and has failed by the next look
            into.writer = uuid
            domain.jobs[device] = job

    def commit(
        self, uuid: str, device: str, base: DiskSource, top: DiskSource | None = None, limit_bytes_s: int = 0
    ) -> None:
        with self._link.call("commit") as world, world.lock:
            domain, disk = self._disk(uuid, device)
            chain = (disk.path, *world.storages.chain(disk.path))
            for name, wanted in (("base", base), ("top", top)):
                if wanted is not None and path_of(wanted) not in chain:
                    raise InvalidParameter(name, f"is not below disk {device}")
            kind = BlockJobKind.ACTIVE_COMMIT if top is None else BlockJobKind.COMMIT
            if self._begun(domain, device, kind, path_of(base)):
                return
            upper = "" if top is None else path_of(top)
            domain.jobs[device] = DiskJob(kind, path_of(base), disk.format, self._size(world, disk), upper, source=base)

    def pull(self, uuid: str, device: str, base: DiskSource | None = None, limit_bytes_s: int = 0) -> None:
        with self._link.call("pull") as world, world.lock:
            domain, disk = self._disk(uuid, device)
            below, lowest = world.storages.chain(disk.path), path_of(base)
            if base is not None and lowest not in below:
                raise InvalidParameter("base", f"is not below disk {device}")
            if below and below[0] != lowest and not self._begun(domain, device, BlockJobKind.PULL, lowest):
                domain.jobs[device] = DiskJob(BlockJobKind.PULL, lowest, disk.format, self._size(world, disk))

    def look(self, uuid: str, device: str) -> BlockJobSeen:
        with self._link.call("look_job") as world, world.lock:
            domain, disk = self._disk(uuid, device)
            job = domain.jobs.get(device)
            if job is None:
                return BlockJobSeen(BlockJobState.NONE, disk.source, world.storages.chain(disk.path))
            ready = job.looks_left <= 0
            job.looks_left -= 0 if world.hang_jobs else 1
            if ready and job.kind not in _FINISHED:
                self._apply(world, domain, disk, job)
                return BlockJobSeen(BlockJobState.NONE, disk.source, world.storages.chain(disk.path))
            return BlockJobSeen(
                BlockJobState.READY if ready else BlockJobState.RUNNING,
                disk.source,
                world.storages.chain(disk.path),
                job.kind,
                job.total_bytes if ready else job.total_bytes // 2,
                job.total_bytes,
                job.source if job.kind in _FINISHED else None,
            )

    def grow(self, uuid: str, device: str, size_bytes: int) -> None:
        with self._link.call("grow") as world, world.lock:
            domain, disk = self._disk(uuid, device)
            if device in domain.jobs:
                raise DiskBusy(uuid, device, "a job is under way")
            volume = world.storages.behind(disk.path)
            if volume is not None:
                world.storages.lengthen(volume, size_bytes)

    def finish(self, uuid: str, device: str) -> None:
        with self._link.call("finish") as world, world.lock:
            domain, disk = self._disk(uuid, device)
            job = domain.jobs.get(device)
            if job is None:
                return
            if job.kind not in _FINISHED or job.looks_left >= 0:
                raise DiskBusy(uuid, device, "the job under way cannot be finished now")
            self._apply(world, domain, disk, job)

    def abort(self, uuid: str, device: str) -> None:
        with self._link.call("abort") as world, world.lock:
            domain, _ = self._disk(uuid, device)
            job = domain.jobs.pop(device, None)
            if job is not None and job.kind == BlockJobKind.COPY:
                _released(world.storages.behind(job.target))

    def _disk(self, uuid: str, device: str) -> tuple[Domain, DiskSpec]:
        domain = self._link.running(uuid)
        for disk in [] if domain.running is None else domain.running.disks:
            if disk.device == device:
                return domain, disk
        raise InvalidParameter("device", f"the domain {uuid} has no disk {device}")

    def _begun(self, domain: Domain, device: str, kind: BlockJobKind, target: str) -> bool:
        job = domain.jobs.get(device)
        if job is not None and (job.kind, job.target) != (kind, target):
            raise DiskBusy(domain.spec.uuid, device, f"a job ({job.kind}) is under way")
        return job is not None

    def _size(self, world: World, disk: DiskSpec) -> int:
        volume = world.storages.behind(disk.path)
        return 0 if volume is None else volume.capacity_bytes

    def _apply(self, world: World, domain: Domain, disk: DiskSpec, job: DiskJob) -> None:
        """What the job leads to."""
        del domain.jobs[disk.device]
        storages = world.storages
        top = storages.behind(job.top or disk.path)
        into = storages.behind(disk.path if job.kind == BlockJobKind.PULL else job.target)
        if top is None or into is None:
            return
        chain = [top, *filter(None, map(storages.behind, storages.chain(job.top or disk.path)))]
        if into.missing or any(volume.missing for volume in chain):
            return  # a file went meanwhile: it has failed
        if job.kind in (BlockJobKind.COMMIT, BlockJobKind.ACTIVE_COMMIT):
            chain = chain[: chain.index(into)]
            into.content += b"".join(volume.content for volume in reversed(chain))
            into.allocation_bytes += sum(volume.allocation_bytes for volume in chain)
            into.capacity_bytes = max(into.capacity_bytes, top.capacity_bytes)
            for volume in chain:  # it is read as before: what it holds over what it was merged into is the same
                volume.content = b""
            for volume in storages.above(job.top):
                volume.base = into.name
        else:
            lowest = storages.behind(job.target) if job.kind == BlockJobKind.PULL and job.target else None
            taken = chain if lowest is None else chain[: chain.index(lowest)]
            into.content = b"".join(volume.content for volume in reversed(taken))
            into.allocation_bytes = sum(volume.allocation_bytes for volume in taken)
            into.base = None if lowest is None else lowest.name
        if job.kind in _FINISHED:
            before = storages.behind(disk.path)
            _released(before)
            into.writer = domain.spec.uuid
            domain.writes = [volume for volume in domain.writes if volume is not before] + [into]
            # What is merged into was made before this disk, in a format of its own, which its volume knows.
            format = job.format if job.kind == BlockJobKind.COPY else into.format
            domain.put(replace(disk, source=job.source, format=format))


def _released(volume: Volume | None) -> None:
    if volume is not None:
        volume.writer = None
