"""``Host``: a libvirt host made of namespaces. Hosts come from ``hosts.Lab``."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.keeper import born, end, record
from lab.network import accepts, run_ip
from lab.places import LabProblem, environment, get_program, state_dir
from lab.processes import all_pids, children_of, command_of, namespace_of, parent_of, tail, wait_until

if TYPE_CHECKING:
    from lab.hosts import Lab

LIBVIRTD_CONF = """\
listen_tls = 0
listen_tcp = {tcp}
listen_addr = "{address}"
auth_tcp = "none"
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0770"
host_uuid = "{host_uuid}"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
max_clients = 200
max_workers = 20
prio_workers = 5
max_client_requests = 20
keepalive_interval = 5
keepalive_count = 5
"""

QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
remember_owner = 0
vnc_listen = "{address}"
migration_address = "{address}"
migration_host = "{address}"
max_core = 0
"""


class Inside(subprocess.Popen[Any]):
    """A program inside a host. Signals reach the program itself, not the ``nsenter`` that stands between."""

    def send_signal(self, sig: int) -> None:
        inner: list[int] = []
        while self.poll() is None and not inner:                         # nsenter forks a moment after it started
            inner = children_of(self.pid)
        for pid in inner:
            os.kill(pid, sig)
        if sig == signal.SIGCONT and self.poll() is None:                # nsenter stops with its child, and wakes it
            os.kill(self.pid, sig)


class Host:
    """
    One libvirt host: a tree of processes with file systems, network, process numbers and host name of its own.

    Everything outside ``/etc/libvirt``, ``/var/{lib,cache,log}/libvirt``, ``/run``, ``/dev``, ``/proc`` and ``/sys`` is
    the machine's own: the same path is the same file on all hosts. Made by ``Lab.host``.
    """

    def __init__(self, lab: Lab, index: int, kvm: bool = False, tcp: bool = False):
        self.lab = lab
        self.index = index
        self.kvm = kvm
        self.tcp = tcp
        self.name = f"node{index}"
        self.address = lab.address(index)
        self.root = lab.base / self.name
        self.tcp_uri = f"qemu+tcp://{self.address}/system"
        self.uri = f"qemu+unix:///system?socket={self.root}/run/libvirt/libvirt-sock"
        self.hooks_dir = self.root / "etc" / "hooks"                     # /etc/libvirt/hooks inside
        self.log_dir = self.root / "log"                                 # /var/log/libvirt inside
        self.spool_dir = self.root / "spool"                             # these two: same path inside and outside
        self.state_dir = self.root / "state"
        self.boot_id_file = self.root / "boot_id"                        # /proc/sys/kernel/random/boot_id inside
        self._link = f"{lab.bridge}-{index}"
        self._outer: subprocess.Popen[bytes] | None = None
        self._init = 0
        self._init_born: int | None = None

    def create(self) -> Host:
        """Write the host's files: everything that survives a reboot. May be repeated."""
        for part in ("etc/hooks", "etc/nwfilter", "lib/images", "cache/qemu", "log", "run", "dev", "spool", "state"):
            (self.root / part).mkdir(parents=True, exist_ok=True)
        uuid_file = self.root / "uuid"
        if not uuid_file.exists():
            uuid_file.write_text(str(uuid.uuid4()))
        # Two hosts of one uuid: migration says "Attempt to migrate guest to the same host".
        host_uuid = uuid_file.read_text()
        (self.root / "machine-id").write_text(uuid.UUID(host_uuid).hex + "\n")
        (self.root / "hostname").write_text(self.name + "\n")
        (self.root / "hosts").write_text("127.0.0.1 localhost\n" + "".join(
            f"{self.lab.address(n)} node{n}.lab.test node{n}\n" for n in range(1, 100)
        ))
        (self.root / "etc" / "libvirtd.conf").write_text(
            LIBVIRTD_CONF.format(address=self.address, host_uuid=host_uuid, tcp=int(self.tcp)))
        (self.root / "etc" / "qemu.conf").write_text(QEMU_CONF.format(address=self.address))
        if Path("/etc/libvirt/nwfilter").is_dir():
            shutil.copytree("/etc/libvirt/nwfilter", self.root / "etc" / "nwfilter", dirs_exist_ok=True)
        self._copy_capabilities(self._capabilities_kept(), self.root / "cache" / "qemu" / "capabilities")
        return self

    def boot(self) -> Host:
        """
        Switch the host on, without libvirtd. What a reboot clears is clear: ``/run``, ``/dev``, the boot id.

        :raises LabProblem: its first process did not come up; carries the last words.
        """
        if self.running:
            return self
        for part in ("run", "dev"):
            shutil.rmtree(self.root / part, ignore_errors=True)
            (self.root / part).mkdir()
        ready = self.root / "ready"
        ready.unlink(missing_ok=True)
        (self.root / "boot_id").write_text(f"{uuid.uuid4()}\n")
        log = self.root / "init.log"
        argv = self._boot_argv()
        with log.open("ab") as output:
            self._outer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                           start_new_session=True, env=environment())
        outer = self._outer
        record(self.root / "outer.pid", outer.pid, [signal.SIGKILL])     # from here on the keeper knows of it
        try:
            wait_until(lambda: (ready.exists() and self._up()) or outer.poll() is not None,
                       f"{self.name}'s first process")
            children = children_of(outer.pid)
            if outer.poll() is not None or not children:
                raise LabProblem(f"{self.name} did not boot: {tail(log)}")
            self._init, self._init_born = children[0], born(children[0])
            record(self.root / "init.pid", self._init, [signal.SIGKILL])
            self._connect()
        except BaseException:
            self.power_off()
            raise
        return self

    def _boot_argv(self) -> list[str]:
        return ["unshare", "--mount", "--uts", "--pid", "--net", "--ipc", "--fork", "--kill-child",
                str(Path(__file__).with_name("hostinit.sh")), self.name, str(self.root), "kvm" if self.kvm else ""]

    def _up(self) -> bool:
        """Whether it takes orders, once its first process is ready."""
        return True

    def _connect(self) -> None:
        # The kernel frees a dead network namespace late, so the veth of the last boot may still be there. The MAC is
        # fixed because a new one leaves the host unreachable for 28 s, as long as the old stands in our ARP table.
        mac = f"02:00:00:4d:{self.lab.number:02x}:{self.index:02x}"
        run_ip("link", "del", self._link, check=False)
        run_ip("link", "add", self._link, "type", "veth",
               "peer", "name", "eth0", "address", mac, "netns", str(self._init))
        run_ip("link", "set", self._link, "master", self.lab.bridge, "up")
        self.run(["sh", "-c", f"ip addr add {self.address}/24 dev eth0 && ip link set eth0 up"
                              f" && ip route add default via {self.lab.gateway}"])
        run_ip("neigh", "flush", "dev", self.lab.bridge, check=False)

    @property
    def running(self) -> bool:
        return self._outer is not None and self._outer.poll() is None and bool(self._init)

    def power_off(self) -> None:
        """Pull the power cord: every process, mount and socket of the host is gone when this returns."""
        if self._init:
            end(self._init, self._init_born, [signal.SIGKILL])
        if self._outer is not None:
            self._outer.kill()
            self._outer.wait()
        self._outer, self._init, self._init_born = None, 0, None
        for name in ("outer.pid", "init.pid"):
            (self.root / name).unlink(missing_ok=True)
        # A lingering TCP socket can hold the dead namespace, and with it the veth, for a minute.
        run_ip("link", "del", self._link, check=False)

    def run(self, argv: Sequence[str], *, check: bool = True, timeout: float = 60, **options: Any,
            ) -> subprocess.CompletedProcess[str]:
        """
        Run a program inside and wait for it; output is captured as text.

        :raises LabProblem: the host is off, or the program failed and ``check`` is set; carries its last words.
        """
        options.setdefault("env", environment())
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(self._enter(argv), capture_output=True, text=True, timeout=timeout, **options)
        if check and done.returncode:
            raise LabProblem(f"{argv[0]} on {self.name} failed ({done.returncode}): {done.stderr.strip()[-400:]}")
        return done

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside; it ends with the host at the latest. Options are ``subprocess.Popen``'s."""
        options.setdefault("env", environment())
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("start_new_session", True)
        return Inside(self._enter(argv), **options)

    def _enter(self, argv: Sequence[str]) -> list[str]:
        if not self.running:
            raise LabProblem(f"{self.name} is switched off")
        return ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "--", *argv]

    def pids(self) -> list[int]:
        """All processes of the host, by their numbers outside."""
        space = namespace_of(self._init) if self._init else None
        if space is None:
            return []
        return [pid for pid in all_pids() if namespace_of(pid) == space and born(pid) is not None]

    def commands(self) -> list[str]:
        """The names of its processes."""
        return [command_of(pid) for pid in self.pids()]

    def libvirtd_pid(self) -> int | None:
        # Its short-lived children carry the same name, but not the same parent.
        daemons = [pid for pid in self.pids() if command_of(pid) == "libvirtd"]
        daemons = [pid for pid in daemons if parent_of(pid) not in daemons]
        return daemons[0] if daemons else None

    def start_libvirtd(self, wait: bool = True) -> float:
        """
        Start libvirtd; a running one stays. Guests of an earlier one are taken up again *after* it answers.

        :return: seconds until it listened on its UNIX socket, and on its TCP port if it has one.
        :raises LabProblem: it ended or did not listen within a minute.
        """
        if self.libvirtd_pid() is None:
            # setsid -f: nsenter must not be its parent, or stopping libvirtd would stop nsenter, which nobody wakes.
            with (self.root / "libvirtd.out").open("ab") as output:
                listens = ["--listen"] if self.tcp else []
                subprocess.run(self._enter(["setsid", "-f", get_program("libvirtd"), *listens]), check=True,
                               stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment(), timeout=60)
        return self.wait_for_libvirtd() if wait else 0.0

    def wait_for_libvirtd(self, deadline: float = 60.0) -> float:
        began = time.monotonic()

        def listens() -> bool:
            if time.monotonic() - began > 2 and self.libvirtd_pid() is None:
                raise LabProblem(f"libvirtd of {self.name} ended: {tail(self.log_dir / 'libvirtd.log')}")
            return all(accepts(family, address) for family, address in self._listened())

        return wait_until(listens, f"libvirtd of {self.name}", deadline)

    def _listened(self) -> list[tuple[socket.AddressFamily, Any]]:
        """Where its libvirtd is called."""
        unix = (socket.AF_UNIX, f"{self.root}/run/libvirt/libvirt-sock")
        return [unix, (socket.AF_INET, (self.address, 16509))] if self.tcp else [unix]

    def stop_libvirtd(self) -> None:
        """End libvirtd in order (TERM); its guests stay."""
        self._end_libvirtd([signal.SIGTERM, signal.SIGKILL])

    def kill_libvirtd(self) -> None:
        """Let libvirtd crash (KILL); its guests stay."""
        self._end_libvirtd([signal.SIGKILL])

    def _end_libvirtd(self, signals: list[int]) -> None:
        pid = self.libvirtd_pid()
        if pid is not None:
            end(pid, born(pid), signals, patience=30)

    def pause_libvirtd(self) -> None:
        """Let libvirtd hang (STOP): connections stay open and nothing answers."""
        self._signal_libvirtd(signal.SIGSTOP)

    def resume_libvirtd(self) -> None:
        self._signal_libvirtd(signal.SIGCONT)

    def reload_libvirtd(self) -> None:
        """Have libvirtd look for hooks again (HUP): it notes at its start which kinds there are."""
        self._signal_libvirtd(signal.SIGHUP)

    def _signal_libvirtd(self, number: int) -> None:
        pid = self.libvirtd_pid()
        if pid is None:
            raise LabProblem(f"{self.name} runs no libvirtd")
        os.kill(pid, number)

    def unplug(self) -> None:
        """Pull the network cable; the UNIX socket (``uri``) still works."""
        run_ip("link", "set", self._link, "down")

    def plug(self) -> None:
        run_ip("link", "set", self._link, "up")

    def open(self) -> Any:
        """A new connection over the UNIX socket, by libvirt-python; the caller closes it."""
        import libvirt
        return libvirt.open(self.uri)

    def _capabilities_kept(self) -> Path:
        return state_dir() / "capabilities-cache" / ("kvm" if self.kvm else "plain")

    def keep_capabilities(self) -> None:
        """Keep what libvirtd learnt of the QEMU programs: asking them takes 1 s, reading the cache 0.02 s."""
        self._copy_capabilities(self.root / "cache" / "qemu" / "capabilities", self._capabilities_kept())

    @staticmethod
    def _copy_capabilities(source: Path, target: Path) -> None:
        # libvirt itself recognises what is out of date (program times, kernel, CPU) and asks anew.
        if not source.is_dir():
            return
        target.mkdir(parents=True, exist_ok=True)
        for path in source.glob("*.xml"):
            kept = target / path.name
            if not kept.exists() or kept.read_bytes() != path.read_bytes():
                new = target / f"{path.name}.{os.getpid()}"
                shutil.copyfile(path, new)
                new.replace(kept)
