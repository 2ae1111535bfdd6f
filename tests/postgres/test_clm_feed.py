"""The cloud's change feed: its clusters' changes, each once and in order, to whom they concern."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest

from clm.services.follow import Follower
from clm.store.cluster import list_facts
from clm.store.feed import Event, insert_events, move_cursor, prune, read_changes
from cm.rpc import sse
from cm.runtime.feed import format_cursor
from support.clm import CloudBench
from support.cloud import run
from support.federation import Federation, Proxy, Subscriber, federated, hanging
from support.wait import until


@pytest.fixture
def federation(postgres: Any, tmp_path: Path) -> Iterator[Federation]:
    with federated(postgres, tmp_path) as made:
        for name in made.clouds:
            followed(made, name)
        yield made


def followed(federation: Federation, name: str) -> None:
    """Wait until the cloud follows a cluster, with a cursor."""
    cursor = "SELECT feed_cursor <> '' FROM cluster WHERE name = :name"
    until(lambda: federation.bench.sql(cursor, name=name), f"the feed of {name}")


def told(federation: Federation, name: str) -> list[tuple[str, int, str]]:
    """What the cloud took over of a cluster, in its feed's order; messages are its own."""
    rows = federation.bench.manager.database.read_now(read_changes, (0, 0), 100_000)
    mine = [row for row in rows if row.more.get("cluster") == name and row.event != "reset"]
    return [(row.kind, row.object_id, row.event) for row in mine]


def there(federation: Federation, name: str, after: int) -> list[tuple[str, int, str]]:
    """What happened at a cluster, by its own table."""
    with federation.clouds[name].manager.database.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT kind, object_id, event FROM change WHERE id > %s AND kind <> 'message' ORDER BY xid, id", (after,)
        )
        return [tuple(row) for row in rows]


def last(federation: Federation, name: str) -> int:
    return federation.clouds[name].sql("SELECT max(id) FROM change")


def edit(federation: Federation, name: str, vm_id: int, text: str) -> None:
    federation.clouds[name].call("admin.node.edit", {"node_id": 1, "comment": text}, account="admin")
    federation.call("user.vm.edit", {"vm_id": vm_id, "description": text, "cluster": name})


def same(federation: Federation, name: str, after: int) -> bool:
    mine, its = told(federation, name), there(federation, name, after)
    return bool(its) and mine[-len(its) :] == its


# ------------------------------------------------------------------ exactly once


def test_taken_over(federation: Federation) -> None:
    """What happens at a cluster is in the cloud's feed a moment later, each once, in its order."""
    after = last(federation, "beta")
    made = federation.create("beta")
    for number in range(20):
        edit(federation, "beta", made["vm_id"], f"v{number}")
    federation.clouds["beta"].sql("SELECT 1")
    until(lambda: same(federation, "beta", after), "the same")
    assert len(there(federation, "beta", after)) >= 40


def test_disconnected(federation: Federation) -> None:
    """However often and wherever the connection ends, nothing is lost and nothing comes twice."""
    dice = random.Random(7)
    proxy = Proxy(federation.ports["beta"])
    try:
        url = f"http://127.0.0.1:{proxy.port}"
        federation.bench.sql("UPDATE cluster SET url = :url WHERE name = 'beta'", url=url)
        run(federation.bench.manager.clusters.reload)
        federation.bench.manager.clusters.changed()
        until(lambda: proxy.connections >= 1)
        after = last(federation, "beta")
        node = {"node_id": 1}
        for number in range(80):
            federation.clouds["beta"].call("admin.node.edit", {**node, "comment": str(number)}, account="admin")
            if dice.random() < 0.15:
                sleep(dice.uniform(0, 0.4))
                proxy.cut()
        until(lambda: same(federation, "beta", after), "the same", 60.0)
        assert proxy.connections > 5
    finally:
        proxy.close()


def test_restarted(federation: Federation) -> None:
    """A cloud that was stopped takes over what happened meanwhile."""
    after = last(federation, "beta")
    federation.bench.stop()
    federation.clouds["beta"].create(name="meanwhile")
    federation.bench.start()
    until(lambda: same(federation, "beta", after), "the same")


def test_two_at_once(federation: Federation) -> None:
    """Two processes that follow one cluster, since a lock was lost unnoticed, still write each change once."""
    manager = federation.bench.manager
    connection = run(lambda: manager.clusters.get("beta"))

    async def second() -> Follower:
        made = Follower(manager.services, connection)
        made.start()
        return made

    follower = run(second)
    try:
        until(lambda: follower.connected)
        after = last(federation, "beta")
        for number in range(30):
            federation.clouds["beta"].call("admin.node.edit", {"node_id": 1, "comment": str(number)}, account="admin")
        until(lambda: same(federation, "beta", after), "the same", 60.0)
    finally:

        async def stop() -> None:
            follower.stop()

        run(stop)


def test_cursor_moves_once(federation: Federation) -> None:
    """A batch whose cursor has moved is refused whole."""
    database = federation.bench.manager.database
    cluster_id = federation.bench.sql("INSERT INTO cluster (name, url) VALUES ('x', 'http://127.0.0.1:1') RETURNING id")
    assert database.transact_now(move_cursor, cluster_id, "", "1")
    assert not database.transact_now(move_cursor, cluster_id, "", "2")
    federation.bench.sql("UPDATE cluster SET deleted_at = now() WHERE id = :id", id=cluster_id)
    assert not database.transact_now(move_cursor, cluster_id, "1", "2")


def test_reset(federation: Federation) -> None:
    """A cluster that cannot go on from our cursor says so, and so does the cloud: whoever watches looks anew."""
    subscriber = federation.subscribe("ann")
    beta = federation.ids["beta"]
    epoch = federation.bench.sql("SELECT feed_cursor FROM cluster WHERE id = :id", id=beta).partition(".")[0]
    old = format_cursor("0" * len(epoch), (1, 1))
    duty = federation.bench.manager.watcher.duties[beta]

    async def stop() -> None:
        duty.follower.stop()

    run(stop)
    federation.bench.sql("UPDATE cluster SET feed_cursor = :old WHERE id = :id", old=old, id=beta)
    before = len(subscriber.seen(event="reset"))

    async def start() -> None:
        duty.follower = Follower(federation.bench.manager.services, duty.connection)
        duty.follower.start()

    run(start)
    until(lambda: len(subscriber.seen(kind="cluster", event="reset", cluster="beta")) > before)
    after = last(federation, "beta")
    federation.clouds["beta"].call("admin.node.edit", {"node_id": 1, "comment": "on"}, account="admin")
    until(lambda: same(federation, "beta", after))
    subscriber.close()


def test_one_hangs(federation: Federation) -> None:
    """A cluster that takes connections and says nothing holds up nobody else's changes."""
    with hanging() as port:
        federation.bench.sql("UPDATE cluster SET url = :url WHERE name = 'beta'", url=f"http://127.0.0.1:{port}")
        run(federation.bench.manager.clusters.reload)
        after = last(federation, "alpha")
        federation.create("alpha")
        until(lambda: same(federation, "alpha", after), "alpha's changes", 5.0)


# ------------------------------------------------------------------ to whom


def test_visibility(federation: Federation) -> None:
    """Changes reach their owner; administrators of a cluster see its, those of the cloud all, and nobody others'."""
    federation.call("admin.administrator.add", ["alpha", federation.bench.ids["bob"]], login="admin")
    ann, bob = federation.subscribe("ann"), federation.subscribe("bob")
    of_alpha, of_all = federation.subscribe("bob", "?all=1"), federation.subscribe("admin", "?all=1")
    one, two = federation.create("alpha"), federation.create("beta")
    vms = {"alpha": one["vm_id"], "beta": two["vm_id"]}
    for name, vm_id in vms.items():
        until(lambda: ann.seen(kind="vm", object_id=vm_id, cluster=name), "ann's event")  # noqa: B023
        until(lambda: of_all.seen(kind="vm", object_id=vm_id, cluster=name), "admin's event")  # noqa: B023
    until(lambda: of_alpha.seen(kind="vm", object_id=vms["alpha"], cluster="alpha"))
    assert not of_alpha.seen(kind="vm", cluster="beta")
    assert not bob.seen(kind="vm")
    shown = ann.seen(kind="vm", cluster="beta")[0]
    assert shown["uuid"] == two["uuid"] and shown["object"]["vm_id"] == two["vm_id"]
    refused = federation.subscribe("ann", "?all=1")
    assert refused.status != 200 or not refused.seen(kind="vm")
    for each in (ann, bob, of_alpha, of_all, refused):
        each.close()


def test_subscriber_goes_on(federation: Federation) -> None:
    """A subscriber that comes back with its cursor misses nothing and sees nothing twice."""
    seen: list[dict[str, Any]] = []
    subscriber = federation.subscribe("ann")
    vm_id = federation.create("beta")["vm_id"]
    until(lambda: subscriber.seen(kind="vm", object_id=vm_id))
    for number in range(5):
        subscriber.close()
        seen += subscriber.seen(kind="vm", object_id=vm_id)
        cursor = subscriber.cursor
        federation.call("user.vm.edit", {"vm_id": vm_id, "description": f"d{number}", "cluster": "beta"})
        subscriber = federation.subscribe("ann", f"?cursor={cursor}")
        until(
            lambda: any(e["object"]["description"] == f"d{number}" for e in subscriber.seen(object_id=vm_id, kind="vm"))  # noqa: B023
        )
    seen += subscriber.seen(kind="vm", object_id=vm_id)
    subscriber.close()
    user = federation.bench.ids["ann"]
    written = federation.bench.sql(
        "SELECT count(*) FROM change WHERE kind = 'vm' AND object_id = :id AND :user = ANY(users)"
        " AND cluster_id = :cluster",
        id=vm_id, user=user, cluster=federation.ids["beta"],
    )  # fmt: skip
    assert len(seen) == written


def test_health_is_told(federation: Federation) -> None:
    """That a cluster went away is told to everybody, and that it came back."""
    subscriber = federation.subscribe("ann")
    federation.kill("beta")
    until(lambda: [e for e in subscriber.seen(kind="cluster") if (e["object"] or {}).get("state") == "unreachable"])
    federation.revive("beta")
    until(lambda: [e for e in subscriber.seen(kind="cluster") if (e["object"] or {}).get("state") == "ok"])
    subscriber.close()


def test_messages(federation: Federation) -> None:
    """A cluster's message to a user becomes the cloud's: once, however often it is told."""
    ann = federation.bench.ids["ann"]
    federation.call("user.vm.get_list", {"cluster": "beta"})
    subscriber = federation.subscribe("ann")
    cloud = federation.clouds["beta"]
    account = cloud.sql("SELECT id FROM account WHERE external_id = :id", id=str(ann))

    def write(session: Any) -> None:
        from cm.store.change import record_change

        made = session.connection().exec_driver_sql(
            "INSERT INTO message (account_id, level, code, params) VALUES (%s, 'warn', 'vm_failed', '{\"vm_id\": 3}')"
            " RETURNING id",
            (account,),
        )
        record_change(session, "message", made.scalar_one(), account, "enter")

    cloud.manager.database.transact_now(write)
    until(lambda: subscriber.seen(kind="message"), "the message")
    kept = federation.call("user.message.get_list")
    kept = kept["messages"] if isinstance(kept, dict) else kept
    mine = [each for each in kept if each["code"] == "vm_failed"]
    assert len(mine) == 1 and mine[0]["params"]["vm_id"] == 3 and mine[0]["level"] == "warn"
    assert len(subscriber.seen(kind="message")) == 1
    subscriber.close()


# ------------------------------------------------------------------ the table


def test_rows(federation: Federation) -> None:
    """An event is kept as it was told: its own time, its object as text."""
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    event = Event("vm", 3, "00000000-0000-0000-0000-000000000003", "change", at, '{"a":1}', [7], [8])
    database = federation.bench.manager.database
    database.transact_now(insert_events, federation.ids["alpha"], [event])

    def find() -> Any:
        """Not before whatever else is under way on the server has ended."""
        return next((row for row in database.read_now(read_changes, (0, 0), 10_000) if row.object == '{"a":1}'), None)

    row = until(find)
    assert (row.users, row.groups, row.public) == ({7}, {("", 8)}, False)
    assert row.at == at and row.uuid == event.uuid


_MESSAGE = '{"event":"enter","kind":"message","object_id":1,"audience":{"users":[1]},"object":%s}'


@pytest.mark.parametrize(
    "data",
    [
        '{"event":"enter","kind":"vm","object_id":1,"object":' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"event":"enter","kind":"vm","object_id":9223372036854775808}',
        '{"event":"enter","kind":"v\\u0000m","object_id":1}',
        '{"event":"enter","kind":"vm","object_id":1,"audience":{"users":[9223372036854775808]}}',
        _MESSAGE % '{"level":"info","code":"a\\u0000"}',
        _MESSAGE % '{"level":"info","code":"a","params":{"x":"\\u0000"}}',
    ],
)
def test_poison(bench: CloudBench, data: str) -> None:
    """What a cluster tells and nobody can store is skipped; what comes after it is taken over."""
    database = bench.manager.database
    cluster_id = bench.sql("INSERT INTO cluster (name, url) VALUES ('x', 'http://127.0.0.1:1') RETURNING id")
    facts = next(facts for facts in database.read_now(list_facts) if facts.id == cluster_id)
    follower = Follower(bench.manager.services, SimpleNamespace(facts=facts))  # type: ignore[arg-type]
    cursor = f"{'a' * 16}.1.1"
    lines = [sse.Event("", "enter", data), sse.Event(cursor, "change", '{"event":"change","kind":"vm","object_id":7}')]
    assert run(lambda: follower._write("", lines)) == cursor
    rows = database.read_now(read_changes, (0, 0), 1000)
    assert [(row.kind, row.object_id) for row in rows if row.more.get("cluster") == "x"] == [("vm", 7)]


def test_prune(federation: Federation) -> None:
    """Old rows go: changes after seven days, but for the last; the audit stays for a year."""
    bench = federation.bench
    bench.sql("UPDATE change SET at = now() - interval '8 days'")
    bench.sql(
        "INSERT INTO audit (at, login, method, call_id, arguments)"
        " VALUES (now() - interval '2 years', 'old', 'm', 'c', '{}')"
    )
    before = bench.sql("SELECT count(*) FROM change")

    def gone() -> bool:
        bench.manager.database.transact_now(prune)
        return not bench.sql("SELECT count(*) FROM audit WHERE login = 'old'")

    # The manager prunes as well, and one process at a time prunes a table.
    until(gone)
    until(lambda: bench.sql("SELECT count(*) FROM change WHERE at < now() - interval '7 days'") <= 1)
    assert before > 1 and bench.sql("SELECT count(*) FROM change") >= 1
    assert bench.sql("SELECT count(*) FROM audit") > 0


def test_api_key(federation: Federation) -> None:
    """The feed takes the scope of a key: reading is enough; of administrators' part only what the key allows."""

    def key(name: str, scope: list[str]) -> str:
        made = federation.call("user.api_key.create", {"name": name, "scope": scope}, login="admin")
        return str(made["key"])

    none = Subscriber(federation.port, key("vms", ["user.vm.*"]))
    assert none.status == 403
    mine = Subscriber(federation.port, key("watch", ["user.object.watch"]))
    everything = Subscriber(federation.port, key("all", ["user.object.watch"]), "?all=1")
    assert (mine.status, everything.status) == (200, 403)
    assert Subscriber(federation.port, key("both", ["all"]), "?all=1").status == 200
    mine.close()
