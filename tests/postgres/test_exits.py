"""Ways out of operations that were overtaken, by an erasure or by the end of their guest: nothing stays held."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.parts import MemoryVolumes
from cm.interfaces.source import FileSource
from cm.rpc.errors import NodeUnreachable
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path / "state")
    yield made
    made.stop()


def node_of(cloud: MemoryCloud, vm_id: int) -> Any:
    return cloud.memory[cloud.sql("SELECT node_id FROM vm WHERE id = :id", id=vm_id)]


def running(cloud: MemoryCloud, **more: Any) -> int:
    vm_id: int = cloud.create(**more)["vm_id"]
    cloud.wait(vm_id, "running")
    return vm_id


def test_erase_during_save(cloud: MemoryCloud) -> None:
    """The image that was reserved is given back: it would be added by nobody, and hold its owner's quota."""
    vm_id = running(cloud)
    node_of(cloud, vm_id).unreachable = True
    cloud.call("user.vm.save_and_shutdown", [vm_id, "kept", ""])
    cloud.call("admin.vm.erase", [vm_id], account="admin")
    assert cloud.sql("SELECT count(*) FROM image WHERE state = 'adding'") == 0
    assert cloud.sql("SELECT used_storage_mib FROM account WHERE id = :id", id=cloud.user_id) == 0
    assert cloud.leaks() == []


def test_saved_again(cloud: MemoryCloud) -> None:
    """What was written since a save that made its image, and failed then, is in the image of the next save."""
    vm_id = running(cloud)
    node = node_of(cloud, vm_id)
    cloud.sql("UPDATE operation SET deadline = now() + interval '1 hour'")
    image_id = cloud.image("first.qcow2", name="first")
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    cloud.sql("UPDATE vm SET save_image_id = :i WHERE id = :v", i=image_id, v=vm_id)
    cloud.sql("UPDATE vm SET on_poweroff = 'save' WHERE id = :v", v=vm_id)
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")
    node = node_of(cloud, vm_id)
    node.guest_power_off(cloud.sql("SELECT uuid::text FROM vm WHERE id = :id", id=vm_id))
    _closed(cloud, vm_id)
    made = cloud.sql("SELECT count(*) FROM image WHERE state = 'ok' AND name LIKE '%_autosave'")
    assert made == 1


def test_save_of_a_blocked_account(cloud: MemoryCloud) -> None:
    """The end of a guest is on record though its account is blocked, and may save nothing: its VM keeps the disk."""
    vm_id = running(cloud, on_poweroff="save")
    cloud.sql("UPDATE account SET active = false WHERE id = :id", id=cloud.user_id)
    node_of(cloud, vm_id).guest_power_off(cloud.sql("SELECT uuid::text FROM vm WHERE id = :id", id=vm_id))
    until = time.monotonic() + 20
    while cloud.sql("SELECT node_id FROM vm WHERE id = :id", id=vm_id) is not None:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert cloud.sql("SELECT wanted FROM vm WHERE id = :id", id=vm_id) == "stopped"
    assert cloud.sql("SELECT count(*) FROM attachment WHERE vm_id = :id", id=vm_id) == 1
    cloud.call("admin.vm.destroy", [[vm_id]], account="admin")
    _closed(cloud, vm_id)
    assert cloud.leaks() == []


def _closed(cloud: MemoryCloud, vm_id: int) -> None:
    until = time.monotonic() + 20
    while cloud.sql("SELECT closed_at FROM vm WHERE id = :id", id=vm_id) is None:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("view", ["pause", "reset"])
def test_ended_meanwhile(cloud: MemoryCloud, view: str) -> None:
    """A guest that powers itself off while a change of it is under way gets what its policy says."""
    vm_id = running(cloud, on_poweroff="destroy")
    node, uuid = node_of(cloud, vm_id), cloud.sql("SELECT uuid::text FROM vm WHERE id = :id", id=vm_id)
    node.fail_next(view, NodeUnreachable("n1", "Connection reset by peer"))
    node.guest_power_off(uuid)
    cloud.call(f"user.vm.{view}", [[vm_id]] if view == "reset" else [vm_id])
    _closed(cloud, vm_id)
    assert cloud.leaks() == []


def test_stop_given_up(cloud: MemoryCloud) -> None:
    """A stop that is given up when its domain has ended still gives the node back."""
    vm_id = running(cloud)
    node = node_of(cloud, vm_id)
    for _ in range(200):
        node.fail_next("undefine", NodeUnreachable("n1", "Connection reset by peer"))
    operation = cloud.call("user.vm.stop", [vm_id])
    until = time.monotonic() + 20
    while cloud.sql("SELECT seen FROM vm WHERE id = :id", id=vm_id) not in ("off", "absent"):
        assert time.monotonic() < until
        time.sleep(0.02)
    cloud.call("user.operation.abandon", [operation["operation_id"]])
    node._faults.next.clear()
    cloud.wait(vm_id, "stopped")
    assert cloud.sql("SELECT node_claimed FROM vm WHERE id = :id", id=vm_id) is False
    assert cloud.sql("SELECT sum(vms_used) FROM node") == 0


@pytest.mark.parametrize(("view", "was", "now"), [("pause", "running", "paused"), ("resume", "paused", "running")])
def test_given_up_and_done_late(cloud: MemoryCloud, view: str, was: str, now: str) -> None:
    """Its node does all the same what was given up on the way there: the VM is shown so at once, and wanted so."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    if was == "paused":
        cloud.call("user.vm.pause", {"vm_id": vm_id})
        cloud.wait(vm_id, "paused")
    memory = cloud.memory[cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm_id)]
    before, release = memory.calls.count(view), memory.hang(30.0, [view])
    asked = cloud.call(f"user.vm.{view}", {"vm_id": vm_id})
    cloud.until(lambda: memory.calls.count(view) > before, "its node is asked")
    cloud.call("user.operation.abandon", {"operation_id": asked["operation_id"]})
    assert cloud.vm(vm_id)["state"] == was
    release()
    cloud.until(lambda: cloud.sql("SELECT wanted FROM vm WHERE id = :v", v=vm_id) == now, "it is wanted so")
    assert cloud.vm(vm_id)["state"] == now


@pytest.mark.parametrize("view", ["stop", "destroy"])
def test_silent_storage(cloud: MemoryCloud, view: str) -> None:
    """
    A guest whose storage does not answer is not killed, as QEMU could not end: its operation says so, and goes on when
    the storage is back. Others on that node end meanwhile.
    """
    vm_id, other_id = running(cloud, name="silent"), running(cloud, name="other")
    world = node_of(cloud, vm_id).world
    uuid = cloud.sql("SELECT uuid::text FROM vm WHERE id = :id", id=vm_id)
    domain = world.domains[uuid]
    path = posixpath.dirname(domain.running.disks[0].source.path)
    moved = replace(domain.running.disks[0], source=FileSource("/silent/root.qcow2"))
    domain.put(moved)
    world.silent.add("/silent")
    ids = [vm_id] if view == "stop" else [[vm_id]]
    answer = cloud.call(f"user.vm.{view}", ids)
    operation_id = (answer if view == "stop" else answer[0])["operation_id"]
    until = time.monotonic() + 20
    while "does not answer" not in cloud.sql("SELECT user_text FROM operation WHERE id = :id", id=operation_id):
        assert time.monotonic() < until
        time.sleep(0.02)
    cloud.call("user.vm.stop", [other_id])
    cloud.wait(other_id, "stopped")
    assert domain.running is not None and "/silent" in cloud.sql(
        "SELECT admin_text FROM operation WHERE id = :id", id=operation_id
    )
    world.silent.clear()
    domain.put(replace(moved, source=FileSource(f"{path}/root.qcow2")))
    if view == "stop":
        cloud.wait(vm_id, "stopped")
    else:
        _closed(cloud, vm_id)
    assert cloud.leaks() == []


@pytest.mark.parametrize("policy", ["stop", "destroy", "save"])
def test_started_by_hand(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    """A domain that somebody starts after its end was seen ends before its disk is copied, deleted or free for
    another start."""
    vm_id = running(cloud, on_poweroff=policy)
    node, uuid = node_of(cloud, vm_id), cloud.sql("SELECT uuid::text FROM vm WHERE id = :id", id=vm_id)
    written_to = []

    def noted(method: str, name_at: int) -> None:
        real = getattr(MemoryVolumes, method)

        def call(self: MemoryVolumes, *args: Any, **options: Any) -> Any:
            volume = self._link.world.storages.find(args[0], args[name_at])
            if volume is not None and volume.writer is not None:
                written_to.append((method, volume.name))
            return real(self, *args, **options)

        monkeypatch.setattr(MemoryVolumes, method, call)

    noted("delete", 1)
    noted("create_copy", 2)
    for _ in range(200):
        node.fail_next("undefine", NodeUnreachable("n1", "Connection reset by peer"))
    node.guest_power_off(uuid)
    until = time.monotonic() + 20
    while cloud.sql("SELECT seen FROM vm WHERE id = :id", id=vm_id) not in ("off", "absent"):
        assert time.monotonic() < until
        time.sleep(0.02)
    node.world.start(uuid)
    node._faults.next.clear()
    if policy == "stop":
        cloud.wait(vm_id, "stopped")
    else:
        _closed(cloud, vm_id)
    assert uuid not in {domain.uuid for domain in node.hypervisor.domains()}
    assert written_to == []
    if policy == "stop":
        cloud.call("user.vm.destroy", [[vm_id]])
        _closed(cloud, vm_id)
    assert cloud.leaks() == []
