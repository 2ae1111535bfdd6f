"""
Two nodes in network namespaces of their own, with guests of three networks; prints what was found as JSON.

Run by ``test_segments_namespace.py`` under ``unshare --net --mount``. Each node is a process of its own, ``node``, that
converges to the documents which it is given. A guest is a namespace, whose link stands in the bridge as a VM's tap
does; it takes its address from the node as a guest does. Nothing leaves these namespaces.
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from node_endpoint import Endpoint

from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.document import parse_document
from node_hooks.metadata import Forwarder
from node_hooks.network import METADATA_ADDRESS, Converger
from node_hooks.state import StateFile
from node_hooks.tables import RECHECK_S

UNDERLAY = {"a": "10.77.0.11", "b": "10.77.0.12"}
OUTSIDE = "10.77.0.99"
RED, BLUE, GREEN = "wn7", "wn8", "wn9"                                  # red and blue of the same addresses
HOSTS = {
    RED: [{"mac": "02:58:00:00:07:05", "addresses": ["10.130.0.5", "fd12:3456::5"], "name": "web"},
          {"mac": "02:58:00:00:07:06", "addresses": ["10.130.0.6", "fd12:3456::6"], "name": "db",
           "dns": ["9.9.9.10", "2620:fe::10"]}],
    BLUE: [{"mac": "02:58:00:00:08:05", "addresses": ["10.130.0.5", "fd12:3456::5"], "name": "other"}],
    GREEN: [{"mac": "02:58:00:00:09:05", "addresses": ["10.131.0.5"], "name": "third"}],
}  # fmt: skip
LEASED = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip link set "$interface" mtu "$mtu"
set -- $staticroutes
while [ $# -gt 1 ]; do ip route add "$1" via "$2"; shift 2; done
printf '%s\\n' "dns=$dns" "domain=$search" "hostname=$hostname" "routes=$staticroutes" > "$0.$interface.$serverid.said"
"""
ASK = """
import socket, sys
s = socket.create_connection((sys.argv[1], 80), 3)
s.sendall(b'GET /latest/meta-data/ HTTP/1.1\\r\\n\\r\\n')
print(b''.join(iter(lambda: s.recv(9999), b'')).split(b'\\r\\n\\r\\n')[-1].decode())
"""
RESOLVE = """
import socket, sys
server, kind, *names = sys.argv[1:]
family = socket.AF_INET6 if ':' in server else socket.AF_INET
for protocol in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    for name in names:
        labels = b''.join(bytes([len(part)]) + part.encode() for part in name.split('.'))
        question = bytes([7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + labels + b'\\0\\0' + bytes([int(kind)]) + b'\\0\\1'
        s = socket.socket(family, protocol); s.settimeout(2)
        try:
            s.connect((server, 53))
            if protocol == socket.SOCK_STREAM:
                s.sendall(len(question).to_bytes(2, 'big') + question); answer = s.recv(2048)[2:]
            else:
                s.send(question); answer = s.recv(2048)
        except OSError as error:
            print(f'no answer: {error}'); continue
        if not answer[7]:
            print(f'unknown {answer[3] & 15}')
        elif kind == '12':
            at, parts = len(question) + 12, []
            while answer[at]:
                if answer[at] >= 192: at = (answer[at] & 63) << 8 | answer[at + 1]; continue
                parts.append(answer[at + 1:at + 1 + answer[at]].decode()); at += answer[at] + 1
            print('.'.join(parts))
        elif kind == '28':
            print(socket.inet_ntop(socket.AF_INET6, answer[-16:]))
        else:
            print(socket.inet_ntoa(answer[-4:]))
"""
# A client of DHCPv6, RFC 8415: asks for an address with an identity by its MAC, and takes what is offered.
DHCP6 = """
import socket, sys, time
mac = bytes.fromhex(sys.argv[1].replace(':', ''))
index = socket.if_nametoindex('eth0')
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', 546)); s.settimeout(1)
identity = b'\\0\\1\\0\\x0e\\0\\1\\0\\1' + bytes([9, 9, 9, 9]) + mac
def ask(kind, more):
    for _ in range(8):
        s.sendto(bytes([kind, 1, 2, 3]) + identity + more + b'\\0\\x08\\0\\2\\0\\0', ('ff02::1:2', 547, 0, index))
        try: answer = s.recv(2000)
        except TimeoutError: continue
        found, at = {}, 4
        while at < len(answer):
            code, size = int.from_bytes(answer[at:at + 2], 'big'), int.from_bytes(answer[at + 2:at + 4], 'big')
            found[code] = answer[at + 4:at + 4 + size]; at += 4 + size
        return found
    raise SystemExit('nobody answers')
ia = b'\\0\\3\\0\\x0c' + b'\\0\\0\\0\\7' + bytes(8)
offered = ask(1, ia)
server = b'\\0\\2' + len(offered[2]).to_bytes(2, 'big') + offered[2]
taken = ask(3, server + b'\\0\\3' + len(offered[3]).to_bytes(2, 'big') + offered[3] + b'\\0\\6\\0\\2\\0\\x17')
for told in (taken[3][16:32], taken.get(23, bytes(16))[:16]):
    print(socket.inet_ntop(socket.AF_INET6, told))
"""


def sh(command: str) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}")
    return done.stdout


def until(holds: Callable[[], object], what: str, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"never: {what}")
        time.sleep(0.05)


def tap_of(network: str, number: int) -> str:
    return f"wvn{network[2:]}{number}"


# Every NIC, on both nodes; what web may be sent a security group says, others are in none.
NICS = [
    {"tap": tap_of(network, number), "mac": host["mac"], "addresses": host["addresses"], "bridge": network,
     "spoofing": False, "groups": [1] if host["name"] == "web" else []}
    for network, hosts in HOSTS.items() for number, host in enumerate(hosts)
]  # fmt: skip
GROUPS = {"1": {"members": [], "rules": [
    {"direction": direction, "family": family, "protocol": protocol, "ports": None, "remote": remote, "group": None}
    for direction, protocol in (("out", "any"), ("in", "icmp")) for family, remote in ((4, "0.0.0.0/0"), (6, "::/0"))
]}}  # fmt: skip


class Node:
    """The other end of ``serve_node``."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        (directory / name).mkdir()
        self.directory = directory / name
        sh(f"ip netns add {name} && ip -n {name} link set lo up")
        sh(f"ip link add to-{name} type veth peer name eth0 netns {name} && ip link set to-{name} master underlay up")
        sh(f"ip -n {name} addr add {UNDERLAY[name]}/24 dev eth0 && ip -n {name} link set eth0 up")
        sh(f"ip -n {name} route add default via {OUTSIDE}")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, __file__, "node", str(self.directory)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def tell(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def end(self, kill: bool = False) -> None:
        assert self._process.stdin is not None
        if kill:
            self._process.kill()
        self._process.stdin.close()
        self._process.wait(10)

    def sh(self, command: str) -> str:
        return sh(f"ip netns exec {self.name} sh -c '{command}'")

    def pid(self, network: str) -> int:
        return int((self.directory / "run" / network / "pid").read_text())


def serve_node(directory: Path) -> None:
    """One node's agent as far as its network goes: each line is an order, each answered by what is so afterwards."""
    endpoint = Endpoint()
    address, credential = parse_endpoint(endpoint.url), Credential(7, endpoint.credential)
    now = [time.monotonic()]

    def forward(bridge: str, listen: str = METADATA_ADDRESS) -> Forwarder:
        return Forwarder(bridge, lambda: Client(address, credential), (listen, 80))

    converger = Converger(
        StateFile(directory), forward, clock=lambda: now[0], listens=lambda: [], runtime=directory / "run"
    )
    for line in sys.stdin:
        order = json.loads(line)
        now[0] += order.get("later_s", 0.0)
        started = time.monotonic()
        converger.converge(parse_document(order["document"]))
        seen = converger.seen
        assert seen is not None
        print(json.dumps({
            "made": sorted(seen.made), "able": seen.able, "s": time.monotonic() - started,
            "answered": sorted(map(str, seen.answered)),
            "problems": [[each.code, each.subject, each.text] for each in seen.problems],
            "asked": sorted({(bridge, guest) for _, _, bridge, guest, _, _ in endpoint.guests}),
        }), flush=True)  # fmt: skip
    converger.close()
    endpoint.close()


class Guest:
    def __init__(self, name: str, node: Node, network: str, number: int, directory: Path) -> None:
        self.name, self.network, self.host = name, network, HOSTS[network][number]
        self.script = directory / f"{name}.sh"
        tap = tap_of(network, number)
        sh(f"ip netns add {name} && ip link add {tap} netns {node.name} type veth peer name eth0 netns {name}")
        sh(f"ip -n {node.name} link set {tap} addrgenmode none && ip -n {node.name} link set {tap} master {network} up")
        sh(f"ip -n {name} link set lo up && ip -n {name} link set eth0 address {self.host['mac']} up")
        self.tap = tap

    def configure(self) -> dict[str, Any]:
        self.script.write_text(LEASED)
        self.script.chmod(0o755)
        sh(f"ip netns exec {self.name} busybox udhcpc -i eth0 -n -q -f -t 8 -T 1 -O staticroutes -O mtu -O search"
           f" -O hostname -O dns -s {self.script}")
        said = next(self.script.parent.glob(f"{self.script.name}.*.said"))
        found: dict[str, Any] = dict(line.split("=", 1) for line in said.read_text().splitlines())
        found["server"] = said.name.split(".sh.eth0.")[1][: -len(".said")]
        said.unlink()
        if len(self.host["addresses"]) > 1:
            until(lambda: "default" in sh(f"ip -n {self.name} -6 route"), f"a router for {self.name}")
            until(lambda: "tentative" not in sh(f"ip -n {self.name} -6 addr show eth0"), f"a link of {self.name}'s")
            address, _, dns6 = self.run(DHCP6, self.host["mac"]).partition("\n")
            sh(f"ip -n {self.name} -6 addr add {address}/128 dev eth0 nodad")
            route = sh(f"ip -n {self.name} -6 route show default")
            found |= {"address6": address, "dns6": dns6, "router": route.split()[2],
                      "mtu6": sh(
                          f"ip netns exec {self.name} cat /proc/sys/net/ipv6/conf/eth0/mtu").strip()}
        found["address"] = sh(f"ip -n {self.name} -4 -brief addr show eth0").split()[2]
        found["mtu"] = sh(f"ip netns exec {self.name} cat /sys/class/net/eth0/mtu").strip()
        return found

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(["ip", "netns", "exec", self.name, sys.executable, "-IS", "-c", program, *arguments],
                              capture_output=True, text=True, timeout=30)
        return done.stdout.strip() or "failed: " + done.stderr.strip()[-200:]

    def names(self, server: str, kind: int, *names: str) -> list[str]:
        return self.run(RESOLVE, server, str(kind), *names).splitlines()

    def reaches(self, address: str, size: int = 56, tries: int = 10) -> bool:
        """By ICMP echo of so many bytes in one piece."""
        return self.run(PING, address, str(size), str(tries)) == "yes"


# Echo requests with "do not fragment", by a raw socket: busybox' ping knows no such option.
PING = """
import os, select, socket, struct, sys, time
address, size = sys.argv[1], int(sys.argv[2])
v6 = ':' in address
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, 58 if v6 else 1)
if v6: s.setsockopt(41, 23, 2); s.setsockopt(41, 62, 1)
else: s.setsockopt(0, 10, 2)
ident = os.getpid() & 0xffff
for sequence in range(int(sys.argv[3])):
    packet = struct.pack('!BBHHH', 128 if v6 else 8, 0, 0, ident, sequence) + bytes(size)
    if not v6:
        total = sum(struct.unpack(f'!{len(packet) // 2}H', packet[:len(packet) // 2 * 2]))
        total = (total >> 16) + (total & 0xffff); total += total >> 16
        packet = packet[:2] + struct.pack('!H', ~total & 0xffff) + packet[4:]
    try: s.sendto(packet, (address, 0))
    except OSError: time.sleep(0.1); continue
    end = time.monotonic() + 0.3
    while (left := end - time.monotonic()) > 0:
        if not select.select([s], [], [], left)[0]: break
        answer, source = s.recvfrom(65536)
        head = answer if v6 else answer[20:]
        if head[0] == (129 if v6 else 0) and struct.unpack('!H', head[4:6])[0] == ident:
            print('yes'); sys.exit()
print('no')
"""


def link(name: str, node: str, *others: str, **changes: Any) -> dict[str, Any]:
    number = int(name[2:])
    gateways = ["10.131.0.1/24"] if name == GREEN else ["10.130.0.1/24", "fd12:3456::1/64"]
    told = {"name": name, "kind": "vxlan", "bridge": name, "vni": 4096 + number, "local": UNDERLAY[node],
            "peers": [UNDERLAY[each] for each in others], "mtu": 1450, "uplink": None, "vlan": None,
            "gateways": gateways, "masquerade": True, "dhcp": True,
            "domain": f"net{number}.wawel", "dns": ["192.0.2.53"], "metadata": True}
    return told | changes


def document(links: list[dict[str, Any]] | None, hosts: dict[str, Any] = HOSTS, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"version": "1", "networks": [], "hook_version": "", "nics": NICS, "groups": GROUPS,
                            **more}
    return told if links is None else told | {"links": links, "hosts": hosts}


def main(directory: Path) -> None:
    sh("mount -t tmpfs tmpfs /run && ip link set lo up && mount -t sysfs sysfs /sys")
    directory.chmod(0o755)
    sh("ip link add underlay type bridge forward_delay 0 mcast_snooping 0 && ip link set underlay up")
    # The outside answers at an address that no node and no guest has, and would take what a node lets out by mistake.
    sh("ip netns add outside && ip link add to-out type veth peer name eth0 netns outside")
    sh("ip link set to-out master underlay up && ip -n outside link set lo up")
    sh(f"ip -n outside addr add {OUTSIDE}/24 dev eth0 && ip -n outside link set eth0 up")
    sh("ip -n outside addr add 198.51.100.9/32 dev lo")
    a, b = Node("a", directory), Node("b", directory)
    both_a = [link(RED, "a", "b"), link(BLUE, "a", "b"), link(GREEN, "a")]
    both_b = [link(RED, "b", "a"), link(BLUE, "b", "a")]
    found: dict[str, Any] = {"first": [a.tell(document=document(both_a)), b.tell(document=document(both_b))]}
    web, db = Guest("web", a, RED, 0, directory), Guest("db", b, RED, 1, directory)
    other, third = Guest("other", a, BLUE, 0, directory), Guest("third", a, GREEN, 0, directory)
    found["configured"] = {each.name: each.configure() for each in (web, db, other, third)}

    found["names"] = web.names("10.130.0.1", 1, "db.net7.wawel", "db", "nobody.net7.wawel")
    found["names6"] = db.names("fd12:3456::1", 28, "web.net7.wawel")
    found["reverse"] = web.names("10.130.0.1", 12, "6.0.130.10.in-addr.arpa")
    found["blue names"] = other.names("10.130.0.1", 1, "other.net8.wawel", "db")

    def reached() -> dict[str, bool]:
        return {
            "4": web.reaches("10.130.0.6"), "6": web.reaches("fd12:3456::6"), "back": db.reaches("10.130.0.5"),
            "whole": web.reaches("10.130.0.6", 1450 - 28), "whole 6": web.reaches("fd12:3456::6", 1450 - 48),
            "too large": web.reaches("10.130.0.6", 1450 - 27, 2),
            "blue to red": other.reaches("10.130.0.6", tries=2),
            "blue to red 6": other.reaches("fd12:3456::6", tries=2),
            "green to red": third.reaches("10.130.0.6", tries=2), "red to green": web.reaches("10.131.0.5", tries=2),
        }  # fmt: skip

    found["reached"] = reached()
    found["outside"] = [each.reaches("198.51.100.9") for each in (web, other, third, db)]
    found["metadata"] = {each.name: [each.run(ASK, "169.254.169.254"), *(
        [each.run(ASK, "fd00:ec2::254")] if each is not third else [])] for each in (web, db, other, third)}
    found["neighbours"] = {each.name: sorted({line.split()[4] for line in sh(f"ip -n {each.name} neigh").splitlines()
                                              if line.split()[0] in ("10.130.0.1", "fe80::1") and "lladdr" in line})
                           for each in (web, db)}
    # An address of a lab whose bridge is gone leads nowhere: not out, where another may have it.
    sh("ip -n outside addr add 10.131.0.5/32 dev lo && ip -n outside addr add 10.130.0.77/32 dev lo")
    found["not let out"] = not web.reaches("10.131.0.5", tries=2)

    # Hosts come without dnsmasq beginning anew; one that goes, or whose address is another NIC's, does make it begin.
    pid = a.pid(RED)
    more = {**HOSTS, RED: [*HOSTS[RED], {"mac": "02:58:00:00:07:07", "addresses": ["10.130.0.7"], "name": "new"}]}
    a.tell(document=document(both_a, more))
    until(lambda: web.names("10.130.0.1", 1, "new")[0] == "10.130.0.7", "a new name")
    found["kept"] = a.pid(RED) == pid
    less = {**HOSTS, RED: HOSTS[RED][:1]}
    a.tell(document=document(both_a, less))
    until(lambda: web.names("10.130.0.1", 1, "db.net7.wawel")[0].startswith("unknown"), "a name that went")
    found["begun without it"] = a.pid(RED) != pid
    pid = a.pid(RED)
    other_nic = {**HOSTS, RED: [HOSTS[RED][0] | {"mac": "02:58:00:00:07:99"}, HOSTS[RED][1]]}
    a.tell(document=document(both_a, other_nic))
    found["begun anew"] = a.pid(RED) != pid
    a.tell(document=document(both_a))

    # What somebody removes is there again, told meanwhile.
    os.kill(a.pid(RED), 9)
    a.sh("nft flush ruleset")
    a.sh("ip link del wx7")
    a.sh("ip link del wn8")
    repaired = a.tell(document=document(both_a), later_s=RECHECK_S)
    found["repaired"] = repaired
    found["after repair"] = reached()
    found["names after repair"] = web.names("10.130.0.1", 1, "db")
    found["metadata after repair"] = other.run(ASK, "169.254.169.254")

    # The agent is killed, then comes again: nothing of the guests' network changes.
    pids = [a.pid(each) for each in (RED, BLUE, GREEN)]
    index = a.sh("cat /sys/class/net/wn7/ifindex")
    a.end(kill=True)
    found["without agent"] = [web.names("10.130.0.1", 1, "db")[0], web.reaches("10.130.0.6")]
    a.start()
    again = a.tell(document=document(both_a))
    found["again"] = {
        "made": again["made"], "problems": again["problems"],
        "servers kept": [a.pid(each) for each in (RED, BLUE, GREEN)] == pids,
        "bridge kept": a.sh("cat /sys/class/net/wn7/ifindex") == index,
    }  # fmt: skip

    # Half a document, and one of an older manager: what is there stays.
    half = [both_a[0] | {"vni": "x"}, {"name": "wn8"}, both_a[2]]
    a.tell(document=document(half))
    found["half"] = web.reaches("10.130.0.6")
    a.tell(document=document(None))
    found["older"] = web.reaches("10.130.0.6")
    # A peer that is away is no reason to change anything; one that is not listed any more is heard no more.
    b.end()
    found["alone"] = [web.names("10.130.0.1", 1, "db")[0], a.tell(document=document(both_a))["problems"]]
    b.start()
    b.tell(document=document(both_b))
    found["back"] = web.reaches("10.130.0.6")
    a.tell(document=document([link(RED, "a"), *both_a[1:]]))
    found["no peer"] = web.reaches("10.130.0.6", tries=2)
    a.tell(document=document(both_a))
    found["peer again"] = web.reaches("10.130.0.6")

    # Not wanted any more: gone, but for what guests are on.
    sh("ip netns del third")
    until(lambda: third.tap not in a.sh("ls /sys/class/net"), "a tap's end")
    a.tell(document=document([both_a[1]]))
    found["left"] = sorted(each for each in a.sh("ls /sys/class/net").split() if each[:2] in ("wn", "wx"))
    found["left running"] = sorted(os.listdir(a.directory / "run"))
    sh("ip netns del web")
    sh("ip netns del other")
    until(lambda: "wvn" not in a.sh("ls /sys/class/net"), "the taps' end")
    a.tell(document=document([]), later_s=RECHECK_S)
    found["rest"] = sorted(each for each in a.sh("ls /sys/class/net").split() if each[:2] in ("wn", "wx"))
    found["rest running"] = sorted(os.listdir(a.directory / "run"))
    found["rest routes"] = [a.sh("ip route show table all proto 87"), a.sh("ip -6 route show table all proto 87"),
                            a.sh("ip rule | grep 5700 | cat"), a.sh("ip -6 rule | grep 5700 | cat")]
    a.end()
    b.end()
    print(json.dumps(found), flush=True)


def end() -> None:
    for name in sh("ip netns list | cut -d ' ' -f 1").split():
        for pid in sh(f"ip netns pids {name}").split():
            os.kill(int(pid), 9)
        sh(f"ip netns del {name}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))               # so that nothing is left of a test that is late
    if sys.argv[1] == "node":
        serve_node(Path(sys.argv[2]))
    else:
        try:
            with tempfile.TemporaryDirectory() as scratch:
                main(Path(scratch))
        finally:
            end()
