"""
The networks of guests that a node makes by itself, as the document tells them: records and their reading. Pure.

Two networks of one node may have the same addresses. So nothing here is told apart by address: a network's number,
which its name ends with, gives the table in which packets to its guests are routed, and the mark that leads there.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, Final

from node_hooks.reading import (
    INTERFACE,
    MAC,
    Address,
    read_address,
    read_entries,
    read_interface,
    read_name,
    read_text,
    read_whole,
)

Gateway = IPv4Interface | IPv6Interface

BRIDGE, TUNNEL, VLAN = "wn", "wx", "wu"  # each before a network's number; of devices of these names the agent disposes
NUMBER_MAX: Final = (1 << 24) - 1
MARKS: Final = 0x17000000  # to which a network's number is added; without the bit of ``firewall.ANSWER``
MARK_MASK: Final = 0x3FFFFFFF
LARGEST_PREFIX: Final = 16  # as of any network; names of a larger one are more zones than a dnsmasq should have

_NAME = re.compile(BRIDGE + "[1-9][0-9]{0,7}")
_OWN = re.compile(f"(?:{BRIDGE}|{TUNNEL}|{VLAN})[1-9][0-9]{{0,7}}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(_LABEL)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{0,15}}")


@dataclass(frozen=True, order=True)
class Link:
    """
    One network here.

    :ivar name: ``wn`` and its number. :ivar bridge: what guests are put on: of that name it is made here, of another it
        is the node's own and is left alone.
    :ivar vni: of its VXLAN, with ``local``, this node's address, and ``peers``, those of the other nodes that carry it;
        None: no VXLAN.
    :ivar uplink: the node's interface that the bridge leads to, by ``vlan`` where one is given.
    :ivar gateways: the addresses that every node has on the bridge; empty: guests have their addresses from elsewhere.
    :ivar masquerade: IPv4, and IPv6 of unique local addresses, leave with the node's address.
    :ivar dns: who is asked for other names; empty: whom the node asks.
    """

    name: str
    bridge: str
    mtu: int
    vni: int | None = None
    local: str = ""
    peers: tuple[str, ...] = ()
    uplink: str = ""
    vlan: int | None = None
    gateways: tuple[Gateway, ...] = ()
    masquerade: bool = False
    dhcp: bool = False
    domain: str = ""
    dns: tuple[str, ...] = ()
    metadata: bool = False

    @property
    def number(self) -> int:
        return number_of(self.name)

    @property
    def mark(self) -> int:
        return mark_of(self.name)

    @property
    def tunnel(self) -> str:
        return f"{TUNNEL}{self.number}"

    @property
    def vlan_device(self) -> str:
        return f"{VLAN}{self.number}"

    @property
    def own(self) -> bool:
        """Whether the bridge is made here."""
        return self.bridge == self.name

    def gateway(self, family: int) -> Gateway | None:
        return next((each for each in self.gateways if each.version == family), None)


@dataclass(frozen=True, order=True)
class Host:
    """
    A NIC on a network, on whichever node.

    :ivar name: empty where there is none that DNS could tell.
    :ivar dns: whom it asks for names; empty: whom the network says.
    """

    mac: str
    addresses: tuple[Address, ...]
    name: str = ""
    dns: tuple[Address, ...] = ()


def describe(link: Link) -> dict[str, Any]:
    """What ``parse_links`` makes the same link of."""
    told = asdict(link) | {"kind": "bridge" if link.vni is None else "vxlan", "uplink": link.uplink or None}
    return told | {"gateways": [str(each) for each in link.gateways]}


def number_of(network: str) -> int:
    return int(network[len(BRIDGE) :])


def mark_of(network: str) -> int:
    """Also the number of its routing table."""
    return MARKS + number_of(network)


def is_own(device: str) -> bool:
    """Whether a device of this name is one that the agent makes."""
    return _OWN.fullmatch(device) is not None


def parse_links(given: object, problems: list[str]) -> tuple[Link, ...] | None:
    """
    :param given: the section's list; None: the manager is older and knows none.
    :param problems: what is not understood is told there, and left out.
    """
    if given is None:
        return None
    found: dict[str, Link] = {}
    for entry in read_entries(given):
        try:
            link = _parse_link(entry)
            if link.name in found:
                raise ValueError("told twice")
            if link.vni is not None and any(each.vni == link.vni for each in found.values()):
                raise ValueError(f"VNI {link.vni} is another's")
            found[link.name] = link
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            problems.append(f"link {entry!r:.200}: {error}")
    return tuple(sorted(found.values()))


def parse_hosts(given: object, problems: list[str]) -> Mapping[str, tuple[Host, ...]] | None:
    """By the network's name. A host whose name DNS cannot tell keeps its addresses."""
    if given is None:
        return None
    if not isinstance(given, dict):
        problems.append(f"hosts {given!r:.200}: not by network")
        return {}
    found = {}
    for network, entries in given.items():
        if not isinstance(network, str) or not _NAME.fullmatch(network):
            problems.append(f"hosts of {network!r:.50}: no name of a network")
            continue
        hosts: dict[str, Host] = {}
        taken: set[Address] = set()
        for entry in read_entries(entries):
            try:
                host = _parse_host(entry, problems)
                if host.mac in hosts or taken.intersection(host.addresses):
                    raise ValueError("its MAC or an address is another's")
                hosts[host.mac] = host
                taken.update(host.addresses)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                problems.append(f"host {entry!r:.200}: {error}")
        found[network] = tuple(sorted(hosts.values(), key=lambda each: each.mac))
    return found


def read_network(value: object) -> str:
    """
    The name of a network that a node makes, and of its bridge.

    :raises TypeError, ValueError: it is none.
    """
    name = read_name(_NAME, value)
    if number_of(name) > NUMBER_MAX:
        raise ValueError(f"{name} is too large a number")
    return name


def _parse_link(entry: Mapping[str, Any]) -> Link:
    name, kind, bridge = read_network(entry["name"]), entry["kind"], read_name(INTERFACE, entry["bridge"])
    if bridge != name and is_own(bridge) or bridge.startswith("wv"):
        raise ValueError(f"{bridge} is no bridge for it")
    vni, local, uplink, vlan = None, "", "", None
    peers: tuple[str, ...] = ()
    if kind == "vxlan":
        vni = read_whole(entry["vni"], 1, (1 << 24) - 1)
        here = read_address(entry["local"])
        others = {read_address(each) for each in entry.get("peers") or []} - {here}
        if any(each.version != here.version or each.is_multicast for each in (here, *others)) or bridge != name:
            raise ValueError("a VXLAN of other addresses, or on another's bridge")
        local, peers = str(here), tuple(str(each) for each in sorted(others, key=int))
    elif kind == "bridge":
        if entry.get("uplink") is not None:
            uplink = read_name(INTERFACE, entry["uplink"])
            if is_own(uplink):
                raise ValueError(f"{uplink} is no uplink")
        vlan = None if entry.get("vlan") is None else read_whole(entry["vlan"], 1, 4094)
        if vlan is not None and (not uplink or bridge != name):
            raise ValueError("a VLAN without an uplink, or on a bridge that is there")
    else:
        raise ValueError(f"{kind!r} is no kind that is known")
    gateways = tuple(read_interface(each) for each in entry.get("gateways") or [])
    if len({each.version for each in gateways}) != len(gateways):
        raise ValueError("two gateways of one family")
    for each in gateways:
        narrow = each.network.prefixlen > each.max_prefixlen - 2
        if narrow or each.is_multicast or each.is_loopback or each.is_link_local:
            raise ValueError(f"{each} is no gateway")
        if each.version == 6 and each.network.prefixlen != 64:
            raise ValueError(f"{each}: routers are advertised for a /64")
        if each.version == 4 and each.network.prefixlen < LARGEST_PREFIX:
            raise ValueError(f"{each} is of more than a /{LARGEST_PREFIX}")
    if gateways and all(each.version == 6 for each in gateways):
        raise ValueError("IPv6 alone")
    domain = entry.get("domain") or ""
    if domain and (not _DOMAIN.fullmatch(domain) or len(domain) > 200):
        raise ValueError(f"{domain!r} is no domain")
    return Link(
        name, bridge, read_whole(entry["mtu"], 1280 if len(gateways) > 1 else 576, 65_000), vni, local, peers, uplink,
        vlan, tuple(sorted(gateways, key=lambda each: each.version)), entry.get("masquerade") is True,
        entry.get("dhcp") is True and bool(gateways), domain,
        tuple(str(read_address(each)) for each in entry.get("dns") or []),
        entry.get("metadata") is True and bool(gateways),
    )  # fmt: skip


def _parse_host(entry: Mapping[str, Any], problems: list[str]) -> Host:
    mac = read_name(MAC, read_text(entry["mac"]).lower())
    addresses = tuple(read_address(each) for each in entry["addresses"])
    name = entry.get("name") or ""
    if name and not (isinstance(name, str) and _HOST_NAME.fullmatch(name)):
        problems.append(f"host {mac}: {name!r:.80} is no name for DNS, so it has none")
        name = ""
    return Host(mac, addresses, name, tuple(read_address(each) for each in entry.get("dns") or []))
