"""The memory node: the contracts, and the knobs that only it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from cm.drivers.memory.node import MemoryNode
from cm.drivers.memory.volume import HEADER_BYTES, Volume, forget_exports
from cm.drivers.open import open_node
from cm.interfaces.block_job import BlockJobState
from cm.interfaces.hypervisor import DiskSpec, NicSpec, VncSpec
from cm.interfaces.source import DiskSource, FileSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import HypervisorError, InvalidParameter, NodeUnreachable, StorageFull
from cm.rpc.vocabulary import DiskFormat, Seen, StorageKind
from tests.contract.block_jobs import BlockJobsContract
from tests.contract.console_logs import ConsoleLogsContract
from tests.contract.disks import DisksContract
from tests.contract.guest_agents import GuestAgentsContract
from tests.contract.hypervisor import HypervisorContract, domain_spec
from tests.contract.managed import ManagedContract
from tests.contract.migrations import MigrationsContract
from tests.contract.networks import NetworkContract, network_spec
from tests.contract.nics import NicsContract
from tests.contract.sizing import SizingContract
from tests.contract.snapshots import SnapshotsContract
from tests.contract.streams import StreamsContract
from tests.contract.suspensions import SuspensionsContract
from tests.contract.variables import VariablesContract
from tests.contract.volumes import VolumesContract


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    MemoryNode.forget_all()
    forget_exports()


class TestMemoryHypervisor(HypervisorContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")


class TestMemoryImages(VolumesContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")


class TestMemoryLogical(TestMemoryImages):
    kind = StorageKind.LOGICAL


class TestMemorySizing(SizingContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")

    def deaf(self, node: Any, domain: str) -> None:
        node.keeps_size.add(domain)


class TestMemoryBlockJobs(BlockJobsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")


class TestMemoryDisks(DisksContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")


class TestMemoryMigrations(MigrationsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")

    def make_other(self) -> Any:
        return MemoryNode.named("contract-other")

    def storage(self) -> StorageSpec:
        name = f"contract-{uuid4().hex[:8]}"
        return StorageSpec(name, StorageKind.NETFS, f"/srv/{name}", "filer", f"/export/{name}")

    def way(self) -> str:
        return "memory:///contract-other"

    def nowhere(self) -> str:
        return "memory:///nowhere"

    def hold_back(self, node: Any, uuid: str) -> Callable[[], None]:
        node.world.converges_not.add(uuid)
        return node.world.converges_not.clear


class TestMemorySuspensions(SuspensionsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")

    def make_other(self) -> Any:
        return MemoryNode.named("contract-other")

    def storage(self) -> StorageSpec:
        name = f"contract-{uuid4().hex[:8]}"
        return StorageSpec(name, StorageKind.NETFS, f"/srv/{name}", "filer", f"/export/{name}")


class TestMemoryGuestAgents(GuestAgentsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")

    def guest(self, node: Any) -> str:
        spec = domain_spec()
        node.hypervisor.define(spec)
        node.hypervisor.start(spec.uuid)
        node.agents[spec.uuid] = True
        return spec.uuid


class TestMemoryStreams(StreamsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")


class TestMemorySnapshots(SnapshotsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")


class TestMemoryConsoleLogs(ConsoleLogsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")

    def write(self, node: Any, path: str, content: bytes) -> None:
        node.world.logs[path] = content

    def there(self, node: Any) -> set[str]:
        return set(node.world.logs)


class TestMemoryVariables(VariablesContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")

    def storage(self) -> StorageSpec:
        name = f"contract-{uuid4().hex[:8]}"
        return StorageSpec(name, StorageKind.DIR, f"/srv/{name}")

    def there(self, node: Any, storage: StorageSpec) -> set[str]:
        return set(node.world.storages.share(storage.name).variables)

    def directories(self, node: Any, storage: StorageSpec) -> set[str]:
        return set(node.world.storages.share(storage.name).directories)


class TestMemoryManaged(ManagedContract):
    def make(self) -> MemoryNode:
        return MemoryNode()


class TestMemoryNetwork(NetworkContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")

    def active(self, name: str) -> bool:
        return name in MemoryNode.named("contract").world.networks


class TestMemoryNics(NicsContract):
    def make(self) -> Any:
        return MemoryNode.named("contract")


def running(node: MemoryNode, **changes: Any) -> str:
    spec = domain_spec(**changes)
    node.hypervisor.define(spec)
    node.hypervisor.start(spec.uuid)
    return spec.uuid


def test_named() -> None:
    """One URI leads to one world, which outlives its connections."""
    first = open_node("memory:///a", name="n1")
    uuid = running(first)
    first.close()
    with pytest.raises(NodeUnreachable):
        first.hypervisor.look(uuid)
    assert open_node("memory:///a", name="n1").hypervisor.look(uuid).state == Seen.RUNNING
    assert open_node("memory:///b", name="n2").hypervisor.look(uuid).state == Seen.ABSENT


@pytest.mark.parametrize("uri", ["memory:///", "xen:///", "", "http://x", "qemu+nfs://h/system", "qemu+tcp:///system"])
def test_open_unknown(uri: str) -> None:
    """A URI that leads nowhere is the caller's error."""
    if uri.startswith("qemu"):
        pytest.importorskip("libvirt")  # whose driver looks at these
    with pytest.raises(InvalidParameter):
        open_node(uri, name="n")


def test_hooks() -> None:
    """Hooks are called as libvirt calls them, however the domain ends."""
    node, calls = MemoryNode(), []
    node.on_hook = lambda uuid, name, operation, sub: calls.append((uuid, operation, sub))
    assert node.hypervisor.info().hooks
    for end in (node.hypervisor.destroy, node.guest_power_off, node.crash, node.hypervisor.shutdown):
        calls.clear()
        uuid = running(node)
        end(uuid)
        assert [call[1:] for call in calls] == [
            ("prepare", "begin"), ("start", "begin"), ("started", "begin"), ("stopped", "end"), ("release", "end"),
        ]  # fmt: skip
        assert {call[0] for call in calls} == {uuid}


def test_hook_fails() -> None:
    """A failing hook fails the start, and the stopping hooks run."""
    node, calls = MemoryNode(), []

    def hook(uuid: str, name: str, operation: str, sub: str) -> None:
        calls.append(operation)
        if operation == "start":
            raise RuntimeError("no")

    node.on_hook = hook
    spec = domain_spec()
    node.hypervisor.define(spec)
    with pytest.raises(HypervisorError):
        node.hypervisor.start(spec.uuid)
    assert calls == ["prepare", "start", "stopped", "release"]
    assert node.hypervisor.look(spec.uuid).state == Seen.OFF


def test_ends() -> None:
    """The reason tells how a domain ended."""
    node = MemoryNode()
    ends = ((node.hypervisor.destroy, "destroyed"), (node.guest_power_off, "shutdown"), (node.crash, "crashed"))
    for end, reason in ends:
        uuid = running(node)
        end(uuid)
        assert node.hypervisor.look(uuid).reason == reason
    uuid = running(node)
    node.power_cut()
    assert (node.hypervisor.look(uuid).state, node.hypervisor.look(uuid).reason) == (Seen.OFF, "unknown")


def test_fail_next() -> None:
    """A failure comes before or after the work, once."""
    node = MemoryNode()
    spec = domain_spec()
    node.hypervisor.define(spec)
    lost = NodeUnreachable("n", "lost")
    node.fail_next("start", lost)
    node.fail_next("start", lost, after=True)
    for state in (Seen.OFF, Seen.RUNNING):
        with pytest.raises(NodeUnreachable):
            node.hypervisor.start(spec.uuid)
        assert node.hypervisor.look(spec.uuid).state == state
    node.hypervisor.start(spec.uuid)


def test_unreachable() -> None:
    """Subscribers hear of it once, and stay subscribed."""
    node, events, losses = MemoryNode(), [], []
    node.hypervisor.subscribe(events.append, losses.append)
    node.unreachable = True
    with pytest.raises(NodeUnreachable):
        node.hypervisor.domains()
    assert len(losses) == 1
    node.unreachable = False
    running(node)
    assert [event.event for event in events] == ["defined", "started"]


def test_hang() -> None:
    """A hanging call ends as keep-alive ends it; a released one goes on."""
    node = MemoryNode()
    release = node.hang(limit_s=0.01)
    with pytest.raises(NodeUnreachable):
        node.hypervisor.domains()
    release()
    assert node.hypervisor.domains() == []


def test_some_hang() -> None:
    """Calls of one kind can hang while others are answered; the next hang is of all again."""
    node = MemoryNode()
    release = node.hang(0.01, {"start"})
    assert node.hypervisor.domains() == []
    with pytest.raises(NodeUnreachable):
        running(node)
    release()
    running(node)
    node.hang(0.01)
    with pytest.raises(NodeUnreachable):
        node.hypervisor.domains()


def test_disks_and_ports() -> None:
    """What QEMU would stumble over is refused: missing disks, second writers, taken ports, unknown networks."""
    node = MemoryNode()
    node.pools.attach(StorageSpec("s", StorageKind.DIR, "/srv/s"))
    disk = DiskSpec(FileSource("/srv/s/a.qcow2"), DiskFormat.QCOW2, "vda")
    with pytest.raises(HypervisorError, match="Cannot access"):
        running(node, disks=(disk,))
    node.volumes.create_empty("s", "a.qcow2", DiskFormat.QCOW2, 2**20)
    vnc = VncSpec("127.0.0.1", 5901, "secret")
    first = running(node, disks=(disk,), vnc=vnc)
    with pytest.raises(HypervisorError, match="write"):
        running(node, disks=(disk,))
    running(node, disks=(replace(disk, read_only=True),))
    with pytest.raises(HypervisorError, match="5901"):
        running(node, vnc=vnc)
    node.hypervisor.set_vnc(first, replace(vnc, enabled=True))
    assert node.vnc_of(first) == replace(vnc, enabled=True)
    node.hypervisor.destroy(first)
    running(node, disks=(disk,), vnc=vnc)
    network = network_spec()
    with pytest.raises(HypervisorError, match="Network"):
        running(node, nics=(NicSpec(network.name, "02:57:0a:00:00:02", "wv0a000002"),))
    node.networks.ensure(network)
    running(node, nics=(NicSpec(network.name, "02:57:0a:00:00:02", "wv0a000002"),))


def test_shared_storage() -> None:
    """Network storages of one source are one storage on every node, with one writer for each disk."""
    nodes = MemoryNode("a"), MemoryNode("b")
    for node in nodes:
        node.pools.attach(StorageSpec("nfs", StorageKind.NETFS, "/mnt/nfs", "filer", "/export"))
    nodes[0].volumes.create_empty("nfs", "a.qcow2", DiskFormat.QCOW2, 2**20)
    disk = DiskSpec(FileSource("/mnt/nfs/a.qcow2"), DiskFormat.QCOW2, "vda")
    uuid = running(nodes[1], disks=(disk,))
    with pytest.raises(HypervisorError, match="write"):
        running(nodes[0], disks=(disk,))
    nodes[1].hypervisor.destroy(uuid)
    running(nodes[0], disks=(disk,))


def test_full() -> None:
    """A full storage takes nothing more."""
    node = MemoryNode()
    node.pools.attach(StorageSpec("s", StorageKind.DIR, "/srv/s"))
    node.world.storages.share("s").capacity_bytes = 300_000
    node.volumes.create_empty("s", "a.qcow2", DiskFormat.QCOW2, 2**30)
    with pytest.raises(StorageFull):
        node.volumes.create_empty("s", "b.qcow2", DiskFormat.QCOW2, 2**30)
    assert [volume.name for volume in node.volumes.list_all("s")] == ["a.qcow2"]


def test_console() -> None:
    """A console log appears as a volume where its domain starts."""
    node = MemoryNode()
    node.pools.attach(StorageSpec("s", StorageKind.DIR, "/srv/s"))
    uuid = running(node, console_log="/srv/s/a.log")
    assert node.volumes.read_tail("s", "a.log", 10) == b""
    node.write_console(uuid, b"hello ")
    node.write_console(uuid, b"world")
    assert node.volumes.read_tail("s", "a.log", 7) == b"o world"


def test_copy_has_what_was_read() -> None:
    """A copy holds what its source stood on and what was written over it."""
    node = MemoryNode("copies")
    node.pools.attach(StorageSpec("pool", StorageKind.DIR, "/srv/pool"))
    node.volumes.create_empty("pool", "base.qcow2", DiskFormat.QCOW2, 2**20)
    node.volumes.create_overlay("pool", "disk.qcow2", "base.qcow2", DiskFormat.QCOW2, 2**20)
    volumes = node.world.storages.share("pool").volumes
    volumes["base.qcow2"].content, volumes["disk.qcow2"].content = b"base;", b"disk;"
    node.volumes.create_copy("pool", "copy.qcow2", "disk.qcow2", DiskFormat.QCOW2)
    assert volumes["copy.qcow2"].content == b"base;disk;"
    assert volumes["copy.qcow2"].base is None


@pytest.mark.parametrize("filling", [b"", b"x" * HEADER_BYTES])
def test_carried_has_what_was_read(filling: bytes) -> None:
    """
    What is read of a volume and written into another is that volume to its guests, and is read the same again; also of
    one whose guest has filled it.
    """
    content = b"boots: image;" + filling
    node = MemoryNode("a")
    node.pools.attach(StorageSpec("pool", StorageKind.DIR, "/srv/pool"))
    node.volumes.create_empty("pool", "image.qcow2", DiskFormat.QCOW2, 64 * 2**20)
    storages = node.world.storages
    storages.share("pool").volumes["image.qcow2"].append(content)
    length = storages.share("pool").volumes["image.qcow2"].length
    pieces: list[bytes] = []
    node.streams.download("pool", "image.qcow2", 0, length, pieces.append)
    node.volumes.create_empty("pool", "carried.qcow2", DiskFormat.RAW, length)
    node.streams.upload("pool", "carried.qcow2", 0, length, iter([b"".join(pieces), None]).__next__)
    seen = next(volume for volume in node.volumes.list_all("pool") if volume.name == "carried.qcow2")
    carried = storages.share("pool").volumes["carried.qcow2"]
    assert (carried.format, seen.capacity_bytes, seen.length_bytes) == (DiskFormat.QCOW2, 64 * 2**20, length)
    assert storages.whole("pool", carried) == content
    again: list[bytes] = []
    node.streams.download("pool", "carried.qcow2", 0, length, again.append)
    assert b"".join(again) == b"".join(pieces)


def _chain(node: MemoryNode) -> tuple[str, DiskSource, DiskSource]:
    """A running domain on three volumes, and the lower two."""
    node.pools.attach(StorageSpec("pool", StorageKind.DIR, "/srv/pool"))
    node.volumes.create_empty("pool", "base.qcow2", DiskFormat.QCOW2, 2**20)
    for name, base in (("middle.qcow2", "base.qcow2"), ("top.qcow2", "middle.qcow2")):
        node.volumes.create_overlay("pool", name, base, DiskFormat.QCOW2, 2**20)
    domain = domain_spec(disks=(DiskSpec(node.volumes.source("pool", "top.qcow2"), DiskFormat.QCOW2, "vda"),))
    node.hypervisor.define(domain)
    node.hypervisor.start(domain.uuid)
    base, middle = (node.volumes.source("pool", name) for name in ("base.qcow2", "middle.qcow2"))
    return domain.uuid, base, middle


def test_merged_volume_is_read_as_before() -> None:
    """What a volume holds over the one that it was merged into is the same, as in QEMU, until it is deleted."""
    node = MemoryNode("a")
    uuid, base, middle = _chain(node)
    volumes = node.world.storages.share("pool").volumes
    for name in ("base", "middle", "top"):
        volumes[f"{name}.qcow2"].content = f"{name};".encode()
    node.block_jobs.commit(uuid, "vda", base, middle)
    seen = [node.block_jobs.look(uuid, "vda") for _ in range(3)][-1]
    assert (seen.state, seen.bases) == (BlockJobState.NONE, ("/srv/pool/base.qcow2",))
    whole = {name: node.world.storages.whole("pool", volume) for name, volume in volumes.items()}
    assert whole == {
        "base.qcow2": b"base;middle;",
        "middle.qcow2": b"base;middle;",
        "top.qcow2": b"base;middle;top;",
    }


def test_job_whose_file_went() -> None:
    """A merge of files one of which was deleted meanwhile ends without effect, as in QEMU, and raises nothing."""
    node = MemoryNode("a")
    uuid, base, middle = _chain(node)
    node.block_jobs.commit(uuid, "vda", base, middle)
    node.volumes.delete("pool", "base.qcow2")
    seen = [node.block_jobs.look(uuid, "vda") for _ in range(3)][-1]
    assert (seen.state, "/srv/pool/middle.qcow2" in seen.bases) == (BlockJobState.NONE, True)


def test_guests_write() -> None:
    """A guest's writes make the file longer that is kept whole, so that who carries it reads all of it."""
    volume = Volume("one.qcow2", DiskFormat.QCOW2, 8, 8, content=b"boots: a")
    volume.append(b"once;")
    read = volume.read(0, volume.length)
    assert read.endswith(b"boots: aonce;")
    assert len(read) == volume.length
