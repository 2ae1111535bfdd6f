"""
The disks of running domains: what is in which place, given to a guest and asked back from it. What a domain has when
it is started next is its definition's to say (``hypervisor.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cm.interfaces.hypervisor import DiskSpec
from cm.interfaces.source import DiskSource, path_of


@dataclass(frozen=True)
class DiskSeen:
    """What is in a place. ``source``: None in an empty drive."""

    device: str
    source: DiskSource | None
    cdrom: bool = False
    read_only: bool = False

    @property
    def path(self) -> str:
        return path_of(self.source)


class IDisks(Protocol):
    """A place is named by its target device ("vdb")."""

    def look(self, uuid: str, device: str) -> DiskSeen | None:
        """
        What a running domain has in a place; None: there is none, and what was there is closed.
        :raises DomainNotRunning: it is off.
        """

    def attach(self, uuid: str, disk: DiskSpec) -> None:
        """
        Give a running domain a disk, or a drive with a medium; one that it has in that place already is not an error.
        Its guest sees it by and by.
        :raises DomainNotRunning: it is off.
        :raises DiskBusy: another disk is in that place.
        :raises InvalidParameter: a drive without a medium, which libvirt 9 cannot add.
        :raises NotSupported: this hypervisor has no such thing.
        :raises HypervisorError: it refuses: the file is missing or somebody else's, there is no room on the bus.
        """

    def detach(self, uuid: str, device: str) -> None:
        """
        Ask the guest to let go of a disk. That it returns says nothing: guests take their time, hold on, or never hear
        of it while they boot. ``look`` tells, and asking again does no harm. One that is gone is not an error.
        :raises DomainNotRunning: it is off.
        :raises DiskBusy: a job is under way on it.
        :raises NotSupported: likewise.
        """

    def medium(self, uuid: str, device: str, source: DiskSource | None, *, force: bool = False) -> None:
        """
        Put a medium into a running domain's drive in place of the one that is there; None leaves it empty. Repeatable.
        Of a drive that came since its start libvirt 9 opens no tray until it is started anew; attach another instead.
        :param force: also where the guest has locked its tray.
        :raises DomainNotRunning: it is off.
        :raises TrayLocked: the guest holds the medium; it was asked to let go.
        :raises InvalidParameter: there is no such drive.
        :raises NotSupported: likewise; or it opens no tray of that drive.
        """
