"""``INode`` by libvirt: its parts on the connections of one node."""

from __future__ import annotations

from cm.drivers.libvirt.block_job import LibvirtBlockJobs
from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.console_log import LibvirtConsoleLogs
from cm.drivers.libvirt.disk import LibvirtDisks
from cm.drivers.libvirt.guest_agent import LibvirtGuestAgents
from cm.drivers.libvirt.hypervisor import LibvirtHypervisor
from cm.drivers.libvirt.managed import LibvirtManaged
from cm.drivers.libvirt.migration import LibvirtMigrations
from cm.drivers.libvirt.network import LibvirtNetworks
from cm.drivers.libvirt.nic import LibvirtNics
from cm.drivers.libvirt.pool import LibvirtPools
from cm.drivers.libvirt.silence import Silence
from cm.drivers.libvirt.sizing import LibvirtSizing
from cm.drivers.libvirt.snapshot import LibvirtSnapshots
from cm.drivers.libvirt.stream import LibvirtStreams
from cm.drivers.libvirt.suspension import LibvirtSuspensions
from cm.drivers.libvirt.variables import LibvirtVariables
from cm.drivers.libvirt.volume import LibvirtVolumes
from cm.interfaces.hypervisor import NodeInfo


class LibvirtNode:
    """
    Calls connect by themselves and mend lost connections; while a node does not answer they raise ``NodeUnreachable``,
    at once during the back-off (0.1 s to 5 s) and within ``connect_timeout_s`` otherwise.

    :param uri: ``qemu+tcp://``, ``qemu+tls://``, ``qemu+ssh://``, ``qemu+unix://...?socket=``, ``qemu:///system``,
        ``test:///default``...
    :param name: our name of the node, for errors.
    :param disk_cache: QEMU's cache mode for writable disks.
    """

    def __init__(self, uri: str, *, name: str, connect_timeout_s: float = 5.0, disk_cache: str = "none") -> None:
        self.name = name
        self._connections = connections = Connections(uri, node=name, connect_timeout_s=connect_timeout_s)
        self.pools = LibvirtPools(connections)
        silence = Silence(connections, self.pools)
        self.hypervisor = LibvirtHypervisor(connections, silence, disk_cache=disk_cache)
        self.volumes = LibvirtVolumes(connections, self.pools)
        self.disks = LibvirtDisks(connections, disk_cache=disk_cache)
        self.block_jobs = LibvirtBlockJobs(connections)
        self.migrations = LibvirtMigrations(connections, disk_cache=disk_cache)
        self.suspensions = LibvirtSuspensions(connections, self.pools, self.hypervisor)
        self.networks = LibvirtNetworks(connections)
        self.nics = LibvirtNics(connections)
        self.streams = LibvirtStreams(connections)
        self.guest_agents = LibvirtGuestAgents(connections)
        self.console_logs = LibvirtConsoleLogs(connections)
        self.variables = LibvirtVariables(connections, self.console_logs)
        self.sizing = LibvirtSizing(connections)
        self.managed = LibvirtManaged(connections, silence)
        self.snapshots = LibvirtSnapshots(connections, self.hypervisor, disk_cache=disk_cache)

    def open(self) -> NodeInfo:
        """Connect; the facts are fresh each time."""
        return self.hypervisor.info()

    def close(self) -> None:
        self.hypervisor.unsubscribe()
        self._connections.close()
