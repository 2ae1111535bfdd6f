#!/usr/bin/env python3
"""
Wawel's agent for guests: does what the owners of its VM ask of the guest, and tells how the guest is.

It calls the VM's metadata address and waits there for something to do; nobody calls it. Python 3.9 and its standard
library alone, as it is copied to guests. ``wawel-guest --help`` has its options.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import os
import pwd
import secrets
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VERSION = "1"
PROTOCOL = 1
ENDPOINT = "http://169.254.169.254"
STATE = Path("/var/lib/wawel-guest")
WAIT_S = 25.0
TIMEOUT_S = 40.0
REST_S = (1.0, 30.0)  # after a failure, doubled until it works again
TELLING_S = (0.3, 0.6, 1.2, 2.4)  # between tries to tell what came of a command, whose callers wait 10 s
BUSY = (429, 502, 503, 504)  # answers that say nothing of what was asked: too many calls, or nobody there
ANSWER_MAX = 1 << 20  # bytes
FILE_MAX = 1 << 20
LIST_MAX = 64
PROGRAM_S = 10.0

log = logging.getLogger("wawel-guest")


class Failed(Exception):
    """Something that was asked for cannot be done; the text says why."""


class Refused(Exception):
    """The endpoint answered, and not with success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the endpoint answers {status}")
        self.status = status


# ------------------------------------------------------------------ what it does


def facts() -> dict[str, Any]:
    """What the guest is like; what cannot be found out is left out."""
    found: dict[str, Any] = {"hostname": socket.gethostname(), "kernel": os.uname().release}
    parts: dict[str, Callable[[], Any]] = {
        "os": _system, "interfaces": _interfaces, "filesystems": _filesystems, "users": _users,
        "load": lambda: list(os.getloadavg()),
    }  # fmt: skip
    for name, part in parts.items():
        try:
            found[name] = part()
        except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError, Failed) as error:
            log.info("%s cannot be told: %s", name, error)
    return found


def _system() -> str:
    for line in _read(Path("/etc/os-release")).splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return os.uname().sysname


def _interfaces() -> list[dict[str, Any]]:
    cards = json.loads(_run(["ip", "-j", "address", "show"]))
    return [
        {
            "name": card["ifname"],
            "mac": card.get("address", "") if card.get("link_type") == "ether" else "",
            "addresses": [f"{each['local']}/{each['prefixlen']}" for each in card.get("addr_info", [])[:LIST_MAX]],
        }
        for card in cards[:LIST_MAX]
    ]


def _filesystems() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for line in _read(Path("/proc/self/mounts")).splitlines():
        device, point, kind = line.split(" ")[:3]
        if not device.startswith("/dev/") or device in found:
            continue
        point = point.replace("\\040", " ")
        room = os.statvfs(point)
        total = room.f_blocks * room.f_frsize
        found[device] = {
            "mountpoint": point, "device": device[len("/dev/"):], "kind": kind, "total_bytes": total,
            "used_bytes": total - room.f_bfree * room.f_frsize,
        }  # fmt: skip
    return list(found.values())[:LIST_MAX]


_UTMP = struct.Struct("<hxxi32s4s32s256shhiii16s20x")  # of 64-bit Linux, with times of 32 bits
_USER_PROCESS = 7


def _users() -> list[dict[str, Any]]:
    data = Path("/run/utmp").read_bytes()[:FILE_MAX]
    entries = (_UTMP.unpack_from(data, at) for at in range(0, len(data) - _UTMP.size + 1, _UTMP.size))
    return [
        {"name": entry[4].rstrip(b"\0").decode("utf-8", "replace"), "since": entry[9]}
        for entry in entries
        if entry[0] == _USER_PROCESS
    ][:LIST_MAX]


def set_password(user: str, password: str) -> None:
    _account(user)
    if ":" in user or "\n" in user or "\n" in password:
        raise Failed("neither may have a line break")
    _run(["chpasswd"], f"{user}:{password}\n")


def keys(user: str) -> list[str]:
    return _as_account(user, lambda home: _key_lines(home))


def add_keys(user: str, keys: list[str]) -> None:
    def add(home: Path) -> None:
        there = _key_lines(home)
        _write_keys(home, [*there, *(key for key in dict.fromkeys(map(_one_line, keys)) if key not in there)])

    _as_account(user, add)


def remove_keys(user: str, keys: list[str]) -> None:
    def remove(home: Path) -> None:
        there = _key_lines(home)
        left = [line for line in there if line not in keys]
        if left != there:
            _write_keys(home, left)

    _as_account(user, remove)


def set_time(unix_s: float) -> None:
    time.clock_settime(time.CLOCK_REALTIME, float(unix_s))


ACTIONS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (facts, set_password, keys, add_keys, remove_keys, set_time)
}


# ------------------------------------------------------------------ how it does it


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise Failed(f"no user {user}") from None


def _as_account(user: str, work: Callable[[Path], Any]) -> Any:
    """
    Do something within an account's home, as that account: it is its owner's, who may have put links to anywhere there.
    """
    account = _account(user)
    home = Path(account.pw_dir)
    if account.pw_uid == os.geteuid():
        return work(home)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            try:
                os.initgroups(user, account.pw_gid)
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
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


def _key_lines(home: Path) -> list[str]:
    path = home / ".ssh" / "authorized_keys"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Failed(f"{path} is no file")
        return [line for line in _read(path).splitlines() if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        return []


def _write_keys(home: Path, lines: list[str]) -> None:
    """All of the file, or as it was."""
    directory = home / ".ssh"
    directory.mkdir(mode=0o700, exist_ok=True)
    new = directory / ".authorized_keys.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    new.replace(directory / "authorized_keys")


def _one_line(key: str) -> str:
    if not isinstance(key, str) or not key.isprintable():
        raise Failed("a key is one line")
    return key


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise Failed(f"{path} is too large")
    return data.decode("utf-8", "replace")


def _run(argv: list[str], given: str = "") -> str:
    """What a program says. :raises Failed: it fails, or lasts."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
    try:
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, timeout=PROGRAM_S, env={**os.environ, "PATH": path},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{argv[0]}: {type(error).__name__}") from None
    if done.returncode:
        raise Failed(f"{argv[0]}: {done.stderr.strip()[-200:] or done.returncode}")
    return done.stdout


# ------------------------------------------------------------------ whom it asks


class Agent:
    """:param state: where its key lies, by which the endpoint knows it from other programs of the guest."""

    def __init__(self, endpoint: str = ENDPOINT, state: Path = STATE) -> None:
        parts = urlsplit(endpoint)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._key = _own_key(state)

    def run(self) -> None:
        """For ever: what fails is tried again, less and less often."""
        rest_s = REST_S[0]
        while True:
            try:
                self.turn()
                rest_s = REST_S[0]
            except (OSError, http.client.HTTPException, ValueError, Refused) as error:
                log.warning("%s; again in %g s", error, rest_s)
                time.sleep(rest_s)
                rest_s = min(2 * rest_s, REST_S[1])

    def turn(self, wait_s: float = WAIT_S) -> bool:
        """Wait for something to do, and do it. :return: whether there was something."""
        command = self._post("poll", wait_s=wait_s)["command"]
        if command is None:
            return False
        try:
            # It is told what to do once it says that it begins: what came too late is not told any more.
            asked = self._post("begin", command=command)
        except Refused as refused:
            if refused.status != 410:
                raise
            return False
        action = str(asked["action"])
        self._tell(action, command, self._do(action, asked["arguments"]))
        return True

    def _tell(self, action: str, command: Any, said: dict[str, Any]) -> None:
        """What was done is told until it is heard, or nobody waits for it: another answer than that it ends."""
        for rest_s in (*TELLING_S, None):
            try:
                self._post("result", command=command, **said)
                return
            except Refused as refused:
                if refused.status not in BUSY:
                    log.warning("%s has ended, and nobody waits for it: %s", action, refused)
                    return
                trouble: Exception = refused
            except (OSError, http.client.HTTPException) as error:
                trouble = error
            if rest_s is None:
                raise trouble
            time.sleep(rest_s)

    def _do(self, action: str, arguments: Any) -> dict[str, Any]:
        log.info("does %s", action)  # without its arguments: one may be a password
        work = ACTIONS.get(action)
        if work is None:
            return {"ok": False, "error": f"this agent knows no {action}"}
        try:
            return {"ok": True, "result": work(**arguments)}
        except Failed as failed:
            return {"ok": False, "error": str(failed)}
        except Exception as error:
            log.exception("%s failed", action)
            return {"ok": False, "error": f"{type(error).__name__}: {error}"[:200]}

    def _post(self, what: str, **said: Any) -> dict[str, Any]:
        body = {"protocol": PROTOCOL, "key": self._key, "version": VERSION, "actions": sorted(ACTIONS), **said}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            headers = {"Content-Type": "application/json", "User-Agent": f"wawel-guest/{VERSION}"}
            connection.request("POST", f"/agent/{what}", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            content = answer.read(ANSWER_MAX)
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status)
        told = json.loads(content)
        if not isinstance(told, dict):
            raise ValueError("the endpoint's answer is no object")
        return told


def _own_key(state: Path) -> str:
    """Made when it is first needed, of this machine alone: that of a copied disk is thrown away."""
    try:
        machine = Path("/sys/class/dmi/id/product_uuid").read_text().strip()
    except OSError:
        machine = ""
    path = state / "key"
    try:
        whose, _, key = path.read_text().partition(" ")
        if whose == f"{machine}:" and len(key) == 64:
            return key
    except OSError:
        pass
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_hex(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{machine}: {key}")
    return key


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="wawel-guest", description="Wawel's agent for guests.")
    parser.add_argument("--endpoint", default=ENDPOINT, help="where to ask (%(default)s)")
    parser.add_argument("--state", type=Path, default=STATE, help="directory of its key (%(default)s)")
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    Agent(options.endpoint, options.state).run()


if __name__ == "__main__":
    main()
