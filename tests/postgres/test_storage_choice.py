"""Storages that are preferred, drained, offered and full, and those that are volume groups."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from admin_bench import Bench, cluster_bench

from cm.operations import register_kinds
from cm.rpc.errors import InUse, InvalidParameter, NoStorage, ObjectNotFound, StorageFull
from cm.rpc.vocabulary import DiskFormat
from cm.services.storage import StorageDraining, StorageLocked
from cm.store.claim import claim_storage

bench = cluster_bench
MIB = 2**20


def _storage(bench: Bench, node_id: int, name: str, kind: str = "dir", **values: Any) -> int:
    """A storage that the node has attached."""
    place = {"source": name} if kind == "logical" else {"path": f"/srv/{name}"}
    made = bench.call("admin.storage.add", name=name, kind=kind, **place, **values)
    answer = bench.call("admin.storage.attach", storage_id=made["storage_id"], node_id=node_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"
    return int(made["storage_id"])


def _chosen(bench: Bench, **values: Any) -> int:
    """Where an image of the user's goes."""
    answer = bench.call(
        "user.storage_image.import_url", name="d", description="", url="http://127.0.0.1:9/d", by=bench.user, **values
    )
    bench.call("user.operation.abandon", operation_id=answer["operation_id"], by=bench.user)
    found = bench.sql(
        "SELECT u.storage_id FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :i", i=answer["image_id"]
    )
    return int(found)


def test_choice(bench: Bench) -> None:
    """The default storage comes first, then the highest priority, then the one with the most room."""
    node_id = bench.node()
    small = _storage(bench, node_id, "small", capacity_bytes=100 * MIB)
    large = _storage(bench, node_id, "large", capacity_bytes=200 * MIB)
    assert _chosen(bench) == large
    bench.call("admin.storage.edit", storage_id=small, priority=1)
    assert _chosen(bench) == small
    made = bench.call("admin.storage.set_default", storage_id=large)
    assert made["is_default"] and _chosen(bench) == large
    bench.call("admin.storage.set_default", storage_id=small)
    assert [row["is_default"] for row in bench.call("admin.storage.get_list")] == [True, False]
    assert _chosen(bench) == small
    bench.call("admin.storage.set_default", storage_id=small, is_default=False)
    bench.call("admin.storage.edit", storage_id=small, priority=0)
    # All of it is promised, or kept back: what is free there is no room.
    bench.call("admin.storage.edit", storage_id=large, reserve_bytes=390 * MIB)
    assert _chosen(bench) == small
    bench.call("admin.storage.lock", storage_id=small)
    bench.call("admin.storage.drain", storage_id=large)
    with pytest.raises(NoStorage):
        _chosen(bench)


def test_offered(bench: Bench) -> None:
    """Users see and choose what is offered to them, and nothing else is told of the others."""
    node_id = bench.node()
    plain = _storage(bench, node_id, "plain")
    fast = _storage(bench, node_id, "fast", offered=True, capacity_bytes=100 * MIB)
    [seen] = bench.call("user.storage.get_list", by=bench.user)
    assert (seen["storage_id"], seen["name"], seen["room_bytes"]) == (fast, "fast", 200 * MIB)
    assert _chosen(bench, storage_id=fast) == fast
    for other in (plain, 99):
        with pytest.raises(ObjectNotFound):
            _chosen(bench, storage_id=other)
    bench.call("admin.storage.drain", storage_id=fast)
    assert bench.call("user.storage.get_list", by=bench.user) == []
    with pytest.raises(StorageDraining):
        _chosen(bench, storage_id=fast)
    bench.call("admin.storage.lock", storage_id=fast)
    with pytest.raises(StorageLocked):
        _chosen(bench, storage_id=fast)


def test_usage(bench: Bench) -> None:
    """What others fill a storage with is promised to nobody, whatever its capacity says; what is promised stays so."""
    node_id = bench.node()
    storage_id = _storage(bench, node_id, "main", overcommit=1.0, reserve_bytes=MIB)
    share = bench.memory("node-1").world.storages.share(f"wawel-{storage_id}")
    share.capacity_bytes = 200 * MIB
    bench.vm(node_id, storage_id, bench.image(storage_id))
    bench.change("UPDATE volume SET name = 'ours.qcow2', size_bytes = 1048576 WHERE name LIKE 'vm-%'")
    bench.memory("node-1").volumes.create_empty(f"wawel-{storage_id}", "ours.qcow2", DiskFormat.QCOW2, MIB)
    bench.call("admin.storage.check", storage_id=storage_id)
    [usage] = bench.call("admin.storage.get_usage", storage_id=storage_id)
    assert (usage["capacity_bytes"], usage["promised_bytes"]) == (200 * MIB, MIB), "nobody told another capacity"
    assert usage["allocated_bytes"] + usage["available_bytes"] == 200 * MIB
    assert (usage["virtual_bytes"], usage["room_bytes"]) == (MIB, 198 * MIB)
    other = bench.memory("node-1").volumes.create_empty(f"wawel-{storage_id}", "theirs", DiskFormat.RAW, 150 * MIB)
    share.volumes[other.name].allocation_bytes = 150 * MIB
    bench.call("admin.storage.check", storage_id=storage_id)
    [usage] = bench.call("admin.storage.get_usage")
    assert usage["room_bytes"] == 48 * MIB and usage["full_since"] is None
    with pytest.raises(StorageFull):
        bench.database.transact_now(claim_storage, storage_id, 49 * MIB)
    share.volumes[other.name].allocation_bytes = 198 * MIB
    bench.call("admin.storage.check", storage_id=storage_id)
    assert bench.call("admin.storage.get_by_id", storage_id=storage_id)["full_since"] is not None
    assert bench.call("admin.storage.get_usage")[0]["room_bytes"] == 0
    share.capacity_bytes = 400 * MIB
    bench.call("admin.storage.check", storage_id=storage_id)
    grown = bench.call("admin.storage.get_by_id", storage_id=storage_id)
    assert (grown["full_since"], grown["capacity_bytes"]) == (None, 400 * MIB)
    bench.call("admin.storage.edit", storage_id=storage_id, capacity_bytes=300 * MIB)
    bench.call("admin.storage.check", storage_id=storage_id)
    assert bench.call("admin.storage.get_by_id", storage_id=storage_id)["capacity_bytes"] == 300 * MIB


def test_drain(bench: Bench) -> None:
    """What lies on a storage that is drained is listed, with whose it is; nothing new is made there."""
    node_id = bench.node()
    storage_id = _storage(bench, node_id, "main")
    image_id = bench.image(storage_id)
    vm_id = bench.vm(node_id, storage_id, image_id)
    assert bench.call("admin.storage.drain", storage_id=storage_id)["draining"]
    image, disk = bench.call("admin.storage.get_content", storage_id=storage_id)
    assert (image["image_id"], image["vm_id"], image["user_id"]) == (image_id, None, bench.user.account_id)
    assert (disk["image_id"], disk["vm_id"], disk["user_id"]) == (None, vm_id, bench.user.account_id)
    [again] = bench.call("admin.storage.get_content", storage_id=storage_id, after=image["volume_id"])
    assert again == disk
    template_id = bench.call("admin.template.add", name="t", memory_mib=64)["template_id"]
    before = bench.trace()
    with pytest.raises(StorageDraining):
        bench.call(
            "user.vm.create", name="v", description="", image_id=image_id, template_id=template_id, by=bench.user
        )
    assert bench.trace() == before
    assert not bench.call("admin.storage.undrain", storage_id=storage_id)["draining"]


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("source", {}),
        ("source", {"source": "vg/../x"}),
        ("source", {"source": "-vg"}),
        ("source", {"source": ".."}),
        ("path", {"source": "vg", "path": "/srv/vg"}),
        ("address", {"source": "vg", "address": "nas"}),
        ("devices", {"source": "vg", "devices": ["/srv/x"]}),
        ("devices", {"source": "vg", "devices": ["/dev/../etc/x"]}),
        ("devices", {"source": "vg", "devices": ["/dev/sdb", "/dev/sdb"]}),
        ("devices", {"source": "vg", "devices": ["/dev/sdb /dev/sdc"]}),
        ("mount_options", {"source": "vg", "mount_options": ["noatime"]}),
        ("overcommit", {"source": "vg", "overcommit": 2.0}),
        ("devices", {"kind": "dir", "path": "/srv/a", "devices": ["/dev/sdb"]}),
        ("nfs_version", {"kind": "dir", "path": "/srv/a", "nfs_version": "4"}),
        ("nfs_version", {"kind": "netfs", "nfs_version": "5"}),
        ("mount_options", {"kind": "netfs", "mount_options": ["soft"]}),
        ("mount_options", {"kind": "netfs", "mount_options": ["exec"]}),
        ("mount_options", {"kind": "netfs", "mount_options": ["vers=3"]}),
        ("mount_options", {"kind": "netfs", "mount_options": ["a,b"]}),
        ("mount_options", {"kind": "netfs", "mount_options": ["x=$(id)"]}),
    ],
)
def test_refused(bench: Bench, parameter: str, values: dict[str, Any]) -> None:
    """What does not fit a kind is told of, and nothing is added."""
    netfs = {"path": "/srv/a", "address": "nas", "source": "/x"} if values.get("kind") == "netfs" else {}
    before = bench.trace()
    with pytest.raises(InvalidParameter) as refused:
        bench.call("admin.storage.add", **{"name": "main", "kind": "logical", **netfs, **values})
    assert refused.value.parameter == parameter
    assert bench.trace() == before


def test_mounted(bench: Bench) -> None:
    """How a netfs is mounted is told to its nodes."""
    node_id = bench.node()
    made = bench.call(
        "admin.storage.add", name="nfs", kind="netfs", path="/srv/nfs", address="nas", source="/x",
        nfs_version="4.2", mount_options=["nconnect=4", "noatime"],
    )  # fmt: skip
    answer = bench.call("admin.storage.attach", storage_id=made["storage_id"], node_id=node_id)
    assert bench.operation(answer["operation_id"])["state"] == "done"
    spec = bench.memory("node-1").world.storages._pools[f"wawel-{made['storage_id']}"][0]
    assert (spec.nfs_version, spec.mount_options) == ("4.2", ("nconnect=4", "noatime"))


def test_logical(bench: Bench) -> None:
    """A volume group is one node's; a VM's disk there is a raw copy of its image, and takes whole extents."""
    register_kinds()
    node_id = bench.node()
    storage_id = _storage(bench, node_id, "vg0", "logical", devices=["/dev/sdb"])
    row = bench.call("admin.storage.get_by_id", storage_id=storage_id)
    assert (row["path"], row["devices"], row["overcommit"]) == ("/dev/vg0", ["/dev/sdb"], 1.0)
    with pytest.raises(InUse):
        bench.call("admin.storage.attach", storage_id=storage_id, node_id=bench.node("node-2"))
    with pytest.raises(InvalidParameter):
        bench.call("admin.storage.edit", storage_id=storage_id, overcommit=1.5)
    path = bench.images / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "5M"], check=True)
    answer = bench.call(
        "admin.system_image.import_file", path=str(path), name="d", description="", storage_id=storage_id,
        access="public",
    )  # fmt: skip
    operation = bench.operation(answer["operation_id"])
    assert operation["state"] == "done", operation
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert (image["format"], image["size_bytes"], image["claimed_bytes"]) == ("raw", 8 * MIB, 8 * MIB)
    [volume] = bench.memory("node-1").volumes.list_all(f"wawel-{storage_id}")
    assert (volume.name, volume.capacity_bytes) == (f"image-{image['uuid']}.raw", 8 * MIB)
    template_id = bench.call("admin.template.add", name="t", memory_mib=64)["template_id"]
    bench.call("admin.network.add", name="net", network="10.9.0.0/28")
    [vm] = bench.call(
        "user.vm.create", name="v", description="", image_id=image["image_id"], template_id=template_id, disk_mib=9,
        by=bench.user,
    )  # fmt: skip
    operation = bench.operation(vm["operation_id"])
    assert operation["state"] == "done", operation
    row = bench.sql(
        "SELECT format || ' ' || mode || ' ' || size_bytes || ' ' || made || ' ' || coalesce(backing_id, 0) FROM volume"
        " WHERE name = :n",
        n=f"vm-{vm['uuid']}-root.raw",
    )
    assert row == f"raw copy {12 * MIB} true 0"
    assert bench.sql("SELECT claimed_bytes FROM storage WHERE id = :s", s=storage_id) == 20 * MIB
    assert bench.leaks() == []
