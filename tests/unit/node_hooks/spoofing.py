"""
A guest that forges frames, on a node of its own; prints which of them came through, as JSON.

Run by ``test_spoofing.py`` under ``unshare --net --mount``.
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

import json
import sys
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from frames import Station, allowed, ether, forged, ipv4, ipv6, learned, udp
from namespaces import Wire, begin, make_bridge, make_guest, sh

from node_hooks.document import Document, parse_document
from node_hooks.firewall import METADATA, METADATA6, link_local
from node_hooks.network import Converger
from node_hooks.state import StateFile
from node_hooks.tracking import RulesWatch

GATEWAY = Station("02:00:00:00:00:01", "10.128.0.1", "fd00::1", "fe80::1")
NETWORK = {"name": "n", "bridge": "br1", "gateway": "10.128.0.1/24", "pool": "10.128.0.0/20", "metadata": False}


def station(number: int) -> Station:
    mac = f"02:58:00:00:00:{number:02x}"
    return Station(mac, f"10.128.0.{10 + number}", f"fd00::{10 + number}", str(link_local(mac)))


def nic(number: int, **more: object) -> dict[str, object]:
    guest = station(number)
    told = {"tap": f"wvn{number}", "mac": guest.mac, "bridge": "br1", "addresses": [guest.v4, guest.v6]}
    return {**told, "groups": [], "spoofing": False, **more}


def document(version: str, *numbers: int, spoofing: int = 0) -> Document:
    nics = [nic(number, spoofing=number == spoofing) for number in numbers]
    return parse_document(
        {"version": version, "networks": [NETWORK], "hook_version": "", "nics": nics, "groups": {}}
    )


def plug(name: str, number: int, link: str = "eth0") -> Wire:
    guest = station(number)
    make_guest(name, f"wvn{number}", "br1", guest.mac, f"{guest.v4}/24", f"{guest.v6}/64", link=link)
    return Wire(link, name)


class Pack:
    """Sends frames, and looks where they come out: at a neighbour, or at the node."""

    def __init__(self, victim: Wire) -> None:
        self._victim = victim
        self.seen = [Wire("eth0", "g2"), Wire("br1")]
        self._count = 0
        self._sentinel = plug("g3", 3)

    def come_through(self, sender: Wire, frames: Mapping[str, bytes]) -> list[str]:
        """Each has a tail of its own behind what it says its length is."""
        tails = {}
        for each in self.seen:
            each.drain()
        for name, frame in frames.items():
            self._count += 1
            tails[name] = b"\xa5tail%06d" % self._count
            sender.send(frame + tails[name])
        self._count += 1
        end = b"\xa5tail%06d" % self._count
        # By the tap of another, for all may be refused to this one; frames are delivered one after the other.
        own = station(3)
        self._sentinel.send(ether(own.mac, 0x800, ipv4(own.v4, 17, udp(1, 2))) + end)
        seen = b"\n".join(frame for wire in self.seen for frame in wire.until(end))
        return [name for name in frames if tails[name] in seen]

    def moves(self, sender: Wire, tap: str, frames: Mapping[str, bytes]) -> list[str]:
        """Of frames that nobody gets those by which the bridge learned that their sender is behind this tap."""
        found = []
        for name, frame in frames.items():
            # Where it was last heard, which may have been elsewhere while a guest might forge.
            self._victim.send(ether(station(2).mac, 0x800, ipv4(station(2).v4, 17, udp(1, 2))))
            self.come_through(sender, {})
            sender.send(frame)
            self.come_through(sender, {})
            mac = frame[6:12].hex(":")
            if mac in sh(f"bridge fdb show dev {tap}"):
                found.append(name)
        return found


def main(state_dir: str) -> None:
    begin()
    found: dict[str, object] = {}

    def make_converger() -> Converger:
        return Converger(StateFile(Path(state_dir)), lambda bridge: None, listens=lambda: [IPv4Address("10.128.0.1")])  # type: ignore[arg-type,return-value]

    converger = make_converger()
    make_bridge("br1", "10.128.0.1/24", "fe80::1/64", mac=GATEWAY.mac)
    converger.converge(document("1", 2, 3))
    victim = plug("g2", 2)
    own, other = station(1), station(2)
    pack = Pack(victim)
    wrong, right = forged(own, other, GATEWAY), allowed(own)
    hidden = learned(other)

    def attack(wire: Wire, tap: str, frames: Mapping[str, bytes]) -> list[str]:
        return pack.come_through(wire, frames) + pack.moves(wire, tap, hidden)

    # A tap that nobody told of, from its first frame on: neither from it nor to it.
    wire = plug("g1", 1)
    found["first two seconds"] = pack.come_through(wire, {**wrong, **right}) + pack.moves(wire, "wvn1", hidden)
    wire.drain()
    victim.send(ether(other.mac, 0x800, ipv4(other.v4, 17, udp(5000, 5001))) + b"\xa5tail-to-unknown")
    pack.come_through(victim, {})
    found["to a tap of no NIC"] = any(b"tail-to-unknown" in each for each in wire.drain())
    converger.converge(document("2", 1, 2, 3))
    found["allowed"] = [name for name in right if name not in pack.come_through(wire, right)]
    found["told"] = attack(wire, "wvn1", wrong)
    # Another tap of the same guest.
    converger.converge(document("3", 1, 2, 3, 4))
    second = plug("g1", 4, "eth1")
    more = station(4)
    found["hot-plugged"] = attack(second, "wvn4", forged(more, other, GATEWAY))
    found["hot-plugged, allowed"] = [
        name for name in allowed(more) if name not in pack.come_through(second, allowed(more))
    ]
    converger.close()
    found["agent stopped"] = attack(wire, "wvn1", wrong)
    converger = make_converger()
    converger.converge(document("3", 1, 2, 3, 4))
    found["agent started anew"] = attack(wire, "wvn1", wrong)
    # As the agent does it: told by the kernel, it looks at once.
    watch = RulesWatch()
    sh("nft flush ruleset")
    told = watch.wait(5.0)
    began = time.monotonic()
    converger.disturb()
    converger.converge(document("3", 1, 2, 3, 4))
    found["flushed, told"] = told
    found["flushed, seconds"] = time.monotonic() - began
    found["flushed"] = attack(wire, "wvn1", wrong)
    converger.converge(document("4", 1, 2, 3, 4, spoofing=1))
    found["spoofing allowed"] = [name for name in wrong if name not in pack.come_through(wire, wrong)]
    whose = {
        "its own, as itself": ether(own.mac, 0x800, ipv4(own.v4, 6, bytes(20), METADATA), GATEWAY.mac),
        "another's": ether(own.mac, 0x800, ipv4(other.v4, 6, bytes(20), METADATA), GATEWAY.mac),
        "another's, by its MAC": ether(other.mac, 0x800, ipv4(other.v4, 6, bytes(20), METADATA), GATEWAY.mac),
        "its own, by IPv6": ether(own.mac, 0x86DD, ipv6(own.v6, 6, bytes(20), METADATA6), GATEWAY.mac),
        "another's, by IPv6": ether(own.mac, 0x86DD, ipv6(other.v6, 6, bytes(20), METADATA6), GATEWAY.mac),
    }
    found["spoofing allowed, metadata"] = pack.come_through(wire, whose)
    # On a bridge of the node's, with addresses that nobody here knows.
    foreign = {"addresses": [], "foreign": True}
    converger.converge(parse_document(
        {"version": "4b", "networks": [NETWORK], "hook_version": "", "groups": {},
         "nics": [nic(1, **foreign), nic(2), nic(3), nic(4)]}
    ))  # fmt: skip
    found["foreign"] = pack.come_through(wire, {**wrong, **right})
    to_node = {"to the node": ether(own.mac, 0x800, ipv4(own.v4, 17, udp(5000, 5001)), GATEWAY.mac)}
    found["foreign, to the node"] = pack.come_through(wire, to_node)
    converger.converge(document("5", 1, 2, 3, 4))
    found["spoofing taken back"] = attack(wire, "wvn1", wrong)
    sh("nft delete table bridge wawel && ip link set br1 type bridge no_linklocal_learn 0")
    found["control"] = [name for name in [*wrong, *hidden] if name not in attack(wire, "wvn1", wrong)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
