"""Messages: told to one user, whoever's call was the reason; taken over from clusters once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from clm.services.message import add_message, take_back, take_over
from clm.store import message as store
from cm.rpc.errors import InvalidParameter, NotAuthenticated, ObjectNotFound
from support.clm import CloudBench

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def tell(bench: CloudBench, login: str = "ann", code: str = "vm_create", **params: Any) -> int:
    made: int = bench.manager.database.transact_now(add_message, bench.ids[login], "info", code, params)
    return made


def ids(bench: CloudBench, login: str = "ann", **arguments: Any) -> list[int]:
    return [message["message_id"] for message in bench.call("user.message.get_list", arguments, login=login)]


def test_list_and_count(bench: CloudBench) -> None:
    """The newest first, in pages, the reader's own alone."""
    first, second, third = (tell(bench, vm_id=number, name="ć") for number in range(3))
    assert ids(bench) == [third, second, first]
    assert ids(bench, limit=2) == [third, second] and ids(bench, limit=2, before=second) == [first]
    assert ids(bench, "bob") == [] and bench.call("user.message.count", login="bob") == {"unread": 0, "total": 0}
    shown = bench.call("user.message.get_list")[-1]
    assert (shown["code"], shown["level"], shown["params"], shown["read"], shown["cluster_id"]) == (
        "vm_create",
        "info",
        {"vm_id": 0, "name": "ć"},
        False,
        None,
    )
    with pytest.raises(NotAuthenticated):
        bench.call("user.message.get_list", login=None)


def test_mark_read(bench: CloudBench) -> None:
    """What was read is unread no more; once more changes nothing."""
    first, second = tell(bench), tell(bench)
    bench.call("user.message.mark_read", [[first]])
    bench.call("user.message.mark_read", [[first]])
    assert ids(bench, unread_only=True) == [second]
    assert bench.call("user.message.count") == {"unread": 1, "total": 2}
    events = "SELECT string_agg(event, ' ' ORDER BY id) FROM change WHERE kind = 'message' AND object_id = :id"
    assert bench.sql(events, id=first) == "enter change"


@pytest.mark.parametrize("method", ["mark_read", "delete"])
def test_others_are_not_there(bench: CloudBench, method: str) -> None:
    """Another's message and an absent one are the same refusal, and nothing of the call is done."""
    mine, other = tell(bench), tell(bench, "bob")
    for strange in (other, 10**6):
        with pytest.raises(ObjectNotFound) as refused:
            bench.call(f"user.message.{method}", [[mine, strange]])
        assert refused.value.details() == {"kind": "message", "object_id": strange}
    assert bench.call("user.message.count") == {"unread": 1, "total": 1}
    assert bench.call("user.message.count", login="bob") == {"unread": 1, "total": 1}
    with pytest.raises(InvalidParameter):
        bench.call(f"user.message.{method}", [[]])


def test_feed(bench: CloudBench) -> None:
    """A message is in the feed for its reader alone, as the list shows it; so is its end."""
    made = tell(bench)
    shown = bench.call("user.message.get_list")[0]
    change = "SELECT jsonb_build_array(event, users, public, object) FROM change WHERE kind = 'message' AND event = :e"
    event, users, public, object_ = bench.sql(change, e="enter")
    assert (event, users, public, json.loads(object_)) == ("enter", [bench.ids["ann"]], False, shown)
    bench.call("user.message.delete", [[made]])
    assert bench.sql(change, e="exit") == ["exit", [bench.ids["ann"]], False, None]
    assert bench.call("user.message.get_list") == []


def test_take_over(bench: CloudBench) -> None:
    """A cluster's message is told once, also after its reader deleted it; another cluster's of that id is another."""
    clusters = [bench.sql("INSERT INTO cluster (name, url) VALUES (:n, 'x') RETURNING id", n=name) for name in "ab"]

    def take(cluster: int, theirs: int, user_id: int) -> int | None:
        values = (cluster, theirs, user_id, "error", "vm_failed", {"vm_id": 3}, WHEN)
        made: int | None = bench.manager.database.transact_now(take_over, *values)
        return made

    ann = bench.ids["ann"]
    made = take(clusters[0], 7, ann)
    assert made is not None and take(clusters[0], 7, ann) is None
    shown = bench.call("user.message.get_list")[0]
    assert (shown["created"], shown["cluster_id"]) == ("2026-03-04T05:06:07Z", clusters[0])
    assert take(clusters[1], 7, ann) is not None
    bench.call("user.message.delete", [[made]])
    assert take(clusters[0], 7, ann) is None
    assert bench.call("user.message.count") == {"unread": 1, "total": 1}
    with pytest.raises(ObjectNotFound):
        bench.call("user.message.delete", [[made]])
    with pytest.raises(ObjectNotFound):
        bench.call("user.message.mark_read", [[made]])
    assert take(clusters[0], 8, 10**6) is None


def test_take_back(bench: CloudBench) -> None:
    """What has passed is taken back by its code and parameters, and nothing else is."""
    tell(bench, code="group_request", group_id=1, user_id=5)
    kept = [
        tell(bench, code="group_request", group_id=1, user_id=6),
        tell(bench, code="group_accepted", group_id=1, user_id=5),
        tell(bench, "bob", code="group_request", group_id=1, user_id=5),
    ]
    bench.manager.database.transact_now(take_back, bench.ids["ann"], "group_request", {"user_id": 5, "group_id": 1})
    assert ids(bench) == [kept[1], kept[0]] and ids(bench, "bob") == [kept[2]]


def test_the_newest_are_kept(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each user's, as many as are kept; the feed tells that the oldest went."""
    monkeypatch.setattr(store, "KEPT", 3)
    other = tell(bench, "bob")
    made = [tell(bench) for _ in range(5)]
    assert ids(bench) == made[:1:-1] and ids(bench, "bob") == [other]
    gone = bench.sql("SELECT array_agg(object_id ORDER BY id) FROM change WHERE kind = 'message' AND event = 'exit'")
    assert gone == made[:2]
