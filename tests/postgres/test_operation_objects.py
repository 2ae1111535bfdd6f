"""What operations have to themselves: any kind of object, by its row's words alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from cm.rpc.errors import InUse
from cm.rpc.vocabulary import CauseKind, OperationState
from cm.rules.cause import Cause
from cm.rules.operation import SPECS, ObjectKind, OperationKind
from cm.runtime.database import Database, Faster
from cm.store.operation import OperationRow, get_operation, open_operation
from cm.store.operation_change import abandon, reopen
from cm.store.operation_object import find_holder, others_at_work
from cm.store.worker import claim_operations, clear_mark, finish, register_worker
from support.cloud import MemoryCloud

SNAPSHOT = "snapshot"  # no kind of object of ours
KIND = OperationKind.IMAGE_DELETE


@pytest.fixture
def session(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A kind of operation has snapshots to itself."""
    monkeypatch.setitem(SPECS, KIND, replace(SPECS[KIND], holds=(SNAPSHOT,), shares=(ObjectKind.STORAGE,)))
    with Session(database.engine) as made:
        yield made


def begin(session: Session, *numbers: int) -> OperationRow:
    objects = {SNAPSHOT: numbers, ObjectKind.STORAGE: [1]}
    made = open_operation(session, KIND, account_id=None, cause=Cause(CauseKind.CALL, ""), objects=objects)
    session.commit()
    return get_operation(session, made)


def at_work(session: Session) -> int:
    """A worker, which is at all that is due."""
    worker_id = register_worker(session, "one")
    claim_operations(session, worker_id, 9, [], 60.0)
    return worker_id


def test_one_at_a_time(session: Session) -> None:
    """Of a noun that nothing else knows one operation is open an object, be it one of several; the refusal names it."""
    first = begin(session, 1, 2)
    with pytest.raises(Faster) as refused:
        begin(session, 3, 2)
    error = refused.value.error
    assert isinstance(error, InUse)
    assert (error.kind, error.object_id, error.users) == (SNAPSHOT, 2, f"operation {first.id} ({KIND})")
    holder = find_holder(session, SNAPSHOT, 2)
    assert holder is not None and holder.id == first.id and find_holder(session, SNAPSHOT, 3) is None
    session.commit()
    assert begin(session, 3).about == {SNAPSHOT: [3], ObjectKind.STORAGE: [1]}


def test_its_end_frees(session: Session) -> None:
    """Its objects are free with its end; one that is tried again has them again, or is refused."""
    first = begin(session, 1)
    finish(session, first.id, OperationState.FAILED)
    second = begin(session, 1)
    with pytest.raises(Faster):
        reopen(session, first, first.about, seconds=60.0, notes=[])
    session.rollback()
    finish(session, second.id, OperationState.DONE)
    reopen(session, first, {**first.about, SNAPSHOT: [1, 5]}, seconds=60.0, notes=[])
    session.commit()
    holder = find_holder(session, SNAPSHOT, 5)
    assert holder is not None and holder.id == first.id
    assert get_operation(session, first.id).objects[SNAPSHOT] == [1, 5]


def test_given_up(session: Session) -> None:
    """One that is given up is nobody's way any more; that its worker is at it yet, who follows is told."""
    first = begin(session, 1)
    worker_id = at_work(session)
    abandon(session, first.id)
    second = begin(session, 1)
    assert others_at_work(session, SNAPSHOT, 1, second.id) and not others_at_work(session, SNAPSHOT, 2, second.id)
    clear_mark(session, first.id, worker_id)
    assert not others_at_work(session, SNAPSHOT, 1, second.id)
    abandon(session, second.id)
    assert find_holder(session, SNAPSHOT, 1) is None


def test_what_it_is_about(session: Session) -> None:
    """A kind's operation is about what its row says, no more and no less."""
    for objects in ({SNAPSHOT: [1]}, {ObjectKind.IMAGE: [1], ObjectKind.STORAGE: [1]}):
        with pytest.raises(ValueError, match="is about"):
            open_operation(session, KIND, account_id=None, cause=Cause(CauseKind.CALL, ""), objects=objects)


def test_a_save_holds_its_image(database_url: str, tmp_path: Path) -> None:
    """The VM that is saved and the image that is made are one operation's; both say which, and its end frees both."""
    cloud = MemoryCloud(database_url, tmp_path / "state")
    try:
        vm_id = cloud.create()["vm_id"]
        cloud.wait(vm_id, "running")
        cloud.manager.engine._stopping = True
        made = cloud.call("user.vm.save_and_shutdown", [vm_id, "kept", ""])
        operation = cloud.call("user.operation.get", [made["operation_id"]])
        assert (operation["vm_id"], operation["image_id"]) == (vm_id, made["image_id"])
        image = cloud.call("user.system_image.get_by_id", [made["image_id"]])
        assert image["operation_id"] == made["operation_id"]
        assert cloud.leaks() == []
        cloud.manager.engine._stopping = False
        cloud.manager.engine.wake()
        cloud.wait(vm_id, "destroyed")
        assert cloud.sql("SELECT count(*) FROM operation_object") == 0 and cloud.leaks() == []
    finally:
        cloud.stop()
