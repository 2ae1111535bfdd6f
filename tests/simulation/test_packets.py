"""Packets through the rules of simulated nodes: the interpreter, and that what a node lets pass wrongly is seen."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from lab.postgres import PrivatePostgres
from simulation import probes
from simulation.frames import TCP, UDP, Flow, frame
from simulation.netfilter import NetFilter
from simulation.packets import NotUnderstood, passes
from simulation.scenario import Scene
from simulation.test_networks import Networked

_TABLE = """table bridge a
delete table bridge a
table bridge a {
\tset known { type ifname . ether_addr; elements = { "t1" . 02:00:00:00:00:01 }; }
\tset allowed { type ipv4_addr . inet_proto . inet_service; flags interval; elements = { 10.0.0.0/8 . 6 . 80-90 }; }
\tmap senders { type ifname : verdict; elements = { "t1" : jump one }; }
\tchain one {
\t\tip daddr . meta l4proto . th dport @allowed return
\t\tudp dport { 53, 67-68 } accept
\t\tcounter drop
\t}
\tchain entering {
\t\ttype filter hook prerouting priority -300; policy accept;
\t\tiifname != "t*" accept
\t\tiifname . ether saddr != @known counter drop
\t\tmeta mark set meta mark and 0xfffffffe
\t\tiifname vmap @senders
\t\tmeta mark and 0x1 == 0x1 drop
\t\ticmp type redirect drop
\t}
\tchain later {
\t\ttype filter hook prerouting priority -300 + 5; policy accept;
\t\tip daddr 10.9.9.9 drop
\t}
}
"""
MAC = "02:00:00:00:00:01"


@pytest.mark.parametrize(
    ("protocol", "to", "port", "tap", "mac", "through"),
    [
        (TCP, "10.1.2.3", 85, "t1", MAC, True), (TCP, "10.1.2.3", 91, "t1", MAC, False),
        (TCP, "11.1.2.3", 85, "t1", MAC, False), (UDP, "11.1.2.3", 67, "t1", MAC, True),
        (TCP, "10.1.2.3", 85, "t2", MAC, False), (TCP, "10.1.2.3", 85, "t1", "02:00:00:00:00:02", False),
        (TCP, "10.9.9.9", 85, "t1", MAC, False), (TCP, "11.1.2.3", 1, "eth0", "02:00:00:00:00:02", True),
    ],
)  # fmt: skip
def test_rules(protocol: int, to: str, port: int, tap: str, mac: str, through: bool) -> None:
    nft = NetFilter()
    nft.load(_TABLE)
    packet = frame(mac, Flow(ip_address("10.0.0.1"), ip_address(to), protocol, port), iifname=tap, **{"meta mark": 3})
    assert passes(nft, "bridge", "prerouting", packet) is through
    assert packet["meta mark"] == (2 if tap == "t1" and mac == MAC else 3)


def test_unknown_words() -> None:
    """What it does not know it does not take for something else."""
    for rule in ("frobnicate drop", "ip daddr @absent drop", "jump absent", "tcp flags syn drop"):
        nft = NetFilter()
        chain = f"chain c {{\n\t\ttype filter hook input priority 0; policy accept;\n\t\t{rule}\n\t}}"
        nft.load(f"table inet a {{\n\t{chain}\n}}\n")
        with pytest.raises(NotUnderstood):
            passes(nft, "inet", "input", frame(MAC, Flow(ip_address("10.0.0.1"), ip_address("10.0.0.2"), TCP, 1)))


def test_seen(server: PrivatePostgres, state_dir: Path) -> None:
    """What a node lets pass, or keeps, otherwise than the rows say is told: each of the rules that are missed."""
    with Scene(server, state_dir, 145) as scene:
        there = Networked(scene)
        scene.call("admin.network.add_bridge", {"name": "site", "uplink": "br0"})
        site = scene.sql("SELECT id FROM network WHERE name = 'site'")[0].id
        scene.vm(on=scene.nodes[0], networks=[site, scene.network_id])
        group = scene.sql("SELECT min(group_id) AS id FROM nic_group")[0].id
        opened = {"security_group_id": group, "direction": "in", "protocol": "tcp", "ports": "8000-8010"}
        scene.call("user.security_group.add_rule", opened, login="ann")
        scene.rest()
        assert probes.at_rest(scene) == [] and scene.effects.counted["packets probed"] > 60
        nft, missed = there.kernel(1).nft, []
        for table, chain, rule, told in (
            ("bridge wawel", "from_guest", "iifname . ether saddr != @macs counter drop", "another's MAC"),
            ("bridge wawel", "from_guest", "ether type ip udp sport 67 counter drop", "an answer of DHCP"),
            ("bridge wawel", "from_foreign", "udp sport 547 counter drop", "an answer of DHCPv6"),
            ("bridge wawel", "input", "iifname @foreign counter drop", "TCP to its node"),
            ("bridge wawel_tunnel", "from_tunnel", "jump gateways_own", "another node's gateway"),
            ("inet wawel", "to_node", "counter drop", "which guests do not reach"),
        ):
            rules = nft.tables[table].chains[chain]
            assert rule in rules, (chain, rules)
            nft.tables[table].chains[chain] = [each for each in rules if each != rule]
            found = probes.at_rest(scene)
            if not any("n1 lets" in each and told in each for each in found):
                missed.append((rule, found))
            nft.tables[table].chains[chain] = rules
        assert missed == []
        led = nft.tables["inet wawel_public"].content["guests4"]
        kept = set(led)
        led.clear()
        assert any("n1 keeps" in each and "203.0.113.7" in each for each in probes.at_rest(scene))
        led |= kept
        assert probes.at_rest(scene) == []
        scene.finish()
