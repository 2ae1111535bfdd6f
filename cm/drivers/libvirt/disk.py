"""``IDisks`` by libvirt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_read import source_of
from cm.drivers.libvirt.domain_xml import SCSI, disk_xml, medium_xml
from cm.drivers.libvirt.errors import code_of, reason_of
from cm.drivers.libvirt.plug import LIVE, Asking, definition_of, running_domain
from cm.drivers.libvirt.xml_text import Element, serialized
from cm.interfaces.disks import DiskSeen
from cm.interfaces.hypervisor import DiskSpec
from cm.interfaces.source import DiskSource
from cm.rpc.errors import DiskBusy, InvalidParameter, NotSupported, TrayLocked
from cm.rpc.vocabulary import DiskBus

# QEMU's words of a drive that libvirt opened no tray of, since it learns only as it or QEMU starts which drives have
# one.
_CLOSED: Final = ("Tray of device", "is not open")


class LibvirtDisks:
    """
    Of running domains alone: the definition is written anew before each start. The test driver has none of this.

    :param disk_cache: as in ``domain_xml``.
    """

    def __init__(self, connections: Connections, *, disk_cache: str = "none") -> None:
        self._connections = connections
        self._disk_cache = disk_cache
        self._asking = Asking()

    def look(self, uuid: str, device: str) -> DiskSeen | None:
        with self._connections.fast(uuid) as connection, self._running(connection, uuid, device) as domain:
            disk = _find(definition_of(domain), device)
            if disk is None:
                # It leaves the definition before QEMU has closed its file; this call has its turn after that.
                domain.memoryStats()
                return None
            return DiskSeen(device, source_of(disk), disk.get("device") == "cdrom", disk.find("readonly") is not None)

    def attach(self, uuid: str, disk: DiskSpec) -> None:
        """A SCSI disk's controller is made where there is none: libvirt would choose one that few guests know."""
        if disk.source is None:
            raise InvalidParameter("disk", "is a drive without a medium")
        xml = disk_xml(disk, self._disk_cache)
        with self._connections.slow(uuid) as connection, self._running(connection, uuid, disk.device) as domain:
            definition = definition_of(domain)
            found = _find(definition, disk.device)
            if found is not None:
                if source_of(found) != disk.source:
                    raise DiskBusy(uuid, disk.device, "another disk is in its place")
                return
            if disk.bus == DiskBus.SCSI and definition.find("devices/controller[@type='scsi']") is None:
                domain.attachDeviceFlags(serialized(SCSI), LIVE)
            domain.attachDeviceFlags(xml, LIVE)
            self._asking.forget(uuid, disk.device)

    def detach(self, uuid: str, device: str) -> None:
        with self._connections.slow(uuid) as connection, self._running(connection, uuid, device) as domain:
            self._asking.ask(domain, uuid, device, _find)

    def medium(self, uuid: str, device: str, source: DiskSource | None, *, force: bool = False) -> None:
        flags = LIVE | (libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE if force else 0)
        with self._connections.slow(uuid) as connection, self._running(connection, uuid, device) as domain:
            disk = _find(definition_of(domain), device)
            if disk is None or disk.get("device") != "cdrom":
                raise InvalidParameter("device", f"the domain {uuid} has no drive {device}")
            if source_of(disk) == source:
                return
            try:
                domain.updateDeviceFlags(medium_xml(disk, source), flags)
            except libvirt.libvirtError as error:
                if code_of(error) == libvirt.VIR_ERR_OPERATION_FAILED and "tray" in reason_of(error):
                    raise TrayLocked(uuid, device) from error
                if all(words in reason_of(error) for words in _CLOSED):
                    raise NotSupported(f"open the tray of {device}, which came while the domain ran") from error
                raise

    @contextmanager
    def _running(self, connection: Any, uuid: str, device: str) -> Iterator[Any]:
        """The domain; libvirt's refusals leave the block as ours."""
        try:
            with running_domain(self._connections, connection, uuid, "change the disks") as domain:
                yield domain
        except libvirt.libvirtError as error:
            if code_of(error) == libvirt.VIR_ERR_BLOCK_COPY_ACTIVE:
                raise DiskBusy(uuid, device, reason_of(error)) from error
            raise


def _find(definition: Element, device: str) -> Element | None:
    for disk in definition.findall("devices/disk"):
        target = disk.find("target")
        if target is not None and target.get("dev") == device:
            return disk
    return None
