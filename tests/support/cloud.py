"""A whole cluster in this process: the production code on memory nodes, a real reactor in a thread, a real database."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from cm.daemon.app import ClusterManager
from cm.daemon.settings import (
    ClusterSettings,
    DatabaseSettings,
    ImportSettings,
    ListenSettings,
    MonitoringSettings,
    Settings,
)
from cm.drivers.memory.node import MemoryNode
from cm.drivers.open import open_node
from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.vocabulary import Role
from support.rows import add_image

reactor: Any = installed
_started = threading.Lock()
_thread: threading.Thread | None = None


def run(function: Callable[[], Any], deadline_s: float = 60.0) -> Any:
    """Run a coroutine function on the reactor, which is started in a thread when first needed."""
    global _thread
    with _started:
        if _thread is None:
            _thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True)
            _thread.start()
    return blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(function()).addTimeout(deadline_s, reactor))


@contextmanager
def at_database(postgres: Any, tmp_path_factory: Any, name: str, **more: Any) -> Iterator[MemoryCloud]:
    """A cloud on a database of its own, which goes with it; for tests of one module."""
    postgres.create_database(name, template="wawel_template")
    made = MemoryCloud(postgres.url(name), Path(tmp_path_factory.mktemp(name)), **more)
    yield made
    made.stop()
    postgres.drop_database(name)


class MemoryCloud:
    """
    A cluster of memory nodes with one storage, one network, one image and one template; and one user.

    :param rpc: an address to listen on.
    :param measured_s: seconds between samples; 0: none are taken.
    """

    def __init__(
        self,
        url: str,
        state_dir: Path,
        *,
        nodes: int = 2,
        start: bool = True,
        rpc: str = "",
        measured_s: int = 0,
        **cluster: Any,
    ) -> None:
        self.world = uuid.uuid4().hex[:8]
        # Nobody looks at what nodes have but where a test is about that: it would be told in each feed.
        cluster = {"hook_grace_s": 0.3, "shutdown_s": 1.0, "reconcile_s": 1.0, "objects_s": 0.0, **cluster}
        self.settings = Settings(
            database=DatabaseSettings(url=url),
            listen=ListenSettings(rpc=rpc, contextualization=""),
            cluster=ClusterSettings(state_dir=state_dir / "cm", **cluster),
            monitoring=MonitoringSettings(every_s=measured_s),
            images=ImportSettings(directories=(state_dir / "images",), networks=("127.0.0.0/8",)),
        )
        self.manager: Any = None
        self._nodes = nodes
        if start:
            self.start()
            self.fill()

    def start(self) -> None:
        async def go() -> ClusterManager:
            manager = ClusterManager(reactor, self.settings, lambda uri, name: open_node(uri, name=name))
            await manager.start()
            return manager

        self.manager = run(go)

    def stop(self) -> None:
        if self.manager is not None:
            manager, self.manager = self.manager, None
            run(manager.stop)

    def fill(self) -> None:
        """Rows as an administrator would have made them."""
        self.admin_id, self.user_id, self.other_id = (self.account(n, n == "admin") for n in ("admin", "user", "other"))
        self.node_ids = [self.node(f"n{i}") for i in range(1, self._nodes + 1)]
        self.storage_id = self.sql(
            "INSERT INTO storage (name, kind, path, capacity_bytes, overcommit)"
            " VALUES ('main', 'dir', '/srv/main', 1099511627776, 4.0) RETURNING id"
        )
        for node_id in self.node_ids:
            self.sql(
                "INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached')",
                s=self.storage_id,
                n=node_id,
            )
        for memory in self.memory.values():
            from cm.interfaces.volume import StorageSpec
            from cm.rpc.vocabulary import DiskFormat, StorageKind

            memory.pools.attach(StorageSpec(f"wawel-{self.storage_id}", StorageKind.DIR, "/srv/main"))
            memory.volumes.create_empty(f"wawel-{self.storage_id}", "image-1.qcow2", DiskFormat.QCOW2, 64 * 2**20)
        self.image_id = self.image("image-1.qcow2", account_id=self.admin_id, name="tiny", access="public")
        self.template_id = self.sql(
            "INSERT INTO template (name, cpu, memory_mib) VALUES ('small', 1, 128) RETURNING id"
        )
        self.call("admin.network.add", {"name": "net", "network": "10.128.0.0/24"}, account="admin")

    def image(self, volume: str, *, account_id: int | None = None, **more: Any) -> int:
        """A row of the catalogue, of the user's and a system image of 64 MiB unless it is said otherwise."""
        values = {"size_bytes": 64 * 2**20, **more}
        return int(add_image(self.sql, account_id or self.user_id, self.storage_id, volume, **values))

    def account(self, login: str, admin: bool = False) -> int:
        return self.sql(
            "INSERT INTO account (login, is_admin, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms)"
            " VALUES (:login, :admin, 100, 100000, 1000000, 100) RETURNING id",
            login=login,
            admin=admin,
        )

    @property
    def memory(self) -> dict[int, MemoryNode]:
        return {
            node_id: MemoryNode.named(f"{self.world}-n{i}", node=f"n{i}")
            for i, node_id in enumerate(self.node_ids, start=1)
        }

    def node(self, name: str) -> int:
        node_id = self.sql(
            "INSERT INTO node (name, address, uri, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit,"
            " state) VALUES (:name, '192.0.2.1', :uri, 16, 16384, 4, 1, 'ok') RETURNING id",
            name=name,
            uri=f"memory:///{self.world}-{name}",
        )
        self.sql("INSERT INTO vnc_port (node_id, port) SELECT :n, generate_series(5900, 5999)", n=node_id)
        return node_id

    # -------------------------------------------------------------- asking

    def sql(self, statement: str, **values: Any) -> Any:
        """Run a statement in a transaction of its own; the first value of its first row, if it has rows."""
        with self.manager.database.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.scalar() if result.returns_rows else None

    def call(self, method: str, params: Any = (), *, account: str = "user", request_id: str | None = None) -> Any:
        """Call a view as the wire would, for ``admin``, ``user`` or ``other``."""
        ids = {"admin": self.admin_id, "user": self.user_id, "other": self.other_id}
        role = Role.ADMIN if account == "admin" else Role.USER
        identity = Identity(ids[account], account, frozenset({role}))
        caller = LocalCaller(self.manager.registry, self.manager.executor.execute, identity)
        return run(lambda: caller.call(method, params, request_id=request_id))

    def create(self, **more: Any) -> dict[str, Any]:
        """One VM, asked for; its summary."""
        values = {"name": "vm", "description": "", "image_id": self.image_id, "template_id": self.template_id, **more}
        return self.call("user.vm.create", values)[0]

    def vm(self, vm_id: int) -> dict[str, Any]:
        return self.call("user.vm.get_by_id", [vm_id])

    def wait(self, vm_id: int, state: str, deadline_s: float = 20.0) -> dict[str, Any]:
        """Wait until a VM is in a state with no operation under way."""
        until = time.monotonic() + deadline_s
        while True:
            vm = self.vm(vm_id)
            if vm["state"] == state and vm["operation_id"] is None:
                return vm
            if time.monotonic() > until:
                raise AssertionError(f"VM {vm_id} is {vm['state']} ({vm['operation']}, {vm['error']!r}), not {state}")
            time.sleep(0.01)

    def until(self, holds: Callable[[], Any], what: str, deadline_s: float = 20.0) -> None:
        """Wait until something holds."""
        until = time.monotonic() + deadline_s
        while not holds():
            assert time.monotonic() < until, f"it never came to this: {what}"
            time.sleep(0.01)

    def ended(self, operation_id: int, deadline_s: float = 20.0) -> dict[str, Any]:
        until = time.monotonic() + deadline_s
        while True:
            op = self.call("user.operation.get", [operation_id])
            if op["state"] in ("done", "failed", "abandoned"):
                return op
            if time.monotonic() > until:
                raise AssertionError(f"operation {operation_id} is {op}")
            time.sleep(0.01)

    def leaks(self) -> list[dict[str, str]]:
        """What the books and the nodes' own lists say is left over."""
        from cm.store.leak import leaks

        return self.manager.database.read_now(leaks)
