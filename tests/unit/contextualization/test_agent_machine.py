"""What our agent does to a guest as a whole: its name, its power, its root file system."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from contextualization.guest.agent import accounts, machine, system


class Typed:
    """Programs that are called, and what each says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[list[str]] = []
        self.there = {"growpart", "hostnamectl"}
        self.has_systemd = True
        monkeypatch.setattr(system, "run", self._run)
        monkeypatch.setattr(system, "has", lambda program: program in self.there)
        monkeypatch.setattr(system, "has_systemd", lambda: self.has_systemd)

    def _run(self, argv: list[str], given: str = "", **_: Any) -> str:
        self.calls.append(argv)
        return ""


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    return Typed(monkeypatch)


@pytest.mark.parametrize(("work", "systemd", "option"), [
    (machine.power_off, "poweroff", "-h"), (machine.reboot, "reboot", "-r"),
])  # fmt: skip
def test_leaves(typed: Typed, work: Any, systemd: str, option: str) -> None:
    """It is begun, and not waited for: whoever asked is to hear of it."""
    work()
    typed.has_systemd = False
    work()
    assert typed.calls == [["systemctl", "--no-block", systemd], ["shutdown", option, "now"]]


def test_hostname(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name, and the line of /etc/hosts that has it; another's lines stay."""
    names = tmp_path / "hosts"
    names.write_text("127.0.0.1 localhost\n127.0.1.1 old.example old\n10.0.0.5 other\n")
    monkeypatch.setattr(machine, "HOSTS", names)
    called = []
    monkeypatch.setattr(socket, "sethostname", called.append)
    monkeypatch.setattr(machine, "HOSTNAME", tmp_path / "hostname")
    assert machine.set_hostname("web.example") == socket.gethostname()
    assert typed.calls == [["hostnamectl", "set-hostname", "web.example"]] and not called
    assert names.read_text() == "127.0.0.1 localhost\n10.0.0.5 other\n127.0.1.1 web.example web\n"
    assert names.stat().st_mode & 0o777 == 0o644
    typed.has_systemd = False
    machine.set_hostname("db")
    assert called == ["db"] and (tmp_path / "hostname").read_text() == "db\n"
    for wrong in ("", "a b", "-a", "a\nb", "a" * 64, "ż", None, 5):
        with pytest.raises(system.Failed):
            machine.set_hostname(wrong)  # type: ignore[arg-type]
    assert called == ["db"]


def test_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ours is in place of what was; others' lines, a farm's among them, stay. What is none changes nothing."""
    names = tmp_path / "hosts"
    others = "127.0.0.1 localhost\n# farm begins\n10.0.0.5 sums\n# farm ends\n"
    names.write_text(others)
    monkeypatch.setattr(machine, "HOSTS", names)
    for _ in range(2):
        machine.set_hosts([["10.0.0.9", "db", "db.example"], ["fd00::9", "db"]])
    ours = "# wawel begins\n10.0.0.9 db db.example\nfd00::9 db\n# wawel ends\n"
    assert names.read_text() == others + ours
    for wrong in ([["x", "db"]], [["10.0.0.9"]], [["10.0.0.9", "a\nb"]], [[]], 5, [["10.0.0.9", "a"]] * 2000):
        with pytest.raises(system.Failed):
            machine.set_hosts(wrong)  # type: ignore[arg-type]
    assert names.read_text() == others + ours
    machine.set_hosts([])
    assert names.read_text() == others


def test_notice(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is logged in is told, and whoever comes, without what terminals take for orders; then nobody any more."""
    place = tmp_path / "motd.d" / "wawel"
    monkeypatch.setattr(machine, "NOTICE", place)
    typed.there.add("wall")
    machine.notice("It ends\nsoon.\x1b[2J\x07")
    assert place.read_text() == "It ends\nsoon.[2J\n" and typed.calls == [["wall"]]
    machine.notice("")
    machine.notice("")
    assert not place.exists() and len(typed.calls) == 1


class Disk:
    """The kernel's files of a disk whose partition 2 is the root's, and what else is there."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.mounts = directory / "mounts"
        (directory / "block").mkdir()
        self.put("vda", size=1 << 24)
        self.put("vda/vda1", start=2048, size=1 << 20, partition=1)
        self.put("vda/vda2", start=1 << 21, size=1 << 21, partition=2)
        self.mount("ext4")
        monkeypatch.setattr(machine, "MOUNTS", self.mounts)
        monkeypatch.setattr(machine, "BLOCKS", directory / "block")

    def put(self, path: str, **facts: int) -> None:
        place = self.directory / "devices" / path
        place.mkdir(parents=True, exist_ok=True)
        for name, value in facts.items():
            (place / name).write_text(f"{value}\n")
        link = self.directory / "block" / place.name
        if not link.exists():
            link.symlink_to(place)

    def mount(self, kind: str, device: str = "/dev/vda2") -> None:
        self.mounts.write_text(f"rootfs / rootfs rw 0 0\n{device} / {kind} rw 0 0\nproc /proc proc rw 0 0\n")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_grow_root(typed: Typed, disk: Disk) -> None:
    """The partition, then what is on it, each by the program for it."""
    told = machine.grow_root()
    assert typed.calls == [["growpart", "/dev/vda", "2"], ["resize2fs", "/dev/vda2"]]
    assert told["kind"] == "ext4" and told["before_bytes"] == told["total_bytes"] > 0
    typed.there.clear()
    typed.calls.clear()
    disk.mount("xfs")
    machine.grow_root()
    programs = [call[0] for call in typed.calls]
    assert programs == ["sfdisk", "partx", "xfs_growfs"] and typed.calls[0][-2:] == ["2", "/dev/vda"]
    typed.calls.clear()
    disk.mount("ext4", "/dev/vda")  # a disk without partitions
    machine.grow_root()
    assert typed.calls == [["resize2fs", "/dev/vda"]]


def test_grown_already(typed: Typed, disk: Disk) -> None:
    """A partition that ends where the disk does stays, be it short of it by the table's own copy."""
    disk.put("vda/vda2", size=(1 << 24) - (1 << 21) - 33)
    machine.grow_root()
    assert typed.calls == [["resize2fs", "/dev/vda2"]]


@pytest.mark.parametrize(("kind", "device", "reason"), [
    ("zfs", "/dev/vda2", "zfs"), ("overlay", "overlay", "no disk"), ("ext4", "/dev/vda1", "another partition"),
])  # fmt: skip
def test_grows_not(typed: Typed, disk: Disk, kind: str, device: str, reason: str) -> None:
    """What cannot be grown is said, and nothing of the disk is changed but where the file system alone is strange."""
    disk.mount(kind, device)
    with pytest.raises(system.Failed, match=reason):
        machine.grow_root()
    assert [call for call in typed.calls if call[0] != "growpart"] == []


def test_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is made, which only its account reads; asked again the same is told."""
    monkeypatch.setattr(system, "as_account", lambda user, work: work(tmp_path))
    monkeypatch.setattr(accounts, "as_account", lambda user, work: work(tmp_path))
    first = accounts.generate_key("ala")
    again = accounts.generate_key("ala")
    assert (first["made"], again["made"]) == (True, False) and first["public_key"] == again["public_key"]
    assert first["public_key"].startswith("ssh-ed25519 ") and first["public_key"].endswith(" ala")
    key = Path(first["path"])
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    (tmp_path / ".ssh" / "id_ed25519.pub").unlink()
    assert accounts.generate_key("ala")["public_key"].split()[:2] == first["public_key"].split()[:2]
    key.write_text("no key\n")
    with pytest.raises(system.Failed, match="ssh-keygen"):
        accounts.generate_key("ala")
    assert os.listdir(tmp_path) == [".ssh"]
