"""The model of what people may see and do, by itself: cases small enough to be told in a line each."""

from __future__ import annotations

from typing import Any

from cm.rules.access import NEEDS, Shared
from cm.rules.operation import SPECS
from simulation import judge
from simulation.model import WORK, Accepted, Model
from simulation.workload import Ask

VM = {"name": "vm", "description": "", "image_id": 1, "template_id": 1}


def heard(*calls: tuple[float, str, str, dict[str, Any], tuple[int, ...]]) -> Model:
    model = Model()
    for call in calls:
        model.hear(Accepted(*call))
    return model


def grant(at: float, level: str | None, **whom: Any) -> tuple[float, str, str, dict[str, Any], tuple[int, ...]]:
    return at, "ann", "user.acl.set", {"kind": "vm", "object_id": 7, "level": level, **whom}, ()


CREATED = (1.0, "ann", "user.vm.create", VM, (7,))


def test_owner_and_stranger() -> None:
    model = heard(CREATED)
    vm = model.vms[7]
    assert [model.level(login, vm, 2.0) for login in ("ann", "bob")] == ["owner", None]
    assert model.level("ann", vm, 0.5) is None


def test_grant_is_taken_back() -> None:
    """What somebody had, and has no longer, is told apart to the moment."""
    model = heard(CREATED, grant(2.0, "operator", login="bob"), grant(4.0, None, login="bob"))
    vm = model.vms[7]
    assert [model.level("bob", vm, at) for at in (1.5, 3.0, 4.0)] == [None, "operator", None]
    assert model.levels("bob", vm, 2.5, 3.5) == {"operator"}
    assert model.levels("bob", vm, 3.5, 5.0) == {"operator", None}


def test_ended_is_its_owners_alone() -> None:
    model = heard(CREATED, grant(2.0, "owner", login="bob"))
    vm = model.vms[7]
    vm.ended = 5.0
    assert [model.level(login, vm, 6.0) for login in ("ann", "bob")] == ["owner", None]


def test_group() -> None:
    """Members see what their group does, from when on they are let in; who is in it may be known some time later."""
    model = heard(
        CREATED,
        (1.5, "ann", "user.group.create", {"name": "g"}, (3,)),
        grant(2.0, "user", group_id=3),
        (10.0, "ann", "user.group.activate_user", {"group_id": 3, "login": "bob"}, ()),
        (20.0, "ann", "user.group.delete", {"group_id": 3}, ()),
    )
    vm = model.vms[7]
    assert [model.level("bob", vm, at) for at in (9.0, 11.0, 21.0)] == [None, "user", None]
    assert model.levels("bob", vm, 22.0, 23.0, slack_s=5.0) == {"user", None}
    assert model.levels("bob", vm, 30.0, 31.0, slack_s=5.0) == {None}


def test_image_is_everybodys_while_it_is_public() -> None:
    model = heard(
        (1.0, "admin", "admin.system_image.import_file", {"name": "i"}, (9,)),
        (5.0, "admin", "admin.system_image.set_access", {"image_id": 9, "access": "private"}, ()),
        (8.0, "admin", "admin.system_image.delete", {"image_id": 9}, ()),
    )
    image = model.images[9]
    assert [model.level("bob", image, at) for at in (2.0, 6.0)] == ["user", None]
    assert [model.level("admin", image, at) for at in (6.0, 9.0)] == ["owner", None]


def test_own_import_is_private() -> None:
    model = heard((1.0, "ann", "user.system_image.import_url", {"name": "i", "url": "http://mirror/i"}, (9,)))
    image = model.images[9]
    assert [model.level(login, image, 2.0) for login in ("ann", "bob")] == ["owner", None]


def test_facts() -> None:
    """What was asked for is what is to be seen; several are numbered."""
    model = heard(
        (1.0, "ann", "user.vm.create", {**VM, "count": 2}, (7, 8)),
        (2.0, "ann", "user.vm.edit", {"vm_id": 8, "name": "other"}, ()),
        (3.0, "ann", "user.vm.attach_vnc", {"vm_id": 7}, ()),
    )
    assert [model.vms[i].facts["name"] for i in (7, 8)] == ["vm_1", "other"]
    assert [model.vms[i].facts["vnc_enabled"] for i in (7, 8)] == [True, False]


def test_blocked() -> None:
    model = heard(
        (1.0, "admin", "user.user.block", {"login": "bob", "block": True}, ()),
        (2.0, "admin", "user.user.block", {"login": "bob", "block": True}, ()),
        (5.0, "admin", "user.user.block", {"login": "bob", "block": False}, ()),
    )
    assert model.blocked == {"bob": [(1.0, 5.0)]}


def test_copies_are_whose_asked() -> None:
    """Disks and images that are made of something are theirs who asked for them, under the name that was asked for."""
    model = heard(
        (1.0, "ann", "user.disk.create", {"name": "empty", "size_mib": 1}, (9,)),
        (2.0, "bob", "user.disk.to_image", {"disk_id": 4, "name": "copied"}, (10,)),
        (3.0, "bob", "user.snapshot.create_disk", {"snapshot_id": 5, "name": "point"}, (11,)),
    )
    assert [(image.owner, image.facts["name"]) for image in model.images.values()] == [
        ("ann", "empty"), ("bob", "copied"), ("bob", "point"),
    ]  # fmt: skip
    assert model.level("ann", model.images[10], 4.0) is None


def test_what_a_template_installs() -> None:
    """VMs get its image, or that of its parents, be these deleted since, as it was when they were made."""
    model = heard(
        (1.0, "ann", "user.vm_template.create", {"name": "parent", "image_id": 9}, (1,)),
        (2.0, "bob", "user.vm_template.create", {"name": "child", "parent_template_id": 1}, (2,)),
        (3.0, "ann", "user.vm_template.delete", {"vm_template_id": 1}, ()),
        (4.0, "bob", "user.vm.create", {**VM, "image_id": None, "vm_template_id": 2}, (7,)),
        (5.0, "bob", "user.vm_template.edit", {"vm_template_id": 2, "image_id": 10, "name": "other"}, ()),
        (6.0, "bob", "user.vm.create", {**VM, "image_id": None, "vm_template_id": 2}, (8,)),
    )
    assert [model.vms[vm_id].facts["image_id"] for vm_id in (7, 8)] == [9, 10]
    assert [model.level("ann", model.templates[1], at) for at in (2.0, 3.0)] == ["owner", None]
    assert model.templates[2].facts["name"] == "other" and model.level("ann", model.templates[2], 6.0) is None


def test_image_that_was_turned() -> None:
    """Of which kind an image was then, and of which two it may have been in the moment of its turn."""
    model = heard(
        (1.0, "ann", "user.disk.to_image", {"disk_id": 4, "name": "copied"}, (9,)),
        (5.0, "ann", "user.system_image.convert_to_storage_image", {"image_id": 9}, ()),
        (8.0, "ann", "user.storage_image.convert_to_system_image", {"image_id": 9}, ()),
        (9.0, "ann", "user.system_image.convert_to_storage_image", {"image_id": 9}, ()),
    )
    image = model.images[9]
    image.facts["kind"] = "storage"
    asked = ((2.0, 3.0), (6.0, 7.0), (8.5, 8.7), (10.0, 11.0), (4.0, 6.0))
    assert [sorted(image.kinds(*each)) for each in asked] == [
        ["system"], ["storage"], ["system"], ["storage"], ["storage", "system"],
    ]  # fmt: skip


def test_snapshot_of_others_disks() -> None:
    """Owners of a VM are told to need more of a disk in it that is somebody else's, and of nothing else."""
    model = heard(
        (1.0, "admin", "admin.system_image.import_file", {"name": "i"}, (9,)),
        (2.0, "ann", "user.vm.create", {**VM, "disk_list": [9]}, (7,)),
        (3.0, "ann", "user.vm.create", VM, (8,)),
        (3.0, "ann", "user.vm.create", VM, (10,)),
        (3.5, "bob", "user.disk.attach", {"vm_id": 10, "disk_id": 1, "image_id": 9}, ()),
        (6.0, "bob", "user.disk.attach", {"vm_id": 8, "disk_id": 1, "image_id": 9}, ()),
        (6.0, "ann", "user.acl.set", {"kind": "image", "object_id": 9, "level": "owner", "login": "eve"}, ()),
    )
    wrong = {}
    for login, vm_id in (("ann", 7), ("ann", 8), ("ann", 10), ("eve", 7)):
        ask = Ask(1, login, "user.vm.create_snapshot", {"vm_id": vm_id, "name": "whole"}, "r1", 4.0)
        ask.error, ask.absent = "access_needed", ""
        wrong[login, vm_id] = [
            problem
            for thing, needs, _ in judge.subjects(model, ask, {}, {}, 4.0, 5.0)
            for problem in judge.judged(model, ask, "call 1", thing, needs, ask.error, 4.0, 5.0)
        ]
    assert {about for about, problems in wrong.items() if problems} == {("ann", 8), ("eve", 7)}


WORKED_ON = (Shared.VM, Shared.IMAGE)  # there is no work on what else is shared


def test_work() -> None:
    """Of each kind of work that somebody may retry or give up, the model knows which level that takes."""
    for kind, spec in SPECS.items():
        if spec.action is not None:
            needs = {NEEDS[each, spec.action].value for each in WORKED_ON if (each, spec.action) in NEEDS}
            assert needs == {WORK.get(kind.value, "operator")}, kind
