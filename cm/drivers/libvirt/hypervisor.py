"""``IHypervisor`` by libvirt."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.console_log import READER
from cm.drivers.libvirt.cpu import cpu_of, host_cpu, offers
from cm.drivers.libvirt.domain_read import described_domain
from cm.drivers.libvirt.domain_xml import changed_graphics, domain_xml
from cm.drivers.libvirt.errors import is_connection_error
from cm.drivers.libvirt.figures import node_figures
from cm.drivers.libvirt.session import Session
from cm.drivers.libvirt.silence import Silence
from cm.drivers.libvirt.states import event_words, seen
from cm.drivers.libvirt.xml_text import Element, parsed
from cm.interfaces.hypervisor import (
    DomainDescription,
    DomainEvent,
    DomainSeen,
    DomainSpec,
    NodeInfo,
    VncSpec,
)
from cm.rpc.errors import CloudError, DomainNotFound, DomainNotRunning, HypervisorError, NotSupported
from cm.rpc.vocabulary import Seen, SeenReason
from cm.rules.figures import NodeFigures
from cm.rules.machine import Cpu

log = logging.getLogger(__name__)

_ALIVE: Final = (Seen.RUNNING, Seen.PAUSED)
_GONE: Final = (Seen.ABSENT, Seen.OFF)
_SETTLE_S: Final = 3.0  # a reconnecting libvirtd shows a guest that is being killed as running for 0.2 s and more
_HELD_MS: Final = 100  # that keys are held
_UNDEFINE_ALL: Final = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
# Of ours: the variables of its firmware are there when it is started elsewhere.
_UNDEFINE_OURS: Final = _UNDEFINE_ALL & ~libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
_UNDEFINE_BASIC: Final = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA

Callback = Callable[[DomainEvent], None]
Lost = Callable[[str], None]


class LibvirtHypervisor:
    """
    :param disk_cache: see ``domain_xml``.
    """

    def __init__(self, connections: Connections, silence: Silence, *, disk_cache: str = "none") -> None:
        self._connections = connections
        self._silence = silence
        self._disk_cache = disk_cache
        self._info: NodeInfo | None = None
        self._lock = threading.Lock()
        self._subscription: tuple[Callback, Lost] | None = None
        self._registered: tuple[Session, int] | None = None

    def info(self) -> NodeInfo:
        with self._connections.fast() as connection:
            model, memory_mib, cpus, *_ = connection.getInfo()  # MiB: the C call counts KiB
            capabilities = parsed(connection.getCapabilities())
            hypervisor = connection.getType()
            arch = capabilities.findtext("host/cpu/arch") or model
            guests = capabilities.findall(f"guest/arch[@name='{arch}']") or capabilities.findall("guest/arch")
            types = {domain.get("type") for guest in guests for domain in guest.findall("domain")}
            self._info = NodeInfo(
                hostname=connection.getHostname(),
                hypervisor=hypervisor,
                hypervisor_version=_version(connection.getVersion()),
                libvirt_version=_version(connection.getLibVersion()),
                cpu_model=capabilities.findtext("host/cpu/model") or model,
                cpus=cpus,
                memory_mib=_memory_mib(connection) or memory_mib,
                domain_types=tuple(sorted(types, key=lambda kind: (kind != "kvm", kind != "qemu", kind))),
                arch=guests[0].get("name") if guests else arch,
                hooks=hypervisor == "QEMU",
                host_uuid=(capabilities.findtext("host/uuid") or "") if hypervisor == "QEMU" else "",
            )
            if hypervisor == "QEMU":
                self._info = replace(self._info, offers=offers(capabilities, self._capabilities(connection)))
            return self._info

    def _capabilities(self, connection: Any) -> Element:
        """What domains may have that are of the kind that we define."""
        info = self._info
        assert info is not None
        return parsed(connection.getDomainCapabilities(None, info.arch, None, _kind(info), 0))

    def cpu(self) -> str:
        info = self._info or self.info()
        with self._connections.fast() as connection:
            if info.hypervisor != "QEMU":
                raise NotSupported("tell its CPU")
            return host_cpu(self._capabilities(connection))

    def common_cpu(self, cpus: Sequence[str]) -> Cpu:
        info = self._info or self.info()
        if info.hypervisor != "QEMU":
            raise NotSupported("compare CPUs")
        with self._connections.fast() as connection:
            return cpu_of(parsed(connection.baselineHypervisorCPU(None, info.arch, None, _kind(info), list(cpus), 0)))

    def domains(self) -> Sequence[DomainSeen]:
        """
        ``getAllDomainStats`` with states alone asks no QEMU monitor and gives all in one answer; the second call names
        the few domains without a definition.
        """
        with self._connections.fast() as connection:
            transient = {
                domain.UUIDString() for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
            }
            found = []
            for domain, stats in connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0):
                if domain.name().startswith(READER):
                    continue
                uuid = domain.UUIDString()
                state, reason = stats.get("state.state", 0), stats.get("state.reason", 0)
                found.append(seen(uuid, domain.name(), state, reason, uuid not in transient))
            return found

    def measure(self) -> NodeFigures:
        with self._connections.fast() as connection:
            return node_figures(connection, self._connections.driver)

    def look(self, uuid: str) -> DomainSeen:
        try:
            with self._connections.fast(uuid) as connection:
                domain = connection.lookupByUUIDString(uuid)
                state, reason = domain.state()
                return seen(uuid, domain.name(), state, reason, bool(domain.isPersistent()))
        except DomainNotFound:
            return DomainSeen(uuid, "", Seen.ABSENT, SeenReason.ABSENT, persistent=False)

    def describe(self, uuid: str) -> DomainDescription | None:
        """Without the passwords of its screens: libvirt tells them only to who asks for them."""
        try:
            with self._connections.fast(uuid) as connection:
                return described_domain(connection.lookupByUUIDString(uuid).XMLDesc())
        except DomainNotFound:
            return None

    def define(self, spec: DomainSpec) -> None:
        xml = domain_xml(spec, self._info or self.info(), disk_cache=self._disk_cache)
        with self._connections.slow(spec.uuid) as connection:
            connection.defineXML(xml)

    def start(self, uuid: str) -> None:
        try:
            with self._connections.slow(uuid) as connection:
                connection.lookupByUUIDString(uuid).create()
        except CloudError as error:
            if not _invalid_now(error) or self.look(uuid).state not in _ALIVE:
                raise

    def destroy(self, uuid: str) -> None:
        """A QEMU whose storage is silent is left as it is, see ``silence``."""
        try:
            with self._connections.fast(uuid) as connection:
                domain = connection.lookupByUUIDString(uuid)
                described = domain.XMLDesc() if domain.isActive() else ""
            if described:
                self._silence.check(described)
            with self._connections.fast(uuid) as connection:
                connection.lookupByUUIDString(uuid).destroy()
        except DomainNotFound:
            return
        except CloudError as error:
            # libvirtd answers "domain is not running" to a domain that is off, and, while it reconnects to its guests
            # after a restart, also to one that it has just killed.
            if not _invalid_now(error) or not self._ends(uuid):
                raise

    def _ends(self, uuid: str) -> bool:
        deadline = time.monotonic() + _SETTLE_S
        while self.look(uuid).state not in _GONE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def shutdown(self, uuid: str) -> None:
        self._press(uuid, _shutdown)

    def reset(self, uuid: str) -> None:
        self._press(uuid, lambda domain: domain.reset())

    def press_keys(self, uuid: str, keys: Sequence[int]) -> None:
        codes = list(keys)
        self._press(uuid, lambda domain: domain.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, _HELD_MS, codes, len(codes), 0))

    def pause(self, uuid: str) -> None:
        self._press(uuid, lambda domain: domain.suspend(), done=Seen.PAUSED)

    def resume(self, uuid: str) -> None:
        self._press(uuid, lambda domain: domain.resume(), done=Seen.RUNNING)

    def _press(self, uuid: str, act: Callable[[Any], object], done: Seen | None = None) -> None:
        """
        Act on a running domain.
        :param done: the state in which a refusal means that there was nothing to do.
        :raises DomainNotRunning: it is off or absent.
        """
        try:
            with self._connections.fast(uuid) as connection:
                act(connection.lookupByUUIDString(uuid))
        except DomainNotFound:
            raise DomainNotRunning(uuid) from None
        except CloudError as error:
            if not _invalid_now(error):
                raise
            state = self.look(uuid).state
            if state == done:
                return
            if state not in _ALIVE:
                raise DomainNotRunning(uuid) from error
            raise

    def undefine(self, uuid: str) -> None:
        try:
            with self._connections.slow(uuid) as connection:
                domain = connection.lookupByUUIDString(uuid)
                if not domain.isPersistent():
                    return
                undefine(domain, _UNDEFINE_OURS)
        except DomainNotFound:
            return

    def set_vnc(self, uuid: str, vnc: VncSpec) -> None:
        """
        Changes the live domain only; the definition is written anew before each start. Sessions that are already open
        stay open: QEMU asks for the password once, and of ``connected=`` it takes "keep" alone. What ends them is to
        cut the way to them: ``ss -K sport = :PORT`` on the node did (tried), a proxy that hangs up should.
        """
        if self._connections.driver == "test":
            raise NotSupported("change a VNC server")

        def change(domain: Any) -> None:
            xml = changed_graphics(domain.XMLDesc(), vnc)
            if xml is None:
                raise NotSupported("change a VNC server: the domain was started without one")
            domain.updateDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)

        if self.look(uuid).state not in _ALIVE:
            raise DomainNotRunning(uuid)
        self._press(uuid, change)

    def subscribe(self, callback: Callback, lost: Lost) -> None:
        """
        The subscription stays when the connection ends: the next connection registers it anew, and ``lost`` is called
        once for each connection that ends. What happened in between is not told: look.
        """
        with self._lock:
            self._subscription = (callback, lost)
        self._connections.watch(self._register, self._tell_lost)

    def _register(self, session: Session) -> None:
        with self._lock:
            if self._registered is not None and self._registered[0] is session:
                return  # the callback reads the subscription of the day
            event_id = session.connection.domainEventRegisterAny(
                None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._tell, None
            )
            session.event_ids.append(event_id)
            self._registered = (session, event_id)

    def _tell(self, connection: object, domain: Any, event: int, detail: int, opaque: object) -> None:
        """On libvirt's event thread: forward and return."""
        subscription = self._subscription
        if subscription is None or domain.name().startswith(READER):
            return
        try:
            subscription[0](DomainEvent(domain.UUIDString(), domain.name(), *event_words(event, detail)))
        except Exception:
            log.exception("a subscriber to domain events failed")

    def _tell_lost(self, reason: str) -> None:
        with self._lock:
            self._registered = None
            subscription = self._subscription
        if subscription is None:
            return
        try:
            subscription[1](reason)
        except Exception:
            log.exception("a subscriber to a connection's end failed")

    def unsubscribe(self) -> None:
        """The driver is about to close its connections."""
        with self._lock:
            registered, self._registered = self._registered, None
            self._subscription = None
        if registered is not None and self._connections.in_process:
            # This connection outlives the driver, so its registration must go now.
            session, event_id = registered
            session.event_ids.remove(event_id)
            session.connection.domainEventDeregisterAny(event_id)


def undefine(domain: Any, flags: int = _UNDEFINE_ALL) -> None:
    """A handle of libvirt's: with what libvirt keeps beside its definition. Disks stay."""
    try:
        domain.undefineFlags(flags)
    except libvirt.libvirtError as error:
        # The test driver knows fewer flags.
        if error.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
            raise
        domain.undefineFlags(_UNDEFINE_BASIC)


def _kind(info: NodeInfo) -> str:
    return info.domain_types[0] if info.domain_types else "qemu"


def _shutdown(domain: Any) -> None:
    try:
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    except libvirt.libvirtError as error:
        # The test driver knows no flags.
        if error.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
            raise
        domain.shutdown()


def _memory_mib(connection: Any) -> int:
    """
    The node's memory, from ``getMemoryStats`` (KiB). ``getInfo`` cannot be trusted: it was seen to
    say 5 GiB of a machine with 24. 0 where there are no such statistics (test driver).
    """
    try:
        return int(connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS).get("total", 0)) // 1024
    except libvirt.libvirtError as error:
        if is_connection_error(error):
            raise
        return 0


def _invalid_now(error: CloudError) -> bool:
    """Whether libvirt may have said that the domain's state does not allow it; the test driver has no number for
    that."""
    return isinstance(error, HypervisorError) and error.libvirt_code in (
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    )


def _version(number: int) -> str:
    """libvirt's 1,000,000 * major + 1,000 * minor + release."""
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"
