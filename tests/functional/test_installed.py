"""
A disk's life as its people see it, on real hosts: a VM is installed from an ISO, mounts a disk, fills it, takes it back
to a snapshot and gives it away; CDs are read, changed and held; guests keep what they are asked for, fill their storage
up, and write what is not to be believed.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cm.interfaces.guest_agent import AGENT_S
from cm.rpc.errors import WrongVMState
from cm.rpc.websocket_client import Socket
from functional.machine import PATIENCE_S, Machine, Small, delete_image, failed, gone, purge, work
from lab import image, installer
from lab.cloud import Cloud
from lab.furnish import import_image
from lab.places import get_program
from lab.processes import wait_until
from tests.support.opened import Opened

MIB = 2**20
DISK_MIB = 24
GROWN_MIB = 48
ROOM_MIB = 24
WANTED_MIB = 32


class Stuck(NamedTuple):
    """A VM whose loader waits for a key, a disk of it, and the operation that is to detach that."""

    machine: Machine
    disk_id: int
    operation_id: int


@pytest.fixture(scope="module")
def stuck(shared_cloud: Cloud) -> Iterator[Stuck]:
    """Before all else here: the operation takes as long as guests are waited for."""
    cloud, raw = shared_cloud, shared_cloud.import_dir / "waits.raw"
    tiny = [get_program("qemu-img"), "convert", "-O", "raw", str(image.build().disk), str(raw)]
    subprocess.run(tiny, check=True, timeout=60)
    content = raw.read_bytes()
    assert content.count(b"PROMPT 0") == 1
    raw.write_bytes(content.replace(b"PROMPT 0", b"PROMPT 1"))
    image_id = import_image(cloud, "waits", "Boots when a key is pressed", raw)
    made = Machine(cloud, name="stuck", image_id=image_id)
    try:
        cloud.wait_running(made.id, contextualized=False)
        cloud.wait_for_console(made.vm, "boot:")
        disk_id = work(cloud, "user.disk.create", name="kept", size_mib=4)["disk_id"]
        work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=made.id)
        asked = cloud.user.call("user.disk.detach", {"disk_id": disk_id, "vm_id": made.id})
        yield Stuck(made, disk_id, asked["operation_id"])
    finally:
        made.hang_up()
        gone(cloud, made.id)
        delete_image(cloud, image_id)


@pytest.fixture(scope="module")
def machine(stuck: Stuck) -> Iterator[Machine]:
    """Installed from an ISO on an empty disk; it runs, from that disk."""
    cloud = stuck.machine.cloud
    iso = import_image(cloud, "installer", "Installs the tiny guest", installer.build(), kind="iso")
    made = Machine(cloud, name="installed", image_id=iso, disk_mib=48)
    try:
        cloud.wait_running(made.id, contextualized=False)
        cloud.wait_for_console(made.vm, "TINY WRITTEN")
        cloud.wait_for(made.id, "stopped")
        assert [each["id"] for each in cloud.vm(made.id)["iso_images"]] == [iso]
        work(cloud, "user.vm.eject_cd", vm_id=made.id)
        cloud.user.call("user.vm.set_boot_order", {"vm_id": made.id, "devices": ["vda"]})
        made.restart()
        yield made
    finally:
        made.hang_up()
        gone(cloud, made.id)
        delete_image(cloud, iso)


@pytest.fixture(scope="module")
def other(machine: Machine) -> Iterator[Machine]:
    """Another of its kind, made from what was installed, on the other node."""
    cloud, node = machine.cloud, machine.node.node_id
    machine.hang_up()
    work(cloud, "user.vm.stop", vm_id=machine.id)
    (root,) = cloud.user.call("user.disk.get_list", {"vm_id": machine.id, "kind": "vm"})
    image_id = work(cloud, "user.disk.to_image", disk_id=root["disk_id"], name="golden")["image_id"]
    cloud.admin.call("admin.node.lock", {"node_id": node})
    try:
        made = Machine(cloud, name="reader", image_id=image_id)
    finally:
        cloud.admin.call("admin.node.unlock", {"node_id": node})
    try:
        machine.restart()
        cloud.wait_running(made.id, contextualized=False)
        assert made.node.node_id != node
        yield made
    finally:
        made.hang_up()
        gone(cloud, made.id)
        delete_image(cloud, image_id)


@pytest.fixture(scope="module")
def small(machine: Machine) -> Iterator[Small]:
    made = Small(machine.cloud, machine.node, ROOM_MIB)
    yield made
    made.close()


def attachments(cloud: Cloud, disk_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.user.call("user.disk.get_by_id", {"disk_id": disk_id})["attachments"]
    return found


def messages(cloud: Cloud, machine: Machine) -> list[str]:
    told = cloud.user.call("user.message.get_list")
    return [each["code"] for each in told if machine.vm["name"] in json.dumps(each)]


def volume(cloud: Cloud, disk_id: int) -> Path:
    """Where a disk lies."""
    ((name, path),) = cloud.sql(
        "SELECT u.name, s.path FROM disk k JOIN volume u ON u.id = k.volume_id JOIN storage s ON s.id = u.storage_id"
        f" WHERE k.id = {disk_id}"
    )
    return Path(path) / name


def test_install(machine: Machine) -> None:
    """What an ISO's system wrote to an empty disk boots from it, with the CD taken out."""
    assert f"TINY INSTALLED by the installer of {machine.vm['uuid']}" in machine.cloud.console(machine.id)
    assert machine.cloud.vm(machine.id)["iso_images"] == []


def test_story(machine: Machine, other: Machine) -> None:
    """
    A disk with a file system comes to a guest that runs, is written to, grows, and is taken back to a snapshot; the
    guest lets go of it, and one on the other node reads what the snapshot had.
    """
    cloud = machine.cloud
    disk_id = work(cloud, "user.disk.create", name="data", size_mib=DISK_MIB, filesystem="ext4")["disk_id"]
    work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=machine.id)
    machine.until("grep -c -w vdb1 /proc/partitions", "1")
    machine.mounted("ext4", "vdb1")
    machine.run("dd if=/dev/urandom of=/mnt/a bs=1M count=8 conv=fsync 2>/dev/null; echo done")
    work(cloud, "user.disk.grow", disk_id=disk_id, size_mib=GROWN_MIB)
    machine.until("cat /sys/block/vdb/size", str(GROWN_MIB * 2048))
    machine.unmounted()
    machine.run("echo ', +' | sfdisk -q -N 1 /dev/vdb >/dev/null 2>&1; echo done")
    machine.mounted("ext4", "vdb1")
    machine.run("resize2fs /dev/vdb1 >/dev/null 2>&1; echo done")
    room = int(machine.run("df -m /mnt | awk 'END {print $2}'"))
    assert DISK_MIB < room < GROWN_MIB
    was = machine.run("sync; md5sum /mnt/a | cut -c 1-32")
    snapshot = work(cloud, "user.disk.create_snapshot", disk_id=disk_id, name="then")["snapshot_ids"][0]
    machine.run("dd if=/dev/urandom of=/mnt/a bs=1M count=8 conv=fsync 2>/dev/null; echo done")
    machine.run("echo later >/mnt/b; sync; echo done")
    assert machine.run("md5sum /mnt/a | cut -c 1-32") != was
    machine.hang_up()
    work(cloud, "user.vm.stop", vm_id=machine.id)
    work(cloud, "user.snapshot.revert", snapshot_id=snapshot)
    machine.restart()
    machine.mounted("ext4", "vdb1")
    assert machine.run("md5sum /mnt/a | cut -c 1-32; ls /mnt/b 2>/dev/null") == was
    machine.unmounted()
    work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=machine.id)
    assert cloud.user.call("user.disk.get_by_id", {"disk_id": disk_id})["attachments"] == []
    machine.until("grep -c -w vdb /proc/partitions", "0")
    work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=other.id)
    other.until("grep -c -w vdb1 /proc/partitions", "1")
    other.mounted("ext4", "vdb1")
    assert other.run("md5sum /mnt/a | cut -c 1-32; ls /mnt/b 2>/dev/null") == was
    assert int(other.run("df -m /mnt | awk 'END {print $2}'")) == room
    other.unmounted()
    work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=other.id)
    work(cloud, "user.snapshot.delete", snapshot_id=snapshot)
    purge(cloud, disk_id)


def test_frozen(machine: Machine) -> None:
    """
    A guest's agent has its file systems frozen at a snapshot, and the answer says so. One that freezes later than
    anybody waits for is thawed; one that hangs is told nothing, and freezes nothing when it goes on.
    """
    cloud = machine.cloud
    disk_id = work(cloud, "user.disk.create", name="frozen", size_mib=8, filesystem="ext4")["disk_id"]
    work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=machine.id)
    machine.until("grep -c -w vdb1 /proc/partitions", "1")
    machine.mounted("ext4", "vdb1")

    def asked(freeze: str) -> int:
        values = {"disk_id": disk_id, "name": freeze, "freeze": freeze}
        operation_id: int = cloud.user.call("user.disk.create_snapshot", values)["operation_id"]
        return operation_id

    def taken(freeze: str) -> Any:
        return cloud.wait_operation(cloud.user, asked(freeze), PATIENCE_S)["result"]["consistency"]

    def froze(times: int) -> None:
        """So often so far; it thawed as often, and writes."""
        machine.until("date >/mnt/now && sync /mnt/now && echo written", "written")
        heard = re.findall(r"TINY FSFREEZE (\w+)", cloud.console_file(machine.vm).read_text(errors="replace"))
        assert heard == ["freeze", "thaw"] * times

    before = cloud.console_file(machine.vm).read_text(errors="replace").count("TINY FSFREEZE thaw")
    assert taken("yes") == "frozen"
    froze(before + 1)
    machine.run(f"echo {AGENT_S + 1} >/tmp/slow; echo done")
    assert taken("auto") == "crash"
    froze(before + 2)
    machine.run("rm /tmp/slow; kill -STOP $(pidof qemu-ga); echo done")
    assert failed(cloud, asked("yes"))["error"] == "guest_not_frozen"
    machine.run("kill -CONT $(pidof qemu-ga); echo done")
    froze(before + 2)
    assert taken("auto") == "frozen"
    froze(before + 3)
    machine.unmounted()
    work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=machine.id)
    purge(cloud, disk_id)


def test_cd(other: Machine) -> None:
    """
    A CD in a VM that runs is read, and changed; once libvirtd knows its drive, one that the guest holds stays, as the
    caller is told, until it is taken by force.
    """
    cloud = other.cloud
    one, two = (
        import_image(cloud, name, "A CD", installer.medium(cloud.import_dir / f"{name}.iso", label=name), kind="iso")
        for name in ("one", "two")
    )

    def inserted(iso: int, **more: Any) -> None:
        work(cloud, "user.vm.insert_cd", vm_id=other.id, iso_image_id=iso, **more)

    for iso, label in ((one, "one"), (two, "two")):
        inserted(iso)
        other.until("ls /dev/sr0", "/dev/sr0")
        other.mounted("iso9660", "sr0")
        assert other.run("cat /mnt/label") == label
        other.unmounted()
    host = other.node.host
    other.hang_up()
    host.kill_libvirtd()
    host.start_libvirtd()
    other.mounted("iso9660", "sr0")
    asked = cloud.user.call("user.vm.insert_cd", {"vm_id": other.id, "iso_image_id": one})
    op = failed(cloud, asked["operation_id"])
    assert op["error"] == "tray_locked", op
    cloud.wait_running(other.id, contextualized=False)
    assert [each["id"] for each in cloud.vm(other.id)["iso_images"]] == [two]
    assert other.run("echo 3 >/proc/sys/vm/drop_caches; cat /mnt/label") == "two"
    inserted(one, force=True)
    other.unmounted()
    other.mounted("iso9660", "sr0")
    assert other.run("cat /mnt/label") == "one"
    other.unmounted()
    work(cloud, "user.vm.eject_cd", vm_id=other.id)
    assert cloud.vm(other.id)["iso_images"] == []
    assert other.run("dd if=/dev/sr0 of=/dev/null count=1 2>/dev/null; echo $?") != "0"
    for iso in (one, two):
        delete_image(cloud, iso)


def test_false_header(machine: Machine, small: Small) -> None:
    """
    A guest writes the header of a qcow2 that names another file to the beginning of its disk. That grows, gets a
    snapshot, is merged, moved, copied and made an image, is what the guest wrote, and nobody opens what it names.
    """
    cloud, secret, disguise = machine.cloud, machine.cloud.base / "secret", machine.cloud.base / "disguise"
    secret.write_bytes(b"not for guests" * 300)
    names = ["-b", str(secret), "-F", "raw"]
    make = [get_program("qemu-img"), "create", "-q", "-f", "qcow2", *names, str(disguise), "64M"]
    subprocess.run(make, check=True, timeout=60)
    header = disguise.read_bytes()[:1024]
    small.resize(96)
    disk_id = work(cloud, "user.disk.create", name="false", size_mib=8)["disk_id"]
    work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=machine.id)
    machine.until("grep -c -w vdb /proc/partitions", "1")
    packed = base64.b64encode(gzip.compress(header)).decode()
    machine.until(f"echo {packed} | base64 -d | gunzip | dd of=/dev/vdb conv=fsync 2>/dev/null && echo done", "done")

    def begins(disk: int) -> bytes:
        """As its guest sees it."""
        read = ["qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", "bs=1024", "count=1"]
        machine.node.host.run([*read, f"if={volume(cloud, disk)}", f"of={cloud.base / 'begin'}"])
        return (cloud.base / "begin").read_bytes()

    with closing(Opened(secret)) as opened:
        work(cloud, "user.disk.grow", disk_id=disk_id, size_mib=16)
        machine.until("cat /sys/block/vdb/size", str(16 * 2048))
        taken = work(cloud, "user.disk.create_snapshot", disk_id=disk_id, name="false")["snapshot_ids"][0]
        copied = work(cloud, "user.snapshot.create_disk", snapshot_id=taken, name="copied")["disk_id"]
        work(cloud, "user.snapshot.delete", snapshot_id=taken)
        work(cloud, "user.disk.move", disk_id=disk_id, storage_id=small.id)
        assert begins(disk_id) == header
        work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=machine.id)
        moved = cloud.admin.call("admin.disk.move", {"disk_id": disk_id, "storage_id": cloud.storage_id})
        cloud.wait_operation(cloud.user, moved["operation_id"], PATIENCE_S)
        image_id = work(cloud, "user.disk.to_image", disk_id=disk_id, name="false")["image_id"]
        cloud.admin.call("admin.storage.check", {"storage_id": cloud.storage_id})
        assert begins(disk_id) == begins(copied) == header
        assert opened.times() == 0
        machine.node.host.run(["qemu-img", "info", "--backing-chain", "-f", "qcow2", str(disguise)])
        assert opened.times() > 0
    delete_image(cloud, image_id)
    for each in (disk_id, copied):
        purge(cloud, each)


def test_full(machine: Machine, small: Small) -> None:
    """
    A guest that fills a storage up stands still, as its user and the administrators are told, keeps its disks, goes on
    by itself when there is room, and has written all without an error.
    """
    cloud = machine.cloud
    small.resize(ROOM_MIB)
    disk_id = work(cloud, "user.disk.create", name="thick", size_mib=64, storage_id=small.id)["disk_id"]
    work(cloud, "user.disk.attach", disk_id=disk_id, vm_id=machine.id)
    machine.until("grep -c -w vdb /proc/partitions", "1")
    machine.run("yes 0123456789abcde | head -c 65536 >/tmp/k; echo done")
    machine.run("for n in $(seq 16); do cat /tmp/k; done >/tmp/m; echo done")
    write = f"for n in $(seq {WANTED_MIB}); do cat /tmp/m; done | dd of=/dev/vdb bs=64k conv=fsync"
    # It begins once the shell has answered, which it cannot do while the guest stands still.
    begun = f"mkdir /tmp/once && {{ sleep 2; {write}; echo $? >/tmp/rc; }}"
    machine.run(f"({begun}) >/dev/null 2>&1 & echo begun")
    stopped = cloud.wait_for(machine.id, "paused", PATIENCE_S)
    assert stopped["seen_reason"] == "io_error"
    wait_until(lambda: small.told()["full_since"], "that the storage is told as full", 60, pause=0.2)
    assert "vm_storage_stopped" in messages(cloud, machine)
    assert any(each["kind"] == "wrong_state" for each in cloud.admin.call("admin.drift.get_list"))
    with pytest.raises(WrongVMState):
        cloud.user.call("user.disk.detach", {"disk_id": disk_id, "vm_id": machine.id})
    small.resize(96)
    cloud.wait_for(machine.id, "running", PATIENCE_S)
    machine.until("cat /tmp/rc", "0")
    assert machine.run("dmesg | grep -c 'I/O error'") == "0"
    assert "vm_storage_resumed" in messages(cloud, machine) and small.told()["full_since"] is None
    work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=machine.id)
    back = cloud.base / "back"
    machine.node.host.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(volume(cloud, disk_id)), str(back)])
    with back.open("rb") as file:
        assert file.read(WANTED_MIB * MIB) == b"0123456789abcde\n" * (WANTED_MIB * MIB // 16)
    purge(cloud, disk_id)


def test_refused(machine: Machine, stuck: Stuck) -> None:
    """
    A guest that has not booted keeps its disk, and who asked is told; when it has, it is detached as ever. Of a guest
    that is paused none is asked for.
    """
    cloud, (early, disk_id, operation_id) = machine.cloud, stuck
    op = failed(cloud, operation_id)
    assert op["error"] == "disk_kept", op
    cloud.wait_running(early.id, contextualized=False)
    (kept,) = attachments(cloud, disk_id)
    assert (kept["vm_id"], kept["leaving"]) == (early.id, True)
    work(cloud, "user.vm.pause", vm_id=early.id)
    with pytest.raises(WrongVMState):
        cloud.user.call("user.disk.detach", {"disk_id": disk_id, "vm_id": early.id})
    work(cloud, "user.vm.resume", vm_id=early.id)
    keyboard = Socket(cloud.user.call("user.vm.open_console", {"vm_id": early.id, "force": True})["url"])

    def boots() -> bool:
        keyboard.send(b"\r")
        return b"TINY" in keyboard.receive(1)

    wait_until(boots, "the boot", PATIENCE_S)
    keyboard.close()
    early.until("echo there", "there")
    assert early.run("grep -c -w vdb /proc/partitions") == "1" and attachments(cloud, disk_id) == [kept]
    work(cloud, "user.disk.detach", disk_id=disk_id, vm_id=early.id)
    assert attachments(cloud, disk_id) == []
    early.until("grep -c -w vdb /proc/partitions", "0")
    purge(cloud, disk_id)
