"""
Guests in security groups on a node of their own: whether packets pass as the manager says they do, that what is
withdrawn ends, and that equal addresses of two networks are kept apart. Prints what it found as JSON. Run by
``test_grouping.py`` under ``unshare --net --mount``.

    grouping.py STATE SEED ROUNDS PACKETS
    grouping.py STATE speed ROUNDS RULES...
"""

# A program, which finds its modules by the path that it sets first.
# ruff: noqa: E402

import json
import random
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]

from frames import arp as arp_of
from frames import ether, icmp6, ipv4, ipv6, udp
from namespaces import Inside, Wire, begin, make_bridge, make_guest, sh

from cm.rpc.vocabulary import RuleDirection
from cm.rules.security import End, Group, Rule, decide, document_group
from node_hooks.document import Document, parse_document
from node_hooks.network import Converger
from node_hooks.state import StateFile

GUESTS = 4
GROUPS = (1, 2, 3)
PORTS = (1, 22, 80, 443, 8000, 8080, 65535)
PREFIX = "10.130.0."


def mac_of(number: int) -> str:
    return f"02:58:00:00:00:{number:02x}"


def addresses_of(number: int) -> tuple[str, str]:
    return f"{PREFIX}{10 + number}", f"fd12::{10 + number:x}"


def nic(number: int, groups: Sequence[int], bridge: str = "wn7", address: int = 0) -> dict[str, object]:
    return {
        "tap": f"wvn{number}", "mac": mac_of(number), "bridge": bridge, "groups": list(groups), "spoofing": False,
        "addresses": list(addresses_of(address or number)),
    }  # fmt: skip


class World:
    """A node with four guests on one network."""

    def __init__(self, state_dir: str) -> None:
        begin()
        self._version = 0
        self._state = StateFile(Path(state_dir))
        self.restart()
        self.extra: list[dict[str, object]] = []
        self.wires = {}
        make_bridge("wn7")
        for number in range(1, GUESTS + 1):
            v4, v6 = addresses_of(number)
            make_guest(f"g{number}", f"wvn{number}", "wn7", mac_of(number), f"{v4}/24", f"{v6}/64")
            self.wires[number] = Wire("eth0", f"g{number}")

    def restart(self) -> None:
        """An agent anew, which knows nothing of the one before."""
        self.converger = Converger(self._state, lambda bridge: None, listens=lambda: [IPv4Address("10.1.0.1")])  # type: ignore[arg-type,return-value]

    def converge(self, memberships: dict[int, Sequence[int]], groups: dict[int, Group]) -> float:
        """:return: seconds."""
        self._version += 1
        nics = [nic(number, memberships.get(number, ())) for number in range(1, GUESTS + 1)]
        told = {str(key): document_group(group, with_rules=True) for key, group in groups.items()}
        document: Document = parse_document({
            "version": str(self._version), "networks": [], "hook_version": "", "nics": nics + self.extra,
            "groups": told,
        })  # fmt: skip
        assert not document.problems, document.problems
        began = time.monotonic()
        self.converger.converge(document)
        assert self._state.get("firewall") == "applied", self._state.get("firewall")
        return time.monotonic() - began


def members(memberships: dict[int, Sequence[int]], group_id: int) -> frozenset[object]:
    return frozenset(
        ip_address(each)
        for number, groups in memberships.items() if group_id in groups for each in addresses_of(number)
    )


def random_rule(draw: random.Random, number: int) -> Rule:
    family = draw.choice((4, 4, 6))
    protocol = draw.choice(("tcp", "udp", "icmp", "any", "tcp", "132"))
    ports = None
    if protocol in ("tcp", "udp") and draw.random() < 0.8:
        first, last = sorted(draw.choices(PORTS, k=2))
        ports = (first, last)
    if draw.random() < 0.3:
        return Rule(number, draw.choice(list(RuleDirection)), family, protocol, ports, None, draw.choice(GROUPS))
    bits = draw.choice((0, 24, 28, 30, 31, 32)) if family == 4 else draw.choice((0, 64, 125, 127, 128))
    base = addresses_of(draw.randint(1, GUESTS))[family == 6]
    return Rule(
        number, draw.choice(list(RuleDirection)), family, protocol, ports, ip_network(f"{base}/{bits}", strict=False)
    )


def packet(kind: str, family: int, sender: int, receiver: int, port: int, key: int) -> tuple[bytes, bytes]:
    """:return: the frame, and what it is known by."""
    source, to = addresses_of(sender)[family == 6], addresses_of(receiver)[family == 6]
    if kind == "udp":
        number, content = 17, udp(key, port, b"grouping")
    elif kind == "tcp":
        number = 6
        content = key.to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(8) + b"\x50\x02\xff\xff" + bytes(4)
    elif kind == "sctp":
        number, content = 132, key.to_bytes(2, "big") + port.to_bytes(2, "big") + bytes(8) + b"\1\0\0\x14" + bytes(16)
    else:
        number = 1 if family == 4 else 58
        echo = key.to_bytes(2, "big") + b"\0\1grouping"
        content = b"\x08\0\0\0" + echo if family == 4 else icmp6(128, echo)
    content = with_sum(number, source, to, content)
    made = ipv4(source, number, content, to) if family == 4 else ipv6(source, number, content, to)
    return ether(mac_of(sender), 0x800 if family == 4 else 0x86DD, made, mac_of(receiver)), made[-len(content) :]


def with_sum(number: int, source: str, to: str, content: bytes) -> bytes:
    """With the checksum, without which conntrack takes a packet for invalid."""
    at = {6: 16, 17: 6, 1: 2, 58: 2}.get(number)
    if at is None:
        return content
    head = ip_address(source).packed + ip_address(to).packed + bytes([0, number]) + len(content).to_bytes(2, "big")
    whole = (b"" if number == 1 else head) + content + bytes(len(content) % 2)
    total = sum(int.from_bytes(whole[i : i + 2], "big") for i in range(0, len(whole), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return content[:at] + (0xFFFF - total or 0xFFFF).to_bytes(2, "big") + content[at + 2 :]


NUMBERS = {"udp": (17, 17), "tcp": (6, 6), "sctp": (132, 132), "icmp": (1, 58)}


def compare(world: World, seed: int, rounds: int, packets: int) -> dict[str, object]:
    """Random packets over random rules: of each whether it passes, and whether it should."""
    draw = random.Random(seed)
    differences, passed, key, seconds = [], 0, 1024, []
    for _ in range(rounds):
        memberships = {
            number: draw.sample(GROUPS, draw.choice((0, 1, 1, 2, 3))) for number in range(1, GUESTS + 1)
        }
        groups = {
            group_id: Group(
                tuple(random_rule(draw, 100 * group_id + n) for n in range(draw.randint(0, 9))),
                members(memberships, group_id),  # type: ignore[arg-type]
            )
            for group_id in GROUPS
        }
        seconds.append(world.converge(memberships, groups))
        for wire in world.wires.values():
            wire.drain()
        sent = []
        for _ in range(packets):
            sender, receiver = draw.sample(range(1, GUESTS + 1), 2)
            kind, family, port = draw.choice(("tcp", "udp", "icmp", "sctp")), draw.choice((4, 6)), draw.choice(PORTS)
            key += 1
            frame, known_by = packet(kind, family, sender, receiver, port, key)
            world.wires[sender].send(frame)
            ends = [
                End(ip_address(addresses_of(each)[family == 6]), 7, "vxlan", memberships[each])
                for each in (sender, receiver)
            ]
            told = decide(*ends, NUMBERS[kind][family == 6], None if kind == "icmp" else port, groups)
            sent.append((receiver, known_by, told, (kind, family, sender, receiver, port)))
        for number, wire in world.wires.items():  # the last ones, of which everybody gets some
            wire.send(ether(mac_of(number), 0x806, arp(number)))
        seen = {
            number: b"\n".join(wire.until(arp(GUESTS if number != GUESTS else GUESTS - 1)))
            for number, wire in world.wires.items()
        }
        for receiver, known_by, told, what in sent:
            really = known_by in seen[receiver]
            passed += really
            if really != told.passes:
                differences.append([*what, really, str(told.verdict), str(groups), str(memberships)])
    return {"differences": differences, "passed": passed, "seconds": max(seconds)}


def arp(number: int) -> bytes:
    return arp_of(mac_of(number), addresses_of(number)[0])


def allow(number: int, direction: RuleDirection, port: int | None = None, group: int | None = None) -> Rule:
    remote = None if group is not None else ip_network("0.0.0.0/0")
    ports = None if port is None else (port, port)
    return Rule(number, direction, 4, "any" if port is None else "udp", ports, remote, group)


class Talk:
    """UDP between two guests on one port, as programs do it."""

    def __init__(self, client: int, server: int, port: int) -> None:
        self._to = (addresses_of(server)[0], port)
        with Inside(f"g{server}"):
            self._server = socket.socket(type=socket.SOCK_DGRAM)
            self._server.bind(("", port))
        with Inside(f"g{client}"):
            self._client = socket.socket(type=socket.SOCK_DGRAM)
            self._client.bind(("", 0))
            self._from = (addresses_of(client)[0], self._client.getsockname()[1])
        self._server.settimeout(0.3)
        self._client.settimeout(0.3)

    def asks(self) -> bool:
        self._client.sendto(b"q", self._to)
        return self._got(self._server)

    def answers(self) -> bool:
        self._server.sendto(b"a", self._from)
        return self._got(self._client)

    @staticmethod
    def _got(receiver: socket.socket) -> bool:
        try:
            receiver.recv(100)
            return True
        except TimeoutError:
            return False


def changes(world: World) -> dict[str, object]:
    """A rule opens a port of a running guest and closes it again, by a range and by a group."""
    found: dict[str, object] = {}
    out = allow(1, RuleDirection.OUT)
    both = {1: [1], 2: [2]}
    talk, rest = Talk(1, 2, 5400), Talk(1, 2, 5401)
    closed = {1: Group((out,)), 2: Group((allow(3, RuleDirection.IN, 5401),))}
    opened = {1: Group((out,)), 2: Group((allow(2, RuleDirection.IN, 5400), allow(3, RuleDirection.IN, 5401)))}
    world.converge(both, closed)
    found["closed"] = talk.asks() or not rest.asks()
    found["opening"] = world.converge(both, opened)
    found["opened"] = talk.asks() and talk.answers() and rest.answers()
    found["closing"] = world.converge(both, closed)
    # Neither side of the old flow goes on; the other port's does, answers first.
    found["ended"] = not talk.answers() and not talk.asks()
    found["others go on"] = rest.answers() and rest.asks()
    by_group = {1: Group((out,)), 2: Group((allow(2, RuleDirection.IN, 5400, group=1),))}
    world.converge(both, by_group)
    found["not a member"] = not talk.asks()
    member = {1: Group((out,), frozenset({ip_address(addresses_of(1)[0])})), 2: by_group[2]}
    world.converge(both, member)
    found["a member"] = talk.asks() and talk.answers()
    world.converge(both, by_group)
    found["no longer a member"] = not talk.answers() and not talk.asks()
    world.converge({2: [9]}, {})
    found["a group that nobody told of"] = not talk.asks()
    world.converge({}, {})
    found["no groups"] = talk.asks() and talk.answers()
    return found


def apart(world: World) -> dict[str, object]:
    """Two guests of another network have the same addresses; what one network's flow may, the other's may not."""
    make_bridge("wn8")
    for number, address in ((5, 1), (6, 2)):
        v4, v6 = addresses_of(address)
        make_guest(f"g{number}", f"wvn{number}", "wn8", mac_of(number), f"{v4}/24", f"{v6}/64")
    world.extra = [nic(5, [3], "wn8", 1), nic(6, [3], "wn8", 2)]
    out, into = allow(1, RuleDirection.OUT), allow(2, RuleDirection.IN)
    world.converge({1: [1], 2: [2]}, {1: Group((out,)), 2: Group((into,)), 3: Group(())})
    talk = Talk(1, 2, 5500)
    went = talk.asks() and talk.answers()
    # The answer to that flow, on the other network, where nothing may pass.
    wire, victim = Wire("eth0", "g6"), Wire("eth0", "g5")
    source, to = addresses_of(2)[0], addresses_of(1)[0]
    content = with_sum(17, source, to, udp(5500, talk._from[1], b"grouping"))
    wire.send(ether(mac_of(6), 0x800, ipv4(source, 17, content, to), mac_of(5)))
    own = ether(mac_of(6), 0x806, arp_of(mac_of(6), source))
    wire.send(own)
    return {"went": went, "kept apart": not any(content in each for each in victim.until(own[14:]))}


def speed(world: World, rounds: int, counts: Sequence[int]) -> dict[str, list[float]]:
    """Microseconds there and back, with so many rules in turn: of each round the median."""
    out, into = allow(1, RuleDirection.OUT), allow(2, RuleDirection.IN, 5400)
    others = [
        Rule(10 + n, RuleDirection.IN, 4, "udp", (6000 + 2 * n, 6000 + 2 * n), ip_network(f"10.{n % 200}.0.0/16"))
        for n in range(max(counts))
    ]
    found: dict[str, list[float]] = {str(count): [] for count in counts}
    world.converge({1: [1], 2: [2]}, {1: Group((out,)), 2: Group((into,))})
    talk = Talk(1, 2, 5400)
    for _ in range(rounds):
        for count in counts:
            world.converge({1: [1], 2: [2]}, {1: Group((out,)), 2: Group((*others[: count - 1], into))})
            taken = []
            for _ in range(3000):
                began = time.perf_counter()
                assert talk.asks() and talk.answers()
                taken.append(time.perf_counter() - began)
            found[str(count)].append(statistics.median(taken) * 1e6)
    return found


def main(state_dir: str, seed: str, rounds: str, packets: str, *more: str) -> None:
    world = World(state_dir)
    if seed == "speed":
        print(json.dumps(speed(world, int(rounds), [int(each) for each in (packets, *more)])))
        return
    found = {
        "changes": changes(world), "compared": compare(world, int(seed), int(rounds), int(packets)),
        "apart": apart(world),
    }  # fmt: skip
    found["tracking"] = sh("nft list tables")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
