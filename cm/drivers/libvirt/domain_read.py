"""
A domain's definition read back: what it holds. The inverse of ``domain_xml`` for definitions of ours, and as much as
matters of anybody's: nothing in it is relied on to be there.
"""

from __future__ import annotations

from cm.drivers.libvirt.xml_text import Element, parsed
from cm.interfaces.hypervisor import DiskDescription, DomainDescription, NicDescription
from cm.interfaces.source import BlockSource, DiskSource, FileSource, NetworkSource, path_of
from cm.rpc.vocabulary import Firmware

# libvirt writes memory in KiB, whatever unit it was defined in; a unit that is not here is read as that.
_MIB = {"b": 2**-20, "bytes": 2**-20, "KiB": 2**-10, "MiB": 1, "GiB": 2**10, "TiB": 2**20}


def described_domain(xml: str) -> DomainDescription:
    """
    :param xml: as ``virDomainGetXMLDesc`` gives it. The chain that a disk stands on is in that of a running domain.
    """
    root = parsed(xml)
    vcpu = root.find("vcpu")
    return DomainDescription(
        uuid=root.findtext("uuid") or "",
        name=root.findtext("name") or "",
        title=root.findtext("title") or "",
        vcpus=0 if vcpu is None else _number(vcpu.get("current") or vcpu.text),
        memory_mib=memory_mib_of(root.find("memory")),
        disks=tuple(_disk(disk) for disk in root.findall("devices/disk") if disk.find("source") is not None),
        nics=tuple(_nic(nic) for nic in root.findall("devices/interface")),
        ports=tuple(
            port
            for screen in root.findall("devices/graphics")
            for name in ("port", "tlsPort")
            if (port := _number(screen.get(name))) > 0  # -1 is "any", of a domain that is off
        ),
        console_log=next((log.get("file") for log in root.findall("devices/serial/log")), None),
        smbios_serial=root.findtext("sysinfo/system/entry[@name='serial']") or "",
        firmware=Firmware.UEFI if _is_uefi(root) else Firmware.BIOS,
        nvram=(root.findtext("os/nvram") or "").strip(),
    )


def memory_mib_of(told: Element | None) -> int:
    """An amount of memory, as it is told with its unit; None: none."""
    return 0 if told is None else round(_number(told.text) * _MIB.get(told.get("unit", "KiB"), 2**-10))


def _is_uefi(root: Element) -> bool:
    """By our word for it, or by what that has become of a domain that runs."""
    told, loader = root.find("os"), root.find("os/loader")
    if told is not None and told.get("firmware") == "efi":
        return True
    return loader is not None and loader.get("type") == "pflash"


def _disk(disk: Element) -> DiskDescription:
    driver, target = disk.find("driver"), disk.find("target")
    return DiskDescription(
        source=source_of(disk),
        format="" if driver is None else driver.get("type", ""),
        device="" if target is None else target.get("dev", ""),
        bus="" if target is None else target.get("bus", ""),
        cdrom=disk.get("device") == "cdrom",
        read_only=disk.find("readonly") is not None,
        bases=tuple(path for store in disk.iterfind(".//backingStore") if (path := path_of(source_of(store)))),
    )


def _nic(nic: Element) -> NicDescription:
    mac, model = nic.find("mac"), nic.find("model")
    return NicDescription(
        "" if mac is None else mac.get("address", "").lower(), "" if model is None else model.get("type", "")
    )


def source_of(of: Element) -> DiskSource | None:
    """Of a disk or of what it stands on; None for an empty drive, too."""
    source = of.find("source")
    if source is None:
        return None
    if source.get("file"):
        return FileSource(source.get("file"))
    if source.get("dev"):
        return BlockSource(source.get("dev"))
    if source.get("protocol"):
        hosts = tuple((host.get("name", ""), _number(host.get("port")) or None) for host in source.findall("host"))
        return NetworkSource(source.get("protocol"), source.get("name", ""), hosts)
    return None


def _number(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
