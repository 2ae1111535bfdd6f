"""
Who may do what in a cluster, walked through for every view that names an object. Nothing is listed here but the kinds
of ids and who stands for whom: a new view is tested from its first day, and a new kind of id fails until it has a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cm.rpc.caller import ANONYMOUS, Identity, LocalCaller
from cm.rpc.view import Registry, View
from cm.rpc.vocabulary import Role
from cm.rules.access import Level
from support.cloud import MemoryCloud, at_database, run
from support.matrix import (
    NOBODYS,
    SAMPLES,
    UNSHARED,
    Case,
    Objects,
    arguments,
    cases,
    filled,
    fits,
    have_foreign,
    needs_level,
    outcome,
    overlooked,
    without_ids,
)

REGISTRY = Registry.collect("cm.views")
CASES = list(cases(REGISTRY))
BROKEN = {"incident", "internal_error", "error"}
UNSEEN = {"object_not_found", "empty"}
# What everybody may use, so that a stranger's call about it is not refused for being a stranger's.
FOR_ALL = {"template_id"}
GROUP = 77
HERE, ELSEWHERE = "clm:here", "clm:elsewhere"


class World:
    """A quiet cluster in which ``user`` owns one of each kind."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        self.vm = cloud.wait(cloud.create(name="matrix")["vm_id"], "running")
        gone = cloud.wait(cloud.create(name="gone")["vm_id"], "running")
        cloud.call("user.vm.destroy", [[gone["vm_id"]]])
        cloud.wait(gone["vm_id"], "destroyed")
        self.objects = Objects(cloud, cloud.user_id, self.vm["vm_id"], gone["vm_id"], GROUP)
        have_foreign(cloud)
        self.holders = self._holders()

    def _holders(self) -> dict[str, tuple[Identity, Level | None]]:
        """People with the level that they hold on all that the owner has: each level given to one, and to a group."""
        groups = {level: 100 + number for number, level in enumerate(Level)}
        made: dict[str, tuple[Identity, Level | None]] = {}
        for level, group_id in groups.items():
            account_id = self.cloud.account(f"has-{level}")
            for kind, object_id in self.objects.shared():
                told = {"k": kind, "o": object_id, "a": account_id, "i": HERE, "g": group_id, "l": level}
                self.cloud.sql("INSERT INTO acl (kind, object_id, account_id, level) VALUES (:k, :o, :a, :l)", **told)
                self.cloud.sql(
                    "INSERT INTO acl (kind, object_id, issuer, group_id, level) VALUES (:k, :o, :i, :g, :l)", **told
                )
            made[level] = self._person(f"has-{level}", account_id, (), HERE), level
            member_id = self.cloud.account(f"in-{level}")
            made[f"group's {level}"] = self._person(f"in-{level}", member_id, (GROUP, group_id), HERE), level
        everywhere = tuple(groups.values())
        made["highest of groups"] = self._person("all", self.cloud.account("all"), everywhere, HERE), Level.OWNER
        made["same groups elsewhere"] = self._person("there", self.cloud.account("there"), everywhere, ELSEWHERE), None
        made["group of no issuer"] = self._person("local", self.cloud.account("local"), everywhere, ""), None
        return made

    @staticmethod
    def _person(login: str, account_id: int, groups: tuple[int, ...], issuer: str) -> Identity:
        return Identity(account_id, login, frozenset({Role.USER}), groups, source="token", issuer=issuer)

    def ask(self, who: Identity, case: Case, object_id: Any, *, dry_run: bool = False) -> str:
        return self.told(who, case.view, arguments(case, object_id, self.objects.ids, SAMPLES, dry_run=dry_run))

    def told(self, who: Identity, view: View, values: dict[str, Any]) -> str:
        manager = self.cloud.manager
        caller = LocalCaller(manager.registry, manager.executor.execute, who)
        return outcome(lambda: run(lambda: caller.call(view.name, values)))


@pytest.fixture(scope="module")
def world(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with at_database(postgres, tmp_path_factory, "matrix", reconcile_s=3600.0) as cloud:
        yield World(cloud)


def identity(world: World, login: str) -> Identity:
    cloud = world.cloud
    known: dict[str, Callable[[], Identity]] = {
        "guest": lambda: ANONYMOUS,
        "owner": lambda: Identity(cloud.user_id, "user", frozenset({Role.USER})),
        "other": lambda: Identity(cloud.other_id, "other", frozenset({Role.USER})),
        # Somebody whose token tells of a group of another cloud manager than the one that the object is shared in.
        "other group": lambda: Identity(cloud.other_id, "other", frozenset({Role.USER}), (GROUP,)),
        "admin": lambda: Identity(cloud.admin_id, "admin", frozenset({Role.ADMIN})),
        "node": lambda: Identity(0, "node", frozenset({Role.NODE}), node_id=cloud.node_ids[0]),
    }
    return known[login]()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_strangers(world: World, case: Case) -> None:
    """Without the role nobody comes through; strangers do not learn that an object is there, and change nothing."""
    role, name = case.view.role, case.parameter.name
    target = world.objects.target(case)
    before = world.objects.digest()
    assert world.ask(ANONYMOUS, case, target) == "not_authenticated" or role is Role.GUEST
    assert world.ask(identity(world, "node"), case, target) == "role_needed" or role in (Role.GUEST, Role.NODE)
    for login in ("other", "other group"):
        told = world.ask(identity(world, login), case, target)
        if role is Role.ADMIN:
            assert told == "role_needed"
        elif name not in FOR_ALL and name != "group_id":
            assert told in UNSEEN, f"{login} was told {told}"
        assert told not in BROKEN
    assert world.objects.digest() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nobodys(world: World, case: Case) -> None:
    """An id that nothing has is told as such to whoever has the role, and changes nothing."""
    before = world.objects.digest()
    for login in ("owner", "admin"):
        who = identity(world, login)
        told = world.ask(who, case, NOBODYS)
        if not who.may(case.view.role):
            assert told == "role_needed"
        elif not _is_filter(case):
            # What is a cloud manager's alone is refused before anything is looked for.
            assert told in UNSEEN | {"invalid_parameter", "cloud_manager_needed"}, f"{login} was told {told}"
        assert told not in BROKEN
    assert world.objects.digest() == before


@pytest.mark.parametrize("case", [c for c in CASES if c.parameter.name in ("vm_id", "vm_ids", "image_id")], ids=str)
def test_deleted(world: World, case: Case) -> None:
    """A deleted object is looked at at most; strangers do not see that it was there."""
    before = world.objects.digest()
    target = world.objects.deleted[case.parameter.name]
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
    assert world.objects.digest() == before


@pytest.fixture
def offered(world: World) -> Iterator[None]:
    """The storage may be chosen by users; otherwise it is nothing that they see."""
    world.cloud.sql("UPDATE storage SET offered = true")
    yield
    world.cloud.sql("UPDATE storage SET offered = false")


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_owner(world: World, case: Case) -> None:
    """The owner, and administrators where the view is theirs, are let through to what the view itself has to say."""
    before = world.objects.digest()
    who = identity(world, "admin" if case.view.role is Role.ADMIN else "owner")
    told = world.ask(who, case, world.objects.target(case), dry_run=True)
    assert told not in BROKEN | {"not_authenticated", "role_needed", "access_needed"}
    assert told != "nothing", "a plan says what would be done"
    if case.parameter.name != "group_id":
        assert told not in UNSEEN
    assert world.objects.digest() == before


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.view.role is Role.USER and c.parameter.name not in UNSHARED], ids=str
)
def test_levels(world: World, case: Case) -> None:
    """Who holds a level, or is in a group that does, gets exactly as far as it reaches; groups elsewhere hold none."""
    before = world.objects.digest()
    target, needs = world.objects.target(case), needs_level(case)
    for name, (who, held) in world.holders.items():
        # What asks the outside has no plan, and refuses to tell one before it looks who asks; no guest here answers.
        told = world.ask(who, case, target, dry_run=not case.view.is_async)
        assert fits(told, held, needs), f"{name} was told {told}; it needs {needs}"
    assert world.objects.digest() == before


@pytest.mark.parametrize("view", without_ids(REGISTRY), ids=lambda view: view.name)
def test_without_ids(world: World, view: View) -> None:
    """Views that name no object are open to their role alone, and all of them end in an answer of ours."""
    before = world.objects.digest()
    values = filled(view, {}, SAMPLES, dry_run=True)
    for login in ("guest", "node", "owner", "admin"):
        who = identity(world, login)
        told = world.told(who, view, values)
        assert told not in BROKEN, f"{login} was told {told}"
        if not who.may(view.role):
            assert told == ("not_authenticated" if login == "guest" else "role_needed"), f"{login} was told {told}"
        else:
            assert told not in ("role_needed", "nothing"), f"{login} was told {told}"
    assert world.objects.digest() == before


def _is_filter(case: Case) -> bool:
    """A list of what is there about an object: empty for an id that nothing has."""
    return not case.view.changing and not case.parameter.required


def test_it_sees(world: World) -> None:
    """The walk is not empty, and an owner's real call is seen in the digest."""
    assert len(CASES) > 60 and len(without_ids(REGISTRY)) > 20
    assert overlooked(REGISTRY) == []
    before = world.objects.digest()
    world.cloud.call("user.vm.edit", [world.vm["vm_id"], "renamed"])
    assert world.objects.digest() != before
