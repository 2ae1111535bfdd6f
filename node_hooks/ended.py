"""
Connections that were ended, kept from being taken up again.

The kernel takes a packet from the middle of a connection that it does not know for the first one of a new flow, so
that connections outlive a restart and VMs can be moved. Were an ended one only forgotten, the next packet that the
guest itself sends over it would begin a flow that its rules may well allow, and what comes back would be answers. So
packets of ended connections are dropped by their addresses and ports, whatever the kernel knows or is made to believe
of them. A guest that opens a connection anew by such ports has let go of the old one, which is then forgotten here.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from node_hooks.command import CommandFailed, CommandMissing, Run
from node_hooks.groups import IN, Packet
from node_hooks.reading import Address

log = logging.getLogger("wawel.node.ended")

ENDED_TABLE: Final = "wawel_ended"
_TCP, _UDP, _SCTP = 6, 17, 132
# As long as the kernel would have known it. UDP has no connections: after a while of nothing what a guest sends, and
# may send, is its own flow again.
_KEPT: Final = "5d"
_KEPT_UDP: Final = "10m"
_ATTEMPTS: Final = 3
_MOST: Final = 262_144
# nft takes five parts of a key, so that the protocol is none.
_SETS: Final = {
    f"ended{version}_{protocol}": (version, protocol) for version in (4, 6) for protocol in (_TCP, _UDP, _SCTP)
}


@dataclass(frozen=True)
class Ended:
    """
    One connection as its guest sees it.

    :ivar direction: whose rules are asked: "in": the remote side began it.
    """

    tap: str
    direction: str
    protocol: int
    own: Address
    own_port: int
    remote: Address
    remote_port: int

    @property
    def packet(self) -> Packet:
        """What the rules are asked about."""
        port = self.own_port if self.direction == IN else self.remote_port
        return Packet(self.direction, self.protocol, port, self.remote)

    @property
    def set(self) -> str:
        return f"ended{self.own.version}_{self.protocol}"

    @property
    def key(self) -> str:
        return f'"{self.tap}" . {self.own} . {self.own_port} . {self.remote} . {self.remote_port}'


class EndedConnections:
    """They are in the kernel alone, so that they outlive the agent. For one thread."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._may_be = True  # an agent before may have left some

    def keep(self, ended: Collection[Ended]) -> None:
        """
        Nothing of these passes from now on.

        :raises CommandFailed, CommandMissing: nft does not take it.
        """
        known = [each for each in ended if each.set in _SETS]
        if not known:
            return
        self._may_be = True
        lines = [
            f"add element bridge {ENDED_TABLE} {each.set} "
            f'{{ {each.key} timeout {_KEPT_UDP if each.protocol == _UDP else _KEPT} comment "{each.direction}" }}'
            for each in known
        ]
        self._run(["nft", "-f", "-"], _table() + "".join(line + "\n" for line in lines))

    def forget(self, allowed: Callable[[Ended], bool]) -> None:
        """:param allowed: asked of every one; those may go on, or begin anew."""
        if not self._may_be:
            return
        for attempt in range(_ATTEMPTS):
            try:
                known = list(self._list())
                over = [each for each in known if allowed(each)]
                if over:
                    lines = (f"delete element bridge {ENDED_TABLE} {each.set} {{ {each.key} }}\n" for each in over)
                    self._run(["nft", "-f", "-"], "".join(lines))
            except (CommandFailed, CommandMissing) as error:
                # One may just have gone by itself, with which nft takes none.
                if attempt == _ATTEMPTS - 1:
                    log.warning("connections that are allowed again can be kept from it by old ones: %s", error)
            else:
                self._may_be = len(over) < len(known)
                return

    def _list(self) -> Iterator[Ended]:
        try:
            told = self._run(["nft", "--json", "--numeric", "list", "table", "bridge", ENDED_TABLE], "")
        except CommandFailed:
            return  # it is not there
        for each in json.loads(told or "{}").get("nftables", ()):
            content = each.get("set", {})
            if content.get("name") in _SETS:
                yield from _read(_SETS[content["name"]][1], content.get("elem", ()))


def _read(protocol: int, elements: Iterable[Any]) -> Iterator[Ended]:
    for each in elements:
        try:
            tap, own, own_port, remote, remote_port = each["elem"]["val"]["concat"]
            yield Ended(
                tap, each["elem"]["comment"], protocol, ip_address(own), int(own_port), ip_address(remote),
                int(remote_port),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            continue  # not of ours


def _table() -> str:
    """What there may be already; the rules are written anew, the connections stay."""
    table = f"bridge {ENDED_TABLE}"
    lines = [f"add table {table}"]
    rules: dict[str, list[str]] = {"from_guest": [], "to_guest": []}
    for name, (version, protocol) in _SETS.items():
        ip = "ip" if version == 4 else "ip6"
        lines.append(
            f"add set {table} {name} {{ type ifname . ipv{version}_addr . inet_service . ipv{version}_addr . "
            f"inet_service; flags dynamic, timeout; size {_MOST}; }}"
        )
        sent = f"iifname . {ip} saddr . th sport . {ip} daddr . th dport"
        got = f"oifname . {ip} daddr . th dport . {ip} saddr . th sport"
        if protocol == _TCP:
            anew = f"tcp flags & (fin | syn | rst | ack) == syn {sent} @{name}"
            rules["from_guest"].append(f"{anew} delete @{name} {{ {sent} }} return")
        rules["from_guest"].append(f"meta l4proto {protocol} {sent} @{name} counter drop")
        rules["to_guest"].append(f"meta l4proto {protocol} {got} @{name} counter drop")
    for hook in ("forward", "input", "output"):
        lines.append(f"add chain {table} {hook} {{ type filter hook {hook} priority 5; policy accept; }}")
        lines.append(f"flush chain {table} {hook}")
    for hook, ways in (("forward", ("from_guest", "to_guest")), ("input", ("from_guest",)), ("output", ("to_guest",))):
        lines += [f"add rule {table} {hook} {rule}" for way in ways for rule in rules[way]]
    return "".join(line + "\n" for line in lines)
