"""
What lies between a person and a machine's console: a key's way to the guest's shell and back beside ``virsh console``,
and a screen's bytes beside QEMU's own VNC port. Both by way of the cloud manager; needs root.
"""

from __future__ import annotations

import os
import pty
import select
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.clusters import Settings
from benchmarks.report import Figure, Skipped, Target, child_environment, median, spread
from cm.rpc.rfb import VERSION, response
from cm.rpc.websocket_client import Socket
from cm.rules.names import domain_name
from lab.federation import Federation
from lab.places import get_program

ECHO_MORE_MS = 50.0
SCREEN_PART = 0.8
WAIT_S = 60.0


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    if os.geteuid():
        yield Skipped("terminal", "it needs root, for hosts with QEMU guests")
        return
    keys, frames = (20, 10) if settings.quick else (200, 100)
    with tempfile.TemporaryDirectory(prefix="wawel-bench-") as directory:
        os.chmod(directory, 0o755)
        with Federation(Path(directory) / "cloud", 1, 1, "qemu", steps=settings.steps) as whole:
            cluster = whole.clusters[0]
            vm_id = int(cluster.create(name="spoken")["vm_id"])
            cluster.wait_running(vm_id)
            yield _typing(whole, cluster, vm_id, keys)
            yield _screen(whole, cluster, vm_id, frames)


def _open(whole: Any, vm_id: int, kind: str) -> Socket:
    """As a program does, at the cloud."""
    asked = {"vm_id": vm_id, "kind": kind, "cluster": whole.clusters[0].name}
    ticket = whole.user.call("user.vm.open_console", asked)
    url = f"ws{whole.clm.url.removeprefix('http')}{ticket['path']}&cluster={whole.clusters[0].name}"
    return Socket(url, headers={"Authorization": f"Bearer {whole.clm.token(whole.credentials.user)}"})


# ------------------------------------------------------------------ typing


def _typing(whole: Any, cluster: Any, vm_id: int, keys: int) -> Figure:
    ours: list[float] = []
    theirs: list[float] = []
    # In turns, as only one speaks to a serial port at a time: what the machine does else comes to both.
    for _ in range(4):
        with _open(whole, vm_id, "serial") as console:
            ours += _echoes(console.send, console.receive, keys // 4)
        with _virsh(cluster, vm_id) as (write, read):
            theirs += _echoes(write, read, keys // 4)
    more = median(ours) - median(theirs)
    return Figure(
        "terminal",
        "a key's echo, more than by virsh console",
        more,
        "ms",
        Target(ECHO_MORE_MS, "at most", unit="ms"),
        median(ours) / median(theirs),
        f"{median(ours):.3g} ms, {spread(ours)}; virsh {median(theirs):.3g} ms, {spread(theirs)}",
    )


def _echoes(write: Callable[[bytes], object], read: Callable[[float], bytes], keys: int) -> list[float]:
    """
    Milliseconds from each key to its echo, at a shell's prompt.

    :param read: what came, within so many seconds; nothing: nothing did.
    """
    _prompt(write, read)
    taken = []
    for number in range(keys):
        key = bytes([ord("a") + number % 26])
        began = time.perf_counter()
        write(key)
        _until(read, key)
        taken.append((time.perf_counter() - began) * 1000)
    write(b"\x15")  # the line is thrown away
    return taken


def _prompt(write: Callable[[bytes], object], read: Callable[[float], bytes]) -> None:
    """Until the shell says its prompt. What is typed while a terminal is being made ready is lost."""
    heard, until = b"", time.monotonic() + WAIT_S
    while b"#" not in heard:
        if time.monotonic() > until:
            raise RuntimeError(f"the console said {heard!r}, and no prompt")
        write(b"\r")
        heard += read(2.0)
    while read(0.5):  # what it says besides
        pass


def _until(read: Callable[[float], bytes], wanted: bytes) -> None:
    heard = b""
    while wanted not in heard:
        told = read(WAIT_S)
        if not told:
            raise RuntimeError(f"the console said {heard!r}, and not {wanted!r}")
        heard += told


@contextmanager
def _virsh(cluster: Any, vm_id: int) -> Iterator[tuple[Callable[[bytes], object], Callable[[float], bytes]]]:
    """``virsh console`` at a terminal of its own."""
    master, slave = pty.openpty()
    argv = [get_program("virsh"), "-c", cluster.nodes[0].uri, "console", domain_name(vm_id), "--force"]
    running = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=child_environment())
    os.close(slave)

    def read(timeout_s: float) -> bytes:
        if not select.select([master], [], [], timeout_s)[0]:
            return b""
        return os.read(master, 65_536)

    try:
        _until(read, b"Escape character")
        yield lambda data: os.write(master, data), read
    finally:
        os.write(master, b"\x1d")
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)
        os.close(master)


# ------------------------------------------------------------------ a screen


class Direct:
    """A viewer at the port of QEMU's VNC server."""

    def __init__(self, address: str, port: int, password: str) -> None:
        self._socket = socket.create_connection((address, port), WAIT_S)
        assert self.read(12).startswith(b"RFB 003.")
        self.send(VERSION)
        assert 2 in self.read(self.read(1)[0]), "it wants a password"
        self.send(b"\2")
        self.send(response(self.read(16), password))
        assert self.read(4) == bytes(4), "the password is good"
        self.size = _begun(self)

    def read(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            part = self._socket.recv(min(1 << 18, count - len(found)))
            if not part:
                raise ConnectionResetError("the screen ended")
            found += part
        return bytes(found)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()


class Passed:
    """A viewer by way of the cloud: without a password."""

    def __init__(self, way: Socket) -> None:
        self._way = way
        self._rest = bytearray()
        assert self.read(12).startswith(b"RFB 003.")
        self.send(VERSION)
        assert 1 in self.read(self.read(1)[0]), "it wants none"
        self.send(b"\1")
        assert self.read(4) == bytes(4)
        self.size = _begun(self)

    def read(self, count: int) -> bytes:
        while len(self._rest) < count:
            part = self._way.receive(WAIT_S)
            if not part:
                raise ConnectionResetError(f"the screen ended: {self._way.reason}")
            self._rest += part
        found = bytes(self._rest[:count])
        del self._rest[:count]
        return found

    def send(self, data: bytes) -> None:
        self._way.send(data)

    def close(self) -> None:
        self._way.close()


Viewer = Direct | Passed


def _begun(viewer: Viewer) -> tuple[int, int]:
    """What both ends say of themselves; from here on pixels come as they are. The screen's size."""
    viewer.send(b"\1")
    width, height = struct.unpack(">HH", viewer.read(4))
    viewer.read(16)
    (length,) = struct.unpack(">I", viewer.read(4))
    viewer.read(length)
    viewer.send(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
    viewer.send(struct.pack(">BxHi", 2, 1, 0))
    return width, height


def _frame(viewer: Viewer) -> int:
    """Ask for the whole screen, and take it in: how many bytes it was."""
    width, height = viewer.size
    viewer.send(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    kind, parts = struct.unpack(">BxH", viewer.read(4))
    assert kind == 0, f"message {kind} in place of a picture"
    taken = 4
    for _ in range(parts):
        _, _, across, down, encoding = struct.unpack(">HHHHi", viewer.read(12))
        assert encoding == 0
        viewer.read(across * down * 4)
        taken += 12 + across * down * 4
    return taken


def _screen(whole: Any, cluster: Any, vm_id: int, frames: int) -> Figure:
    about = {"vm_id": vm_id, "cluster": cluster.name}
    attached = whole.user.call("user.vm.attach_vnc", about)
    cluster.wait_operation(whole.user, attached["operation_id"])
    direct = Direct(attached["address"], attached["port"], attached["password"])
    passed = Passed(_open(whole, vm_id, "vnc"))
    rates: dict[str, list[float]] = {"direct": [], "passed": []}
    for _ in range(4):
        for name, viewer in (("direct", direct), ("passed", passed)):
            began = time.perf_counter()
            taken = sum(_frame(viewer) for _ in range(max(1, frames // 4)))
            rates[name].append(taken / 2**20 / (time.perf_counter() - began))
    direct.close()
    passed.close()
    ours, theirs = median(rates["passed"]), median(rates["direct"])
    return Figure(
        "terminal",
        "a screen's whole pictures, one after the other",
        ours,
        "MiB/s",
        Target(SCREEN_PART, "at least", on="ratio"),
        ours / theirs,
        f"{spread(rates['passed'], 'MiB/s')}; QEMU's own port {theirs:.3g} MiB/s, {spread(rates['direct'], 'MiB/s')}",
    )
