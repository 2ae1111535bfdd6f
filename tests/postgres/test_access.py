"""Sharing: every view at every level, by grants, groups and being public; revoking; uuids; whom the feed concerns."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.errors import InvalidParameter, ObjectNotFound, OwnerBlocked, RoleNeeded, VersionChanged, WrongVMState
from cm.rpc.view import Registry
from cm.rpc.vocabulary import DiskFormat, ImageAccess, Role
from cm.rules.access import AccessNeeded, Level, Shared
from cm.rules.instance import OPERATIONS
from cm.rules.operation import SPECS, OperationKind
from cm.services.access import drop_groups
from cm.services.acl import OwnerStays
from cm.store.access import audience
from support.cloud import MemoryCloud, at_database, run
from support.matrix import (
    SAMPLES,
    UNSHARED,
    Case,
    arguments,
    cases,
    insert_expiry,
    insert_network,
    insert_public,
    insert_snapshot,
    needs_level,
    outcome,
)
from support.rows import ATTACH

CLM, OTHER_CLM, GROUP = "clm-a", "clm-b", 7
NONE, USER, OPERATOR, OWNER = range(4)
ASKED = {
    OperationKind.VM_START: "start",
    OperationKind.VM_STOP: "stop",
    OperationKind.VM_SHUTDOWN: "shutdown",
    OperationKind.VM_RESET: "reset",
    OperationKind.VM_PAUSE: "pause",
    OperationKind.VM_RESUME: "resume",
    OperationKind.VM_SUSPEND: "suspend",
    OperationKind.VM_WAKE_UP: "wake_up",
    OperationKind.VM_VNC: "attach_vnc",
    OperationKind.VM_SAVE: "save_and_shutdown",
    OperationKind.VM_TO_IMAGE: "save",
    OperationKind.VM_DESTROY: "destroy",
}
RANKS = {"user": USER, "operator": OPERATOR, "owner": OWNER}


class World:
    """A cluster with a VM and an image of each kind that ``owner`` has, and people of two cloud managers."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        self.people: dict[str, Identity] = {}
        for login in ("owner", "friend", "member", "stranger"):
            self.person(login, CLM, (GROUP,) if login in ("owner", "member") else ())
        self.person("foreigner", OTHER_CLM, (GROUP,))
        self.people["admin"] = Identity(cloud.admin_id, "admin", frozenset({Role.ADMIN}))
        self.vm = self.ask("owner", "user.vm.create", name="vm", description="", user_data="canary", **self.parts())[0]
        self.vm_id = self.vm["vm_id"]
        self.start_id = cloud.sql(
            "INSERT INTO operation (kind, account_id, vm_id, state, deadline, finished_at)"
            " VALUES ('vm_start', :a, :v, 'done', now(), now()) RETURNING id",
            a=self.people["owner"].account_id,
            v=self.vm_id,
        )
        self.images = {kind: self.image(kind) for kind in ("system", "iso", "storage")}
        snapped = self.image("storage")
        group = self.ask("owner", "user.security_group.create", name="group")
        self.ids = {
            "vm_id": self.vm_id,
            "to_vm_id": self.vm_id,
            "iso_list": self.images["iso"],
            "disk_list": self.images["storage"],
            "security_group_ids": group["security_group_id"],
            "operation_id": self.start_id,
            "disk_id": self.disk(self.images["storage"]),
            "iso_image_id": self.images["iso"],
            "snapshot_id": insert_snapshot(cloud, self.disk(snapped)),
            "storage_id": cloud.storage_id,
            "network_id": insert_network(cloud, "lab", "10.66.0.0/28", self.people["owner"].account_id),
            "pool_id": cloud.sql("SELECT min(id) FROM network WHERE account_id IS NULL"),
            **dict.fromkeys(("vm_template_id", "parent_template_id"), self.template()),
            "public_address_id": insert_public(cloud, self.vm_id, self.people["owner"].account_id),
            "expiry_id": insert_expiry(cloud, self.vm_id, self.people["owner"].account_id),
        }
        self.of_ids = {"disk_id": self.images["storage"], "snapshot_id": snapped, "iso_image_id": self.images["iso"]}
        self.settle(self.vm_id)

    def parts(self) -> dict[str, Any]:
        return {"image_id": self.cloud.image_id, "template_id": self.cloud.template_id}

    def person(self, login: str, issuer: str, groups: tuple[int, ...]) -> None:
        account_id = self.cloud.account(login)
        self.cloud.sql(
            "UPDATE account SET origin = :o, external_id = :e WHERE id = :i", o=issuer, e=str(account_id), i=account_id
        )
        role = frozenset({Role.USER})
        self.people[login] = Identity(account_id, login, role, groups, source="token", issuer=issuer)

    def image(self, kind: str, access: str = "private") -> int:
        form = DiskFormat.QCOW2 if kind == "storage" else DiskFormat.RAW
        name = f"{kind}-{uuid.uuid4()}.{form}"
        for memory in self.cloud.memory.values():
            memory.volumes.create_empty(f"wawel-{self.cloud.storage_id}", name, form, 2**20)
        owner_id = self.people["owner"].account_id
        return self.cloud.image(
            name, account_id=owner_id, kind=kind, name=name, format=str(form), size_bytes=2**20, access=access
        )

    def template(self) -> int:
        made: int = self.cloud.sql(
            "INSERT INTO vm_template (account_id, name) VALUES (:a, 'kept') RETURNING id",
            a=self.people["owner"].account_id,
        )
        return made

    def disk(self, image_id: int) -> int:
        found: int = self.cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=image_id)
        return found

    def decides(self, name: str, noun: str) -> tuple[str, int]:
        """The shared object that a parameter of a view on a noun names, or what it names is part of."""
        name = name.replace("_ids", "_id")
        if name in ("vm_id", "to_vm_id", "object_id", "operation_id"):
            return "vm", self.vm_id
        if name in ("network_id", "networks"):
            return "network", self.ids["network_id"]
        if name == "expiry_id":
            return "expiry", self.ids["expiry_id"]
        if name in ("vm_template_id", "parent_template_id"):
            return "vm_template", self.ids["vm_template_id"]
        kinds = {"iso_list": "iso", "disk_list": "storage", "iso_image": "iso", "storage_image": "storage"}
        return "image", self.of_ids.get(name) or self.images[kinds.get(name) or kinds.get(noun, "system")]

    def ask(self, who: str, method: str, /, **params: Any) -> Any:
        caller = LocalCaller(self.cloud.manager.registry, self.cloud.manager.executor.execute, self.people[who])
        return run(lambda: caller.call(method, params))

    def grant(self, kind: str, object_id: int, level: str | None, *, by: str = "owner", **subject: Any) -> None:
        self.ask(by, "user.acl.set", kind=kind, object_id=object_id, level=level, **subject)

    def settle(self, vm_id: int) -> None:
        while self.ask("owner", "user.vm.get_by_id", vm_id=vm_id)["operation_id"] is not None:
            threading.Event().wait(0.01)

    def changes(self) -> list[tuple[str, int, int, str]]:
        with self.cloud.manager.database.engine.begin() as connection:
            found = connection.execute(text("SELECT kind, object_id, account_id, event FROM change ORDER BY id"))
            return [tuple(row) for row in found]


@pytest.fixture(scope="module")
def world(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with at_database(postgres, tmp_path_factory, "access", reconcile_s=3600.0) as cloud:
        yield World(cloud)


@pytest.fixture(autouse=True)
def unshared(world: World) -> Iterator[None]:
    yield
    world.cloud.sql("DELETE FROM acl")
    world.cloud.sql("UPDATE image SET access = 'private' WHERE id <> :i", i=world.cloud.image_id)


REGISTRY = Registry.collect("cm.views")
CASES = [c for c in cases(REGISTRY) if c.view.role is Role.USER and c.parameter.name not in UNSHARED]


def needed(case: Case) -> int:
    """The rank that the view declares to need; the operation is a start."""
    return RANKS[needs_level(case, OperationKind.VM_START)]


def test_every_view_has_a_level() -> None:
    """A view that takes a shared object's id says what it does with it; and no other says so."""
    declared = {(view.name, name) for view in REGISTRY for name in view.on}
    assert declared == {(case.view.name, case.parameter.name) for case in CASES}
    assert {needed(case) for case in CASES} == {USER, OPERATOR, OWNER}


def test_as_its_operation() -> None:
    """Whoever may ask for an operation may retry it, and give it up: the view and the kind name one action."""
    for kind, name in ASKED.items():
        (action,) = REGISTRY.get(f"user.vm.{name}").on.values()
        assert action is SPECS[kind].action, name


def test_grave_views_are_owners() -> None:
    """Whatever is declared: to change an object takes more than to see it; to end it or give it away, an owner."""
    seen = {case.view.name for case in CASES if case.view.changing and needed(case) == USER}
    downloads = {f"user.{noun}_image.create_download" for noun in ("system", "storage", "iso")}
    uses = {"user.vm.create", "user.vm_template.create", "user.system_image.copy"}
    uses |= {"user.farm.create", "user.vm_profile.create", "user.cloud_service.svc_create"}
    assert seen == {*uses, *downloads}  # which use images, and read them
    images = {f"user.{noun}_image.delete" for noun in ("system", "storage", "iso")}
    shared = {"user.system_image.set_group", "user.system_image.set_private"}
    kinds = {"user.storage_image.convert_to_system_image", "user.system_image.convert_to_storage_image"}
    points = {"user.disk.create_snapshot", "user.vm.create_snapshot", "user.snapshot.delete", "user.snapshot.revert"}
    disks = {f"user.disk.{verb}" for verb in ("attach", "detach", "delete", "restore", "purge", "create_download")}
    disks |= {f"user.storage_image.{verb}" for verb in ("attach", "detach")}
    secret = ("password_reset", "install_keys", "remove_keys", "generate_key", "mount_share", "unmount_share")
    inside = {f"user.vm.{verb}" for verb in secret}
    cards = {"user.nic.attach", "user.nic.detach", "user.nic.edit", "user.network.release"}
    templates = {"user.vm_template.edit", "user.vm_template.delete"}
    owners = {case.view.name for case in CASES if needed(case) == OWNER}
    cards |= {"user.expiry.edit"}
    graves = {"user.vm.trash", "user.vm.recover", "user.vm.destroy", "user.vm.set_policy", "user.vm.resize"}
    graves |= {*images, *shared, "user.transfer.create", "user.change_request.ask_resize"}
    graves |= {"user.vm.save", "user.vm.save_and_shutdown", "user.vm.set_affinity_group", "user.vm.save_as_template"}
    circles = {name for name in owners if name.startswith("user.instance.")}
    assert owners - circles == {*graves, *kinds, *points, *disks, *cards, *templates, *inside}
    # Of what these do under other names nothing is open to more people.
    assert circles >= {f"user.instance.{each}" for each, spec in OPERATIONS.items() if spec.view in owners}


def _targets(world: World, case: Case) -> list[tuple[str, int]]:
    """The shared objects that decide, by kind and id: that of the case, and what else its view requires."""
    declared = case.view.on.keys()
    named = {case.parameter.name} | {each.name for each in case.view.parameters if each.required} & declared
    return sorted({world.decides(name, case.view.name.split(".")[1]) for name in named})


def _named(world: World, case: Case) -> int:
    """The id that the view is given."""
    noun = case.view.name.split(".")[1]
    name = case.parameter.name.replace("_ids", "_id")
    return world.ids.get(case.parameter.name) or world.ids.get(name) or world.decides(name, noun)[1]


def _told(world: World, who: str, case: Case, object_id: int) -> str:
    ids = {"image_id": world.cloud.image_id, "template_id": world.cloud.template_id, "group_id": GROUP, **world.ids}
    ids |= dict.fromkeys(("head_template_id", "worker_template_id"), world.cloud.template_id)
    samples = {**SAMPLES, "kind": "vm", "level": "user"}
    # What asks the outside has no plan, and refuses to tell one before it looks who asks; no guest here answers.
    values = arguments(case, object_id, ids, samples, dry_run=not case.view.is_async)
    return outcome(lambda: world.ask(who, case.view.name, **values))


def _as_expected(told: str, level: int, needs: int) -> bool:
    if level == NONE:
        return told == "object_not_found"
    return told == "access_needed" if level < needs else told not in ("access_needed", "object_not_found", "incident")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_levels(world: World, case: Case) -> None:
    """Each view refuses who has too low a level, does not know who has none, and lets the others through."""
    targets, named = _targets(world, case), _named(world, case)
    needs = needed(case)
    told = _told(world, "owner", case, named)
    assert _as_expected(told, OWNER, needs), told
    for who in ("friend", "member", "foreigner", "stranger"):
        assert _as_expected(_told(world, who, case, named), NONE, needs), who
    for level, rank in RANKS.items():
        for kind, object_id in targets:
            world.grant(kind, object_id, level, login="friend")
            world.grant(kind, object_id, level, group_id=GROUP)
        told = _told(world, "friend", case, named)
        assert _as_expected(told, rank, needs), f"{level} was told {told}"
        told = _told(world, "member", case, named)
        assert _as_expected(told, rank, needs), f"a group's {level} was told {told}"
        for who in ("foreigner", "stranger"):
            assert _as_expected(_told(world, who, case, named), NONE, needs), who
    for kind, object_id in targets:
        world.grant(kind, object_id, None, login="friend")
        world.grant(kind, object_id, None, group_id=GROUP)
    for who in ("friend", "member"):
        assert _as_expected(_told(world, who, case, named), NONE, needs), f"{who} after it was taken back"


@pytest.mark.parametrize("case", [c for c in CASES if "image_id" in c.parameter.name or "_list" in c.parameter.name])
def test_public(world: World, case: Case) -> None:
    """Of a public image everybody is a user, and no more; of one that is not ready, nobody."""
    if case.view.name.startswith("user.operation") or len(_targets(world, case)) > 1:
        return  # a VM decides, too
    image_id = _named(world, case)
    needs = needed(case)
    world.cloud.sql("UPDATE image SET access = 'public' WHERE id = :i", i=image_id)
    for who in ("stranger", "foreigner"):
        assert _as_expected(_told(world, who, case, image_id), USER, needs)
    world.grant("image", image_id, "operator", login="friend")
    assert _as_expected(_told(world, "friend", case, image_id), OPERATOR, needs)
    if case.view.name.startswith(("user.vm", "user.farm")):
        return
    world.cloud.sql("UPDATE image SET state = 'failed' WHERE id = :i", i=image_id)
    try:
        assert _told(world, "stranger", case, image_id) == "object_not_found"
    finally:
        world.cloud.sql("UPDATE image SET state = 'ok' WHERE id = :i", i=image_id)


# ------------------------------------------------------------------ granting


def test_granting(world: World) -> None:
    """An operator makes and unmakes users, owners all; nobody the account's own level."""
    vm = world.vm_id
    world.grant("vm", vm, "operator", login="friend")
    world.grant("vm", vm, "user", login="stranger", by="friend")
    for level in ("operator", "owner"):
        with pytest.raises(AccessNeeded) as refused:
            world.grant("vm", vm, level, login="stranger", by="friend")
        assert refused.value.details() == {"kind": "vm", "object_id": vm, "needs": "owner"}
    world.grant("vm", vm, "operator", login="stranger")
    for level in (None, "user"):
        with pytest.raises(AccessNeeded):
            world.grant("vm", vm, level, login="stranger", by="friend")
    with pytest.raises(AccessNeeded):
        world.grant("vm", vm, None, login="friend", by="stranger")
    world.grant("vm", vm, "owner", login="friend")
    world.grant("vm", vm, None, login="stranger", by="friend")
    for level in (None, "user", "owner"):
        with pytest.raises(OwnerStays):
            world.grant("vm", vm, level, login="owner", by="friend")
    world.grant("vm", vm, None, login="friend", by="friend")
    with pytest.raises(ObjectNotFound):
        world.grant("vm", vm, "user", login="friend", by="friend")


def test_a_user_cannot_probe(world: World) -> None:
    """Whoever may not grant is refused before they learn which logins there are."""
    world.grant("vm", world.vm_id, "user", login="friend")
    for login in ("stranger", "nobody-of-that-name"):
        with pytest.raises(AccessNeeded):
            world.grant("vm", world.vm_id, "user", login=login, by="friend")


def test_subjects(world: World) -> None:
    """One subject, of the caller's own cloud manager; a group that they are in."""
    vm = world.vm_id
    for subject in ({}, {"login": "friend", "group_id": GROUP}, {"group_id": GROUP + 1}):
        with pytest.raises(InvalidParameter):
            world.grant("vm", vm, "user", **subject)
    for login in ("foreigner", "user", "nobody"):  # another cloud manager's, this cluster's own, and none
        with pytest.raises(ObjectNotFound) as refused:
            world.grant("vm", vm, "user", login=login)
        assert refused.value.kind == "user"
    for wrong in ("x", "", "1" * 13):
        with pytest.raises(InvalidParameter):
            world.grant("vm", vm, "user", account_number=wrong)
    for login in ("foreigner", "admin"):
        with pytest.raises(ObjectNotFound):
            world.grant("vm", vm, "user", account_number=str(world.people[login].account_id))
    world.grant("vm", vm, "user", account_number=f"{world.people['friend'].account_id:012d}")
    assert world.ask("friend", "user.vm.get_by_id", vm_id=vm)["access"] == "user"
    world.grant("vm", vm, None, login="friend")
    with pytest.raises(OwnerStays):
        world.grant("vm", vm, "user", account_number=str(world.people["owner"].account_id))
    with pytest.raises(VersionChanged):
        world.grant("vm", vm, "user", login="friend", if_version=10**9)


def test_list_of_grants(world: World) -> None:
    """Operators see all, the account's own first; users what concerns themselves."""
    vm, people = world.vm_id, world.people
    world.grant("vm", vm, "operator", login="friend")
    world.grant("vm", vm, "user", group_id=GROUP)
    numbers = {login: people[login].account_id for login in ("owner", "friend")}

    def person(login: str) -> dict[str, Any]:
        return {"user_id": numbers[login], "login": login, "account_number": str(numbers[login])}

    own, friend, group = (
        {"subject": person("owner"), "level": "owner"},
        {"subject": person("friend"), "level": "operator"},
        {"subject": {"group_id": GROUP, "issuer": CLM}, "level": "user"},
    )
    for who in ("owner", "friend"):
        assert world.ask(who, "user.acl.get_list", kind="vm", object_id=vm) == [own, friend, group]
    assert world.ask("member", "user.acl.get_list", kind="vm", object_id=vm) == [group]
    assert world.ask("admin", "admin.acl.get_list", kind="vm", object_id=vm) == [own, friend, group]
    with pytest.raises(ObjectNotFound):
        world.ask("foreigner", "user.acl.get_list", kind="vm", object_id=vm)


def test_administrators(world: World) -> None:
    """They share what is not theirs, by their own views alone, and have to say whose login or group it is."""
    vm = world.vm_id
    values = {"kind": "vm", "object_id": vm, "level": "operator"}
    with pytest.raises(RoleNeeded):
        world.ask("stranger", "admin.acl.set", **values, login="stranger")
    with pytest.raises(ObjectNotFound):
        world.ask("admin", "user.acl.set", **values, login="user")
    with pytest.raises(InvalidParameter):
        world.ask("admin", "admin.acl.set", **values, group_id=GROUP)
    world.ask("admin", "admin.acl.set", **values, login="user")  # of this cluster
    assert world.cloud.vm(vm)["access"] == "operator"
    world.ask("admin", "admin.acl.set", **values, group_id=GROUP, issuer=OTHER_CLM)
    assert world.ask("foreigner", "user.vm.get_by_id", vm_id=vm)["access"] == "operator"
    world.ask("admin", "admin.acl.set", **{**values, "level": None}, group_id=GROUP, issuer=OTHER_CLM)
    with pytest.raises(ObjectNotFound):
        world.ask("foreigner", "user.vm.get_by_id", vm_id=vm)


# ------------------------------------------------------------------ what is seen


def test_details(world: World) -> None:
    """A detail tells the caller's level and whose it is; what was handed to the guest is for owners."""
    vm = world.vm_id
    for level in RANKS:
        world.grant("vm", vm, level, login="friend")
        seen = world.ask("friend", "user.vm.get_by_id", vm_id=vm)
        assert (seen["access"], seen["user_login"]) == (level, "owner")
        assert (seen["user_data"] == "canary") == (level == "owner")
    assert world.ask("owner", "user.vm.get_by_id", vm_id=vm)["access"] == "owner"
    image = world.images["iso"]
    world.grant("image", image, "operator", login="friend")
    world.cloud.sql(ATTACH, vm_id=vm, image_id=image, device="sdx", read_only=True)
    seen = world.ask("friend", "user.iso_image.get_by_id", image_id=image)
    assert (seen["level"], seen["user_login"], seen["mine"], seen["vm_ids"]) == ("operator", "owner", False, [])
    assert world.ask("owner", "user.iso_image.get_by_id", image_id=image)["vm_ids"] == [vm]
    world.cloud.sql("DELETE FROM attachment WHERE number > 0")


def test_lists(world: World) -> None:
    """One's own list stays one's own; ``shared`` lists what others share, with the highest level, live and paged."""
    ids = [world.vm_id]
    for name in ("second", "gone"):
        made = world.ask("owner", "user.vm.create", name=name, description="", groups=[GROUP], **world.parts())
        ids.append(made[0]["vm_id"])
        world.settle(ids[-1])
    world.grant("vm", ids[0], "operator", login="member")
    world.grant("vm", ids[0], "user", group_id=GROUP)

    def shared(who: str, **more: Any) -> list[tuple[int, str, str]]:
        found = world.ask(who, "user.vm.get_list", shared=True, **more)
        return [(vm["vm_id"], vm["user_login"], vm["access"]) for vm in found]

    everything = [(ids[2], "owner", "user"), (ids[1], "owner", "user"), (ids[0], "owner", "operator")]
    assert shared("member") == everything
    assert shared("member", limit=1) + shared("member", limit=5, before=ids[2]) == everything
    assert shared("owner") == [] and shared("foreigner") == [] and shared("member", closed=True) == []
    assert world.ask("member", "user.vm.get_list") == []
    assert {vm["vm_id"] for vm in world.ask("owner", "user.vm.get_list")} == set(ids)
    world.ask("owner", "user.vm.destroy", vm_ids=[ids[2]])
    world.settle(ids[2])
    assert shared("member") == everything[1:]
    with pytest.raises(ObjectNotFound):
        world.ask("member", "user.vm.get_by_id", vm_id=ids[2])
    assert world.ask("owner", "user.vm.get_by_id", vm_id=ids[2])["state"] == "destroyed"


def test_create_for_a_group(world: World) -> None:
    """Only with groups that the caller is in, and nothing is made with others."""
    before = len(world.ask("owner", "user.vm.get_list"))
    for who, groups in (("owner", [GROUP, GROUP + 1]), ("stranger", [GROUP])):
        with pytest.raises(InvalidParameter):
            world.ask(who, "user.vm.create", name="x", description="", groups=groups, **world.parts())
    assert len(world.ask("owner", "user.vm.get_list")) == before
    assert world.cloud.sql("SELECT count(*) FROM acl") == 0


def test_image_lists(world: World) -> None:
    """CC1's private, public and group, each image with the groups that the caller may know of."""
    image = world.images["system"]

    def listed(who: str, **more: Any) -> list[int]:
        return [i["image_id"] for i in world.ask(who, "user.system_image.get_list", **more)]

    public = world.cloud.image_id
    assert listed("member") == [public] and listed("owner", access="private") == [image]
    world.ask("owner", "user.system_image.set_group", image_id=image, group_id=GROUP)
    assert set(listed("member")) == {image, public}
    assert listed("member", access="group") == listed("member", group_id=GROUP) == [image]
    assert listed("member", access="public") == [public] and listed("member", access="private") == []
    assert listed("member", group_id=GROUP + 1) == [] and listed("foreigner", access="group") == []
    assert listed("foreigner", group_id=GROUP) == []
    for who in ("owner", "member"):
        assert world.ask(who, "user.system_image.get_by_id", image_id=image)["group_ids"] == [GROUP]
    found = world.ask("admin", "admin.system_image.get_list", access="group")
    assert [(i["image_id"], i["group_ids"]) for i in found] == [(image, [GROUP])]
    world.grant("image", image, "user", login="friend")
    world.ask("owner", "user.system_image.set_private", image_id=image)
    assert listed("member") == [public] and set(listed("friend")) == {image, public}
    assert world.ask("friend", "user.system_image.get_by_id", image_id=image)["group_ids"] == []


def test_set_group_ends_public(world: World) -> None:
    """As in CC1: an image has one access, so a group's is public no more; a group keeps a higher level it has."""
    image = world.images["system"]
    world.cloud.sql("UPDATE image SET access = 'public' WHERE id = :i", i=image)
    world.grant("image", image, "operator", group_id=GROUP)
    world.ask("owner", "user.system_image.set_group", image_id=image, group_id=GROUP)
    assert world.ask("member", "user.system_image.get_by_id", image_id=image)["level"] == "operator"
    assert world.ask("owner", "user.system_image.get_by_id", image_id=image)["access"] == ImageAccess.PRIVATE
    with pytest.raises(ObjectNotFound):
        world.ask("stranger", "user.system_image.get_by_id", image_id=image)
    with pytest.raises(InvalidParameter):
        world.ask("owner", "user.system_image.set_group", image_id=image, group_id=GROUP + 1)


# ------------------------------------------------------------------ what is done


def test_owner_blocked(world: World) -> None:
    """Who works on what is another's is not told that they are blocked themselves where its account is."""
    vm = world.ask("owner", "user.vm.create", name="blocked", description="", **world.parts())[0]["vm_id"]
    world.settle(vm)
    world.grant("vm", vm, "owner", login="friend")
    owner = world.people["owner"].account_id
    world.ask("admin", "admin.user.edit", user_id=owner, active=False)
    with pytest.raises(OwnerBlocked) as refused:
        world.ask("friend", "user.vm.save_and_shutdown", vm_id=vm, name="saved", description="")
    assert refused.value.account_id == owner
    world.ask("admin", "admin.user.edit", user_id=owner, active=True)
    world.ask("friend", "user.vm.destroy", vm_ids=[vm])
    world.settle(vm)


def test_others_work(world: World) -> None:
    """An operator's stop and start cost the VM's account alone; a save makes that account's image."""
    made = world.ask("owner", "user.vm.create", name="worked", description="", **world.parts())
    vm = made[0]["vm_id"]
    world.settle(vm)
    world.grant("vm", vm, "owner", login="friend")
    used = "SELECT used_vms + used_cpu + used_storage_mib FROM account WHERE login = 'friend'"
    answer = world.ask("friend", "user.vm.stop", vm_id=vm)
    assert world.ask("friend", "user.operation.wait", operation_id=answer["operation_id"])["state"] == "done"
    world.ask("friend", "user.vm.start", vm_id=vm)
    world.settle(vm)
    assert world.cloud.sql(used) == 0
    saved = world.ask("friend", "user.vm.save_and_shutdown", vm_id=vm, name="saved", description="")
    owner = world.people["owner"].account_id
    assert world.cloud.sql("SELECT account_id FROM image WHERE id = :i", i=saved["image_id"]) == owner
    world.settle(vm)
    assert world.cloud.sql(used) == 0
    # The VM has ended; whoever asked for that is told how it went, and nobody else but its account.
    op = saved["operation_id"]
    assert world.ask("friend", "user.operation.get", operation_id=op)["state"] == "done"
    with pytest.raises(ObjectNotFound):
        world.ask("member", "user.operation.get", operation_id=op)
    with pytest.raises(ObjectNotFound):
        world.ask("friend", "user.vm.get_by_id", vm_id=vm)
    assert world.cloud.leaks() == []


def test_revoked_operations(world: World) -> None:
    """What somebody asked of a VM that they see no more is not listed, and pages stay whole."""
    world.grant("vm", world.vm_id, "operator", login="friend")
    for enabled in ("attach_vnc", "detach_vnc"):
        answer = world.ask("friend", f"user.vm.{enabled}", vm_id=world.vm_id)
        world.ask("friend", "user.operation.wait", operation_id=answer["operation_id"])
    own = world.ask("friend", "user.vm.create", name="own", description="", **world.parts())[0]["operation_id"]
    world.ask("friend", "user.operation.wait", operation_id=own)
    answer = world.ask("friend", "user.vm.attach_vnc", vm_id=world.vm_id)
    assert len(world.ask("friend", "user.operation.get_list", limit=2)) == 2
    world.grant("vm", world.vm_id, None, login="friend")
    listed = [op["operation_id"] for op in world.ask("friend", "user.operation.get_list", limit=2)]
    assert own in listed and answer["operation_id"] not in listed
    with pytest.raises(ObjectNotFound):
        world.ask("friend", "user.operation.get_list", vm_id=world.vm_id)


def test_grant_while_it_ends(world: World) -> None:
    """Granting waits for whoever deletes the object, and then finds it gone; nothing is left granted."""
    image = world.image("system")
    engine = world.cloud.manager.database.engine
    results: list[Any] = []

    def grant() -> None:
        try:
            world.grant("image", image, "user", login="friend")
        except Exception as error:
            results.append(error)

    with engine.begin() as connection:
        connection.execute(text("UPDATE image SET state = 'deleted' WHERE id = :i"), {"i": image})
        thread = threading.Thread(target=grant)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive(), "the grant did not wait"
    thread.join(10)
    assert isinstance(results[0], ObjectNotFound)
    assert world.cloud.sql("SELECT count(*) FROM acl WHERE object_id = :i", i=image) == 0


def test_ended(world: World) -> None:
    """A destroyed VM is shared no more, and cannot be."""
    made = world.ask("owner", "user.vm.create", name="ends", description="", groups=[GROUP], **world.parts())
    vm = made[0]["vm_id"]
    world.settle(vm)
    world.ask("owner", "user.vm.destroy", vm_ids=[vm])
    world.settle(vm)
    with pytest.raises(WrongVMState):
        world.grant("vm", vm, "user", login="friend")
    with pytest.raises(ObjectNotFound):
        world.ask("member", "user.vm.get_by_id", vm_id=vm)
    # Those who saw it are still told of its end.
    seen = world.cloud.manager.database.read_now(audience, [("vm", vm)])["vm", vm]
    assert seen.groups == {CLM: {GROUP}}


# ------------------------------------------------------------------ the feed, groups, uuids


def test_changes(world: World) -> None:
    """Watchers hear of grants; whoever loses one hears that the object is gone for them, before the change itself."""
    vm, friend, owner = world.vm_id, world.people["friend"].account_id, world.people["owner"].account_id
    before = len(world.changes())
    world.grant("vm", vm, "user", login="friend")
    world.grant("vm", vm, "user", login="friend")  # nothing new
    world.grant("vm", vm, "operator", login="friend")
    world.grant("vm", vm, None, login="friend")
    world.grant("vm", vm, None, login="friend")
    changed = ("vm", vm, owner, "change")
    assert world.changes()[before:] == [changed, changed, ("vm", vm, friend, "exit"), changed]


def test_audience(world: World) -> None:
    """Whom objects concern, in one query for many."""
    vm, image, people = world.vm_id, world.images["iso"], world.people
    world.grant("vm", vm, "user", login="friend")
    world.grant("vm", vm, "user", group_id=GROUP)
    world.ask("admin", "admin.acl.set", kind="vm", object_id=vm, level="user", group_id=9, issuer=OTHER_CLM)
    world.cloud.sql("UPDATE image SET access = 'public' WHERE id = :i", i=image)
    network = world.ids["network_id"]
    world.grant("network", network, "operator", login="friend")
    asked = [("vm", vm), ("image", image), ("vm", 10**9), ("node", 1), ("vm", vm), ("network", network)]
    found = world.cloud.manager.database.read_now(audience, asked)
    owner = people["owner"].account_id
    assert found["vm", vm].accounts == {people["friend"].account_id}
    assert found["vm", vm].groups == {CLM: {GROUP}, OTHER_CLM: {9}}
    assert (found["vm", vm].owner, found["vm", vm].public) == (owner, False)
    assert (found["image", image].owner, found["image", image].public, found["image", image].groups) == (
        owner,
        True,
        {},
    )
    assert (found["network", network].owner, found["network", network].accounts) == (
        owner,
        {people["friend"].account_id},
    )
    for pair in asked[2:4]:
        assert (found[pair].owner, found[pair].accounts, found[pair].public) == (None, frozenset(), False)
    assert world.cloud.manager.database.read_now(audience, []) == {}


def test_groups_that_end(world: World) -> None:
    """With a group ends what it was granted, and nothing of another cloud manager's group of that number."""
    vm, image, database = world.vm_id, world.images["system"], world.cloud.manager.database
    world.grant("vm", vm, "operator", group_id=GROUP)
    world.grant("image", image, "user", group_id=GROUP)
    world.ask("admin", "admin.acl.set", kind="vm", object_id=vm, level="user", group_id=GROUP, issuer=OTHER_CLM)
    friend = world.people["friend"].account_id
    world.cloud.sql(  # of somebody else's VM nothing is granted
        "INSERT INTO vm (name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, closed_at)"
        " SELECT 'x', :f, image_id, template_id, gen_random_uuid(), 1, 64, 'x', now() FROM vm WHERE id = :v",
        f=friend,
        v=vm,
    )
    network = world.ids["network_id"]
    world.grant("network", network, "user", group_id=GROUP)
    before = len(world.changes())
    assert database.transact_now(drop_groups, CLM, [GROUP, 99]) == 3
    assert database.transact_now(drop_groups, CLM, [GROUP]) == 0
    owner = world.people["owner"].account_id
    ends = [("image", image, owner, "change"), ("network", network, owner, "change"), ("vm", vm, owner, "change")]
    assert world.changes()[before:] == ends
    for method, values in (
        ("vm.get_by_id", {"vm_id": vm}), ("system_image.get_by_id", {"image_id": image}),
        ("network.get_by_id", {"network_id": network}),
    ):  # fmt: skip
        with pytest.raises(ObjectNotFound):
            world.ask("member", f"user.{method}", **values)
    assert world.ask("foreigner", "user.vm.get_by_id", vm_id=vm)["access"] == Level.USER


def test_uuids(world: World) -> None:
    """A uuid is found by those who see what it names, and told to nobody else; administrators find every kind."""
    cloud = world.cloud
    tables = {"vm": "vm", "image": "image", "template": "template", "node": "node", "storage": "storage"}
    tables |= {"network": "network", "user": "account"}
    ids = {"vm": world.vm_id, "image": world.images["system"]}
    ids |= {kind: cloud.sql(f"SELECT min(id) FROM {table}") for kind, table in tables.items() if kind not in ids}
    uuids = {kind: cloud.sql(f"SELECT uuid::text FROM {t} WHERE id = :i", i=ids[kind]) for kind, t in tables.items()}
    asked = [*uuids.values(), str(uuid.uuid4())]

    def found(who: str, view: str = "user.object.find") -> dict[str, int]:
        answer = world.ask(who, view, uuids=asked)
        assert [entry["uuid"] for entry in answer] == [u for u in asked if u in {e["uuid"] for e in answer}]
        assert all(entry["uuid"] == uuids[entry["kind"]] for entry in answer)
        return {entry["kind"]: entry["id"] for entry in answer}

    assert found("admin", "admin.object.find") == ids
    assert found("owner")["storage"] == ids["storage"]  # they have disks there

    def kinds(who: str) -> set[str]:
        """But for storages, which those find who have disks there."""
        return set(found(who)) - {"storage"}

    assert kinds("owner") == {"vm", "image", "template"}
    for who in ("stranger", "friend", "foreigner", "member"):
        assert kinds(who) == {"template"}
    world.grant(Shared.VM, ids["vm"], "user", group_id=GROUP)
    world.grant(Shared.IMAGE, ids["image"], "user", login="friend")
    lab = cloud.sql("SELECT uuid::text FROM network WHERE id = :i", i=world.ids["network_id"])
    named = [{"uuid": lab, "kind": "network", "id": world.ids["network_id"]}]
    assert world.ask("member", "user.object.find", uuids=[lab]) == []
    world.grant(Shared.NETWORK, world.ids["network_id"], "user", group_id=GROUP)
    seen = [world.ask(who, "user.object.find", uuids=[lab]) for who in ("member", "owner", "friend")]
    assert seen == [named, named, []]
    assert kinds("member") == {"vm", "template"} and kinds("friend") == {"image", "template"}
    assert kinds("foreigner") == {"template"}
    cloud.sql("UPDATE image SET state = 'deleted' WHERE id = :i", i=ids["image"])
    assert kinds("friend") == {"template"} and kinds("owner") == {"vm", "template"}
    cloud.sql("UPDATE image SET state = 'ok' WHERE id = :i", i=ids["image"])
    spelled = uuids["vm"].upper()
    assert world.ask("owner", "user.object.find", uuids=[spelled]) == [{"uuid": spelled, "kind": "vm", "id": ids["vm"]}]
    for bad in ([], ["x" * 36], ["7"], [str(uuid.uuid4())] * 201):
        with pytest.raises(InvalidParameter):
            world.ask("owner", "user.object.find", uuids=bad)
