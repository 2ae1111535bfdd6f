"""What takes room on storages, as it is counted for administrators and for its owners."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import ObjectNotFound
from cm.rpc.vocabulary import DiskFormat
from support.cloud import MemoryCloud, run

MIB = 2**20


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, nodes=1)
    yield made
    made.stop()


def by_use(found: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    return {each["use"]: (each["count"], each["size_bytes"], each["claimed_bytes"]) for each in found["uses"]}


def test_counted(cloud: MemoryCloud) -> None:
    """Each volume is counted once, by what it serves; what is claimed adds up to what storage and account say."""
    node, pool = next(iter(cloud.memory.values())), f"wawel-{cloud.storage_id}"
    vms = [cloud.create(name=name) for name in ("a", "b")]
    for vm in vms:
        cloud.wait(vm["vm_id"], "running")
    cloud.image("image-data.raw", kind="storage", name="data", size_bytes=10 * MIB)
    trashed = cloud.image("image-trash.raw", kind="storage", name="trash", size_bytes=20 * MIB)
    for name in ("image-data.raw", "image-trash.raw"):
        node.volumes.create_empty(pool, name, DiskFormat.RAW, 10 * MIB)
    cloud.sql("UPDATE disk SET trashed_at = now() WHERE image_id = :i", i=trashed)
    cloud.sql("UPDATE image SET state = 'trashed' WHERE id = :i", i=trashed)
    strange = f"vm-{uuid.uuid4()}-root.qcow2"
    node.volumes.create_empty(pool, strange, DiskFormat.QCOW2, 5 * MIB)
    run(cloud.manager.reconciler.check_storages)
    (found,) = cloud.call("admin.storage.get_statistics", account="admin")
    (again,) = cloud.call("admin.storage.get_statistics", {"storage_id": cloud.storage_id}, account="admin")
    assert found == again
    assert by_use(found) == {
        "system_image": (1, 64 * MIB, 0),  # made by hand here, without a claim
        "root_disk": (2, 128 * MIB, 128 * MIB),
        "data_disk": (1, 10 * MIB, 0),
        "trash": (1, 20 * MIB, 0),
        "unaccounted": (1, 5 * MIB, 0),
    }
    assert sum(each["claimed_bytes"] for each in found["uses"]) == found["claimed_bytes"]
    taken = {each["use"]: each["allocated_bytes"] for each in found["uses"]}
    assert taken["root_disk"] == 2 * taken["unaccounted"] > 0
    mine = cloud.call("user.account.get_statistics")
    assert set(by_use(mine)) == {"root_disk", "data_disk", "trash"}
    assert sum(each["claimed_bytes"] for each in mine["uses"]) == mine["used_storage_mib"] * MIB
    assert cloud.call("admin.user.get_statistics", [cloud.user_id], account="admin") == mine
    assert by_use(cloud.call("user.account.get_statistics", account="other")) == {}
    assert set(by_use(cloud.call("user.account.get_statistics", account="admin"))) == {"system_image"}
    with pytest.raises(ObjectNotFound):
        cloud.call("admin.storage.get_statistics", [10**6], account="admin")
    with pytest.raises(ObjectNotFound):
        cloud.call("admin.user.get_statistics", [10**6], account="admin")
