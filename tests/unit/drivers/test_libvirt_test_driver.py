"""The libvirt driver on libvirt's own test driver, which lives in this process and needs no root."""

# What is tested imports libvirt; without it all of this is skipped, which has to be said before.
# ruff: noqa: E402

from __future__ import annotations

import tempfile
import uuid
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

libvirt = pytest.importorskip("libvirt")

from cm.drivers.libvirt import network as driver
from cm.drivers.libvirt.pool_xml import network_xml
from cm.drivers.open import open_node
from cm.interfaces.hypervisor import VncSpec
from cm.interfaces.network import NetworkSpec
from cm.rpc.errors import NodeUnreachable, NotSupported
from cm.rules.names import CONSOLE_DIRECTORY
from tests.contract.block_jobs import BlockJobsContract
from tests.contract.disks import DisksContract
from tests.contract.guest_agents import GuestAgentsContract
from tests.contract.hypervisor import HypervisorContract, domain_spec
from tests.contract.managed import ManagedContract
from tests.contract.migrations import MigrationsContract
from tests.contract.networks import NetworkContract
from tests.contract.nics import NicsContract
from tests.contract.sizing import SizingContract
from tests.contract.snapshots import SnapshotsContract
from tests.contract.streams import StreamsContract
from tests.contract.suspensions import SuspensionsContract
from tests.contract.volumes import VolumesContract


def make() -> Any:
    return open_node("test:///default", name="test")


class TestTestDriverHypervisor(HypervisorContract):
    starts_anything = True

    def make(self) -> Any:
        return make()


class TestTestDriverImages(VolumesContract):
    uploads = False
    resizes = False
    headers = False

    def make(self) -> Any:
        return make()


class TestTestDriverBlockJobs(BlockJobsContract):
    jobs = False

    def make(self) -> Any:
        return make()


class TestTestDriverMigrations(MigrationsContract):
    migrations = False

    def make(self) -> Any:
        return make()

    def make_other(self) -> Any:
        return make()

    def way(self) -> str:
        return "test:///default"

    def nowhere(self) -> str:
        return "test:///nowhere"


class TestTestDriverSuspensions(SuspensionsContract):
    suspensions = False

    def make(self) -> Any:
        return make()

    def make_other(self) -> Any:
        return make()


class TestTestDriverDisks(DisksContract):
    plugs = False

    def make(self) -> Any:
        return make()


class TestTestDriverGuestAgents(GuestAgentsContract):
    agents = False

    def make(self) -> Any:
        return make()

    def guest(self, node: Any) -> str:
        raise NotImplementedError


class TestTestDriverStreams(StreamsContract):
    streams = False

    def make(self) -> Any:
        return make()


class TestTestDriverSnapshots(SnapshotsContract):
    supported = False

    def make(self) -> Any:
        return make()


class TestTestDriverNetwork(NetworkContract):
    def make(self) -> Any:
        return make()

    def active(self, name: str) -> bool:
        found = libvirt.open("test:///default").listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE)
        return name in [network.name() for network in found]


class TestTestDriverSizing(SizingContract):
    resizes = False

    def make(self) -> Any:
        return make()


class TestTestDriverNics(NicsContract):
    plugs = False

    def make(self) -> Any:
        return make()


class TestTestDriverManaged(ManagedContract):
    domain_type = "test"
    invalid = (1, 55)
    counts_time = False
    suspends_twice = False
    exists = 9

    def make(self) -> Any:
        return make()

    def directory(self) -> str:
        return str(Path(tempfile.gettempdir()) / f"managed-{uuid.uuid4().hex[:8]}")


def test_facts() -> None:
    """The test driver says that it is one."""
    info = make().open()
    assert (info.hypervisor, info.domain_types, info.hooks) == ("TEST", ("test",), False)


def test_vnc() -> None:
    """There are no VNC servers here."""
    with pytest.raises(NotSupported):
        make().hypervisor.set_vnc(domain_spec().uuid, VncSpec("127.0.0.1", 5901, "secret"))


def test_no_logs() -> None:
    """Nor are there logs of consoles; making sure of them, and deleting one, costs nobody a launch."""
    logs = make().console_logs
    logs.ensure(CONSOLE_DIRECTORY)
    logs.delete(f"{CONSOLE_DIRECTORY}/any")
    with pytest.raises(NotSupported):
        logs.read_tail(f"{CONSOLE_DIRECTORY}/any", 10)


def test_no_variables() -> None:
    """Nor UEFI's variables; making sure of them, and deleting some, costs nobody a launch."""
    variables = make().variables
    variables.ensure("/srv/any/nvram")
    variables.delete("/srv/any/nvram/own/any.fd")
    with pytest.raises(NotSupported):
        variables.read("/srv/any/nvram/any.fd")
    with pytest.raises(NotSupported):
        variables.write("/srv/any/nvram/own/any.fd", b"")


def test_nobody_answers() -> None:
    """A refused connection is told at once, and during the back-off without another attempt."""
    node = open_node("qemu+tcp://127.0.0.1:1/system", name="gone")
    for _ in range(2):
        with pytest.raises(NodeUnreachable, match="gone"):
            node.open()
    node.close()


def test_no_socket() -> None:
    """A missing UNIX socket likewise."""
    node = open_node("qemu+unix:///system?socket=/nonexistent/sock", name="gone")
    with pytest.raises(NodeUnreachable):
        node.hypervisor.domains()
    node.close()


def test_network_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a network's definition digests to is worked out once in a process, however many nodes have the network."""
    written: list[NetworkSpec] = []

    def counted(network: NetworkSpec, uuid: str) -> str:
        written.append(network)
        return network_xml(network, uuid)

    monkeypatch.setattr(driver, "network_xml", counted)
    pool = IPv4Network("10.77.0.0/28")
    spec = NetworkSpec("wawel-digest", "wbr77", pool, pool[1], pool[1], pool[14])
    for _ in range(2):
        make().networks.ensure(spec)
    assert len(written) == 2  # its digest, and the one definition
    make().networks.remove(spec.name)


def test_network_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that start at once the second does not take the network of the first away, whose guest may be on it."""
    pool = IPv4Network("10.78.0.0/28")
    spec = NetworkSpec("wawel-at-once", "wbr78", pool, pool[1], pool[1], pool[14])
    looked, gone = [], []
    find = driver._find

    def late(ask: Any) -> Any:
        found = find(ask)
        if not looked:  # it finds nothing, and before it goes on another has made it
            looked.append(found)
            other = libvirt.open("test:///default")
            other.networkDefineXML(network_xml(spec, driver.definition_uuid(spec))).create()
        return found

    monkeypatch.setattr(driver, "_find", late)
    monkeypatch.setattr(driver, "_stop_and_forget", gone.append)
    make().networks.ensure(spec)
    monkeypatch.undo()
    assert looked == [None] and gone == []
    make().networks.remove(spec.name)
