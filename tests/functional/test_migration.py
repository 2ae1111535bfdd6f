"""Guests that go from one real host to another while they run: the contract, and what goes wrong on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("libvirt")

from cm.drivers.libvirt.node import LibvirtNode
from cm.interfaces.node import INode
from cm.rpc.vocabulary import Seen
from lab.cloud import Cloud
from lab.hosts import Host, Lab
from lab.nodes import RealNode
from tests.contract.hypervisor import eventually
from tests.contract.migrations import MigrationsContract
from tests.support.qemu import OnTwoQemu, answers

pytestmark = pytest.mark.skipif(bool(Lab.missing()), reason="; ".join(Lab.missing()))


class TestQemuMigrations(OnTwoQemu, MigrationsContract):
    @pytest.fixture(autouse=True)
    def _target(self, hosts: list[Host]) -> Iterator[None]:
        yield
        if hosts[1].libvirtd_pid() is not None:
            hosts[1].resume_libvirtd()
        hosts[1].start_libvirtd()

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


class Pings:
    """From a host to a guest's address, five in a second, for as long as this is."""

    def __init__(self, node: RealNode, address: str) -> None:
        self._process = node.host.popen(["ping", "-n", "-D", "-i", "0.2", "-W", "1", address], stdout=-1, stderr=-3)

    def answered(self) -> list[float]:
        """When they were, once it is over."""
        self._process.send_signal(2)
        told = self._process.communicate(timeout=20)[0].decode()
        return [float(line[1 : line.index("]")]) for line in told.splitlines() if "bytes from" in line]


def over(cloud: Cloud, operation_id: int, deadline_s: float = 120.0) -> dict[str, Any]:
    end = time.monotonic() + deadline_s
    while not (found := cloud.admin.call("admin.operation.get", {"operation_id": operation_id}))["finished"]:
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return dict(found)


def test_cloud(shared_cloud: Cloud) -> None:
    """
    A guest goes to the other host and back under pings from both, with its address, its metadata and its console; one
    is ended on its way, and one fails as its target's libvirtd dies. Hosts share their paths, so that the one reaches
    the other's libvirtd by its socket.
    """
    cloud = shared_cloud
    nodes = {node.node_id: node for node in cloud.nodes if isinstance(node, RealNode)}
    for node_id, node in nodes.items():
        cloud.admin.call("admin.node.edit", {"node_id": node_id, "migration_uri": node.uri})
    vm_id = cloud.create(name="goer", on_poweroff="stop")["vm_id"]
    try:
        address = cloud.wait_running(vm_id)["leases"][0]["address"]

        def place() -> int:
            asked = f"SELECT node_id FROM vm WHERE id = {vm_id} AND node_claimed AND moves_to IS NULL"
            return int(cloud.sql(asked)[0][0])

        first = place()
        other = next(node_id for node_id in nodes if node_id != first)
        uuid = cloud.vm(vm_id)["uuid"]

        def runs_on() -> list[int]:
            found = []
            for node_id, node in nodes.items():
                connection = node.open()
                found += [node_id for domain in connection.listAllDomains(1) if domain.UUIDString() == uuid]
                connection.close()
            return found

        pings = {node_id: Pings(node, address) for node_id, node in nodes.items()}
        time.sleep(1)
        moved = cloud.admin.call("admin.vm.migrate", {"vm_id": vm_id})
        assert (moved["how"], moved["node_id"]) == ("live", other)
        done = over(cloud, moved["operation_id"])
        assert done["state"] == "done", done
        cloud.wait_running(vm_id)
        assert runs_on() == [other] == [place()]
        time.sleep(2)
        before, after = pings[first].answered(), pings[other].answered()
        assert before and after and before[-1] < after[0], "it answered at the one, then at the other"
        asked = {"vm_id": vm_id, "node_id": first, "limit_mib_s": 1}
        under_way = cloud.admin.call("admin.vm.migrate", asked)
        cloud.admin.call("admin.vm.abort_migration", {"vm_id": vm_id})
        ended = over(cloud, under_way["operation_id"])
        assert (ended["state"], ended["error"]) == ("failed", "migration_failed") and "ended it" in ended["text"]
        assert runs_on() == [other]
        under_way = cloud.admin.call("admin.vm.migrate", asked)
        assert eventually(lambda: "MiB" in cloud.admin.call(
            "admin.operation.get", {"operation_id": under_way["operation_id"]})["waiting_for"], 60)  # fmt: skip
        nodes[first].restart_libvirtd()
        ended = over(cloud, under_way["operation_id"])
        assert (ended["state"], ended["error"]) == ("failed", "migration_failed"), ended
        assert runs_on() == [other] == [place()]
        back = cloud.admin.call("admin.vm.migrate", {"vm_id": vm_id, "node_id": first})
        assert over(cloud, back["operation_id"])["state"] == "done" and runs_on() == [first]
    finally:
        cloud.user.call("user.vm.destroy", {"vm_ids": [vm_id]})
        cloud.wait_for(vm_id, "destroyed")
        for node_id in nodes:
            cloud.admin.call("admin.node.edit", {"node_id": node_id, "migration_uri": ""})
    assert cloud.check_leaks() == []
