"""
``UmlHost``: a libvirt host that is a User Mode Linux, a Linux kernel run as a process. Hosts come from ``hosts.Lab``.

Hosts of namespaces share this machine's kernel, which may lack what storages need: an NFS client, device-mapper. This
one has its own, with both, and neither KVM, nor a second CPU, nor nftables for IP; it starts processes ten times more
slowly, so tests that need none of that take the others.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.host import Host
from lab.network import accepts, run_ip
from lab.places import LabProblem, find_program, get_program, state_dir
from lab.uml_shell import PORT

if TYPE_CHECKING:
    from lab.hosts import Lab

PROGRAMS = ("mount.nfs", "ganesha.nfsd", "lvcreate", "modprobe")
MEMORY_MIB = 900
DISK_BYTES = 2**30  # sparse
_SHELL = Path(__file__).with_name("uml_shell.py")


def installed() -> Path:
    """Where ``bin/bootstrap uml`` puts the kernel and its modules."""
    return state_dir() / "uml"


def missing() -> list[str]:
    """What this machine lacks for such hosts, beside what ``Lab.missing`` tells; empty: nothing."""
    if platform.machine() != "x86_64":
        return [f"User Mode Linux is not there for {platform.machine()}"]
    found = []
    if not (installed() / "linux").exists():
        found.append("there is no User Mode Linux; bin/bootstrap uml fetches it")
    if lacking := [name for name in PROGRAMS if find_program(name) is None]:
        found.append(f"missing programs: {', '.join(lacking)} (bin/bootstrap uml)")
    return found


class UmlHost(Host):
    """
    Its root is this machine's file system, with the directories of its own that every host has. ``/dev/ubda`` is a disk
    of its own, ``disk`` outside. Its libvirtd is reached by TCP alone.
    """

    def __init__(self, lab: Lab, index: int) -> None:
        super().__init__(lab, index, tcp=True)
        self.uri = self.tcp_uri
        self.disk = self.root / "disk.img"
        self.boot_id_file = Path("/proc/sys/kernel/random/boot_id")      # inside

    def create(self) -> UmlHost:
        """:raises LabProblem: something is missing, see ``missing``."""
        if lacking := missing():
            raise LabProblem("no User Mode Linux can run here: " + "; ".join(lacking))
        super().create()
        for part in ("run", "dev"):                                      # its own kernel has them in its memory
            shutil.rmtree(self.root / part, ignore_errors=True)
        with self.disk.open("ab") as disk:
            disk.truncate(DISK_BYTES)
        return self

    def _boot_argv(self) -> list[str]:
        run_ip("link", "del", self._link, check=False)
        run_ip("tuntap", "add", self._link, "mode", "tap")
        run_ip("link", "set", self._link, "master", self.lab.bridge, "up")
        there = installed()
        settings = {
            "mem": f"{MEMORY_MIB}M", "root": "/dev/root", "rootfstype": "hostfs", "rootflags": "/",
            "init": _SHELL.with_name("umlinit.sh"), "umid": self.name, "uml_dir": f"{self.root}/uml",
            "con": "null", "con0": "null,fd:1", "ubd0": self.disk,
            "lab_name": self.name, "lab_root": self.root, "lab_address": self.address, "lab_gateway": self.lab.gateway,
            "lab_modules": there,
        }  # fmt: skip
        # In a namespace of process numbers of its own: with the kernel's process all those of its programs end.
        return ["unshare", "--pid", "--fork", "--kill-child", str(there / "linux"), "rw", "quiet",
                # Without gro large frames of a veth are dropped, and NFS takes 20 s a call.
                f"vec0:transport=tap,ifname={self._link},depth=128,gro=1",
                *(f"{name}={value}" for name, value in settings.items())]

    def _connect(self) -> None:
        pass                                                             # its end of the cable was there before it

    def _up(self) -> bool:
        return accepts(socket.AF_INET, (self.address, PORT))

    def _enter(self, argv: Sequence[str]) -> list[str]:
        if not self.running:
            raise LabProblem(f"{self.name} is switched off")
        return [sys.executable, "-I", "-S", str(_SHELL), "ask", self.address, *argv]

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside; it is killed by whatever ends the process that is returned, and with the host."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("start_new_session", True)
        return subprocess.Popen(self._enter(argv), **options)

    def commands(self) -> list[str]:
        return self.run(["ps", "-e", "-o", "comm="]).stdout.split()

    def libvirtd_pid(self) -> int | None:
        """Its number inside."""
        found = self.run(["pgrep", "-o", "-x", "libvirtd"], check=False).stdout.split()
        return int(found[0]) if found else None

    def start_libvirtd(self, wait: bool = True) -> float:
        if self.libvirtd_pid() is None:
            self.run(["sh", "-c", f"{get_program('libvirtd')} --listen --daemon >>'{self.root}/libvirtd.out' 2>&1"])
        return self.wait_for_libvirtd() if wait else 0.0

    def _listened(self) -> list[tuple[socket.AddressFamily, Any]]:
        return [(socket.AF_INET, (self.address, 16509))]

    def _signal_libvirtd(self, number: int) -> None:
        pid = self.libvirtd_pid()
        if pid is None:
            raise LabProblem(f"{self.name} runs no libvirtd")
        self.run(["kill", f"-{int(number)}", str(pid)])

    def _end_libvirtd(self, signals: list[int]) -> None:
        for number in signals:
            pid = self.libvirtd_pid()
            if pid is None:
                return
            gone = f"for n in $(seq 300); do kill -0 {pid} 2>/dev/null || exit 0; sleep 0.1; done"
            self.run(["sh", "-c", f"kill -{int(number)} {pid}; {gone}"])

    def _capabilities_kept(self) -> Path:
        return state_dir() / "capabilities-cache" / "uml"                # they name the kernel

    def freeze(self) -> None:
        """Let the whole machine hang; ``thaw`` ends that."""
        os.kill(self._init, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._init, signal.SIGCONT)
