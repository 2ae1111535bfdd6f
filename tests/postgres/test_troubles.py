"""Failures of disks and images: what their people are told, and what administrators are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import HypervisorError, StorageFull, VolumeNotFound
from cm.rpc.errors.families import without_paths
from support.cloud import MemoryCloud

REASON = "Cannot access storage file '/srv/main/image-5.qcow2': Permission denied"


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, nodes=1)
    yield made
    made.stop()


def operation(cloud: MemoryCloud, operation_id: int, account: str = "user") -> dict[str, Any]:
    found: dict[str, Any] = cloud.call(f"{account}.operation.get", [operation_id], account=account)
    return found


def messages(cloud: MemoryCloud, account: str) -> list[dict[str, Any]]:
    return [row for row in cloud.call("user.message.get_list", account=account) if row["level"] == "error"]


def test_audiences(cloud: MemoryCloud) -> None:
    """A user is told what to do, and nothing of how nodes are laid out; an administrator where it was, and why."""
    (node,) = cloud.memory.values()
    node.fail_next("create_overlay", HypervisorError(REASON, 38))
    vm = cloud.create()
    shown = cloud.wait(vm["vm_id"], "error")
    for told in (shown["error"], operation(cloud, vm["operation_id"])["text"], str(messages(cloud, "user"))):
        assert "/srv" not in told and "Permission denied" in told and "ask an administrator" in told
    text = operation(cloud, vm["operation_id"], "admin")["admin_text"]
    assert text.startswith("node n1, storage main: ") and REASON in text


@pytest.mark.parametrize("error", [StorageFull(1, 5, 9), VolumeNotFound("wawel-1", "image-1.qcow2")], ids=str)
def test_administrators_are_told(cloud: MemoryCloud, error: Any) -> None:
    """Of what only they can mend: with node, storage and cause, and of one storage not with each operation."""
    (node,) = cloud.memory.values()
    for number in (1, 2):
        node.fail_next("create_overlay", error)
        vm = cloud.create(name=f"vm{number}")
        cloud.wait(vm["vm_id"], "error")
    (message,) = messages(cloud, "admin")
    params = message["params"]
    assert (message["code"], params["kind"], params["node"], params["storage"], params["error"], params["reason"]) == (
        "operation_trouble", "vm_create", "n1", "main", error.code, str(error)
    )  # fmt: skip
    assert len(messages(cloud, "user")) == 2
    assert all(each["params"]["reason"] == error.for_user() for each in messages(cloud, "user"))


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (REASON, "Cannot access storage file '(a file of the node)': Permission denied"),
        ("qemu-img: /var/lib/x/a-1.raw: no space", "qemu-img: (a file of the node): no space"),
        ("see http://example.org/a/b, or 1/2", "see http://example.org/a/b, or 1/2"),
        ("no such machine", "no such machine"),
    ],
)
def test_without_paths(told: str, left: str) -> None:
    assert without_paths(told) == left
