"""``Lab``: libvirt hosts on one network, and the directory they share."""

from __future__ import annotations

import atexit
import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.host import Host
from lab.keeper import Keeper
from lab.network import add_bridge, claim, default_base, lock_path, sweep_all
from lab.places import LabProblem, find_program
from lab.processes import find_lock
from lab.uml import UmlHost

__all__ = ["Host", "Lab", "UmlHost"]

PROGRAMS = ("unshare", "nsenter", "setsid", "ip", "mount", "libvirtd", "qemu-system-x86_64", "qemu-img", "dnsmasq",
            "nft")


def lab_directory(base: Path) -> Path:
    """
    The directory for the lab of a cloud in ``base``: short, and the same at each start, because its sockets stand in
    the URIs of the nodes of a cloud that was kept.
    """
    return Path("/tmp") / f"wawel-{hashlib.sha256(str(base).encode()).hexdigest()[:10]}"


class Lab:
    """
    Hosts on one bridge ``wlab<K>`` with the network 10.77.K.0/24, K being the first that is free, so that labs can run
    side by side. The machine itself is ``gateway`` in it. A context manager; whatever way its process ends, nothing
    stays behind, neither processes nor links nor the directory.
    """

    def __init__(self, base: Path | None = None, users: Path | None = None):
        """
        :param base: a directory to be created, and removed at the end. Keep it short (a UNIX socket's path has room for
            107 bytes) and outside ``/run``, which each host hides behind its own. By default one in the temporary
            directory.
        :param users: the directory of the cloud whose programs call the hosts.
        :raises LabProblem: something is missing (see ``missing``), or all networks are taken.
        """
        lacking = self.missing()
        if lacking:
            raise LabProblem("the lab cannot run here: " + "; ".join(lacking))
        self._claim = claim()
        self._directory_lock = -1
        self._open = True
        self.number = self._claim.number
        self.bridge = self._claim.bridge
        self.gateway = self.address(254)
        self.base = base.resolve() if base else default_base(self.number)
        self.hosts: dict[int, Host] = {}
        self._keeper: Keeper | None = None
        try:
            if len(str(self.base)) > 60:
                raise LabProblem(f"{self.base} is too long for the sockets in it; 60 characters are the limit")
            try:
                self.base.mkdir(mode=0o755)
            except FileExistsError:
                raise LabProblem(f"{self.base} exists already, and belongs to no lab that ended") from None
            self._claim.record(self.base)
            lock = find_lock(self.base / "lock")
            if lock is None:
                raise LabProblem(f"somebody removes {self.base} just now")
            self._directory_lock = lock
            self._keeper = Keeper(self.base, locks=[lock, *self._claim.locks], lock_file=lock_path(self.number),
                                  bridge=self.bridge, remove=True, network=self._claim.network, users=users)
            atexit.register(self.close)
            self.shared_dir = self.base / "images"
            self.shared_dir.mkdir()
            add_bridge(self._claim, self.gateway)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def missing() -> list[str]:
        """What this machine or account lacks for a lab; empty: nothing."""
        if os.geteuid() != 0:
            return ["it needs root, for namespaces and network links"]
        lacking = [name for name in PROGRAMS if find_program(name) is None]
        found = [f"missing programs: {', '.join(lacking)} (bin/bootstrap base hosts)"] if lacking else []
        if not Path("/dev/net/tun").exists():
            found.append("there is no /dev/net/tun (a chroot needs the machine's /dev)")
        if not found:
            tried = subprocess.run(["unshare", "--mount", "--pid", "--net", "--fork", "true"], capture_output=True)
            mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
            if tried.returncode and "/" not in mounts:
                found.append("/ is the root of a chroot, and no mount of which hosts could have their own: before the"
                             " chroot, mount --bind DIR DIR")
            elif tried.returncode:
                found.append("the kernel grants no namespaces: " + tried.stderr.decode().strip())
        return found

    def address(self, index: int) -> str:
        return f"10.77.{self.number}.{index}"

    def host(self, index: int, kvm: bool = False, tcp: bool = False) -> Host:
        """
        The host of that number (1-99), its files written at the first call; not yet booted.

        :param tcp: whether its libvirtd listens on TCP too, where it asks nobody who he is. Only for hosts whose guests
            nobody but the test commands: who reaches that port is root of this machine.
        """
        if not 1 <= index <= 99:
            raise LabProblem(f"there is no host {index}; 1 to 99 are possible")
        if index not in self.hosts:
            for other in self.hosts.values():
                other.keep_capabilities()                                # a new host starts with what the others learnt
            self.hosts[index] = Host(self, index, kvm, tcp).create()
        return self.hosts[index]

    def uml(self, index: int) -> UmlHost:
        """
        The same, but a User Mode Linux, whose libvirtd listens on TCP. See ``uml.missing``.

        :raises LabProblem: something is missing, or that number is another host's.
        """
        found = self.hosts.get(index)
        if found is None:
            found = self.hosts[index] = UmlHost(self, index).create()
        if not isinstance(found, UmlHost):
            raise LabProblem(f"host {index} is one of namespaces")
        return found

    def up(self, count: int, tcp: bool = False) -> list[Host]:
        """Hosts 1 to ``count`` with libvirtd listening; those that are up stay as they are."""
        hosts = [self.host(index, tcp=tcp) for index in range(1, count + 1)]
        with ThreadPoolExecutor(max(1, count)) as pool:
            list(pool.map(lambda host: host.boot().start_libvirtd(), hosts))
        return hosts

    def close(self) -> None:
        """Power off all hosts and remove everything; may be repeated."""
        atexit.unregister(self.close)
        if not self._open:
            return
        try:
            for host in self.hosts.values():
                host.keep_capabilities()
        finally:
            if self._keeper is not None:
                self._keeper.close()
            for host in self.hosts.values():
                host.power_off()                                         # reaps; the keeper has ended them
            if self._directory_lock >= 0:
                os.close(self._directory_lock)
            self._claim.release()
            self._open = False

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def sweep() -> list[str]:
        """Remove what labs left behind whose process, and whose keeper, were killed. Names the bridges removed."""
        return sweep_all()
