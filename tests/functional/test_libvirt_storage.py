"""The libvirt driver's storages on real libvirtd: the contract, what is in the files, and copies that are cut off."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("libvirt")

from cm.drivers.libvirt import volume as driver
from cm.drivers.libvirt.node import LibvirtNode
from cm.interfaces.block_job import BlockJobState
from cm.interfaces.hypervisor import DiskSpec, DomainSpec
from cm.interfaces.source import FileSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import InvalidParameter, NodeBusy, NodeUnreachable, VolumeNotFound
from cm.rpc.vocabulary import DiskBus, DiskFormat
from cm.rules.storage import capabilities
from lab.hosts import Host, Lab
from tests.contract.block_jobs import BlockJobsContract
from tests.contract.disks import DisksContract
from tests.contract.hypervisor import eventually
from tests.contract.volumes import MIB, VolumesContract
from tests.support.opened import Opened
from tests.support.qemu import OnQemu, QemuTests, answers

pytestmark = pytest.mark.skipif(bool(Lab.missing()), reason="; ".join(Lab.missing()))


class TestQemuImages(OnQemu, VolumesContract):
    pass


class TestQemuBlockJobs(OnQemu, BlockJobsContract):
    def test_libvirtd_killed(self, holder: LibvirtNode, spec: StorageSpec, guest: str, host: Host) -> None:
        """A job goes on without libvirtd, is found again as it is, and comes to its end."""
        made = holder.volumes.create_empty(spec.name, "copy.raw", DiskFormat.RAW, 4 * MIB)
        holder.block_jobs.copy(guest, "vda", made.source, DiskFormat.RAW, 2 * MIB)
        host.kill_libvirtd()
        host.start_libvirtd()
        assert eventually(lambda: answers(holder))
        holder.block_jobs.copy(guest, "vda", made.source, DiskFormat.RAW)  # it has begun
        ready = self.look_until(holder, guest, lambda seen: seen.state == BlockJobState.READY)
        assert ready.target == made.source
        host.kill_libvirtd()
        host.start_libvirtd()
        assert eventually(lambda: answers(holder))
        holder.block_jobs.finish(guest, "vda")
        assert self.stands_on(holder, guest) == ["copy.raw"]


class TestQemuDisks(OnQemu, DisksContract):
    def test_asked_twice(self, holder: LibvirtNode, spec: StorageSpec, guest: str, host: Host) -> None:
        """A disk that is just going may be asked for again: libvirtd lives, and its file is free for another."""
        before, source = host.libvirtd_pid(), self.volume(holder, spec, "b.raw")
        for n in range(6):
            disk = DiskSpec(source, DiskFormat.RAW, "sdb" if n % 2 else "sdc", DiskBus.SCSI, read_only=n % 2 == 0)
            holder.disks.attach(guest, disk)
            for _ in range(3):
                holder.disks.detach(guest, disk.device)
            assert eventually(lambda disk=disk: holder.disks.look(guest, disk.device) is None, 10)
        assert host.libvirtd_pid() == before


class TestStorage(QemuTests):
    def test_copy_flattens(self, node: LibvirtNode, storage: StorageSpec, lab: Lab) -> None:
        """A copy holds what its source's base held, and names no other file."""
        file = lab.shared_dir / "content.raw"
        file.write_bytes(os.urandom(MIB))
        node.volumes.upload(storage.name, "base.raw", str(file), DiskFormat.RAW, MIB, lambda done: None)
        node.volumes.create_overlay(storage.name, "disk.qcow2", "base.raw", DiskFormat.RAW, 2 * MIB)
        node.volumes.create_copy(storage.name, "copy.qcow2", "disk.qcow2", DiskFormat.QCOW2)
        information = subprocess.run(
            ["qemu-img", "info", "--backing-chain", f"{storage.path}/copy.qcow2"], capture_output=True, text=True
        ).stdout
        assert "backing file" not in information and "qcow2" in information
        raw = lab.shared_dir / "back.raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", f"{storage.path}/copy.qcow2", str(raw)], check=True)
        assert raw.read_bytes() == file.read_bytes() + bytes(MIB)

    def test_overlay_records_format(self, node: LibvirtNode, storage: StorageSpec) -> None:
        """An overlay's header names the format of its base, so that nobody needs to guess."""
        node.volumes.create_empty(storage.name, "base.raw", DiskFormat.RAW, MIB)
        node.volumes.create_overlay(storage.name, "disk.qcow2", "base.raw", DiskFormat.RAW, MIB)
        information = subprocess.run(
            ["qemu-img", "info", f"{storage.path}/disk.qcow2"], capture_output=True, text=True
        ).stdout
        assert "backing file format: raw" in information

    @pytest.fixture()
    def disguised(self, node: LibvirtNode, storage: StorageSpec, host: Host) -> tuple[str, bytes]:
        """A raw disk whose guest wrote a qcow2 header, with another file below it; and its bytes."""
        made = node.volumes.create_empty(storage.name, "disk.raw", DiskFormat.RAW, 20 * MIB)
        secret, disguise = Path(storage.path) / "secret", Path(storage.path) / "disguise"
        secret.write_bytes(b"not for guests" * 100)
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(disguise), "64M"]
        subprocess.run(command, check=True)
        with open(made.path, "r+b") as out:
            out.write(disguise.read_bytes())
            out.seek(17 * MIB)
            out.write(b"in the middle")
        taken = {volume.name: volume for volume in node.volumes.list_all(storage.name)}["disk.raw"]
        assert (taken.capacity_bytes, taken.base) == (20 * MIB, "")
        with closing(host.open()) as connection:
            known = connection.storagePoolLookupByName(storage.name).storageVolLookupByName("disk.raw")
            assert (known.info()[1], str(secret) in known.XMLDesc()) == (64 * MIB, True)  # what libvirt makes of it
        return made.path, Path(made.path).read_bytes()

    def test_grow_disguised(self, node: LibvirtNode, storage: StorageSpec, disguised: tuple[str, bytes]) -> None:
        """It grows as the raw file that it is."""
        path, before = disguised
        for _ in range(2):
            node.volumes.resize(storage.name, "disk.raw", DiskFormat.RAW, 32 * MIB)
        assert Path(path).read_bytes() == before + bytes(12 * MIB)
        with pytest.raises(InvalidParameter):
            node.volumes.resize(storage.name, "disk.raw", DiskFormat.RAW, 24 * MIB)

    def test_overlay_disguised(self, node: LibvirtNode, storage: StorageSpec, disguised: tuple[str, bytes]) -> None:
        """An overlay on it is as large as it is, and records that it is raw."""
        path, before = disguised
        made = node.volumes.create_overlay(storage.name, "over.qcow2", "disk.raw", DiskFormat.RAW, 20 * MIB)
        with pytest.raises(InvalidParameter):
            node.volumes.create_overlay(storage.name, "less.qcow2", "disk.raw", DiskFormat.RAW, 19 * MIB)
        back = Path(storage.path) / "back"
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", made.path, str(back)], check=True)
        assert back.read_bytes() == before

    def test_copy_disguised(self, node: LibvirtNode, storage: StorageSpec, disguised: tuple[str, bytes]) -> None:
        """It is copied byte by byte, larger if that is asked for, with its holes; and never to another format."""
        path, before = disguised
        for size, name in ((0, "same.raw"), (32 * MIB, "large.raw")):
            for _ in range(2):
                node.volumes.create_copy(storage.name, name, "disk.raw", DiskFormat.RAW, size, format=DiskFormat.RAW)
            copied = Path(path).with_name(name)
            assert copied.read_bytes() == before + bytes(max(0, size - len(before)))
            assert copied.stat().st_blocks * 512 < 4 * MIB
        with pytest.raises(InvalidParameter):
            node.volumes.create_copy(storage.name, "copy.qcow2", "disk.raw", DiskFormat.RAW)

    def test_move_disguised(
        self,
        node: LibvirtNode,
        storage: StorageSpec,
        disguised: tuple[str, bytes],
        domain: Callable[..., DomainSpec],
        host: Host,
    ) -> None:
        """Under a guest it grows and is copied as the raw disk that it is: nobody opens what its header names."""
        path, before = disguised
        spec = domain(disks=(DiskSpec(FileSource(path), DiskFormat.RAW, "vda"),))
        node.block_jobs.grow(spec.uuid, "vda", 24 * MIB)
        made = node.volumes.create_empty(storage.name, "moved.raw", DiskFormat.RAW, 24 * MIB)
        node.block_jobs.copy(spec.uuid, "vda", made.source, DiskFormat.RAW)
        assert eventually(lambda: node.block_jobs.look(spec.uuid, "vda").state == BlockJobState.READY, 20)
        node.block_jobs.finish(spec.uuid, "vda")
        seen = node.block_jobs.look(spec.uuid, "vda")
        assert (seen.source, seen.bases) == (made.source, ())
        opened = host.run(["sh", "-c", "ls -l /proc/[0-9]*/fd 2>/dev/null"]).stdout
        assert "/moved.raw" in opened and f"{storage.path}/secret" not in opened
        assert Path(made.path).read_bytes() == before + bytes(4 * MIB)

    def test_false_header(self, node: LibvirtNode, storage: StorageSpec) -> None:
        """
        A guest's qcow2 header is at the beginning of no file where it writes to qcow2: what it names is opened for a
        raw disk of an older release alone.
        """
        form = capabilities(storage.kind).best(DiskFormat.RAW)
        made = node.volumes.create_empty(storage.name, "disk.qcow2", form, 20 * MIB)
        old = node.volumes.create_empty(storage.name, "old.raw", DiskFormat.RAW, 20 * MIB)
        below = Path(storage.path) / "below"  # which libvirt does not go into
        below.mkdir()
        secret, header = below / "secret", below / "header"
        secret.write_bytes(b"not for guests" * 100)
        named = ["-b", str(secret), "-F", "raw", str(header), "64M"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *named], check=True, timeout=60)
        length = header.stat().st_size
        for form_, path in ((form, made.path), (DiskFormat.RAW, old.path)):
            write = ["-c", f"write -q -s {header} 0 {length}"]
            subprocess.run(["qemu-io", "-f", str(form_), *write, path], check=True, timeout=60)
        back = below / "back"
        read = ["qemu-img", "convert", "-f", str(form), "-O", "raw", made.path, str(back)]
        subprocess.run(read, check=True, timeout=60)
        assert back.read_bytes()[:length] == header.read_bytes()
        opened = Opened(secret)
        for volume, often in (("", True), ("old.raw", False)):
            if volume:
                node.volumes.delete(storage.name, volume)
                opened.times()
            node.pools.usage(storage.name, True)
            node.volumes.list_all(storage.name)
            assert (opened.times() > 0) == often
        opened.close()
        shutil.rmtree(below)

    def test_upload_sparse(self, node: LibvirtNode, storage: StorageSpec, lab: Lab) -> None:
        """Holes of a file stay holes of the volume, also at its end; a qcow2 file keeps its length and its size."""
        file = lab.shared_dir / "holes.raw"
        with file.open("wb") as out:
            out.seek(32 * MIB)
            out.write(b"data")
            out.truncate(64 * MIB)
        made = node.volumes.upload(storage.name, "holes.raw", str(file), DiskFormat.RAW, 64 * MIB, lambda done: None)
        assert made.capacity_bytes == 64 * MIB and made.allocation_bytes < MIB
        assert Path(made.path).read_bytes() == file.read_bytes()
        small = lab.shared_dir / "small.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(small), "1G"], check=True)
        made = node.volumes.upload(storage.name, "s.qcow2", str(small), DiskFormat.QCOW2, 2**30, lambda done: None)
        assert made.capacity_bytes == 2**30
        assert Path(made.path).read_bytes() == small.read_bytes()

    @pytest.fixture()
    def copying(self, node: LibvirtNode, storage: StorageSpec) -> Iterator[tuple[threading.Thread, list[Exception]]]:
        """A copy under way that takes a second or so, and the errors that it ends with."""
        chunk = os.urandom(MIB)
        with open(f"{storage.path}/source.raw", "wb") as out:
            for _ in range(512):
                out.write(chunk)
        errors: list[Exception] = []

        def copy() -> None:
            try:
                node.volumes.create_copy(storage.name, "copy.qcow2", "source.raw", DiskFormat.RAW)
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=copy)
        thread.start()
        half_made = Path(storage.path) / "copy.qcow2"
        assert eventually(lambda: half_made.exists() and half_made.stat().st_size > MIB)
        yield thread, errors
        thread.join()

    def test_copy_under_way(
        self, node: LibvirtNode, storage: StorageSpec, copying: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While a volume is being made figures are given, and what would need a refresh says to come again."""
        thread, errors = copying
        monkeypatch.setattr(driver, "REFRESH_WAIT_S", 0.0)
        assert node.volumes.find(storage.name, "copy.qcow2") is None
        assert node.pools.usage(storage.name).available_bytes > 0
        with pytest.raises(NodeBusy):
            node.volumes.find(storage.name, "absent")
        thread.join()
        assert not errors
        assert node.volumes.find(storage.name, "copy.qcow2") is not None

    def test_copy_killed(self, node: LibvirtNode, storage: StorageSpec, host: Host, copying: Any) -> None:
        """A copy cut off by the death of libvirtd is not taken for a finished one, and made whole by the next try."""
        thread, errors = copying
        host.kill_libvirtd()
        thread.join(10)
        host.start_libvirtd()
        assert [type(error) for error in errors] == [NodeUnreachable]
        assert eventually(lambda: answers(node))
        assert node.volumes.find(storage.name, "copy.qcow2") is None
        node.volumes.create_copy(storage.name, "copy.qcow2", "source.raw", DiskFormat.RAW)
        compare = ["qemu-img", "compare", "-f", "qcow2", "-F", "raw", "copy.qcow2", "source.raw"]
        compared = subprocess.run(compare, cwd=storage.path, capture_output=True, text=True)
        assert compared.returncode == 0, compared.stdout
        assert {volume.name for volume in node.volumes.list_all(storage.name)} == {"source.raw", "copy.qcow2"}

    def test_foreign_file(self, node: LibvirtNode, storage: StorageSpec) -> None:
        """A file that came without libvirt is found, and deleted, too."""
        path = Path(storage.path) / "log"
        path.write_bytes(b"0123456789")
        assert node.volumes.read_tail(storage.name, "log", 4) == b"6789"
        with path.open("ab") as out:
            out.write(b"ab")
        assert node.volumes.read_tail(storage.name, "log", 4) == b"89ab"
        node.volumes.delete(storage.name, "log")
        with pytest.raises(VolumeNotFound):
            node.volumes.read_tail(storage.name, "log", 4)
        assert not path.exists()
