"""
Use cases of security groups: whose NICs may be reached by whom. Whatever changes here changes documents of nodes, which
are told in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy.orm import Session

from cm.results.security_group import SecurityGroup, SecurityRule
from cm.rpc.errors import InUse, InvalidParameter, NameTaken, ObjectNotFound, QuotaReached
from cm.rpc.vocabulary import RuleDirection
from cm.rules.access import Action
from cm.rules.security import parse_ports, parse_protocol, parse_remote
from cm.rules.vm import vms
from cm.runtime.taken import refused_by
from cm.services.access import authorized_vm, person_of
from cm.services.context import ClusterCall
from cm.store.change import record_change
from cm.store.node_document import documents_changed
from cm.store.security_group import (
    NewRule,
    NicRow,
    close_security_group,
    count_groups,
    delete_rule,
    describe_rule,
    edit_security_group,
    find_default,
    find_nic,
    free_name,
    get_security_group,
    groups_changed,
    insert_rule,
    insert_security_group,
    nics_of_vms,
    set_nic_groups,
    share_groups,
    touch_security_group,
    users_of,
)
from cm.store.vm import VMRow

GROUPS_MAX: Final = 50  # of an account
RULES_MAX: Final = 100  # of a group
NIC_GROUPS_MAX: Final = 8  # that a NIC is in: a packet asks the sets of each
DEFAULT: Final = "default"


def create(caller: ClusterCall, name: str, description: str) -> SecurityGroup:
    """
    Without rules, so that nothing passes.

    :raises NameTaken: the account has one of the name.
    :raises QuotaReached: it has as many as it may.
    """
    session, account_id = caller.session, caller.account_id
    _claim_group(session, account_id)
    with refused_by(session, {"uq_security_group_name": NameTaken("security_group", name)}):
        group_id = insert_security_group(session, account_id, name, description)
    record_change(session, "security_group", group_id, account_id, "enter")
    caller.note("create security group", name=name)
    return get_security_group(session, group_id, account_id=account_id)


def _claim_group(session: Session, account_id: int) -> None:
    used = count_groups(session, account_id)
    if used >= GROUPS_MAX:
        raise QuotaReached("security groups", GROUPS_MAX, used, 1)


def ensure_default(caller: ClusterCall) -> SecurityGroup:
    """The caller's default group, made if it is not there."""
    group_id = default_group(caller.session, caller.account_id)
    caller.note("ensure default security group", group_id=group_id)
    return get_security_group(caller.session, group_id, account_id=caller.account_id)


def default_group(session: Session, account_id: int) -> int:
    """An account's, made if it is not there: all out, nothing in but from NICs that are in it too."""
    found = find_default(session, account_id)
    if found is None:
        count_groups(session, account_id)  # holds the account: of two at once one makes it
        found = find_default(session, account_id)
    if found is not None:
        return found
    found = insert_security_group(
        session, account_id, free_name(session, account_id, DEFAULT), "All out, nothing in but from itself.", True
    )
    insert_rule(session, found, NewRule(RuleDirection.OUT, "any", None, None, None))
    insert_rule(session, found, NewRule(RuleDirection.IN, "any", None, None, found))
    record_change(session, "security_group", found, account_id, "enter")
    return found


def join(session: Session, account_id: int, vm_ids: Collection[int], group_ids: Sequence[int] | None) -> None:
    """
    NICs of new VMs are in these groups from the beginning. None: those on users' networks in the account's default
    group, others in none.

    :raises ObjectNotFound: QuotaReached: as ``assign``.
    """
    asked = group_ids is not None
    known = set() if group_ids is None else _held(session, account_id, group_ids)
    nic_ids = nics_of_vms(session, vm_ids, users_only=not asked)
    if not nic_ids:
        return
    joined = known if asked else {default_group(session, account_id)}
    for nic_id in nic_ids:
        set_nic_groups(session, nic_id, joined)
    _members_changed(session, account_id, known, joined)


def edit(caller: ClusterCall, group_id: int, name: str | None, description: str | None) -> SecurityGroup:
    """
    Change what is not None.

    :raises NameTaken: the account has another of the name.
    """
    session = caller.session
    get_security_group(session, group_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    with refused_by(session, {"uq_security_group_name": NameTaken("security_group", name or "")}):
        edit_security_group(session, group_id, name, description)
    record_change(session, "security_group", group_id, caller.account_id)
    caller.note("edit security group", group_id=group_id)
    return get_security_group(session, group_id, account_id=caller.account_id)


def add_rule(
    caller: ClusterCall,
    group_id: int,
    direction: RuleDirection,
    protocol: str,
    ports: str | None,
    remote: str | None,
    remote_group_id: int | None,
    description: str = "",
) -> SecurityGroup:
    """
    One that is there already is not added again, and keeps its description.

    :raises InvalidParameter: a protocol, ports or a range that is none, or a range and a group.
    :raises ObjectNotFound: the group, or that of the other side, is not the caller's.
    :raises QuotaReached: it has as many rules as it may.
    """
    session = caller.session
    found = get_security_group(session, group_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    if remote is not None and remote_group_id is not None:
        raise InvalidParameter("remote", "the other side is a range of addresses or a group, not both")
    kind = parse_protocol(protocol)
    network = None if remote is None else str(parse_remote(remote))
    rule = NewRule(direction, kind, parse_ports(ports, kind), network, remote_group_id, description)
    if remote_group_id is not None and not share_groups(session, caller.account_id, [remote_group_id]):
        raise ObjectNotFound("security_group", remote_group_id)
    if not any(_is_same(rule, each) for each in found["rules"]):
        if len(found["rules"]) >= RULES_MAX:
            raise QuotaReached("rules of a security group", RULES_MAX, len(found["rules"]), 1)
        insert_rule(session, group_id, rule)
        _changed(caller, group_id)
    caller.note("add rule", group_id=group_id, direction=str(direction), protocol=kind, ports=ports)
    return get_security_group(session, group_id, account_id=caller.account_id)


def edit_rule(caller: ClusterCall, group_id: int, rule_id: int, description: str) -> SecurityGroup:
    """
    Nothing of what passes changes.

    :raises ObjectNotFound: the group is not the caller's, or has no such rule.
    """
    session = caller.session
    get_security_group(session, group_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    if not describe_rule(session, group_id, rule_id, description):
        raise ObjectNotFound("security_rule", rule_id)
    touch_security_group(session, group_id)
    record_change(session, "security_group", group_id, caller.account_id)
    caller.note("describe rule", group_id=group_id, rule_id=rule_id)
    return get_security_group(session, group_id, account_id=caller.account_id)


def _is_same(rule: NewRule, known: SecurityRule) -> bool:
    ports = None if rule.ports is None else "-".join(dict.fromkeys(map(str, rule.ports)))
    return (rule.direction, rule.protocol, ports, rule.remote, rule.remote_group_id) == (
        known["direction"], known["protocol"], known["ports"], known["remote"], known["remote_group_id"],
    )  # fmt: skip


def remove_rule(caller: ClusterCall, group_id: int, rule_id: int) -> SecurityGroup:
    """
    What only it allowed ends, open connections too.

    :raises ObjectNotFound: the group is not the caller's, or has no such rule.
    """
    session = caller.session
    get_security_group(session, group_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    if not delete_rule(session, group_id, rule_id):
        raise ObjectNotFound("security_rule", rule_id)
    _changed(caller, group_id)
    caller.note("remove rule", group_id=group_id, rule_id=rule_id)
    return get_security_group(session, group_id, account_id=caller.account_id)


def _changed(caller: ClusterCall, group_id: int) -> None:
    touch_security_group(caller.session, group_id)
    record_change(caller.session, "security_group", group_id, caller.account_id)
    groups_changed(caller.session, [group_id])


def delete(caller: ClusterCall, group_id: int) -> None:
    """
    :raises InUse: NICs are in it, or rules of others name it.
    """
    session = caller.session
    get_security_group(session, group_id, account_id=caller.account_id, lock=True, version=caller.if_version)
    vm_ids, group_ids = users_of(session, group_id)
    if vm_ids:
        raise InUse("security_group", group_id, vms(vm_ids))
    if group_ids:
        raise InUse("security_group", group_id, "rules of " + ", ".join(f"group {each}" for each in group_ids[:5]))
    close_security_group(session, group_id)
    record_change(session, "security_group", group_id, caller.account_id, "exit")
    caller.note("delete security group", group_id=group_id)


# ---- NICs


def assign(caller: ClusterCall, vm_id: int, group_ids: Sequence[int], number: int) -> list[SecurityGroup]:
    """
    Put a NIC into these groups, and out of all others. In none it is not looked at.

    :raises ObjectNotFound: the VM has no such NIC, or its account no such group.
    :raises QuotaReached: more groups than a NIC can be in.
    """
    session = caller.session
    vm = authorized_vm(session, person_of(caller.identity), vm_id, Action.EDIT, lock=True, version=caller.if_version)
    known = put_into(session, vm, number, group_ids)
    documents_changed(session, vm.node_id, vm.moves_to)
    caller.note("assign security groups", vm_id=vm_id, nic=number, groups=list(group_ids))
    return [get_security_group(session, group_id, account_id=vm.account_id) for group_id in sorted(known)]


def put_into(session: Session, vm: VMRow, number: int, group_ids: Sequence[int]) -> set[int]:
    """
    A VM's NIC into these groups, and out of all others. Nodes that have other NICs of these are told, that of the VM
    by the caller.

    :raises ObjectNotFound: QuotaReached: as ``assign``.
    """
    nic = get_nic(session, vm.id, number)
    known = _held(session, vm.account_id, group_ids)
    set_nic_groups(session, nic.id, group_ids)
    others = {*nic.groups} ^ known
    _members_changed(session, vm.account_id, others, others | known)
    return known


def _held(session: Session, account_id: int, group_ids: Sequence[int]) -> set[int]:
    """An account's groups that a NIC may be in, which nobody deletes until the transaction ends."""
    if len(group_ids) > NIC_GROUPS_MAX:
        raise QuotaReached("security groups of a NIC", NIC_GROUPS_MAX, 0, len(group_ids))
    known = set(share_groups(session, account_id, group_ids))
    for group_id in group_ids:
        if group_id not in known:
            raise ObjectNotFound("security_group", group_id)
    return known


def _members_changed(session: Session, account_id: int, group_ids: Collection[int], told: Collection[int]) -> None:
    """:param told: groups whose nodes are told."""
    for group_id in sorted(group_ids):
        touch_security_group(session, group_id)
        record_change(session, "security_group", group_id, account_id)
    groups_changed(session, told)


def get_nic(session: Session, vm_id: int, number: int) -> NicRow:
    """:raises InvalidParameter: the VM has no such NIC."""
    found = find_nic(session, vm_id, number)
    if found is None:
        raise InvalidParameter("nic", f"VM {vm_id} has no network card {number}")
    return found
