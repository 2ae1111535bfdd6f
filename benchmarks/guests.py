"""
Metadata as guests read it: 200 VMs that boot together, each with the requests of cloud-init that takes it for one of
EC2's, as their node signs and forwards them; beside a constant resource of Twisted's that is asked in the same way.

What counts is the endpoint's own CPU: how much of a core it gets is the machine's business.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.client import Burst, Caller
from benchmarks.clusters import BUSY, Settings, add_networks, cpu_s
from benchmarks.reads import reference
from benchmarks.report import Figure, Target, median, spread
from lab.cloud import Cloud
from node_hooks.signature import ADDRESS_HEADER, BRIDGE_HEADER, Authorization, sign

VMS = 200
CONNECTIONS = 8  # of the node's agent; it keeps as many of each bridge
ROOT = "/2021-03-23"
KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} me"
Get = tuple[str, str, dict[str, str]]  # method, path, headers


def measure(settings: Settings) -> Iterator[Figure]:
    vms, rounds = (VMS // 10, 3) if settings.quick else (VMS, 9)
    with tempfile.TemporaryDirectory(prefix="wawel-bench-") as directory, Caller() as caller, reference() as other:
        os.chmod(directory, 0o755)
        made = Cloud(
            Path(directory) / "cloud", 1, "test", steps=settings.steps, settings=BUSY, separate_contextualization=True
        )
        with made as cloud:
            cloud.sql("UPDATE account SET quota_cpu = 1000, quota_memory_mib = 10000000, quota_storage_mib = 10000000,"
                      " quota_vms = 1000 WHERE login = 'demo'")  # fmt: skip
            add_networks(cloud.admin, vms)
            gets = _requests(cloud, vms, settings)
            endpoint = cloud.contextualization
            assert endpoint is not None and endpoint.pid is not None
            port = urlsplit(cloud.endpoint).port or 0

            def at(where: int) -> Burst:
                return caller.burst(where, [b""], connections=CONNECTIONS, seconds=1.0, requests=gets)

            at(port)
            bursts, costs, ratios, constant = [], [], [], [at(other)]
            for _ in range(rounds):
                before = cpu_s(endpoint.pid)
                bursts.append(at(port))
                costs.append((cpu_s(endpoint.pid) - before) / bursts[-1].calls)
                constant.append(at(other))
                ratios.append(bursts[-1].per_second / ((constant[-2].per_second + constant[-1].per_second) / 2))
    refused = sum(each.refused for each in bursts)
    if refused:
        raise RuntimeError(f"{refused} requests of guests were refused")
    told = f"CPU of one request {spread([cost * 1000 for cost in costs])}"
    target = Target(1000, "at least", unit="/s")
    name = f"metadata of {vms} guests that boot, of a core"
    yield Figure("guests", name, 1 / median(costs), "/s", target, None, told)
    told = f"constant: {median([each.per_second for each in constant]):,.0f}/s"
    many = f"the same, {CONNECTIONS} connections"
    yield Figure("guests", many, median([each.per_second for each in bursts]), "/s", None, median(ratios), told)
    told = f"constant: {median([each.p99_ms for each in constant]):.1f} ms"
    target = Target(50, "at most", unit="ms")
    yield Figure("guests", f"{many}, p99", median([each.p99_ms for each in bursts]), "ms", target, None, told)


def _requests(cloud: Cloud, vms: int, settings: Settings) -> list[Get]:
    """What all of them ask, signed, each guest's in cloud-init's order and guests in turn."""
    with settings.steps.step(f"making {vms} VMs"):
        cloud.user.call(
            "user.vm.create",
            {"name": "guest", "description": "", "image_id": cloud.image_id, "count": vms, "ssh_username": "me",
             "template_id": min(cloud.template_ids.values()), "ssh_key": KEY, "user_data": "#cloud-config\n"},
        )  # fmt: skip
    node_id, secret = _enrol(cloud)
    found = cloud.sql(
        "SELECT w.bridge, host(l.address) FROM network_lease l JOIN nic c ON c.id = l.nic_id"
        " JOIN network w ON w.id = c.network_id ORDER BY c.id"
    )
    guests = [(str(bridge), str(address)) for bridge, address in found]
    paths = _crawl(cloud, node_id, secret, *guests[0])
    return [
        ("GET", path, _signed(node_id, secret, path, bridge, address)) for path in paths for bridge, address in guests
    ]


def _enrol(cloud: Cloud) -> tuple[int, str]:
    """One agent for the node, which is none else's any more."""
    node_id = cloud.nodes[0].node_id
    told = cloud.admin.call("admin.node.enrol", {"node_id": node_id})
    words = {"token": told["token"], "hostname": "bench", "boot_id": "bench", "agent_version": "1", "hook_version": "1"}
    body = json.dumps({**words, "machine_id": "bench"}).encode()
    request = urllib.request.Request(f"{cloud.endpoint}/node/enrol", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        given = json.load(answer)
    return given["node_id"], given["credential"]


def _signed(node_id: int, secret: str, path: str, bridge: str, address: str) -> dict[str, str]:
    """Good for the minutes that the benchmark takes."""
    now = int(time.time())
    made = sign(secret, "GET", path, now, b"", bridge, address)
    return {
        "Authorization": Authorization(node_id, now, made).header(), BRIDGE_HEADER: bridge, ADDRESS_HEADER: address
    }  # fmt: skip


def _crawl(cloud: Cloud, node_id: int, secret: str, bridge: str, address: str) -> Sequence[str]:
    """cloud-init's way through the tree: instance id, user data, then whatever listings name."""

    def read(path: str) -> str:
        headers = _signed(node_id, secret, path, bridge, address)
        request = urllib.request.Request(cloud.endpoint + path, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    def below(path: str) -> Iterator[str]:
        yield path
        for line in read(path).split("\n"):
            name, listed, _ = line.partition("=")
            if listed:
                yield f"{path}{name}/openssh-key"
            elif name.endswith("/"):
                yield from below(path + name)
            else:
                yield path + name

    start = [f"/guest{ROOT}/meta-data/instance-id", f"/guest{ROOT}/user-data"]
    return [*start, *below(f"/guest{ROOT}/meta-data/"), *below(f"/guest{ROOT}/dynamic/")]
