"""
What libvirt has on a node, whoever made it, as the managed-node model shows it: its facts, domains, pools, volumes.

Everything here speaks libvirt: references are uuids and volumes' names, units are libvirt's own, refusals are
``LibvirtError`` with libvirt's code, domain and message. Nothing here knows whose an object is: who calls has to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class DomainVerb(StrEnum):
    """What is done to a domain that takes no more than to say so."""

    CREATE = "create"
    DESTROY = "destroy"
    UNDEFINE = "undefine"
    SUSPEND = "suspend"
    RESUME = "resume"
    SHUTDOWN = "shutdown"
    REBOOT = "reboot"


class PoolVerb(StrEnum):
    CREATE = "create"
    DESTROY = "destroy"
    DELETE = "delete"


class VolumeBy(StrEnum):
    """By what a volume is looked up."""

    NAME = "name"
    KEY = "key"
    PATH = "path"


@dataclass(frozen=True)
class NodeSeen:
    """
    :ivar version: of the hypervisor, and ``libvirt_version``, as libvirt counts: a million for each major, a thousand
        for each minor.
    :ivar memory_kib: as ``virNodeGetInfo`` tells it, which was seen to miss memory that was added; placement counts by
        another figure (``NodeInfo``).
    :ivar nodes: cells of memory (NUMA).
    """

    type: str
    hostname: str
    version: int
    uri: str
    libvirt_version: int
    model: str
    memory_kib: int
    cpus: int
    mhz: int
    nodes: int
    sockets: int
    cores: int
    threads: int


@dataclass(frozen=True)
class ManagedDomain:
    """
    :ivar id: libvirt's number of a running domain, another one with each start; -1 while it is off.
    :ivar state: libvirt's word, but that a paused domain is "suspended"; ``reason`` is libvirt's word for why.
    :ivar cpu_time_ns: of its present run; 0 while it is off.
    """

    uuid: str
    name: str
    id: int
    state: str
    reason: str
    persistent: bool
    maximum_memory_kib: int
    memory_kib: int
    vcpus: int
    cpu_time_ns: int


@dataclass(frozen=True)
class ManagedPool:
    """:ivar state: inactive, building, running, degraded, inaccessible. Figures of one that is not active are 0."""

    uuid: str
    name: str
    state: str
    persistent: bool
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class ManagedVolume:
    pool_uuid: str
    pool_name: str
    key: str
    path: str
    name: str


@dataclass(frozen=True)
class StorageSeen:
    """All pools; of those that are none of our storages, and active, the volumes that libvirt knows."""

    pools: tuple[ManagedPool, ...]
    volumes: tuple[ManagedVolume, ...]


class IManaged(Protocol):
    """Of one node."""

    def host(self) -> NodeSeen:
        """
        Facts of the node.

        :raises LibvirtError: it refuses.
        """

    def free_memory(self) -> int:
        """
        Bytes that nobody uses at all: no caches.

        :raises LibvirtError: it refuses.
        """

    def all_domains(self) -> Sequence[ManagedDomain]:
        """
        Every domain; asks no guest's monitor, so that one that hangs holds up nobody.

        :raises LibvirtError: it refuses.
        """

    def storage(self) -> StorageSeen:
        """
        As libvirt knows it: nothing is refreshed, for a refresh opens every file of a pool.

        :raises LibvirtError: it refuses.
        """

    def domain_define_xml(self, xml: str) -> str:
        """
        Define a domain, or define it anew, which a running one does not notice.

        :return: its uuid.
        :raises LibvirtError: it refuses.
        """

    def domain_act(self, uuid: str, verb: DomainVerb) -> None:
        """
        As libvirt does it: what was done already is refused as libvirt refuses it.

        :raises StorageSilent: of a destroy: the server of a disk does not answer, and QEMU could not end.
        :raises LibvirtError: it refuses.
        """

    def domain_save(self, uuid: str, path: str) -> None:
        """
        Write a running domain's memory to a file of the node; it is off then, and a transient one gone.

        :raises LibvirtError: it refuses.
        """

    def domain_saved(self, path: str) -> str:
        """
        The definition in such a file.

        :raises LibvirtError: it refuses.
        """

    def domain_restore(self, path: str) -> None:
        """
        Have a saved domain go on. The file stays.

        :raises LibvirtError: it refuses.
        """

    def domain_xml(self, uuid: str) -> str:
        """
        Its definition, without passwords.

        :raises LibvirtError: it refuses.
        """

    def pool_define_xml(self, xml: str) -> str:
        """
        Define a pool that stays, not active.

        :return: its uuid.
        :raises LibvirtError: it refuses.
        """

    def pool_create_xml(self, xml: str) -> str:
        """
        Make a pool that is active and goes when it is stopped, or with the host.

        :return: its uuid.
        :raises LibvirtError: it refuses.
        """

    def pool_act(self, uuid: str, verb: PoolVerb) -> None:
        """
        Start it; stop it; stop it if it is active, and forget its definition. No file or device is deleted.

        :raises LibvirtError: it refuses.
        """

    def pool_xml(self, uuid: str) -> str:
        """
        Its definition.

        :raises LibvirtError: it refuses.
        """

    def volume_create_xml(self, pool_uuid: str, xml: str) -> ManagedVolume:
        """
        A new volume; how much is allocated at once, its definition says.

        :raises LibvirtError: it refuses.
        """

    def volume_find(self, pool_uuid: str, by: VolumeBy, value: str) -> ManagedVolume:
        """
        A volume of this pool and no other.

        :raises LibvirtError: it refuses.
        """

    def volume_xml(self, pool_uuid: str, name: str) -> str:
        """
        Its definition.

        :raises LibvirtError: it refuses.
        """
