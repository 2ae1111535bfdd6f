"""The managed-node model (seed 001) on real hosts: what virsh does is seen, what virsh says is what is told."""

from __future__ import annotations

import re
import subprocess
import uuid
from ipaddress import IPv4Address
from typing import Any

import pytest

from cm.rpc.errors import IsOurs, LibvirtError
from cm.rules.names import root_volume
from cm.rules.network import mac_of
from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import wait_until
from tests.contract.managed import domain_xml, pool_xml, volume_xml


def virsh(node: RealNode, *words: str) -> str:
    done = subprocess.run(["virsh", "-q", "-c", node.uri, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def table(text: str) -> dict[str, str]:
    """``Max memory:     65536 KiB`` and the like."""
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def number(text: str) -> int:
    return int(text.split()[0])


def ask(cloud: Cloud, method: str, **params: Any) -> Any:
    return cloud.admin.call(f"admin.{method}", params)


def test_node(shared_cloud: Cloud) -> None:
    """A node's properties and a domain's are those that virsh tells; a start by virsh is seen, and its end."""
    cloud, node = shared_cloud, shared_cloud.real_node(1)
    wait_until(lambda: ask(cloud, "node.lookup", hostname=virsh(node, "hostname")), "a look at the node", 60)
    (seen,) = ask(cloud, "node.lookup", hostname=virsh(node, "hostname"))
    assert seen["node_id"] == node.node_id and not seen["stale"] and seen["uri"] == virsh(node, "uri")
    info, told = seen["host_info"], table(virsh(node, "nodeinfo"))
    assert (info["model"], info["cpus"]) == (told["CPU model"], number(told["CPU(s)"]))
    kib = number(told["Memory size"])  # of which libvirt's binding for Python tells whole MiB
    assert (info["memory"], info["mhz"]) == (kib // 1024 * 1024, number(told["CPU frequency"]))
    names = ("NUMA cell(s)", "CPU socket(s)", "Core(s) per socket", "Thread(s) per core")
    assert [info[name] for name in ("nodes", "sockets", "cores", "threads")] == [number(told[name]) for name in names]
    version = virsh(node, "version", "--daemon")
    assert f"Running hypervisor: {seen['type']} {seen['version']}" in version
    assert f"Running against daemon: {seen['libvirt_version']}" in version
    assert 0 < ask(cloud, "node.get_free_memory", node_id=node.node_id)["result"] < info["memory"] * 10
    identity = str(uuid.uuid4())
    name = f"managed-{identity[:8]}"
    made = {"node_id": node.node_id, "xml_desc": domain_xml("qemu", name, identity)}
    domain = ask(cloud, "node.define_domain_xml", **made)["domain"]

    def state() -> str:
        return str(ask(cloud, "domain.get", domain=domain)["domain_info"]["state"])

    try:
        assert state() == "shutoff"
        virsh(node, "start", name)
        wait_until(lambda: state() == "running", "virsh's start is seen", 60)
        seen, told = ask(cloud, "domain.get", domain=domain), table(virsh(node, "dominfo", name))
        assert (seen["id"], seen["uuid"], seen["name"]) == (told["Id"], told["UUID"], told["Name"])
        info = seen["domain_info"]
        assert (info["maximum_memory"], info["memory"]) == (number(told["Max memory"]), number(told["Used memory"]))
        assert info["num_vcpus"] == number(told["CPU(s)"])
        assert re.sub(r"\s", "", ask(cloud, "domain.xml_desc", domain=domain)["description"]) == re.sub(
            r"\s", "", virsh(node, "dumpxml", name)
        )
        wait_until(lambda: ask(cloud, "domain.get", domain=domain)["domain_info"]["cpu_time"] > 0, "it takes time", 60)
        ask(cloud, "domain.suspend", domain=domain)
        assert virsh(node, "domstate", name) == "paused" and state() == "suspended"
        virsh(node, "resume", name)
        wait_until(lambda: state() == "running", "virsh's resume is seen", 60)
        saved = f"/var/tmp/{name}.save"
        ask(cloud, "domain.save", domain=domain, filename=saved)
        assert virsh(node, "domstate", "--reason", name) == "shut off (saved)"
        ask(cloud, "domain.restore", domain=domain, filename=saved)
        assert virsh(node, "domstate", name) == "running"
        virsh(node, "destroy", name)
        wait_until(lambda: state() == "shutoff", "virsh's destroy is seen", 60)
        with pytest.raises(LibvirtError) as refusal:
            ask(cloud, "domain.destroy", domain=domain)
        assert refusal.value.libvirt_code == 55
    finally:
        subprocess.run(["virsh", "-q", "-c", node.uri, "destroy", name], capture_output=True, timeout=60)
        ask(cloud, "domain.undefine", domain=domain)
    assert name not in virsh(node, "list", "--all", "--name").split()


def test_pool(shared_cloud: Cloud) -> None:
    """A pool and a volume by these calls are those of virsh, and the other way round."""
    cloud, node = shared_cloud, shared_cloud.real_node(1)
    identity, path = str(uuid.uuid4()), cloud.base / "foreign"
    path.mkdir()
    name = f"managed-{identity[:8]}"
    made = {"node_id": node.node_id, "xml_desc": pool_xml(name, identity, str(path))}
    pool = ask(cloud, "node.storage_pool_define_xml", **made)["pool"]
    ask(cloud, "pool.create", pool=pool)
    volume = ask(cloud, "pool.create_volume_xml", pool=pool, xml_desc=volume_xml("a.raw"))["volume"]
    assert virsh(node, "vol-path", "--pool", name, "a.raw") == ask(cloud, "volume.get", volume=volume)["path"]
    assert virsh(node, "vol-key", "--pool", name, "a.raw") == ask(cloud, "volume.get", volume=volume)["key"]
    with pytest.raises(LibvirtError) as refusal:
        ask(cloud, "pool.create_volume_xml", pool=pool, xml_desc=volume_xml("a.raw"))
    assert refusal.value.libvirt_code == 90
    virsh(node, "vol-delete", "--pool", name, "a.raw")
    wait_until(lambda: not ask(cloud, "volume.lookup", pool_uuid=identity), "its end is seen", 60)
    ask(cloud, "pool.delete", pool=pool)
    assert name not in virsh(node, "pool-list", "--all", "--name").split() and path.exists()


def test_adopt(shared_cloud: Cloud) -> None:
    """A domain that was made here, with a disk and an address of the cluster's, is adopted as it runs, and is ours."""
    cloud, identity, disk = shared_cloud, str(uuid.uuid4()), shared_cloud.storage_dir
    first = cloud.wait_running(cloud.create(name="first")["vm_id"], contextualized=False)
    node = cloud.node_of(first)  # which has the network by now
    assert isinstance(node, RealNode)
    ((image_id, image),) = cloud.sql(
        "SELECT i.id, u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.kind = 'system' AND u.format ="
        " 'qcow2' AND i.deleted_at IS NULL ORDER BY i.id LIMIT 1"
    )
    ((address, network),) = cloud.sql(
        "SELECT host(l.address), w.name FROM network_lease l JOIN network w ON w.id = l.network_id WHERE w.kind = 'nat'"
        " AND l.nic_id IS NULL ORDER BY l.address DESC LIMIT 1"
    )
    ((number_,),) = cloud.sql("SELECT coalesce(max(id), 0) + 50 FROM vm")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(disk / image), "-F", "qcow2",
         str(disk / root_volume(identity))], check=True, timeout=60,
    )  # fmt: skip
    devices = (
        f"<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}/"
        f"{root_volume(identity)}'/><target dev='vda' bus='virtio'/></disk><interface type='network'><source"
        f" network='wawel-{network}'/><mac address='{mac_of(IPv4Address(address))}'/><model type='virtio'/></interface>"
        "</devices>"
    )
    virsh(node, "pool-refresh", f"wawel-{cloud.sql('SELECT id FROM storage ORDER BY id LIMIT 1')[0][0]}")
    xml = domain_xml("qemu", f"vm-{number_}", identity, devices)
    domain = ask(cloud, "node.define_domain_xml", node_id=node.node_id, xml_desc=xml)["domain"]
    ask(cloud, "domain.create", domain=domain)
    run_id = ask(cloud, "domain.get", domain=domain)["id"]
    user_id = cloud.user.call("user.account.get", {})["user_id"]
    template_id = cloud.template_ids["tiny"]
    adopted = {"node_id": node.node_id, "uuid": identity, "user_id": user_id, "template_id": template_id}
    vm = ask(cloud, "vm.adopt", **adopted)
    assert str(vm["vm_id"]) == str(number_) and vm["image_id"] == int(image_id)
    seen = ask(cloud, "domain.get", domain=domain)
    assert (seen["vm_id"], seen["id"]) == (vm["vm_id"], run_id)  # it ran on
    with pytest.raises(IsOurs):
        ask(cloud, "domain.destroy", domain=domain)
    cloud.wait_running(vm["vm_id"], contextualized=False)
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"], first["vm_id"]]})
    for each in (vm, first):
        cloud.wait_for(each["vm_id"], "destroyed")
    assert identity not in virsh(node, "list", "--all", "--uuid").split()
