"""Races that the database settles: quotas, capacity, addresses, ports, open operations, workers."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import text

from cm.operations import engine as engine_module
from cm.operations.base import LeaseLost, Work
from cm.rpc.errors import CloudError, LimitReached, Overloaded, VMBusy
from cm.store.worker import LEASE_S, SILENT_S, claim_operations, dead_in, register_worker, take_over
from support.cloud import MemoryCloud, run


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    """Call from so many threads together; results or the errors of our kind."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def work(number: int) -> None:
        barrier.wait()
        try:
            results[number] = call(number)
        except CloudError as error:
            results[number] = error

    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_quota_edge(cloud: MemoryCloud) -> None:
    """Of twenty creates at once, exactly the seven that the quota allows are made."""
    cloud.sql("UPDATE account SET quota_vms = 7")
    results = at_once(20, lambda n: cloud.create(name=f"vm-{n}"))
    made = [r for r in results if isinstance(r, dict)]
    assert len(made) == 7
    assert all(isinstance(r, LimitReached) for r in results if not isinstance(r, dict))
    for vm in made:
        cloud.wait(vm["vm_id"], "running")
    assert cloud.leaks() == []


def test_capacity_edge(cloud: MemoryCloud) -> None:
    """Nodes are never overbooked, and no two VMs share an address or a port."""
    cloud.sql("UPDATE node SET memory_mib_total = 128 * 4")
    results = at_once(20, lambda n: cloud.create(name=f"vm-{n}"))
    made = [r for r in results if isinstance(r, dict)]
    assert len(made) == 8
    assert cloud.sql("SELECT max(memory_mib_used) FROM node") == 128 * 4
    addresses = [r["leases"][0]["address"] for r in made]
    assert len(set(addresses)) == 8
    assert cloud.sql("SELECT count(*) FROM vnc_port WHERE vm_id IS NOT NULL") == 8
    for vm in made:
        cloud.wait(vm["vm_id"], "running")
    assert cloud.leaks() == []


def test_no_address(cloud: MemoryCloud) -> None:
    """When every address is leased the call says so, and what it had claimed is given back."""
    cloud.sql("DELETE FROM network_lease WHERE address > '10.128.0.3'")
    results = at_once(6, lambda n: cloud.create(name=f"vm-{n}"))
    assert len([r for r in results if isinstance(r, dict)]) == 2
    assert cloud.leaks() == []


def test_same_request_at_once(cloud: MemoryCloud) -> None:
    """One call sent ten times at once under one request id makes one VM, and all get its answer."""
    values = {"name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
    results = at_once(10, lambda n: cloud.call("user.vm.create", values, request_id="same"))
    assert all(r == results[0] for r in results)
    assert len(cloud.call("user.vm.get_list")) == 1


def test_one_operation_a_vm(cloud: MemoryCloud) -> None:
    """Of ten stops at once one is accepted; the others name the one that blocks them."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.manager.engine._stopping = True  # nobody works it meanwhile
    results = at_once(10, lambda n: cloud.call("user.vm.stop", [vm_id]))
    accepted = [r for r in results if isinstance(r, dict)]
    assert len(accepted) == 1
    blocked = [r for r in results if isinstance(r, VMBusy)]
    assert len(blocked) == 9 and {b.operation_id for b in blocked} == {accepted[0]["operation_id"]}


def test_dead_worker(cloud: MemoryCloud) -> None:
    """
    What a worker without its lock had claimed is taken over and done, though its lease still runs: as soon as it has
    renewed nothing for a while, and not while everybody is just connecting again.
    """
    engine = cloud.manager.engine
    engine._stopping = True
    vm_id = cloud.create()["vm_id"]
    database, me = cloud.manager.database, engine.worker_id
    dead = database.transact_now(register_worker, "dead")
    [op] = database.transact_now(claim_operations, dead, 10, [], LEASE_S)
    assert cloud.vm(vm_id)["state"] == "starting"
    assert list(database.transact_now(take_over, me, True)) == []
    left_s = database.read_now(dead_in, me, True)
    assert 0 < left_s <= SILENT_S
    cloud.sql("UPDATE operation SET lease_until = lease_until - make_interval(secs => :s)", s=left_s)
    assert list(database.transact_now(take_over, me, False)) == []
    assert list(database.transact_now(take_over, me, True)) == [op.id]
    engine._stopping = False
    engine.start()
    cloud.wait(vm_id, "running")


def test_two_managers(cloud: MemoryCloud, tmp_path: Path) -> None:
    """Two processes' worth of managers share the work of one database; each operation is done once."""
    other = MemoryCloud(cloud.settings.database.url, tmp_path, start=False)
    other.start()
    try:
        made = [cloud.create(name=f"vm-{n}")["vm_id"] for n in range(30)]
        for vm_id in made:
            cloud.wait(vm_id, "running")
        assert cloud.sql("SELECT max(launches) FROM vm") == 1
        assert cloud.sql("SELECT max(attempts) FROM operation") == 0
    finally:
        other.stop()
    assert cloud.leaks() == []


def test_cut_off(cloud: MemoryCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A process that has lost the connection of its lock, and goes on renewing, keeps what it is at: nobody else does the
    same beside it. One that goes on renewing nothing begins nothing more that another may have taken over.
    """
    other = MemoryCloud(cloud.settings.database.url, tmp_path, start=False)
    other.start()
    nodes = list(cloud.memory.values())

    def calls(name: str) -> int:
        return sum(node.calls.count(name) for node in nodes)

    listener = cloud.manager.listener
    mine, theirs = cloud.manager.engine, other.manager.engine
    theirs._stopping = True
    releases = [node.hang(60.0, ["start"]) for node in nodes]
    try:
        vm_id = cloud.create()["vm_id"]
        cloud.until(lambda: calls("start"), "a node to be asked")
        monkeypatch.setattr(engine_module, "SETTLED_S", 0.0)  # there was no outage

        def away() -> Any:
            raise psycopg2.OperationalError("away")

        monkeypatch.setattr(listener, "_connect", away)
        cloud.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'wawel listener' AND datname = current_database()"
        )
        cloud.until(lambda: listener.held_s == 0 and other.manager.listener.held_s > 0, "one to be cut off")
        theirs._look_at = 0.0
        run(theirs._tend)
        assert cloud.sql("SELECT worker_id FROM operation WHERE finished_at IS NULL") == mine.worker_id
        # Cut off wholly.
        mine.leases.stop()
        [op] = mine._running.values()
        work = Work(op, mine.worker_id, cloud.manager.services, mine._held[op.id])
        before = cloud.sql("SELECT lease_until FROM operation WHERE id = :i", i=op.id)
        mine._held[op.id]._sure_until = 0.0
        run(lambda: work.node(cloud.node_ids[0]).hypervisor.look(op.arguments.get("uuid", str(uuid.uuid4()))))
        assert cloud.sql("SELECT lease_until FROM operation WHERE id = :i", i=op.id) > before
        cloud.sql("UPDATE operation SET lease_until = now() - interval '1 second' WHERE id = :i", i=op.id)
        theirs._look_at = 0.0
        run(theirs._tend)
        mine._held[op.id]._sure_until = 0.0
        with pytest.raises(LeaseLost):
            run(lambda: work.node(cloud.node_ids[0]).hypervisor.destroy(str(uuid.uuid4())))
        # Nor what has waited for its thread too long.

        async def kept(_work: Work) -> None:
            pass

        monkeypatch.setattr(Work, "keep", kept)
        with pytest.raises(Overloaded):
            run(lambda: work.node(cloud.node_ids[0]).hypervisor.destroy(str(uuid.uuid4())))
        assert calls("destroy") == 0
        monkeypatch.undo()
    finally:
        for release in releases:
            release()
    theirs._stopping = False
    theirs.wake()
    cloud.wait(vm_id, "running")
    other.stop()
    assert cloud.leaks() == []


def test_database_restart(cloud: MemoryCloud, postgres: Any) -> None:
    """The database's restart in the middle of work costs time, never an accepted call."""
    made = [cloud.create(name=f"vm-{n}")["vm_id"] for n in range(10)]
    postgres.restart()
    until = time.monotonic() + 30
    while True:
        try:
            with cloud.manager.database.engine.begin() as connection:
                connection.execute(text("SELECT 1"))
            break
        except Exception:
            assert time.monotonic() < until
            time.sleep(0.1)
    for vm_id in made:
        cloud.wait(vm_id, "running", 40)
    assert cloud.leaks() == []
    assert cloud.sql("SELECT count(*) FROM operation WHERE state NOT IN ('done')") == 0


def test_creates_and_destroys_do_not_deadlock(cloud: MemoryCloud) -> None:
    """Claims and releases take their locks in one order: the database finds no deadlock between them."""
    before = cloud.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

    def life(number: int) -> None:
        for turn in range(6):
            vm_id = cloud.create(name=f"vm-{number}-{turn}")["vm_id"]
            cloud.call("user.vm.destroy", [[vm_id]])

    at_once(8, life)
    until = time.monotonic() + 60
    while cloud.sql("SELECT count(*) FROM vm WHERE closed_at IS NULL"):
        assert time.monotonic() < until
        time.sleep(0.1)
    cloud.sql("SELECT pg_stat_clear_snapshot()")
    assert cloud.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == before
    assert cloud.leaks() == []


def test_forgotten_operation(cloud: MemoryCloud) -> None:
    """What a living worker itself lost sight of is taken over when its lease has run out."""
    cloud.manager.engine._stopping = True
    vm_id = cloud.create()["vm_id"]
    database, me = cloud.manager.database, cloud.manager.engine.worker_id
    assert len(database.transact_now(claim_operations, me, 10, [], -1.0)) == 1
    assert len(database.transact_now(take_over, me, True)) == 1
    cloud.manager.engine._stopping = False
    cloud.manager.engine.start()
    cloud.wait(vm_id, "running")
