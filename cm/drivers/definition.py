"""
Definitions that an administrator gives as XML, read before libvirt is: what they are about, and what of the host they
reach. Pure; one reader for every driver and for who judges them.

What goes on to libvirt is what was read, written anew: no entities, no document type, nothing that one reader sees and
another does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from lxml import etree

from cm.drivers.libvirt.xml_text import Element, parsed, serialized
from cm.rpc.errors import InvalidParameter

PARAMETER: Final = "xml_desc"
# Programs and firmware that distributions install for guests.
_OWN: Final = re.compile(r"(/usr)?/(bin|libexec)/(qemu-system-[\w-]+|qemu-kvm|kvm)|/usr/share/[\w./-]+")
_NICS: Final = frozenset({"network", "bridge", "user", "internal", "ethernet", "null", "test"})
_CHARACTERS: Final = frozenset({"pty", "null", "vc", "spicevmc", "qemu-vdagent", "stdio"})
_DISKS: Final = frozenset({"file", "network", "volume"})
_POOLS: Final = frozenset({"dir", "netfs"})
_PATH: Final = re.compile(r"/[^\x00-\x1f]{0,4095}")


@dataclass(frozen=True)
class Definition:
    """
    :ivar type: a domain's or a pool's.
    :ivar uuid: "" of a volume.
    :ivar xml: what libvirt is to be given.
    :ivar host: what it would have of the host beside files and networks, in words.
    :ivar paths: files that it reads or writes; of a pool its directory.
    :ivar pools: by name, with the volume's, of disks that say so.
    """

    type: str
    name: str
    uuid: str
    xml: str
    host: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    volumes: tuple[tuple[str, str], ...] = ()


def read_domain(xml: str) -> Definition:
    """
    :raises InvalidParameter: it is no definition of a domain.
    """
    root = read_root(xml, "domain")
    disks = root.findall("devices/disk")
    sources = [source for disk in disks for source in disk.iter("source")]
    return Definition(
        type=root.get("type", ""),
        name=_name(root),
        uuid=_uuid(root),
        xml=serialized(root),
        host=tuple(dict.fromkeys((*foreign_of(root), *reached_by_domain(root)))),
        paths=tuple(path for source in sources if (path := source.get("file") or source.get("dev"))),
        volumes=tuple((source.get("pool"), source.get("volume", "")) for source in sources if source.get("pool")),
    )


def read_pool(xml: str) -> Definition:
    """
    :raises InvalidParameter: it is no definition of a pool.
    """
    root = read_root(xml, "pool")
    kind = root.get("type", "")
    reached = [] if kind in _POOLS else [f"a pool of type {kind}"]
    return Definition(
        type=kind,
        name=_name(root),
        uuid=_uuid(root),
        xml=serialized(root),
        host=tuple(dict.fromkeys((*foreign_of(root), *reached))),
        paths=tuple(path for path in [root.findtext("target/path")] if path),
    )


def read_volume(xml: str) -> Definition:
    """
    :raises InvalidParameter: it is no definition of a volume.
    """
    root = read_root(xml, "volume")
    below = [path for path in (each.findtext("path") for each in root.iter("backingStore")) if path]
    name = _name(root)
    if "/" in name or name in (".", ".."):
        raise InvalidParameter(PARAMETER, "a volume's name is that of a file")
    return Definition(root.get("type", ""), name, "", serialized(root), tuple(foreign_of(root)), tuple(below))


def read_root(xml: str, tag: str, parameter: str = PARAMETER) -> Element:
    """
    :param parameter: the caller's, for errors.
    :raises InvalidParameter: it is no XML, has a document type, or is of another tag.
    """
    try:
        root = parsed(xml)
    except (etree.XMLSyntaxError, UnicodeEncodeError, ValueError) as error:
        raise InvalidParameter(parameter, f"it is no XML: {str(error)[:200]}") from None
    if root.getroottree().docinfo.doctype:
        raise InvalidParameter(parameter, "it has a document type, and none is taken")
    if root.tag != tag:
        raise InvalidParameter(parameter, f"it defines no {tag}")
    return root


def _name(root: Element) -> str:
    name = (root.findtext("name") or "").strip()
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise InvalidParameter(PARAMETER, "it has no name of 1 to 200 characters")
    return name


def _uuid(root: Element) -> str:
    """Its own, or a new one that is written into it: libvirt takes a definition without for another of that name."""
    told = root.find("uuid")
    if told is None:
        told = etree.SubElement(root, "uuid")
        told.text = str(uuid4())
    try:
        told.text = str(UUID((told.text or "").strip()))
    except ValueError:
        raise InvalidParameter(PARAMETER, "its uuid is none") from None
    return str(told.text)


def foreign_of(root: Element) -> Iterator[str]:
    """Extensions of drivers, by namespace: arguments of QEMU, options of mounts. Metadata is only kept."""
    kept = {each for metadata in root.iterfind("metadata") for each in metadata.iter()}
    for each in root.iter(etree.Element):
        if "}" in each.tag and each not in kept:
            yield f"<{each.prefix or 'x'}:{etree.QName(each).localname}>"


def reached_by_domain(root: Element) -> Iterator[str]:
    """What a domain would have of the host beside files and networks, in words."""
    for path in (*root.iterfind("devices/emulator"), *root.iterfind("os/*"), *root.iterfind("os/acpi/table")):
        text = (path.text or "").strip()
        if text.startswith("/") and not _OWN.fullmatch(text) and path.tag != "nvram":
            yield f"<{path.tag}> {text[:100]}"
    for nvram in root.iterfind("os/nvram"):
        if (nvram.text or "").strip() or len(nvram):
            yield "<nvram> at a place of its own"
    devices = root.find("devices")
    for device in () if devices is None else devices.iterchildren(etree.Element):
        kind = device.get("type", "")
        if device.tag in ("hostdev", "filesystem", "shmem", "nvram", "memory", "crypto", "lease", "vsock"):
            yield f"<{device.tag}>"
        elif device.tag == "disk" and (kind not in _DISKS or device.get("device") == "lun"):
            yield f"<disk type='{kind}'>"
        elif device.tag == "interface" and kind not in _NICS:
            yield f"<interface type='{kind}'>"
        elif device.tag in ("serial", "parallel", "console", "channel", "smartcard", "redirdev"):
            if kind not in _CHARACTERS and not (kind == "unix" and device.find("source") is None):
                yield f"<{device.tag} type='{kind}'>"
        elif device.tag in ("rng", "tpm") and device.find("backend") is not None:
            backend = device.find("backend")
            if backend.get("model", backend.get("type")) not in ("random", "builtin", "emulator"):
                yield f"<{device.tag}>"
        for name in ("script", "downscript", "log"):
            if device.find(name) is not None:
                yield f"<{name}> of <{device.tag}>"
