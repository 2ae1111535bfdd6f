"""
Use cases of the managed-node model: what an administrator has libvirt do on a node, by libvirt's own names. What is of
the cluster, its VMs' domains and its storages' pools, is refused with the name of the right call: the records, quotas
and claims of those would not hold any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.drivers.definition import Definition, read_domain, read_pool, read_volume
from cm.interfaces.calls import ManagedCalls
from cm.interfaces.managed import DomainVerb, ManagedVolume, PoolVerb, VolumeBy
from cm.results import managed as results
from cm.rpc.errors import (
    AlreadyRestored,
    InUse,
    InvalidParameter,
    IsOurs,
    LibvirtError,
    ObjectNotFound,
    ReachesHost,
)
from cm.rules.managed import (
    Reference,
    domain_id,
    pool_id,
    reference,
    volume_id,
    volume_reference,
)
from cm.rules.names import is_kept, storage_of_pool, vm_of_domain
from cm.services.context import AsyncClusterCall
from cm.services.mirror import look_at_domains, look_at_storage
from cm.services.storage_kind import check_path
from cm.store import foreign
from cm.store.managed import find_object
from cm.store.node import get_node

log = Logger()
XML_MAX: Final = 262_144  # characters of a definition; libvirt's own of a large domain has 20,000

# What is called in place of a verb, for a domain of ours.
_RIGHT: Final = {
    DomainVerb.CREATE: "admin.vm.start",
    DomainVerb.DESTROY: "admin.vm.stop",
    DomainVerb.UNDEFINE: "admin.vm.destroy",
    DomainVerb.SUSPEND: "user.vm.pause",
    DomainVerb.RESUME: "user.vm.resume",
    DomainVerb.SHUTDOWN: "user.vm.shutdown",
    DomainVerb.REBOOT: "user.vm.reboot",
}
_POOL_RIGHT: Final = {
    PoolVerb.CREATE: "admin.storage.attach",
    PoolVerb.DESTROY: "admin.storage.detach",
    PoolVerb.DELETE: "admin.storage.delete",
}
_FILES: Final = ("dir", "netfs")  # pools that are at a directory of the node


# ------------------------------------------------------------------ nodes


async def free_memory(caller: AsyncClusterCall, node_id: int) -> results.FreeMemory:
    return {"result": await _managed(caller, node_id).free_memory() // 1024}


async def define_domain(
    caller: AsyncClusterCall, node_id: int, xml: str, host_access: bool
) -> results.DomainReference:
    """
    :raises InvalidParameter: it is no definition of a domain, or it has a name that is kept.
    :raises IsOurs: its uuid or its name is a VM's.
    :raises InUse: a volume of ours is among its disks.
    :raises ReachesHost: it would have more of the host than files and networks, and nobody said that it may.
    :raises LibvirtError: libvirt refuses it.
    """
    given = read_domain(xml)
    await caller.services.database.read(_check_domain, node_id, given)
    _check_reach(caller, node_id, given, given.host, host_access)
    uuid = await _managed(caller, node_id).domain_define_xml(given.xml)
    await look_at_domains(caller.services, node_id)
    return {"domain": domain_id(node_id, uuid)}


def _check_domain(session: Session, node_id: int, given: Definition) -> None:
    get_node(session, node_id)
    vm_id = foreign.vm_of_uuid(session, given.uuid)
    if vm_id is not None:
        raise IsOurs("domain", vm_id, "admin.vm.start")
    number = vm_of_domain(given.name)
    if number is not None and foreign.is_vm(session, number):
        raise IsOurs("domain", number, "admin.vm.start")
    if is_kept(given.name):
        raise InvalidParameter("xml_desc", f"the name {given.name} is kept for Wawel's own")
    _check_files(session, node_id, given.paths)
    for pool, volume in given.volumes:
        storage_id = storage_of_pool(pool)
        if storage_id is not None and foreign.is_recorded(session, storage_id, volume):
            raise InUse(f"volume {volume} of storage", storage_id, "what it is recorded for")


def _check_files(session: Session, node_id: int, paths: Sequence[str]) -> None:
    """:raises InUse: one is a volume that is on record."""
    for path in paths:
        if "/../" in path or "/./" in path or "//" in path:
            raise InvalidParameter("xml_desc", f"{path[:100]} must be normal: no '.', '..' or double slash")
    for each in foreign.on_storages(session, node_id, paths):
        if each.recorded:
            raise InUse(f"volume {each.name} of storage", each.storage_id, "what it is recorded for")


def _check_reach(
    caller: AsyncClusterCall, node_id: int, given: Definition, reached: Sequence[str], host_access: bool
) -> None:
    """The audit has that it was allowed; the log has what."""
    if not reached:
        return
    what = ", ".join(reached)[:300]
    if not host_access:
        raise ReachesHost(what)
    log.warn(
        "node {node_id}: {login} gave {name} what is the host's: {what}",
        node_id=node_id, login=caller.identity.login, name=given.name, what=what,
    )  # fmt: skip


def _managed(caller: AsyncClusterCall, node_id: int) -> ManagedCalls:
    return caller.services.fleet.node(node_id).managed


# ------------------------------------------------------------------ domains


async def act(caller: AsyncClusterCall, domain: str, verb: DomainVerb) -> None:
    """
    :raises IsOurs: it is a VM's; the error names the right call.
    :raises LibvirtError: libvirt refuses it, 55 where its state does not allow it, 42 where it is gone.
    :raises StorageSilent: the server of a disk does not answer, and QEMU could not end.
    """
    about = reference(domain)
    await _foreign(caller, about, _RIGHT[verb])
    await _managed(caller, about.node_id).domain_act(about.uuid, verb)
    await look_at_domains(caller.services, about.node_id)


async def _foreign(caller: AsyncClusterCall, about: Reference, right: str) -> None:
    vm_id = await caller.services.database.read(foreign.vm_of_uuid, about.uuid)
    if vm_id is not None:
        raise IsOurs("domain", vm_id, right)


async def save(caller: AsyncClusterCall, domain: str, filename: str) -> None:
    """
    :raises IsOurs: it is a VM's.
    :raises InvalidParameter: the file would be the system's.
    :raises InUse: it would lie on a storage.
    :raises LibvirtError: libvirt refuses it.
    """
    about = reference(domain)
    await _foreign(caller, about, "user.vm.pause")
    await caller.services.database.read(_check_saved, about.node_id, filename)
    await _managed(caller, about.node_id).domain_save(about.uuid, filename)
    await caller.services.database.transact(foreign.record_saved, about.node_id, filename, about.uuid)
    await look_at_domains(caller.services, about.node_id)


def _check_saved(session: Session, node_id: int, filename: str) -> None:
    check_path(filename, "filename")
    for each in foreign.on_storages(session, node_id, [filename]):
        raise InUse("storage", each.storage_id, "volumes alone, where a saved domain would write over one")


async def restore(caller: AsyncClusterCall, domain: str, filename: str, again: bool, host_access: bool) -> None:
    """
    :raises AlreadyRestored: it was, and its disks have gone on from there.
    :raises InvalidParameter: the file is another domain's.
    :raises ReachesHost: as of a definition.
    :raises LibvirtError: libvirt refuses it; the file can be restored still.
    """
    about = reference(domain)
    await _foreign(caller, about, "user.vm.resume")
    managed = _managed(caller, about.node_id)
    database = caller.services.database
    given = read_domain(await managed.domain_saved(filename))
    if given.uuid != about.uuid:
        raise InvalidParameter("filename", f"it is the domain {given.name}, {given.uuid}")
    await database.read(_check_domain, about.node_id, given)
    _check_reach(caller, about.node_id, given, given.host, host_access)
    taken = await database.transact(foreign.take_saved, about.node_id, filename, about.uuid)
    if not taken and not again:
        raise AlreadyRestored(filename)
    try:
        await managed.domain_restore(filename)
    except LibvirtError:
        if taken:
            await database.transact(foreign.give_back_saved, about.node_id, filename)
        raise
    await look_at_domains(caller.services, about.node_id)


async def domain_xml(caller: AsyncClusterCall, domain: str) -> results.Description:
    about = reference(domain)
    return {"description": await _managed(caller, about.node_id).domain_xml(about.uuid)}


# ------------------------------------------------------------------ pools


async def make_pool(
    caller: AsyncClusterCall, node_id: int, xml: str, host_access: bool, *, persistent: bool
) -> results.PoolReference:
    """
    :raises InvalidParameter: it is no definition of a pool, or its directory is the system's.
    :raises IsOurs: its name is that of a storage.
    :raises InUse: its directory is a storage's, in one or around one.
    :raises ReachesHost: it would be of devices of the host, and nobody said that it may.
    :raises LibvirtError: libvirt refuses it.
    """
    given = read_pool(xml)
    await caller.services.database.read(_check_pool, node_id, given)
    _check_reach(caller, node_id, given, given.host, host_access)
    managed = _managed(caller, node_id)
    make = managed.pool_define_xml if persistent else managed.pool_create_xml
    uuid = await make(given.xml)
    await look_at_storage(caller.services, node_id)
    return {"pool": pool_id(node_id, uuid)}


def _check_pool(session: Session, node_id: int, given: Definition) -> None:
    get_node(session, node_id)
    storage_id = storage_of_pool(given.name)
    if storage_id is not None:
        raise IsOurs("pool", storage_id, "admin.storage.attach")
    for path in given.paths:
        if given.type in _FILES:
            check_path(path, "xml_desc")
        taken = foreign.overlapping_storage(session, node_id, path)
        if taken is not None:
            raise InUse("storage", taken, "its own pool")


async def _pool_name(caller: AsyncClusterCall, about: Reference) -> str:
    """By libvirt's word of now: a name that is on record may be another's since."""
    return read_pool(await _managed(caller, about.node_id).pool_xml(about.uuid)).name


async def _foreign_pool(caller: AsyncClusterCall, about: Reference, right: str) -> None:
    storage_id = storage_of_pool(await _pool_name(caller, about))
    if storage_id is not None:
        raise IsOurs("pool", storage_id, right)


async def act_on_pool(caller: AsyncClusterCall, pool: str, verb: PoolVerb) -> None:
    """
    :raises IsOurs: it is a storage's; the error names the right call.
    :raises LibvirtError: libvirt refuses it.
    """
    about = reference(pool)
    await _foreign_pool(caller, about, _POOL_RIGHT[verb])
    await _managed(caller, about.node_id).pool_act(about.uuid, verb)
    await look_at_storage(caller.services, about.node_id)


async def pool_xml(caller: AsyncClusterCall, pool: str) -> results.Description:
    about = reference(pool)
    return {"description": await _managed(caller, about.node_id).pool_xml(about.uuid)}


# ------------------------------------------------------------------ volumes


async def create_volume(
    caller: AsyncClusterCall, pool: str, xml: str, host_access: bool
) -> results.VolumeReference:
    """
    :raises InvalidParameter: it is no definition of a volume.
    :raises IsOurs: the pool is a storage's.
    :raises InUse: it would stand on a volume of ours.
    :raises ReachesHost: it would stand on a file that is no volume.
    :raises LibvirtError: libvirt refuses it: 90 where there is one of its name, 3 where such a pool makes none.
    """
    about, given = reference(pool), read_volume(xml)
    reached = [*given.host, *await caller.services.database.read(_stands_on, about.node_id, given.paths)]
    _check_reach(caller, about.node_id, given, reached, host_access)
    await _foreign_pool(caller, about, "user.disk.create")
    made = await _managed(caller, about.node_id).volume_create_xml(about.uuid, given.xml)
    await look_at_storage(caller.services, about.node_id)
    return {"volume": volume_id(about.node_id, about.uuid, made.name)}


def _stands_on(session: Session, node_id: int, paths: Sequence[str]) -> list[str]:
    """Files of the host that are no volumes, and would be read as one's beginning."""
    _check_files(session, node_id, paths)
    return [f"the file {path[:100]}" for path in paths if not foreign.is_foreign_volume(session, node_id, path)]


async def look_up_volume(caller: AsyncClusterCall, pool: str, by: VolumeBy, value: str) -> results.VolumeReference:
    """
    :raises LibvirtError: 50 where the pool has none, as far as libvirt knows it; 55 where the pool is not active.
    """
    about = reference(pool)
    found = await _managed(caller, about.node_id).volume_find(about.uuid, by, value)
    return {"volume": volume_id(about.node_id, about.uuid, found.name)}


async def get_volume(caller: AsyncClusterCall, volume: str) -> results.ManagedVolume:
    """
    As it was seen; where it is none that is followed, as libvirt says now.

    :raises LibvirtError: there is none.
    """
    about = volume_reference(volume)
    known: results.ManagedVolume | None = await caller.services.database.read(
        find_object, "volume", about.node_id, f"{about.pool}:{about.name}"
    )
    if known is not None:
        return known
    found = await _managed(caller, about.node_id).volume_find(about.pool, VolumeBy.NAME, about.name)
    return _shown(about.node_id, found)


def _shown(node_id: int, found: ManagedVolume) -> results.ManagedVolume:
    return {
        "object_id": volume_id(node_id, found.pool_uuid, found.name),
        "feed_id": None,
        "key": found.key,
        "path": found.path,
        "name": found.name,
        "node": node_id,
        "storage_pool": pool_id(node_id, found.pool_uuid),
        "stale": False,
    }


async def volume_xml(caller: AsyncClusterCall, volume: str) -> results.Description:
    about = volume_reference(volume)
    return {"description": await _managed(caller, about.node_id).volume_xml(about.pool, about.name)}


def get_object(session: Session, kind: str, object_id: str, node_id: int, key: str) -> object:
    """
    :raises ObjectNotFound: the last look found no such object.
    """
    found = find_object(session, kind, node_id, key)
    if found is None:
        raise ObjectNotFound(kind, object_id)
    return found
