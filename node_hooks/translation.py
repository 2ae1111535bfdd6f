"""
Public addresses and ports as nft values: who is meant by one, and as whom a guest leaves. Pure.

A packet costs a few look-ups in maps, however many addresses there are. What comes to a public address is followed in
the zone of its guest's network, in both directions, and so is all that such a guest sends: then the guest's address,
which another network's may have too, is never looked for among others'. It is marked with the network's number, which
leads to the network's routing table.

The address is none of the node's own: no rule has to keep the node's services from being reached there. A route leads
what is sent to it, by guests of this node and by the node, out by the one end of a pair of devices and in by the other,
where it is what comes from outside.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from node_hooks.firewall import GATEWAY_MAC, TAP_PREFIX, NodeNic, zone_of
from node_hooks.links import MARKS, NUMBER_MAX, TUNNEL
from node_hooks.nft import Elements, Rules
from node_hooks.public import PROTOCOLS, Public, PublicAddress, PublicPort
from node_hooks.reading import Address

PUBLIC_TABLE: Final = "wawel_public"
OUT, IN = "wawel-out", "wawel-in"  # the pair
# As whom somebody goes through the pair who has no public address; nobody's, and seen by nobody.
INSIDE: Final[Mapping[int, Address]] = {4: IPv4Address("169.254.87.1"), 6: IPv6Address("fd00:ec2::87")}
_OWN: Final = '"wn*"'
_MARKED: Final = f"ct mark {MARKS:#x}-{MARKS + NUMBER_MAX:#x}"
_ERRORS: Final = {
    4: "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
    6: "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
}
# In an ICMP error, whose head has 8 bytes, the packet that it is about: protocol, sender's port, receiver's port. nft
# follows no errors into zones. With options before the ports it is not found, and the error does not pass.
_ABOUT: Final = {4: ("@th,136,8", "@th,224,16", "@th,240,16"), 6: ("@th,112,8", "@th,384,16", "@th,400,16")}
_PORT: Final = "meta l4proto . th {}"


def translation(public: Public) -> Rules:
    """The whole table. Sets and maps are there of both families, so that most changes are of their elements alone."""
    sets: dict[str, Elements] = {}
    for family, ip in _families():
        addresses = [each for each in public.addresses if each.address.version == family]
        ports = [each for each in public.ports if each.address.version == family]
        sets |= _addresses(family, ip, addresses) | _ports(family, ip, ports)
    bridges = {each.bridge for each in public.all}
    sets["bridges"] = _map("typeof iifname : ct zone;", (f'"{each}" : {zone_of(each)}' for each in bridges))
    chains: dict[str, Sequence[str]] = {
        "from_guest": [rule for family, ip in _families() for rule in _zone_of_guest(family, ip)],
        "zone": [
            "type filter hook prerouting priority -301; policy accept;",
            f"iifname {_OWN} ether daddr {GATEWAY_MAC} goto from_guest",
            f"iifname {_OWN} accept",
            *(rule for family, ip in _families() for rule in _zone(family, ip)),
        ],
        "marks": [
            "type filter hook prerouting priority -152; policy accept;",
            f"iifname {_OWN} accept",
            "ct direction reply accept",
            *(f"ct mark set {key}" for key in _keys("marks")),
            f"{_MARKED} meta mark set ct mark",
        ],
        "to_guest": [
            "type nat hook prerouting priority -101; policy accept;",
            f"iifname {_OWN} accept",
            *(f"dnat {ip} to {key}" for (_, ip), key in zip(_families(2), _keys("guests"), strict=True)),
        ],
        "leaving": [
            "type nat hook postrouting priority 99; policy accept;",
            # The guest sees who has no public address as its own one: it answers there whatever its routes are.
            *(f"oifname {_OWN} {ip} saddr {INSIDE[family]} snat {ip} to ct original {ip} daddr"
              for family, ip in _families()),
            f"oifname {_OWN} accept",
            *(rule for family, ip in _families() for rule in (
                f"snat {ip} to ct mark . {ip} saddr map @sources{family}",
                f"snat {ip} to ct mark . {ip} saddr . {_PORT.format('sport')} map @port_sources{family}",
            )),
            *(f'oifname "{OUT}" meta nfproto ipv{family} snat {ip} to {INSIDE[family]}' for family, ip in _families()),
        ],
    }  # fmt: skip
    return Rules("inet", PUBLIC_TABLE, sets, chains)


def bridged_zones(rules: Rules, nics: Iterable[NodeNic]) -> Rules:
    """
    Of the translation what chooses zones, where bridges follow flows: there a packet's flow is looked for before inet
    sees the packet, and inet takes what was found. What a guest sends is known by its tap.
    """
    known = list(nics)
    taps = {f'"{nic.bridge}" . {address}': f'"{nic.tap}" . {address}' for nic in known for address in nic.addresses}
    sets: dict[str, Elements] = {}
    for name, each in rules.sets.items():
        if "own" in name:
            parts = [(" . ".join(element.split(" . ")[:2]), element) for element in each.content]
            content = frozenset(element.replace(key, taps[key]) for key, element in parts if key in taps)
            sets[name] = replace(each, content=content)
        elif "zones" in name:
            sets[name] = each
    zoned = ((nic.tap, zone_of(nic.bridge)) for nic in known)
    sets["bridges"] = _map(rules.sets["bridges"].declaration, (f'"{tap}" : {zone}' for tap, zone in zoned if zone))
    hook, to_guests, _, *others = rules.chains["zone"]
    chains = {
        "from_guest": rules.chains["from_guest"],
        "zone": [hook, to_guests.replace(_OWN, f'"{TAP_PREFIX}*"'), f'iifname "{TAP_PREFIX}*" accept',
                 f'iifname "{TUNNEL}*" accept', *others],
    }  # fmt: skip
    return Rules("bridge", PUBLIC_TABLE, sets, chains)


def _families(times: int = 1) -> list[tuple[int, str]]:
    return [each for each in ((4, "ip"), (6, "ip6")) for _ in range(times)]


def _keys(name: str) -> list[str]:
    """Look-ups by an address, and by its port."""
    return [
        key for family, ip in _families() for key in (
            f"{ip} daddr map @{name}{family}", f"{ip} daddr . {_PORT.format('dport')} map @port_{name}{family}",
        )
    ]  # fmt: skip


def _zone(family: int, ip: str) -> list[str]:
    protocol, sender, _ = _ABOUT[family]
    return [
        f"ct zone set {ip} daddr map @zones{family} accept",
        f"ct zone set {ip} daddr . {_PORT.format('dport')} map @port_zones{family} accept",
        f"{_ERRORS[family]} ct zone set {ip} daddr . {protocol} . {sender} map @error_zones{family} accept",
    ]


def _zone_of_guest(family: int, ip: str) -> list[str]:
    protocol, _, receiver = _ABOUT[family]
    return [
        f"iifname . {ip} saddr @own{family} ct zone set iifname map @bridges accept",
        f"iifname . {ip} saddr . {_PORT.format('sport')} @port_own{family} ct zone set iifname map @bridges accept",
        f"{_ERRORS[family]} iifname . {ip} saddr . {protocol} . {receiver} @error_own{family}"
        " ct zone set iifname map @bridges accept",
    ]


def _addresses(family: int, ip: str, addresses: Sequence[PublicAddress]) -> dict[str, Elements]:
    kind = f"ipv{family}_addr"
    sources: dict[str, str] = {}
    for each in addresses:  # of a guest with several the first
        sources.setdefault(f"{each.mark:#x} . {each.guest}", str(each.address))
    return {
        f"zones{family}": _map(
            f"typeof {ip} daddr : ct zone;", (f"{each.address} : {zone_of(each.bridge)}" for each in addresses)
        ),
        f"marks{family}": _map(f"type {kind} : mark;", (f"{each.address} : {each.mark:#x}" for each in addresses)),
        f"guests{family}": _map(f"type {kind} : {kind};", (f"{each.address} : {each.guest}" for each in addresses)),
        f"own{family}": _set(f"type ifname . {kind};", (f'"{each.bridge}" . {each.guest}' for each in addresses)),
        f"sources{family}": _map(f"type mark . {kind} : {kind};", (f"{key} : {to}" for key, to in sources.items())),
    }


def _ports(family: int, ip: str, ports: Sequence[PublicPort]) -> dict[str, Elements]:
    kind = f"ipv{family}_addr"
    protocol, sender, receiver = _ABOUT[family]
    key = {each: f"{each.address} . {each.protocol} . {each.port}" for each in ports}
    own = {each: f"{each.guest} . {each.protocol} . {each.guest_port}" for each in ports}
    number = {each: PROTOCOLS[each.protocol] for each in ports}
    sources: dict[str, str] = {}
    for each in ports:
        sources.setdefault(f"{each.mark:#x} . {own[each]}", f"{each.address} . {each.port}")
    service = "inet_proto . inet_service"
    return {
        f"port_zones{family}": _map(
            f"typeof {ip} daddr . {_PORT.format('dport')} : ct zone;",
            (f"{key[each]} : {zone_of(each.bridge)}" for each in ports),
        ),
        f"port_marks{family}": _map(
            f"type {kind} . {service} : mark;", (f"{key[each]} : {each.mark:#x}" for each in ports)
        ),
        f"port_guests{family}": _map(
            f"type {kind} . {service} : {kind} . inet_service;",
            (f"{key[each]} : {each.guest} . {each.guest_port}" for each in ports),
        ),
        f"port_own{family}": _set(
            f"type ifname . {kind} . {service};", (f'"{each.bridge}" . {own[each]}' for each in ports)
        ),
        f"port_sources{family}": _map(
            f"type mark . {kind} . {service} : {kind} . inet_service;",
            (f"{known} : {to}" for known, to in sources.items()),
        ),
        f"error_zones{family}": _map(
            f"typeof {ip} daddr . {protocol} . {sender} : ct zone;",
            (f"{each.address} . {number[each]} . {each.port} : {zone_of(each.bridge)}" for each in ports),
        ),
        f"error_own{family}": _set(
            f"typeof iifname . {ip} saddr . {protocol} . {receiver};",
            (f'"{each.bridge}" . {each.guest} . {number[each]} . {each.guest_port}' for each in ports),
        ),
    }


def _set(declaration: str, content: Iterable[str]) -> Elements:
    return Elements("set", declaration, frozenset(content))


def _map(declaration: str, content: Iterable[str]) -> Elements:
    return Elements("map", declaration, frozenset(content))
