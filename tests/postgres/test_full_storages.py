"""Guests that a full storage stopped: who is told, and that they go on when there is room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cm.rpc.vocabulary import SeenReason
from cm.rules.reconcile import MAKE_ROOM
from support.cloud import MemoryCloud, at_database
from support.wait import until


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "full", nodes=1, reconcile_s=0.3) as made:
        yield made


def _codes(cloud: MemoryCloud) -> list[str]:
    return [row["code"] for row in cloud.call("user.message.get_list")]


def _storage(cloud: MemoryCloud) -> Any:
    return cloud.call("admin.storage.get_by_id", {"storage_id": cloud.storage_id}, account="admin")


def _passed(cloud: MemoryCloud, times: int) -> None:
    for _ in range(times):
        now = cloud.sql("SELECT clock_timestamp()")
        until(lambda now=now: cloud.sql("SELECT bool_and(passed_at > :now) FROM node", now=now), "a pass")


def test_full(cloud: MemoryCloud) -> None:
    """Its owner is told, the storage is shown as full, and it is resumed once there is room; not before."""
    vm = cloud.create(name="writes")
    cloud.wait(vm["vm_id"], "running")
    [memory] = cloud.memory.values()
    share = memory.world.storages.share(f"wawel-{cloud.storage_id}")
    capacity = share.capacity_bytes
    with memory.world.lock:
        share.capacity_bytes = capacity - share.usage().available_bytes
        domain = memory.world.domains[vm["uuid"]]
        domain.paused, domain.reason = True, SeenReason.IO_ERROR
    cloud.wait(vm["vm_id"], "paused")
    detail = cloud.call("user.vm.get_by_id", {"vm_id": vm["vm_id"]})
    assert detail["seen_reason"] == "io_error"
    assert _codes(cloud) == ["vm_storage_stopped"]
    until(lambda: _storage(cloud)["full_since"], "that the storage is full")
    _passed(cloud, 3)
    assert cloud.call("user.vm.get_by_id", {"vm_id": vm["vm_id"]})["state"] == "paused"
    [drift] = cloud.call("admin.drift.get_list", account="admin")
    assert (drift["kind"], drift["proposal"]) == ("wrong_state", MAKE_ROOM)
    share.capacity_bytes = capacity
    cloud.wait(vm["vm_id"], "running")
    assert _storage(cloud)["full_since"] is None
    assert _codes(cloud) == ["vm_storage_resumed", "vm_storage_stopped"]
    until(lambda: cloud.call("admin.drift.get_list", account="admin") == [], "the end of the finding")
    # Stopped again at once, for another reason than room: it is not resumed over and over.
    with memory.world.lock:
        domain.paused, domain.reason = True, SeenReason.IO_ERROR
    cloud.wait(vm["vm_id"], "paused")
    _passed(cloud, 4)
    resumes = "SELECT count(*) FROM operation WHERE kind = 'vm_resume'"
    assert cloud.sql(resumes) == 1
    cloud.sql("UPDATE operation SET created_at = created_at - interval '21 seconds' WHERE kind = 'vm_resume'")
    cloud.wait(vm["vm_id"], "running")
    assert cloud.sql(resumes) == 2


def test_paused_by_its_owner(cloud: MemoryCloud) -> None:
    """A VM that somebody paused is left so."""
    vm = cloud.create(name="rests")
    cloud.wait(vm["vm_id"], "running")
    cloud.call("user.vm.pause", {"vm_id": vm["vm_id"]})
    cloud.wait(vm["vm_id"], "paused")
    before = cloud.sql("SELECT count(*) FROM operation WHERE kind = 'vm_resume'")
    _passed(cloud, 3)
    assert cloud.call("user.vm.get_by_id", {"vm_id": vm["vm_id"]})["state"] == "paused"
    assert cloud.sql("SELECT count(*) FROM operation WHERE kind = 'vm_resume'") == before
