"""Tags: who writes and sees them, what they may be, and that they end with their object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cm.rpc.errors import InvalidParameter, ObjectNotFound, TooManyTags
from cm.rpc.vocabulary import TAGS_MAX
from cm.rules.access import AccessNeeded
from cm.store.prune import prune
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, at_database
from support.wait import until


@pytest.fixture(scope="module")
def cloud(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "tags") as made:
        yield made


@pytest.fixture(scope="module")
def objects(cloud: MemoryCloud) -> dict[str, int]:
    """One of each kind, by its word, with the tag ``born``, as far as it can be asked for."""
    tags = {"born": "here"}
    vm = cloud.wait(cloud.create(name="tagged", tags=tags)["vm_id"], "running")
    disk = cloud.call("user.disk.create", {"name": "tagged", "size_mib": 64, "tags": tags})
    cloud.ended(disk["operation_id"])
    snapshot = cloud.call("user.disk.create_snapshot", {"disk_id": disk["disk_id"], "name": "s", "tags": tags})
    cloud.ended(snapshot["operation_id"])
    group = cloud.call("user.security_group.create", {"name": "tagged", "tags": tags})
    made = {"vm": vm["vm_id"], "disk": disk["disk_id"], "snapshot": snapshot["snapshot_ids"][0],
            "security_group": group["security_group_id"]}  # fmt: skip
    account = {"a": cloud.user_id}
    made["image"] = cloud.sql("SELECT image_id FROM disk WHERE id = :d", d=disk["disk_id"])
    made["public_address"] = cloud.sql(
        "INSERT INTO public_address (address, account_id) VALUES ('203.0.113.9', :a) RETURNING id", **account
    )
    return made


def tags_of(cloud: MemoryCloud, kind: str, object_id: int, account: str = "user") -> Any:
    return cloud.call("user.tag.get", {"kind": kind, "object_id": object_id}, account=account)["tags"]


def put(cloud: MemoryCloud, kind: str, object_id: int, tags: dict[str, str], account: str = "user") -> Any:
    return cloud.call("user.tag.set", {"kind": kind, "object_id": object_id, "tags": tags}, account=account)


def test_life(cloud: MemoryCloud, objects: dict[str, int]) -> None:
    """What an object was made with is there; tags are added, changed and taken away, of every kind, and listed."""
    asked = [kind for kind in objects if kind not in ("image", "public_address")]
    assert {each["kind"]: each["tags"] for each in cloud.call("user.tag.get_list")} == {
        kind: {"born": "here"} for kind in asked
    }
    for kind, object_id in objects.items():
        made = put(cloud, kind, object_id, {"role": "web", "born": "there", "żółw": "ł <&>"})
        assert made["tags"] == {"role": "web", "born": "there", "żółw": "ł <&>"} == tags_of(cloud, kind, object_id)
        left = cloud.call("user.tag.remove", {"kind": kind, "object_id": object_id, "keys": ["role", "never"]})
        assert left["tags"] == {"born": "there", "żółw": "ł <&>"}
    assert {each["object_id"] for each in cloud.call("user.tag.get_list", {"kind": "disk"})} == {objects["disk"]}


def test_bounds(cloud: MemoryCloud, objects: dict[str, int]) -> None:
    """Fifty of one object, and no key that is EC2's own or the object's name; what is refused changes nothing."""
    kind, object_id = "vm", objects["vm"]
    before = tags_of(cloud, kind, object_id)
    for wrong in ({"aws:own": "x"}, {"AWS:own": "x"}, {"Name": "x"}, {"a" * 129: "x"}, {"a": "x" * 257}, {"": "x"},
                  {"a\nb": "x"}, {"good": "x", "aws:": "x"}):  # fmt: skip
        with pytest.raises(InvalidParameter):
            put(cloud, kind, object_id, wrong)
    room = TAGS_MAX - len(before)
    with pytest.raises(TooManyTags):
        put(cloud, kind, object_id, {f"k{number}": "" for number in range(room + 1)})
    assert tags_of(cloud, kind, object_id) == before
    full = put(cloud, kind, object_id, {f"k{number}": "" for number in range(room)})["tags"]
    put(cloud, kind, object_id, {"k0": "again"})
    with pytest.raises(TooManyTags):
        put(cloud, kind, object_id, {"more": ""})
    cloud.call("user.tag.remove", {"kind": kind, "object_id": object_id, "keys": [k for k in full if k not in before]})
    # Of a group the name is another thing than the tag, as with EC2.
    put(cloud, "security_group", objects["security_group"], {"Name": "shown"})
    with pytest.raises(InvalidParameter):
        cloud.call("user.disk.create", {"name": "never", "size_mib": 64, "tags": {"aws:x": "y"}})
    assert "never" not in [each["name"] for each in cloud.call("user.disk.get_list")]


def test_strangers(cloud: MemoryCloud, objects: dict[str, int]) -> None:
    """Whoever sees an object sees its tags, whoever may edit it writes them; of others' nobody learns anything."""
    for kind, object_id in objects.items():
        for view in ("get", "set", "remove"):
            more = {"set": {"tags": {"a": "b"}}, "remove": {"keys": ["born"]}}.get(view, {})
            with pytest.raises(ObjectNotFound):
                cloud.call(f"user.tag.{view}", {"kind": kind, "object_id": object_id, **more}, account="other")
    shared = {"kind": "vm", "object_id": objects["vm"], "login": "other"}
    cloud.call("user.acl.set", {**shared, "level": "user"})
    assert tags_of(cloud, "vm", objects["vm"], "other") == tags_of(cloud, "vm", objects["vm"])
    with pytest.raises(AccessNeeded):
        put(cloud, "vm", objects["vm"], {"a": "b"}, "other")
    cloud.call("user.acl.set", {**shared, "level": "operator"})
    assert put(cloud, "vm", objects["vm"], {"a": "b"}, "other")["tags"]["a"] == "b"
    assert cloud.call("user.tag.get_list", account="other") == []
    cloud.call("user.acl.set", {**shared, "level": None})


def test_end(cloud: MemoryCloud, objects: dict[str, int]) -> None:
    """With its object a tag ends: nobody is shown it, and its row is swept. An address's next owner has none."""
    cloud.call("user.public_address.release", {"public_address_id": objects["public_address"]})
    assert cloud.sql("SELECT count(*) FROM object_tag WHERE kind = 'public_address'") == 0
    cloud.call("user.security_group.delete", {"security_group_id": objects["security_group"]})
    cloud.call("user.vm.destroy", [[objects["vm"]]])
    cloud.wait(objects["vm"], "destroyed")
    assert {each["kind"] for each in cloud.call("user.tag.get_list")} == {"disk", "image", "snapshot"}
    for kind in ("vm", "security_group"):
        with pytest.raises(ObjectNotFound):
            put(cloud, kind, objects[kind], {"a": "b"})

    def swept() -> bool:
        cloud.manager.database.transact_now(prune)
        return not cloud.sql("SELECT count(*) FROM object_tag WHERE kind IN ('vm', 'security_group')")

    # The manager prunes as well, and one process at a time prunes a table.
    until(swept)
    assert cloud.sql("SELECT count(*) FROM object_tag WHERE kind = 'disk'") > 0
