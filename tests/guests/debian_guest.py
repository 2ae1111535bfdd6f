"""A VM with a Debian guest, and what is looked at within it: over SSH, from its node."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from cm.rpc.errors import AgentSilent
from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import wait_until

BOOT_S = 1800.0
ANSWER_S = 300.0
NO_CONNECTION = 255  # what ssh itself ends with
DISK_MIB = 2000
SIZE = "debian"
SCRIPT = "#!/bin/sh\necho told >/var/lib/told\n"
INSTALL = "#!/bin/sh\ncurl -fsS http://169.254.169.254/agent/install | sh\n"


class Guest:
    """:ivar login: as whom it is looked at."""

    def __init__(self, cloud: Cloud, vm_id: int, key: Path, metadata: str = "nocloud") -> None:
        self.cloud, self.vm_id, self.key, self.metadata = cloud, vm_id, key, metadata
        self.vm = cloud.wait_running(vm_id, contextualized=False)
        self.address: str = self.vm["leases"][0]["address"]
        self.login = "debian"

    def ssh(self, command: str, key: Path | None = None, login: str = "") -> subprocess.CompletedProcess[str]:
        """:param key: and ``login``: others than its own."""
        node = self.cloud.node_of(self.cloud.vm(self.vm_id))
        assert isinstance(node, RealNode)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=10", "BatchMode=yes"]
        argv = ["ssh", "-q", "-i", str(key or self.key), *(f"-o{each}" for each in options)]
        return node.host.run([*argv, f"{login or self.login}@{self.address}", command], check=False, timeout=120)

    def run(self, command: str) -> str:
        """What it says. On a busy machine its SSH server may be slower than a client waits: that is tried again."""
        until = time.monotonic() + ANSWER_S
        while (done := self.ssh(command)).returncode == NO_CONNECTION and time.monotonic() < until:
            time.sleep(1)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def until(self, command: str, what: str, deadline_s: float = BOOT_S) -> None:
        """Wait until a command succeeds there."""
        wait_until(lambda: self.ssh(command).returncode == 0, what, deadline_s, pause=5)

    def call(self, name: str, /, **more: Any) -> Any:
        """A call of ``user.vm`` about it."""
        return self.cloud.user.call(f"user.vm.{name}", {"vm_id": self.vm_id, **more})

    def ask(self, name: str, **more: Any) -> Any:
        """A call that its agent answers, once more where that took too long: without KVM a busy machine is slow."""
        until = time.monotonic() + ANSWER_S
        while True:
            try:
                return self.call(name, **more)
            except AgentSilent:
                if time.monotonic() > until:
                    raise

    def destroy(self) -> None:
        self.cloud.user.call("user.vm.destroy", {"vm_ids": [self.vm_id]})
        self.cloud.wait_for(self.vm_id, "destroyed", 120)


def size(cloud: Cloud) -> int:
    """A template for it: of one CPU, for a second one, without KVM, has the first wait for it."""
    if SIZE not in cloud.template_ids:
        made = cloud.admin.call("admin.template.add", {"name": SIZE, "cpu": 1, "memory_mib": 512})
        cloud.template_ids[SIZE] = made["template_id"]
    return cloud.template_ids[SIZE]


def make(
    cloud: Cloud, image_id: int, key: Path, name: str, metadata: str = "nocloud", user_data: str = SCRIPT
) -> Guest:
    """One that starts; its caller's account is ``ala``."""
    made = cloud.create(
        name=name, image_id=image_id, template_id=size(cloud), metadata=metadata, disk_mib=DISK_MIB,
        user_data=user_data, ssh_key=key.with_suffix(".pub").read_text().strip(), ssh_username="ala",
    )  # fmt: skip
    return Guest(cloud, made["vm_id"], key, metadata)
