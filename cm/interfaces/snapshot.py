"""Points in time of running domains' disks, and domains without a guest in which disks are worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cm.interfaces.hypervisor import DomainSpec
from cm.interfaces.source import DiskSource
from cm.rpc.vocabulary import Consistency, Freeze


@dataclass(frozen=True)
class NewTop:
    """
    What a disk of a domain writes to from a moment on.

    :ivar device: its target ("vda").
    :ivar source: a qcow2 overlay, as it was made, on what the disk writes to until then.
    """

    device: str
    source: DiskSource


class ISnapshots(Protocol):
    """One node's."""

    def take(self, uuid: str, disks: Sequence[NewTop], freeze: Freeze) -> Consistency | None:
        """
        Have disks of a running or paused domain write to other volumes, all from one moment on; what they wrote to
        stays as it was then. Either all of them do or none. The domain's definition says so, too.

        Done already it is not done again: then nothing is known of how, and it counts as ``CRASH``.

        :param freeze: ``YES`` needs the guest's agent; ``AUTO`` does without where it does not answer.
        :return: what the volumes below are as good as. None: the agent was told to freeze the guest or to thaw it, and
            did not answer in time (``guest_agent.AGENT_S``), so the guest may stand still from some moment on until
            ``thaw`` says otherwise. Whether anything is taken is found out by another call.
        :raises DomainNotRunning: it is off or absent.
        :raises InvalidParameter: it has no such disk.
        :raises DiskBusy: a job is under way on one of them.
        :raises GuestNotFrozen: ``YES``, and the agent did not.
        :raises NotSupported: this hypervisor has no such snapshots.
        """

    def thaw(self, uuid: str) -> bool:
        """
        Have the guest's agent thaw what it froze; one that has frozen nothing does nothing. Repeatable.

        :return: whether it answered that it has. One that hangs, or has not done freezing, may be asked again.
        :raises DomainNotRunning: it is off or absent, and frozen no more.
        :raises NotSupported: this hypervisor has no agents.
        """

    def hold(self, spec: DomainSpec) -> None:
        """
        Have the hypervisor open the disks of ``spec`` without running anything: a domain that is paused from its first
        moment on, and of which nothing stays once it is destroyed. Jobs work on its disks as on any other's. One that
        is there is taken as done.

        :raises HypervisorError: a disk is missing, or in use by another domain.
        """
