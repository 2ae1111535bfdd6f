"""``NfsServer``: an NFS server (nfs-ganesha, version 4) on a host of the lab, to be hung, killed and started again."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from lab.host import Host
from lab.network import accepts
from lab.places import LabProblem, get_program
from lab.processes import tail, wait_until

PORT = 2049
EXPORT = "/exported"
LEASE_S = 10  # short: a client that is cut off for longer has lost its locks

CONFIG = """\
NFS_CORE_PARAM {{ Bind_addr = {address}; Protocols = 4; NFS_Port = {port}; Enable_NLM = false; Enable_RQUOTA = false; }}
NFSV4 {{ Grace_Period = {lease}; Lease_Lifetime = {lease}; Minor_Versions = 1,2; RecoveryBackend = fs; }}
NFS_KRB5 {{ Active_krb5 = false; }}
LOG {{ Default_Log_Level = EVENT; }}
EXPORT {{ Export_Id = 1; Path = {path}; Pseudo = {export}; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
    Protocols = 4; FSAL {{ Name = VFS; }} }}
"""


class NfsServer:
    """``address`` and ``EXPORT`` are what clients mount; ``path`` is what lies behind them."""

    def __init__(self, host: Host, path: Path) -> None:
        """
        :param host: of namespaces, booted; it needs no libvirtd.
        :param path: a directory, made if need be.
        """
        self.address = host.address
        self.path = path
        self._host = host
        self._config = host.root / "ganesha.conf"
        self._log = host.root / "ganesha.log"
        self._process: subprocess.Popen[Any] | None = None
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
        settings = {"address": self.address, "port": PORT, "lease": LEASE_S, "path": path, "export": EXPORT}
        self._config.write_text(CONFIG.format(**settings))
        state = host.root / "nfs-state"                                  # who had locks: kept over the server's death
        state.mkdir(exist_ok=True)
        # It would ask name servers that no host of a lab reaches for names of itself and its clients, 20 s each.
        told = 'mkdir -p /run/ganesha && mount --bind "$1" /var/lib/nfs && mount --bind /dev/null /etc/resolv.conf'
        host.run(["sh", "-c", told, "sh", str(state)])

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> NfsServer:
        """Start it, and wait until it listens; a running one stays. Until its grace is over nobody gets new locks."""
        if self.running:
            return self
        argv = [get_program("ganesha.nfsd"), "-F", "-f", str(self._config), "-L", str(self._log),
                "-p", "/run/ganesha/pid"]  # fmt: skip
        output = subprocess.DEVNULL
        process = self._process = self._host.popen(argv, stdout=output, stderr=output)

        def listens() -> bool:
            if process.poll() is not None:
                raise LabProblem(f"the NFS server has ended: {tail(self._log)}")
            return accepts(socket.AF_INET, (self.address, PORT))

        wait_until(listens, "the NFS server", pause=0.05)
        return self

    def hang(self) -> None:
        """Let it hang (STOP): its connections stay open, and nothing answers. ``go_on`` ends that."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Let it crash (KILL)."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(20)

    def _signal(self, number: int) -> None:
        if self._process is None or not self.running:
            raise LabProblem("the NFS server does not run")
        self._process.send_signal(number)
