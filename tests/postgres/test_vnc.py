"""The screen of what runs is as it was asked for last, whatever was under way when that was asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.node import MemoryNode
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, nodes=1)
    yield made
    made.stop()


def node_of(cloud: MemoryCloud, vm_id: int) -> MemoryNode:
    return cloud.memory[cloud.sql("SELECT node_id FROM vm WHERE id = :i", i=vm_id)]


def screen(cloud: MemoryCloud, vm_id: int) -> tuple[bool, str]:
    """Of the domain that runs: whether it is open, and its password."""
    vnc = node_of(cloud, vm_id).world.domains[cloud.vm(vm_id)["uuid"]].vnc
    assert vnc is not None
    return vnc.enabled, vnc.password


def switched(cloud: MemoryCloud, vm_id: int, how: str) -> Any:
    """What the call was answered, once its operation is done."""
    answer = cloud.call(f"user.vm.{how}_vnc", [vm_id])
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    return answer


def test_while_it_starts(cloud: MemoryCloud) -> None:
    """What is asked when a launch has its definition, and no domain is there to be changed, comes once it runs."""
    (node,) = cloud.memory.values()
    release = node.hang(60.0, ["start"])
    try:
        vm_id = cloud.create(vnc=False)["vm_id"]
        cloud.until(lambda: "start" in node._faults.calls, "its node to be asked")
        told = switched(cloud, vm_id, "attach")["password"]
    finally:
        release()
    cloud.wait(vm_id, "running")
    cloud.until(lambda: screen(cloud, vm_id) == (True, told), "its screen")


def test_of_a_start_that_was_given_up(cloud: MemoryCloud) -> None:
    """A launch that nobody waits for any more brings its domain up all the same: then a look has the screen follow."""
    (node,) = cloud.memory.values()
    vm_id = cloud.create(vnc=True)["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    node._faults.calls.clear()
    release = node.hang(60.0, ["start"])
    try:
        started = cloud.call("user.vm.start", [vm_id])["operation_id"]
        cloud.until(lambda: "start" in node._faults.calls, "its node to be asked")
        switched(cloud, vm_id, "detach")
        cloud.call("user.operation.abandon", [started])
    finally:
        release()
    cloud.until(lambda: node.world.domains[cloud.vm(vm_id)["uuid"]].running, "its domain")
    cloud.until(lambda: not screen(cloud, vm_id)[0], "its screen to be closed")


def test_overtaken(cloud: MemoryCloud) -> None:
    """Of two that were asked one after the other the node may be told in the other order: what was asked last stays."""
    (node,) = cloud.memory.values()
    vm_id = cloud.create(vnc=False)["vm_id"]
    cloud.wait(vm_id, "running")
    release = node.hang(60.0, ["set_vnc"])
    try:
        first = cloud.call("user.vm.attach_vnc", [vm_id])["operation_id"]
        cloud.until(lambda: "set_vnc" in node._faults.calls, "its node to be asked")
        node._faults.hang = None  # the call that is under way goes on waiting
        switched(cloud, vm_id, "detach")
    finally:
        release()
    assert cloud.ended(first)["state"] == "done"
    assert not screen(cloud, vm_id)[0]
