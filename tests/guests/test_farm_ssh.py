"""
A farm of Debian guests over two nodes, on the user's own network: its guests know each other's names, and log in to
each other as root by them. One boot of the head, then one of both workers, for all of these.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guests.debian_guest import BOOT_S, size
from lab.cloud import Cloud
from lab.places import LabProblem
from lab.processes import wait_until

RANGE = "10.131.0.0/16"
NAME = "sums"
HOSTS = [NAME, f"{NAME}-worker-1", f"{NAME}-worker-2"]
SSH_S = 600.0  # for a guest that runs to have a name, a key or a server; all three run at once, without KVM
# Its time is that of the server's first word, too.
OPTIONS = ("-oLogLevel=ERROR", "-oBatchMode=yes", "-oConnectTimeout=60")
# A guest's own word is what its SSH server says of itself, not what a name leads to.
WHO = "id -un; hostname; cat /proc/sys/kernel/random/boot_id"


class Farm:
    """:ivar key: the user's own, by whom the head is entered from outside, by its public address."""

    def __init__(self, cloud: Cloud, image_id: int, key: Path) -> None:
        self.cloud, self.key, self.user = cloud, key, cloud.user
        node = cloud.real_node(1).host
        self.address = f"{node.address.rsplit('.', 1)[0]}.200"
        self.pool_id = cloud.admin.call("admin.pool.add", {"name": "vx", "network": RANGE})["pool_id"]
        cloud.admin.call("admin.public_address.add", {"addresses": [self.address]})
        wait_until(self._able, "both nodes' agents to say that they make networks and answer for addresses", 120)
        self.public_id = self.user.call("user.public_address.request")["public_address_id"]
        template = size(cloud)
        made = self.user.call("user.farm.create", {
            "name": NAME, "description": "", "image_id": image_id, "head_template_id": template,
            "worker_template_id": template, "count": 2, "shared_key": True, "public_ip_id": self.public_id,
            "ssh_key": key.with_suffix(".pub").read_text().strip(), "ssh_username": "ala",
        })  # fmt: skip
        self.id, self.vm_ids, self.operation_id = made["farm_id"], made["made"], made["operation_id"]
        (group,) = self.user.call("user.security_group.get_list")
        rule = {"security_group_id": group["security_group_id"], "direction": "in", "protocol": "tcp", "ports": "22"}
        self.user.call("user.security_group.add_rule", rule)

    def _able(self) -> bool:
        nodes = self.cloud.admin.call("admin.node.get_list")
        return all(
            node["report"] is not None and {"links", "public"} <= set(node["report"]["capabilities"]) for node in nodes
        )

    def get(self) -> Any:
        return self.user.call("user.farm.get_by_id", {"farm_id": self.id})

    def on_head(self, command: str) -> subprocess.CompletedProcess[str]:
        """Done there by root, over SSH from this machine, which is outside."""
        options = ("-i", str(self.key), "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null")
        argv = ["ssh", *OPTIONS, *options, f"ala@{self.address}", "sudo -n sh"]
        return subprocess.run(argv, input=command, capture_output=True, text=True, check=False, timeout=180)

    def said(self, command: str) -> str:
        done = self.on_head(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def until(self, command: str, what: str, deadline_s: float = SSH_S) -> None:
        try:
            wait_until(lambda: self.on_head(command).returncode == 0, what, deadline_s, pause=5)
        except LabProblem as problem:
            done = self.on_head(command)
            raise AssertionError(f"{problem}: {done.stdout}{done.stderr}") from None

    def close(self) -> None:
        """All of it, and what it was on: whoever makes a VM after it has what was there before."""
        self.user.call("user.farm.destroy", {"farm_id": self.id})
        for vm_id in self.vm_ids:
            self.cloud.wait_for(vm_id, "destroyed", 180)
        self.user.call("user.public_address.release", {"public_address_id": self.public_id})
        for network in self.user.call("user.network.list_user_networks"):
            self.user.call("user.network.release", {"network_id": network["network_id"]})
        self.cloud.admin.call("admin.public_address.delete", {"public_address_id": self.public_id})
        self.cloud.admin.call("admin.pool.delete", {"pool_id": self.pool_id})


@pytest.fixture(scope="module")
def farm(cloud: Cloud, debian_id: int, key: Path) -> Iterator[Farm]:
    made = Farm(cloud, debian_id, key)
    yield made
    made.close()
    assert cloud.check_leaks([]) == []


def ssh(target: str, command: str) -> str:
    """Of a script: ``command`` at another guest, as its root."""
    return f"ssh -n {' '.join(OPTIONS)} {target} '{command}'"


def test_head_reaches_workers(farm: Farm) -> None:
    """Workers start once the head has said hello, on the other node too; it reaches each as root by its name."""
    cloud = farm.cloud
    cloud.wait_operation(farm.user, farm.operation_id, BOOT_S)
    head, *workers = (cloud.vm(vm_id) for vm_id in farm.vm_ids)
    assert all(head["contextualized_at"] < worker["launched"] for worker in workers)
    assert len({vm["node"] for vm in (head, *workers)}) == len(cloud.nodes) == 2
    for worker in workers:
        cloud.wait_running(worker["vm_id"], contextualized=True, deadline=BOOT_S)
    assert [vm["host"] for vm in farm.get()["vms"]] == HOSTS
    farm.until("true", "the head to let its user in")
    boots = {farm.said("cat /proc/sys/kernel/random/boot_id")}
    for name in HOSTS[1:]:
        farm.until(ssh(name, "true"), f"the head to reach {name}")
        user, host, boot = farm.said(ssh(name, WHO)).splitlines()
        assert (user, host) == ("root", name)
        boots.add(boot)
    assert len(boots) == len(HOSTS)


def test_workers_reach_each_other(farm: Farm) -> None:
    """With ``shared_key`` each worker reaches the other and the head; all have the same names of all."""
    addresses = {vm["host"]: vm["addresses"][0] for vm in farm.get()["vms"]}
    for name in HOSTS[1:]:
        for other in HOSTS:
            if other == name:
                continue
            farm.until(ssh(name, ssh(other, "true").replace("'", "")), f"{name} to reach {other}")
            assert farm.said(ssh(name, ssh(other, "hostname").replace("'", ""))) == other
            found = farm.said(ssh(name, f"getent ahostsv4 {other}")).split()[0]
            assert found == addresses[other]


def test_key_is_in_memory(farm: Farm) -> None:
    """The key by which they do is on no disk of a guest, and other accounts cannot read it."""
    look = "grep -rlx -e '-----BEGIN OPENSSH PRIVATE KEY-----' /run /etc/wawel /root /home /var/lib 2>/dev/null | sort"
    assert farm.said(look) == "/run/wawel/farm/key"
    assert farm.said("stat -f -c %T /run/wawel/farm; stat -c '%U %a' /run/wawel/farm/key").split() == [
        "ramfs", "root", "600",
    ]  # fmt: skip


def test_names_follow(farm: Farm) -> None:
    """A worker that is gone is no name any more, at the head and at the other worker."""
    last = HOSTS[-1]
    farm.user.call("user.farm.shrink", {"farm_id": farm.id, "count": 1})
    farm.cloud.wait_for(farm.vm_ids[-1], "destroyed", 180)
    farm.until(f"! getent hosts {last}", f"the head to forget {last}")
    farm.until(ssh(HOSTS[1], f"! getent hosts {last}"), f"the other worker to forget {last}")
