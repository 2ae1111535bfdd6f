"""
Who may do what with what is the cloud's own: users, groups, keys, sessions, messages, clusters, news, mails. Every view
of the registry with an id × everybody who may call × an object of their own, another's, one deleted, and nobody's.

What one sees of others is refused unless a table here says otherwise, and why; so a new view is walked from its first
day, and a new kind of id fails until ``KINDS`` and ``World`` have it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from clm.models import Base
from clm.rules.scope import SESSION_ONLY
from clm.services.account import open_session
from clm.store.identity import find_by_login
from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.view import Registry, View
from cm.rpc.vocabulary import Role
from support.clm import CloudBench
from support.clm_wire import Wire
from support.cloud import run
from support.matrix import (
    NOBODYS,
    SAMPLES,
    Case,
    arguments,
    cases,
    filled,
    is_id,
    outcome,
    overlooked,
    without_ids,
)
from support.wait import until

REGISTRY = Registry.collect("clm.views")
CASES = list(cases(REGISTRY))
BROKEN = {"incident", "internal_error", "error"}
# They find things as they are wanted: bob is no administrator, and nobody here came with a session.
IDLE = {"cloud.user.set_admin", "user.session.logout"}
UNSEEN = {"object_not_found", "empty"}
NO_RIGHT = {"group_not_leader", "group_not_member", "not_cluster_administrator", "access_needed", "permission_needed"}
REFUSED = UNSEEN | NO_RIGHT | {"not_authenticated", "role_needed", "scope_needed", "session_needed"}

# What an id means, by the name of its parameter.
KINDS = {
    "user_id": "user",
    "user_ids": "user",
    "group_id": "group",
    "key_id": "key",
    "api_key_id": "api_key",
    "session_id": "session",
    "message_ids": "message",
    "cluster_id": "cluster",
    "default_cluster_id": "cluster",
    "cluster": "cluster",
    "news_id": "news",
    "mail_id": "mail",
    "launch_template_id": "launch_template",
}
# What is nobody's business but its owner's, not even the business of administrators of the cloud.
PERSONAL = {"key", "api_key", "launch_template", "session", "message"}

# What users may do with the objects of strangers.
OPEN: dict[tuple[str, str], str] = {
    ("user.group.get_by_id", "group_id"): "names and descriptions of groups are there for whoever would join",
    ("user.group.join_request", "group_id"): "its leader decides",
    ("user.account.edit", "default_cluster_id"): "the clusters are everybody's to work on",
    ("user.launch_template.create", "cluster_id"): "likewise",
}
# What members of a group may do with it besides.
OF_MEMBERS = {("user.group.list_members", "group_id")}
# What else may be said of what is not there.
ABSENT: dict[tuple[str, str], tuple[str, str]] = {
    ("user.group.delete_user", "user_id"): ("group_wrong_membership", "whoever is in no group is so; more is not told"),
}
# What outlives its object.
HISTORY: dict[tuple[str, str], str] = {
    ("cloud.audit.get_list", "user_id"): "the audit keeps what somebody did after they are deleted",
    ("cloud.login.get_list", "user_id"): "likewise",
}

VALUES = {
    **SAMPLES,
    "email": "somebody@example.org",
    "token": "no-such-token",
    "otp": "000000",
    "cloud.cluster.add.url": "http://127.0.0.1:1",
    "cloud.quota.edit.cpu": 4,
    "user.api_key.create.scope": ["read"],
    "user.launch_template.create.data": "{}",
    "user.launch_template.add_version.data": "{}",
    "number": 2,
}
# Owners of a set of objects each: who is a member of their group, and who administers their cluster.
OWNERS = {"ann": ("mia", "dora"), "lena": ("carl", "beth")}
# bob is nobody's friend, and waits to be let in to both groups; admin is an administrator of the cloud.
CALLERS = (None, "ann", "lena", "mia", "carl", "bob", "dora", "beth", "admin")

# What the daemon's loops write by and by.
VOLATILE = {
    "cluster": ("state", "error", "release", "latency_ms", "seen_at", "checked_at", "synced_at", "feed_cursor"),
    "cluster_account": ("synced_version",),
    "user_session": ("used_at",),
    "api_key": ("used_at",),
}


class World:
    """
    ann and lena, each with one object of every kind; of what is no user's own, half is ann's and half lena's.

    :ivar ids: by owner and kind; ``gone`` by kind, of what was deleted.
    """

    def __init__(self, bench: CloudBench) -> None:
        self.bench = bench
        for login in ("lena", "mia", "carl", "dora", "beth", "gone"):
            bench.user(login)
        bench.call("user.group.create", ["of-gone"], login="gone")
        bench.call(
            "user.group.delete", [bench.call("user.group.list_own_groups", login="gone")[0]["group_id"]], login="gone"
        )
        bench.call("cloud.user.delete", [bench.ids["gone"]], login="admin")
        self.common = self._cluster("common")
        self.ids = {login: self._own(login) for login in OWNERS}
        for owner, (member, administrator) in OWNERS.items():
            group_id = self.ids[owner]["group"]
            for login in (member, "bob"):
                bench.call("user.group.join_request", [group_id], login=login)
            bench.call("user.group.activate_user", [bench.ids[member], group_id], login=owner)
            cluster_id = self.ids[owner]["cluster"] = self._cluster(f"of-{owner}")
            told = {"cluster": cluster_id, "user_id": bench.ids[administrator]}
            bench.call("admin.administrator.add", told, login="admin")
        bench.sql(
            "INSERT INTO cluster_account (cluster_id, user_id)"
            " SELECT c.id, u.id FROM cluster c, user_account u WHERE u.deleted_at IS NULL ON CONFLICT DO NOTHING"
        )
        self.gone = self._deleted()

    def _cluster(self, name: str) -> int:
        """One that nobody answers for: nothing here asks it anything."""
        made: int = self.bench.sql(
            "INSERT INTO cluster (name, url) VALUES (:n, 'http://127.0.0.1:1') RETURNING id", n=name
        )
        return made

    def _own(self, login: str) -> dict[str, int]:
        bench = self.bench
        manager = bench.manager
        facts = manager.database.read_now(find_by_login, login)
        manager.database.transact_now(open_session, manager.policy, facts, "127.0.0.1", "test")
        bench.sql(
            "INSERT INTO login (first_at, last_at, count, login, account_id, remote, how, outcome)"
            " VALUES (now(), now(), 1, :l, :u, '127.0.0.1', 'password', 'ok')",
            l=login,
            u=bench.ids[login],
        )
        return {
            "user": bench.ids[login],
            "group": bench.call("user.group.create", [f"of-{login}"], login=login)["group_id"],
            "key": bench.call("user.key.generate", [f"of-{login}"], login=login)["key_id"],
            "api_key": bench.call("user.api_key.create", ["program", ["read"]], login=login)["api_key_id"],
            "session": bench.call("user.session.get_list", login=login)[0]["session_id"],
            "launch_template": self._template(login),
            "message": bench.sql(
                "INSERT INTO message (user_id, level, code) VALUES (:u, 'info', 'test') RETURNING id",
                u=bench.ids[login],
            ),
            "news": bench.call("cloud.news.add", [f"of-{login}"], login="admin")["news_id"],
            "mail": bench.sql(
                "INSERT INTO mail (recipient, template, failed_at) VALUES (:r, 'test', now()) RETURNING id",
                r=f"{login}@example.org",
            ),
        }

    def _template(self, login: str) -> int:
        """With two versions, of which the second is not the default one."""
        asked = {"name": f"of-{login}", "data": "{}", "cluster_id": self.common}
        made: int = self.bench.call("user.launch_template.create", asked, login=login)["launch_template_id"]
        self.bench.call("user.launch_template.add_version", [made, "{}"], login=login)
        return made

    def _deleted(self) -> dict[str, int]:
        """What ann had, and has deleted; or an administrator has."""
        bench, gone = self.bench, self._own_again()
        ends = {
            "group": "user.group.delete",
            "key": "user.key.delete_by_id",
            "api_key": "user.api_key.delete",
            "launch_template": "user.launch_template.delete",
            "session": "user.session.delete",
            "news": "cloud.news.delete",
        }
        for kind, view in ends.items():
            bench.call(view, [gone[kind]], login="admin" if view.startswith("cloud.") else "ann")
        bench.call("user.message.delete", [[gone["message"]]])
        bench.sql("DELETE FROM mail WHERE id = :i", i=gone["mail"])
        gone["cluster"] = self._cluster("gone")
        bench.sql("UPDATE cluster SET deleted_at = now() WHERE id = :i", i=gone["cluster"])
        return {**gone, "user": bench.ids["gone"]}

    def _own_again(self) -> dict[str, int]:
        bench = self.bench
        kept = self.ids["ann"]
        bench.sql("UPDATE user_group SET name = 'kept' WHERE id = :i", i=kept["group"])
        bench.sql("UPDATE ssh_key SET name = 'kept' WHERE id = :i", i=kept["key"])
        bench.sql("UPDATE launch_template SET name = 'kept' WHERE id = :i", i=kept["launch_template"])
        bench.sql("UPDATE api_key SET name = 'kept' WHERE id = :i", i=kept["api_key"])
        made = self._own("ann")
        made["session"] = bench.sql(
            "SELECT max(id) FROM user_session WHERE user_id = :u AND id <> :k", u=bench.ids["ann"], k=kept["session"]
        )
        return made

    def named(self, owner: str, view: View) -> dict[str, Any]:
        """An owner's objects by the names of parameters; who administers a cluster is somebody else."""
        ids: dict[str, Any] = {name: self.ids[owner][kind] for name, kind in KINDS.items()}
        if view.name.startswith("admin.administrator."):
            ids["user_id"] = self.bench.ids[OWNERS[owner][1]]
        return ids

    def ask(self, login: str | None, case: Case, owner: str, object_id: Any = None, *, dry_run: bool = False) -> str:
        """
        :param object_id: in place of what the owner has.
        """
        ids = self.named(owner, case.view)
        target = ids[case.parameter.name] if object_id is None else object_id
        return self.told(login, case.view, arguments(case, target, ids, VALUES, dry_run=dry_run))

    def told(self, login: str | None, view: View, values: Mapping[str, Any]) -> str:
        return outcome(lambda: self.bench.call(view.name, values, login=login))

    def digest(self) -> str:
        """Of all that is kept. What the feed has of clusters comes from looking at them."""
        made = hashlib.sha256()
        with self.bench.manager.database.engine.begin() as connection:
            for table in sorted(Base.metadata.tables):
                where = "WHERE t.kind <> 'cluster'" if table == "change" else ""
                statement = f"SELECT (to_jsonb(t) - CAST(%s AS text[]))::text FROM {table} t {where} ORDER BY 1"
                rows = connection.exec_driver_sql(statement, (list(VOLATILE.get(table, ())),)).scalars().all()
                made.update("\n".join([table, *rows]).encode())
        return made.hexdigest()


@pytest.fixture(scope="module")
def world(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    postgres.create_database("clm_own_matrix", template="wawel_clm_template")
    bench = CloudBench(postgres.url("clm_own_matrix"), Path(tmp_path_factory.mktemp("own-matrix")))
    yield World(bench)
    bench.stop()
    postgres.drop_database("clm_own_matrix")


def kind_of(case: Case) -> str:
    assert case.parameter.name in KINDS, f"{case}: this id is new; say in KINDS what it means, and have World make one"
    return KINDS[case.parameter.name]


def has_role(world: World, login: str | None, view: View) -> bool:
    may: bool = world.bench.identity(login).may(view.role)
    return may


def reaches(world: World, login: str | None, case: Case, owner: str) -> bool:
    """Whether somebody may do with an owner's object what the view does."""
    key, kind = (case.view.name, case.parameter.name), kind_of(case)
    if not has_role(world, login, case.view):
        return False
    if case.view.role is not Role.USER:
        # What is a cluster's, is its administrators'; what is the cloud's, the cloud's.
        return login == "admin" or (case.view.role is Role.ADMIN and login == OWNERS[owner][1])
    if key in OPEN or login == owner:
        return True
    if kind in PERSONAL:
        return False
    return login == "admin" or (key in OF_MEMBERS and login == OWNERS[owner][0])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_people(world: World, case: Case) -> None:
    """Those whose an object is come through to what the view has to say; all others are refused, and change nothing."""
    kind = kind_of(case)
    before = world.digest()
    for owner in OWNERS:
        for login in CALLERS:
            reached = reaches(world, login, case, owner)
            told = world.ask(login, case, owner, dry_run=reached)
            shown = f"{login or 'a guest'} was told {told} about what is {owner}'s"
            assert told not in BROKEN, shown
            if reached:
                assert told not in REFUSED, shown
                assert told != "nothing" or case.view.name in IDLE, shown
            elif not has_role(world, login, case.view):
                assert told == ("not_authenticated" if login is None else "role_needed"), shown
            elif kind in PERSONAL:
                assert told in UNSEEN, shown
            else:
                assert told in UNSEEN | NO_RIGHT, shown
    assert world.digest() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_absent(world: World, case: Case) -> None:
    """What was deleted, and what never was, is alike: not found by whoever could do it, nor by anybody else."""
    key = (case.view.name, case.parameter.name)
    before = world.digest()
    for kind, object_id in (("deleted", world.gone[kind_of(case)]), ("nobody's", NOBODYS)):
        for login in CALLERS:
            told = world.ask(login, case, "ann", object_id)
            shown = f"{login or 'a guest'} was told {told} of what is {kind}"
            if not has_role(world, login, case.view):
                assert told == ("not_authenticated" if login is None else "role_needed"), shown
            elif kind == "nobody's" or key not in HISTORY:
                also = {ABSENT[key][0]} if key in ABSENT else set()
                # Of the other id of the call, they may be refused what they have no say in.
                other = any(
                    is_id(case.view, each)[0] and each.required and each.name != case.parameter.name
                    for each in case.view.parameters
                )
                may = reaches(world, login, case, "ann")
                assert told in UNSEEN | also | (NO_RIGHT if other and not may else set()), shown
            assert told not in BROKEN, shown
    assert world.digest() == before


@pytest.mark.parametrize("view", without_ids(REGISTRY), ids=lambda view: view.name)
def test_without_ids(world: World, view: View) -> None:
    """Views that name no object are open to their role alone; whoever calls, there is an answer of ours."""
    executor = world.bench.manager.executor
    node = LocalCaller(world.bench.manager.registry, executor.execute, Identity(0, "node", frozenset({Role.NODE})))
    # There is no plan of what asks the outside first: those are called in earnest.
    values = filled(view, {}, VALUES, dry_run=not view.is_async)
    before = world.digest()
    told = outcome(lambda: run(lambda: node.call(view.name, values)))
    assert told == "role_needed" or (view.role is Role.GUEST and told not in BROKEN)
    for login in (None, "bob", "dora", "admin"):
        told = world.told(login, view, values)
        assert told not in BROKEN, f"{login or 'a guest'} was told {told}"
        if not has_role(world, login, view):
            assert told == ("not_authenticated" if login is None else "role_needed")
        else:
            assert told != "role_needed", f"{login or 'a guest'} was told {told}"
            assert told != "nothing" or view.name in IDLE, f"{login or 'a guest'} was told of no step"
    if not (view.changing and view.is_async):
        assert world.digest() == before


@pytest.fixture(scope="module")
def keys(world: World) -> dict[str, LocalCaller]:
    """Callers with an API key: of ann and of the cloud's administrator with one view, and the latter's for reading."""
    wire = Wire(world.bench)
    made = {}
    for name, login, scope in (
        ("ann", "ann", ["user.key.get_list"]),
        ("admin", "admin", ["user.key.get_list"]),
        ("reader", "admin", ["read"]),
    ):
        key = world.bench.call("user.api_key.create", [f"narrow {name}", scope], login=login)["key"]
        manager = world.bench.manager
        made[name] = LocalCaller(manager.registry, manager.executor.execute, wire.bearer(key))
    # The journal of logins is written by and by.
    written = "SELECT coalesce(sum(count), 0) FROM login WHERE how = 'key'"
    until(lambda: world.bench.sql(written) == len(made), "all uses of keys in the journal")
    return made


def test_api_keys(world: World, keys: dict[str, LocalCaller]) -> None:
    """A key for one view opens that alone, of the own views and of those passed on; one for reading changes none."""
    before = world.digest()
    for view in world.bench.manager.registry:
        if view.role is Role.GUEST:
            continue
        values = filled(view, world.named("ann", view), VALUES, dry_run=False)

        def told(who: str, view: View = view, values: dict[str, Any] = values) -> str:
            return outcome(lambda: run(lambda: keys[who].call(view.name, values)))

        closed = "session_needed" if view.name in SESSION_ONLY else "scope_needed"
        if view.name == "user.key.get_list":
            assert told("ann") == "ok" and told("admin") in ("ok", "empty")
            continue
        assert told("admin") == closed, view.name
        assert told("ann") == (closed if view.role is Role.USER else "role_needed"), view.name
        if view.changing:
            assert told("reader") == closed, view.name
        elif view.name in REGISTRY:
            assert told("reader") not in BROKEN | {"scope_needed", "session_needed"}, view.name
    assert world.digest() == before


def test_it_sees(world: World) -> None:
    """The walk is not empty, no id is overlooked, the tables name what there is, and the digest sees a real call."""
    assert len(CASES) > 40 and len(without_ids(REGISTRY)) > 40
    assert overlooked(REGISTRY) == []
    assert set(KINDS.values()) == world.gone.keys() == world.ids["ann"].keys() == world.ids["lena"].keys()
    assert {*OPEN, *OF_MEMBERS, *ABSENT, *HISTORY} <= {(case.view.name, case.parameter.name) for case in CASES}
    before = world.digest()
    world.bench.call("user.group.edit", {"group_id": world.ids["ann"]["group"], "description": "renamed"})
    assert world.digest() != before
