"""Clients of a soak: each lets one VM after the other live: create, edit, lists, stop, start, destroy."""

from __future__ import annotations

import threading
import time

from benchmarks.burst import wanted
from cm.rpc.client import RpcClient
from cm.rpc.errors import CloudError
from lab.cloud import Cloud
from lab.places import LabProblem

OPERATIONS = 4  # of a life: the edit is none
STEP_S = 60.0  # for one operation, on a busy machine
END_S = 120.0  # for the lives under way when it is to end


class Workload:
    """
    :ivar lives: that have come to their end.
    :ivar failures: a client that a call or an operation failed has stopped, and says here why.
    """

    def __init__(self, cloud: Cloud, clients: int) -> None:
        self.lives = 0
        self.failures: list[str] = []
        self._cloud = cloud
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """
        Let every life come to its end.

        :raises LabProblem: one does not.
        """
        self._ending.set()
        until = time.monotonic() + END_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise LabProblem(f"lives of VMs have not ended after {END_S:.0f} s")

    def _work(self, number: int) -> None:
        user = self._cloud.credentials.user
        client = RpcClient(self._cloud.url, user.login, user.password, timeout_s=60)
        try:
            while not self._ending.is_set():
                self._live(client, f"soak-{number}")
                with self._lock:
                    self.lives += 1
        except (CloudError, LabProblem) as error:
            self.failures.append(f"{type(error).__name__}: {error}")
        finally:
            client.close()

    def _live(self, client: RpcClient, name: str) -> None:
        made = client.call("user.vm.create", {"name": name, **wanted(self._cloud)})[0]
        vm_id: int = made["vm_id"]
        self._done(client, made["operation_id"])
        client.call("user.vm.edit", {"vm_id": vm_id, "description": "edited"})
        self._look(client, vm_id, "running")
        self._done(client, client.call("user.vm.stop", {"vm_id": vm_id})["operation_id"])
        client.call("user.vm.get_list", {"limit": 100, "closed": True})
        self._done(client, client.call("user.vm.start", {"vm_id": vm_id})["operation_id"])
        self._look(client, vm_id, "running")
        entry = client.call("user.vm.destroy", {"vm_ids": [vm_id]})[0]
        self._done(client, entry["operation_id"])
        self._look(client, vm_id, "destroyed")

    def _look(self, client: RpcClient, vm_id: int, state: str) -> None:
        """:raises LabProblem: it is in another state."""
        vm = client.call("user.vm.get_by_id", {"vm_id": vm_id})
        if vm["state"] != state or vm["operation_id"] is not None:
            raise LabProblem(f"VM {vm_id} is {vm['state']}, not {state}: {vm['error']}")
        client.call("user.vm.get_list", {"limit": 100})
        client.call("user.operation.get_list", {"limit": 100})

    def _done(self, client: RpcClient, operation_id: int) -> None:
        """:raises LabProblem: the operation failed, or does not end."""
        until = time.monotonic() + STEP_S
        while True:
            found = client.call("user.operation.wait", {"operation_id": operation_id, "timeout": 5.0})
            if found["state"] == "done":
                return
            if found["state"] in ("failed", "abandoned") or time.monotonic() > until:
                raise LabProblem(f"operation {operation_id} is {found['state']}: {found.get('user_text')}")
