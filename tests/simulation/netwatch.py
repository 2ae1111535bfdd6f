"""
Networks of nodes: what must hold of them at every moment, and what each node must have when all is at rest, by a small
model of its own: from the rows, without any of the code that makes documents or rules of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any, Final

from node_hooks.tables import RECHECK_S
from simulation.kernel import UPLINK

if TYPE_CHECKING:
    from simulation.kernel import Kernel
    from simulation.simulation import Simulation
    from simulation.world import Node

# An agent that hears of nothing asks again after 20 s, and what its manager knows may be 10 s old; looks are 2 s apart.
HEARD_S: Final = 40.0
MARKS: Final = 0x17000000
METADATA: Final = ("169.254.169.254/32", "fd00:ec2::254/128")

CARDS: Final = """
SELECT v.node_id, n.id, n.tap, n.mac::text AS mac, n.spoofing, n.kbit_in, n.kbit_out, n.network_id, w.kind, w.bridge,
       w.vlan, w.metadata_served, w.prefix IS NULL AS unaddressed, host(w.gateway) AS gateway,
       host(w.gateway6) AS gateway6, extract(epoch FROM v.launched_at)::float8 AS launched,
       ARRAY(SELECT host(l.address) FROM network_lease l WHERE l.nic_id = n.id ORDER BY l.address) AS addresses,
       ARRAY(SELECT g.group_id FROM nic_group g WHERE g.nic_id = n.id ORDER BY 1) AS groups
  FROM nic n JOIN vm v ON v.id = n.vm_id JOIN network w ON w.id = n.network_id
 WHERE v.closed_at IS NULL AND v.node_claimed ORDER BY n.id
"""
_HOSTS: Final = """
SELECT n.network_id, n.mac::text AS mac,
       ARRAY(SELECT host(l.address) FROM network_lease l WHERE l.nic_id = n.id ORDER BY l.address) AS addresses
  FROM nic n ORDER BY n.id
"""
_NETWORKS: Final = """
SELECT id, kind, bridge, uplink, vlan, dhcp, metadata_served, host(gateway) || '/' || masklen(prefix) AS gateway,
       host(gateway6) || '/' || masklen(prefix6) AS gateway6 FROM network WHERE kind <> 'nat' AND deleted_at IS NULL
"""
_NAMED: Final = """
SELECT r.group_id, r.remote_group_id AS named,
       ARRAY(SELECT host(l.address) FROM nic_group g JOIN network_lease l ON l.nic_id = g.nic_id
              WHERE g.group_id = r.remote_group_id) AS members
  FROM security_rule r WHERE r.remote_group_id IS NOT NULL
"""
_PUBLIC: Final = "SELECT host(address) AS address, nic_id FROM public_address WHERE nic_id IS NOT NULL ORDER BY id"
_PORTS: Final = """
SELECT host(a.address) AS address, p.protocol, p.port, p.guest_port, p.nic_id
  FROM public_port p JOIN public_address a ON a.id = p.address_id ORDER BY p.id
"""


class NetWatch:
    """Of one simulation; says what is wrong to ``Simulation.break_invariant``."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._last: dict[str, str] = {}  # who answered for an address last
        self._well: dict[str, float] = {}  # since when a node hears of everything

    def changed(self, node: Node, before: set[str]) -> None:
        """The agent of a node has made a round. :param before: what the node answered for."""
        for address in sorted(set(node.agent.wiring.kernel.answers()) - before):
            if not node.agent.wiring.confirmed:
                self._simulation.break_invariant(f"{node.name} answers for {address}, and nobody has told it to")
            if self._last.get(address, node.name) != node.name:
                self._simulation.effects.counted["public address moved"] += 1
            self._last[address] = node.name

    def _some_is_down(self) -> bool:
        """Whether a process of the manager is dead or stands still, or none is told what others notify."""
        simulation, now = self._simulation, self._simulation.schedule.seconds()
        living = [p for p in simulation.processes if p.endpoint is not None and p.alive and p.stalled_until <= now]
        return len(living) < simulation._managers or simulation.notifications_lost

    def look(self) -> None:
        """Two nodes that answer for one address: the one has not yet been told that it is the other's."""
        simulation, now = self._simulation, self._simulation.schedule.seconds()
        answering: dict[str, list[Node]] = defaultdict(list)
        for node in simulation.members():
            agent = node.agent
            hears = agent.running and not node.memory.unreachable and agent.stalled_until <= now
            hears = hears and max(agent.late_until, agent.waits_until) <= now
            hears = hears and not simulation.database_down and not agent.cut
            if not hears or self._some_is_down():
                self._well.pop(node.name, None)
            else:
                self._well.setdefault(node.name, now)
            for address in agent.wiring.kernel.answers():
                answering[address].append(node)
        for address, nodes in answering.items():
            if len(nodes) > 1 and all(now - self._well.get(node.name, now) > HEARD_S for node in nodes):
                names = ", ".join(node.name for node in nodes)
                simulation.break_invariant(f"{address} is answered for by {names}, who have been told long ago")


def at_rest(simulation: Simulation) -> list[str]:
    """Each node has what the rows say, and nothing else; the ledger says nothing of its network."""
    model = _Model(simulation)
    wrong: list[str] = []
    for node in simulation.members():
        if node.agent.protocol > 1:
            wrong += [f"{node.name} {problem}" for problem in model.compare(node)]
    wrong += [
        f"the ledger has {row.kind} of {row.subject} on node {row.node_id}, though all is at rest"
        for row in simulation.sql(
            "SELECT kind, subject, node_id FROM drift WHERE closed_at IS NULL AND kind IN ('document_behind',"
            " 'wrong_link', 'wrong_rules', 'wrong_public') ORDER BY id"
        )
    ]
    return wrong


class _Model:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._cards: dict[int, list[Any]] = defaultdict(list)
        self._by_nic: dict[int, Any] = {}
        for row in simulation.sql(CARDS):
            self._cards[row.node_id].append(row)
            self._by_nic[row.id] = row
        self._networks = {row.id: row for row in simulation.sql(_NETWORKS)}
        self._hosts: dict[int, set[tuple[str, tuple[str, ...]]]] = defaultdict(set)
        for row in simulation.sql(_HOSTS):
            self._hosts[row.network_id].add((row.mac, tuple(row.addresses)))
        self._named = simulation.sql(_NAMED)
        self._public: dict[int, dict[str, str]] = defaultdict(dict)
        for row in simulation.sql(_PUBLIC):
            self._lead(row, row.address, row.address)
        self._ports: dict[int, set[str]] = defaultdict(set)
        holder: dict[str, int] = {}
        for row in simulation.sql(_PORTS):
            card = self._by_nic.get(row.nic_id)
            guest = _of_family(card.addresses if card is not None else (), row.address)
            if card is None or not guest:
                continue
            if holder.setdefault(row.address, card.node_id) == card.node_id:
                key = f"{row.address} . {row.protocol} . {row.port}"
                self._ports[card.node_id].add(f"{key} : {guest} . {row.guest_port}")
        self._shared: dict[int, set[str]] = defaultdict(set)
        for address, node_id in holder.items():
            self._shared[node_id].add(address)

    def _lead(self, row: Any, address: str, key: str) -> None:
        card = self._by_nic.get(row.nic_id)
        guest = _of_family(card.addresses if card is not None else (), address)
        if card is not None and guest:
            self._public[card.node_id][key] = guest

    def compare(self, node: Node) -> Iterable[str]:
        kernel = node.agent.wiring.kernel
        carried = {card.network_id for card in self._cards[node.node_id]} & self._networks.keys()
        yield from self._links(node, kernel, carried)
        yield from self._taps(node, kernel)
        yield from self._bandwidth(node, kernel)
        yield from self._translation(node, kernel, carried)

    def _links(self, node: Node, kernel: Kernel, carried: set[int]) -> Iterable[str]:
        own = {name for name in kernel.devices if name[:2] in ("wn", "wx", "wu") and name[2:].isdecimal()}
        devices = {f"wn{number}" for number in carried if self._is_made(number)}
        devices |= {_leads_out(self._networks[number]) for number in carried} - {""}
        yield from _differ("devices", own, devices)
        routed = {number for number in carried if self._networks[number].gateway is not None}
        rules = {each["fwmark"] for each in kernel.rules.values() if "fwmark" in each}
        yield from _differ("rules", rules, {f"{MARKS + number:#x}" for number in routed})
        yield from _differ("dnsmasqs", set(kernel.served), {f"wn{number}" for number in routed})
        marks = {f'"wn{number}" : {MARKS + number:#x}' for number in routed}
        yield from _differ("marks", kernel.nft.content("inet wawel_routes", "marks"), marks)
        for number in sorted(carried):
            row, bridge, tunnel = self._networks[number], f"wn{number}", f"wx{number}"
            if not self._is_made(number):
                if row.bridge not in kernel.site:
                    yield f"has VMs on the network {number}, and no bridge {row.bridge}"
                continue
            wanted = {row.gateway} - {None} | ({METADATA[0]} if row.metadata_served else set())
            if row.gateway6 is not None:
                wanted |= {row.gateway6, "fe80::1/64"} | ({METADATA[1]} if row.metadata_served else set())
            here = {str(ip_interface(each)) for each in kernel.addresses.get(bridge, ())}
            yield from _differ(f"addresses on {bridge}", here, wanted)
            device = kernel.devices.get(_leads_out(row))
            there = (bridge, 4096 + number, "") if row.kind == "vxlan" else (bridge, row.vlan, row.uplink)
            if device is not None and (device.master, device.told["id"], device.below) != there:
                yield f"has {_leads_out(row)} on {device.master} with {device.told}"
            if row.kind == "vxlan":
                peers = {
                    self._simulation.by_id[node_id].address for node_id, cards in self._cards.items()
                    if node_id != node.node_id and any(card.network_id == number for card in cards)
                }  # fmt: skip
                yield from _differ(f"peers of {tunnel}", set(kernel.peers.get(tunnel, ())), peers)
            told = {(host.mac, tuple(map(str, host.addresses))) for host in kernel.served.get(bridge, ())}
            yield from _differ(f"leases of {bridge}", told, self._hosts[number] if number in routed else set())

    def _is_made(self, number: int) -> bool:
        """Whether agents make the bridge of a network: else the site did."""
        row = self._networks[number]
        return row.kind == "vxlan" or row.vlan is not None

    def _taps(self, node: Node, kernel: Kernel) -> Iterable[str]:
        cards = self._cards[node.node_id]

        def differ(name: str, wanted: set[str]) -> Iterable[str]:
            return _differ(name, kernel.nft.content("bridge wawel", name), wanted)

        yield from differ("taps", {f'"{card.tap}"' for card in cards})
        yield from differ("trusted", {f'"{card.tap}"' for card in cards if card.spoofing})
        yield from differ("foreign", {f'"{card.tap}"' for card in cards if card.unaddressed})
        yield from differ("macs", {f'"{card.tap}" . {card.mac}' for card in cards if not card.spoofing})
        yield from differ("guests", {
            f'"{card.tap}" . {card.mac} . {each}' for card in cards for each in card.addresses if ":" not in each
        })  # fmt: skip
        grouped = [card for card in cards if card.groups]
        for name, direction in (("senders", "out"), ("receivers", "in")):
            yield from differ(name, {
                f'"{card.tap}" : jump c_{"_".join(map(str, card.groups))}_{direction}' for card in grouped
            })  # fmt: skip
        used = {group for card in grouped for group in card.groups}
        for row in self._named:
            if row.group_id in used:
                for family in (4, 6):
                    members = {each for each in row.members if (":" in each) is (family == 6)}
                    yield from differ(f"m{row.named}_{family}", members)

    def _bandwidth(self, node: Node, kernel: Kernel) -> Iterable[str]:
        taps = kernel.taps()
        # A guest that was started again at once has another tap of the same name, which no document tells of.
        since = self._simulation.unix_s() - RECHECK_S
        fresh = {card.tap for card in self._cards[node.node_id] if (card.launched or 0.0) > since}
        taps = {tap: bridge for tap, bridge in taps.items() if tap not in fresh}
        limited = [card for card in self._cards[node.node_id] if card.tap in taps and (card.kbit_in or card.kbit_out)]
        wanted = {(card.tap, card.kbit_in, card.kbit_out) for card in limited}
        yield from _differ("limits of bandwidth", kernel.traffic.limits(taps), wanted)
        queues = {name for name, device in kernel.devices.items() if device.kind == "ifb"}
        queues -= {f"wq{tap[2:]}" for tap in fresh}
        yield from _differ("queues", queues, {f"wq{card.tap[2:]}" for card in limited if card.kbit_out})
        self._simulation.effects.counted["card limited"] += len(limited)

    def _translation(self, node: Node, kernel: Kernel, carried: set[int]) -> Iterable[str]:
        whole, shared = self._public[node.node_id], self._shared[node.node_id]
        yield from _differ("answers", set(kernel.answers()), whole.keys() | shared)
        yield from _differ("strange answers", {each for each in kernel.proxies if each[1] != UPLINK}, set())
        for family in (4, 6):
            here = kernel.nft.content("inet wawel_public", f"guests{family}")
            wanted = {f"{to} : {guest}" for to, guest in whole.items() if (":" in to) is (family == 6)}
            yield from _differ(f"guests of public addresses of IPv{family}", here, wanted)
            here = kernel.nft.content("inet wawel_public", f"port_guests{family}")
            ports = {each for each in self._ports[node.node_id] if (":" in each.split(" ")[0]) is (family == 6)}
            yield from _differ(f"guests of public ports of IPv{family}", here, ports)
        effects = self._simulation.effects.counted
        effects["public address answered"] += len(whole)
        effects["public port answered"] += len(self._ports[node.node_id])
        row = self._simulation.sql("SELECT public, links FROM node_report WHERE node_id = :n", n=node.node_id)
        if row:
            told = {*row[0].public, *row[0].links}
            there = {*kernel.answers(), *(name for name in kernel.devices if name.startswith("wn"))}
            there |= {self._networks[number].bridge for number in carried if not self._is_made(number)}
            yield from _differ("what it has, as the manager knows it,", told, there)


def _leads_out(row: Any) -> str:
    """The port of a network's bridge by which the rest of it is reached; "": agents make none."""
    if row.kind == "vxlan":
        return f"wx{row.id}"
    return f"wu{row.id}" if row.vlan is not None else ""


def _of_family(addresses: Iterable[str], like: str) -> str:
    return next((each for each in addresses if (":" in each) is (":" in like)), "")


def _differ(what: str, here: Any, wanted: Any) -> Iterable[str]:
    if set(here) != set(wanted):
        extra, missing = sorted(set(here) - set(wanted), key=str), sorted(set(wanted) - set(here), key=str)
        yield f"differs in {what}: it has {extra[:3]} besides, and lacks {missing[:3]}"
