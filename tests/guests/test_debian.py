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

from guests.debian_guest import DISK_MIB, Guest, make
from lab.cloud import Cloud

TOLD = "cat /var/lib/told"
# What cloud-init calls where it was told.
CLOUDS = {"nocloud": "nocloud", "imds": "aws", "seed-iso": "nocloud", "config-drive": "configdrive"}


def check(guest: Guest) -> str:
    """What every guest has been told; its instance id."""
    assert guest.run("hostname") == guest.vm["name"]
    assert guest.run(TOLD) == "told"
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
    told = guest.ask("guest_info")
    assert told["hostname"] == guest.vm["name"] and told["os"].startswith("Debian") and told["silent"] == []
    assert guest.address in {a.partition("/")[0] for card in told["interfaces"] for a in card["addresses"]}
    assert "/" in {each["mountpoint"] for each in told["filesystems"]}
    before = guest.run("sudo -n getent shadow debian")
    guest.ask("password_reset", user="debian", password="Correct-horse-7")
    assert guest.run("sudo -n getent shadow debian") != before
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True, timeout=60)
    line = other.with_suffix(".pub").read_text().strip()
    assert line in guest.ask("install_keys", user="debian", keys=line)["keys"]
    guest.key = other
    assert guest.run("id -un") == "debian"
    guest.key = key
    assert line not in guest.ask("remove_keys", user="debian", keys=line)["keys"]
    assert guest.run("id -un") == "debian"
    assert guest.ask("set_time")["way"] == "agent"


def is_frozen(guest: Guest) -> None:
    """Its agent freezes it for a snapshot, and it writes afterwards."""
    asked = guest.call("create_snapshot", name="point", freeze="yes")
    taken = guest.cloud.wait_operation(guest.cloud.user, asked["operation_id"], 300)
    assert taken["result"]["consistency"] == "frozen"
    assert guest.run("sudo -n sh -c 'date > /root/now && sync /root/now && echo written'") == "written"


def leaves(guest: Guest) -> None:
    """It reboots by QEMU's agent, and shuts down by it: that is an end then, and no reboot once more."""
    boot = guest.run("cat /proc/sys/kernel/random/boot_id")
    assert guest.ask("reboot")["way"] == "agent"
    guest.until(f"[ $(cat /proc/sys/kernel/random/boot_id) != {boot} ]", "it has booted again")
    guest.until("systemctl is-active qemu-guest-agent", "its agent runs again")
    asked = guest.call("shutdown")
    ended = guest.cloud.wait_operation(guest.cloud.user, asked["operation_id"], 900)
    assert ended["result"] == {"way": "agent"}
    assert guest.cloud.vm(guest.vm_id)["state"] == "stopped"


@pytest.mark.parametrize("metadata", ["seed-iso", "nocloud", "imds", "config-drive"])
def test_told(cloud: Cloud, debian_id: int, key: Path, metadata: str, tmp_path: Path) -> None:
    """Host name, keys, user data, network, grown root, and what the agent does."""
    guest = make(cloud, debian_id, key, f"told-by-{metadata}", metadata)
    guest.until(TOLD, "its user data has run")
    check(guest)
    by_agent(guest, key, tmp_path)
    if metadata == "nocloud":
        is_frozen(guest)
        leaves(guest)
    guest.destroy()
    assert cloud.check_leaks([]) == []


@pytest.mark.parametrize("metadata", ["nocloud", "imds", "seed-iso"])
def test_newest(cloud: Cloud, newest_id: int, key: Path, metadata: str) -> None:
    """The newest cloud-init that Debian has is told the same, on a guest with the newest kernel and systemd."""
    guest = make(cloud, newest_id, key, f"newest-by-{metadata}", metadata)
    guest.until(TOLD, "its user data has run")
    assert int(guest.run("cloud-init --version").split()[-1].partition(".")[0]) >= 26
    check(guest)
    guest.destroy()


@pytest.mark.parametrize("metadata", ["seed-iso", "imds"])
def test_saved(cloud: Cloud, debian_id: int, key: Path, metadata: str) -> None:
    """A VM of a saved image is another instance, set up anew; its seed is gone with its first boot."""
    first = make(cloud, debian_id, key, "first", metadata)
    first.until(TOLD, "its user data has run")
    before = check(first)
    asked: dict[str, Any] = {"vm_id": first.vm_id, "name": f"saved-{metadata}", "description": ""}
    image_id = cloud.user.call("user.vm.save_and_shutdown", asked)["image_id"]
    cloud.wait_for(first.vm_id, "destroyed", 300)
    again = make(cloud, image_id, key, "again", metadata)
    again.until('[ "$(hostname)" = again ]', "it is set up anew")
    again.until(TOLD, "its user data has run")
    assert check(again) != before
    again.destroy()
    assert cloud.check_leaks([]) == []
