"""Disks that people make, attach, detach, throw away and take back; what they are refused, and what goes wrong."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from cm.drivers.memory.node import MemoryNode
from cm.rpc.errors import (
    CloudError,
    DiskOutOfReach,
    HypervisorError,
    InUse,
    InvalidParameter,
    NodeUnreachable,
    ObjectNotFound,
    QuotaReached,
    VMBusy,
    WrongDiskState,
    WrongImageState,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskFormat
from cm.services.disk import purge_overdue
from cm.services.leaving import settle_leaving
from support.cloud import MemoryCloud, at_database, run

MIB = 2**20


@pytest.fixture(scope="module")
def shared(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "attaching", nodes=1, detach_s=0.3, reconcile_s=3600.0) as made:
        yield made


@pytest.fixture
def cloud(shared: MemoryCloud) -> Iterator[MemoryCloud]:
    """After each test the books balance, and what the record says of running VMs their domains say."""
    yield shared
    shared.until(lambda: not shared.sql("SELECT 1 FROM operation_object"), "nothing is under way")
    assert shared.leaks() == []
    recorded = (
        "SELECT v.uuid::text, array_agg(a.device ORDER BY a.device) FROM vm v JOIN attachment a ON a.vm_id = v.id"
        " WHERE v.seen = 'running' AND v.closed_at IS NULL GROUP BY 1"
    )
    with shared.manager.database.engine.begin() as connection:
        for uuid, devices in connection.exec_driver_sql(recorded).all():
            running = node_of(shared).world.domains[uuid].running
            assert running is not None and {disk.device for disk in running.disks} <= set(devices)
            empty = {disk.device for disk in running.disks if not disk.source}
            full = set(connection.exec_driver_sql(
                "SELECT a.device FROM attachment a JOIN vm v ON v.id = a.vm_id WHERE v.uuid = %s AND a.disk_id IS NOT"
                " NULL", (uuid,)
            ).scalars())  # fmt: skip
            assert {disk.device for disk in running.disks} - empty == full


def node_of(cloud: MemoryCloud) -> MemoryNode:
    return next(iter(cloud.memory.values()))


def make(cloud: MemoryCloud, name: str = "data", **more: Any) -> int:
    made = cloud.call("user.disk.create", {"name": name, "size_mib": 5, **more})
    assert cloud.ended(made["operation_id"])["state"] == "done"
    return int(made["disk_id"])


def running(cloud: MemoryCloud, **more: Any) -> dict[str, Any]:
    return cloud.wait(cloud.create(**more)["vm_id"], "running")


def stopped(cloud: MemoryCloud) -> dict[str, Any]:
    vm = running(cloud)
    cloud.call("user.vm.stop", [vm["vm_id"]])
    return cloud.wait(vm["vm_id"], "stopped")


def done(cloud: MemoryCloud, view: str, **params: Any) -> dict[str, Any]:
    answer = cloud.call(view, params)
    op = cloud.ended(answer["operation_id"])
    assert op["state"] == "done", op
    return answer


def devices(cloud: MemoryCloud, vm: dict[str, Any]) -> list[str]:
    """Of the domain that runs."""
    domain = node_of(cloud).world.domains[vm["uuid"]].running
    assert domain is not None
    return [disk.device for disk in domain.disks]


def told(cloud: MemoryCloud, disk_id: int) -> dict[str, Any]:
    return cloud.call("user.disk.get_by_id", [disk_id])


def places(cloud: MemoryCloud, disk_id: int) -> list[tuple[int, str]]:
    return [(a["vm_id"], a["device"]) for a in told(cloud, disk_id)["attachments"]]


def used(cloud: MemoryCloud) -> int:
    return int(cloud.sql("SELECT used_storage_mib FROM account WHERE id = :i", i=cloud.user_id))


# ------------------------------------------------------------------ made and thrown away


def test_create(cloud: MemoryCloud) -> None:
    """A disk is made, as qcow2 on files, counts from the start, has an entry, and a VM can be made with it."""
    before = used(cloud)
    disk_id = make(cloud, "fresh", description="for data", format="raw")
    disk = told(cloud, disk_id)
    assert (disk["name"], disk["description"], disk["format"], disk["state"]) == ("fresh", "for data", "qcow2", "ok")
    assert (disk["size_bytes"], disk["claimed_bytes"], used(cloud) - before) == (5 * MIB, 5 * MIB, 5)
    image = cloud.call("user.storage_image.get_by_id", [disk["image_id"]])
    assert (image["name"], image["state"], image["size_bytes"]) == ("fresh", "ok", 5 * MIB)
    vm = running(cloud, disk_list=[disk["image_id"]])
    assert places(cloud, disk_id) == [(vm["vm_id"], "vdb")]


def test_too_large(cloud: MemoryCloud) -> None:
    """What does not fit the quota is refused, and nothing is made."""
    count = cloud.sql("SELECT count(*) FROM disk")
    with pytest.raises(QuotaReached):
        cloud.call("user.disk.create", {"name": "huge", "size_mib": 2 * 2**20})
    assert cloud.sql("SELECT count(*) FROM disk") == count


def test_creation_that_fails(cloud: MemoryCloud) -> None:
    """A disk that cannot be made stays, failed, without claims, until it is purged."""
    before = used(cloud)
    node_of(cloud).fail_next("create_empty", HypervisorError("no", 1))
    made = cloud.call("user.disk.create", {"name": "failing", "size_mib": 5})
    assert cloud.ended(made["operation_id"])["state"] == "failed"
    disk_id = made["disk_id"]
    cloud.until(lambda: told(cloud, disk_id)["operation_id"] is None, "its remains are removed")
    assert told(cloud, disk_id)["state"] == "failed" and used(cloud) == before
    with pytest.raises(WrongDiskState):
        cloud.call("user.disk.delete", [disk_id])
    done(cloud, "user.disk.purge", disk_id=disk_id)
    with pytest.raises(ObjectNotFound):
        told(cloud, disk_id)


def test_edit(cloud: MemoryCloud) -> None:
    """The names of a disk are its entry's; a VM's own disk has names of its own."""
    disk_id = make(cloud)
    version = told(cloud, disk_id)["version"]
    edited = cloud.call("user.disk.edit", {"disk_id": disk_id, "name": "renamed"})
    assert edited["name"] == "renamed" and edited["version"] > version
    assert cloud.call("user.storage_image.get_by_id", [edited["image_id"]])["name"] == "renamed"
    vm = running(cloud)
    (root,) = cloud.call("user.disk.get_list", {"vm_id": vm["vm_id"]})
    assert cloud.call("user.disk.edit", [root["disk_id"], "system"])["name"] == "system"


def test_trash(cloud: MemoryCloud) -> None:
    """A disk in the trash is hidden, of no use, and counted; restored it is as it was; purged it is gone."""
    vm = running(cloud)
    before = used(cloud)
    disk_id = make(cloud)
    image_id = told(cloud, disk_id)["image_id"]
    trashed = cloud.call("user.disk.delete", [disk_id])
    assert trashed["state"] == "trashed" and trashed["purged"] > trashed["trashed"] and used(cloud) == before + 5
    assert disk_id not in [d["disk_id"] for d in cloud.call("user.disk.get_list")]
    assert [d["disk_id"] for d in cloud.call("user.disk.get_list", {"trashed": True})] == [disk_id]
    assert image_id not in [i["image_id"] for i in cloud.call("user.storage_image.get_list")]
    with pytest.raises(WrongImageState):
        cloud.create(disk_list=[image_id])
    with pytest.raises(WrongDiskState):
        cloud.call("user.disk.attach", [disk_id, vm["vm_id"]])
    with pytest.raises(WrongDiskState):
        cloud.call("user.disk.delete", [disk_id])
    assert cloud.call("user.disk.restore", [disk_id])["state"] == "ok"
    for view in ("restore", "purge"):
        with pytest.raises(WrongDiskState):
            cloud.call(f"user.disk.{view}", [disk_id])
    cloud.call("user.disk.delete", [disk_id])
    done(cloud, "user.disk.purge", disk_id=disk_id)
    assert used(cloud) == before and cloud.sql("SELECT 1 FROM disk WHERE id = :d", d=disk_id) is None


def test_purged_by_itself(cloud: MemoryCloud) -> None:
    """After its time, and not before, what lies in the trash is deleted; 0 keeps it."""
    disk_id, young = make(cloud), make(cloud)
    for each in (disk_id, young):
        cloud.call("user.disk.delete", [each])
    cloud.sql("UPDATE disk SET trashed_at = trashed_at - interval '8 days' WHERE id = :d", d=disk_id)
    transact = cloud.manager.database.transact
    assert run(lambda: transact(purge_overdue, 0.0)) == 0
    assert run(lambda: transact(purge_overdue, 7 * 86_400.0)) == 1
    cloud.until(lambda: cloud.sql("SELECT 1 FROM disk WHERE id = :d", d=disk_id) is None, "it is gone")
    assert told(cloud, young)["state"] == "trashed"


# ------------------------------------------------------------------ attached


def test_running(cloud: MemoryCloud) -> None:
    """A running VM gets a disk and gives it back; another may have it then."""
    disk_id, vm, other = make(cloud), running(cloud), running(cloud)
    answer = done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"])
    assert answer["device"] == "vdb" and devices(cloud, vm) == ["vda", "vdb"]
    assert [i["id"] for i in cloud.vm(vm["vm_id"])["storage_images"]] == [told(cloud, disk_id)["image_id"]]
    for refused in (vm, other):
        with pytest.raises(InUse):
            cloud.call("user.disk.attach", [disk_id, refused["vm_id"]])
    with pytest.raises(InUse):
        cloud.call("user.disk.delete", [disk_id])
    done(cloud, "user.disk.detach", disk_id=disk_id, vm_id=vm["vm_id"])
    assert devices(cloud, vm) == ["vda"] and places(cloud, disk_id) == []
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=other["vm_id"], bus="scsi")
    assert devices(cloud, other) == ["vda", "sdb"]


def test_stopped(cloud: MemoryCloud) -> None:
    """A stopped VM has it from its next start, in the boot order that was asked for."""
    disk_id, vm = make(cloud), stopped(cloud)
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"], boot_order=2, bus="sata")
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    domain = node_of(cloud).world.domains[vm["uuid"]].running
    assert domain is not None
    assert [(disk.device, disk.boot_order, disk.bus) for disk in domain.disks] == [
        ("vda", 1, "virtio"), ("sdb", 2, "sata")
    ]  # fmt: skip
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    done(cloud, "user.disk.detach", disk_id=disk_id, vm_id=vm["vm_id"])
    assert places(cloud, disk_id) == []


def test_readers(cloud: MemoryCloud) -> None:
    """Several VMs may read a disk, none writes to it meanwhile; who has it has to be named then."""
    disk_id, first, second, third = make(cloud), running(cloud), running(cloud), running(cloud)
    for vm in (first, second):
        done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"], read_only=True)
    with pytest.raises(InUse):
        cloud.call("user.disk.attach", [disk_id, third["vm_id"]])
    with pytest.raises(InUse):
        cloud.create(disk_list=[told(cloud, disk_id)["image_id"]])
    with pytest.raises(WrongDiskState):
        cloud.call("user.disk.detach", [disk_id, third["vm_id"]])
    done(cloud, "user.disk.detach", disk_id=disk_id, vm_id=first["vm_id"])
    assert [vm_id for vm_id, _ in places(cloud, disk_id)] == [second["vm_id"]]


def test_delete_with_vm(cloud: MemoryCloud) -> None:
    """A disk that is to end with its VM does, with its entry and its claims."""
    before = used(cloud)
    disk_id, vm = make(cloud), running(cloud)
    image_id = told(cloud, disk_id)["image_id"]
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"], delete_with_vm=True)
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    assert used(cloud) == before
    assert cloud.sql("SELECT state FROM image WHERE id = :i", i=image_id) == "deleted"
    assert cloud.sql("SELECT 1 FROM disk WHERE id = :d", d=disk_id) is None
    pool = f"wawel-{cloud.storage_id}"
    uuid = cloud.sql("SELECT uuid::text FROM image WHERE id = :i", i=image_id)
    assert not any(uuid in volume.name for volume in node_of(cloud).volumes.list_all(pool))


def test_refused(cloud: MemoryCloud) -> None:
    """What a VM's state, the disk's kind or the place do not allow changes nothing."""
    disk_id, vm = make(cloud), running(cloud)
    iso = cloud.image("an.iso", kind="iso", claimed_bytes=0)
    iso_disk = cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=iso)
    (root,) = cloud.call("user.disk.get_list", {"vm_id": vm["vm_id"]})
    wrong: list[tuple[type[CloudError], str, dict[str, Any]]] = [
        (WrongDiskState, "attach", {"disk_id": iso_disk, "vm_id": vm["vm_id"]}),
        (InUse, "attach", {"disk_id": root["disk_id"], "vm_id": vm["vm_id"]}),
        (InvalidParameter, "attach", {"disk_id": disk_id, "vm_id": vm["vm_id"], "bus": "ide"}),
        (InvalidParameter, "attach",
         {"disk_id": disk_id, "vm_id": vm["vm_id"], "read_only": True, "delete_with_vm": True}),
        (InUse, "detach", {"disk_id": root["disk_id"], "vm_id": vm["vm_id"]}),
        (WrongDiskState, "detach", {"disk_id": disk_id, "vm_id": vm["vm_id"]}),
        (InUse, "delete", {"disk_id": root["disk_id"]}),
    ]  # fmt: skip
    for error, view, params in wrong:
        with pytest.raises(error):
            cloud.call(f"user.disk.{view}", params)
    far = cloud.sql(
        "INSERT INTO storage (name, kind, path, capacity_bytes, overcommit) VALUES ('far', 'dir', '/far', 1, 4.0)"
        " RETURNING id"
    )
    distant = cloud.image("distant", kind="storage", claimed_bytes=0)
    cloud.sql("UPDATE volume SET storage_id = :s WHERE name = 'distant'", s=far)
    with pytest.raises(DiskOutOfReach):
        cloud.call(
            "user.disk.attach", [cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=distant), vm["vm_id"]]
        )
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    with pytest.raises(WrongVMState):
        cloud.call("user.disk.attach", [disk_id, vm["vm_id"]])


# ------------------------------------------------------------------ what goes wrong


def test_attach_fails(cloud: MemoryCloud) -> None:
    """A disk that a node refuses is free again, with the reason told."""
    disk_id, vm = make(cloud), running(cloud)
    node_of(cloud).fail_next("attach", HypervisorError("no room on the bus", 1))
    answer = cloud.call("user.disk.attach", [disk_id, vm["vm_id"]])
    op = cloud.ended(answer["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "hypervisor_error")
    cloud.until(lambda: places(cloud, disk_id) == [], "it is taken back")
    cloud.wait(vm["vm_id"], "running")
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"])


def test_answer_lost(cloud: MemoryCloud) -> None:
    """An answer that does not come is asked for again: the disk is attached once, and detached."""
    disk_id, vm = make(cloud), running(cloud)
    for view in ("attach", "detach"):
        node_of(cloud).fail_next(view, NodeUnreachable("n1", "gone"), after=True)
        done(cloud, f"user.disk.{view}", disk_id=disk_id, vm_id=vm["vm_id"])
    assert devices(cloud, vm) == ["vda"]


def test_attached_though_it_failed(cloud: MemoryCloud) -> None:
    """A failure whose call took effect is undone in the domain, too."""
    disk_id, vm = make(cloud), running(cloud)
    node_of(cloud).fail_next("attach", HypervisorError("a strange answer", 1), after=True)
    answer = cloud.call("user.disk.attach", [disk_id, vm["vm_id"]])
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    cloud.until(lambda: devices(cloud, vm) == ["vda"] and places(cloud, disk_id) == [], "it is taken back")


def test_guest_takes_its_time(cloud: MemoryCloud) -> None:
    """A guest that lets go of a disk after it was asked, between two looks, has let go of it."""
    disk_id, vm = make(cloud), running(cloud)
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"])
    node = node_of(cloud)
    node.holds_disks.add(vm["uuid"])
    answer = cloud.call("user.disk.detach", [disk_id, vm["vm_id"]])
    state = "SELECT state FROM operation WHERE id = :i"
    cloud.until(lambda: cloud.sql(state, i=answer["operation_id"]) == "waiting", "the guest was asked")
    node.let_go(vm["uuid"])
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    assert devices(cloud, vm) == ["vda"] and places(cloud, disk_id) == []


def test_guest_keeps_it(cloud: MemoryCloud) -> None:
    """A guest that does not let go keeps the disk, and the record says so; a later yes is found by looking."""
    disk_id, vm = make(cloud), running(cloud)
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"])
    node = node_of(cloud)
    node.holds_disks.add(vm["uuid"])
    answer = cloud.call("user.disk.detach", [disk_id, vm["vm_id"]])
    op = cloud.ended(answer["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "disk_kept")
    assert devices(cloud, vm) == ["vda", "vdb"] and places(cloud, disk_id) == [(vm["vm_id"], "vdb")]
    assert told(cloud, disk_id)["attachments"][0]["leaving"]
    services = cloud.manager.services
    run(lambda: settle_leaving(services))
    assert places(cloud, disk_id) == [(vm["vm_id"], "vdb")]
    node.let_go(vm["uuid"])
    run(lambda: settle_leaving(services))
    assert places(cloud, disk_id) == [] and devices(cloud, vm) == ["vda"]


def test_kept_over_a_stop(cloud: MemoryCloud) -> None:
    """What a guest kept is its VM's after a stop as before, and nobody waits for it any more."""
    disk_id, vm = make(cloud), running(cloud)
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"])
    node_of(cloud).holds_disks.add(vm["uuid"])
    assert cloud.ended(cloud.call("user.disk.detach", [disk_id, vm["vm_id"]])["operation_id"])["state"] == "failed"
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    run(lambda: settle_leaving(cloud.manager.services))
    assert [a["leaving"] for a in told(cloud, disk_id)["attachments"]] == [False]
    done(cloud, "user.disk.detach", disk_id=disk_id, vm_id=vm["vm_id"])


def test_destroy_beats_detach(cloud: MemoryCloud) -> None:
    """A destroy does not wait for a guest that keeps a disk; the disk is free then."""
    disk_id, vm = make(cloud), running(cloud)
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=vm["vm_id"])
    node_of(cloud).holds_disks.add(vm["uuid"])
    answer = cloud.call("user.disk.detach", [disk_id, vm["vm_id"]])
    with pytest.raises(VMBusy):
        cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.ended(answer["operation_id"])["state"] in ("abandoned", "failed")
    assert places(cloud, disk_id) == []
    done(cloud, "user.disk.attach", disk_id=disk_id, vm_id=stopped(cloud)["vm_id"])


def test_end_during_attach(cloud: MemoryCloud) -> None:
    """A guest that ends while it is given a disk leads to what its policy says, and the disk is its VM's."""
    disk_id, vm = make(cloud), running(cloud)
    release = node_of(cloud).hang(60.0, methods=["attach"])
    answer = cloud.call("user.disk.attach", [disk_id, vm["vm_id"]])
    node_of(cloud).guest_power_off(vm["uuid"])
    release()
    assert cloud.ended(answer["operation_id"])["state"] == "done"
    cloud.wait(vm["vm_id"], "stopped")
    assert places(cloud, disk_id) == [(vm["vm_id"], "vdb")]


def test_given_up(cloud: MemoryCloud) -> None:
    """An attach that is given up is undone, whatever its node did of it."""
    disk_id, vm = make(cloud), running(cloud)
    release = node_of(cloud).hang(60.0, methods=["attach"])
    answer = cloud.call("user.disk.attach", [disk_id, vm["vm_id"]])
    cloud.until(lambda: cloud.sql("SELECT state FROM operation WHERE id = :o", o=answer["operation_id"]) == "running",
                "it is under way")  # fmt: skip
    cloud.call("user.operation.abandon", [answer["operation_id"]])
    release()
    cloud.until(lambda: devices(cloud, vm) == ["vda"] and places(cloud, disk_id) == [], "it is undone")


# ------------------------------------------------------------------ drives


def an_iso(cloud: MemoryCloud) -> int:
    volume = f"{uuid.uuid4()}.iso"
    node_of(cloud).volumes.create_empty(f"wawel-{cloud.storage_id}", volume, DiskFormat.RAW, MIB)
    return cloud.image(volume, kind="iso", format="raw", size_bytes=MIB)


def media(cloud: MemoryCloud, vm: dict[str, Any]) -> dict[str, str]:
    """What is in the drives of the domain that runs."""
    domain = node_of(cloud).world.domains[vm["uuid"]].running
    assert domain is not None
    return {disk.device: disk.path.rpartition("/")[2] for disk in domain.disks if disk.cdrom}


def name_of(cloud: MemoryCloud, image_id: int) -> str:
    return str(cloud.sql("SELECT u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :i", i=image_id))


def test_cd_in_a_running_vm(cloud: MemoryCloud) -> None:
    """What is in a drive that it was started with is changed, taken out, and kept over a restart."""
    one, two = an_iso(cloud), an_iso(cloud)
    vm = running(cloud, iso_list=[one])
    assert media(cloud, vm) == {"sdw": name_of(cloud, one)}
    answer = done(cloud, "user.vm.insert_cd", vm_id=vm["vm_id"], iso_image_id=two)
    assert answer["device"] == "sdw" and media(cloud, vm) == {"sdw": name_of(cloud, two)}
    assert [iso["id"] for iso in cloud.vm(vm["vm_id"])["iso_images"]] == [two]
    with pytest.raises(InUse):
        cloud.call("user.iso_image.delete", [two])
    done(cloud, "user.vm.eject_cd", vm_id=vm["vm_id"])
    assert media(cloud, vm) == {"sdw": ""} and cloud.vm(vm["vm_id"])["iso_images"] == []
    cloud.call("user.iso_image.delete", [two])
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    assert media(cloud, vm) == {"sdw": ""}
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.eject_cd", [vm["vm_id"]])


def test_cd_without_a_drive(cloud: MemoryCloud) -> None:
    """A VM that runs without a drive is given one, which goes with the CD until it is started anew."""
    one, two, vm = an_iso(cloud), an_iso(cloud), running(cloud)
    for iso in (one, two):
        done(cloud, "user.vm.insert_cd", vm_id=vm["vm_id"], iso_image_id=iso)
        assert media(cloud, vm) == {"sdw": name_of(cloud, iso)}
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    done(cloud, "user.vm.insert_cd", vm_id=vm["vm_id"], iso_image_id=one)
    ordered = cloud.call("user.vm.set_boot_order", [vm["vm_id"], ["sdw", "vda"]])
    assert ordered["vm_id"] == vm["vm_id"]
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    domain = node_of(cloud).world.domains[vm["uuid"]].running
    assert domain is not None and {d.device: d.boot_order for d in domain.disks} == {"vda": 2, "sdw": 1}
    for wrong in (["vdx"], ["vda", "vda"]):
        with pytest.raises(InvalidParameter):
            cloud.call("user.vm.set_boot_order", [vm["vm_id"], wrong])


def test_cd_that_is_held(cloud: MemoryCloud) -> None:
    """A guest that holds its CD keeps it, on record too; by force it is taken."""
    one, two = an_iso(cloud), an_iso(cloud)
    vm = running(cloud, iso_list=[one])
    node_of(cloud).locks_tray.add(vm["uuid"])
    answer = cloud.call("user.vm.insert_cd", [vm["vm_id"], two])
    op = cloud.ended(answer["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "tray_locked")
    cloud.wait(vm["vm_id"], "running")
    assert media(cloud, vm) == {"sdw": name_of(cloud, one)}
    assert [iso["id"] for iso in cloud.vm(vm["vm_id"])["iso_images"]] == [one]
    done(cloud, "user.vm.insert_cd", vm_id=vm["vm_id"], iso_image_id=two, force=True)
    assert media(cloud, vm) == {"sdw": name_of(cloud, two)}


def test_cd_that_is_held_in_a_later_drive(cloud: MemoryCloud) -> None:
    """A SCSI drive that came with its CD keeps a locked one, too, once its VM is started with it."""
    one, two, vm = an_iso(cloud), an_iso(cloud), running(cloud)
    done(cloud, "user.vm.insert_cd", vm_id=vm["vm_id"], iso_image_id=one)
    cloud.call("user.vm.stop", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "stopped")
    cloud.call("user.vm.start", [vm["vm_id"]])
    cloud.wait(vm["vm_id"], "running")
    node_of(cloud).locks_tray.add(vm["uuid"])
    for view, more in (("insert_cd", {"iso_image_id": two}), ("eject_cd", {})):
        answer = cloud.call(f"user.vm.{view}", {"vm_id": vm["vm_id"], **more})
        op = cloud.ended(answer["operation_id"])
        assert (op["state"], op["error"]) == ("failed", "tray_locked")
        cloud.wait(vm["vm_id"], "running")
        assert media(cloud, vm) == {"sdw": name_of(cloud, one)}
    done(cloud, "user.vm.eject_cd", vm_id=vm["vm_id"], force=True)
    assert media(cloud, vm) == {"sdw": ""}


def test_cd_that_fails(cloud: MemoryCloud) -> None:
    """A change whose answer was an error is undone where it took effect."""
    one, two = an_iso(cloud), an_iso(cloud)
    vm = running(cloud, iso_list=[one])
    node_of(cloud).fail_next("medium", HypervisorError("strange", 1), after=True)
    answer = cloud.call("user.vm.insert_cd", [vm["vm_id"], two])
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    cloud.wait(vm["vm_id"], "running")
    assert media(cloud, vm) == {"sdw": name_of(cloud, one)}


def test_install_from_an_iso(cloud: MemoryCloud) -> None:
    """A VM of an ISO has an empty disk of the size that was asked for, and boots from the ISO behind it."""
    iso = an_iso(cloud)
    with pytest.raises(InvalidParameter):
        cloud.create(image_id=iso)
    before = used(cloud)
    values = {"name": "installed", "description": "", "image_id": iso, "template_id": cloud.template_id}
    made = cloud.call("user.vm.create", {**values, "disk_mib": 7, "count": 2})
    assert used(cloud) - before == 14
    for vm in made:
        vm = cloud.wait(vm["vm_id"], "running")
        root, drive = node_of(cloud).world.domains[vm["uuid"]].spec.disks
        assert (root.device, root.boot_order, drive.device, drive.boot_order) == ("vda", 1, "sdw", None)
        assert media(cloud, vm) == {"sdw": name_of(cloud, iso)}
        volume = node_of(cloud).world.storages.behind(root.path)
        assert volume is not None and (volume.capacity_bytes, volume.base) == (7 * MIB, None)
        done(cloud, "user.vm.eject_cd", vm_id=vm["vm_id"])
        cloud.call("user.vm.destroy", [[vm["vm_id"]]])
        cloud.wait(vm["vm_id"], "destroyed")
    assert used(cloud) == before


def test_by_other_names(cloud: MemoryCloud) -> None:
    """Storage images and ISOs go by CC1's calls as disks and drives do by ours."""
    assert cloud.call("user.storage_image.get_filesystems") == ["ext4", "xfs", "vfat", "ntfs"]
    buses = {row["name"]: row["live_attach"] for row in cloud.call("user.storage_image.get_disk_controllers")}
    assert buses["virtio"] and buses["scsi"] and not buses["sata"]
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    made = cloud.call("user.storage_image.create", ["by its other name", "", None, 5])
    assert cloud.ended(made["operation_id"])["state"] == "done"
    image_id = cloud.call("user.disk.get_by_id", [made["disk_id"]])["image_id"]
    both = [image_id, vm["vm_id"]]
    for account in ("other", "user"):
        for verb in ("attach", "detach"):
            if account == "other":
                with pytest.raises(ObjectNotFound):
                    cloud.call(f"user.storage_image.{verb}", both, account=account)
            else:
                given = cloud.call(f"user.storage_image.{verb}", both)
                assert (given["disk_id"], given["device"]) == (made["disk_id"], "vdb")
                assert cloud.ended(given["operation_id"])["state"] == "done"
    with pytest.raises(WrongDiskState):
        cloud.call("user.storage_image.detach", both)
    with pytest.raises(ObjectNotFound):  # a system image is none
        cloud.call("user.storage_image.attach", [cloud.image_id, vm["vm_id"]])
    edited = cloud.call("user.storage_image.edit", {"image_id": image_id, "name": "new", "disk_controller": "scsi"})
    assert (edited["name"], edited["description"]) == ("new", "")
    node_of(cloud).volumes.create_empty(f"wawel-{cloud.storage_id}", "tools.iso", DiskFormat.RAW, 2**20)
    iso = cloud.image("tools.iso", kind="iso", format="raw", size_bytes=2**20, name="tools")
    assert cloud.call("user.iso_image.edit", {"image_id": iso, "description": "drivers"})["description"] == "drivers"
    with pytest.raises(WrongVMState):
        cloud.call("user.iso_image.detach", [iso, vm["vm_id"]])
    for verb, full in ("attach", True), ("detach", False):
        given = cloud.call(f"user.iso_image.{verb}", [iso, vm["vm_id"]])
        assert cloud.ended(given["operation_id"])["state"] == "done"
        running = node_of(cloud).world.domains[vm["uuid"]].running
        assert running is not None
        drives = [disk for disk in running.disks if disk.cdrom]
        assert any(drive.source for drive in drives) is full
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
