"""What is told of each call about a VM, beside what the call itself says when it is asked what it would do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cm.rpc.errors import CloudError
from cm.rpc.view import Registry
from cm.rules.access import Level
from cm.services.allowed import CALLS
from support.cloud import MemoryCloud, at_database

REGISTRY = Registry.collect("cm.views")
# What a call needs beside its VM. The others cannot be asked without what they would take away again.
NAMED = {"name": "kept"}
NEEDS: dict[str, dict[str, Any]] = {
    "user.vm.start": {}, "user.vm.shutdown": {}, "user.vm.stop": {}, "user.vm.reset": {}, "user.vm.pause": {},
    "user.vm.resume": {}, "user.vm.destroy": {}, "user.vm.edit": NAMED, "user.vm.save": NAMED,
    "user.vm.save_and_shutdown": {**NAMED, "description": ""}, "user.vm.create_snapshot": NAMED,
    "user.vm.save_as_template": NAMED, "user.vm.suspend": {}, "user.vm.wake_up": {},
    "user.vm.open_console": {}, "user.vm.attach_vnc": {}, "user.vm.detach_vnc": {},
}  # fmt: skip
# Calls about a VM that none of these stands for: by another name, or open in every state of a VM that is not gone.
BESIDE = {
    "user.iso_image.attach", "user.iso_image.detach", "user.storage_image.attach", "user.storage_image.detach",
    "user.vm.add_port", "user.vm.remove_port", "user.vm.set_boot_order", "user.nic.edit", "user.security_group.assign",
    "user.public_address.assign", "user.vm.set_affinity_group",
    "user.change_request.ask_resize", "user.change_request.ask_expiry",
}  # fmt: skip


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "allowed", reconcile_s=3600.0, shutdown_s=600.0) as made:
        yield made


@pytest.fixture(scope="module")
def vm(cloud: MemoryCloud) -> dict[str, Any]:
    return cloud.wait(cloud.create(name="asked")["vm_id"], "running")


@pytest.fixture(scope="module")
def parts(cloud: MemoryCloud) -> dict[str, dict[str, Any]]:
    """What calls need that give the VM something."""
    made = cloud.call("user.disk.create", {"name": "free", "size_mib": 5})
    cloud.ended(made["operation_id"])
    return {
        "user.vm.insert_cd": {"iso_image_id": cloud.image("an.iso", kind="iso", claimed_bytes=0)},
        "user.disk.attach": {"disk_id": made["disk_id"]},
        "user.nic.attach": {"network_id": cloud.sql("SELECT min(id) FROM network")},
    }


def offers(cloud: MemoryCloud, vm_id: int, account: str = "user") -> dict[str, Any]:
    (told,) = cloud.call("user.vm.operations", {"vm_ids": [vm_id]}, account=account)
    assert told["status"] == "ok", told
    for each in told["operations"]:
        assert each["allowed"] is (each["reason"] is None)
        assert each["allowed"] or each["reason"]["message"]
    return {each["call"]: each["reason"] and each["reason"]["slug"] for each in told["operations"]}


def asked(cloud: MemoryCloud, vm_id: int, call: str, account: str, more: dict[str, Any]) -> str | None:
    """The slug by which the call is refused."""
    whom = {"vm_ids": [vm_id]} if "vm_ids" in REGISTRY.get(call).on else {"vm_id": vm_id}
    try:
        plan = cloud.call(call, {**whom, **more, "dry_run": True}, account=account)["plan"]
    except CloudError as error:
        return error.code
    return next((step["status"] for step in plan if step.get("status", "ok") != "ok"), None)


def agreed(cloud: MemoryCloud, vm_id: int, needs: dict[str, dict[str, Any]], account: str = "user") -> dict[str, Any]:
    """:return: by what each call is refused: what is told, which is what the call says."""
    told = offers(cloud, vm_id, account)
    assert {call: told[call] for call in needs} == {
        call: asked(cloud, vm_id, call, account, more) for call, more in needs.items()
    }
    return told


def test_states(cloud: MemoryCloud, vm: dict[str, Any], parts: dict[str, dict[str, Any]]) -> None:
    """In each state, while something is done, and of a VM that is gone, what is told is what the calls say."""
    vm_id, needs = vm["vm_id"], {**NEEDS, **parts}
    told = agreed(cloud, vm_id, needs)
    assert told["user.vm.start"] == told["user.vm.resume"] == "vm_wrong_state"
    assert told["user.vm.stop"] is told["user.vm.destroy"] is told["user.vm.open_console"] is None
    for call, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped"), ("start", "running")):
        assert offers(cloud, vm_id)[f"user.vm.{call}"] is None
        cloud.call(f"user.vm.{call}", {"vm_id": vm_id})
        cloud.wait(vm_id, state)
        agreed(cloud, vm_id, needs)
    for memory in cloud.memory.values():
        memory.ignores_power_button.add(vm["uuid"])
    cloud.call("user.vm.shutdown", {"vm_id": vm_id})
    told = agreed(cloud, vm_id, needs)
    assert told["user.vm.stop"] == told["user.vm.save"] == told["user.disk.attach"] == "vm_busy"
    assert told["user.vm.destroy"] is told["user.vm.edit"] is None  # it ends what is under way
    cloud.call("user.vm.destroy", {"vm_ids": [vm_id]})
    cloud.wait(vm_id, "destroyed")
    assert set(agreed(cloud, vm_id, needs).values()) == {"vm_wrong_state"}


def test_levels(cloud: MemoryCloud) -> None:
    """Whom it is shared with is told what their level does not let them; who does not see it, that it is not there."""
    vm_id = cloud.wait(cloud.create(name="shared")["vm_id"], "running")["vm_id"]
    nobodys = {"status": "object_not_found", "vm_id": 10**7}
    (unseen,) = cloud.call("user.vm.operations", {"vm_ids": [vm_id]}, account="other")
    assert unseen["status"] == "object_not_found" and "operations" not in unseen
    grant = "INSERT INTO acl (kind, object_id, account_id, level) VALUES ('vm', :v, :a, :l)"
    for level in Level:
        cloud.sql("DELETE FROM acl")
        cloud.sql(grant, v=vm_id, a=cloud.other_id, l=level)
        told = agreed(cloud, vm_id, NEEDS, "other")
        assert (told["user.vm.stop"] == "access_needed") is (level is Level.USER)
        assert (told["user.vm.destroy"] == "access_needed") is (level is not Level.OWNER)
    both = cloud.call("user.vm.operations", {"vm_ids": [10**7, vm_id]}, account="other")
    assert [each["status"] for each in both] == ["object_not_found", "ok"] and both[0].items() >= nobodys.items()


def test_declared() -> None:
    """Each is of a view that is there, by the action that it declares; a new view about a VM is told of, too."""
    for call in CALLS:
        declared = REGISTRY.get(call.view).on
        assert call.action in {declared.get(name) for name in ("vm_id", "vm_ids", "object_id")}, call.view
    changing = {
        view.name for view in REGISTRY
        if view.changing and view.name.startswith("user.") and {"vm_id", "vm_ids"} & view.on.keys()
        and not view.name.startswith("user.instance.")  # CIRCLE's names of the same, of which its own front tells
    }  # fmt: skip
    assert changing - {call.view for call in CALLS} == BESIDE
