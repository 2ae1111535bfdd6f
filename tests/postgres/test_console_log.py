"""What VMs wrote to their serial consoles: on which node it is, who may still read it, and when it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cm.drivers.memory.node import MemoryNode
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import NodeUnreachable, VolumeNotFound
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.rules.names import console_path, console_volume
from cm.services.console_log import sweep_node
from cm.store.prune import Retention, prune_table
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, at_database, run


class Desk:
    """Two nodes that share their storage."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        self.pool = f"wawel-{cloud.storage_id}"
        for node in cloud.memory.values():
            node.pools.attach(StorageSpec(self.pool, StorageKind.NETFS, "/srv/main", "filer", f"/{cloud.world}"))
        node.volumes.create_empty(self.pool, "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)

    def start(self, name: str) -> dict[str, Any]:
        return self.cloud.wait(self.cloud.create(name=name)["vm_id"], "running")

    def node_id(self, vm: dict[str, Any]) -> int:
        return self.cloud.sql("SELECT console_node_id FROM vm WHERE id = :i", i=vm["vm_id"])

    def write(self, vm: dict[str, Any], what: bytes) -> None:
        self.cloud.memory[self.node_id(vm)].write_console(vm["uuid"], what)

    def read(self, vm: dict[str, Any]) -> str:
        return self.cloud.call("user.vm.get_console", [vm["vm_id"]])

    def logs(self, node_id: int) -> set[str]:
        """What the node has, by the paths."""
        return set(self.cloud.memory[node_id].world.logs)

    def on_storage(self) -> set[str]:
        return {volume.name for volume in next(iter(self.cloud.memory.values())).volumes.list_all(self.pool)}

    def end(self, vm: dict[str, Any], what: str, state: str) -> None:
        self.cloud.call(f"user.vm.{what}", [vm["vm_id"]] if what != "destroy" else [[vm["vm_id"]]])
        self.cloud.wait(vm["vm_id"], state)

    def sweep(self, node_id: int) -> list[str]:
        return run(lambda: sweep_node(self.cloud.manager.services, node_id))


@pytest.fixture(scope="module")
def desk(postgres: PrivatePostgres, tmp_path_factory: Any) -> Iterator[Desk]:
    with at_database(postgres, tmp_path_factory, "console_logs", nodes=2) as cloud:
        yield Desk(cloud)


def test_on_the_node(desk: Desk) -> None:
    """A console is logged to its node's own directory, not to a storage; over a restart the log goes on; the VM's end
    deletes it."""
    vm = desk.start("logged")
    node_id, log = desk.node_id(vm), console_path(vm["uuid"])
    described = desk.cloud.memory[node_id].hypervisor.describe(vm["uuid"])
    assert described is not None and described.console_log == log
    desk.write(vm, b"first ")
    assert desk.read(vm) == "first "
    assert log in desk.logs(node_id) and console_volume(vm["uuid"]) not in desk.on_storage()
    desk.end(vm, "stop", "stopped")
    assert desk.read(vm) == "first ", "it is read while the VM is placed nowhere"
    other = next(each for each in desk.cloud.node_ids if each != node_id)
    desk.cloud.call("admin.node.lock", [other], account="admin")
    try:
        desk.end(vm, "start", "running")
    finally:
        desk.cloud.call("admin.node.unlock", [other], account="admin")
    desk.write(vm, b"second")
    assert desk.read(vm) == "first second"
    desk.end(vm, "destroy", "destroyed")
    assert log not in desk.logs(node_id)
    with pytest.raises(VolumeNotFound):
        desk.read(vm)


def test_elsewhere(desk: Desk) -> None:
    """A VM that is started on another node has its log there, and the first one's goes; a sweep deletes what was left
    behind all the same, and of what runs or is on record there, or is not known, nothing."""
    vm, stays = desk.start("moves"), desk.start("stays")
    first, log = desk.node_id(vm), console_path(vm["uuid"])
    desk.write(vm, b"before")
    strange = console_path("00000000-0000-4000-8000-000000000001")
    logs = desk.cloud.memory[first].world.logs
    logs |= {strange: b"", f"{log}.0": b""}
    assert desk.sweep(first) == []
    # Its driver fails once when the VM has been launched elsewhere.
    desk.cloud.memory[first].fail_next("delete", NodeUnreachable("first", "Connection reset by peer"))
    desk.end(vm, "stop", "stopped")
    desk.cloud.call("admin.node.lock", [first], account="admin")
    try:
        desk.end(vm, "start", "running")
    finally:
        desk.cloud.call("admin.node.unlock", [first], account="admin")
    second = desk.node_id(vm)
    assert second != first and log in desk.logs(first)
    desk.write(vm, b"after")
    assert desk.read(vm) == "after"
    # Whatever the records say: a domain that runs on the node writes there.
    desk.cloud.sql("UPDATE vm SET console_node_id = :n WHERE id = :i", n=first, i=vm["vm_id"])
    desk.cloud.sql("INSERT INTO console_leftover (vm_id, node_id) VALUES (:i, :n)", n=second, i=vm["vm_id"])
    assert desk.sweep(second) == []
    desk.cloud.sql("UPDATE vm SET console_node_id = :n WHERE id = :i", n=second, i=vm["vm_id"])
    desk.cloud.sql("DELETE FROM console_leftover WHERE node_id = :n", n=second)
    assert desk.sweep(first) == [vm["uuid"]]
    assert desk.sweep(first) == desk.sweep(second) == []
    assert strange in desk.logs(first) and log in desk.logs(second)
    assert not {log, f"{log}.0"} & desk.logs(first)
    assert console_path(stays["uuid"]) in desk.logs(desk.node_id(stays))
    for each in (vm, stays):
        desk.end(each, "destroy", "destroyed")


def test_node_away(desk: Desk) -> None:
    """An end waits for no log: that of a node that does not answer goes when it is swept."""
    vm = desk.start("away")
    node_id, log = desk.node_id(vm), console_path(vm["uuid"])
    desk.end(vm, "stop", "stopped")
    away = desk.cloud.memory[node_id]
    away.unreachable = True
    try:
        desk.cloud.until(lambda: desk.cloud.sql("SELECT state <> 'ok' FROM node WHERE id = :n", n=node_id), "noticed")
        with pytest.raises(NodeUnreachable):
            desk.read(vm)
        desk.end(vm, "destroy", "destroyed")
    finally:
        away.unreachable = False
    assert log in desk.logs(node_id)
    assert desk.sweep(node_id) == [], "who ended a moment ago may be looked at still"
    desk.cloud.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE id = :i", i=vm["vm_id"])
    assert desk.sweep(node_id) == [vm["uuid"]]
    assert log not in desk.logs(node_id)
    desk.cloud.until(lambda: desk.cloud.sql("SELECT state = 'ok' FROM node WHERE id = :n", n=node_id), "it is back")


def test_node_back(desk: Desk) -> None:
    """The files of a node that is taken out stay there. Once its machine is a node again, a sweep deletes what nobody
    can ask for any more, and nothing of what is logged there since."""
    cloud = desk.cloud
    about = {"name": "n9", "uri": f"memory:///{cloud.world}-n9", "address": "192.0.2.9"}
    ended, lives = desk.start("ended"), desk.start("lives")
    place = desk.node_id(lives)
    desk.end(ended, "destroy", "destroyed")
    was = cloud.call("admin.node.add", about, account="admin")["node_id"]
    logs = MemoryNode.named(f"{cloud.world}-n9", node="n9").world.logs
    for vm in (ended, lives):
        logs[console_path(vm["uuid"])] = b""
        cloud.sql("INSERT INTO console_leftover (vm_id, node_id) VALUES (:i, :n)", n=was, i=vm["vm_id"])
    cloud.sql("UPDATE vm SET closed_at = closed_at - interval '1 hour' WHERE id = :i", i=ended["vm_id"])
    cloud.call("admin.node.delete", [was], account="admin")
    assert cloud.manager.database.transact_now(prune_table, "console_leftover", Retention()) == 0
    node_id = cloud.call("admin.node.add", about, account="admin")["node_id"]
    assert node_id != was
    cloud.sql("UPDATE vm SET console_node_id = :n WHERE id = :i", n=node_id, i=lives["vm_id"])
    assert desk.sweep(node_id) == [ended["uuid"]] and desk.sweep(node_id) == []
    assert set(logs) == {console_path(lives["uuid"])}
    cloud.sql("UPDATE vm SET console_node_id = :n WHERE id = :i", n=place, i=lives["vm_id"])
    assert desk.sweep(node_id) == [lives["uuid"]] and not logs
    assert cloud.sql("SELECT count(*) FROM console_leftover") == 0
    desk.end(lives, "destroy", "destroyed")


def test_from_before(desk: Desk) -> None:
    """What an older version launched logs beside its disk until its next start; then the storage's pass takes that."""
    vm = desk.start("older")
    log = console_volume(vm["uuid"])
    node = desk.cloud.memory[desk.node_id(vm)]
    node.volumes.create_empty(desk.pool, log, DiskFormat.RAW, 0)
    desk.cloud.sql("UPDATE vm SET console_node_id = NULL WHERE id = :i", i=vm["vm_id"])
    node.world.storages.append(f"/srv/main/{log}", b"of old")
    assert desk.read(vm) == "of old"
    run(desk.cloud.manager.reconciler.check_storages)
    assert log in desk.on_storage()
    desk.end(vm, "stop", "stopped")
    assert desk.read(vm) == "of old"
    desk.end(vm, "start", "running")
    desk.write(vm, b"new")
    assert desk.read(vm).endswith("new") and "old" not in desk.read(vm)
    run(desk.cloud.manager.reconciler.check_storages)
    assert log not in desk.on_storage() and desk.cloud.call("admin.drift.get_list", account="admin") == []
    desk.end(vm, "destroy", "destroyed")
