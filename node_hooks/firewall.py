"""
The anti-spoofing rules as nft text. Pure.

A guest's address decides the rest: its MAC is 02:57 and the four bytes of the address, its tap is "wv" and eight hex
digits. So the rules follow from the pools alone, and a VM's start or end changes nothing here.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

TABLE = "wawel"
TAP_PREFIX = "wv"
_BLOCK_DIGITS = 5  # the 4096 addresses of a /20 share five hex digits, so a wildcard on the tap's name finds them


def mac_of(address: IPv4Address) -> str:
    return "02:57:" + ":".join(f"{byte:02x}" for byte in address.packed)


def tap_of(address: IPv4Address) -> str:
    return f"{TAP_PREFIX}{int(address):08x}"


def ruleset(pools: Iterable[IPv4Network]) -> str:
    """
    A whole replacement of the table, which ``nft -f -`` does in one transaction: no frame meets half a table.

    A frame that enters by a tap passes when its MAC and its address are those of the tap. Dropped are also: any
    protocol but IPv4 and ARP (so IPv6 and VLAN tags), DHCP answers, and taps of no pool. Frames that enter elsewhere
    are none of this table's business.
    """
    blocks: dict[str, set[IPv4Address]] = {}
    for pool in pools:
        for address in pool:
            blocks.setdefault(f"{int(address):08x}"[:_BLOCK_DIGITS], set()).add(address)
    lines = [f"table bridge {TABLE}", f"delete table bridge {TABLE}", f"table bridge {TABLE} {{"]
    for block in sorted(blocks):
        lines += _block(block, sorted(blocks[block]))
    lines += [
        "\tchain from_guest {",
        "\t\ttype filter hook prerouting priority -300; policy accept;",
        f'\t\tiifname != "{TAP_PREFIX}*" accept',
        *(f'\t\tiifname "{TAP_PREFIX}{block}*" goto block_{block}' for block in sorted(blocks)),
        "\t\tcounter drop",
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _block(block: str, addresses: list[IPv4Address]) -> list[str]:
    """The sets and the chain of the addresses that share the hex digits ``block``."""
    macs = ", ".join(f'"{tap_of(each)}" . {mac_of(each)}' for each in addresses)
    guests = ", ".join(f'"{tap_of(each)}" . {mac_of(each)} . {each}' for each in addresses)
    return [
        f"\tset macs_{block} {{ type ifname . ether_addr; elements = {{ {macs} }}; }}",
        f"\tset guests_{block} {{ type ifname . ether_addr . ipv4_addr; elements = {{ {guests} }}; }}",
        f"\tchain block_{block} {{",
        f"\t\tiifname . ether saddr != @macs_{block} counter drop",
        f"\t\tether type arp iifname . arp saddr ether . arp saddr ip @guests_{block} accept",
        # A probe asks whether an address is in use before taking it, so it has none yet (RFC 5227).
        f"\t\tether type arp arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs_{block} accept",
        # A client listens on port 68, and takes an answer from any.
        "\t\tether type ip udp sport 67 counter drop",
        "\t\tether type ip udp dport 68 counter drop",
        f"\t\tether type ip iifname . ether saddr . ip saddr @guests_{block} accept",
        "\t\tether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
        "\t\tcounter drop",
        "\t}",
    ]
