"""
What is done for each action of EC2, by noun. A handler is given who asks (``context.py``) and the parameters by the
names of botocore's users, and answers by the same names; ``docs/ec2.md`` has a table of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from clm.ec2.actions import (
    address,
    attribute,
    card,
    catalogue,
    group,
    image,
    image_attribute,
    instance,
    key,
    launch,
    launch_template,
    option,
    placement_group,
    power,
    region,
    rule,
    subnet,
    tag,
    volume,
    volume_attribute,
    vpc,
)
from clm.ec2.context import Context

Handler = Callable[[Context, dict[str, Any]], Awaitable[Mapping[str, Any]]]

HANDLERS: Final[Mapping[str, Handler]] = {
    name: handler
    for module in (
        region, catalogue, image, image_attribute, key, instance, launch, launch_template, power, option, group, rule,
        address, attribute, volume, volume_attribute, vpc, subnet, card, placement_group, tag,
    )  # fmt: skip
    for name, handler in module.HANDLERS.items()
}
_ONE_VPC: Final = "an account has one VPC in each region, whose subnets reach each other; CreateSubnet makes more"
# What clients of VPCs ask for, and why there is none of it: by what the action's name ends in.
_WHY_NOT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("Vpc", "DefaultVpc", "VpcCidrBlock", "VpcPeeringConnection"), _ONE_VPC),
    **dict.fromkeys(("InternetGateway", "NatGateway", "EgressOnlyInternetGateway"),
                    "guests get out by their nodes, and have elastic addresses"),
    **dict.fromkeys(("RouteTable", "Route", "RouteTableAssociation"), "the VPC's one table is for all subnets"),
    **dict.fromkeys(("NetworkAcl", "NetworkAclEntry", "NetworkAclAssociation"),
                    "its one list lets all pass; security groups keep packets"),
    "NetworkInterface": "instances have their network cards from their making",
    "VpcAttribute": "guests are told servers of names, and their own names are not known to such",
    "Instances": "all are measured alike, and none in more detail",
    "DhcpOptions": "guests are told servers of names by their nodes, or by their network's dns",
}  # fmt: skip
_VERBS: Final = ("Create", "Delete", "Attach", "Detach", "Associate", "Disassociate", "Replace", "Modify", "Monitor")


def why_not(action: str) -> str:
    """The end of a sentence that says that there is no such action."""
    for verb in _VERBS:
        if action.startswith(verb) and action.removeprefix(verb) in _WHY_NOT:
            return f": {_WHY_NOT[action.removeprefix(verb)]}"
    return ""
