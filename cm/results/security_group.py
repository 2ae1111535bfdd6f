"""Security groups, their rules, and whether packets pass by them."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Named, Number, Owner, Prose, Text, Time, Total, Uuid, Version
from cm.rpc.vocabulary import RuleDirection, Verdict


class SecurityRule(TypedDict):
    """What one rule allows."""

    rule_id: Number
    direction: RuleDirection
    protocol: Annotated[str, Meta(examples=["tcp"], description="tcp, udp, icmp, any, or a number.")]
    ports: Annotated[str | None, Meta(examples=["22"], description="Of the receiver: one, or first-last; null: all.")]
    remote: Annotated[str | None, Meta(examples=["192.0.2.0/24"], description="The other side; null: see the group.")]
    remote_group_id: Annotated[Number | None, Meta(description="The other side is in this group; null: anybody's.")]
    description: Text


class SecurityGroup(TypedDict):
    """A group, with its rules in the order in which they were added."""

    security_group_id: Number
    uuid: Uuid
    name: Named
    description: Text
    user_id: Owner
    default: Annotated[bool, Meta(description="What NICs on the account's own networks are in from the beginning.")]
    rules: list[SecurityRule]
    nics: Annotated[Total, Meta(description="How many NICs are in it.")]
    version: Version
    created: Time


class Passage(TypedDict):
    """Whether the first packet of a flow passes, and what decides."""

    passes: bool
    verdict: Annotated[Verdict, Meta(description="What decides.")]
    source: Annotated[str, Meta(examples=["10.128.0.17"], description="Its address there.")]
    target: Annotated[str, Meta(examples=["192.0.2.7"], description="Where it goes.")]
    rules: Annotated[list[SecurityRule], Meta(description="That allow it: out of its sender, then to its receiver.")]
    reason: Prose
