"""
The QEMU guest agent of running guests: asked by the hypervisor through a channel of the domain. What it answers is a
guest's word, which may be wrong, and is cut to what people can look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

AGENT_S: Final = 5  # for a guest's agent to answer; libvirt's own default has a hung one hold the domain for minutes


@dataclass(frozen=True)
class GuestInterface:
    """:ivar mac: "" where it has none. :ivar addresses: with their prefixes: ``10.0.0.5/24``."""

    name: str
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class GuestFilesystem:
    """:ivar total_bytes: 0 where the guest does not tell; so is ``used_bytes``."""

    mountpoint: str
    device: str
    kind: str
    total_bytes: int = 0
    used_bytes: int = 0


@dataclass(frozen=True)
class GuestUser:
    """Somebody who is logged in. :ivar since: unix seconds; 0: not told."""

    name: str
    since: float = 0.0


@dataclass(frozen=True)
class GuestFacts:
    """
    What a guest tells of itself.

    :ivar load: processes that wait for a CPU, over 1, 5 and 15 minutes; () where it is not told.
    :ivar silent: the parts that it did not tell: "hostname", "os", "interfaces", "filesystems", "users".
    """

    hostname: str = ""
    os: str = ""
    kernel: str = ""
    interfaces: tuple[GuestInterface, ...] = ()
    filesystems: tuple[GuestFilesystem, ...] = ()
    users: tuple[GuestUser, ...] = ()
    silent: tuple[str, ...] = ()
    load: tuple[float, ...] = ()


@dataclass(frozen=True)
class NewPassword:
    """A guest's account and the password that it gets."""

    user: str
    password: str = field(repr=False)


class IGuestAgents(Protocol):
    """
    Of one node's running guests.

    What an agent is told that does not answer it may do later, so one is asked for its time first.
    """

    def facts(self, uuid: str) -> GuestFacts:
        """
        What it does not tell, an older agent for one, is left out.

        :raises DomainNotRunning: it is off or absent.
        :raises AgentSilent: the guest has no agent, or one that does not answer within ``AGENT_S``.
        :raises AgentRefused: the agent cannot do it, or will not.
        :raises NotSupported: this hypervisor has no agents.
        """

    def set_password(self, uuid: str, new: NewPassword) -> None:
        """
        Repeatable.

        :raises DomainNotRunning: AgentSilent: AgentRefused: NotSupported:
        """

    def keys(self, uuid: str, user: str) -> Sequence[str]:
        """
        The lines of an account's ``authorized_keys``.

        :raises DomainNotRunning: AgentSilent: AgentRefused: NotSupported:
        """

    def add_keys(self, uuid: str, user: str, keys: Sequence[str]) -> None:
        """
        Those that are there already are not added once more.

        :raises DomainNotRunning: AgentSilent: AgentRefused: NotSupported:
        """

    def remove_keys(self, uuid: str, user: str, keys: Sequence[str]) -> None:
        """
        Those that are not there are no error.

        :raises DomainNotRunning: AgentSilent: AgentRefused: NotSupported:
        """

    def set_time(self, uuid: str, unix_s: float) -> None:
        """
        Set the guest's clock.

        :raises DomainNotRunning: AgentSilent: AgentRefused: NotSupported:
        """

    def power_off(self, uuid: str) -> None:
        """
        Have the guest shut itself down; it has begun then, and its end is seen as any other.

        :raises DomainNotRunning: AgentSilent: AgentRefused: NotSupported:
        """

    def reboot(self, uuid: str) -> None:
        """
        Have the guest reboot itself; likewise.

        :raises DomainNotRunning: AgentSilent: AgentRefused: NotSupported:
        """
