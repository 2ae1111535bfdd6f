"""The journal of work under two releases at once: what one does not know is left to the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.logger import LogLevel, capturedLogs

from cm.operations.base import Wait
from cm.operations.vm_end import VMShutdown, VMStop, await_shutdown
from cm.rpc.errors import VMBusy
from cm.rpc.vocabulary import OperationState
from cm.store.worker import finish, register_worker, renew_leases
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path / "state", shutdown_s=60.0)
    yield made
    made.stop()


async def forbidden(work: Any) -> None:
    raise AssertionError("this step was behind the operation already")


def shutting_down(cloud: MemoryCloud) -> tuple[int, int]:
    """A VM whose guest takes its time to obey, and the operation that waits for it."""
    vm = cloud.create()
    vm_id = vm["vm_id"]
    cloud.wait(vm_id, "running")
    for node in cloud.memory.values():
        node.ignores_power_button.add(vm["uuid"])
    operation_id = cloud.call("user.vm.shutdown", [vm_id])["operation_id"]
    cloud.until(lambda: operation(cloud, operation_id)["step"] == "await_shutdown", "it waits for its guest")
    return vm_id, operation_id


def operation(cloud: MemoryCloud, operation_id: int) -> dict[str, Any]:
    found: dict[str, Any] = cloud.call("user.operation.get", [operation_id])
    return found


def end_guest(cloud: MemoryCloud, vm_id: int) -> None:
    node = cloud.memory[cloud.sql("SELECT node_id FROM vm WHERE id = :id", id=vm_id)]
    node.hypervisor.destroy(cloud.vm(vm_id)["uuid"])


def test_a_step_is_gained(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation goes on in the step that it was in, though its kind has gained one before that meanwhile."""
    vm_id, operation_id = shutting_down(cloud)
    cloud.stop()
    monkeypatch.setattr(VMShutdown, "steps", {"warn": forbidden, **VMShutdown.steps})
    cloud.start()
    assert operation(cloud, operation_id)["step"] == "await_shutdown"
    end_guest(cloud, vm_id)
    cloud.wait(vm_id, "stopped")
    assert operation(cloud, operation_id)["state"] == "done" and cloud.leaks() == []


def test_a_step_of_another_release(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a step that this release does not know an operation waits and says so; one that knows it goes on with it."""
    vm_id, operation_id = shutting_down(cloud)
    monkeypatch.setattr("cm.operations.engine.NEWER_S", 0.2)
    with monkeypatch.context() as older:
        others = {name: forbidden for name in ("press_button", "rest")}
        older.setattr(VMShutdown, "steps", others)
        end_guest(cloud, vm_id)
        told = "Its next step, await_shutdown, is not one of this release"
        cloud.until(lambda: told in operation(cloud, operation_id)["waiting_for"], "it says what it waits for")
        assert operation(cloud, operation_id)["attempts"] == 0
    assert VMShutdown.steps["await_shutdown"] is await_shutdown
    cloud.wait(vm_id, "stopped")
    assert operation(cloud, operation_id)["state"] == "done" and cloud.leaks() == []


def test_a_kind_of_another_release(cloud: MemoryCloud) -> None:
    """Work of a kind that this release does not know is left alone, and keeps nobody from what it does know."""
    unknown = cloud.sql(
        "INSERT INTO operation (kind, deadline) VALUES ('vm_of_tomorrow', now() + interval '1 hour') RETURNING id"
    )
    cloud.wait(cloud.create()["vm_id"], "running")
    known = cloud.call("admin.operation.get_list", account="admin")
    assert unknown not in {op["operation_id"] for op in known} and known
    row = "SELECT state || attempts || coalesce(worker_id, 0) FROM operation WHERE id = :id"
    assert cloud.sql(row, id=unknown) == "queued00"


def test_a_retry_drops_notes(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kind's steps keep for themselves is gone when it begins again; what was asked for stays."""
    _, operation_id = shutting_down(cloud)
    monkeypatch.setattr(VMShutdown, "notes", ("pressed_at", "warned"))
    monkeypatch.setattr(VMShutdown, "steps", {"press_button": wait_on})
    cloud.manager.database.transact_now(finish, operation_id, OperationState.FAILED)
    noted = '{"asked": 1, "warned": 2, "pressed_at": 3}'
    cloud.sql("UPDATE operation SET arguments = CAST(:a AS jsonb) WHERE id = :id", id=operation_id, a=noted)
    cloud.call("user.operation.retry", [operation_id])
    assert cloud.sql("SELECT arguments FROM operation WHERE id = :id", id=operation_id) == {"asked": 1}


def test_a_retry_beside_other_work(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed cannot begin again while its VM is busy with something else, and nothing is changed by asking."""
    vm_id, failed = shutting_down(cloud)
    cloud.manager.database.transact_now(finish, failed, OperationState.FAILED)
    monkeypatch.setattr(VMStop, "steps", {"cut_power": wait_on})
    stopping = cloud.call("user.vm.stop", [vm_id])["operation_id"]
    with pytest.raises(VMBusy) as refused:
        cloud.call("user.operation.retry", [failed])
    assert refused.value.operation_id == stopping
    assert operation(cloud, failed)["state"] == "failed"


async def wait_on(work: Any) -> None:
    raise Wait(60.0, "It waits.")


def test_broken_by_its_end(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that breaks because its operation was given up meanwhile is no incident: nobody is to look after it."""
    end = cloud.manager.database.transact_now

    async def broken(work: Any) -> None:
        end(finish, work.op.id, OperationState.ABANDONED)
        raise FileNotFoundError("what it needed")

    monkeypatch.setattr(VMShutdown, "steps", {"press_button": broken})
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    with capturedLogs() as told:
        cloud.call("user.vm.shutdown", [vm["vm_id"]])
        cloud.until(lambda: any("was given up" in each["log_format"] for each in told), "its worker has left it")
    assert not [each for each in told if each["log_level"] is LogLevel.critical]


def test_a_renewal_waits_for_nothing(cloud: MemoryCloud) -> None:
    """While a step writes to one operation the others' leases are renewed, and that one's the next time."""
    ours = sorted(shutting_down(cloud)[1] for _ in range(2))
    database = cloud.manager.database
    with Session(database.engine) as session:
        worker_id = register_worker(session, "one")
        taken = (
            "UPDATE operation SET state = 'running', worker_id = :w, lease_until = now() + interval '1 minute'"
            " WHERE id = ANY(:ids)"
        )
        session.execute(text(taken), {"w": worker_id, "ids": ours})
        session.commit()
        session.execute(text("SELECT 1 FROM operation WHERE id = :id FOR NO KEY UPDATE"), {"id": ours[0]})
        assert database.transact_now(renew_leases, worker_id, ours, 15.0) == [ours[1]]
        session.rollback()
    assert sorted(database.transact_now(renew_leases, worker_id, ours, 15.0)) == ours
