"""Volumes that lie on a storage and are on no record: seen, looked at by our own reader, and taken in, or not."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.drivers.memory.volume import Volume
from cm.rpc.errors import (
    CloudError,
    ImageRefused,
    InUse,
    InvalidParameter,
    NotApplicable,
    NotWhole,
    ObjectNotFound,
    QuotaReached,
    RoleNeeded,
    VolumeNotFound,
)
from cm.rpc.vocabulary import DiskFormat
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, run

MIB = 2**20
DISK = bytes(510) + b"\x55\xaa" + bytes(MIB - 512)


class Found:
    """A cluster, and what somebody put onto its storage."""

    def __init__(self, url: str, directory: Path) -> None:
        self.cloud = MemoryCloud(url, directory, nodes=1)
        self.directory = directory
        self.pool = f"wawel-{self.cloud.storage_id}"
        self.node = next(iter(self.cloud.memory.values()))

    @property
    def there(self) -> dict[str, Volume]:
        return self.node.world.storages.share(self.pool).volumes

    def put(self, name: str, content: bytes, format: DiskFormat = DiskFormat.RAW, base: str | None = None) -> None:
        self.there[name] = Volume(name, format, len(content), len(content), base, content)

    def qcow2(self, name: str, *args: str, size: str = "8M", base: str | None = None) -> None:
        path = self.directory / name
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *args, path, size], check=True, timeout=60)
        self.put(name, path.read_bytes(), DiskFormat.QCOW2, base)

    def adopt(self, volume: str, account: str = "admin", **more: Any) -> dict[str, Any]:
        values = {"storage_id": self.cloud.storage_id, "volume": volume, "user_id": self.cloud.user_id, "name": "taken"}
        return dict(self.cloud.call("admin.storage.adopt_volume", {**values, **more}, account=account))

    def unknown(self) -> dict[str, str]:
        rows = self.cloud.call("admin.storage.get_unknown_volumes", [self.cloud.storage_id], account="admin")
        return {row["name"]: row["obstacle"] for row in rows}

    def state(self) -> tuple[Any, ...]:
        """What no refused call may change."""
        one = self.cloud.sql
        return (
            one("SELECT used_storage_mib FROM account WHERE id = :i", i=self.cloud.user_id),
            one("SELECT claimed_bytes FROM storage WHERE id = :s", s=self.cloud.storage_id),
            one("SELECT count(*) FROM volume"), one("SELECT count(*) FROM image"), one("SELECT count(*) FROM disk"),
        )  # fmt: skip


@pytest.fixture(scope="module")
def found(postgres: PrivatePostgres, tmp_path_factory: Any) -> Iterator[Found]:
    postgres.create_database("found", template="wawel_template")
    made = Found(postgres.url("found"), tmp_path_factory.mktemp("found"))
    yield made
    made.cloud.stop()
    postgres.drop_database("found")


@pytest.fixture(autouse=True)
def balanced(found: Found) -> Iterator[None]:
    """After each of these tests the books are right."""
    yield
    assert found.cloud.call("admin.cluster.check", account="admin")["ok"]


def test_disk(found: Found) -> None:
    """A disk is its user's, counts on quota and storage, is attached as what it is, and goes with its entry."""
    cloud, before = found.cloud, found.state()
    found.put("raw.img", DISK)
    with pytest.raises(ImageRefused, match="import a copy"):  # libvirtd would believe what its guest writes
        found.adopt("raw.img")
    found.qcow2("backup.img")
    assert found.unknown()["backup.img"] == ""
    image = found.adopt("backup.img", description="of the old filer")
    assert (image["state"], image["kind"], image["format"], image["size_bytes"]) == ("ok", "storage", "qcow2", 8 * MIB)
    assert "backup.img" not in found.unknown() and found.state()[:2] == (before[0] + 8, before[1] + 8 * MIB)
    disk = next(row for row in cloud.call("user.disk.get_list") if row["image_id"] == image["image_id"])
    assert (disk["name"], disk["state"], disk["image_id"]) == ("taken", "ok", image["image_id"])
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    given = cloud.call("user.disk.attach", {"disk_id": disk["disk_id"], "vm_id": vm["vm_id"]})
    assert cloud.ended(given["operation_id"])["state"] == "done"
    running = found.node.world.domains[vm["uuid"]].running
    assert running is not None
    assert [each.format for each in running.disks if each.path.endswith("backup.img")] == ["qcow2"]
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    cloud.call("user.disk.delete", [disk["disk_id"]])
    gone = cloud.call("user.disk.purge", [disk["disk_id"]])
    assert cloud.ended(gone["operation_id"])["state"] == "done"
    assert "backup.img" not in found.there and found.state()[:2] == before[:2]
    audited = cloud.sql("SELECT arguments::text FROM audit WHERE method = 'admin.storage.adopt_volume'")
    assert "backup.img" in audited


def test_erased_with_its_vm(found: Found) -> None:
    """A brought disk that went with an erased VM is deleted when no domain has it, and is adopted by nobody before."""
    cloud, pass_over = found.cloud, found.cloud.manager.reconciler.check_storages
    found.qcow2("brought.img")
    image = found.adopt("brought.img")
    disk = next(row for row in cloud.call("user.disk.get_list") if row["image_id"] == image["image_id"])
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    given = cloud.call(
        "user.disk.attach", {"disk_id": disk["disk_id"], "vm_id": vm["vm_id"], "delete_with_vm": True}
    )
    assert cloud.ended(given["operation_id"])["state"] == "done"
    cloud.call("admin.vm.erase", [vm["vm_id"]], account="admin")
    assert "looks after it" in found.unknown()["brought.img"]
    before = found.state()
    with pytest.raises(InUse, match="erased"):
        found.adopt("brought.img")
    assert found.state() == before
    cloud.until(lambda: not found.node.hypervisor.domains(), "the domain is discarded")
    run(pass_over)
    assert "brought.img" in found.there, "it was erased a moment ago"
    cloud.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE id = :i", i=vm["vm_id"])
    run(pass_over)
    assert "brought.img" not in found.there
    run(pass_over)
    assert cloud.sql("SELECT count(*) FROM leftover_volume") == 0


def test_image_and_iso(found: Found) -> None:
    """A qcow2 file becomes a system image that VMs are made from, and an ISO a medium."""
    found.qcow2("golden.qcow2")
    image = found.adopt("golden.qcow2", kind="system")
    assert (image["kind"], image["format"], image["size_bytes"]) == ("system", "qcow2", 8 * MIB)
    vm = found.cloud.create(image_id=image["image_id"])
    found.cloud.wait(vm["vm_id"], "running")
    found.put("tools.iso", bytes(32_769) + b"CD001" + bytes(65_536 - 32_774))
    assert found.adopt("tools.iso", kind="iso")["kind"] == "iso"
    found.put("no.iso", DISK)
    with pytest.raises(ImageRefused):
        found.adopt("no.iso", kind="iso")


def test_overlay(found: Found) -> None:
    """What stands on a system image that lies there is taken as that; the image then stays."""
    cloud = found.cloud
    found.qcow2("base.qcow2")
    image = found.adopt("base.qcow2", kind="system", name="base")
    based = ("-u", "-b", "/srv/main/base.qcow2")
    found.qcow2("work.qcow2", *based, "-F", "qcow2", base="base.qcow2")
    assert found.unknown()["work.qcow2"] == ""
    for told in {"kind": "system"}, {"format": "raw"}:
        with pytest.raises(ImageRefused):
            found.adopt("work.qcow2", **told)
    taken = found.adopt("work.qcow2")
    row = cloud.sql("SELECT mode || ' ' || (backing_id IS NOT NULL) FROM volume WHERE name = 'work.qcow2'")
    assert row == "overlay true"
    with pytest.raises(InUse):  # before, its volume was deleted, and then the row refused to go
        cloud.call("user.system_image.delete", [image["image_id"]])
    with pytest.raises(NotWhole):
        cloud.call("user.storage_image.convert_to_system_image", [taken["image_id"]])


@pytest.mark.parametrize(
    ("name", "args", "base"),
    [
        ("unknown.qcow2", ("-u", "-b", "/etc/passwd", "-F", "raw"), "/etc/passwd"),
        ("hidden.qcow2", ("-u", "-b", "/etc/passwd", "-F", "raw"), None),
        ("unformatted.qcow2", ("-u", "-b", "/srv/main/image-1.qcow2", "-F", "raw"), "image-1.qcow2"),
        ("json.qcow2", ("-u", "-b", 'json:{"file.filename":"/etc/passwd"}', "-F", "raw"), None),
        ("data.qcow2", ("-o", "data_file=/etc/shadow,data_file_raw=on"), None),
    ],
)
def test_chains(found: Found, tmp_path: Path, name: str, args: tuple[str, ...], base: str | None) -> None:
    """A chain out of what is on record, or one that says a wrong format of it, is refused, and nothing changes."""
    before = found.state()
    if "data_file" in args[1]:
        args = ("-o", f"data_file={tmp_path / 'other'},data_file_raw=on")
    found.qcow2(name, *args, base=base)
    with pytest.raises(ImageRefused):
        found.adopt(name)
    assert found.state() == before


def test_refused(found: Found) -> None:
    """Whatever is on record, of ours, used, named as nothing of ours, no disk, or beyond a quota is refused."""
    cloud = found.cloud
    vm = cloud.create()
    cloud.wait(vm["vm_id"], "running")
    found.put("page.img", b"<html>" + bytes(MIB))
    found.put("plain.img", bytes(MIB))
    found.put("disk.vmdk", b"KDMV" + bytes(MIB))
    found.put("with space.img", DISK)
    found.put("good.img", DISK)
    found.put("based.img", DISK)
    found.put("above.qcow2", b"", DiskFormat.QCOW2, "based.img")
    found.put(f"vm-{vm['uuid']}-old.raw", DISK)
    before = found.state()
    cases: list[tuple[str, dict[str, Any], type[CloudError]]] = [
        ("absent.img", {}, VolumeNotFound),
        ("page.img", {}, ImageRefused),
        ("plain.img", {}, ImageRefused),
        ("disk.vmdk", {}, ImageRefused),
        ("with space.img", {}, InvalidParameter),
        ("../good.img", {}, InvalidParameter),
        ("image-1.qcow2", {}, CloudError),
        ("based.img", {}, InUse),
        (f"vm-{vm['uuid']}-old.raw", {}, InUse),
        (f"vm-{vm['uuid']}-root.qcow2", {}, CloudError),
        ("good.img", {"format": "qcow2"}, ImageRefused),
        ("good.img", {"user_id": 10**6}, ObjectNotFound),
    ]
    for name, more, error in cases:
        with pytest.raises(error):
            found.adopt(name, **more)
    quota = cloud.sql("SELECT quota_storage_mib FROM account WHERE id = :i", i=cloud.user_id)
    cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib WHERE id = :i", i=cloud.user_id)
    with pytest.raises(QuotaReached):
        found.adopt("good.img", kind="system")
    with pytest.raises(RoleNeeded):
        found.adopt("good.img", account="user")
    assert found.state() == before
    obstacles = found.unknown()
    assert obstacles["good.img"] == "" and "overlay" in obstacles["based.img"]
    assert "rename" in obstacles["with space.img"]
    assert "looks after" in obstacles[f"vm-{vm['uuid']}-old.raw"] and "image-1.qcow2" not in obstacles
    found.adopt("good.img", kind="system", force=True)
    found.adopt("plain.img", kind="system", format="raw", force=True)
    cloud.sql("UPDATE account SET quota_storage_mib = :q WHERE id = :i", i=cloud.user_id, q=quota)
    with pytest.raises(InUse):
        found.adopt("good.img", kind="system", force=True)


def test_finding(found: Found) -> None:
    """A leftover of the ledger can be adopted, which settles its finding, unless that it is deleted was approved."""
    cloud = found.cloud
    first, second = (f"image-{uuid.uuid4()}.raw" for _ in range(2))
    for name in (first, second):
        found.put(name, DISK)
    run(cloud.manager.reconciler.check_storages)
    rows = {row["subject"].partition("/")[2]: row for row in cloud.call("admin.drift.get_list", account="admin")}
    assert "adopt" in rows[first]["proposal"]
    cloud.sql("UPDATE drift SET approved_at = now() WHERE id = :i", i=rows[second]["drift_id"])
    with pytest.raises(NotApplicable):
        found.adopt(second)
    found.adopt(first, kind="system")
    closed = cloud.call("admin.drift.get_list", {"closed": True}, account="admin")
    assert [row["outcome"] for row in closed if row["drift_id"] == rows[first]["drift_id"]] == ["adopted"]
    run(cloud.manager.reconciler.check_storages)
    assert first in found.there and second not in found.there
