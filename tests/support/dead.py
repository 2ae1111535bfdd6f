"""Nodes that do not answer any more, and an administrator who says that they are off."""

from __future__ import annotations

from typing import Any

from cm.drivers.memory.node import MemoryNode
from support.cloud import MemoryCloud


class Dead:
    """
    A node that does not answer any more.

    :param really: its power is gone, not the network alone.
    """

    def __init__(self, cloud: MemoryCloud, node_id: int, really: bool = True) -> None:
        self.cloud = cloud
        self.node_id = node_id
        self.memory: MemoryNode = cloud.memory[self.node_id]
        self.memory.unreachable = True
        if really:
            self.memory.power_cut()
        else:  # a storage that takes locks back from who is silent
            for domain in self.memory.world.domains.values():
                self.memory.world.let_go(domain)
        cloud.until(lambda: self.state() == "unreachable", "it is found silent")

    def state(self) -> Any:
        return self.cloud.sql("SELECT state FROM node WHERE id = :n", n=self.node_id)

    def fence(self, **more: Any) -> Any:
        return self.cloud.call("admin.node.fence", {"node_id": self.node_id, **more}, account="admin")

    def back(self) -> None:
        """It answers again, and is not said to before what was taken from it has ended there."""
        self.memory.unreachable = False
        self.cloud.until(lambda: self.state() == "ok", "it answers")


def place_of(cloud: MemoryCloud, vm_id: int) -> int:
    return int(cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=vm_id))


def domains(cloud: MemoryCloud) -> list[tuple[int, str]]:
    return sorted((node_id, uuid) for node_id, node in cloud.memory.items() for uuid in node.world.domains)
