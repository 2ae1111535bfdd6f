"""EC2 by boto3: images and who may use them, imports, single rules, growth of volumes, subnets, templates."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.ec2_site import WAIT, Site, agents, ann, bob, code, done, instances, made_of, site, started
from support.links import LinkAgent
from support.wait import until

__all__ = ["agents", "ann", "bob", "made_of", "site"]  # fixtures


def account(site: Site, login: str) -> str:
    """The number of an account, as scripts ask for it."""
    number: str = site.client(site.key(login), "sts").get_caller_identity()["Account"]
    return number


def ids(images: dict[str, Any]) -> list[str]:
    return [each["ImageId"] for each in images["Images"]]


def spec(kind: str, **tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def test_images(site: Site, ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """An image of an instance that runs, of a snapshot, a copy; whose they are; whom they are shared with; the end."""
    vm = ann.run_instances(**made_of)["Instances"][0]
    ann.get_waiter("instance_running").wait(InstanceIds=[vm["InstanceId"]], **WAIT)
    asked = {"InstanceId": vm["InstanceId"], "Name": "golden", "Description": "as it was"}
    assert code(ann.create_image, **asked, DryRun=True) == "DryRunOperation 412"
    assert code(bob.create_image, **asked) == "InvalidInstanceID.NotFound 400"
    assert code(ann.create_image, **asked, TagSpecifications=spec("snapshot", a="b")) == "UnsupportedOperation 400"
    made = ann.create_image(**asked, TagSpecifications=spec("image", team="a"))["ImageId"]
    ann.get_waiter("image_available").wait(ImageIds=[made], **WAIT)
    (shown,) = ann.describe_images(Filters=[{"Name": "tag:team", "Values": ["?"]}])["Images"]
    assert (shown["ImageId"], shown["Name"], shown["OwnerId"]) == (made, "golden", account(site, "ann"))
    assert not shown["Public"] and "ImageOwnerAlias" not in shown
    # Whose: the caller's, those that administrators made public, somebody's by their number.
    assert ids(ann.describe_images(Owners=["self"])) == ids(ann.describe_images(Owners=[shown["OwnerId"]])) == [made]
    assert ids(ann.describe_images(Owners=["amazon"])) == [made_of["ImageId"]]
    assert ids(ann.describe_images(Owners=["aws-marketplace"])) == []
    assert set(ids(ann.describe_images(Owners=["self", "amazon"]))) == {made, made_of["ImageId"]}
    assert ids(ann.describe_images(Filters=[{"Name": "owner-alias", "Values": ["ama*"]}])) == [made_of["ImageId"]]
    # Shared by an account's number.
    number = account(site, "bob")
    assert ids(bob.describe_images(Owners=["self"])) == []
    share = partial(ann.modify_image_attribute, ImageId=made)
    permission = {"LaunchPermission": {"Add": [{"UserId": number}]}}
    assert code(share, **permission, DryRun=True) == "DryRunOperation 412"
    assert code(bob.modify_image_attribute, ImageId=made, **permission) == "InvalidAMIID.NotFound 400"
    share(**permission)
    share(**permission)
    assert ids(bob.describe_images(ExecutableUsers=["self"])) == [made]
    assert bob.describe_images(ImageIds=[made])["Images"][0]["OwnerId"] == shown["OwnerId"]
    told = ann.describe_image_attribute(ImageId=made, Attribute="launchPermission")
    assert told["LaunchPermissions"] == [{"UserId": number}]
    assert code(bob.deregister_image, ImageId=made) == "UnauthorizedOperation 403"
    assert code(bob.modify_image_attribute, ImageId=made, Description={"Value": "x"}) == "UnauthorizedOperation 403"
    copied = bob.copy_image(Name="mine", SourceImageId=made, SourceRegion="alpha", CopyImageTags=True)["ImageId"]
    bob.get_waiter("image_available").wait(ImageIds=[copied], **WAIT)
    assert code(bob.copy_image, Name="any", SourceImageId=made, SourceRegion="beta") == "InvalidParameterValue 400"
    assert bob.describe_images(ImageIds=[copied])["Images"][0]["Description"] == "as it was"
    assert code(share, ImdsSupport={"Value": "v1.0"}) == "InvalidParameterValue 400"
    share(ImdsSupport={"Value": "v2.0"})
    assert ann.describe_images(ImageIds=[made])["Images"][0]["ImdsSupport"] == "v2.0"
    assert ann.describe_image_attribute(ImageId=made, Attribute="imdsSupport")["ImdsSupport"] == {"Value": "v2.0"}
    of_it = ann.run_instances(**{**made_of, "ImageId": made})["Instances"][0]
    assert of_it["MetadataOptions"]["HttpTokens"] == "required"
    ann.terminate_instances(InstanceIds=[of_it["InstanceId"]])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[of_it["InstanceId"]], **WAIT)
    ann.reset_image_attribute(ImageId=made, Attribute="launchPermission")
    assert ids(bob.describe_images(Owners=["self", shown["OwnerId"]])) == [copied]
    for wrong, refused in (
        ({"LaunchPermission": {"Add": [{"Group": "all"}]}}, "UnsupportedOperation"),
        ({"LaunchPermission": {"Add": [{"UserId": "x"}]}}, "InvalidAMIAttributeItemValue"),
        ({"LaunchPermission": {"Add": [{"UserId": "999999999999"}]}}, "InvalidAMIAttributeItemValue"),
        ({**permission, "Description": {"Value": "x"}}, "InvalidParameterCombination"),
        ({}, "InvalidParameterCombination"),
        ({"Attribute": "kernel", "Value": "x"}, "UnsupportedOperation"),
    ):
        assert code(share, **wrong) == f"{refused} 400", wrong
    share(Attribute="launchPermission", OperationType="add", UserIds=[number])
    share(Attribute="launchPermission", OperationType="remove", UserIds=[number])
    assert ann.describe_image_attribute(ImageId=made, Attribute="launchPermission")["LaunchPermissions"] == []
    share(Description={"Value": "renamed"})
    told = ann.describe_image_attribute(ImageId=made, Attribute="description")
    assert told["Description"] == {"Value": "renamed"}
    # Of a snapshot; its root device and nothing else.
    (root,) = instances(ann, InstanceIds=[vm["InstanceId"]])[0]["BlockDeviceMappings"]
    snapshot = ann.create_snapshot(VolumeId=root["Ebs"]["VolumeId"])["SnapshotId"]
    ann.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], **WAIT)
    mapped = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}
    register = {"Name": "of a snapshot", "RootDeviceName": "/dev/xvda", "BlockDeviceMappings": [mapped]}
    assert code(bob.register_image, **register) == "InvalidSnapshot.NotFound 400"
    assert code(ann.register_image, Name="any") == "MissingParameter 400"
    assert code(ann.register_image, **{**register, "RootDeviceName": "/dev/sdb"}) == "InvalidParameterValue 400"
    assert code(ann.register_image, Name="any", ImageLocation="bucket/manifest.xml") == "UnsupportedOperation 400"
    until(lambda: done(partial(ann.register_image, **register)))
    (of_snapshot,) = ids(ann.describe_images(Filters=[{"Name": "name", "Values": ["of a*"]}]))
    ann.get_waiter("image_available").wait(ImageIds=[of_snapshot], **WAIT)
    ann.terminate_instances(InstanceIds=[vm["InstanceId"]])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[vm["InstanceId"]], **WAIT)
    for image in (made, of_snapshot):
        ann.deregister_image(ImageId=image)
    bob.deregister_image(ImageId=copied)
    until(lambda: not ids(ann.describe_images(Owners=["self"])) and not ids(bob.describe_images(Owners=["self"])))
    assert code(ann.deregister_image, ImageId=made) == "InvalidAMIID.NotFound 400"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[str]:
    """A server of a disk's image; its URL."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    (tmp_path / "disk image.raw").write_bytes(b"x" * 510 + b"\x55\xaa" + bytes(2**20 - 512))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_imports(ann: Any, bob: Any, files: str) -> None:
    """An image by its URL, once for a token; how far it is; one that does not come; cancelled it is not there."""
    disk = {"Format": "RAW", "Url": f"{files}/disk%20image.raw"}
    asked: dict[str, Any] = {"DiskContainers": [disk], "ClientToken": "import"}
    asked |= {"Description": "by URL", "TagSpecifications": spec("import-image-task", team="i")}
    task = ann.import_image(**asked)
    assert (task["Status"], task["Description"]) == ("active", "by URL") and "ImageId" not in task
    assert ann.import_image(**asked)["ImportTaskId"] == task["ImportTaskId"]
    told = partial(ann.describe_import_image_tasks, ImportTaskIds=[task["ImportTaskId"]])
    until(lambda: told()["ImportImageTasks"][0]["Status"] == "completed")
    made = told()["ImportImageTasks"][0]["ImageId"]
    (image,) = ann.describe_images(ImageIds=[made])["Images"]
    assert (image["Name"], image["State"]) == ("disk image.raw", "available")
    assert image["Tags"] == [{"Key": "team", "Value": "i"}]
    assert code(bob.describe_import_image_tasks, ImportTaskIds=[task["ImportTaskId"]]) == (
        "InvalidConversionTaskId.NotFound 400"
    )
    assert code(bob.cancel_import_task, ImportTaskId=task["ImportTaskId"]) == "InvalidConversionTaskId.NotFound 400"
    assert code(ann.cancel_import_task, ImportTaskId=task["ImportTaskId"]) == "IncorrectState 400"
    for wrong in ([], [{"Url": files, "Format": "OVA"}], [{"Url": files}] * 2):
        assert code(ann.import_image, DiskContainers=wrong) in ("UnsupportedOperation 400",), wrong
    lost = ann.import_image(DiskContainers=[{"Url": f"{files}/nothing"}])["ImportTaskId"]

    def over() -> bool:
        there = {each["ImportTaskId"]: each for each in ann.describe_import_image_tasks()["ImportImageTasks"]}
        return lost not in there or there[lost]["Status"] == "deleted"

    until(over)
    ann.deregister_image(ImageId=made)
    until(lambda: made not in ids(ann.describe_images()))


def test_size(site: Site, ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """A stopped instance gets another type, as all fronts tell; one that runs keeps its own, with all that it has."""
    admin = partial(site.cloud.call, account="admin")
    admin("admin.template.add", {"name": "larger", "cpu": 2, "memory_mib": 512, "ec2name": "m9.larger"})
    vm = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
    ann.get_waiter("instance_running").wait(InstanceIds=[vm], **WAIT)
    modify = partial(ann.modify_instance_attribute, InstanceId=vm)
    larger = {"InstanceType": {"Value": "m9.larger"}}
    assert code(modify, **larger, DisableApiTermination={"Value": True}) == "IncorrectInstanceState 400"
    guarded = ann.describe_instance_attribute(InstanceId=vm, Attribute="disableApiTermination")
    assert guarded["DisableApiTermination"] == {"Value": False}
    modify(InstanceType={"Value": made_of["InstanceType"]})
    ann.stop_instances(InstanceIds=[vm], Force=True)
    ann.get_waiter("instance_stopped").wait(InstanceIds=[vm], **WAIT)
    assert code(modify, InstanceType={"Value": "t9.huge"}) == "InvalidParameterValue 400"
    assert code(bob.modify_instance_attribute, InstanceId=vm, **larger) == "InvalidInstanceID.NotFound 400"
    assert code(modify, **larger, DryRun=True) == "DryRunOperation 412"
    assert instances(ann, InstanceIds=[vm])[0]["InstanceType"] == made_of["InstanceType"]
    modify(**larger)
    modify(Attribute="instanceType", Value="larger")  # its own name: it has it already
    told = ann.describe_instance_attribute(InstanceId=vm, Attribute="instanceType")["InstanceType"]
    assert told == {"Value": "m9.larger"} == {"Value": instances(ann, InstanceIds=[vm])[0]["InstanceType"]}
    ours = next(each for each in site.federation.call("user.vm.get_list", {"cluster": "alpha"})
                if vm == "i-" + each["uuid"].replace("-", "")[:17])  # fmt: skip
    assert (ours["cpu"], ours["memory_mib"]) == (2, 512)
    ann.start_instances(InstanceIds=[vm])
    ann.get_waiter("instance_running").wait(InstanceIds=[vm], **WAIT)
    ann.terminate_instances(InstanceIds=[vm])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[vm], **WAIT)


def test_placement_groups(site: Site, ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """Groups by strategy, which are affinity groups; an instance in one, in another, in none; what there is none of."""
    create = ann.create_placement_group
    made = create(GroupName="apart", Strategy="spread", SpreadLevel="host")["PlacementGroup"]
    assert (made["Strategy"], made["State"], made["SpreadLevel"]) == ("spread", "available", "host")
    near = create(GroupName="near", Strategy="cluster")["PlacementGroup"]
    ours = {each["name"]: (each["affinity"], each["strict"])
            for each in site.federation.call("user.affinity_group.get_list", {"cluster": "alpha"})}  # fmt: skip
    assert ours == {"apart": ("apart", True), "near": ("together", False)}
    for wrong, refused in (
        ({"GroupName": "near", "Strategy": "cluster"}, "InvalidPlacementGroup.Duplicate"),
        ({"GroupName": "x", "Strategy": "partition"}, "UnsupportedOperation"),
        ({"GroupName": "x", "Strategy": "moon"}, "InvalidParameterValue"),
        ({"GroupName": "x", "Strategy": "spread", "SpreadLevel": "rack"}, "UnsupportedOperation"),
        ({"GroupName": "x", "Strategy": "cluster", "SpreadLevel": "host"}, "InvalidParameterCombination"),
        ({"Strategy": "cluster"}, "MissingParameter"),
        ({"GroupName": "x", "Strategy": "cluster", "TagSpecifications": spec("placement-group", a="b")},
         "UnsupportedOperation"),
    ):  # fmt: skip
        assert code(create, **wrong) == f"{refused} 400", wrong
    assert code(create, GroupName="dry", Strategy="cluster", DryRun=True) == "DryRunOperation 412"
    found = ann.describe_placement_groups(Filters=[{"Name": "strategy", "Values": ["spr*"]}])["PlacementGroups"]
    assert found == [made] == ann.describe_placement_groups(GroupIds=[made["GroupId"]])["PlacementGroups"]
    assert ann.describe_placement_groups(GroupNames=["near"])["PlacementGroups"] == [near]
    assert bob.describe_placement_groups()["PlacementGroups"] == []
    assert code(bob.describe_placement_groups, GroupNames=["near"]) == "InvalidPlacementGroup.Unknown 400"
    assert code(bob.describe_placement_groups, GroupIds=[near["GroupId"]]) == "InvalidPlacementGroupId.NotFound 400"
    assert code(bob.delete_placement_group, GroupName="near") == "InvalidPlacementGroup.Unknown 400"
    assert code(bob.run_instances, **made_of, Placement={"GroupName": "near"}) == "InvalidPlacementGroup.Unknown 400"
    vm = ann.run_instances(**made_of, Placement={"GroupName": "near"})["Instances"][0]
    assert (vm["Placement"]["GroupName"], vm["Placement"]["GroupId"]) == ("near", near["GroupId"])
    vm_id = vm["InstanceId"]
    by = [{"Name": "placement-group-name", "Values": ["near"]}]
    assert [each["InstanceId"] for each in instances(ann, Filters=by)] == [vm_id]
    assert code(ann.delete_placement_group, GroupName="near") == "InvalidPlacementGroup.InUse 400"
    ann.get_waiter("instance_running").wait(InstanceIds=[vm_id], **WAIT)
    place = partial(ann.modify_instance_placement, InstanceId=vm_id)
    assert code(place) == "MissingParameter 400"
    assert code(place, GroupName="none") == "InvalidPlacementGroup.Unknown 400"
    assert code(bob.modify_instance_placement, InstanceId=vm_id, GroupName="") == "InvalidInstanceID.NotFound 400"
    assert place(GroupId=made["GroupId"])["Return"]
    assert instances(ann, InstanceIds=[vm_id])[0]["Placement"]["GroupName"] == "apart"
    place(GroupName="")
    assert instances(ann, InstanceIds=[vm_id])[0]["Placement"]["GroupName"] == ""
    for name in ("near", "apart"):
        ann.delete_placement_group(GroupName=name)
    assert ann.describe_placement_groups()["PlacementGroups"] == []
    ann.terminate_instances(InstanceIds=[vm_id])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[vm_id], **WAIT)


def test_rules(ann: Any, bob: Any) -> None:
    """Each rule has an id, by which it is told, replaced and removed; another's has none."""
    group = ann.create_security_group(GroupName="one by one", Description="d")["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    ranges = [{"CidrIp": "192.0.2.0/24", "Description": "first"}, {"CidrIp": "198.51.100.0/24"}]
    made = ann.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**permission, "IpRanges": ranges}])
    first, second = made["SecurityGroupRules"]
    assert (first["Description"], "Description" in second) == ("first", False)
    assert (first["CidrIpv4"], first["IsEgress"], first["FromPort"]) == ("192.0.2.0/24", False, 22)
    by_group = [{"Name": "group-id", "Values": [group]}]
    (out,) = [each for each in ann.describe_security_group_rules(Filters=by_group)["SecurityGroupRules"]
              if each["IsEgress"]]  # fmt: skip
    assert (out["IpProtocol"], out["FromPort"], out["CidrIpv4"]) == ("-1", -1, "0.0.0.0/0")
    mine = [first["SecurityGroupRuleId"]]
    assert ann.describe_security_group_rules(SecurityGroupRuleIds=mine)["SecurityGroupRules"] == [first]
    gone = "InvalidSecurityGroupRuleId.NotFound 400"
    assert code(bob.describe_security_group_rules, SecurityGroupRuleIds=mine) == gone
    assert bob.describe_security_group_rules(Filters=by_group)["SecurityGroupRules"] == []
    to_443 = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "192.0.2.0/24"}
    update = [{"SecurityGroupRuleId": mine[0], "SecurityGroupRule": to_443}]
    assert code(bob.modify_security_group_rules, GroupId=group, SecurityGroupRules=update) == (
        "InvalidGroup.NotFound 400"
    )
    as_second = {**to_443, "FromPort": 22, "ToPort": 22, "CidrIpv4": "198.51.100.0/24"}
    twin = [{"SecurityGroupRuleId": mine[0], "SecurityGroupRule": as_second}]
    assert code(ann.modify_security_group_rules, GroupId=group, SecurityGroupRules=twin) == (
        "InvalidPermission.Duplicate 400"
    )
    ann.modify_security_group_rules(GroupId=group, SecurityGroupRules=update)
    there = ann.describe_security_group_rules(Filters=by_group)["SecurityGroupRules"]
    assert sorted(each["FromPort"] for each in there if not each["IsEgress"]) == [22, 443]
    (old,) = [each for each in there if each["FromPort"] == 22]
    told = [{"SecurityGroupRuleId": old["SecurityGroupRuleId"], "Description": "the office"}]
    update = ann.update_security_group_rule_descriptions_ingress
    assert code(bob.update_security_group_rule_descriptions_ingress, GroupId=group,
                SecurityGroupRuleDescriptions=told) == "InvalidGroup.NotFound 400"  # fmt: skip
    assert update(GroupId=group, SecurityGroupRuleDescriptions=told)["Return"]
    (rule,) = ann.describe_security_group_rules(SecurityGroupRuleIds=[old["SecurityGroupRuleId"]])["SecurityGroupRules"]
    assert rule == {**old, "Description": "the office"}
    named = {**permission, "IpRanges": [{"CidrIp": old["CidrIpv4"], "Description": "home"}]}
    update(GroupId=group, IpPermissions=[named])
    shown = ann.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert {"CidrIp": old["CidrIpv4"], "Description": "home"} in [r for each in shown for r in each["IpRanges"]]
    assert code(update, GroupId=group, IpPermissions=[{**named, "FromPort": 21}]) == "InvalidPermission.NotFound 400"
    long = [{**told[0], "Description": "x" * 256}]
    assert code(update, GroupId=group, SecurityGroupRuleDescriptions=long) == "InvalidParameterValue 400"
    revoke = partial(ann.revoke_security_group_ingress, GroupId=group)
    assert code(revoke, SecurityGroupRuleIds=mine) == gone and code(revoke, SecurityGroupRuleIds=["sgr-1"]) == (
        "InvalidSecurityGroupRuleId.Malformed 400"
    )
    revoke(SecurityGroupRuleIds=[second["SecurityGroupRuleId"]])
    assert len(ann.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]) == 1
    ann.delete_security_group(GroupId=group)


def test_under_way(site: Site, ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """A volume is attaching until its guest has it, detaching until it has let go; growing until it has grown."""
    vm = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
    disk = ann.create_volume(AvailabilityZone="alphaa", Size=1)["VolumeId"]
    ann.get_waiter("volume_available").wait(VolumeIds=[disk], **WAIT)
    ann.get_waiter("instance_running").wait(InstanceIds=[vm], **WAIT)

    def states() -> list[str]:
        (volume,) = ann.describe_volumes(VolumeIds=[disk])["Volumes"]
        mapped = [each["Ebs"]["Status"] for each in instances(ann, InstanceIds=[vm])[0]["BlockDeviceMappings"]
                  if each["Ebs"]["VolumeId"] == disk]  # fmt: skip
        told = [each["State"] for each in volume["Attachments"]]
        by = [{"Name": "attachment.status", "Values": told or ["none"]}]
        found = ann.describe_volumes(VolumeIds=[disk], Filters=by)["Volumes"]
        if told != mapped or bool(found) != bool(told):
            return ["it changed meanwhile"]
        return [volume["State"], *told]

    (memory,) = site.cloud.memory.values()
    release = memory.hang(60.0, ("attach",))
    try:
        assert ann.attach_volume(VolumeId=disk, InstanceId=vm, Device="/dev/sdf")["State"] == "attaching"
        assert states() == ["in-use", "attaching"]
        assert code(ann.create_snapshot, VolumeId=disk) == "IncorrectState 400"
    finally:
        release()
    until(lambda: states() == ["in-use", "attached"])
    uuid = site.cloud.sql("SELECT uuid::text FROM vm WHERE closed_at IS NULL ORDER BY id DESC LIMIT 1")
    # A disk grows while its guest runs.
    modify = partial(ann.modify_volume, VolumeId=disk)
    assert code(modify, Size=2, DryRun=True) == "DryRunOperation 412"
    assert code(partial(bob.modify_volume, VolumeId=disk), Size=2) == "InvalidVolume.NotFound 400"
    assert code(modify, Size=0) == "InvalidParameterValue 400"
    assert code(modify, VolumeType="gp3", Size=2) == "UnsupportedOperation 400"
    changes = partial(ann.describe_volumes_modifications, VolumeIds=[disk])
    release = memory.hang(60.0, ("grow",))
    try:
        told = modify(Size=2)["VolumeModification"]
        assert (told["ModificationState"], told["OriginalSize"], told["TargetSize"]) == ("modifying", 1, 2)
        assert [each["ModificationState"] for each in changes()["VolumesModifications"]] == ["modifying"]
        assert len(ann.describe_volumes_modifications()["VolumesModifications"]) == 1
    finally:
        release()
    until(lambda: changes()["VolumesModifications"][0]["ModificationState"] == "completed")
    assert ann.describe_volumes(VolumeIds=[disk])["Volumes"][0]["Size"] == 2
    assert modify(Size=2)["VolumeModification"]["ModificationState"] == "completed"
    (status,) = ann.describe_volume_status(VolumeIds=[disk])["VolumeStatuses"]
    assert status["VolumeStatus"]["Status"] == "ok"
    attribute = partial(ann.describe_volume_attribute, VolumeId=disk)
    assert attribute(Attribute="autoEnableIO")["AutoEnableIO"] == {"Value": True}
    ann.modify_volume_attribute(VolumeId=disk, AutoEnableIO={"Value": True})
    assert code(ann.modify_volume_attribute, VolumeId=disk, AutoEnableIO={"Value": False}) == "UnsupportedOperation 400"
    assert code(bob.describe_volume_status, VolumeIds=[disk]) == "InvalidVolume.NotFound 400"
    assert code(bob.describe_volume_attribute, VolumeId=disk, Attribute="productCodes") == "InvalidVolume.NotFound 400"
    memory.holds_disks.add(uuid)
    ann.detach_volume(VolumeId=disk)
    until(lambda: states() == ["in-use", "detaching"])
    memory.let_go(uuid)
    ann.get_waiter("volume_available").wait(VolumeIds=[disk], **WAIT)
    assert states() == ["available"]
    ann.terminate_instances(InstanceIds=[vm])
    ann.delete_volume(VolumeId=disk)


def test_subnets(ann: Any, bob: Any, agents: list[LinkAgent], made_of: dict[str, Any]) -> None:
    """A subnet is made in the VPC, used and deleted; what a VPC has besides is told, and nobody else's."""
    (vpc,) = ann.describe_vpcs()["Vpcs"]
    asked = {"VpcId": vpc["VpcId"], "CidrBlock": "10.130.64.0/26", "AvailabilityZone": "alphaa"}
    assert code(ann.create_subnet, **asked, DryRun=True) == "DryRunOperation 412"
    assert code(bob.create_subnet, **asked) == "InvalidVpcID.NotFound 400"
    with pytest.raises(ClientError, match="one VPC in each region"):
        ann.create_vpc(CidrBlock="10.131.0.0/16")
    assert code(ann.create_route_table, VpcId=vpc["VpcId"]) == "UnsupportedOperation 400"
    assert code(ann.create_subnet, **{**asked, "CidrBlock": "10.9.0.0/26"}) == "InvalidParameterValue 400"
    assert code(ann.create_subnet, **{**asked, "AvailabilityZone": "alphab"}) == "InvalidParameterValue 400"
    made = ann.create_subnet(**asked, TagSpecifications=spec("subnet", Name="front", team="n"))["Subnet"]
    assert (made["CidrBlock"], made["VpcId"]) == ("10.130.64.0/26", vpc["VpcId"])
    assert made["Tags"] == spec("subnet", Name="front", team="n")[0]["Tags"]
    subnet = made["SubnetId"]
    assert ann.describe_subnets(SubnetIds=[subnet])["Subnets"] == [made]
    assert code(ann.create_subnet, **asked) == "InvalidSubnet.Conflict 400"
    # Subnets without names get along.
    more = [ann.create_subnet(**{**asked, "CidrBlock": f"10.130.{net}.0/26"})["Subnet"] for net in (65, 66)]
    assert [each["Tags"] for each in more] == [[], []]
    ann.delete_tags(Resources=[subnet], Tags=[{"Key": "Name"}])
    assert ann.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["Tags"] == [{"Key": "team", "Value": "n"}]
    (acl,) = ann.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"]
    assert acl["IsDefault"] and subnet in [each["SubnetId"] for each in acl["Associations"]]
    (options,) = ann.describe_dhcp_options(DhcpOptionsIds=[vpc["DhcpOptionsId"]])["DhcpOptions"]
    assert options["DhcpConfigurations"][0]["Key"] == "domain-name-servers"
    assert code(bob.describe_network_acls, NetworkAclIds=[acl["NetworkAclId"]]) == "InvalidNetworkAclID.NotFound 400"
    assert code(bob.describe_dhcp_options, DhcpOptionsIds=[vpc["DhcpOptionsId"]]) == "InvalidDhcpOptionID.NotFound 400"
    ann.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": False})
    on = {"SubnetId": subnet, "MapPublicIpOnLaunch": {"Value": True}}
    assert code(ann.modify_subnet_attribute, **on) == "UnsupportedOperation 400"
    assert code(bob.modify_subnet_attribute, **on) == "InvalidSubnetID.NotFound 400"
    (vm,) = started(ann, agents, {**made_of, "SubnetId": subnet})
    assert code(bob.delete_subnet, SubnetId=subnet) == "InvalidSubnetID.NotFound 400"
    assert code(ann.delete_subnet, SubnetId=subnet) == "DependencyViolation 400"
    ann.terminate_instances(InstanceIds=[vm])
    ann.get_waiter("instance_terminated").wait(InstanceIds=[vm], **WAIT)
    for each in (subnet, *(other["SubnetId"] for other in more)):
        ann.delete_subnet(SubnetId=each)
    assert code(ann.delete_subnet, SubnetId=subnet) == "InvalidSubnetID.NotFound 400"


def test_options(ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """What has one answer here: it is told, what asks for another one is refused, and of another's nothing is said."""
    vm = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
    assert ann.get_password_data(InstanceId=vm)["PasswordData"] == ""
    (told,) = ann.unmonitor_instances(InstanceIds=[vm])["InstanceMonitorings"]
    assert told == {"InstanceId": vm, "Monitoring": {"State": "disabled"}}
    assert ann.describe_instance_credit_specifications()["InstanceCreditSpecifications"] == []
    assert code(ann.describe_instance_credit_specifications, InstanceIds=[vm]) == "InvalidParameterCombination 400"
    assert code(ann.monitor_instances, InstanceIds=[vm]) == "UnsupportedOperation 400"
    for name, arguments in (
        ("get_password_data", {"InstanceId": vm}),
        ("unmonitor_instances", {"InstanceIds": [vm]}),
        ("modify_instance_metadata_options", {"InstanceId": vm, "HttpTokens": "optional"}),
        ("describe_instance_credit_specifications", {"InstanceIds": [vm]}),
    ):
        assert code(getattr(bob, name), **arguments) == "InvalidInstanceID.NotFound 400", name
    ann.terminate_instances(InstanceIds=[vm])


def test_metadata_options(ann: Any, bob: Any, made_of: dict[str, Any]) -> None:
    """How an instance is told its metadata: as its image says, as it is launched, and as it is changed."""
    begun = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpProtocolIpv6": "disabled"}
    usual = {
        "HttpTokens": "optional", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled",
        "HttpProtocolIpv6": "enabled", "InstanceMetadataTags": "disabled", "State": "applied",
    }  # fmt: skip
    vm, plain = (
        ann.run_instances(**made_of, MetadataOptions=options)["Instances"][0] for options in (begun, {})
    )
    assert vm["MetadataOptions"] == {**usual, **begun} and plain["MetadataOptions"] == usual
    set_options = partial(ann.modify_instance_metadata_options, InstanceId=vm["InstanceId"])
    changed = {**usual, **begun, "HttpEndpoint": "disabled", "InstanceMetadataTags": "enabled"}
    told = set_options(HttpEndpoint="disabled", InstanceMetadataTags="enabled")
    assert told["InstanceMetadataOptions"] == changed
    assert instances(ann, InstanceIds=[vm["InstanceId"]])[0]["MetadataOptions"] == changed
    assert set_options()["InstanceMetadataOptions"] == changed
    for wrong in ({"HttpTokens": "no"}, {"HttpPutResponseHopLimit": 0}, {"HttpPutResponseHopLimit": 65}):
        assert code(set_options, **wrong) == "InvalidParameterValue 400"
    image = {"ImageId": made_of["ImageId"]}
    assert ann.describe_image_attribute(**image, Attribute="imdsSupport")["ImdsSupport"] == {}
    assert code(bob.modify_image_attribute, **image, ImdsSupport={"Value": "v2.0"}).startswith("UnauthorizedOperation")
    ann.terminate_instances(InstanceIds=[vm["InstanceId"], plain["InstanceId"]])


def test_launch_templates(ann: Any, bob: Any, made_of: dict[str, Any], site: Site) -> None:
    """Versions of what instances are made of: kept, found, taken by default or number, some of it said anew; gone."""
    held = {"ImageId": made_of["ImageId"], "InstanceType": made_of["InstanceType"], "UserData": "IyEvYmluL3NoCg=="}
    data = {**held, "TagSpecifications": spec("instance", Name="templated", team="t")}
    asked = {"LaunchTemplateName": "web", "LaunchTemplateData": data, "ClientToken": "once"}
    assert code(ann.create_launch_template, **{**asked, "ClientToken": "dry"}, DryRun=True) == "DryRunOperation 412"
    tags = spec("launch-template", stage="test")
    made = ann.create_launch_template(**asked, TagSpecifications=tags)["LaunchTemplate"]
    assert ann.create_launch_template(**asked, TagSpecifications=tags)["LaunchTemplate"] == made
    key = made["LaunchTemplateId"]
    assert (made["DefaultVersionNumber"], made["LatestVersionNumber"]) == (1, 1)
    again = {**asked, "ClientToken": "other"}
    assert code(ann.create_launch_template, **again) == "InvalidLaunchTemplateName.AlreadyExistsException 400"
    unknown = {**asked, "LaunchTemplateName": "fast", "LaunchTemplateData": {"EbsOptimized": True}}
    assert code(ann.create_launch_template, **unknown) == "UnsupportedOperation 400"
    version = ann.create_launch_template_version(
        LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"UserData": "IyEvYmluL2JzCg=="}
    )["LaunchTemplateVersion"]
    assert (version["VersionNumber"], version["DefaultVersion"]) == (2, False)
    assert version["LaunchTemplateData"] == {**data, "UserData": "IyEvYmluL2JzCg=="}
    found = ann.describe_launch_templates(Filters=[{"Name": "tag:stage", "Values": ["t*"]}])["LaunchTemplates"]
    assert [(each["LaunchTemplateId"], each["LatestVersionNumber"]) for each in found] == [(key, 2)]
    versions = partial(ann.describe_launch_template_versions, LaunchTemplateId=key)
    assert [each["VersionNumber"] for each in versions()["LaunchTemplateVersions"]] == [2, 1]
    assert [each["VersionNumber"] for each in versions(Versions=["$Default"])["LaunchTemplateVersions"]] == [1]
    page = versions(MaxResults=1)
    assert [each["VersionNumber"] for each in versions(MaxResults=1, NextToken=page["NextToken"])[
        "LaunchTemplateVersions"]] == [1]  # fmt: skip
    latest = ann.describe_launch_template_versions(Versions=["$Latest"])["LaunchTemplateVersions"]
    assert [each["VersionNumber"] for each in latest] == [2]
    assert code(versions, Versions=["9"]) == "InvalidLaunchTemplateId.VersionNotFound 400"
    # Instances of it, with what is asked for anew.
    run = partial(ann.run_instances, MinCount=1, MaxCount=1)
    (vm,) = run(LaunchTemplate={"LaunchTemplateId": key})["Instances"]
    assert {each["Key"]: each["Value"] for each in vm["Tags"]} == {"Name": "templated", "team": "t"}
    other = run(LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"},
                TagSpecifications=spec("instance", Name="other"))["Instances"][0]  # fmt: skip
    assert other["Tags"] == [{"Key": "Name", "Value": "other"}]
    for each, text in ((vm, held["UserData"]), (other, "IyEvYmluL2JzCg==")):
        told = ann.describe_instance_attribute(InstanceId=each["InstanceId"], Attribute="userData")
        assert told["UserData"]["Value"] == text
    assert code(run, LaunchTemplate={"LaunchTemplateName": "none"}) == (
        "InvalidLaunchTemplateName.NotFoundException 400"
    )
    assert code(run, LaunchTemplate={"LaunchTemplateId": key, "Version": "7"}) == (
        "InvalidLaunchTemplateId.VersionNotFound 400"
    )
    ann.terminate_instances(InstanceIds=[vm["InstanceId"], other["InstanceId"]])
    # Nobody else's.
    missing = "InvalidLaunchTemplateId.NotFound 400"
    assert bob.describe_launch_templates()["LaunchTemplates"] == []
    assert code(bob.describe_launch_template_versions, LaunchTemplateId=key) == missing
    assert code(bob.delete_launch_template, LaunchTemplateId=key) == missing
    assert code(bob.modify_launch_template, LaunchTemplateId=key, DefaultVersion="2") == missing
    assert code(bob.create_tags, Resources=[key], Tags=[{"Key": "a", "Value": "b"}]) == missing
    assert code(bob.run_instances, **made_of, LaunchTemplate={"LaunchTemplateId": key}) == missing
    ann.create_tags(Resources=[key], Tags=[{"Key": "stage", "Value": "live"}])
    ann.modify_launch_template(LaunchTemplateId=key, DefaultVersion="2")
    (shown,) = ann.describe_launch_templates(LaunchTemplateNames=["web"])["LaunchTemplates"]
    assert (shown["DefaultVersionNumber"], shown["Tags"]) == (2, [{"Key": "stage", "Value": "live"}])
    done_ = ann.delete_launch_template_versions(LaunchTemplateId=key, Versions=["1", "2", "3"])
    assert [each["VersionNumber"] for each in done_["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    left = done_["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert [(each["VersionNumber"], each["ResponseError"]["Code"]) for each in left] == [
        (2, "unexpectedError"), (3, "launchTemplateVersionDoesNotExist"),
    ]  # fmt: skip
    most = site.federation.bench.manager.policy.launch_templates_max
    site.federation.bench.sql(
        "INSERT INTO launch_template_version (launch_template_id, number, data)"
        " SELECT (SELECT max(id) FROM launch_template), n, '{}' FROM generate_series(100, :m) n", m=98 + most,
    )  # fmt: skip
    assert code(ann.create_launch_template, **{**again, "LaunchTemplateName": "more"}) == "ResourceLimitExceeded 400"
    # User data are in no audit.
    kept = "SELECT count(*) FROM audit WHERE method LIKE 'user.launch_template.%' AND arguments::text LIKE '%IyEv%'"
    assert site.federation.bench.sql(kept) == 0
    ann.delete_launch_template(LaunchTemplateName="web")
    assert ann.describe_launch_templates()["LaunchTemplates"] == []


def test_tags_of_keys(ann: Any, bob: Any) -> None:
    """Key pairs have tags as other objects have, at creation and later."""
    made = ann.create_key_pair(KeyName="tagged", KeyType="ed25519", TagSpecifications=spec("key-pair", team="k"))
    key, team = made["KeyPairId"], [{"Key": "team", "Value": "k"}]
    assert made["Tags"] == team
    by = [{"Name": "tag:team", "Values": ["k"]}]
    assert [each["KeyName"] for each in ann.describe_key_pairs(Filters=by)["KeyPairs"]] == ["tagged"]
    ann.create_tags(Resources=[key], Tags=[{"Key": "Name", "Value": "laptop"}])
    told = ann.describe_tags(Filters=[{"Name": "resource-id", "Values": [key]}])["Tags"]
    assert {(each["Key"], each["Value"], each["ResourceType"]) for each in told} == {
        ("Name", "laptop", "key-pair"), ("team", "k", "key-pair"),
    }  # fmt: skip
    assert code(bob.create_tags, Resources=[key], Tags=team) == "InvalidKeyPair.NotFound 400"
    many = [{"Key": f"k{number}", "Value": ""} for number in range(49)]
    assert code(ann.create_tags, Resources=[key], Tags=many) == "TagLimitExceeded 400"
    ann.delete_tags(Resources=[key], Tags=[{"Key": "Name"}])
    assert ann.describe_key_pairs(KeyNames=["tagged"])["KeyPairs"][0]["Tags"] == team
    line = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@home"
    imported = ann.import_key_pair(KeyName="home", PublicKeyMaterial=line, TagSpecifications=spec("key-pair", a="b"))
    assert imported["Tags"] == [{"Key": "a", "Value": "b"}]
    for name in ("tagged", "home"):
        ann.delete_key_pair(KeyName=name)
