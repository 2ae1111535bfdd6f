"""
A running guest's way from one node to another, while it goes on.

A migration goes on by itself, without whoever asked for it: between the two nodes, told by the one that the guest
leaves. So ``migrate`` may be repeated, and ``look`` is all that tells how far it is. One that has failed, or was
cancelled, is gone like one that is done: which, the domains at both nodes tell. After a failure the other node may have
its half still, running or not: whoever asked sees to that before it believes in the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cm.interfaces.hypervisor import VncSpec


@dataclass(frozen=True)
class CpuNeed:
    """
    What CPU a running guest has, for another node to tell whether it can give it the same.

    :ivar text: the hypervisor's own description; "": it has none, and any node will do.
    :ivar same: the guest has been given all that its node's CPU can: another node's must be the very same.
    """

    domain_type: str
    arch: str
    machine: str
    text: str
    same: bool = False


@dataclass(frozen=True)
class MigrationSpec:
    """
    :ivar target_uri: the other node's hypervisor, as the node that the guest leaves reaches it.
    :ivar data_host: the other node's address for the guest's memory; "": as that node says.
    :ivar vnc: the guest's screen at the other node, whose port may be another.
    :ivar limit_mib_s: how much may be sent in a second; 0: as much as it can.
    :ivar slow_down: hold a guest back that writes faster than its memory is sent.
    :ivar post_copy: make ready for ``switch``.
    :ivar alone: nobody waits behind it to be begun, so that its end is waited for where it may come at once.
    """

    uuid: str
    target_uri: str
    data_host: str = ""
    vnc: VncSpec | None = None
    limit_mib_s: int = 0
    slow_down: bool = True
    post_copy: bool = False
    alone: bool = False


class MigrationState(StrEnum):
    NONE = "none"
    RUNNING = "running"


@dataclass(frozen=True)
class MigrationSeen:
    """
    How far a migration is.

    :ivar left_bytes: what a guest writes meanwhile is sent again, so it may grow.
    :ivar rate_bytes_s: what is sent in a second; 0 where that is not known yet.
    :ivar rounds: through the guest's memory, that have begun.
    :ivar error: of the last one, where this process asked for it and it did not end well; for people.
    """

    state: MigrationState
    total_bytes: int = 0
    left_bytes: int = 0
    rate_bytes_s: int = 0
    rounds: int = 0
    error: str = ""


class IMigrations(Protocol):
    """Migrations of one node's running domains; all but ``takes`` are asked of the node that the guest leaves."""

    def need(self, uuid: str) -> CpuNeed:
        """:raises DomainNotRunning: there is no guest."""

    def takes(self, need: CpuNeed) -> str:
        """Why this node cannot give a guest that CPU; "": it can."""

    def migrate(self, spec: MigrationSpec) -> bool:
        """
        Begin to move a running domain with its definition to another node, where it finds the same disks at the same
        places; it is forgotten here once it runs there. Answers when it is under way, or was refused. Under way
        already: nothing happens.

        :return: whether it is over by now, as with a small guest that writes little.
        :raises DomainNotRunning: there is no guest.
        :raises NotSupported: this hypervisor cannot.
        :raises HypervisorError: it, or the other one, refuses.
        """

    def look(self, uuid: str) -> MigrationSeen:
        """How far it is; ``NONE`` also of a domain that is off or absent."""

    def switch(self, uuid: str) -> None:
        """
        Have the guest go on at the other node now, which fetches what it lacks of its memory; from then on it cannot go
        back. Without a migration, or once it is done, nothing happens.

        :raises HypervisorError: it was not made ready for that, or has sent nothing yet: try again.
        """

    def cancel(self, uuid: str) -> None:
        """End it: the guest stays. Without a migration nothing happens. It has ended when ``look`` says so."""
