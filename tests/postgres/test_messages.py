"""Messages: what people are told of work that ended while they were not looking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cm.rpc.errors import HypervisorError, InvalidParameter, ObjectNotFound
from cm.runtime.feed import FeedRow
from cm.store.feed import read_changes
from cm.store.prune import prune
from support.cloud import MemoryCloud
from support.wait import until


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def messages(cloud: MemoryCloud, account: str = "user", **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.call("user.message.get_list", more, account=account)
    return found


def feed(cloud: MemoryCloud) -> list[FeedRow]:
    rows = cloud.manager.database.read_now(read_changes, (0, 0), 1000)
    return [row for row in rows if row.kind == "message"]


def told(cloud: MemoryCloud, code: str, account: str = "user") -> dict[str, Any]:
    """The one message of this code, once it is there."""
    found: list[dict[str, Any]] = until(
        lambda: [each for each in messages(cloud, account) if each["code"] == code], code
    )
    (message,) = found
    return message


def refuse_starts(cloud: MemoryCloud) -> None:
    for node in cloud.memory.values():
        node.fail_next("start", HypervisorError("no such machine", 1))


def test_failed(cloud: MemoryCloud) -> None:
    """A failure is told with its reason and object, to its owner alone, once for each failure."""
    refuse_starts(cloud)
    vm = cloud.create(name="mine")
    cloud.wait(vm["vm_id"], "error")
    message = told(cloud, "vm_create_failed")
    operation = cloud.call("user.operation.get", [vm["operation_id"]])
    assert message["level"] == "error" and message["created"].endswith("Z")
    assert message["params"] == {
        "operation_id": vm["operation_id"], "vm_id": vm["vm_id"], "name": "mine", "error": "hypervisor_error",
        "reason": operation["text"],
    }  # fmt: skip
    assert "no such machine" in message["params"]["reason"]
    assert messages(cloud, "other") == messages(cloud, "admin") == []
    refuse_starts(cloud)
    cloud.call("user.operation.retry", [vm["operation_id"]])
    until(lambda: len(messages(cloud)) == 2)
    cloud.call("user.operation.retry", [vm["operation_id"]])
    cloud.wait(vm["vm_id"], "running")
    assert [each["code"] for each in messages(cloud)] == ["vm_create_failed"] * 2


def test_feed(cloud: MemoryCloud) -> None:
    """A message comes with the feed as it is listed, to its owner, and its end too."""
    refuse_starts(cloud)
    cloud.wait(cloud.create()["vm_id"], "error")
    (message,) = messages(cloud)
    (row,) = feed(cloud)
    assert (row.event, row.object_id, row.users, row.public) == (
        "enter", message["message_id"], frozenset({cloud.user_id}), False,
    )  # fmt: skip
    assert row.object is not None and json.loads(row.object) == message
    cloud.call("user.message.delete", [[message["message_id"]]])
    assert messages(cloud) == []
    assert [(row.event, row.object) for row in feed(cloud)] == [("enter", None), ("exit", None)]


def test_saved(cloud: MemoryCloud) -> None:
    """Whose VM was saved is told the image's name; a plain creation and destruction are nothing to tell."""
    vm_id = cloud.create(name="work")["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.call("user.vm.save_and_shutdown", [vm_id, "result", ""])
    cloud.wait(vm_id, "destroyed")
    message = told(cloud, "vm_saved")
    assert (message["level"], message["params"]["name"], message["params"]["image_name"]) == ("info", "work", "result")
    image = cloud.call("user.system_image.get_by_id", [message["params"]["image_id"]])
    assert image["name"] == "result"
    other = cloud.create()["vm_id"]
    cloud.wait(other, "running")
    cloud.call("user.vm.destroy", [[other]])
    cloud.wait(other, "destroyed")
    assert len(messages(cloud)) == 1


def test_imported(cloud: MemoryCloud, tmp_path: Path) -> None:
    """An import that ended is told: well, with its name; refused, with the reason."""
    path = tmp_path / "images" / "disk.raw"
    path.parent.mkdir()
    path.write_bytes(bytes(510) + b"\x55\xaa" + bytes(2**20 - 512))
    values = {"name": "big", "description": "", "path": str(path), "storage_id": cloud.storage_id}
    answer = cloud.call("admin.system_image.import_file", values, account="admin")
    message = told(cloud, "image_imported", "admin")
    assert message["params"] == {"image_id": answer["image_id"], "name": "big"}
    values = {**values, "name": "wrong", "format": "qcow2"}
    answer = cloud.call("admin.system_image.import_file", values, account="admin")
    message = told(cloud, "image_import_failed", "admin")
    assert (message["params"]["image_id"], message["params"]["name"]) == (answer["image_id"], "wrong")
    assert message["params"]["error"] == "image_refused" and "qcow2" in message["params"]["reason"]


@pytest.mark.parametrize(
    ("policy", "state", "then"), [("stop", "stopped", "stopped"), ("destroy", "destroyed", "destroyed")]
)
def test_ended_by_itself(cloud: MemoryCloud, policy: str, state: str, then: str) -> None:
    """Of a VM whose guest powered itself off its owner is told what became of it; of their own stops nothing."""
    vm = cloud.create(name="batch", on_poweroff=policy)
    cloud.wait(vm["vm_id"], "running")
    next(node for node in cloud.memory.values() if node.hypervisor.domains()).guest_power_off(vm["uuid"])
    cloud.wait(vm["vm_id"], state)
    assert told(cloud, "vm_ended")["params"] == {"vm_id": vm["vm_id"], "name": "batch", "then": then}
    other = cloud.create()["vm_id"]
    cloud.wait(other, "running")
    cloud.call("user.vm.stop", [other])
    cloud.wait(other, "stopped")
    assert len(messages(cloud)) == 1


@pytest.mark.parametrize("request_id", ["look", "hook", "hook:1", "drift:1", "operation:1"])
def test_request_id_is_no_cause(cloud: MemoryCloud, request_id: str) -> None:
    """Whatever a caller names a request, it is a call, and its owner knows of it already."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.ended(cloud.call("user.vm.stop", [vm_id], request_id=request_id)["operation_id"])
    assert messages(cloud) == []
    assert cloud.sql("SELECT cause_kind || ' ' || cause_ref FROM operation WHERE kind = 'vm_stop'") == (
        f"call {request_id}"
    )


def test_asked_by_another(cloud: MemoryCloud) -> None:
    """Whoever asked for what failed is told beside the owner, each by a message of their own."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    refuse_starts(cloud)
    cloud.sql("INSERT INTO acl (kind, object_id, account_id, level) VALUES ('vm', :v, :a, 'operator')",
              v=vm_id, a=cloud.other_id)  # fmt: skip
    cloud.call("user.vm.start", [vm_id], account="other")
    cloud.wait(vm_id, "error")
    mine, theirs = told(cloud, "vm_start_failed"), told(cloud, "vm_start_failed", "other")
    assert mine["params"] == theirs["params"] and mine["message_id"] != theirs["message_id"]


def test_list_and_delete(cloud: MemoryCloud) -> None:
    """Pages go back in time; nobody deletes another's, and a list with a wrong id deletes none."""
    for number in range(5):
        cloud.sql(
            "INSERT INTO message (account_id, level, code, params) VALUES (:a, 'info', 'x', CAST(:p AS jsonb))",
            a=cloud.user_id, p=f'{{"n": {number}}}',
        )  # fmt: skip
    first = messages(cloud, limit=2)
    assert [message["params"]["n"] for message in first] == [4, 3]
    rest = messages(cloud, before=first[-1]["message_id"])
    assert [message["params"]["n"] for message in rest] == [2, 1, 0]
    ids = [message["message_id"] for message in rest]
    for account, wrong in (("other", ids), ("user", [*ids, 10**9])):
        with pytest.raises(ObjectNotFound):
            cloud.call("user.message.delete", [wrong], account=account)
    with pytest.raises(InvalidParameter):
        cloud.call("user.message.delete", [[]])
    assert len(messages(cloud)) == 5
    cloud.call("user.message.delete", [ids])
    assert messages(cloud) == first


def test_pruned(cloud: MemoryCloud) -> None:
    """After thirty days a message goes."""
    insert = text(
        "INSERT INTO message (account_id, level, code, created_at)"
        " VALUES (:a, 'info', 'x', now() - :d * interval '1 day')"
    )
    for days in (1, 29, 31):
        cloud.manager.database.transact_now(
            lambda session, days=days: session.execute(insert, {"a": cloud.user_id, "d": days}) and None
        )
    # The manager prunes as well, and one process at a time prunes a table.
    until(lambda: cloud.manager.database.transact_now(prune) is not None and len(messages(cloud)) == 2)
