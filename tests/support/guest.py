"""A VM whose disks a guest writes to, in memory."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from cm.drivers.memory.volume import Volume
from support.cloud import MemoryCloud

MIB = 2**20


def rows(cloud: MemoryCloud, statement: str, **values: Any) -> list[Any]:
    with cloud.manager.database.engine.begin() as connection:
        return list(connection.execute(text(statement), values))


class Guest:
    """A VM whose root disk and data disk a guest writes to."""

    def __init__(self, cloud: MemoryCloud, **more: Any) -> None:
        self.cloud = cloud
        self.vm_id: int = cloud.create(**more)["vm_id"]
        cloud.wait(self.vm_id, "running")
        self.uuid: str = cloud.vm(self.vm_id)["uuid"]

    @property
    def node(self) -> Any:
        node_id = self.cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=self.vm_id)
        return self.cloud.memory[node_id]

    def disk_id(self, number: int = 0) -> int:
        return self.cloud.sql("SELECT disk_id FROM attachment WHERE vm_id = :v AND number = :n", v=self.vm_id, n=number)

    def volume(self, number: int = 0) -> Volume:
        """What the running domain writes to."""
        world = self.node.world
        disk = world.domains[self.uuid].running.disks[number]
        volume: Volume = world.storages.behind(disk.path)
        assert volume.writer == self.uuid
        return volume

    def write(self, what: str, number: int = 0) -> None:
        self.volume(number).content += what.encode()

    def read(self, number: int = 0) -> str:
        """What is written since the image, by what the rows say."""
        (row,) = rows(
            self.cloud,
            "SELECT u.storage_id, u.name FROM disk k JOIN volume u ON u.id = k.volume_id WHERE k.id = :d",
            d=self.disk_id(number),
        )
        storages = next(iter(self.cloud.memory.values())).world.storages
        pool = f"wawel-{row.storage_id}"
        whole: bytes = storages.whole(pool, storages.source(pool, row.name))
        return whole.decode()

    def stop(self) -> None:
        self.cloud.call("user.vm.stop", {"vm_id": self.vm_id})
        self.cloud.wait(self.vm_id, "stopped")

    def start(self) -> None:
        self.cloud.call("user.vm.start", {"vm_id": self.vm_id})
        self.cloud.wait(self.vm_id, "running")

    def destroy(self) -> None:
        self.cloud.call("user.vm.destroy", {"vm_ids": [self.vm_id]})
        self.cloud.wait(self.vm_id, "destroyed")


def share_storages(cloud: MemoryCloud) -> None:
    """As it is on a true one: what one node writes the others have."""
    shared = cloud.memory[cloud.node_ids[0]].world.storages
    for memory in cloud.memory.values():
        memory.world.storages._directories = shared._directories
        memory.world.storages._pools.update(shared._pools)


def done(cloud: MemoryCloud, method: str, **params: Any) -> Any:
    """A call, and its operation's good end."""
    answer = cloud.call(method, params)
    ended = cloud.ended(answer["operation_id"])
    assert (ended["state"], ended["text"]) == ("done", ""), ended
    return answer


def snapshot(guest: Guest, **more: Any) -> int:
    answer = done(guest.cloud, "user.disk.create_snapshot", disk_id=guest.disk_id(), name="before", **more)
    (made,) = answer["snapshot_ids"]
    return int(made)


def used(cloud: MemoryCloud) -> tuple[int, int]:
    (row,) = rows(
        cloud,
        "SELECT a.used_storage_mib, s.claimed_bytes FROM account a, storage s WHERE a.login = 'user' AND s.id = :s",
        s=cloud.storage_id,
    )
    return tuple(row)


def check_balance(cloud: MemoryCloud) -> None:
    """The books balance, and every volume on record is there and no other."""
    assert cloud.leaks() == []
    for node in cloud.memory.values():
        there = {volume.name for volume in node.volumes.list_all(f"wawel-{cloud.storage_id}")}
        on_record = {row.name for row in rows(cloud, "SELECT name FROM volume WHERE made")}
        assert {name for name in there if "console" not in name} == on_record
