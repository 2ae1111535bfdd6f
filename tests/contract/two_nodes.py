"""The base of contracts about guests that leave one node for another that shares its storage."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cm.interfaces.hypervisor import DiskSpec, DomainSpec, VncSpec
from cm.interfaces.node import INode
from cm.interfaces.volume import StorageSpec
from cm.rpc.vocabulary import DiskFormat
from tests.contract.hypervisor import domain_spec
from tests.contract.on_storage import OnStorage

SIZE = 4 * 2**20


class TwoNodes(OnStorage):
    """As ``OnStorage``, for the node that guests leave; ``make_other`` gives the one that they go to."""

    @abstractmethod
    def make_other(self) -> INode: ...

    @pytest.fixture()
    def other(self, spec: StorageSpec) -> Iterator[INode]:
        made = self.make_other()
        made.pools.attach(spec)
        yield made
        made.pools.detach(spec.name)
        made.close()

    def running(
        self, holder: INode, other: INode, spec: StorageSpec, screen: VncSpec, port: int
    ) -> Iterator[DomainSpec]:
        """A guest that runs on the first node; in the end neither has it."""
        holder.volumes.create_empty(spec.name, "disk.qcow2", DiskFormat.QCOW2, SIZE)
        disk = DiskSpec(holder.volumes.source(spec.name, "disk.qcow2"), DiskFormat.QCOW2, "vda")
        domain = domain_spec(disks=(disk,), vnc=replace(screen, port=port))
        holder.hypervisor.define(domain)
        holder.hypervisor.start(domain.uuid)
        yield domain
        for node in (other, holder):
            node.hypervisor.destroy(domain.uuid)
            node.hypervisor.undefine(domain.uuid)
