"""Security groups: what the network cards of one's VMs may send and get."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.security_group import SecurityGroup
from cm.rpc.types import LINE, Id, Ids, Name, TagValues, Text
from cm.rpc.view import user_view
from cm.rpc.vocabulary import RuleDirection, TagKind
from cm.rules.access import Action
from cm.services import security_group as service
from cm.services.context import ClusterCall
from cm.services.tag import put_on_new
from cm.store.security_group import get_security_group, list_security_groups

Protocol = Annotated[
    str, Meta(min_length=1, max_length=8, pattern=LINE, description="tcp, udp, icmp, any, or a number of 0 to 255.")
]
Ports = Annotated[
    str, Meta(max_length=11, pattern=LINE, description="Of the receiver: one, or first-last; none: all.")
]
Range = Annotated[
    str, Meta(max_length=64, pattern=LINE, description="Of addresses, such as 192.0.2.0/24 or 2001:db8::/32.")
]
RuleText = Annotated[str, Meta(max_length=255, pattern=LINE, description="What the rule is for; one line.")]
Card = Annotated[int, Meta(ge=0, le=99, description="Which of the VM's network cards; 0: the first.")]


@user_view(changing=True)
def create(
    caller: ClusterCall, name: Name, description: Text = "", tags: TagValues | None = None
) -> SecurityGroup:
    """Make a group without rules: nothing passes at the network cards that are put into it, but for answers."""
    made = service.create(caller, name, description)
    put_on_new(caller, TagKind.SECURITY_GROUP, [made["security_group_id"]], tags)
    return made


@user_view(changing=True)
def ensure_default(caller: ClusterCall) -> SecurityGroup:
    """The caller's default group, made if it is not there: all out, nothing in but from itself."""
    return service.ensure_default(caller)


@user_view
def get_list(caller: ClusterCall) -> list[SecurityGroup]:
    """The caller's groups with their rules, by name."""
    return list(list_security_groups(caller.session, caller.account_id))


@user_view
def get_by_id(caller: ClusterCall, security_group_id: Id) -> SecurityGroup:
    """One of the caller's groups."""
    return get_security_group(caller.session, security_group_id, account_id=caller.account_id)


@user_view(changing=True)
def edit(
    caller: ClusterCall, security_group_id: Id, name: Name | None = None, description: Text | None = None
) -> SecurityGroup:
    """Change the name or the description of a group."""
    return service.edit(caller, security_group_id, name, description)


@user_view(changing=True)
def add_rule(
    caller: ClusterCall,
    security_group_id: Id,
    direction: RuleDirection,
    protocol: Protocol = "any",
    ports: Ports | None = None,
    remote: Range | None = None,
    remote_group_id: Id | None = None,
    description: RuleText = "",
) -> SecurityGroup:
    """
    Allow something, by IPv4 and IPv6 unless the range says which.

    :param direction: seen from the VM.
    :param remote: the other side; without it and without a group it is anybody.
    :param remote_group_id: the other side is a network card in this group.
    """
    return service.add_rule(
        caller, security_group_id, direction, protocol, ports, remote, remote_group_id, description
    )


@user_view(changing=True)
def edit_rule(caller: ClusterCall, security_group_id: Id, rule_id: Id, description: RuleText) -> SecurityGroup:
    """Say what a rule is for; what it allows stays."""
    return service.edit_rule(caller, security_group_id, rule_id, description)


@user_view(changing=True)
def remove_rule(caller: ClusterCall, security_group_id: Id, rule_id: Id) -> SecurityGroup:
    """Allow it no longer: connections that only this rule allowed end."""
    return service.remove_rule(caller, security_group_id, rule_id)


@user_view(changing=True)
def delete(caller: ClusterCall, security_group_id: Id) -> None:
    """Delete a group that no network card is in and no other group's rule names."""
    service.delete(caller, security_group_id)


@user_view(changing=True, on={"vm_id": Action.EDIT})
def assign(caller: ClusterCall, vm_id: Id, security_group_ids: Ids, nic: Card = 0) -> list[SecurityGroup]:
    """
    Put a VM's network card into these groups of its owner's, and out of all others; it answers with them.

    :param security_group_ids: empty: nothing of what the card sends and gets is looked at by rules of groups.
    """
    return service.assign(caller, vm_id, security_group_ids, nic)
