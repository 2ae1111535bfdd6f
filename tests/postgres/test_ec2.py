"""EC2 by boto3, against a cloud with a cluster in memory: what a script for AWS does, and what it may not."""

from __future__ import annotations

import base64
import socket
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.config import Config

from support.ec2_site import WAIT, Site, agents, ann, bob, code, done, instances, made_of, site, started
from support.fuzz import fuzz, target_of
from support.links import LinkAgent
from support.wait import until

__all__ = ["agents", "ann", "bob", "made_of", "site"]  # fixtures


def test_life(site: Site, ann: Any, made_of: dict[str, Any]) -> None:
    """A key pair, a group, an instance with user data, its power, its name, its end: boto3 and its waiters."""
    pair = ann.create_key_pair(KeyName="laptop", KeyType="ed25519")
    assert "PRIVATE KEY" in pair["KeyMaterial"] and pair["KeyPairId"].startswith("key-")
    group = ann.create_security_group(GroupName="web", Description="from everywhere")["GroupId"]
    ann.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    asked = {**made_of, "KeyName": "laptop", "UserData": "#cloud-config\n", "ClientToken": "once"}
    asked["SecurityGroupIds"] = [group]
    tags = [{"Key": "Name", "Value": "first"}, {"Key": "team", "Value": "ł <&>"}]
    asked["TagSpecifications"] = [{"ResourceType": "instance", "Tags": tags}]
    first = ann.run_instances(**asked)
    # Where nodes are in memory it may run before it is answered for.
    assert first["Instances"][0]["State"]["Name"] in ("pending", "running") and first["OwnerId"].isdigit()
    made = first["Instances"][0]["InstanceId"]
    assert [each["InstanceId"] for each in ann.run_instances(**asked)["Instances"]] == [made]
    assert code(ann.run_instances, **{**asked, "MaxCount": 2}) == "IdempotentParameterMismatch 400"
    ann.get_waiter("instance_running").wait(InstanceIds=[made], **WAIT)
    (shown,) = instances(ann, InstanceIds=[made])
    vm = next(v for v in site.federation.call("user.vm.get_list", {"cluster": "alpha"}) if v["name"] == "first")
    assert shown["InstanceId"] == "i-" + vm["uuid"].replace("-", "")[:17]
    assert shown["PrivateIpAddress"] == vm["leases"][0]["address"]
    assert (shown["ImageId"], shown["InstanceType"]) == (made_of["ImageId"], made_of["InstanceType"])
    assert shown["Tags"] == tags == first["Instances"][0]["Tags"]
    assert shown["Placement"]["AvailabilityZone"] == "alphaa"
    (card,) = ann.describe_network_interfaces(Filters=[{"Name": "attachment.instance-id", "Values": [made]}])[
        "NetworkInterfaces"
    ]
    (own,) = shown["NetworkInterfaces"]
    assert card["NetworkInterfaceId"] == own["NetworkInterfaceId"]
    assert card["PrivateIpAddress"] == own["PrivateIpAddress"] == shown["PrivateIpAddress"]
    assert card["Attachment"]["DeviceIndex"] == 0
    assert shown["SecurityGroups"] == card["Groups"] == [{"GroupId": group, "GroupName": "web"}]
    detail = site.federation.call("user.vm.get_by_id", {"vm_id": vm["vm_id"], "cluster": "alpha"})
    assert base64.b64decode(detail["user_data"]) == b"#cloud-config\n"
    groups = site.federation.call("user.security_group.get_list", {"cluster": "alpha"})
    assert [each["nics"] for each in groups if each["name"] == "web"] == [1]
    assert code(ann.delete_security_group, GroupId=group) == "DependencyViolation 400"
    assert ann.describe_instance_status(InstanceIds=[made])["InstanceStatuses"][0]["InstanceStatus"]["Status"] == "ok"
    ann.create_tags(Resources=[made], Tags=[{"Key": "Name", "Value": "second"}])
    told = ann.describe_tags(Filters=[{"Name": "resource-id", "Values": [made]}, {"Name": "key", "Values": ["N*"]}])
    assert [each["Value"] for each in told["Tags"]] == ["second"]
    stopped = ann.stop_instances(InstanceIds=[made], Force=True)["StoppingInstances"][0]
    assert stopped["PreviousState"]["Name"] == "running" and stopped["CurrentState"]["Code"] in (64, 80)
    ann.get_waiter("instance_stopped").wait(InstanceIds=[made], **WAIT)
    ann.start_instances(InstanceIds=[made])
    ann.get_waiter("instance_running").wait(InstanceIds=[made], **WAIT)
    ann.start_instances(InstanceIds=[made])
    ann.reboot_instances(InstanceIds=[made])
    ann.terminate_instances(InstanceIds=[made])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[made], **WAIT)
    assert (
        ann.terminate_instances(InstanceIds=[made])["TerminatingInstances"][0]["CurrentState"]["Name"] == "terminated"
    )
    ann.delete_security_group(GroupId=group)
    assert code(ann.describe_security_groups, GroupIds=[group]) == "InvalidGroup.NotFound 400"
    ann.delete_key_pair(KeyName="laptop")
    ann.delete_key_pair(KeyName="laptop")
    assert code(ann.describe_key_pairs, KeyNames=["laptop"]) == "InvalidKeyPair.NotFound 400"


def test_region(site: Site, ann: Any) -> None:
    """Regions are clusters, whichever is asked; each has a zone; an account says who it is."""
    assert [each["RegionName"] for each in ann.describe_regions()["Regions"]] == ["alpha"]
    zones = ann.describe_availability_zones()["AvailabilityZones"]
    assert [(each["ZoneName"], each["State"]) for each in zones] == [("alphaa", "available")]
    elsewhere = site.client(site.key(), region="us-east-1")
    assert elsewhere.describe_availability_zones()["AvailabilityZones"][0]["RegionName"] == "alpha"
    who = site.client(site.key(), "sts").get_caller_identity()
    assert int(who["Account"]) == site.federation.bench.ids["ann"] and who["Arn"].endswith(":user/ann")


def test_filters(ann: Any, made_of: dict[str, Any]) -> None:
    """Wildcards, several values, several filters; a page's token survives what is made meanwhile."""
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "many"}]}]
    made = [each["InstanceId"] for each in ann.run_instances(**{**made_of, "MinCount": 6, "MaxCount": 6},
                                                             TagSpecifications=tags)["Instances"]]  # fmt: skip
    name = {"Name": "tag:Name", "Values": ["many_[1-3]", "many_?"]}
    assert {each["InstanceId"] for each in instances(ann, Filters=[name])} == set(made)
    assert (
        instances(ann, Filters=[name, {"Name": "tag:Name", "Values": ["*_4", "nothing"]}])[0]["Tags"][0]["Value"]
        == "many_4"
    )
    assert instances(ann, Filters=[name, {"Name": "instance-state-name", "Values": ["terminated"]}]) == []
    assert code(ann.describe_instances, Filters=[{"Name": "moon", "Values": ["*"]}]) == "InvalidParameterValue 400"
    page = ann.describe_instances(Filters=[name], MaxResults=5)
    more = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
    rest = ann.describe_instances(Filters=[name], MaxResults=5, NextToken=page["NextToken"])
    seen = [each["InstanceId"] for part in (page, rest) for r in part["Reservations"] for each in r["Instances"]]
    assert sorted(seen) == sorted(made) and "NextToken" not in rest
    assert code(ann.describe_instances, MaxResults=4) == "InvalidParameterValue 400"
    assert code(ann.describe_instances, InstanceIds=[more], MaxResults=5) == "InvalidParameterCombination 400"
    assert code(ann.describe_instances, NextToken="x") == "InvalidNextToken 400"
    ann.terminate_instances(InstanceIds=[more, *made])


def test_tags(site: Site, ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """At creation and later, on all kinds alike; filters with wildcards; EC2's bounds; the same in other fronts."""
    tags = [{"Key": "team", "Value": "a"}, {"Key": "Team:x", "Value": ""}]

    def spec(kind: str) -> dict[str, Any]:
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]}

    vm = ann.run_instances(**made_of, **spec("instance"))["Instances"][0]
    disk = ann.create_volume(AvailabilityZone="alphaa", Size=1, **spec("volume"))
    ann.get_waiter("volume_available").wait(VolumeIds=[disk["VolumeId"]], **WAIT)
    group = ann.create_security_group(GroupName="tagged", Description="d", **spec("security-group"))
    snapshot = ann.create_snapshot(VolumeId=disk["VolumeId"], **spec("snapshot"))
    made = [vm["InstanceId"], disk["VolumeId"], group["GroupId"], snapshot["SnapshotId"]]
    ordered = sorted(tags, key=lambda tag: tag["Key"])
    assert vm["Tags"] == disk["Tags"] == group["Tags"] == snapshot["Tags"] == ordered

    def found() -> dict[str, list[dict[str, str]]]:
        by = {"Filters": [{"Name": "tag:team", "Values": ["?"]}, {"Name": "tag-key", "Values": ["Te*"]}]}
        every = [*instances(ann, **by), *ann.describe_volumes(**by)["Volumes"]]
        every += ann.describe_snapshots(**by)["Snapshots"] + ann.describe_security_groups(**by)["SecurityGroups"]
        keys = ("InstanceId", "SnapshotId", "GroupId", "VolumeId")
        return {next(each[key] for key in keys if each.get(key)): each["Tags"] for each in every}

    assert found() == dict.fromkeys(made, ordered)
    ann.create_tags(Resources=made, Tags=[{"Key": "team", "Value": "bb"}, {"Key": "Name", "Value": "one"}])
    assert found() == {}
    (shown,) = ann.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"]
    assert shown["GroupName"] == "tagged" and {"Key": "Name", "Value": "one"} in shown["Tags"]
    told = ann.describe_tags(Filters=[{"Name": "resource-id", "Values": made}, {"Name": "key", "Values": ["Name"]}])
    assert {(each["ResourceId"], each["Value"]) for each in told["Tags"]} == {(each, "one") for each in made}
    ours = site.federation.call("user.tag.get_list", {"cluster": "alpha", "kind": "vm"})
    assert {"team": "bb", "Team:x": ""} in [each["tags"] for each in ours]
    # One with another value is not meant; without its name an object is called as what never had one.
    ann.delete_tags(Resources=made, Tags=[{"Key": "team", "Value": "other"}, {"Key": "Name"}, {"Key": "Team:x"}])
    (shown,) = instances(ann, InstanceIds=[vm["InstanceId"]])
    assert shown["Tags"] == [{"Key": "team", "Value": "bb"}]
    for wrong, refused in (
        ([{"Key": "aws:x", "Value": ""}], "InvalidParameterValue"),
        ([{"Key": "k" * 129, "Value": ""}], "InvalidParameterValue"),
        ([{"Key": "k", "Value": "v" * 257}], "InvalidParameterValue"),
        ([{"Key": "k", "Value": "a"}, {"Key": "k", "Value": "b"}], "InvalidParameterValue"),
        ([{"Key": f"k{number}", "Value": ""} for number in range(50)], "TagLimitExceeded"),
    ):
        assert code(ann.create_tags, Resources=made, Tags=wrong) == f"{refused} 400", wrong
        again = [{"ResourceType": "instance", "Tags": [*wrong, {"Key": "more", "Value": ""}]}]
        assert code(ann.run_instances, **made_of, TagSpecifications=again) == f"{refused} 400", wrong
    assert code(bob.create_tags, Resources=[disk["VolumeId"]], Tags=tags) == "InvalidVolume.NotFound 400"
    assert bob.describe_tags()["Tags"] == [] and instances(ann, InstanceIds=[vm["InstanceId"]])[0] == shown
    assert code(ann.create_tags, Resources=made, Tags=tags, DryRun=True) == "DryRunOperation 412"
    ann.delete_tags(Resources=made)
    ann.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    ann.delete_security_group(GroupId=group["GroupId"])
    ann.terminate_instances(InstanceIds=[vm["InstanceId"]])


def test_session_token(site: Site, made_of: dict[str, Any]) -> None:
    """A pair for a limited time does what the pair that it was made with does, and goes with that."""
    key = site.key(scope="read")
    sts = site.client(key, "sts", parameter_validation=False)
    assert code(sts.get_session_token, DurationSeconds=899) == "ValidationError 400"
    made = sts.get_session_token(DurationSeconds=900)["Credentials"]
    assert made["AccessKeyId"] != key["access_key"] and made["SecretAccessKey"] != key["secret_key"]

    def client(service: str, token: str) -> Any:
        return boto3.session.Session().client(
            service, region_name="alpha", endpoint_url=f"http://127.0.0.1:{site.port}",
            aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=token, config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip

    token = made["SessionToken"]
    assert client("sts", token).get_caller_identity()["Arn"].endswith(":user/ann")
    assert client("ec2", token).describe_regions()["Regions"]
    url = client("ec2", token).generate_presigned_url("describe_regions", HttpMethod="GET")
    assert urllib.request.urlopen(url, timeout=30).status == 200
    assert code(client("ec2", token).run_instances, **made_of) == "UnauthorizedOperation 403"
    assert code(client("sts", token).get_session_token) == "AccessDenied 403"
    for wrong in ("", token[:-8] + "AAAAAAA=", "x"):
        assert code(client("ec2", wrong).describe_regions) == "AuthFailure 401", wrong
    with_token = {"access_key": key["access_key"], "secret_key": key["secret_key"]}
    assert code(site.client({**with_token, "access_key": made["AccessKeyId"]}).describe_regions) == "AuthFailure 401"
    site.federation.call("user.api_key.delete", [key["api_key_id"]])
    until(lambda: code(client("ec2", token).describe_regions) == "AuthFailure 401")


def test_last_use(site: Site) -> None:
    """A key was used when somebody signed with it, and not when somebody named it."""

    def used() -> Any:
        keys = site.federation.call("user.api_key.get_list")
        return next(each["used"] for each in keys if each["api_key_id"] == key["api_key_id"])

    key = site.key()
    assert code(site.client(key, secret="x" * 40).describe_regions) == "AuthFailure 401"
    site.client(site.key()).describe_regions()
    assert used() is None
    site.client(key).describe_regions()
    until(used)
    site.federation.call("user.api_key.delete", [key["api_key_id"]])


def test_groups(ann: Any) -> None:
    """Rules are those that were allowed, once; what is revoked has to be there; a group of Terraform's life."""
    group = ann.create_security_group(GroupName="db", Description="d")["GroupId"]

    def rules() -> tuple[int, int]:
        (shown,) = ann.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return len(shown["IpPermissions"]), len(shown["IpPermissionsEgress"])

    assert rules() == (0, 1)
    everybody = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    six = [{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    ann.revoke_security_group_egress(GroupId=group, IpPermissions=everybody)
    assert code(ann.revoke_security_group_egress, GroupId=group, IpPermissions=six) == "InvalidPermission.NotFound 400"
    own = [
        {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5433, "UserIdGroupPairs": [{"GroupId": group}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "192.0.2.9/24"}]},
    ]
    ann.authorize_security_group_ingress(GroupId=group, IpPermissions=own)
    assert rules() == (2, 0)
    assert (
        code(ann.authorize_security_group_ingress, GroupId=group, IpPermissions=own[:1])
        == "InvalidPermission.Duplicate 400"
    )
    (shown,) = ann.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert shown["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group
    assert (shown["IpPermissions"][0]["FromPort"], shown["IpPermissions"][0]["ToPort"]) == (5432, 5433)
    assert shown["IpPermissions"][1]["IpRanges"] == [{"CidrIp": "192.0.2.0/24"}]
    ann.revoke_security_group_ingress(GroupId=group, IpPermissions=shown["IpPermissions"])
    assert rules() == (0, 0)
    assert code(ann.create_security_group, GroupName="db", Description="d") == "InvalidGroup.Duplicate 400"
    ann.delete_security_group(GroupName="db")


def test_volumes(ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """A volume, an instance that has it for a while, a snapshot of it; what is in use stays."""
    zone = "alphaa"
    made = ann.create_volume(AvailabilityZone=zone, Size=1, ClientToken="v")["VolumeId"]
    assert ann.create_volume(AvailabilityZone=zone, Size=1, ClientToken="v")["VolumeId"] == made
    ann.get_waiter("volume_available").wait(VolumeIds=[made], **WAIT)
    vm = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
    ann.get_waiter("instance_running").wait(InstanceIds=[vm], **WAIT)
    told = ann.attach_volume(VolumeId=made, InstanceId=vm, Device="/dev/sdf")
    assert (told["State"], told["Device"]) == ("attaching", "/dev/vdb")
    ann.get_waiter("volume_in_use").wait(VolumeIds=[made], **WAIT)
    by_volume = [{"Name": "block-device-mapping.volume-id", "Values": [made]}]
    assert [each["InstanceId"] for each in instances(ann, Filters=by_volume)] == [vm]
    assert code(ann.attach_volume, VolumeId=made, InstanceId=vm, Device="/dev/sdg") == "VolumeInUse 400"
    assert code(ann.delete_volume, VolumeId=made) == "VolumeInUse 400"
    assert code(bob.detach_volume, VolumeId=made) == "InvalidVolume.NotFound 400"
    assert ann.get_console_output(InstanceId=vm)["InstanceId"] == vm
    assert base64.b64decode(ann.get_console_screenshot(InstanceId=vm)["ImageData"]).startswith(b"\x89PNG")
    assert code(bob.get_console_screenshot, InstanceId=vm) == "InvalidInstanceID.NotFound 400"
    until(lambda: done(lambda: ann.detach_volume(VolumeId=made)))  # the instance is busy until it has it
    ann.get_waiter("volume_available").wait(VolumeIds=[made], **WAIT)
    assert instances(ann, Filters=by_volume) == []
    assert code(ann.detach_volume, VolumeId=made) == "IncorrectState 400"
    ann.terminate_instances(InstanceIds=[vm])
    snapshot = ann.create_snapshot(VolumeId=made, Description="before")["SnapshotId"]
    ann.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], **WAIT)
    (told,) = ann.describe_snapshots(OwnerIds=["self"], SnapshotIds=[snapshot])["Snapshots"]
    assert (told["VolumeId"], told["VolumeSize"], told["Description"]) == (made, 1, "before")
    ann.delete_snapshot(SnapshotId=snapshot)
    # Clients that see it no more take the volume for free.
    assert ann.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert code(ann.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.NotFound 400"
    ann.delete_volume(VolumeId=made)


def test_addresses(site: Site, ann: Any, bob: Any, agents: list[LinkAgent], made_of: dict[str, Any]) -> None:
    """Elastic addresses: whose they are, and who is reached by them; the same is told elsewhere."""
    one, two = started(ann, agents, {**made_of, "MinCount": 2, "MaxCount": 2})
    name = [{"Key": "Name", "Value": "way in"}]
    assert (
        code(ann.allocate_address, DryRun=True) == "DryRunOperation 412" and ann.describe_addresses()["Addresses"] == []
    )
    tagged = [{"ResourceType": "elastic-ip", "Tags": name}]
    first = ann.allocate_address(Domain="vpc", TagSpecifications=tagged)
    assert (first["PublicIp"], first["Domain"]) == ("203.0.113.7", "vpc")
    exact = ann.allocate_address(Address="203.0.113.9")
    assert exact["PublicIp"] == "203.0.113.9"
    assert code(ann.allocate_address) == "AddressLimitExceeded 400"
    assert code(bob.allocate_address, Address="203.0.113.9") == "InsufficientAddressCapacity 400"
    assert code(bob.allocate_address, Address="2001:db8::7") == "InvalidParameterValue 400"
    held = first["AllocationId"]
    bound = ann.associate_address(AllocationId=held, InstanceId=one)["AssociationId"]
    assert ann.associate_address(PublicIp="203.0.113.7", InstanceId=one)["AssociationId"] == bound
    filters = [{"Name": "instance-id", "Values": [one]}]
    (shown,) = ann.describe_addresses(Filters=filters)["Addresses"]
    (vm,) = instances(ann, Filters=[{"Name": "ip-address", "Values": ["203.0.113.7"]}])
    assert (vm["InstanceId"], vm["PublicIpAddress"]) == (one, "203.0.113.7")
    assert (shown["AssociationId"], shown["PrivateIpAddress"]) == (bound, vm["PrivateIpAddress"])
    assert (
        shown["Tags"] == name
        and ann.describe_addresses(Filters=[{"Name": "tag:Name", "Values": ["way*"]}])["Addresses"]
    )
    ours = site.federation.call("user.public_address.get_list", {"cluster": "alpha"})
    assert [each["vm_id"] is not None for each in ours if each["address"] == "203.0.113.7"] == [True]
    # Another's, in every action that takes one.
    assert bob.describe_addresses()["Addresses"] == []
    assert code(bob.describe_addresses, AllocationIds=[held]) == "InvalidAllocationID.NotFound 400"
    assert code(bob.associate_address, AllocationId=held, InstanceId=one) == "InvalidAllocationID.NotFound 400"
    assert code(bob.disassociate_address, AssociationId=bound) == "InvalidAssociationID.NotFound 400"
    assert code(bob.release_address, AllocationId=held) == "InvalidAllocationID.NotFound 400"
    assert code(bob.release_address, PublicIp="203.0.113.7") == "InvalidAddress.NotFound 400"
    # It moves, unless that is not wanted; what the other one had is free then. What is not possible changes nothing.
    ann.associate_address(AllocationId=exact["AllocationId"], InstanceId=two)
    moved = {"AllocationId": held, "InstanceId": two}
    assert code(ann.associate_address, **moved, AllowReassociation=False) == "Resource.AlreadyAssociated 400"
    assert code(ann.release_address, AllocationId=held) == "InvalidIPAddress.InUse 400"
    stranger = {**moved, "InstanceId": "i-" + "0" * 17}
    assert code(ann.associate_address, **stranger) == "InvalidInstanceID.NotFound 400"
    assert instances(ann, InstanceIds=[one])[0]["PublicIpAddress"] == "203.0.113.7"
    everybodys = site.cloud.sql("SELECT id FROM network WHERE account_id IS NULL")
    hidden = site.federation.create("alpha", networks=[everybodys])
    unreached = "i-" + hidden["uuid"].replace("-", "")[:17]
    assert code(ann.associate_address, **{**moved, "InstanceId": unreached}) == "IncorrectState 400"
    assert instances(ann, InstanceIds=[one])[0]["PublicIpAddress"] == "203.0.113.7"
    anew = ann.associate_address(**moved)["AssociationId"]
    assert anew != bound and code(ann.disassociate_address, AssociationId=bound) == "InvalidAssociationID.NotFound 400"
    assert instances(ann, InstanceIds=[two])[0]["PublicIpAddress"] == "203.0.113.7"
    assert "PublicIpAddress" not in instances(ann, InstanceIds=[one])[0]
    ann.disassociate_address(AssociationId=anew)
    ann.create_tags(Resources=[held], Tags=[{"Key": "Name", "Value": "other"}])
    (shown,) = ann.describe_addresses(AllocationIds=[held])["Addresses"]
    assert "AssociationId" not in shown and shown["Tags"][0]["Value"] == "other"
    ann.release_address(AllocationId=held)
    ann.release_address(PublicIp="203.0.113.9")
    assert ann.describe_addresses()["Addresses"] == []
    ann.terminate_instances(InstanceIds=[one, two, unreached])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[one, two, unreached], **WAIT)


def test_vpc(site: Site, ann: Any, bob: Any, agents: list[LinkAgent], made_of: dict[str, Any]) -> None:
    """The default VPC, its subnets, its way out; an instance in a subnet that was chosen, which all fronts tell."""
    told = {"cluster": "alpha", "name": "lab", "network": "10.130.8.0/26"}
    network = site.federation.call("user.network.request", told)
    subnet = "subnet-" + network["uuid"].replace("-", "")[:17]
    (vpc,) = ann.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert (vpc["CidrBlock"], vpc["IsDefault"], vpc["State"]) == ("10.130.0.0/16", True, "available")
    mine = {"Name": "vpc-id", "Values": [vpc["VpcId"]]}
    group = ann.create_security_group(GroupName="in vpc", Description="d", VpcId=vpc["VpcId"])["GroupId"]
    assert code(bob.create_security_group, GroupName="x", Description="d", VpcId=vpc["VpcId"]) == (
        "InvalidVpcID.NotFound 400"
    )
    found = ann.describe_security_groups(Filters=[mine, {"Name": "group-name", "Values": ["in vpc"]}])
    assert [(each["GroupId"], each["VpcId"]) for each in found["SecurityGroups"]] == [(group, vpc["VpcId"])]
    ann.delete_security_group(GroupId=group)
    assert ann.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"][0][
        "AttributeValues"
    ] == [{"AttributeValue": vpc["VpcId"]}]
    (shown,) = ann.describe_subnets(Filters=[mine, {"Name": "tag:Name", "Values": ["lab"]}])["Subnets"]
    assert (shown["SubnetId"], shown["CidrBlock"], shown["AvailableIpAddressCount"]) == (subnet, "10.130.8.0/26", 61)
    ann.create_tags(Resources=[subnet], Tags=[{"Key": "Name", "Value": "lab2"}])
    assert ann.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["Tags"] == [{"Key": "Name", "Value": "lab2"}]
    (gateway,) = ann.describe_internet_gateways(Filters=[{**mine, "Name": "attachment.vpc-id"}])["InternetGateways"]
    (table,) = ann.describe_route_tables(Filters=[mine])["RouteTables"]
    assert [each["GatewayId"] for each in table["Routes"]] == ["local", gateway["InternetGatewayId"]]
    assert ann.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"]
    (vm,) = started(ann, agents, {**made_of, "SubnetId": subnet})
    (found,) = instances(ann, Filters=[{"Name": "subnet-id", "Values": [subnet]}])
    assert (found["InstanceId"], found["SubnetId"], found["VpcId"]) == (vm, subnet, vpc["VpcId"])
    assert found["PrivateIpAddress"].startswith("10.130.8.")
    assert ann.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"] == 60
    # By a network card, as Ansible asks for it, which also tags the volume.
    card = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [found["SecurityGroups"][0]["GroupId"]]}
    spec = [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "carded"}, {"Key": "of", "Value": kind}]}
            for kind in ("instance", "volume")]  # fmt: skip
    shown = ann.run_instances(**made_of, NetworkInterfaces=[card], TagSpecifications=spec)["Instances"][0]
    assert (shown["SubnetId"], shown["SecurityGroups"]) == (subnet, found["SecurityGroups"])
    assert {"Key": "of", "Value": "instance"} in shown["Tags"]
    (volume,) = ann.describe_volumes(Filters=[{"Name": "tag:of", "Values": ["volume"]}])["Volumes"]
    assert volume["VolumeId"] == shown["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert volume["Tags"] == spec[1]["Tags"]
    before = len(instances(ann))
    for refused, wrong in (
        ("InvalidParameterCombination", {"NetworkInterfaces": [card], "SubnetId": subnet}),
        ("InvalidParameterCombination", {"NetworkInterfaces": [card], "SecurityGroups": ["default"]}),
        ("UnsupportedOperation", {"NetworkInterfaces": [card, {"DeviceIndex": 1}]}),
        ("UnsupportedOperation", {"NetworkInterfaces": [{**card, "DeviceIndex": 1}]}),
        ("UnsupportedOperation", {"NetworkInterfaces": [{**card, "AssociatePublicIpAddress": True}]}),
        ("UnsupportedOperation", {"NetworkInterfaces": [{**card, "DeleteOnTermination": False}]}),
        ("UnsupportedOperation", {"TagSpecifications": spec[1:]}),
    ):
        assert code(ann.run_instances, **made_of, **wrong) == f"{refused} 400", wrong
    assert len(instances(ann)) == before
    ann.terminate_instances(InstanceIds=[shown["InstanceId"]])
    # Another's.
    assert bob.describe_vpcs()["Vpcs"][0]["VpcId"] != vpc["VpcId"]
    assert bob.describe_subnets(Filters=[mine])["Subnets"] == []
    assert code(bob.describe_vpcs, VpcIds=[vpc["VpcId"]]) == "InvalidVpcID.NotFound 400"
    assert (
        code(bob.describe_vpc_attribute, VpcId=vpc["VpcId"], Attribute="enableDnsSupport")
        == "InvalidVpcID.NotFound 400"
    )
    assert code(bob.describe_subnets, SubnetIds=[subnet]) == "InvalidSubnetID.NotFound 400"
    assert code(bob.run_instances, **made_of, SubnetId=subnet) == "InvalidSubnetID.NotFound 400"
    assert code(bob.describe_route_tables, RouteTableIds=[table["RouteTableId"]]) == "InvalidRouteTableID.NotFound 400"
    ann.terminate_instances(InstanceIds=[vm])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[vm], **WAIT)


def test_attributes(site: Site, ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """What Terraform reads of an instance and sets before it deletes one; what cannot be set is refused, whole."""
    given = b"\x00\xff\r\n binary"
    vm = ann.run_instances(**made_of, UserData=given, InstanceInitiatedShutdownBehavior="terminate")
    vm = vm["Instances"][0]["InstanceId"]

    def told(name: str, of: Any = ann) -> Any:
        answer = of.describe_instance_attribute(InstanceId=vm, Attribute=name)
        return answer[name[0].upper() + name[1:]]

    assert base64.b64decode(told("userData")["Value"]) == given
    assert told("instanceInitiatedShutdownBehavior") == {"Value": "terminate"}
    assert told("instanceType") == {"Value": made_of["InstanceType"]}
    assert told("disableApiTermination") == told("disableApiStop") == {"Value": False}
    assert told("sourceDestCheck") == {"Value": True} and told("rootDeviceName") == {"Value": "/dev/vda"}
    assert told("enclaveOptions") == {"Enabled": False}
    mapped = ann.describe_instance_attribute(InstanceId=vm, Attribute="blockDeviceMapping")["BlockDeviceMappings"]
    assert mapped == instances(ann, InstanceIds=[vm])[0]["BlockDeviceMappings"]
    # What itself looks like base64 arrives as it was sent.
    twice = base64.b64encode(b"#!/bin/sh\n")
    exact = ann.run_instances(**made_of, UserData=twice)["Instances"][0]["InstanceId"]
    read = ann.describe_instance_attribute(InstanceId=exact, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(read) == twice
    ours = site.cloud.sql("SELECT user_data_encoding FROM vm WHERE user_data = :d", d=read)
    assert ours == "base64"
    ann.terminate_instances(InstanceIds=[exact])
    plain = site.federation.create("alpha", user_data="#cloud-config\nruncmd: [a]\n")
    other = {"InstanceId": "i-" + plain["uuid"].replace("-", "")[:17]}
    read = ann.describe_instance_attribute(**other, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(read) == b"#cloud-config\nruncmd: [a]\n"
    group = ann.create_security_group(GroupName="attributes", Description="d")["GroupId"]
    modify = ann.modify_instance_attribute
    before = ann.describe_instance_attribute(InstanceId=vm, Attribute="groupSet")["Groups"]
    assert code(modify, InstanceId=vm, Groups=[group], DryRun=True) == "DryRunOperation 412"
    assert code(modify, InstanceId=vm, Groups=[group], InstanceType={"Value": "t9.huge"}) == "InvalidParameterValue 400"
    assert ann.describe_instance_attribute(InstanceId=vm, Attribute="groupSet")["Groups"] == before
    modify(InstanceId=vm, Groups=[group])
    (shown,) = ann.describe_instance_attribute(InstanceId=vm, Attribute="groupSet")["Groups"]
    assert shown == {"GroupId": group, "GroupName": "attributes"}
    modify(InstanceId=vm, DisableApiTermination={"Value": False})
    modify(InstanceId=vm, Attribute="disableApiTermination", Value="false")
    modify(InstanceId=vm, UserData={"Value": given})
    modify(InstanceId=vm, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    for refused in (
        {"EbsOptimized": {"Value": True}, "DisableApiTermination": {"Value": True}},
        {"UserData": {"Value": b"other"}},
        {"SourceDestCheck": {"Value": False}},
    ):
        assert code(modify, InstanceId=vm, **refused) == "UnsupportedOperation 400", refused
    assert code(modify, InstanceId=vm) == "InvalidParameterCombination 400"
    assert code(modify, InstanceId=vm, Attribute="disableApiStop", Value="no") == "InvalidParameterValue 400"
    # Protected it is not terminated, whoever asks by which front; and what its end by itself leads to is changed.
    modify(InstanceId=vm, DisableApiTermination={"Value": True})
    modify(InstanceId=vm, InstanceInitiatedShutdownBehavior={"Value": "stop"})
    assert told("disableApiTermination") == {"Value": True}
    assert told("instanceInitiatedShutdownBehavior") == {"Value": "stop"}
    assert code(ann.terminate_instances, InstanceIds=[vm]) == "OperationNotPermitted 400"
    ours = next(v for v in site.federation.call("user.vm.get_list", {"cluster": "alpha"})
                if vm == "i-" + v["uuid"].replace("-", "")[:17])  # fmt: skip
    asked = {"vm_ids": [ours["vm_id"]], "cluster": "alpha"}
    assert [each["status"] for each in site.federation.call("user.vm.destroy", asked)] == ["vm_guarded"]
    assert ours["on_poweroff"] == "stop"
    modify(InstanceId=vm, Attribute="disableApiTermination", Value="false")
    assert code(modify, InstanceId=vm, InstanceInitiatedShutdownBehavior={"Value": "x"}) == "InvalidParameterValue 400"
    kept = ann.run_instances(**made_of, DisableApiTermination=True)["Instances"][0]["InstanceId"]
    assert code(ann.terminate_instances, InstanceIds=[kept]) == "OperationNotPermitted 400"
    assert code(bob.modify_instance_attribute, InstanceId=kept, DisableApiTermination={"Value": False}) == (
        "InvalidInstanceID.NotFound 400"
    )
    modify(InstanceId=kept, DisableApiTermination={"Value": False})
    ann.terminate_instances(InstanceIds=[kept])
    assert code(told, name="userData", of=bob) == "InvalidInstanceID.NotFound 400"
    assert code(bob.modify_instance_attribute, InstanceId=vm, Groups=[group]) == "InvalidInstanceID.NotFound 400"
    ann.terminate_instances(InstanceIds=[vm, other["InstanceId"]])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[vm, other["InstanceId"]], **WAIT)
    ann.delete_security_group(GroupId=group)


def test_dry_run(ann: Any, made_of: dict[str, Any], site: Site) -> None:
    """What would be done is told by 412, and not done; what may not be, as ever."""

    def there(client: Any) -> set[str]:
        return {each["InstanceId"] for each in instances(client)}

    before = there(ann)  # of which some may be ending
    assert code(ann.run_instances, **made_of, DryRun=True) == "DryRunOperation 412"
    assert code(ann.describe_instances, DryRun=True) == "DryRunOperation 412"
    assert code(ann.create_key_pair, KeyName="dry", DryRun=True) == "DryRunOperation 412"
    assert there(ann) <= before
    assert "dry" not in [each["KeyName"] for each in ann.describe_key_pairs()["KeyPairs"]]
    reader = site.client(site.key(scope="read"))
    assert there(reader) <= before
    assert code(reader.run_instances, **made_of, DryRun=True) == "UnauthorizedOperation 403"
    assert code(reader.create_key_pair, KeyName="dry", DryRun=True) == "UnauthorizedOperation 403"
    assert code(reader.run_instances, **made_of) == "UnauthorizedOperation 403"


def test_strangers(site: Site, ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """Another's ids are of nothing, in every action that takes one; malformed ones are told apart from that."""
    vm = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
    group = ann.create_security_group(GroupName="mine", Description="d")["GroupId"]
    disk = ann.create_volume(AvailabilityZone="alphaa", Size=1)["VolumeId"]
    for name, arguments, kind in (
        ("describe_instances", {"InstanceIds": [vm]}, "InvalidInstanceID"),
        ("describe_instance_status", {"InstanceIds": [vm]}, "InvalidInstanceID"),
        ("start_instances", {"InstanceIds": [vm]}, "InvalidInstanceID"),
        ("stop_instances", {"InstanceIds": [vm]}, "InvalidInstanceID"),
        ("reboot_instances", {"InstanceIds": [vm]}, "InvalidInstanceID"),
        ("terminate_instances", {"InstanceIds": [vm]}, "InvalidInstanceID"),
        ("get_console_output", {"InstanceId": vm}, "InvalidInstanceID"),
        ("create_tags", {"Resources": [vm], "Tags": [{"Key": "Name", "Value": "x"}]}, "InvalidInstanceID"),
        ("create_tags", {"Resources": [disk], "Tags": [{"Key": "Name", "Value": "x"}]}, "InvalidVolume"),
        ("describe_security_groups", {"GroupIds": [group]}, "InvalidGroup"),
        ("delete_security_group", {"GroupId": group}, "InvalidGroup"),
        ("run_instances", {**made_of, "SecurityGroupIds": [group]}, "InvalidGroup"),
        ("describe_volumes", {"VolumeIds": [disk]}, "InvalidVolume"),
        ("delete_volume", {"VolumeId": disk}, "InvalidVolume"),
        ("create_snapshot", {"VolumeId": disk}, "InvalidVolume"),
    ):
        assert code(getattr(bob, name), **arguments) == f"{kind}.NotFound 400", name
    assert code(bob.describe_instances, InstanceIds=["i-1"]) == "InvalidInstanceID.Malformed 400"
    assert code(bob.describe_instances, InstanceIds=["vol-" + "0" * 17]) == "InvalidInstanceID.Malformed 400"
    assert instances(bob) == [] and len(instances(ann, InstanceIds=[vm])) == 1
    ann.terminate_instances(InstanceIds=[vm])


def test_refused(site: Site, ann: Any, made_of: dict[str, Any]) -> None:
    """Bad credentials are refused alike; what is not done is refused, not left out."""
    key = site.key()
    wrong = site.client(key, secret="x" * 40)
    unknown = site.client({"access_key": "WAKI" + "A" * 16, "secret_key": "x" * 40})
    for client in (wrong, unknown):
        assert code(client.describe_regions) == "AuthFailure 401"
    site.federation.call("user.api_key.delete", [key["api_key_id"]])
    assert code(ann.run_instances, **made_of, SubnetId="subnet-1") == "InvalidSubnetID.Malformed 400"
    assert code(ann.run_instances, **made_of, SubnetId="subnet-" + "0" * 17) == "InvalidSubnetID.NotFound 400"
    assert code(ann.run_instances, **made_of, PrivateIpAddress="192.0.2.1") == "UnsupportedOperation 400"
    assert code(ann.run_instances, **{**made_of, "InstanceType": "t9.huge"}) == "InvalidParameterValue 400"
    assert code(ann.run_instances, **{**made_of, "ImageId": "ami-" + "0" * 17}) == "InvalidAMIID.NotFound 400"
    assert code(ann.run_instances, **made_of, KeyName="none") == "InvalidKeyPair.NotFound 400"
    assert code(ann.describe_vpn_gateways) == "UnsupportedOperation 400"
    assert code(ann.create_network_interface, SubnetId="subnet-" + "0" * 17) == "UnsupportedOperation 400"


def test_raw(site: Site) -> None:
    """Requests that no client makes: an error document each, or the connection's end; the endpoint goes on."""

    def ask(head: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", site.port), 10) as connection:
            connection.sendall(head + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
            parts = []
            while part := connection.recv(65_536):
                parts.append(part)
        return b"".join(parts)

    for head, status, code_ in (
        (b"GET / HTTP/1.1", b"400", b"MissingAuthenticationToken"),
        (b"GET /anything?Action=RunInstances HTTP/1.1", b"400", b"MissingAuthenticationToken"),
        (b"PUT / HTTP/1.1", b"400", b"InvalidRequest"),
        (b"GET /?AWSAccessKeyId=x HTTP/1.1", b"400", b"IncompleteSignature"),
        (b"GET /?" + b"a=%FF&" * 4000 + b" HTTP/1.1", b"400", b"MissingAuthenticationToken"),
        (b"GET /?X-Amz-Signature=%00 HTTP/1.1", b"400", b"IncompleteSignature"),
    ):
        answer = ask(head)
        assert answer.startswith(b"HTTP/1.1 " + status) and b"<Code>%s</Code>" % code_ in answer, (head[:60], answer)
        assert b"<RequestID>" in answer


def test_signed_url(ann: Any, made_of: dict[str, Any]) -> None:
    """A signed URL is good for whoever has it, with much user data, too; an altered one is not."""
    params = {**made_of, "UserData": "u" * 16_000, "DryRun": True}
    url = ann.generate_presigned_url("run_instances", Params=params, HttpMethod="GET")
    assert len(url) > 21_000

    def get(address: str) -> tuple[int, bytes]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address, timeout=30)
        return refused.value.code, refused.value.read()

    status, body = get(url)
    assert (status, b"<Code>DryRunOperation</Code>" in body) == (412, True), body
    status, body = get(url.replace("DryRun=true", "DryRun=false"))
    assert status == 401 and b"<Code>AuthFailure</Code>" in body


def test_fuzz(site: Site) -> None:
    """Spoilt requests from the model, as bob and with ann's ids: EC2's own refusals, which change and tell nothing."""
    told = fuzz(target_of(site.federation, site.port), inputs=200, seed=3, look_each=4.0, s3=0.0)
    assert told.inputs == 200 and told.looked > 3 and len(told.codes) > 12


def test_outage(site: Site, ann: Any) -> None:
    """A cluster that is down is unavailable, in time, and known all the same; it is back when it is."""
    key_pairs = ann.describe_key_pairs()["KeyPairs"]
    site.federation.kill("alpha")
    try:
        assert code(ann.describe_instances) == "Unavailable 503"
        assert [each["RegionName"] for each in ann.describe_regions()["Regions"]] == ["alpha"]
        assert ann.describe_key_pairs()["KeyPairs"] == key_pairs
    finally:
        site.federation.revive("alpha")
    until(lambda: ann.describe_availability_zones()["AvailabilityZones"][0]["State"] == "available")
    until(lambda: done(ann.describe_instances))
