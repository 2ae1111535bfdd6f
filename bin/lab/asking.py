"""What callers of a ``cloud.Cloud`` ask of it and wait for; where they look for what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cm.rpc.client import RpcClient
from cm.rpc.errors import CloudError, Unavailable
from lab import furnish
from lab.credentials import Credentials
from lab.guests import wait_for_marker
from lab.nodes import Node, RealNode
from lab.places import LabProblem
from lab.postgres import PrivatePostgres
from lab.processes import next_pause

DATABASE = "wawel_cm"


class Asking:
    """The part of ``Cloud`` that starts and stops nothing."""

    url: str
    database = DATABASE
    credentials: Credentials
    nodes: list[Node]
    image_id: int
    template_ids: dict[str, int]
    storage_dir: Path
    _clients: list[RpcClient]

    @cached_property
    def postgres(self) -> PrivatePostgres:
        """The database of the cloud that this asks for: ``Cloud`` gives it."""
        raise NotImplementedError

    def client(self, who: str | None, timeout_s: float = 30.0) -> RpcClient:
        """A new client of "admin", "user" or nobody; a client serves one thread."""
        account = {"admin": self.credentials.admin, "user": self.credentials.user, None: None}[who]
        made = RpcClient(self.url, account.login, account.password, timeout_s=timeout_s) if account else \
            RpcClient(self.url, timeout_s=timeout_s)
        self._clients.append(made)
        return made

    @cached_property
    def admin(self) -> RpcClient:
        return self.client("admin")

    @cached_property
    def user(self) -> RpcClient:
        return self.client("user")

    def sql(self, statement: str) -> list[list[str]]:
        """Rows of the cluster manager's database, as texts."""
        return [line.split("|") for line in self.postgres.psql(statement, self.database).splitlines()]

    def create(self, **more: Any) -> dict[str, Any]:
        """Ask for one VM of the tiny image, as the user; its summary."""
        wanted = {"name": "vm", "description": "", "image_id": self.image_id, "template_id": self.template_ids["tiny"]}
        made: dict[str, Any] = self.user.call("user.vm.create", {**wanted, **more})[0]
        return made

    def vm(self, vm_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.user.call("user.vm.get_by_id", {"vm_id": vm_id})
        return found

    def wait_for(self, vm_id: int, state: str, deadline: float = 60.0,
                 also: Callable[[dict[str, Any]], bool] = lambda vm: True) -> dict[str, Any]:
        """
        Wait until a VM is in a state with no operation under way, and ``also`` holds of it. Calls that cannot be
        answered just now are repeated.

        :raises LabProblem: it did not come; carries what the VM is instead.
        """
        began = time.monotonic()
        until = began + deadline
        told: object = "unknown"
        while True:
            try:
                vm = self.vm(vm_id)
                if vm["state"] == state and vm["operation_id"] is None and also(vm):
                    return vm
                told = {name: vm[name] for name in ("state", "operation", "error", "contextualized", "seen", "node")}
                if vm["state"] == "error" and vm["operation_id"] is None:
                    until = min(until, time.monotonic() + 5)             # nothing comes of it by itself
            except Unavailable as error:
                told = str(error)
            if time.monotonic() > until:
                raise LabProblem(f"VM {vm_id} is not {state} after {deadline:.0f} s: {told}; {self.last_words(vm_id)}")
            time.sleep(next_pause(began, 0.05))

    def wait_running(self, vm_id: int, contextualized: bool = True, deadline: float = 180.0) -> dict[str, Any]:
        """Wait until a VM runs, and its guest has said hello: a boot without KVM takes 5 to 60 s."""
        return self.wait_for(vm_id, "running", deadline, lambda vm: vm["contextualized"] or not contextualized)

    def wait_operation(self, client: RpcClient, operation_id: int, deadline: float = 60.0) -> dict[str, Any]:
        """:raises LabProblem: it failed, or has not ended."""
        until = time.monotonic() + deadline
        while True:
            found: dict[str, Any] = client.call("user.operation.wait", {"operation_id": operation_id, "timeout": 5.0})
            if found["state"] == "done":
                return found
            if found["state"] in ("failed", "abandoned") or time.monotonic() > until:
                raise LabProblem(f"operation {operation_id}: {found}")

    def console(self, vm_id: int) -> str:
        """What the VM wrote to its serial console."""
        found: str = self.user.call("user.vm.get_console", {"vm_id": vm_id})
        return found

    def wait_for_console(self, vm: Mapping[str, Any], words: str, deadline: float = 120.0, start: int = 0) -> float:
        """Wait for words on a VM's console, past byte ``start``; the seconds it took."""
        return wait_for_marker(self.console_file(vm), words, deadline, start)

    def console_file(self, vm: Mapping[str, Any]) -> Path:
        """What the VM's console is logged to, on the host that did so last."""
        name = f"vm-{vm['uuid']}-console.log"
        paths = [node.console_dir / name for node in self.nodes if isinstance(node, RealNode)]
        there = [path for path in paths if path.exists()]
        if not there:
            raise LabProblem(f"no host has the log of VM {vm['vm_id']}")
        return max(there, key=lambda path: path.stat().st_mtime)

    def last_words(self, vm_id: int) -> str:
        """The end of a VM's console, for messages."""
        try:
            return "its console says: " + self.console(vm_id)[-400:]
        except CloudError as error:
            return f"no console: {error}"

    def check_leaks(self, live: Collection[str] = ()) -> list[str]:
        """
        What is left of VMs other than those with the uuids ``live``: by the manager's books, and by looking at every
        host and into the storage. Empty: nothing.
        """
        checked = self.admin.call("admin.cluster.check")
        found = [f"books: {entry}" for entry in furnish.findings(checked, bool(live))]
        for node in self.nodes:
            found += node.leftovers(live)
        for path in self.storage_dir.glob("vm-*"):
            if not any(uuid in path.name for uuid in live):
                found.append(f"storage: {path.name}")
        if not live:
            found += [f"lease: {' '.join(row)}" for row in self.sql(
                "SELECT host(address), nic_id FROM network_lease WHERE nic_id IS NOT NULL")]
            found += [f"port: {' '.join(row)}" for row in self.sql(
                "SELECT node_id, port, vm_id FROM vnc_port WHERE vm_id IS NOT NULL")]
        return found
