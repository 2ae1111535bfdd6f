"""
What no client of EC2's would send: requests made from the model, then spoilt; sent to a whole cloud by somebody who is
signed in, and who knows the ids of another's objects.

``bin/fuzz ec2`` runs many, ``tests/postgres/test_ec2.py`` a few. What is held of each answer: it is EC2's own, no 5xx;
it tells nothing of the other's; the other's objects stay as they are, and after a refusal the caller's own, too.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import http.client
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree

from clm.daemon.migrate import migrate as migrate_cloud
from clm.daemon.settings import ClustersSettings, ListenSettings
from clm.ec2.actions import HANDLERS
from clm.ec2.model import Shape, model
from cm.daemon.migrate import migrate
from lab.postgres import PrivatePostgres
from support.databases import add_template
from support.federation import Federation, federated, free_port

CANARY: Final = "canary-of-ann"
_CODE: Final = re.compile(r"[A-Z][A-Za-z0-9.]+\Z")
_HOSTILE: Final = (
    "", " ", "a", "<x>", "&amp;", "]]>", "'\"", "\x01", "\ud7ff", "\ufffe", "ż" * 40, "a" * 300, "*", "?", "\\", "-1",
    "0", "1", "2147483648", "9" * 25, "1e9", "true", "TRUE", "no", "0.0.0.0/0", "::/0", "10.0.0.0/99", "tcp",
    "-1", "aws:x", "Name",
    "i-", "i-123", "vol-0000000g000000000", "i-00000000000000000", "vol-00000000000000000", "sg-00000000000000000",
    "2026-01-01T00:00:00Z", "9999-99-99", "AAAA", "=", "%00",
    "../..", "../../etc/passwd", "${x}", "' OR 1=1 --", "\r\n",
)  # fmt: skip
_NAMES: Final = (
    "X", "Filter", "Filter.1", "Tag.1.Key", "Tag.0.Value", "a.b.c", "..", ".", "1", "<a>", "Filter.1.Value.x", "\x00",
    "InstanceId.1", "DryRun", "MaxResults", "NextToken", "a" * 200, ".".join("a" * 20),
)  # fmt: skip
_FILTERS: Final = ("tag:x", "tag-key", "vpc-id", "instance-id", "group-id", "name", "moon", "", "tag:", "*")
_PREFIXES: Final = {
    "LaunchTemplate": "lt-", "SecurityGroupRule": "sgr-", "ImportTask": "import-ami-", "NetworkAcl": "acl-",
    "DhcpOptions": "dopt-",
    "NetworkInterface": "eni-", "Instance": "i-", "Volume": "vol-", "Snapshot": "snap-", "KeyPair": "key-",
    "Group": "sg-", "Subnet": "subnet-", "Image": "ami-", "Vpc": "vpc-", "Allocation": "eipalloc-", "Resource": "",
    "KeyName": "of-",
}  # fmt: skip
_LISTED_MAX: Final = 4
SETTLES_S: Final = 10.0  # that work is waited for before a look


@dataclass
class Target:
    """A cloud, who asks, and whose objects nobody else is to touch."""

    federation: Federation
    port: int
    key: dict[str, Any]
    own: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def signed(self, pairs: list[tuple[bytes, bytes]], now: datetime) -> bytes:
        """A body with a signature of version 2 over whatever it holds."""
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        more = [(b"AWSAccessKeyId", self.key["access_key"].encode()), (b"SignatureMethod", b"HmacSHA256"),
                (b"SignatureVersion", b"2"), (b"Timestamp", stamp)]  # fmt: skip
        every = sorted([*pairs, *more])
        text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in every)
        told = f"POST\n127.0.0.1:{self.port}\n/\n{text}".encode()
        made = base64.b64encode(hmac.digest(self.key["secret_key"].encode(), told, hashlib.sha256)).decode()
        return f"{text}&Signature={quote(made, safe='')}".encode()


class Maker:
    """Makes inputs, the same ones of the same seed."""

    def __init__(self, seed: int, target: Target) -> None:
        self.chance = random.Random(seed)
        self.target = target
        self.actions = sorted(HANDLERS)

    def make(self) -> tuple[str, list[tuple[bytes, bytes]]]:
        chance = self.chance
        name = chance.choice(self.actions) if chance.random() < 0.98 else chance.choice(("", "X", "CreateFleet", "<x>"))
        action = model().find(name)
        pairs: list[tuple[str, str]] = []
        if action is not None:
            pairs = list(self._structure(action.input, "", 0))
        for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
            pairs = self._spoilt(pairs)
        version = "2016-11-15" if chance.random() < 0.98 else chance.choice(_HOSTILE)
        every = [("Action", name), ("Version", version), *pairs]
        raw = [(self._bytes(key), self._bytes(value)) for key, value in every]
        # Version 2 takes each name once; what the parser makes of twins is the codec's test to say.
        return name, list(dict(raw).items())

    def _bytes(self, text: str) -> bytes:
        if self.chance.random() < 0.001:
            return b"\xff\xfe"
        return text.encode("utf-8", "surrogatepass")

    def _structure(self, shape: Shape, path: str, depth: int) -> Iterator[tuple[str, str]]:
        for member in shape.members:
            wanted = member.name in shape.required
            if member.name == "DryRun":
                share = 0.1
            else:
                share = 0.95 if wanted else 0.25 / (depth + 1)
            if depth < 6 and self.chance.random() < share:
                inside = f"{path}.{member.asked}" if path else member.asked
                yield from self._value(member.shape, inside, depth, member.name)

    def _value(self, shape: Shape, path: str, depth: int, name: str) -> Iterator[tuple[str, str]]:
        chance = self.chance
        if shape.kind == "structure":
            yield from self._structure(shape, path, depth + 1)
        elif shape.kind == "list":
            assert shape.element is not None
            start = chance.choice((0, 1, 1, 1, 7))
            for index in range(chance.randrange(1, _LISTED_MAX)):
                at = start + index * chance.choice((1, 1, 3))
                yield from self._value(shape.element, f"{path}.{at}", depth + 1, name)
        else:
            yield path, self._scalar(shape, name, path)

    def _scalar(self, shape: Shape, name: str, path: str) -> str:
        chance = self.chance
        if chance.random() < 0.15:
            return chance.choice(_HOSTILE)
        if shape.kind == "boolean":
            return chance.choice(("true", "false", "1", "0"))
        if shape.kind in ("integer", "long"):
            return str(chance.choice((-1, 0, 1, 1, 2, 5, 22, 80, 1000, 65_535)))
        if shape.kind == "timestamp":
            return "2026-01-01T00:00:00Z"
        if shape.kind == "blob":
            return base64.b64encode(chance.randbytes(chance.randrange(40))).decode()
        ids = self._ids(name, path)
        if ids and chance.random() < 0.9:
            return chance.choice(ids)
        if path.startswith("Filter.") and path.endswith(".Name"):
            return chance.choice(_FILTERS)
        if "Cidr" in name:
            return chance.choice(("0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "10.130.7.0/26"))
        if name == "IpProtocol":
            return chance.choice(("tcp", "udp", "icmp", "-1"))
        if name == "InstanceType":
            return "small"
        return chance.choice(("x", "web", "volume", "instance", "disableApiTermination", "userData", *_HOSTILE[:6]))

    def _ids(self, name: str, path: str) -> list[str]:
        """Ids that may stand here, or of a kind that may not; half of them another's."""
        prefix = next((each for word, each in _PREFIXES.items() if word in name), None)
        if prefix is None or not re.search(r"Id|Resources|KeyName|PublicIp|Groups", name):
            return []
        both = self.target.own + self.target.others
        return [each for each in both if each.startswith(prefix)] + self.chance.sample(self.target.own, 1)

    def _spoilt(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        chance = self.chance
        if not pairs or chance.random() < 0.2:
            return [*pairs, (chance.choice(_NAMES), chance.choice(_HOSTILE))]
        index = chance.randrange(len(pairs))
        name, value = pairs[index]
        rest = pairs[:index] + pairs[index + 1 :]
        how = chance.randrange(6)
        if how == 0:
            return rest
        if how == 1:
            return [*rest, (name, chance.choice(_HOSTILE))]
        if how == 2:
            return [*rest, (name + chance.choice((".1", ".x", ".", "")), value)]
        if how == 3:
            index_ = chance.choice((".0", ".01", ".999999", ".1000000", ".-1", ""))
            return [*rest, (re.sub(r"\.\d+", index_, name), value)]
        if how == 4:
            return [*pairs, (name.partition(".")[0], value)]
        return [*rest, (chance.choice(_NAMES), value)]


class Broken(AssertionError):
    """An answer that may not be."""


@dataclass
class Told:
    """What came of inputs: how many by code."""

    inputs: int = 0
    looked: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def fuzz(target: Target, inputs: int, seed: int, look_each: float = 20.0, say: Any = None) -> Told:
    """
    Send inputs one by one.

    :param look_each: of how many changes one is looked at: a refused one is to leave all that there is.
    :raises Broken: an answer is none of EC2's, or tells or changes what it may not; it says which input.
    """
    maker, told = Maker(seed, target), Told()
    theirs = state(target, "ann")
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    try:
        for number in range(inputs):
            action, pairs = maker.make()
            changing = not action.startswith(("Describe", "Get"))
            looks = changing and maker.chance.random() < 1 / look_each and quiet(target, SETTLES_S)
            before = state(target, "bob") if looks else ""
            status, body = _send(connection, target.signed(pairs, datetime.now(UTC)))
            code = _judge(target, status, body, pairs, f"input {number} of seed {seed}")
            if looks and code and state(target, "bob") != before and quiet(target):
                which = f"input {number} of seed {seed}"
                raise Broken(f"{which}: {action} was refused by {code}, and changed something: {pairs}")
            told.inputs += 1
            told.looked += looks
            told.codes[code] += 1
            if number % 1000 == 999:
                if state(target, "ann") != theirs:
                    raise Broken(f"before input {number} of seed {seed} something of another's was changed")
                if say is not None:
                    say(f"{number + 1:,} inputs")
    finally:
        connection.close()
    if state(target, "ann") != theirs:
        raise Broken(f"seed {seed}: something of another's was changed")
    return told


def _send(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/", body, headers)
    response = connection.getresponse()
    return response.status, response.read()


def _judge(target: Target, status: int, body: bytes, pairs: list[tuple[bytes, bytes]], which: str) -> str:
    """The code of a refusal; "" of an answer."""

    def broken(what: str) -> Broken:
        return Broken(f"{which}: {what}: {status} {body[:500]!r} to {pairs!r}")

    if status >= 500:
        raise broken("a 5xx")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise broken(f"no XML ({error})") from None
    asked = b" ".join(value for _, value in pairs)
    if CANARY.encode() in body and CANARY.encode() not in asked:
        raise broken("it tells another's name")
    for each in target.others:
        if each.encode() in body and each.encode() not in asked:
            raise broken(f"it tells of another's {each}")
    if status == 200:
        return ""
    code = root.findtext("Errors/Error/Code") or ""
    if root.tag != "Response" or _CODE.match(code) is None or code == "InternalError":
        raise broken("no error of EC2's")
    if code in ("AuthFailure", "SignatureDoesNotMatch"):
        raise broken("it was signed well")
    return code


# What callers see and change, of one account.
_STATE: Final = (
    "SELECT string_agg(t, ' ' ORDER BY t) FROM (SELECT concat_ws(':', {columns}) AS t FROM {table} o WHERE {where}) x"
)
_TABLES: Final = {
    "vm": ("'vm', id, name, wanted, on_poweroff, guarded", "account_id = :a AND closed_at IS NULL"),
    "disk": ("'disk', id, name, description, trashed_at", "account_id = :a"),
    "security_group": ("'group', id, name, description", "account_id = :a AND deleted_at IS NULL"),
    "security_rule": ("'rule', id", "group_id IN (SELECT id FROM security_group WHERE account_id = :a)"),
    "network": ("'network', id, name", "account_id = :a AND deleted_at IS NULL"),
    "image": ("'image', id, name, description, access", "account_id = :a AND deleted_at IS NULL AND kind = 'system'"),
    "acl": ("'acl', kind, object_id, level, o.account_id",
            "kind = 'image' AND object_id IN (SELECT id FROM image WHERE account_id = :a)"),
    "public_address": ("'address', id, description, nic_id", "account_id = :a"),
    "object_tag": (
        "'tag', kind, object_id, key, value",
        "(kind, object_id) IN (SELECT 'vm', id FROM vm WHERE account_id = :a AND closed_at IS NULL"
        " UNION ALL SELECT 'disk', id FROM disk WHERE account_id = :a"
        " UNION ALL SELECT 'security_group', id FROM security_group WHERE account_id = :a AND deleted_at IS NULL)",
    ),
}


def state(target: Target, login: str) -> str:
    """All that an account has, as far as a call changes it and no work under way does."""
    cloud, bench = target.federation.clouds["alpha"], target.federation.bench
    account = cloud.sql("SELECT id FROM account WHERE external_id = :x", x=str(bench.ids[login]))
    parts = [
        cloud.sql(_STATE.format(table=table, columns=columns, where=where), a=account)
        for table, (columns, where) in _TABLES.items()
    ]
    keys = "SELECT string_agg(name || tags::text, ' ' ORDER BY id) FROM ssh_key WHERE user_id = :u"
    templates = (
        "SELECT string_agg(concat_ws(':', t.id, t.name, t.default_version, t.tags, v.number), ' '"
        " ORDER BY t.id, v.number) FROM launch_template t"
        " JOIN launch_template_version v ON v.launch_template_id = t.id WHERE t.user_id = :u"
    )
    own = [bench.sql(statement, u=bench.ids[login]) for statement in (keys, templates)]
    return "\n".join(str(each) for each in (*parts, *own))


def quiet(target: Target, wait_s: float = 0.0) -> bool:
    """
    Whether no work is under way, which would change something by itself. What waits for a node to have a network does
    not, where no agent runs.

    :param wait_s: for how long its end is waited for.
    """
    until = time.monotonic() + wait_s
    under_way = "SELECT count(*) FROM operation WHERE finished_at IS NULL AND waits_for NOT LIKE 'links:%'"
    while target.federation.clouds["alpha"].sql(under_way):
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True


def ids_of(client: Any) -> list[str]:
    """The ids of all that a caller of boto3 has, but for images, which are everybody's."""
    found = [each["InstanceId"] for r in client.describe_instances()["Reservations"] for each in r["Instances"]]
    found += [each["NetworkInterfaceId"] for each in client.describe_network_interfaces()["NetworkInterfaces"]]
    found += [each["VolumeId"] for each in client.describe_volumes()["Volumes"]]
    found += [each["SnapshotId"] for each in client.describe_snapshots(OwnerIds=["self"])["Snapshots"]]
    found += [each["GroupId"] for each in client.describe_security_groups()["SecurityGroups"]]
    found += [each["SubnetId"] for each in client.describe_subnets()["Subnets"]]
    found += [each["KeyPairId"] for each in client.describe_key_pairs()["KeyPairs"]]
    found += [each["SecurityGroupRuleId"] for each in client.describe_security_group_rules()["SecurityGroupRules"]]
    found += [each["LaunchTemplateId"] for each in client.describe_launch_templates()["LaunchTemplates"]]
    return found


def furnished(client: Any, name: str) -> None:
    """One object of each kind."""
    tags = [{"Key": "whose", "Value": name}]

    def spec(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}, *tags]}]

    client.create_key_pair(KeyName=name, KeyType="ed25519")
    client.create_security_group(GroupName=name, Description=name, TagSpecifications=spec("security-group"))
    image = client.describe_images()["Images"][0]["ImageId"]
    client.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": image},
                                  TagSpecifications=spec("launch-template"))  # fmt: skip
    client.run_instances(ImageId=image, InstanceType="small", MinCount=1, MaxCount=1, KeyName=name,
                         TagSpecifications=spec("instance"))  # fmt: skip
    disk = client.create_volume(AvailabilityZone="alphaa", Size=1, TagSpecifications=spec("volume"))["VolumeId"]
    wait = {"Delay": 1, "MaxAttempts": 60}
    client.get_waiter("volume_available").wait(VolumeIds=[disk], WaiterConfig=wait)
    client.create_snapshot(VolumeId=disk, Description=name, TagSpecifications=spec("snapshot"))


def target_of(federation: Federation, port: int) -> Target:
    """bob asks; ann's are the objects that are none of his business."""
    import boto3
    from botocore.config import Config

    clients = {}
    for login in ("ann", "bob"):
        key = federation.call("user.api_key.create", {"name": "fuzz", "scope": ["all"], "ec2": True}, login=login)
        clients[login] = key, boto3.session.Session().client(
            "ec2", region_name="alpha", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id=key["access_key"],
            aws_secret_access_key=key["secret_key"], config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip
    furnished(clients["ann"][1], CANARY)
    furnished(clients["bob"][1], "of-bob")
    image = clients["bob"][1].describe_images()["Images"][0]["ImageId"]
    own, others = [*ids_of(clients["bob"][1]), image, "of-bob"], ids_of(clients["ann"][1])
    return Target(federation, port, clients["bob"][0], own, others)


def main() -> None:
    told = "Send what nobody would send, and look at the answers."
    parser = argparse.ArgumentParser(prog="bin/fuzz", description=told)
    parser.add_argument("front", choices=["ec2"])
    parser.add_argument("--inputs", type=int, default=10_000, help="how many (default: 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="what they are made of (default: 1)")
    given = parser.parse_args()
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wawel-fuzz-")))
        server = stack.enter_context(PrivatePostgres(base / "pg", durable=False))
        stack.callback(server.close)
        add_template(server, "wawel_template", migrate)
        add_template(server, "wawel_clm_template", migrate_cloud)
        port = free_port()
        listen = ListenSettings(rpc=f"127.0.0.1:{free_port()}", ec2=f"127.0.0.1:{port}")
        # What a busy machine makes late is none of an input's doing.
        patient = ClustersSettings(deadline_s=50.0, list_deadline_s=50.0, check_s=5.0, sync_s=1.0)
        federation = stack.enter_context(federated(server, base, ("alpha",), listen=listen, clusters=patient))
        target = target_of(federation, port)
        began = time.monotonic()
        try:
            done = fuzz(target, given.inputs, given.seed, say=lambda text: print(text, file=sys.stderr, flush=True))
        except Broken as broken:
            sys.exit(str(broken))
        seconds = time.monotonic() - began
    print(f"{done.inputs:,} inputs in {seconds:.0f} s, {done.looked:,} looks at what refused changes left; by answer:")
    for code, count in done.codes.most_common():
        print(f"{count:8,}  {code or 'done'}")


if __name__ == "__main__":
    main()
