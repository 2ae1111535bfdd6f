"""
Debian's own cloud-init on a guest of ours, in each way in which a guest is told: seen over SSH. Each boot takes some
two minutes of a quiet machine without KVM, and far more of a busy one.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import wait_until

BOOT_S = 1800.0
DISK_MIB = 2000
SCRIPT = "#!/bin/sh\necho told >/var/lib/told\n"
# What cloud-init calls where it was told.
CLOUDS = {"nocloud": "nocloud", "imds": "aws", "seed-iso": "nocloud", "config-drive": "configdrive"}


class Guest:
    def __init__(self, cloud: Cloud, image_id: int, key: Path, metadata: str, name: str) -> None:
        self.cloud, self.key, self.metadata = cloud, key, metadata
        made = cloud.create(
            name=name, image_id=image_id, template_id=cloud.template_ids["medium"], metadata=metadata,
            disk_mib=DISK_MIB, user_data=SCRIPT, ssh_key=key.with_suffix(".pub").read_text().strip(),
            ssh_username="ala",
        )  # fmt: skip
        self.vm_id: int = made["vm_id"]
        self.vm = cloud.wait_running(self.vm_id, contextualized=False)
        self.address: str = self.vm["leases"][0]["address"]
        self.login = "debian"

    def ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        node = self.cloud.node_of(self.cloud.vm(self.vm_id))
        assert isinstance(node, RealNode)
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=10", "BatchMode=yes"]
        argv = ["ssh", "-q", "-i", str(self.key), *(f"-o{each}" for each in options), f"{self.login}@{self.address}"]
        return node.host.run([*argv, command], check=False, timeout=120)

    def run(self, command: str) -> str:
        done = self.ssh(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def booted(self) -> None:
        wait_until(lambda: self.ssh("cat /var/lib/told").returncode == 0, "its user data has run", BOOT_S, pause=5)

    def destroy(self) -> None:
        self.cloud.user.call("user.vm.destroy", {"vm_ids": [self.vm_id]})
        self.cloud.wait_for(self.vm_id, "destroyed", 120)


def check(guest: Guest) -> str:
    """What every guest has been told; its instance id."""
    assert guest.run("hostname") == guest.vm["name"]
    assert guest.run("cat /var/lib/told") == "told"
    assert guest.run("cat /run/cloud-init/cloud-id") == CLOUDS[guest.metadata]
    cards = json.loads(guest.run("ip -j -4 address show scope global"))
    assert [each["local"] for card in cards for each in card["addr_info"]] == [guest.address]
    assert int(guest.run("df --output=size -BM / | tail -n 1").rstrip("M")) > DISK_MIB - 200
    if guest.metadata != "imds":  # which has no words for the caller's account, nor for the hello
        guest.login = "ala"
        assert guest.run("sudo -n id -un") == "root"
        guest.login = "debian"
        guest.cloud.wait_running(guest.vm_id, contextualized=True)
    return guest.run("cat /var/lib/cloud/data/instance-id")


def by_agent(guest: Guest, key: Path, tmp_path: Path) -> None:
    """What its agent tells and does, seen from within."""
    call, ask = guest.cloud.user.call, {"vm_id": guest.vm_id}
    told = call("user.vm.guest_info", ask)
    assert told["hostname"] == guest.vm["name"] and told["os"].startswith("Debian") and told["silent"] == []
    assert guest.address in {a.partition("/")[0] for card in told["interfaces"] for a in card["addresses"]}
    assert "/" in {each["mountpoint"] for each in told["filesystems"]}
    before = guest.run("sudo -n getent shadow debian")
    call("user.vm.password_reset", {**ask, "user": "debian", "password": "Correct-horse-7"})
    assert guest.run("sudo -n getent shadow debian") != before
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True, timeout=60)
    line = other.with_suffix(".pub").read_text().strip()
    assert line in call("user.vm.install_keys", {**ask, "user": "debian", "keys": line})["keys"]
    guest.key = other
    assert guest.run("id -un") == "debian"
    guest.key = key
    assert line not in call("user.vm.remove_keys", {**ask, "user": "debian", "keys": line})["keys"]
    assert guest.run("id -un") == "debian"
    assert call("user.vm.set_time", ask)["way"] == "agent"


@pytest.mark.parametrize("metadata", ["seed-iso", "nocloud", "imds", "config-drive"])
def test_told(cloud: Cloud, debian_id: int, key: Path, metadata: str, tmp_path: Path) -> None:
    """Host name, keys, user data, network, grown root, and what the agent does."""
    guest = Guest(cloud, debian_id, key, metadata, f"told-by-{metadata}")
    guest.booted()
    check(guest)
    by_agent(guest, key, tmp_path)
    guest.destroy()
    assert cloud.check_leaks([]) == []


@pytest.mark.parametrize("metadata", ["seed-iso", "imds"])
def test_saved(cloud: Cloud, debian_id: int, key: Path, metadata: str) -> None:
    """A VM of a saved image is another instance, set up anew; its seed is gone with its first boot."""
    first = Guest(cloud, debian_id, key, metadata, "first")
    first.booted()
    before = check(first)
    asked: dict[str, Any] = {"vm_id": first.vm_id, "name": f"saved-{metadata}", "description": ""}
    image_id = cloud.user.call("user.vm.save_and_shutdown", asked)["image_id"]
    cloud.wait_for(first.vm_id, "destroyed", 300)
    again = Guest(cloud, image_id, key, metadata, "again")
    wait_until(lambda: again.ssh("hostname").stdout.strip() == "again", "it is set up anew", BOOT_S, pause=5)
    again.booted()
    assert check(again) != before
    again.destroy()
    assert cloud.check_leaks([]) == []
