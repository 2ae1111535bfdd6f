"""
A small and a large cluster beside each other, on nodes in memory: 4 nodes with 10 VMs, and 500 nodes with 20,000 live
VMs and a million closed ones with all that their lives wrote. Both are the product's own processes on a PostgreSQL of
their own that writes durably; only the nodes are the provider without libvirt, in a process that outlives managers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import create_engine, text

from benchmarks.clusters import Settings, roomy_cloud
from benchmarks.population import all_passed
from cm.rpc.client import RpcClient
from lab import lives
from lab.cloud import DATABASE, Cloud
from lab.config import free_port
from lab.daemon import Daemon
from lab.processes import wait_until

SMALL_NODES, SMALL_LIVE = 4, 10
NODES, LIVE, CLOSED = 500, 20_000, 1_000_000
USERS, IMAGES = 200, 40
READERS = LIVE // USERS  # live VMs of the user who reads; the closed ones are fifty times as many
BULK = ["vm", "vm_run", "operation", "audit", "change", "placement", "hook_event", "request", "message", "drift"]
WRITING_S = 900


@dataclass
class Side:
    """One of the two clusters. ``reader`` owns VMs that stay, ``nobody`` none; ``demo`` makes and ends some."""

    name: str
    cloud: Cloud
    nodes: int
    live: int
    closed: int
    clients: dict[str, RpcClient] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)

    def call(self, who: str, method: str, params: dict[str, Any]) -> Any:
        return self.clients[who].call(method, params)


@contextmanager
def sides(settings: Settings) -> Iterator[tuple[Side, Side]]:
    part = 10 if settings.quick else 1
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(roomy_cloud(settings, SMALL_NODES, "memory", vms=vms, ports=200))
            for vms in (SMALL_LIVE + 1000, LIVE // part + 1000)
        )
        small = Side("small", few, SMALL_NODES, SMALL_LIVE, 0)
        large = Side("large", many, NODES // part, LIVE // part, CLOSED // part)
        for side in (small, large):
            _meet(side)
        for _ in range(small.live - 1):
            _make(small)
        _grow(large, settings)
        for side in (small, large):
            found = side.call("reader", "user.vm.get_list", {"limit": 1000})
            side.reads = [vm["vm_id"] for vm in found]
        yield small, large


def _meet(side: Side) -> None:
    """The people, and the first VM."""
    cloud = side.cloud
    password = cloud.credentials.user.password
    for login in ("reader", "nobody"):
        cloud.admin.call("admin.user.add", {
            "login": login, "password": password, "quota_cpu": 10**6, "quota_memory_mib": 10**9,
            "quota_storage_mib": 10**9, "quota_vms": 10**6,
        })  # fmt: skip
    _hello(side)
    _make(side)


def _hello(side: Side) -> None:
    cloud = side.cloud
    password = cloud.credentials.user.password
    side.clients = {"admin": cloud.admin, "demo": cloud.user}
    for login in ("reader", "nobody"):
        side.clients[login] = RpcClient(cloud.url, login, password, timeout_s=60)


def _make(side: Side) -> dict[str, Any]:
    """One more VM of the reader's, running."""
    cloud = side.cloud
    made = side.call("reader", "user.vm.create", {
        "name": "read", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_ids["tiny"],
    })[0]  # fmt: skip
    wait_until(lambda: _runs(side, made["vm_id"]), "a VM running", 60, pause=0.02)
    found: dict[str, Any] = made
    return found


def _runs(side: Side, vm_id: int) -> bool:
    return bool(side.call("reader", "user.vm.get_by_id", {"vm_id": vm_id})["state"] == "running")


def _grow(side: Side, settings: Settings) -> None:
    """What makes the large cluster large."""
    cloud, steps = side.cloud, settings.steps
    with steps.step(f"adding {side.nodes - SMALL_NODES} nodes"):
        for number in range(SMALL_NODES + 1, side.nodes + 1):
            node = cloud.farm.node(f"node{number}")
            told = {"name": node.name, "uri": node.uri, "address": node.address}
            node.node_id = cloud.admin.call("admin.node.add", told)["node_id"]
            cloud.nodes.append(node)
            cloud.admin.call("admin.storage.attach", {"storage_id": cloud.storage_id, "node_id": node.node_id})
        wait_until(lambda: _attached(cloud), "the storage on every node", 300, pause=0.3)
    cloud.stop_cm()
    model, uuid, node_id = cloud.sql("SELECT id, uuid, node_id FROM vm")[0]
    # Writing a million lives durably would prove nothing and take long.
    cloud.postgres.durable = False
    cloud.postgres.restart()
    engine = create_engine(cloud.postgres.url(DATABASE))
    try:
        _write(side, engine, int(model), settings)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(
                "SELECT v.id, v.uuid::text, n.name, p.port FROM vm v JOIN node n ON n.id = v.node_id"
                " JOIN vnc_port p ON p.vm_id = v.id WHERE v.closed_at IS NULL AND v.id <> :model"
            ), {"model": int(model)})]  # fmt: skip
        with steps.step("giving them domains"):
            world = next(node.name for node in cloud.nodes if node.node_id == int(node_id))
            cloud.farm.ask("", "populate", f"wawel-{cloud.storage_id}", (uuid, world), rows)
        with steps.step("vacuum"), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            lives.vacuum(connection)
    finally:
        engine.dispose()
    with steps.step("starting them durably"):
        cloud.postgres.durable = True
        cloud.postgres.restart()
        cloud.start_cm()
        wait_until(lambda: all_passed(cloud), "a pass over every node", 120, pause=0.3)


def _write(side: Side, engine: Any, model: int, settings: Settings) -> None:
    """Rows: first what lives, as its claims are counted by indexes; then the closed ones, without them."""
    cloud, steps = side.cloud, settings.steps
    reader = int(cloud.sql("SELECT id FROM account WHERE login = 'reader'")[0][0])
    gap = side.closed // side.live
    with steps.step(f"writing {side.live:,} live VMs"), engine.begin() as connection:
        users = lives.add_users(connection, USERS - 1)
        lives.add_images(connection, IMAGES - 1, cloud.image_id)
        lives.add_live(connection, side.live - 1, model, [reader, *users], first=model + 1, gap=gap)
        lives.write_summaries(connection, model)
    cloud.sql("ANALYZE")
    with steps.step(f"writing {side.closed:,} closed VMs"), engine.begin() as connection:
        with lives.triggers_off(connection), lives.indexes_off(connection, BULK):
            connection.execute(text(f"SET LOCAL statement_timeout = '{WRITING_S}s'"))
            lives.add_closed(
                connection, side.closed, model, users, reader, image=cloud.image_id,
                template=cloud.template_ids["tiny"], first=model + 1, gap=gap, every=USERS,
                changes=12, requests=5, week=7, month=30,
            )  # fmt: skip


def _attached(cloud: Cloud) -> bool:
    return cloud.sql("SELECT count(*) FROM storage_attachment WHERE state <> 'attached'") == [["0"]]


def another(cloud: Cloud, number: int) -> tuple[Daemon, str]:
    """One more process of a cluster manager on the same database, not started; and its URL."""
    port = free_port()
    config = cloud.base / f"cm-{number}.toml"
    lines = []
    for line in cloud.config.read_text().splitlines():
        name = line.partition(" = ")[0]
        # Nodes and guests have the first one's endpoint.
        told = {"rpc": f'rpc = "127.0.0.1:{port}"', "contextualization": 'contextualization = ""'}.get(name, line)
        lines.append(told)
    config.write_text("\n".join(lines) + "\n")
    return cloud.manager(f"wawel-cm-{number}", config), f"http://127.0.0.1:{port}"
