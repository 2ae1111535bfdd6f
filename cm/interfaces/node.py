"""All that a node's driver does."""

from __future__ import annotations

from cm.interfaces.hypervisor import IHypervisor, NodeInfo
from cm.interfaces.network import INetwork
from cm.interfaces.volume import IImageStore


class INodeDriver(IHypervisor, IImageStore, INetwork):
    """Everything of one node; ``drivers/open.py`` makes one from the node's URI. Calls connect by themselves."""

    def open() -> NodeInfo:
        """
        Connect within the deadline and return the node's facts; repeatable.
        :raises NodeUnreachable: no answer in time.
        """


def is_slow(method: str) -> bool:
    """
    Whether a call of a node's driver is slow.

    :raises KeyError: no driver has it.
    """
    return INodeDriver[method].queryTaggedValue("slow", False) is True


def is_lasting(method: str) -> bool:
    """Likewise, whether it may last for minutes."""
    return INodeDriver[method].queryTaggedValue("lasting", False) is True
