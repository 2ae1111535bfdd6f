"""The rules of guests' taps, kept in place: tables, what the kernel needs for them, an end to flows they forbid."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from ipaddress import IPv4Address, IPv6Address, ip_address

from node_hooks.command import CommandFailed, CommandMissing, Run
from node_hooks.document import NETWORKS, SECURITY, Document
from node_hooks.ended import ENDED_TABLE, Ended, EndedConnections
from node_hooks.firewall import ANSWERS_TABLE, METADATA, METADATA6, TABLE, NodeNic, Tracking, rules, zone_of
from node_hooks.flows import Flow, end_flows
from node_hooks.groups import IN, NOBODY, OUT, Group, Packet, deciding_rule
from node_hooks.links import is_own
from node_hooks.nft import Rules
from node_hooks.problem import FIREWALL_FAILED, Complaints
from node_hooks.reading import Address
from node_hooks.tables import RECHECK_S, RETRY_S, Table, Tables
from node_hooks.tracking import find_tracking, show_bridged

log = logging.getLogger("wawel.node.taps")

ALWAYS = frozenset(map(ip_address, (METADATA, METADATA6)))


class Taps:
    """
    For one thread.

    :param tracking: how flows are followed; ``None``: found out when it is first needed.
    :param find: a bridge's index, another one each time it is made anew; ``None`` when absent.
    :param show: has bridged packets shown to inet. :param end: ends flows.
    """

    subject = "security groups"  # with its blank no bridge's name

    def __init__(
        self, run: Run, tables: Tables, complaints: Complaints, tracking: Tracking | None = None,
        find: Callable[[str], int | None] = lambda bridge: None, show: Callable[[], None] = show_bridged,
        end: Callable[[Callable[[Flow], bool], Callable[[Sequence[Flow]], None]], int] = end_flows,
    ) -> None:
        self.table = Table("bridge", TABLE, "forge their addresses", (NETWORKS,))
        self._answers = Table("inet", ANSWERS_TABLE, "get no answers, if they are in security groups", (SECURITY,))
        self._ended_table = Table("bridge", ENDED_TABLE, "go on with what was ended", (SECURITY,))
        self._ended = EndedConnections(run)
        self._run = run
        self._tables = tables
        self._complaints = complaints
        self._tracking = tracking
        self._find = find
        self._show = show
        self._end = end
        self._show_due = 0.0
        self._unlearning: dict[str, tuple[int, float]] = {}  # bridges by name: index, and when it is said again
        self.is_bridged = False  # whether bridges follow flows
        self._made_of: object = None
        self._made: list[Rules] = []
        self._nics: tuple[NodeNic, ...] | None = None  # as in the table
        self._groups: Mapping[int, Group] = {}

    def converge(self, document: Document, needed: bool, now: float) -> None:
        """
        One round. Which NICs there are a manager of the release before does not tell: what its agent had applied then
        stays.
        """
        if document.nics is None:
            self._leave(needed, now)
            return
        grouped = any(nic.groups for nic in document.nics)
        tracking = self._track(now) if grouped else Tracking.INET
        gateways = _gateways(document)
        self.is_bridged = grouped and tracking is Tracking.BRIDGE
        made_of = (document.nics, document.groups, gateways, tracking, grouped)
        if made_of != self._made_of:
            self._made = rules(document.nics, document.groups, gateways, tracking)
            self._made_of = made_of
        needed = needed or bool(document.nics)
        first, *answers = self._made
        for each in answers:
            self._tables.apply_rules(self._answers, each, needed)
        if self._tables.apply_rules(self.table, first, needed):
            self._end_flows(document.nics, document.groups or {}, gateways)
        if grouped:
            self._ended_table.wanted = ""
        else:
            self._tables.remove(self._ended_table)
        if not answers:
            self._tables.remove(self._answers)
        if not grouped:
            self._complaints.withdraw(self.subject)
        for bridge in {network.bridge for network in document.networks} | {nic.bridge for nic in document.nics}:
            self._unlearn(bridge, now)

    def look(self) -> None:
        """Whatever is known of the tables, they are looked at in the next round."""
        self.table.due = self._answers.due = 0.0

    def _leave(self, needed: bool, now: float) -> None:
        table = self.table
        if now < table.due:
            return
        table.wanted, table.due = "", now + RECHECK_S
        try:
            table.listing = self._tables.list(table)
        except CommandMissing:
            table.listing = ""
        if needed and not table.listing:
            told = f"the manager is older than this agent, and tells no NICs: guests of this node can {table.danger}"
            self._complaints.tell(FIREWALL_FAILED, table.subject, told, table.sections)
        else:
            self._complaints.withdraw(table.subject)

    def _unlearn(self, bridge: str, now: float) -> None:
        """
        A frame to a bridge itself (01:80:c2:00:00:0e) meets no rule of the bridge family, but the bridge would learn
        from it where its sender is, who may be another.
        """
        if is_own(bridge):
            return  # ``devices`` makes it so
        index = self._find(bridge) if bridge else None
        if index is None:
            self._unlearning.pop(bridge, None)
            return
        known, due = self._unlearning.get(bridge, (None, 0.0))
        if known == index and now < due:
            return
        try:
            self._run(["ip", "link", "set", "dev", bridge, "type", "bridge", "no_linklocal_learn", "1"], "")
        except (CommandMissing, CommandFailed) as error:
            if known != index:
                log.warning("bridge %s: guests can have it send them what is for others: %s", bridge, error)
        self._unlearning[bridge] = (index, now + RECHECK_S)

    def _track(self, now: float) -> Tracking:
        """What is missing is told: the rules are there then, and answers do not pass."""
        if self._tracking is None:
            try:
                self._tracking = find_tracking(self._run)
            except CommandMissing:
                return Tracking.INET
        if self._tracking is Tracking.INET and now >= self._show_due:
            self._show_due = now + RETRY_S
            try:
                self._show()
                self._complaints.withdraw(self.subject)
            except OSError as error:
                told = f"br_netfilter is not to be had ({error}): answers to guests in security groups do not pass"
                self._complaints.tell(FIREWALL_FAILED, self.subject, told, (SECURITY,))
        return self._tracking

    def _end_flows(
        self, nics: tuple[NodeNic, ...], groups: Mapping[int, Group], gateways: Iterable[Address]
    ) -> None:
        """Of NICs that may do less than before, or that are gone. What was there before we began is looked at whole."""
        judged = _narrowed(self._nics, nics, self._groups, groups)
        gone = _addresses(self._nics or ()) - _addresses(nics)
        self._nics, self._groups = nics, groups
        by_tap = {nic.tap: nic for nic in nics if nic.groups}
        if by_tap:
            self._ended.forget(
                lambda each: each.tap not in by_tap or each.own not in by_tap[each.tap].addresses
                or deciding_rule(each.packet, by_tap[each.tap].groups, groups) is not None
            )  # fmt: skip
        if not judged and not gone:
            return
        try:
            ended = self._end(
                unwanted(judged, gone, groups, frozenset(gateways) | ALWAYS),
                lambda flows: self._keep([each for flow in flows for each in forbidden(flow, judged, groups)]),
            )
        except OSError as error:
            # The rules hold all the same: it is only answers on the way that go on.
            log.warning("flows that are no longer allowed are not ended: %s", error)
        else:
            if ended:
                log.info("%d flows are no longer allowed, and were ended", ended)

    def _keep(self, ended: Sequence[Ended]) -> None:
        try:
            self._ended.keep(ended)
        except (CommandFailed, CommandMissing) as error:
            log.warning("connections that are ended can be taken up again by their guests: %s", error)


def _gateways(document: Document) -> tuple[IPv4Address | IPv6Address, ...]:
    found = {network.gateway.ip for network in document.networks}
    found6 = {network.gateway6.ip for network in document.networks if network.gateway6 is not None}
    return (*sorted(found), *sorted(found6))


def _addresses(nics: Iterable[NodeNic]) -> set[Address]:
    return {each for nic in nics for each in nic.addresses}


def _narrowed(
    before: tuple[NodeNic, ...] | None, after: Iterable[NodeNic],
    old: Mapping[int, Group], new: Mapping[int, Group],
) -> list[NodeNic]:  # fmt: skip
    """Those in groups, but for those that may do all that they might before."""
    known = {nic.tap: nic for nic in before or ()}
    found = []
    for nic in after:
        was = known.get(nic.tap)
        if nic.groups and not (was is not None and was.groups and set(was.groups) <= set(nic.groups)
                               and all(_is_wider(old, new, each) for each in was.groups)):
            found.append(nic)
    return found


def _is_wider(old: Mapping[int, Group], new: Mapping[int, Group], group_id: int) -> bool:
    before, after = old.get(group_id, NOBODY), new.get(group_id, NOBODY)
    named = {rule.group for rule in before.rules if rule.group is not None}
    return before.rules <= after.rules and all(
        old.get(each, NOBODY).members <= new.get(each, NOBODY).members for each in named
    )


def unwanted(
    nics: Iterable[NodeNic], gone: Set[Address], groups: Mapping[int, Group], spared: Set[Address] = frozenset()
) -> Callable[[Flow], bool]:
    """
    Which flows are to end.

    :param nics: whose flows the rules are asked about. :param gone: addresses that nobody has here any more.
    :param spared: addresses of ours, where guests may go whatever their groups say.
    """
    by_address: dict[Address, list[NodeNic]] = {}
    for nic in nics:
        for address in nic.addresses:
            by_address.setdefault(address, []).append(nic)

    def ask(flow: Flow) -> bool:
        if flow.sender in gone or flow.receiver in gone:
            return True
        if flow.receiver in spared:
            return False
        sides = ((OUT, flow.sender, flow.receiver), (IN, flow.receiver, flow.sender))
        for direction, own, remote in sides:
            packet = Packet(direction, flow.protocol, flow.port, remote)
            for nic in by_address.get(own, ()):
                # A flow on another network's bridge is somebody else's with the same address.
                if flow.zone in (0, zone_of(nic.bridge)) and deciding_rule(packet, nic.groups, groups) is None:
                    return True
        return False

    return ask


def forbidden(flow: Flow, nics: Iterable[NodeNic], groups: Mapping[int, Group]) -> Iterator[Ended]:
    """The flow as those NICs see it whose groups do not allow it; none, if its protocol has no ports."""
    for direction, ends in zip((OUT, IN), flow.ends, strict=False):
        for nic in nics:
            if ends.source in nic.addresses and flow.zone in (0, zone_of(nic.bridge)):
                found = Ended(
                    nic.tap, direction, flow.protocol, ends.source, ends.source_port, ends.to, ends.to_port
                )
                if deciding_rule(found.packet, nic.groups, groups) is None:
                    yield found
