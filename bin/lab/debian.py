"""
Builds a Debian guest with Debian's own cloud-init, an SSH server and QEMU's guest agent, as stock cloud images are: by
mmdebstrap, from the mirrors of this machine, without a loop mount. It boots in 512 MiB; without KVM that takes over a
minute on a quiet machine.

What is unlike a stock image saves time under emulation and changes nothing of how cloud-init finds and reads what it is
told: one kind of host key, fewer of its modules, no mitigations in the kernel.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
from pathlib import Path

from lab.image import call, fresh
from lab.places import LabProblem, get_program, state_dir

SUITE = "bookworm"
NEWEST = "forky"  # for what is to come: Debian's testing, with the newest cloud-init that it has
PACKAGES = (
    "linux-image-cloud-amd64", "systemd-sysv", "udev", "dbus", "cloud-init", "cloud-guest-utils", "openssh-server",
    "qemu-guest-agent", "iproute2", "net-tools", "netbase", "ca-certificates", "initramfs-tools", "lz4", "acpid",
    "sudo", "fdisk", "e2fsprogs", "curl", "sshfs",
)  # fmt: skip
# What brings its network up, as in the images of that suite: first cloud-init itself, which asks EC2's metadata, then
# what it configures.
NETWORK = {SUITE: ("isc-dhcp-client", "ifupdown"), NEWEST: ("dhcpcd-base", "netplan.io")}
FAT_MIB = 64
ROOT_MIB = 1200
START = 2048  # sectors before the first partition
COMMAND_LINE = "root=LABEL=root ro console=tty0 console=ttyS0 quiet net.ifnames=0 mitigations=off audit=0"
MODULES = "virtio_pci\nvirtio_blk\nvirtio_scsi\nsd_mod\nsr_mod\nisofs\nvirtio_net\nvirtio_console\n"
CLOUD_CFG = """\
ssh_genkeytypes: [ed25519]
locale: false
apt_preserve_sources_list: true
cloud_init_modules: [bootcmd, write-files, growpart, resizefs, set_hostname, update_hostname, users-groups, ssh]
cloud_config_modules: [set-passwords, runcmd]
cloud_final_modules: [scripts-vendor, scripts-user, phone-home, final-message]
"""
SYSLINUX_CFG = f"""\
DEFAULT debian
PROMPT 0
TIMEOUT 0
SERIAL 0 115200
LABEL debian
 KERNEL vmlinuz
 INITRD initrd
 APPEND {COMMAND_LINE}
"""
MASKED = "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer"
# In the root file system, which is "$1", after its packages are there.
HOOKS = (
    'printf "LABEL=root / ext4 defaults,noatime 0 1\\n" >"$1/etc/fstab"',
    ': >"$1/etc/machine-id"; rm -f "$1"/etc/ssh/ssh_host_*; echo debian >"$1/etc/hostname"',
    'mkdir -p "$1/etc/network/interfaces.d";'
    ' printf "auto lo\\niface lo inet loopback\\nsource /etc/network/interfaces.d/*\\n" >"$1/etc/network/interfaces"',
    'if [ -x "$1/usr/sbin/netplan" ]; then chroot "$1" systemctl enable systemd-networkd; fi',
    f'chroot "$1" systemctl enable serial-getty@ttyS0.service; chroot "$1" systemctl mask {MASKED}',
    'rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*',
)


def missing() -> list[str]:
    """What this machine lacks for it; it asks Debian's mirrors, too, which is found out when it is built."""
    programs = ("mmdebstrap", "mke2fs", "mkfs.vfat", "mcopy", "syslinux", "sfdisk", "qemu-img")
    found = []
    for name in programs:
        try:
            get_program(name)
        except LabProblem:
            found.append(f"there is no {name} (bin/bootstrap guests)")
    return found


def build(cache_dir: Path | None = None, suite: str = SUITE) -> Path:
    """
    The guest's qcow2, built or found built, as ``image.build`` does; some 450 MB.

    :param suite: of Debian: ``SUITE`` or ``NEWEST``.
    :raises LabProblem: a program is missing or fails, or no mirror answers.
    """
    cache_dir = cache_dir or state_dir() / "images"
    digest = hashlib.sha256(Path(__file__).read_bytes() + suite.encode())

    def make(work: Path, new: Path) -> None:
        root = work / "root"
        _install(work, root, suite)
        raw = _disk(work, root)
        call(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(new / "debian.qcow2")])

    return fresh(cache_dir, f"{suite}-{digest.hexdigest()[:12]}", make) / "debian.qcow2"


def _install(work: Path, root: Path, suite: str) -> None:
    (work / "modules").write_text(MODULES)
    (work / "initramfs").write_text("MODULES=list\nCOMPRESS=lz4\n")
    (work / "cloud.cfg").write_text(CLOUD_CFG)
    argv = [
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join((*PACKAGES, *NETWORK[suite]))}",
        "--aptopt=Acquire::Languages \"none\"", "--aptopt=APT::Install-Recommends \"false\"",
        *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("man", "locale", "doc")),
        f'--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" && cp {work}/initramfs'
        f' "$1/etc/initramfs-tools/conf.d/lab" && cp {work}/modules "$1/etc/initramfs-tools/modules"',
        *(f"--customize-hook={hook}" for hook in HOOKS),
        f'--customize-hook=cp {work}/cloud.cfg "$1/etc/cloud/cloud.cfg.d/91_lab.cfg"',
        suite, str(root),
    ]  # fmt: skip
    sources = [path for path in ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
               if Path(path).exists()]  # fmt: skip
    if suite == SUITE:
        call([*argv, *sources[:1]])
        return
    # From the mirror that this machine has; one that is behind with a moving suite is taken all the same.
    found = re.search(r"https?://\S+/debian/?(?=\s)", "".join(Path(each).read_text() for each in sources))
    mirror = found.group() if found else "http://deb.debian.org/debian"
    call([*argv, "--aptopt=Acquire::Check-Valid-Until \"false\"", f"deb {mirror} {suite} main"])


def _disk(work: Path, root: Path) -> Path:
    """A disk with a boot partition (FAT, syslinux) and the root file system, which is last and so can grow."""
    found = (root / "boot").glob("vmlinuz-*")
    kernels = sorted(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])
    if not kernels:
        raise LabProblem("mmdebstrap left no kernel")
    version = kernels[-1].name.removeprefix("vmlinuz-")
    for source, name in ((f"vmlinuz-{version}", "vmlinuz"), (f"initrd.img-{version}", "initrd")):
        shutil.copyfile(root / "boot" / source, work / name)
    (work / "syslinux.cfg").write_text(SYSLINUX_CFG)
    boot, system, raw = work / "boot.img", work / "root.img", work / "debian.raw"
    for path, size_mib in ((boot, FAT_MIB), (system, ROOT_MIB), (raw, 1 + FAT_MIB + ROOT_MIB + 1)):
        with path.open("wb") as file:
            file.truncate(size_mib << 20)
    call(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-m", "0", "-d", str(root), str(system)])
    call(["mkfs.vfat", "-n", "BOOT", str(boot)])
    call(["mcopy", "-i", str(boot), *(str(work / name) for name in ("vmlinuz", "initrd", "syslinux.cfg")), "::"])
    call(["syslinux", "--install", str(boot)])
    with boot.open("r+b") as file:
        file.seek(0x1C)  # FAT's "hidden sectors": syslinux reads itself by its place on the disk
        file.write(struct.pack("<I", START))
    sectors = FAT_MIB * 2048
    table = f"label: dos\nstart={START}, size={sectors}, type=c, bootable\n"
    table += f"start={START + sectors}, size={ROOT_MIB * 2048}, type=83\n"
    call(["sfdisk", "-q", str(raw)], standard_input=table.encode())
    loader = Path("/usr/lib/syslinux/mbr/mbr.bin").read_bytes()[:440]
    with raw.open("r+b") as file:
        file.write(loader)
    for path, mib in ((boot, 1), (system, 1 + FAT_MIB)):
        call(["dd", f"if={path}", f"of={raw}", "conv=notrunc,sparse", "bs=1M", f"seek={mib}", "status=none"])
    return raw
