"""
ISO images: one that installs the tiny guest on the first disk of a machine, and small ones to be put into drives.

The installer stands in the initramfs, with the disk that it writes: Debian's cloud kernel has no driver for the SATA
drive that firmware booted it from. What it installs can do more than the tiny guest: it reads CDs, makes partitions and
ext4 file systems larger, and has QEMU's guest agent.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.image import GUEST, MODULES, call, find_kernel, fresh, initrd, raw_disk
from lab.places import LabProblem, get_program, state_dir

ISOLINUX = Path("/usr/lib/ISOLINUX/isolinux.bin")
LOADER = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")
ISOLINUX_CFG = """\
DEFAULT install
PROMPT 0
TIMEOUT 0
SERIAL 0 115200
LABEL install
 KERNEL vmlinuz
 INITRD initrd.gz
 APPEND console=tty0 console=ttyS0 quiet
"""
TOOLS = ("resize2fs", "sfdisk", "qemu-ga")


def build(cache_dir: Path | None = None) -> Path:
    """
    The installer, built or found built, as ``image.build`` does. It writes to ``vda``, says ``TINY WRITTEN`` and powers
    off; what boots from that disk says ``TINY INSTALLED`` before it is ready.

    :raises LabProblem: a program or the kernel is missing, or fails.
    """
    cache_dir = cache_dir or state_dir() / "images"
    tree, version = find_kernel()
    digest = hashlib.sha256(version.encode())
    for path in [Path(__file__), Path(__file__).with_name("image.py"), *sorted(GUEST.iterdir())]:
        digest.update(path.read_bytes())

    def make(work: Path, new: Path) -> None:
        shutil.copyfile(tree / "boot" / f"vmlinuz-{version}", work / "vmlinuz")
        system = work / "installed"
        add_tools(system)
        begins(system, "installed")
        shutil.copy(GUEST / "fsfreeze", system / "etc" / "fsfreeze")
        (work / "initrd.gz").write_bytes(initrd(system, tree, version, (*MODULES, "sr_mod", "isofs")))
        begins(work / "installer", "install")
        shutil.move(raw_disk(work, work), work / "installer" / "system.img")
        content = work / "cd"
        content.mkdir()
        shutil.copyfile(work / "vmlinuz", content / "vmlinuz")
        (content / "initrd.gz").write_bytes(initrd(work / "installer", tree, version))
        (content / "isolinux.cfg").write_text(ISOLINUX_CFG)
        for path in (ISOLINUX, LOADER):
            if not path.exists():
                raise LabProblem(f"there is no {path}; bin/bootstrap hosts installs it")
            shutil.copy(path, content)
        boot = ["-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
        write_iso(content, new / "install.iso", *boot)

    return fresh(cache_dir, f"installer-{digest.hexdigest()[:12]}", make) / "install.iso"


def medium(path: Path, **files: str) -> Path:
    """An ISO at ``path`` with these texts, which firmware boots nothing from."""
    with tempfile.TemporaryDirectory() as directory:
        for name, text in files.items():
            (Path(directory) / name).write_text(text)
        write_iso(Path(directory), path)
    return path


def write_iso(content: Path, path: Path, *more: str) -> None:
    call(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "TINY", "-o", str(path), *more, str(content)])


def begins(root: Path, script: str) -> None:
    """Have a guest run one of ``guest``'s scripts before it is ready."""
    (root / "etc").mkdir(parents=True, exist_ok=True)
    shutil.copy(GUEST / script, root / "etc" / "begin")
    (root / "etc" / "begin").chmod(0o755)


def add_tools(root: Path) -> None:
    """Programs of this machine with the libraries that they name."""
    for name in TOOLS:
        program = get_program(name)
        done = subprocess.run(["ldd", program], capture_output=True, text=True)
        libraries = [word for word in done.stdout.split() if word.startswith("/")]
        if done.returncode or not libraries:
            raise LabProblem(f"ldd tells no libraries of {program}: {done.stderr.strip()}")
        for source in [program, *libraries]:
            target = root / source.lstrip("/") if source != program else root / "sbin" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
