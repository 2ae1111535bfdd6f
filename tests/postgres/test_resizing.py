"""Stopped VMs that get another size: counted at once, had from the next start on, refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import ImageNeedsMore, NoCapacity, ObjectNotFound, QuotaReached, WrongVMState
from support.cloud import MemoryCloud
from support.guest import Guest, rows


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def size(cloud: MemoryCloud, **more: Any) -> int:
    values = {"name": f"size-{more}", "cpu": 2, "memory_mib": 512, **more}
    made: int = cloud.call("admin.template.add", values, account="admin")["template_id"]
    return made


def held(cloud: MemoryCloud) -> tuple[int, int]:
    (row,) = rows(cloud, "SELECT used_cpu, used_memory_mib FROM account WHERE login = 'user'")
    return tuple(row)


def test_another_size(cloud: MemoryCloud) -> None:
    """It is counted at once, smaller ones too; its domain has it, and it costs that, from the next start on."""
    guest, large = Guest(cloud), size(cloud, points=7)
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.resize", {"vm_id": guest.vm_id, "template_id": large})
    guest.stop()
    planned = cloud.call("user.vm.resize", {"vm_id": guest.vm_id, "template_id": large, "dry_run": True})["plan"]
    assert [step["step"] for step in planned] == ["place", "resize"] and held(cloud) == (1, 128)
    told = cloud.call("user.vm.resize", {"vm_id": guest.vm_id, "template_id": large})
    assert (told["cpu"], told["memory_mib"], told["template_id"]) == (2, 512, large)
    assert held(cloud) == (2, 512) and cloud.leaks() == []
    guest.start()
    running = guest.node.world.domains[guest.uuid].running
    assert (running.vcpus, running.memory_mib) == (2, 512)
    assert cloud.sql("SELECT points FROM vm_run WHERE vm_id = :v AND ended_at IS NULL", v=guest.vm_id) == 7
    assert rows(cloud, "SELECT sum(cpu_used), sum(memory_mib_used) FROM node")[0] == (2, 512)
    guest.stop()
    cloud.call("admin.vm.resize", {"vm_id": guest.vm_id, "template_id": cloud.template_id}, account="admin")
    assert held(cloud) == (1, 128)
    guest.start()
    assert cloud.leaks() == []


def test_refused(cloud: MemoryCloud) -> None:
    """Beyond the quota, beyond every node, too little for its image, no such size: nothing is changed."""
    guest, large, huge = Guest(cloud), size(cloud), size(cloud, memory_mib=50_000)
    guest.stop()
    cloud.sql("UPDATE image SET least_memory_mib = 128")
    ask = {"vm_id": guest.vm_id}
    with pytest.raises(NoCapacity):
        cloud.call("user.vm.resize", {**ask, "template_id": huge})
    with pytest.raises(ImageNeedsMore):
        cloud.call("user.vm.resize", {**ask, "template_id": size(cloud, memory_mib=64)})
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm.resize", {**ask, "template_id": 10**6})
    cloud.sql("UPDATE account SET quota_cpu = 1")
    with pytest.raises(QuotaReached):
        cloud.call("user.vm.resize", {**ask, "template_id": large})
    assert held(cloud) == (1, 128) and cloud.leaks() == []
    assert cloud.vm(guest.vm_id)["template_id"] == cloud.template_id
