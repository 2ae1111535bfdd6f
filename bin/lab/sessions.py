"""``TestDriverHost``: libvirt's test driver in a daemon of its own, which needs neither root nor QEMU."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any

from lab.keeper import Keeper, born, end, end_recorded, record
from lab.network import accepts
from lab.places import LabProblem, environment, get_program
from lab.processes import tail, unprivileged_account, wait_until

LIBVIRTD_CONF = """\
auth_unix_rw = "none"
unix_sock_rw_perms = "0777"
log_outputs = "2:file:{base}/libvirtd.log"
host_uuid = "{host_uuid}"
max_clients = 200
max_workers = 20
max_client_requests = 50
"""


class TestDriverHost:
    """
    An unprivileged libvirtd whose test driver plays a node: state shared by all clients, calls of 0.1 ms, no hooks, no
    guests, no migration. All of its state is in memory: a stop or a kill forgets every domain, as no real node would.
    A context manager; its directory and process go with it, or with the process that made it.
    """

    __test__ = False                                                     # the name is libvirt's; not a class of tests

    def __init__(self, name: str = "test", kept_in: Path | None = None):
        """
        :param name: part of the directory's name, for whoever looks at the process list.
        :param kept_in: the directory of a cloud that is kept and ours: the address is the same at its next start.
        """
        self.name = name
        prefix = f"wawel-{name[:20]}-"
        if kept_in is None:
            self.base = Path(tempfile.mkdtemp(prefix=prefix, dir=short_temporary()))
        else:
            # Named for its cloud and for us: nobody else can have made what then is ours alone.
            told = f"{os.geteuid()} {kept_in.resolve()}"
            place = short_temporary() or tempfile.gettempdir()
            self.base = Path(place) / (prefix + hashlib.sha256(told.encode()).hexdigest()[:12])
            self._take_over()
        self.socket = self.base / "run" / "libvirt" / "libvirt-sock"
        self.uri = f"test+unix:///default?socket={self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        # As root, libvirtd would be the system's; it is the user's own only for a user.
        self._account = unprivileged_account() if os.geteuid() == 0 else None
        self._keeper = Keeper(self.base, remove=True)
        atexit.register(self.close)
        for part in ("run", "config/libvirt", "cache", "home"):
            (self.base / part).mkdir(mode=0o700, parents=True)
        # A kept one is the same machine at its next start; others have a directory that nobody had before.
        host_uuid = uuid.uuid5(uuid.NAMESPACE_URL, str(self.base))
        (self.base / "config" / "libvirt" / "libvirtd.conf").write_text(
            LIBVIRTD_CONF.format(base=self.base, host_uuid=host_uuid))
        if self._account is not None:
            for path in [self.base, *self.base.rglob("*")]:
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _take_over(self) -> None:
        """:raises LabProblem: what a killed run left there is not ours."""
        try:
            if self.base.lstat().st_uid not in (os.geteuid(), unprivileged_account().pw_uid):
                raise LabProblem(f"{self.base} belongs to somebody else; remove it")
            end_recorded(self.base)
            shutil.rmtree(self.base, ignore_errors=True)
        except FileNotFoundError:
            pass
        self.base.mkdir(mode=0o700)

    def start(self) -> TestDriverHost:
        """
        Start the daemon, with the driver's fresh default node; a running one stays.

        :raises LabProblem: it ended or did not listen within a minute.
        """
        if self.running:
            return self
        options: dict[str, Any] = {}
        if self._account is not None:
            options = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        self.socket.unlink(missing_ok=True)
        variables = environment(
            HOME=str(self.base / "home"), XDG_RUNTIME_DIR=str(self.base / "run"),
            XDG_CONFIG_HOME=str(self.base / "config"), XDG_CACHE_HOME=str(self.base / "cache"),
        )
        output = self.base / "libvirtd.out"
        with output.open("ab") as log:
            process = self._process = subprocess.Popen(
                [get_program("libvirtd"), "-f", str(self.base / "config" / "libvirt" / "libvirtd.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.base, start_new_session=True,
                env=variables, **options,
            )
        record(self.base / "libvirtd.pid", process.pid, [signal.SIGTERM, signal.SIGKILL])
        wait_until(lambda: accepts(socket.AF_UNIX, str(self.socket)) or process.poll() is not None,
                   f"libvirtd of {self.name}")
        if process.poll() is not None:
            raise LabProblem(f"libvirtd of {self.name} ended: {tail(output)}")
        return self

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    def stop(self) -> None:
        """End the daemon in order (TERM)."""
        self._end([signal.SIGTERM, signal.SIGKILL])

    def kill(self) -> None:
        """Let the daemon crash (KILL): calls in flight fail, open connections close."""
        self._end([signal.SIGKILL])

    def pause(self) -> None:
        """Let the daemon hang (STOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is None or not self.running:
            raise LabProblem(f"libvirtd of {self.name} is not running")
        self._process.send_signal(number)

    def _end(self, signals: list[int]) -> None:
        if self._process is not None and self.running:
            end(self._process.pid, born(self._process.pid), signals)
            self._process.wait()
        (self.base / "libvirtd.pid").unlink(missing_ok=True)

    def open(self) -> Any:
        """A new connection, by libvirt-python; the caller closes it."""
        import libvirt
        return libvirt.open(self.uri)

    def close(self) -> None:
        """End the daemon and remove its directory; may be repeated."""
        atexit.unregister(self.close)
        if not self._closed:
            self._closed = True
            self._end([signal.SIGKILL])                                  # its state is in memory: nothing to save
            self._keeper.close()
            shutil.rmtree(self.base, ignore_errors=True)

    def __enter__(self) -> TestDriverHost:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def short_temporary() -> str | None:
    """A directory for sockets, whose paths have room for 107 bytes; None: the usual temporary directory will do."""
    return None if len(tempfile.gettempdir()) < 40 else "/tmp"
