"""
What an administrator has in the definition of a VM's domain beside what we write: a ``<domain>`` of libvirt's
(https://libvirt.org/formatdomain.html), whose elements are added to ours. It is read, checked and merged as elements,
never as text; pure, one reader and one writer for every driver and for who judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lxml import etree

from cm.drivers.definition import foreign_of, reached_by_domain, read_root
from cm.drivers.libvirt.xml_text import Element, parsed, serialized
from cm.rpc.errors import InvalidParameter

PARAMETER: Final = "raw_data"
BYTES_MAX: Final = 64 * 1024
# What we say, and count by: which domain it is, how large, whose disks and cards it has, what it boots by.
OURS: Final = frozenset(
    {"name", "uuid", "genid", "title", "description", "metadata", "maxMemory", "memory", "currentMemory", "vcpu",
     "vcpus", "os", "sysinfo", "bootloader", "on_poweroff", "on_reboot", "on_crash", "on_lockfailure"}
)  # fmt: skip
OUR_DEVICES: Final = frozenset({"disk", "interface", "graphics", "console", "serial", "channel", "emulator"})
# Elements whose own elements are added to those that are there.
_HOLDERS: Final = frozenset({"devices", "features", "clock", "cpu"})


@dataclass(frozen=True)
class RawData:
    """
    :ivar xml: as it is kept.
    :ivar host: what it would have of the host, in words.
    """

    xml: str
    host: tuple[str, ...]


def read_raw(xml: str) -> RawData:
    """
    :raises InvalidParameter: it is no ``<domain>``, is too long, or says what is not for it to say.
    """
    if len(xml.encode(errors="replace")) > BYTES_MAX:
        raise InvalidParameter(PARAMETER, f"it is longer than {BYTES_MAX} bytes")
    root = read_root(xml, "domain", PARAMETER)
    if root.attrib:
        raise InvalidParameter(PARAMETER, f"<domain> has {sorted(root.attrib)[0]}, which is not for it to say")
    if any((text or "").strip() for text in (root.text, *(child.tail for child in root))):
        raise InvalidParameter(PARAMETER, "there is text between its elements")
    _check(root)
    confinement = [f"<{tag}>" for tag in ("seclabel", "resource") if root.find(tag) is not None]
    return RawData(serialized(root), tuple(dict.fromkeys((*foreign_of(root), *reached_by_domain(root), *confinement))))


def _elements(of: Element) -> Iterator[Element]:
    return iter(of.iterchildren(etree.Element))


def _check(root: Element) -> None:
    seen: set[str] = set()
    for child in _elements(root):
        if child.tag in OURS:
            raise InvalidParameter(PARAMETER, f"<{child.tag}> is not for it to say")
        if child.tag in seen:
            raise InvalidParameter(PARAMETER, f"<{child.tag}> is there twice")
        seen.add(child.tag)
        if child.tag == "devices":
            for device in _elements(child):
                if device.tag in OUR_DEVICES:
                    raise InvalidParameter(PARAMETER, f"<{device.tag}> is not for it to say: calls give VMs theirs")
        if child.tag == "cpu" and child.find("numa") is not None:
            raise InvalidParameter(PARAMETER, "<numa> is not for it to say")
    if not seen:
        raise InvalidParameter(PARAMETER, "there is nothing in it")


def merge_raw(root: Element, xml: str) -> None:
    """
    Add to a domain's definition what ``read_raw`` gave. Devices are added to ours; of other elements those that are
    there already are replaced.
    """
    for child in _elements(parsed(xml)):
        ours = root.find(child.tag)
        if ours is None:
            root.append(deepcopy(child))
        elif child.tag not in _HOLDERS:
            root.replace(ours, deepcopy(child))
        else:
            for name, value in child.attrib.items():
                ours.set(name, value)
            for each in _elements(child):
                old = None if child.tag == "devices" and each.tag not in _SINGLE else ours.find(each.tag)
                if old is None:
                    ours.append(deepcopy(each))
                else:
                    ours.replace(old, deepcopy(each))


_SINGLE: Final = frozenset({"memballoon", "rng", "video", "watchdog", "vsock", "iommu"})  # a VM of ours has one at most
