"""What every ``IManaged`` does: seed 001's methods with libvirt's own numbers."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pytest

from cm.drivers.definition import read_domain
from cm.interfaces.managed import DomainVerb, IManaged, ManagedDomain, ManagedPool, PoolVerb, VolumeBy
from cm.interfaces.node import INode
from cm.rpc.errors import LibvirtError

MEMORY_KIB = 65_536


def domain_xml(kind: str, name: str, identity: str, more: str = "") -> str:
    return (
        f"<domain type='{kind}'><name>{name}</name><uuid>{identity}</uuid><memory unit='KiB'>{MEMORY_KIB}</memory>"
        f"<vcpu>2</vcpu><os><type>hvm</type></os>{more}</domain>"
    )


def pool_xml(name: str, identity: str, path: str, kind: str = "dir") -> str:
    return (
        f"<pool type='{kind}'><name>{name}</name><uuid>{identity}</uuid>"
        f"<target><path>{path}</path></target></pool>"
    )


def volume_xml(name: str) -> str:
    return (
        f"<volume><name>{name}</name><capacity unit='bytes'>1048576</capacity><allocation>0</allocation>"
        "<target><format type='raw'/></target></volume>"
    )


class ManagedContract(ABC):
    """
    ``make`` gives a node. What libvirt's test driver has another number for, or does otherwise, its class says.

    """

    domain_type = "memory"
    invalid = (55,)  # what a domain's state does not allow
    counts_time = True
    suspends_twice = True
    exists = 90

    @abstractmethod
    def make(self) -> INode: ...

    def directory(self) -> str:
        """A new place for a pool's files or a saved domain, which is there on the node."""
        return f"/srv/managed-{uuid.uuid4().hex[:8]}"

    @pytest.fixture()
    def managed(self) -> Iterator[IManaged]:
        node = self.make()
        made = node.managed
        domains = {each.uuid for each in made.all_domains()}
        pools = {each.uuid for each in made.storage().pools}
        yield made
        for domain in made.all_domains():
            if domain.uuid not in domains:
                if domain.id != -1:
                    made.domain_act(domain.uuid, DomainVerb.DESTROY)
                if domain.persistent:
                    made.domain_act(domain.uuid, DomainVerb.UNDEFINE)
        for pool in made.storage().pools:
            if pool.uuid not in pools:
                made.pool_act(pool.uuid, PoolVerb.DELETE)
        node.close()

    def defined(self, managed: IManaged) -> str:
        identity = str(uuid.uuid4())
        assert managed.domain_define_xml(domain_xml(self.domain_type, f"m-{identity[:8]}", identity)) == identity
        return identity

    @staticmethod
    def seen_domain(managed: IManaged, identity: str) -> ManagedDomain:
        return next(each for each in managed.all_domains() if each.uuid == identity)

    @staticmethod
    def seen_pool(managed: IManaged, identity: str) -> ManagedPool:
        return next(each for each in managed.storage().pools if each.uuid == identity)

    def pooled(self, managed: IManaged, *, start: bool = True, path: str = "") -> ManagedPool:
        identity = str(uuid.uuid4())
        assert managed.pool_define_xml(pool_xml(f"p-{identity[:8]}", identity, path or self.directory())) == identity
        if start:
            managed.pool_act(identity, PoolVerb.CREATE)
        return self.seen_pool(managed, identity)

    def refused(self, code: int, call: Any, *arguments: Any) -> LibvirtError:
        with pytest.raises(LibvirtError) as refusal:
            call(*arguments)
        assert refusal.value.libvirt_code == code, refusal.value
        assert refusal.value.libvirt_domain > 0 and refusal.value.reason
        return refusal.value

    def refused_now(self, call: Any, *arguments: Any) -> None:
        with pytest.raises(LibvirtError) as refusal:
            call(*arguments)
        assert refusal.value.libvirt_code in self.invalid, refusal.value

    def test_host(self, managed: IManaged) -> None:
        """A node's facts, each with its unit."""
        host = managed.host()
        assert host.type and host.hostname and host.uri and host.model
        assert host.version > 0 and host.libvirt_version >= 1_000_000
        assert min(host.cpus, host.nodes, host.sockets, host.cores, host.threads) >= 1 and host.mhz >= 0
        assert host.memory_kib > 2**19  # no MiB
        assert 0 < managed.free_memory() and managed.free_memory() % 1024 == 0

    def test_life(self, managed: IManaged) -> None:
        """A domain is defined, started, suspended, resumed, stopped and forgotten; its id is that of a run."""
        identity = self.defined(managed)
        seen = self.seen_domain(managed, identity)
        assert (seen.state, seen.id, seen.persistent) == ("shutoff", -1, True)
        assert seen.cpu_time_ns == 0 or not self.counts_time
        assert (seen.maximum_memory_kib, seen.memory_kib, seen.vcpus) == (MEMORY_KIB, MEMORY_KIB, 2)
        managed.domain_act(identity, DomainVerb.CREATE)
        first = self.seen_domain(managed, identity)
        assert first.state == "running" and first.id > 0
        managed.domain_act(identity, DomainVerb.SUSPEND)
        paused = self.seen_domain(managed, identity)
        assert (paused.state, paused.reason) == ("suspended", "user")
        managed.domain_act(identity, DomainVerb.RESUME)
        assert self.seen_domain(managed, identity).state == "running"
        managed.domain_act(identity, DomainVerb.REBOOT)
        managed.domain_act(identity, DomainVerb.DESTROY)
        off = self.seen_domain(managed, identity)
        assert (off.state, off.reason, off.id) == ("shutoff", "destroyed", -1)
        managed.domain_act(identity, DomainVerb.CREATE)
        assert self.seen_domain(managed, identity).id not in (-1, first.id)
        managed.domain_act(identity, DomainVerb.UNDEFINE)
        left = self.seen_domain(managed, identity)
        assert (left.state, left.persistent) == ("running", False)
        managed.domain_act(identity, DomainVerb.DESTROY)
        assert identity not in {each.uuid for each in managed.all_domains()}

    def test_shutdown(self, managed: IManaged) -> None:
        """It is asked for at once; whether the guest obeys is the guest's affair."""
        identity = self.defined(managed)
        managed.domain_act(identity, DomainVerb.CREATE)
        managed.domain_act(identity, DomainVerb.SHUTDOWN)

    def test_refusals(self, managed: IManaged) -> None:
        """What a state does not allow is refused, and nothing has changed then."""
        identity = self.defined(managed)
        for verb in (DomainVerb.DESTROY, DomainVerb.SUSPEND, DomainVerb.RESUME, DomainVerb.SHUTDOWN):
            self.refused_now(managed.domain_act, identity, verb)
        assert self.seen_domain(managed, identity).state == "shutoff"
        managed.domain_act(identity, DomainVerb.CREATE)
        self.refused_now(managed.domain_act, identity, DomainVerb.CREATE)
        self.refused_now(managed.domain_act, identity, DomainVerb.RESUME)
        managed.domain_act(identity, DomainVerb.SUSPEND)
        if self.suspends_twice:
            managed.domain_act(identity, DomainVerb.SUSPEND)
        absent = str(uuid.uuid4())
        for verb in DomainVerb:
            self.refused(42, managed.domain_act, absent, verb)
        self.refused(42, managed.domain_xml, absent)

    def test_define_again(self, managed: IManaged) -> None:
        """The same name and uuid are the same domain, defined anew; another uuid of that name is refused by 9."""
        identity = self.defined(managed)
        name = self.seen_domain(managed, identity).name
        other = domain_xml(self.domain_type, name, str(uuid.uuid4()))
        self.refused(9, managed.domain_define_xml, other)
        more = domain_xml(self.domain_type, name, identity).replace(str(MEMORY_KIB), str(2 * MEMORY_KIB))
        managed.domain_define_xml(more)
        assert self.seen_domain(managed, identity).maximum_memory_kib == 2 * MEMORY_KIB

    def test_xml(self, managed: IManaged) -> None:
        """Definitions are told, and read again as what they are."""
        identity = self.defined(managed)
        told = read_domain(managed.domain_xml(identity))
        assert (told.uuid, told.name) == (identity, self.seen_domain(managed, identity).name)

    def test_save(self, managed: IManaged) -> None:
        """A saved domain is off because it was saved, and goes on from its file, which says whose it is."""
        identity, path = self.defined(managed), f"{self.directory()}.save"
        self.refused_now(managed.domain_save, identity, path)
        managed.domain_act(identity, DomainVerb.CREATE)
        managed.domain_save(identity, path)
        off = self.seen_domain(managed, identity)
        assert (off.state, off.reason) == ("shutoff", "saved")
        assert read_domain(managed.domain_saved(path)).uuid == identity
        managed.domain_restore(path)
        assert self.seen_domain(managed, identity).state == "running"
        with pytest.raises(LibvirtError):
            managed.domain_restore(path)  # it runs
        with pytest.raises(LibvirtError):
            managed.domain_saved(f"{self.directory()}.absent")

    def test_pools(self, managed: IManaged) -> None:
        """A defined pool is not active; started it has figures; stopped it stays; deleted it is forgotten."""
        pool = self.pooled(managed, start=False)
        assert (pool.state, pool.persistent) == ("inactive", True)
        assert (pool.capacity_bytes, pool.allocation_bytes, pool.available_bytes) == (0, 0, 0) or pool.capacity_bytes
        self.refused(55, managed.pool_act, pool.uuid, PoolVerb.DESTROY)
        managed.pool_act(pool.uuid, PoolVerb.CREATE)
        active = self.seen_pool(managed, pool.uuid)
        assert active.state == "running" and active.capacity_bytes > 0
        self.refused(55, managed.pool_act, pool.uuid, PoolVerb.CREATE)
        managed.pool_act(pool.uuid, PoolVerb.DESTROY)
        assert self.seen_pool(managed, pool.uuid).state == "inactive"
        assert f"<uuid>{pool.uuid}</uuid>" in managed.pool_xml(pool.uuid)
        managed.pool_act(pool.uuid, PoolVerb.CREATE)
        managed.pool_act(pool.uuid, PoolVerb.DELETE)
        assert pool.uuid not in {each.uuid for each in managed.storage().pools}
        self.refused(49, managed.pool_xml, pool.uuid)
        for verb in PoolVerb:
            self.refused(49, managed.pool_act, pool.uuid, verb)

    def test_transient_pool(self, managed: IManaged) -> None:
        """One that was made and not defined is gone when it is stopped."""
        identity = str(uuid.uuid4())
        managed.pool_create_xml(pool_xml(f"p-{identity[:8]}", identity, self.directory()))
        seen = self.seen_pool(managed, identity)
        assert (seen.state, seen.persistent) == ("running", False)
        managed.pool_act(identity, PoolVerb.DESTROY)
        assert identity not in {each.uuid for each in managed.storage().pools}

    def test_pool_names(self, managed: IManaged) -> None:
        """A name, and a place, are one pool's."""
        path = self.directory()
        pool = self.pooled(managed, path=path)
        self.refused(9, managed.pool_define_xml, pool_xml(pool.name, str(uuid.uuid4()), f"{path}-2"))
        self.refused(9, managed.pool_define_xml, pool_xml(f"{pool.name}-2", str(uuid.uuid4()), path))

    def test_volumes(self, managed: IManaged) -> None:
        """A volume is found by name, key and path, in its pool and in no other."""
        pool, other = self.pooled(managed), self.pooled(managed)
        made = managed.volume_create_xml(pool.uuid, volume_xml("a.raw"))
        assert (made.pool_uuid, made.pool_name, made.name) == (pool.uuid, pool.name, "a.raw")
        assert made.path.endswith("/a.raw") and made.key
        assert made in managed.storage().volumes
        for by, value in ((VolumeBy.NAME, made.name), (VolumeBy.KEY, made.key), (VolumeBy.PATH, made.path)):
            assert managed.volume_find(pool.uuid, by, value) == made
            self.refused(50, managed.volume_find, other.uuid, by, value)
            self.refused(50, managed.volume_find, pool.uuid, by, f"{value}-absent")
        self.refused(self.exists, managed.volume_create_xml, pool.uuid, volume_xml("a.raw"))
        assert "<name>a.raw</name>" in managed.volume_xml(pool.uuid, "a.raw")
        self.refused(50, managed.volume_xml, pool.uuid, "absent")

    def test_stopped_pool(self, managed: IManaged) -> None:
        """A pool that is not active has no volumes to see, and takes none."""
        pool = self.pooled(managed)
        made = managed.volume_create_xml(pool.uuid, volume_xml("b.raw"))
        managed.pool_act(pool.uuid, PoolVerb.DESTROY)
        assert made not in managed.storage().volumes
        self.refused(55, managed.volume_create_xml, pool.uuid, volume_xml("c.raw"))
        self.refused(55, managed.volume_find, pool.uuid, VolumeBy.NAME, "b.raw")
        managed.pool_act(pool.uuid, PoolVerb.CREATE)
        assert made in managed.storage().volumes
