"""A Debian that boots, in a container with a network of its own that leads nowhere."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import materials
from page import Block

from lab.keeper import Keeper, record
from lab.places import LabProblem, environment
from lab.processes import children_of, tail, wait_until

INSIDE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
          "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}  # fmt: skip
BOOT_S = 120
# A container may not write /sys; libvirt isolates the ports of a bridge there. Of its own network alone, it may.
WRITABLE_NET = """mkdir /run/net && mount -t sysfs net /run/net && mount -o remount,rw /run/net
mount --bind /run/net/devices/virtual/net /sys/devices/virtual/net
mount -o remount,bind,rw /sys/devices/virtual/net"""


class Machine:
    """
    :param packages: directories of the host with our packages; the first is ``/srv/packages`` in there.
    :param images: files for ``/srv/images``, by their names there.
    """

    def __init__(self, packages: Path, images: dict[str, Path]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="machine-", dir=materials.place()))
        self.root = self.directory / "root"
        self.log = materials.place() / "machine.log"
        self.seconds: list[tuple[str, float]] = []
        self._packages, self._images = packages, images

    def __enter__(self) -> Machine:
        self._keeper = Keeper(self.directory, remove=True)
        self.log.write_text("")
        try:
            self._prepare()
            self._boot()
        except BaseException:
            self._keeper.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.close()

    def _prepare(self) -> None:
        self.root.mkdir()
        subprocess.run(["cp", "-a", "--reflink=auto", f"{materials.base()}/.", str(self.root)], check=True)
        (self.root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/srv/debian ./\n")
        (self.root / "etc/resolv.conf").write_text("")
        (self.root / "etc/hostname").write_text("node1\n")
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 node1\n")
        self.give(self._packages)
        images = self.root / "srv/images"
        images.mkdir()
        for name, path in self._images.items():
            shutil.copyfile(path, images / name)

    def give(self, packages: Path) -> None:
        """Put other packages of ours where the page takes them from."""
        place = self.root / "srv/packages"
        materials.remove(place)
        place.mkdir()
        for path in packages.glob("*.deb"):
            shutil.copyfile(path, place / path.name)

    def _boot(self) -> None:
        archives = materials.builder() / "var/cache/apt/archives"
        boot_log = self.directory / "boot.log"
        with boot_log.open("w") as file:
            container = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
                 "--link-journal=no", f"--machine=wawel-{secrets.token_hex(4)}", "--hostname=node1",
                 f"--directory={self.root}", "--console=pipe", f"--bind-ro={archives}:/srv/debian",
                 "--resolv-conf=off"],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                env={**environment(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_LOCK": "0"},
            )  # fmt: skip
        record(self.directory / "container.pid", container.pid, [signal.SIGTERM, signal.SIGKILL])
        try:
            wait_until(lambda: container.poll() is not None or bool(children_of(container.pid)), "a container", BOOT_S)
            self._init = children_of(container.pid)[0]
            wait_until(lambda: self._state() in ("running", "degraded"), "the end of the boot", BOOT_S, 0.2)
            self.ask(WRITABLE_NET)
        except (LabProblem, IndexError) as error:
            raise LabProblem(f"the container does not boot ({error}): {tail(boot_log, 20)}") from None

    def _state(self) -> str:
        return self.ask("systemctl is-system-running", check=False).strip()

    def ask(self, script: str, check: bool = True, timeout_s: float = 300) -> str:
        """
        What a script prints, on standard output.

        :raises LabProblem: it failed.
        """
        command = ["nsenter", "--target", str(self._init), "--all", "bash", "-euo", "pipefail", "-c", f"cd /; {script}"]
        done = subprocess.run(command, env=INSIDE, capture_output=True, text=True, timeout=timeout_s,
                              stdin=subprocess.DEVNULL)  # fmt: skip
        with self.log.open("a") as file:
            file.write(f"$ {script.strip()}\n{done.stdout}{done.stderr}")
        if check and done.returncode:
            raise LabProblem(f"exit status {done.returncode} of\n{script}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def follow(self, *blocks: Block) -> str:
        """Do what the page says."""
        said = ""
        for block in blocks:
            began = time.monotonic()
            try:
                said += self.ask(block.script, timeout_s=600)
            except LabProblem as problem:
                journal = self.ask("journalctl -b --no-pager -n 60 -o short-precise", check=False)
                where = f"docs/install.md:{block.line} ({block.heading})"
                raise LabProblem(f"{where}: {problem}\n--- journal ---\n{journal}") from None
            self.seconds.append((f"{block.heading}:{block.line}", time.monotonic() - began))
        return said
