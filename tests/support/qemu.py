"""Real QEMU for functional tests: a lab host, a driver of it, a storage and domains that are removed afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cm.drivers.libvirt.node import LibvirtNode
from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.node import INode
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import NodeUnreachable
from cm.rpc.vocabulary import StorageKind
from lab.hosts import Host, Lab
from tests.contract.hypervisor import domain_spec, eventually


def new_storage(lab: Lab) -> StorageSpec:
    name = f"contract-{uuid.uuid4().hex[:8]}"
    return StorageSpec(name, StorageKind.DIR, f"{lab.shared_dir}/{name}")


def answers(node: LibvirtNode) -> bool:
    try:
        node.hypervisor.domains()
    except NodeUnreachable:
        return False
    return True


class QemuTests:
    """A base class that brings the fixtures; each test class has a lab of its own."""

    @pytest.fixture(scope="class")
    @classmethod
    def lab(cls) -> Iterator[Lab]:
        with Lab() as made:
            yield made

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls, lab: Lab) -> Host:
        return lab.up(1, tcp=True)[0]

    @pytest.fixture(autouse=True)
    def healthy(self, host: Host) -> Iterator[None]:
        """Whatever a test did to libvirtd, the next one finds it running."""
        yield
        if host.libvirtd_pid() is not None:
            host.resume_libvirtd()
        host.start_libvirtd()

    @pytest.fixture()
    def node(self, host: Host) -> Iterator[LibvirtNode]:
        made = LibvirtNode(host.tcp_uri, name="node1", disk_cache="unsafe")
        yield made
        made.close()

    @pytest.fixture()
    def storage(self, lab: Lab, node: LibvirtNode) -> Iterator[StorageSpec]:
        spec = new_storage(lab)
        node.pools.attach(spec)
        yield spec
        for volume in node.volumes.list_all(spec.name):
            node.volumes.delete(spec.name, volume.name)
        node.pools.detach(spec.name)

    @pytest.fixture()
    def domain(self, node: LibvirtNode) -> Iterator[Callable[..., DomainSpec]]:
        """Defines and starts a domain; it is removed afterwards."""
        made: list[str] = []

        def start(**changes: Any) -> DomainSpec:
            spec = domain_spec(**changes)
            made.append(spec.uuid)
            node.hypervisor.define(spec)
            node.hypervisor.start(spec.uuid)
            return spec

        yield start
        for each in made:
            eventually(lambda: answers(node))
            node.hypervisor.destroy(each)
            node.hypervisor.undefine(each)


class OnQemu(QemuTests):
    """Says how a contract's subject is made."""

    @pytest.fixture(autouse=True)
    def _surroundings(self, host: Host, lab: Lab) -> None:
        self._host, self._lab = host, lab

    def make(self) -> Any:
        return LibvirtNode(self._host.tcp_uri, name="node1", disk_cache="unsafe")

    def storage(self) -> StorageSpec:  # type: ignore[override]
        return new_storage(self._lab)

    def active(self, name: str) -> bool:
        connection = self._host.open()
        try:
            return name in connection.listNetworks()
        finally:
            connection.close()


class OnTwoQemu(OnQemu):
    """As ``OnQemu``, on the first of two hosts, for contracts of which the second is the other node."""

    @pytest.fixture(scope="class")
    @classmethod
    def hosts(cls, lab: Lab) -> list[Host]:
        return lab.up(2, tcp=True)

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls, hosts: list[Host]) -> Host:
        return hosts[0]

    @pytest.fixture(autouse=True)
    def _both(self, hosts: list[Host]) -> None:
        self._hosts = hosts

    def make_other(self) -> INode:
        return LibvirtNode(self._hosts[1].tcp_uri, name="node2", disk_cache="unsafe")
