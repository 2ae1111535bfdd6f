"""
EC2's ids of our objects: ``i-`` and the first 17 digits of the uuid, which are 66 random bits of it. The way back is
by the objects that the caller sees; nobody is told of others' by asking.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from clm.ec2.errors import EC2Error

T = TypeVar("T")

DIGITS: Final = 17
# A uuid's 13th digit is its version; ids of before 2016 had eight digits, and are none of ours.
_DIGITS: Final = re.compile(r"[0-9a-f]{17}\Z", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """:ivar error: what its codes begin with: ``InvalidInstanceID``."""

    prefix: str
    error: str

    @property
    def missing(self) -> str:
        """The code of one that is not there."""
        return f"{self.error}.NotFound"


INSTANCE: Final = Kind("i", "InvalidInstanceID")
IMAGE: Final = Kind("ami", "InvalidAMIID")
VOLUME: Final = Kind("vol", "InvalidVolume")
SNAPSHOT: Final = Kind("snap", "InvalidSnapshot")
GROUP: Final = Kind("sg", "InvalidGroup")
KEY: Final = Kind("key", "InvalidKeyPair")
VPC: Final = Kind("vpc", "InvalidVpcID")
SUBNET: Final = Kind("subnet", "InvalidSubnetID")
CARD: Final = Kind("eni", "InvalidNetworkInterfaceID")
CARD_ATTACHMENT: Final = Kind("eni-attach", "InvalidAttachmentID")
GATEWAY: Final = Kind("igw", "InvalidInternetGatewayID")
ROUTES: Final = Kind("rtb", "InvalidRouteTableID")
NETWORK_ACL: Final = Kind("acl", "InvalidNetworkAclID")
DHCP_OPTIONS: Final = Kind("dopt", "InvalidDhcpOptionID")
RULE: Final = Kind("sgr", "InvalidSecurityGroupRuleId")
TEMPLATE: Final = Kind("lt", "InvalidLaunchTemplateId")
IMPORT: Final = Kind("import-ami", "InvalidConversionTaskId")
PLACEMENT_GROUP: Final = Kind("pg", "InvalidPlacementGroupId")
UNKNOWN_PLACEMENT_GROUP: Final = "InvalidPlacementGroup.Unknown"  # of one that is named
ADDRESS: Final = Kind("eipalloc", "InvalidAllocationID")
ASSOCIATION: Final = Kind("eipassoc", "InvalidAssociationID")


def id_of(kind: Kind, uuid: str) -> str:
    return f"{kind.prefix}-{uuid.replace('-', '')[:DIGITS]}"


def account(number: int) -> str:
    """An account's, which has no prefix: twelve digits."""
    return f"{number:012d}"


def numbered(kind: Kind, number: int) -> str:
    """Of what has no uuid."""
    return f"{kind.prefix}-{number:0{DIGITS}x}"


def check(kind: Kind, given: str) -> str:
    """:raises EC2Error: it is no id of this kind."""
    prefix, _, digits = given.rpartition("-")
    if prefix != kind.prefix or _DIGITS.match(digits) is None:
        raise EC2Error(f"{kind.error}.Malformed", f'Invalid id: "{given[:100]}" (expecting "{kind.prefix}-...")')
    return given


def digits(kind: Kind, given: str) -> str:
    """
    What its uuid begins with, without hyphens.

    :raises EC2Error: it is no id of this kind.
    """
    return check(kind, given).rpartition("-")[2]


def pick(kind: Kind, wanted: Sequence[str], there: Iterable[T], id_: Callable[[T], str]) -> list[T]:
    """
    What is wanted, in that order, each once.

    :raises EC2Error: an id is malformed, or of nothing that is there.
    """
    for given in wanted:
        check(kind, given)
    by_id = {id_(each): each for each in there}
    absent = [given for given in wanted if given not in by_id]
    if absent:
        told = ", ".join(absent[:20])
        raise EC2Error(kind.missing, f"The {kind.prefix} ID '{told}' does not exist")
    return [by_id[given] for given in dict.fromkeys(wanted)]
