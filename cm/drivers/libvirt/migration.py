"""
``IMigrations`` by libvirt: peer to peer, so that a migration goes on without us (https://libvirt.org/migration.html).

``migrateToURI3`` answers when all is over. It is called on a thread and a connection of its own; whether it goes on is
asked on others. What it answered in the end is kept for ``look``, for people: what is true the domains tell.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.domain_xml import moved_screen
from cm.drivers.libvirt.errors import code_of, is_connection_error, reason_of
from cm.drivers.libvirt.plug import running_domain
from cm.drivers.libvirt.xml_text import parsed, serialized
from cm.interfaces.migration import CpuNeed, MigrationSeen, MigrationSpec, MigrationState
from cm.rpc.errors import CloudError, DomainNotFound, DomainNotRunning, HypervisorError

log = logging.getLogger(__name__)

CHANGE: Final = "change the node"
BEGUN_S: Final = 20.0  # until it is under way, or over; the target's hook may take its time
LOOK_S: Final = 0.05
SHORT_S: Final = 1.0  # what is over within that time is told at once, and need not be looked for
KEPT: Final = 256  # answers
_OPERATION_OUT: Final = libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
_HOST_CPU: Final = ("host-passthrough", "maximum")
# Modes of QEMU's cache with which what one host wrote is what another reads: nothing lies in the first one's memory.
# "unsafe" is for tests, whose hosts share theirs. Of others libvirt is to judge.
_COHERENT: Final = ("none", "directsync", "unsafe")


class _Call(threading.Thread):
    """One call of ``migrateToURI3``, to its end."""

    def __init__(self, connections: Connections, spec: MigrationSpec, parameters: dict[str, Any], flags: int) -> None:
        super().__init__(name="libvirt-migration", daemon=True)
        self._connections = connections
        self._spec = spec
        self._parameters = parameters
        self._flags = flags
        self.error: CloudError | None = None

    def run(self) -> None:
        uuid = self._spec.uuid
        try:
            with self._connections.stream(uuid) as line:
                domain = line.connection.lookupByUUIDString(uuid)
                try:
                    domain.migrateToURI3(self._spec.target_uri, self._parameters, self._flags)
                except libvirt.libvirtError as error:
                    # libvirtd passes on what it found of the other one in the words of its own connections.
                    if not is_connection_error(error) or not line.connection.isAlive():
                        raise
                    raise HypervisorError(reason_of(error), code_of(error)) from error
        except CloudError as error:
            self.error = error
        except Exception:  # a thread of its own: nobody else would tell of it
            log.exception("a migration")
            self.error = HypervisorError("the migration could not be asked for", -1)


class LibvirtMigrations:
    """The test driver has none."""

    def __init__(self, connections: Connections, *, disk_cache: str = "none") -> None:
        self._connections = connections
        self._disk_cache = disk_cache
        self._lock = threading.Lock()
        self._calls: OrderedDict[str, _Call] = OrderedDict()  # by uuid, the last one asked for here

    def need(self, uuid: str) -> CpuNeed:
        with self._connections.fast(uuid) as connection, self._running(connection, uuid) as domain:
            told = parsed(domain.XMLDesc())
            kind = told.find("os/type")
            cpu = told.find("cpu")
            arch, machine = ("", "") if kind is None else (kind.get("arch", ""), kind.get("machine", ""))
            same = cpu is not None and cpu.get("mode") in _HOST_CPU
            if same:
                cpu = parsed(connection.getCapabilities()).find("host/cpu")
            elif cpu is not None and cpu.find("model") is None:
                cpu = None  # its topology alone
            if cpu is not None:
                cpu.tail = None
            return CpuNeed(told.get("type", ""), arch, machine, "" if cpu is None else serialized(cpu), same)

    def takes(self, need: CpuNeed) -> str:
        if not need.text:
            return ""
        with self._connections.fast() as connection:
            try:
                if need.same:
                    found = connection.compareCPU(need.text, 0)
                else:
                    found = connection.compareHypervisorCPU(
                        None, need.arch or None, need.machine or None, need.domain_type or None, need.text, 0
                    )
            except libvirt.libvirtError as error:
                if code_of(error) in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_CONFIG_UNSUPPORTED):
                    return reason_of(error)
                raise
        if need.same and found == libvirt.VIR_CPU_COMPARE_SUPERSET:
            return "its CPU is another one, and the guest has all of its node's"
        return "" if found >= libvirt.VIR_CPU_COMPARE_IDENTICAL else "its CPU lacks what the guest was given"

    def migrate(self, spec: MigrationSpec) -> bool:
        with self._connections.slow(spec.uuid) as connection, self._running(connection, spec.uuid) as domain:
            if _job(domain):
                return False
            parameters = self._parameters(domain, spec)
        call = _Call(self._connections, spec, parameters, self._flags(spec))
        with self._lock:
            under_way = self._calls.get(spec.uuid)
            if under_way is not None and under_way.is_alive():
                return False
            self._calls[spec.uuid] = call
            self._calls.move_to_end(spec.uuid)
            while len(self._calls) > KEPT:
                self._calls.popitem(last=False)
            call.start()
        for _ in range(int(BEGUN_S / LOOK_S)):
            call.join(LOOK_S)
            if not call.is_alive() or self.look(spec.uuid).total_bytes:
                break
        if spec.alone and not spec.limit_mib_s:  # else somebody wants it to take its time
            call.join(SHORT_S)
        if call.is_alive():
            return False
        if isinstance(call.error, DomainNotFound):
            raise DomainNotRunning(spec.uuid)
        if call.error is not None:
            raise call.error
        return True

    def _flags(self, spec: MigrationSpec) -> int:
        flags = (
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST
            | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
        )  # fmt: skip
        if spec.slow_down:
            flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
        if spec.post_copy:
            flags |= libvirt.VIR_MIGRATE_POSTCOPY
        if self._disk_cache in _COHERENT:
            # libvirt knows some file systems by their kind; that both nodes have the same files, our records say.
            flags |= libvirt.VIR_MIGRATE_UNSAFE
        return flags

    def _parameters(self, domain: Any, spec: MigrationSpec) -> dict[str, Any]:
        """With the guest's screen as it is to be there: else the target's QEMU asks for the same port."""
        parameters: dict[str, Any] = {}
        if spec.limit_mib_s:
            parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = spec.limit_mib_s
        if spec.data_host:
            parameters[libvirt.VIR_MIGRATE_PARAM_URI] = f"tcp://{spec.data_host}"
        if spec.vnc is not None:
            secure = libvirt.VIR_DOMAIN_XML_SECURE
            live = domain.XMLDesc(secure | libvirt.VIR_DOMAIN_XML_MIGRATABLE)
            kept = domain.XMLDesc(secure | libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_MIGRATABLE)
            parameters[libvirt.VIR_MIGRATE_PARAM_DEST_XML] = moved_screen(live, spec.vnc)
            parameters[libvirt.VIR_MIGRATE_PARAM_PERSIST_XML] = moved_screen(kept, spec.vnc)
        return parameters

    def look(self, uuid: str) -> MigrationSeen:
        with self._lock:
            call = self._calls.get(uuid)
        error = "" if call is None or call.error is None else str(call.error)
        try:
            with self._connections.fast(uuid) as connection, self._running(connection, uuid) as domain:
                job = _job(domain)
        except DomainNotRunning:
            job = {}
        if not job:
            # One that is asked for just now has no job yet, and one that is answered just now none any more.
            under_way = call is not None and call.is_alive()
            return MigrationSeen(MigrationState.RUNNING if under_way else MigrationState.NONE, error=error)
        return MigrationSeen(
            MigrationState.RUNNING,
            int(job.get("data_total", 0)),
            int(job.get("data_remaining", 0)),
            int(job.get("memory_bps", 0)),
            int(job.get("memory_iteration", 0)),
        )

    def switch(self, uuid: str) -> None:
        with self._connections.slow(uuid) as connection, self._running(connection, uuid) as domain:
            if _job(domain):
                domain.migrateStartPostCopy(0)

    def cancel(self, uuid: str) -> None:
        try:
            with self._connections.slow(uuid) as connection, self._running(connection, uuid) as domain:
                if not _job(domain):
                    return
                try:
                    domain.abortJob()
                except libvirt.libvirtError:
                    if _job(domain):
                        raise  # else it has ended in between
        except DomainNotRunning:
            return

    def _running(self, connection: Any, uuid: str) -> Any:
        return running_domain(self._connections, connection, uuid, CHANGE)


def _job(domain: Any) -> dict[str, Any]:
    """A migration's job; empty where there is none. What else may be under way is no concern of ours."""
    told: dict[str, Any] = domain.jobStats(0)
    return told if told.get("type") and told.get("operation") == _OPERATION_OUT else {}
