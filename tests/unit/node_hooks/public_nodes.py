"""
Two nodes whose guests have public addresses, and somebody outside; prints what was found as JSON.

Run by ``test_public_namespace.py`` under ``unshare --net --mount``; nodes and guests are those of ``segment_nodes``.
The public addresses are on the link of the nodes, where what keeps guests off the nodes' network is in the way.
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from segment_nodes import (
    BLUE,
    GREEN,
    GROUPS,
    NICS,
    OUTSIDE,
    RED,
    UNDERLAY,
    Guest,
    Node,
    document,
    end,
    link,
    sh,
)

from node_hooks.tables import RECHECK_S

OUTSIDE6, BEYOND6 = "fd77::99", "2001:db8::9"
WEB, WEB6, OTHER, SHARED, SHARED6 = "10.77.0.201", "fd77::201", "10.77.0.202", "10.77.0.210", "fd77::210"
# Serves its name and whom it sees, then whatever it is sent. It says so when it listens.
SERVE = """
import socket, sys, threading
name, own, *ports = sys.argv[1:]
def stream(port):
    s = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True)
    def serve(c, peer):
        try:
            c.sendall(f'{name} {peer}'.encode())
            while data := c.recv(65536): c.sendall(data)
        except OSError: pass
    def accept():
        while True:
            c, peer = s.accept()
            threading.Thread(target=serve, args=(c, peer[0].removeprefix('::ffff:')), daemon=True).start()
    return accept
def datagram(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind((own, port))
    def answer():
        while True:
            _, peer = s.recvfrom(65536)
            s.sendto(f"{name} {peer[0].removeprefix('::ffff:')} {peer[1]}".encode(), peer)
    return answer
for each in ports:
    threading.Thread(target=(datagram if each[0] == 'u' else stream)(int(each[1:]))).start()
print('ready', flush=True)
"""
PROBE = """
import errno, json, socket, sys
found = []
for protocol, address, port, seconds, own in json.loads(sys.argv[1]):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET,
                      socket.SOCK_DGRAM if protocol == 'udp' else socket.SOCK_STREAM)
    s.settimeout(seconds)
    try:
        if own: s.bind(('', own))
        s.connect((address, port))
        if protocol == 'udp': s.send(b'x')
        told = s.recv(999).decode()
        if protocol == 'large':
            s.sendall(bytes(300_000)); got = 0
            while got < 300_000: got += len(s.recv(65536))
        found.append(told)
    except TimeoutError: found.append('nothing')
    except OSError as error: found.append(errno.errorcode.get(error.errno, str(error)))
    s.close()
print(json.dumps(found))
"""
# Holds a connection; each line is answered by whether it still carries.
HOLD = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10); s.recv(999)
for line in sys.stdin:
    s.settimeout(float(line))
    try: s.sendall(b'still there'); told = s.recv(999) == b'still there'
    except OSError: told = False
    print('yes' if told else 'no', flush=True)
"""
# One echo request every 5 ms until its input ends; then how many there were, and how many were answered.
PINGS = """
import select, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); s.connect((sys.argv[1], 0))
sent, answered, due = 0, set(), time.monotonic()
last = None
while last is None or time.monotonic() < last:
    if last is None and time.monotonic() >= due:
        body = struct.pack('!HH', 77, sent & 0xffff) + bytes(8)
        total = 0x0800 + sum(struct.unpack('!6H', body)); total = (total >> 16) + (total & 0xffff)
        s.send(b'\\x08\\0' + struct.pack('!H', 0xffff - (total >> 16) - (total & 0xffff)) + body)
        sent, due = sent + 1, time.monotonic() + 0.005
    ready = select.select([s, sys.stdin] if last is None else [s], [], [], 0.002)[0]
    if s in ready:
        head = s.recv(999)[20:28]
        if head[0] == 0: answered.add(struct.unpack('!H', head[6:8])[0])
        if head[0] == 0 and len(answered) == 1: print('begun', flush=True)
    if sys.stdin in ready: last = time.monotonic() + 2
print(sent, len(answered), flush=True)
"""


class Outside:
    """A namespace, as guests and nodes are, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, "-IS", "-c", program, *arguments], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def serve(self, name: str, *ports: str, own: str = "::") -> None:
        """:param own: where datagrams are taken, and answered from."""
        process = self.start(SERVE, name, own, *ports)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"

    def probe(self, *probes: tuple[str, str, int], seconds: float = 5.0, own: int = 0) -> list[str]:
        """What each was told, in their order."""
        process = self.start(PROBE, json.dumps([(*each, seconds, own) for each in probes]))
        found: list[str] = json.loads(process.communicate(timeout=60)[0])
        return found


class Held:
    def __init__(self, where: Outside, address: str, port: int) -> None:
        self._process = where.start(HOLD, address, str(port))

    def carries(self, seconds: float = 10.0) -> bool:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline() == "yes\n"

    def close(self) -> None:
        self._process.communicate(timeout=30)


def place(name: str, node: Node, network: str, number: int, directory: Path) -> Outside:
    """A guest with what a network gives: its addresses, and the gateway's as its way out."""
    guest = Guest(name, node, network, number, directory)
    for each in guest.host["addresses"]:
        sh(f"ip -n {name} addr add {each}/{64 if ':' in each else 24} dev eth0 {'nodad' if ':' in each else ''}")
    sh(f"ip -n {name} route add default via {'10.131.0.1' if network == GREEN else '10.130.0.1'}")
    if len(guest.host["addresses"]) > 1:
        sh(f"ip -n {name} -6 route add default via fe80::1 dev eth0")
    return Outside(name)


def address(public: str, guest: str, bridge: str) -> dict[str, Any]:
    return {"address": public, "guest": guest, "bridge": bridge, "uplink": None, "id": 1}


def port(public: str, protocol: str, number: int, guest: str, guest_port: int, bridge: str) -> dict[str, Any]:
    return {"address": public, "protocol": protocol, "port": number, "guest": guest, "guest_port": guest_port,
            "bridge": bridge, "uplink": None, "id": 1}  # fmt: skip


ADDRESSES = [address(WEB, "10.130.0.5", RED), address(WEB6, "fd12:3456::5", RED), address(OTHER, "10.130.0.5", BLUE)]
PORTS = [
    port(SHARED, "tcp", 20022, "10.130.0.6", 22, RED), port(SHARED, "udp", 20053, "10.130.0.6", 53, RED),
    port(SHARED, "udp", 20054, "10.130.0.6", 54, RED), port(SHARED, "udp", 25353, "10.130.0.6", 5353, RED),
    port(SHARED, "tcp", 20023, "10.130.0.5", 7000, BLUE),
    port(SHARED6, "tcp", 20022, "fd12:3456::6", 22, RED), port(SHARED6, "udp", 20054, "fd12:3456::6", 54, RED),
]  # fmt: skip
OPEN = {"1": {"members": [], "rules": [*GROUPS["1"]["rules"], *(
    {"direction": "in", "family": family, "protocol": "tcp", "ports": [7000, 7000], "remote": remote, "group": None}
    for family, remote in ((4, "0.0.0.0/0"), (6, "::/0"))
)]}}  # fmt: skip


def main(directory: Path) -> None:
    sh("mount -t tmpfs tmpfs /run && ip link set lo up && mount -t sysfs sysfs /sys")
    directory.chmod(0o755)
    sh("ip link add underlay type bridge forward_delay 0 mcast_snooping 0 && ip link set underlay up")
    sh("ip netns add outside && ip link add to-out type veth peer name eth0 netns outside")
    sh("ip link set to-out master underlay up && ip -n outside link set lo up")
    sh(f"ip -n outside addr add {OUTSIDE}/24 dev eth0 && ip -n outside addr add {OUTSIDE6}/64 dev eth0 nodad")
    sh("ip -n outside link set eth0 up && ip -n outside addr add 198.51.100.9/32 dev lo")
    sh(f"ip -n outside addr add {BEYOND6}/128 dev lo")
    a, b = Node("a", directory), Node("b", directory)
    for node, own in ((a, "fd77::11"), (b, "fd77::12")):
        sh(f"ip -n {node.name} addr add {own}/64 dev eth0 nodad")
        sh(f"ip -n {node.name} -6 route add default via {OUTSIDE6}")
    both_a = [link(RED, "a", "b", dhcp=False), link(BLUE, "a", dhcp=False), link(GREEN, "a", dhcp=False)]
    both_b = [link(RED, "b", "a", dhcp=False), link(GREEN, "b", dhcp=False)]
    elsewhere = [WEB, WEB6, OTHER, SHARED, SHARED6]

    def told(links: list[dict[str, Any]], addresses: list[Any], ports: list[Any], **more: Any) -> dict[str, Any]:
        public = {"addresses": addresses, "ports": ports, "reachable": elsewhere}
        return document(links, public=public, groups=OPEN, nics=NICS, **more)

    found: dict[str, Any] = {}
    whole, nothing = told(both_a, ADDRESSES, PORTS), told(both_b, [], [])
    a.tell(document=told(both_a, [], []))
    b.tell(document=nothing)
    web, db = place("web", a, RED, 0, directory), place("db", a, RED, 1, directory)
    other, third = place("other", a, BLUE, 0, directory), place("third", a, GREEN, 0, directory)
    far = place("far", b, GREEN, 0, directory)
    outside = Outside("outside")
    web.serve("web", "t7000", "t7001")
    db.serve("db", "t22", "u53")
    other.serve("other", "t7000")
    outside.serve("outside", "t9000", "u9000", own="::ffff:198.51.100.9")
    Outside("a").serve("node", "t7000", "t7002", "u20055")                # what listens on all addresses of the node
    found["before"] = outside.probe(("tcp", WEB, 7000), ("tcp", WEB6, 7000), seconds=1.0)
    found["first"] = a.tell(document=whole)
    found["told again"] = a.tell(document=whole)["answered"]

    def reached() -> dict[str, Any]:
        return dict(zip(
            ("4", "6", "equal", "port", "datagram", "port of equal", "port 6", "refused", "refused 6"),
            outside.probe(
                ("large", WEB, 7000), ("large", WEB6, 7000), ("tcp", OTHER, 7000), ("large", SHARED, 20022),
                ("udp", SHARED, 20053), ("tcp", SHARED, 20023), ("tcp", SHARED6, 20022), ("udp", SHARED, 20054),
                ("udp", SHARED6, 20054),
            ), strict=True,
        ))  # fmt: skip

    found["reached"] = reached()
    found["held back"] = outside.probe(("tcp", WEB, 7001), ("tcp", WEB6, 7001), ("tcp", SHARED, 7002),
                                       ("udp", SHARED, 20055), seconds=1.0)
    beyond = (("tcp", "198.51.100.9", 9000), ("udp", "198.51.100.9", 9000))
    found["leaves as"] = {
        "web": web.probe(*beyond, ("tcp", BEYOND6, 9000)), "other": other.probe(*beyond),
        "db": db.probe(*beyond, ("tcp", BEYOND6, 9000)),
    }  # fmt: skip
    own = (("tcp", WEB, 7000), ("tcp", SHARED, 20022), ("udp", SHARED, 20053), ("tcp", WEB6, 7000))
    found["round"] = {each.name: each.probe(*own) for each in (web, db, other, Outside("a"))}
    found["round"] |= {each.name: each.probe(*own[:3]) for each in (third, far)}
    found["leaves as"]["from its port"] = db.probe(beyond[1], own=5353)
    found["round"]["from far, refused"] = far.probe(("tcp", WEB, 7001), ("tcp", UNDERLAY["a"], 7000), seconds=1.0)

    # Somebody flushes the tables: nothing of the node's own is at the addresses then. And takes the ways.
    held = Held(outside, WEB, 7000)
    found["held"] = [held.carries()]
    a.sh("nft flush ruleset")
    found["flushed"] = outside.probe(("tcp", WEB, 7000), ("tcp", WEB6, 7000), seconds=1.0)
    found["repaired"] = [a.tell(document=whole, later_s=RECHECK_S)["answered"], reached()]
    a.sh("ip neigh del proxy 10.77.0.201 dev eth0; ip -6 route flush proto 88 table all")
    a.tell(document=whole, later_s=RECHECK_S)
    a.sh("ip link del wawel-in")
    found["repaired"] += [a.tell(document=whole)["answered"], reached()]
    found["held"].append(held.carries())

    # An agent that was killed, and one that begins with a document that nobody confirmed.
    a.end(kill=True)
    found["without agent"] = reached()
    a.start()
    unconfirmed = {name: each for name, each in whole.items() if name != "public"}
    found["unconfirmed"] = [a.tell(document=unconfirmed)["answered"], reached()]
    found["confirmed"] = [a.tell(document=whole)["answered"], held.carries()]

    # One is taken back: its connections end, the other guest's with the same address go on.
    kept = Held(outside, OTHER, 7000)
    found["two held"] = [held.carries(), kept.carries()]
    a.tell(document=told(both_a, [each for each in ADDRESSES if each["address"] != WEB], PORTS[1:]))
    found["taken back"] = [held.carries(2.0), kept.carries()]
    found["taken back"] += outside.probe(("tcp", WEB, 7000), ("tcp", SHARED, 20022), seconds=1.0)
    found["taken back"] += web.probe(beyond[0])
    held.close()
    kept.close()

    # It moves to the other node with its guest, under a ping and with a connection.
    found["refused"] = [
        a.tell(document=told(both_a, [address(UNDERLAY["a"], "10.130.0.5", RED), address("10.77.0.220", "10.9.0.5",
                                                                                        "wn99")], []))[key]
        for key in ("answered", "problems")
    ]  # fmt: skip
    a.tell(document=whole)
    moved = [each for each in ADDRESSES if each["address"] in (WEB, WEB6)]
    held = Held(outside, WEB, 7000)
    held6 = Held(outside, WEB6, 7000)
    found["before the move"] = [held.carries(), held6.carries()]
    pings = outside.start(PINGS, WEB)
    assert pings.stdout is not None and pings.stdout.readline() == "begun\n"
    a.sh("ip link set wvn70 netns b")
    a.tell(document=told(both_a, [each for each in ADDRESSES if each not in moved], PORTS))
    found["at b"] = b.tell(document=told(both_b, moved, []))["answered"]
    sh("ip -n b link set wvn70 master wn7 up")
    mac = sh("ip netns exec b cat /sys/class/net/eth0/address").strip()
    found["neighbours"] = [
        mac in sh(f"ip -n outside neigh show {WEB}"), mac in sh(f"ip -n outside -6 neigh show {WEB6}")
    ]
    found["moved"] = [held.carries(), held6.carries()]
    found["pings"] = list(map(int, pings.communicate("", timeout=60)[0].split()))
    found["after the move"] = [outside.probe(("tcp", WEB, 7000), ("tcp", WEB6, 7000)), web.probe(*beyond),
                               db.probe(own[0])]
    held.close()
    held6.close()
    found["none left"] = [a.tell(document=told(both_a, [], []), later_s=RECHECK_S)["answered"]]
    found["none left"] += [a.sh(each) for each in (
        "ls /sys/class/net | grep wawel | cat", "ip neigh show proxy", "ip -6 neigh show proxy",
        "ip route show proto 88", "ip -6 route show proto 88", "ip rule | grep 5701 | cat",
        "ip -6 rule | grep 5701 | cat",
    )]  # fmt: skip
    a.end()
    b.end()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))               # so that nothing is left of a test that is late
    try:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
    finally:
        end()
