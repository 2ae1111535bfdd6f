"""
What a node in memory consists of: domains, storages, networks, subscribers. It outlives every connection to it.

Everything is guarded by ``lock``; hooks and event callbacks are called without it, in the order things happened.
"""

from __future__ import annotations

import threading
import uuid as uuid_module
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from posixpath import dirname

from cm.drivers.memory.domain import (
    HOOK_SCRIPT_FAILED,
    INTERNAL_ERROR,
    NO_NETWORK,
    OPERATION_FAILED,
    SYSTEM_ERROR,
    Domain,
    check_vnc,
)
from cm.drivers.memory.figures import IDLE, Counters, Load
from cm.drivers.memory.foreign import Foreign
from cm.drivers.memory.inside import Inside
from cm.drivers.memory.volume import CONTENT_MAX, Storages, Volume
from cm.interfaces.hypervisor import (
    DiskDescription,
    DiskSpec,
    DomainDescription,
    DomainEvent,
    DomainSpec,
    NicDescription,
    NicSpec,
    NodeInfo,
)
from cm.interfaces.network import NetworkSpec
from cm.interfaces.source import FileSource
from cm.rpc.errors import DomainNotFound, HypervisorError
from cm.rpc.vocabulary import SeenReason
from cm.rules.figures import NodeFigures
from cm.rules.machine import Cpu
from cm.runtime.pipe import Duplex

Hook = Callable[[str, str, str, str], None]


FRESH = bytes(40) + b"_FVH"  # variables as a node's firmware has them to begin with


class World:
    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.RLock()
        self.domains: dict[str, Domain] = {}
        self.storages = Storages()
        self.foreign = Foreign()
        self.runs = 0  # of all domains, so far
        self.networks: dict[str, NetworkSpec] = {}
        self.links: set[str] = set()  # bridges that the node's agent made
        self.subscribers: list[Callable[[DomainEvent], None]] = []
        self.lost_callbacks: list[Callable[[str], None]] = []
        self.ignores_power_button: set[str] = set()
        self.keyless = False  # whether guests have no keyboard
        self.pressed: list[tuple[str, tuple[int, ...]]] = []  # keys, with the uuid of whose they are
        self.holds_disks: set[str] = set()
        self.holds_nics: set[str] = set()
        self.keeps_size: set[str] = set()  # uuids of guests that give back neither CPUs nor memory
        self.locks_tray: set[str] = set()
        self.silent: set[str] = set()  # directories whose server has no answer
        self.hang_jobs = False
        self.expected: dict[str, DomainSpec] = {}  # by uuid, of guests on their way here
        self.failures: dict[str, str] = {}  # by uuid, why its last migration did not end well
        self.converges_not: set[str] = set()  # uuids of guests that write faster than is sent
        # How the last moment of the next migration goes wrong: "left defined", "unknown", "nowhere".
        self.broken = ""
        self.on_arrival: Callable[[str, World], None] | None = None  # a guest is here, from another world
        self.insides: dict[str, Inside] = {}  # by uuid, what agents have been at
        self.agents: dict[str, bool] = {}  # by uuid, of guests that have one: whether it answers
        self.slow_agents: dict[str, int] = {}  # by uuid, of such as freeze too late: how often they will not answer
        self.frozen: set[str] = set()  # uuids of guests that stand still since then
        self.logs: dict[str, bytes] = {}  # of consoles, by their paths
        self.consoles: dict[str, Duplex] = {}  # whoever speaks to a running domain's
        self.on_console: Callable[[str, bytes], bytes] = lambda uuid, data: data
        self.on_hook: Hook | None = None
        self.used_ns = 0.0  # of its CPUs, by guests
        self.loads: dict[str, Load] = {}  # by uuid, what guests do all the time
        self.info = NodeInfo(
            hostname=name,
            hypervisor="memory",
            hypervisor_version="1.0.0",
            libvirt_version="1.0.0",
            cpu_model="memory",
            cpus=16,
            memory_mib=65_536,
            domain_types=("memory",),
            arch="x86_64",
            hooks=False,
            host_uuid=str(uuid_module.uuid5(uuid_module.NAMESPACE_OID, name)),
            offers=("pc", "q35", "uefi", "x86_64"),
        )

        self.cpu = Cpu("memory", "none", (("fast", True), ("large", True)))

    def facts(self) -> NodeInfo:
        return replace(self.info, hooks=self.on_hook is not None)

    # ------------------------------------------------------------------ domains

    def get(self, uuid: str) -> Domain:
        domain = self.domains.get(uuid)
        if domain is None:
            raise DomainNotFound(uuid)
        return domain

    def silent_below(self, uuid: str) -> str | None:
        """The directory of a running domain's disk whose server has no answer, if there is one."""
        domain = self.domains.get(uuid)
        disks = () if domain is None or domain.running is None else domain.running.disks
        files = [disk.source.path for disk in disks if isinstance(disk.source, FileSource)]
        return next((dirname(path) for path in files if dirname(path) in self.silent), None)

    def described(self, domain: Domain) -> DomainDescription:
        spec = domain.running or domain.spec
        return DomainDescription(
            spec.uuid,
            spec.name,
            spec.title,
            spec.vcpus,
            spec.memory_mib,
            tuple(
                DiskDescription(
                    disk.source,
                    disk.format,
                    disk.device,
                    disk.bus,
                    disk.cdrom,
                    disk.read_only or disk.cdrom,
                    self.storages.chain(disk.path) if domain.running is not None else (),
                )
                for disk in spec.disks
                if disk.source is not None
            ),
            tuple(NicDescription(nic.mac, nic.model) for nic in spec.nics),
            (spec.vnc.port,) if spec.vnc is not None else (),
            spec.console_log,
            spec.smbios_serial,
            spec.firmware,
            spec.nvram,
        )

    def measured(self, now_s: float) -> NodeFigures:
        """What running domains have used; the node itself is busy as far as they are."""
        figures = []
        for uuid, domain in self.domains.items():
            if domain.running is not None:
                if domain.counters is None:
                    domain.counters = Counters(now_s)
                load = IDLE if domain.paused else self.loads.get(uuid, IDLE)
                self.used_ns += domain.counters.count(now_s, load)
                figures.append(domain.counters.figures(domain.running, load))
        used_ns, memory = int(self.used_ns), self.info.memory_mib * 2**20
        taken = sum(each.memory_bytes or 0 for each in figures)
        return NodeFigures(
            now_s, tuple(figures), used_ns, int(now_s * self.info.cpus * 1e9) - used_ns, memory, max(0, memory - taken)
        )

    def define(self, spec: DomainSpec) -> None:
        check_vnc(spec.vnc)
        with self.lock:
            domain = self.domains.get(spec.uuid)
            for other in self.domains.values():
                if other.spec.name == spec.name and other.spec.uuid != spec.uuid:
                    raise HypervisorError(
                        f"domain '{spec.name}' already exists with uuid {other.spec.uuid}", OPERATION_FAILED
                    )
            if domain is None:
                self.domains[spec.uuid] = Domain(spec)
            elif domain.spec.name != spec.name:
                raise HypervisorError(
                    f"domain '{domain.spec.name}' is already defined with uuid {spec.uuid}", OPERATION_FAILED
                )
            else:
                domain.spec, domain.defined = spec, True
        self.tell(spec.uuid, spec.name, "defined", "added" if domain is None else "updated")

    def start(self, uuid: str) -> None:
        self._start(uuid, None)

    def restore(self, saved: DomainSpec) -> None:
        """A domain that is defined is as it was, and stands still."""
        with self.lock:
            if self.get(saved.uuid).running is not None:
                raise HypervisorError(f"domain '{saved.name}' is already active", OPERATION_FAILED)
        self._start(saved.uuid, saved)

    def _start(self, uuid: str, saved: DomainSpec | None) -> None:
        with self.lock:
            domain = self.get(uuid)
            if domain.running is not None:
                return
            spec = saved or domain.spec
            self._claim(domain, spec)
            domain.running, domain.paused, domain.reason, domain.vnc = spec, False, SeenReason.BOOTED, spec.vnc
            domain.modules = []
            if saved is not None:
                domain.paused, domain.reason = True, SeenReason.USER
            self.runs += 1
            domain.number = self.runs
        try:
            for operation in (*(["restore"] if saved is not None else []), "prepare", "start", "started"):
                self.hook(spec, operation, "begin")
        except Exception as error:
            # A hook that fails makes the start fail, and the stopping hooks run.
            self.stop(uuid, SeenReason.FAILED)
            raise HypervisorError(f"Hook script execution failed: {error}", HOOK_SCRIPT_FAILED) from error
        with self.lock:
            if spec.console_log is not None:
                self.log(spec.console_log)
        self.tell(uuid, spec.name, "started", "booted" if saved is None else "restored")

    def log(self, path: str, content: bytes = b"") -> None:
        """With the lock: a guest writes to its console. The log is there from its start on."""
        if self.storages.behind(path) is not None:
            self.storages.append(path, content)
        else:
            self.logs[path] = (self.logs.get(path, b"") + content)[-CONTENT_MAX:]

    def hold(self, spec: DomainSpec) -> None:
        """A domain that is paused from its begin, and of which nothing stays when it ends; no hook hears of a guest."""
        with self.lock:
            if spec.uuid in self.domains:
                return
            domain = Domain(spec, defined=False)
            self._claim(domain, spec)
            domain.running, domain.paused, domain.reason = spec, True, SeenReason.USER
            self.domains[spec.uuid] = domain

    def _claim(self, domain: Domain, spec: DomainSpec) -> None:
        """What QEMU would stumble over: missing disks, disks that somebody else writes to, a VNC port in use."""
        self._check(spec)
        writes = [volume for disk in spec.disks if (volume := self._openable(disk)) is not None]
        for volume in writes:
            volume.writer = spec.uuid
        domain.writes = writes

    def _check(self, spec: DomainSpec) -> None:
        if spec.nvram:
            share, name = self.storages.below(spec.nvram)
            if share is None or str(PurePosixPath(name).parent) not in share.directories:
                raise HypervisorError(f"failed to create nvram '{spec.nvram}': No such file", SYSTEM_ERROR)
            share.variables.setdefault(name, FRESH)
        for nic in spec.nics:
            self.check_nic(nic)
        running = [other.running for other in self.domains.values() if other.running is not None]
        ports = {other.vnc.port for other in (*running, *self.expected.values()) if other.vnc is not None}
        if spec.vnc is not None and spec.vnc.port in ports:
            raise HypervisorError(f"Failed to find an available port: {spec.vnc.port} is in use", INTERNAL_ERROR)

    def check_nic(self, nic: NicSpec) -> None:
        """:raises HypervisorError: what it is to be on is not there."""
        if nic.bridge and nic.bridge not in self.links:
            raise HypervisorError(f"Cannot get interface MTU on '{nic.bridge}': No such device", SYSTEM_ERROR)
        if not nic.bridge and nic.network not in self.networks:
            raise HypervisorError(f"Network not found: no network with matching name '{nic.network}'", NO_NETWORK)

    def _openable(self, disk: DiskSpec) -> Volume | None:
        """
        :return: the volume that it writes to, if it is one of a storage.
        :raises HypervisorError: QEMU could not open it.
        """
        volume = self.storages.behind(disk.path)
        if volume is None:
            return None
        missing = self._missing(disk)
        if missing:
            raise HypervisorError(missing, SYSTEM_ERROR)
        if disk.read_only or disk.cdrom:
            return None
        if volume.writer is not None:
            raise HypervisorError('Failed to get "write" lock. Is another process using the image?', INTERNAL_ERROR)
        return volume

    def open_disk(self, domain: Domain, disk: DiskSpec) -> None:
        """Have a running domain's QEMU open one more, under the lock; ``let_go`` closes it."""
        volume = self._openable(disk)
        if volume is not None:
            volume.writer = domain.spec.uuid
            domain.writes = [*domain.writes, volume]

    def stop(self, uuid: str, reason: SeenReason) -> None:
        """End a running domain: by a call, by its guest, by a crash."""
        self.expect_no_more(uuid)
        with self.lock:
            domain = self.domains.get(uuid)
            if domain is None or domain.running is None:
                return
            spec = domain.running
            domain.running, domain.paused, domain.reason, domain.vnc = None, False, reason, None
            self.let_go(domain)
            if not domain.defined:
                del self.domains[uuid]
        self.has_ended(spec, reason)

    def has_ended(self, spec: DomainSpec, detail: str) -> None:
        """Whoever speaks to it is let go, and hooks and subscribers are told."""
        console = self.consoles.get(spec.uuid)
        if console is not None:
            console.end()
        for operation in ("stopped", "release"):
            try:
                self.hook(spec, operation, "end")
            except Exception:  # noqa: S110 - libvirt ignores what these two answer
                pass
        self.tell(spec.uuid, spec.name, "stopped", detail)

    def let_go(self, domain: Domain) -> None:
        """Of all that its QEMU had open."""
        for volume in (*domain.writes, *(self.storages.behind(job.target) for job in domain.jobs.values())):
            if volume is not None:
                volume.writer = None
        domain.writes = []
        domain.jobs.clear()
        domain.passage = None
        domain.counters = None
        domain.came.clear()
        domain.asked.clear()
        domain.asked_nics.clear()

    def undefine(self, uuid: str) -> None:
        with self.lock:
            domain = self.domains.get(uuid)
            if domain is None or not domain.defined:
                return
            domain.defined = False
            if domain.running is None:
                del self.domains[uuid]
        self.tell(uuid, domain.spec.name, "undefined", "removed")

    # ------------------------------------------------------------------ guests that come from elsewhere

    def expect(self, spec: DomainSpec) -> None:
        """A guest is on its way here; libvirt's hooks hear of it as of a start, before it is."""
        with self.lock:
            if spec.uuid in self.domains or spec.uuid in self.expected:
                raise HypervisorError(f"domain '{spec.name}' is already defined or active", OPERATION_FAILED)
            self._check(spec)
            for disk in spec.disks:
                volume = self.storages.behind(disk.path)
                if volume is not None and volume.missing:
                    raise HypervisorError(f"Cannot access storage file '{disk.path}'", SYSTEM_ERROR)
            self.expected[spec.uuid] = spec
        for operation in ("migrate", "prepare", "start", "started"):
            self.hook(spec, operation, "begin")
        self.tell(spec.uuid, spec.name, "started", "migrated")

    def expect_no_more(self, uuid: str) -> None:
        with self.lock:
            spec = self.expected.pop(uuid, None)
        if spec is not None:
            self.has_ended(spec, "failed")

    def _missing(self, disk: DiskSpec) -> str:
        """What QEMU says of a file that is not there; "": all are."""
        for path in (disk.path, *self.storages.chain(disk.path)):
            below = self.storages.behind(path)
            if below is not None and below.missing:
                return f"Cannot access storage file '{path}': No such file or directory"
        return ""

    def missing_of(self, spec: DomainSpec) -> str:
        """Likewise of all disks of a domain that would run here."""
        with self.lock:
            return next(filter(None, map(self._missing, spec.disks)), "")

    def arrive(self, uuid: str, source: World, paused: SeenReason | None = None) -> None:
        """It is here, with its disks. :param paused: why it stands still; None: it runs."""
        with self.lock:
            spec = self.expected.pop(uuid)
            domain = Domain(spec)
            self._claim(domain, spec)
            domain.running, domain.vnc = spec, spec.vnc
            domain.paused, domain.reason = paused is not None, paused or SeenReason.MIGRATED
            self.domains[uuid] = domain
            if spec.console_log is not None:
                self.log(spec.console_log)
        for mine, theirs in (
            (self.ignores_power_button, source.ignores_power_button),
            (self.holds_disks, source.holds_disks),
            (self.holds_nics, source.holds_nics),
        ):
            mine.discard(uuid)
            mine.update(theirs & {uuid})
        if self.on_arrival is not None:
            self.on_arrival(uuid, source)
        self.tell(uuid, spec.name, "resumed", "migrated")

    # ------------------------------------------------------------------ hooks and events

    def hook(self, spec: DomainSpec, operation: str, sub_operation: str) -> None:
        on_hook = self.on_hook
        if on_hook is not None:
            on_hook(spec.uuid, spec.name, operation, sub_operation)

    def tell(self, uuid: str, name: str, event: str, detail: str) -> None:
        for subscriber in list(self.subscribers):
            subscriber(DomainEvent(uuid, name, event, detail))
