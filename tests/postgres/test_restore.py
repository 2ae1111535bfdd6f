"""An older dump is restored: what domains hold that it does not know is left alone, and they can be taken in again."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from cm.interfaces.hypervisor import DiskSpec, DomainSpec, NicSpec, VncSpec
from cm.interfaces.source import FileSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import (
    CannotAdopt,
    DomainNotFound,
    InUse,
    InvalidParameter,
    ObjectNotFound,
    QuotaReached,
    RunsElsewhere,
    StorageUnreached,
    VolumeNotFound,
)
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.rules.network import mac_of, tap_of
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, run
from support.wait import until

ADDRESS = "10.128.0.2"  # the first of the pool, which a new VM would get


def address(vm: dict[str, Any]) -> str:
    (lease,) = vm["leases"]
    return str(lease["address"])


class Restored:
    """A cluster of two nodes with a shared storage, and its dump."""

    def __init__(self, postgres: PrivatePostgres, name: str, path: Path) -> None:
        self.postgres, self.name, self.file = postgres, name, path / "wawel_cm.dump"
        self.cloud = MemoryCloud(postgres.url(name), path)
        self.pool = f"wawel-{self.cloud.storage_id}"
        self.nodes = list(self.cloud.memory.values())
        for node in self.nodes:
            export = f"/export/{self.cloud.world}"
            node.pools.attach(StorageSpec(self.pool, StorageKind.NETFS, "/srv/main", "filer", export))
        self.nodes[0].volumes.create_empty(self.pool, "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)

    def shell(self, *argv: str) -> None:
        environment = {**os.environ, "PGHOST": str(self.postgres.socket_dir), "PGUSER": "wawel"}
        subprocess.run(argv, env=environment, check=True, timeout=60)

    def dump(self) -> None:
        self.shell("pg_dump", "--format=custom", f"--file={self.file}", self.name)

    def restore(self) -> None:
        """Stop, put the older state back, start, and wait until every node has had a pass."""
        self.cloud.stop()
        self.shell("dropdb", "--force", self.name)
        self.shell("createdb", self.name)
        self.shell("pg_restore", "--exit-on-error", f"--dbname={self.name}", str(self.file))
        self.cloud.start()
        self.run_pass()

    def run_pass(self) -> None:
        """Until every node has had a pass after this moment."""
        since = self.cloud.sql("SELECT clock_timestamp()")
        self.cloud.sql("UPDATE node SET passed_at = NULL")
        until(lambda: self.cloud.sql("SELECT bool_and(coalesce(seen_at > :s, false)) FROM node", s=since))

    def running(self, **more: Any) -> dict[str, Any]:
        return self.cloud.wait(self.cloud.create(**more)["vm_id"], "running")

    def drift(self, kind: str = "unknown_domain") -> dict[str, Any]:
        return {row["subject"]: row for row in self.cloud.call("admin.drift.get_list", account="admin")
                if row["kind"] == kind}  # fmt: skip


@pytest.fixture
def restored(postgres: PrivatePostgres, tmp_path: Path) -> Iterator[Restored]:
    postgres.create_database("restored", template="wawel_template")
    made = Restored(postgres, "restored", tmp_path)
    yield made
    made.cloud.stop()
    postgres.drop_database("restored")


def test_no_clash(restored: Restored) -> None:
    """VMs that are made after an older dump was restored get numbers, addresses and ports that nobody uses."""
    cloud = restored.cloud
    restored.running(name="before")
    restored.dump()
    since = [restored.running(name=f"since-{n}") for n in range(4)]
    restored.restore()
    assert set(restored.drift()) == {vm["uuid"] for vm in since}
    made = [restored.running(name=f"after-{n}") for n in range(4)]
    assert {vm["vm_id"] for vm in made}.isdisjoint(vm["vm_id"] for vm in since)
    assert {address(vm) for vm in made}.isdisjoint(address(vm) for vm in since)
    hypervisors = [node.hypervisor for node in restored.nodes]
    descriptions = [each.describe(domain.uuid) for each in hypervisors for domain in each.domains()]
    for number, node in enumerate(restored.nodes, start=1):
        ports = [port for domain in node.hypervisor.domains() for port in node.hypervisor.describe(domain.uuid).ports]
        assert ports and len(set(ports)) == len(ports), f"on node {number}"
    macs = [nic.mac for each in descriptions for nic in each.nics]
    assert len(macs) == 9 and len(set(macs)) == 9
    assert cloud.leaks() == []


def foreign(node: Any, **changes: Any) -> DomainSpec:
    """A domain on a node that Wawel has no record of."""
    key = str(uuid.uuid4())
    first = IPv4Address(ADDRESS)
    spec = DomainSpec(
        name="vm-500",
        uuid=key,
        title="foreign",
        vcpus=1,
        memory_mib=128,
        disks=(DiskSpec(FileSource(f"/srv/main/vm-{key}-root.qcow2"), DiskFormat.QCOW2, "vda"),),
        nics=(NicSpec("wawel-net", mac_of(first), tap_of(first)),),
        vnc=VncSpec("192.0.2.1", 5900, "secret"),
        console_log=f"/srv/main/vm-{key}-console.log",
    )
    spec = replace(spec, **changes)
    node.hypervisor.define(spec)
    return spec


def test_held(restored: Restored) -> None:
    """What an unknown domain holds is claimed for as long as it exists, also while it is off, and free afterwards."""
    cloud, node = restored.cloud, restored.nodes[0]
    spec = foreign(node)
    restored.run_pass()
    assert cloud.sql("SELECT count(*) FROM unknown_domain WHERE name = 'vm-500' AND 5900 = ANY(ports)") == 1
    vms = [restored.running(name=f"vm{n}") for n in range(2)]
    assert min(vm["vm_id"] for vm in vms) > 500
    assert ADDRESS not in {address(vm) for vm in vms}
    here = [d for d in node.hypervisor.domains() if d.uuid != spec.uuid]
    assert [node.hypervisor.describe(domain.uuid).ports for domain in here] == [(5901,)]
    node.hypervisor.undefine(spec.uuid)
    restored.run_pass()
    assert cloud.sql("SELECT count(*) FROM unknown_domain") == 0
    assert address(restored.running(name="last")) == ADDRESS


def test_lease_held(restored: Restored) -> None:
    """A stopped VM is not started while an unknown domain has its address: two guests would have it."""
    cloud = restored.cloud
    vm = restored.running()
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    assert address(vm) == ADDRESS
    spec = foreign(restored.nodes[0])
    restored.run_pass()
    cloud.call("user.vm.start", [vm["vm_id"]])
    assert "vm-500" in cloud.wait(vm["vm_id"], "error")["error"]
    restored.nodes[0].hypervisor.undefine(spec.uuid)
    restored.run_pass()
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")


def test_started_since(restored: Restored) -> None:
    """A VM that the dump has as stopped and that runs is not started a second time: two would write its disk."""
    cloud = restored.cloud
    vm = restored.running()
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    restored.dump()
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    restored.restore()
    operation = cloud.call("user.vm.start", [vm["vm_id"]])["operation_id"]
    told = until(lambda: cloud.call("admin.operation.get", [operation], account="admin")["admin_text"])
    assert "must not run twice" in told
    assert sum(domain.uuid == vm["uuid"] for node in restored.nodes for domain in node.hypervisor.domains()) == 1


def test_volumes(restored: Restored) -> None:
    """The pass over storages deletes nothing that an unknown domain uses or that another volume stands on."""
    cloud, node = restored.cloud, restored.nodes[0]
    image, key = "image-00000000-0000-4000-8000-000000000001.qcow2", "00000000-0000-4000-8000-000000000002"
    disk, late = f"vm-{key}-root.qcow2", "vm-00000000-0000-4000-8000-000000000003-root.qcow2"
    node.volumes.create_empty(restored.pool, image, DiskFormat.QCOW2, 2**20)
    for overlay in (disk, late):
        node.volumes.create_overlay(restored.pool, overlay, image, DiskFormat.QCOW2, 2**20)
    # All three are volumes of what ended, as far as the records go.
    closed = "INSERT INTO vm (uuid, name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret,"
    closed += " closed_at) VALUES (:u, 'x', :a, :i, :t, gen_random_uuid(), 1, 1, 'x', now() - interval '1 hour')"
    for ended in (key, late[3:39]):
        cloud.sql(closed, u=ended, a=cloud.user_id, i=cloud.image_id, t=cloud.template_id)
    cloud.image(image, uuid=image[6:42], state="deleted")
    foreign(node, disks=(DiskSpec(FileSource(f"/srv/main/{disk}"), DiskFormat.QCOW2, "vda"),))
    restored.run_pass()
    run(cloud.manager.reconciler.check_storages)
    assert {image, disk} <= {volume.name for volume in node.volumes.list_all(restored.pool)}
    assert late not in {volume.name for volume in node.volumes.list_all(restored.pool)}
    found = restored.drift("leaked_volume")
    assert "vm-500" in found[f"{restored.pool}/{disk}"]["proposal"]
    assert "overlay" in found[f"{restored.pool}/{image}"]["proposal"]


def test_image_kept(restored: Restored) -> None:
    """An image on which an unknown domain's disk stands is not deleted until that domain is gone."""
    cloud, node = restored.cloud, restored.nodes[0]
    spec = foreign(node, name="strange", nics=(), vnc=None)
    own = f"vm-{spec.uuid}-root.qcow2"
    node.volumes.create_overlay(restored.pool, own, "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)
    node.hypervisor.start(spec.uuid)
    restored.run_pass()
    cloud.call("admin.system_image.delete", [cloud.image_id], account="admin")
    operation = cloud.sql("SELECT max(id) FROM operation WHERE kind = 'image_delete'")
    told = until(lambda: cloud.call("admin.operation.get", [operation], account="admin")["admin_text"])
    assert "strange" in told and node.volumes.find(restored.pool, "image-1.qcow2") is not None
    node.hypervisor.destroy(spec.uuid)
    node.hypervisor.undefine(spec.uuid)
    restored.run_pass()
    until(lambda: node.volumes.find(restored.pool, "image-1.qcow2") is None)


# ------------------------------------------------------------------ adopting


def adopt(restored: Restored, vm: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Take a VM's domain in again, through the node that has it."""
    cloud = restored.cloud
    node_id = next(
        number
        for number, node in cloud.memory.items()
        if vm["uuid"] in {domain.uuid for domain in node.hypervisor.domains()}
    )
    values = {"node_id": node_id, "uuid": vm["uuid"], "user_id": cloud.user_id, **more}
    made: dict[str, Any] = cloud.call("admin.vm.adopt", values, account="admin")
    return made


def test_adopt(restored: Restored) -> None:
    """A domain is taken in as the VM that it was, untouched, with all that it holds; it lives and ends as any VM."""
    cloud = restored.cloud
    restored.dump()
    vm = restored.running(name="made since")
    restored.restore()
    calls = [len(node.calls) for node in restored.nodes]
    made = adopt(restored, vm)
    changing = {"define", "start", "destroy", "undefine", "reset", "delete"}
    assert not changing & {call for node, n in zip(restored.nodes, calls, strict=True) for call in node.calls[n:]}
    assert (made["vm_id"], made["uuid"], made["name"]) == (vm["vm_id"], vm["uuid"], vm["name"])
    now = cloud.wait(vm["vm_id"], "running")
    kept = ("leases", "node", "cpu", "memory_mib", "image_id", "template_id")
    assert {name: now[name] for name in kept} == {name: vm[name] for name in kept}
    assert cloud.leaks() == []
    restored.run_pass()
    assert restored.drift() == {} and cloud.sql("SELECT count(*) FROM unknown_domain") == 0
    run(cloud.manager.reconciler.check_storages)
    assert restored.drift("leaked_volume") == {}
    assert cloud.sql("SELECT count(*) FROM audit WHERE method = 'admin.vm.adopt'") == 1
    # Its screen's password, which nobody here knows, is good for nothing any more.
    port = cloud.sql("SELECT port FROM vnc_port WHERE vm_id = :v", v=vm["vm_id"])
    node = next(node for node in restored.nodes if vm["uuid"] in {domain.uuid for domain in node.hypervisor.domains()})
    until(lambda: not cloud.sql("SELECT count(*) FROM operation WHERE finished_at IS NULL"))
    assert (node.vnc_of(vm["uuid"]).port, node.vnc_of(vm["uuid"]).enabled) == (port, False)
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    assert {volume.name for volume in node.volumes.list_all(restored.pool)} == {"image-1.qcow2"} and cloud.leaks() == []


def test_adopt_others(restored: Restored) -> None:
    """One that is off becomes a stopped VM, a paused one a paused VM; disks and ISOs of the records stay attached."""
    cloud = restored.cloud
    disk = cloud.image("data.raw", kind="storage", name="d", format="raw", size_bytes=2**20)
    restored.nodes[0].volumes.create_empty(restored.pool, "data.raw", DiskFormat.RAW, 2**20)
    restored.dump()
    off, paused = restored.running(name="off"), restored.running(name="paused", disk_list=[disk])
    cloud.call("user.vm.pause", [paused["vm_id"]])
    cloud.wait(paused["vm_id"], "paused")
    cloud.stop()
    hypervisors = [node.hypervisor for node in restored.nodes]
    next(each for each in hypervisors if off["uuid"] in {d.uuid for d in each.domains()}).destroy(off["uuid"])
    restored.restore()
    for vm in (off, paused):
        adopt(restored, vm)
    cloud.wait(off["vm_id"], "stopped")
    cloud.wait(paused["vm_id"], "paused")
    assert cloud.sql("SELECT device FROM attachment a JOIN disk k ON k.id = a.disk_id"
                     " WHERE a.vm_id = :v AND k.image_id = :i",
                     v=paused["vm_id"], i=disk) == "vdb"  # fmt: skip
    assert cloud.leaks() == []
    assert off["uuid"] not in {d.uuid for node in restored.nodes for d in node.hypervisor.domains()}
    cloud.call("user.vm.start", [off["vm_id"]])
    cloud.wait(off["vm_id"], "running")
    cloud.call("user.vm.resume", [paused["vm_id"]])
    cloud.wait(paused["vm_id"], "running")


def test_adopt_back(restored: Restored) -> None:
    """A VM that the dump has as stopped, or on another node, is placed where its domain is."""
    cloud = restored.cloud
    stopped, moved = restored.running(name="stopped"), restored.running(name="moved")
    cloud.call("user.vm.stop", [stopped["vm_id"]])
    cloud.wait(stopped["vm_id"], "stopped")
    first = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=moved["vm_id"])
    restored.dump()
    cloud.call("user.vm.start", [stopped["vm_id"]])
    cloud.wait(stopped["vm_id"], "running")
    cloud.call("admin.node.evacuate", [first], account="admin")
    cloud.wait(moved["vm_id"], "running")
    restored.restore()
    for vm in (stopped, moved):
        assert vm["uuid"] in restored.drift()
        with pytest.raises(InvalidParameter):
            adopt(restored, vm, user_id=cloud.other_id)
        adopt(restored, vm)
    for vm in (stopped, moved):
        cloud.wait(vm["vm_id"], "running")
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=moved["vm_id"]) != first
    restored.run_pass()
    assert restored.drift() == {} and restored.drift("missing_domain") == {} and cloud.leaks() == []


def test_adopt_elsewhere(restored: Restored) -> None:
    """A VM whose own node still has its domain is not placed elsewhere."""
    cloud = restored.cloud
    vm = restored.running()
    here = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm["vm_id"])
    (there,) = [node_id for node_id in cloud.memory if node_id != here]
    told = cloud.memory[here].world.domains[vm["uuid"]].spec
    cloud.memory[there].hypervisor.define(told)
    with pytest.raises(RunsElsewhere):
        cloud.call("admin.vm.adopt", [there, vm["uuid"], cloud.user_id], account="admin")
    with pytest.raises(CannotAdopt):
        cloud.call("admin.vm.adopt", [here, vm["uuid"], cloud.user_id], account="admin")
    assert cloud.wait(vm["vm_id"], "running")["node"] == cloud.vm(vm["vm_id"])["node"] and cloud.leaks() == []


def test_adopt_quota(restored: Restored) -> None:
    """A quota refuses, and is exceeded by ``force`` alone; a locked and full node does not, since it is there."""
    cloud = restored.cloud
    restored.dump()
    vm = restored.running()
    restored.restore()
    cloud.sql("UPDATE account SET quota_vms = 0 WHERE id = :u", u=cloud.user_id)
    cloud.sql("UPDATE node SET locked = true, memory_mib_total = 1")
    with pytest.raises(QuotaReached):
        adopt(restored, vm)
    assert cloud.leaks() == []
    adopt(restored, vm, force=True)
    cloud.wait(vm["vm_id"], "running")
    assert cloud.leaks() == []


def test_adopt_refused(restored: Restored) -> None:
    """What Wawel did not make, and what would clash, is refused with the reason, and changes nothing."""
    cloud, node = restored.cloud, restored.nodes[0]
    node_id = cloud.node_ids[0]

    def refused(error: type[Exception], words: str, uuid: str, **more: Any) -> None:
        before = cloud.sql("SELECT count(*) FROM vm"), cloud.leaks()
        with pytest.raises(error, match=words):
            cloud.call("admin.vm.adopt", {"node_id": node_id, "uuid": uuid, "user_id": cloud.user_id, **more},
                       account="admin")  # fmt: skip
        assert (cloud.sql("SELECT count(*) FROM vm"), cloud.leaks()) == before

    def domain(**changes: Any) -> str:
        """A foreign domain with a volume of its own; its uuid."""
        spec = foreign(node, **changes)
        if not changes.get("disks"):
            own = f"vm-{spec.uuid}-root.qcow2"
            node.volumes.create_overlay(restored.pool, own, "image-1.qcow2", DiskFormat.QCOW2, 2**26)
        return spec.uuid

    refused(DomainNotFound, "domain", str(uuid.uuid4()))
    refused(InvalidParameter, "uuid", "x" * 36)

    def disk(path: str) -> tuple[DiskSpec]:
        return (DiskSpec(FileSource(path), DiskFormat.QCOW2, "vda"),)

    refused(CannotAdopt, "vm-NUMBER", domain(name="web"))
    refused(CannotAdopt, "in no storage", domain(name="vm-601", disks=disk("/a/b")))
    refused(CannotAdopt, "no disk", domain(name="vm-602", disks=disk("/srv/main/b")))
    refused(CannotAdopt, "no template", domain(name="vm-603", memory_mib=129))
    refused(CannotAdopt, "MAC", domain(name="vm-604", nics=(NicSpec("n", "52:54:00:00:00:01", "tap0"),)))
    late = IPv4Address("192.0.2.77")
    refused(CannotAdopt, "no network", domain(name="vm-605", nics=(NicSpec("n", mac_of(late), tap_of(late)),)))
    spec = foreign(node, name="vm-606")
    refused(VolumeNotFound, "volume", spec.uuid)
    node.volumes.create_empty(restored.pool, "image-lost.qcow2", DiskFormat.QCOW2, 2**20)
    lost = foreign(node, name="vm-607", nics=(), vnc=None).uuid
    node.volumes.create_overlay(restored.pool, f"vm-{lost}-root.qcow2", "image-lost.qcow2", DiskFormat.QCOW2, 2**20)
    refused(CannotAdopt, "no record", lost)
    refused(ObjectNotFound, "image", lost, image_id=10**6)
    cloud.call("admin.node.lock", [node_id], account="admin")
    restored.run_pass()  # the VM shall get an address that none of these domains has
    vm = restored.running()
    refused(InUse, "number", domain(name=f"vm-{vm['vm_id']}", nics=(), vnc=None))
    port = cloud.sql("SELECT port FROM vnc_port WHERE node_id = :n ORDER BY port DESC LIMIT 1", n=node_id)
    cloud.sql("UPDATE vnc_port SET reserved_for = :v WHERE node_id = :n AND port = :p",
              v=vm["vm_id"], n=node_id, p=port)  # fmt: skip
    refused(InUse, "port", domain(name="vm-711", nics=(), vnc=VncSpec("192.0.2.1", port, "secret")))
    cloud.sql("UPDATE vnc_port SET reserved_for = NULL")
    taken = IPv4Address(address(vm))
    refused(InUse, "address", domain(name="vm-708", nics=(NicSpec("n", mac_of(taken), tap_of(taken)),)))
    refused(ObjectNotFound, "account", domain(name="vm-709", nics=(), vnc=None), user_id=10**6)
    refused(ObjectNotFound, "template", domain(name="vm-710", nics=(), vnc=None), template_id=10**6)
    made = cloud.call("admin.vm.adopt", [node_id, lost, cloud.user_id, "found again", cloud.image_id], account="admin")
    assert (made["vm_id"], made["name"]) == (607, "found again")
    cloud.wait(607, "stopped")
    assert cloud.leaks() == []


def test_storage_check(restored: Restored) -> None:
    """The pass over a storage can be asked for: what it deleted and what it found is told, and is in the ledger."""
    cloud = restored.cloud
    vm = restored.running()
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    cloud.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour'")
    leftover, strange = f"vm-{vm['uuid']}-root.qcow2", f"vm-{uuid.uuid4()}-root.qcow2"
    for volume in (leftover, strange):
        restored.nodes[0].volumes.create_empty(restored.pool, volume, DiskFormat.QCOW2, 2**20)
    told = cloud.call("admin.storage.check", [cloud.storage_id], account="admin")
    assert told["deleted"] == [leftover]
    assert [found["subject"] for found in told["findings"]] == [f"{restored.pool}/{strange}"]
    assert set(restored.drift("leaked_volume")) == {f"{restored.pool}/{strange}"}
    cloud.sql("DELETE FROM storage_attachment")
    with pytest.raises(StorageUnreached):
        cloud.call("admin.storage.check", [cloud.storage_id], account="admin")
    with pytest.raises(ObjectNotFound):
        cloud.call("admin.storage.check", [10**6], account="admin")


@pytest.mark.parametrize("directory", ["", "0f3a5b"])
def test_adopt_variables(restored: Restored, directory: str) -> None:
    """What UEFI keeps of it is known to be where it is: where all have theirs, or in a directory of its own."""
    cloud = restored.cloud
    for node_id in cloud.node_ids:
        cloud.call("admin.node.check", [node_id], account="admin")  # which tells that it offers UEFI
    restored.dump()
    vm = restored.running(firmware="uefi")
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.sql("UPDATE vm SET nvram_directory = :d WHERE id = :v", d=directory, v=vm["vm_id"])
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    restored.restore()
    adopt(restored, vm)
    where = "SELECT nvram_storage_id || ' ' || nvram_directory FROM vm WHERE id = :v"
    assert cloud.sql(where, v=vm["vm_id"]) == f"{cloud.storage_id} {directory}"
