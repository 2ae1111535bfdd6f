"""
A node's network as its guests see it; prints what was found as JSON. Run by ``test_guest_network.py`` inside a host of
the lab, whose libvirt has two networks there.

A guest is a namespace whose link stands in libvirt's bridge as a VM's tap does: same names, same addresses, isolated.
It gets its address from libvirt's own dnsmasq. The outside is a namespace behind another, on a link of the host's.
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "node_hooks"))

from node_endpoint import Endpoint

from cm.rules.network import mac_of, tap_of
from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.command import find_interface, find_program, run_command
from node_hooks.document import Document, parse_document
from node_hooks.metadata import Forwarder
from node_hooks.network import Converger
from node_hooks.problem import Complaints
from node_hooks.shaping import Rate, Shaping
from node_hooks.state import StateFile
from node_hooks.tables import RECHECK_S

PORT, SPEED_PORT, SPEED_BYTES = 7777, 7778, 400_000
NICS = [
    {"tap": tap_of(IPv4Address(each)), "mac": mac_of(IPv4Address(each)), "addresses": [each]}
    for each in ("10.128.0.2", "10.128.0.3", "10.129.0.2")
]
LEASED = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
"""
# Which of the targets answer a connection; what of the datagrams arrives, their receivers tell.
PROBE = """
import json, socket, sys, threading
found = {}
def tcp(name, host, port):
    try:
        socket.create_connection((host, port), 0.6).close()
        found[name] = True
    except OSError:
        found[name] = False
threads = [threading.Thread(target=tcp, args=target) for target in json.loads(sys.argv[1])]
for t in threads: t.start()
for t in threads: t.join()
print(json.dumps(found))
"""
RECEIVE = f"""
import socket, sys, threading
tcp = socket.create_server(('0.0.0.0', {PORT}), backlog=64)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('0.0.0.0', {PORT}))
print('up', flush=True)
def accept():
    while True: tcp.accept()[0].close()
threading.Thread(target=accept, daemon=True).start()
with open(sys.argv[1], 'ab', buffering=0) as log:
    while True: log.write(udp.recv(100) + b' ')
"""
# How many bytes of what is sent, once a line came in, are not taken in half a second.
HELD = """
import fcntl, socket, struct, sys, termios, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
print('up', flush=True)
sys.stdin.readline()
s.send(b'on')
time.sleep(0.5)
print(struct.unpack('i', fcntl.ioctl(s, termios.TIOCOUTQ, b'1234'))[0])
"""
ASK = """
import socket
s = socket.create_connection(('169.254.169.254', 80), 3)
s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')
print(b''.join(iter(lambda: s.recv(999), b'')).split(b'\\r\\n')[-1].decode())
"""
# A byte each way stands before and behind what is sent: what arrived is what was counted.
SERVE = f"""
import socket, threading
taken = socket.create_server(('0.0.0.0', {SPEED_PORT}))
print('up', flush=True)
def serve(caller):
    what, size = caller.recv(1), {SPEED_BYTES}
    if what == b'<':
        caller.sendall(bytes(size))
    else:
        while size > 0: size -= len(caller.recv(65536))
        caller.sendall(b'.')
    caller.close()
while True: threading.Thread(target=serve, args=taken.accept()[:1], daemon=True).start()
"""
# kbit/s that come in, and that go out, without what a bucket lets through at once.
SPEED = f"""
import json, socket, sys, time
found = []
for what in (b'<', b'>'):
    s = socket.create_connection((sys.argv[1], {SPEED_PORT}), 5)
    s.settimeout(60)
    started = time.monotonic()
    s.sendall(what)
    if what == b'>': s.sendall(bytes({SPEED_BYTES}))
    while s.recv(65536): pass
    found.append(({SPEED_BYTES} - 70_000) * 8 / 1000 / (time.monotonic() - started))
print(json.dumps(found))
"""
RESOLVE = """
import json, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], 53))
found = {}
for number, name in enumerate(sys.argv[2:]):
    question = b''.join(bytes([len(part)]) + part.encode() for part in name.split('.')) + bytes([0, 0, 1, 0, 1])
    s.send(bytes([0, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + question)
    found[name] = 'unknown'
s.settimeout(1)
try:
    while True:
        answer = s.recv(512)
        if answer[7]:
            found[sys.argv[2 + answer[1]]] = socket.inet_ntoa(answer[-4:])
except TimeoutError:
    print(json.dumps(found))
"""


def sh(command: str) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}")
    return done.stdout


def inside(name: str, program: str, *arguments: str) -> str:
    done = subprocess.run(["ip", "netns", "exec", name, sys.executable, "-IS", "-c", program, *arguments],
                          capture_output=True, text=True, timeout=30)
    return done.stdout.strip() or "failed: " + done.stderr.strip()[-200:]


def receive(name: str, log: Path) -> None:
    """Take connections there, and note what datagrams say, until the namespace's processes are ended."""
    process = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-IS", "-c", RECEIVE, str(log)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()


class Guest:
    def __init__(self, name: str, address: str, bridge: str, hostname: str, directory: Path) -> None:
        self.name, self.address = name, address
        self.log = directory / f"{name}.log"
        own = IPv4Address(address)
        tap = tap_of(own)
        sh(f"ip netns add {name} && ip link add {tap} type veth peer name eth0 netns {name}")
        sh(f"ip link set {tap} master {bridge} && bridge link set dev {tap} isolated on && ip link set {tap} up")
        sh(f"ip -n {name} link set lo up && ip -n {name} link set eth0 address {mac_of(own)} up")
        sh(f"ip netns exec {name} busybox udhcpc -i eth0 -n -q -f -t 5 -T 1 -x hostname:{hostname}"
           f" -s {directory}/leased.sh")
        receive(name, self.log)

    def reaches(self, **targets: tuple[str, int]) -> dict[str, bool]:
        told = json.dumps([[name, *target] for name, target in targets.items()])
        found: dict[str, bool] = json.loads(inside(self.name, PROBE, told))
        return found

    def send(self, other: Guest) -> None:
        inside(self.name, f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'{self.name}',"
                          f" ('{other.address}', {PORT}))")

    def know_only(self, gateway: str) -> None:
        """What a hostile guest does: everybody but the gateway is reached through it."""
        sh(f"ip -n {self.name} addr flush dev eth0 && ip -n {self.name} addr add {self.address}/32 dev eth0")
        sh(f"ip -n {self.name} route add {gateway} dev eth0 && ip -n {self.name} route add default via {gateway}")


def make_outside() -> None:
    """198.51.100.0/24 is a link of this node's, with a neighbour; behind that one is 203.0.113.9, the outside."""
    sh("ip netns add outside && ip link add up0 type veth peer name eth0 netns outside")
    sh("ip addr add 198.51.100.1/24 dev up0 && ip link set up0 up && ip route add 203.0.113.0/24 via 198.51.100.2")
    sh("ip -n outside addr add 198.51.100.2/24 dev eth0 && ip -n outside addr add 203.0.113.9/32 dev lo")
    sh("ip -n outside link set lo up && ip -n outside link set eth0 up")
    sh("ip -n outside route add default via 198.51.100.1")               # back also where nobody translates
    receive("outside", Path("/dev/null"))


def tries(name: str, host: str, port: int, count: int) -> int:
    """How many of so many connections, one after the other, are taken."""
    program = (
        "import socket, sys\ntaken = 0\n"
        f"for _ in range({count}):\n"
        "    try:\n"
        f"        socket.create_connection(({host!r}, {port}), 0.3).close()\n        taken += 1\n"
        "    except OSError:\n        break\nprint(taken)"
    )
    return int(inside(name, program))


def bandwidths(converger: Converger, document: Document) -> dict[str, Any]:
    """What comes to the first guest from outside, and what it sends there, in kbit/s, as the document limits it."""
    server = subprocess.Popen(["ip", "netns", "exec", "outside", sys.executable, "-IS", "-c", SERVE],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
    assert server.stdout is not None
    server.stdout.readline()
    tap = NICS[0]["tap"]
    queue = f"/sys/class/net/wq{str(tap)[2:]}/ifindex"

    def speeds(*rates: Rate) -> list[float]:
        """The best of three, where nothing limits what is measured but a busy machine."""
        converger.converge(replace(document, rates=rates))
        assert converger.seen is not None and converger.seen.shapes, "this kernel holds limits"
        tries = 1 if any(rate.incoming for rate in rates) else 3
        measured = [json.loads(inside("a", SPEED, "203.0.113.9")) for _ in range(tries)]
        return [max(each) for each in zip(*measured, strict=True)]

    found: dict[str, Any] = {"free": speeds()}
    limit = Rate(str(tap), 2000, 1000)
    found["limited"] = speeds(limit)
    index = Path(queue).read_text()
    anew = Shaping(run_command, find_interface, time.monotonic, find_program, Complaints())  # of another agent
    anew.converge([limit])
    found["kept"] = Path(queue).read_text() == index
    sh(f"tc qdisc delete dev {tap} ingress && ip link delete {queue.split('/')[4]}")
    found["made again"] = speeds(limit)
    found["one way"] = speeds(Rate(str(tap), None, 1000))
    found["unlimited"] = speeds()
    found["left"] = sh("tc qdisc show | grep -c -e tbf -e ingress | cat; ip -o link show type ifb").split("\n")
    server.terminate()
    server.wait()
    return found


def main(told: dict[str, Any]) -> None:
    directory = Path(tempfile.mkdtemp())
    script = directory / "leased.sh"
    script.write_text(LEASED)
    script.chmod(0o755)
    node, machine = told["node"], told["machine"]
    endpoint = Endpoint()
    address, credential = parse_endpoint(endpoint.url), Credential(7, endpoint.credential)
    now = [time.monotonic()]
    converger = Converger(StateFile(directory), lambda bridge: Forwarder(bridge, lambda: Client(address, credential)),
                          clock=lambda: now[0])
    document = parse_document({
        "version": "1", "hook_version": "", "networks": told["networks"], "nics": NICS,
        "management": ["203.0.113.77/32"], "vnc_ports": [5900, 5909],
    })
    make_outside()
    with_screen = socket.create_server(("0.0.0.0", 5900), backlog=256)
    converger.converge(document)
    found: dict[str, Any] = {}
    red, green = told["networks"][0]["bridge"], told["networks"][1]["bridge"]
    a = Guest("a", "10.128.0.2", red, "db", directory)
    b = Guest("b", "10.128.0.3", red, "bee", directory)
    c = Guest("c", "10.129.0.2", green, "cee", directory)
    found["leased"] = [sh(f"ip -n {guest.name} -4 -brief addr show eth0").split()[2] for guest in (a, b, c)]
    gateway = "10.128.0.1"
    found["names"] = json.loads(inside("b", RESOLVE, gateway, "db", "bee", "node1", "node1.lab.test"))
    found["metadata"] = inside("a", ASK)
    barred = {
        "another pool": (c.address, PORT), "its gateway": ("10.129.0.1", 53),
        "libvirtd": (node, 16509), "screen": (node, 5900), "screen by the gateway": (gateway, 5900),
        "metadata's other port": ("169.254.169.254", 5900), "own link": ("198.51.100.1", 5900),
        "neighbour on a link": ("198.51.100.2", PORT), "manager": (machine, told["endpoint_port"]),
    }
    wanted = {"outside": ("203.0.113.9", PORT), "DNS by TCP": (gateway, 53)}
    found["reached"] = a.reaches(**barred, **wanted)
    a.know_only(gateway)
    b.know_only(gateway)

    def tricks() -> dict[str, bool]:
        for guest in (a, b, c):
            guest.log.write_bytes(b"")
        for guest, other in ((a, b), (b, a), (a, c), (c, a)):
            guest.send(other)
        reached = a.reaches(**{"neighbour": (b.address, PORT), "another": (c.address, PORT)})
        time.sleep(0.2)
        heard = {f"{guest.name} heard": bool(guest.log.read_bytes()) for guest in (a, b, c)}
        return reached | heard | a.reaches(**wanted)

    found["tricks"] = tricks()
    sh("nft delete table inet wawel && nft delete table bridge wawel")
    found["control"] = tricks() | a.reaches(**barred)
    older = subprocess.Popen(["ip", "netns", "exec", "a", sys.executable, "-IS", "-c", HELD, node, "5900"], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert older.stdout is not None and older.stdout.readline() == "up\n"
    now[0] += RECHECK_S
    converger.converge(document)
    found["held"] = int(older.communicate("\n", timeout=10)[0])
    found["again"] = tricks()
    found["tries"] = tries("outside", node, 5900, 60)
    found["bandwidth"] = bandwidths(converger, document)
    sh("ip -n outside addr add 198.51.100.3/24 dev eth0")
    found["another's tries"] = int(inside("outside", (
        f"import socket; s = socket.create_connection(({node!r}, 5900), 1, ('198.51.100.3', 0)); print(1)")))
    found["firewall"] = StateFile(directory).get("firewall")
    with_screen.close()
    converger.close()
    endpoint.close()
    print(json.dumps(found), flush=True)


def end() -> None:
    for name in sh("ip netns list | cut -d ' ' -f 1").split():
        for pid in sh(f"ip netns pids {name}").split():
            os.kill(int(pid), 9)
        sh(f"ip netns del {name}")


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    finally:
        end()
