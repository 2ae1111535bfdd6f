"""
A guest that EC2's actions made is reached over SSH with the key that EC2 handed out, by an elastic address, and only
once its security group lets callers in. The machine that the lab runs on is outside.

The tiny guest has no SSH server: its user data take one at another port, which the group opens for that alone.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from conftest import REGION, Endpoint, eventually

DROPBEAR = shutil.which("dropbear", path="/usr/sbin:/usr/bin")
TAKES = 9000  # the port
USER_DATA = f"""#!/bin/sh
nc -l -p {TAKES} </dev/null >/tmp/server.tgz && tar xzf /tmp/server.tgz -C / || exit 1
mkdir -p /etc/dropbear /root/.ssh
echo root:x:0:0:root:/root:/bin/sh >/etc/passwd
wget -q -O /root/.ssh/authorized_keys http://169.254.169.254/latest/meta-data/public-keys/0/openssh-key || exit 2
/usr/sbin/dropbear -R -s -p 22
"""


def packed() -> bytes:
    """The server with what it is linked with, as a guest unpacks it below its root."""
    assert DROPBEAR is not None
    linked = subprocess.run(["ldd", DROPBEAR], capture_output=True, text=True, check=True).stdout
    files = [DROPBEAR, *(word for word in linked.split() if word.startswith("/"))]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in files:
            archive.add(Path(name).resolve(), name.removeprefix("/"))
    return out.getvalue()


def given(address: str, body: bytes) -> bool:
    """Whether the guest took it."""
    try:
        with socket.create_connection((address, TAKES), 5) as held:
            held.settimeout(120)
            held.sendall(body)
            held.shutdown(socket.SHUT_WR)
            return held.recv(1) == b""  # which it says before it has read all of it
    except OSError:
        return False


def rule(port: int) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": "0.0.0.0/0"}


def ssh(key: Path, address: str, command: str) -> tuple[int, str]:
    """How it ended, and what it said."""
    options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=10",
               "IdentitiesOnly=yes", "LogLevel=ERROR", "IdentityAgent=none")  # fmt: skip
    words = ["ssh", "-F", "none", "-i", str(key), *(word for each in options for word in ("-o", each))]
    try:
        made = subprocess.run([*words, f"root@{address}", command], capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        return -1, ""
    return made.returncode, made.stdout.strip() + made.stderr.strip()


@pytest.mark.skipif(DROPBEAR is None, reason="an SSH server for the guest could not be had: bin/bootstrap clients")
def test_ssh(endpoint: Endpoint) -> None:
    """boto3's resources, waiters and paginators; the guest is reached as its group says, and by its key alone."""
    before = endpoint.left()
    session = boto3.session.Session(endpoint.key["access_key"], endpoint.key["secret_key"], region_name=REGION)
    config = Config(retries={"total_max_attempts": 1}, read_timeout=120)
    client = session.client("ec2", endpoint_url=endpoint.url, config=config)
    resource = session.resource("ec2", endpoint_url=endpoint.url, config=config)
    keys = []
    for name in ("ssh", "other"):
        keys.append(endpoint.home / name)
        keys[-1].touch(0o600)
        keys[-1].write_text(resource.create_key_pair(KeyName=name, KeyType="ed25519").key_material)
    group = resource.create_security_group(GroupName="ssh", Description="by boto3")
    image = next(iter(resource.images.all()))
    (vm,) = resource.create_instances(
        ImageId=image.id, InstanceType="tiny", KeyName="ssh", SecurityGroupIds=[group.id], MinCount=1, MaxCount=1,
        UserData=USER_DATA,
    )  # fmt: skip
    vm.wait_until_running(WaiterConfig={"Delay": 2, "MaxAttempts": 120})
    address = resource.VpcAddress(client.allocate_address(Domain="vpc")["AllocationId"])
    address.associate(InstanceId=vm.id)
    vm.reload()
    assert vm.public_ip_address == endpoint.public == address.public_ip
    pages = client.get_paginator("describe_instances").paginate(Filters=[{"Name": "ip-address", "Values": ["10.*"]}])
    assert [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]] == [vm.id]
    group.authorize_ingress(**rule(TAKES))
    server = packed()
    eventually(lambda: given(endpoint.public, server))
    eventually(lambda: "TINY USERDATA-RAN" in vm.console_output().get("Output", ""))
    group.revoke_ingress(**rule(TAKES))
    assert "TINY USERDATA-RAN rc=0" in vm.console_output()["Output"], vm.console_output()["Output"][-2000:]
    asked = "cat /sys/class/dmi/id/product_uuid; echo for $USER"
    assert ssh(keys[0], endpoint.public, asked)[0] != 0
    group.authorize_ingress(**rule(22))
    eventually(lambda: ssh(keys[0], endpoint.public, asked)[0] == 0)
    told = ssh(keys[0], endpoint.public, asked)[1].lower()
    assert told.replace("-", "").startswith(vm.id.removeprefix("i-")) and told.endswith("for root")
    status, said = ssh(keys[1], endpoint.public, asked)
    assert status == 255 and "permission denied" in said.lower()
    group.revoke_ingress(**rule(22))
    eventually(lambda: ssh(keys[0], endpoint.public, asked)[0] != 0)
    address.association.delete()
    address.release()
    vm.terminate()
    vm.wait_until_terminated(WaiterConfig={"Delay": 2, "MaxAttempts": 120})
    eventually(lambda: _deleted(group))
    for name in ("ssh", "other"):
        resource.KeyPair(name).delete()
    eventually(lambda: endpoint.left() == before)


def _deleted(group: Any) -> bool:
    try:
        group.delete()
    except group.meta.client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "DependencyViolation":
            raise
        return False
    return True
