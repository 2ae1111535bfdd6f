"""The anti-spoofing rules as nft text: each tap of a VM with what it may send as, as the manager says it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

TABLE = "wawel"
TAP_PREFIX = "wv"


@dataclass(frozen=True, order=True)
class NodeNic:
    """A NIC of a VM that is on this node, or on its way. ``tap``: its interface here."""

    tap: str
    mac: str
    addresses: tuple[IPv4Address | IPv6Address, ...]


def ruleset(nics: Iterable[NodeNic]) -> str:
    """
    A whole replacement of the table, which ``nft -f -`` does in one transaction: no frame meets half a table.

    A frame that enters by a tap passes when its MAC and its address are those of the tap. Dropped are also: any
    protocol but IPv4 and ARP (so IPv6 and VLAN tags), DHCP answers, and taps of no NIC. Frames that enter elsewhere
    are none of this table's business.
    """
    known = sorted(nics)
    macs = [f'"{nic.tap}" . {nic.mac}' for nic in known]
    guests = [
        f'"{nic.tap}" . {nic.mac} . {address}'
        for nic in known
        for address in nic.addresses
        if isinstance(address, IPv4Address)
    ]
    return "\n".join([
        f"table bridge {TABLE}",
        f"delete table bridge {TABLE}",
        f"table bridge {TABLE} {{",
        f"\tset macs {{ type ifname . ether_addr; {_elements(macs)}}}",
        f"\tset guests {{ type ifname . ether_addr . ipv4_addr; {_elements(guests)}}}",
        "\tchain from_guest {",
        "\t\ttype filter hook prerouting priority -300; policy accept;",
        f'\t\tiifname != "{TAP_PREFIX}*" accept',
        "\t\tiifname . ether saddr != @macs counter drop",
        "\t\tether type arp iifname . arp saddr ether . arp saddr ip @guests accept",
        # A probe asks whether an address is in use before taking it, so it has none yet (RFC 5227).
        "\t\tether type arp arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept",
        # A client listens on port 68, and takes an answer from any.
        "\t\tether type ip udp sport 67 counter drop",
        "\t\tether type ip udp dport 68 counter drop",
        "\t\tether type ip iifname . ether saddr . ip saddr @guests accept",
        "\t\tether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
        "\t\tcounter drop",
        "\t}",
        "}",
        "",
    ])  # fmt: skip


def _elements(content: list[str]) -> str:
    """nft takes no empty list."""
    return f"elements = {{ {', '.join(content)} }}; " if content else ""
