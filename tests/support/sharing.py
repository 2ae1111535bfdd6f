"""A cluster whose nodes share their storage, as moves of VMs between nodes want it."""

from __future__ import annotations

from typing import Any

from cm.interfaces.volume import StorageSpec
from cm.rpc.vocabulary import DiskFormat, StorageKind
from support.cloud import MemoryCloud


class SharingCloud(MemoryCloud):
    """Its other nodes are locked as long as VMs are made."""

    def begin(self, vms: int = 1, **more: Any) -> list[int]:
        """VMs that run on the first node, when the others are open again; their ids."""
        pool = f"wawel-{self.storage_id}"
        for memory in self.memory.values():
            memory.pools.attach(StorageSpec(pool, StorageKind.NETFS, "/srv/main", "filer", f"/export/{self.world}"))
        next(iter(self.memory.values())).volumes.create_empty(pool, "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)
        self.sql("UPDATE node SET locked = id <> :n", n=self.first)
        made = [self.create(name=f"vm{n}", **more)["vm_id"] for n in range(vms)]
        for vm_id in made:
            self.wait(vm_id, "running")
        self.sql("UPDATE node SET locked = false")
        return made

    @property
    def first(self) -> int:
        return self.node_ids[0]
