"""What every ``ISnapshots`` does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cm.interfaces.hypervisor import DiskSpec, DomainSpec
from cm.interfaces.node import INode
from cm.interfaces.snapshot import NewTop
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import (
    DomainNotRunning,
    GuestNotFrozen,
    HypervisorError,
    InvalidParameter,
    NotSupported,
)
from cm.rpc.vocabulary import Consistency, DiskFormat, Freeze, Seen
from tests.contract.hypervisor import domain_spec
from tests.contract.on_storage import OnStorage

MIB = 2**20


class SnapshotsContract(OnStorage):
    """As ``OnStorage``, on what ``make`` and ``storage`` give."""

    supported = True

    @pytest.fixture()
    def two_disks(self, holder: INode, spec: StorageSpec) -> Iterator[DomainSpec]:
        """A defined domain of two disks, a qcow2 and a raw one, each with an overlay beside it."""
        made = []
        for device, form in (("vda", DiskFormat.QCOW2), ("vdb", DiskFormat.RAW)):
            holder.volumes.create_empty(spec.name, f"{device}.0", form, 8 * MIB)
            holder.volumes.create_overlay(spec.name, f"{device}.1", f"{device}.0", form, 8 * MIB)
            made.append(DiskSpec(holder.volumes.source(spec.name, f"{device}.0"), form, device))
        domain = domain_spec(disks=tuple(made))
        holder.hypervisor.define(domain)
        yield domain
        holder.hypervisor.destroy(domain.uuid)
        holder.hypervisor.undefine(domain.uuid)

    def tops(self, holder: INode, spec: StorageSpec, *devices: str) -> list[NewTop]:
        return [NewTop(device, holder.volumes.source(spec.name, f"{device}.1")) for device in devices]

    def started(self, holder: INode, domain: DomainSpec) -> None:
        if not self.supported:
            pytest.skip("needs snapshots of disks; test_refused shows that this one has none")
        holder.hypervisor.start(domain.uuid)

    def written(self, holder: INode, domain: DomainSpec) -> dict[str, tuple[str, str]]:
        """By device, the volume that the domain writes to, and its format."""
        told = holder.hypervisor.describe(domain.uuid)
        assert told is not None
        return {disk.device: (disk.path.rpartition("/")[2], disk.format) for disk in told.disks}

    def test_both(self, holder: INode, spec: StorageSpec, two_disks: DomainSpec) -> None:
        """Two disks write to new volumes at once, running and as they will be started; a second call changes nothing,
        and what was below is let go of."""
        self.started(holder, two_disks)
        for _ in range(2):
            taken = holder.snapshots.take(two_disks.uuid, self.tops(holder, spec, "vda", "vdb"), Freeze.AUTO)
            assert taken is Consistency.CRASH
            assert self.written(holder, two_disks) == {"vda": ("vda.1", "qcow2"), "vdb": ("vdb.1", "qcow2")}
        told = holder.hypervisor.describe(two_disks.uuid)
        assert told is not None and told.disks[0].bases == (holder.volumes.source(spec.name, "vda.0").path,)
        holder.hypervisor.destroy(two_disks.uuid)
        assert self.written(holder, two_disks) == {"vda": ("vda.1", "qcow2"), "vdb": ("vdb.1", "qcow2")}
        holder.hypervisor.start(two_disks.uuid)

    def test_one_of_two(self, holder: INode, spec: StorageSpec, two_disks: DomainSpec) -> None:
        """A disk that is not named goes on as it was, of a paused domain too, whose agent answers nobody."""
        self.started(holder, two_disks)
        holder.hypervisor.pause(two_disks.uuid)
        with pytest.raises(GuestNotFrozen):
            holder.snapshots.take(two_disks.uuid, self.tops(holder, spec, "vdb"), Freeze.YES)
        taken = holder.snapshots.take(two_disks.uuid, self.tops(holder, spec, "vdb"), Freeze.AUTO)
        assert taken is Consistency.CRASH and not holder.snapshots.thaw(two_disks.uuid)
        assert self.written(holder, two_disks) == {"vda": ("vda.0", "qcow2"), "vdb": ("vdb.1", "qcow2")}
        assert holder.hypervisor.look(two_disks.uuid).state == Seen.PAUSED

    def test_none_of_two(self, holder: INode, spec: StorageSpec, two_disks: DomainSpec) -> None:
        """Where one of two cannot be, neither is."""
        self.started(holder, two_disks)
        holder.volumes.delete(spec.name, "vdb.1")
        with pytest.raises(HypervisorError):
            holder.snapshots.take(two_disks.uuid, self.tops(holder, spec, "vda", "vdb"), Freeze.NO)
        assert self.written(holder, two_disks) == {"vda": ("vda.0", "qcow2"), "vdb": ("vdb.0", "raw")}

    def test_no_agent(self, holder: INode, spec: StorageSpec, two_disks: DomainSpec) -> None:
        """A guest without an agent is not frozen: who insists on that gets nothing else instead."""
        self.started(holder, two_disks)
        with pytest.raises(GuestNotFrozen):
            holder.snapshots.take(two_disks.uuid, self.tops(holder, spec, "vda"), Freeze.YES)
        assert self.written(holder, two_disks)["vda"] == ("vda.0", "qcow2")
        assert not holder.snapshots.thaw(two_disks.uuid)

    def test_refused(self, holder: INode, spec: StorageSpec, two_disks: DomainSpec) -> None:
        """A domain that is off or absent, and a disk that it has not."""
        if not self.supported:
            with pytest.raises(NotSupported):
                holder.snapshots.take(two_disks.uuid, self.tops(holder, spec, "vda"), Freeze.NO)
            with pytest.raises(NotSupported):
                holder.snapshots.hold(two_disks)
            with pytest.raises(NotSupported):
                holder.snapshots.thaw(two_disks.uuid)
            return
        for uuid in (two_disks.uuid, domain_spec().uuid):
            with pytest.raises(DomainNotRunning):
                holder.snapshots.take(uuid, self.tops(holder, spec, "vda"), Freeze.NO)
            with pytest.raises(DomainNotRunning):
                holder.snapshots.thaw(uuid)
        holder.hypervisor.start(two_disks.uuid)
        with pytest.raises(InvalidParameter):
            holder.snapshots.take(two_disks.uuid, self.tops(holder, spec, "vda", "vdz"), Freeze.NO)

    def test_hold(self, holder: INode, spec: StorageSpec, two_disks: DomainSpec) -> None:
        """Disks are held without a guest and nobody else may write to them; nothing of it stays."""
        if not self.supported:
            pytest.skip("needs snapshots of disks; test_refused shows that this one has none")
        held = domain_spec(disks=two_disks.disks)
        holder.snapshots.hold(held)
        holder.snapshots.hold(held)
        assert holder.hypervisor.look(held.uuid).state == Seen.PAUSED
        with pytest.raises(HypervisorError):
            holder.hypervisor.start(two_disks.uuid)
        holder.hypervisor.destroy(held.uuid)
        assert holder.hypervisor.look(held.uuid).state == Seen.ABSENT
        holder.hypervisor.start(two_disks.uuid)
        with pytest.raises(HypervisorError):
            holder.snapshots.hold(held)
        assert holder.hypervisor.look(held.uuid).state == Seen.ABSENT
