"""The cluster that every simulation begins with: its people, network, storage, nodes, images and template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from cm.rpc.vocabulary import DiskFormat
from contextualization.wire import Exchange
from support.rows import add_image

if TYPE_CHECKING:
    from simulation.simulation import Simulation

LOGINS: Final = ("ann", "bob", "eve")
# The images that are there from the start, for all, with their kinds.
STANDING: Final = {"tiny": "system", "tools": "iso", "data 1": "storage", "data 2": "storage"}
ELSEWHERE: Final = "tiny elsewhere"  # where there is another storage: an image there, and "data 3"


def settle(simulation: Simulation) -> None:
    simulation.run_for(0.5)
    # A cloud's people come from there.
    for login in ("admin", *(() if simulation._clouds else LOGINS)):
        simulation.users[login] = simulation.sql(
            "INSERT INTO account (login, is_admin, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms)"
            " VALUES (:login, :admin, 30, 30000, 1000000, 14) RETURNING id",
            login=login,
            admin=login == "admin",
        )[0].id
    added = simulation.call("admin.network.add", {"name": "net", "network": "10.128.0.0/24"})
    simulation.network_id = added["pool_id"]
    # Network storages: every node reaches every disk.
    simulation.storage_ids = [
        simulation.call(
            "admin.storage.add",
            {"name": name, "kind": "netfs", "path": f"/srv/{name}", "address": "nas", "source": f"/{where}"},
        )["storage_id"]
        for name, where in (("main", simulation.name), ("more", f"{simulation.name}-more"))[: simulation._storages]
    ]
    simulation.storage_id = simulation.storage_ids[0]
    for node in simulation.nodes[: simulation._node_count]:
        added = simulation.call(
            "admin.node.add", {"name": node.name, "uri": f"memory:///{node.world_name}", "address": node.address}
        )
        node.node_id = added["node_id"]
        simulation.by_id[node.node_id] = node
        token = simulation.call("admin.node.enrol", {"node_id": node.node_id})["token"]
        process = simulation.some_process()
        assert process is not None
        body = json.dumps({"token": token, "hostname": node.name, "boot_id": node.agent.boot_id}).encode()
        told = process.run(
            lambda process=process, body=body: Deferred.fromCoroutine(
                process.endpoint.answer(Exchange("POST", "/node/enrol", {}, body))
            )
        )
        node.agent.enrolled(json.loads(simulation.result(told).body)["credential"])
        for storage_id in simulation.storage_ids:
            simulation.call("admin.storage.attach", {"storage_id": storage_id, "node_id": node.node_id})
        if simulation._own:
            own = {"name": f"own {node.name}", "kind": "dir", "path": "/srv/own", "node_id": node.node_id}
            storage_id = simulation.call("admin.storage.add", own)["storage_id"]
            simulation.call("admin.storage.attach", {"storage_id": storage_id, "node_id": node.node_id})
            simulation.local[node.node_id] = storage_id
    simulation.run_for(5)
    simulation.pool = f"wawel-{simulation.storage_id}"
    storages = simulation.nodes[0].memory.world.storages
    simulation.shares = [storages.share(f"wawel-{storage_id}") for storage_id in simulation.storage_ids]
    simulation.share = simulation.shares[0]
    made = [_image(simulation, *named) for named in STANDING.items()]
    simulation.image_id, simulation.iso_id, *simulation.disk_ids = made
    simulation.image_ids = [simulation.image_id]
    for number in range(1, len(simulation.storage_ids)):
        simulation.image_ids.append(_image(simulation, ELSEWHERE, "system", number))
        simulation.disk_ids.append(_image(simulation, "data 3", "storage", number))
    template = simulation.call("admin.template.add", {"name": "small", "cpu": 1, "memory_mib": 512, "points": 7})
    simulation.template_id = template["template_id"]
    simulation.sql("UPDATE storage SET capacity_bytes = 1099511627776, offered = true")
    for node in simulation.members():
        assert simulation.sql("SELECT hooks FROM node WHERE id = :id", id=node.node_id)[0].hooks
    simulation.note("begins")


def _image(simulation: Simulation, name: str, kind: str, storage: int = 0) -> int:
    """One that is there from the start, for all."""
    number = simulation.sql("SELECT count(*) + 1 FROM image")[0][0]
    format_ = DiskFormat.RAW if kind == "iso" else DiskFormat.QCOW2
    volume = f"image-{number}.{'iso' if kind == 'iso' else 'qcow2'}"
    pool = f"wawel-{simulation.storage_ids[storage]}"
    simulation.nodes[0].memory.volumes.create_empty(pool, volume, format_, 64 * 2**20)
    if kind == "system":
        simulation.shares[storage].volumes[volume].content = f"boots: {name};".encode()
    made = add_image(
        simulation.sql, simulation.users["admin"], simulation.storage_ids[storage], volume, name=name, kind=kind,
        format=str(format_), size_bytes=64 * 2**20, access="public",
    )  # fmt: skip
    return int(made[0].id)
