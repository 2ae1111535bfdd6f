"""
The objects of Xen Orchestra's model (2013) over what a cluster has: their types and members, in bytes and per cent, and
what follows of them from others, whose names begin with ``$``. A cluster is a pool, a node a host, a storage an SR, its
attachment to a node a PBD, a disk a VDI, and its place in a VM a VBD. Pure.

All that an object names is among the objects that its reader gets: to somebody who sees no hosts the pool contains all
VMs, and totals are those of what they see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

MIB: Final = 2**20
XO_UUID: Final = "00000000-0000-0000-0000-000000000000"


class ObjectType(StrEnum):
    """In the order in which they are told."""

    XO = "xo"
    POOL = "pool"
    HOST = "host"
    SR = "SR"
    PBD = "PBD"
    VM = "VM"
    VDI = "VDI"
    VBD = "VBD"


ON: Final = frozenset({"Running", "Paused"})  # Xen Orchestra counts a paused VM among those that run


class Pool(NamedTuple):
    """:ivar storage_id: where new disks lie, if nobody says where."""

    uuid: str
    name: str
    storage_id: int | None


class Host(NamedTuple):
    """
    :ivar running: it answers.
    :ivar enabled: VMs may be placed there.
    :ivar used_bytes: of its memory.
    :ivar cpu_percent: mean of its CPUs; None: not measured.
    """

    id: int
    uuid: str
    name: str
    description: str
    address: str
    hostname: str
    running: bool
    enabled: bool
    cpus: int
    memory_bytes: int
    used_bytes: int
    cpu_percent: float | None


class Storage(NamedTuple):
    """:ivar host_id: whose own it is; None: all hosts that attach it share it."""

    id: int
    uuid: str
    name: str
    kind: str
    capacity_bytes: int
    host_id: int | None


class Link(NamedTuple):
    """Of a storage to a host."""

    uuid: str
    storage_id: int
    host_id: int
    attached: bool


class Machine(NamedTuple):
    """
    A VM. :ivar told: what is told of it as it is stored, JSON text that goes on.

    :ivar host_id: where it was placed last.
    """

    id: int
    uuid: str
    told: str
    power_state: str
    host_id: int | None
    cpus: int
    memory_bytes: int


class Place(NamedTuple):
    """
    A disk, and a place of a VM that it is in; of one that is in several there are several, one after the other.

    :ivar told: as of a VM.
    :ivar used_bytes: None: its storage was not looked at since it is there.
    :ivar vm_id: of a VM that its reader sees; None: of none.
    :ivar link: the uuid of the place.
    """

    id: int
    uuid: str
    told: str
    storage_id: int
    size_bytes: int
    used_bytes: int | None
    vm_id: int | None
    link: str | None


class Load(NamedTuple):
    """What was measured of a VM. :ivar cpus: per cent of each. :ivar used_bytes: None: not measured."""

    cpus: Sequence[float]
    used_bytes: int | None


@dataclass(frozen=True)
class Facts:
    """What there is, as far as somebody sees it. ``loads``: by VM."""

    pool: Pool
    hosts: Sequence[Host] = ()
    storages: Sequence[Storage] = ()
    links: Sequence[Link] = ()
    machines: Sequence[Machine] = ()
    places: Sequence[Place] = ()
    loads: Mapping[int, Load] = field(default_factory=dict)


class Graph:
    """
    What follows from facts.

    :ivar container: by VM, what contains it: the host that it runs on, or whose own storage it needs; else the pool.
    :ivar links: by VM, the uuids of its places.
    :ivar first_link: by disk.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._hosts = {host.id: host.uuid for host in facts.hosts}
        self._storages = {storage.id: storage.uuid for storage in facts.storages}
        own = {storage.id: storage.host_id for storage in facts.storages if storage.host_id in self._hosts}
        self.links: dict[int, list[str]] = {}
        self.first_link: dict[int, str] = {}
        self._tied: dict[int, int] = {}
        for place in facts.places:
            if place.vm_id is not None and place.link is not None:
                self.links.setdefault(place.vm_id, []).append(place.link)
                self.first_link.setdefault(place.id, place.link)
                if place.storage_id in own:
                    self._tied.setdefault(place.vm_id, own[place.storage_id] or 0)
        pool, tied = facts.pool.uuid, self._tied.get
        self.container = {
            # None, of a VM that was placed nowhere or needs no host's storage, is no host's id.
            vm.id: self._hosts.get(vm.host_id if vm.power_state in ON else tied(vm.id), pool)  # type: ignore[arg-type]
            for vm in facts.machines
        }

    def storage(self, storage_id: int) -> str:
        return self._storages[storage_id]

    def cpus(self, vm: Machine) -> list[dict[str, float | None]]:
        """Each CPU's usage: of a VM that is off nothing, null where it was not measured."""
        load = self.facts.loads.get(vm.id) if vm.power_state in ON else None
        if vm.power_state not in ON:
            return [{"usage": 0}] * vm.cpus
        if load is None or len(load.cpus) != vm.cpus:
            return [{"usage": None}] * vm.cpus
        return [{"usage": each} for each in load.cpus]

    @staticmethod
    def mean(cpus: Sequence[Mapping[str, float | None]]) -> float | None:
        """Of CPUs' usage; None where one was not measured."""
        values = [cpu["usage"] for cpu in cpus]
        known = [value for value in values if value is not None]
        return round(sum(known) / len(known), 2) if known and len(known) == len(values) else None

    def memory_used(self, vm: Machine) -> int:
        """Of a VM that is off nothing; else what its guest uses, or all, where it does not say."""
        if vm.power_state not in ON:
            return 0
        load = self.facts.loads.get(vm.id)
        return vm.memory_bytes if load is None or load.used_bytes is None else min(load.used_bytes, vm.memory_bytes)

    # -------------------------------------------------------------- what contains others

    def xo(self) -> dict[str, Any]:
        running = [host for host in self.facts.hosts if host.running]
        on = self._running()
        return {
            "type": ObjectType.XO.value,
            "UUID": XO_UUID,
            "pools": [self.facts.pool.uuid],
            "$CPUs": sum(host.cpus for host in self.facts.hosts),
            "$running_VMs": len(on),
            "$vCPUs": sum(vm.cpus for vm in on),
            "$memory": {
                "size": sum(host.memory_bytes for host in running),
                "usage": sum(host.used_bytes for host in running),
            },
        }

    def pool(self) -> dict[str, Any]:
        facts = self.facts
        pool = facts.pool.uuid
        return {
            "type": ObjectType.POOL.value,
            "UUID": pool,
            "name_label": facts.pool.name,
            "name_description": "",
            "tags": [],
            "SRs": [storage.uuid for storage in facts.storages if self._contains_storage(storage) == pool],
            "default_SR": self._storages.get(facts.pool.storage_id) if facts.pool.storage_id is not None else None,
            "HA_enabled": False,
            "hosts": [host.uuid for host in facts.hosts],
            # Whom to talk to is the cluster manager, which is no host.
            "master": pool,
            "VMs": [vm.uuid for vm in facts.machines if self.container[vm.id] == pool],
            "$running_hosts": [host.uuid for host in facts.hosts if host.running],
            "$running_VMs": [vm.uuid for vm in self._running()],
            "$VMs": [vm.uuid for vm in facts.machines],
        }

    def hosts(self) -> list[dict[str, Any]]:
        storages = _grouped((self._contains_storage(storage), storage.uuid) for storage in self.facts.storages)
        links = _grouped((self._hosts[link.host_id], link.uuid) for link in self.facts.links)
        there = _grouped((self.container[vm.id], vm) for vm in self.facts.machines)
        return [self._host(each, storages, links, there.get(each.uuid, [])) for each in self.facts.hosts]

    def _host(
        self, host: Host, storages: Mapping[str, list[str]], links: Mapping[str, list[str]], there: Sequence[Machine]
    ) -> dict[str, Any]:
        on = [vm for vm in there if vm.power_state in ON]
        return {
            "type": ObjectType.HOST.value,
            "UUID": host.uuid,
            "name_label": host.name,
            "name_description": host.description,
            "tags": [],
            "address": host.address,
            "controller": None,  # no VM is one
            "CPUs": [{"usage": host.cpu_percent if host.running else 0}] * host.cpus,
            "enabled": host.enabled,
            "hostname": host.hostname,
            "iSCSI_name": None,  # no storage of ours is reached by one
            "memory": {"size": host.memory_bytes, "usage": host.used_bytes if host.running else 0},
            "power_state": "Running" if host.running else "Halted",
            "SRs": storages.get(host.uuid, []),
            "VMs": [vm.uuid for vm in there],
            "$PBDs": links.get(host.uuid, []),
            "$pool": self.facts.pool.uuid,
            "$running_VMs": [vm.uuid for vm in on],
            "$vCPUs": [cpu for vm in on for cpu in self.cpus(vm)],
        }

    def storages(self) -> list[dict[str, Any]]:
        links = _grouped((link.storage_id, link.uuid) for link in self.facts.links)
        disks = _grouped((place.storage_id, place) for place in self._disks())
        return [
            {
                "type": ObjectType.SR.value,
                "UUID": storage.uuid,
                "name_label": storage.name,
                "name_description": "",
                "tags": [],
                "SR_type": storage.kind,
                "physical_usage": sum(place.used_bytes or 0 for place in disks.get(storage.id, [])),
                "usage": sum(place.size_bytes for place in disks.get(storage.id, [])),
                "size": storage.capacity_bytes,
                "VDIs": [place.uuid for place in disks.get(storage.id, [])],
                "$container": self._contains_storage(storage),
                "$PBDs": links.get(storage.id, []),
            }
            for storage in self.facts.storages
        ]

    def attachments(self) -> list[dict[str, Any]]:
        return [
            {
                "type": ObjectType.PBD.value,
                "UUID": link.uuid,
                "attached": link.attached,
                "host": self._hosts[link.host_id],
                "SR": self._storages[link.storage_id],
            }
            for link in self.facts.links
        ]

    def _running(self) -> list[Machine]:
        return [vm for vm in self.facts.machines if vm.power_state in ON]

    def _contains_storage(self, storage: Storage) -> str:
        return self._hosts.get(storage.host_id, self.facts.pool.uuid) if storage.host_id else self.facts.pool.uuid

    def _disks(self) -> Iterable[Place]:
        """Each once."""
        return {place.id: place for place in self.facts.places}.values()


def _grouped(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
