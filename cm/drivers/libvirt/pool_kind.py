"""
What pools and volumes of each kind of storage look like to libvirt (https://libvirt.org/storage.html). A kind of ours
is a class here; what it can do stands in ``cm/rules/storage.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import libvirt
from lxml import etree

from cm.drivers.libvirt.xml_text import Element, element, exact_text, parsed
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import HypervisorError, NotSupported
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.rules.storage import Capabilities, capabilities

_FS: Final = "http://libvirt.org/schemas/storagepool/fs/1.0"


class PoolKind:
    """
    One kind.

    :ivar appear: volumes come to be there without libvirt's knowing of it, from other nodes.
    :ivar block: its volumes are devices.
    """

    kind: StorageKind
    appear = True
    block = False

    @property
    def can(self) -> Capabilities:
        return capabilities(self.kind)

    def source(self, storage: StorageSpec) -> Element | None:
        """What the pool is made from."""
        return None

    def options(self, storage: StorageSpec) -> Element | None:
        """What the hypervisor's driver is told beside that."""
        return None

    def facts(self, root: Element) -> tuple[Any, ...]:
        """
        What makes it be this storage, and no other: alike for ``pool_xml`` of a storage and for what libvirt says of
        its pool.
        """
        return ()

    def prepare(self, connection: Any, pool: Any, storage: StorageSpec) -> None:
        """Have the node hold what the pool lies in, before it is started."""

    def volume_size(self, format: DiskFormat, capacity_bytes: int) -> tuple[int, int]:
        """
        Capacity, and what of it is taken at once.

        :raises NotSupported: it has no volumes of that format.
        """
        return capacity_bytes, 0

    def format(self, wanted: DiskFormat) -> DiskFormat:
        """What a copy that is to have a format becomes."""
        return wanted


class DirectoryPool(PoolKind):
    kind = StorageKind.DIR
    appear = False

    def prepare(self, connection: Any, pool: Any, storage: StorageSpec) -> None:
        pool.build(0)  # makes the directory; an existing one is taken as it is


class NetworkPool(PoolKind):
    """A file system of a server. libvirt mounts it ``nosuid,nodev,noexec`` whatever else is said."""

    kind = StorageKind.NETFS

    def prepare(self, connection: Any, pool: Any, storage: StorageSpec) -> None:
        pool.build(0)  # makes the directory that it is mounted on

    def source(self, storage: StorageSpec) -> Element:
        version = exact_text("nfs_version", storage.nfs_version) if storage.nfs_version else None
        return element(
            "source",
            element("host", name=exact_text("address", storage.address)),
            element("dir", path=exact_text("source", storage.source)),
            element("format", type_="auto" if version is None else "nfs"),
            None if version is None else element("protocol", ver=version),
        )

    def options(self, storage: StorageSpec) -> Element | None:
        if not storage.mount_options:
            return None
        made = etree.Element(f"{{{_FS}}}mount_opts", nsmap={"fs": _FS})
        for option in storage.mount_options:
            etree.SubElement(made, f"{{{_FS}}}option", name=exact_text("mount_options", option))
        return made

    def facts(self, root: Element) -> tuple[Any, ...]:
        host, directory, protocol = root.find("source/host"), root.find("source/dir"), root.find("source/protocol")
        return (
            None if host is None else host.get("name"),
            None if directory is None else directory.get("path"),
            None if protocol is None else protocol.get("ver"),
            tuple(option.get("name") for option in root.iterfind(f"{{{_FS}}}mount_opts/{{{_FS}}}option")),
        )


class LogicalPool(PoolKind):
    """
    A volume group. libvirt would make a volume whose allocation is less than its capacity as a snapshot of nothing,
    which breaks when it is full, and one that is to be qcow2 as a raw one, without a word.
    """

    kind = StorageKind.LOGICAL
    block = True

    def source(self, storage: StorageSpec) -> Element:
        return element(
            "source",
            *(element("device", path=exact_text("devices", device)) for device in storage.devices),
            element("name", text=exact_text("source", storage.source)),
            element("format", type_="lvm2"),
        )

    def facts(self, root: Element) -> tuple[Any, ...]:
        return (root.findtext("source/name"),)  # it finds the group's devices by itself

    def prepare(self, connection: Any, pool: Any, storage: StorageSpec) -> None:
        """
        :raises HypervisorError: there is no such group, and nothing, or something that holds data, to make it of.
        """
        found = parsed(connection.findStoragePoolSources("logical", None, 0))
        if storage.source in {name.text for name in found.iterfind("source/name")}:
            return
        if not storage.devices:
            raise HypervisorError(f"the node has no volume group {storage.source}", libvirt.VIR_ERR_NO_SOURCE)
        pool.build(libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE)

    def volume_size(self, format: DiskFormat, capacity_bytes: int) -> tuple[int, int]:
        if format not in self.can.formats:
            raise NotSupported(f"make {format} volumes in a volume group")
        size = self.can.whole(max(capacity_bytes, 1))  # LVM has no empty ones
        return size, size

    def format(self, wanted: DiskFormat) -> DiskFormat:
        return self.can.kept(wanted)


KINDS: Final[Mapping[str, PoolKind]] = {
    str(each.kind): each for each in (DirectoryPool(), NetworkPool(), LogicalPool())
}
_FOREIGN: Final = PoolKind()


def pool_kind(kind: str) -> PoolKind:
    """:param kind: libvirt's word; of one that is none of ours all that is known is that it is none."""
    return KINDS.get(kind, _FOREIGN)
