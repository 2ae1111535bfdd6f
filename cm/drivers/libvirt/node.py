"""``INodeDriver`` by libvirt: hypervisor, images and networks on the connections of one node."""

from __future__ import annotations

from zope.interface import implementer

from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.hypervisor import LibvirtHypervisor
from cm.drivers.libvirt.images import LibvirtImages
from cm.drivers.libvirt.network import LibvirtNetworks
from cm.interfaces.hypervisor import NodeInfo
from cm.interfaces.node import INodeDriver


@implementer(INodeDriver)
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
        connections = Connections(uri, node=name, connect_timeout_s=connect_timeout_s)
        self._hypervisor = hypervisor = LibvirtHypervisor(connections, disk_cache=disk_cache)
        images = LibvirtImages(connections)
        networks = LibvirtNetworks(connections)
        self.name = name

        self.info = hypervisor.info
        self.domains = hypervisor.domains
        self.look = hypervisor.look
        self.describe = hypervisor.describe
        self.define = hypervisor.define
        self.start = hypervisor.start
        self.destroy = hypervisor.destroy
        self.shutdown = hypervisor.shutdown
        self.reset = hypervisor.reset
        self.pause = hypervisor.pause
        self.resume = hypervisor.resume
        self.undefine = hypervisor.undefine
        self.set_vnc = hypervisor.set_vnc
        self.subscribe = hypervisor.subscribe
        self.close = hypervisor.close

        self.attach = images.attach
        self.detach = images.detach
        self.usage = images.usage
        self.volumes = images.volumes
        self.find = images.find
        self.create_overlay = images.create_overlay
        self.create_copy = images.create_copy
        self.create_empty = images.create_empty
        self.upload = images.upload
        self.read_tail = images.read_tail
        self.delete = images.delete

        self.ensure = networks.ensure
        self.remove = networks.remove

    def open(self) -> NodeInfo:
        """Connect; the facts are fresh each time."""
        return self._hypervisor.info()
