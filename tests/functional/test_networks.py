"""
Users' networks on real hosts, with real guests: over nodes, by name, by IPv4 and IPv6; kept from others' of the same
addresses; opened and closed by security groups; going on without daemons; and gone with their last VMs.

The tests are one story, in this order.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cm.rpc.client import RpcClient
from functional.test_snapshots import Shell
from lab.cloud import Cloud
from lab.furnish import QUOTA
from lab.host import Host
from lab.nodes import RealNode
from lab.processes import wait_until

RANGE = "10.130.0.0/16"
PATIENCE_S = 30.0
PORT = 7777
OUTSIDE = "203.0.113.9"
SERVICE6 = "fd00:ec2::254"
NODE_OUTSIDE = "198.51.100.1"  # the node's own address towards it
# The time of each TCP packet for a port that is handed to a guest, by the clock of all processes here.
WATCH = """
import socket, struct, sys, time
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.bind((sys.argv[1], 0))
print("up", flush=True)
while True:
    frame, (_, _, kind, _, _) = heard.recvfrom(2000)
    if kind == socket.PACKET_OUTGOING and frame[12:14] == b"\\x08\\x00" and frame[23] == 6:
        at = 14 + (frame[14] & 15) * 4
        if struct.unpack("!H", frame[at + 2:at + 4])[0] == int(sys.argv[2]):
            print(time.monotonic(), flush=True)
"""
# Who calls is told the address that he was seen by.
MIRROR = f"""
import socket
taken = socket.create_server(('', {PORT}))
print("up", flush=True)
while True:
    caller, address = taken.accept()
    caller.sendall(address[0].encode())
    caller.close()
"""


class Guest:
    """A VM of somebody's with its shell."""

    def __init__(self, cloud: Cloud, owner: RpcClient, name: str, **more: Any) -> None:
        self.cloud, self.owner = cloud, owner
        asked = {"name": name, "description": "", "image_id": cloud.image_id, "template_id": cloud.template_ids["tiny"]}
        self.vm: Any = owner.call("user.vm.create", asked | more)[0]
        self.id: int = self.vm["vm_id"]
        self._shell: Shell | None = None

    def look(self) -> Any:
        self.vm = self.owner.call("user.vm.get_by_id", {"vm_id": self.id})
        return self.vm

    def wait(self) -> None:
        """
        Until it said hello, which its metadata has led it to, and has heard its router; its IPv6 address it is given,
        as it asks for none. Before that, a kernel that is still looking whether its link-local address is taken would
        never ask for routers, and hear one as late as half a minute afterwards.
        """
        def is_up() -> bool:
            vm = self.look()
            assert vm["state"] != "error", vm["error"]
            return bool(vm["contextualized"] and vm["state"] == "running")

        wait_until(is_up, f"VM {self.id}", 180)
        wait_until(lambda: self.does("ip -6 route | grep default"), f"VM {self.id} to hear its router", PATIENCE_S)
        told = f"ip -6 addr add {self.address(6)}/64 dev eth0 2>/dev/null"
        self.run(f"echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; {told}; echo done")

    def address(self, family: int) -> str:
        return next(lease["address"] for lease in self.vm["leases"] if (":" in lease["address"]) == (family == 6))

    @property
    def node(self) -> RealNode:
        node = self.cloud.node_of(self.vm)
        assert isinstance(node, RealNode)
        return node

    @property
    def tap(self) -> str:
        mac = self.run("cat /sys/class/net/eth0/address")
        return "wvn" + mac.replace(":", "")[4:]

    def run(self, command: str) -> str:
        if self._shell is None:
            self._shell = Shell(self.cloud, self.vm, self.owner)
        return self._shell.run(command).strip()

    def hang_up(self) -> None:
        if self._shell is not None:
            self._shell.__exit__()
            self._shell = None

    def does(self, command: str) -> bool:
        return self.run(f"{command} >/dev/null 2>&1 && echo yes || echo no") == "yes"

    def pings(self, target: str, family: int = 4) -> bool:
        return self.does(f"ping -{family} -c 1 -W 1 {target}")

    def page(self, host: str) -> str:
        """Whose page it is: each guest's says its VM."""
        told = self.run(f"timeout 3 wget -q -O - http://{host}/ || echo nobody")
        return told.removeprefix("tiny ")

    def call(self, method: str, **params: Any) -> Any:
        return self.owner.call(f"user.{method}", params)

    def destroy(self) -> None:
        self.hang_up()
        self.call("vm.destroy", vm_ids=[self.id])
        wait_until(lambda: self.look()["state"] == "destroyed", f"the end of VM {self.id}", 60)


class Networks:
    """Ann's two VMs on her default network, Bob's two on one of the same addresses, each pair on both nodes."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        pool = {"name": "vx", "network": RANGE, "network6": "fd12:3456:789a::/48"}
        cloud.admin.call("admin.pool.add", pool)
        also = {"name": "vy", "network": RANGE, "network6": "fd12:3456:789b::/48", "overlap": True}
        cloud.admin.call("admin.pool.add", also)
        wait_until(self._linked, "both nodes' agents to say that they make links", 60)
        told = {"login": "bob", "password": "bobs-own-password", "name": "Bob"}
        cloud.admin.call("admin.user.add", {**told, **QUOTA})
        self.bob = RpcClient(cloud.url, told["login"], told["password"], timeout_s=30)
        self.web, self.db = Guest(cloud, cloud.user, "Web One"), Guest(cloud, cloud.user, "db")
        (self.own,) = cloud.user.call("user.network.list_user_networks")
        asked = {"name": "same", "network": self.own["network"], "pool": "vy"}
        self.other = self.bob.call("user.network.request", asked)
        networks = [self.other["network_id"]]
        self.bobs_web = Guest(cloud, self.bob, "Web One", networks=networks)
        self.bobs_db = Guest(cloud, self.bob, "db", networks=networks, addresses=["10.130.0.9"])
        self.guests = (self.web, self.db, self.bobs_web, self.bobs_db)
        for guest in self.guests:
            guest.wait()

    def _linked(self) -> bool:
        """Till then a node takes no VM on such a network."""
        nodes = self.cloud.admin.call("admin.node.get_list")
        return all(node["report"] is not None and "links" in node["report"]["capabilities"] for node in nodes)

    @property
    def hosts(self) -> list[Host]:
        return [node.host for node in self.cloud.nodes if isinstance(node, RealNode)]

    def close(self) -> None:
        for guest in self.guests:
            guest.hang_up()
        self.bob.close()


@pytest.fixture(scope="module")
def there(start_cloud: Callable[..., Cloud]) -> Iterator[Networks]:
    made = Networks(start_cloud(durable=False))
    yield made
    made.close()


@pytest.fixture
def outside(there: Networks) -> Iterator[str]:
    """
    Somebody behind a link of each node, who has no way back to guests: he answers what comes from the node's own
    address. Gives that address.
    """
    running = []
    for host in there.hosts:
        host.run(["sh", "-ec", f"""
            ip netns add outside
            ip link add up0 type veth peer name eth0 netns outside
            ip addr add {NODE_OUTSIDE}/24 dev up0
            ip link set up0 up
            ip route add {OUTSIDE} via 198.51.100.2
            ip -n outside addr add 198.51.100.2/24 dev eth0
            ip -n outside addr add {OUTSIDE}/32 dev lo
            ip -n outside link set lo up
            ip -n outside link set eth0 up"""])  # fmt: skip
        running.append(begun(host, ["ip", "netns", "exec", "outside", sys.executable, "-IS", "-c", MIRROR]))
    yield NODE_OUTSIDE
    for process in running:
        process.terminate()
        process.wait()
    for host in there.hosts:
        host.run(["sh", "-c", "ip link delete up0; ip netns delete outside"])


def begun(host: Host, argv: list[str]) -> subprocess.Popen[Any]:
    process = host.popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "up\n"
    return process


def test_over_nodes(there: Networks, outside: str) -> None:
    """
    Two VMs that named no network run on two nodes and reach each other, by name and by address, of both families; each
    is told of itself, and leaves with its node's address.
    """
    web, db = there.web, there.db
    assert web.vm["node"] != db.vm["node"] and there.own["name"] == "default"
    assert [guest.address(4) for guest in (web, db)] == ["10.130.0.2", "10.130.0.3"]
    for guest, peer, name in ((web, db, "db"), (db, web, "web-one")):
        full = f"{name}.{there.own['domain']}"
        for target in (name, full):
            assert guest.pings(target) and guest.pings(target, 6)
        hosts = (name, full, peer.address(4), f"[{peer.address(6)}]")
        assert {host: guest.page(host) for host in hosts} == dict.fromkeys(hosts, peer.vm["uuid"])
        assert full in guest.run(f"nslookup {peer.address(4)}") and full in guest.run(f"nslookup {peer.address(6)}")
        for service in ("169.254.169.254", f"[{SERVICE6}]"):
            told = f"http://{service}/latest/meta-data/local-ipv4"
            assert guest.run(f"timeout 5 wget -q -O - {told}") == guest.address(4)
        assert guest.run(f"nc -w 5 {OUTSIDE} {PORT}") == outside
        assert guest.run("cat /sys/class/net/eth0/mtu") == "1450"


def test_apart(there: Networks) -> None:
    """
    Others' VMs of the same names and addresses, on the same nodes: who asks for an address or a name gets his own, and
    whom only the other has he does not reach.
    """
    web, db, bobs_web, bobs_db = there.guests
    assert there.own["network"] == there.other["network"]
    assert {web.vm["node"], db.vm["node"]} == {bobs_web.vm["node"], bobs_db.vm["node"]}
    assert bobs_web.address(4) == web.address(4) and bobs_web.vm["node"] != bobs_db.vm["node"]
    assert bobs_web.page("db") == bobs_web.page(bobs_db.address(4)) == bobs_db.vm["uuid"]
    assert bobs_db.page("web-one") == bobs_db.page(web.address(4)) == bobs_web.vm["uuid"]
    assert web.page("db") == db.vm["uuid"]
    for guest, target in ((web, bobs_db), (db, bobs_db), (bobs_web, db), (bobs_db, db)):
        assert not guest.pings(target.address(4)) and not guest.pings(target.address(6), 6)
    assert web.page(bobs_db.address(4)) == bobs_web.page(db.address(4)) == "nobody"


def test_metadata_by_ipv6(there: Networks) -> None:
    """
    Who asks by IPv6 is told of itself, though another on its node has its IPv4 address; a header makes it nobody else,
    and from another's address no packet leaves.
    """
    web, bobs_web, bobs_db = there.web, there.bobs_web, there.bobs_db
    url = f"http://[{SERVICE6}]/latest/meta-data/mac"

    def told(guest: Guest, said: str = "") -> str:
        return guest.run(f"timeout 4 wget -q -O - {said} {url} 2>&1 || echo nothing")

    macs = {guest: guest.run("cat /sys/class/net/eth0/address") for guest in there.guests}
    assert len(set(macs.values())) == 4
    assert {guest: told(guest) for guest in there.guests} == macs
    for claim in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        assert "403" in told(web, f"--header '{claim}: {bobs_web.address(6)}'")
    neighbour = next(guest for guest in (bobs_web, bobs_db) if guest.vm["node"] == web.vm["node"])
    gateway = web.run("ip -6 route | sed -n 's/default via \\([0-9a-f:]*\\).*/\\1/p'").split()[0]
    for other in (neighbour.address(6), there.db.address(6)):
        web.run(f"ip -6 addr add {other}/128 dev eth0; ip -6 route add {SERVICE6} via {gateway} dev eth0 src {other}")
        assert other in web.run(f"ip -6 route get {SERVICE6}")
        assert told(web).removeprefix("Terminated ") == "nothing"  # not even that it is refused
        web.run(f"ip -6 route del {SERVICE6}; ip -6 addr del {other}/128 dev eth0; echo done")
    wait_until(lambda: told(web) == macs[web], "that it has its own address again", PATIENCE_S)


def test_servers_of_its_own(there: Networks) -> None:
    """A VM that is to ask another for names is told so when it asks for its address next, and others are not."""
    web, db = there.web, there.db

    def told(guest: Guest) -> str:
        return guest.run("udhcpc -i eth0 -n -q -t 4 -T 1 -s /tmp/asked 2>/dev/null").split("\n")[-1].strip()

    for guest in (web, db):  # what is answered, and nothing is changed by it
        guest.run("printf '#!/bin/sh\\n[ $1 != bound ] || echo $dns\\n' >/tmp/asked; chmod +x /tmp/asked; echo done")
    assert told(db) == told(web) == "10.130.0.1"

    def becomes(servers: str, expected: str) -> None:
        db.call("vm.edit", vm_id=db.id, dns=servers)
        wait_until(lambda: told(db) == expected, "its node to tell of it", PATIENCE_S)
        assert told(web) == "10.130.0.1"

    becomes("198.51.100.53, 2620:fe::fe", "198.51.100.53")
    becomes("", "10.130.0.1")


class Watched:
    """What is handed to a guest for the port, as time goes on."""

    def __init__(self, guest: Guest) -> None:
        argv = [sys.executable, "-IS", "-c", WATCH, guest.tap, str(PORT)]
        self._process = begun(guest.node.host, argv)
        self._seen: list[float] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._seen.append(float(line))

    def since(self, at: float) -> list[float]:
        return [seen for seen in list(self._seen) if seen > at]

    def is_quiet(self) -> bool:
        return not self.since(time.monotonic() - 1.5)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def test_security_groups(there: Networks, record_property: Callable[[str, object], None]) -> None:
    """
    A rule opens a port of a running guest, and when it is taken away, the port is closed; ``explain`` says so each
    time. A rule that names a group lets in whoever is in it, and no longer.
    """
    web, db = there.web, there.db
    (default,) = db.call("security_group.get_list")
    group_id = db.call("security_group.create", name="served")["security_group_id"]
    db.call("security_group.add_rule", security_group_id=group_id, direction="out")
    assert web.pings(db.address(4))
    db.call("security_group.assign", vm_id=db.id, security_group_ids=[group_id])
    db.run(f"nc -ll -p {PORT} -e /bin/cat >/dev/null 2>&1 & echo begun")
    begin = f"nc -w 1 {db.address(4)} {PORT} </dev/null >/dev/null 2>&1 & usleep 50000"
    web.run(f"while [ ! -e /tmp/end ]; do {begin}; done >/dev/null 2>&1 & echo begun")
    watched = Watched(db)

    def verdict() -> str:
        asked = {"vm_id": web.id, "to_vm_id": db.id, "protocol": "tcp", "port": PORT}
        return str(web.call("network.explain", **asked)["verdict"])

    try:
        opened, closed = [], []
        for _ in range(3):
            wait_until(watched.is_quiet, "silence before the port is opened", PATIENCE_S)
            assert verdict() == "no_rule_in"
            began = time.monotonic()
            rule = {"security_group_id": group_id, "direction": "in", "protocol": "tcp", "ports": str(PORT)}
            made = web.call("security_group.add_rule", **rule)["rules"][-1]
            wait_until(lambda at=began: watched.since(at), "the first packet", PATIENCE_S, pause=0.01)
            opened.append(watched.since(began)[0] - began)
            assert verdict() == "passes"
            began = time.monotonic()
            withdrawn = {"security_group_id": group_id, "rule_id": made["rule_id"]}
            web.call("security_group.remove_rule", **withdrawn)
            wait_until(watched.is_quiet, "silence when the port is closed", PATIENCE_S)
            closed.append(max([began, *watched.since(began)]) - began)
        record_property("seconds until a port was open", [round(each, 3) for each in opened])
        record_property("seconds until a port was closed", [round(each, 3) for each in closed])
        print(f"open after {[round(each, 3) for each in opened]}, closed after {[round(each, 3) for each in closed]} s")
    finally:
        watched.close()
        web.run("touch /tmp/end; killall nc; echo done")
    rule = {"security_group_id": group_id, "direction": "in", "protocol": "icmp"}
    web.call("security_group.add_rule", **rule, remote_group_id=default["security_group_id"])
    own = [default["security_group_id"]]
    for groups, reached in ((own, True), ([], False), (own, True)):
        web.call("security_group.assign", vm_id=web.id, security_group_ids=groups)
        for family in (4, 6):
            told = f"IPv{family} when the group has {'a member' if reached else 'none'}"
            wait_until(lambda f=family, r=reached: web.pings(db.address(f), f) is r, told, PATIENCE_S)
    db.call("security_group.assign", vm_id=db.id, security_group_ids=own)
    wait_until(lambda: web.page("db") == db.vm["uuid"], "the default group", PATIENCE_S)


def test_without_daemons(there: Networks) -> None:
    """
    Guests talk on while agents and libvirtd are killed and started again, losing nothing; the agents go on where they
    were: what a VM is called from now on is known at once.
    """
    cloud, web, db = there.cloud, there.web, there.db
    web.run(f"setsid ping -c 60 -i 0.1 {db.address(4)} >/tmp/pings 2>&1 & echo begun")  # beyond its console's end
    for number in (1, 2):
        cloud.kill_agent(number)
    assert web.page("db") == db.vm["uuid"]
    for guest in there.guests:
        guest.hang_up()  # by libvirtd
    for number in (1, 2):
        cloud.real_node(number).restart_libvirtd()
        cloud.start_agent(number)

    def is_well(number: int) -> bool:
        asked = {"node_id": cloud.nodes[number - 1].node_id}
        node = cloud.admin.call("admin.node.get_by_id", asked)
        return bool(node["state"] == "ok" and node["health"] == "ok")

    wait_until(lambda: is_well(1) and is_well(2), "the nodes' health", 60)
    wait_until(lambda: "transmitted" in web.run("tail -n 2 /tmp/pings"), "the last answer", PATIENCE_S, pause=0.5)
    assert web.does("grep '60 packets received' /tmp/pings")
    db.call("vm.edit", vm_id=db.id, name="Data Base")
    wait_until(lambda: web.page("data-base") == db.vm["uuid"], "the new name", PATIENCE_S)
    assert web.run("wget -q -O - http://169.254.169.254/latest/meta-data/local-ipv4") == web.address(4)


def parts(host: Host) -> set[str]:
    """What there is of users' networks: links, directories, servers."""
    links = re.findall(r"^\d+: (w[nxu]\d+|wv\w+)", host.run(["ip", "-o", "link"]).stdout, re.MULTILINE)
    kept = host.run(["sh", "-c", "ls /run/wawel-node 2>/dev/null || true"]).stdout.split()
    return {*links, *(f"files of {name}" for name in kept), *(name for name in host.commands() if name == "dnsmasq")}


def test_nothing_left(there: Networks) -> None:
    """A node's part of a network goes with the last VM on it there, the others' with theirs; then nothing is left."""
    cloud, web, db = there.cloud, there.web, there.db
    own, other = there.own["bridge"], there.other["bridge"]
    here = web.node.host
    on_node = next(guest for guest in (there.bobs_web, there.bobs_db) if guest.node is web.node)
    assert {own, other, f"files of {own}"} <= parts(here)
    web.destroy()
    gone = {own, f"files of {own}"}
    wait_until(lambda: gone.isdisjoint(parts(here)), f"the end of {own}", PATIENCE_S)
    assert {other, f"files of {other}"} <= parts(here)
    wait_until(lambda: not db.does("timeout 2 nslookup web-one." + there.own["domain"]), "the end of its name", 30)
    on_node.destroy()
    wait_until(lambda: parts(here) == set(), "the end of all networks of that node", PATIENCE_S)
    assert own in parts(db.node.host)
    for guest in (db, there.bobs_web, there.bobs_db):
        if guest is not on_node:
            guest.destroy()
    for host in there.hosts:
        wait_until(lambda at=host: parts(at) == set(), "the end of all networks", PATIENCE_S)
        for family in ("-4", "-6"):
            left = [host.run(["ip", family, what, "show"]).stdout for what in ("rule", "route")]
            assert not re.search(r"\bwn\d|proto 87|0x17", " ".join(left)), left
    assert cloud.check_leaks() == [] and cloud.admin.call("admin.drift.get_list", {}) == []
    cloud.user.call("user.network.release", {"network_id": there.own["network_id"]})
    there.bob.call("user.network.release", {"network_id": there.other["network_id"]})
    for pool in cloud.admin.call("admin.pool.get_list"):
        if pool["kind"] == "vxlan":
            cloud.admin.call("admin.pool.delete", {"pool_id": pool["pool_id"]})
