"""
Cuts what the EC2 endpoint speaks out of botocore's description of EC2: the actions of ``ACTIONS``, without prose, into
``clm/ec2/model.json``. Of all other actions the names are kept, so that the log can tell one that we do not have from
one that nobody has.

``bin/cut-ec2`` writes it, ``bin/cut-ec2 --check`` says whether it is old. It needs botocore, which tests alone bring.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).parent.parent / "clm" / "ec2" / "model.json"
VERSION: Final = "2016-11-15"

# What clients call in their usual ways (SDKs' waiters, aws cli, libcloud, Terraform, Ansible, Packer).
ACTIONS: Final = tuple(
    """
    AllocateAddress AssociateAddress AttachVolume AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress
    CancelImportTask CopyImage CreateImage CreateKeyPair CreateLaunchTemplate CreateLaunchTemplateVersion
    CreatePlacementGroup CreateSecurityGroup CreateSnapshot CreateSubnet CreateTags CreateVolume DeleteKeyPair
    DeleteLaunchTemplate DeleteLaunchTemplateVersions DeletePlacementGroup DeleteSecurityGroup DeleteSnapshot
    DeleteSubnet DeleteTags DeleteVolume DeregisterImage DescribeAccountAttributes DescribeAddresses
    DescribeAddressesAttribute DescribeAvailabilityZones DescribeDhcpOptions DescribeImageAttribute DescribeImages
    DescribeImportImageTasks DescribeInstanceAttribute DescribeInstanceCreditSpecifications DescribeInstanceStatus
    DescribeInstanceTypeOfferings DescribeInstanceTypes DescribeInstances DescribeInternetGateways DescribeKeyPairs
    DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeNetworkAcls DescribeNetworkInterfaces
    DescribePlacementGroups DescribeRegions DescribeRouteTables DescribeSecurityGroupRules DescribeSecurityGroups
    DescribeSnapshots DescribeSubnets DescribeTags DescribeVolumeAttribute DescribeVolumeStatus DescribeVolumes
    DescribeVolumesModifications DescribeVpcAttribute DescribeVpcs DetachVolume DisassociateAddress GetConsoleOutput
    GetConsoleScreenshot GetPasswordData ImportImage ImportKeyPair ModifyImageAttribute ModifyInstanceAttribute
    ModifyInstanceMetadataOptions ModifyInstancePlacement ModifyLaunchTemplate ModifySecurityGroupRules
    ModifySubnetAttribute ModifyVolume ModifyVolumeAttribute MonitorInstances RebootInstances RegisterImage
    ReleaseAddress ResetImageAttribute RevokeSecurityGroupEgress RevokeSecurityGroupIngress RunInstances
    StartInstances StopInstances TerminateInstances UnmonitorInstances UpdateSecurityGroupRuleDescriptionsEgress
    UpdateSecurityGroupRuleDescriptionsIngress
    """.split()
)


def read_service() -> dict[str, Any]:
    """botocore's description of EC2, from its file: to import botocore itself takes longer than to read it."""
    found = find_spec("botocore")
    if found is None or found.origin is None:
        raise SystemExit("botocore is not installed: bin/bootstrap venv")
    path = Path(found.origin).parent / "data" / "ec2" / VERSION / "service-2.json.gz"
    service: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return service


def cut(service: Mapping[str, Any]) -> dict[str, Any]:
    """
    ``actions``: name → names of the shapes that are asked and answered (null: none); ``others``: names; ``shapes``.

    A structure has ``members``: name → shape, name in queries, name in answers; and ``required``. A list has ``list``,
    its elements' shape, and ``item``, their name in answers. Others have ``type``, ``min`` and ``max``; which
    words of EC2's are known, each handler says.
    """
    operations, shapes = service["operations"], service["shapes"]
    actions = {
        name: [operations[name].get(side, {}).get("shape") for side in ("input", "output")] for name in sorted(ACTIONS)
    }
    needed: set[str] = set()
    waiting = [shape for pair in actions.values() for shape in pair if shape]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _below(shapes[name])
    return {
        "version": VERSION,
        "actions": actions,
        "others": sorted(set(operations) - set(actions)),
        "shapes": {name: _shape(shapes[name]) for name in sorted(needed)},
    }


def _below(shape: Mapping[str, Any]) -> Iterator[str]:
    for member in shape.get("members", {}).values():
        yield member["shape"]
    if "member" in shape:
        yield shape["member"]["shape"]


def _shape(shape: Mapping[str, Any]) -> dict[str, Any]:
    if shape["type"] == "structure":
        members = {name: [m["shape"], _asked(name, m), m.get("locationName", name)] for name, m in
                   shape["members"].items()}  # fmt: skip
        required = shape.get("required")
        return {"members": members, **({"required": required} if required else {})}
    if shape["type"] == "list":
        return {"list": shape["member"]["shape"], "item": shape["member"].get("locationName", "member")}
    return {name: shape[name] for name in ("type", "min", "max") if name in shape}


def _asked(name: str, member: Mapping[str, Any]) -> str:
    """A member's name in a query: https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html."""
    if "queryName" in member:
        return str(member["queryName"])
    told = str(member.get("locationName", name))
    return told[0].upper() + told[1:]


def written(model: Mapping[str, Any]) -> str:
    """One line for each action and shape, so that a new botocore shows what it changed."""

    def lines(table: Mapping[str, Any]) -> str:
        return ",\n".join(f"{json.dumps(name)}:{json.dumps(table[name], separators=(',', ':'))}" for name in table)

    others = json.dumps(model["others"], separators=(",", ":"))
    return (
        f'{{"version":{json.dumps(model["version"])},\n"actions":{{\n{lines(model["actions"])}}},\n'
        f'"others":{others},\n"shapes":{{\n{lines(model["shapes"])}}}}}\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when the cut is old")
    check = parser.parse_args().check
    text = written(cut(read_service()))
    if TARGET.exists() and TARGET.read_text() == text:
        return
    if check:
        sys.exit(f"{TARGET.name} is old: bin/cut-ec2 writes it")
    TARGET.write_text(text)
    print(f"{TARGET}: {len(text):,} bytes, {len(ACTIONS)} actions")


if __name__ == "__main__":
    main()
