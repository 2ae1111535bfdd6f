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
    NodeUnreachable,
    ObjectNotFound,
    QuotaReached,
    VersionChanged,
    WrongImageState,
)
from cm.rules.access import AccessNeeded
from cm.rules.vm_template import DEPTH_MAX
from cm.services import vm_template as service
from cm.store.prune import Retention, prune_table
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, nodes=1)
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
    with pytest.raises(InUse, match=f"VM template {children[0]}, VM template {children[1]}"):
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


# ------------------------------------------------------------------ saved of VMs


def saved(cloud: MemoryCloud, vm_id: int, **more: Any) -> dict[str, Any]:
    """A VM's template, once its image is made."""
    answer: dict[str, Any] = cloud.call("user.vm.save_as_template", {"vm_id": vm_id, **more})
    op = cloud.ended(answer["operation_id"])
    assert (op["state"], op["progress"]) == ("done", 100), op
    return answer


def test_saved(cloud: MemoryCloud) -> None:
    """A VM becomes a template, by the name of the next version, which VMs are made by; it goes on itself."""
    one = template(cloud, "web", image_id=cloud.image_id, tags={"team": "red"})
    vm = make(cloud, one)["vm_id"]
    names = [saved(cloud, vm)["name"] for _ in range(2)]
    last = saved(cloud, vm, name="mine", description="by hand")
    assert names == ["web v1", "web v2"] and last["name"] == "mine"
    told = cloud.call("user.vm_template.get_by_id", [last["vm_template_id"]])
    assert (told["parent_template_id"], told["image_id"]) == (one, last["image_id"])
    assert (told["description"], told["effective"]["tags"]) == ("by hand", {"team": "red"})
    assert cloud.vm(vm)["state"] == "running"
    assert make(cloud, last["vm_template_id"])["image_id"] == last["image_id"]
    plain = cloud.create(name="plain v4")["vm_id"]
    cloud.wait(plain, "running")
    answer = saved(cloud, plain)
    assert answer["name"] == "plain v5"
    assert cloud.call("user.vm_template.get_by_id", [answer["vm_template_id"]])["parent_template_id"] is None
    assert cloud.leaks() == []


def test_versions_of_versions(cloud: MemoryCloud) -> None:
    """However often one is saved of another, all of it is there, and no chain is too long."""
    one = template(cloud, "web", image_id=cloud.image_id, tags={"team": "red"})
    for _ in range(DEPTH_MAX - 1):
        one = template(cloud, "web", parent_template_id=one)
    answer = saved(cloud, make(cloud, one)["vm_id"])
    told = cloud.call("user.vm_template.get_by_id", [answer["vm_template_id"]])
    assert (told["parent_template_id"], told["tags"]) == (None, {"team": "red"})


def test_not_there_before_its_image(cloud: MemoryCloud) -> None:
    """Until its image is made nobody sees it; one that was given up never is, and its row goes with its image."""
    vm = cloud.create()["vm_id"]
    cloud.wait(vm, "running")
    for _ in range(40):
        next(iter(cloud.memory.values())).fail_next("create_copy", NodeUnreachable("n", "gone"))
    answer = cloud.call("user.vm.save_as_template", {"vm_id": vm})
    coming = answer["vm_template_id"]
    step = "SELECT step FROM operation WHERE id = :i"
    cloud.until(lambda: cloud.sql(step, i=answer["operation_id"]) == "copy", "the copying")
    assert cloud.call("user.vm_template.get_list") == []
    for view in ("get_by_id", "delete"):
        with pytest.raises(ObjectNotFound):
            cloud.call(f"user.vm_template.{view}", [coming])
    cloud.call("user.operation.abandon", [answer["operation_id"]])
    gone = "SELECT count(*) FROM image WHERE id = :i AND deleted_at IS NOT NULL"
    cloud.until(lambda: cloud.sql(gone, i=answer["image_id"]), "the image is gone")
    assert cloud.call("user.vm_template.get_list") == []
    prune = cloud.manager.database.transact_now
    assert prune(prune_table, "vm_template", Retention()) == 1
    assert cloud.sql("SELECT count(*) FROM vm_template WHERE id = :i", i=coming) == 0


def test_save_refused(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of another's VM, nor beyond how many there may be; nothing is begun then."""
    vm = cloud.create()["vm_id"]
    cloud.wait(vm, "running")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm.save_as_template", {"vm_id": vm}, account="other")
    monkeypatch.setattr(service, "VM_TEMPLATES_MAX", 0)
    with pytest.raises(QuotaReached):
        cloud.call("user.vm.save_as_template", {"vm_id": vm})
    assert cloud.vm(vm)["operation_id"] is None
    assert cloud.sql("SELECT count(*) FROM vm_template") == 0
