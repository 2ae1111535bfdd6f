"""
A domain's definition as XML, from typed values only (https://libvirt.org/formatdomain.html).

Free text cannot change the shape of the tree: lxml escapes it. The title loses control characters; names and paths with
control characters are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Final

from lxml import etree

from cm.drivers.libvirt.cpu import cpu_element
from cm.drivers.libvirt.xml_text import Element, element, exact_text, free_text, parsed, serialized
from cm.drivers.raw_data import merge_raw
from cm.interfaces.hypervisor import DiskSpec, DomainSpec, NicSpec, NodeInfo, VncSpec
from cm.interfaces.source import BlockSource, DiskSource, FileSource, NetworkSource
from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import DiskBus, DiskFormat, Firmware
from cm.rules.machine import chipset
from cm.rules.sizing import MODULES_MAX

NAMESPACE: Final = "https://wawel.example/xmlns/domain/1"
GUEST_AGENT_CHANNEL: Final = "org.qemu.guest_agent.0"
WAWEL_CHANNEL: Final = "org.wawel.agent.0"
VNC_PASSWORD_MAX: Final = 8  # characters: the DES key of RFC 6143, 7.2.2; libvirt refuses longer ones
_PAST: Final = "2000-01-01T00:00:00"  # UTC; any time gone by means expired
SPARE_PORTS: Final = 6  # for disks that come while it runs: on q35 each virtio device takes a port of its own
_OTHERS: Final = 5  # devices that may take one: virtio-serial, rng, balloon, USB, video
_TYPES_OF_QEMU: Final = ("kvm", "qemu")


def domain_xml(spec: DomainSpec, node: NodeInfo, *, disk_cache: str = "none") -> str:
    """
    :param node: its best domain type and its architecture are taken.
    :param disk_cache: QEMU's cache mode for writable disks. "none" needs O_DIRECT, which tmpfs lacks.
    :raises InvalidParameter: a name or path XML cannot carry, or a VNC password that is too long.
    """
    kind = node.domain_types[0] if node.domain_types else "qemu"
    qemu = kind in _TYPES_OF_QEMU
    serial = spec.smbios_serial if qemu else ""
    root = element(
        "domain",
        element("name", text=exact_text("name", spec.name)),
        element("uuid", text=exact_text("uuid", spec.uuid)),
        element("title", text=free_text(spec.title)),
        _metadata(),
        _most_memory(spec) if _grows(spec) else None,
        element("memory", text=str(spec.memory_mib), unit="MiB"),
        element("currentMemory", text=str(spec.memory_mib), unit="MiB"),
        _vcpu(spec),
        None if spec.cpu_shares is None else element("cputune", element("shares", text=str(spec.cpu_shares))),
        _sysinfo(serial) if serial else None,
        _os(spec, node, qemu, bool(serial)),
        element("features", element("acpi"), element("apic")),
        _cpu(spec, kind),
        element("clock", offset="utc"),
        element("on_poweroff", text="destroy"),
        element("on_reboot", text="restart"),
        element("on_crash", text="destroy"),
        element("devices", *_devices(spec, _machine(spec, node, qemu), qemu, disk_cache)),
        type_=kind,
    )
    if spec.raw:
        merge_raw(root, spec.raw)
    return serialized(root)


def _metadata() -> Element:
    """Marks the domain as ours, whatever its name."""
    mark = etree.Element(f"{{{NAMESPACE}}}domain", nsmap={"wawel": NAMESPACE})
    mark.set("version", "1")
    return element("metadata", mark)


def _sysinfo(serial: str) -> Element:
    entry = element("entry", text=exact_text("smbios_serial", serial), name="serial")
    return element("sysinfo", element("system", entry), type_="smbios")


def _machine(spec: DomainSpec, node: NodeInfo, qemu: bool) -> str | None:
    """Of a PC; others have one that QEMU knows best."""
    if not qemu or node.arch not in ("x86_64", "i686"):
        return None
    return chipset(spec.machine, frozenset(disk.bus for disk in spec.disks))


def _cpu(spec: DomainSpec, kind: str) -> Element | None:
    """Memory that comes later comes to a cell of NUMA, so there has to be one."""
    made = None
    if spec.cpu is not None:
        made = cpu_element(spec.cpu)
    elif kind == "kvm":
        made = element("cpu", mode="host-passthrough", check="none")
    if _grows(spec):
        made = element("cpu") if made is None else made
        cpus = f"0-{max(spec.max_vcpus, spec.vcpus) - 1}"
        made.append(element("numa", element("cell", id=0, cpus=cpus, memory=spec.memory_mib, unit="MiB")))
    return made


def _grows(spec: DomainSpec) -> bool:
    return spec.max_memory_mib > spec.memory_mib


def _most_memory(spec: DomainSpec) -> Element:
    return element("maxMemory", text=str(spec.max_memory_mib), slots=MODULES_MAX, unit="MiB")


def _vcpu(spec: DomainSpec) -> Element:
    if spec.max_vcpus <= spec.vcpus:
        return element("vcpu", text=str(spec.vcpus), placement="static")
    return element("vcpu", text=str(spec.max_vcpus), placement="static", current=spec.vcpus)


def _os(spec: DomainSpec, node: NodeInfo, qemu: bool, smbios: bool) -> Element:
    """
    Boot order: disk, then CD-ROM, where no disk says its own. UEFI's program is the node's choice among those that take
    unsigned systems, so that what boots by BIOS and by UEFI boots by it.
    """
    by_class = not _boot_orders(spec)
    uefi = spec.firmware is Firmware.UEFI and qemu
    return element(
        "os",
        element("type", text="hvm", arch=node.arch, machine=_machine(spec, node, qemu)),
        element("firmware", *_plain_uefi()) if uefi else None,
        element("nvram", text=exact_text("nvram", spec.nvram)) if uefi and spec.nvram else None,
        element("boot", dev="hd") if by_class else None,
        element("boot", dev="cdrom") if by_class else None,
        element("bootmenu", enable="yes", timeout=1000 * spec.boot_menu_s) if spec.boot_menu_s and qemu else None,
        element("smbios", mode="sysinfo") if smbios else None,
        firmware="efi" if uefi else None,
    )


def _plain_uefi() -> Iterator[Element]:
    for name in ("enrolled-keys", "secure-boot"):
        yield element("feature", enabled="no", name=name)


def _boot_orders(spec: DomainSpec) -> dict[str, int]:
    """
    By device, of all disks as soon as one says its own: libvirt has QEMU boot from nothing that has none. Empty where
    none does.
    """
    if all(disk.boot_order is None for disk in spec.disks):
        return {}
    last = len(spec.disks) + max(disk.boot_order or 0 for disk in spec.disks)
    ordered = sorted(spec.disks, key=lambda disk: (disk.boot_order or last, disk.boot_order is None and disk.cdrom))
    return {disk.device: number for number, disk in enumerate(ordered, start=1)}


SCSI: Final = element("controller", type_="scsi", index=0, model="virtio-scsi")


def _devices(spec: DomainSpec, machine: str | None, qemu: bool, disk_cache: str) -> Iterator[Element]:
    orders = _boot_orders(spec)
    for disk in spec.disks:
        yield _disk(disk, disk_cache, qemu, orders.get(disk.device))
    if any(disk.bus == DiskBus.SCSI for disk in spec.disks):
        yield deepcopy(SCSI)
    if machine == "q35":
        yield element("controller", type_="pci", index=0, model="pcie-root")
        for _ in range(len(spec.disks) + len(spec.nics) + _OTHERS + SPARE_PORTS):
            yield element("controller", type_="pci", model="pcie-root-port")
    for nic in spec.nics:
        yield _nic(nic, qemu)
    yield from _console(spec.console_log)
    if qemu:
        yield _channel(GUEST_AGENT_CHANNEL)
        yield _channel(WAWEL_CHANNEL)
    if spec.vnc is not None:
        yield element("input", type_="tablet", bus="usb")  # without it the pointer of a VNC viewer drifts
        yield graphics(spec.vnc)
        yield element("video", element("model", type_=str(spec.video)))
    if qemu:
        yield element("rng", element("backend", text="/dev/urandom", model="random"), model="virtio")
        yield element("memballoon", element("stats", period=10), model="virtio")  # seconds: what the guest has free
    if machine is not None:
        yield element("panic", model="isa")  # pvpanic: a panic ends the domain at once, as crashed
        if spec.watchdog:
            # Paused, and not reset by QEMU, it stays evidence until somebody of ours has seen it.
            yield element("watchdog", model="i6300esb", action="pause")


def disk_xml(disk: DiskSpec, cache: str) -> str:
    """A disk, or a drive, for a running domain of QEMU's."""
    return serialized(_disk(disk, cache, True, None))


def medium_xml(drive: Element, source: DiskSource | None) -> str:
    """A running domain's drive, as its definition has it, with another medium, or none."""
    made = deepcopy(drive)
    for old in ("source", "backingStore", "alias", "boot"):
        for each in made.findall(old):
            made.remove(each)
    kind, placed = source_element(source)
    made.set("type", kind)
    if placed is not None:
        made.append(placed)
    return serialized(made)


def _disk(disk: DiskSpec, cache: str, qemu: bool, boot_order: int | None) -> Element:
    """
    ``<backingStore/>`` ends the chain of a raw disk. A qcow2 disk has none here: an overlay's header records its base
    and the base's format, and libvirt refuses to start one whose header does not; nothing is probed either way.
    """
    read_only = disk.read_only or disk.cdrom
    driver = element(
        "driver",
        name="qemu",
        type_=str(disk.format),
        cache=None if read_only else cache,
        discard=None if read_only else "unmap",
        error_policy="stop" if disk.remote else None,
        rerror_policy="stop" if disk.remote else None,
    )
    kind, source = source_element(disk.source)
    return element(
        "disk",
        driver if qemu else None,
        source,
        element("backingStore") if disk.format == DiskFormat.RAW and disk.source is not None else None,
        element("target", dev=exact_text("device", disk.device), bus=str(disk.bus)),
        element("readonly") if read_only else None,
        _scsi_place(disk.device) if qemu and disk.bus == DiskBus.SCSI else None,
        element("boot", order=boot_order) if boot_order is not None else None,
        type_=kind,
        device="cdrom" if disk.cdrom else "disk",
    )


def _scsi_place(device: str) -> Element:
    """On our one controller: libvirt would take another for each seven letters, of a model that few guests know."""
    return element("address", type_="drive", controller=0, bus=0, target=0, unit=ord(device[-1]) - ord("a"))


def copy_target_xml(target: DiskSource, format: DiskFormat) -> str:
    """A disk as the target of a block copy: it stands on nothing, which is said so that nothing is probed."""
    kind, source = source_element(target)
    driver = element("driver", name="qemu", type_=str(format), discard="unmap")
    return serialized(element("disk", driver, source, element("backingStore"), type_=kind))


def source_element(source: DiskSource | None) -> tuple[str, Element | None]:
    """The disk's type by libvirt, and where it is; of an empty drive nowhere."""
    match source:
        case None:
            return "file", None
        case FileSource(path):
            return "file", element("source", file=exact_text("path", path))
        case BlockSource(path):
            return "block", element("source", dev=exact_text("path", path))
        case NetworkSource(protocol, name, hosts):
            places = [element("host", name=exact_text("host", host), port=port) for host, port in hosts]
            texts = {"protocol": exact_text("protocol", protocol), "name": exact_text("name", name)}
            return "network", element("source", *places, **texts)


def _nic(nic: NicSpec, qemu: bool) -> Element:
    if nic.bridge:
        source = element("source", bridge=exact_text("bridge", nic.bridge))
    else:
        source = element("source", network=exact_text("network", nic.network))
    return element(
        "interface",
        element("mac", address=exact_text("mac", nic.mac)),
        source,
        element("target", dev=exact_text("tap", nic.tap)),
        element("model", type_=str(nic.model)),
        element("mtu", size=nic.mtu) if nic.bridge and nic.mtu else None,
        None if nic.bridge else element("port", isolated="yes"),  # the bridge passes no frame from guest to guest
        element("rom", enabled="no") if qemu else None,  # nobody boots from the network; saves 0.3 s of each boot
        type_="bridge" if nic.bridge else "network",
    )


def nic_xml(nic: NicSpec) -> str:
    """A NIC for a running domain of QEMU's."""
    return serialized(_nic(nic, True))


def _console(log: str | None) -> Iterator[Element]:
    file = None if log is None else element("log", file=exact_text("console_log", log), append="on")
    yield element("serial", file, element("target", port=0), type_="pty")
    yield element("console", element("target", type_="serial", port=0), type_="pty")


def _channel(name: str) -> Element:
    return element("channel", element("target", type_="virtio", name=name), type_="unix")


def graphics(vnc: VncSpec) -> Element:
    """
    A VNC server on a fixed port.
    :raises InvalidParameter: the password is longer than VNC's eight characters, or empty.
    """
    made = element(
        "graphics",
        element("listen", type_="address", address=exact_text("listen", vnc.listen)),
        type_="vnc",
        port=vnc.port,
        autoport="no",
        listen=exact_text("listen", vnc.listen),
    )
    set_password(made, vnc)
    return made


def set_password(vnc_element: Element, vnc: VncSpec) -> None:
    """Write password and validity. libvirt reads ``passwdValidTo`` as UTC."""
    if not 0 < len(vnc.password) <= VNC_PASSWORD_MAX:
        raise InvalidParameter("password", f"VNC passwords have 1 to {VNC_PASSWORD_MAX} characters")
    vnc_element.set("passwd", exact_text("password", vnc.password))
    if vnc.enabled:
        vnc_element.attrib.pop("passwdValidTo", None)
    else:
        vnc_element.set("passwdValidTo", _PAST)


def changed_graphics(live_xml: str, vnc: VncSpec) -> str | None:
    """The running domain's VNC element with another password, for ``updateDeviceFlags``; None where it has none."""
    found = parsed(live_xml).find("./devices/graphics[@type='vnc']")
    if found is None:
        return None
    set_password(found, vnc)
    found.tail = None
    return serialized(found)


def moved_screen(xml: str, vnc: VncSpec) -> str:
    """A domain's definition with its VNC server at another place; the same where it has none."""
    root = parsed(xml)
    for found in root.findall("./devices/graphics[@type='vnc']"):
        found.set("port", str(vnc.port))
        found.set("autoport", "no")
        found.set("listen", exact_text("listen", vnc.listen))
        for listen in found.findall("listen"):
            found.remove(listen)
        found.append(element("listen", type_="address", address=exact_text("listen", vnc.listen)))
        set_password(found, vnc)
    return serialized(root)
