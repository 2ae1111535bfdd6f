"""
The NICs of running domains: given to a guest and asked back from it. What a domain has when it is started next is its
definition's to say (``hypervisor.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cm.interfaces.hypervisor import NicSpec


@dataclass(frozen=True)
class NicSeen:
    """A NIC of a running domain. ``source``: the bridge or libvirt network that it is on; "" where it says none."""

    mac: str
    tap: str
    model: str
    source: str


class INics(Protocol):
    """A NIC is named by its MAC address."""

    def look(self, uuid: str, mac: str) -> NicSeen | None:
        """
        What a running domain has with this address; None: there is none, and its tap is gone.
        :raises DomainNotRunning: it is off.
        """

    def attach(self, uuid: str, nic: NicSpec) -> None:
        """
        Give a running domain a NIC; one that it has already is not an error. Its guest sees it by and by.
        :raises DomainNotRunning: it is off.
        :raises NotSupported: this hypervisor has no such thing.
        :raises HypervisorError: it refuses: the bridge or network is not there, there is no room on the bus.
        """

    def detach(self, uuid: str, mac: str) -> None:
        """
        Ask the guest to let go of a NIC. That it returns says nothing: guests take their time, hold on, or never hear
        of it while they boot. ``look`` tells, and asking again does no harm. One that is gone is not an error.
        :raises DomainNotRunning: it is off.
        :raises NotSupported: likewise.
        """
