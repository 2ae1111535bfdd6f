"""Whether packets pass between guests and the outside, and what decides: asked of the rules that nodes are told."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from sqlalchemy.orm import Session

from cm.results.security_group import Passage
from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import Verdict
from cm.rules.access import Action
from cm.rules.network import Address
from cm.rules.security import TOLD, Decision, End, decide, parse_protocol, protocol_number
from cm.services.access import Who, authorized_vm
from cm.services.context import ClusterCall
from cm.services.security_group import get_nic
from cm.store.node import managed_addresses
from cm.store.public_port import is_reached
from cm.store.security_group import NicRow, describe_rules
from cm.store.security_rules import read_groups

PORTED: Final = ("tcp", "udp")


def explain(
    caller: ClusterCall,
    who: Who,
    vm_id: int,
    nic: int,
    to_vm_id: int | None,
    to_nic: int,
    address: str | None,
    incoming: bool,
    protocol: str,
    port: int | None,
) -> Passage:
    """
    :param incoming: to the VM, not from it.
    :raises InvalidParameter: not one other side, a protocol that is none, or a port that it lacks or does not have.
    :raises ObjectNotFound: there is no such VM, or none that the caller sees; AccessNeeded: as ever.
    """
    session = caller.session
    own = _seen(session, who, vm_id, nic)
    other = None if to_vm_id is None else _seen(session, who, to_vm_id, to_nic)
    kind = parse_protocol(protocol)
    if kind == "any":
        raise InvalidParameter("protocol", "a packet has one")
    if (kind in PORTED) != (port is not None):
        raise InvalidParameter("port", f"{kind} has {'ports: name one' if kind in PORTED else 'no ports'}")
    if (other is None) == (address is None):
        raise InvalidParameter("address", "the other side is a VM or an address, one of them")
    if other is not None:
        family = next((family for family in (4, 6) if _of(own, family) and _of(other, family)), 4)
        sides = [_end(own, family), _end(other, family)]
    else:
        outside = _parse_address(address or "")
        family = outside.version
        reached = incoming and is_reached(session, own.id, family, kind, port)
        sides = [_end(own, family, reached), End(outside)]
    if incoming:
        sides.reverse()
    sender, receiver = sides
    if sender is None or receiver is None:
        return _told(session, Decision(Verdict.NO_ADDRESS), sender, receiver)
    groups = read_groups(session, {*sender.groups, *receiver.groups})
    number = protocol_number(kind, family)
    assert number is not None
    management = [ip_network(each) for each in managed_addresses(session)]
    return _told(session, decide(sender, receiver, number, port, groups, management), sender, receiver)


def _seen(session: Session, who: Who, vm_id: int, number: int) -> NicRow:
    authorized_vm(session, who, vm_id, Action.SEE)
    return get_nic(session, vm_id, number)


def _parse_address(given: str) -> Address:
    try:
        return ip_address(given.strip())
    except ValueError:
        raise InvalidParameter("address", "it must be an IPv4 or IPv6 address") from None


def _of(nic: NicRow, family: int) -> Address | None:
    """Its address of a family."""
    return next((each for each in map(ip_address, nic.addresses) if each.version == family), None)


def _end(nic: NicRow, family: int, reached: bool = False) -> End | None:
    address = _of(nic, family)
    return None if address is None else End(address, nic.network_id, nic.kind, tuple(nic.groups), reached)


def _told(session: Session, decision: Decision, sender: End | None, receiver: End | None) -> Passage:
    ids: Sequence[int] = [rule.id for rule in decision.rules]
    return {
        "passes": decision.passes,
        "verdict": decision.verdict,
        "source": "" if sender is None else str(sender.address),
        "target": "" if receiver is None else str(receiver.address),
        "rules": describe_rules(session, ids),
        "reason": TOLD[decision.verdict],
    }
