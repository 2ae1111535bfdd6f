"""What disks lie on: larger, copied, moved, turned into images; and what is claimed meanwhile and afterwards."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.node import MemoryNode
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import (
    CloudError,
    HypervisorError,
    InUse,
    InvalidParameter,
    NodeUnreachable,
    NotAbandonable,
    NotApplicable,
    ObjectNotFound,
    QuotaReached,
    StorageFull,
    StorageOutOfReach,
    StoragesApart,
    StorageUnreached,
    VMBusy,
    WrongImageState,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.rules.image import GuestFormat
from cm.services.reconcile import run_pass
from support.cloud import MemoryCloud, run

MIB = 2**20
SIZE = 8 * MIB


class Disks(MemoryCloud):
    """With a second storage, "other", on the nodes."""

    other_storage: int

    def fill(self) -> None:
        super().fill()
        self.other_storage = self.sql(
            "INSERT INTO storage (name, kind, path, capacity_bytes, overcommit)"
            " VALUES ('other', 'dir', '/srv/other', 1099511627776, 1.0) RETURNING id"
        )
        self.sql("UPDATE storage SET offered = true")
        for node_id, memory in self.memory.items():
            memory.pools.attach(StorageSpec(f"wawel-{self.other_storage}", StorageKind.DIR, "/srv/other"))
            self.sql(
                "INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached')",
                s=self.other_storage,
                n=node_id,
            )

    @property
    def only(self) -> MemoryNode:
        return next(iter(self.memory.values()))

    def data(self, form: DiskFormat = DiskFormat.QCOW2) -> tuple[int, int]:
        """A disk of the user's, and its entry."""
        key = uuid.uuid4()
        volume = f"image-{key}.{form}"
        self.only.volumes.create_empty(f"wawel-{self.storage_id}", volume, form, SIZE)
        claims = {"size_bytes": SIZE, "claimed_bytes": SIZE}
        image_id = self.image(volume, kind="storage", name="data", format=str(form), uuid=str(key), **claims)
        self.sql("UPDATE account SET used_storage_mib = used_storage_mib + 8 WHERE id = :u", u=self.user_id)
        self.sql("UPDATE storage SET claimed_bytes = claimed_bytes + :b WHERE id = :s", b=SIZE, s=self.storage_id)
        return self.sql("SELECT id FROM disk WHERE image_id = :i", i=image_id), image_id

    def running(self, **more: Any) -> tuple[int, int]:
        """A VM that runs, and its root disk."""
        vm_id = self.create(**more)["vm_id"]
        self.wait(vm_id, "running")
        return vm_id, self.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = 0", v=vm_id)

    def disk(self, disk_id: int) -> dict[str, Any]:
        return self.call("user.disk.get_by_id", [disk_id])

    def volume_of(self, disk_id: int) -> str:
        return self.sql("SELECT u.name FROM disk k JOIN volume u ON u.id = k.volume_id WHERE k.id = :i", i=disk_id)

    def files(self, storage_id: int) -> dict[str, int]:
        return {v.name: v.capacity_bytes for v in self.only.volumes.list_all(f"wawel-{storage_id}")}

    def claimed(self) -> tuple[int, int, int]:
        """Of the storages, and of the user's quota in MiB."""
        read = "SELECT claimed_bytes FROM storage WHERE id = :s"
        return (
            self.sql(read, s=self.storage_id),
            self.sql(read, s=self.other_storage),
            self.sql("SELECT used_storage_mib FROM account WHERE id = :u", u=self.user_id),
        )

    def over(self, answer: dict[str, Any]) -> dict[str, Any]:
        """An operation of anybody's, when it has ended."""
        params = {"operation_id": answer["operation_id"], "timeout": 20}
        op = self.call("admin.operation.wait", params, account="admin")
        assert op["state"] in ("done", "failed", "abandoned"), "it has not ended"
        return dict(op)

    def done(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Until it, and what it left to be deleted, has ended well."""
        op = self.over(answer)
        assert op["state"] == "done", op
        self.settled()
        return op

    def discarded(self, uuid_: str) -> None:
        """Until a pass has found that nobody has the domain any more: it holds its port until then."""
        self.until(lambda: uuid_ not in self.only.world.domains, "its domain is gone")

    def seen_without(self, vm_id: int, uuid_: str) -> None:
        """Until the node was seen without an erased VM, a while after that was erased."""
        self.discarded(uuid_)
        self.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE id = :i", i=vm_id)
        run(lambda: run_pass(self.manager.services, self.node_ids[0]))
        self.sql("UPDATE operation SET not_before = now() WHERE state = 'queued'")
        self.manager.engine.wake()

    def settled(self) -> None:
        open_ones = "SELECT count(*) FROM operation WHERE state IN ('queued', 'waiting', 'running')"
        self.until(lambda: not self.sql(open_ones), "nothing is under way")
        assert self.leaks() == []


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    postgres.create_database("disk_bytes", template="wawel_template")
    made = Disks(postgres.url("disk_bytes"), Path(tmp_path_factory.mktemp("disk_bytes")), nodes=1)
    yield made
    made.stop()
    postgres.drop_database("disk_bytes")


@pytest.fixture(autouse=True)
def balanced(cloud: Disks) -> Iterator[None]:
    """Each test ends with nothing under way, and with books that balance."""
    yield
    cloud.only.unreachable = False
    cloud.settled()


# ------------------------------------------------------------------ larger


def test_grow(cloud: Disks) -> None:
    """A disk grows cold, and its quota and storage with it."""
    disk_id, _ = cloud.data()
    main, other, mib = cloud.claimed()
    cloud.done(cloud.call("user.disk.grow", [disk_id, 16]))
    assert cloud.disk(disk_id)["size_bytes"] == 16 * MIB
    assert cloud.files(cloud.storage_id)[cloud.volume_of(disk_id)] == 16 * MIB
    assert cloud.claimed() == (main + SIZE, other, mib + 8)


def test_grow_live(cloud: Disks) -> None:
    """A running VM's root disk grows under its guest."""
    vm_id, disk_id = cloud.running()
    cloud.only.calls.clear()
    cloud.done(cloud.call("user.disk.grow", [disk_id, 128]))
    assert "grow" in cloud.only.calls and "resize" not in cloud.only.calls
    assert cloud.files(cloud.storage_id)[cloud.volume_of(disk_id)] == 128 * MIB
    assert cloud.disk(disk_id)["size_bytes"] == 128 * MIB and cloud.vm(vm_id)["state"] == "running"


def test_never_smaller(cloud: Disks) -> None:
    """Neither our record nor the node lets a disk be cut off, and nothing is claimed then."""
    disk_id, _ = cloud.data()
    before = cloud.claimed()
    for size_mib in (1, 8):
        with pytest.raises(InvalidParameter):
            cloud.call("user.disk.grow", [disk_id, size_mib])
    cloud.only.volumes.resize(f"wawel-{cloud.storage_id}", cloud.volume_of(disk_id), DiskFormat.QCOW2, 32 * MIB)
    op = cloud.ended(cloud.call("user.disk.grow", [disk_id, 16])["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "invalid_parameter")
    assert cloud.claimed() == before and cloud.disk(disk_id)["size_bytes"] == SIZE


def test_grow_quota(cloud: Disks) -> None:
    """What does not fit quota or storage is refused, and changes nothing."""
    disk_id, _ = cloud.data()
    before = cloud.claimed()
    with pytest.raises(QuotaReached):
        cloud.call("user.disk.grow", [disk_id, 2 * 2**20])
    cloud.sql("UPDATE storage SET overcommit = 0.0000001 WHERE id = :s", s=cloud.storage_id)
    try:
        with pytest.raises(StorageFull):
            cloud.call("user.disk.grow", [disk_id, 2**18])
    finally:
        cloud.sql("UPDATE storage SET overcommit = 4.0 WHERE id = :s", s=cloud.storage_id)
    assert cloud.claimed() == before and cloud.disk(disk_id)["operation_id"] is None


def test_grow_answer_lost(cloud: Disks) -> None:
    """A node that did what was asked and whose answer is lost is asked again."""
    disk_id, _ = cloud.data()
    cloud.only.fail_next("resize", NodeUnreachable("n1", "gone"), after=True)
    cloud.done(cloud.call("user.disk.grow", [disk_id, 16]))
    assert cloud.disk(disk_id)["size_bytes"] == 16 * MIB


def test_grow_given_up(cloud: Disks) -> None:
    """Given up while its node may have done it, what was claimed stays claimed, and counts for the next time."""
    disk_id, _ = cloud.data()
    main, other, mib = cloud.claimed()
    for _ in range(100):
        cloud.only.fail_next("resize", NodeUnreachable("n1", "gone"))
    operation_id = cloud.call("user.disk.grow", [disk_id, 16])["operation_id"]
    cloud.until(lambda: cloud.call("user.operation.get", [operation_id])["attempts"] > 1, "it was tried")
    cloud.call("user.operation.abandon", [operation_id])
    cloud.settled()
    assert cloud.claimed() == (main + SIZE, other, mib + 8) and cloud.disk(disk_id)["size_bytes"] == SIZE
    cloud.only._faults.next.clear()
    cloud.done(cloud.call("user.disk.grow", [disk_id, 24]))
    assert cloud.claimed() == (main + 2 * SIZE, other, mib + 16)


@pytest.fixture()
def group(cloud: Disks) -> Iterator[int]:
    """A volume group, whose volumes do not grow."""
    name = f"vg{uuid.uuid4().hex[:8]}"
    made: int = cloud.sql(
        "INSERT INTO storage (name, kind, path, source, capacity_bytes, overcommit, offered)"
        f" VALUES ('{name}', 'logical', '/dev/{name}', '{name}', 268435456, 1.0, true) RETURNING id"
    )
    cloud.only.pools.attach(StorageSpec(f"wawel-{made}", StorageKind.LOGICAL, f"/dev/{name}", source=name))
    values = {"s": made, "n": next(iter(cloud.memory))}
    cloud.sql("INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached')", **values)
    yield made
    cloud.only.unreachable = False
    cloud.settled()
    cloud.sql("UPDATE storage SET locked = true WHERE id = :s", s=made)


def test_grow_on_a_group(cloud: Disks, group: int) -> None:
    """
    Where volumes do not grow in their place a disk becomes a larger one, while no guest runs. What is claimed in the
    end is what it has; growth that fails, or is given up, claims what there was before.
    """
    made = cloud.call("user.disk.create", {"name": "data", "size_mib": 8, "storage_id": group})
    cloud.done(made)
    disk_id = made["disk_id"]

    def counted() -> tuple[int, int, dict[str, int]]:
        claimed = cloud.sql("SELECT claimed_bytes FROM storage WHERE id = :s", s=group)
        return claimed, cloud.claimed()[2], cloud.files(group)

    main, mib, files = counted()
    assert main == SIZE == files[cloud.volume_of(disk_id)]
    cloud.done(cloud.call("user.disk.grow", [disk_id, 13]))
    assert counted() == (2 * SIZE, mib + 8, {cloud.volume_of(disk_id): 2 * SIZE})
    assert cloud.disk(disk_id)["size_bytes"] == 2 * SIZE
    with pytest.raises(StorageFull):
        cloud.call("user.disk.grow", [disk_id, 200])
    cloud.only.fail_next("create_copy", HypervisorError("broken", 38))
    answer = cloud.call("user.disk.grow", [disk_id, 24])
    assert cloud.over(answer)["state"] == "failed"
    cloud.settled()
    assert counted() == (2 * SIZE, mib + 8, {cloud.volume_of(disk_id): 2 * SIZE})
    cloud.call("user.operation.retry", [answer["operation_id"]])
    cloud.done(answer)
    assert counted() == (3 * SIZE, mib + 16, {cloud.volume_of(disk_id): 3 * SIZE})
    for _ in range(100):
        cloud.only.fail_next("create_copy", NodeUnreachable("n1", "gone"))
    given_up = cloud.call("user.disk.grow", [disk_id, 32])["operation_id"]
    cloud.until(lambda: cloud.call("user.operation.get", [given_up])["attempts"] > 0, "it was tried")
    cloud.call("user.operation.abandon", [given_up])
    cloud.only._faults.next.clear()
    cloud.settled()
    assert counted() == (3 * SIZE, mib + 16, {cloud.volume_of(disk_id): 3 * SIZE})
    vm_id, _ = cloud.running(disk_list=[cloud.disk(disk_id)["image_id"]])
    with pytest.raises(WrongVMState):
        cloud.call("user.disk.grow", [disk_id, 32])
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    cloud.call("user.disk.delete", [disk_id])
    cloud.done(cloud.call("user.disk.purge", [disk_id]))
    assert counted() == (0, mib - 8, {})


@pytest.mark.parametrize("fails", ["", "grow", "copy"])
def test_move_to_whole_extents(cloud: Disks, group: int, fails: str) -> None:
    """
    A disk whose size is none that a volume group has grows under its guest before it moves there, since QEMU copies
    between volumes of one size alone. Where that fails the disk is as large as what is claimed for it.
    """
    made = cloud.call("user.disk.create", {"name": "odd", "size_mib": 5})
    cloud.done(made)
    disk_id, before = made["disk_id"], cloud.claimed()
    vm_id, _ = cloud.running(disk_list=[cloud.disk(disk_id)["image_id"]])
    own = cloud.claimed()[2] - before[2]
    if fails:
        cloud.only.fail_next(fails, HypervisorError("broken", 38))
    answer = cloud.call("user.disk.move", [disk_id, group])
    ended = cloud.over(answer)
    cloud.settled()
    if fails:
        assert ended["state"] == "failed" and cloud.disk(disk_id)["storage_id"] == cloud.storage_id
        assert cloud.disk(disk_id)["size_bytes"] == (5 if fails == "grow" else 8) * MIB
        assert cloud.claimed()[2] == before[2] + own + 3  # of one that was asked for nobody knows
        cloud.call("user.operation.retry", [answer["operation_id"]])
        cloud.done(answer)
    assert cloud.files(group) == {cloud.volume_of(disk_id): 8 * MIB}
    assert cloud.disk(disk_id)["size_bytes"] == 8 * MIB and cloud.claimed()[2] == before[2] + own + 3
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    cloud.call("user.disk.delete", [disk_id])
    cloud.done(cloud.call("user.disk.purge", [disk_id]))
    assert cloud.claimed()[2] == before[2] - 5 and cloud.files(group) == {}


def test_move_retried_after_growth(cloud: Disks) -> None:
    """
    A move under a guest that failed is retried after the disk may have grown: it grows to what is claimed for it, and
    so there are two volumes of one size.
    """
    vm_id, disk_id = cloud.running()
    cloud.only.fail_next("copy", HypervisorError("broken", 38))
    answer = cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    assert cloud.over(answer)["state"] == "failed"
    cloud.settled()
    for _ in range(100):
        cloud.only.fail_next("grow", NodeUnreachable("n1", "gone"))
    growth = cloud.call("user.disk.grow", [disk_id, 96])["operation_id"]
    cloud.until(lambda: cloud.call("user.operation.get", [growth])["attempts"] > 0, "it was tried")
    cloud.call("user.operation.abandon", [growth])
    cloud.only._faults.next.clear()
    cloud.settled()
    assert cloud.disk(disk_id)["size_bytes"] == 64 * MIB
    cloud.call("user.operation.retry", [answer["operation_id"]])
    cloud.done(answer)
    assert cloud.disk(disk_id)["size_bytes"] == 96 * MIB and cloud.disk(disk_id)["storage_id"] == cloud.other_storage
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")


# ------------------------------------------------------------------ copies


def test_copy(cloud: Disks) -> None:
    """A copy is a disk of the caller's with an entry of its own, and qcow2; on another storage it is claimed there."""
    disk_id, _ = cloud.data(DiskFormat.RAW)
    main, other, mib = cloud.claimed()
    answer = cloud.call("user.disk.copy", {"disk_id": disk_id, "name": "twin", "storage_id": cloud.other_storage})
    cloud.done(answer)
    twin = cloud.disk(answer["disk_id"])
    assert (twin["name"], twin["state"], twin["size_bytes"], twin["format"]) == ("twin", "ok", SIZE, "qcow2")
    assert twin["image_id"] == answer["image_id"] and twin["storage_id"] == cloud.other_storage
    assert cloud.claimed() == (main, other + SIZE, mib + 8)
    cloud.call("user.storage_image.delete", [answer["image_id"]])
    cloud.settled()
    assert cloud.claimed() == (main, other, mib)


def test_copy_running(cloud: Disks) -> None:
    """A disk that a guest writes to is not copied; once its VM is stopped it is."""
    vm_id, disk_id = cloud.running()
    with pytest.raises(WrongVMState):
        cloud.call("user.disk.copy", [disk_id, "twin"])
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    answer = cloud.call("user.disk.copy", [disk_id, "twin"])
    cloud.done(answer)
    assert cloud.disk(answer["disk_id"])["size_bytes"] == 64 * MIB


def test_copy_failed(cloud: Disks) -> None:
    """A copy that fails stays as failed with its reason, holds nothing, and can be tried again."""
    disk_id, _ = cloud.data()
    before = cloud.claimed()
    cloud.only.fail_next("create_copy", HypervisorError("broken", 38))
    answer = cloud.call("user.disk.copy", [disk_id, "twin"])
    assert cloud.ended(answer["operation_id"])["state"] == "failed"
    cloud.settled()
    assert cloud.claimed() == before
    cloud.call("user.operation.retry", [answer["operation_id"]])
    cloud.done(answer)
    assert cloud.disk(answer["disk_id"])["state"] == "ok"


def test_to_image(cloud: Disks) -> None:
    """A stopped VM's root disk becomes a system image that VMs are made from, and the VM goes on."""
    vm_id, disk_id = cloud.running()
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    answer = cloud.call("user.disk.to_image", {"disk_id": disk_id, "name": "golden", "platform": "linux"})
    cloud.done(answer)
    assert answer["disk_id"] is None
    cloud.running(image_id=answer["image_id"])
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")


def _mib(cloud: Disks, account_id: int) -> int:
    used: int = cloud.sql("SELECT used_storage_mib FROM account WHERE id = :u", u=account_id)
    return used


def _give(cloud: Disks, image_id: int, user_id: int, **more: Any) -> dict[str, Any]:
    """An administrator's copy of an image, asked for."""
    asking = {"image_id": image_id, "user_id": user_id, **more}
    answer: dict[str, Any] = cloud.call("admin.system_image.copy", asking, account="admin")
    return answer


def test_copy_to_user(cloud: Disks) -> None:
    """
    An administrator's copy of a system image is the user's, private, on their quota and where it was to lie; they are
    told. It is like the image, in all but its family, and VMs are made from it; neither needs the other.
    """
    facts = {"system": "Debian 12", "default_user": "debian", "agent": True, "family": "debian-12", "description": "d",
             "network_device": "e1000", "least_memory_mib": 64}  # fmt: skip
    cloud.call("admin.system_image.edit", {"image_id": cloud.image_id, **facts}, account="admin")
    (main, other, mib), theirs = cloud.claimed(), _mib(cloud, cloud.other_id)
    answer = _give(cloud, cloud.image_id, cloud.other_id, storage_id=cloud.other_storage)
    assert answer["disk_id"] is None
    cloud.done(answer)
    copied = cloud.call("user.system_image.get_by_id", [answer["image_id"]], account="other")
    told = {**facts, "family": "", "name": "tiny", "access": "private", "state": "ok", "mine": True}
    assert {key: copied[key] for key in told} == told
    assert cloud.claimed() == (main, other + 64 * MIB, mib) and _mib(cloud, cloud.other_id) == theirs + 64
    told = [(m["code"], m["params"]["image_id"]) for m in cloud.call("user.message.get_list", account="other")]
    assert told == [("image_imported", answer["image_id"])]
    with pytest.raises(ObjectNotFound):
        cloud.call("user.system_image.get_by_id", [answer["image_id"]])
    vm = cloud.call(
        "user.vm.create",
        {"name": "vm", "description": "", "image_id": answer["image_id"], "template_id": cloud.template_id},
        account="other",
    )[0]
    cloud.until(lambda: cloud.sql("SELECT seen = 'running' FROM vm WHERE id = :i", i=vm["vm_id"]), "it runs")
    cloud.call("user.vm.destroy", [[vm["vm_id"]]], account="other")
    cloud.settled()
    cloud.done(cloud.call("user.system_image.delete", [answer["image_id"]], account="other"))
    assert cloud.claimed() == (main, other, mib) and _mib(cloud, cloud.other_id) == theirs


def test_copy_to_user_of_disk(cloud: Disks) -> None:
    """Of a disk they get a disk; one that a guest writes to is not copied, and held while it is."""
    disk_id, image_id = cloud.data()
    vm_id, _ = cloud.running()
    cloud.done(cloud.call("user.disk.attach", {"disk_id": disk_id, "vm_id": vm_id}))
    with pytest.raises(WrongVMState):
        _give(cloud, image_id, cloud.other_id)
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    release = cloud.only.hang(methods=("create_copy",))
    answer = _give(cloud, image_id, cloud.other_id, name="yours")
    with pytest.raises(VMBusy):
        cloud.call("user.vm.start", [vm_id])
    release()
    cloud.done(answer)
    copied = cloud.call("user.disk.get_by_id", [answer["disk_id"]], account="other")
    assert (copied["name"], copied["kind"], copied["state"], copied["size_bytes"]) == ("yours", "storage", "ok", SIZE)
    with pytest.raises(ObjectNotFound):
        cloud.disk(answer["disk_id"])


def test_copy_to_user_of_iso(cloud: Disks) -> None:
    """An ISO stays of use while it is copied, and can neither be deleted nor be moved; a system image neither."""
    key = uuid.uuid4()
    cloud.only.volumes.create_empty(f"wawel-{cloud.storage_id}", f"image-{key}.raw", DiskFormat.RAW, SIZE)
    claims = {"size_bytes": SIZE, "claimed_bytes": SIZE}
    iso = cloud.image(f"image-{key}.raw", kind="iso", name="cd", format="raw", uuid=str(key), **claims)
    cloud.sql("UPDATE account SET used_storage_mib = used_storage_mib + 8 WHERE id = :u", u=cloud.user_id)
    cloud.sql("UPDATE storage SET claimed_bytes = claimed_bytes + :b WHERE id = :s", b=SIZE, s=cloud.storage_id)
    disk_id = cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=iso)
    vm_id, _ = cloud.running()
    release = cloud.only.hang(methods=("create_copy",))
    answers = [_give(cloud, iso, cloud.other_id), _give(cloud, cloud.image_id, cloud.other_id)]
    for view, params in (
        ("user.iso_image.delete", [iso]),
        ("user.disk.delete", [disk_id]),
        ("user.disk.move", [disk_id, cloud.other_storage]),
    ):
        with pytest.raises(InUse):
            cloud.call(view, params)
    for view in ("admin.system_image.delete", "user.system_image.convert_to_storage_image"):
        with pytest.raises(InUse):
            cloud.call(view, [cloud.image_id], account="admin")
    release()
    cloud.done(cloud.call("user.vm.insert_cd", {"vm_id": vm_id, "iso_image_id": iso}))
    for answer in answers:
        cloud.done(answer)
    kinds = [disk["kind"] for disk in cloud.call("user.disk.get_list", {}, account="other")]
    assert kinds[:1] == ["iso"] and cloud.files(cloud.storage_id)[cloud.volume_of(answers[0]["disk_id"])] == SIZE


def test_copy_to_user_given_up(cloud: Disks) -> None:
    """Whom it is for gives it up, too; an answer that is lost costs nothing, and a failure is tried again."""
    (main, other, mib), theirs = cloud.claimed(), _mib(cloud, cloud.other_id)
    release = cloud.only.hang(methods=("create_copy",))
    answer = _give(cloud, cloud.image_id, cloud.other_id, storage_id=cloud.other_storage)
    assert cloud.claimed() == (main, other + 64 * MIB, mib) and _mib(cloud, cloud.other_id) == theirs + 64
    with pytest.raises(ObjectNotFound):
        cloud.call("user.operation.abandon", [answer["operation_id"]])
    cloud.call("user.operation.abandon", [answer["operation_id"]], account="other")
    release()
    cloud.settled()
    assert cloud.claimed() == (main, other, mib) and _mib(cloud, cloud.other_id) == theirs
    assert cloud.files(cloud.other_storage) == {}
    cloud.only.fail_next("create_copy", NodeUnreachable("n1", "gone"), after=True)
    cloud.done(_give(cloud, cloud.image_id, cloud.other_id, name="first"))
    cloud.only.fail_next("create_copy", HypervisorError("broken", 38))
    answer = _give(cloud, cloud.image_id, cloud.other_id)
    assert cloud.over(answer)["error"] == "hypervisor_error"
    cloud.settled()
    assert _mib(cloud, cloud.other_id) == theirs + 64
    (told,) = [m for m in cloud.call("user.message.get_list", account="other") if m["level"] == "error"]
    assert told["code"] == "disk_copy_failed" and told["params"]["name"] == "tiny"
    cloud.call("admin.operation.retry", [answer["operation_id"]], account="admin")
    cloud.done(answer)
    assert _mib(cloud, cloud.other_id) == theirs + 128


def test_copy_to_user_refused(cloud: Disks) -> None:
    """Whom there is none of, what they have no quota for, and what is not whole are refused; nothing is changed."""
    before = cloud.claimed(), _mib(cloud, cloud.other_id)
    with pytest.raises(ObjectNotFound, match="user"):
        _give(cloud, cloud.image_id, 9999)
    with pytest.raises(ObjectNotFound, match="image"):
        _give(cloud, 9999, cloud.other_id)
    with pytest.raises(ObjectNotFound):
        _give(cloud, cloud.image_id, cloud.other_id, storage_id=9999)
    cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib + 63 WHERE id = :u", u=cloud.other_id)
    with pytest.raises(QuotaReached):
        _give(cloud, cloud.image_id, cloud.other_id)
    cloud.sql("UPDATE account SET quota_storage_mib = 1000000 WHERE id = :u", u=cloud.other_id)
    cloud.sql("UPDATE storage SET capacity_bytes = claimed_bytes WHERE id = :s", s=cloud.other_storage)
    with pytest.raises(StorageFull):
        _give(cloud, cloud.image_id, cloud.other_id, storage_id=cloud.other_storage)
    cloud.sql("UPDATE storage SET capacity_bytes = 1099511627776 WHERE id = :s", s=cloud.other_storage)
    cloud.sql("UPDATE image SET state = 'adding' WHERE id = :i", i=cloud.image_id)
    with pytest.raises(WrongImageState):
        _give(cloud, cloud.image_id, cloud.other_id)
    cloud.sql("UPDATE image SET state = 'ok' WHERE id = :i", i=cloud.image_id)
    assert (cloud.claimed(), _mib(cloud, cloud.other_id)) == before


def test_convert(cloud: Disks) -> None:
    """An entry changes its kind where it lies, both ways, and not while something needs it."""
    disk_id, image_id = cloud.data()
    before = cloud.claimed()
    seen = cloud.call("user.storage_image.convert_to_system_image", {"image_id": image_id, "platform": "windows"})
    assert (seen["kind"], seen["platform"]) == ("system", "windows")
    with pytest.raises(CloudError):
        cloud.disk(disk_id)
    vm_id, _ = cloud.running(image_id=image_id)
    with pytest.raises(InUse):
        cloud.call("user.system_image.convert_to_storage_image", [image_id])
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    told = "UPDATE volume SET sha256 = :s WHERE id = (SELECT volume_id FROM image WHERE id = :i)"
    cloud.sql(told, s="0" * 64, i=image_id)
    seen = cloud.call("user.system_image.convert_to_storage_image", [image_id])
    assert (seen["kind"], seen["volume_sha256"]) == ("storage", "")  # guests write to it from now on
    vm_id, _ = cloud.running(disk_list=[image_id])
    with pytest.raises(InUse):
        cloud.call("user.storage_image.convert_to_system_image", [image_id])
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    assert cloud.claimed() == before


def test_raw_of_old(cloud: Disks) -> None:
    """
    A raw disk that an older release made on files is told, is made no image and, where it lies, moved to become qcow2;
    a raw system image becomes no disk.
    """
    disk_id, image_id = cloud.data(DiskFormat.RAW)
    system = cloud.data(DiskFormat.RAW)[1]
    cloud.sql("UPDATE image SET kind = 'system' WHERE id = :i", i=system)
    cloud.sql("DELETE FROM disk WHERE image_id = :i", i=system)
    was = f"wawel-{cloud.storage_id}/{cloud.volume_of(disk_id)}"

    def told() -> dict[str, str]:
        found = cloud.call("admin.storage.check", [cloud.storage_id], account="admin")["findings"]
        return {each["subject"]: each["proposal"] for each in found if each["kind"] == "guest_format"}

    assert f"move disk {disk_id}" in told()[was] and len([name for name in told() if name == was]) == 1
    [drift] = [row for row in cloud.call("admin.drift.get_list", account="admin") if row["subject"] == was]
    with pytest.raises(NotApplicable):
        cloud.call("admin.drift.apply", [drift["drift_id"]], account="admin")
    with pytest.raises(GuestFormat):
        cloud.call("user.storage_image.convert_to_system_image", [image_id])
    with pytest.raises(GuestFormat):
        cloud.call("user.system_image.convert_to_storage_image", [system])
    cloud.done(cloud.call("user.disk.move", [disk_id, cloud.storage_id]))
    cloud.settled()
    assert cloud.disk(disk_id)["format"] == "qcow2" and was not in told()
    assert cloud.volume_of(disk_id).endswith(".qcow2")
    with pytest.raises(InvalidParameter):
        cloud.call("user.disk.move", [disk_id, cloud.storage_id])
    cloud.sql("UPDATE image SET kind = 'storage' WHERE id = :i", i=system)


# ------------------------------------------------------------------ moves


@pytest.mark.parametrize("freed", ["none", "wipe"])
def test_move_cold(cloud: Disks, freed: str) -> None:
    """An entry's disk lies on the other storage, its entry with it, and what it left is gone, claims and all; wiped,
    where that storage has it so."""
    cloud.sql("UPDATE storage SET freed = :f WHERE id = :s", f=freed, s=cloud.storage_id)
    cloud.only.calls.clear()
    disk_id, image_id = cloud.data()
    main, other, mib = cloud.claimed()
    left = cloud.volume_of(disk_id)
    cloud.done(cloud.call("user.disk.move", [disk_id, cloud.other_storage]))
    told = cloud.disk(disk_id)
    assert told["storage_id"] == cloud.other_storage and told["image_id"] == image_id
    assert cloud.call("user.storage_image.get_by_id", [image_id])["storage_id"] == cloud.other_storage
    assert left not in cloud.files(cloud.storage_id)
    assert cloud.files(cloud.other_storage)[cloud.volume_of(disk_id)] == SIZE
    assert cloud.claimed() == (main - SIZE, other + SIZE, mib)
    assert cloud.only.calls.count("wipe") == (1 if freed == "wipe" else 0)
    cloud.sql("UPDATE storage SET freed = 'none' WHERE id = :s", s=cloud.storage_id)


def test_move_live(cloud: Disks) -> None:
    """A running VM's root disk moves under its guest; it is whole afterwards, and its next start finds it there."""
    vm_id, disk_id = cloud.running()
    main, other, mib = cloud.claimed()
    uuid_ = cloud.vm(vm_id)["uuid"]
    left = cloud.volume_of(disk_id)
    cloud.done(cloud.call("user.disk.move", [disk_id, cloud.other_storage]))
    assert cloud.vm(vm_id)["state"] == "running"
    assert cloud.claimed() == (main - 64 * MIB, other + 64 * MIB, mib)
    told = cloud.only.hypervisor.describe(uuid_)
    assert told is not None
    assert told.disks[0].path == f"/srv/other/{cloud.volume_of(disk_id)}" and told.disks[0].bases == ()
    assert left not in cloud.files(cloud.storage_id)
    for view, state in (("stop", "stopped"), ("start", "running")):
        cloud.call(f"user.vm.{view}", [vm_id])
        cloud.wait(vm_id, state)
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    cloud.settled()
    assert cloud.volume_of(disk_id) is None and not [
        name for name in cloud.files(cloud.other_storage) if uuid_ in name and "console" not in name
    ]


def test_move_ended_meanwhile(cloud: Disks) -> None:
    """A guest that powers itself off under a move ends QEMU's copy: the rest goes cold, and the VM rests."""
    vm_id, disk_id = cloud.running()
    uuid_ = cloud.vm(vm_id)["uuid"]
    cloud.only.hang_jobs = True
    answer = cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    cloud.until(lambda: cloud.only.world.domains[uuid_].jobs, "the copy is under way")
    with pytest.raises(VMBusy):
        cloud.call("user.vm.stop", [vm_id])
    cloud.only.guest_power_off(uuid_)
    cloud.only.hang_jobs = False
    cloud.done(answer)
    cloud.wait(vm_id, "stopped")
    assert cloud.disk(disk_id)["storage_id"] == cloud.other_storage
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")


def test_move_given_up(cloud: Disks) -> None:
    """A move that is given up leaves the disk, ends QEMU's copy, and what was claimed for it goes with its file."""
    vm_id, disk_id = cloud.running()
    uuid_ = cloud.vm(vm_id)["uuid"]
    before, files = cloud.claimed(), cloud.files(cloud.other_storage)
    cloud.only.hang_jobs = True
    operation_id = cloud.call("user.disk.move", [disk_id, cloud.other_storage])["operation_id"]
    cloud.until(lambda: cloud.only.world.domains[uuid_].jobs, "the copy is under way")
    assert cloud.claimed() == (before[0], before[1] + 64 * MIB, before[2])  # on both storages, and of the quota once
    assert cloud.leaks() == []
    cloud.call("user.operation.abandon", [operation_id])
    cloud.settled()
    cloud.only.hang_jobs = False
    assert not cloud.only.world.domains[uuid_].jobs
    assert (cloud.claimed(), cloud.files(cloud.other_storage)) == (before, files)
    assert cloud.vm(vm_id)["state"] == "running" and cloud.disk(disk_id)["storage_id"] == cloud.storage_id


def test_move_keeps_storage(cloud: Disks) -> None:
    """Ours once: a node lost the storage that QEMU was copying to, and what it wrote to was deleted under it."""
    vm_id, disk_id = cloud.running()
    cloud.only.hang_jobs = True
    answer = cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    cloud.until(lambda: cloud.only.world.domains[cloud.vm(vm_id)["uuid"]].jobs, "the copy is under way")
    there = {"storage_id": cloud.other_storage, "node_id": cloud.node_ids[0]}
    with pytest.raises(InUse, match=f"VM {vm_id}"):
        cloud.call("admin.storage.detach", there, account="admin")
    cloud.only.hang_jobs = False
    cloud.done(answer)


def test_move_destroyed(cloud: Disks) -> None:
    """A destroy ends a move, and nothing of either volume is left."""
    vm_id, disk_id = cloud.running()
    uuid_ = cloud.vm(vm_id)["uuid"]
    files = cloud.files(cloud.other_storage)
    cloud.only.hang_jobs = True
    cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    cloud.until(lambda: cloud.only.world.domains[uuid_].jobs, "the copy is under way")
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.only.hang_jobs = False
    cloud.wait(vm_id, "destroyed")
    cloud.settled()
    assert cloud.files(cloud.other_storage) == files


def test_move_erased(cloud: Disks) -> None:
    """
    A VM that is erased in the middle of a move leaves nothing claimed, and no file once its node was seen without it.
    Until then its domain may write to what it had, and to where it was moving: none of that is anybody's to use, and
    none is deleted.
    """
    vm_id, disk_id = cloud.running()
    uuid_ = cloud.vm(vm_id)["uuid"]
    data_id, image_id = cloud.data()
    cloud.done(cloud.call("user.disk.attach", [data_id, vm_id]))
    second, _ = cloud.running(name="second")
    before, files = cloud.claimed(), cloud.files(cloud.other_storage)
    cloud.only.hang_jobs = True
    cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    cloud.until(lambda: cloud.only.world.domains[uuid_].jobs, "the copy is under way")
    (target,) = cloud.files(cloud.other_storage).keys() - files.keys()
    release = cloud.only.hang(60.0, ["destroy"])  # so that the domain stays
    try:
        cloud.call("admin.vm.erase", [vm_id], account="admin")
        for view, params in (("attach", [data_id, second]), ("grow", [data_id, 16]), ("delete", [data_id])):
            with pytest.raises(InUse, match="erased"):
                cloud.call(f"user.disk.{view}", params)
        with pytest.raises(InUse, match="erased"):
            cloud.create(name="third", disk_list=[image_id])
        waits = "SELECT admin_text FROM operation WHERE kind = 'volume_delete' ORDER BY id DESC LIMIT 1"
        cloud.until(lambda: "erased" in (cloud.sql(waits) or ""), "the deletion waits")
        assert target in cloud.files(cloud.other_storage)
    finally:
        release()
    cloud.only.hang_jobs = False
    cloud.seen_without(vm_id, uuid_)
    cloud.settled()
    assert cloud.claimed() == (before[0] - 64 * MIB, before[1], before[2] - 64)
    assert cloud.files(cloud.other_storage) == files
    cloud.done(cloud.call("user.disk.attach", [data_id, second]))


@pytest.mark.parametrize("what", ["save", "launch", "move"])
def test_made_by_two(cloud: Disks, what: str) -> None:
    """
    Who makes a copy was taken for dead while its node was at it: the next makes another beside it, so whatever that one
    still deletes or writes is nobody's.
    """
    node = cloud.only
    if what == "save":
        vm_id, _ = cloud.running()
    elif what == "move":
        disk_id, _ = cloud.data()
    node.calls.clear()
    release = node.hang(60.0, ["delete", "create_copy"])
    try:
        if what == "save":
            image_id = cloud.call("user.vm.save_and_shutdown", [vm_id, "saved", ""])["image_id"]
        elif what == "launch":
            vm_id = cloud.create(deploy_mode="copy")["vm_id"]
        else:
            cloud.call("user.disk.move", [disk_id, cloud.other_storage])
        cloud.until(lambda: {"delete", "create_copy"} & set(node.calls), "the node is asked")
        node._faults.hang = None  # the call that is under way goes on waiting
        cloud.sql(
            "UPDATE operation SET state = 'queued', worker_id = NULL, lease_until = NULL, attempts = attempts + 1,"
            " not_before = now() WHERE state = 'running'"
        )
        cloud.manager.engine.wake()
        cloud.settled()
        if what == "save":
            of_image = "SELECT u.name FROM image i JOIN volume u ON u.id = i.volume_id WHERE i.id = :i"
            volume = cloud.sql(of_image, i=image_id)
        elif what == "launch":
            disk_id = cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v", v=vm_id)
        if what != "save":
            volume = cloud.volume_of(disk_id)
        share = node.world.storages.share(f"wawel-{cloud.other_storage if what == 'move' else cloud.storage_id}")
        share.volumes[volume].content = b"written since"
    finally:
        release()
    cloud.until(lambda: not any(cloud.manager.threads.waiting().values()), "the first has come to its end")
    cloud.until(lambda: not cloud.manager.engine._running, "nobody is at anything")
    assert share.volumes[volume].content == b"written since"


def test_move_changing_over(cloud: Disks) -> None:
    """Once the guest may write to either volume nobody gives a move up, and its node tells where it does."""
    vm_id, disk_id = cloud.running()
    node = cloud.only
    node.calls.clear()
    node.fail_next("finish", NodeUnreachable("n1", "gone"), after=True)
    answer = cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    cloud.until(lambda: "finish" in node.calls, "it changed over")
    node.unreachable = True
    try:
        if cloud.call("user.operation.get", [answer["operation_id"]])["state"] != "done":
            with pytest.raises(NotAbandonable):
                cloud.call("user.operation.abandon", [answer["operation_id"]])
    finally:
        node.unreachable = False
        node.calls.clear()
    cloud.done(answer)
    assert cloud.disk(disk_id)["storage_id"] == cloud.other_storage
    cloud.wait(vm_id, "running")  # as the next pass over its node says


def changing(cloud: Disks, *, after: bool) -> tuple[int, int, int, int]:
    """A VM whose disk's move failed while its guest changed over. :return: VM, disk, operation, target."""
    vm_id, disk_id = cloud.running()
    cloud.only.fail_next("finish", HypervisorError("the answer is no help", 1), after=after)
    operation_id = cloud.call("user.disk.move", [disk_id, cloud.other_storage])["operation_id"]
    assert cloud.ended(operation_id)["state"] == "failed"
    target = cloud.sql("SELECT (objects -> 'volume' ->> 0)::bigint FROM operation WHERE id = :id", id=operation_id)
    assert cloud.volume_of(disk_id) in cloud.files(cloud.storage_id)
    return vm_id, disk_id, operation_id, target


@pytest.mark.parametrize("after", [False, True])
def test_move_changing_over_retried(cloud: Disks, after: bool) -> None:
    """A retry asks the node whether its guest changed over, and goes on with the target that was there."""
    before = cloud.claimed()
    vm_id, disk_id, operation_id, target = changing(cloud, after=after)
    assert len(cloud.leaks()) == 1  # the target, for somebody to look
    cloud.done(cloud.call("user.operation.retry", [operation_id]))
    assert cloud.sql("SELECT volume_id FROM disk WHERE id = :id", id=disk_id) == target
    assert cloud.claimed() == (before[0], before[1] + 64 * MIB, before[2] + 64)
    told = cloud.only.hypervisor.describe(cloud.vm(vm_id)["uuid"])
    assert told is not None and told.disks[0].path == f"/srv/other/{cloud.volume_of(disk_id)}"


def test_move_changing_over_begun_anew(cloud: Disks) -> None:
    """Where the guest turns out to write to the old volume, with its copy ended, a retry copies anew, to the same."""
    vm_id, disk_id, operation_id, target = changing(cloud, after=False)
    cloud.only.end_jobs(cloud.vm(vm_id)["uuid"])
    cloud.done(cloud.call("user.operation.retry", [operation_id]))
    assert cloud.sql("SELECT volume_id FROM disk WHERE id = :id", id=disk_id) == target
    assert cloud.vm(vm_id)["state"] == "running"


def test_move_changing_over_without_guest(cloud: Disks) -> None:
    """Once the guest has ended, and its definition with it, nobody can tell: a retry is refused, changing nothing."""
    vm_id, disk_id, operation_id, _ = changing(cloud, after=False)
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    volumes, claimed = cloud.sql("SELECT count(*) FROM volume"), cloud.claimed()
    with pytest.raises(WrongVMState):
        cloud.call("user.operation.retry", [operation_id])
    assert (cloud.sql("SELECT count(*) FROM volume"), cloud.claimed()) == (volumes, claimed)
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")
    cloud.done(cloud.call("user.operation.retry", [operation_id]))
    assert cloud.disk(disk_id)["storage_id"] == cloud.other_storage


@pytest.mark.parametrize("view", ["user.vm.destroy", "admin.vm.erase"])
def test_move_changing_over_destroyed(cloud: Disks, view: str) -> None:
    """A VM whose move failed while its guest changed over ends as any other, and nothing of either volume is left."""
    before, files = cloud.claimed(), cloud.files(cloud.other_storage)
    vm_id, *_ = changing(cloud, after=False)
    uuid_ = cloud.vm(vm_id)["uuid"]
    admin = view.startswith("admin")
    cloud.call(view, [vm_id] if admin else [[vm_id]], account="admin" if admin else "user")
    cloud.wait(vm_id, "destroyed")
    if admin:
        cloud.seen_without(vm_id, uuid_)
    cloud.settled()
    assert (cloud.claimed(), cloud.files(cloud.other_storage)) == (before, files)
    cloud.discarded(uuid_)


def test_move_fails(cloud: Disks) -> None:
    """A copy that QEMU gives up, as on a full target, fails the move; the disk is where it was."""
    vm_id, disk_id = cloud.running()
    uuid_ = cloud.vm(vm_id)["uuid"]
    before, files = cloud.claimed(), cloud.files(cloud.other_storage)
    cloud.only.hang_jobs = True
    answer = cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    cloud.until(lambda: cloud.only.world.domains[uuid_].jobs, "the copy is under way")
    cloud.only.end_jobs(uuid_)
    op = cloud.ended(answer["operation_id"])
    cloud.only.hang_jobs = False
    assert (op["state"], op["error"]) == ("failed", "hypervisor_error")
    cloud.settled()
    assert (cloud.claimed(), cloud.files(cloud.other_storage)) == (before, files)
    cloud.call("user.operation.retry", [answer["operation_id"]])
    cloud.done(answer)
    assert cloud.disk(disk_id)["storage_id"] == cloud.other_storage and cloud.vm(vm_id)["state"] == "running"


def test_move_refused(cloud: Disks) -> None:
    """What cannot move is refused, and claims nothing: to where it lies, under two VMs, where its node has not."""
    disk_id, image_id = cloud.data()
    before = cloud.claimed()
    with pytest.raises(InvalidParameter):
        cloud.call("user.disk.move", [disk_id, cloud.storage_id])
    attached = "UPDATE storage_attachment SET state = :state WHERE storage_id = :s"
    cloud.sql(attached, state="failed", s=cloud.other_storage)
    for view, more in (("move", {}), ("copy", {"name": "copy", "description": ""})):
        with pytest.raises(StoragesApart):
            cloud.call(f"user.disk.{view}", {"disk_id": disk_id, "storage_id": cloud.other_storage, **more})
    cloud.sql(attached, state="attached", s=cloud.other_storage)
    cloud.sql("UPDATE node SET state = 'unreachable'")
    with pytest.raises(StorageUnreached):  # later it may be
        cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    cloud.sql("UPDATE node SET state = 'ok'")
    for _ in range(2):
        cloud.sql("UPDATE storage SET locked = NOT locked WHERE id = :s", s=cloud.other_storage)
        if cloud.sql("SELECT locked FROM storage WHERE id = :s", s=cloud.other_storage):
            with pytest.raises(CloudError, match="locked"):
                cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    assert cloud.claimed() == before
    with pytest.raises(CloudError):
        cloud.call("user.disk.move", [disk_id, cloud.other_storage], account="other")


def test_move_out_of_reach(cloud: Disks) -> None:
    """Where a VM runs the storage is not attached, though another node has it: refused until the VM is stopped."""
    vm_id, disk_id = cloud.running()
    before, node_id = cloud.claimed(), cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm_id)
    attached = "UPDATE storage_attachment SET node_id = :to WHERE storage_id = :s"
    both = "SELECT id FROM node WHERE name = 'both'"
    cloud.sql("INSERT INTO node (name, uri, address, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit,"
              " state) VALUES ('both', 'memory:///both', '192.0.2.9', 1, 1, 1.0, 1.0, 'ok')")  # fmt: skip
    cloud.sql(attached, s=cloud.other_storage, to=cloud.sql(both))
    cloud.sql("INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached')",
              s=cloud.storage_id, n=cloud.sql(both))  # fmt: skip
    with pytest.raises(StorageOutOfReach):
        cloud.call("user.disk.move", [disk_id, cloud.other_storage])
    assert cloud.claimed() == before
    cloud.sql(attached, s=cloud.other_storage, to=node_id)
    cloud.sql("DELETE FROM storage_attachment WHERE node_id = :n", n=cloud.sql(both))
    cloud.sql("DELETE FROM node WHERE id = :n", n=cloud.sql(both))
    cloud.done(cloud.call("user.disk.move", [disk_id, cloud.other_storage]))


def test_admin_moves(cloud: Disks) -> None:
    """An administrator moves anybody's disk; it stays theirs."""
    disk_id, _ = cloud.data()
    cloud.done(cloud.call("admin.disk.move", [disk_id, cloud.other_storage], account="admin"))
    assert cloud.disk(disk_id)["storage_id"] == cloud.other_storage


# ------------------------------------------------------------------ file systems

NEEDS = ("/usr/sbin/sfdisk", "/usr/sbin/mkfs.ext4", "/usr/bin/qemu-img")


@pytest.mark.skipif(not all(map(os.path.exists, NEEDS)), reason=f"needs {', '.join(NEEDS)}")
def test_formatted(cloud: Disks) -> None:
    """A disk comes with a file system if that is asked for, as qcow2 on files; nothing of it is left on our machine."""
    asked = {"name": "home", "size_mib": 16, "format": "raw", "filesystem": "ext4"}
    asked["storage_id"] = cloud.storage_id
    answer = cloud.call("user.disk.create", asked)
    cloud.done(answer)
    told = cloud.disk(answer["disk_id"])
    assert (told["size_bytes"], told["format"], told["state"]) == (16 * MIB, "qcow2", "ok")
    volume = cloud.volume_of(answer["disk_id"])
    seen = cloud.only.volumes.find(f"wawel-{cloud.storage_id}", volume)
    assert seen is not None and seen.capacity_bytes == 16 * MIB
    assert not list(cloud.settings.cluster.state_dir.glob("**/import-*"))


def test_too_small_to_format(cloud: Disks) -> None:
    """A disk that its file system does not fit is refused before anything is claimed."""
    before = cloud.claimed()
    with pytest.raises(InvalidParameter, match="304 MiB"):
        cloud.call("user.disk.create", {"name": "home", "size_mib": 16, "filesystem": "xfs"})
    assert cloud.claimed() == before
