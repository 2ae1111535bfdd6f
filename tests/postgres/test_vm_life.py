"""The life of a VM on memory nodes: every state, every way out, and books that balance."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.rpc.errors import (
    HypervisorError,
    InUse,
    InvalidParameter,
    NoCapacity,
    ObjectNotFound,
    QuotaReached,
    RequestIdReused,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskFormat
from cm.rules.names import root_volume
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def test_create_and_destroy(cloud: MemoryCloud) -> None:
    """A VM runs, is destroyed, and leaves nothing."""
    vm = cloud.create()
    assert vm["state"] == "starting"
    running = cloud.wait(vm["vm_id"], "running")
    assert running["leases"]
    assert cloud.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})[0]["status"] == "ok"
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.leaks() == []
    assert all(not node.hypervisor.domains() for node in cloud.memory.values())


def test_stop_and_start(cloud: MemoryCloud) -> None:
    """A stopped VM keeps disk, address and quota, gives its node back, and can be started again."""
    vm_id = cloud.create()["vm_id"]
    before = cloud.wait(vm_id, "running")
    cloud.call("user.vm.stop", [vm_id])
    stopped = cloud.wait(vm_id, "stopped")
    assert stopped["leases"] == before["leases"]
    assert cloud.sql("SELECT sum(vms_used) FROM node") == 0
    assert cloud.sql("SELECT used_vms FROM account WHERE login = 'user'") == 1
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")
    assert cloud.leaks() == []


def test_shutdown_ignored(cloud: MemoryCloud) -> None:
    """A guest that does not obey the button goes on running, and the operation says so."""
    vm = cloud.create()
    vm_id = vm["vm_id"]
    cloud.wait(vm_id, "running")
    for node in cloud.memory.values():
        node.ignores_power_button.add(vm["uuid"])
    answer = cloud.call("user.vm.shutdown", [vm_id])
    reasons = set()
    while (op := cloud.call("user.operation.get", [answer["operation_id"]]))["state"] != "failed":
        reasons.add(op["waiting_for"])
        time.sleep(0.01)
    assert "The guest was asked to shut down by its power button and has 1 s for it." in reasons
    assert (op["error"], op["waiting_for"]) == ("guest_ignored", "")
    assert cloud.wait(vm_id, "running")["wanted"] == "running"


def test_pause_resume_reset(cloud: MemoryCloud) -> None:
    """Pause keeps it in place, resume lets it go on, reset leaves it running."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.call("user.vm.pause", [vm_id])
    cloud.wait(vm_id, "paused")
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.pause", [vm_id])
    cloud.call("user.vm.resume", [vm_id])
    cloud.wait(vm_id, "running")
    assert cloud.call("user.vm.reset", [[vm_id]])[0]["status"] == "ok"
    cloud.wait(vm_id, "running")


def test_screenshot(cloud: MemoryCloud) -> None:
    """What a VM's screen shows is told while it runs or is paused."""
    vm_id = cloud.create()["vm_id"]
    uuid = cloud.wait(vm_id, "running")["uuid"]
    cloud.call("user.vm.pause", [vm_id])
    cloud.wait(vm_id, "paused")
    shown = cloud.call("user.vm.get_screenshot", [vm_id])
    assert (shown["vm_id"], shown["width"], shown["height"]) == (vm_id, 720, 400)
    png = base64.b64decode(shown["png"])
    at = png.index(b"IDAT")
    row = zlib.decompress(png[at + 4 :][: int.from_bytes(png[at - 4 : at], "big")])[: 1 + 3 * 720]
    assert row == b"\0" + bytes.fromhex(uuid[:6]) * 720
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.get_screenshot", [vm_id])


def test_save_and_shutdown(cloud: MemoryCloud) -> None:
    """The root disk becomes an image that a new VM runs from; the VM itself ends."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    answer = cloud.call("user.vm.save_and_shutdown", [vm_id, "mine", "saved"])
    cloud.wait(vm_id, "destroyed")
    assert cloud.sql("SELECT state FROM image WHERE id = :i", i=answer["image_id"]) == "ok"
    again = cloud.create(image_id=answer["image_id"])
    cloud.wait(again["vm_id"], "running")
    assert cloud.leaks() == []


def test_destroy_while_creating(cloud: MemoryCloud) -> None:
    """A destroy gives the creation up, waits until its worker has stopped, and leaves nothing."""
    for _ in range(10):
        vm_id = cloud.create()["vm_id"]
        assert cloud.call("user.vm.destroy", [[vm_id]])[0]["status"] == "ok"
        cloud.wait(vm_id, "destroyed")
    assert cloud.leaks() == []
    assert all(not node.hypervisor.domains() for node in cloud.memory.values())


@pytest.mark.parametrize(
    ("policy", "state"), [("stop", "stopped"), ("destroy", "destroyed"), ("restart", "running"), ("save", "destroyed")]
)
def test_guest_powers_off(cloud: MemoryCloud, policy: str, state: str) -> None:
    """A guest's own power-off leads where the VM's policy says, without any hook, by the next look."""
    vm = cloud.create(on_poweroff=policy)
    cloud.wait(vm["vm_id"], "running")
    launched = cloud.vm(vm["vm_id"])["launched"]
    node = next(n for n in cloud.memory.values() if n.hypervisor.domains())
    node.guest_power_off(vm["uuid"])
    if policy == "restart":
        until = time.monotonic() + 20
        while cloud.vm(vm["vm_id"])["launched"] == launched:
            assert time.monotonic() < until
            time.sleep(0.05)
    cloud.wait(vm["vm_id"], state)
    assert cloud.leaks() == []


def test_dry_run(cloud: MemoryCloud) -> None:
    """A dry run tells the plan and changes nothing."""
    plan = cloud.call(
        "user.vm.create",
        {
            "name": "vm",
            "description": "",
            "image_id": cloud.image_id,
            "template_id": cloud.template_id,
            "dry_run": True,
        },
    )
    assert plan["dry_run"] and [step["step"] for step in plan["plan"]][-1] == "operation"
    assert cloud.call("user.vm.get_list") == []
    assert cloud.sql("SELECT count(*) FROM operation") == 0
    assert cloud.leaks() == []


def test_request_id(cloud: MemoryCloud) -> None:
    """A repeat with the same request id gets the first answer and makes nothing; another call under it is refused."""
    values = {"name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
    first = cloud.call("user.vm.create", values, request_id="r-1")
    assert cloud.call("user.vm.create", values, request_id="r-1") == first
    assert len(cloud.call("user.vm.get_list")) == 1
    with pytest.raises(RequestIdReused):
        cloud.call("user.vm.create", {**values, "name": "other"}, request_id="r-1")


def test_others(cloud: MemoryCloud) -> None:
    """Somebody else's VM does not exist, in every view that takes one."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    for method in ("get_by_id", "edit", "attach_vnc", "detach_vnc", "start", "stop", "shutdown", "pause", "resume"):
        with pytest.raises(ObjectNotFound):
            cloud.call(f"user.vm.{method}", {"vm_id": vm_id}, account="other")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm.save_and_shutdown", [vm_id, "x", ""], account="other")
    for method in ("destroy", "reset"):
        assert cloud.call(f"user.vm.{method}", [[vm_id]], account="other")[0]["status"] == "object_not_found"
    cloud.wait(vm_id, "running")


def test_quota(cloud: MemoryCloud) -> None:
    """At the quota's limit the call names it, and leaves no trace."""
    cloud.sql("UPDATE account SET quota_vms = 1 WHERE login = 'user'")
    with pytest.raises(QuotaReached) as refused:
        cloud.create(count=2)
    assert refused.value.details() == {"resource": "vms", "limit": 1, "used": 0, "asked": 2}
    assert cloud.call("user.vm.get_list") == []
    assert cloud.leaks() == []


def test_capacity(cloud: MemoryCloud) -> None:
    """A cluster that is full refuses with the nodes' verdicts, and leaves no trace."""
    cloud.sql("UPDATE node SET memory_mib_total = 100")
    with pytest.raises(NoCapacity) as refused:
        cloud.create()
    assert "not enough memory" in str(refused.value)
    assert cloud.leaks() == []


def test_many_nodes(cloud: MemoryCloud) -> None:
    """Of many nodes the best ten verdicts are kept, told and planned, and the others are counted by their reason."""
    cloud.sql(
        "INSERT INTO node (name, address, uri, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit, state,"
        " locked) SELECT 'more' || i, '192.0.2.1', 'memory:///none-' || i, 1, 1, 1, 1, 'ok', i > 3"
        " FROM generate_series(1, 20) i"
    )
    vm = cloud.create()
    answer = cloud.call("admin.placement.explain", {"vm_id": vm["vm_id"]}, account="admin")
    fitting = sum(verdict["fits"] for verdict in answer["verdicts"])
    assert (len(answer["verdicts"]), answer["verdicts"][0]["node_id"]) == (10, answer["node_id"])
    assert sum(answer["others"].values()) == 20 + fitting - 10 and fitting == len(cloud.node_ids)
    assert answer["others"]["locked"] >= 10
    trial = cloud.call("admin.placement.explain", {"template_id": cloud.template_id}, account="admin")
    assert (len(trial["verdicts"]), trial["others"]) == (20 + fitting, {})
    asked = {"name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id, "count": 2}
    planned = cloud.call("user.vm.create", {**asked, "dry_run": True})["plan"]
    places = [step for step in planned if step["step"] == "place"]
    assert [len(step["verdicts"]) for step in places] == [10, 10] and places[0]["others"] == answer["others"]


def test_node_unreachable(cloud: MemoryCloud) -> None:
    """An unreachable node gets no new VMs; an end asked for waits for it and is done once it is back."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    for node in cloud.memory.values():
        node.unreachable = True
    until = time.monotonic() + 10
    while cloud.sql("SELECT count(*) FROM node WHERE state = 'ok'"):
        assert time.monotonic() < until
        time.sleep(0.05)
    with pytest.raises(NoCapacity):
        cloud.create()
    assert cloud.vm(vm_id)["state"] == "running"
    cloud.call("user.vm.destroy", [[vm_id]])
    time.sleep(0.5)
    assert cloud.vm(vm_id)["state"] == "destroying"
    for node in cloud.memory.values():
        node.unreachable = False
    cloud.wait(vm_id, "destroyed", 30)
    assert cloud.leaks() == []


def test_failed_create(cloud: MemoryCloud) -> None:
    """A create that the hypervisor refuses ends in error; it can be retried, and destroyed."""
    for node in cloud.memory.values():
        node.fail_next("start", HypervisorError("no such machine", 1))
    vm = cloud.create()
    failed = cloud.wait(vm["vm_id"], "error")
    assert "no such machine" in failed["error"]
    cloud.call("user.operation.retry", [vm["operation_id"]])
    cloud.wait(vm["vm_id"], "running")
    cloud.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.leaks() == []


def test_vnc(cloud: MemoryCloud) -> None:
    """Each attach gives another password; detach ends it."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    one = cloud.call("user.vm.attach_vnc", [vm_id])
    cloud.ended(one["operation_id"])
    two = cloud.call("user.vm.attach_vnc", [vm_id])
    assert one["password"] != two["password"] and one["port"] == two["port"]
    assert "password" not in str(cloud.vm(vm_id))
    cloud.ended(cloud.call("user.vm.detach_vnc", [vm_id])["operation_id"])
    assert cloud.vm(vm_id)["vnc_enabled"] is False


def test_restart_of_the_manager(cloud: MemoryCloud) -> None:
    """What was accepted before a stop is done after the next start."""
    vms = [cloud.create()["vm_id"] for _ in range(10)]
    cloud.stop()
    cloud.start()
    for vm_id in vms:
        cloud.wait(vm_id, "running")
    assert cloud.leaks() == []


def test_stopped_vm_outlives_its_node(cloud: MemoryCloud) -> None:
    """A stopped VM is placed nowhere: its last node may leave the cluster, and it can still be started or destroyed."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :i", i=vm_id)
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    cloud.call("admin.node.delete", [node_id], account="admin")
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    assert cloud.leaks() == []


def test_erase(cloud: MemoryCloud) -> None:
    """A VM whose node never answers again can be closed; the node's domain goes when it does come back."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    for node in cloud.memory.values():
        node.unreachable = True
    [destroyed] = cloud.call("user.vm.destroy", [[vm_id]])
    cloud.call("admin.vm.erase", [vm_id], account="admin")
    assert cloud.vm(vm_id)["state"] == "destroyed"
    assert cloud.call("user.operation.get", [destroyed["operation_id"]])["state"] == "abandoned"
    assert cloud.leaks() == []
    for node in cloud.memory.values():
        node.unreachable = False
    until = time.monotonic() + 20
    while any(node.hypervisor.domains() for node in cloud.memory.values()):
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize("mode", ["overlay", "copy"])
def test_larger_disk(cloud: MemoryCloud, mode: str) -> None:
    """A root disk may be larger than its image: the volume and what is counted are, and a smaller one is refused."""
    used = "SELECT used_storage_mib FROM account WHERE id = :a"
    before = cloud.sql(used, a=cloud.user_id)
    with pytest.raises(InvalidParameter, match="less than the 64 MiB of image"):
        cloud.create(deploy_mode=mode, disk_mib=63)
    vm = cloud.create(deploy_mode=mode, disk_mib=100)
    cloud.wait(vm["vm_id"], "running")
    volumes = next(iter(cloud.memory.values())).volumes
    seen = volumes.find(f"wawel-{cloud.storage_id}", root_volume(vm["uuid"]))
    assert seen is not None and seen.capacity_bytes == 100 * 2**20
    assert cloud.sql(used, a=cloud.user_id) == before + 100 and cloud.leaks() == []
    cloud.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.sql(used, a=cloud.user_id) == before and cloud.leaks() == []
    assert cloud.sql("SELECT count(*) FROM attachment WHERE vm_id = :v", v=vm["vm_id"]) == 0
    assert cloud.sql("SELECT count(*) FROM volume WHERE name = :n", n=root_volume(vm["uuid"])) == 0


@pytest.mark.parametrize("asked, template, found", [(None, 100, 100), (80, 100, 80), (None, 10, 64), (None, 0, 64)])
def test_disk_of_template(cloud: MemoryCloud, asked: int | None, template: int, found: int) -> None:
    """A root disk is as large as the caller asks, else as the template says, and never less than its image."""
    size = {"name": f"disks-{asked}-{template}", "disk_mib": template}
    made = cloud.call("admin.template.add", size, account="admin")
    used = "SELECT used_storage_mib FROM account WHERE id = :a"
    before = cloud.sql(used, a=cloud.user_id)
    vm = cloud.create(template_id=made["template_id"], disk_mib=asked)
    assert cloud.sql(used, a=cloud.user_id) == before + found
    given = cloud.sql("SELECT size_bytes FROM volume WHERE name = :n", n=root_volume(vm["uuid"]))
    assert given == found * 2**20 and cloud.leaks() == []
    cloud.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait(vm["vm_id"], "destroyed")


def test_abandon_create(cloud: MemoryCloud) -> None:
    """A creation that is given up is undone."""
    cloud.manager.engine._stopping = True
    vm = cloud.create()
    cloud.call("user.operation.abandon", [vm["operation_id"]])
    cloud.manager.engine._stopping = False
    cloud.manager.engine.start()
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.leaks() == []


def test_disks_and_isos(cloud: MemoryCloud) -> None:
    """Disks and ISO images go to the first VM; a disk that another VM writes is refused, an ISO is shared."""
    ids = {}
    for kind, name in (("storage", "disk.qcow2"), ("iso", "cd.iso")):
        ids[kind] = cloud.image(name, kind=kind, name=name, format="raw", size_bytes=2**20)
        for memory in cloud.memory.values():
            memory.volumes.create_empty(f"wawel-{cloud.storage_id}", name, DiskFormat.RAW, 2**20)
    made = cloud.call(
        "user.vm.create",
        {
            "name": "vm",
            "description": "",
            "image_id": cloud.image_id,
            "template_id": cloud.template_id,
            "disk_list": [ids["storage"]],
            "iso_list": [ids["iso"]],
            "count": 2,
        },
    )
    assert [len(vm["storage_images"]) for vm in made] == [1, 0]
    assert made[0]["reservation_id"] == made[1]["reservation_id"]
    for vm in made:
        cloud.wait(vm["vm_id"], "running")
    with pytest.raises(InUse):
        cloud.create(disk_list=[ids["storage"]])
    shared = cloud.create(iso_list=[ids["iso"]])
    cloud.wait(shared["vm_id"], "running")
    cloud.call("user.vm.destroy", [[made[0]["vm_id"]]])
    cloud.wait(made[0]["vm_id"], "destroyed")
    again = cloud.create(disk_list=[ids["storage"]])
    cloud.wait(again["vm_id"], "running")


def test_abandon_start(cloud: MemoryCloud) -> None:
    """A start that is given up half-way leaves a VM that can be stopped or started, whatever became of its domain."""
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    releases = [node.hang(60.0, {"start"}) for node in cloud.memory.values()]
    before = starts(cloud)
    started = cloud.call("user.vm.start", [vm_id])["operation_id"]
    cloud.until(lambda: starts(cloud) > before, "the node's start")
    cloud.call("user.operation.abandon", [started])
    assert cloud.ended(started)["state"] == "abandoned"
    for release in releases:
        release()
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")
    assert cloud.leaks() == []


def starts(cloud: MemoryCloud) -> int:
    return sum(node.calls.count("start") for node in cloud.memory.values())
