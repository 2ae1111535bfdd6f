"""What every ``IDisks`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from cm.interfaces.hypervisor import DiskSpec
from cm.interfaces.node import INode
from cm.interfaces.source import DiskSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import CloudError, DiskBusy, DomainNotRunning, HypervisorError, InvalidParameter, NotSupported
from cm.rpc.vocabulary import DiskBus, DiskFormat
from tests.contract.hypervisor import domain_spec, eventually
from tests.contract.on_storage import OnStorage

SIZE = 4 * 2**20


class DisksContract(OnStorage):
    """As ``OnStorage``. A domain with a root disk ``vda`` and an empty drive ``sdw`` runs; it has no guest."""

    plugs = True  # whether this hypervisor changes what runs

    @pytest.fixture()
    def guest(self, holder: INode, spec: StorageSpec) -> Iterator[str]:
        if not self.plugs:
            pytest.skip("needs a hypervisor that changes running domains; test_none shows that this one does not")
        uuid = self.made(holder, spec)
        holder.hypervisor.start(uuid)
        yield uuid
        holder.hypervisor.destroy(uuid)
        holder.hypervisor.undefine(uuid)

    def made(self, node: INode, spec: StorageSpec) -> str:
        root = DiskSpec(self.volume(node, spec, "root.qcow2"), DiskFormat.QCOW2, "vda", boot_order=2)
        drive = DiskSpec(None, DiskFormat.RAW, "sdw", DiskBus.SATA, cdrom=True, boot_order=1)
        domain = domain_spec(disks=(root, drive))
        node.hypervisor.define(domain)
        return domain.uuid

    def volume(self, node: INode, spec: StorageSpec, name: str) -> DiskSource:
        form = DiskFormat.QCOW2 if name.endswith(".qcow2") else DiskFormat.RAW
        return node.volumes.create_empty(spec.name, name, form, SIZE).source

    def test_none(self, holder: INode, spec: StorageSpec) -> None:
        """Who has none of it says so."""
        if self.plugs:
            pytest.skip("needs a hypervisor that does not change running domains")
        uuid = self.made(holder, spec)
        disk = DiskSpec(self.volume(holder, spec, "b.qcow2"), DiskFormat.QCOW2, "vdb")
        asks: tuple[Callable[[], object], ...] = (
            lambda: holder.disks.look(uuid, "vda"),
            lambda: holder.disks.attach(uuid, disk),
            lambda: holder.disks.detach(uuid, "vda"),
            lambda: holder.disks.medium(uuid, "sdw", None),
        )
        for ask in asks:
            with pytest.raises(NotSupported):
                ask()
        holder.hypervisor.undefine(uuid)

    @pytest.mark.parametrize("bus", [DiskBus.VIRTIO, DiskBus.SCSI])
    def test_attach(self, holder: INode, spec: StorageSpec, guest: str, bus: DiskBus) -> None:
        """A disk is given to a running domain once, and to no other that writes; its place is its own."""
        device = "vdb" if bus is DiskBus.VIRTIO else "sdb"
        disk = DiskSpec(self.volume(holder, spec, "b.qcow2"), DiskFormat.QCOW2, device, bus)
        assert holder.disks.look(guest, device) is None
        for _ in range(2):  # there already
            holder.disks.attach(guest, disk)
        seen = holder.disks.look(guest, device)
        assert seen is not None and (seen.source, seen.cdrom, seen.read_only) == (disk.source, False, False)
        other = DiskSpec(self.volume(holder, spec, "c.qcow2"), DiskFormat.QCOW2, device, bus)
        with pytest.raises(DiskBusy):
            holder.disks.attach(guest, other)
        twice = DiskSpec(disk.source, DiskFormat.QCOW2, "vdc")
        with pytest.raises(HypervisorError):
            holder.disks.attach(guest, twice)
        assert holder.disks.look(guest, "vdc") is None

    def test_detach(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """It is asked for as often as one likes; once it is gone, somebody else may have its file."""
        disk = DiskSpec(self.volume(holder, spec, "b.raw"), DiskFormat.RAW, "sdb", DiskBus.SCSI, read_only=True)
        holder.disks.attach(guest, disk)
        seen = holder.disks.look(guest, "sdb")
        assert seen is not None and seen.read_only
        for _ in range(2):
            holder.disks.detach(guest, "sdb")
        assert eventually(lambda: holder.disks.look(guest, "sdb") is None, 10)
        holder.disks.detach(guest, "sdb")
        holder.disks.attach(guest, DiskSpec(disk.source, DiskFormat.RAW, "vdb"))

    def test_many(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """There is room for several disks that come while it runs."""
        for letter in "bcdef":
            source = self.volume(holder, spec, f"{letter}.raw")
            holder.disks.attach(guest, DiskSpec(source, DiskFormat.RAW, f"vd{letter}"))
            assert holder.disks.look(guest, f"vd{letter}") is not None

    def test_medium(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A medium is put into a drive, changed and taken out; a disk is no drive."""
        empty = holder.disks.look(guest, "sdw")
        assert empty is not None and empty.source is None and empty.cdrom
        for name in ("one.iso", "two.iso"):
            source = self.volume(holder, spec, name)
            for _ in range(2):
                holder.disks.medium(guest, "sdw", source)
            seen = holder.disks.look(guest, "sdw")
            assert seen is not None and (seen.source, seen.cdrom) == (source, True)
        holder.disks.medium(guest, "sdw", None)
        seen = holder.disks.look(guest, "sdw")
        assert seen is not None and seen.source is None
        for device in ("vda", "sdx"):
            with pytest.raises(InvalidParameter):
                holder.disks.medium(guest, device, source)

    def test_new_drive(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A domain that runs is given a drive with what is in it, on the one bus that takes one; and not without."""
        with pytest.raises(InvalidParameter):
            holder.disks.attach(guest, DiskSpec(None, DiskFormat.RAW, "sdx", DiskBus.SCSI, cdrom=True))
        for name in ("one.iso", "two.iso"):
            source = self.volume(holder, spec, name)
            holder.disks.attach(guest, DiskSpec(source, DiskFormat.RAW, "sdx", DiskBus.SCSI, cdrom=True))
            seen = holder.disks.look(guest, "sdx")
            assert seen is not None and (seen.source, seen.cdrom) == (source, True)
            with pytest.raises(NotSupported):
                holder.disks.medium(guest, "sdx", None)
            holder.disks.medium(guest, "sdx", source)  # there already
            holder.disks.detach(guest, "sdx")
            assert eventually(lambda: holder.disks.look(guest, "sdx") is None, 10)

    def test_scsi_drive(self, holder: INode, spec: StorageSpec) -> None:
        """A SCSI drive that a domain is started with is changed in place, also where an earlier one came later."""
        if not self.plugs:
            pytest.skip("needs a hypervisor that changes running domains")
        one, two = (self.volume(holder, spec, f"{name}.iso") for name in ("one", "two"))
        drive = DiskSpec(one, DiskFormat.RAW, "sdw", DiskBus.SCSI, cdrom=True)
        domain = domain_spec(disks=(DiskSpec(self.volume(holder, spec, "root.raw"), DiskFormat.RAW, "vda"), drive))
        holder.hypervisor.define(domain)
        for _ in range(2):
            holder.hypervisor.start(domain.uuid)
            holder.disks.medium(domain.uuid, "sdw", two)
            seen = holder.disks.look(domain.uuid, "sdw")
            assert seen is not None and seen.source == two
            holder.disks.attach(domain.uuid, replace(drive, source=one, device="sdx"))
            holder.hypervisor.destroy(domain.uuid)
        holder.hypervisor.undefine(domain.uuid)

    def test_missing_file(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """A file that is not there is refused, and nothing changes."""
        source = holder.volumes.source(spec.name, "none.iso")
        for ask in (
            lambda: holder.disks.attach(guest, DiskSpec(source, DiskFormat.RAW, "vdb")),
            lambda: holder.disks.medium(guest, "sdw", source),
        ):
            with pytest.raises(CloudError):
                ask()
        assert holder.disks.look(guest, "vdb") is None
        seen = holder.disks.look(guest, "sdw")
        assert seen is not None and seen.source is None

    def test_off(self, holder: INode, spec: StorageSpec, guest: str) -> None:
        """Of what does not run there is nothing to change."""
        disk = DiskSpec(self.volume(holder, spec, "b.qcow2"), DiskFormat.QCOW2, "vdb")
        holder.hypervisor.destroy(guest)
        asks: tuple[Callable[[], object], ...] = (
            lambda: holder.disks.look(guest, "vda"),
            lambda: holder.disks.attach(guest, disk),
            lambda: holder.disks.detach(guest, "vda"),
            lambda: holder.disks.medium(guest, "sdw", None),
        )
        for ask in asks:
            with pytest.raises(DomainNotRunning):
                ask()
