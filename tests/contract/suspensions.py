"""What every ``ISuspensions`` does, between two nodes that share a storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cm.interfaces.hypervisor import DomainSpec, VncSpec
from cm.interfaces.node import INode
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import DomainNotRunning, HypervisorError, NotSupported
from cm.rpc.vocabulary import Seen, SeenReason
from tests.contract.hypervisor import domain_spec
from tests.contract.two_nodes import TwoNodes

MEMORY = "memory.raw"
SCREEN = VncSpec("127.0.0.1", 5927, "secret12", True)
SAVED = (Seen.OFF, SeenReason.SAVED)


class SuspensionsContract(TwoNodes):
    """As ``TwoNodes``, for the node that guests are suspended on; ``make_other`` gives one where they go on."""

    suspensions = True  # whether this hypervisor has any

    @pytest.fixture()
    def guest(self, holder: INode, other: INode, spec: StorageSpec) -> Iterator[DomainSpec]:
        if not self.suspensions:
            pytest.skip("needs a hypervisor that saves memory; test_none shows that this one does not")
        yield from self.running(holder, other, spec, SCREEN, 5923)

    def looks(self, node: INode, guest: DomainSpec) -> tuple[Seen, SeenReason]:
        seen = node.hypervisor.look(guest.uuid)
        return seen.state, seen.reason

    def test_none(self, holder: INode, spec: StorageSpec) -> None:
        """Who has none says so."""
        if self.suspensions:
            pytest.skip("needs a hypervisor that saves no memory")
        domain = domain_spec()
        with pytest.raises(NotSupported):
            holder.suspensions.save(domain.uuid, spec.name, MEMORY)
        with pytest.raises(NotSupported):
            holder.suspensions.restore(domain, spec.name, MEMORY)

    def test_elsewhere(self, holder: INode, other: INode, spec: StorageSpec, guest: DomainSpec) -> None:
        """
        A guest is written to a volume, and is there at the other node, where it stands still until it is told to go on;
        with its disk, a screen of its own there, and a definition that it starts from.
        """
        holder.suspensions.save(guest.uuid, spec.name, MEMORY)
        assert self.looks(holder, guest) == SAVED
        assert holder.volumes.find(spec.name, MEMORY) is not None
        holder.hypervisor.undefine(guest.uuid)
        assert holder.volumes.find(spec.name, MEMORY) is not None
        other.suspensions.restore(replace(guest, vnc=SCREEN), spec.name, MEMORY)
        seen = other.hypervisor.look(guest.uuid)
        assert (seen.state, seen.persistent) == (Seen.PAUSED, True)
        told = other.hypervisor.describe(guest.uuid)
        assert told is not None and told.ports == (SCREEN.port,) and [disk.device for disk in told.disks] == ["vda"]
        other.hypervisor.resume(guest.uuid)
        assert other.hypervisor.look(guest.uuid).state is Seen.RUNNING
        other.hypervisor.set_vnc(guest.uuid, replace(SCREEN, password="another1"))
        holder.volumes.delete(spec.name, MEMORY)
        other.hypervisor.destroy(guest.uuid)
        other.hypervisor.start(guest.uuid)
        assert other.hypervisor.look(guest.uuid).state is Seen.RUNNING

    def test_again(self, holder: INode, other: INode, spec: StorageSpec, guest: DomainSpec) -> None:
        """Until it goes on it can be had again, at the same node or another; twice at once it cannot."""
        holder.suspensions.save(guest.uuid, spec.name, MEMORY)
        for node in (other, holder):
            node.suspensions.restore(guest, spec.name, MEMORY)
            with pytest.raises(HypervisorError):
                node.suspensions.restore(guest, spec.name, MEMORY)
            assert node.hypervisor.look(guest.uuid).state is Seen.PAUSED
            node.hypervisor.destroy(guest.uuid)
            assert node.hypervisor.look(guest.uuid).state is Seen.OFF

    def test_not_whole(self, holder: INode, spec: StorageSpec, guest: DomainSpec) -> None:
        """What is not there, or is something else, is no memory; nothing runs by it."""
        holder.hypervisor.destroy(guest.uuid)
        for volume in ("nothing.raw", "disk.qcow2"):
            with pytest.raises(HypervisorError):
                holder.suspensions.restore(guest, spec.name, volume)
            assert holder.hypervisor.look(guest.uuid).state is Seen.OFF

    def test_off(self, holder: INode, spec: StorageSpec, guest: DomainSpec) -> None:
        """What is off or absent has no memory, and nothing is written."""
        holder.hypervisor.destroy(guest.uuid)
        for uuid in (guest.uuid, domain_spec().uuid):
            with pytest.raises(DomainNotRunning):
                holder.suspensions.save(uuid, spec.name, MEMORY)
        assert holder.volumes.find(spec.name, MEMORY) is None
