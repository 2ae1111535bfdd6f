"""
A small cluster at rest, as the template of databases: two accounts, a VM that runs, one that is stopped, one that is
shared, images of each kind, and a quota with room for one more. And what remains after two calls, in words that do not
depend on who came first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from cm.daemon.app import ClusterManager
from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.errors import CloudError
from cm.rpc.vocabulary import Role
from cm.runtime.database import Database
from cm.runtime.execute import Executor
from cm.services.context import AsyncClusterCall, ClusterCall
from cm.store.leak import leaks
from support.cloud import MemoryCloud

# Ordered, and with names in place of ids, which differ by who was first.
REMAINS: Mapping[str, str] = {
    "vms": "SELECT v.name, v.wanted, v.seen, v.closed_at IS NOT NULL, v.description, v.vnc_enabled, v.save_name,"
    " v.node_id IS NOT NULL FROM vm v ORDER BY 1, 2, 3, 4, 5",
    "work": "SELECT o.kind, o.state, v.name, i.name FROM operation o LEFT JOIN vm v ON v.id = o.vm_id"
    " LEFT JOIN image i ON i.id = CAST(o.objects->'image'->>0 AS bigint)"
    " WHERE o.finished_at IS NULL OR o.state = 'abandoned' ORDER BY 1, 2, 3, 4",
    "images": "SELECT name, kind, state, access, deleted_at IS NOT NULL FROM image ORDER BY 1, 2, 3",
    "attached": "SELECT v.name, i.name, a.read_only FROM attachment a JOIN vm v ON v.id = a.vm_id"
    " JOIN disk k ON k.id = a.disk_id JOIN image i ON i.id = k.image_id ORDER BY 1, 2",
    "accounts": "SELECT login, active, deleted_at IS NOT NULL, used_cpu, used_memory_mib, used_storage_mib, used_vms,"
    " quota_vms FROM account ORDER BY 1",
    "nodes": "SELECT sum(cpu_used), sum(memory_mib_used), sum(vms_used), count(*) FILTER (WHERE locked),"
    " count(*) FILTER (WHERE deleted_at IS NOT NULL) FROM node",
    "storages": "SELECT name, claimed_bytes, locked, deleted_at IS NOT NULL FROM storage ORDER BY 1",
    "networks": "SELECT p.name, p.locked, count(l.nic_id) FROM network p LEFT JOIN network_lease l"
    " ON l.network_id = p.id GROUP BY 1, 2 ORDER BY 1",
    "templates": "SELECT name, deleted_at IS NOT NULL FROM template ORDER BY 1",
    "shared": "SELECT kind, account_id, level FROM acl ORDER BY 1, 2, 3",
    "told": "SELECT method FROM audit ORDER BY 1",
}


@dataclass
class World:
    """
    :ivar ids: of what the calls are about, by name.
    """

    manager: ClusterManager
    ids: dict[str, int] = field(default_factory=dict)

    def work(self, who: str, method: str, params: Mapping[str, Any]) -> Any:
        """A call, to be made with a database: what it ends with, in a word."""
        role = Role.ADMIN if who == "admin" else Role.USER
        identity = Identity(self.ids[who], who, frozenset({role}))

        def call(database: Database) -> str:
            services: Any = SimpleNamespace(database=database, policy=self.manager.policy)
            executor = Executor(services, ClusterCall, AsyncClusterCall)
            caller = LocalCaller(self.manager.registry, executor.execute, identity)
            # Nothing in it waits but for the database, whose threads are inline here.
            running = caller.call(method, params)
            try:
                running.send(None)
            except StopIteration as ended:
                return worded(ended.value)
            except CloudError as error:
                return error.code
            raise AssertionError(f"{method} waits for something else than the database")

        return call


def worded(result: Any) -> str:
    """Of calls on several VMs each has an end of its own."""
    if isinstance(result, list) and result and isinstance(result[0], dict) and "status" in result[0]:
        return " ".join(str(each.get("error", {}).get("slug") or each["status"]) for each in result)
    return "ok"


def remains(url: str) -> tuple[dict[str, list[tuple[Any, ...]]], list[Any]]:
    """What is there now, and what leaks."""
    engine = create_engine(url, poolclass=NullPool)
    with Session(engine) as session:
        there = {name: [tuple(row) for row in session.execute(text(statement))] for name, statement in REMAINS.items()}
        return there, leaks(session)


def fill(cloud: MemoryCloud) -> World:
    """Make it, and stop what works on it."""
    world = World(cloud.manager, {"admin": cloud.admin_id, "user": cloud.user_id, "other": cloud.other_id})
    ids = world.ids
    ids.update(image=cloud.image_id, template=cloud.template_id, storage=cloud.storage_id)
    ids.update(node=cloud.node_ids[0])
    ids["network"] = cloud.sql("SELECT id FROM network")
    for name in ("runs", "rests", "shared"):
        ids[name] = cloud.create(name=name)["vm_id"]
        cloud.wait(ids[name], "running")
    cloud.call("user.vm.stop", [ids["rests"]])
    cloud.wait(ids["rests"], "stopped")
    cloud.call("user.acl.set", {"kind": "vm", "object_id": ids["shared"], "level": "operator", "login": "other"})
    for kind in ("system", "storage", "iso"):
        ids["storage_image" if kind == "storage" else kind] = cloud.image(f"x-{kind}", kind=kind, name=kind)
    cloud.sql("UPDATE account SET quota_vms = 4 WHERE login = 'user'")
    assert cloud.leaks() == []
    cloud.stop()
    return world
