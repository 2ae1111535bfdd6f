"""What our agent mounts: where nothing is, and with passwords and keys in nobody's sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contextualization.guest.agent import shares, system
from contextualization.guest.agent.system import Failed

PASSWORD, KEY = "Correct-horse-7", "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"


class Guest:
    """Where programs are called, and what is seen of the files that they are given."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[list[str], str]] = []
        self.files: list[tuple[str, int]] = []
        self.fails = False
        self.keep, self.mounts, self.point = directory / "keep", directory / "mounts", directory / "data"
        self.mounts.write_text("/dev/vda1 / ext4 rw 0 0\n")
        monkeypatch.setattr(shares, "KEEP", self.keep)
        monkeypatch.setattr(shares, "MOUNTS", self.mounts)
        monkeypatch.setattr(system, "run", self._run)

    def _run(self, argv: list[str], given: str = "", **_: Any) -> str:
        self.calls.append((argv, given))
        for each in self.keep.iterdir() if self.keep.exists() else ():
            self.files.append((each.read_text(), each.stat().st_mode & 0o777))
        if self.fails:
            raise Failed(f"{argv[0]}: no")
        return ""

    @property
    def argv(self) -> str:
        return " ".join(" ".join(argv) for argv, _ in self.calls)


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guest:
    return Guest(tmp_path, monkeypatch)


def test_nfs(guest: Guest) -> None:
    shares.mount_share("nfs", "10.0.0.9:/srv/data", str(guest.point))
    assert guest.calls == [(["mount", "-t", "nfs", "-o", "nosuid,nodev", "10.0.0.9:/srv/data", str(guest.point)], "")]
    assert guest.point.is_dir()


def test_cifs(guest: Guest) -> None:
    """Its password is in a file of root's as long as it is mounted, also where that fails."""
    for fails in (False, True):
        guest.fails = fails
        try:
            shares.mount_share("cifs", "//nas/data", str(guest.point), "ala", PASSWORD)
        except Failed:
            assert fails
        assert guest.files.pop() == (f"username=ala\npassword={PASSWORD}\n", 0o600)
        assert not list(guest.keep.iterdir())
    assert PASSWORD not in guest.argv and guest.argv.count("credentials=") == 2


def test_sshfs(guest: Guest) -> None:
    """Its password is what the program reads; its key a file in memory for as long as it is mounted."""
    shares.mount_share("sshfs", "nas:data", str(guest.point), "ala", PASSWORD)
    assert guest.calls[0][1] == f"{PASSWORD}\n" and "ala@nas:data" in guest.calls[0][0] and not guest.files
    shares.mount_share("sshfs", "nas:data", str(guest.point), "ala", key=KEY)
    assert guest.files == [(KEY, 0o600)] and len(list(guest.keep.iterdir())) == 1
    guest.fails = True
    with pytest.raises(Failed):
        shares.mount_share("sshfs", "nas:data", str(guest.point), "ala", key=KEY)
    assert len(list(guest.keep.iterdir())) == 1
    assert PASSWORD not in guest.argv and "abc" not in guest.argv


@pytest.mark.parametrize(("kind", "source", "more"), [
    ("ext4", "10.0.0.9:/a", {}), ("nfs", "-oexec:/a", {}), ("nfs", "10.0.0.9:a", {}), ("nfs", "a:/b,suid", {}),
    ("cifs", "nas/data", {}), ("cifs", "//nas/a b", {}), ("sshfs", "-oProxyCommand=x:", {}),
    ("sshfs", "nas:", {"user": "-oa"}), ("cifs", "//nas/a", {"password": "a\nusername=root"}),
    ("nfs", None, {}),
])  # fmt: skip
def test_refused(guest: Guest, kind: str, source: Any, more: dict[str, str]) -> None:
    """Nothing is run by what is no source, nor by what a program would take for an option."""
    with pytest.raises(Failed):
        shares.mount_share(kind, source, str(guest.point), **more)
    assert not guest.calls


def test_places(guest: Guest, tmp_path: Path) -> None:
    """Over nothing that is there, and at no place that leads elsewhere."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "link").symlink_to("/tmp")
    guest.mounts.write_text(f"x {tmp_path}/taken nfs rw 0 0\n")
    ours = [f"{tmp_path}/{name}" for name in ("full", "link", "taken", "full/file")]
    for point in ("/", "data", "/a\nb", *ours):
        with pytest.raises(Failed):
            shares.mount_share("nfs", "10.0.0.9:/srv", point)
    for point in ("/", "/proc", f"{tmp_path}/full"):
        with pytest.raises(Failed):
            shares.unmount_share(point)
    assert not guest.calls
    shares.unmount_share(f"{tmp_path}/taken/")
    assert guest.calls == [(["umount", "--", f"{tmp_path}/taken"], "")]
