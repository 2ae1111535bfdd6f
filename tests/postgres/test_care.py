"""Letting go of what is old: batch after batch, a table at a time, and nothing that somebody still needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cm.daemon import care
from cm.daemon.care import CARE_S, MORE_S, Care
from cm.store import prune
from cm.store.prune import TABLES, Retention, prune_table
from support.cloud import MemoryCloud, reactor, run


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, nodes=1, workers=False)
    yield made
    made.stop()


def pruned(cloud: MemoryCloud, table: str, **days: int) -> int:
    gone: int = cloud.manager.database.transact_now(prune_table, table, Retention(**days))
    return gone


def vm(cloud: MemoryCloud, closed_days: int | None) -> int:
    """A VM, closed so many days ago, with an ended operation and a row of the audit of that time."""
    vm_id: int = cloud.create()["vm_id"]
    cloud.sql("UPDATE operation SET state = 'done', finished_at = now() - interval '3 days' WHERE vm_id = :v", v=vm_id)
    if closed_days is not None:
        for statement in (
            "UPDATE vm SET closed_at = now() - make_interval(days => :d), node_claimed = false WHERE id = :v",
            "UPDATE operation SET finished_at = now() - make_interval(days => :d) WHERE vm_id = :v",
        ):
            cloud.sql(statement, v=vm_id, d=closed_days)
    return vm_id


def left(cloud: MemoryCloud, table: str) -> set[int]:
    with cloud.manager.database.engine.begin() as connection:
        return set(connection.execute(text(f"SELECT vm_id FROM {table}")).scalars())


def test_operations(cloud: MemoryCloud) -> None:
    """Operations go so long after their VM's end; those of a living VM, and what is open, stay."""
    live, old = vm(cloud, None), vm(cloud, 40)
    vm(cloud, 5)
    undone = vm(cloud, 40)
    cloud.sql("UPDATE operation SET state = 'waiting', finished_at = NULL WHERE vm_id = :v", v=undone)
    assert pruned(cloud, "operation", operation_days=1) == 2
    assert left(cloud, "operation") == {live, undone}
    assert cloud.call("user.vm.get_by_id", [old])["vm_id"] == old


def test_children(cloud: MemoryCloud) -> None:
    """A parent goes after its children, and never before."""
    parent, child = vm(cloud, 40), vm(cloud, 40)
    cloud.sql(
        "UPDATE operation SET parent_id = (SELECT id FROM operation WHERE vm_id = :p) WHERE vm_id = :c",
        p=parent, c=child,
    )  # fmt: skip
    assert pruned(cloud, "operation", operation_days=30) == 1 and left(cloud, "operation") == {parent}
    assert pruned(cloud, "operation", operation_days=30) == 1 and left(cloud, "operation") == set()


def test_logs_of_a_node(cloud: MemoryCloud) -> None:
    """Logs that a node was to delete are forgotten when it is no more, unless its machine would be recognised."""
    (node_id,) = cloud.node_ids
    closed = vm(cloud, 1)
    cloud.sql("INSERT INTO console_leftover (vm_id, node_id) VALUES (:v, :n)", v=closed, n=node_id)
    assert pruned(cloud, "console_leftover") == 0
    cloud.sql("UPDATE node SET vms_used = 0")
    cloud.sql("UPDATE vm SET node_claimed = false, node_id = NULL")
    cloud.call("admin.node.delete", [node_id], account="admin")
    cloud.sql("UPDATE node SET host_uuid = 'known'")
    assert pruned(cloud, "console_leftover") == 0
    cloud.sql("UPDATE node SET host_uuid = ''")
    assert pruned(cloud, "console_leftover") == 1 and left(cloud, "console_leftover") == set()


def test_forever(cloud: MemoryCloud) -> None:
    """What is kept for 0 days is kept for ever; the audit is, unless it is said otherwise."""
    cloud.sql(
        "INSERT INTO audit (at, login, method, call_id, arguments)"
        " VALUES (now() - interval '9 years', '', '', '', '{}')"
    )
    vm(cloud, 4000)
    for table in TABLES:
        assert pruned(cloud, table, **{each: 0 for each in Retention.__dataclass_fields__}) == 0, table
    assert pruned(cloud, "audit") == 0 and pruned(cloud, "audit", audit_days=4000) == 0
    assert pruned(cloud, "audit", audit_days=365) == 1
    assert Retention(audit_days=-1).problems() == ["retention.audit_days is below zero"]


def test_one_at_a_time(cloud: MemoryCloud) -> None:
    """While one process is at a table others leave it alone, without waiting."""
    requests(cloud, 3)
    with cloud.manager.database.engine.begin() as connection:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:c, :t)"), {"c": prune._LOCKS, "t": TABLES.index("request")}
        )
        assert pruned(cloud, "request") == 0
    assert pruned(cloud, "request") == 3


def requests(cloud: MemoryCloud, count: int) -> None:
    cloud.sql(
        "INSERT INTO request (account_id, request_id, digest, at)"
        " SELECT :a, 'r' || g, '', now() - interval '8 days' FROM generate_series(1, :n) g", a=cloud.user_id, n=count,
    )  # fmt: skip


def test_rounds(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on at once while batches are full, whatever becomes of storages; each table has its own transaction."""
    monkeypatch.setattr(prune, "BATCH", 10)
    monkeypatch.setattr(care, "BATCH", 10)
    requests(cloud, 25)
    transactions: list[Any] = []
    transact = cloud.manager.database.transact

    async def counted(function: Any, *args: Any) -> Any:
        transactions.append(args[0] if function is prune_table else function.__name__)
        return await transact(function, *args)

    monkeypatch.setattr(cloud.manager.database, "transact", counted)
    made = Care(cloud.manager.services, reactor, Retention())
    assert [run(made.round) for _ in range(3)] == [MORE_S, MORE_S, None] and MORE_S < CARE_S
    first = ["close_failed", "expire", "expire", "evict_spare", "purge_overdue", "destroy_overdue", "warn"]
    assert transactions == [*first, *TABLES] * 3
    assert cloud.sql("SELECT count(*) FROM request") == 0
