"""
Two nodes on a site of its own, with guests on a bridge of theirs and on a VLAN; prints what was found as JSON.

Run by ``test_bridges_namespace.py`` under ``unshare --net --mount``, with the nodes and guests of ``segment_nodes``.
The site has a router on the nodes' bridges, which gives addresses; a trunk joins the nodes' second links.
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from segment_nodes import PING, UNDERLAY, Node, end, sh, until

SITE, INNER = "wn21", "wn22"
ROUTER = "192.0.2.1"
MACS = {"p": "02:58:00:00:21:01", "q": "02:58:00:00:21:02", "v": "02:58:00:00:22:05", "w": "02:58:00:00:22:06"}
ON = {"p": "a", "q": "b", "v": "a", "w": "b"}
ADDRESSES = {"v": "10.140.0.5", "w": "10.140.0.6"}
OWN = {"a": "192.0.2.11", "b": "192.0.2.12"}  # the nodes', on their bridges
LEASED = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
printf '%s\\n' "$ip from $serverid" > "$0.said"
"""
SERVED = """
start 192.0.2.50
end 192.0.2.59
interface eth0
option subnet 255.255.255.0
option router 192.0.2.1
lease_file {directory}/leases
pidfile {directory}/udhcpd.pid
"""
FORGED = """
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0))
s.send(bytes.fromhex('ffffffffffff025800002199 88b5'.replace(' ', '')) + b'forged' * 10)
"""


def link(name: str, **changes: Any) -> dict[str, Any]:
    told = {"name": name, "kind": "bridge", "bridge": name, "vni": None, "local": None, "peers": [], "mtu": 1500,
            "uplink": "eth2", "vlan": 12, "gateways": ["10.140.0.1/24"], "masquerade": True, "dhcp": True,
            "domain": "inner.wawel", "dns": ["192.0.2.53"], "metadata": True}  # fmt: skip
    return told | changes


LINKS = [
    link(SITE, bridge="br0", uplink="br0", vlan=None, gateways=[], masquerade=False, dhcp=False, metadata=False),
    link(INNER),
]  # fmt: skip


def document(node: str, links: list[dict[str, Any]]) -> dict[str, Any]:
    nics = [
        {"tap": f"wvn{name}", "mac": MACS[name], "addresses": [ADDRESSES[name]] if name in ADDRESSES else [],
         "bridge": INNER if name in ADDRESSES else "br0", "spoofing": False, "foreign": name not in ADDRESSES,
         "groups": []} for name in MACS if ON[name] == node and links
    ]  # fmt: skip
    hosts = [{"mac": MACS[name], "addresses": [each], "name": name} for name, each in ADDRESSES.items()]
    return {"version": "1", "networks": [], "hook_version": "", "nics": nics, "groups": {}, "links": links,
            "hosts": {INNER: hosts} if links else {}}  # fmt: skip


class Guest:
    def __init__(self, name: str, node: Node, bridge: str, directory: Path) -> None:
        self.name, self.node, self.tap = name, node, f"wvn{name}"
        self.script = directory / f"{name}.sh"
        self.script.write_text(LEASED)
        self.script.chmod(0o755)
        sh(f"ip netns add {name} && ip link add {self.tap} netns {node.name} type veth peer name eth0 netns {name}")
        sh(f"ip -n {node.name} link set {self.tap} addrgenmode none")
        sh(f"ip -n {node.name} link set {self.tap} master {bridge} up")
        sh(f"ip -n {name} link set lo up && ip -n {name} link set eth0 address {MACS[name]} up")

    def lease(self) -> str:
        """Which address by DHCP, and from whom."""
        sh(f"ip netns exec {self.name} busybox udhcpc -i eth0 -n -q -f -t 8 -T 1 -s {self.script}")
        return Path(f"{self.script}.said").read_text().strip()

    def reaches(self, address: str, tries: int = 10) -> bool:
        ping = self.script.with_name("ping.py")
        return sh(f"ip netns exec {self.name} {sys.executable} -IS {ping} {address} 56 {tries}").strip() == "yes"


def has_vlans() -> bool:
    try:
        sh("ip link add link lo name wu0 type vlan id 1 && ip link delete wu0")
    except RuntimeError:
        return False
    return True


def main(directory: Path) -> None:
    sh("mount -t tmpfs tmpfs /run && ip link set lo up && mount -t sysfs sysfs /sys")
    directory.chmod(0o755)
    for bridge in ("underlay", "site", "trunk"):
        sh(f"ip link add {bridge} type bridge forward_delay 0 mcast_snooping 0 && ip link set {bridge} up")
    a, b = Node("a", directory), Node("b", directory)
    for node in (a, b):
        for bridge, port in (("site", "eth1"), ("trunk", "eth2")):
            sh(f"ip link add {bridge}-{node.name} type veth peer name {port} netns {node.name}")
            sh(f"ip link set {bridge}-{node.name} master {bridge} up && ip -n {node.name} link set {port} up")
        node.sh("ip link add br0 type bridge forward_delay 0 mcast_snooping 0 && ip link set eth1 master br0")
        node.sh(f"ip addr add {OWN[node.name]}/24 dev br0 && ip link set br0 up")
    sh("ip netns add router && ip link add site-r type veth peer name eth0 netns router")
    sh("ip link set site-r master site up && ip -n router link set lo up")
    sh(f"ip -n router addr add {ROUTER}/24 dev eth0 && ip -n router link set eth0 up")
    (directory / "udhcpd.conf").write_text(SERVED.format(directory=directory))
    (directory / "leases").touch()
    sh(f"ip netns exec router busybox udhcpd -S {directory}/udhcpd.conf </dev/null >/dev/null 2>&1")
    before = a.sh("cat /sys/class/net/br0/ifindex")

    vlans = has_vlans()
    links = LINKS if vlans else LINKS[:1]
    first = [node.tell(document=document(node.name, LINKS)) for node in (a, b)]
    found: dict[str, Any] = {"vlans": vlans, "first": first}
    p, q = Guest("p", a, "br0", directory), Guest("q", b, "br0", directory)
    guests = [p, q, *([Guest("v", a, INNER, directory), Guest("w", b, INNER, directory)] if vlans else [])]
    for node in (a, b):
        node.tell(document=document(node.name, links))
    found["leased"] = {each.name: each.lease() for each in guests}
    own = {each.name: found["leased"][each.name].split()[0] for each in guests}
    found["reached"] = {
        "router": p.reaches(ROUTER), "another node's guest": p.reaches(own["q"]), "back": q.reaches(own["p"]),
    }  # fmt: skip
    found["kept out"] = {"its own node": p.reaches(OWN["a"], 2), "an underlay": p.reaches(UNDERLAY["a"], 2)}
    if vlans:
        v, w = guests[2:]
        found["reached"] |= {
            "over the VLAN": v.reaches(own["w"]), "back over the VLAN": w.reaches(own["v"]),
            "gateway": v.reaches("10.140.0.1"), "another's gateway": w.reaches("10.140.0.1"),
        }  # fmt: skip
        found["kept out"] |= {
            "its own node by the VLAN": v.reaches(OWN["a"], 2), "the other network": v.reaches(own["p"], 2)
        }  # fmt: skip
        found["tag"] = json.loads(a.sh("ip -json -details link show wu22"))[0]["linkinfo"]["info_data"]["id"]
    # What a guest sends with another's MAC does not get onto the site.
    listener = ("import socket, sys; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5));"
                "s.bind((\"eth0\", 0)); s.settimeout(1.5); print(\"up\", flush=True)\n"
                "try: s.recv(999); print(\"heard\")\nexcept TimeoutError: print(\"nothing\")")  # fmt: skip
    (directory / "listen.py").write_text(listener)
    (directory / "forge.py").write_text(FORGED)
    found["forged"] = sh(
        f"ip netns exec router {sys.executable} -IS {directory}/listen.py & sleep 0.5;"
        f" ip netns exec p {sys.executable} -IS {directory}/forge.py; wait"
    ).split()

    # An agent that begins anew finds all of it right; one that needs it no more leaves the node's own alone.
    a.end(kill=True)
    a.start()
    again = a.tell(document=document("a", links))
    found["again"] = [again["made"], again["problems"], p.reaches(ROUTER)]
    for each in guests:
        sh(f"ip netns del {each.name}")
    until(lambda: "wvn" not in a.sh("ls /sys/class/net") + b.sh("ls /sys/class/net"), "the taps' end")
    for node in (a, b):
        node.tell(document=document(node.name, []))
    found["left"] = [
        sorted(each for each in node.sh("ls /sys/class/net").split() if each[:2] in ("wn", "wu", "br"))
        for node in (a, b)
    ]
    found["kept"] = [a.sh("cat /sys/class/net/br0/ifindex") == before, OWN["a"] in a.sh("ip addr show br0")]
    a.end()
    b.end()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "ping.py").write_text(PING)
            main(Path(scratch))
    finally:
        end()
