"""The pass over storages: leftovers of the ended are deleted; what nobody can account for is reported alone."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.rpc.vocabulary import DiskFormat
from support.cloud import MemoryCloud, run


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, nodes=1)
    yield made
    made.stop()


def test_pass(cloud: MemoryCloud) -> None:
    """A closed VM's leftover goes, a strange volume and a missing one are drift, and a live disk stays."""
    node, pool = next(iter(cloud.memory.values())), f"wawel-{cloud.storage_id}"
    live, gone, lost = (cloud.create(name=name) for name in ("live", "gone", "lost"))
    for vm in (live, gone, lost):
        cloud.wait(vm["vm_id"], "running")
    cloud.call("user.vm.destroy", [[gone["vm_id"]]])
    cloud.wait(gone["vm_id"], "destroyed")
    cloud.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE id = :i", i=gone["vm_id"])
    leftover, strange = f"vm-{gone['uuid']}-root.qcow2", f"vm-{uuid.uuid4()}-root.qcow2"
    for volume in (leftover, strange):
        node.create_empty(pool, volume, DiskFormat.QCOW2, 2**20)
    node.destroy(lost["uuid"])
    cloud.wait(lost["vm_id"], "stopped")
    node.delete(pool, f"vm-{lost['uuid']}-root.qcow2")
    run(cloud.manager.reconciler.check_storages)
    present = {volume.name for volume in node.volumes(pool)}
    assert leftover not in present
    assert {strange, f"vm-{live['uuid']}-root.qcow2", "image-1.qcow2"} <= present
    found = cloud.call("admin.drift.get_list", account="admin")
    assert {(row["kind"], row["subject"]) for row in found} == {
        ("leaked_volume", f"{pool}/{strange}"),
        ("missing_volume", f"{pool}/vm-{lost['uuid']}-root.qcow2"),
    }
