"""Guests that go from one real host to another while they run: the contract, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("libvirt")

from cm.drivers.libvirt.node import LibvirtNode
from cm.interfaces.node import INode
from cm.rpc.vocabulary import Seen
from lab.hosts import Host, Lab
from tests.contract.hypervisor import eventually
from tests.contract.migrations import MigrationsContract
from tests.support.qemu import OnQemu, answers

pytestmark = pytest.mark.skipif(bool(Lab.missing()), reason="; ".join(Lab.missing()))


class TestQemuMigrations(OnQemu, MigrationsContract):
    @pytest.fixture(scope="class")
    @classmethod
    def hosts(cls, lab: Lab) -> list[Host]:
        return lab.up(2, tcp=True)

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls, hosts: list[Host]) -> Host:
        return hosts[0]

    @pytest.fixture(autouse=True)
    def _target(self, hosts: list[Host]) -> Iterator[None]:
        self._hosts = hosts
        yield
        if hosts[1].libvirtd_pid() is not None:
            hosts[1].resume_libvirtd()
        hosts[1].start_libvirtd()

    def make_other(self) -> INode:
        return LibvirtNode(self._hosts[1].tcp_uri, name="node2", disk_cache="unsafe")

    def way(self) -> str:
        return self._hosts[1].tcp_uri

    def nowhere(self) -> str:
        return f"qemu+tcp://{self._lab.address(77)}/system"

    def test_target_killed(self, holder: INode, other: LibvirtNode, guest: str) -> None:
        """The target's libvirtd dies on the way: the guest stays, and nothing of it runs there."""
        holder.migrations.migrate(self.spec_of(guest, limit_mib_s=1))
        self._hosts[1].kill_libvirtd()
        assert self.ended(holder, guest).error
        assert holder.hypervisor.look(guest).state is Seen.RUNNING
        self._hosts[1].start_libvirtd()
        assert eventually(lambda: answers(other), 20)
        assert eventually(lambda: other.hypervisor.look(guest).state is not Seen.RUNNING, 20)

    def test_source_killed(self, holder: LibvirtNode, other: LibvirtNode, guest: str) -> None:
        """So does the source's: the guest stays."""
        holder.migrations.migrate(self.spec_of(guest, limit_mib_s=1))
        self._hosts[0].kill_libvirtd()
        self._hosts[0].start_libvirtd()
        assert eventually(lambda: answers(holder), 20)
        assert self.ended(holder, guest)
        assert eventually(lambda: holder.hypervisor.look(guest).state is Seen.RUNNING, 20)
        assert eventually(lambda: other.hypervisor.look(guest).state is Seen.ABSENT, 20)
