"""``IBlockJobs`` by libvirt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_read import source_of
from cm.drivers.libvirt.domain_xml import copy_target_xml
from cm.drivers.libvirt.errors import code_of, reason_of
from cm.drivers.libvirt.plug import definition_of, running_domain
from cm.drivers.libvirt.xml_text import Element, exact_text
from cm.interfaces.block_job import BlockJobKind, BlockJobSeen, BlockJobState
from cm.interfaces.source import DiskSource, path_of
from cm.rpc.errors import DiskBusy, InvalidParameter
from cm.rpc.vocabulary import DiskFormat

# virDomainBlockJobType
_KINDS: Final = {
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_PULL: BlockJobKind.PULL,
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY: BlockJobKind.COPY,
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT: BlockJobKind.COMMIT,
    libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT: BlockJobKind.ACTIVE_COMMIT,
}


class LibvirtBlockJobs:
    """The test driver has none."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def copy(self, uuid: str, device: str, target: DiskSource, format: DiskFormat, limit_bytes_s: int = 0) -> None:
        """
        Into the file as it was made (REUSE_EXT), so that libvirt neither makes nor probes one. Without TRANSIENT_JOB
        libvirt refuses to copy under a persistent domain: were QEMU to die, the job would not be there after its start.
        """
        xml = copy_target_xml(target, format)
        limit = {libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH: limit_bytes_s} if limit_bytes_s else {}
        flags = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB | libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
        with self._connections.slow(uuid) as connection, self._disk(connection, uuid, device) as (domain, disk):
            if not _begun(domain, disk, device, BlockJobKind.COPY, target):
                domain.blockCopy(device, xml, limit, flags)

    def commit(
        self, uuid: str, device: str, base: DiskSource, top: DiskSource | None = None, limit_bytes_s: int = 0
    ) -> None:
        flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES
        kind = BlockJobKind.COMMIT
        if top is None:
            flags |= libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
            kind = BlockJobKind.ACTIVE_COMMIT
        with self._connections.slow(uuid) as connection, self._disk(connection, uuid, device) as (domain, disk):
            chain = [path_of(source_of(store)) for store in (disk, *disk.iterfind(".//backingStore"))]
            for name, wanted in (("base", base), ("top", top)):
                if wanted is not None and path_of(wanted) not in chain:
                    raise InvalidParameter(name, f"is not below disk {device}")
            into = base if top is None else None  # libvirt does not tell where another goes
            if not _begun(domain, disk, device, kind, into):
                upper = None if top is None else exact_text("top", path_of(top))
                domain.blockCommit(device, exact_text("base", path_of(base)), upper, limit_bytes_s, flags)

    def pull(self, uuid: str, device: str, base: DiskSource | None = None, limit_bytes_s: int = 0) -> None:
        with self._connections.slow(uuid) as connection, self._disk(connection, uuid, device) as (domain, disk):
            below = [path_of(source_of(store)) for store in disk.iterfind(".//backingStore")]
            if base is not None and path_of(base) not in below:
                raise InvalidParameter("base", f"is not below disk {device}")
            if base is not None and below[0] == path_of(base):
                return  # which libvirt would refuse
            if not _begun(domain, disk, device, BlockJobKind.PULL, None):
                lowest = None if base is None else exact_text("base", path_of(base))
                domain.blockRebase(device, lowest, limit_bytes_s, libvirt.VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES)

    def look(self, uuid: str, device: str) -> BlockJobSeen:
        """The job first, the disk after it: what has ended between the two is seen with what it led to."""
        with self._connections.fast(uuid) as connection, self._domain(connection, uuid, device) as domain:
            job = _job(domain, device)
            disk = _disk_of(domain, uuid, device)
            mirror = disk.find("mirror")
            ready = mirror is not None and mirror.get("ready") == "yes"
            bases = tuple(path for store in disk.iterfind(".//backingStore") if (path := path_of(source_of(store))))
            if not job and mirror is None:
                return BlockJobSeen(BlockJobState.NONE, source_of(disk), bases)
            return BlockJobSeen(
                BlockJobState.READY if ready else BlockJobState.RUNNING,
                source_of(disk),
                bases,
                _KINDS.get(job.get("type", -1)) if job else _kind_of(mirror),
                int(job.get("cur", 0)),
                int(job.get("end", 0)),
                None if mirror is None else source_of(mirror),
            )

    def grow(self, uuid: str, device: str, size_bytes: int) -> None:
        """QEMU would cut a disk off without a word, so what it has is asked of it first."""
        with self._connections.slow(uuid) as connection, self._disk(connection, uuid, device) as (domain, disk):
            _refuse_busy(domain, disk, uuid, device)
            size = domain.blockInfo(device)[0]
            if size_bytes < size:
                raise InvalidParameter("size_bytes", f"is less than its {size}")
            if size_bytes > size:
                domain.blockResize(device, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)

    def finish(self, uuid: str, device: str) -> None:
        """libvirt answers when the domain writes to the target, and its stored definition names it."""
        with self._connections.slow(uuid) as connection, self._disk(connection, uuid, device) as (domain, disk):
            mirror, job = disk.find("mirror"), _job(domain, device)
            if mirror is None and not job:
                return
            if mirror is None or mirror.get("ready") != "yes":
                raise DiskBusy(uuid, device, "the job under way cannot be finished now")
            domain.blockJobAbort(device, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)

    def abort(self, uuid: str, device: str) -> None:
        with self._connections.slow(uuid) as connection, self._disk(connection, uuid, device) as (domain, disk):
            if disk.find("mirror") is not None or _job(domain, device):
                try:
                    domain.blockJobAbort(device, 0)
                except libvirt.libvirtError:
                    if _job(domain, device):
                        raise  # else it has ended in between

    @contextmanager
    def _domain(self, connection: Any, uuid: str, device: str) -> Iterator[Any]:
        """The domain, running; libvirt's refusals leave the block as ours."""
        with running_domain(self._connections, connection, uuid, "copy or merge the disks") as domain:
            try:
                yield domain
            except libvirt.libvirtError as error:
                if code_of(error) == libvirt.VIR_ERR_INVALID_ARG:
                    _disk_of(domain, uuid, device)  # which tells where there is none
                if code_of(error) == libvirt.VIR_ERR_BLOCK_COPY_ACTIVE:
                    raise DiskBusy(uuid, device, reason_of(error)) from error
                raise

    @contextmanager
    def _disk(self, connection: Any, uuid: str, device: str) -> Iterator[tuple[Any, Element]]:
        with self._domain(connection, uuid, device) as domain:
            yield domain, _disk_of(domain, uuid, device)


def refuse_busy(domain: Any, uuid: str, device: str) -> None:
    """:raises DiskBusy: a job is under way on a disk. :raises InvalidParameter: there is none."""
    _refuse_busy(domain, _disk_of(domain, uuid, device), uuid, device)


def _refuse_busy(domain: Any, disk: Element, uuid: str, device: str) -> None:
    if disk.find("mirror") is not None or _job(domain, device):
        raise DiskBusy(uuid, device, "a job is under way")  # QEMU: "Device '(null)' is in use"


def _job(domain: Any, device: str) -> dict[str, int]:
    """Empty where there is none."""
    told = domain.blockJobInfo(device, libvirt.VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES)
    return told if isinstance(told, dict) else {}


def _disk_of(domain: Any, uuid: str, device: str) -> Element:
    for disk in definition_of(domain).findall("devices/disk"):
        target = disk.find("target")
        if target is not None and target.get("dev") == device:
            return disk
    raise InvalidParameter("device", f"the domain {uuid} has no disk {device}")


def _kind_of(mirror: Element) -> BlockJobKind:
    return BlockJobKind.ACTIVE_COMMIT if mirror.get("job") == "active-commit" else BlockJobKind.COPY


def _begun(domain: Any, disk: Element, device: str, wanted: BlockJobKind, target: DiskSource | None) -> bool:
    """
    Whether that job is under way.
    :raises DiskBusy: another is.
    """
    mirror, job = disk.find("mirror"), _job(domain, device)
    if mirror is None and not job:
        return False
    kind = _KINDS.get(job.get("type", -1)) if job else _kind_of(mirror)
    into = None if mirror is None else source_of(mirror)
    if kind != wanted or (target is not None and into != target):
        raise DiskBusy(domain.UUIDString(), device, f"a job ({kind}) is under way")
    return True
