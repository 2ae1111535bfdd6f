"""
From a call to what our own agent in a guest did: by the database, the endpoint, a real node's agent and its rules, to
the agent's own program and back. Its guest is a network namespace in place of the VM's, with its link and address, so
that no emulated processor competes.

A reference is one request of metadata by the same way; what is asked for takes three of the guest's requests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.clusters import Settings, cpu_s, roomy_cloud
from benchmarks.report import Figure, Skipped, Target, child_environment, median, percentile, spread
from cm.rpc.errors import AgentSilent
from contextualization.guest.install import program as agent_program
from lab.cloud import Cloud
from lab.hosts import Lab
from lab.nodes import RealNode
from lab.processes import wait_until

PAUSE_S = 0.2  # between calls: an agent that calls more often than 40 times a second is refused
USER = "bench"
KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'B' * 43} bench"
NAMESPACE = "bench-guest"
# In place of the VM's own link, which its emulator goes on to hold.
LINK = """
set -e
ip link set {tap} down
ip link set {tap} name held0
ip netns add {namespace}
ip link add {tap} type veth peer name eth0 netns {namespace}
ip link set {tap} master {bridge} up
ip -n {namespace} link set lo up
ip -n {namespace} link set eth0 address {mac} up
ip -n {namespace} address add {address}/24 dev eth0
ip -n {namespace} route add default via {gateway}
"""
# With an account of its own, whose home is a directory of this benchmark's.
RUN = "mount --bind {passwd} /etc/passwd && exec ip netns exec {namespace} {python} {program} --state {state}"
ASK = """
import http.client, json, sys, time
took = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    asks = http.client.HTTPConnection("169.254.169.254", timeout=10)
    asks.request("GET", "/latest/meta-data/instance-id")
    answer = asks.getresponse()
    assert answer.status == 200 and answer.read()
    asks.close()
    took.append((time.perf_counter() - began) * 1000)
    time.sleep(0.02)
print(json.dumps(took))
"""


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    lacking = Lab.missing()
    if lacking:
        yield Skipped("agent", "; ".join(lacking))
        return
    times = 10 if settings.quick else 50
    with roomy_cloud(settings, 1, "qemu") as cloud:
        made = cloud.create(image_id=cloud.import_blank(), ssh_key=KEY, ssh_username=USER)
        vm = cloud.wait_running(made["vm_id"], contextualized=False)
        node = cloud.nodes[0]
        assert isinstance(node, RealNode)
        with _inside(cloud, node, vm):
            ask = {"vm_id": vm["vm_id"]}

            def answers() -> bool:
                try:
                    return str(cloud.user.call("user.vm.guest_info", ask)["way"]) == "wawel"
                except AgentSilent:
                    return False

            wait_until(answers, "the agent's first answer", 60, pause=0.5)
            metadata = _metadata(node, times)
            figures: dict[str, list[float]] = {"guest_info": [], "install_keys": [], "remove_keys": []}
            manager, cpu = cloud.cm.pid or 0, 0.0
            for number in range(times + 2):
                for name, took in figures.items():
                    more = {} if name == "guest_info" else {"keys": KEY}
                    used, began = cpu_s(manager), time.perf_counter()
                    told = cloud.user.call(f"user.vm.{name}", {**ask, **more})
                    lasted = (time.perf_counter() - began) * 1000
                    assert told["way"] == "wawel"
                    if number >= 2:  # the first prepare statements
                        took.append(lasted)
                        cpu += cpu_s(manager) - used
                    time.sleep(PAUSE_S)
            metadata += _metadata(node, times)
    reference = median(metadata)
    yield Figure("agent", "one request of metadata", reference, "ms", note=spread(metadata))
    for name, what in (
        ("guest_info", f"one command; the manager's CPU {cpu * 1000 / times / 5:.0f} ms for each"),
        ("install_keys", "two commands, one after the other"), ("remove_keys", "likewise"),
    ):  # fmt: skip
        took = figures[name]
        told = f"{what}; {spread(took)}, p99 {percentile(took, 0.99):.3g}"
        target = Target(300, "at most", unit="ms")
        yield Figure("agent", f"user.vm.{name}", median(took), "ms", target, median(took) / reference, told)


@contextmanager
def _inside(cloud: Cloud, node: RealNode, vm: dict[str, Any]) -> Iterator[None]:
    """The agent's program, on the VM's place in its network."""
    ((tap, bridge, mac, address, gateway),) = cloud.sql(
        "SELECT c.tap, w.bridge, c.mac, host(l.address), host(w.gateway)"
        " FROM network_lease l JOIN nic c ON c.id = l.nic_id"
        f" JOIN network w ON w.id = c.network_id WHERE c.vm_id = {vm['vm_id']}"
    )
    told = {"tap": tap, "bridge": bridge, "mac": mac, "address": address, "gateway": gateway, "namespace": NAMESPACE}
    node.host.run(["sh", "-c", LINK.format(**told)])
    home = cloud.base / "home"
    home.mkdir(mode=0o755)
    home.chmod(0o777)
    passwd = cloud.base / "passwd"
    passwd.write_text(f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:65534:65534::{home}:/bin/sh\n")
    installed = cloud.base / "wawel-guest"
    installed.write_bytes(agent_program())
    run = {
        "passwd": passwd, "namespace": NAMESPACE, "python": sys.executable, "state": cloud.base / "guest",
        "program": installed,
    }  # fmt: skip
    argv = ["unshare", "-m", "sh", "-c", RUN.format(**run)]
    with (cloud.base / "guest.log").open("wb") as log:
        program = node.host.popen(argv, stdout=log, stderr=subprocess.STDOUT, env=child_environment())
    try:
        yield
    finally:
        program.kill()
        program.wait()


def _metadata(node: RealNode, times: int) -> list[float]:
    argv = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-IS", "-c", ASK, str(times)]
    took: list[float] = json.loads(node.host.run(argv).stdout)
    return took
