"""``IDisks`` by libvirt."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_read import source_of
from cm.drivers.libvirt.domain_xml import SCSI, disk_xml, medium_xml
from cm.drivers.libvirt.errors import code_of, reason_of
from cm.drivers.libvirt.xml_text import Element, parsed, serialized
from cm.interfaces.disks import DiskSeen
from cm.interfaces.hypervisor import DiskSpec
from cm.interfaces.source import DiskSource
from cm.rpc.errors import DiskBusy, DomainNotRunning, InvalidParameter, NotSupported, TrayLocked
from cm.rpc.vocabulary import DiskBus

ASK_AGAIN_S: Final = 3.0  # between two requests to let go; a guest that hears them takes less than a second, mostly

_LIVE: Final = libvirt.VIR_DOMAIN_AFFECT_LIVE
# QEMU's words of a guest that was asked already and has not answered; libvirt has no number for them.
_ASKED: Final = "in the process of unplug"
# And of a drive that libvirt opened no tray of, since it learns only as it or QEMU starts which drives have one.
_CLOSED: Final = ("Tray of device", "is not open")


class LibvirtDisks:
    """
    Of running domains alone: the definition is written anew before each start. The test driver has none of this.

    :param disk_cache: as in ``domain_xml``.
    """

    def __init__(self, connections: Connections, *, disk_cache: str = "none") -> None:
        self._connections = connections
        self._disk_cache = disk_cache
        self._asking = threading.Lock()
        self._asked: dict[tuple[str, str], float] = {}  # by domain and device, when the guest was last asked

    def look(self, uuid: str, device: str) -> DiskSeen | None:
        with self._connections.fast(uuid) as connection, self._running(connection, uuid, device) as domain:
            disk = _find(_definition(domain), device)
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
            definition = _definition(domain)
            found = _find(definition, disk.device)
            if found is not None:
                if source_of(found) != disk.source:
                    raise DiskBusy(uuid, disk.device, "another disk is in its place")
                return
            if disk.bus == DiskBus.SCSI and definition.find("devices/controller[@type='scsi']") is None:
                domain.attachDeviceFlags(serialized(SCSI), _LIVE)
            domain.attachDeviceFlags(xml, _LIVE)
            self._forget_asking(uuid, disk.device)

    def detach(self, uuid: str, device: str) -> None:
        """
        By its alias: that call never waits, while the other waits for 5 s and then says that all is well. Who asks
        again soon is not heard: libvirtd 9 asks QEMU for a disk that is just going, and dies of the answer.
        """
        with self._connections.slow(uuid) as connection, self._running(connection, uuid, device) as domain:
            disk = _find(_definition(domain), device)
            alias = None if disk is None else disk.find("alias")
            if alias is None or not self._may_ask(uuid, device):
                return
            try:
                domain.detachDeviceAlias(alias.get("name"), _LIVE)
            except libvirt.libvirtError as error:
                if _ASKED not in reason_of(error) and _find(_definition(domain), device) is not None:
                    self._forget_asking(uuid, device)
                    raise

    def medium(self, uuid: str, device: str, source: DiskSource | None, *, force: bool = False) -> None:
        flags = _LIVE | (libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE if force else 0)
        with self._connections.slow(uuid) as connection, self._running(connection, uuid, device) as domain:
            disk = _find(_definition(domain), device)
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

    def _may_ask(self, uuid: str, device: str) -> bool:
        """Whether a guest was not asked lately; from now on it was."""
        now = time.monotonic()
        with self._asking:
            self._asked = {key: at for key, at in self._asked.items() if now - at < ASK_AGAIN_S}
            if (uuid, device) in self._asked:
                return False
            self._asked[uuid, device] = now
            return True

    def _forget_asking(self, uuid: str, device: str) -> None:
        with self._asking:
            self._asked.pop((uuid, device), None)

    @contextmanager
    def _running(self, connection: Any, uuid: str, device: str) -> Iterator[Any]:
        """The domain; libvirt's refusals leave the block as ours."""
        if self._connections.driver == "test":
            raise NotSupported("change the disks of a running domain")
        domain = None
        try:
            domain = connection.lookupByUUIDString(uuid)
            if not domain.isActive():
                raise DomainNotRunning(uuid)
            yield domain
        except libvirt.libvirtError as error:
            if code_of(error) == libvirt.VIR_ERR_NO_DOMAIN:
                raise DomainNotRunning(uuid) from None
            if code_of(error) == libvirt.VIR_ERR_BLOCK_COPY_ACTIVE:
                raise DiskBusy(uuid, device, reason_of(error)) from error
            if code_of(error) == libvirt.VIR_ERR_OPERATION_INVALID and domain is not None and not _active(domain):
                raise DomainNotRunning(uuid) from error
            raise


def _definition(domain: Any) -> Element:
    return parsed(domain.XMLDesc())


def _find(definition: Element, device: str) -> Element | None:
    for disk in definition.findall("devices/disk"):
        target = disk.find("target")
        if target is not None and target.get("dev") == device:
            return disk
    return None


def _active(domain: Any) -> bool:
    try:
        return bool(domain.isActive())
    except libvirt.libvirtError:
        return False
