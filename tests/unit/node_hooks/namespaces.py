"""Guests as network namespaces of a node that is one, for programs that run under ``unshare --net --mount``."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import subprocess
import time
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_ALL = 3  # ETH_P_ALL
_NEWNET = 0x40000000


def sh(command: str) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{command}: {done.stderr}")
    return done.stdout


def begin() -> None:
    """
    This namespace's own places. Bridged packets are not shown to inet: br_netfilter cuts off what is behind a packet's
    end, by which tests know frames, and a kernel that has it built in begins with it on.
    """
    sh("mount -t tmpfs tmpfs /run && ip link set lo up && mount -t sysfs sysfs /sys")
    show_bridged(False)


def show_bridged(wanted: bool) -> None:
    for name in ("iptables", "ip6tables"):
        path = Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}")
        if path.exists():
            path.write_text(f"{int(wanted)}\n")


class Inside:
    """In another namespace, this thread: what it opens there stays there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self._name}", os.O_RDONLY)
        try:
            self._enter(there)
        finally:
            os.close(there)

    def __exit__(self, *_: object) -> None:
        try:
            self._enter(self._back)
        finally:
            os.close(self._back)

    @staticmethod
    def _enter(descriptor: int) -> None:
        if _libc.setns(descriptor, _NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def make_bridge(name: str, *addresses: str, mac: str = "02:00:00:00:00:01") -> None:
    sh(f"ip link add {name} address {mac} type bridge forward_delay 0 mcast_snooping 0")
    Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0")
    sh(f"ip link set {name} up")
    for address in addresses:
        sh(f"ip addr add {address} dev {name} nodad" if ":" in address else f"ip addr add {address} dev {name}")


def make_guest(name: str, tap: str, bridge: str, mac: str, *addresses: str, link: str = "eth0") -> None:
    """Its neighbours' addresses have no probe before them: they are there at once."""
    if not Path(f"/run/netns/{name}").exists():
        sh(f"ip netns add {name} && ip -n {name} link set lo up")
    sh(f"ip link add {tap} type veth peer name {link} netns {name}")
    Path(f"/proc/sys/net/ipv6/conf/{tap}/disable_ipv6").write_text("1")
    with Inside(name):
        Path(f"/proc/sys/net/ipv6/conf/{link}/accept_dad").write_text("0")
    sh(f"ip -n {name} link set {link} address {mac} up")
    for address in addresses:
        sh(f"ip -n {name} addr add {address} dev {link} {'nodad' if ':' in address else ''}")
    sh(f"ip link set {tap} master {bridge} up")


class Wire:
    """Raw frames of one link."""

    def __init__(self, link: str, namespace: str = "") -> None:
        if namespace:
            with Inside(namespace):
                self._socket = self._open(link)
        else:
            self._socket = self._open(link)

    @staticmethod
    def _open(link: str) -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        made.bind((link, 0))
        made.setblocking(False)
        return made

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def drain(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096))
            except BlockingIOError:
                return found

    def until(self, end: bytes, seconds: float = 5.0) -> list[bytes]:
        """Frames up to the one that has this in it, which must come."""
        found: list[bytes] = []
        deadline = time.monotonic() + seconds
        while not any(end in each for each in found):
            left = deadline - time.monotonic()
            assert left > 0, "the last frame does not come"
            select.select([self._socket], [], [], left)
            found += self.drain()
        return found

    def close(self) -> None:
        self._socket.close()
