"""VMs as CIRCLE's instances: every field of the seed, activities as trees, what may be asked, and its names for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cm.rpc.console import Comer
from cm.rpc.errors import NotAbandonable, ObjectNotFound, WrongOperationState, WrongVMState
from cm.rules.access import AccessNeeded
from cm.rules.instance import FIELDS, OPERATIONS
from cm.services.console import ConsoleDoor
from cm.store import instance as store
from cm.store.domain import domain_plan
from support.cloud import MemoryCloud, at_database, run
from support.guest import Guest

GRANT = "INSERT INTO acl (kind, object_id, account_id, level) VALUES ('vm', :v, :a, :l)"


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "instances", reconcile_s=3600.0, shutdown_s=600.0) as made:
        yield made


@pytest.fixture(scope="module")
def vm(cloud: MemoryCloud) -> dict[str, Any]:
    return cloud.wait(cloud.create(name="first")["vm_id"], "running")


def told(cloud: MemoryCloud, vm_id: int, account: str = "user") -> dict[str, Any]:
    found: dict[str, Any] = cloud.call("user.instance.get_by_id", {"vm_id": vm_id}, account=account)
    return found


def history(cloud: MemoryCloud, vm_id: int, role: str = "user", **more: Any) -> list[dict[str, Any]]:
    account = "admin" if role == "admin" else "user"
    asked = {"vm_id": vm_id, **more}
    found: list[dict[str, Any]] = cloud.call(f"{role}.instance.get_activities", asked, account=account)
    return found


def operate(cloud: MemoryCloud, operation: str, vm_id: int, **more: Any) -> dict[str, Any]:
    (found,) = cloud.call(f"user.instance.{operation}", {"vm_ids": [vm_id]}, **more)
    assert found["vm_id"] == vm_id
    return dict(found)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_fields(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """Every field of the seed is told, and is what other fronts say of the VM."""
    vm_id = vm["vm_id"]
    found = told(cloud, vm_id)
    assert FIELDS.keys() <= found.keys()
    assert (found["uuid"], found["name"], found["owner"], found["owner_login"]) == (
        vm["uuid"], "first", cloud.user_id, "user",
    )  # fmt: skip
    assert (found["num_cores"], found["ram_size"], found["max_ram_size"]) == (vm["cpu"], vm["memory_mib"], 128)
    assert (found["arch"], found["priority"], found["raw_data"], found["template"]) == ("x86_64", None, "", None)
    assert (found["access_method"], found["boot_menu"], found["system"], found["has_agent"]) == (
        "ssh", False, "linux", False,
    )  # fmt: skip
    assert (found["status"], found["status_display"], found["status_icon"]) == ("RUNNING", "running", "fa-play")
    assert (found["is_active"], found["destroyed_at"], found["is_base"], found["pw"]) == (True, None, False, None)
    assert found["ipv4"] == vm["leases"][0]["address"] == found["addresses"][0]["ipv4"]
    assert (found["ipv6"], found["mac"], found["connect_host"]) == (None, found["interfaces"][0]["mac"], None)
    (disk,) = found["disks"]
    (place,) = found["block_device_mapping"]
    assert (disk["type"], disk["bus"], disk["dev_num"], disk["size"]) == ("qcow2-snap", "virtio", "a", 64 * 2**20)
    assert (disk["base"], disk["datastore"], disk["is_ready"]) == (cloud.image_id, cloud.storage_id, True)
    assert place == {
        "device_name": "vda", "disk_id": disk["disk_id"], "delete_on_termination": True, "read_only": False,
        "boot_index": 1 if place["boot_index"] else None,
    }  # fmt: skip
    assert found["node"] == cloud.vm(vm_id)["node"] and found["vnc_port"] >= 5900
    assert moment(found["created"]) <= moment(found["launched_at"]) <= moment(found["status_changed"])
    assert moment(found["status_changed"]) <= moment(found["modified"]) <= datetime.now(UTC)
    assert found["terminated_at"] is None and not found["is_in_status_change"]
    listed = cloud.call("user.instance.get_list")
    assert [each["vm_id"] for each in listed] == [vm_id]
    assert listed[0].items() <= found.items() and "pw" not in listed[0]
    assert cloud.call("admin.instance.get_list", {"user_id": cloud.user_id}, account="admin") == listed
    with pytest.raises(ObjectNotFound):
        told(cloud, vm_id, "other")


def test_template_says(cloud: MemoryCloud) -> None:
    """What only its VM template says of it; its lease; its tags; and whether a template is being saved of it."""
    by = {"name": "t", "image_id": cloud.image_id, "system": "Debian 12 amd64", "access_method": "rdp",
          "has_agent": True, "tags": {"team": "red"}, "traits": []}  # fmt: skip
    template = cloud.call("user.vm_template.create", by)["vm_template_id"]
    lease = cloud.call(
        "admin.expiry.add", {"name": "lab", "suspend_s": 18_000, "for_all": True}, account="admin"
    )["expiry_id"]
    vm_id = cloud.create(name="made", vm_template_id=template, image_id=None, expiry_id=lease)["vm_id"]
    cloud.wait(vm_id, "running")
    found = told(cloud, vm_id)
    assert (found["template"], found["system"], found["access_method"]) == (template, "Debian 12 amd64", "rdp")
    assert (found["has_agent"], found["tags"], found["lease"]) == (True, {"team": "red"}, lease)
    assert (found["lease_name"], found["time_of_delete"]) == ("lab", None)
    before = moment(found["time_of_suspend"])
    renewed = cloud.call("user.instance.renew", {"vm_id": vm_id})
    assert (renewed["activity_code"], renewed["result"]) == ("vm.Instance.renew", "Its times began anew.")
    assert moment(told(cloud, vm_id)["time_of_suspend"]) > before
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")


def test_changes(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """What is changed by what FIELDS names is part of its history; its domain gets it at its next start."""
    vm_id = vm["vm_id"]
    renamed = cloud.call("user.instance.rename", {"vm_id": vm_id, "new_name": "second"})
    assert (renamed["activity_code"], renamed["user"], renamed["succeeded"]) == (
        "vm.Instance.rename", cloud.user_id, True,
    )  # fmt: skip
    assert renamed["result"] == 'It was called "first", now "second".'
    changed = moment(told(cloud, vm_id)["modified"])
    cloud.call("user.instance.edit", {"vm_id": vm_id, "description": "d"})
    cloud.call("admin.instance.edit", {"vm_id": vm_id, "priority": 2048}, account="admin")
    found = told(cloud, vm_id)
    assert (found["name"], found["description"], found["priority"]) == ("second", "d", 2048)
    assert moment(found["modified"]) > changed > moment(found["status_changed"])
    spec = cloud.manager.database.transact_now(domain_plan, vm_id, "x" * 8).spec
    assert (spec.cpu_shares, spec.title) == (2048, "second")
    given = "boot_menu_s = 3, max_memory_mib = 512, raw_data = '<memoryBacking/>'"
    cloud.sql(f"UPDATE vm SET {given} WHERE id = :v", v=vm_id)
    found = told(cloud, vm_id)
    assert (found["boot_menu"], found["ram_size"], found["max_ram_size"], found["raw_data"]) == (True, 128, 512, "")
    as_admin = cloud.call("admin.instance.get_by_id", {"vm_id": vm_id}, account="admin")
    assert as_admin["raw_data"] == "<memoryBacking/>"
    cloud.sql("UPDATE vm SET boot_menu_s = 0, max_memory_mib = 0, raw_data = '' WHERE id = :v", v=vm_id)
    cloud.sql(GRANT, v=vm_id, a=cloud.other_id, l="user")
    try:
        with pytest.raises(AccessNeeded):
            cloud.call("user.instance.rename", {"vm_id": vm_id, "new_name": "theirs"}, account="other")
        assert told(cloud, vm_id, "other")["level"] == "user"
        (shared,) = cloud.call("user.instance.get_list", {"shared": True}, account="other")
        assert (shared["vm_id"], shared["level"]) == (vm_id, "user")
    finally:
        cloud.sql("DELETE FROM acl")


def test_life(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """Each operation leads to the status that it says; one that is refused is told by CIRCLE's error, others go on."""
    vm_id = vm["vm_id"]
    wrong = operate(cloud, "deploy", vm_id)
    assert (wrong["status"], wrong["error"]) == ("vm_wrong_state", "WrongStateError")
    for operation, state, word in (
        ("sleep", "suspended", "SUSPENDED"), ("wake_up", "running", "RUNNING"), ("shut_off", "stopped", "STOPPED"),
        ("deploy", "running", "RUNNING"), ("reset", "running", "RUNNING"),
    ):  # fmt: skip
        done = operate(cloud, operation, vm_id)
        activity = done["activity"]
        assert (done["status"], activity["activity_code"]) == ("ok", f"vm.Instance.{operation}")
        assert (activity["resultant_state"], activity["succeeded"]) == (word, None)
        cloud.ended(activity["operation_id"])
        cloud.wait(vm_id, state)
        found = told(cloud, vm_id)
        assert (found["status"], found["is_in_status_change"]) == (word, False)
        (last, *_) = history(cloud, vm_id)
        assert (last["activity_id"], last["succeeded"]) == (activity["activity_id"], True)
        assert last["result"] and last["finished"]
    assert moment(found["terminated_at"]) < moment(found["launched_at"])
    others = cloud.call("user.instance.reset", {"vm_ids": [10**7, vm_id]})
    assert [each["status"] for each in others] == ["object_not_found", "ok"]
    cloud.ended(others[1]["activity"]["operation_id"])


def test_busy_and_abort(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """While something is done the rest is refused by name; it can be given up; what has ended cannot."""
    vm_id = vm["vm_id"]
    for memory in cloud.memory.values():
        memory.ignores_power_button.add(vm["uuid"])
    activity = operate(cloud, "shutdown", vm_id)["activity"]
    assert activity["abortable"] and activity["interruptible"]
    found = told(cloud, vm_id)
    assert (found["status"], found["is_in_status_change"]) == ("RUNNING", True)
    busy = operate(cloud, "sleep", vm_id)
    assert (busy["error"], busy["fields"]["operation_id"]) == ("ActivityInProgressError", activity["activity_id"])
    (offers,) = cloud.call("user.instance.get_operations", {"vm_ids": [vm_id]})
    reasons = {each["operation"]: each["reason"] and each["reason"]["error"] for each in offers["operations"]}
    assert reasons["sleep"] == reasons["destroy"] == "ActivityInProgressError" and reasons["rename"] is None
    ended = cloud.call("user.instance.abort", {"operation_id": activity["operation_id"]})
    assert (ended["succeeded"], ended["activity_id"]) == (False, activity["activity_id"])
    with pytest.raises(WrongOperationState):
        cloud.call("user.instance.abort", {"operation_id": activity["operation_id"]})
    cloud.wait(vm_id, "running")


def test_available(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """All of CIRCLE's operations that there are, with the best one; what a level is too low for is hidden."""
    vm_id = vm["vm_id"]
    (found,) = cloud.call("user.instance.get_operations", {"vm_ids": [vm_id]})
    assert (found["instance_status"], found["preferred"]) == ("RUNNING", "sleep")
    by = {each["operation"]: each for each in found["operations"]}
    assert by.keys() == set(OPERATIONS)
    assert [name for name, each in by.items() if each["is_preferred"]] == ["sleep"]
    assert by["deploy"]["reason"]["error"] == "WrongStateError" and by["resources_change"]["allowed"]
    assert by["migrate"]["hidden"] and not by["deploy"]["hidden"] and by["create_disk"]["allowed"]
    (as_admin,) = cloud.call("admin.instance.get_operations", {"vm_ids": [vm_id]}, account="admin")
    assert {each["operation"]: each for each in as_admin["operations"]}["migrate"]["allowed"]
    cloud.sql(GRANT, v=vm_id, a=cloud.other_id, l="operator")
    (theirs,) = cloud.call("user.instance.get_operations", {"vm_ids": [vm_id]}, account="other")
    hidden = {each["operation"] for each in theirs["operations"] if each["hidden"]}
    assert {"destroy", "save_as_template", "password_reset"} <= hidden and not {"sleep", "renew"} & hidden
    cloud.sql("DELETE FROM acl")
    (unseen,) = cloud.call("user.instance.get_operations", {"vm_ids": [vm_id]}, account="other")
    assert unseen["status"] == "object_not_found"


def test_disks_and_cards(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """Disks in bytes and cards come and go as activities, with the levels that they need."""
    vm_id = vm["vm_id"]
    made = cloud.call("user.instance.create_disk", {"vm_id": vm_id, "size": 16 * 2**20})
    assert made["activity_code"] == "vm.Instance.create_disk"
    cloud.ended(made["operation_id"])
    disks = told(cloud, vm_id)["disks"]
    assert [disk["dev_num"] for disk in disks] == ["a", "b"] and disks[1]["size"] == 16 * 2**20
    grown = cloud.call("user.instance.resize_disk", {"disk_id": disks[1]["disk_id"], "size": 24 * 2**20 + 1})
    cloud.ended(grown["operation_id"])
    assert told(cloud, vm_id)["disks"][1]["size"] == 25 * 2**20
    network = cloud.sql("SELECT min(id) FROM network")
    added = cloud.call("user.instance.add_interface", {"vm_id": vm_id, "network_id": network})
    cloud.ended(added["operation_id"])
    assert [card["nic"] for card in told(cloud, vm_id)["interfaces"]] == [0, 1]
    removed = cloud.call("user.instance.remove_interface", {"vm_id": vm_id, "nic": 1})
    cloud.ended(removed["operation_id"])
    assert len(told(cloud, vm_id)["addresses"]) == 1
    codes = [each["activity_code"].rpartition(".")[2] for each in history(cloud, vm_id, limit=4)]
    assert codes == ["remove_interface", "add_interface", "resize_disk", "create_disk"]
    cloud.sql(GRANT, v=vm_id, a=cloud.other_id, l="operator")
    with pytest.raises(AccessNeeded):
        cloud.call("user.instance.create_disk", {"vm_id": vm_id, "size": 16 * 2**20}, account="other")
    cloud.sql("DELETE FROM acl")


def test_console_is_recorded(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """Who opened a VM's console is part of its history, once it is opened: a ticket alone is not."""
    vm_id = vm["vm_id"]
    ticket = cloud.call("user.vm.open_console", {"vm_id": vm_id})
    assert history(cloud, vm_id, limit=1)[0]["activity_code"] != "vm.Instance.console-accessed"
    door = ConsoleDoor(cloud.manager.services, cloud.manager.services)  # type: ignore[arg-type]  # nobody is met
    secret = ticket["path"].partition("=")[2]
    run(lambda: door.admit(secret, Comer("192.0.2.9", "call", "", None)))
    (opened,) = history(cloud, vm_id, limit=1)
    assert (opened["activity_code"], opened["user"]) == ("vm.Instance.console-accessed", cloud.user_id)
    assert opened["result"] == "Its serial console was opened." and opened["operation_id"] is None


def test_trees_and_audiences(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """What an activity had others do is below it; nodes and causes are administrators' to know; pages join."""
    vm_id, node_id = vm["vm_id"], cloud.node_ids[0]
    root = cloud.sql(
        "INSERT INTO operation (kind, vm_id, node_id, state, finished_at, deadline, error, user_text, admin_text)"
        " VALUES ('vm_start', :v, :n, 'failed', now(), now(), 'no_capacity', 'No room.', 'n1: memory') RETURNING id",
        v=vm_id, n=node_id,
    )  # fmt: skip
    child = cloud.sql(
        "INSERT INTO operation (kind, parent_id, node_id, state, progress, deadline)"
        " VALUES ('image_cache', :p, :n, 'waiting', 40, now() + interval '1 day') RETURNING id",
        p=root, n=node_id,
    )  # fmt: skip
    (mine, *_), (theirs, *_) = history(cloud, vm_id), history(cloud, vm_id, "admin")
    assert mine["result"] == "No room." and theirs["result"] == f"No room. n1: memory Node {node_id}."
    assert "node_id" not in mine["params"] and theirs["params"]["node_id"] == node_id
    (below,) = mine["children"]
    assert (below["activity_id"], below["parent"]) == (child, root)
    assert below["activity_code"] == "vm.Instance.deploy.copy_image" and below["succeeded"] is None
    cloud.sql("UPDATE operation SET state = 'abandoned', finished_at = now() WHERE id = :i", i=child)
    whole = history(cloud, vm_id)
    paged: list[dict[str, Any]] = []
    while page := history(cloud, vm_id, limit=3, **({"before": paged[-1]["activity_id"]} if paged else {})):
        paged += page
    assert [each["activity_id"] for each in paged] == [each["activity_id"] for each in whole]
    codes = {each["activity_code"].removeprefix("vm.Instance.") for each in whole}
    assert {"create", "rename", "sleep", "console-accessed"} <= codes


def test_events_are_bounded(cloud: MemoryCloud, vm: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go; other VMs' stay."""
    vm_id = vm["vm_id"]
    before = cloud.sql("SELECT count(*) FROM vm_event WHERE vm_id <> :v", v=vm_id)
    cloud.sql(
        "INSERT INTO vm_event (vm_id, code) SELECT :v, 'renew' FROM generate_series(1, :n) RETURNING id",
        v=vm_id, n=store.EVENTS_MAX + 5,
    )  # fmt: skip
    cloud.call("user.instance.rename", {"vm_id": vm_id, "new_name": "kept"})
    assert cloud.sql("SELECT count(*) FROM vm_event WHERE vm_id = :v", v=vm_id) == store.EVENTS_MAX
    assert history(cloud, vm_id, limit=1)[0]["activity_code"] == "vm.Instance.rename"
    assert cloud.sql("SELECT count(*) FROM vm_event WHERE vm_id <> :v", v=vm_id) == before


def test_password(cloud: MemoryCloud) -> None:
    """It is kept sealed, told to owners, and to nobody else; a new one takes its place."""
    guest = Guest(cloud)
    guest.node.agents[guest.uuid] = True
    vm_id = guest.vm_id
    done = cloud.call("user.instance.password_reset", {"vm_id": vm_id})
    assert done["activity_code"] == "vm.Instance.password_reset" and done["params"] == {"login": "root"}
    found = told(cloud, vm_id)["pw"]
    assert guest.node.insides[guest.uuid].passwords == {"root": found} and len(found) == 16
    sealed = cloud.sql("SELECT password_sealed FROM vm WHERE id = :v", v=vm_id)
    assert sealed and found not in sealed
    cloud.sql(GRANT, v=vm_id, a=cloud.other_id, l="operator")
    assert told(cloud, vm_id, "other")["pw"] is None
    cloud.sql("DELETE FROM acl")
    assert found not in str(cloud.call("user.vm.get_by_id", {"vm_id": vm_id}))
    cloud.call("user.instance.password_reset", {"vm_id": vm_id, "password": "Correct-horse-7"})
    assert told(cloud, vm_id)["pw"] == "Correct-horse-7"
    assert "Correct-horse" not in str(history(cloud, vm_id, "admin"))


def test_recovered(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """What CIRCLE calls destroyed lies in the trash: of no use, and back as it was once recovered."""
    vm_id = vm["vm_id"]
    before = told(cloud, vm_id)
    cloud.ended(operate(cloud, "destroy", vm_id)["activity"]["operation_id"])
    found = told(cloud, vm_id)
    assert (found["status"], found["is_active"], found["node"]) == ("DESTROYED", False, None)
    assert found["destroyed_at"] == found["status_changed"] and found["disks"] == before["disks"]
    assert vm_id not in [each["vm_id"] for each in cloud.call("user.instance.get_list")]
    assert vm_id in [each["vm_id"] for each in cloud.call("user.instance.get_list", {"everything": True})]
    refused = operate(cloud, "deploy", vm_id)
    assert (refused["status"], refused["error"]) == ("vm_wrong_state", "InstanceDestroyedError")
    (offers,) = cloud.call("user.instance.get_operations", {"vm_ids": [vm_id]})
    assert "recover" in {each["operation"] for each in offers["operations"] if each["allowed"]}
    assert operate(cloud, "recover", vm_id)["activity"]["activity_code"] == "vm.Instance.recover"
    assert operate(cloud, "recover", vm_id)["error"] == "WrongStateError"
    found = told(cloud, vm_id)
    assert (found["status"], found["is_active"], found["destroyed_at"]) == ("STOPPED", True, None)
    assert found["interfaces"] == before["interfaces"] and found["disks"] == before["disks"]
    assert cloud.leaks() == []


def test_destroyed(cloud: MemoryCloud, vm: dict[str, Any]) -> None:
    """It leaves the active ones and stays among all; nothing may be asked of it any more."""
    vm_id = vm["vm_id"]
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    found = told(cloud, vm_id)
    assert (found["status"], found["is_active"], found["node"], found["disks"]) == ("DESTROYED", False, None, [])
    assert found["destroyed_at"] == found["terminated_at"] and found["connect_host"] is None
    assert vm_id not in [each["vm_id"] for each in cloud.call("user.instance.get_list")]
    assert vm_id in [each["vm_id"] for each in cloud.call("user.instance.get_list", {"everything": True})]
    refused = operate(cloud, "deploy", vm_id)
    assert (refused["status"], refused["error"]) == ("vm_wrong_state", "InstanceDestroyedError")
    (offers,) = cloud.call("user.instance.get_operations", {"vm_ids": [vm_id]})
    assert not any(each["allowed"] for each in offers["operations"]) and offers["preferred"] is None
    with pytest.raises(WrongVMState):
        cloud.call("user.instance.edit", {"vm_id": vm_id, "description": ""})
    (last, *_) = history(cloud, vm_id)
    assert last["activity_code"] == "vm.Instance.destroy" and not last["abortable"]
    with pytest.raises((NotAbandonable, WrongOperationState)):
        cloud.call("user.instance.abort", {"operation_id": last["operation_id"]})
    assert cloud.leaks() == []
