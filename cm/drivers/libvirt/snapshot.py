"""
``ISnapshots`` by libvirt: external snapshots without metadata. Internal ones are never made: a chain with both can be
neither merged nor taken back by libvirt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.block_job import refuse_busy
from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_read import described_domain
from cm.drivers.libvirt.domain_xml import domain_xml, source_element
from cm.drivers.libvirt.errors import code_of
from cm.drivers.libvirt.guest_agent import SILENT, reason_of_agent, why_silent
from cm.drivers.libvirt.hypervisor import LibvirtHypervisor
from cm.drivers.libvirt.xml_text import element, serialized
from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.snapshot import NewTop
from cm.interfaces.source import DiskSource
from cm.rpc.errors import DomainNotFound, DomainNotRunning, GuestNotFrozen, InvalidParameter, NotSupported
from cm.rpc.vocabulary import Consistency, Freeze, Seen

_ALIVE: Final = (Seen.RUNNING, Seen.PAUSED)
_FLAGS: Final = (
    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
)


class LibvirtSnapshots:
    def __init__(self, connections: Connections, hypervisor: LibvirtHypervisor, *, disk_cache: str = "none") -> None:
        self._connections = connections
        self._hypervisor = hypervisor
        self._disk_cache = disk_cache

    def take(self, uuid: str, disks: Sequence[NewTop], freeze: Freeze) -> Consistency | None:
        """Where the agent answers it costs some 100 ms, else some 40 ms (tried); one that hangs costs ``AGENT_S``."""
        self._refuse_test("take snapshots of disks")
        with self._domain(uuid) as domain:
            sources = _sources(domain)
            if _taken(sources, disks):
                if freeze is not Freeze.NO:
                    _thaw(domain)  # libvirtd may have died before it did
                return Consistency.CRASH
            for top in disks:
                refuse_busy(domain, uuid, top.device)
            xml = _snapshot_xml(sources, disks)
            if freeze is not Freeze.NO:
                reason = why_silent(domain)
                if not reason:
                    try:
                        domain.snapshotCreateXML(xml, _FLAGS | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE)
                        return Consistency.FROZEN
                    except libvirt.libvirtError as error:
                        reason = reason_of_agent(error)
                        # libvirt thaws nobody whose agent was late to say that it has frozen. Where all is taken it was
                        # the thawing that failed.
                        if code_of(error) in SILENT or _taken(_sources(domain), disks):
                            return None
                        _thaw(domain)  # it may have refused because it was frozen, by a libvirtd that died then
                if freeze is Freeze.YES:
                    raise GuestNotFrozen(reason)
            domain.snapshotCreateXML(xml, _FLAGS)
            return Consistency.CRASH

    def thaw(self, uuid: str) -> bool:
        self._refuse_test("thaw guests")
        with self._domain(uuid) as domain:
            return _thaw(domain)

    @contextmanager
    def _domain(self, uuid: str) -> Iterator[Any]:
        """:raises DomainNotRunning: it is off or absent."""
        try:
            with self._connections.slow(uuid) as connection:
                domain = connection.lookupByUUIDString(uuid)
                if not domain.isActive():
                    raise DomainNotRunning(uuid)
                yield domain
        except DomainNotFound:
            raise DomainNotRunning(uuid) from None

    def hold(self, spec: DomainSpec) -> None:
        self._refuse_test("hold disks without a guest")
        if self._hypervisor.look(spec.uuid).state in _ALIVE:
            return
        xml = domain_xml(spec, self._hypervisor.info(), disk_cache=self._disk_cache)
        with self._connections.slow(spec.uuid) as connection:
            connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)

    def _refuse_test(self, what: str) -> None:
        if self._connections.driver == "test":
            raise NotSupported(what)


def _thaw(domain: Any) -> bool:
    """Whether a guest's agent answers that nothing is frozen any more."""
    if why_silent(domain):
        return False
    try:
        domain.fsThaw()
    except libvirt.libvirtError as error:
        reason_of_agent(error)
        return False
    return True


def _sources(domain: Any) -> dict[str, DiskSource | None]:
    """What a domain's disks write to, by device."""
    return {disk.device: disk.source for disk in described_domain(domain.XMLDesc()).disks}


def _taken(sources: Mapping[str, DiskSource | None], disks: Sequence[NewTop]) -> bool:
    """
    Whether all of them write to their new volumes.

    :raises InvalidParameter: there is no such disk.
    """
    for disk in disks:
        if disk.device not in sources:
            raise InvalidParameter("disks", f"the domain has no disk {disk.device}")
    return all(sources[disk.device] == disk.source for disk in disks)


def _snapshot_xml(sources: Mapping[str, DiskSource | None], disks: Sequence[NewTop]) -> str:
    """https://libvirt.org/formatsnapshot.html; disks that are not named would be taken, too."""
    named = {disk.device for disk in disks}
    made = []
    for disk in disks:
        kind, source = source_element(disk.source)
        made.append(
            element("disk", element("driver", type_="qcow2"), source, name=disk.device, snapshot="external", type_=kind)
        )
    others = [element("disk", name=device, snapshot="no") for device in sources if device not in named]
    return serialized(element("domainsnapshot", element("disks", *made, *others)))
