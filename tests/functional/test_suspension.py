"""Guests that are suspended on one real host and go on on another: the contract, and a storage that is full."""

from __future__ import annotations

import pytest

pytest.importorskip("libvirt")

from cm.drivers.libvirt.node import LibvirtNode
from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import StorageFull
from cm.rpc.vocabulary import Seen, StorageKind
from lab.hosts import Lab
from tests.contract.suspensions import MEMORY, SuspensionsContract
from tests.support.qemu import OnTwoQemu

pytestmark = pytest.mark.skipif(bool(Lab.missing()), reason="; ".join(Lab.missing()))


class TestQemuSuspensions(OnTwoQemu, SuspensionsContract):
    def test_full(self, holder: LibvirtNode, spec: StorageSpec, guest: DomainSpec) -> None:
        """Where its memory does not fit the guest goes on, and can be written elsewhere."""
        small = StorageSpec(f"{spec.name}-small", StorageKind.DIR, f"{spec.path}-small")
        self._hosts[0].run(["mkdir", "-p", small.path])
        self._hosts[0].run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small.path])
        try:
            holder.pools.attach(small)
            with pytest.raises(StorageFull):
                holder.suspensions.save(guest.uuid, small.name, MEMORY)
            assert holder.hypervisor.look(guest.uuid).state is Seen.RUNNING
            holder.volumes.delete(small.name, MEMORY)
            holder.suspensions.save(guest.uuid, spec.name, MEMORY)
            assert holder.hypervisor.look(guest.uuid).state is Seen.OFF
            holder.pools.detach(small.name)
        finally:
            self._hosts[0].run(["umount", small.path])
