"""
Builds the tiny guest: Debian's cloud kernel and busybox in a cpio, booted directly or from a FAT disk with syslinux.
It boots in 96 MiB and says on its serial console how far it is (``guest/init``). Needs no network and no root.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.places import LabProblem, environment, get_program, state_dir

GUEST = Path(__file__).with_name("guest")
MODULES = ("virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_balloon", "virtio_console",
           "virtio_rng", "button", "evdev", "qemu_fw_cfg", "pvpanic_mmio")
SYSLINUX_CFG = """\
DEFAULT tiny
PROMPT 0
TIMEOUT 0
SERIAL 0 115200
LABEL tiny
 KERNEL vmlinuz
 INITRD initrd.gz
 APPEND console=tty0 console=ttyS0 quiet
"""


@dataclass(frozen=True)
class Image:
    """The guest's files; ``disk`` is a qcow2 (compressed, read-only by intention), the other two boot without it."""

    disk: Path
    kernel: Path
    initrd: Path
    command_line: str = "console=ttyS0 quiet"


def build(cache_dir: Path | None = None) -> Image:
    """
    Build the image, or find it built. A directory per content: overlays on an older one keep their backing file.

    :param cache_dir: default ``images`` in the state directory; readable by whoever runs QEMU.
    :raises LabProblem: a program or the kernel is missing, or fails.
    """
    cache_dir = cache_dir or state_dir() / "images"
    tree, version = find_kernel()
    digest = hashlib.sha256(version.encode())
    for path in [Path(__file__), *sorted(GUEST.iterdir())]:
        digest.update(path.read_bytes())

    def make(work: Path, new: Path) -> None:
        shutil.copyfile(tree / "boot" / f"vmlinuz-{version}", new / "vmlinuz")
        (new / "initrd.gz").write_bytes(initrd(work / "root", tree, version))
        raw = raw_disk(work, new)
        call(["qemu-img", "convert", "-f", "raw", "-c", "-O", "qcow2", str(raw), str(new / "tiny.qcow2")])

    target = fresh(cache_dir, f"tiny-{digest.hexdigest()[:12]}", make)
    return Image(target / "tiny.qcow2", target / "vmlinuz", target / "initrd.gz")


def fresh(cache_dir: Path, name: str, make: Callable[[Path, Path], None]) -> Path:
    """The directory of that name; if it is not there it is made by ``make``, which gets one to work in, and it."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    target = cache_dir / name
    with (cache_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)                                 # two test runs: one builds, the other waits
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=cache_dir, prefix="build-") as directory:
                new = Path(directory) / "new"
                new.mkdir()
                make(Path(directory), new)
                new.rename(target)
    return target


def find_kernel() -> tuple[Path, str]:
    """The tree (the unpacked package, else the machine's own) and the version of the newest cloud kernel."""
    for tree in (state_dir() / "kernel", Path("/")):
        found = [path for path in (tree / "boot").glob("vmlinuz-*-cloud-amd64") if os.access(path, os.R_OK)]
        if found:
            newest = max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
            return tree, newest.name.removeprefix("vmlinuz-")
    raise LabProblem("there is no kernel for the guests; bin/bootstrap hosts fetches it")


def initrd(root: Path, tree: Path, version: str, wanted: Sequence[str] = MODULES) -> bytes:
    """Lay out the guest's file system in ``root``, beside what is there, and pack it; ``wanted`` are its modules."""
    for part in ("bin", "dev", "proc", "sys", "run", "tmp", "root", "var/www", "etc/acpi/PWRF", "lib/modules"):
        (root / part).mkdir(parents=True, exist_ok=True)
    busybox = find_busybox()
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in call([busybox, "--list"]).decode().split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    names = []
    for path in modules(tree, version, wanted):
        shutil.copy(path, root / "lib" / "modules")
        names.append(path.name)
    (root / "etc" / "modules").write_text("".join(f"{name}\n" for name in names))
    for source, target in (("init", "init"), ("udhcpc", "etc/udhcpc"), ("poweroff", "etc/acpi/PWRF/00000080")):
        shutil.copy(GUEST / source, root / target)
        (root / target).chmod(0o755)
    entries = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    archive = call(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=root,
                   standard_input="".join(f"{entry}\n" for entry in entries).encode())
    return call(["gzip", "-9", "-n"], standard_input=archive)


def find_busybox() -> str:
    """:raises LabProblem: there is none, or only the shared one, which cannot run in the guest."""
    path = get_program("busybox")
    with open(path, "rb") as program:
        start = program.read(4096)                                       # a dynamic program names its loader up there
    if b"/ld-linux" in start:
        raise LabProblem("the busybox here is not the static one; bin/bootstrap hosts installs busybox-static")
    return path


def modules(tree: Path, version: str, wanted: Sequence[str]) -> list[Path]:
    """The kernel modules wanted with all they need, in an order in which they can be inserted."""
    if not (tree / "lib" / "modules" / version / "modules.dep").exists():
        call(["depmod", "-b", str(tree), version])                       # an installed package's postinst would
    ordered: dict[Path, None] = {}
    for name in wanted:
        # One that is built in prints "builtin", one that is absent fails; neither is an error.
        done = subprocess.run(["modprobe", "-d", str(tree), "-S", version, "--show-depends", name],
                              capture_output=True, text=True, env=environment())
        for line in done.stdout.splitlines():
            if line.startswith("insmod "):
                ordered[Path(line.split()[1])] = None
    if not any(path.name.startswith("virtio_blk") for path in ordered):
        raise LabProblem(f"no virtio_blk among the modules of {version} in {tree}")
    return list(ordered)


def raw_disk(work: Path, new: Path) -> Path:
    """
    A FAT file system without partitions that boots ``new``'s kernel and initramfs, made by mtools: no loop mount, hence
    no root.

    :return: it, in ``work``.
    """
    raw = work / "tiny.img"
    files = (new / "vmlinuz").stat().st_size + (new / "initrd.gz").stat().st_size
    with raw.open("wb") as image:
        image.truncate((files // (1 << 20) + 4) << 20)
    (work / "syslinux.cfg").write_text(SYSLINUX_CFG)
    call(["mkfs.vfat", "-n", "TINY", str(raw)])
    call(["mcopy", "-i", str(raw), str(new / "vmlinuz"), str(new / "initrd.gz"), str(work / "syslinux.cfg"), "::"])
    call(["syslinux", "--install", str(raw)])
    return raw


def call(argv: list[str], cwd: Path | None = None, standard_input: bytes = b"") -> bytes:
    """Run a program and give its output. :raises LabProblem: it is missing or failed."""
    done = subprocess.run([get_program(argv[0]), *argv[1:]], input=standard_input, capture_output=True, cwd=cwd,
                          env=environment(MTOOLS_SKIP_CHECK="1"))
    if done.returncode:
        raise LabProblem(f"{argv[0]} failed: {done.stderr.decode(errors='replace').strip()[-400:]}")
    return done.stdout
