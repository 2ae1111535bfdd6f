"""What VMs hold is booked last: whoever only decides, is refused or reads waits for nobody's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import errorcodes
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cm.rpc.errors import QuotaReached
from cm.runtime.database import Database, Faster, at_last, may_fail_late
from cm.runtime.prepared import Prepared
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


@contextmanager
def held(cloud: MemoryCloud, *statements: str) -> Iterator[Any]:
    """A transaction of somebody else's, which has run these; it is committed in the end."""
    with cloud.manager.database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
        yield connection


def waiting(cloud: MemoryCloud, number: int) -> Callable[[], bool]:
    """Whether so many transactions wait for a row."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return lambda: bool(cloud.sql(asked) == number)


def test_decisions_wait_for_nobody(cloud: MemoryCloud) -> None:
    """A dry run and a refusal need the rows of account and storage only to look; a create waits, and then is made."""
    new = {"name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
    with ThreadPoolExecutor(3) as pool:
        with held(cloud, "SELECT 1 FROM account FOR NO KEY UPDATE", "SELECT 1 FROM storage FOR NO KEY UPDATE"):
            made: Future[Any] = pool.submit(cloud.create)
            planned = pool.submit(cloud.call, "user.vm.create", {**new, "dry_run": True})
            refused = pool.submit(cloud.call, "user.vm.create", {**new, "count": 200})
            assert planned.result(20)["plan"]
            assert isinstance(refused.exception(20), QuotaReached)
            cloud.until(waiting(cloud, 1), "the create waits")
        cloud.wait(made.result(20)["vm_id"], "running")
    assert cloud.leaks() == []


def test_node_filled_meanwhile(cloud: MemoryCloud) -> None:
    """A node that somebody fills between decision and booking is not overbooked: the VM goes elsewhere."""
    first, second = cloud.node_ids
    cloud.sql("UPDATE node SET priority = 5 WHERE id = :id", id=first)
    with ThreadPoolExecutor(1) as pool:
        with held(cloud, f"UPDATE node SET cpu_total = 0 WHERE id = {first}"):
            made: Future[Any] = pool.submit(cloud.create)
            cloud.until(waiting(cloud, 1), "the create waits for the node")
        vm_id = made.result(20)["vm_id"]
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :id", id=vm_id) == second
    assert cloud.sql("SELECT count(*) FROM vm") == cloud.sql("SELECT count(*) FROM placement") == 1
    cloud.wait(vm_id, "running")
    assert cloud.leaks() == []


def test_quota_taken_meanwhile(cloud: MemoryCloud) -> None:
    """What suffices when it is decided and no more when it is booked is refused, and changes nothing."""
    with ThreadPoolExecutor(1) as pool:
        with held(cloud, f"UPDATE account SET quota_vms = 0 WHERE id = {cloud.user_id}"):
            made: Future[Any] = pool.submit(cloud.create)
            cloud.until(waiting(cloud, 1), "the create waits for the account")
        refusal = made.exception(20)
    assert isinstance(refusal, QuotaReached) and refusal.details()["limit"] == 0
    assert [cloud.sql(f"SELECT count(*) FROM {table}") for table in ("vm", "operation", "placement")] == [0, 0, 0]
    assert cloud.leaks() == []


def test_what_booking_alone_sees(cloud: MemoryCloud) -> None:
    """What each look by itself finds room for, and both together do not fit, is told by its name, not as a race."""
    cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib + 1100 WHERE id = :id", id=cloud.user_id)
    with pytest.raises(QuotaReached) as refused:
        cloud.create(new_disks=[1099])
    assert refused.value.details()["resource"] == "storage_mib"
    assert cloud.sql("SELECT count(*) FROM vm") == 0 and cloud.leaks() == []


def test_fails_late(database: Database) -> None:
    """A first attempt may fail with its commit alone, and is repeated; the second may not, and tells what is wrong."""
    attempts: list[bool] = []
    divide = Prepared("divide", "SELECT 1 / CAST(:by AS integer)")

    def go(session: Any) -> None:
        attempts.append(may_fail_late(session, errorcodes.DIVISION_BY_ZERO))
        divide.post(session, by=1 - attempts[-1])

    database.transact_now(go)
    assert attempts == [True, False]

    def wrong(session: Any) -> None:
        divide.post(session, by=0)

    with pytest.raises(DBAPIError):
        database.transact_now(wrong)


def test_reads_during_a_burst(cloud: MemoryCloud) -> None:
    """While every thread for changes waits for one row, reads are answered."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    new = {"name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
    size = cloud.manager.settings.database.pool_size
    with ThreadPoolExecutor(size + 1) as pool:
        with held(cloud, "SELECT 1 FROM storage FOR NO KEY UPDATE"):
            made = [
                pool.submit(cloud.call, "user.vm.create", new, account=("user", "other")[number % 2])
                for number in range(size)
            ]
            with cloud.manager.database._reading.connect() as connection:
                asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                cloud.until(lambda: connection.scalar(text(asked)) == size, "all wait")
            assert pool.submit(cloud.vm, vm_id).result(20)["state"] == "running"
        assert all(each.result(30) for each in made)


def test_at_last(database: Database) -> None:
    """It is done behind everything else; at once in a savepoint; and not at all where the transaction fails."""
    done: list[str] = []

    def go(session: Any) -> None:
        at_last(session, lambda _, word: done.append(word), "last")
        with session.begin_nested():
            at_last(session, lambda _, word: done.append(word), "nested")
        done.append("else")
        if len(done) == 2:
            raise Faster(QuotaReached("vms", 1, 1, 1))

    database.transact_now(go)
    assert done == ["nested", "else", "nested", "else", "last"]

    def never(session: Any) -> None:
        done.append("try")
        raise Faster(QuotaReached("vms", 1, 1, 1))

    with pytest.raises(QuotaReached):
        database.transact_now(never)
    assert done.count("try") == 6
