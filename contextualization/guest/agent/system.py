"""How things are done in a guest: by programs, and within a home as its owner."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE_MAX = 1 << 20  # bytes
PROGRAM_S = 10.0
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"


class Failed(Exception):
    """Something that was asked for cannot be done; the text says why."""


def run(argv: list[str], given: str = "", *, within_s: float = PROGRAM_S) -> str:
    """
    What a program says.

    :param given: what it reads; what is secret goes there, since arguments are everybody's to see.
    :raises Failed: it fails, or lasts.
    """
    try:
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, timeout=within_s, env={**os.environ, "PATH": PATH},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{argv[0]}: {type(error).__name__}") from None
    if done.returncode:
        raise Failed(f"{argv[0]}: {(done.stderr.strip() or done.stdout.strip())[-200:] or done.returncode}")
    return done.stdout


def has(program: str) -> bool:
    return shutil.which(program, path=PATH) is not None


def has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise Failed(f"{path} is too large")
    return data.decode("utf-8", "replace")


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """All of the file, or as it was. A new one has that mode from its first byte on."""
    new = path.with_name(f".{path.name}.wawel")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def account(user: str) -> pwd.struct_passwd:
    """:raises Failed: there is none."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise Failed(f"no user {user}") from None


def as_account(user: str, work: Callable[[Path], Any]) -> Any:
    """
    Do something within an account's home, as that account: it is its owner's, who may have put links to anywhere there.

    :param work: is handed the home; what it gives has to have a form in JSON.
    """
    its = account(user)
    home = Path(its.pw_dir)
    if its.pw_uid == os.geteuid():
        return work(home)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            try:
                os.initgroups(user, its.pw_gid)
                os.setgid(its.pw_gid)
                os.setuid(its.pw_uid)
                said = {"result": work(home)}
            except (Failed, OSError) as error:
                said = {"error": str(error)}
            with os.fdopen(writing, "w") as pipe:
                json.dump(said, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    said = json.loads(text) if text else {"error": "the account's process has ended"}
    if "error" in said:
        raise Failed(said["error"])
    return said["result"]
