"""Groups: led, joined, left, handed on and deleted; who may see and do what; and races between them."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from clm.rules.group import LeaderStays, NotLeader, NotMember, TooManyGroups, WrongMembership
from clm.services.context import CloudPolicy
from cm.rpc.errors import CloudError, NameTaken, NotAuthenticated, ObjectNotFound, RoleNeeded, VersionChanged
from support.clm import CloudBench


@pytest.fixture
def people(bench: CloudBench) -> CloudBench:
    """Users ann, bob and eve; all may make groups, which is the rule (rules/permission.py)."""
    bench.user("eve")
    return bench


def create(bench: CloudBench, name: str = "physics", login: str = "ann") -> int:
    made: int = bench.call("user.group.create", [name], login=login)["group_id"]
    return made


def join(bench: CloudBench, group_id: int, login: str) -> None:
    bench.call("user.group.join_request", [group_id], login=login)
    leader = bench.sql(
        "SELECT login FROM user_account WHERE id = (SELECT leader_id FROM user_group WHERE id = :g)", g=group_id
    )
    bench.call("user.group.activate_user", [bench.ids[login], group_id], login=leader)


def codes(bench: CloudBench, login: str) -> list[str]:
    """What a user was told, the oldest first."""
    return [message["code"] for message in bench.call("user.message.get_list", login=login)][::-1]


def test_create(people: CloudBench) -> None:
    """Its maker leads it and is a member at once; a name is given once, in upper or lower case."""
    made = people.call("user.group.create", ["Physics", "of all sorts"])
    assert {name: made[name] for name in ("name", "description", "leader", "leader_name", "members", "status")} == {
        "name": "Physics",
        "description": "of all sorts",
        "leader": "ann",
        "leader_name": "Ann Test",
        "members": 1,
        "status": "member",
    }
    assert people.identity("ann").groups == (made["group_id"],)
    with pytest.raises(NameTaken):
        create(people, "physics", "bob")


def test_limit(people: CloudBench) -> None:
    """Nobody leads more groups than one may, made or handed over, also when many are made at once."""
    people.manager.services.policy = CloudPolicy(
        name=people.manager.policy.name, secret=people.manager.policy.secret, groups_max=2
    )
    outcomes = at_once([lambda n=n: create(people, f"group {n}") for n in range(5)])
    assert sum(isinstance(outcome, TooManyGroups) for outcome in outcomes) == 3
    group_id = create(people, "bob's", "bob")
    join(people, group_id, "ann")
    with pytest.raises(TooManyGroups):
        people.call("user.group.change_owner", [people.ids["ann"], group_id], login="bob")


def test_lists(people: CloudBench) -> None:
    """All groups with one's own status, those one is in, and those one leads."""
    first, second = create(people, "a"), create(people, "b", "bob")
    people.call("user.group.join_request", [first], login="eve")
    join(people, first, "bob")
    status = {group["name"]: group["status"] for group in people.call("user.group.get_list", login="eve")}
    assert status == {"a": "waiting", "b": "none"}
    assert people.call("user.group.list_groups", login="eve") == []  # waiting is not being in it
    assert [group["name"] for group in people.call("user.group.list_groups", login="bob")] == ["a", "b"]
    led = people.call("user.group.list_own_groups")
    assert [(group["group_id"], group["members"], group["requests"]) for group in led] == [(first, 2, 1)]
    assert people.call("user.group.get_by_id", [second], login="bob")["status"] == "member"
    assert [group["group_id"] for group in people.call("cloud.group.get_list", login="admin")] == [first, second]
    with pytest.raises(RoleNeeded):
        people.call("cloud.group.get_list", login="bob")


def test_join_and_leave(people: CloudBench) -> None:
    """Asking tells the leader, accepting the asker; identities follow at once; leaving tells the leader."""
    group_id = create(people)
    assert people.call("user.group.join_request", [group_id], login="bob")["status"] == "waiting"
    assert people.identity("bob").groups == ()
    request = people.call("user.message.get_list")[0]
    assert request["code"] == "group_request"
    assert request["params"] == {"group_id": group_id, "group": "physics", "user_id": people.ids["bob"], "login": "bob"}
    with pytest.raises(WrongMembership):
        people.call("user.group.join_request", [group_id], login="bob")
    people.call("user.group.activate_user", [people.ids["bob"], group_id])
    assert people.identity("bob").groups == (group_id,)
    assert codes(people, "ann") == [] and codes(people, "bob") == ["group_accepted"]
    people.call("user.group.delete_user", [people.ids["bob"], group_id], login="bob")
    assert people.identity("bob").groups == ()
    assert codes(people, "ann") == ["group_left"] and codes(people, "bob") == ["group_accepted"]


def test_cancel_reject_remove(people: CloudBench) -> None:
    """A cancelled request leaves no trace; one turned down and a member sent away are told."""
    group_id, bob = create(people), people.ids["bob"]
    people.call("user.group.join_request", [group_id], login="bob")
    people.call("user.group.delete_user", [bob, group_id], login="bob")
    assert codes(people, "ann") == [] and codes(people, "bob") == []
    with pytest.raises(WrongMembership):
        people.call("user.group.activate_user", [bob, group_id])
    people.call("user.group.join_request", [group_id], login="bob")
    people.call("user.group.delete_user", [bob, group_id])
    join(people, group_id, "bob")
    people.call("user.group.delete_user", [bob, group_id])
    assert codes(people, "bob") == ["group_rejected", "group_accepted", "group_removed"]
    assert people.identity("bob").groups == ()
    with pytest.raises(WrongMembership):
        people.call("user.group.delete_user", [bob, group_id])


def test_change_owner(people: CloudBench) -> None:
    """A member takes over with the requests that wait; then the old leader may leave, and decides nothing."""
    group_id, ann, bob = create(people), people.ids["ann"], people.ids["bob"]
    with pytest.raises(LeaderStays):
        people.call("user.group.delete_user", [ann, group_id])
    with pytest.raises(WrongMembership):
        people.call("user.group.change_owner", [bob, group_id])
    with pytest.raises(ObjectNotFound):
        people.call("user.group.change_owner", [10**6, group_id])
    join(people, group_id, "bob")
    people.call("user.group.join_request", [group_id], login="eve")
    assert people.call("user.group.change_owner", [bob, group_id])["leader"] == "bob"
    assert codes(people, "ann") == [] and codes(people, "bob")[-2:] == ["group_leader", "group_request"]
    with pytest.raises(NotLeader):
        people.call("user.group.activate_user", [people.ids["eve"], group_id])
    people.call("user.group.delete_user", [ann, group_id])
    people.sql("UPDATE user_account SET state = 'blocked' WHERE login = 'eve'")
    people.call("user.group.activate_user", [people.ids["eve"], group_id], login="bob")
    with pytest.raises(ObjectNotFound):
        people.call("user.group.change_owner", [people.ids["eve"], group_id], login="bob")


def test_edit(people: CloudBench) -> None:
    """The leader and cloud administrators edit; a stale version is refused."""
    group_id = create(people)
    create(people, "taken")
    now = people.call("user.group.edit", {"group_id": group_id, "description": "new", "if_version": 0})
    assert (now["name"], now["description"], now["version"]) == ("physics", "new", 1)
    with pytest.raises(VersionChanged):
        people.call("user.group.edit", {"group_id": group_id, "name": "x", "if_version": 0})
    with pytest.raises(NameTaken):
        people.call("user.group.edit", [group_id, "TAKEN"])
    people.call("user.group.edit", [group_id, "Physics"])
    assert people.call("user.group.edit", [group_id, "chemistry"], login="admin")["name"] == "chemistry"


def test_delete(people: CloudBench) -> None:
    """Memberships end, each living cluster has to forget it, people are told, and its name is free again."""
    clusters = [
        people.sql("INSERT INTO cluster (name, url, deleted_at) VALUES (:n, 'x', :d) RETURNING id", n=name, d=deleted)
        for name, deleted in (("a", None), ("b", None), ("gone", "2026-01-01"))
    ]
    group_id = create(people)
    join(people, group_id, "bob")
    people.call("user.group.join_request", [group_id], login="eve")
    with pytest.raises(VersionChanged):
        people.call("user.group.delete", {"group_id": group_id, "if_version": 7})
    with Heard(people) as heard:
        people.call("user.group.delete", [group_id])
        told = heard.so_far()
    assert {"sync", *(f"user:{people.ids[login]}" for login in ("ann", "bob", "eve"))} <= told
    assert people.identity("ann").groups == people.identity("bob").groups == ()
    dropped = people.sql(
        "SELECT array_agg(cluster_id ORDER BY cluster_id) FROM dropped_group WHERE group_id = :g", g=group_id
    )
    assert dropped == clusters[:2]
    assert codes(people, "ann") == [] and codes(people, "eve") == ["group_deleted"]
    for method, arguments in (("get_by_id", [group_id]), ("join_request", [group_id]), ("delete", [group_id])):
        with pytest.raises(ObjectNotFound):
            people.call(f"user.group.{method}", arguments)
    assert people.call("user.group.get_list") == []
    assert create(people) > group_id
    people.call("cloud.group.delete", [group_id + 1], login="admin")
    assert codes(people, "ann") == ["group_deleted"]


def test_what_is_shown(people: CloudBench) -> None:
    """Lists of people tell id, login and name, to members and the leader alone; no mail of anybody is anywhere."""
    group_id = create(people)
    people.call("user.group.join_request", [group_id], login="eve")
    join(people, group_id, "bob")
    members = people.call("user.group.list_members", [group_id], login="bob")
    assert members == [
        {"user_id": people.ids["ann"], "login": "ann", "name": "Ann Test"},
        {"user_id": people.ids["bob"], "login": "bob", "name": "Bob Test"},
    ]
    requests = people.call("user.group.list_requests", [group_id])
    assert requests == [{"user_id": people.ids["eve"], "login": "eve", "name": "Eve Test"}]
    everything = [members, requests, people.call("user.group.get_list"), people.call("user.message.get_list")]
    assert "example.org" not in str(everything)
    with pytest.raises(NotMember):
        people.call("user.group.list_members", [group_id], login="eve")
    with pytest.raises(NotLeader):
        people.call("user.group.list_requests", [group_id], login="bob")
    assert people.call("user.group.list_members", [group_id], login="admin") == members
    assert people.call("user.group.list_requests", [group_id], login="admin") == requests


LEADERS_ONLY: list[tuple[str, Callable[[int, int], list[Any]]]] = [
    ("edit", lambda group_id, other: [group_id, "stolen"]),
    ("delete", lambda group_id, other: [group_id]),
    ("activate_user", lambda group_id, other: [other, group_id]),
    ("delete_user", lambda group_id, other: [other, group_id]),
    ("change_owner", lambda group_id, other: [other, group_id]),
    ("list_requests", lambda group_id, other: [group_id]),
]


@pytest.mark.parametrize(("method", "arguments"), LEADERS_ONLY, ids=[method for method, _ in LEADERS_ONLY])
def test_not_the_leader(people: CloudBench, method: str, arguments: Callable[[int, int], list[Any]]) -> None:
    """Members, strangers and guests are refused what is the leader's to decide, and nothing changes."""
    group_id = create(people)
    join(people, group_id, "bob")
    people.call("user.group.join_request", [group_id], login="eve")
    before = snapshot(people, group_id)
    for login, other in (("bob", "eve"), ("bob", "ann"), ("eve", "bob")):
        with pytest.raises(NotLeader):
            people.call(f"user.group.{method}", arguments(group_id, people.ids[other]), login=login)
    with pytest.raises(NotLeader):
        people.call("user.group.activate_user", [people.ids["eve"], group_id], login="eve")
    with pytest.raises(NotAuthenticated):
        people.call(f"user.group.{method}", arguments(group_id, people.ids["eve"]), login=None)
    assert snapshot(people, group_id) == before


def snapshot(bench: CloudBench, group_id: int) -> Any:
    return bench.sql(
        "SELECT jsonb_build_array(to_jsonb(g), (SELECT jsonb_agg(to_jsonb(m) ORDER BY user_id) FROM membership m"
        " WHERE m.group_id = g.id)) FROM user_group g WHERE id = :id",
        id=group_id,
    )


def test_feed(people: CloudBench) -> None:
    """Who is in a group, or was until now, hears of it."""
    group_id = create(people)
    join(people, group_id, "bob")
    people.call("user.group.delete_user", [people.ids["bob"], group_id])
    ann, bob = people.ids["ann"], people.ids["bob"]
    told = people.sql(
        "SELECT jsonb_agg(jsonb_build_array(event, users, (object::jsonb)->'members') ORDER BY id) FROM change"
        " WHERE kind = 'group'"
    )
    both = [ann, bob]
    assert told == [["enter", [ann], 1], ["change", both, 1], ["change", both, 2], ["change", both, 1]]


# ------------------------------------------------------------------ races


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What each call gave or raised; they run at the same time."""

    def outcome(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except CloudError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def test_accept_while_cancelling(people: CloudBench) -> None:
    """One of the two is first: never is somebody a member who has cancelled, and never is one told wrongly."""
    group_id, bob = create(people), people.ids["bob"]

    for _ in range(15):
        people.sql("DELETE FROM message")
        people.call("user.group.join_request", [group_id], login="bob")
        accepted, cancelled = at_once(
            [
                lambda: people.call("user.group.activate_user", [bob, group_id]),
                lambda: people.call("user.group.delete_user", [bob, group_id], login="bob"),
            ]
        )
        assert cancelled is None  # of a request, or of the membership it had just become
        assert people.call("user.group.get_by_id", [group_id], login="bob")["status"] == "none"
        if accepted is None:
            assert codes(people, "bob") == ["group_accepted"] and codes(people, "ann") == ["group_left"]
        else:
            assert isinstance(accepted, WrongMembership)
            assert codes(people, "bob") == [] and codes(people, "ann") == []


def test_two_new_leaders(people: CloudBench) -> None:
    """Of two hand-overs by one leader at once the second is refused: it is no longer theirs to hand over."""
    group_id = create(people)
    join(people, group_id, "bob")
    join(people, group_id, "eve")
    outcomes = at_once(
        [
            lambda login=login: people.call("user.group.change_owner", [people.ids[login], group_id])
            for login in ("bob", "eve")
        ]
    )
    assert sorted(isinstance(outcome, NotLeader) for outcome in outcomes) == [False, True]
    leader = people.call("user.group.get_by_id", [group_id])["leader"]
    assert leader == ("bob" if isinstance(outcomes[0], dict) else "eve")


def test_new_leader_leaves(people: CloudBench) -> None:
    """A member who leaves while made the leader: either they lead and stay, or they are out and do not lead."""
    group_id, bob = create(people), people.ids["bob"]
    for _ in range(8):
        join(people, group_id, "bob")
        made, left = at_once(
            [
                lambda: people.call("user.group.change_owner", [bob, group_id]),
                lambda: people.call("user.group.delete_user", [bob, group_id], login="bob"),
            ]
        )
        group = people.call("user.group.get_by_id", [group_id], login="bob")
        if isinstance(left, LeaderStays):
            assert (group["leader"], group["status"]) == ("bob", "member") and isinstance(made, dict)
            people.call("user.group.change_owner", [people.ids["ann"], group_id], login="bob")
            people.call("user.group.delete_user", [bob, group_id])
        else:
            assert (group["leader"], group["status"]) == ("ann", "none") and isinstance(made, WrongMembership)


def test_join_while_deleting(people: CloudBench) -> None:
    """Nobody is left in a group that was deleted at the same time."""
    for number in range(6):
        group_id = create(people, f"group {number}")
        at_once(
            [
                lambda g=group_id: people.call("user.group.delete", [g]),
                lambda g=group_id: people.call("user.group.join_request", [g], login="bob"),
                lambda g=group_id: people.call("user.group.join_request", [g], login="eve"),
            ]
        )
    assert people.sql("SELECT count(*) FROM membership") == 0
    assert people.sql("SELECT count(*) FROM message WHERE code = 'group_request'") == 0


class Heard:
    """What is told to all processes while it is open."""

    def __init__(self, bench: CloudBench) -> None:
        self._bench = bench
        self._engine = create_engine(bench.manager.database.url, poolclass=NullPool)

    def __enter__(self) -> Heard:
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.execute(text("LISTEN wawel"))
        return self

    def so_far(self) -> set[str]:
        """Notifications come in the order of commits, so all are there once one of our own is."""
        self._bench.sql("SELECT pg_notify('wawel', 'so far')")
        raw: Any = self._connection.connection.dbapi_connection
        ends = time.monotonic() + 20
        told: set[str] = set()
        while "so far" not in told and time.monotonic() < ends:
            select.select([raw], [], [], 1)
            raw.poll()
            told |= {notice.payload for notice in raw.notifies}
            raw.notifies.clear()
        assert "so far" in told
        return told

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._engine.dispose()


def test_identities_are_renewed(people: CloudBench) -> None:
    """Each process is told of the user whose groups changed; of a request nobody's did."""
    group_id, bob = create(people), people.ids["bob"]
    with Heard(people) as heard:
        people.call("user.group.join_request", [group_id], login="bob")
        assert f"user:{bob}" not in heard.so_far()
        people.call("user.group.activate_user", [bob, group_id])
        assert f"user:{bob}" in heard.so_far()
    with Heard(people) as heard:
        people.call("user.group.delete_user", [bob, group_id])
        assert f"user:{bob}" in heard.so_far()
