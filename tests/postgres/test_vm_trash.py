"""VMs in the trash: out of use, with all that they have, until they are recovered or destroyed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import CloudError, WrongOperationState
from cm.services.trash import destroy_overdue
from support.cloud import MemoryCloud

WEEK_S = 7 * 86_400


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def vm(cloud: MemoryCloud) -> dict[str, Any]:
    return cloud.wait(cloud.create()["vm_id"], "running")


def trash(cloud: MemoryCloud, vm_id: int, account: str = "user") -> dict[str, Any]:
    (answer,) = cloud.call(f"{'admin' if account == 'admin' else 'user'}.vm.trash", [[vm_id]], account=account)
    if answer["status"] == "ok":
        cloud.ended(answer["operation_id"])
        cloud.wait(vm_id, "trashed")
    return dict(answer)


def age(cloud: MemoryCloud, vm_id: int, seconds: float) -> None:
    cloud.sql("UPDATE vm SET shown_since = shown_since - make_interval(secs => :s) WHERE id = :v", s=seconds, v=vm_id)


def test_there_and_back(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """Its node is free of it, its disk, address and quota stay; nothing starts it; recovered it may run again."""
    vm_id = vm["vm_id"]
    trash(cloud, vm_id)
    lying = cloud.call("user.vm.get_by_id", [vm_id])
    assert (lying["wanted"], lying["cc1_state"], lying["node"]) == ("trashed", 3, None)
    assert lying["leases"] == vm["leases"]
    assert cloud.sql("SELECT sum(vms_used) FROM node") == 0
    assert cloud.sql("SELECT used_vms FROM account WHERE login = 'user'") == 1
    assert all(not node.hypervisor.domains() for node in cloud.memory.values())
    for call in ("start", "stop", "reset", "suspend", "trash"):
        params: Any = [[vm_id]] if call in ("trash", "reset") else [vm_id]
        assert "vm_wrong_state" in refusal(cloud, f"user.vm.{call}", params)
    (offers,) = cloud.call("user.vm.operations", {"vm_ids": [vm_id]})
    may = {each["call"] for each in offers["operations"] if each["allowed"]}
    assert {"user.vm.recover", "user.vm.destroy"} <= may and not may & {"user.vm.start", "user.disk.attach"}
    assert cloud.call("user.vm.recover", [[vm_id]]) == [{"status": "ok", "vm_id": vm_id}]
    assert cloud.wait(vm_id, "stopped")["leases"] == vm["leases"]
    assert "vm_wrong_state" in refusal(cloud, "user.vm.recover", [[vm_id]])
    cloud.call("user.vm.start", [vm_id])
    assert cloud.wait(vm_id, "running")["uuid"] == vm["uuid"]
    assert cloud.leaks() == []


def refusal(cloud: MemoryCloud, method: str, params: Any, account: str = "user") -> str:
    try:
        answer = cloud.call(method, params, account=account)
    except CloudError as error:
        return error.code
    return str(answer[0]["status"])


def test_destroyed_at_last(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """By a call at once, else by itself when its time is over; not before, and not while it is guarded."""
    vm_id, other = vm["vm_id"], cloud.wait(cloud.create()["vm_id"], "running")["vm_id"]
    trash(cloud, vm_id)
    trash(cloud, other)
    (answer,) = cloud.call("user.vm.destroy", [[other]])
    assert answer["status"] == "ok"
    cloud.wait(other, "destroyed")
    age(cloud, vm_id, WEEK_S - 60)
    assert overdue(cloud, WEEK_S) == 0
    age(cloud, vm_id, 120)
    assert overdue(cloud, 0) == 0
    cloud.sql("UPDATE vm SET guarded = true WHERE id = :v", v=vm_id)
    assert overdue(cloud, WEEK_S) == 0
    cloud.sql("UPDATE vm SET guarded = false WHERE id = :v", v=vm_id)
    assert overdue(cloud, WEEK_S) == 1
    cloud.wait(vm_id, "destroyed")
    assert overdue(cloud, WEEK_S) == 0
    assert cloud.leaks() == []
    assert cloud.sql("SELECT used_vms FROM account WHERE login = 'user'") == 0


def overdue(cloud: MemoryCloud, seconds: float) -> int:
    return int(cloud.manager.database.transact_now(destroy_overdue, seconds))


def test_who_may(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """Its owners, not of one that is guarded, and administrators all the same; strangers see nothing of it."""
    vm_id = vm["vm_id"]
    assert refusal(cloud, "user.vm.trash", [[vm_id]], account="other") == "object_not_found"
    cloud.call("user.vm.set_policy", {"vm_id": vm_id, "guarded": True})
    assert refusal(cloud, "user.vm.trash", [[vm_id]]) == "vm_guarded"
    trash(cloud, vm_id, "admin")
    assert refusal(cloud, "user.vm.recover", [[vm_id]], account="other") == "object_not_found"
    assert cloud.call("admin.vm.recover", [[vm_id]], account="admin")[0]["status"] == "ok"
    cloud.wait(vm_id, "stopped")


def test_suspended(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """The memory of one that was suspended is forgotten, as by a stop."""
    vm_id = vm["vm_id"]
    cloud.ended(cloud.call("user.vm.suspend", [vm_id])["operation_id"])
    cloud.wait(vm_id, "suspended")
    trash(cloud, vm_id)
    assert cloud.sql("SELECT count(*) FROM suspension") == 0
    cloud.call("user.vm.recover", [[vm_id]])
    cloud.wait(vm_id, "stopped")
    assert cloud.leaks() == []


def test_lease_begins_anew(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """What was over while it lay there does not end it as soon as it is back."""
    vm_id = vm["vm_id"]
    lease = cloud.call("admin.expiry.add", {"name": "short", "delete_s": 6000}, account="admin")["expiry_id"]
    cloud.call("admin.expiry.set", {"vm_id": vm_id, "expiry_id": lease}, account="admin")
    trash(cloud, vm_id)
    cloud.sql("UPDATE vm_expiry SET delete_at = now() - interval '1 hour' WHERE vm_id = :v", v=vm_id)
    cloud.call("user.vm.recover", [[vm_id]])
    assert cloud.sql("SELECT delete_at > now() + interval '90 minutes' FROM vm_expiry WHERE vm_id = :v", v=vm_id)


def test_no_retry_out_of_it(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """Work that failed before is not tried again behind its owner's back: that would start it."""
    vm_id = vm["vm_id"]
    node = next(node for node in cloud.memory.values() if node.hypervisor.domains())
    node.ignores_power_button.add(vm["uuid"])
    failed = cloud.call("user.vm.shutdown", [vm_id])["operation_id"]
    assert cloud.ended(failed)["state"] == "failed"
    trash(cloud, vm_id)
    with pytest.raises(WrongOperationState):
        cloud.call("user.operation.retry", [failed])
