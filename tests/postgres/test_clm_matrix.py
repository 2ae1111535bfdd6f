"""
Who may do what through the cloud: the same walk over every view that it passes on, with an object of one cluster asked
for by its uuid and by id, by people of every kind; nothing that is refused changes the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from clm.views.forward import add_forwarded, forwarded_views
from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.view import Registry, View
from cm.rpc.vocabulary import Role
from cm.rules.access import Level
from support.cloud import run
from support.federation import PATIENT, Federation, federated
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
from support.wait import until

OWN = Registry.collect("clm.views")
FORWARDED = Registry(forwarded_views(OWN))
CASES = list(cases(FORWARDED))
PLANLESS = {view.name for view in Registry.collect("cm.views") if view.is_async}
BROKEN = {"incident", "internal_error", "error", "cluster_unavailable", "cluster_refused"}
UNSEEN = {"object_not_found", "empty"}
FOR_ALL = {"template_id", "head_template_id", "worker_template_id"}
# Group ids are the cloud's.
NOT_THE_CLUSTERS = {"group_id", "group_ids"}
TABLES = {
    "vm_id": "vm",
    "vm_ids": "vm",
    "object_id": "vm",
    "image_id": "image",
    "image_ids": "image",
    "iso_list": "image",
    "iso_image_id": "image",
    "disk_list": "image",
    **dict.fromkeys(("template_id", "head_template_id", "worker_template_id"), "template"),
    **dict.fromkeys(("farm_id", "farm_ids"), "farm"),
    "worker_ids": "vm",
    "vm_template_id": "vm_template",
    "parent_template_id": "vm_template",
    "node_id": "node",
    "node_ids": "node",
    "storage_id": "storage",
    "storage_ids": "storage",
    "pool_id": "network",
    "network_id": "network",
    "networks": "network",
    "user_id": "account",
    "public_address_id": "public_address",
    "public_ip_id": "public_address",
}
NO_UUID = "6a0a3d3e-0000-4000-8000-000000000000"


class World:
    """Two clusters; ``ann`` owns one of each kind on alpha. ``carl`` administers beta alone, ``dora`` alpha alone."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        bench, self.cloud = federation.bench, federation.clouds["alpha"]
        people = [f"{how}-{level}" for level in Level for how in ("has", "in")]
        for login in people:
            bench.user(login)
        made = [federation.create("alpha", name=name)["vm_id"] for name in ("kept", "gone")]
        owner = self.cloud.sql("SELECT account_id FROM vm WHERE id = :v", v=made[0])
        for vm_id in made:
            self._wait(vm_id, "running")
        federation.call("user.vm.destroy", {"cluster": "alpha", "vm_ids": [made[1]]})
        self._wait(made[1], "destroyed")
        for login, cluster in (("carl", "beta"), ("dora", "alpha")):
            bench.user(login)
            told = {"cluster": cluster, "user_id": bench.ids[login]}
            federation.call("admin.administrator.add", told, login="admin")
        # Accounts that the cloud tells of by and by would look like a change.
        pending = "SELECT count(*) FROM cluster_account WHERE synced_version < version"
        until(lambda: bench.sql(pending) == 0, "all accounts on all clusters")
        have_foreign(self.cloud)
        group = federation.call("user.group.create", {"name": "others", "description": ""}, login="bob")
        self.objects = Objects(self.cloud, owner, made[0], made[1], group["group_id"])
        self.holders = {login: Level(login.partition("-")[2]) for login in people}
        self._share(group["group_id"])

    def _share(self, others: int) -> None:
        """ann gives each level to a user and to a group; another cloud gave one to its group numbered ``others``."""
        federation = self.federation
        issuer = federation.bench.manager.policy.issuer
        for level in Level:
            group_id = federation.call("user.group.create", {"name": f"group-{level}"})["group_id"]
            federation.call("user.group.join_request", [group_id], login=f"in-{level}")
            federation.call("user.group.activate_user", [federation.bench.ids[f"in-{level}"], group_id])
            for kind, object_id in self.objects.shared():
                told = {"cluster": "alpha", "kind": kind, "object_id": object_id, "level": level}
                for subject in ({"login": f"has-{level}"}, {"group_id": group_id}):
                    federation.call("user.acl.set", {**told, **subject})
        for kind, object_id in self.objects.shared():
            self.cloud.sql(
                "INSERT INTO acl (kind, object_id, issuer, group_id, level) VALUES (:k, :o, :i, :g, 'owner')",
                k=kind,
                o=object_id,
                i=f"{issuer}-of-another",
                g=others,
            )

    def _wait(self, vm_id: int, state: str) -> None:
        def there() -> bool:
            vm = self.federation.call("user.vm.get_by_id", {"cluster": "alpha", "vm_id": vm_id})
            return vm["state"] == state and vm["operation_id"] is None

        until(there, f"VM {vm_id} {state}")

    def uuid(self, case: Case, object_id: Any) -> str | None:
        """The uuid of an object, where its kind has one."""
        table = TABLES.get(case.parameter.name)
        if table is None:
            return None
        return str(self.cloud.sql(f"SELECT uuid FROM {table} WHERE id = :i", i=object_id))

    def ask(self, login: str | None, case: Case, object_id: Any, *, cluster: str | None, dry_run: bool = False) -> str:
        values = arguments(case, object_id, self.objects.ids, SAMPLES, dry_run=dry_run)
        if cluster is not None:
            values["cluster"] = cluster
        return self.told(login, case.view, values)

    def told(self, login: str | None, view: View, values: Mapping[str, Any]) -> str:
        return outcome(lambda: self.federation.call(view.name, values, login=login))


@pytest.fixture(scope="module")
def world(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    quiet = {"reconcile_s": 3600.0}
    with federated(postgres, Path(tmp_path_factory.mktemp("clm-matrix")), cluster=quiet, clusters=PATIENT) as made:
        yield World(made)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_strangers(world: World, case: Case) -> None:
    """Guests, strangers, and administrators of another cluster are refused, by id and by uuid, and change nothing."""
    name, role = case.parameter.name, case.view.role
    target = world.objects.target(case)
    before = world.objects.digest()
    named: Mapping[Any, str | None] = {target: "alpha", world.uuid(case, target): None}
    for one, cluster in named.items():
        if one is None:
            continue
        assert world.ask(None, case, one, cluster=cluster) == "not_authenticated"
        told = world.ask("bob", case, one, cluster=cluster)
        assert told not in BROKEN
        if role is Role.ADMIN:
            assert told == "role_needed"
            told = world.ask("carl", case, one, cluster=cluster)
            assert told in ("not_cluster_administrator", "object_not_found"), told
        elif name not in FOR_ALL | NOT_THE_CLUSTERS:
            assert told in UNSEEN, f"bob was told {told}"
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
    """The owner and the cluster's administrators come through to what the cluster says, by id and by uuid."""
    name = case.parameter.name
    target = world.objects.target(case)
    before = world.objects.digest()
    logins = ("admin", "dora") if case.view.role is Role.ADMIN else ("ann",)
    for login in logins:
        for one, cluster in {target: "alpha", world.uuid(case, target): None}.items():
            if one is None:
                continue
            told = world.ask(login, case, one, cluster=cluster, dry_run=True)
            assert told not in BROKEN | {"not_authenticated", "role_needed", "access_needed"}
            if name not in NOT_THE_CLUSTERS:
                assert told not in UNSEEN, f"{login} was told {told} of {one}"
    assert world.objects.digest() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_elsewhere(world: World, case: Case) -> None:
    """An object of one cluster is not found in another, nor is what no cluster has."""
    target = world.objects.target(case)
    known = world.uuid(case, target)
    if known is None:
        pytest.skip("objects of this kind have no uuid")
    before = world.objects.digest()
    login = "admin" if case.view.role is Role.ADMIN else "ann"
    assert world.ask(login, case, known, cluster="beta") in UNSEEN
    assert world.ask(login, case, NO_UUID, cluster=None) in UNSEEN
    optional = not case.view.changing and not case.parameter.required
    told = world.ask(login, case, NOBODYS, cluster="alpha")
    # Some views find another parameter at fault first.
    assert told in UNSEEN | {"invalid_parameter"} | ({"ok"} if optional else set())
    assert world.objects.digest() == before


@pytest.mark.parametrize("case", [c for c in CASES if c.parameter.name in ("vm_id", "vm_ids", "image_id")], ids=str)
def test_deleted(world: World, case: Case) -> None:
    """A deleted object is looked at at most, and only by those who saw it while it was there."""
    before = world.objects.digest()
    target = world.objects.deleted[case.parameter.name]
    for login in ("ann", "bob", "admin"):
        told = world.ask(login, case, target, cluster="alpha")
        assert told not in BROKEN
        if login != "admin" and case.view.role is Role.ADMIN:
            assert told == "role_needed"
        elif case.view.changing:
            assert told != "ok"
        if login == "bob" and case.view.role is Role.USER:
            assert told in UNSEEN
    assert world.objects.digest() == before


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.view.role is Role.USER and c.parameter.name not in UNSHARED], ids=str
)
def test_levels(world: World, case: Case) -> None:
    """A level reaches through the cloud as far as at the cluster: one's own, or that of a group that one is in."""
    before = world.objects.digest()
    target, needs = world.objects.target(case), needs_level(case)
    for login, held in world.holders.items():
        for one, cluster in {target: "alpha", world.uuid(case, target): None}.items():
            if one is not None:
                # What asks the outside has no plan, and refuses to tell one before it looks who asks.
                told = world.ask(login, case, one, cluster=cluster, dry_run=case.view.name not in PLANLESS)
                assert fits(told, held, needs), f"{login} was told {told} of {one}; it needs {needs}"
    assert world.objects.digest() == before


@pytest.mark.parametrize("view", without_ids(FORWARDED), ids=lambda view: view.name)
def test_without_ids(world: World, view: View) -> None:
    """Views that name no object are open to their role, at the cluster where one has it; all end in an answer."""
    before = world.objects.digest()
    values = {**filled(view, {}, SAMPLES, dry_run=True), "cluster": "alpha"}
    manager = world.federation.bench.manager
    node = LocalCaller(manager.registry, manager.executor.execute, Identity(0, "node", frozenset({Role.NODE})))
    assert outcome(lambda: run(lambda: node.call(view.name, values))) == "role_needed"
    assert world.told(None, view, values) == "not_authenticated"
    for login in ("bob", "carl", "dora", "admin"):
        told = world.told(login, view, values)
        assert told not in BROKEN, f"{login} was told {told}"
        if view.role is Role.ADMIN and login in ("bob", "carl"):
            assert told == {"bob": "role_needed", "carl": "not_cluster_administrator"}[login]
        else:
            refused = ("role_needed", "not_authenticated", "not_cluster_administrator")
            assert told not in refused, f"{login} was told {told}"
    assert world.objects.digest() == before


def test_every_view(world: World) -> None:
    """What the cloud answers for is its own views and those it passes on, and the walk is over all of the latter."""
    registry = world.federation.bench.manager.registry
    assert registry.names() == add_forwarded(Registry.collect("clm.views")).names()
    assert len(CASES) > 60
    assert overlooked(FORWARDED) == []
    assert {case.parameter.name for case in CASES} <= world.objects.ids.keys(), "Objects has none of a new kind of id"
