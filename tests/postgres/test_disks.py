"""Disks as objects: who sees which, and what is told of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.errors import CloudError, ObjectNotFound
from cm.rpc.vocabulary import DiskFormat, Role
from cm.rules.access import AccessNeeded, Action, Person
from cm.services.access import authorized_disk
from cm.store.feed import read_changes
from support.cloud import MemoryCloud, at_database, run

MIB = 2**20


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "disks", reconcile_s=3600.0) as made:
        yield made


def ids(cloud: MemoryCloud, account: str = "user", **params: Any) -> list[int]:
    view = "admin.disk.get_list" if account == "admin" else "user.disk.get_list"
    return [disk["disk_id"] for disk in cloud.call(view, params, account=account)]


def entry(cloud: MemoryCloud, kind: str = "storage", **more: Any) -> tuple[int, int]:
    """A storage image or an ISO. :return: its disk's id, and its own."""
    volume = uuid.uuid4().hex
    for node in cloud.memory.values():
        node.volumes.create_empty(f"wawel-{cloud.storage_id}", volume, DiskFormat.QCOW2, MIB)
    image_id = cloud.image(volume, kind=kind, **more)
    return cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=image_id), image_id


def grant(cloud: MemoryCloud, kind: str, object_id: int, level: str) -> None:
    cloud.sql("DELETE FROM acl WHERE kind = :k AND object_id = :o", k=kind, o=object_id)
    cloud.sql(
        "INSERT INTO acl (kind, object_id, account_id, level) VALUES (:k, :o, :a, :l)",
        k=kind, o=object_id, a=cloud.other_id, l=level,
    )  # fmt: skip


def test_what_is_told(cloud: MemoryCloud) -> None:
    """A VM's own disk has its VM's name and no entry; an entry's has the entry's, and where it is attached."""
    disk_id, image_id = entry(cloud, name="data", size_bytes=5 * MIB)
    vm = cloud.create(name="owner of both", disk_list=[image_id])
    cloud.wait(vm["vm_id"], "running")
    told = {disk["kind"]: disk for disk in cloud.call("user.disk.get_list", {"vm_id": vm["vm_id"]})}
    root, data = told["vm"], told["storage"]
    assert (root["name"], root["image_id"], root["state"]) == ("owner of both", None, "ok")
    assert (root["size_bytes"], root["mine"], root["level"]) == (64 * MIB, True, "owner")
    assert (data["disk_id"], data["name"], data["image_id"], data["size_bytes"]) == (disk_id, "data", image_id, 5 * MIB)
    assert [(a["vm_name"], a["number"], a["device"], a["delete_with_vm"]) for a in root["attachments"]] == [
        ("owner of both", 0, "vda", True)
    ]
    assert [(a["vm_id"], a["number"], a["device"], a["delete_with_vm"]) for a in data["attachments"]] == [
        (vm["vm_id"], 1, "vdb", False)
    ]
    assert cloud.call("user.disk.get_by_id", [disk_id]) == data
    assert cloud.call("user.object.find", {"uuids": [data["uuid"], root["uuid"]]}) == [
        {"uuid": data["uuid"], "kind": "disk", "id": disk_id},
        {"uuid": root["uuid"], "kind": "disk", "id": root["disk_id"]},
    ]


def test_pages_and_filters(cloud: MemoryCloud) -> None:
    """Newest first, a page after another; by kind, storage, account; an administrator sees everybody's."""
    first, second = entry(cloud)[0], entry(cloud, "iso")[0]
    others = entry(cloud, account_id=cloud.other_id)[0]
    assert ids(cloud, limit=2) == [second, first]
    assert ids(cloud, limit=1, before=second) == [first]
    assert second in ids(cloud, kind="iso") and first not in ids(cloud, kind="iso")
    assert others not in ids(cloud) and others in ids(cloud, "admin")
    assert ids(cloud, "admin", user_id=cloud.other_id) == [others]
    assert set(ids(cloud, "admin", storage_id=cloud.storage_id)) >= {first, second, others}


def test_levels_by_the_entry(cloud: MemoryCloud) -> None:
    """Who has a level on the entry has it on the disk, and the refusal names the entry."""
    disk_id, image_id = entry(cloud)
    with pytest.raises(ObjectNotFound):
        cloud.call("user.disk.get_by_id", [disk_id], account="other")
    grant(cloud, "image", image_id, "user")
    assert cloud.call("user.disk.get_by_id", [disk_id], account="other")["level"] == "user"
    assert disk_id in ids(cloud, "other", shared=True) and disk_id not in ids(cloud, "other")
    other = Person(cloud.other_id)

    def may(action: Action) -> Any:
        return cloud.manager.database.read_now(lambda s: authorized_disk(s, other, disk_id, action))

    with pytest.raises(AccessNeeded) as refused:
        may(Action.EDIT)
    assert refused.value.details() == {"kind": "image", "object_id": image_id, "needs": "operator"}
    grant(cloud, "image", image_id, "owner")
    assert may(Action.DELETE).id == disk_id


def test_levels_by_a_vm(cloud: MemoryCloud) -> None:
    """Who sees a VM sees its disks: the level on a VM is that on its own disk, and makes a user of the others."""
    data, image_id = entry(cloud)
    vm = cloud.create(name="shared", disk_list=[image_id])
    cloud.wait(vm["vm_id"], "running")
    (root,) = (d["disk_id"] for d in cloud.call("user.disk.get_list", {"vm_id": vm["vm_id"], "kind": "vm"}))
    with pytest.raises(ObjectNotFound):
        cloud.call("user.disk.get_list", {"vm_id": vm["vm_id"]}, account="other")
    grant(cloud, "vm", vm["vm_id"], "operator")
    seen = {d["disk_id"]: d for d in cloud.call("user.disk.get_list", {"vm_id": vm["vm_id"]}, account="other")}
    assert {disk: seen[disk]["level"] for disk in seen} == {root: "operator", data: "user"}
    assert [a["vm_id"] for a in seen[data]["attachments"]] == [vm["vm_id"]]
    assert {root, data} <= set(ids(cloud, "other", shared=True))
    read = cloud.manager.database.read_now
    assert read(lambda s: authorized_disk(s, Person(cloud.other_id), root, Action.EDIT)).id == root
    with pytest.raises(AccessNeeded) as refused:
        read(lambda s: authorized_disk(s, Person(cloud.other_id), data, Action.EDIT))
    assert refused.value.details() == {"kind": "vm", "object_id": vm["vm_id"], "needs": "operator"}


def test_attachments_of_others(cloud: MemoryCloud) -> None:
    """Who may only use a disk is told of their own VMs' attachments alone."""
    iso, image_id = entry(cloud, "iso", access="public")
    mine = cloud.create(name="mine", iso_list=[image_id])
    identity = Identity(cloud.other_id, "other", frozenset({Role.USER}))
    caller = LocalCaller(cloud.manager.registry, cloud.manager.executor.execute, identity)
    values = {"name": "theirs", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
    (theirs,) = run(lambda: caller.call("user.vm.create", {**values, "iso_list": [image_id]}))
    told = cloud.call("user.disk.get_by_id", [iso], account="other")
    assert (told["level"], [a["vm_id"] for a in told["attachments"]]) == ("user", [theirs["vm_id"]])
    told = cloud.call("user.disk.get_by_id", [iso])
    assert {a["vm_id"] for a in told["attachments"]} == {mine["vm_id"], theirs["vm_id"]}


def test_feed(cloud: MemoryCloud) -> None:
    """The feed tells of a disk as it is, to its account and to whom its entry is shared with."""
    values = {"name": "fed", "description": "", "url": "http://127.0.0.1:9/none.qcow2"}
    image_id = cloud.call("user.storage_image.import_url", values)["image_id"]
    disk_id = cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=image_id)
    grant(cloud, "image", image_id, "user")

    def told() -> list[Any]:
        rows = cloud.manager.database.read_now(lambda s: read_changes(s, (0, 0), 10_000))
        return [row for row in rows if (row.kind, row.object_id) == ("disk", disk_id)]

    cloud.until(told, "the feed tells of the disk")
    first = told()[0]
    assert (first.event, first.users) == ("enter", {cloud.user_id, cloud.other_id})
    assert '"name":"fed"' in first.object


def test_not_seen_is_not_there(cloud: MemoryCloud) -> None:
    """An id that nothing has and one of a stranger's disk answer alike."""
    disk_id, _ = entry(cloud, account_id=cloud.other_id)
    answers = set()
    for each in (disk_id, 10**9):
        with pytest.raises(CloudError) as refused:
            cloud.call("user.disk.get_by_id", [each])
        answers.add(refused.value.code)
    assert answers == {"object_not_found"}
