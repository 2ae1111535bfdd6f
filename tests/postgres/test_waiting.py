"""What an operation that waits tells: to whoever asked for it, and more to administrators."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.operations import image_import
from cm.operations.base import Work, storage_reached
from cm.operations.engine import _put_back
from cm.rpc.errors import NodeUnreachable
from cm.store.reconcile import record_node
from cm.store.storage import record_attached, set_attachment
from cm.store.worker import claim_operations, clear_mark, register_worker

MIB = 2**20


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    made.node_id = made.node()
    made.storage_id = made.storage(made.node_id)
    yield made
    made.close()


def start(bench: Bench) -> Any:
    """An import that the engine has not seen yet."""
    path = bench.images / "disk.raw"
    path.write_bytes(bytes(510) + b"\x55\xaa" + bytes(MIB))
    values = {"name": "debian", "description": "", "storage_id": bench.storage_id}
    return bench.call("admin.system_image.import_file", path=str(path), **values)


def told(bench: Bench, answer: Any) -> tuple[str, str]:
    """What the importer is told as a user, and as an administrator; both lists say the same as the operation."""
    operation_id = answer["operation_id"]
    mine = bench.call("user.operation.get", operation_id=operation_id)
    all_of_it = bench.call("admin.operation.get", operation_id=operation_id)
    assert mine in bench.call("user.operation.get_list", only_open=True)
    assert all_of_it in bench.call("admin.operation.get_list", only_open=True)
    assert (mine["text"], all_of_it["text"]) == (mine["waiting_for"], all_of_it["waiting_for"])
    return mine["waiting_for"], all_of_it["waiting_for"]


def test_failed_attempt(bench: Bench) -> None:
    """A node that is away: the user hears that it does not answer, the administrator which and why; then nothing."""
    answer = start(bench)
    bench.memory("node-1").fail_next("upload", NodeUnreachable("node-1", "Connection refused"))
    bench.work()
    mine, full = told(bench, answer)
    assert mine == "The node does not answer." and full == "Node node-1 does not answer: Connection refused."
    operation = bench.call("user.operation.get", operation_id=answer["operation_id"])
    assert operation["state"] == "queued" and operation["next_attempt"] > operation["created"]
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert image["waiting_for"] == mine
    done = bench.operation(answer["operation_id"])
    assert (done["state"], done["text"], done["waiting_for"], done["admin_text"]) == ("done", "", "", "")
    assert done["next_attempt"] is None
    assert bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])["waiting_for"] == ""


def test_waits(bench: Bench) -> None:
    """What waits without having failed says what for."""
    answer = start(bench)
    bench.change("UPDATE storage_attachment SET state = 'attaching'")
    bench.work()
    assert told(bench, answer) == (f"No node that answers has storage {bench.storage_id} attached.",) * 2
    bench.change("UPDATE storage_attachment SET state = 'attached'")
    bench.call("admin.operation.retry", operation_id=answer["operation_id"])
    assert bench.operation(answer["operation_id"])["state"] == "done"


def waits(bench: Bench, answer: Any) -> bool:
    """Whether it waits, longer than anybody here would for it."""
    return bool(
        bench.sql(
            "SELECT finished_at IS NULL AND not_before > now() + interval '20 s' FROM operation WHERE id = :id",
            id=answer["operation_id"],
        )
    )


def test_woken_by_its_storage(bench: Bench) -> None:
    """An image's work waits for its storage, and goes on with what brings that: a node that answers, an attachment."""
    answer = start(bench)
    bench.database.transact_now(record_node, bench.node_id, "unreachable", "gone")
    bench.work()
    assert waits(bench, answer)
    other = bench.node("node-2")
    bench.database.transact_now(record_node, other, "ok", "")
    bench.work()
    assert waits(bench, answer)  # a node that has not its storage is no news to it
    bench.database.transact_now(set_attachment, bench.storage_id, bench.node_id, "detaching")
    bench.database.transact_now(record_node, bench.node_id, "ok", "")
    bench.work()
    assert waits(bench, answer)
    bench.database.transact_now(record_attached, bench.storage_id, bench.node_id, 2**40)
    assert bench.operation(answer["operation_id"])["state"] == "done"
    removal = bench.call("admin.system_image.delete", image_id=answer["image_id"])
    bench.database.transact_now(record_node, bench.node_id, "unreachable", "gone")
    bench.work()
    assert waits(bench, removal)
    bench.database.transact_now(record_node, bench.node_id, "ok", "")
    assert bench.operation(removal["operation_id"])["state"] == "done"


def test_woken_by_its_node(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed since its node does not answer is tried again once it does, not at its next turn."""
    monkeypatch.setattr("cm.operations.engine.random.uniform", lambda *_: 1000.0)
    bench.memory("node-1").fail_next("detach", NodeUnreachable("node-1", "Connection refused"))
    answer = bench.call("admin.storage.detach", storage_id=bench.storage_id, node_id=bench.node_id)
    bench.work()
    assert waits(bench, answer)
    for state in ("unreachable", "ok"):
        bench.database.transact_now(record_node, bench.node_id, state, "")
    assert bench.operation(answer["operation_id"])["state"] == "done"


def test_woken_by_who_stops(bench: Bench) -> None:
    """A deletion waits for the worker of an import that was given up, and goes on when that has stopped."""
    answer = start(bench)
    worker_id = bench.database.transact_now(register_worker, "slow")
    bench.database.transact_now(claim_operations, worker_id, 1, [], 600.0)
    bench.call("admin.operation.abandon", operation_id=answer["operation_id"])
    removal = bench.sql("SELECT max(id) FROM operation")
    bench.work()
    waits_for = bench.sql("SELECT waits_for FROM operation WHERE id = :id", id=removal)
    assert waits_for == f"image:{answer['image_id']}"
    bench.change("UPDATE operation SET not_before = now() + interval '1 hour' WHERE id = :id", id=removal)
    bench.database.transact_now(clear_mark, answer["operation_id"], worker_id)
    assert bench.operation(removal)["state"] == "done"


def test_no_word_is_missed(bench: Bench) -> None:
    """What changes between a step's look and its wait is seen, though it was not committed when it was looked for."""
    answer = start(bench)
    bench.change("UPDATE storage_attachment SET state = 'attaching'")
    [op] = bench.database.transact_now(claim_operations, bench.worker_id, 1, [], 60.0)
    storage_id, node_id = bench.storage_id, bench.node_id
    wait = storage_reached(storage_id)

    def put_back() -> None:
        bench.database.transact_now(_put_back, bench.worker_id, op, "upload", wait, None)

    with Session(bench.database.engine) as session, ThreadPoolExecutor(1) as pool:
        record_attached(session, storage_id, node_id, 2**40)
        session.execute(text("SELECT 1"))  # what rides along has been sent: nobody waits yet who could be woken
        waiter = pool.submit(put_back)
        blocked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 10
        while not bench.sql(blocked) and not waiter.done() and time.monotonic() < deadline:
            time.sleep(0.01)
        session.commit()
        waiter.result(10)
    assert not waits(bench, answer)


def test_unknown_length(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download tells how much has come, and of how much, where somebody says that."""
    monkeypatch.setattr(image_import, "TELL_S", 0.0)
    answer = start(bench)
    [op] = bench.database.transact_now(claim_operations, bench.worker_id, 1, [], 60.0)
    meter = image_import.Meter(Work(op, bench.worker_id, bench.services), 0, 50)
    meter.moved(5 * MIB + 1, None)
    assert told(bench, answer) == ("5 MiB have come; the server does not say of how many.",) * 2
    meter.moved(6 * MIB, 12 * MIB)
    assert told(bench, answer) == ("6 of 12 MiB have come.",) * 2
    assert bench.call("user.operation.get", operation_id=answer["operation_id"])["progress"] == 25


def test_queued(bench: Bench) -> None:
    """What nobody has begun waits for its turn, behind what is under way on its node."""
    answer = start(bench)
    assert told(bench, answer) == ("Its turn: 0 operations are under way.",) * 2
    at_node = bench.node_id
    bench.change("UPDATE operation SET node_id = :n WHERE id = :id", n=at_node, id=answer["operation_id"])
    bench.change(
        "INSERT INTO operation (kind, node_id, state, worker_id, deadline)"
        " SELECT 'image_delete', :n, 'running', :w, now() + interval '1 hour' FROM generate_series(1, 6)",
        n=at_node, w=bench.worker_id,
    )  # fmt: skip
    assert told(bench, answer) == ("Its turn: 6 operations are under way on the node.",) * 2


def test_deadline(bench: Bench) -> None:
    """What waited in vain until its deadline says for what."""
    answer = start(bench)
    bench.change("UPDATE storage_attachment SET state = 'attaching'")
    bench.work()
    bench.change("UPDATE operation SET deadline = now(), not_before = now() WHERE id = :id", id=answer["operation_id"])
    failed = bench.operation(answer["operation_id"])
    assert (failed["state"], failed["error"]) == ("failed", "deadline_exceeded")
    assert f"No node that answers has storage {bench.storage_id} attached." in failed["text"]
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert "No node that answers" in image["error"]
