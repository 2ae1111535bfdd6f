"""Hook events: each effect once, late and foreign ones harmless, lost ones made up for by looks."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from cm.drivers.memory.parts import MemoryVolumes
from cm.interfaces.calls import HypervisorCalls
from cm.rpc.errors import Overloaded
from cm.rpc.vocabulary import CauseKind, Seen, SeenReason
from cm.rules.cause import Cause
from cm.runtime.threads import size_of
from cm.services import reconcile
from cm.services.evidence import record_look, update_vm
from cm.services.fleet import LASTING_MAX
from cm.services.release import update_resources
from cm.store.hook_event import HookRecord
from cm.store.vm import find_vm
from support.cloud import MemoryCloud, run


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path, reconcile_s=600.0)
    yield made
    made.stop()


def event(vm: dict, sequence: int, operation: str = "release", age_s: float = -10.0) -> HookRecord:
    """A hook's record; by default from ten seconds ahead, so that it is surely of the last launch."""
    return HookRecord(
        boot_id="b1",
        sequence=sequence,
        domain_uuid=vm["uuid"],
        domain_name=f"vm-{vm['vm_id']}",
        operation=operation,
        sub_operation="end",
        extra="-",
        time=datetime.now(UTC) - timedelta(seconds=age_s),
    )


def placed(cloud: MemoryCloud, vm: dict) -> int:
    return cloud.sql("SELECT node_id FROM vm WHERE id = :i", i=vm["vm_id"])


def tell(cloud: MemoryCloud, node_id: int, record: HookRecord) -> str:
    return cloud.manager.database.transact_now(update_vm, node_id, record)


def test_once(cloud: MemoryCloud) -> None:
    """An end is settled once; a repeat of its event does nothing, and so does another release after it."""
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    node_id = placed(cloud, vm)
    cloud.memory[node_id].guest_power_off(vm["uuid"])
    assert tell(cloud, node_id, event(vm, 1)) == "look"
    assert tell(cloud, node_id, event(vm, 1)) == "repeat"
    cloud.wait(vm["vm_id"], "stopped")
    # A stopped VM is placed nowhere any more.
    assert tell(cloud, node_id, event(vm, 2)) == "foreign"
    assert cloud.sql("SELECT count(*) FROM operation WHERE kind = 'vm_stop'") == 1


def test_foreign(cloud: MemoryCloud) -> None:
    """A node cannot end a VM that is placed on another, nor one that we never had."""
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    other = next(n for n in cloud.node_ids if n != placed(cloud, vm))
    assert tell(cloud, other, event(vm, 1)) == "foreign"
    assert tell(cloud, other, event({"uuid": str(uuid.uuid4()), "vm_id": 0}, 2)) == "foreign"
    assert cloud.vm(vm["vm_id"])["state"] == "running"


def test_late(cloud: MemoryCloud) -> None:
    """A release from before the last launch is of an earlier one; one that the clocks cannot tell leads to a look."""
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    node_id = placed(cloud, vm)
    assert tell(cloud, node_id, event(vm, 1, age_s=60)) == "late"
    assert tell(cloud, node_id, event(vm, 2, age_s=0.0)) == "look"
    assert cloud.vm(vm["vm_id"])["state"] == "running"


def test_after_the_end(cloud: MemoryCloud) -> None:
    """An event about a destroyed VM changes nothing, and releasing twice is releasing once."""
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    node_id = placed(cloud, vm)
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    assert tell(cloud, node_id, event(vm, 1)) == "late"
    assert cloud.manager.database.transact_now(update_resources, vm["vm_id"], Cause(CauseKind.OPERATION, "1")) is False
    assert cloud.leaks() == []


def test_look_is_not_stale(cloud: MemoryCloud) -> None:
    """What a look saw is dropped when the VM moved on meanwhile, or was launched after the look began."""
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    database = cloud.manager.database
    row = database.read_now(find_vm, vm["vm_id"])
    launch = row.launched_at
    assert database.transact_now(record_look, row.id, row.version - 1, launch, Seen.OFF, "shutdown") == "changed"
    earlier = launch - timedelta(seconds=1)
    assert database.transact_now(record_look, row.id, row.version, earlier, Seen.OFF, "shutdown") == "changed"
    assert cloud.vm(vm["vm_id"])["state"] == "running"
    assert database.transact_now(record_look, row.id, row.version, launch, Seen.OFF, "shutdown") == "ended"


def test_host_restart(cloud: MemoryCloud) -> None:
    """Reason "unknown" is a host's restart: what should run is started again, whatever the policy."""
    vm = cloud.create(on_poweroff="destroy")
    cloud.wait(vm["vm_id"], "running")
    database = cloud.manager.database
    row = database.read_now(find_vm, vm["vm_id"])
    for node in cloud.memory.values():
        node.power_cut()
    database.transact_now(record_look, row.id, row.version, row.launched_at, Seen.OFF, SeenReason.HOST_RESTARTED)
    again = cloud.wait(vm["vm_id"], "running")
    assert again["launched"] > vm["created"]
    assert cloud.sql("SELECT launches FROM vm WHERE id = :i", i=row.id) == 2


def test_own_queue_is_no_evidence(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    As many copies as a node is given at once, and more that wait, say nothing of it: passes go on, it counts as well,
    and others start and stop VMs there. One that has no free thread in time writes nothing down either.
    """
    gate, create_copy = threading.Event(), MemoryVolumes.create_copy
    began: list[str] = []

    def slow_copy(self: MemoryVolumes, *arguments: Any) -> Any:
        began.append(arguments[1])
        gate.wait(60)
        return create_copy(self, *arguments)

    monkeypatch.setattr(MemoryVolumes, "create_copy", slow_copy)
    looks = HypervisorCalls.domains
    monkeypatch.setattr(looks, "job", replace(looks.job, deadline_s=0.5))
    cloud = MemoryCloud(database_url, tmp_path, nodes=1, reconcile_s=0.2)
    try:
        copies = [cloud.create(name=f"copy{number}", deploy_mode="copy") for number in range(7)]
        cloud.until(lambda: len(began) == LASTING_MAX, "copies are under way")
        cloud.until(lambda: cloud.sql("SELECT seen_at FROM node"), "a pass over it")
        passed = cloud.sql("SELECT seen_at FROM node")
        vm_id = cloud.create(name="other")["vm_id"]
        cloud.wait(vm_id, "running", 5.0)
        cloud.call("user.vm.stop", [vm_id])
        cloud.wait(vm_id, "stopped", 5.0)
        cloud.until(lambda: cloud.sql("SELECT seen_at FROM node") > passed, "a pass over it meanwhile")
        assert cloud.call("admin.node.check", [cloud.node_ids[0]], account="admin")["state"] == "ok"
        assert (cloud.sql("SELECT state FROM node"), len(began)) == ("ok", LASTING_MAX)

        # And where nothing gets a thread at all.
        held = threading.Event()
        pool = f"node:{cloud.node_ids[0]}"
        threads = cloud.manager.threads
        blocked: list[Any] = []
        run(lambda: _block(threads, pool, held, blocked))
        with pytest.raises(Overloaded):
            run(lambda: cloud.manager.fleet.node(cloud.node_ids[0], 0.3).hypervisor.info())
        assert run(lambda: reconcile.run_pass(cloud.manager.services, cloud.node_ids[0])) is None
        assert cloud.sql("SELECT state FROM node") == "ok"
        held.set()
        gate.set()
        for vm in copies:
            cloud.wait(vm["vm_id"], "running", 60.0)
    finally:
        gate.set()
        cloud.stop()


async def _block(threads: Any, pool: str, held: threading.Event, blocked: list[Any]) -> None:
    """Have every thread of a pool, and those that would replace them, wait for an event."""
    blocked += [Deferred.fromCoroutine(threads.run(pool, held.wait, 30)) for _ in range(2 * size_of(pool))]
