"""What security groups say, as nodes are told it and explanations ask it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from sqlalchemy.orm import Session

from cm.rpc.vocabulary import RuleDirection
from cm.rules.network import Address
from cm.rules.security import EVERYTHING, Group, Rule
from cm.runtime.prepared import Prepared

_MEMBERS: Final = Prepared(
    "security_members",
    "SELECT g.group_id, host(l.address) AS address FROM nic_group g JOIN network_lease l ON l.nic_id = g.nic_id"
    " WHERE g.group_id = ANY(:ids)",
)
_READ_RULES: Final = Prepared(
    "security_rules",
    "SELECT group_id, id, direction, protocol, port_first, port_last, remote::text AS remote, remote_group_id"
    " FROM security_rule WHERE group_id = ANY(:ids) ORDER BY id",
)


def read_groups(session: Session, group_ids: Iterable[int]) -> Mapping[int, Group]:
    """These with their rules, and those that their rules name, with members only."""
    ids = sorted(set(group_ids))
    if not ids:
        return {}
    rules: dict[int, list[Rule]] = {group_id: [] for group_id in ids}
    named = set()
    for row in _READ_RULES(session, ids=ids):
        rules[row.group_id] += _rules(row)
        if row.remote_group_id is not None:
            named.add(row.remote_group_id)
    members: dict[int, set[Address]] = defaultdict(set)
    for row in _MEMBERS(session, ids=sorted(named)) if named else ():
        members[row.group_id].add(ip_address(row.address))
    return {
        group_id: Group(tuple(rules.get(group_id, ())), frozenset(members[group_id]))
        for group_id in sorted({*ids, *named})
    }


def _rules(row: Any) -> list[Rule]:
    """One for each family that it is about."""
    ports = None if row.port_first is None else (row.port_first, row.port_last)
    direction = RuleDirection(row.direction)
    if row.remote is not None:
        remote = ip_network(row.remote)
        return [Rule(row.id, direction, remote.version, row.protocol, ports, remote)]
    return [
        Rule(row.id, direction, family, row.protocol, ports, None, row.remote_group_id)
        if row.remote_group_id is not None
        else Rule(row.id, direction, family, row.protocol, ports, everything)
        for family, everything in EVERYTHING.items()
    ]
