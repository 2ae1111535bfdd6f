"""
``ISuspensions`` by libvirt: ``virDomainSaveFlags`` to a file of a pool, and ``virDomainRestoreFlags`` of it.

libvirt begins such a file with a mark of its own, which says that it is not whole until all of it is written: so a part
of one is refused, and no probe takes what a guest's memory holds for a format. A libvirtd that is killed meanwhile
finds the guest standing still, and has it go on; one that is killed later forgets why a domain is off.
"""

from __future__ import annotations

from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_xml import moved_screen
from cm.drivers.libvirt.hypervisor import LibvirtHypervisor
from cm.drivers.libvirt.plug import running_domain
from cm.drivers.libvirt.pool import LibvirtPools
from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.source import FileSource
from cm.rpc.errors import NotSupported

CHANGE: Final = "save the memory"
_SECURE: Final = libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE


class LibvirtSuspensions:
    def __init__(self, connections: Connections, pools: LibvirtPools, hypervisor: LibvirtHypervisor) -> None:
        self._connections = connections
        self._pools = pools
        self._hypervisor = hypervisor

    def save(self, uuid: str, storage_name: str, volume: str) -> None:
        path = self._path(storage_name, volume)
        with self._connections.slow(uuid, storage_name) as connection, self._running(connection, uuid) as domain:
            domain.saveFlags(path, None, 0)

    def restore(self, spec: DomainSpec, storage_name: str, volume: str) -> None:
        """Defined before, so that it has a definition later: libvirt takes that of the file for its run alone."""
        if self._connections.driver == "test":
            raise NotSupported("have a domain go on from its memory")
        path = self._path(storage_name, volume)
        self._hypervisor.define(spec)
        with self._connections.slow(spec.uuid, storage_name) as connection:
            saved = connection.saveImageGetXMLDesc(path, _SECURE)
            again = saved if spec.vnc is None else moved_screen(saved, spec.vnc)
            connection.restoreFlags(path, again, libvirt.VIR_DOMAIN_SAVE_PAUSED)

    def _path(self, storage_name: str, volume: str) -> str:
        source = self._pools.place(storage_name).source(volume)
        if not isinstance(source, FileSource):
            raise NotSupported("keep a guest's memory on devices")
        return source.path

    def _running(self, connection: Any, uuid: str) -> Any:
        return running_domain(self._connections, connection, uuid, CHANGE)
