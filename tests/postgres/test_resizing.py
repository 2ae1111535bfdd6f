"""VMs that get another size: stopped from the next start on, running as they run; counted at once, refused with why."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import (
    ImageNeedsMore,
    InvalidParameter,
    NoCapacity,
    NotPrepared,
    ObjectNotFound,
    QuotaReached,
    VMBusy,
    WrongVMState,
)
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, at_database
from support.guest import Guest, rows


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


_numbers = count()


def size(cloud: MemoryCloud, **more: Any) -> int:
    values = {"name": f"size-{next(_numbers)}", "cpu": 2, "memory_mib": 512, **more}
    made: int = cloud.call("admin.template.add", values, account="admin")["template_id"]
    return made


def held(cloud: MemoryCloud) -> tuple[int, int]:
    (row,) = rows(cloud, "SELECT used_cpu, used_memory_mib FROM account WHERE login = 'user'")
    return tuple(row)


def test_another_size(cloud: MemoryCloud) -> None:
    """It is counted at once, smaller ones too; its domain has it, and it costs that, from the next start on."""
    guest, large = Guest(cloud), size(cloud, points=7)
    with pytest.raises(NotPrepared):
        cloud.call("user.vm.resize", {"vm_id": guest.vm_id, "template_id": large})
    cloud.call("user.vm.pause", {"vm_id": guest.vm_id})
    cloud.wait(guest.vm_id, "paused")
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


# ------------------------------------------------------------------ while it runs


@pytest.fixture(scope="module")
def live(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "resizing", nodes=1, detach_s=0.3, reconcile_s=3600.0) as made:
        yield made


def has(guest: Guest) -> tuple[int, int, list[int]]:
    domain = guest.node.world.domains[guest.uuid]
    return domain.running.vcpus, domain.running.memory_mib, sorted(domain.modules)


def resize(guest: Guest, template_id: int, state: str = "done") -> dict[str, Any]:
    """Its operation, once it has ended."""
    asked = {"vm_id": guest.vm_id, "template_id": template_id}
    operation_id = guest.cloud.call("user.vm.resize", asked)["operation_id"]
    ended: dict[str, Any] = guest.cloud.ended(operation_id)
    assert ended["state"] == state, ended
    return ended


def counted(guest: Guest) -> tuple[Any, ...]:
    """What its node counts, and it itself; the account is in the books."""
    cloud = guest.cloud
    assert cloud.leaks() == []
    (node,) = rows(cloud, "SELECT sum(cpu_used), sum(memory_mib_used) FROM node")
    vm = cloud.vm(guest.vm_id)
    assert tuple(node) == (vm["cpu"], vm["memory_mib"])
    return vm["cpu"], vm["memory_mib"], vm["template_id"]


def end(guest: Guest) -> None:
    guest.cloud.call("user.vm.destroy", {"vm_ids": [guest.vm_id]})
    guest.cloud.wait(guest.vm_id, "destroyed")


def test_live(live: MemoryCloud) -> None:
    """It grows and shrinks as it runs, within what it was prepared for, and costs and counts what it has."""
    small, large = size(live, cpu=2, memory_mib=512, points=5), size(live, cpu=4, memory_mib=1280)
    guest = Guest(live, template_id=size(live, cpu=1, memory_mib=256), max_cpu=4, max_memory_mib=1280)
    assert guest.node.world.domains[guest.uuid].running.max_vcpus == 4 and has(guest) == (1, 256, [])
    resize(guest, small)
    assert has(guest) == (2, 512, [256]) and counted(guest) == (2, 512, small)
    assert live.sql("SELECT points FROM vm_run WHERE vm_id = :v AND ended_at IS NULL", v=guest.vm_id) == 5
    resize(guest, large)
    assert has(guest) == (4, 1280, [256, 256, 512]) and counted(guest) == (4, 1280, large)
    resize(guest, small)
    assert has(guest) == (2, 512, [256]) and counted(guest) == (2, 512, small)
    detail = live.call("user.vm.get_by_id", {"vm_id": guest.vm_id})
    assert (detail["max_cpu"], detail["max_memory_mib"]) == (4, 1280)
    for more in ({"cpu": 5, "memory_mib": 512}, {"cpu": 2, "memory_mib": 1408}, {"cpu": 2, "memory_mib": 500}):
        with pytest.raises(NotPrepared):
            resize(guest, size(live, **more))
    with pytest.raises(InvalidParameter):
        live.call("user.vm.resize", {"vm_id": guest.vm_id, "template_id": large, "max_cpu": 8})
    asked = {"vm_id": guest.vm_id, "template_id": large, "dry_run": True}
    assert [step["step"] for step in live.call("user.vm.resize", asked)["plan"]] == ["operation"]
    live.sql("UPDATE node SET cpu_total = 3, cpu_overcommit = 1 RETURNING id")
    with pytest.raises(NoCapacity):
        resize(guest, large)
    live.sql("UPDATE node SET cpu_total = 64 RETURNING id")
    live.sql("UPDATE account SET quota_cpu = 3 WHERE login = 'user' RETURNING id")
    with pytest.raises(QuotaReached):
        resize(guest, large)
    live.sql("UPDATE account SET quota_cpu = 1000 WHERE login = 'user' RETURNING id")
    assert has(guest) == (2, 512, [256]) and counted(guest) == (2, 512, small)
    guest.stop()
    guest.start()
    assert has(guest) == (2, 512, [])
    end(guest)


def test_prepared(live: MemoryCloud) -> None:
    """A stopped VM is prepared for more, or is not any more where that makes no sense with its size."""
    middle, other = size(live, cpu=2, memory_mib=256), size(live, cpu=3, memory_mib=300)
    for wrong in ({"max_memory_mib": 200}, {"max_memory_mib": 256}, {"max_cpu": 0}, {"max_cpu": 241}):
        with pytest.raises(InvalidParameter):
            live.create(**wrong)
    guest = Guest(live)
    guest.stop()
    told = {"vm_id": guest.vm_id, "template_id": middle}
    with pytest.raises(InvalidParameter):
        live.call("user.vm.resize", {**told, "max_cpu": 1})
    live.call("user.vm.resize", {**told, "max_cpu": 3, "max_memory_mib": 512})
    live.call("user.vm.resize", told)
    assert rows(live, "SELECT max_cpu, max_memory_mib FROM vm WHERE id = :v", v=guest.vm_id) == [(3, 512)]
    with pytest.raises(InvalidParameter) as caught:
        live.call("user.vm.resize", {**told, "template_id": live.template_id, "max_memory_mib": 256})
    assert "boot" in str(caught.value)
    live.call("user.vm.resize", {"vm_id": guest.vm_id, "template_id": other})
    assert rows(live, "SELECT max_cpu, max_memory_mib FROM vm WHERE id = :v", v=guest.vm_id) == [(0, 0)]
    end(guest)


def test_kept(live: MemoryCloud) -> None:
    """A guest that gives nothing back leaves the VM as large as it was, counted so; a retry makes it smaller."""
    small, large = size(live, cpu=1, memory_mib=256), size(live, cpu=3, memory_mib=1024)
    guest = Guest(live, template_id=small, max_cpu=4, max_memory_mib=1152)
    resize(guest, large)
    guest.node.keeps_size.add(guest.uuid)
    failed = resize(guest, small, "failed")
    assert failed["error"] == "size_kept" and counted(guest) == (3, 1024, large)
    cpus = resize(guest, size(live, cpu=2, memory_mib=1024), "failed")
    assert cpus["error"] == "size_kept" and has(guest)[:2] == (3, 1024)
    guest.node.keeps_size.discard(guest.uuid)
    live.call("user.operation.retry", {"operation_id": failed["operation_id"]})
    assert live.ended(failed["operation_id"])["state"] == "done"
    assert has(guest)[:2] == (1, 256) and counted(guest) == (1, 256, small)
    guest.stop()
    live.call("user.vm.resize", {"vm_id": guest.vm_id, "template_id": large})
    guest.start()
    assert has(guest) == (3, 1024, [])
    whole = resize(guest, size(live, cpu=1, memory_mib=896), "failed")
    assert "none of it came while it runs" in str(whole) and counted(guest) == (3, 1024, large)
    end(guest)


def test_interrupted(live: MemoryCloud) -> None:
    """Given up it is counted for what it may have; a destroy ends it; its end as it is resized leads where it would."""
    small, large = size(live, cpu=1, memory_mib=256), size(live, cpu=3, memory_mib=1024)
    guest = Guest(live, template_id=small, max_cpu=4, max_memory_mib=1152)
    release = guest.node.hang(60.0, methods=["plug_memory"])
    asked = {"vm_id": guest.vm_id, "template_id": large}
    operation_id = live.call("user.vm.resize", asked)["operation_id"]
    with pytest.raises(VMBusy):
        live.call("user.vm.resize", {**asked, "template_id": small})
    assert counted(guest)[:2] == (3, 1024)
    under_way = "SELECT state FROM operation WHERE id = :o"
    live.until(lambda: live.sql(under_way, o=operation_id) == "running", "it is under way")
    live.call("user.operation.abandon", {"operation_id": operation_id})
    release()
    live.until(lambda: not live.sql("SELECT 1 FROM operation_object"), "nothing is under way")
    assert counted(guest) == (3, 1024, large)
    resize(guest, small)
    assert counted(guest) == (1, 256, small) and has(guest)[:2] == (1, 256)
    release = guest.node.hang(60.0, methods=["plug_memory"])
    operation_id = live.call("user.vm.resize", asked)["operation_id"]
    live.until(lambda: live.sql(under_way, o=operation_id) == "running", "it is under way")
    guest.node.guest_power_off(guest.uuid)
    release()
    assert live.ended(operation_id)["state"] == "done"
    live.wait(guest.vm_id, "stopped")
    assert live.leaks() == [] and live.vm(guest.vm_id)["memory_mib"] == 1024
    guest.start()
    assert has(guest) == (3, 1024, [])
    end(guest)
    assert live.leaks() == []
