"""A cloud with a cluster in memory that speaks EC2, and clients of boto3's; tests import the fixtures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from clm.daemon.settings import ListenSettings
from support.federation import PATIENT, Federation, federated, free_port
from support.links import LinkAgent, link_agents

_numbers = itertools.count()


class Site:
    """A federation, and clients of its EC2 endpoint."""

    def __init__(self, federation: Federation, port: int) -> None:
        self.federation, self.port = federation, port
        self.cloud = federation.clouds["alpha"]

    def key(self, login: str = "ann", scope: str = "all") -> dict[str, Any]:
        arguments = {"name": f"ec2-{next(_numbers)}", "scope": [scope], "ec2": True}
        made: dict[str, Any] = self.federation.call("user.api_key.create", arguments, login=login)
        return made

    def client(self, key: dict[str, Any], service: str = "ec2", region: str = "alpha", **more: Any) -> Any:
        secret = more.pop("secret", key["secret_key"])
        return boto3.session.Session().client(
            service, region_name=region, endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=key["access_key"], aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30, **more),
        )  # fmt: skip


@pytest.fixture(scope="module")
def site(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = free_port()
    listen = ListenSettings(rpc=f"127.0.0.1:{free_port()}", ec2=f"127.0.0.1:{port}")
    with federated(postgres, tmp_path_factory.mktemp("ec2"), ("alpha",), listen=listen, clusters=PATIENT) as made:
        yield Site(made, port)


@pytest.fixture(scope="module")
def ann(site: Site) -> Any:
    return site.client(site.key())


@pytest.fixture(scope="module")
def bob(site: Site) -> Any:
    return site.client(site.key("bob"))


@pytest.fixture(scope="module")
def made_of(site: Site, ann: Any) -> dict[str, Any]:
    """What every instance of these tests is made of."""
    types = ann.describe_instance_types()["InstanceTypes"]
    return {
        "ImageId": ann.describe_images()["Images"][0]["ImageId"],
        "InstanceType": types[0]["InstanceType"],
        "MinCount": 1,
        "MaxCount": 1,
    }


def code(function: Callable[..., Any], **arguments: Any) -> str:
    """What a call is refused with, and its status."""
    with pytest.raises(ClientError) as refused:
        function(**arguments)
    response: Any = refused.value.response
    return f"{response['Error']['Code']} {response['ResponseMetadata']['HTTPStatusCode']}"


def instances(client: Any, **arguments: Any) -> list[dict[str, Any]]:
    return [each for r in client.describe_instances(**arguments)["Reservations"] for each in r["Instances"]]


WAIT: dict[str, Any] = {"WaiterConfig": {"Delay": 1, "MaxAttempts": 60}}


@pytest.fixture(scope="module")
def agents(site: Site) -> list[LinkAgent]:
    """Of nodes that make networks of users' own, and such networks; two public addresses."""
    made = link_agents(site.cloud)
    pool = {"name": "vx", "network": "10.130.0.0/16", "network6": "fd12:3456:789a::/48"}
    site.cloud.call("admin.pool.add", pool, account="admin")
    free = {"addresses": ["203.0.113.7-203.0.113.9", "2001:db8::7"]}
    site.cloud.call("admin.public_address.add", free, account="admin")
    return made


def started(client: Any, agents: list[LinkAgent], asked: dict[str, Any]) -> list[str]:
    """The ids of new instances that run."""
    made = [each["InstanceId"] for each in client.run_instances(**asked)["Instances"]]
    for agent in agents:
        agent.converge()
    client.get_waiter("instance_running").wait(InstanceIds=made, **WAIT)
    return made


def done(call: Callable[[], Any]) -> bool:
    """Whether it was not refused."""
    try:
        call()
    except ClientError:
        return False
    return True
