"""What is done for a guest's accounts: passwords, who may log in, keys of their own."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from . import system
from .system import Failed, as_account


def set_password(user: str, password: str) -> None:
    system.account(user)
    if ":" in user or "\n" in user or "\n" in password:
        raise Failed("neither may have a line break")
    system.run(["chpasswd"], f"{user}:{password}\n")


def keys(user: str) -> list[str]:
    found: list[str] = as_account(user, _key_lines)
    return found


def add_keys(user: str, keys: list[str]) -> None:
    def add(home: Path) -> None:
        there = _key_lines(home)
        _write_keys(home, [*there, *(key for key in dict.fromkeys(map(_one_line, keys)) if key not in there)])

    as_account(user, add)


def remove_keys(user: str, keys: list[str]) -> None:
    def remove(home: Path) -> None:
        there = _key_lines(home)
        left = [line for line in there if line not in keys]
        if left != there:
            _write_keys(home, left)

    as_account(user, remove)


def generate_key(user: str) -> dict[str, Any]:
    """
    An Ed25519 key of the account's own, where it has none: the private part stays in its home.

    :return: its public line; ``made``: whether there was none.
    """

    def generate(home: Path) -> dict[str, Any]:
        path = home / ".ssh" / "id_ed25519"
        made = not path.exists()
        if made:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            system.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", user, "-f", str(path)])
        # Of the key itself: a file beside it may be another's, or gone.
        line = system.run(["ssh-keygen", "-y", "-P", "", "-f", str(path)]).strip()
        return {"public_key": line, "made": made, "path": str(path)}

    told: dict[str, Any] = as_account(user, generate)
    return told


def _key_lines(home: Path) -> list[str]:
    path = home / ".ssh" / "authorized_keys"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Failed(f"{path} is no file")
        return [line for line in system.read(path).splitlines() if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        return []


def _write_keys(home: Path, lines: list[str]) -> None:
    directory = home / ".ssh"
    directory.mkdir(mode=0o700, exist_ok=True)
    system.write(directory / "authorized_keys", "".join(f"{line}\n" for line in lines), 0o600)


def _one_line(key: str) -> str:
    if not isinstance(key, str) or not key.isprintable():
        raise Failed("a key is one line")
    return key
