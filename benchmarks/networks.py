"""
How long a node's agent takes to make 50 networks with 500 taps from nothing, and to make one change of them, in a
network namespace; and what guests on two nodes get of each other through bridge, VXLAN and all of the agent's rules,
beside the same path made by hand without any. Guests are namespaces. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.clusters import Settings
from benchmarks.report import Figure, Skipped, Target, median
from lab.places import environment
from node_hooks.client import Client
from node_hooks.document import parse_document
from node_hooks.metadata import Forwarder
from node_hooks.network import METADATA_ADDRESS, Converger
from node_hooks.state import StateFile

NETWORKS, TAPS = 50, 10  # of each
HERE, THERE = "10.77.0.11", "10.77.0.12"
ROUNDS = 7
UNSHARE = ("unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")


def measure(settings: Settings) -> Iterator[Figure | Skipped]:
    if os.geteuid() != 0:
        yield Skipped("networks", "not root")
        return
    rounds = 3 if settings.quick else ROUNDS
    told = _inside("converge", str(rounds))
    yield Figure("networks", f"{NETWORKS} networks, {NETWORKS * TAPS} taps, from nothing", told["whole"] * 1000, "ms",
                 Target(1000, "at most", unit="ms"), told["whole"] / told["by hand"],
                 f"their devices alone, by one `ip -batch` by hand: {told['by hand'] * 1000:.0f} ms")  # fmt: skip
    for name, what in (("network", "one network more"), ("host", "one NIC more, its name and lease"),
                       ("peer", "one node more on a network"), ("still", "a round without a change")):  # fmt: skip
        yield Figure("networks", f"{what}, among {NETWORKS}", told[name] * 1000, "ms",
                     Target(100, "at most", unit="ms"), None, f"median of {rounds}")  # fmt: skip
    for case in ("latency", "throughput"):
        pairs = [_inside("path", case) for _ in range(rounds)]
        ratio = median([pair["agent"] / pair["hand"] for pair in pairs])
        unit = "us" if case == "latency" else "Mbit/s"
        target = Target(1.2, "at most", on="ratio") if case == "latency" else Target(0.9, "at least", on="ratio")
        by_hand = f"by hand, without rules: {median([pair['hand'] for pair in pairs]):.0f} {unit}"
        yield Figure("networks", f"guest to guest on two nodes, {case}", median([pair["agent"] for pair in pairs]),
                     unit, target, ratio, by_hand)  # fmt: skip


def _inside(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([*UNSHARE, sys.executable, "-m", "benchmarks.networks", *arguments], env=environment(),
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# ---- inside of a namespace


def sh(command: str, text: str = "") -> None:
    done = subprocess.run(command, shell=True, input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}")


def _link(number: int, local: str = HERE, peers: tuple[str, ...] = (THERE,)) -> dict[str, Any]:
    return {
        "name": f"wn{number}", "kind": "vxlan", "bridge": f"wn{number}", "vni": 4096 + number, "local": local,
        "peers": list(peers), "mtu": 1450, "gateways": [f"10.130.{number}.1/24", f"fd12:0:0:{number:x}::1/64"],
        "masquerade": True, "dhcp": True, "domain": f"net{number}.wawel", "dns": ["192.0.2.53"], "metadata": True,
    }  # fmt: skip


def _host(number: int, tap: int) -> dict[str, Any]:
    return {"mac": f"02:58:00:00:{number:02x}:{tap:02x}", "name": f"vm{tap}",
            "addresses": [f"10.130.{number}.{tap}", f"fd12:0:0:{number:x}::{tap:x}"]}  # fmt: skip


def _document(links: list[dict[str, Any]], hosts: Mapping[str, Any], nics: list[dict[str, Any]]) -> Any:
    told = {"version": "1", "networks": [], "hook_version": "", "nics": nics, "groups": {}}
    parsed = parse_document({**told, "links": links, "hosts": hosts})
    if parsed.problems:
        raise RuntimeError(str(parsed.problems))
    return parsed


def _converger(directory: Path) -> Converger:
    def unasked() -> Client:
        raise RuntimeError("no guest asks for metadata here")

    def forward(bridge: str, address: str = METADATA_ADDRESS) -> Forwarder:
        return Forwarder(bridge, unasked, (address, 80))

    return Converger(StateFile(directory), forward, listens=lambda: [], runtime=directory / "run")


def _took(converger: Converger, document: Any) -> float:
    began = time.perf_counter()
    converger.converge(document)
    took = time.perf_counter() - began
    seen = converger.seen
    if seen is None or seen.problems or len(seen.made) != len(document.links):
        raise RuntimeError(str(seen))
    return took


def _converge(rounds: int) -> dict[str, float]:
    sh("mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up")
    numbers = range(1, NETWORKS + 1)
    by_hand = "".join(
        f"link add name wn{n} type bridge\nlink add name wx{n} type vxlan id {n} dstport 4789 local {HERE}\n"
        f"link set wx{n} master wn{n} up\nlink set wn{n} up\naddress add 10.130.{n}.1/24 dev wn{n}\n" for n in numbers
    )
    began = time.perf_counter()
    sh("ip -batch -", by_hand)
    found = {"by hand": time.perf_counter() - began}
    sh("ip -batch -", "".join(f"link delete wx{n}\nlink delete wn{n}\n" for n in numbers))
    sh("ip -batch -", "".join(f"link add name wvn{n:02}{t:02} type veth peer name g{n:02}{t:02}\n"
                             for n in numbers for t in range(TAPS)))  # fmt: skip
    links = [_link(n) for n in numbers]
    hosts = {f"wn{n}": [_host(n, t + 5) for t in range(TAPS)] for n in numbers}
    nics = [{"tap": f"wvn{n:02}{t:02}", "bridge": f"wn{n}", **_host(n, t + 5), "groups": []} for n in numbers
            for t in range(TAPS)]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        converger = _converger(Path(scratch))
        found["whole"] = _took(converger, _document(links, hosts, nics))
        times: dict[str, list[float]] = {"network": [], "host": [], "peer": [], "still": []}
        for _ in range(rounds):
            more = _document([*links, _link(NETWORKS + 1)], hosts, nics)
            times["network"].append(_took(converger, more))
            _took(converger, _document(links, hosts, nics))
            named = {**hosts, "wn1": [*hosts["wn1"], _host(1, 99)]}
            times["host"].append(_took(converger, _document(links, named, nics)))
            _took(converger, _document(links, hosts, nics))
            times["peer"].append(_took(converger, _document([_link(1, peers=(THERE, "10.77.0.13")), *links[1:]],
                                                            hosts, nics)))  # fmt: skip
            _took(converger, _document(links, hosts, nics))
            times["still"].append(_took(converger, _document(links, hosts, nics)))
        converger.close()
    return found | {name: median(each) for name, each in times.items()}


RECEIVE = """
import socket, sys
s = socket.create_server(('0.0.0.0', 7000)); print('up', flush=True)
while True:
    c = s.accept()[0]; c.setsockopt(6, 1, 1); kind = c.recv(1)
    while data := c.recv(1 << 20):
        if kind == b'l': c.sendall(data)
"""
SEND = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 7000), 5); s.setsockopt(6, 1, 1)
if sys.argv[2] == 'latency':
    s.sendall(b'l'); times = []
    for _ in range(3000):
        began = time.perf_counter(); s.sendall(b'x' * 64); s.recv(64); times.append(time.perf_counter() - began)
    print(sorted(times)[1500] * 1e6)
else:
    s.sendall(b't'); block = bytes(1 << 20); began = time.perf_counter(); sent = 0
    while time.perf_counter() - began < 2: s.sendall(block); sent += len(block)
    print(sent * 8e-6 / (time.perf_counter() - began))
"""


def _path(case: str) -> dict[str, float]:
    """Each of the two paths on a pair of nodes of its own, one right after the other."""
    sh("mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up")
    return {kind: _measure_path(kind, case) for kind in ("hand", "agent")}


def _measure_path(kind: str, case: str) -> float:
    sh(f"ip netns add {kind}a && ip netns add {kind}b"
       f" && ip link add eth0 netns {kind}a type veth peer name eth0 netns {kind}b")  # fmt: skip
    for node, local, other, number in (("a", HERE, THERE, 5), ("b", THERE, HERE, 6)):
        at, host = kind + node, _host(7, number)
        sh(f"ip -n {at} link set lo up && ip -n {at} addr add {local}/24 dev eth0 && ip -n {at} link set eth0 up")
        if kind == "hand":
            sh(f"ip -n {at} link add wn7 type bridge forward_delay 0 mcast_snooping 0 && ip -n {at} link set wn7 up"
               f" && ip -n {at} link add wx7 mtu 1450 type vxlan id 4103 local {local} dstport 4789"
               f" && ip -n {at} link set wx7 master wn7 up"
               f" && bridge -n {at} fdb append 00:00:00:00:00:00 dev wx7 dst {other}")  # fmt: skip
        else:
            sh(f"ip netns exec {at} {sys.executable} -m benchmarks.networks node {local} {other}")
        guest, tap = f"{at}-guest", f"wvn7{number}"
        sh(f"ip netns add {guest} && ip link add {tap} netns {at} type veth peer name eth0 netns {guest}")
        sh(f"ip -n {at} link set {tap} master wn7 up && ip -n {guest} link set lo up")
        sh(f"ip -n {guest} link set eth0 address {host['mac']} mtu 1450 up")
        sh(f"ip -n {guest} addr add 10.130.7.{number}/24 dev eth0")
    receiver = subprocess.Popen(["ip", "netns", "exec", f"{kind}b-guest", sys.executable, "-IS", "-c", RECEIVE],
                                stdout=subprocess.PIPE)  # fmt: skip
    assert receiver.stdout is not None
    receiver.stdout.readline()
    done = subprocess.run(
        ["ip", "netns", "exec", f"{kind}a-guest", sys.executable, "-IS", "-c", SEND, "10.130.7.6", case],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    receiver.kill()
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout)


def _node(local: str, other: str) -> None:
    """Made as the agent makes it, which then ends: bridge, tunnel and rules stay."""
    hosts = {"wn7": [_host(7, 5), _host(7, 6)]}
    groups = {"1": {"members": [], "rules": [
        {"direction": direction, "family": 4, "protocol": "any", "ports": None, "remote": "0.0.0.0/0", "group": None}
        for direction in ("in", "out")
    ]}}  # fmt: skip
    nics = [{"tap": f"wvn7{n}", "bridge": "wn7", **_host(7, n), "groups": [1]} for n in (5, 6)]
    scratch = Path(tempfile.mkdtemp())
    scratch.chmod(0o755)
    converger = _converger(scratch)
    told = {"version": "1", "networks": [], "hook_version": "", "nics": nics, "groups": groups}
    _took(converger, parse_document({**told, "links": [_link(7, local, (other,))], "hosts": hosts}))
    converger.close()


if __name__ == "__main__":
    if sys.argv[1] == "node":
        _node(*sys.argv[2:])
    else:
        print(json.dumps(_converge(int(sys.argv[2])) if sys.argv[1] == "converge" else _path(sys.argv[2])))
