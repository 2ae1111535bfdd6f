"""Ends that nobody asked for are told apart by what the node knows of them, and each follows its own policy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cm.drivers.memory.node import MemoryNode
from cm.rpc.errors import HypervisorError
from cm.rpc.vocabulary import Seen, SeenReason
from cm.services.evidence import update_vm
from cm.store.hook_event import HookRecord
from support.cloud import MemoryCloud, at_database, reactor


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "ends", nodes=1, reconcile_s=600.0) as made:
        yield made


class Guest:
    """A VM that runs, and what its owner is told of it."""

    def __init__(self, cloud: MemoryCloud, on_poweroff: str = "destroy", **policy: str) -> None:
        self.cloud = cloud
        vm = cloud.create(name="guest", on_poweroff=on_poweroff)
        self.id, self.uuid = vm["vm_id"], vm["uuid"]
        cloud.wait(self.id, "running")
        if policy:
            cloud.call("user.vm.set_policy", {"vm_id": self.id, **policy})

    @property
    def node(self) -> MemoryNode:
        [node] = self.cloud.memory.values()
        return node

    def rested(self, state: str) -> dict[str, Any]:
        """Once something has come of it."""
        self.cloud.until(lambda: self.told(), "that its owner is told")
        return self.cloud.wait(self.id, state)

    def told(self) -> list[str]:
        found = self.cloud.call("user.message.get_list")
        return [row["code"] for row in reversed(found) if row["params"].get("vm_id") == self.id]

    def hook(self, operation: str = "release") -> str:
        """As its node's agent delivers it, for ten seconds from now: surely of this launch."""
        [node_id] = self.cloud.node_ids
        self.number = getattr(self, "number", 0) + 1
        at = datetime.now(UTC) + timedelta(seconds=10)
        record = HookRecord(f"of {self.id}", self.number, self.uuid, f"vm-{self.id}", operation, "end", "-", at)
        return self.cloud.manager.database.transact_now(update_vm, node_id, record)

    def quietly(self, reason: SeenReason) -> None:
        """It ends, and nobody hears of it."""
        world = self.node.world
        with world.lock:
            domain = world.domains[self.uuid]
            world.let_go(domain)
            domain.running, domain.vnc, domain.paused, domain.reason = None, None, False, reason


@pytest.mark.parametrize(
    ("end", "code", "on_crash", "state"),
    [
        ("crash", "vm_crashed", "stop", "stopped"),
        ("crash", "vm_crashed", "restart", "running"),
        ("panic", "vm_panicked", "stop", "stopped"),
        ("panic", "vm_panicked", "restart", "running"),
    ],
)
def test_crash(cloud: MemoryCloud, end: str, code: str, on_crash: str, state: str) -> None:
    """A VM that its guest's power-off would destroy is started again, or keeps its disks, where that was a crash."""
    guest = Guest(cloud, on_crash=on_crash)
    assert cloud.vm(guest.id)["on_crash"] == on_crash
    getattr(guest.node, end)(guest.uuid)
    guest.rested(state)
    assert guest.told() == [code, "vm_ended"]
    assert cloud.sql("SELECT launches FROM vm WHERE id = :i", i=guest.id) == (2 if state == "running" else 1)


def test_panic_during_a_pass(cloud: MemoryCloud) -> None:
    """What a pass finds that had begun before its guest panicked was a panic, too."""
    guest, [node_id] = Guest(cloud, on_crash="stop"), cloud.node_ids
    reconciler = cloud.manager.reconciler
    with guest.node.world.lock:
        reactor.callFromThread(reconciler.look, node_id)
        cloud.until(lambda: node_id in reconciler._under_way, "a pass over its node")
        time.sleep(0.2)  # until it waits for the node's answer
        guest.node.panic(guest.uuid)
    guest.rested("stopped")
    assert guest.told() == ["vm_panicked", "vm_ended"]


def test_power_off(cloud: MemoryCloud) -> None:
    """What its guest wished is done as before."""
    guest = Guest(cloud, on_poweroff="restart", on_crash="stop")
    guest.node.guest_power_off(guest.uuid)
    guest.rested("running")
    assert guest.told() == ["vm_ended"]


def test_hook_of_a_crash(cloud: MemoryCloud) -> None:
    """A hook cannot tell a crash from a power-off: the node is asked before a VM is destroyed for it."""
    guest = Guest(cloud, on_crash="stop")
    guest.quietly(SeenReason.CRASHED)
    assert guest.hook() == "look"
    guest.rested("stopped")
    assert guest.told() == ["vm_crashed", "vm_ended"]


@pytest.mark.parametrize("known", ["forgotten", "gone"])
def test_node_knows_no_more(cloud: MemoryCloud, known: str) -> None:
    """What the hook told of is no restart of its host, nor a domain that is missing."""
    guest = Guest(cloud, on_poweroff="stop")
    with guest.node.world.lock:  # no pass sees it before the hook has told
        guest.quietly(SeenReason.HOST_RESTARTED)
        if known == "gone":
            del guest.node.world.domains[guest.uuid]
        assert guest.hook() == "look"
    guest.rested("stopped")
    assert guest.told() == ["vm_ended"]
    assert cloud.call("admin.drift.get_list", account="admin") == []


def test_started_since(cloud: MemoryCloud) -> None:
    """An end that a hook told of is over when the next start is told of: the host's restart after that is one."""
    guest = Guest(cloud, on_poweroff="stop")
    assert (guest.hook(), guest.hook("started")) == ("look", "recorded")
    assert cloud.sql("SELECT released_at FROM vm WHERE id = :i", i=guest.id) is None
    assert cloud.vm(guest.id)["state"] == "running"
    guest.quietly(SeenReason.HOST_RESTARTED)
    guest.node.lose_connection()
    cloud.until(lambda: cloud.sql("SELECT launches FROM vm WHERE id = :i", i=guest.id) == 2, "its start")
    assert cloud.wait(guest.id, "running")


def test_told_of_one_that_runs(cloud: MemoryCloud) -> None:
    """A node that tells of an end which its hypervisor knows nothing of ends nobody's VM."""
    guest = Guest(cloud)
    passed = cloud.sql("SELECT clock_timestamp()")
    assert guest.hook() == "look"
    cloud.until(lambda: cloud.sql("SELECT bool_and(passed_at > :t) FROM node", t=passed), "a pass")
    assert cloud.wait(guest.id, "running") and guest.told() == []


def _hangs(cloud: MemoryCloud, policy: str) -> Guest:
    """Its watchdog comes with its next start."""
    guest = Guest(cloud, on_hang=policy)
    guest.node.starve_watchdog(guest.uuid)
    assert not guest.node.world.domains[guest.uuid].paused
    cloud.call("user.vm.stop", {"vm_id": guest.id})
    cloud.wait(guest.id, "stopped")
    cloud.call("user.vm.start", {"vm_id": guest.id})
    cloud.wait(guest.id, "running")
    return guest


@pytest.mark.parametrize(("policy", "state"), [("restart", "running"), ("stop", "stopped")])
def test_hang(cloud: MemoryCloud, policy: str, state: str) -> None:
    """A guest that its watchdog stopped is reset and goes on, or is stopped; whoever owns it is told."""
    guest = _hangs(cloud, policy)
    guest.node.starve_watchdog(guest.uuid)
    guest.rested(state)
    assert guest.told() == ["vm_hung"] + (["vm_ended"] if policy == "stop" else [])
    domain = guest.node.world.domains.get(guest.uuid)
    if policy == "restart":
        assert domain is not None and domain.running is not None and not domain.paused
        assert guest.node.calls.count("reset") == 1
        assert cloud.vm(guest.id)["seen_reason"] == "reset"


def test_hang_while_busy(cloud: MemoryCloud) -> None:
    """A guest that hangs while somebody is at its VM is seen to when they have gone."""
    guest = _hangs(cloud, "stop")
    release = guest.node.hang(30.0, ["set_vnc"])
    asked = cloud.call("user.vm.attach_vnc", {"vm_id": guest.id})
    cloud.until(lambda: "set_vnc" in guest.node.calls, "that its node is asked")
    guest.node.starve_watchdog(guest.uuid)
    cloud.until(lambda: cloud.vm(guest.id)["seen_reason"] in ("watchdog", "booted"), "a look")
    release()
    cloud.ended(asked["operation_id"])
    guest.node.lose_connection()
    guest.rested("stopped")


def test_end_is_evidence(cloud: MemoryCloud) -> None:
    """What is shown of a crashed VM is that, until it is started again."""
    guest = Guest(cloud, on_crash="stop")
    guest.node.panic(guest.uuid)
    detail = guest.rested("stopped")
    assert (detail["seen"], detail["seen_reason"]) == (Seen.OFF, SeenReason.PANICKED)


@pytest.mark.parametrize("how", ["done", "failed"])
def test_crash_under_work(cloud: MemoryCloud, how: str) -> None:
    """A crash while somebody is at the VM is told by a hook, and is one all the same when they have gone."""
    guest = Guest(cloud, on_crash="stop")
    release = guest.node.hang(30.0, ["pause"])
    before = guest.node.calls.count("pause")
    asked = cloud.call("user.vm.pause", {"vm_id": guest.id})
    cloud.until(lambda: guest.node.calls.count("pause") > before, "that its node is asked")
    guest.quietly(SeenReason.CRASHED)
    assert guest.hook() == "ended"
    if how == "failed":
        guest.node.fail_next("pause", HypervisorError("Input/output error", 38))
    release()
    cloud.ended(asked["operation_id"])
    guest.rested("stopped")
    assert "vm_crashed" in guest.told()
