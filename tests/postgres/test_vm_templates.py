"""VM templates: what they say, and have of their parents; VMs that are made by them; who may do so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import (
    CloudError,
    InUse,
    InvalidParameter,
    ObjectNotFound,
    QuotaReached,
    VersionChanged,
    WrongImageState,
)
from cm.rules.access import AccessNeeded
from cm.services import vm_template as service
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def template(cloud: MemoryCloud, name: str = "t", **more: Any) -> int:
    return int(cloud.call("user.vm_template.create", {"name": name, **more})["vm_template_id"])


def make(cloud: MemoryCloud, by: int, **more: Any) -> dict[str, Any]:
    """A VM by a template, until it runs; all that is told of it."""
    params = {"name": "vm", "description": "", "image_id": None, "template_id": cloud.template_id, **more}
    (made,) = cloud.call("user.vm.create", {"vm_template_id": by, **params})
    cloud.wait(made["vm_id"], "running")
    return cloud.vm(made["vm_id"])


def test_life(cloud: MemoryCloud) -> None:
    """One is made, listed, changed field by field, and deleted; a VM that was made by it goes on."""
    one = template(cloud, image_id=cloud.image_id, system="Debian 12 amd64", access_method="ssh", tags={"team": "red"})
    (listed,) = cloud.call("user.vm_template.get_list")
    assert (listed["vm_template_id"], listed["access"], listed["user_login"]) == (one, "owner", "user")
    assert listed == cloud.call("user.vm_template.get_by_id", [one])
    assert listed in cloud.call("admin.vm_template.get_list", account="admin")
    vm = make(cloud, one)
    assert (vm["vm_template_id"], vm["image_id"]) == (one, cloud.image_id)
    assert cloud.call("user.tag.get", ["vm", vm["vm_id"]])["tags"] == {"team": "red"}
    edited = cloud.call("user.vm_template.edit", {"vm_template_id": one, "system": "other", "inherit": ["tags"]})
    assert (edited["system"], edited["tags"], edited["access_method"]) == ("other", None, "ssh")
    assert edited["effective"]["tags"] == {} and edited["version"] == listed["version"] + 1
    cloud.call("user.vm_template.delete", [one])
    assert cloud.call("user.vm_template.get_list") == []
    with pytest.raises(ObjectNotFound):
        make(cloud, one)
    assert cloud.vm(vm["vm_id"])["state"] == "running" and cloud.leaks() == []


def test_caller_comes_first(cloud: MemoryCloud) -> None:
    """What the caller gives, be it an empty list, comes before the template; tags are those of both."""
    one = template(cloud, image_id=cloud.image_id, new_disks=[64, 32], tags={"team": "red", "env": "test"})
    plain, own = make(cloud, one), make(cloud, one, new_disks=[], tags={"env": "live"})
    disks = "SELECT count(*) FROM attachment WHERE vm_id = :v"
    assert [cloud.sql(disks, v=vm["vm_id"]) for vm in (plain, own)] == [3, 1]
    assert cloud.call("user.tag.get", ["vm", own["vm_id"]])["tags"] == {"team": "red", "env": "live"}
    gone = cloud.image("gone.qcow2", account_id=cloud.user_id, name="gone")
    cloud.call("user.vm_template.edit", {"vm_template_id": one, "image_id": gone})
    cloud.sql("UPDATE image SET state = 'failed' WHERE id = :i", i=gone)
    with pytest.raises(WrongImageState):
        make(cloud, one)
    assert make(cloud, one, image_id=cloud.image_id)["image_id"] == cloud.image_id


def test_inherits(cloud: MemoryCloud) -> None:
    """What a template leaves open it has of its parents, the nearest first, and follows when they change."""
    top = template(cloud, "top", image_id=cloud.image_id, traits=["ssd"], new_disks=[64], has_agent=True)
    middle = template(cloud, "middle", parent_template_id=top, new_disks=[])
    leaf = template(cloud, "leaf", parent_template_id=middle, has_agent=False)
    told = cloud.call("user.vm_template.get_by_id", [leaf])
    assert (told["image_id"], told["traits"]) == (None, None)
    effective = told["effective"]
    assert (effective["image_id"], effective["new_disks"]) == (cloud.image_id, [])
    assert (effective["traits"], effective["has_agent"], effective["networks"]) == (["ssd"], False, [])
    cloud.call("user.vm_template.edit", {"vm_template_id": top, "traits": ["gpu"]})
    changes = "SELECT count(DISTINCT object_id) FROM change WHERE kind = 'vm_template' AND event = 'change'"
    assert cloud.sql(changes) == 3
    told = cloud.call("user.vm_template.get_by_id", [leaf])
    assert told["effective"]["traits"] == ["gpu"]
    with pytest.raises(CloudError, match="gpu"):
        make(cloud, leaf)
    cloud.call("user.vm_template.edit", {"vm_template_id": leaf, "orphan": True, "image_id": cloud.image_id})
    assert cloud.call("user.vm_template.get_by_id", [leaf])["effective"]["traits"] == []
    assert make(cloud, leaf)["vm_template_id"] == leaf


def test_dependents_are_named(cloud: MemoryCloud) -> None:
    """One that others are made of stays, and they are named."""
    top = template(cloud, "top")
    children = [template(cloud, name, parent_template_id=top) for name in ("a", "b")]
    with pytest.raises(InUse, match=f"VM templates {children[0]}, {children[1]}"):
        cloud.call("user.vm_template.delete", [top])
    for child in children:
        cloud.call("user.vm_template.delete", [child])
    cloud.call("user.vm_template.delete", [top])


def test_cycles(cloud: MemoryCloud) -> None:
    """No template is its own parent, at whatever distance, and chains are bounded; a refusal changes nothing."""
    chain = [template(cloud, "0")]
    for number in range(1, 8):
        chain.append(template(cloud, str(number), parent_template_id=chain[-1]))
    before = cloud.call("user.vm_template.get_list")
    for parent in (chain[0], chain[1], chain[7]):
        with pytest.raises(InvalidParameter) as refused:
            cloud.call("user.vm_template.edit", {"vm_template_id": chain[0], "parent_template_id": parent})
        assert refused.value.details()["parameter"] == "parent_template_id"
    with pytest.raises(InvalidParameter):
        template(cloud, "8", parent_template_id=chain[7])
    assert cloud.call("user.vm_template.get_list") == before
    above = template(cloud, "above")
    with pytest.raises(InvalidParameter):  # the chain below would be too long
        cloud.call("user.vm_template.edit", {"vm_template_id": chain[0], "parent_template_id": above})


def test_two_at_once_make_no_cycle(cloud: MemoryCloud) -> None:
    """Of two templates that get each other as their parent at the same time, one is refused."""
    for _ in range(5):
        one, two = template(cloud), template(cloud)
        told: list[str] = []

        def turn(whose: int, parent: int, told: list[str] = told) -> None:
            try:
                cloud.call("user.vm_template.edit", {"vm_template_id": whose, "parent_template_id": parent})
                told.append("ok")
            except CloudError as error:
                told.append(error.code)

        threads = [threading.Thread(target=turn, args=pair) for pair in ((one, two), (two, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == ["invalid_parameter", "ok"]


def test_refused(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign images, networks and parents, unknown fields and words, and too many; nothing is left of any of them."""
    private = cloud.image("theirs.qcow2", account_id=cloud.other_id, name="theirs", access="private")
    theirs = cloud.call("user.vm_template.create", {"name": "theirs"}, account="other")["vm_template_id"]
    foreign = ({"image_id": private}, {"iso_list": [private]}, {"networks": [10**9]}, {"parent_template_id": theirs})
    for wrong in foreign:
        with pytest.raises(ObjectNotFound):
            template(cloud, **wrong)
    for wrong in (
        {"raw_data": "<x/>"}, {"access_method": "telnet"}, {"new_disks": [0]}, {"traits": ["A b"]}, {"name": ""},
        {"iso_list": [1, 1]}, {"tags": {"": "x"}}, {"tags": {"wawel:x": "1"}, "unknown": 1},
    ):  # fmt: skip
        with pytest.raises(CloudError) as refused:
            template(cloud, **wrong)
        assert refused.value.number == InvalidParameter("", "").number, wrong
    one = template(cloud)
    with pytest.raises(InvalidParameter, match="image"):
        make(cloud, one)
    for wrong in ({"system": "x", "inherit": ["system"]}, {"orphan": True, "parent_template_id": one}):
        with pytest.raises(InvalidParameter):
            cloud.call("user.vm_template.edit", {"vm_template_id": one, **wrong})
    with pytest.raises(VersionChanged):
        cloud.call("user.vm_template.edit", {"vm_template_id": one, "name": "x", "if_version": 7})
    monkeypatch.setattr(service, "VM_TEMPLATES_MAX", 1)
    with pytest.raises(QuotaReached):
        template(cloud)
    assert [each["name"] for each in cloud.call("user.vm_template.get_list")] == ["t"]


def test_shared(cloud: MemoryCloud) -> None:
    """A user makes VMs by another's template, as far as they may use its image; an owner edits and deletes it."""
    one = template(cloud, image_id=cloud.image_id)
    call = {"kind": "vm_template", "object_id": one}
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm_template.get_by_id", [one], account="other")
    cloud.call("user.acl.set", {**call, "level": "user", "login": "other"})
    (listed,) = cloud.call("user.vm_template.get_list", account="other")
    assert (listed["access"], listed["user_login"]) == ("user", "user")
    asked = {"name": "vm", "description": "", "image_id": None, "template_id": cloud.template_id, "vm_template_id": one}
    (made,) = cloud.call("user.vm.create", asked, account="other")
    assert cloud.sql("SELECT account_id FROM vm WHERE id = :v", v=made["vm_id"]) == cloud.other_id
    for view in ("edit", "delete"):
        with pytest.raises(AccessNeeded):
            cloud.call(f"user.vm_template.{view}", {"vm_template_id": one}, account="other")
    private = cloud.image("own.qcow2", account_id=cloud.user_id, name="own", access="private")
    cloud.call("user.vm_template.edit", {"vm_template_id": one, "image_id": private})
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm.create", asked, account="other")
    cloud.call("user.acl.set", {**call, "level": "owner", "login": "other"})
    cloud.call("user.vm_template.edit", {"vm_template_id": one, "name": "ours"}, account="other")
    cloud.call("user.acl.set", {**call, "level": None, "login": "other"})
    assert cloud.call("user.vm_template.get_list", account="other") == []
