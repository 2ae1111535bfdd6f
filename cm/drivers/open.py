"""A node's driver from its URI."""

from __future__ import annotations

from urllib.parse import urlsplit

from cm.drivers.memory.node import MemoryNode
from cm.interfaces.node import INode
from cm.rpc.errors import InvalidParameter


def open_node(uri: str, *, name: str, connect_timeout_s: float = 5.0, disk_cache: str = "none") -> INode:
    """
    A node's driver; nothing is connected yet.

    :param uri: libvirt's (``qemu+tls://node/system``, ``test:///default``), or ``memory:///world``: the same world
        for every driver of that URI in this process.
    :param name: our name of the node.
    :raises InvalidParameter: the URI leads nowhere that we know.
    """
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme == "memory":
        world = urlsplit(uri).path.strip("/")
        if not world:
            raise InvalidParameter("uri", "memory:///name needs a name")
        return MemoryNode.named(world, node=name)
    if scheme in ("qemu", "test"):
        # Imported here: whoever runs on memory nodes alone needs no libvirt.
        from cm.drivers.libvirt.node import LibvirtNode

        return LibvirtNode(uri, name=name, connect_timeout_s=connect_timeout_s, disk_cache=disk_cache)
    raise InvalidParameter("uri", f"the scheme {scheme!r} is not known")
