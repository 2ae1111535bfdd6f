"""A cluster manager without its reactor: views through the executor, operations through the engine, all inline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import text
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from cm.drivers.memory.node import MemoryNode
from cm.drivers.memory.volume import forget_exports
from cm.drivers.open import open_node
from cm.operations import image_delete, image_import, storage_attach
from cm.operations.engine import Engine
from cm.rpc.caller import ANONYMOUS, Identity, LocalCaller
from cm.rpc.gate import PasswordGate
from cm.rpc.keys import ensure_signing_key
from cm.rpc.view import Registry
from cm.rpc.vocabulary import Role
from cm.runtime.database import Database
from cm.runtime.execute import Executor
from cm.runtime.logins import LoginTrail
from cm.runtime.threads import InlineThreads, IThreads
from cm.services.authenticator import DatabaseAuthenticator
from cm.services.context import AsyncClusterCall, ClusterCall, ClusterPolicy, Services
from cm.services.fleet import Fleet
from cm.store.leak import leaks
from cm.store.worker import register_worker
from support.rows import IMAGE, OWN_DISK, image_values

KINDS = (image_delete, image_import, storage_attach)
REGISTRY = Registry.collect("cm.views")
TABLES = ("account", "node", "storage", "storage_attachment", "address_pool", "network", "network_lease", "template",
          "image", "volume", "disk", "attachment")  # fmt: skip


def ended(coroutine: Any) -> Any:
    """What a coroutine gives that has nothing to wait for."""
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    assert results, "it still waits"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


class Bench:
    """``admin`` and ``user`` are the identities of two local accounts."""

    node_id = 0  # of what a test has built first
    storage_id = 0

    def __init__(self, url: str, directory: Path) -> None:
        threads = cast(IThreads, InlineThreads())
        self.database = Database(url, threads)
        self.images = directory / "images"
        self.images.mkdir()
        self.policy = ClusterPolicy(
            name="krakow",
            secret=b"s" * 32,
            staging_dir=directory / "staging",
            import_dirs=(self.images,),
            import_networks=("127.0.0.0/8",),
            vnc_ports=4,
            storage_overcommit=2.0,
            quota_storage_mib=100,
        )
        self.opener: Any = lambda uri, name: open_node(uri, name=name)
        fleet = Fleet(self.database, threads, lambda uri, name: self.opener(uri, name))
        gate, logins = PasswordGate(threads), LoginTrail(self.database, Clock())
        key = ensure_signing_key(directory / "own.key", "session")
        authenticator = DatabaseAuthenticator(self.database, self.policy, gate, logins, key)
        signals: Any = None  # nobody notifies: what waits for that has a real manager
        self.services = Services(self.database, threads, fleet, self.policy, signals, gate, logins, authenticator)
        self.executor = Executor(self.services, ClusterCall, AsyncClusterCall)
        self.worker_id = self.database.transact_now(register_worker, "test")
        self.clock = Clock()
        self.engine = Engine(self.services, self.clock, self.worker_id)
        nobody = Identity(0, "setup", frozenset({Role.ADMIN}))
        self.admin = nobody
        made = self.call("admin.user.add", login="root", is_admin=True)
        self.admin = Identity(made["user_id"], "root", frozenset({Role.ADMIN}))
        made = self.call("admin.user.add", login="ala")
        self.user = Identity(made["user_id"], "ala", frozenset({Role.USER}))

    def call(self, method: str, *positional: Any, by: Identity | None = None, **named: Any) -> Any:
        """The plain result of a view, or its refusal raised."""
        caller = LocalCaller(REGISTRY, self.executor.execute, by or self.admin)
        return ended(caller.call(method, list(positional) if positional else named))

    def anonymous(self, method: str, **named: Any) -> Any:
        return self.call(method, by=ANONYMOUS, **named)

    def work(self) -> None:
        """Let the engine do all that is due."""
        self.engine.wake()
        self.clock.advance(0)  # it looks behind whatever woke it

    def operation(self, operation_id: int, within_s: float = 10.0) -> Any:
        """The operation once it has ended."""
        deadline = time.monotonic() + within_s
        while True:
            self.work()
            found = self.call("admin.operation.get", operation_id=operation_id)
            if found["state"] in ("done", "failed", "abandoned") or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def sql(self, statement: str, **parameters: Any) -> Any:
        return self.database.read_now(lambda session: session.scalar(text(statement), parameters))

    def change(self, statement: str, **parameters: Any) -> None:
        self.database.transact_now(lambda session: session.execute(text(statement), parameters) and None)

    def image(self, storage_id: int, *, account_id: int | None = None, **more: Any) -> int:
        """A row of the catalogue: a system image of the user's, unless it is said otherwise."""
        values = image_values(
            account_id or self.user.account_id, storage_id, **{"volume": "v", "format": "raw", **more}
        )
        return int(self.database.transact_now(lambda session: session.scalar(text(IMAGE), values)))

    def trace(self) -> dict[str, Any]:
        """Everything that a refusal or a dry run must leave as it was."""
        return {table: self.sql(f"SELECT json_agg(t ORDER BY t::text)::text FROM {table} t") for table in TABLES} | {
            table: self.sql(f"SELECT count(*) FROM {table}") for table in ("operation", "change", "vnc_port", "audit")
        }

    def leaks(self) -> list[dict[str, str]]:
        return self.database.read_now(leaks)

    # -------------------------------------------------------------- builders

    def node(self, name: str = "node-1", **values: Any) -> int:
        values = {"uri": f"memory:///{name}", "address": "192.0.2.1", **values}
        return int(self.call("admin.node.add", name=name, **values)["node_id"])

    def memory(self, name: str) -> MemoryNode:
        return MemoryNode.named(name)

    def storage(self, node_id: int, name: str = "main") -> int:
        """A storage that is attached to a node."""
        made = self.call("admin.storage.add", name=name, kind="netfs", path=f"/srv/{name}", address="nas", source="/x")
        answer = self.call("admin.storage.attach", storage_id=made["storage_id"], node_id=node_id)
        assert self.operation(answer["operation_id"])["state"] == "done"
        return int(made["storage_id"])

    def vm(self, node_id: int, storage_id: int, image_id: int, account_id: int | None = None) -> int:
        """Rows of a live VM with an overlay of 1 MiB, its claims included."""
        account_id = account_id or self.user.account_id
        template_id = self.call("admin.template.add", name=f"t{time.monotonic_ns()}", memory_mib=64)["template_id"]
        vm_id = self.database.transact_now(_insert_vm, account_id, node_id, storage_id, image_id, template_id)
        return int(vm_id)

    def close(self) -> None:
        self.database.close()
        MemoryNode.forget_all()
        forget_exports()


def _insert_vm(session: Any, account_id: int, node_id: int, storage_id: int, image_id: int, template_id: int) -> int:
    values = {"a": account_id, "n": node_id, "i": image_id, "t": template_id, "s": storage_id, "size": 2**20}
    vm_id = session.scalar(
        text(
            "INSERT INTO vm (name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, node_id,"
            " node_claimed) VALUES ('vm', :a, :i, :t, gen_random_uuid(), 1, 64, 'x', :n, true) RETURNING id"
        ),
        values,
    )
    session.execute(text(OWN_DISK), {"vm_id": vm_id, "storage_id": storage_id, "size_bytes": values["size"]})
    session.execute(
        text(
            "UPDATE account SET used_cpu = used_cpu + 1, used_memory_mib = used_memory_mib + 64,"
            " used_storage_mib = used_storage_mib + 1, used_vms = used_vms + 1 WHERE id = :a"
        ),
        values,
    )
    session.execute(text("UPDATE storage SET claimed_bytes = claimed_bytes + :size WHERE id = :s"), values)
    session.execute(
        text(
            "UPDATE node SET cpu_used = cpu_used + 1, memory_mib_used = memory_mib_used + 64, vms_used = vms_used + 1"
            " WHERE id = :n"
        ),
        values,
    )
    return int(vm_id)


@pytest.fixture
def cluster_bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """For a module's ``bench``, where none is built first: in ``conftest.py`` that is a cloud's."""
    made = Bench(database_url, tmp_path)
    yield made
    made.close()
