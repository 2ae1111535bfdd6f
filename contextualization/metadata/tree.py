"""
EC2's metadata of a guest as a tree of texts, and how EC2 lists and finds in it.

Source: the lists that AWS's and cloud-init's clients read. A leaf that is listed is served: cloud-init throws all
metadata away over a single 404. ``vpc-id`` is there lest it takes the guest for EC2 Classic.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from cm.rules.guest import Guest, Nic, ec2_id, hostname, key_name, one_line, public_keys, user_data

Tree = Mapping[str, "str | bytes | Tree"]

VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-09-24",
    "2024-04-11",
    "latest",
)


# Keys of tags that are told: EC2's rule, without =, which makes cloud-init take a line for the name of a public key.
_TAG_KEY: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9+.,_:@-]+")


@dataclass(frozen=True)
class Listing:
    text: str


def find(tree: Tree, path: str) -> str | bytes | Listing | None:
    """
    A leaf's content or a directory's listing; None for neither.

    :param path: below the tree's root, a slash at its end or not: EC2 serves both alike, and botocore relies on it.
    """
    node: str | bytes | Tree = tree
    inside = ""
    for name in [part for part in path.split("/") if part]:
        if not isinstance(node, Mapping) or name not in node:
            return None
        node, inside = node[name], name
    return _listing(node, inside) if isinstance(node, Mapping) else node


def _listing(tree: Tree, name: str) -> Listing:
    lines = []
    for each, child in tree.items():
        if name == "public-keys" and isinstance(child, Mapping):
            lines.append(f"{each}={key_name(str(child['openssh-key']).strip(), int(each))}")
        else:
            lines.append(each + "/" if isinstance(child, Mapping) else each)
    return Listing("\n".join(lines))


def guest_tree(guest: Guest, region: str, domain: str) -> dict[str, str | bytes | Tree]:
    """
    What stands below each version: ``meta-data``, ``user-data`` if there is any, and ``dynamic``, where the document is
    not signed.
    """
    tree: dict[str, str | bytes | Tree] = {
        "dynamic": dynamic(identity_document(guest, region), {}),
        "meta-data": meta_data(guest, region, domain),
    }
    if guest.user_data:
        tree["user-data"] = user_data(guest)
    return tree


def dynamic(document: str, signatures: Mapping[str, str]) -> Tree:
    return {
        "fws": {"instance-monitoring": "disabled"},
        "instance-identity": {"document": document, **signatures},
    }


def meta_data(guest: Guest, region: str, domain: str) -> Tree:
    name, root = hostname(guest), f"/dev/{guest.root_device}"
    primary = guest.nics[0]
    devices = {"ami": guest.root_device, "root": root}
    devices |= {f"ebs{index}": device for index, device in enumerate(guest.data_devices, 1)}
    tree: dict[str, str | bytes | Tree] = {
        "ami-id": ec2_id("ami", guest.image_uuid),
        "ami-launch-index": "0",
        "ami-manifest-path": "(unknown)",
        "block-device-mapping": devices,
        "hostname": name,
        "instance-action": "none",
        "instance-id": guest.instance_id,
        "instance-life-cycle": "on-demand",
        "instance-type": one_line(guest.template_name) or "unknown",
        "local-hostname": name,
        "mac": primary.mac,
        "network": {"interfaces": {"macs": {nic.mac: interface(guest, nic, region) for nic in guest.nics}}},
        "placement": {"availability-zone": zone(region), "availability-zone-id": zone(region), "region": region},
        "profile": "default-hvm",
        "reservation-id": ec2_id("r", guest.reservation_id),
        "services": {"domain": domain, "partition": "wawel"},
    }
    if own := _of(primary, 4):
        tree["local-ipv4"] = own[0]
    tree |= _reached(guest, primary, "public-ipv4")
    if primary.groups:
        tree["security-groups"] = _lines(name for _, name in primary.groups)
    if own := _of(primary, 6):
        tree["ipv6"] = own[0]
    if tags := {key: value for key, value in sorted(guest.tags.items()) if _TAG_KEY.fullmatch(key)}:
        tree["tags"] = {"instance": tags}
    if keys := public_keys(guest):
        tree["public-keys"] = {str(index): {"openssh-key": key + "\n"} for index, key in enumerate(keys)}
    return dict(sorted(tree.items()))


def _of(nic: Nic, version: int) -> list[str]:
    """Its addresses of one version of IP."""
    return [str(address) for address in nic.addresses if address.version == version]


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(one_line(text) for text in texts)


def _reached(guest: Guest, nic: Nic, key: str) -> Tree:
    """How a NIC is reached from outside, if it is. There is no name for that but the guest's own."""
    found = [str(address) for address in nic.public if address.version == 4]
    if not found:
        return {}
    return {key: "\n".join(found), "public-hostname": hostname(guest)}


def interface(guest: Guest, nic: Nic, region: str) -> Tree:
    tree: dict[str, str | bytes | Tree] = {
        "device-number": str(nic.index),
        "interface-id": ec2_id("eni", nic.uuid),
        "local-hostname": hostname(guest),
        "mac": nic.mac,
        "owner-id": account_number(guest),
        "subnet-id": ec2_id("subnet", nic.network_uuid),
        "vpc-id": vpc_id(guest, region),
    }
    own = _of(nic, 4)
    if own:
        tree["local-ipv4s"] = "\n".join(own)
    if found := _of(nic, 6):
        tree["ipv6s"] = "\n".join(found)
    if nic.network is not None:
        block = str(nic.network)
        tree |= {"subnet-ipv4-cidr-block": block, "vpc-ipv4-cidr-block": block, "vpc-ipv4-cidr-blocks": block}
    if nic.network6 is not None:
        block = str(nic.network6)
        tree |= {"subnet-ipv6-cidr-blocks": block, "vpc-ipv6-cidr-blocks": block}
    if nic.groups:
        tree["security-groups"] = _lines(name for _, name in nic.groups)
        tree["security-group-ids"] = "\n".join(ec2_id("sg", uuid) for uuid, _ in nic.groups)
    reached = _reached(guest, nic, "public-ipv4s")
    if reached and own:
        tree["ipv4-associations"] = {each: own[0] for each in str(reached["public-ipv4s"]).split("\n")}
    tree |= reached
    return dict(sorted(tree.items()))


def identity_document(guest: Guest, region: str) -> str:
    """What ``identity.py`` signs: AWS's names, in their order."""
    launched = guest.launched_at
    return json.dumps(
        {
            "accountId": account_number(guest),
            "architecture": "x86_64",
            "availabilityZone": zone(region),
            "imageId": ec2_id("ami", guest.image_uuid),
            "instanceId": guest.instance_id,
            "instanceType": one_line(guest.template_name),
            "pendingTime": launched.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if launched else None,
            "privateIp": next(iter(_of(guest.nics[0], 4)), None),
            "region": region,
            "version": "2017-09-30",
        },
        indent=2,
    )


def account_number(guest: Guest) -> str:
    """Twelve digits, as AWS's."""
    return f"{guest.account_number:012d}"


def vpc_id(guest: Guest, region: str) -> str:
    """Its account has one in each region; a cloud's EC2 endpoint tells the same (``clm/ec2/actions/vpc.py``)."""
    return "vpc-" + hashlib.sha256(f"{account_number(guest)} {region}".encode()).hexdigest()[:17]


def zone(region: str) -> str:
    """A region has one zone. Clients cut the last character off to get the region back."""
    return f"{region}a"
