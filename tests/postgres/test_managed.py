"""
The managed-node model (seed 001): every property and method, on libvirt's test driver, by the wire's names; what is
ours, hostile definitions, nodes that fall silent and adoption on nodes in memory.
"""

# What is tested imports libvirt; without it all of this is skipped, which has to be said before.
# ruff: noqa: E402

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

libvirt = pytest.importorskip("libvirt")

from cm.rpc.errors import (
    AlreadyRestored,
    CloudError,
    InUse,
    InvalidParameter,
    IsOurs,
    LibvirtError,
    NodeUnreachable,
    NotSupported,
    ObjectNotFound,
    ReachesHost,
)
from cm.rpc.vocabulary import DiskFormat
from cm.rules.names import root_volume
from cm.store.feed import read_changes
from support.cloud import MemoryCloud, at_database
from tests.contract.managed import domain_xml, pool_xml, volume_xml


class Bench:
    """A cluster of two memory nodes and one of libvirt's test driver, looked at all the time."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        self.node_id: int = cloud.sql(
            "INSERT INTO node (name, address, uri, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit,"
            " state) VALUES ('tested', '192.0.2.9', 'test:///default', 16, 16384, 4, 1, 'init') RETURNING id"
        )
        self.libvirt = libvirt.open("test:///default")
        self.cloud.until(lambda: self.lookup("node", hostname=os.uname().nodename), "a look at the node")

    def call(self, method: str, **params: Any) -> Any:
        return self.cloud.call(f"admin.{method}", params, account="admin")

    def lookup(self, noun: str, **params: Any) -> list[dict[str, Any]]:
        return [each for each in self.call(f"{noun}.lookup", **params) if not each["stale"]]

    def one(self, noun: str, **params: Any) -> dict[str, Any]:
        (found,) = self.lookup(noun, **params)
        return found

    def domain(self, domain: str) -> dict[str, Any]:
        return self.call("domain.get", domain=domain)

    def state(self, domain: str) -> str:
        return self.domain(domain)["domain_info"]["state"]

    def define(self, node_id: int | None = None, kind: str = "test", **more: Any) -> str:
        identity = str(uuid.uuid4())
        values = {"node_id": node_id or self.node_id, "xml_desc": domain_xml(kind, f"d-{identity[:8]}", identity)}
        return self.call("node.define_domain_xml", **{**values, **more})["domain"]

    def pool(self, *, node_id: int | None = None, start: bool = True, kind: str = "dir", **more: Any) -> str:
        identity = str(uuid.uuid4())
        xml = pool_xml(f"p-{identity[:8]}", identity, f"/srv/p-{identity[:8]}", kind)
        node_id = node_id or self.node_id
        pool = self.call("node.storage_pool_define_xml", node_id=node_id, xml_desc=xml, **more)["pool"]
        if start:
            self.call("pool.create", pool=pool)
        return pool

    def refused(self, code: int, method: str, **params: Any) -> None:
        with pytest.raises(LibvirtError) as refusal:
            self.call(method, **params)
        told = refusal.value.details()
        assert told["libvirt_code"] == code and told["libvirt_domain"] > 0 and told["reason"], told

    def changes(self, kind: str, number: int) -> list[Any]:
        rows = self.cloud.manager.database.read_now(read_changes, (0, 0), 10_000)
        return [row for row in rows if (row.kind, row.object_id) == (kind, number)]


@pytest.fixture(scope="module")
def bench(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with at_database(postgres, tmp_path_factory, "managed", objects_s=0.3) as cloud:
        yield Bench(cloud)


# ------------------------------------------------------------------ properties


def test_node(bench: Bench) -> None:
    """Node and NodeInfo have what libvirt says; a node is found by each of its properties."""
    real = bench.libvirt
    node = bench.one("node", hostname=real.getHostname())
    assert bench.call("node.get", node_id=bench.node_id) == node
    assert (node["node_id"], node["type"], node["uri"]) == (bench.node_id, real.getType(), real.getURI())
    assert (node["version_number"], node["libvirt_version_number"]) == (real.getVersion(), real.getLibVersion())
    for name in ("version", "libvirt_version"):
        major, minor, release = map(int, node[name].split("."))
        assert major * 1_000_000 + minor * 1_000 + release == node[f"{name}_number"]
    model, memory_mib, *numbers = real.getInfo()
    info = node["host_info"]
    assert (info["model"], info["memory"]) == (model, memory_mib * 1024)  # KB, of libvirt's MiB
    assert [info[name] for name in ("cpus", "mhz", "nodes", "sockets", "cores", "threads")] == numbers
    for name in ("type", "version", "uri", "libvirt_version"):
        assert node in bench.lookup("node", **{name: node[name]})
        assert bench.lookup("node", **{name: "other"}) == []


def test_free_memory(bench: Bench) -> None:
    """KB, of libvirt's bytes."""
    free = bench.call("node.get_free_memory", node_id=bench.node_id)
    assert free == {"result": bench.libvirt.getFreeMemory() // 1024}
    with pytest.raises(ObjectNotFound):
        bench.call("node.get_free_memory", node_id=10**9)


def test_domain_properties(bench: Bench) -> None:
    """Domain and DomainInfo, in KB and ns; found by uuid, name and id; its node is a reference."""
    domain = bench.define()
    bench.call("domain.create", domain=domain)
    seen = bench.domain(domain)
    real = bench.libvirt.lookupByUUIDString(seen["uuid"])
    assert (seen["object_id"], seen["name"], seen["id"]) == (domain, real.name(), str(real.ID()))
    assert (seen["node"], seen["persistent"], seen["vm_id"]) == (bench.node_id, True, None)
    info, (_, maximum, memory, vcpus, _) = seen["domain_info"], real.info()
    assert (info["maximum_memory"], info["memory"], info["num_vcpus"]) == (maximum, memory, vcpus)
    assert isinstance(info["cpu_time"], int) and (info["state"], info["reason"]) == ("running", "booted")
    for name in ("uuid", "name", "id"):
        assert [each["object_id"] for each in bench.lookup("domain", **{name: seen[name]})] == [domain]
    assert domain in {each["object_id"] for each in bench.lookup("domain", node_id=seen["node"], state="running")}
    with pytest.raises(ObjectNotFound):
        bench.domain(f"domain:{bench.node_id}:{uuid.uuid4()}")
    page = bench.call("domain.lookup", limit=1)
    assert bench.call("domain.lookup", after=page[0]["feed_id"], limit=1) != page
    for wrong in ("3", "domain:3:x", f"pool:3:{uuid.uuid4()}", f"domain:0:{uuid.uuid4()}", domain + "x"):
        with pytest.raises(InvalidParameter):
            bench.domain(wrong)


# ------------------------------------------------------------------ a domain's methods


def test_domain_methods(bench: Bench) -> None:
    """define_domain_xml, create, suspend, resume, reboot, shutdown, destroy, xml_desc, undefine; each seen at once."""
    domain = bench.define()
    assert (bench.state(domain), bench.domain(domain)["id"]) == ("shutoff", "-1")
    bench.call("domain.create", domain=domain)
    first = bench.domain(domain)["id"]
    bench.call("domain.suspend", domain=domain)
    assert bench.state(domain) == "suspended"
    bench.call("domain.resume", domain=domain)
    bench.call("domain.reboot", domain=domain)
    bench.call("domain.shutdown", domain=domain)
    if bench.state(domain) == "shutoff":
        bench.call("domain.create", domain=domain)
    bench.call("domain.destroy", domain=domain)
    assert bench.state(domain) == "shutoff"
    bench.call("domain.create", domain=domain)
    assert bench.domain(domain)["id"] not in (first, "-1")
    told = bench.call("domain.xml_desc", domain=domain)["description"]
    assert told == bench.libvirt.lookupByUUIDString(bench.domain(domain)["uuid"]).XMLDesc()
    bench.call("domain.undefine", domain=domain)
    assert (bench.state(domain), bench.domain(domain)["persistent"]) == ("running", False)
    bench.call("domain.destroy", domain=domain)
    with pytest.raises(ObjectNotFound):
        bench.domain(domain)
    bench.refused(42, "domain.create", domain=domain)
    bench.refused(42, "domain.xml_desc", domain=domain)


def test_define_again(bench: Bench) -> None:
    """The same uuid and name: the same object, as it is defined now. Another uuid of the name: refused by 9."""
    domain = bench.define()
    seen = bench.domain(domain)
    xml = domain_xml("test", seen["name"], seen["uuid"]).replace("<vcpu>2", "<vcpu>3")
    assert bench.call("node.define_domain_xml", node_id=bench.node_id, xml_desc=xml) == {"domain": domain}
    now = bench.domain(domain)
    assert (now["feed_id"], now["domain_info"]["num_vcpus"]) == (seen["feed_id"], 3)
    other = domain_xml("test", seen["name"], str(uuid.uuid4()))
    bench.refused(9, "node.define_domain_xml", node_id=bench.node_id, xml_desc=other)
    without = f"<domain type='test'><name>{seen['name']}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
    bench.refused(9, "node.define_domain_xml", node_id=bench.node_id, xml_desc=without)


def test_save_restore(bench: Bench, tmp_path: Path) -> None:
    """A saved domain is off, for that reason; its file is restored once, unless somebody says that it is right."""
    domain, other, path = bench.define(), bench.define(), str(tmp_path / "managed.save")
    bench.call("domain.create", domain=domain)
    bench.call("domain.save", domain=domain, filename=path)
    try:
        assert (bench.state(domain), bench.domain(domain)["domain_info"]["reason"]) == ("shutoff", "saved")
        with pytest.raises(InvalidParameter):
            bench.call("domain.restore", domain=other, filename=path)
        bench.call("domain.restore", domain=domain, filename=path)
        assert bench.state(domain) == "running"
        bench.call("domain.destroy", domain=domain)
        with pytest.raises(AlreadyRestored):
            bench.call("domain.restore", domain=domain, filename=path)
        bench.call("domain.restore", domain=domain, filename=path, again=True)
        # What libvirt refuses has restored nothing.
        bench.call("domain.save", domain=domain, filename=path)
        bench.call("domain.create", domain=domain)
        with pytest.raises(LibvirtError):
            bench.call("domain.restore", domain=domain, filename=path)
        bench.call("domain.destroy", domain=domain)
        bench.call("domain.restore", domain=domain, filename=path)
    finally:
        os.unlink(path)
    with pytest.raises(InvalidParameter):
        bench.call("domain.save", domain=domain, filename="/etc/passwd")
    with pytest.raises(InUse):
        bench.call("domain.save", domain=domain, filename="/srv/main/image-1.qcow2")


# ------------------------------------------------------------------ pools and volumes


def test_pool_methods(bench: Bench) -> None:
    """Pool's properties, storage_pool_define_xml, create, destroy, xml_desc, delete; the node's transient ones."""
    pool = bench.pool(start=False)
    seen = bench.call("pool.get", pool=pool)
    real = bench.libvirt.storagePoolLookupByUUIDString(seen["uuid"])
    assert (seen["name"], seen["node"], seen["state"]) == (real.name(), bench.node_id, "inactive")
    assert (seen["persistent"], seen["storage_id"]) == (True, None)
    bench.refused(55, "pool.destroy", pool=pool)
    bench.call("pool.create", pool=pool)
    bench.refused(55, "pool.create", pool=pool)
    active = bench.call("pool.get", pool=pool)
    assert [active[name] for name in ("capacity", "allocation", "available")] == real.info()[1:]
    assert active["state"] == "running"
    for name in ("uuid", "name"):
        assert [each["object_id"] for each in bench.lookup("pool", **{name: seen[name]})] == [pool]
    assert bench.call("pool.xml_desc", pool=pool)["description"] == real.XMLDesc(0)
    bench.call("pool.destroy", pool=pool)
    assert bench.call("pool.get", pool=pool)["state"] == "inactive"
    bench.call("pool.create", pool=pool)
    bench.call("pool.delete", pool=pool)
    with pytest.raises(ObjectNotFound):
        bench.call("pool.get", pool=pool)
    bench.refused(49, "pool.create", pool=pool)
    identity = str(uuid.uuid4())
    xml = pool_xml(f"t-{identity[:8]}", identity, f"/srv/t-{identity[:8]}")
    transient = bench.call("node.storage_pool_create_xml", node_id=bench.node_id, xml_desc=xml)["pool"]
    assert bench.call("pool.get", pool=transient)["persistent"] is False
    bench.call("pool.destroy", pool=transient)
    with pytest.raises(ObjectNotFound):
        bench.call("pool.get", pool=transient)


def test_volume_methods(bench: Bench) -> None:
    """create_volume_xml, the three lookups within their pool, Volume's properties and xml_desc."""
    pool, other = bench.pool(), bench.pool()
    volume = bench.call("pool.create_volume_xml", pool=pool, xml_desc=volume_xml("a b:c.raw"))["volume"]
    seen = bench.call("volume.get", volume=volume)
    real = bench.libvirt.storageVolLookupByPath(seen["path"])
    assert (seen["key"], seen["path"], seen["name"]) == (real.key(), real.path(), "a b:c.raw")
    assert (seen["storage_pool"], seen["node"], seen["stale"]) == (pool, bench.node_id, False)
    for name in ("name", "key", "path"):
        asked = {f"volume_{name}": seen[name]}
        assert bench.call(f"pool.lookup_volume_by_{name}", pool=pool, **asked) == {"volume": volume}
        bench.refused(50, f"pool.lookup_volume_by_{name}", pool=other, **asked)
        assert volume in {each["object_id"] for each in bench.lookup("volume", **{name: seen[name]})}
    (listed,) = bench.lookup("volume", pool_uuid=pool.split(":")[2])
    assert listed == seen
    assert bench.call("volume.xml_desc", volume=volume)["description"] == real.XMLDesc(0)
    bench.refused(9, "pool.create_volume_xml", pool=pool, xml_desc=volume_xml("a b:c.raw"))  # 90 of QEMU's driver
    bench.call("pool.destroy", pool=pool)
    assert bench.lookup("volume", pool_uuid=pool.split(":")[2]) == []
    bench.refused(55, "volume.get", volume=volume)
    bench.refused(55, "pool.create_volume_xml", pool=pool, xml_desc=volume_xml("b.raw"))


def test_no_volumes_there(bench: Bench) -> None:
    """A pool of a type that makes no volumes says so, by 3; it is of the host's devices, so somebody has to say it."""
    node_id = bench.cloud.node_ids[0]
    with pytest.raises(ReachesHost):
        bench.pool(node_id=node_id, kind="iscsi")
    pool = bench.pool(node_id=node_id, kind="iscsi", host_access=True)
    bench.refused(3, "pool.create_volume_xml", pool=pool, xml_desc=volume_xml("a.raw"))


def test_address_pools(bench: Bench) -> None:
    """``admin.pool`` is also pools of addresses; which is meant says the parameter, and one of them is."""
    made = bench.call("pool.add", name="managed", network="10.131.0.0/16")
    assert "managed" in {each["name"] for each in bench.call("pool.get_list")}
    pool = bench.pool()
    for wrong in ({}, {"pool_id": made["pool_id"], "pool": pool}):
        with pytest.raises(InvalidParameter):
            bench.call("pool.delete", **wrong)
    bench.call("pool.delete", pool_id=made["pool_id"])
    assert "managed" not in {each["name"] for each in bench.call("pool.get_list")}
    bench.call("pool.delete", pool=pool)


# ------------------------------------------------------------------ out-of-band changes, the feed


def test_out_of_band(bench: Bench) -> None:
    """What others do with libvirt is seen, and told to administrators' feeds and to nobody else's."""
    identity = str(uuid.uuid4())
    real = bench.libvirt.defineXML(domain_xml("test", f"oob-{identity[:8]}", identity))
    bench.cloud.until(lambda: bench.lookup("domain", uuid=identity), "the domain is seen")
    seen = bench.one("domain", uuid=identity)
    real.create()
    bench.cloud.until(lambda: bench.state(seen["object_id"]) == "running", "its start is seen")
    real.destroy()
    bench.cloud.until(lambda: bench.state(seen["object_id"]) == "shutoff", "its end is seen")
    real.undefine()
    bench.cloud.until(lambda: not bench.lookup("domain", uuid=identity), "it is gone")
    rows = bench.changes("managed_domain", seen["feed_id"])
    assert [row.event for row in rows] == ["enter", "change", "change", "exit"]
    assert all(not row.users and not row.groups and not row.public for row in rows)
    path, pool_uuid = f"/srv/oob-{identity[:8]}", str(uuid.uuid4())
    pool = bench.libvirt.storagePoolCreateXML(pool_xml(f"oob-{identity[:8]}", pool_uuid, path))
    bench.cloud.until(lambda: bench.lookup("pool", uuid=pool_uuid), "the pool is seen")
    pool.createXML(volume_xml("x.raw"))
    bench.cloud.until(lambda: bench.lookup("volume", path=f"{path}/x.raw"), "the volume is seen")
    volume = bench.one("volume", path=f"{path}/x.raw")
    (row,) = bench.changes("managed_volume", volume["feed_id"])
    assert (row.event, row.uuid) == ("enter", None) and volume["object_id"] in row.object
    pool.destroy()
    bench.cloud.until(lambda: not bench.lookup("pool", uuid=pool_uuid), "the pool is gone")
    assert [row.event for row in bench.changes("managed_volume", volume["feed_id"])] == ["enter", "exit"]


def test_counters_are_no_change(bench: Bench) -> None:
    """How long a domain ran is looked at all the time, and told to nobody."""
    domain = bench.define()
    bench.call("domain.create", domain=domain)
    seen = bench.domain(domain)
    bench.cloud.until(
        lambda: bench.domain(domain)["domain_info"]["cpu_time"] > seen["domain_info"]["cpu_time"], "it goes on"
    )
    assert len(bench.changes("managed_domain", seen["feed_id"])) == 2  # that it came, and that it was started


def test_stale(bench: Bench) -> None:
    """A node that does not answer keeps its objects, marked; it is back with what is there by then."""
    node_id = bench.cloud.node_ids[1]
    memory = bench.cloud.memory[node_id]
    kept, gone = (bench.define(node_id, "memory") for _ in range(2))
    memory.unreachable = True
    try:
        for noun in ("domain", "pool"):
            found = bench.cloud.until(
                lambda noun=noun: all(each["stale"] for each in bench.call(f"{noun}.lookup", node_id=node_id)),
                "they are stale",
            )
            assert found is None and bench.call(f"{noun}.lookup", node_id=node_id)
        assert bench.call("node.get", node_id=node_id)["stale"] and bench.domain(kept)["stale"]
        with pytest.raises(NodeUnreachable):
            bench.call("domain.create", domain=kept)
        with pytest.raises(NodeUnreachable):
            bench.call("node.get_free_memory", node_id=node_id)
        assert bench.domain(kept)["domain_info"]["state"] == "shutoff"
        memory.world.domains.pop(gone.split(":")[2])
    finally:
        memory.unreachable = False
    bench.cloud.until(lambda: not bench.domain(kept)["stale"], "it answers again")
    bench.cloud.until(lambda: not bench.call("domain.lookup", uuid=gone.split(":")[2]), "the other is gone")


# ------------------------------------------------------------------ what is ours


def test_ours(bench: Bench) -> None:
    """A VM's domain, and a storage's pool, are refused with the name of the call for them; nothing happens there."""
    cloud = bench.cloud
    vm = cloud.wait(cloud.create(name="ours")["vm_id"], "running")
    cloud.until(lambda: bench.lookup("domain", uuid=vm["uuid"], state="running"), "its domain is seen")
    domain = bench.one("domain", uuid=vm["uuid"])
    assert domain["vm_id"] == vm["vm_id"]
    right = {
        "create": "admin.vm.start", "destroy": "admin.vm.stop", "undefine": "admin.vm.destroy",
        "suspend": "user.vm.pause", "resume": "user.vm.resume", "shutdown": "user.vm.shutdown",
        "reboot": "user.vm.reboot",
    }  # fmt: skip
    for verb, call in right.items():
        with pytest.raises(IsOurs) as refusal:
            bench.call(f"domain.{verb}", domain=domain["object_id"])
        assert (refusal.value.what, refusal.value.object_id, refusal.value.call) == ("domain", vm["vm_id"], call)
        assert call in cloud.manager.registry
    for verb in ("save", "restore"):
        with pytest.raises(IsOurs):
            bench.call(f"domain.{verb}", domain=domain["object_id"], filename="/srv/ours.save")
    node_id = domain["node"]
    for name, identity in (("foreign", vm["uuid"]), (f"vm-{vm['vm_id']}", str(uuid.uuid4()))):
        with pytest.raises(IsOurs):
            bench.call("node.define_domain_xml", node_id=node_id, xml_desc=domain_xml("memory", name, identity))
    pool = bench.one("pool", node_id=node_id, name=f"wawel-{cloud.storage_id}")
    assert pool["storage_id"] == cloud.storage_id
    for verb, call in {
        "create": "admin.storage.attach", "destroy": "admin.storage.detach", "delete": "admin.storage.delete"
    }.items():  # fmt: skip
        with pytest.raises(IsOurs) as refusal:
            bench.call(f"pool.{verb}", pool=pool["object_id"])
        assert (refusal.value.call, refusal.value.call in cloud.manager.registry) == (call, True)
    with pytest.raises(IsOurs):
        bench.call("pool.create_volume_xml", pool=pool["object_id"], xml_desc=volume_xml("a.raw"))
    for view in ("storage_pool_define_xml", "storage_pool_create_xml"):
        with pytest.raises(IsOurs):
            xml = pool_xml("wawel-99", str(uuid.uuid4()), "/srv/elsewhere")
            bench.call(f"node.{view}", node_id=node_id, xml_desc=xml)
        for path in ("/srv/main", "/srv/main/below", "/srv/main/.", "/srv"):
            with pytest.raises((InUse, InvalidParameter)):
                bench.call(f"node.{view}", node_id=node_id, xml_desc=pool_xml("near", str(uuid.uuid4()), path))
    # What lies on it is found and looked at all the same, and followed by nobody.
    name = root_volume(vm["uuid"])
    volume = bench.call("pool.lookup_volume_by_name", pool=pool["object_id"], volume_name=name)["volume"]
    seen = bench.call("volume.get", volume=volume)
    assert (seen["path"], seen["feed_id"], seen["storage_pool"]) == (f"/srv/main/{name}", None, pool["object_id"])
    assert bench.lookup("volume", path=seen["path"]) == []
    # A foreign domain gets none of it, whichever way it names it.
    disks = (
        f"<disk type='file' device='disk'><source file='/srv/main/{name}'/><target dev='vda'/></disk>",
        f"<disk type='file' device='disk'><source file='/srv/main/../main/{name}'/><target dev='vda'/></disk>",
        f"<disk type='volume' device='disk'><source pool='wawel-{cloud.storage_id}' volume='{name}'/></disk>",
        "<disk type='file' device='disk'><source file='/srv/a.img'/><backingStore type='file'>"
        f"<source file='/srv/main/{name}'/></backingStore><target dev='vda'/></disk>",
    )
    for disk in disks:
        xml = domain_xml("memory", "thief", str(uuid.uuid4()), f"<devices>{disk}</devices>")
        with pytest.raises((InUse, InvalidParameter)):
            bench.call("node.define_domain_xml", node_id=node_id, xml_desc=xml)
    foreign = bench.pool(node_id=node_id)
    below = f"<backingStore><path>/srv/main/{name}</path></backingStore>"
    stands = volume_xml("a.raw").replace("<target>", f"{below}<target>")
    with pytest.raises(InUse):
        bench.call("pool.create_volume_xml", pool=foreign, xml_desc=stands)
    assert cloud.wait(vm["vm_id"], "running")["uuid"] == vm["uuid"] and cloud.leaks() == []


def test_adopt(bench: Bench) -> None:
    """
    A domain that was defined this way is a foreign one: passes leave it alone, running or not, and it is nobody's VM,
    until it is adopted with its disk and its address; then it is a VM as others are, and refused here.
    """
    cloud = bench.cloud
    node_id, identity, number = cloud.node_ids[0], str(uuid.uuid4()), 4711
    memory = cloud.memory[node_id]
    of_image = ("image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)
    memory.volumes.create_overlay(f"wawel-{cloud.storage_id}", root_volume(identity), *of_image)
    cloud.sql("INSERT INTO template (name, cpu, memory_mib) VALUES ('managed', 2, 64)")
    devices = (
        f"<disk type='file' device='disk'><driver type='qcow2'/><source file='/srv/main/{root_volume(identity)}'/>"
        "<target dev='vda' bus='virtio'/></disk><interface type='network'><source network='wawel-net'/>"
        "<mac address='02:57:0a:80:00:c8'/><model type='virtio'/></interface>"
    )
    xml = domain_xml("memory", f"vm-{number}", identity, f"<devices>{devices}</devices>")
    domain = bench.call("node.define_domain_xml", node_id=node_id, xml_desc=xml)["domain"]
    bench.call("domain.create", domain=domain)
    for _ in range(2):
        cloud.call("admin.node.check", [node_id], account="admin")
        cloud.manager.reconciler.look(node_id)
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM unknown_domain WHERE uuid = :u", u=uuid.UUID(identity)), "seen")
    assert (bench.state(domain), bench.domain(domain)["vm_id"]) == ("running", None)
    calls = len(memory.calls)
    params = {"node_id": node_id, "uuid": identity, "user_id": cloud.user_id}
    vm = cloud.call("admin.vm.adopt", params, account="admin")
    assert vm["vm_id"] == number
    assert cloud.wait(number, "running")["leases"][0]["address"] == "10.128.0.200"
    assert not {"destroy", "undefine", "start", "define"} & set(memory.calls[calls:])
    assert bench.domain(domain)["vm_id"] == number
    with pytest.raises(IsOurs):
        bench.call("domain.destroy", domain=domain)
    cloud.call("user.vm.destroy", [[number]])
    cloud.wait(number, "destroyed")
    cloud.until(lambda: not bench.lookup("domain", uuid=identity), "its domain is gone")


# ------------------------------------------------------------------ hostile definitions


def _domain(inner: str = "", kind: str = "memory") -> str:
    return domain_xml(kind, f"h-{uuid.uuid4().hex[:8]}", str(uuid.uuid4()), inner)


NO_DEFINITIONS = {
    "large": "<domain>" + "x" * 1_048_576 + "</domain>",
    "network": "<network><name>a</name></network>",
    "none": "not xml",
    "cut": "<domain type='memory'><name>a</name>",
    "deep": "<domain>" * 300 + "</domain>" * 300,
    "entity": "<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><domain type='memory'><name>&e;</name></domain>",
    "laughs": "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><domain><name>&b;</name></domain>",
    "type": "<!DOCTYPE domain><domain type='memory'><name>a</name></domain>",
    "namespace": "<domain xmlns='urn:other'><name>a</name></domain>",
    "nameless": "<domain type='memory'><memory>1</memory></domain>",
    "uuid": "<domain type='memory'><name>a</name><uuid>x</uuid></domain>",
    "encoding": "<?xml version='1.0' encoding='utf-16'?><domain type='memory'><name>a</name></domain>",
    "holder": domain_xml("memory", "merge-7", str(uuid.uuid4())),
    "reader": domain_xml("memory", "wawel-log-7", str(uuid.uuid4())),
}
REACHES = {
    "hostdev": "<devices><hostdev mode='subsystem' type='pci'/></devices>",
    "nic": "<devices><interface type='hostdev'/></devices>",
    "direct": "<devices><interface type='direct'><source dev='eth0'/></interface></devices>",
    "script": "<devices><interface type='ethernet'><script path='/bin/sh'/></interface></devices>",
    "filesystem": "<devices><filesystem type='mount'><source dir='/'/><target dir='r'/></filesystem></devices>",
    "block": "<devices><disk type='block' device='disk'><source dev='/dev/sda'/><target dev='vda'/></disk></devices>",
    "lun": "<devices><disk type='file' device='lun'><source file='/srv/x'/><target dev='sda'/></disk></devices>",
    "emulator": "<devices><emulator>/bin/sh</emulator></devices>",
    "serial": "<devices><serial type='file'><source path='/etc/cron.d/x'/></serial></devices>",
    "log": "<devices><console type='pty'><log file='/etc/cron.d/x'/></console></devices>",
    "kernel": "<os><kernel>/etc/shadow</kernel></os>",
    "arguments": "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg/></q:commandline>",
    "shmem": "<devices><shmem name='x'/></devices>",
}


@pytest.mark.parametrize("what", NO_DEFINITIONS)
def test_no_definition(bench: Bench, what: str) -> None:
    """What is too large, no XML, more than XML or of another type is refused before libvirt sees it."""
    memory = bench.cloud.memory[bench.cloud.node_ids[0]]
    before = memory.calls.count("domain_define_xml")
    with pytest.raises(InvalidParameter):
        bench.call("node.define_domain_xml", node_id=bench.cloud.node_ids[0], xml_desc=NO_DEFINITIONS[what])
    assert memory.calls.count("domain_define_xml") == before


def test_no_pool(bench: Bench) -> None:
    """Likewise of pools and volumes; a pool at a place of the system's is none, either."""
    node_id, pool = bench.cloud.node_ids[0], bench.pool(node_id=bench.cloud.node_ids[0])
    identity = str(uuid.uuid4())
    for xml in (_domain(), "<pool", pool_xml("etc", identity, "/etc"), pool_xml("up", identity, "/srv/../etc")):
        for view in ("storage_pool_define_xml", "storage_pool_create_xml"):
            with pytest.raises(InvalidParameter):
                bench.call(f"node.{view}", node_id=node_id, xml_desc=xml)
    for xml in (_domain(), "<volume", volume_xml("../x"), volume_xml("..")):
        with pytest.raises(InvalidParameter):
            bench.call("pool.create_volume_xml", pool=pool, xml_desc=xml)


@pytest.mark.parametrize("what", REACHES)
def test_reaches_host(bench: Bench, what: str) -> None:
    """A device of the host, or a hook into it, is refused, unless somebody says so; the audit has that."""
    node_id, inner = bench.cloud.node_ids[0], REACHES[what]
    with pytest.raises(ReachesHost):
        bench.call("node.define_domain_xml", node_id=node_id, xml_desc=_domain(inner))
    if what not in ("arguments", "kernel"):
        return
    told = bench.call("node.define_domain_xml", node_id=node_id, xml_desc=_domain(inner), host_access=True)
    assert bench.domain(told["domain"])["vm_id"] is None
    audited = bench.cloud.sql(
        "SELECT arguments::text FROM audit WHERE method = 'admin.node.define_domain_xml' ORDER BY id DESC LIMIT 1"
    )
    assert '"host_access": true' in audited and "domain type" not in audited


def test_stands_on_the_host(bench: Bench) -> None:
    """A volume stands on a volume: on any other file of the host only if somebody says so."""
    pool = bench.pool(node_id=bench.cloud.node_ids[0])
    base = bench.call("pool.create_volume_xml", pool=pool, xml_desc=volume_xml("base.raw"))["volume"]
    path = bench.call("volume.get", volume=base)["path"]

    def on(name: str, below: str) -> str:
        return volume_xml(name).replace("<target>", f"<backingStore><path>{below}</path></backingStore><target>")

    bench.call("pool.create_volume_xml", pool=pool, xml_desc=on("a.raw", path))
    with pytest.raises(ReachesHost):
        bench.call("pool.create_volume_xml", pool=pool, xml_desc=on("b.raw", "/etc/shadow"))
    bench.call("pool.create_volume_xml", pool=pool, xml_desc=on("b.raw", "/srv/x"), host_access=True)


def test_users(bench: Bench) -> None:
    """None of it is a user's."""
    for method in ("admin.domain.lookup", "admin.volume.lookup", "admin.pool.lookup", "admin.node.lookup"):
        with pytest.raises(CloudError) as refusal:
            bench.cloud.call(method, {})
        assert refusal.value.code == "role_needed"


def test_node_leaves(bench: Bench) -> None:
    """What is on a node that leaves is gone with it, here."""
    cloud = bench.cloud
    cloud.node_ids.append(cloud.node("n3"))
    node_id = cloud.node_ids.pop()
    cloud.until(lambda: bench.lookup("node", hostname=f"{cloud.world}-n3"), "it was looked at")
    domain = bench.define(node_id, "memory")
    seen = bench.domain(domain)
    bench.call("node.delete", node_id=node_id)
    assert bench.call("domain.lookup", node_id=node_id) == []
    assert [row.event for row in bench.changes("managed_domain", seen["feed_id"])][-1] == "exit"


def test_address_pools_are_rows(bench: Bench) -> None:
    """Of address pools a plan is told and a repeat gets the first answer; of a storage pool nobody knows a plan."""
    made = bench.call("pool.add", name="planned", network="10.132.0.0/16")
    plan = bench.call("pool.delete", pool_id=made["pool_id"], dry_run=True)
    assert plan["dry_run"] and plan["plan"]
    for _ in range(2):
        assert bench.cloud.call(
            "admin.pool.delete", {"pool_id": made["pool_id"]}, account="admin", request_id="managed-1"
        ) is None  # fmt: skip
    with pytest.raises(NotSupported):
        bench.call("pool.delete", pool=bench.pool(), dry_run=True)
