"""
What others share, mounted in a guest until its next boot: by NFS, SMB (cifs) or SSH (sshfs). Passwords and keys are
neither arguments of a program, which everybody may see, nor on a disk.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import system
from .system import Failed

KEEP = Path("/run/wawel-guest")  # in memory
MOUNTS = Path("/proc/self/mounts")
MOUNT_S = 30.0
HOST = r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])"
SOURCES = {
    "nfs": re.compile(rf"{HOST}:/[^\s,]*"),
    "cifs": re.compile(r"//[A-Za-z0-9][A-Za-z0-9.-]*/[^\s,]+"),
    "sshfs": re.compile(rf"{HOST}:[^\s,]*"),
}
OPTIONS = "nosuid,nodev"
LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\\@-]{0,63}")


def mount_share(kind: str, source: str, mountpoint: str, user: str = "", password: str = "", key: str = "") -> None:
    """
    :param source: ``host:/path``, of cifs ``//host/share``.
    :param mountpoint: made where it is not there; else an empty directory.
    :param user: as whom, at the other end; of cifs and sshfs.
    :param key: the private part of an SSH key, in place of the password; of sshfs.
    """
    pattern = SOURCES.get(kind)
    if pattern is None:
        raise Failed(f"no shares of the kind {kind} are mounted")
    if not isinstance(source, str) or not pattern.fullmatch(source):
        raise Failed(f"that is no source of {kind}")
    if user and not LOGIN.fullmatch(user) or not (password + key).replace("\n", "").isprintable() or "\n" in password:
        raise Failed("the user, the password or the key has what none has")
    point = _empty(mountpoint)
    if kind == "nfs":
        system.run(["mount", "-t", "nfs", "-o", OPTIONS, source, str(point)], within_s=MOUNT_S)
    elif kind == "cifs":
        with _kept(f"username={user or 'guest'}\npassword={password}\n") as file:  # read as it is mounted
            options = f"{OPTIONS},credentials={file}"
            system.run(["mount", "-t", "cifs", "-o", options, source, str(point)], within_s=MOUNT_S)
    else:
        _by_ssh(f"{user}@{source}" if user else source, point, password, key)


def unmount_share(mountpoint: str) -> None:
    """:raises Failed: nothing of this is mounted there, or it is in use."""
    point = os.path.normpath(str(mountpoint))
    if point not in {place for place, kind in _mounted() if kind in ("nfs", "nfs4", "cifs", "fuse.sshfs")}:
        raise Failed(f"no share is mounted at {point}")
    system.run(["umount", "--", point], within_s=MOUNT_S)


def _by_ssh(source: str, point: Path, password: str, key: str) -> None:
    options = ["-o", f"{OPTIONS},allow_other,StrictHostKeyChecking=accept-new,reconnect"]
    if key:
        # Its program goes on to need it, to connect again.
        KEEP.mkdir(mode=0o700, exist_ok=True)
        file = KEEP / f"key-{secrets.token_hex(8)}"
        system.write(file, key.rstrip("\n") + "\n", 0o600)
        try:
            options += ["-o", f"IdentityFile={file},BatchMode=yes"]
            system.run(["sshfs", *options, source, str(point)], within_s=MOUNT_S)
        except Failed:
            file.unlink()
            raise
        return
    system.run(["sshfs", *options, "-o", "password_stdin", source, str(point)], f"{password}\n", within_s=MOUNT_S)


@contextmanager
def _kept(text: str) -> Iterator[Path]:
    KEEP.mkdir(mode=0o700, exist_ok=True)
    file = KEEP / f"credentials-{secrets.token_hex(8)}"
    system.write(file, text, 0o600)
    try:
        yield file
    finally:
        file.unlink()


def _empty(mountpoint: str) -> Path:
    """:raises Failed: it is not absolute, has something in it, or is mounted already."""
    text = str(mountpoint)
    point = Path(os.path.normpath(text))
    if not text.startswith("/") or not text.isprintable() or point == Path("/"):
        raise Failed("a share is mounted at an absolute path")
    if str(point) in {place for place, _ in _mounted()}:
        raise Failed(f"{point} is mounted already")
    try:
        point.mkdir(parents=True, exist_ok=True)
        if point.resolve() != point or any(point.iterdir()):
            raise Failed(f"{point} is not empty, or leads elsewhere")
    except OSError as error:
        raise Failed(f"{point}: {error.strerror}") from None
    return point


def _mounted() -> list[tuple[str, str]]:
    """Of each mount the place and the kind."""
    lines = (line.split(" ") for line in system.read(MOUNTS).splitlines())
    return [(line[1].replace("\\040", " "), line[2]) for line in lines if len(line) > 2]
