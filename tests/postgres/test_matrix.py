"""
Who may do what in a cluster, walked through for every view that names an object. Nothing is listed here but the kinds of
ids and who stands for whom: a new view is tested from its first day, and a new kind of id fails until it has a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.caller import ANONYMOUS, Identity, LocalCaller
from cm.rpc.view import Registry
from cm.rpc.vocabulary import Role
from support.cloud import MemoryCloud, run
from support.matrix import NOBODYS, SAMPLES, Case, arguments, cases, outcome

REGISTRY = Registry.collect("cm.views")
CASES = list(cases(REGISTRY))
BROKEN = {"incident", "internal_error", "error"}
UNSEEN = {"object_not_found", "empty"}
# What everybody may use, so that a stranger's call about it is not refused for being a stranger's.
FOR_ALL = {"template_id"}
# Ids that mean nothing yet: whatever is given there is refused.
NOT_THERE = {"public_ip_id"}
# Tables that no refused call may touch.
KEPT = ("vm", "image", "account", "template", "storage", "node", "address_pool", "operation", "image_attachment")
SEEN = ("seen_at", "passed_at", "info", "state_reason", "checked_at", "used_bytes", "free_bytes")


class World:
    """A quiet cluster in which ``user`` owns one of each kind."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        vm = cloud.create(name="matrix")
        self.vm = cloud.wait(vm["vm_id"], "running")
        self.gone = cloud.wait(cloud.create(name="gone")["vm_id"], "running")
        cloud.call("user.vm.destroy", [[self.gone["vm_id"]]])
        cloud.wait(self.gone["vm_id"], "destroyed")
        self.ids: dict[str, Any] = {
            "vm_id": self.vm["vm_id"],
            "image_id": self._image("kept", None),
            "template_id": cloud.template_id,
            "operation_id": cloud.sql("SELECT min(id) FROM operation WHERE vm_id = :v", v=self.vm["vm_id"]),
            "node_id": cloud.node_ids[0],
            "storage_id": cloud.storage_id,
            "pool_id": cloud.sql("SELECT min(id) FROM address_pool"),
            "user_id": cloud.user_id,
            "public_ip_id": NOBODYS,
            "drift_id": cloud.sql(
                "INSERT INTO drift (kind, node_id, subject, evidence) VALUES ('wrong_definition', :n, :s, '{}')"
                " RETURNING id",
                n=cloud.node_ids[0],
                s="00000000-0000-4000-8000-000000000001",
            ),
        }
        self.ids["object_id"] = self.ids["vm_id"]
        self.ids["group_id"] = 77
        self.ids["message_ids"] = self._message()
        self.ids["vm_ids"] = self.ids["vm_id"]
        self.ids["iso_list"] = self._image("iso", None, "iso")
        self.ids["disk_list"] = self._image("disk", None, "storage")
        self.ids["group_ids"] = 77
        self.deleted = {"vm_id": self.gone["vm_id"], "vm_ids": self.gone["vm_id"]}
        self.deleted["image_id"] = self._image("deleted", "now()")

    def target(self, case: Case) -> Any:
        """The owner's object that a view is about: images are of the kind that the view's noun says."""
        noun = case.view.name.split(".")[1]
        kinds = {"iso_image": "iso_list", "storage_image": "disk_list"}
        return self.ids[kinds.get(noun, "image_id") if case.parameter.name == "image_id" else case.parameter.name]

    def _image(self, name: str, deleted: str | None, kind: str = "system") -> int:
        return self.cloud.sql(
            "INSERT INTO image (kind, name, account_id, storage_id, volume, format, size_bytes, claimed_bytes, state,"
            " access, deleted_at) VALUES (:k, :n, :a, :s, :n, 'qcow2', 67108864, 0, 'ok', 'private',"
            f" {deleted or 'NULL'}) RETURNING id",
            n=name,
            k=kind,
            a=self.cloud.user_id,
            s=self.cloud.storage_id,
        )

    def _message(self) -> int:
        return self.cloud.sql(
            "INSERT INTO message (account_id, level, code, params) VALUES (:a, 'info', 'test', '{}') RETURNING id",
            a=self.cloud.user_id,
        )

    def ask(self, who: Identity, case: Case, object_id: Any, *, dry_run: bool = False) -> str:
        values = arguments(case, object_id, self.ids, SAMPLES, dry_run=dry_run)
        manager = self.cloud.manager
        caller = LocalCaller(manager.registry, manager.executor.execute, who)
        return outcome(lambda: run(lambda: caller.call(case.view.name, values)))

    def digest(self) -> str:
        made = hashlib.sha256()
        with self.cloud.manager.database.engine.begin() as connection:
            for table in KEPT:
                # What passes over nodes write, by and by, is nobody's call.
                statement = f"SELECT (to_jsonb(t) - CAST(%s AS text[]))::text FROM {table} t ORDER BY 1"
                rows = connection.exec_driver_sql(statement, (list(SEEN),)).scalars().all()
                made.update("\n".join(rows).encode())
        return made.hexdigest()


@pytest.fixture(scope="module")
def world(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    postgres.create_database("matrix", template="wawel_template")
    cloud = MemoryCloud(postgres.url("matrix"), Path(tmp_path_factory.mktemp("matrix")), reconcile_s=3600.0)
    yield World(cloud)
    cloud.stop()
    postgres.drop_database("matrix")


def identity(world: World, login: str) -> Identity:
    cloud = world.cloud
    known: dict[str, Callable[[], Identity]] = {
        "guest": lambda: ANONYMOUS,
        "owner": lambda: Identity(cloud.user_id, "user", frozenset({Role.USER})),
        "other": lambda: Identity(cloud.other_id, "other", frozenset({Role.USER})),
        # Somebody whose token tells of a group of another cloud manager than the one that the object is shared in.
        "other group": lambda: Identity(cloud.other_id, "other", frozenset({Role.USER}), (77,)),
        "admin": lambda: Identity(cloud.admin_id, "admin", frozenset({Role.ADMIN})),
        "node": lambda: Identity(0, "node", frozenset({Role.NODE}), node_id=cloud.node_ids[0]),
    }
    return known[login]()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_strangers(world: World, case: Case) -> None:
    """Without the role nobody comes through; strangers do not learn that an object is there, and change nothing."""
    role, name = case.view.role, case.parameter.name
    target = world.target(case)
    before = world.digest()
    assert world.ask(ANONYMOUS, case, target) == "not_authenticated" or role is Role.GUEST
    assert world.ask(identity(world, "node"), case, target) == "role_needed" or role in (Role.GUEST, Role.NODE)
    for login in ("other", "other group"):
        told = world.ask(identity(world, login), case, target)
        if role is Role.ADMIN:
            assert told == "role_needed"
        elif name not in FOR_ALL | NOT_THERE and name != "group_id":
            assert told in UNSEEN, f"{login} was told {told}"
        assert told not in BROKEN
    assert world.digest() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nobodys(world: World, case: Case) -> None:
    """An id that nothing has is told as such to whoever has the role, and changes nothing."""
    before = world.digest()
    for login in ("owner", "admin"):
        who = identity(world, login)
        told = world.ask(who, case, NOBODYS)
        if not who.may(case.view.role):
            assert told == "role_needed"
        elif not _is_filter(case):
            assert told in UNSEEN | {"invalid_parameter", "not_permitted"}, f"{login} was told {told}"
        assert told not in BROKEN
    assert world.digest() == before


@pytest.mark.parametrize("case", [c for c in CASES if c.parameter.name in ("vm_id", "vm_ids", "image_id")], ids=str)
def test_deleted(world: World, case: Case) -> None:
    """A deleted object is looked at at most; strangers do not see that it was there."""
    before = world.digest()
    target = world.deleted[case.parameter.name]
    for login in ("owner", "other", "admin"):
        who = identity(world, login)
        told = world.ask(who, case, target)
        assert told not in BROKEN
        if not who.may(case.view.role):
            assert told == "role_needed"
        elif case.view.changing:
            assert told != "ok"
        if login == "other" and case.view.role is Role.USER:
            assert told in UNSEEN
    assert world.digest() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_owner(world: World, case: Case) -> None:
    """The owner, and administrators where the view is theirs, are let through to what the view itself has to say."""
    before = world.digest()
    who = identity(world, "admin" if case.view.role is Role.ADMIN else "owner")
    told = world.ask(who, case, world.target(case), dry_run=True)
    assert told not in BROKEN | {"not_authenticated", "role_needed", "access_needed"}
    if case.parameter.name not in NOT_THERE and case.parameter.name != "group_id":
        assert told not in UNSEEN
    assert world.digest() == before


def _is_filter(case: Case) -> bool:
    """A list of what is there about an object: empty for an id that nothing has."""
    return not case.view.changing and not case.parameter.required


def test_it_sees(world: World) -> None:
    """The walk is not empty, and an owner's real call is seen in the digest."""
    assert len(CASES) > 60
    before = world.digest()
    world.cloud.call("user.vm.edit", [world.vm["vm_id"], "renamed"])
    assert world.digest() != before
