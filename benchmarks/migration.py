"""
A guest that moves to another host while it runs, and a node that is emptied so, beside what libvirt itself takes for
equal guests between the same hosts: ``migrateToURI3``, peer to peer, by libvirt-python. The two take turns.

The guests' disks are empty, so that nothing boots and their memory is idle.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchmarks.burst import in_threads
from benchmarks.clusters import Settings, roomy_cloud
from benchmarks.create import OVERLAY
from benchmarks.report import Figure, Skipped, Target, median, spread
from lab.cloud import Cloud
from lab.hosts import Lab
from lab.nodes import RealNode

SMALL = 20
DEADLINE_S = 600


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    lacking = Lab.missing()
    if lacking:
        yield Skipped("migration", "; ".join(lacking))
        return
    import libvirt

    libvirt.registerErrorHandler(lambda *_: None, None)  # absent domains are expected
    times, small = (2, 4) if settings.quick else (10, SMALL)
    with roomy_cloud(settings, 2, "qemu") as cloud:
        nodes = [node for node in cloud.nodes if isinstance(node, RealNode)]
        for node in nodes:
            cloud.admin.call("admin.node.edit", {"node_id": node.node_id, "migration_uri": node.uri})
        image_id = cloud.import_blank()
        yield from _single(cloud, nodes, image_id, times)
        yield from _emptied(cloud, nodes, image_id, small, 1 if settings.quick else 3)


def _single(cloud: Cloud, nodes: Sequence[RealNode], image_id: int, times: int) -> Iterator[Figure]:
    vm = cloud.create(image_id=image_id)
    cloud.wait_for(vm["vm_id"], "running")
    raw = Raw(cloud, nodes, vm, 1)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(times + 1):
        took, other = _move(cloud, vm["vm_id"]), raw.move()
        if number:  # the first of each loads modules, and makes the network at the other host
            ours.append(took * 1000)
            theirs.append(other * 1000)
    raw.end()
    _destroy(cloud, [vm])
    yield Figure("migration", "raw libvirt: migrateToURI3", median(theirs), "ms", note=spread(theirs))
    yield Figure("migration", "admin.vm.migrate until its record says so", median(ours), "ms", note=spread(ours))
    more = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    yield Figure("migration", "more than raw libvirt", median(ours) - median(theirs), "ms",
                 Target(100, "at most", unit="ms"), median(ours) / median(theirs), spread(more))  # fmt: skip


def _emptied(cloud: Cloud, nodes: Sequence[RealNode], image_id: int, small: int, times: int) -> Iterator[Figure]:
    cloud.sql(f"UPDATE node SET locked = id <> {nodes[0].node_id}")
    vms = [cloud.create(image_id=image_id) for _ in range(small)]
    for vm in vms:
        cloud.wait_for(vm["vm_id"], "running")
    raw = Raw(cloud, nodes, vms[0], small)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(times):
        cloud.sql("UPDATE node SET locked = false")
        began = time.perf_counter()
        told = cloud.admin.call("admin.node.evacuate", {"node_id": nodes[number % 2].node_id})
        if [move["how"] for move in told["moving"]] != ["live"] * small:
            raise RuntimeError(f"not all are moved while they run: {told}")
        _over(cloud, told["operation_id"])
        ours.append(time.perf_counter() - began)
        theirs.append(raw.move())
    raw.end()
    _destroy(cloud, vms)
    name = f"{small} small guests"
    yield Figure("migration", f"{name}: raw libvirt, all at once", median(theirs), "s", note=spread(theirs, "s"))
    yield Figure("migration", f"{name}: admin.node.evacuate", median(ours), "s", Target(1.3, "at most", "ratio"),
                 median(ours) / median(theirs), spread(ours, "s"))  # fmt: skip


def _move(cloud: Cloud, vm_id: int) -> float:
    began = time.perf_counter()
    _over(cloud, cloud.admin.call("admin.vm.migrate", {"vm_id": vm_id})["operation_id"])
    return time.perf_counter() - began


def _over(cloud: Cloud, operation_id: int) -> None:
    """:raises RuntimeError: it has not ended well."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        told = cloud.admin.call("admin.operation.wait", {"operation_id": operation_id, "timeout": 20})
        if told["state"] in ("done", "failed", "abandoned"):
            break
    if told["state"] != "done":
        raise RuntimeError(f"operation {operation_id} is {told['state']}: {told['text']}")


def _destroy(cloud: Cloud, vms: Sequence[Any]) -> None:
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"] for vm in vms]})
    for vm in vms:
        cloud.wait_for(vm["vm_id"], "destroyed")


class Raw:
    """Domains like a VM's, but for its network card and screen, on the first host; each move is to the other one."""

    def __init__(self, cloud: Cloud, nodes: Sequence[RealNode], vm: Any, count: int) -> None:
        self._nodes = nodes
        self._at = 0
        self._own = [str(uuid.uuid4()) for _ in range(count)]
        home = next(node for node in nodes if node.node_id == cloud.node_of(cloud.vm(vm["vm_id"])).node_id)
        there, here = home.open(), nodes[0].open()
        xml = there.lookupByUUIDString(vm["uuid"]).XMLDesc(2)  # VIR_DOMAIN_XML_INACTIVE
        there.close()
        for part in ("interface", "graphics", "serial", "console", "channel"):
            xml = re.sub(rf"<{part}[ >].*?</{part}>|<{part}[^>]*/>", "", xml, flags=re.DOTALL)
        pool = here.storagePoolLookupByName(f"wawel-{cloud.storage_id}")
        size, base = cloud.sql(
            "SELECT u.size_bytes, u.name FROM image i JOIN volume u ON u.id = i.volume_id"
            f" JOIN vm v ON v.image_id = i.id WHERE v.id = {vm['vm_id']}"
        )[0]
        base = pool.storageVolLookupByName(base).path()
        self._volumes = []
        for own in self._own:
            overlay = OVERLAY.format(name=f"raw-{own}.qcow2", size=size, base=base)
            volume = pool.createXML(overlay)
            self._volumes.append(volume)
            named = re.sub(r"<name>.*?</name>", f"<name>raw-{own[:8]}</name>", xml.replace(vm["uuid"], own), count=1)
            named = re.sub(r"(<disk type='file' device='disk'.*?<source file=')[^']*", rf"\g<1>{volume.path()}", named,
                           count=1, flags=re.DOTALL)  # fmt: skip
            here.defineXML(named).create()
        self._held = here  # what its volumes belong to

    def move(self) -> float:
        """All of them at once; seconds."""
        began = time.perf_counter()
        in_threads([partial(self._go, own) for own in self._own])
        took = time.perf_counter() - began
        self._at = 1 - self._at
        return took

    def _go(self, own: str) -> None:
        import libvirt

        flags = (
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST
            | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE | libvirt.VIR_MIGRATE_UNSAFE
        )  # fmt: skip
        connection = self._nodes[self._at].open()
        connection.lookupByUUIDString(own).migrateToURI3(self._nodes[1 - self._at].uri, {}, flags)
        connection.close()

    def end(self) -> None:
        connection = self._nodes[self._at].open()
        for own, volume in zip(self._own, self._volumes, strict=True):
            domain = connection.lookupByUUIDString(own)
            domain.destroy()
            domain.undefine()
            volume.delete()
        connection.close()
        self._held.close()
