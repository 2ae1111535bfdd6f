"""What an operation that waits tells: to whoever asked for it, and more to administrators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin_bench import Bench

from cm.operations import image_import
from cm.operations.base import Work
from cm.rpc.errors import NodeUnreachable
from cm.store.worker import claim_operations

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
    assert told(bench, answer) == ("No node that answers has the storage attached.",) * 2
    bench.change("UPDATE storage_attachment SET state = 'attached'")
    bench.call("admin.operation.retry", operation_id=answer["operation_id"])
    assert bench.operation(answer["operation_id"])["state"] == "done"


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
    assert "No node that answers has the storage attached." in failed["text"]
    image = bench.call("admin.system_image.get_by_id", image_id=answer["image_id"])
    assert "No node that answers" in image["error"]
