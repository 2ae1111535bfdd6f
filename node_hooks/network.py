"""
Converges the node's network to the document: the metadata address and a forwarder on each bridge, what guests
may reach, and by others what their taps may send, the networks of the node's own making, and public addresses.

Bridges of libvirt's appear and go when it likes. So each round starts from what is there and may be repeated.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Final, Protocol

from node_hooks.answering import Answering
from node_hooks.command import CommandFailed, CommandMissing, Run, find_interface, find_program, run_command
from node_hooks.dhcp import RUNTIME
from node_hooks.difference import Difference
from node_hooks.document import FIREWALL, LINKS, NETWORKS, SCREENS, Document, NodeNetwork
from node_hooks.firewall import METADATA, METADATA6
from node_hooks.guard import TABLE, Guarded, guard, own_networks, own_networks6
from node_hooks.links import Link, is_own
from node_hooks.problem import LINKS_UNKNOWN, METADATA_FAILED, Complaints, Problem
from node_hooks.reading import Address
from node_hooks.resolver import read_resolvers
from node_hooks.segments import SYSTEM, Segments
from node_hooks.shaping import Shaping
from node_hooks.state import StateFile
from node_hooks.tables import RECHECK_S, RETRY_S, Table, Tables
from node_hooks.taps import Taps

log = logging.getLogger("wawel.node.network")

METADATA_ADDRESS = METADATA
STARTING_S = 5.0  # that a new bridge's dnsmasq may take to listen
_SECTIONS: Final = (NETWORKS, FIREWALL, SCREENS, LINKS)
_LINKS = "own networks"  # with its blank no bridge's name


class Forward(Protocol):
    """Starts a forwarder on a bridge; its ``OSError`` means that the round shall be repeated."""

    def __call__(self, bridge: str, address: str = METADATA_ADDRESS, /) -> "Forwards": ...


class Forwards(Protocol):
    """A running metadata forwarder."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class Seen:
    """
    How the network was found, and left, by one round. Another thread may have it.

    :ivar at: by the converger's clock.
    :ivar sections: versions of those that the round was about; not in place are those that a problem names.
    :ivar bridges: those that are there; ``served`` those with metadata; ``made`` the networks of the agent's own making
        that are in place, by name.
    :ivar able: whether the node can make networks; ``shapes``: whether it can hold limits of bandwidth.
    :ivar answered: the public addresses that the node answers for; ``coming``: that it translates before that.
    :ivar rules: a digest of each table of ours as nft lists it.
    :ivar differences: what somebody else changed, sorted.
    """

    at: float
    sections: Mapping[str, str]
    problems: tuple[Problem, ...]
    bridges: frozenset[str]
    served: frozenset[str]
    rules: Mapping[str, str]
    made: frozenset[str] = frozenset()
    able: bool = False
    answered: frozenset[Address] = frozenset()
    differences: tuple[Difference, ...] = ()
    shapes: bool = False
    coming: frozenset[Address] = frozenset()


@dataclass
class _Served:
    """What we made for one bridge, which had this index then."""

    index: int
    checked_at: float
    forwarder: Forwards | None
    forwarder6: Forwards | None = None

    def close(self) -> None:
        for each in (self.forwarder, self.forwarder6):
            if each is not None:
                each.close()


class Converger:
    """
    One thread calls it.

    :param listens: gives the addresses where names are asked for.
    """

    def __init__(
        self, state: StateFile, forward: Forward,
        run: Run = run_command,
        find: Callable[[str], int | None] = find_interface,
        clock: Callable[[], float] = time.monotonic,
        has: Callable[[str], object] = find_program,
        listens: Callable[[], Collection[IPv4Address]] = read_resolvers,
        runtime: Path = RUNTIME,
        system: Path = SYSTEM,
    ) -> None:
        self.seen: Seen | None = None
        self._has = has
        self._listens = listens
        self._new: dict[str, tuple[int, float]] = {}  # bridges with their indexes, and since when they are waited for
        self._looked_at = float("-inf")
        self._state = state
        self._forward = forward
        self._run = run
        self._find = find
        self._clock = clock
        self._served: dict[str, _Served] = {}
        self._complaints = Complaints()
        self._tables = Tables(run, clock, self._complaints)
        self._taps = Taps(run, self._tables, self._complaints, find=find)
        self._disturbed = False
        self._guard = Table("inet", TABLE, "reach each other, and this node", (NETWORKS, FIREWALL, SCREENS))
        self._segments = Segments(run, find, clock, has, self._complaints, self._tables, runtime, system)
        self._answering = Answering(run, find, clock, self._complaints, self._tables, system)
        self._shaping = Shaping(run, find, clock, has, self._complaints)
        self._links: list[tuple[str, IPv4Interface]] = []
        self._links6: list[tuple[str, IPv6Interface]] = []
        self._links_due = 0.0

    def converge(self, document: Document) -> None:
        """One round. What fails is noted in the state, logged when it is new, and tried again next time."""
        links = self._segments.wanted(document)
        networks = (*document.networks, *map(_network, _routed(links)))
        document = replace(document, links=links, networks=networks)
        self._firewall(document)
        made = self._segments.converge(document)
        own: set[Address] = {each.ip for _, each in self._links} | {each.ip for _, each in self._links6}
        answered = self._answering.converge(document, own, self._taps.is_bridged)
        wanted = {network.bridge: network for network in document.networks if network.metadata}
        for bridge in [bridge for bridge in self._served if bridge not in wanted]:
            self._withdraw(bridge)
        for network in wanted.values():
            self._serve(network)
        self._shaping.converge(document.rates)
        self._firewall(document)  # by now it may be known that metadata is served
        bridges = frozenset(each.bridge for each in document.networks if self._find(each.bridge) is not None)
        described = [self._describe(network, bridges) for network in document.networks]
        self._state.note(public=sorted(map(str, answered)), networks=described)
        self.seen = Seen(
            self._clock(),
            {name: document.sections[name] for name in _SECTIONS if name in document.sections},
            self._complaints.all(),
            bridges,
            frozenset(filter(self._is_served, (each.bridge for each in document.networks))),
            {each.family: each.digest for each in (self._taps.table, self._guard) if each.listing}
            | {each.name: each.digest for each in (*self._segments.tables, self._answering.table) if each.listing},
            made,
            self._segments.able,
            answered,
            self._complaints.differences(self._clock()),
            self._shaping.able,
            self._answering.coming,
        )

    def close(self) -> None:
        """End the forwarders. Addresses and rules stay: guests run on without us, and must stay harmless."""
        for served in self._served.values():
            served.close()
        self._served.clear()

    def _is_starting(self, network: NodeNetwork, index: int) -> bool:
        """
        Whether the bridge is just being made. libvirt's dnsmasq takes every address that it has then, and does not
        start where another bridge's has taken the same: it comes before the metadata address, which all bridges have.
        """
        now = self._clock()
        known, since = self._new.get(network.bridge, (index, now))
        since = since if known == index else now
        try:
            starting = now - since < STARTING_S and network.gateway.ip not in self._listens()
        except OSError:
            starting = False
        self._new[network.bridge] = (index, since)
        if not starting:
            del self._new[network.bridge]
        return starting

    def _serve(self, network: NodeNetwork) -> None:
        bridge = network.bridge
        index = self._find(bridge)
        served = self._served.get(bridge)
        if served is not None and served.index != index:
            # A socket is bound to the index, so a bridge made anew needs another.
            self._forget(bridge)
            served = None
        if index is None or served is None and not network.made and self._is_starting(network, index):
            return
        now = self._clock()
        try:
            if not network.made and (served is None or now - served.checked_at >= RECHECK_S):
                self._run(["ip", "address", "replace", METADATA_ADDRESS + "/32", "dev", bridge], "")
            if served is None:
                served = self._served[bridge] = _Served(index, now, None)
            if served.forwarder is None:
                served.forwarder = self._forward(bridge)
                log.info("bridge %s: metadata is forwarded", bridge)
            if served.forwarder6 is None and network.gateway6 is not None:
                served.forwarder6 = self._forward(bridge, METADATA6)
            if now - served.checked_at >= RECHECK_S:
                served.checked_at = now
        except CommandMissing as error:
            self._complaints.tell(METADATA_FAILED, bridge, f"{error} is not installed; no metadata here", (NETWORKS,))
        except (CommandFailed, OSError) as error:
            self._complaints.tell(METADATA_FAILED, bridge, f"metadata is not forwarded: {error}", (NETWORKS,))
        else:
            self._complaints.withdraw(bridge)

    def _withdraw(self, bridge: str) -> None:
        self._forget(bridge)
        if self._find(bridge) is not None and not is_own(bridge):
            try:
                self._run(["ip", "address", "delete", METADATA_ADDRESS + "/32", "dev", bridge], "")
            except (CommandMissing, CommandFailed) as error:
                log.warning("bridge %s: the metadata address stays: %s", bridge, error)

    def _forget(self, bridge: str) -> None:
        served = self._served.pop(bridge)
        self._complaints.withdraw(bridge)
        served.close()
        if served.forwarder is not None:
            log.info("bridge %s: metadata is no longer forwarded", bridge)

    def disturb(self) -> None:
        """Somebody changed nftables: our tables are looked at in the next round. From any thread."""
        self._disturbed = True

    def _firewall(self, document: Document) -> None:
        look = self._disturbed
        self._disturbed = False
        if self._clock() - self._looked_at >= RETRY_S:
            self._looked_at = self._clock()
            look = look or self._has("nft") is None  # a table that is not to be looked at is not in place
        if look:
            self._taps.look()
            self._segments.look()
            self._answering.look()
            self._guard.due = 0.0
        needed = bool(document.networks)
        self._taps.converge(document, needed, self._clock())
        guarded = self._guarded(document)
        self._tables.apply(self._guard, repr(guarded), lambda: guard(guarded), needed)
        subjects = (self._taps.table.subject, self._taps.subject, self._guard.subject, _LINKS)
        problems = [found.text for each in subjects if (found := self._complaints.find(each)) is not None]
        self._state.note(firewall="; ".join(problems) or "applied")

    def _guarded(self, document: Document) -> Guarded:
        bridges = sorted(
            {(each.bridge, each.gateway, each.metadata and self._is_served(each.bridge)) for each in document.networks}
        )
        gateways6 = sorted(
            (each.bridge, each.gateway6, each.metadata and self._is_served(each.bridge))
            for each in document.networks if each.gateway6 is not None
        )  # fmt: skip
        links = self._find_links(bool(gateways6))
        return Guarded(
            bridges=bridges,
            pools=sorted({network.pool for network in document.networks}),
            management=sorted({*document.management, *own_networks(links, [each[0] for each in bridges])}),
            reachable=document.reachable,
            vnc_ports=document.vnc_ports,
            made=sorted(each.bridge for each in document.networks if each.made),
            gateways6=gateways6,
            public=bool(document.public and document.public.all),
            public_elsewhere=document.public.reachable if document.public is not None else (),
            management6=own_networks6(self._links6, [each[0] for each in bridges]) if gateways6 else (),
        )

    def _is_served(self, bridge: str) -> bool:
        served = self._served.get(bridge)
        return served is not None and served.forwarder is not None

    def _find_links(self, with_ipv6: bool) -> list[tuple[str, IPv4Interface]]:
        """Each interface with an IPv4 address of the node's; as known last while ``ip`` fails."""
        now = self._clock()
        if now >= self._links_due:
            self._links_due = now + RECHECK_S
            try:
                listed = json.loads(self._run(["ip", "-4", "-json", "address"], "") or "[]")
                self._links = [
                    (link["ifname"], IPv4Interface(f"{address['local']}/{address['prefixlen']}"))
                    for link in listed for address in link.get("addr_info", []) if "local" in address
                ]
                listed = json.loads(self._run(["ip", "-6", "-json", "address"], "") or "[]") if with_ipv6 else []
                self._links6 = [
                    (link["ifname"], IPv6Interface(f"{address['local']}/{address['prefixlen']}"))
                    for link in listed for address in link.get("addr_info", []) if "local" in address
                ]
                self._complaints.withdraw(_LINKS)
            except (CommandMissing, CommandFailed, ValueError, KeyError, TypeError) as error:
                told = f"this node's own networks are not known, so guests may reach them: {error}"
                self._complaints.tell(LINKS_UNKNOWN, _LINKS, told, (FIREWALL,))
                self._links_due = now + RETRY_S
        return self._links

    def _describe(self, network: NodeNetwork, bridges: frozenset[str]) -> dict[str, object]:
        if network.bridge not in bridges:
            state = "no bridge yet"
        elif not network.metadata:
            state = "no metadata wanted"
        elif self._is_served(network.bridge):
            state = "served"
        else:
            problem = self._complaints.find(network.bridge)
            state = "not served yet" if problem is None else problem.text
        return {"name": network.name, "bridge": network.bridge, "pool": str(network.pool), "state": state}



def _routed(links: tuple[Link, ...] | None) -> list[Link]:
    """Those of which this node is the gateway."""
    return [link for link in links or () if link.gateway(4) is not None]


def _network(link: Link) -> NodeNetwork:
    gateway, gateway6 = link.gateway(4), link.gateway(6)
    assert isinstance(gateway, IPv4Interface) and not isinstance(gateway6, IPv4Interface)
    return NodeNetwork(link.name, link.bridge, gateway, gateway.network, link.metadata, gateway6, made=True)
