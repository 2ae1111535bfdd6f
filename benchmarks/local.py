"""
Disks on a real host's own storage: an image that comes to a node for its first VM, beside ``cp`` and libvirt's own
copy of the same file; the VM after it, beside one on the storage that all share; and many overlays of one image at
once, beside the sum of what libvirt takes for each alone.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from benchmarks.clusters import Settings, roomy_cloud
from benchmarks.create import OVERLAY, runs
from benchmarks.report import Figure, Skipped, Target, median, spread
from cm.drivers.open import open_node
from cm.rpc.vocabulary import DiskFormat
from lab.cloud import Cloud
from lab.furnish import import_image
from lab.hosts import Lab
from lab.processes import wait_until

MIB: Final = 2**20
COPY: Final = "<volume><name>{name}</name><capacity>{size}</capacity><target><format type='qcow2'/></target></volume>"
AT_ONCE: Final = 6  # of one node, as the engine does


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    lacking = Lab.missing()
    if lacking:
        yield Skipped("local", "; ".join(lacking))
        return
    import libvirt

    libvirt.registerErrorHandler(lambda *_: None, None)  # absent domains are expected
    size_mib, times, overlays = (64, 2, 40) if settings.quick else (512, 5, 200)
    with roomy_cloud(settings, 1, "qemu") as cloud, closing(cloud.nodes[0].open()) as connection:
        image_id = _large(cloud, size_mib)
        own_id, directory = _own_storage(cloud)
        raw: list[float] = []
        cold: list[float] = []
        yield from _copies(cloud, connection, image_id, own_id, directory, times, size_mib, raw, cold)
        yield from _second(cloud, connection, image_id, 2 * times, raw, cold)
        yield from _overlays(cloud, connection, overlays)


def _large(cloud: Cloud, size_mib: int) -> int:
    raw, source = cloud.import_dir / "large.raw", cloud.import_dir / "large.qcow2"
    with raw.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, source], check=True)
    raw.unlink()
    return import_image(cloud, "large", "", source)


def _own_storage(cloud: Cloud) -> tuple[int, Path]:
    directory, node_id = cloud.base / "own", cloud.nodes[0].node_id
    values = {"name": "own", "kind": "dir", "path": str(directory), "node_id": node_id, "overcommit": 1000.0}
    added = cloud.admin.call("admin.storage.add", values)
    work = cloud.admin.call("admin.storage.attach", {"storage_id": added["storage_id"], "node_id": node_id})
    cloud.wait_operation(cloud.admin, work["operation_id"])
    return added["storage_id"], directory


def _evict(cloud: Cloud, image_id: int) -> None:
    for work in cloud.admin.call("admin.system_image.evict", {"image_id": image_id}):
        cloud.wait_operation(cloud.admin, work["operation_id"])


def _copies(
    cloud: Cloud, connection: Any, image_id: int, own_id: int, directory: Path, times: int, size_mib: int,
    raw: list[float], ours: list[float],
) -> Iterator[Figure]:  # fmt: skip
    """The three take turns; each copy is thrown away again."""
    pool = connection.storagePoolLookupByName(f"wawel-{own_id}")
    source = connection.storagePoolLookupByName(f"wawel-{cloud.storage_id}").storageVolLookupByName(
        f"image-{cloud.admin.call('admin.system_image.get_by_id', {'image_id': image_id})['uuid']}.qcow2"
    )
    size = source.info()[1]
    plain: list[float] = []
    for number in range(times + 1):
        began = time.perf_counter()
        subprocess.run(["cp", source.path(), directory / "plain"], check=True)
        copied = time.perf_counter()
        (directory / "plain").unlink()
        created = time.perf_counter()
        volume = pool.createXMLFrom(COPY.format(name="raw.qcow2", size=size), source)
        made = time.perf_counter()
        volume.delete()
        started = time.perf_counter()
        vm = _create(cloud, connection, image_id, local=True)
        took = vm - started
        _evict(cloud, image_id)
        if number:  # the first of each reads the image from the disk
            plain.append(copied - began)
            raw.append(made - created)
            ours.append(took)
    what = f"an image of {size_mib} MiB"
    yield Figure("local", f"cp of {what}", median(plain), "s", note=spread(plain, "s"))
    yield Figure("local", "libvirt's copy of it to the node's own storage", median(raw), "s",
                 None, median(raw) / median(plain), spread(raw, "s"))  # fmt: skip
    yield Figure("local", "first VM of it on a cold node, until libvirt says running", median(ours), "s",
                 note=spread(ours, "s"))  # fmt: skip


def _create(cloud: Cloud, connection: Any, image_id: int, *, local: bool) -> float:
    """One VM, destroyed again. :return: when it ran."""
    made = cloud.create(image_id=image_id, local_disk=local)
    wait_until(lambda: runs(connection, made["uuid"]), "the domain running", 300, pause=0.001)
    ran = time.perf_counter()
    cloud.wait_for(made["vm_id"], "running")
    cloud.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
    cloud.wait_for(made["vm_id"], "destroyed")
    return ran


def _second(
    cloud: Cloud, connection: Any, image_id: int, times: int, raw: list[float], cold: list[float]
) -> Iterator[Figure]:
    """A node that has the image beside the storage that all share; the two take turns."""
    _create(cloud, connection, image_id, local=True)
    own: list[float] = []
    shared: list[float] = []
    for _ in range(times):
        for local, taken in ((False, shared), (True, own)):
            began = time.perf_counter()
            taken.append(1000 * (_create(cloud, connection, image_id, local=local) - began))
    yield Figure("local", "a VM on the shared storage, until libvirt says running", median(shared), "ms",
                 note=spread(shared))  # fmt: skip
    yield Figure("local", "a VM on the node's own, which has the image", median(own), "ms",
                 Target(1.1, "at most", "ratio"), median(own) / median(shared), spread(own))  # fmt: skip
    more = median(cold) - median(own) / 1000
    yield Figure("local", "what the copy adds to the first VM, beside libvirt's copy", more, "s", None,
                 more / median(raw))  # fmt: skip


def _overlays(cloud: Cloud, connection: Any, number: int) -> Iterator[Figure]:
    image_id = cloud.import_blank()
    size, base = cloud.sql(
        f"SELECT u.size_bytes, u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = {image_id}"
    )[0]
    name = f"wawel-{cloud.storage_id}"
    pool = connection.storagePoolLookupByName(name)
    path = pool.storageVolLookupByName(base).path()

    def raw() -> float:
        volumes, began = [], time.perf_counter()
        for _ in range(number):
            xml = OVERLAY.format(name=f"raw-{uuid.uuid4()}.qcow2", size=size, base=path)
            volumes.append(pool.createXML(xml))
        took = time.perf_counter() - began
        for volume in volumes:
            volume.delete()
        return took

    def ours() -> float:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            names = [f"ours-{uuid.uuid4()}.qcow2" for _ in range(number)]
            began = time.perf_counter()
            made = [
                threads.submit(node.volumes.create_overlay, name, each, base, DiskFormat.QCOW2, int(size))
                for each in names
            ]
            for each in made:
                each.result()
            took = time.perf_counter() - began
        for own in names:
            node.volumes.delete(name, own)
        return took

    with closing(open_node(cloud.nodes[0].uri, name="bench")) as node:
        node.volumes.find(name, base)
        sums, times = [], []
        for _ in range(3):
            sums.append(raw())
            times.append(ours())
    yield Figure("local", f"{number} overlays of one image, one after the other by libvirt", median(sums), "s",
                 note=spread(sums, "s"))  # fmt: skip
    yield Figure("local", "as many at once, by the node's driver", median(times), "s", Target(1.3, "at most", "ratio"),
                 median(times) / median(sums), spread(times, "s"))  # fmt: skip
