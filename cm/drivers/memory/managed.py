"""``IManaged`` in memory: what libvirt would have, and its refusals by their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from posixpath import basename, join
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from cm.drivers.libvirt.domain_read import described_domain
from cm.drivers.libvirt.xml_text import element, parsed, serialized
from cm.drivers.memory.domain import OPERATION_FAILED, SYSTEM_ERROR, Domain
from cm.drivers.memory.foreign import Pool, Saved
from cm.drivers.memory.link import Link
from cm.drivers.memory.world import World
from cm.interfaces.hypervisor import DiskSpec, DomainSpec, NicSpec
from cm.interfaces.managed import (
    DomainVerb,
    ManagedDomain,
    ManagedPool,
    ManagedVolume,
    NodeSeen,
    PoolVerb,
    StorageSeen,
    VolumeBy,
)
from cm.rpc.errors import DomainNotFound, HypervisorError, LibvirtError, StorageSilent
from cm.rpc.vocabulary import DiskBus, DiskFormat, NicModel, SeenReason
from cm.rules.names import operation_of_holder, storage_of_pool

# virErrorNumber and virErrorDomain
NO_SUPPORT: Final = 3
NO_DOMAIN: Final = 42
NO_STORAGE_POOL: Final = 49
NO_STORAGE_VOL: Final = 50
OPERATION_INVALID: Final = 55
STORAGE_VOL_EXIST: Final = 90
FROM_QEMU: Final = 10
FROM_STORAGE: Final = 18
_CAPACITY: Final = 2**40
_MAKES_VOLUMES: Final = ("dir", "netfs", "fs", "logical")


class MemoryManaged:
    def __init__(self, link: Link) -> None:
        self._link = link

    @contextmanager
    def _call(self, method: str) -> Iterator[World]:
        with self._link.call(method) as world:
            try:
                yield world
            except DomainNotFound as error:
                raise LibvirtError(f"no domain with matching uuid '{error.name}'", NO_DOMAIN, FROM_QEMU) from error
            except LibvirtError:
                raise
            except HypervisorError as error:
                raise LibvirtError(error.reason, error.libvirt_code, FROM_QEMU) from error

    # ------------------------------------------------------------------ the node

    def host(self) -> NodeSeen:
        with self._call("host") as world:
            info = world.facts()
            return NodeSeen(
                info.hypervisor, info.hostname, 1_000_000, f"memory:///{world.name}", 1_000_000, info.cpu_model,
                info.memory_mib * 1024, info.cpus, 1000, 1, 1, info.cpus, 1,
            )  # fmt: skip

    def free_memory(self) -> int:
        with self._call("free_memory") as world, world.lock:
            taken = sum(d.running.memory_mib for d in world.domains.values() if d.running is not None)
            return max(0, world.info.memory_mib - taken) * 2**20

    def all_domains(self) -> Sequence[ManagedDomain]:
        with self._call("all_domains") as world, world.lock:
            return [
                _domain(each) for each in world.domains.values() if operation_of_holder(each.spec.name) is None
            ]

    def storage(self) -> StorageSeen:
        with self._call("storage") as world, world.lock:
            pools = [*_ours(world), *world.foreign.pools.values()]
            volumes = (
                _volume(pool, name)
                for pool in pools
                if pool.active and storage_of_pool(pool.name) is None
                for name in pool.volumes
            )
            return StorageSeen(tuple(_pool(pool) for pool in pools), tuple(volumes))

    # ------------------------------------------------------------------ domains

    def domain_define_xml(self, xml: str) -> str:
        spec = _spec(xml)
        with self._call("domain_define_xml") as world:
            world.define(spec)
            with world.lock:
                world.foreign.xml[spec.uuid] = xml
        return spec.uuid

    def domain_act(self, uuid: str, verb: DomainVerb) -> None:
        with self._call("domain_act") as world:
            domain = world.get(uuid)
            name, runs = domain.spec.name, domain.running is not None
            if verb is DomainVerb.UNDEFINE:
                if not domain.defined:
                    raise _invalid("cannot undefine transient domain")
                world.undefine(uuid)
                return
            if verb is DomainVerb.CREATE:
                if runs:
                    raise _invalid("domain is already running")
                world.start(uuid)
                return
            if not runs:
                raise _invalid("domain is not running")
            if verb is DomainVerb.DESTROY:
                silent = world.silent_below(uuid)
                if silent is not None:
                    raise StorageSilent(world.name, silent)
                world.stop(uuid, SeenReason.DESTROYED)
            elif verb is DomainVerb.SUSPEND:
                if not domain.paused:
                    domain.paused, domain.reason = True, SeenReason.USER
                    world.tell(uuid, name, "suspended", "paused")
            elif verb is DomainVerb.RESUME:
                if not domain.paused:
                    raise _invalid("domain is already running")
                domain.paused, domain.reason = False, SeenReason.UNPAUSED
                world.tell(uuid, name, "resumed", "unpaused")
            elif domain.paused:
                raise _invalid("domain is paused")
            elif verb is DomainVerb.SHUTDOWN and uuid not in world.ignores_power_button:
                world.stop(uuid, SeenReason.SHUTDOWN)

    def domain_save(self, uuid: str, path: str) -> None:
        with self._call("domain_save") as world:
            domain = world.get(uuid)
            if domain.running is None:
                raise _invalid("domain is not running")
            world.foreign.saved[path] = Saved(domain.running, domain.paused, domain.defined)
            world.stop(uuid, SeenReason.SAVED)

    def domain_saved(self, path: str) -> str:
        with self._call("domain_saved") as world:
            return _domain_xml(self._saved(world, path).spec)

    def domain_restore(self, path: str) -> None:
        with self._call("domain_restore") as world:
            saved = self._saved(world, path)
            uuid = saved.spec.uuid
            with world.lock:
                known = world.domains.setdefault(uuid, Domain(saved.spec, defined=saved.defined))
                if known.running is not None:
                    raise _invalid(f"domain '{saved.spec.name}' is already active")
            world.start(uuid)
            known.paused, known.reason = saved.paused, SeenReason.RESTORED

    @staticmethod
    def _saved(world: World, path: str) -> Saved:
        saved = world.foreign.saved.get(path)
        if saved is None:
            raise LibvirtError(f"Failed to open file '{path}': No such file or directory", SYSTEM_ERROR, FROM_QEMU)
        return saved

    def domain_xml(self, uuid: str) -> str:
        with self._call("domain_xml") as world, world.lock:
            domain = world.get(uuid)
            return world.foreign.xml.get(uuid) or _domain_xml(domain.running or domain.spec)

    # ------------------------------------------------------------------ pools

    def pool_define_xml(self, xml: str) -> str:
        with self._call("pool_define_xml") as world, world.lock:
            return self._put(world, xml, persistent=True)

    def pool_create_xml(self, xml: str) -> str:
        with self._call("pool_create_xml") as world, world.lock:
            uuid = self._put(world, xml, persistent=False)
            world.foreign.pools[uuid].active = True
            return uuid

    @staticmethod
    def _put(world: World, xml: str, *, persistent: bool) -> str:
        root = parsed(xml)
        pool = Pool(
            root.findtext("uuid") or "", root.findtext("name") or "", root.get("type", ""),
            root.findtext("target/path") or "", xml, False, persistent,
        )  # fmt: skip
        for other in (*_ours(world), *world.foreign.pools.values()):
            if other.name == pool.name and other.uuid != pool.uuid:
                told = f"pool '{pool.name}' already exists with uuid {other.uuid}"
                raise LibvirtError(told, OPERATION_FAILED, FROM_STORAGE)
            if other.uuid != pool.uuid and other.path == pool.path:
                told = f"Storage source conflict with pool: '{other.name}'"
                raise LibvirtError(told, OPERATION_FAILED, FROM_STORAGE)
        was = world.foreign.pools.get(pool.uuid)
        if was is not None:
            pool = replace(pool, active=was.active, volumes=was.volumes)
        world.foreign.pools[pool.uuid] = pool
        return pool.uuid

    @staticmethod
    def _get(world: World, uuid: str) -> Pool:
        for pool in (*world.foreign.pools.values(), *_ours(world)):
            if pool.uuid == uuid:
                return pool
        raise LibvirtError(f"no storage pool with matching uuid '{uuid}'", NO_STORAGE_POOL, FROM_STORAGE)

    def pool_act(self, uuid: str, verb: PoolVerb) -> None:
        with self._call("pool_act") as world, world.lock:
            pool = self._get(world, uuid)
            if verb is PoolVerb.CREATE and pool.active:
                raise _invalid(f"storage pool '{pool.name}' is already active", FROM_STORAGE)
            if verb is PoolVerb.DESTROY and not pool.active:
                raise _invalid(f"storage pool '{pool.name}' is not active", FROM_STORAGE)
            pool.active = verb is PoolVerb.CREATE
            if verb is PoolVerb.DELETE or (verb is PoolVerb.DESTROY and not pool.persistent):
                world.foreign.pools.pop(uuid, None)

    def pool_xml(self, uuid: str) -> str:
        with self._call("pool_xml") as world, world.lock:
            return self._get(world, uuid).xml

    # ------------------------------------------------------------------ volumes

    def volume_create_xml(self, pool_uuid: str, xml: str) -> ManagedVolume:
        name = parsed(xml).findtext("name") or ""
        with self._call("volume_create_xml") as world, world.lock:
            pool = self._active(world, pool_uuid)
            if pool.type not in _MAKES_VOLUMES:
                told = "this function is not supported by the connection driver: pool does not support volume creation"
                raise LibvirtError(told, NO_SUPPORT, FROM_STORAGE)
            if name in pool.volumes:
                raise LibvirtError(f"'storage volume {name} exists already'", STORAGE_VOL_EXIST, FROM_STORAGE)
            pool.volumes[name] = xml
            return _volume(pool, name)

    def _active(self, world: World, uuid: str) -> Pool:
        pool = self._get(world, uuid)
        if not pool.active:
            raise _invalid(f"storage pool '{pool.name}' is not active", FROM_STORAGE)
        return pool

    def volume_find(self, pool_uuid: str, by: VolumeBy, value: str) -> ManagedVolume:
        with self._call("volume_find") as world, world.lock:
            pool = self._active(world, pool_uuid)
            name = value if by is VolumeBy.NAME else basename(value)
            if name not in pool.volumes or by is not VolumeBy.NAME and value != join(pool.path, name):
                raise LibvirtError(f"no storage vol with matching {by} '{value}'", NO_STORAGE_VOL, FROM_STORAGE)
            return _volume(pool, name)

    def volume_xml(self, pool_uuid: str, name: str) -> str:
        with self._call("volume_xml") as world, world.lock:
            pool = self._active(world, pool_uuid)
            if name not in pool.volumes:
                raise LibvirtError(f"no storage vol with matching name '{name}'", NO_STORAGE_VOL, FROM_STORAGE)
            return pool.volumes[name] or _volume_xml(name)


def _invalid(reason: str, domain: int = FROM_QEMU) -> LibvirtError:
    return LibvirtError(f"Requested operation is not valid: {reason}", OPERATION_INVALID, domain)


def _domain(domain: Domain) -> ManagedDomain:
    spec, runs = domain.running or domain.spec, domain.running is not None
    state = "shutoff" if not runs else "suspended" if domain.paused else "running"
    return ManagedDomain(
        spec.uuid, spec.name, domain.number if runs else -1, state, str(domain.reason), domain.defined,
        spec.memory_mib * 1024, spec.memory_mib * 1024, spec.vcpus, 0,
    )  # fmt: skip


def _ours(world: World) -> list[Pool]:
    """The pools of our storages."""
    return [
        Pool(
            str(uuid5(NAMESPACE_OID, f"{world.name}/{spec.name}")), spec.name, str(spec.kind), spec.path,
            serialized(element("pool", element("name", text=spec.name), type_=str(spec.kind))), True, True,
            # Described when asked: a look at a node lists its pools, and a shared one has a large cluster's volumes.
            dict.fromkeys(world.storages.share(spec.name).volumes, ""),
        )
        for spec in world.storages.specs()
    ]  # fmt: skip


def _pool(pool: Pool) -> ManagedPool:
    size = _CAPACITY if pool.active else 0
    state = "running" if pool.active else "inactive"
    return ManagedPool(pool.uuid, pool.name, state, pool.persistent, size, 0, size)


def _volume(pool: Pool, name: str) -> ManagedVolume:
    path = join(pool.path, name)
    return ManagedVolume(pool.uuid, pool.name, path, path, name)


def _volume_xml(name: str) -> str:
    return serialized(element("volume", element("name", text=name)))


def _domain_xml(spec: DomainSpec) -> str:
    return serialized(
        element(
            "domain",
            element("name", text=spec.name),
            element("uuid", text=spec.uuid),
            element("memory", text=str(spec.memory_mib), unit="MiB"),
            element("vcpu", text=str(spec.vcpus)),
            type_="memory",
        )
    )


def _spec(xml: str) -> DomainSpec:
    told, root = described_domain(xml), parsed(xml)
    networks = [source.get("network", "") for source in root.iterfind("devices/interface/source")]
    return DomainSpec(
        name=told.name,
        uuid=told.uuid,
        title=told.title,
        vcpus=told.vcpus,
        memory_mib=told.memory_mib,
        disks=tuple(
            DiskSpec(disk.source, DiskFormat(disk.format), disk.device, DiskBus(disk.bus or "virtio"), disk.cdrom,
                     disk.read_only)
            for disk in told.disks
        ),
        nics=tuple(
            NicSpec(network, nic.mac, "", NicModel(nic.model or "virtio"))
            for nic, network in zip(told.nics, networks, strict=False)
        ),
        vnc=None,
        console_log=told.console_log,
        smbios_serial=told.smbios_serial,
    )  # fmt: skip
