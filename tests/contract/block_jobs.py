"""What every ``IBlockJobs`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest

from cm.interfaces.block_job import BlockJobKind, BlockJobSeen, BlockJobState
from cm.interfaces.hypervisor import DiskSpec, DomainSpec
from cm.interfaces.node import INode
from cm.interfaces.snapshot import NewTop
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import CloudError, DiskBusy, DomainNotRunning, InvalidParameter, NotSupported
from cm.rpc.vocabulary import DiskFormat, Freeze
from tests.contract.hypervisor import domain_spec, eventually
from tests.contract.on_storage import OnStorage

SIZE = 4 * 2**20
SLOW = 65_536  # bytes a second, so that a job is under way for as long as a test looks


class BlockJobsContract(OnStorage):
    """As ``OnStorage``. A guest whose disk ``vda`` is ``top.qcow2`` on ``middle.qcow2`` on ``base.raw`` runs."""

    jobs = True  # whether this hypervisor has any

    @pytest.fixture()
    def guest(self, holder: INode, spec: StorageSpec) -> Iterator[str]:
        if not self.jobs:
            pytest.skip("needs a hypervisor with block jobs; test_none shows that this one has none")
        domain = self.made(holder, spec)
        holder.hypervisor.start(domain.uuid)
        yield domain.uuid
        holder.hypervisor.destroy(domain.uuid)
        holder.hypervisor.undefine(domain.uuid)

    def made(self, node: INode, spec: StorageSpec) -> DomainSpec:
        node.volumes.create_empty(spec.name, "base.raw", DiskFormat.RAW, SIZE)
        node.volumes.create_overlay(spec.name, "middle.qcow2", "base.raw", DiskFormat.RAW, SIZE)
        node.volumes.create_overlay(spec.name, "top.qcow2", "middle.qcow2", DiskFormat.QCOW2, SIZE)
        disk = DiskSpec(node.volumes.source(spec.name, "top.qcow2"), DiskFormat.QCOW2, "vda")
        domain = domain_spec(disks=(disk,))
        node.hypervisor.define(domain)
        return domain

    def look_until(self, node: INode, uuid: str, test: Callable[[BlockJobSeen], bool]) -> BlockJobSeen:
        found: list[BlockJobSeen] = []

        def looked() -> bool:
            found.append(node.block_jobs.look(uuid, "vda"))
            return test(found[-1])

        assert eventually(looked, 20), found[-3:]
        return found[-1]

    def stands_on(self, node: INode, uuid: str) -> list[str]:
        """Of disk and definition alike."""
        seen = node.block_jobs.look(uuid, "vda")
        assert seen.state == BlockJobState.NONE and seen.kind is None and seen.target is None
        return [PurePosixPath(path).name for path in (seen.path, *seen.bases)]

    def test_none(self, holder: INode, spec: StorageSpec) -> None:
        """Who has none says so."""
        if self.jobs:
            pytest.skip("needs a hypervisor without block jobs")
        domain = self.made(holder, spec)
        source = holder.volumes.source(spec.name, "a.raw")
        asks: tuple[Callable[[], object], ...] = (
            lambda: holder.block_jobs.copy(domain.uuid, "vda", source, DiskFormat.RAW),
            lambda: holder.block_jobs.commit(domain.uuid, "vda", source),
            lambda: holder.block_jobs.pull(domain.uuid, "vda"),
            lambda: holder.block_jobs.grow(domain.uuid, "vda", 2 * SIZE),
            lambda: holder.block_jobs.look(domain.uuid, "vda"),
            lambda: holder.block_jobs.finish(domain.uuid, "vda"),
            lambda: holder.block_jobs.abort(domain.uuid, "vda"),
        )
        for ask in asks:
            with pytest.raises(NotSupported):
                ask()
        holder.hypervisor.undefine(domain.uuid)

    def test_copy(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A disk is copied, with all that lies below it, and its domain turned to the copy, whatever its format."""
        assert self.stands_on(holder, guest) == ["top.qcow2", "middle.qcow2", "base.raw"]
        for name, form in (("copy.qcow2", DiskFormat.QCOW2), ("copy.raw", DiskFormat.RAW)):
            made = holder.volumes.create_empty(spec.name, name, form, SIZE)
            for _ in range(2):  # begun already
                holder.block_jobs.copy(guest, "vda", made.source, form)
            ready = self.look_until(holder, guest, lambda seen: seen.state == BlockJobState.READY)
            assert (ready.kind, ready.target) == (BlockJobKind.COPY, made.source)
            assert 0 <= ready.done_bytes <= ready.total_bytes
            for _ in range(2):  # done already
                holder.block_jobs.finish(guest, "vda")
            assert self.stands_on(holder, guest) == [name]
            (disk,) = self.described(holder, guest)
            assert (disk.path, disk.format) == (made.path, str(form))
        holder.hypervisor.destroy(guest)
        (disk,) = self.described(holder, guest)
        assert disk.path == made.path
        holder.hypervisor.start(guest)

    def described(self, node: INode, uuid: str) -> tuple[object, ...]:
        told = node.hypervisor.describe(uuid)
        assert told is not None
        return told.disks

    def test_under_way(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """One job at a time: another is refused, so is a snapshot; one that is not ready does not end, none resizes."""
        made = holder.volumes.create_empty(spec.name, "copy.raw", DiskFormat.RAW, SIZE)
        other = holder.volumes.create_empty(spec.name, "other.raw", DiskFormat.RAW, SIZE)
        base = holder.volumes.source(spec.name, "base.raw")
        holder.block_jobs.copy(guest, "vda", made.source, DiskFormat.RAW, SLOW)
        asks: tuple[Callable[[], object], ...] = (
            lambda: holder.block_jobs.copy(guest, "vda", other.source, DiskFormat.RAW),
            lambda: holder.block_jobs.commit(guest, "vda", base),
            lambda: holder.block_jobs.pull(guest, "vda"),
            lambda: holder.block_jobs.pull(guest, "vda", base),
            lambda: holder.snapshots.take(guest, [NewTop("vda", other.source)], Freeze.NO),
        )
        for ask in asks:
            with pytest.raises(DiskBusy):
                ask()
        for _ in range(2):
            holder.block_jobs.abort(guest, "vda")
        assert self.stands_on(holder, guest) == ["top.qcow2", "middle.qcow2", "base.raw"]
        assert holder.volumes.find(spec.name, "copy.raw") is not None  # whose it is, deletes it

    def test_too_small(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A copy that does not fit leaves the disk where it was."""
        made = holder.volumes.create_empty(spec.name, "small.raw", DiskFormat.RAW, SIZE // 2)
        try:
            holder.block_jobs.copy(guest, "vda", made.source, DiskFormat.RAW)
        except CloudError:
            pass  # told at once, or by what is seen
        self.look_until(holder, guest, lambda seen: seen.state == BlockJobState.NONE)
        assert self.stands_on(holder, guest)[0] == "top.qcow2"

    def test_commit(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """What lies between is merged by itself, what the guest writes to once it is finished."""
        middle, base = (holder.volumes.source(spec.name, name) for name in ("middle.qcow2", "base.raw"))
        holder.block_jobs.commit(guest, "vda", base, middle)
        self.look_until(holder, guest, lambda seen: seen.state == BlockJobState.NONE)
        assert self.stands_on(holder, guest) == ["top.qcow2", "base.raw"]
        for _ in range(2):
            holder.block_jobs.commit(guest, "vda", base)
        ready = self.look_until(holder, guest, lambda seen: seen.state == BlockJobState.READY)
        assert (ready.kind, ready.target) == (BlockJobKind.ACTIVE_COMMIT, base)
        holder.block_jobs.finish(guest, "vda")
        assert self.stands_on(holder, guest) == ["base.raw"]
        assert {volume.name for volume in holder.volumes.list_all(spec.name)} == {
            "top.qcow2", "middle.qcow2", "base.raw",
        }  # fmt: skip

    def test_commit_elsewhere(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """What does not lie below the disk is not merged into."""
        made = holder.volumes.create_empty(spec.name, "other.raw", DiskFormat.RAW, SIZE)
        with pytest.raises(InvalidParameter):
            holder.block_jobs.commit(guest, "vda", made.source)
        assert self.stands_on(holder, guest)[0] == "top.qcow2"

    def test_pull(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A disk takes in all that it stands on; one that stands on nothing has nothing to do."""
        for _ in range(2):
            holder.block_jobs.pull(guest, "vda")
            self.look_until(holder, guest, lambda seen: seen.state == BlockJobState.NONE)
            assert self.stands_on(holder, guest) == ["top.qcow2"]

    def test_grow(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A running domain's disk grows, and never shrinks."""
        for _ in range(2):
            holder.block_jobs.grow(guest, "vda", 2 * SIZE)
        with pytest.raises(InvalidParameter):
            holder.block_jobs.grow(guest, "vda", SIZE)
        holder.hypervisor.destroy(guest)
        with pytest.raises(DomainNotRunning):
            holder.block_jobs.grow(guest, "vda", 4 * SIZE)
        found = {volume.name: volume.capacity_bytes for volume in holder.volumes.list_all(spec.name)}
        assert (found["top.qcow2"], found["middle.qcow2"]) == (2 * SIZE, SIZE)
        holder.hypervisor.start(guest)

    def test_pull_base(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A disk takes in what lies between it and another file, which it stands on from then on; no other is taken."""
        base, other = (holder.volumes.source(spec.name, name) for name in ("base.raw", "other.raw"))
        with pytest.raises(InvalidParameter):
            holder.block_jobs.pull(guest, "vda", other)
        for _ in range(2):
            holder.block_jobs.pull(guest, "vda", base)
            self.look_until(holder, guest, lambda seen: seen.state == BlockJobState.NONE)
            assert self.stands_on(holder, guest) == ["top.qcow2", "base.raw"]
        assert holder.volumes.find(spec.name, "middle.qcow2") is not None

    def test_off(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A job ends with its domain, which keeps its disk; what is off or absent has none."""
        made = holder.volumes.create_empty(spec.name, "copy.raw", DiskFormat.RAW, SIZE)
        holder.block_jobs.copy(guest, "vda", made.source, DiskFormat.RAW, SLOW)
        with pytest.raises(InvalidParameter):
            holder.block_jobs.look(guest, "vdb")
        holder.hypervisor.destroy(guest)
        absent = domain_spec().uuid
        for uuid in (guest, absent):
            with pytest.raises(DomainNotRunning):
                holder.block_jobs.look(uuid, "vda")
            with pytest.raises(DomainNotRunning):
                holder.block_jobs.copy(uuid, "vda", made.source, DiskFormat.RAW)
        holder.hypervisor.start(guest)
        assert self.stands_on(holder, guest)[0] == "top.qcow2"
