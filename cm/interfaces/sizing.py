"""CPUs and memory of domains that run. What a call does has been done when it returns, but what a guest gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class DomainSize:
    """
    What a running domain has.

    :ivar modules: of its memory those that came while it ran, in MiB.
    """

    vcpus: int
    memory_mib: int
    modules: tuple[int, ...] = ()


class ISizing(Protocol):
    """
    Of one node. All raise ``DomainNotRunning`` where the domain is off, and ``NotSupported`` where the hypervisor has
    none of this.
    """

    def size(self, uuid: str) -> DomainSize:
        """What the domain has now."""

    def set_vcpus(self, uuid: str, count: int) -> None:
        """
        Give it, or take from it, CPUs, within what it was started with.
        :raises HypervisorError: it may not have so many, or its guest does not let go of any.
        """

    def plug_memory(self, uuid: str, module_mib: int) -> None:
        """
        Give it another module of memory.
        :raises HypervisorError: there is no slot for it, or not so much memory.
        """

    def unplug_memory(self, uuid: str, module_mib: int) -> None:
        """
        Ask its guest for one of its modules of this size; ``size`` tells whether it lets go of it. One that it has not
        is not asked for.
        """
