"""
A VM on a real QEMU host, from the call to libvirt saying that it runs, beside what libvirt itself takes for the same:
an equal overlay, definition and start by libvirt-python. The two take turns, on one host with the hook installed.

The guest is an empty disk, so that no boot competes for the processor.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from benchmarks.clusters import Settings, roomy_cloud
from benchmarks.report import Figure, Skipped, Target, median, percentile, spread
from lab.cloud import Cloud
from lab.hosts import Lab
from lab.processes import wait_until

OVERLAY = """\
<volume><name>{name}</name><capacity>{size}</capacity><target><format type='qcow2'/></target>
<backingStore><path>{base}</path><format type='qcow2'/></backingStore></volume>"""


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    lacking = Lab.missing()
    if lacking:
        yield Skipped("create", "; ".join(lacking))
        return
    import libvirt

    libvirt.registerErrorHandler(lambda *_: None, None)  # absent domains are expected
    times = 5 if settings.quick else 30
    with roomy_cloud(settings, 1, "qemu") as cloud, closing(cloud.nodes[0].open()) as connection:
        image_id = cloud.import_blank()
        raw = Raw(cloud, connection, image_id)
        accepted: list[float] = []
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(times + 2):
            took, asked = _create(cloud, connection, image_id)
            other = raw.create()
            if number >= 2:  # the first of each loads modules and prepares statements
                ours.append(took)
                accepted.append(asked)
                theirs.append(other)
    more = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    yield Figure("create", "raw libvirt: overlay, define, create", median(theirs), "ms", note=spread(theirs))
    yield Figure("create", "user.vm.create until libvirt says running", median(ours), "ms", note=spread(ours))
    yield Figure("create", "more than raw libvirt", median(ours) - median(theirs), "ms",
                 Target(50, "at most", unit="ms"), median(ours) / median(theirs),
                 f"median of the pairs' differences {median(more):.0f} ms; {spread(more)}")  # fmt: skip
    yield Figure("create", "the accepted call", median(accepted), "ms", Target(10, "at most", unit="ms"),
                 note=f"{spread(accepted)}, p99 {percentile(accepted, 0.99):.3g}")  # fmt: skip


def _create(cloud: Cloud, connection: Any, image_id: int) -> tuple[float, float]:
    """
    One VM through the cluster manager, destroyed again.

    :return: milliseconds from the call to libvirt's word that it runs, and to the call's answer.
    """
    began = time.perf_counter()
    made = cloud.create(image_id=image_id)
    answered = time.perf_counter()
    wait_until(lambda: runs(connection, made["uuid"]), "the domain running", 60, pause=0.001)
    ended = time.perf_counter()
    cloud.wait_for(made["vm_id"], "running")
    cloud.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
    cloud.wait_for(made["vm_id"], "destroyed")
    return (ended - began) * 1000, (answered - began) * 1000


def runs(connection: Any, own: str) -> bool:
    import libvirt

    try:
        return bool(connection.lookupByUUIDString(own).state()[0] == libvirt.VIR_DOMAIN_RUNNING)
    except libvirt.libvirtError:
        return False


class Raw:
    """The same by libvirt alone: the XML is that of a VM which the cluster manager made."""

    def __init__(self, cloud: Cloud, connection: Any, image_id: int) -> None:
        import libvirt

        self._connection = connection
        made = cloud.create(image_id=image_id)
        cloud.wait_for(made["vm_id"], "running")
        self._model = made["uuid"]
        self._xml = connection.lookupByUUIDString(self._model).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        self._pool = connection.storagePoolLookupByName(f"wawel-{cloud.storage_id}")
        self._size, base = cloud.sql(
            f"SELECT u.size_bytes, u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = {image_id}"
        )[0]
        self._base = self._pool.storageVolLookupByName(base).path()
        cloud.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
        cloud.wait_for(made["vm_id"], "destroyed")

    def create(self) -> float:
        """One domain, destroyed again; milliseconds until libvirt says that it runs."""
        own = str(uuid.uuid4())
        xml = re.sub(r"<name>.*?</name>", f"<name>raw-{own[:8]}</name>", self._xml.replace(self._model, own), count=1)
        began = time.perf_counter()
        overlay = OVERLAY.format(name=f"vm-{own}-root.qcow2", size=self._size, base=self._base)
        volume = self._pool.createXML(overlay)
        domain = self._connection.defineXML(xml)
        domain.create()
        wait_until(lambda: runs(self._connection, own), "the raw domain running", 60, pause=0.001)
        took = (time.perf_counter() - began) * 1000
        domain.destroy()
        domain.undefine()
        volume.delete()
        return took
