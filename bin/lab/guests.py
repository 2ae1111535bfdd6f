"""What tests need around a tiny guest: an overlay for it, a domain to define, its console to read."""

import subprocess
import time
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from lab.image import Image
from lab.places import LabProblem, get_program
from lab.processes import tail


def overlay(backing: Path, path: Path) -> Path:
    """A qcow2 at ``path`` that holds what differs from the backing qcow2; 0.2 MB at first."""
    argv = [get_program("qemu-img"), "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(backing), str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise LabProblem(f"qemu-img failed: {done.stderr.strip()}")
    return path


def domain_xml(name: str, *, disk: Path | None = None, kernel: Image | None = None, memory_mib: int = 96,
               bridge: str | None = None, network: str | None = None, mac: str | None = None,
               serial: str | None = None, uuid: str | None = None) -> str:
    """
    A QEMU domain without KVM. Its console is also written to ``console_log``'s file.

    :param disk: a qcow2 to boot from; without it and without ``kernel`` the domain only runs its firmware.
    :param kernel: boot this image's kernel directly, 1 s sooner than from its disk.
    :param serial: SMBIOS serial number, which tells the guest its source of metadata.
    """
    boot = ""
    if kernel is not None:
        boot = (f"<kernel>{escape(str(kernel.kernel))}</kernel><initrd>{escape(str(kernel.initrd))}</initrd>"
                f"<cmdline>{escape(kernel.command_line)}</cmdline>")
    smbios = f"<sysinfo type='smbios'><system><entry name='serial'>{escape(serial)}</entry></system></sysinfo>" \
        if serial else ""
    drive = f"""<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/>
        <source file={quoteattr(str(disk))}/><target dev='vda' bus='virtio'/></disk>""" if disk else ""
    nic = ""
    if bridge or network:
        source = f"<source bridge={quoteattr(bridge)}/>" if bridge else f"<source network={quoteattr(network or '')}/>"
        nic = f"""<interface type='{'bridge' if bridge else 'network'}'>{source}
            {f"<mac address={quoteattr(mac)}/>" if mac else ""}<model type='virtio'/><rom enabled='no'/></interface>"""
    return f"""<domain type='qemu'><name>{escape(name)}</name>{f"<uuid>{uuid}</uuid>" if uuid else ""}
        <memory unit='MiB'>{memory_mib}</memory><vcpu>1</vcpu>{smbios}
        <os><type arch='x86_64' machine='pc'>hvm</type>{boot}{"<smbios mode='sysinfo'/>" if serial else ""}</os>
        <features><acpi/></features>
        <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
        <devices>{drive}{nic}
        <serial type='pty'><log file={quoteattr(f"/var/log/libvirt/{name}.console")} append='on'/></serial>
        <controller type='usb' model='none'/><memballoon model='none'/></devices></domain>"""


def console_log(log_dir: Path, name: str) -> Path:
    """Where the console of a domain from ``domain_xml`` is written; ``log_dir`` is its host's."""
    return log_dir / f"{name}.console"


def wait_for_marker(log: Path, marker: str, deadline: float = 60.0, start: int = 0) -> float:
    """
    Wait until a text stands on a guest's console, from byte ``start`` of its log on.

    :return: seconds it took.
    :raises LabProblem: it did not come; carries the console's last words.
    """
    began = time.monotonic()
    while time.monotonic() - began < deadline:
        try:
            if marker.encode() in log.read_bytes()[start:]:
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.05)
    raise LabProblem(f"'{marker}' did not come within {deadline:.0f} s; the console says: {tail(log)}")
