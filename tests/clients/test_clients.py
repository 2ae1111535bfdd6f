"""Whole lives by clients that were made for AWS and know nothing of Wawel; the guests are real."""

from __future__ import annotations

import base64
import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest

from conftest import CLIENTS, REGION, Endpoint, eventually


def life_by_cli(endpoint: Endpoint, *program: str) -> None:
    before = endpoint.left()

    def aws(*words: str) -> Any:
        told = endpoint.run(*program, "--output", "json", *words)
        return json.loads(told) if told.strip() else None

    def ec2(*words: str) -> Any:
        return aws("ec2", *words)

    assert aws("sts", "get-caller-identity")["Arn"].endswith(":user/demo")
    assert [each["RegionName"] for each in ec2("describe-regions")["Regions"]] == [REGION]
    image = ec2("describe-images", "--owners", "self", "amazon")["Images"] or ec2("describe-images")["Images"]
    pair = ec2("create-key-pair", "--key-name", "cli", "--key-type", "ed25519")
    assert "PRIVATE KEY" in pair["KeyMaterial"]
    group = ec2("create-security-group", "--group-name", "cli", "--description", "by the cli")["GroupId"]
    ec2("authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "22",
        "--cidr", "0.0.0.0/0")  # fmt: skip
    (endpoint.home / "data").write_bytes(b"#!/bin/sh\n# \xff\x00 to the byte\n")
    tags = "ResourceType=instance,Tags=[{Key=Name,Value=cli},{Key=team,Value=a b}]"
    made = ec2("run-instances", "--image-id", image[0]["ImageId"], "--instance-type", "tiny", "--key-name", "cli",
               "--security-group-ids", group, "--user-data", "fileb://data", "--tag-specifications", tags)  # fmt: skip
    vm = made["Instances"][0]["InstanceId"]
    ec2("wait", "instance-running", "--instance-ids", vm)
    found = ec2("describe-instances", "--filters", "Name=tag:team,Values=a*")["Reservations"]
    assert [each["InstanceId"] for each in found[0]["Instances"]] == [vm]
    told = ec2("describe-instance-attribute", "--instance-id", vm, "--attribute", "userData")["UserData"]["Value"]
    assert base64.b64decode(told) == (endpoint.home / "data").read_bytes()
    disk = ec2("create-volume", "--availability-zone", REGION + "a", "--size", "1",
               "--tag-specifications", "ResourceType=volume,Tags=[{Key=team,Value=a}]")["VolumeId"]  # fmt: skip
    ec2("wait", "volume-available", "--volume-ids", disk)
    ec2("attach-volume", "--volume-id", disk, "--instance-id", vm, "--device", "/dev/sdf")
    ec2("wait", "volume-in-use", "--volume-ids", disk)
    snapshot = ec2("create-snapshot", "--volume-id", disk, "--description", "by the cli")["SnapshotId"]
    ec2("wait", "snapshot-completed", "--snapshot-ids", snapshot)
    ec2("create-tags", "--resources", vm, disk, "--tags", "Key=stage,Value=test")
    told = ec2("describe-tags", "--filters", "Name=key,Values=stage")["Tags"]
    assert {each["ResourceId"] for each in told} == {vm, disk}
    ec2("delete-tags", "--resources", disk, "--tags", "Key=stage")
    assert ec2("get-console-output", "--instance-id", vm)["InstanceId"] == vm
    assert ec2("describe-network-interfaces")["NetworkInterfaces"][0]["Attachment"]["InstanceId"] == vm
    ec2("stop-instances", "--instance-ids", vm, "--force")
    ec2("wait", "instance-stopped", "--instance-ids", vm)
    ec2("detach-volume", "--volume-id", disk)
    ec2("wait", "volume-available", "--volume-ids", disk)
    ec2("terminate-instances", "--instance-ids", vm)
    ec2("wait", "instance-terminated", "--instance-ids", vm)
    ec2("delete-snapshot", "--snapshot-id", snapshot)
    eventually(lambda: ec2("describe-snapshots", "--owner-ids", "self")["Snapshots"] == [])
    ec2("delete-volume", "--volume-id", disk)
    ec2("delete-security-group", "--group-id", group)
    ec2("delete-key-pair", "--key-name", "cli")
    eventually(lambda: endpoint.left() == before)


def test_aws_cli(endpoint: Endpoint) -> None:
    """PyPI's aws cli, version 1: a whole life, by its commands and its waiters."""
    life_by_cli(endpoint, str(CLIENTS / "venv" / "bin" / "aws"))


def test_buckets(endpoint: Endpoint) -> None:
    """A file comes by ``aws s3 cp``, in parts, goes back as it came, and becomes an image by ``import-image``."""
    program = str(CLIENTS / "venv" / "bin" / "aws")

    def aws(*words: str) -> Any:
        told = endpoint.run(program, "--output", "json", *words)
        return json.loads(told) if told.strip().startswith("{") else told

    file = endpoint.home / "disk.raw"
    file.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(12 * 2**20 - 512))
    before = endpoint.left()
    aws("s3", "mb", "s3://images")
    aws("s3", "cp", str(file), "s3://images/of the day/disk.raw", "--no-progress")
    assert "disk.raw" in aws("s3", "ls", "s3://images", "--recursive")
    aws("s3", "cp", "s3://images/of the day/disk.raw", str(endpoint.home / "back"), "--no-progress")
    assert (endpoint.home / "back").read_bytes() == file.read_bytes()
    place = "Format=RAW,UserBucket={S3Bucket=images,S3Key=of the day/disk.raw}"
    task = aws("ec2", "import-image", "--disk-containers", place)["ImportTaskId"]
    told: dict[str, Any] = {}

    def over() -> bool:
        found = aws("ec2", "describe-import-image-tasks", "--import-task-ids", task)["ImportImageTasks"]
        told.update(found[0])
        return bool(told["Status"] != "active")

    eventually(over)
    assert told["Status"] == "completed", told
    aws("ec2", "deregister-image", "--image-id", told["ImageId"])
    aws("s3", "rb", "s3://images", "--force")
    eventually(lambda: endpoint.left() == before)


DEBIANS = Path("/usr/bin/aws")


@pytest.mark.skipif(not DEBIANS.exists(), reason="Debian's awscli could not be had: bin/bootstrap clients")
def test_debians_aws_cli(endpoint: Endpoint) -> None:
    """Debian's aws cli, version 2, which reads no endpoint from its environment: the same."""
    life_by_cli(endpoint, str(DEBIANS), "--endpoint-url", endpoint.url)


LIBCLOUD = '''
import sys, time
from libcloud.compute.drivers.ec2 import EC2NodeLocation, ExEC2AvailabilityZone
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider
key, secret, port, version = sys.argv[1:]
driver = get_driver(Provider.EC2)(key, secret, secure=False, host="127.0.0.1", port=int(port), region="us-east-1",
                                  signature_version=version)
until = time.monotonic() + 200

def eventually(holds):
    while not holds():
        assert time.monotonic() < until
        time.sleep(1)

def unoccupied(ask):
    while True:
        try:
            return ask()
        except Exception as error:
            if not str(error).startswith("IncorrectState") or time.monotonic() > until:
                raise
        time.sleep(1)

# It looks for zones of the region that it signs for, which is one of AWS's.
zone = ExEC2AvailabilityZone(name="northa", zone_state="available", region_name="north")
place = EC2NodeLocation("0", "northa", "", driver, zone)
image = driver.list_images()[0]
size = driver.list_sizes()[0]
size.id = "tiny"
pair = driver.create_key_pair("libcloud")
assert "PRIVATE KEY" in pair.private_key
group = driver.ex_create_security_group("libcloud", "by libcloud")["group_id"]
driver.ex_authorize_security_group_ingress(group, 22, 22, ["0.0.0.0/0"])
node = driver.create_node(name="libcloud", image=image, size=size, ex_keyname="libcloud", ex_securitygroup=["libcloud"],
                          ex_userdata="#!/bin/sh\\n" + "# long\\n" * 1500, ex_metadata={"team": "l"})
driver.wait_until_running([node], wait_period=1, timeout=120, ssh_interface="private_ips")
(shown,) = [each for each in driver.list_nodes() if each.id == node.id]
assert shown.name == "libcloud" and shown.state == NodeState.RUNNING and shown.extra["tags"]["team"] == "l", shown.extra
driver.ex_create_tags(node, {"stage": "test"})
assert driver.ex_describe_tags(node)["stage"] == "test"
driver.ex_delete_tags(node, {"stage": "test"})
assert "stage" not in driver.ex_describe_tags(node)
volume = driver.create_volume(1, "libcloud", location=place)
eventually(lambda: [each.state for each in driver.list_volumes() if each.id == volume.id] == ["available"])
driver.attach_volume(node, volume, "/dev/sdf")
eventually(lambda: [each.state for each in driver.list_volumes() if each.id == volume.id] == ["inuse"])
# The guest may still be taking it: in use a volume is from when it was asked for.
snapshot = unoccupied(lambda: driver.create_volume_snapshot(volume, "libcloud"))
eventually(lambda: [each.state for each in driver.list_snapshots() if each.id == snapshot.id] == ["available"])
driver.reboot_node(node)
driver.destroy_node(node)
eventually(lambda: node.id not in [each.id for each in driver.list_nodes() if each.state != NodeState.TERMINATED])
driver.destroy_volume_snapshot(snapshot)
eventually(lambda: snapshot.id not in [each.id for each in driver.list_snapshots()])
eventually(lambda: [each.state for each in driver.list_volumes() if each.id == volume.id] == ["available"])
driver.destroy_volume(volume)
driver.ex_delete_security_group_by_id(group)
driver.delete_key_pair(pair)
assert "libcloud" not in [each.name for each in driver.list_key_pairs()]
'''


@pytest.mark.parametrize("version", ["2", "4"])
def test_libcloud(endpoint: Endpoint, version: str) -> None:
    """apache-libcloud's driver of EC2 by GET, with either signature: a whole life."""
    before = endpoint.left()
    words = (endpoint.key["access_key"], endpoint.key["secret_key"], str(endpoint.port), version)
    endpoint.run(str(CLIENTS / "venv" / "bin" / "python"), "-c", LIBCLOUD, *words)
    eventually(lambda: endpoint.left() == before)


PLAY = '''
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  module_defaults:
    group/amazon.aws.aws: {endpoint_url: "{{ lookup('env', 'AWS_ENDPOINT_URL') }}", region: "%(region)s"}
  tasks:
    - amazon.aws.aws_caller_info:
    - amazon.aws.ec2_ami_info: {}
      register: images
    - amazon.aws.ec2_key: {name: ansible, key_type: ed25519, tags: {}}
      register: key
    - amazon.aws.ec2_security_group:
        name: ansible
        description: by Ansible
        tags: {team: a}
        rules: [{proto: tcp, ports: [22], cidr_ip: 0.0.0.0/0}]
      register: group
    - amazon.aws.ec2_vpc_subnet_info: {filters: {"tag:Name": lab}}
      register: subnets
    - amazon.aws.ec2_instance: &instance
        name: ansible
        image_id: "{{ images.images[0].image_id }}"
        instance_type: tiny
        key_name: ansible
        vpc_subnet_id: "{{ subnets.subnets[0].subnet_id }}"
        security_group: "{{ group.group_id }}"
        tags: {team: a}
        state: running
        wait: true
        wait_timeout: 400
      register: made
    - amazon.aws.ec2_instance: *instance
      register: again
    - assert: {that: [made is changed, again is not changed]}
    - amazon.aws.ec2_instance_info: {filters: {"tag:team": a, instance-state-name: running}}
      register: found
    - assert: {that: ["found.instances | length == 1", "found.instances[0].tags.Name == 'ansible'"]}
    - amazon.aws.ec2_vol: {volume_size: 1, zone: "%(region)sa", volume_type: standard, name: data, tags: {team: a}}
      register: disk
    - assert: {that: [disk is changed]}
    - amazon.aws.ec2_snapshot: {volume_id: "{{ disk.volume_id }}", description: by Ansible, wait: true}
      register: snapshot
    - amazon.aws.ec2_tag: {resource: "{{ found.instances[0].instance_id }}", tags: {stage: test}}
    - amazon.aws.ec2_tag_info: {resource: "{{ found.instances[0].instance_id }}"}
      register: told
    - assert: {that: ["told.tags.stage == 'test'"]}
    - amazon.aws.ec2_instance: {instance_ids: ["{{ found.instances[0].instance_id }}"], state: absent, wait: true}
    - amazon.aws.ec2_snapshot: {snapshot_id: "{{ snapshot.snapshot_id }}", state: absent}
    - amazon.aws.ec2_snapshot_info: {filters: {volume-id: "{{ disk.volume_id }}"}}
      register: left
      until: left.snapshots | length == 0
      retries: 60
      delay: 1
    - amazon.aws.ec2_vol: {id: "{{ disk.volume_id }}", state: absent}
    - amazon.aws.ec2_security_group: {name: ansible, state: absent}
    - amazon.aws.ec2_key: {name: ansible, state: absent}
'''


def test_ansible(endpoint: Endpoint) -> None:
    """A play of amazon.aws: what it makes it finds made when it looks again, and it ends with what was there before."""
    before = endpoint.left()
    play = endpoint.home / "play.yml"
    play.write_text(textwrap.dedent(PLAY) % {"region": REGION})
    endpoint.run(
        str(CLIENTS / "venv" / "bin" / "ansible-playbook"), "-i", "localhost,", str(play),
        ANSIBLE_COLLECTIONS_PATH=str(CLIENTS), ANSIBLE_LOCAL_TEMP=str(endpoint.home / "tmp"), ANSIBLE_NOCOLOR="1",
    )  # fmt: skip
    eventually(lambda: endpoint.left() == before)
