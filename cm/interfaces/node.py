"""A node's driver: its parts, each of them an interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cm.interfaces.block_job import IBlockJobs
from cm.interfaces.console_log import IConsoleLogs
from cm.interfaces.disks import IDisks
from cm.interfaces.guest_agent import IGuestAgents
from cm.interfaces.hypervisor import IHypervisor, NodeInfo
from cm.interfaces.managed import IManaged
from cm.interfaces.migration import IMigrations
from cm.interfaces.network import INetworks
from cm.interfaces.nics import INics
from cm.interfaces.sizing import ISizing
from cm.interfaces.snapshot import ISnapshots
from cm.interfaces.stream import IStreams
from cm.interfaces.suspension import ISuspensions
from cm.interfaces.variables import IVariables
from cm.interfaces.volume import IPools, IVolumes


class INode(Protocol):
    """
    Everything of one node; ``drivers/open.py`` makes one from the node's URI. Calls connect by themselves.

    What may be called, from where and for how long, stands in ``calls.py``.
    """

    @property
    def name(self) -> str:
        """Ours, for errors."""

    @property
    def hypervisor(self) -> IHypervisor: ...

    @property
    def pools(self) -> IPools: ...

    @property
    def volumes(self) -> IVolumes: ...

    @property
    def disks(self) -> IDisks: ...

    @property
    def block_jobs(self) -> IBlockJobs: ...

    @property
    def migrations(self) -> IMigrations: ...

    @property
    def suspensions(self) -> ISuspensions: ...

    @property
    def networks(self) -> INetworks: ...

    @property
    def nics(self) -> INics: ...

    @property
    def streams(self) -> IStreams: ...

    @property
    def snapshots(self) -> ISnapshots: ...

    @property
    def guest_agents(self) -> IGuestAgents: ...

    @property
    def console_logs(self) -> IConsoleLogs: ...

    @property
    def variables(self) -> IVariables: ...

    @property
    def sizing(self) -> ISizing: ...

    @property
    def managed(self) -> IManaged: ...

    def open(self) -> NodeInfo:
        """
        Connect within the deadline and return the node's facts; repeatable.
        :raises NodeUnreachable: no answer in time.
        """

    def close(self) -> None:
        """Release connections and callbacks; repeatable. The provider is unusable afterwards."""


Opener = Callable[[str, str], INode]  # from a URI and our name of the node, without connecting
