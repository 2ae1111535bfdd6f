"""The libvirt driver on real libvirtd and real QEMU: the contracts, consoles, and faults. Needs root."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lab import guests, image
from lab.hosts import Host, Lab

from cm.drivers.libvirt.node import LibvirtNode
from cm.interfaces import DiskSpec, DomainSpec, NicSpec, StorageSpec, VncSpec
from cm.rpc.errors import HypervisorError, NodeBusy, NodeUnreachable, VolumeNotFound
from cm.rpc.vocabulary import DiskBus, DiskFormat, Seen, StorageKind, VideoModel
from cm.rules.network import mac_of, tap_of
from tests.contract.hypervisor import HypervisorContract, domain_spec, eventually
from tests.contract.images import MIB, ImageStoreContract
from tests.contract.network import NetworkContract, network_spec
from tests.support.rfb import RFBRefused, RFBViewer

pytestmark = pytest.mark.skipif(bool(Lab.missing()), reason="; ".join(Lab.missing()))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def host(lab: Lab) -> Host:
    return lab.up(1)[0]


@pytest.fixture(autouse=True)
def healthy(host: Host) -> Iterator[None]:
    """Whatever a test did to libvirtd, the next one finds it running."""
    yield
    if host.libvirtd_pid() is not None:
        host.resume_libvirtd()
    host.start_libvirtd()


@pytest.fixture()
def node(host: Host) -> Iterator[LibvirtNode]:
    made = LibvirtNode(host.tcp_uri, name="node1", disk_cache="unsafe")
    yield made
    made.close()


@pytest.fixture()
def storage(lab: Lab, node: LibvirtNode) -> Iterator[StorageSpec]:
    spec = new_storage(lab)
    node.attach(spec)
    yield spec
    for volume in node.volumes(spec.name):
        node.delete(spec.name, volume.name)
    node.detach(spec.name)


def new_storage(lab: Lab) -> StorageSpec:
    name = f"contract-{uuid.uuid4().hex[:8]}"
    return StorageSpec(name, StorageKind.DIR, f"{lab.shared_dir}/{name}")


@pytest.fixture()
def domain(node: LibvirtNode) -> Iterator[Callable[..., DomainSpec]]:
    """Defines and starts a domain; it is removed afterwards."""
    made: list[str] = []

    def start(**changes: Any) -> DomainSpec:
        spec = domain_spec(**changes)
        made.append(spec.uuid)
        node.define(spec)
        node.start(spec.uuid)
        return spec

    yield start
    for each in made:
        eventually(lambda: answers(node))
        node.destroy(each)
        node.undefine(each)


def answers(node: LibvirtNode) -> bool:
    try:
        node.domains()
    except NodeUnreachable:
        return False
    return True


class OnQemu:
    """Says how the contracts' subjects are made."""

    @pytest.fixture(autouse=True)
    def _surroundings(self, host: Host, lab: Lab) -> None:
        self.host, self.lab = host, lab

    def make(self) -> Any:
        return LibvirtNode(self.host.tcp_uri, name="node1", disk_cache="unsafe")

    def storage(self) -> StorageSpec:
        return new_storage(self.lab)

    def active(self, networks: Any, name: str) -> bool:
        connection = self.host.open()
        try:
            return name in connection.listNetworks()
        finally:
            connection.close()


class TestQemuHypervisor(OnQemu, HypervisorContract):
    pass


class TestQemuImages(OnQemu, ImageStoreContract):
    pass


class TestQemuNetwork(OnQemu, NetworkContract):
    pass


class TestDevices:
    def test_everything(
        self, node: LibvirtNode, storage: StorageSpec, domain: Callable[..., DomainSpec], host: Host
    ) -> None:
        """A domain with every kind of device starts, on both machines, and its tap is an isolated port."""
        network = network_spec()
        node.ensure(network)
        try:
            node.create_empty(storage.name, "a.qcow2", DiskFormat.QCOW2, MIB)
            node.create_empty(storage.name, "b.raw", DiskFormat.RAW, MIB)
            for bus, device in ((DiskBus.SCSI, "sda"), (DiskBus.SATA, "sda"), (DiskBus.IDE, "hda")):
                spec = domain(
                    title="a & b <c>",
                    vcpus=2,
                    disks=(
                        DiskSpec(f"{storage.path}/a.qcow2", DiskFormat.QCOW2, "vda"),
                        DiskSpec(f"{storage.path}/b.raw", DiskFormat.RAW, device, bus, cdrom=bus != DiskBus.SCSI),
                    ),
                    nics=(NicSpec(network.name, mac_of(network.first), tap_of(network.first)),),
                    vnc=VncSpec("0.0.0.0", 5910, "secret"),
                    console_log=f"{storage.path}/console.log",
                    smbios_serial="ds=nocloud-net;s=http://192.0.2.1/secret,value/",
                    video=VideoModel.VIRTIO,
                )
                tap = tap_of(network.first)
                isolated = host.run(["cat", f"/sys/class/net/{tap}/brport/isolated"]).stdout.strip()
                assert isolated == "1"
                assert node.read_tail(storage.name, "console.log", 10) == b""
                node.destroy(spec.uuid)
        finally:
            node.remove(network.name)


class TestConsole:
    vnc = VncSpec("0.0.0.0", 5921, "firstpw")

    def test_password(self, node: LibvirtNode, domain: Callable[..., DomainSpec], host: Host) -> None:
        """A console opens with the password of the day only, and with none once it is disabled."""
        spec = domain(vnc=self.vnc)
        with pytest.raises(RFBRefused):
            RFBViewer(host.address, 5921, "firstpw")
        node.set_vnc(spec.uuid, replace(self.vnc, enabled=True, password="second"))
        with pytest.raises(RFBRefused):
            RFBViewer(host.address, 5921, "firstpw")
        with RFBViewer(host.address, 5921, "second") as viewer:
            assert viewer.screen()[0] > 0
        node.set_vnc(spec.uuid, replace(self.vnc, enabled=False, password="third"))
        for password in ("second", "third"):
            with pytest.raises(RFBRefused):
                RFBViewer(host.address, 5921, password)

    def test_enabled_from_start(self, domain: Callable[..., DomainSpec], host: Host) -> None:
        """A definition with the console enabled needs no further call."""
        domain(vnc=replace(self.vnc, enabled=True))
        RFBViewer(host.address, 5921, "firstpw").close()

    def test_session_stays(self, node: LibvirtNode, domain: Callable[..., DomainSpec], host: Host) -> None:
        """A session that is open outlives its password: QEMU asks once. To end it, the way to it must be cut."""
        spec = domain(vnc=replace(self.vnc, enabled=True))
        with RFBViewer(host.address, 5921, "firstpw") as viewer:
            viewer.screen()
            node.set_vnc(spec.uuid, replace(self.vnc, enabled=False, password="other"))
            assert viewer.is_served()
            host.run(["ss", "-K", "sport", "=", ":5921"])
            assert not viewer.is_served()


class TestStorage:
    def test_copy_flattens(self, node: LibvirtNode, storage: StorageSpec, lab: Lab) -> None:
        """A copy holds what its source's base held, and names no other file."""
        file = lab.shared_dir / "content.raw"
        file.write_bytes(os.urandom(MIB))
        node.upload(storage.name, "base.raw", str(file), DiskFormat.RAW, MIB, lambda done: None)
        node.create_overlay(storage.name, "disk.qcow2", "base.raw", DiskFormat.RAW, 2 * MIB)
        node.create_copy(storage.name, "copy.qcow2", "disk.qcow2", DiskFormat.QCOW2)
        information = subprocess.run(
            ["qemu-img", "info", "--backing-chain", f"{storage.path}/copy.qcow2"], capture_output=True, text=True
        ).stdout
        assert "backing file" not in information and "qcow2" in information
        raw = lab.shared_dir / "back.raw"
        subprocess.run(["qemu-img", "convert", "-O", "raw", f"{storage.path}/copy.qcow2", str(raw)], check=True)
        assert raw.read_bytes() == file.read_bytes() + bytes(MIB)

    def test_overlay_records_format(self, node: LibvirtNode, storage: StorageSpec) -> None:
        """An overlay's header names the format of its base, so that nobody needs to guess."""
        node.create_empty(storage.name, "base.raw", DiskFormat.RAW, MIB)
        node.create_overlay(storage.name, "disk.qcow2", "base.raw", DiskFormat.RAW, MIB)
        information = subprocess.run(
            ["qemu-img", "info", f"{storage.path}/disk.qcow2"], capture_output=True, text=True
        ).stdout
        assert "backing file format: raw" in information

    def test_upload_sparse(self, node: LibvirtNode, storage: StorageSpec, lab: Lab) -> None:
        """Holes of a file stay holes of the volume, also at its end; a qcow2 file keeps its length and its size."""
        file = lab.shared_dir / "holes.raw"
        with file.open("wb") as out:
            out.seek(32 * MIB)
            out.write(b"data")
            out.truncate(64 * MIB)
        made = node.upload(storage.name, "holes.raw", str(file), DiskFormat.RAW, 64 * MIB, lambda done: None)
        assert made.capacity_bytes == 64 * MIB and made.allocation_bytes < MIB
        assert Path(made.path).read_bytes() == file.read_bytes()
        small = lab.shared_dir / "small.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(small), "1G"], check=True)
        made = node.upload(storage.name, "s.qcow2", str(small), DiskFormat.QCOW2, 2**30, lambda done: None)
        assert made.capacity_bytes == 2**30
        assert Path(made.path).read_bytes() == small.read_bytes()

    def test_copy_killed(self, node: LibvirtNode, storage: StorageSpec, lab: Lab, host: Host) -> None:
        """A copy cut off by the death of libvirtd is not taken for a finished one, and made whole by the next try."""
        file = lab.shared_dir / "large.raw"
        with file.open("wb") as out:
            for _ in range(192):
                out.write(os.urandom(MIB))
        node.upload(storage.name, "source.raw", str(file), DiskFormat.RAW, 192 * MIB, lambda done: None)
        failures: list[BaseException] = []

        def copy() -> None:
            try:
                node.create_copy(storage.name, "copy.qcow2", "source.raw", DiskFormat.RAW)
            except NodeUnreachable as error:
                failures.append(error)

        thread = threading.Thread(target=copy)
        thread.start()
        half_made = Path(storage.path) / "copy.qcow2"
        assert eventually(lambda: half_made.exists() and half_made.stat().st_size > MIB)
        assert node.usage(storage.name).available_bytes > 0
        with pytest.raises(NodeBusy):
            node.find(storage.name, "absent")
        host.kill_libvirtd()
        thread.join(10)
        host.start_libvirtd()
        assert failures, "the copy was faster than the kill"
        assert eventually(lambda: answers(node))
        assert node.find(storage.name, "copy.qcow2") is None
        node.create_copy(storage.name, "copy.qcow2", "source.raw", DiskFormat.RAW)
        compared = subprocess.run(
            ["qemu-img", "compare", "-f", "qcow2", "-F", "raw", str(half_made), str(file)], capture_output=True,
            text=True
        )
        assert compared.returncode == 0, compared.stdout
        assert {volume.name for volume in node.volumes(storage.name)} == {"source.raw", "copy.qcow2"}
        file.unlink()

    def test_foreign_file(self, node: LibvirtNode, storage: StorageSpec) -> None:
        """A file that came without libvirt is found, and deleted, too."""
        path = Path(storage.path) / "log"
        path.write_bytes(b"0123456789")
        assert node.read_tail(storage.name, "log", 4) == b"6789"
        with path.open("ab") as out:
            out.write(b"ab")
        assert node.read_tail(storage.name, "log", 4) == b"89ab"
        node.delete(storage.name, "log")
        with pytest.raises(VolumeNotFound):
            node.read_tail(storage.name, "log", 4)
        assert not path.exists()


class TestFaults:
    def test_killed(self, node: LibvirtNode, domain: Callable[..., DomainSpec], host: Host) -> None:
        """A killed libvirtd is told at once; once it is back the same driver goes on, events too."""
        spec, losses, events = domain(), [], []
        node.subscribe(events.append, losses.append)
        host.kill_libvirtd()
        began = time.monotonic()
        with pytest.raises(NodeUnreachable):
            node.look(spec.uuid)
        assert time.monotonic() - began < 5
        assert eventually(lambda: len(losses) == 1)
        host.start_libvirtd()
        assert eventually(lambda: answers(node), 10)
        assert node.look(spec.uuid).state == Seen.RUNNING
        node.pause(spec.uuid)
        assert eventually(lambda: "suspended" in [event.event for event in events])
        assert len(losses) == 1

    def test_stopped(self, node: LibvirtNode, domain: Callable[..., DomainSpec], host: Host) -> None:
        """A libvirtd that hangs ends calls in time, those that connect too; once it wakes the driver goes on."""
        spec = domain()
        fresh = LibvirtNode(host.tcp_uri, name="fresh")
        host.pause_libvirtd()
        for each in (node, fresh, node):
            began = time.monotonic()
            with pytest.raises(NodeUnreachable):
                each.look(spec.uuid)
            assert time.monotonic() - began < 10
        host.resume_libvirtd()
        for each in (node, fresh):
            assert eventually(lambda each=each: answers(each), 15)
            assert each.look(spec.uuid).state == Seen.RUNNING
        fresh.close()

    def test_unplugged(self, node: LibvirtNode, host: Host) -> None:
        """A node whose cable is pulled is unreachable in time, and comes back by itself."""
        node.domains()
        host.unplug()
        try:
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(NodeUnreachable):
                    node.domains()
                assert time.monotonic() - began < 10
        finally:
            host.plug()
        assert eventually(lambda: answers(node), 15)

    def test_destroy_during_reconnect(self, node: LibvirtNode, domain: Callable[..., DomainSpec], host: Host) -> None:
        """Destroying while libvirtd takes up its guests again succeeds, whatever libvirt says."""
        for _ in range(5):
            spec = domain()
            host.kill_libvirtd()
            host.start_libvirtd()
            assert eventually(lambda spec=spec: try_destroy(node, spec.uuid), 10)
            assert node.look(spec.uuid).state == Seen.OFF

    def test_start_refused(self, node: LibvirtNode, domain: Callable[..., DomainSpec]) -> None:
        """A domain that cannot start says why."""
        with pytest.raises(HypervisorError, match="absent.qcow2"):
            domain(disks=(DiskSpec("/srv/absent.qcow2", DiskFormat.QCOW2, "vda"),))

    def test_no_leak(self, host: Host) -> None:
        """Opening, losing and closing connections leaves no file descriptors behind."""

        def cycle() -> None:
            each = LibvirtNode(host.tcp_uri, name="leak")
            each.subscribe(lambda event: None, lambda reason: None)
            each.attach(StorageSpec("leak", StorageKind.DIR, f"{host.lab.shared_dir}/leak"))
            each.close()

        cycle()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            cycle()
        assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)
        node = LibvirtNode(host.tcp_uri, name="leak")
        for _ in range(5):
            assert eventually(lambda: answers(node), 10)
            host.kill_libvirtd()
            host.start_libvirtd()
        node.detach("leak") if eventually(lambda: answers(node), 10) else None
        node.close()
        assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)


def try_destroy(node: LibvirtNode, uuid: str) -> bool:
    try:
        node.destroy(uuid)
    except NodeUnreachable:
        return False
    return True


class TestGuest:
    def test_life(self, node: LibvirtNode, storage: StorageSpec, domain: Callable[..., DomainSpec]) -> None:
        """An image is uploaded, a guest boots from an overlay on it, gets its address, and its console can be read."""
        built = image.build()
        size_bytes = 2**30
        told: list[int] = []
        node.upload(storage.name, "tiny.qcow2", str(built.disk), DiskFormat.QCOW2, size_bytes, told.append)
        assert told[-1] == os.path.getsize(built.disk)
        base = node.find(storage.name, "tiny.qcow2")
        assert base is not None
        node.create_overlay(storage.name, "disk.qcow2", "tiny.qcow2", DiskFormat.QCOW2, base.capacity_bytes)
        network = network_spec()
        node.ensure(network)
        try:
            address = network.pool[5]
            spec = domain(
                memory_mib=96,
                disks=(DiskSpec(f"{storage.path}/disk.qcow2", DiskFormat.QCOW2, "vda"),),
                nics=(NicSpec(network.name, mac_of(address), tap_of(address)),),
                console_log=f"{storage.path}/console.log",
            )
            guests.wait_for_marker(Path(storage.path) / "console.log", "TINY READY", 90)

            def console() -> str:
                return node.read_tail(storage.name, "console.log", 65_536).decode(errors="replace")

            assert "TINY READY" in console()
            assert eventually(lambda: str(address) in console(), 30), console()[-2000:]
            node.shutdown(spec.uuid)
            assert eventually(lambda: node.look(spec.uuid).state == Seen.OFF, 30)
            assert node.look(spec.uuid).reason == "shutdown"
        finally:
            node.remove(network.name)
