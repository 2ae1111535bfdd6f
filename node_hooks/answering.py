"""
Answers for the public addresses of guests, and keeps to it: translation, the way there, ARP and neighbour discovery.

Where an address is begun with, its translation is there before anything can be sent to it: a packet that came by
untranslated would have its connection refused. Where it is given up, it is no more answered for before anything else.
Of a guest on its way here the translation alone is made: what it sends from here leaves as before.
None of this outlives a reboot: which node answers is for the manager to say, who may have another answer meanwhile.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

from node_hooks.announce import announce
from node_hooks.command import CommandFailed, CommandMissing, Run, run_batch
from node_hooks.devices import LAST, answers_of, device_of
from node_hooks.difference import PUBLIC_ADDRESS
from node_hooks.document import PUBLIC, Document
from node_hooks.firewall import NodeNic
from node_hooks.flows import Flow, end_flows
from node_hooks.links import MARKS, Link, is_own
from node_hooks.nft import Rules
from node_hooks.problem import PUBLIC_FAILED, Complaints
from node_hooks.public import Public
from node_hooks.reading import Address, Network
from node_hooks.tables import RECHECK_S, RETRY_S, Table, Tables
from node_hooks.translation import IN, INSIDE, OUT, PUBLIC_TABLE, bridged_zones, translation
from node_hooks.withdrawn import unwanted

log = logging.getLogger("wawel.node.answering")

PROTOCOL: Final = "88"  # of our routes, among those of /etc/iproute2/rt_protos nobody's
PREFERENCE: Final = "5701"  # of our rule, behind those that lead to networks
# Where addresses lead to the pair; nobody's network has this number. What came by the pair does not look there, so that
# what is meant for nobody does not go round: in the main table the address is unreachable. A rule for the pair alone
# would be in the way of what leaves by it, too, as the kernel looks where that would come from (rp_filter).
TABLE: Final = MARKS
TIMES: Final = 2  # that each is announced
_MAC: Final = "02:00:00:fe:00:65"  # both ends' own: neither asks for the other's
_MTU: Final = 65_535
_LINK: Final = "169.254.87.2/32"  # both ends': by a device without an address nothing comes in past rp_filter
_ASKED: Final = ("neigh show proxy", "route show table main", f"route show table all proto {PROTOCOL}", "rule show")
_PAIR_SYSTEM: Final = (
    ("ipv4/conf/{}/rp_filter", "2"), ("ipv4/conf/{}/send_redirects", "0"), ("ipv6/conf/{}/accept_ra", "0"),
    ("ipv6/conf/{}/disable_ipv6", "0"),
)  # fmt: skip
# Of an uplink: who asks for an address of a guest's is answered at once, not within 0.8 s.
_UPLINK_SYSTEM: Final[Mapping[int, tuple[tuple[str, str], ...]]] = {
    4: (("ipv4/conf/{}/forwarding", "1"), ("ipv4/neigh/{}/proxy_delay", "0")),
    6: (("ipv6/conf/{}/proxy_ndp", "1"), ("ipv6/neigh/{}/proxy_delay", "0")),
}
_SUBJECT: Final = "public addresses"  # with its blank no bridge's name


@dataclass(frozen=True)
class _Found:
    """
    :ivar proxies: what is answered for, each as (address, interface). :ivar routed: addresses that lead to the pair;
        ``barred``: that are unreachable else.
    :ivar inside: families whose other way through the pair is there; ``ruled``: with the rule.
    :ivar routes: all of the main table, by family, as ``ip`` tells them.
    """

    proxies: frozenset[tuple[Address, str]]
    routed: frozenset[Address]
    barred: frozenset[Address]
    inside: frozenset[int]
    ruled: frozenset[int]
    routes: Mapping[int, Sequence[Mapping[str, Any]]]


class Answering:
    """
    For one thread.

    :param find: gives an interface's index. :param system: where the kernel's settings are.
    """

    def __init__(
        self, run: Run, find: Callable[[str], int | None], clock: Callable[[], float], complaints: Complaints,
        tables: Tables, system: Path,
        tell: Callable[[str, Iterable[Address]], None] = announce,
        end: Callable[[Callable[[Flow], bool]], int] = end_flows,
    ) -> None:
        self.table = Table("inet", PUBLIC_TABLE, "be reached at no public address", (PUBLIC,))
        self._bridged = Table("bridge", PUBLIC_TABLE, self.table.danger, self.table.sections)
        self._run = run
        self._find = find
        self._clock = clock
        self._complaints = complaints
        self._tables = tables
        self._system = system
        self._tell = tell
        self._end = end
        self._answered: frozenset[Address] = frozenset()
        self._coming: frozenset[Address] = frozenset()
        self._made_of: object = None
        self._due = float("-inf")
        self._indexes: dict[str, int | None] = {}
        self._wanted = Public()  # as last made
        self._rules_of: object = None
        self._rules: Sequence[Rules] = ()  # of the table, and of the bridged one, if there is to be one
        self._others: tuple[Sequence[Network], Collection[Address]] = (), ()  # all public addresses; the node's own
        self._untold: dict[Address, tuple[str, int]] = {}  # the uplink, and how many times more

    def converge(self, document: Document, own: Collection[Address], bridged: bool = False) -> frozenset[Address]:
        """
        One round, after that of the networks.

        :param document: with the networks that are here. :param own: the node's own addresses.
        :param bridged: whether bridges follow flows, which are found there before inet looks for them.
        :return: what is answered for.
        """
        public = document.public
        now = self._clock()
        if public is None:
            self._coming = frozenset()
            if now >= self._due:
                self._due, self._made_of = now + RECHECK_S, None
                self._answered = self._recall()
            return self._answered
        self._others = public.reachable, own
        usable = self._usable(public, document.links or (), own)
        nics = (document.nics or ()) if bridged else None
        if (usable, nics) != self._rules_of:
            self._rules_of, self._rules = (usable, nics), _rules(usable, nics)
        if (usable, self._is_translated()) != self._made_of or now >= self._due or self._changed():
            self._due = now + RECHECK_S
            if not self._make(usable):
                self._due = now + RETRY_S
            self._made_of = (usable, self._is_translated())
            self._indexes = {name: self._find(name) for name in self._devices()}
        else:
            self._translate(usable)
        self._coming = frozenset(each.address for each in (*usable.coming, *usable.coming_ports))
        self._announce()
        return self._answered if self._is_translated() else frozenset()

    @property
    def coming(self) -> frozenset[Address]:
        """Of guests on their way here, what is translated already."""
        return self._coming if self._is_translated() else frozenset()

    def look(self) -> None:
        """Whatever is known of the table, it is looked at in the next round."""
        self.table.due = self._bridged.due = 0.0

    def _is_translated(self) -> bool:
        return self._complaints.find(self.table.subject) is None

    def _recall(self) -> frozenset[Address]:
        """What an agent before us, or we by another document, left: it stays."""
        if self._find(OUT) is None:
            return frozenset()
        try:
            found = self._look()
        except (CommandMissing, CommandFailed):
            return self._answered
        return found.routed & {address for address, _ in found.proxies}

    def _changed(self) -> bool:
        return any(self._find(name) != index for name, index in self._indexes.items())

    def _devices(self) -> set[str]:
        uplinks = {uplink for uplink, _ in self._untold.values()} | set(self._wanted.uplinks.values()) - {""}
        return {OUT, IN, *uplinks} if self._wanted.uplinks else {OUT}

    def _usable(self, public: Public, links: Iterable[Link], own: Collection[Address]) -> Public:
        """What can be answered for: for guests on networks of ours, and what is not the node's own."""
        families = {(link.bridge, each.version) for link in links if link.own for each in link.gateways}
        amiss: dict[Address, str] = {}
        for each in public.translated.all:
            if each.address in own:
                amiss[each.address] = "it is an address of this node's own"
            elif (each.bridge, each.guest.version) not in families:
                amiss[each.address] = f"the network {each.bridge} is not here, or has no such addresses"
        answered = public.uplinks
        for address, told in amiss.items():
            if address in answered:
                self._complain(address, told)
        told_of = {_SUBJECT, *(_subject(each.address) for each in public.all)}
        for subject in self._complaints.subjects():
            if subject.startswith(_subject("")) and subject not in told_of:
                self._complaints.withdraw(subject)
        return Public(
            tuple(each for each in public.addresses if each.address not in amiss),
            tuple(each for each in public.ports if each.address not in amiss),
            coming=tuple(each for each in public.coming if each.address not in amiss),
            coming_ports=tuple(each for each in public.coming_ports if each.address not in amiss),
        )

    def _complain(self, address: Address, told: str) -> None:
        self._complaints.tell(PUBLIC_FAILED, _subject(address), f"the node does not answer for {address}: {told}")

    def _translate(self, usable: Public) -> None:
        if len(self._rules) == 1:
            self._tables.remove(self._bridged)
        for table, rules in zip((self.table, self._bridged), self._rules, strict=False):
            self._tables.apply_rules(table, rules, bool(usable.translated.all))

    def _make(self, usable: Public) -> bool:
        """:return: whether all of it is in place."""
        wanted = usable.uplinks
        if not wanted and not self._wanted.uplinks and self._find(OUT) is None:
            self._wanted, self._answered = usable, frozenset()
            self._translate(usable)
            self._tell_strange()
            return True
        try:
            found = self._look()
            self._tell_strange(found)
            at = {address: uplink or _uplink(address, found.routes) for address, uplink in wanted.items()}
            self._give_up(found, {address: uplink for address, uplink in at.items() if uplink})
            self._translate(usable)
            failed = self._take_up(found, at) if wanted else self._remove(found)
        except (CommandMissing, CommandFailed, OSError) as error:
            said = f"{error} is not installed" if isinstance(error, CommandMissing) else str(error)
            self._complaints.tell(PUBLIC_FAILED, _SUBJECT, f"public addresses are not kept: {said}", (PUBLIC,))
            self._answered = frozenset()
            return False
        self._complaints.withdraw(_SUBJECT)
        if usable != self._wanted or found.routed - wanted.keys():
            self._end_flows(usable, found.routed)
        self._wanted = usable
        for address, why in failed.items():
            self._complain(address, why)
        self._answered = frozenset(wanted.keys() - failed.keys())
        for address in self._answered:
            self._complaints.withdraw(_subject(address))
            if (address, at[address]) not in found.proxies:
                self._untold[address] = (at[address], TIMES)
        self._untold = {address: each for address, each in self._untold.items() if address in self._answered}
        return not failed

    def _tell_strange(self, found: _Found | None = None) -> None:
        """Public addresses that the node answers for by somebody else's doing: another node may do so, too."""
        public, own = self._others
        if not public:
            return
        if found is None:
            try:
                found = self._look()
            except (CommandMissing, CommandFailed):
                return
        strange = {address: f"answered for on {device} by an entry that is not the agent's"
                   for address, device in found.proxies if address not in found.routed}  # fmt: skip
        strange |= dict.fromkeys(own, "an address of the node's own")
        for address, told in strange.items():
            if any(address in network for network in public):
                self._complaints.differ(PUBLIC_ADDRESS, str(address), told, self._clock() + RECHECK_S + RETRY_S)

    def _give_up(self, found: _Found, kept: Mapping[Address, str]) -> None:
        ours = [(address, device) for address, device in found.proxies if address in found.routed]
        for version in (4, 6):
            lines = [
                f"neigh delete proxy {address} dev {device}" for address, device in sorted(ours, key=str)
                if address.version == version and kept.get(address) != device
            ] + [
                f"route delete {line(address)}" for line, addresses in ((_route, found.routed), (_bar, found.barred))
                for address in sorted(addresses, key=str)
                if address.version == version and address not in kept
            ]  # fmt: skip
            for number, said in run_batch(self._run, ["ip", f"-{version}"], lines):
                log.warning("%s: %s", lines[number] if number < len(lines) else "", said)

    def _take_up(self, found: _Found, at: Mapping[Address, str]) -> dict[Address, str]:
        """:return: what is not answered for, and why. :raises OSError: a setting of the kernel's cannot be made."""
        failed = {address: "no route of the node leads to its network" for address, each in at.items() if not each}
        failed |= {
            address: f"there is no interface {each} on this node"
            for address, each in at.items() if each and self._find(each) is None
        }  # fmt: skip
        anew = self._pair()
        for device in (OUT, IN):
            for path, value in _PAIR_SYSTEM:
                self._set(path.format(device), value)
        for version in sorted({address.version for address in at}):
            lines: list[tuple[Address | None, str]] = []
            if version not in found.ruled:
                lines.append((None, f"rule add not iif {IN} lookup {TABLE} pref {PREFERENCE} protocol {PROTOCOL}"))
            if version not in found.inside or anew:
                lines.append((None, f"route replace {INSIDE[version]} dev {IN} protocol {PROTOCOL}"))
            mine = {address: uplink for address, uplink in at.items()
                    if address.version == version and address not in failed}  # fmt: skip
            for uplink in sorted(set(mine.values())):
                for path, value in _UPLINK_SYSTEM[version]:
                    self._set(path.format(uplink), value)
            for address, uplink in mine.items():
                if address not in found.barred:
                    lines.append((address, f"route replace {_bar(address)}"))
                if address not in found.routed or anew:
                    lines.append((address, f"route replace {_route(address)}"))
                if (address, uplink) not in found.proxies:
                    lines.append((address, f"neigh add proxy {address} dev {uplink}"))
            for number, said in run_batch(self._run, ["ip", f"-{version}"], [line for _, line in lines]):
                about, line = lines[number] if number < len(lines) else (None, "")
                for address in (about,) if about is not None else mine:
                    failed.setdefault(address, f"{said} ({line})")
        return failed

    def _pair(self) -> bool:
        """
        :return: whether it was made anew: its routes went with the old one.
        :raises CommandFailed: the kernel makes none.
        """
        anew = self._find(OUT) is None or self._find(IN) is None
        lines = [f"link delete dev {name}" for name in (OUT, IN) if anew and self._find(name) is not None]
        if anew:
            lines.append(f"link add name {OUT} address {_MAC} mtu {_MTU} type veth peer name {IN} address {_MAC}"
                         f" mtu {_MTU}")
        for name in (OUT, IN):
            lines += [f"link set dev {name} arp off addrgenmode none up", f"address replace {_LINK} dev {name}"]
        self._run(["ip", "-batch", "-"], "".join(f"{line}\n" for line in lines))
        return anew

    def _remove(self, found: _Found) -> dict[Address, str]:
        if self._find(OUT) is not None:
            self._run(["ip", "link", "delete", "dev", OUT], "")
        for version in sorted(found.ruled):
            self._run(["ip", f"-{version}", "rule", "delete", "pref", PREFERENCE], "")
        return {}

    def _set(self, path: str, value: str) -> None:
        where = self._system / path
        if not path.startswith("ipv6") or where.exists():  # a kernel may be without IPv6
            if where.read_text().strip() != value:
                where.write_text(value)

    def _look(self) -> _Found:
        """:raises CommandMissing, CommandFailed: it is not known."""
        proxies: set[tuple[Address, str]] = set()
        routed: set[Address] = set()
        barred: set[Address] = set()
        inside, ruled = set(), set()
        main = {}
        try:
            for version in (4, 6):
                neighbours, routes, own, rules = answers_of(self._run, ["ip", f"-{version}"], _ASKED)
                main[version] = routes
                proxies |= {(ip_address(each["dst"]), each["dev"]) for each in neighbours}
                through = {(each["dst"], device_of(each)) for each in own}
                routed |= {ip_address(to) for to, device in through if device == OUT}
                barred |= {ip_address(to) for to, device in through if not device}
                if (str(INSIDE[version]), IN) in through:
                    inside.add(version)
                if any(str(each.get("priority")) == PREFERENCE and each.get("iif") == IN for each in rules):
                    ruled.add(version)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandFailed(f"what ip tells is not understood: {error!r}") from None
        return _Found(frozenset(proxies), frozenset(routed), frozenset(barred), frozenset(inside),
                      frozenset(ruled), main)

    def _end_flows(self, usable: Public, there: Collection[Address]) -> None:
        try:
            ended = self._end(unwanted(self._wanted, usable, there))
        except OSError as error:
            log.warning("connections by addresses that are no longer public are not ended: %s", error)
        else:
            if ended:
                log.info("%d connections by addresses that are no longer public were ended", ended)

    def _announce(self) -> None:
        by_uplink: dict[str, list[Address]] = {}
        for address, (uplink, _) in self._untold.items():
            by_uplink.setdefault(uplink, []).append(address)
        for uplink, addresses in by_uplink.items():
            try:
                self._tell(uplink, addresses)
            except OSError as error:
                log.warning("%d addresses are not announced on %s: %s", len(addresses), uplink, error)
                continue  # in the next round
            for address in addresses:
                left = self._untold[address][1] - 1
                if left:
                    self._untold[address] = (uplink, left)
                else:
                    del self._untold[address]


def _rules(public: Public, nics: Iterable[NodeNic] | None) -> Sequence[Rules]:
    """:param nics: of taps on bridges that follow flows; ``None``: they do not."""
    rules = translation(public.translated)
    return [rules] if nics is None else [rules, bridged_zones(rules, nics)]


def _subject(address: object) -> str:
    return f"public {address}"


def _route(address: Address) -> str:
    return f"{address} dev {OUT} table {TABLE} protocol {PROTOCOL}"


def _bar(address: Address) -> str:
    return f"unreachable {address} metric {LAST} protocol {PROTOCOL}"


def _uplink(address: Address, routes: Mapping[int, Sequence[Mapping[str, Any]]]) -> str:
    """Of the route whose network has it on the link, else of the default one; empty: there is neither."""
    best, device, metric = -1, "", -1
    for each in routes.get(address.version, ()):
        hops = each.get("nexthops") or [each]
        through = str(hops[0].get("dev", ""))
        if not through or through in (OUT, IN, "lo") or is_own(through) or each.get("type", "unicast") != "unicast":
            continue
        if each["dst"] == "default":
            if best < 0 and (not device or int(each.get("metric", 0)) < metric):
                device, metric = through, int(each.get("metric", 0))
        elif "gateway" not in hops[0] and "via" not in hops[0]:
            network = ip_network(each["dst"])
            if address in network and network.prefixlen > best:
                best, device = network.prefixlen, through
    return device
