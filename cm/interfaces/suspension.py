"""Guests whose memory lies on a storage: written there, and gone on from there, at any node that has it."""

from __future__ import annotations

from typing import Protocol

from cm.interfaces.hypervisor import DomainSpec


class ISuspensions(Protocol):
    """Of one node."""

    def save(self, uuid: str, storage_name: str, volume: str) -> None:
        """
        Write a running domain's memory to a new volume, and end the domain: it is off then by ``SeenReason.SAVED``, and
        by this reason only where all of it is written. Its guest stands still from the begin. Where it fails the guest
        goes on; what was written may be left.

        :raises DomainNotRunning: it is off.
        :raises StorageFull: it does not fit.
        :raises NotSupported: not by this hypervisor.
        :raises HypervisorError: it refuses.
        """

    def restore(self, spec: DomainSpec, storage_name: str, volume: str) -> None:
        """
        Have a domain that is off, or not there, be as it was when a volume was written, and stand still: nothing of its
        guest runs before ``resume``, so that until then this may be done again, here or elsewhere. Its devices are as
        they were; of ``spec`` are its screen, and the definition that it starts from after its end.

        :raises NotSupported: not by this hypervisor.
        :raises HypervisorError: it does not start; the reason is the hypervisor's.
        """
