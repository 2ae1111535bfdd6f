"""What every ``IPools`` and ``IVolumes`` does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from cm.interfaces.node import INode
from cm.interfaces.source import BlockSource, DiskSource, FileSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import CloudError, InvalidParameter, NotSupported, ObjectNotFound, VolumeNotFound
from cm.rpc.vocabulary import DiskFormat
from tests.contract.on_storage import OnStorage

MIB = 2**20


class VolumesContract(OnStorage):
    """As ``OnStorage``, on what ``make`` and ``storage`` give."""

    uploads = True  # whether bytes can be sent and read back
    resizes = True  # whether volumes grow, where their storage has that
    headers = True  # it makes files, and reads of an overlay's what it stands on

    @property
    def volumes(self) -> list[tuple[str, DiskFormat]]:
        """A name for each format that volumes may have."""
        return [(f"a.{format}", format) for format in sorted(self.can.formats)]

    def at(self, spec: StorageSpec, volume: str) -> DiskSource:
        return (FileSource if self.can.files else BlockSource)(f"{spec.path}/{volume}")

    def test_attach(self, holder: INode, spec: StorageSpec) -> None:
        """Attaching again changes nothing; the figures are sane."""
        holder.volumes.create_empty(spec.name, "kept.raw", DiskFormat.RAW, MIB)
        usage = holder.pools.attach(spec)
        assert 0 < usage.available_bytes <= usage.capacity_bytes
        assert holder.pools.usage(spec.name).capacity_bytes == usage.capacity_bytes
        assert holder.volumes.find(spec.name, "kept.raw") is not None

    def test_ensure(self, holder: INode, spec: StorageSpec) -> None:
        """A pool that is there stays as it is, one that is not is made; so it may be asked for at any time."""
        holder.volumes.create_empty(spec.name, "kept.raw", DiskFormat.RAW, MIB)
        holder.pools.ensure(spec)
        assert holder.volumes.find(spec.name, "kept.raw") is not None
        holder.volumes.delete(spec.name, "kept.raw")
        holder.pools.detach(spec.name)
        holder.pools.ensure(spec)
        assert holder.volumes.list_all(spec.name) == []
        assert holder.volumes.source(spec.name, "a.raw") == self.at(spec, "a.raw")

    def test_attach_at_once(self, holder: INode) -> None:
        """Several who want the same storage at the same moment all get it."""
        for _ in range(3):
            spec = self.storage()
            with ThreadPoolExecutor(4) as threads:
                found = [done.result() for done in [threads.submit(holder.pools.attach, spec) for _ in range(4)]]
            assert all(usage.capacity_bytes > 0 for usage in found)
            holder.pools.detach(spec.name)

    def test_detach(self, holder: INode, spec: StorageSpec) -> None:
        """Detaching forgets the storage, and may be repeated."""
        holder.pools.detach(spec.name)
        holder.pools.detach(spec.name)
        for ask in (holder.pools.usage, holder.volumes.list_all, lambda name: holder.volumes.find(name, "any")):
            with pytest.raises(ObjectNotFound):
                ask(spec.name)

    def test_empty(self, holder: INode, spec: StorageSpec) -> None:
        """An empty volume has the size asked for; a second call takes it as done."""
        for volume, form in self.volumes:
            assert holder.volumes.find(spec.name, volume) is None
            made = holder.volumes.create_empty(spec.name, volume, form, 8 * MIB)
            assert (made.name, made.path, made.capacity_bytes) == (volume, f"{spec.path}/{volume}", 8 * MIB)
            assert (made.allocation_bytes < 8 * MIB) == self.can.sparse
            assert holder.volumes.create_empty(spec.name, volume, form, 8 * MIB).capacity_bytes == 8 * MIB
            found = holder.volumes.find(spec.name, volume)
            assert found is not None and found.path == made.path
        assert sorted(volume.name for volume in holder.volumes.list_all(spec.name)) == [v for v, _ in self.volumes]
        for form in set(DiskFormat) - set(self.can.formats):
            with pytest.raises(NotSupported):
                holder.volumes.create_empty(spec.name, f"b.{form}", form, MIB)
            assert holder.volumes.find(spec.name, f"b.{form}") is None

    def test_units(self, holder: INode, spec: StorageSpec) -> None:
        """A volume is as large as it was asked to be, or what its storage rounds that up to."""
        for number, size in enumerate((1, MIB, 5 * MIB)):
            made = holder.volumes.create_empty(spec.name, f"{number}.raw", DiskFormat.RAW, size)
            assert made.capacity_bytes == self.can.whole(size)

    def test_source(self, holder: INode, spec: StorageSpec) -> None:
        """The node tells where a volume is, before there is one, and with whatever it says of it."""
        told = holder.volumes.source(spec.name, "a.raw")
        assert told == self.at(spec, "a.raw")
        assert holder.volumes.create_empty(spec.name, "a.raw", DiskFormat.RAW, MIB).source == told
        found = holder.volumes.find(spec.name, "a.raw")
        assert found is not None and found.source == told
        with pytest.raises(ObjectNotFound):
            holder.volumes.source("contract-absent", "a.raw")

    def test_overlay(self, holder: INode, spec: StorageSpec) -> None:
        """An overlay may be larger than its base, and never smaller; a second call takes it as done. Some have none."""
        if not self.can.overlays:
            holder.volumes.create_empty(spec.name, "base.raw", DiskFormat.RAW, 8 * MIB)
            with pytest.raises(NotSupported):
                holder.volumes.create_overlay(spec.name, "disk.qcow2", "base.raw", DiskFormat.RAW, 8 * MIB)
            assert [volume.name for volume in holder.volumes.list_all(spec.name)] == ["base.raw"]
            return
        holder.volumes.create_empty(spec.name, "base.qcow2", DiskFormat.QCOW2, 8 * MIB)
        made = holder.volumes.create_overlay(spec.name, "disk.qcow2", "base.qcow2", DiskFormat.QCOW2, 16 * MIB)
        assert made.capacity_bytes == 16 * MIB and made.path == f"{spec.path}/disk.qcow2"
        again = holder.volumes.create_overlay(spec.name, "disk.qcow2", "base.qcow2", DiskFormat.QCOW2, 16 * MIB)
        assert again.path == made.path
        if self.headers:
            assert {each.name: each.base for each in holder.volumes.list_all(spec.name)} == {
                "base.qcow2": "",
                "disk.qcow2": f"{spec.path}/base.qcow2",
            }
        with pytest.raises(InvalidParameter):
            holder.volumes.create_overlay(spec.name, "small.qcow2", "base.qcow2", DiskFormat.QCOW2, 4 * MIB)
        assert holder.volumes.find(spec.name, "small.qcow2") is None

    def test_overlay_no_base(self, holder: INode, spec: StorageSpec) -> None:
        """Without a base nothing is made."""
        with pytest.raises(VolumeNotFound if self.can.overlays else NotSupported):
            holder.volumes.create_overlay(spec.name, "disk.qcow2", "absent.qcow2", DiskFormat.QCOW2, MIB)
        assert holder.volumes.list_all(spec.name) == []

    def test_copy(self, holder: INode, spec: StorageSpec) -> None:
        """A copy stands alone, leaves no marker behind, and is made once."""
        form = self.can.format
        base, disk, copy = f"base.{form}", f"disk.{form}", f"copy.{form}"
        holder.volumes.create_empty(spec.name, base, form, 8 * MIB)
        if self.can.overlays:
            holder.volumes.create_overlay(spec.name, disk, base, form, 16 * MIB)
        else:
            holder.volumes.create_copy(spec.name, disk, base, form, 16 * MIB)
        made = holder.volumes.create_copy(spec.name, copy, disk, form)
        assert made.capacity_bytes == 16 * MIB
        assert holder.volumes.create_copy(spec.name, copy, disk, form).path == made.path
        holder.volumes.delete(spec.name, disk)
        holder.volumes.delete(spec.name, base)
        assert [volume.name for volume in holder.volumes.list_all(spec.name)] == [copy]
        # What is done is taken as done, even when its source is gone by now.
        assert holder.volumes.create_copy(spec.name, copy, disk, form).path == made.path

    def test_larger_copy(self, holder: INode, spec: StorageSpec) -> None:
        """A copy may be larger than its source, and is never smaller."""
        form = self.can.format
        holder.volumes.create_empty(spec.name, f"disk.{form}", form, 8 * MIB)
        for name, asked, size in (("large", 24 * MIB, 24 * MIB), ("small", 4 * MIB, 8 * MIB)):
            made = holder.volumes.create_copy(spec.name, f"{name}.{form}", f"disk.{form}", form, asked)
            assert made.capacity_bytes == size

    def test_copy_between_storages(self, holder: INode, spec: StorageSpec) -> None:
        """A copy may come from another storage of the node, in the format asked for; what it is of stays there."""
        other = self.storage()
        holder.pools.attach(other)
        try:
            for _, form in self.volumes:
                source, target = f"base.{form}", f"copy.{form}"
                holder.volumes.create_empty(spec.name, source, form, 8 * MIB)
                for _ in range(2):
                    made = holder.volumes.create_copy(
                        other.name, target, source, form, source_storage=spec.name, format=form
                    )
                    assert (made.path, made.capacity_bytes) == (f"{other.path}/{target}", 8 * MIB)
                    found = holder.volumes.find(other.name, target)
                    assert found is not None and found.length_bytes == made.length_bytes
            formats = sorted(self.can.formats)
            assert sorted(v.name for v in holder.volumes.list_all(other.name)) == [f"copy.{form}" for form in formats]
            assert sorted(v.name for v in holder.volumes.list_all(spec.name)) == [f"base.{form}" for form in formats]
            with pytest.raises(VolumeNotFound):
                holder.volumes.create_copy(other.name, "none.raw", "copy.raw", DiskFormat.RAW, source_storage=spec.name)
        finally:
            for each in holder.volumes.list_all(other.name):
                holder.volumes.delete(other.name, each.name)
            holder.pools.detach(other.name)

    def test_length(self, holder: INode, spec: StorageSpec) -> None:
        """The length of a volume's file is told, holes included."""
        made = holder.volumes.create_empty(spec.name, "a.raw", DiskFormat.RAW, 8 * MIB)
        assert made.length_bytes == 8 * MIB
        for volume, form in self.volumes:
            seen = holder.volumes.create_empty(spec.name, volume, form, 8 * MIB)
        assert 0 < seen.length_bytes <= 8 * MIB

    def test_copy_no_source(self, holder: INode, spec: StorageSpec) -> None:
        """Without a source nothing is made."""
        form = self.can.format
        with pytest.raises(VolumeNotFound):
            holder.volumes.create_copy(spec.name, f"copy.{form}", f"absent.{form}", form)
        assert holder.volumes.list_all(spec.name) == []

    def test_base_missing(self, holder: INode, spec: StorageSpec) -> None:
        """
        Of a volume that stands on one which somebody deleted nothing is made, nor on it: what could be read of it would
        be taken for the whole.
        """
        if not (self.headers and self.can.overlays):
            pytest.skip("nothing stands on anything here")
        qcow2 = DiskFormat.QCOW2
        holder.volumes.create_empty(spec.name, "base.qcow2", qcow2, 8 * MIB)
        holder.volumes.create_overlay(spec.name, "disk.qcow2", "base.qcow2", qcow2, 8 * MIB)
        holder.volumes.create_overlay(spec.name, "upper.qcow2", "disk.qcow2", qcow2, 8 * MIB)
        holder.volumes.delete(spec.name, "base.qcow2")
        for volume in ("disk.qcow2", "upper.qcow2"):
            for ask in (
                partial(holder.volumes.create_copy, spec.name, "copy.qcow2", volume, qcow2),
                partial(holder.volumes.create_overlay, spec.name, "more.qcow2", volume, qcow2, 8 * MIB),
                partial(holder.volumes.resize, spec.name, volume, qcow2, 16 * MIB),
            ):
                with pytest.raises(VolumeNotFound) as caught:
                    ask()
                assert caught.value.name == "base.qcow2"
        for volume in ("copy.qcow2", "more.qcow2"):
            assert holder.volumes.find(spec.name, volume) is None
            holder.volumes.delete(spec.name, volume)  # with what a copy notes of having begun
        assert sorted(each.name for each in holder.volumes.list_all(spec.name)) == ["disk.qcow2", "upper.qcow2"]

    def test_resize(self, holder: INode, spec: StorageSpec) -> None:
        """A volume grows, once, and never shrinks; one that is absent is told."""
        for volume, form in self.volumes:
            holder.volumes.create_empty(spec.name, volume, form, 4 * MIB)
            if not (self.resizes and self.can.resizes):
                with pytest.raises(NotSupported):
                    holder.volumes.resize(spec.name, volume, form, 8 * MIB)
                continue
            for _ in range(2):
                assert holder.volumes.resize(spec.name, volume, form, 8 * MIB).capacity_bytes == 8 * MIB
            with pytest.raises(InvalidParameter):
                holder.volumes.resize(spec.name, volume, form, 4 * MIB)
            found = holder.volumes.find(spec.name, volume)
            assert found is not None and found.capacity_bytes == 8 * MIB and found.allocation_bytes < 4 * MIB
        with pytest.raises(VolumeNotFound if self.can.resizes else NotSupported):
            holder.volumes.resize(spec.name, "absent.raw", DiskFormat.RAW, MIB)

    def test_delete(self, holder: INode, spec: StorageSpec) -> None:
        """A deleted volume is gone; deleting an absent one changes nothing."""
        holder.volumes.create_empty(spec.name, "a.raw", DiskFormat.RAW, MIB)
        for _ in range(2):
            holder.volumes.delete(spec.name, "a.raw")
            assert holder.volumes.find(spec.name, "a.raw") is None

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_wipe(self, holder: INode, spec: StorageSpec, tmp_path: Path, overwrite: bool) -> None:
        """A wiped volume has its name, format and size, and reads as zeros; so has one that was gone."""
        file = tmp_path / "old.raw"
        file.write_bytes((b"secret" * 1000).ljust(8 * MIB, b"\0"))
        for volume, form in self.volumes:
            holder.volumes.upload(spec.name, volume, str(file), DiskFormat.RAW, 8 * MIB, lambda done: None)
            for _ in range(2):
                wiped = holder.volumes.wipe(spec.name, volume, form, 8 * MIB, overwrite)
                assert (wiped.name, wiped.path, wiped.capacity_bytes) == (volume, f"{spec.path}/{volume}", 8 * MIB)
                found = holder.volumes.find(spec.name, volume)
                assert found is not None and found.capacity_bytes == 8 * MIB
                if self.uploads:
                    assert b"secret" not in holder.volumes.read_tail(spec.name, volume, 16 * MIB)
            holder.volumes.delete(spec.name, volume)
            assert holder.volumes.wipe(spec.name, volume, form, 8 * MIB, overwrite).capacity_bytes == 8 * MIB
        assert sorted(volume.name for volume in holder.volumes.list_all(spec.name)) == [
            volume for volume, _ in self.volumes
        ]

    def test_upload(self, holder: INode, spec: StorageSpec, tmp_path: Path) -> None:
        """A file becomes a volume; progress ends at its size; a second call takes it as done."""
        file = tmp_path / "up.raw"
        file.write_bytes(b"begin" + bytes(4 * MIB - 8) + b"end")
        told: list[int] = []
        made = holder.volumes.upload(spec.name, "up.raw", str(file), DiskFormat.RAW, 4 * MIB, told.append)
        assert (made.name, made.capacity_bytes) == ("up.raw", 4 * MIB)
        assert told == sorted(told) and told[-1] == 4 * MIB
        told.clear()
        holder.volumes.upload(spec.name, "up.raw", str(file), DiskFormat.RAW, 4 * MIB, told.append)
        assert told == []
        assert [volume.name for volume in holder.volumes.list_all(spec.name)] == ["up.raw"]
        if self.uploads:
            assert holder.volumes.read_tail(spec.name, "up.raw", 5) == b"\0\0end"
            assert len(holder.volumes.read_tail(spec.name, "up.raw", 2**20)) == 2**20

    def half_made(self, holder: INode, spec: StorageSpec, directory: Path) -> Path:
        """An upload of 1 MiB to ``up.raw`` that ended early. The file that it was of."""
        file = directory / "up.raw"
        file.write_bytes(b"x" * MIB)

        def stop(done: int) -> None:
            raise KeyError("stop")

        with pytest.raises(KeyError):
            holder.volumes.upload(spec.name, "up.raw", str(file), DiskFormat.RAW, MIB, stop)
        return file

    def test_upload_interrupted(self, holder: INode, spec: StorageSpec, tmp_path: Path) -> None:
        """A half-made volume is not found, and the next attempt makes it whole."""
        file = self.half_made(holder, spec, tmp_path)
        assert holder.volumes.find(spec.name, "up.raw") is None
        holder.volumes.upload(spec.name, "up.raw", str(file), DiskFormat.RAW, MIB, lambda done: None)
        found = holder.volumes.find(spec.name, "up.raw")
        assert found is not None and found.capacity_bytes == self.can.whole(MIB)
        assert [volume.name for volume in holder.volumes.list_all(spec.name)] == ["up.raw"]

    def test_delete_half_made(self, holder: INode, spec: StorageSpec, tmp_path: Path) -> None:
        """Deleting takes a half-made volume with all that belongs to it."""
        self.half_made(holder, spec, tmp_path)
        holder.volumes.delete(spec.name, "up.raw")
        assert holder.volumes.list_all(spec.name) == []

    def test_read_tail_absent(self, holder: INode, spec: StorageSpec) -> None:
        """There is nothing to read of an absent volume."""
        expected: type[CloudError] = VolumeNotFound if self.uploads else NotSupported
        with pytest.raises(expected):
            holder.volumes.read_tail(spec.name, "absent.log", 10)

    def test_no_storage(self, holder: INode) -> None:
        """An unknown storage is told by its name."""
        for ask in (holder.pools.usage, holder.volumes.list_all, lambda name: holder.volumes.delete(name, "a")):
            with pytest.raises(ObjectNotFound) as caught:
                ask("no-such-storage")
            assert "no-such-storage" in str(caught.value)
