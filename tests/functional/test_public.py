"""
Public addresses on real hosts, with a real guest: reached from outside, as far as its security group lets others in;
through an end of all daemons, and after a start on the other node. The machine that the lab runs on is outside.

The tests are one story, in this order.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functional.test_migration import over
from functional.test_networks import PATIENCE_S, RANGE, Guest
from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import wait_until

ECHO = 7777
# An echo request every 20 ms until its input ends; then how many there were, and the most in a row without an answer.
PINGS = """
import select, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); s.connect((sys.argv[1], 0))
sent, answered, due, last = 0, set(), time.monotonic(), None
print("up", flush=True)
while last is None or time.monotonic() < last:
    if last is None and time.monotonic() >= due:
        body = struct.pack('!HH', 77, sent & 0xffff) + bytes(8)
        total = 0x0800 + sum(struct.unpack('!6H', body)); total = (total >> 16) + (total & 0xffff)
        try: s.send(b'\\x08\\0' + struct.pack('!H', 0xffff - (total >> 16) - (total & 0xffff)) + body)
        except OSError: pass
        sent, due = sent + 1, time.monotonic() + 0.02
    ready = select.select([s, sys.stdin] if last is None else [s], [], [], 0.01)[0]
    if s in ready:
        head = s.recv(999)[20:28]
        if head[0] == 0: answered.add(struct.unpack('!H', head[6:8])[0])
    if sys.stdin in ready: last = time.monotonic() + 5
row = worst = 0
for each in range(sent):
    row = 0 if each in answered else row + 1
    worst = max(worst, row)
print(sent, len(answered), worst, flush=True)
"""

# What a reboot takes of a node's networks, all of which the kernel and /run hold.
REBOOT = """
ours='s/^[0-9]*: \\(w[nx][0-9]*\\|wawel-out\\)[:@].*/\\1/p'
for each in $(ip -o link | sed -n "$ours"); do ip link delete dev $each; done
ip neigh show proxy | while read address _ device _; do ip neigh delete proxy $address dev $device; done
for family in -4 -6; do
    for pref in 5700 5701; do while ip $family rule delete pref $pref 2>/dev/null; do :; done; done
    for proto in 87 88; do ip $family route flush table all proto $proto; done
done
nft list tables | grep wawel | while read table; do nft delete $table; done
for each in /run/wawel-node/*/pid; do kill $(cat $each); done
rm -rf /run/wawel-node
"""


class Pings:
    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-IS", "-c", PINGS, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None and self._process.stdout.readline() == "up\n"

    def end(self) -> tuple[int, int, int]:
        """How many were sent and answered, and the most in a row that were not."""
        sent, answered, worst = map(int, self._process.communicate("", timeout=60)[0].split())
        return sent, answered, worst


class Public:
    """A guest with a public address on the hosts' own link, and somebody's port of a shared one."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        node = cloud.real_node(1).host
        base = node.address.rsplit(".", 1)[0]
        self.address, self.shared = f"{base}.200", f"{base}.201"
        cloud.admin.call("admin.pool.add", {"name": "vx", "network": RANGE, "network6": "fd12:3456:789a::/48"})
        cloud.admin.call("admin.public_address.add", {"addresses": [self.address]})
        cloud.admin.call("admin.public_address.add", {"addresses": [self.shared], "shared": True})
        wait_until(self._able, "both nodes' agents to say that they answer for public addresses", 60)
        self.guest = Guest(cloud, cloud.user, "Web One")
        self.guest.wait()
        (group,) = self.guest.call("security_group.get_list")
        self.group_id = group["security_group_id"]
        self.own = self.guest.call("public_address.request")
        self.guest.call("public_address.assign", public_address_id=self.own["public_address_id"], vm_id=self.guest.id)

    def _able(self) -> bool:
        nodes = self.cloud.admin.call("admin.node.get_list")
        return all(
            node["report"] is not None and {"links", "public"} <= set(node["report"]["capabilities"]) for node in nodes
        )

    def links(self) -> set[str]:
        """Of the guest's node, those that its agent makes for networks."""
        listed = self.guest.node.host.run(["ip", "-o", "link"]).stdout
        return set(re.findall(r"^[0-9]+: (w[nx][0-9]+)", listed, re.MULTILINE))

    def state(self) -> str:
        asked = {"public_address_id": self.own["public_address_id"]}
        return str(self.guest.call("public_address.get_by_id", **asked)["state"])

    def answering(self) -> list[str]:
        """The nodes whose kernel answers for it."""
        nodes = [node for node in self.cloud.nodes if isinstance(node, RealNode)]
        return [each.host.name for each in nodes
                if self.address in each.host.run(["ip", "neigh", "show", "proxy"]).stdout]  # fmt: skip

    def evidence(self) -> dict[str, str]:
        """Where it went wrong, if the guest is not reached: who is thought to have it, and how the guest itself is."""
        told = {"outside": subprocess.run(["ip", "neigh", "show", self.address], capture_output=True, text=True).stdout}
        for node in self.cloud.nodes:
            if isinstance(node, RealNode):
                asked = "ip -br link; ip neigh; bridge fdb; ip route show table all proto 88; nft list ruleset"
                told[node.host.name] = node.host.run(["sh", "-c", asked]).stdout[:9999]
        try:
            self.guest.look()
            told["guest"] = self.guest.run("uptime; ip neigh; ping -c 1 -W 1 169.254.169.254")
        except Exception as error:
            told["guest"] = f"says nothing: {error!r:.300}"
        return told

    def listens(self) -> bool:
        try:
            socket.create_connection((self.address, ECHO), 3).close()
        except OSError:
            return False
        return True

    def page(self, port: int = 80, address: str = "") -> str:
        """Whose page it is: each guest's says its VM."""
        try:
            with urllib.request.urlopen(f"http://{address or self.address}:{port}/", timeout=3) as answer:
                told: str = answer.read().decode().strip()
                return told.removeprefix("tiny ")
        except OSError:
            return "nobody"


@pytest.fixture(scope="module")
def there(start_cloud: Callable[..., Cloud]) -> Iterator[Public]:
    made = Public(start_cloud(durable=False))
    yield made
    made.guest.hang_up()


def test_reached(there: Public) -> None:
    """A node answers; what the guest's group does not let in stays out, and comes in once it does, by a port too."""
    wait_until(lambda: there.state() == "answered", "a node that answers", PATIENCE_S)
    assert there.answering() == [there.guest.node.host.name] and there.page() == "nobody"
    for rule in ({"protocol": "tcp"}, {"protocol": "icmp"}):
        there.guest.call("security_group.add_rule", security_group_id=there.group_id, direction="in", **rule)
    wait_until(lambda: there.page() == there.guest.vm["uuid"], "the guest's page", PATIENCE_S)
    port = there.guest.call("vm.add_port", vm_id=there.guest.id, guest_port=80)["port"]
    wait_until(lambda: there.page(port, there.shared) == there.guest.vm["uuid"], "its page by a port", PATIENCE_S)


def test_without_daemons(there: Public, record_property: Callable[[str, object], None]) -> None:
    """All daemons are killed and started again: pings and an open connection notice nothing."""
    cloud = there.cloud
    there.guest.run(f"setsid nc -ll -p {ECHO} -e /bin/cat >/dev/null 2>&1 & echo begun")  # beyond its console's end
    wait_until(there.listens, "the guest to listen", PATIENCE_S)
    there.guest.hang_up()  # by libvirtd
    with socket.create_connection((there.address, ECHO), 10) as held:
        pings = Pings(there.address)
        for number in (1, 2):
            cloud.kill_agent(number)
            cloud.real_node(number).restart_libvirtd()
        cloud.kill_cm()
        held.sendall(b"without anybody")
        assert held.recv(99) == b"without anybody"
        cloud.start_cm()
        cloud.wait_for_cm()
        for number in (1, 2):
            cloud.start_agent(number)
        wait_until(lambda: there.state() == "answered", "the agents' report", 60)
        held.sendall(b"as before")
        assert held.recv(99) == b"as before"
        sent, answered, worst = pings.end()
    record_property("pings while daemons were gone: sent, answered, most in a row lost", (sent, answered, worst))
    print(f"{sent - answered} of {sent} pings lost, at most {worst} in a row")
    assert answered == sent


class Talk:
    """Over one TCP connection something every 20 ms, which has to come back as it was, for as long as this is."""

    def __init__(self, address: str) -> None:
        self._socket = socket.create_connection((address, ECHO), 10)
        self._socket.settimeout(30)
        self._over = threading.Event()
        self.said, self.worst_s, self.broke = 0, 0.0, ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._over.wait(0.02):
                text, began = b"%08d" % self.said, time.monotonic()
                self._socket.sendall(text)
                heard = b""
                while len(heard) < len(text):
                    more = self._socket.recv(99)
                    if not more:
                        raise ConnectionError("it was closed")
                    heard += more
                assert heard == text
                self.said, self.worst_s = self.said + 1, max(self.worst_s, time.monotonic() - began)
        except (OSError, AssertionError) as error:
            self.broke = repr(error)

    def end(self) -> None:
        self._over.set()
        self._thread.join(60)
        self._socket.close()


def _move(there: Public, to: RealNode) -> tuple[Any, ...]:
    """Have the guest go to a node while it runs, until that one answers; what came of pings and of TCP."""
    pings, talk = Pings(there.address), Talk(there.address)
    asked = {"vm_id": there.guest.id, "node_id": to.node_id}
    operation_id = there.cloud.admin.call("admin.vm.migrate", asked)["operation_id"]
    op = over(there.cloud, operation_id)
    assert op["state"] == "done", op
    wait_until(lambda: there.answering() == [to.host.name], "the other node to answer, and it alone", 60)
    said = talk.said
    wait_until(lambda: talk.broke or talk.said > said + 10, "the connection to go on", 60)
    talk.end()
    sent, answered, worst = pings.end()
    assert talk.broke == "" and answered, (op, sent, answered, worst, there.evidence())
    return sent, answered, worst, talk.said, round(talk.worst_s, 2)


def test_moves_live(there: Public, record_property: Callable[[str, object], None]) -> None:
    """
    Moved to the other node while it runs, and back: a TCP connection from outside goes on, pings are answered again,
    and one node answers. Hosts share their paths, so that the one reaches the other's libvirtd by its socket.
    """
    cloud, first = there.cloud, there.guest.node
    there.guest.hang_up()
    nodes = [node for node in cloud.nodes if isinstance(node, RealNode)]
    for node in nodes:
        cloud.admin.call("admin.node.edit", {"node_id": node.node_id, "migration_uri": node.uri})
    for to in (next(each for each in nodes if each is not first), first):
        told = _move(there, to)
        record_property("live move: pings sent, answered, most in a row lost; said by TCP, longest in s", told)
        print(*told)
    there.guest.look()
    assert there.guest.node is first


def test_reboot(there: Public, record_property: Callable[[str, object], None]) -> None:
    """
    All that a reboot takes of the node's networks is taken; its agent, without a manager, makes them again from the
    document that it saved, and answers for nothing. Once a manager has told it, pings go on.
    """
    cloud, node = there.cloud, there.guest.node
    number, links = cloud.nodes.index(node) + 1, there.links()
    assert len(links) == 2
    pings = Pings(there.address)
    cloud.kill_cm()
    cloud.kill_agent(number)
    node.host.run(["sh", "-c", REBOOT])
    assert there.links() == set() and there.answering() == []
    cloud.start_agent(number)
    wait_until(lambda: there.links() == links, "the agent to make its networks again", PATIENCE_S)
    wait_until(lambda: "wawel_routes" in node.host.run(["nft", "list", "tables"]).stdout, "its tables", PATIENCE_S)
    assert there.answering() == []
    cloud.start_cm()
    wait_until(lambda: there.answering() == [node.host.name], "the node's answer, as the manager told it", 60)
    wait_until(lambda: there.page() == there.guest.vm["uuid"], "the guest's page", PATIENCE_S)
    sent, answered, worst = pings.end()
    record_property("pings over a reboot: sent, answered, most in a row lost", (sent, answered, worst))
    print(f"{sent - answered} of {sent} pings lost, at most {worst} in a row")
    assert answered and sent - answered == worst, "what was lost was lost while nobody answered"


def test_elsewhere(there: Public, record_property: Callable[[str, object], None]) -> None:
    """Stopped, its address is nobody's; started on the other node it is there, and on no other."""
    cloud, before = there.cloud, there.guest.node
    pings = Pings(there.address)
    there.guest.hang_up()
    there.guest.call("vm.stop", vm_id=there.guest.id)
    wait_until(lambda: there.guest.look()["state"] == "stopped", "the VM's stop", 60)
    wait_until(lambda: not there.answering(), "no node that answers", PATIENCE_S)
    cloud.admin.call("admin.node.lock", {"node_id": before.node_id})
    there.guest.call("vm.start", vm_id=there.guest.id)
    wait_until(lambda: there.page() == there.guest.vm["uuid"], "the guest's page from the other node", 180)
    there.guest.look()
    assert there.guest.node is not before and there.answering() == [there.guest.node.host.name]
    record_property("pings during a start elsewhere: sent, answered, most in a row lost", pings.end())
    cloud.admin.call("admin.node.unlock", {"node_id": before.node_id})
    wait_until(lambda: there.state() == "answered", "the node's report", PATIENCE_S)


def test_nothing_left(there: Public) -> None:
    """Taken away from the VM nobody answers; then nothing of it is left on the nodes."""
    address = {"public_address_id": there.own["public_address_id"]}
    there.guest.call("public_address.unassign", **address)
    wait_until(lambda: there.page() == "nobody" and not there.answering(), "nobody that answers", PATIENCE_S)
    there.guest.destroy()
    there.guest.call("public_address.release", **address)
    nodes: list[Any] = [node for node in there.cloud.nodes if isinstance(node, RealNode)]
    for node in nodes:
        wait_until(lambda at=node: "wawel-out" not in at.host.run(["ip", "-o", "link"]).stdout, "the pair's end", 30)
        for what in (["route", "show", "table", "all", "proto", "88"], ["neigh", "show", "proxy"]):
            assert node.host.run(["ip", *what]).stdout.strip() == ""
    assert there.cloud.check_leaks() == [] and there.cloud.admin.call("admin.drift.get_list", {}) == []
    for pool in there.cloud.admin.call("admin.pool.get_list"):
        if pool["kind"] == "vxlan":
            for network in there.cloud.user.call("user.network.list_user_networks"):
                there.cloud.user.call("user.network.release", {"network_id": network["network_id"]})
            there.cloud.admin.call("admin.pool.delete", {"pool_id": pool["pool_id"]})
    for each in there.cloud.admin.call("admin.public_address.get_list"):
        there.cloud.admin.call("admin.public_address.delete", {"public_address_id": each["public_address_id"]})
