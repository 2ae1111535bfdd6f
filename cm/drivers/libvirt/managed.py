"""``IManaged`` by libvirt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import libvirt

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.console_log import READER
from cm.drivers.libvirt.errors import code_of, reason_of
from cm.drivers.libvirt.hypervisor import undefine
from cm.drivers.libvirt.pool import optional
from cm.drivers.libvirt.silence import Silence
from cm.drivers.libvirt.states import managed_state
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
from cm.rpc.errors import CloudError, LibvirtError, NodeUnreachable
from cm.rules.names import operation_of_holder, storage_of_pool

_POOL_STATES: Final = ("inactive", "building", "running", "degraded", "inaccessible")  # virStoragePoolState


class LibvirtManaged:
    def __init__(self, connections: Connections, silence: Silence) -> None:
        self._connections = connections
        self._silence = silence
        # By pool and key: to ask libvirt for a path is a call for each volume, and a volume stays where it is.
        self._paths: dict[tuple[str, str], str] = {}

    @contextmanager
    def _fast(self) -> Iterator[Any]:
        with _told(), self._connections.fast() as connection:
            yield connection

    @contextmanager
    def _slow(self) -> Iterator[Any]:
        with _told(), self._connections.slow() as connection:
            yield connection

    def host(self) -> NodeSeen:
        with self._fast() as connection:
            model, memory_mib, *numbers = connection.getInfo()  # MiB: the C call counts KiB
            return NodeSeen(
                connection.getType(),
                connection.getHostname(),
                connection.getVersion(),
                connection.getURI(),
                connection.getLibVersion(),
                model,
                memory_mib * 1024,
                *numbers,
            )

    def free_memory(self) -> int:
        with self._fast() as connection:
            return int(connection.getFreeMemory())

    def all_domains(self) -> Sequence[ManagedDomain]:
        """
        ``getAllDomainStats`` tells memory and CPU time by asking each QEMU, or not at all where there are no cgroups;
        ``info`` of each asks libvirtd alone, in 0.1 ms.
        """
        with self._fast() as connection:
            found = []
            for domain in connection.listAllDomains(0):
                name = domain.name()
                if name.startswith(READER) or operation_of_holder(name) is not None:
                    continue
                seen = optional(partial(_seen, domain), libvirt.VIR_ERR_NO_DOMAIN)
                if seen is not None:
                    found.append(seen)
            return found

    def storage(self) -> StorageSeen:
        pools: list[ManagedPool] = []
        volumes: list[ManagedVolume] = []
        with self._slow() as connection:
            for pool in connection.listAllStoragePools(0):
                gone = (libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_OPERATION_INVALID)
                seen = optional(partial(_pool_seen, pool), *gone)
                if seen is None:
                    continue
                pools.append(seen)
                if seen.state == "running" and storage_of_pool(seen.name) is None:
                    volumes += optional(partial(self._volumes, pool), *gone) or []
        self._paths = {(volume.pool_uuid, volume.key): volume.path for volume in volumes}
        return StorageSeen(tuple(pools), tuple(volumes))

    def _volumes(self, pool: Any) -> list[ManagedVolume]:
        found = []
        for volume in pool.listAllVolumes(0):
            seen = optional(partial(self._volume, pool, volume), libvirt.VIR_ERR_NO_STORAGE_VOL)
            if seen is not None:
                found.append(seen)
        return found

    def _volume(self, pool: Any, volume: Any) -> ManagedVolume:
        uuid, key = pool.UUIDString(), volume.key()
        path = self._paths.get((uuid, key)) or volume.path()
        return ManagedVolume(uuid, pool.name(), key, path, volume.name())

    def domain_define_xml(self, xml: str) -> str:
        with self._slow() as connection:
            return str(connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE).UUIDString())

    def domain_act(self, uuid: str, verb: DomainVerb) -> None:
        if verb is DomainVerb.DESTROY:
            with self._slow() as connection:
                domain = connection.lookupByUUIDString(uuid)
                described = domain.XMLDesc() if domain.isActive() else ""
            if described:
                self._silence.check(described)
        with self._slow() as connection:
            _ACTS[verb](connection.lookupByUUIDString(uuid))

    def domain_save(self, uuid: str, path: str) -> None:
        with self._slow() as connection:
            connection.lookupByUUIDString(uuid).save(path)

    def domain_saved(self, path: str) -> str:
        with self._slow() as connection:
            return str(connection.saveImageGetXMLDesc(path))

    def domain_restore(self, path: str) -> None:
        with self._slow() as connection:
            connection.restore(path)

    def domain_xml(self, uuid: str) -> str:
        with self._fast() as connection:
            return str(connection.lookupByUUIDString(uuid).XMLDesc())

    def pool_define_xml(self, xml: str) -> str:
        with self._slow() as connection:
            return str(connection.storagePoolDefineXML(xml, 0).UUIDString())

    def pool_create_xml(self, xml: str) -> str:
        with self._slow() as connection:
            return str(connection.storagePoolCreateXML(xml, 0).UUIDString())

    def pool_act(self, uuid: str, verb: PoolVerb) -> None:
        with self._slow() as connection:
            pool = connection.storagePoolLookupByUUIDString(uuid)
            if verb is PoolVerb.CREATE:
                pool.create(0)
            elif verb is PoolVerb.DESTROY:
                pool.destroy()
            else:
                persistent = pool.isPersistent()
                if pool.isActive():
                    pool.destroy()
                if persistent:
                    pool.undefine()

    def pool_xml(self, uuid: str) -> str:
        with self._slow() as connection:
            return str(connection.storagePoolLookupByUUIDString(uuid).XMLDesc(0))

    def volume_create_xml(self, pool_uuid: str, xml: str) -> ManagedVolume:
        with self._slow() as connection:
            pool = connection.storagePoolLookupByUUIDString(pool_uuid)
            return self._volume(pool, pool.createXML(xml, 0))

    def volume_find(self, pool_uuid: str, by: VolumeBy, value: str) -> ManagedVolume:
        """By key and path libvirt looks in every pool of the node."""
        with self._slow() as connection:
            pool = connection.storagePoolLookupByUUIDString(pool_uuid)
            if by is VolumeBy.NAME:
                return self._volume(pool, pool.storageVolLookupByName(value))
            look = connection.storageVolLookupByKey if by is VolumeBy.KEY else connection.storageVolLookupByPath
            volume = look(value)
            if volume.storagePoolLookupByVolume().UUIDString() != pool_uuid:
                missing = f"no storage vol with matching {by} '{value}' in pool '{pool.name()}'"
                raise LibvirtError(missing, libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_FROM_STORAGE)
            return self._volume(pool, volume)

    def volume_xml(self, pool_uuid: str, name: str) -> str:
        with self._slow() as connection:
            pool = connection.storagePoolLookupByUUIDString(pool_uuid)
            return str(pool.storageVolLookupByName(name).XMLDesc(0))


@contextmanager
def _told() -> Iterator[None]:
    """libvirt's refusals with its own numbers; that a node does not answer stays what it is."""
    try:
        yield
    except CloudError as error:
        cause = error.__cause__
        if isinstance(error, NodeUnreachable) or not isinstance(cause, libvirt.libvirtError):
            raise
        raise LibvirtError(reason_of(cause), code_of(cause), int(cause.get_error_domain() or 0)) from cause


def _seen(domain: Any) -> ManagedDomain:
    state, reason = domain.state()
    _, maximum_kib, memory_kib, vcpus, cpu_time_ns = domain.info()
    return ManagedDomain(
        domain.UUIDString(),
        domain.name(),
        domain.ID(),
        *managed_state(state, reason),
        bool(domain.isPersistent()),
        maximum_kib,
        memory_kib,
        vcpus,
        cpu_time_ns,
    )


def _pool_seen(pool: Any) -> ManagedPool:
    state, capacity, allocation, available = pool.info()
    word = _POOL_STATES[state] if 0 <= state < len(_POOL_STATES) else "unknown"
    return ManagedPool(
        pool.UUIDString(), pool.name(), word, bool(pool.isPersistent()), capacity, allocation, available
    )


_ACTS: Final = {
    DomainVerb.CREATE: lambda domain: domain.createWithFlags(0),
    DomainVerb.DESTROY: lambda domain: domain.destroy(),
    DomainVerb.UNDEFINE: lambda domain: undefine(domain),
    DomainVerb.SUSPEND: lambda domain: domain.suspend(),
    DomainVerb.RESUME: lambda domain: domain.resume(),
    DomainVerb.SHUTDOWN: lambda domain: domain.shutdown(),
    # Of foreign ones alone: by the power button libvirt takes the next end for the reboot (docs/guests.md).
    DomainVerb.REBOOT: lambda domain: domain.reboot(0),
}
