"""The libvirt driver on real libvirtd and real QEMU: the contracts, consoles, and faults. Needs root."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

pytest.importorskip("libvirt")

from cm.drivers.libvirt.console_log import READER
from cm.drivers.libvirt.node import LibvirtNode
from cm.drivers.libvirt.variables import POOL
from cm.interfaces.hypervisor import DiskSpec, DomainSpec, NicSpec, VncSpec
from cm.interfaces.node import INode
from cm.interfaces.source import FileSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import HypervisorError, NodeUnreachable
from cm.rpc.vocabulary import DiskBus, DiskFormat, Seen, StorageKind, VideoModel
from cm.rules.host import Host as Machine
from cm.rules.machine import NVRAM_DIRECTORY
from cm.rules.names import CONSOLE_DIRECTORY
from cm.rules.network import mac_of, tap_of
from cm.services.host import seen_host
from lab import guests, image
from lab.hosts import Host, Lab
from tests.contract.console_logs import LOG, ConsoleLogsContract
from tests.contract.hypervisor import HypervisorContract, domain_spec, eventually
from tests.contract.managed import ManagedContract
from tests.contract.networks import NetworkContract, network_spec
from tests.contract.nics import NicsContract
from tests.contract.sizing import SizingContract
from tests.contract.snapshots import SnapshotsContract
from tests.contract.streams import Joined, StreamsContract
from tests.contract.variables import VariablesContract
from tests.support.opened import Opened
from tests.support.qemu import OnQemu, QemuTests, answers
from tests.support.rfb import RFBRefused, RFBViewer

UEFI = Path("/usr/share/qemu/firmware/60-edk2-x86_64.json")
pytestmark = pytest.mark.skipif(bool(Lab.missing()), reason="; ".join(Lab.missing()))


class TestQemuHypervisor(OnQemu, HypervisorContract):
    pass


class TestQemuNetwork(OnQemu, NetworkContract):
    pass


class TestQemuNics(OnQemu, NicsContract):
    lets_go = False  # test_disks.py has a guest that does


class TestQemuSizing(OnQemu, SizingContract):
    pass


class TestQemuManaged(OnQemu, ManagedContract):
    domain_type = "qemu"

    def directory(self) -> str:
        found = self._lab.shared_dir / f"managed-{uuid.uuid4().hex[:8]}"
        found.mkdir()
        return str(found)


class TestQemuStreams(OnQemu, StreamsContract):
    pass


class TestQemuSnapshots(OnQemu, SnapshotsContract):
    pass


class TestQemuConsoleLogs(OnQemu, ConsoleLogsContract):
    def file(self, path: str) -> Path:
        """A log, as this machine has it."""
        return self._host.log_dir / "wawel" / PurePosixPath(path).name

    def write(self, node: INode, path: str, content: bytes) -> None:
        """In place: at no moment is a log shorter than what it was or will be, as no log daemon's is."""
        with open(os.open(self.file(path), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
            file.truncate()

    def there(self, node: INode) -> set[str]:
        return {f"{CONSOLE_DIRECTORY}/{path.name}" for path in self.file("x").parent.iterdir()}

    def test_headers(self, lab: Lab, host: Host, keeper: LibvirtNode) -> None:
        """
        A log that begins with a qcow2 header has nobody open the file that this names: not who makes sure of the logs,
        reads, deletes, looks through storages, or begins anew. The pool of an older version did, and is gone.
        """
        secret, log = lab.shared_dir / "secret", self.file(LOG)
        secret.write_bytes(b"not for guests" * 100)
        named = ["-b", str(secret), "-F", "raw", str(log), "64M"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *named], check=True, timeout=60)
        header = log.read_bytes()
        with closing(Opened(secret)) as opened, closing(host.open()) as connection:
            keeper.pools.attach(StorageSpec("wawel-console", StorageKind.DIR, CONSOLE_DIRECTORY))
            assert opened.times() > 0, "this is how an older version had them"
            self.make().console_logs.ensure(CONSOLE_DIRECTORY)
            assert connection.listStoragePools() == connection.listDefinedStoragePools() == []
            opened.times()
            storage = self.storage()
            keeper.pools.attach(storage)
            assert keeper.console_logs.read_tail(LOG, 2 * len(header)) == header
            keeper.volumes.list_all(storage.name)
            host.kill_libvirtd()
            host.start_libvirtd()
            assert eventually(lambda: answers(keeper))
            again = self.make()
            again.console_logs.ensure(CONSOLE_DIRECTORY)
            assert again.console_logs.read_tail(LOG, 2 * len(header)) == header
            again.console_logs.delete(LOG)
            assert opened.times() == 0
            keeper.pools.detach(storage.name)
        assert self.there(keeper) == set()

    def test_left_behind(self, host: Host, keeper: LibvirtNode) -> None:
        """What a manager that was killed left of its reading is nobody's domain, and goes."""
        with closing(host.open()) as connection:
            name = f"{READER}left"
            connection.defineXML(f"<domain type='qemu'><name>{name}</name><memory>1024</memory>"
                                 "<os><type>hvm</type></os></domain>")  # fmt: skip
            assert list(keeper.hypervisor.domains()) == []
            self.make().console_logs.ensure(CONSOLE_DIRECTORY)
            assert connection.listDefinedDomains() == []

    def test_at_once(self, keeper: LibvirtNode) -> None:
        """Many read, and two managers make sure, while the log is cut and grows: each has an end of it as it was."""
        self.write(keeper, LOG, b"x" * 3_000_000)

        def look(number: int) -> int:
            if number % 5 == 0:
                self.write(keeper, LOG, b"x" * (1_000_000 + 500_000 * (number % 3)))
            if number % 7 == 0:
                other = self.make()
                other.console_logs.ensure(CONSOLE_DIRECTORY)
                other.close()
            return len(keeper.console_logs.read_tail(LOG, 2**20))

        with ThreadPoolExecutor(4) as pool:
            assert min(pool.map(look, range(1, 30))) >= 1_000_000
        keeper.console_logs.delete(LOG)


@pytest.mark.skipif(not UEFI.exists(), reason="there is no firmware for UEFI (bin/bootstrap hosts)")
class TestQemuVariables(OnQemu, VariablesContract):
    def there(self, node: INode, storage: StorageSpec) -> set[str]:
        top = Path(storage.path)
        return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}

    def directories(self, node: INode, storage: StorageSpec) -> set[str]:
        top = Path(storage.path)
        return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_dir()}

    def test_headers(self, lab: Lab, host: Host, place: tuple[INode, StorageSpec]) -> None:
        """Variables that begin with a qcow2 header have nobody open what it names, be it that a write is repeated."""
        node, storage = place
        secret, image = lab.shared_dir / "secret-of-host", lab.shared_dir / "header.qcow2"
        secret.write_bytes(b"not for guests" * 100)
        named = ["-b", str(secret), "-F", "raw", str(image), "64M"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *named], check=True, timeout=60)
        header, path = image.read_bytes(), f"{storage.path}/{NVRAM_DIRECTORY}/of-its-own/vm-x.fd"
        left = StorageSpec(f"{POOL}of-its-own", StorageKind.DIR, str(Path(path).parent))
        with closing(Opened(secret)) as opened, closing(host.open()) as connection:
            node.pools.attach(left)  # as of a manager that was killed
            for _ in range(2):
                node.variables.write(path, header)
                assert node.variables.read(path) == header
            assert connection.listStoragePools() == [storage.name] and connection.listDefinedStoragePools() == []
            node.volumes.list_all(storage.name)
            host.kill_libvirtd()
            host.start_libvirtd()
            assert eventually(lambda: answers(node))
            node.variables.delete(path)
            assert opened.times() == 0
            node.pools.attach(StorageSpec("looks", StorageKind.DIR, str(lab.shared_dir)))
            assert opened.times() > 0, "this is how a pool looks"
            node.pools.detach("looks")


class TestDevices(QemuTests):
    def test_one_machine(self, node: LibvirtNode, host: Host) -> None:
        """A host is the same machine by its socket and by TCP; its UUID is its own, not that of the machine below."""
        by_socket = LibvirtNode(host.uri, name="by socket")
        try:
            seen = seen_host(node.open())
            assert seen == Machine((host.root / "uuid").read_text(), host.name)
            assert seen_host(by_socket.open()) == seen
        finally:
            by_socket.close()

    def test_everything(
        self, node: LibvirtNode, storage: StorageSpec, domain: Callable[..., DomainSpec], host: Host
    ) -> None:
        """A domain with every kind of device starts, on both machines, and its tap is an isolated port."""
        network = network_spec()
        node.networks.ensure(network)
        try:
            node.volumes.create_empty(storage.name, "a.qcow2", DiskFormat.QCOW2, 2**20)
            node.volumes.create_empty(storage.name, "b.raw", DiskFormat.RAW, 2**20)
            for bus, device in ((DiskBus.SCSI, "sda"), (DiskBus.SATA, "sda"), (DiskBus.IDE, "hda")):
                spec = domain(
                    title="a & b <c>",
                    vcpus=2,
                    disks=(
                        DiskSpec(node.volumes.source(storage.name, "a.qcow2"), DiskFormat.QCOW2, "vda"),
                        DiskSpec(
                            node.volumes.source(storage.name, "b.raw"),
                            DiskFormat.RAW,
                            device,
                            bus,
                            cdrom=bus != DiskBus.SCSI,
                        ),
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
                assert node.volumes.read_tail(storage.name, "console.log", 10) == b""
                node.hypervisor.destroy(spec.uuid)
        finally:
            node.networks.remove(network.name)


class TestConsole(QemuTests):
    vnc = VncSpec("0.0.0.0", 5921, "firstpw")

    def test_password(self, node: LibvirtNode, domain: Callable[..., DomainSpec], host: Host) -> None:
        """A console opens with the password of the day only, and with none once it is disabled."""
        spec = domain(vnc=self.vnc)
        with pytest.raises(RFBRefused):
            RFBViewer(host.address, 5921, "firstpw")
        node.hypervisor.set_vnc(spec.uuid, replace(self.vnc, enabled=True, password="second"))
        with pytest.raises(RFBRefused):
            RFBViewer(host.address, 5921, "firstpw")
        with RFBViewer(host.address, 5921, "second") as viewer:
            assert viewer.screen()[0] > 0
        node.hypervisor.set_vnc(spec.uuid, replace(self.vnc, enabled=False, password="third"))
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
            node.hypervisor.set_vnc(spec.uuid, replace(self.vnc, enabled=False, password="other"))
            assert viewer.is_served()
            host.run(["ss", "-K", "sport", "=", ":5921"])
            assert not viewer.is_served()


class TestFaults(QemuTests):
    def test_killed(self, node: LibvirtNode, domain: Callable[..., DomainSpec], host: Host) -> None:
        """A killed libvirtd is told at once; once it is back the same driver goes on, events too."""
        spec, losses, events = domain(), [], []
        node.hypervisor.subscribe(events.append, losses.append)
        host.kill_libvirtd()
        began = time.monotonic()
        with pytest.raises(NodeUnreachable):
            node.hypervisor.look(spec.uuid)
        assert time.monotonic() - began < 5
        assert eventually(lambda: len(losses) == 1)
        host.start_libvirtd()
        assert eventually(lambda: answers(node), 10)
        assert node.hypervisor.look(spec.uuid).state == Seen.RUNNING
        node.hypervisor.pause(spec.uuid)
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
                each.hypervisor.look(spec.uuid)
            assert time.monotonic() - began < 10
        host.resume_libvirtd()
        for each in (node, fresh):
            assert eventually(lambda each=each: answers(each), 15)
            assert each.hypervisor.look(spec.uuid).state == Seen.RUNNING
        fresh.close()

    def test_unplugged(self, node: LibvirtNode, host: Host) -> None:
        """A node whose cable is pulled is unreachable in time, and comes back by itself."""
        node.hypervisor.domains()
        host.unplug()
        try:
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(NodeUnreachable):
                    node.hypervisor.domains()
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
            assert node.hypervisor.look(spec.uuid).state == Seen.OFF

    def test_start_refused(self, node: LibvirtNode, domain: Callable[..., DomainSpec]) -> None:
        """A domain that cannot start says why."""
        with pytest.raises(HypervisorError, match="absent.qcow2"):
            domain(disks=(DiskSpec(FileSource("/srv/absent.qcow2"), DiskFormat.QCOW2, "vda"),))

    def test_no_leak(self, host: Host) -> None:
        """Opening, losing and closing connections leaves no file descriptors behind."""

        def cycle() -> None:
            each = LibvirtNode(host.tcp_uri, name="leak")
            each.hypervisor.subscribe(lambda event: None, lambda reason: None)
            each.pools.attach(StorageSpec("leak", StorageKind.DIR, f"{host.lab.shared_dir}/leak"))
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
        node.pools.detach("leak") if eventually(lambda: answers(node), 10) else None
        node.close()
        assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)


def try_destroy(node: LibvirtNode, uuid: str) -> bool:
    try:
        node.hypervisor.destroy(uuid)
    except NodeUnreachable:
        return False
    return True


class TestGuest(QemuTests):
    def test_life(self, node: LibvirtNode, storage: StorageSpec, domain: Callable[..., DomainSpec]) -> None:
        """An image is uploaded, a guest boots from an overlay on it, gets its address, and its console can be read."""
        built = image.build()
        size_bytes = 2**30
        told: list[int] = []
        node.volumes.upload(storage.name, "tiny.qcow2", str(built.disk), DiskFormat.QCOW2, size_bytes, told.append)
        assert told[-1] == os.path.getsize(built.disk)
        base = node.volumes.find(storage.name, "tiny.qcow2")
        assert base is not None
        node.volumes.create_overlay(storage.name, "disk.qcow2", "tiny.qcow2", DiskFormat.QCOW2, base.capacity_bytes)
        network = network_spec()
        node.networks.ensure(network)
        try:
            address = network.pool[5]
            spec = domain(
                memory_mib=96,
                disks=(DiskSpec(FileSource(f"{storage.path}/disk.qcow2"), DiskFormat.QCOW2, "vda"),),
                nics=(NicSpec(network.name, mac_of(address), tap_of(address)),),
                console_log=f"{storage.path}/console.log",
            )
            guests.wait_for_marker(Path(storage.path) / "console.log", "TINY READY", 90)

            def console() -> str:
                return node.volumes.read_tail(storage.name, "console.log", 65_536).decode(errors="replace")

            assert "TINY READY" in console()
            assert eventually(lambda: str(address) in console(), 30), console()[-2000:]
            node.hypervisor.shutdown(spec.uuid)
            assert eventually(lambda: node.hypervisor.look(spec.uuid).state == Seen.OFF, 30)
            assert node.hypervisor.look(spec.uuid).reason == "shutdown"
        finally:
            node.networks.remove(network.name)


class TestStreamFaults(QemuTests):
    SIZE = 64 * 2**20

    @pytest.fixture()
    def volume(self, node: LibvirtNode, storage: StorageSpec) -> str:
        node.volumes.create_empty(storage.name, "flow.raw", DiskFormat.RAW, self.SIZE)
        return "flow.raw"

    def test_killed(self, node: LibvirtNode, storage: StorageSpec, volume: str, host: Host) -> None:
        """A node that dies under a transfer or a console is told at once, and the next ones flow."""
        spec = domain_spec()
        node.hypervisor.define(spec)
        node.hypervisor.start(spec.uuid)
        joined = Joined(node, spec.uuid)
        assert not joined.over(0.5)

        def give() -> bytes:
            if host.libvirtd_pid() is not None:
                host.kill_libvirtd()
            return b"x" * 2**20

        with pytest.raises(NodeUnreachable):
            node.streams.upload(storage.name, volume, 0, self.SIZE, give)
        assert joined.over() and isinstance(joined.error, NodeUnreachable)
        host.start_libvirtd()
        assert eventually(lambda: answers(node), 10)
        done = eventually(lambda: try_upload(node, storage, volume), 10)
        node.hypervisor.destroy(spec.uuid)
        node.hypervisor.undefine(spec.uuid)
        assert done

    def test_flat(self, node: LibvirtNode, storage: StorageSpec, volume: str) -> None:
        """Who reads slowly does not have a volume wait in this process's memory."""
        node.streams.upload(storage.name, volume, 0, self.SIZE, iter([os.urandom(self.SIZE), None]).__next__)
        before, seen = resident(), [0]

        def sink(data: bytes) -> None:
            time.sleep(0.002)
            seen.append(resident())

        assert node.streams.download(storage.name, volume, 0, self.SIZE, sink) == self.SIZE
        assert max(seen) - before < self.SIZE // 3


def try_upload(node: LibvirtNode, storage: StorageSpec, volume: str) -> bool:
    try:
        return node.streams.upload(storage.name, volume, 0, 3, iter([b"abc", None]).__next__) == 3
    except NodeUnreachable:
        return False


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
