"""
What nobody would send to EC2's port, in EC2's words and in S3's: to a whole cloud, by somebody who is signed in, and
who knows the ids of another's objects.

``bin/fuzz ec2`` sends many, ``tests/postgres/test_ec2.py`` and ``test_s3.py`` a few. What is held of each answer: it is
its protocol's own, no 5xx but a told overload; it tells nothing of the other's; the other's objects stay as
they are, and after a refusal the caller's own, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from clm.daemon.migrate import migrate as migrate_cloud
from clm.daemon.settings import ClustersSettings, ListenSettings
from cm.daemon.migrate import migrate
from cm.rpc.rate import ChangeRate
from lab.postgres import PrivatePostgres
from support import ec2_fuzz, s3_fuzz
from support.cloud import reactor
from support.connection import Answered, Connection
from support.databases import add_template
from support.federation import Federation, federated, free_port
from support.inputs import Broken, Input

CANARY: Final = "canary-of-ann"
SETTLES_S: Final = 10.0  # that work is waited for before a look
S3: Final = 0.25  # of all inputs
TOGETHER: Final = 64  # inputs that are made ahead
LATER: Final = frozenset({"Unavailable", "ServiceUnavailable", "SlowDown"})
LATER_MAX: Final = 0.01  # of all inputs: more are no matter of a busy machine
SEEDS: Final = 1000  # of one seed's lanes
LOOKS: Final = 1000  # inputs, after which another's objects are looked at


@dataclass
class Target:
    """
    A cloud, who asks, and whose objects nobody else is to touch.

    :ivar own: ids of the caller's, ``others`` of another's; ``uploads``: of another's in parts, as S3 has them.
    """

    federation: Federation
    port: int
    key: dict[str, Any]
    own: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)


@dataclass
class Told:
    """What came of inputs: how many by code."""

    inputs: int = 0
    looked: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def fuzz(
    target: Target, inputs: int, seed: int, look_each: float = 20.0, say: Callable[[str], object] | None = None,
    *, s3: float = S3, at_once: int = 1,
) -> Told:  # fmt: skip
    """
    Send inputs.

    :param look_each: of how many changes one is looked at: a refused one is to leave all that there is. It is sent
        while nothing else is under way.
    :param s3: the part of them that are S3's.
    :param at_once: how many of the others are under way together.
    :raises Broken: an answer is none of its protocol's, or tells or changes what it may not; it says which input.
    """
    fuzzing = Fuzzing(target, seed, s3, at_once)
    theirs = state(target, "ann")
    try:
        waiting: list[Input] = []
        for number in range(inputs):
            made = fuzzing.make()
            looks = made.changes and fuzzing.chance.random() < 1 / look_each
            if not looks:
                waiting.append(made)
            if looks or len(waiting) == TOGETHER:
                fuzzing.send(waiting)
                waiting = []
            if looks:
                fuzzing.look(made)
            if number % LOOKS == LOOKS - 1:
                _compare(target, theirs, f"before input {number} of seed {seed}")
                if say is not None:
                    say(f"{number + 1:,} inputs, {fuzzing.told.looked:,} looks")
        fuzzing.send(waiting)
    finally:
        fuzzing.close()
    _compare(target, theirs, f"seed {seed}")
    later = sum(fuzzing.told.codes[code] for code in LATER)
    if later > LATER_MAX * inputs:
        raise Broken(f"{later:,} of {inputs:,} were to be asked again later")
    return fuzzing.told


def _compare(target: Target, theirs: str, when: str) -> None:
    if state(target, "ann") != theirs:
        raise Broken(f"{when}: something of another's was changed")


class Fuzzing:
    """A run: what makes inputs, and connections that send them, one for each thread."""

    def __init__(self, target: Target, seed: int, s3: float, at_once: int) -> None:
        self.target = target
        self.chance = random.Random(seed)
        self.told = Told()
        self._s3 = s3
        host, key = f"127.0.0.1:{target.port}", target.key
        keys = key["access_key"], key["secret_key"]
        self._ec2 = ec2_fuzz.Maker(self.chance, host, *keys, target.own, target.others)
        self._buckets = s3_fuzz.Maker(self.chance, host, *keys, target.uploads)
        self._threads = ThreadPoolExecutor(at_once)
        self._own = threading.local()
        self._opened: list[Connection] = []
        self._kept: set[str] = set()  # of another's ids those that the caller has written somewhere, as a tag

    def make(self) -> Input:
        return self._buckets.make() if self.chance.random() < self._s3 else self._ec2.make()

    def send(self, inputs: Sequence[Input]) -> list[str]:
        """What they are refused with."""
        codes = list(self._threads.map(self._send, inputs))
        self.told.codes.update(codes)
        self.told.inputs += len(codes)
        return codes

    def look(self, made: Input) -> None:
        looks = quiet(self.target, SETTLES_S)
        before = state(self.target, "bob") if looks else ""
        (code,) = self.send([made])
        self.told.looked += looks
        if looks and code and state(self.target, "bob") != before and quiet(self.target):
            raise Broken(f"it was refused by {code}, and changed something: {made.shown}")

    def _send(self, made: Input) -> str:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = Connection(self.target.port)
            self._opened.append(connection)
        try:
            answered = connection.ask(made.method, made.target, made.headers, made.body)
        except (OSError, EOFError, ValueError) as error:
            raise Broken(f"no answer ({error!r}) to {made.shown}") from error
        try:
            code = made.judge(answered)
            self._hold(made, answered, code)
        except Broken as broken:
            told = f"{answered.status} {answered.body[:500]!r}"
            raise Broken(f"{broken}: {told} to {made.shown}") from None
        return code

    def _hold(self, made: Input, answered: Answered, code: str) -> None:
        """:raises Broken: an answer tells of what is another's, and was not asked with that."""
        told = answered.body + b" ".join(answered.headers.values())
        for each in (CANARY, *self.target.others, *self.target.uploads):
            if each.encode() in made.said:
                if made.changes and not code:
                    self._kept.add(each)
            elif each.encode() in told and each not in self._kept and not made.blind:
                raise Broken(f"it tells of another's {each}")

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for each in self._opened:
            each.close()


# What callers see and change, of one account.
_STATE: Final = (
    "SELECT string_agg(t, ' ' ORDER BY t) FROM (SELECT concat_ws(':', {columns}) AS t FROM {table} o WHERE {where}) x"
)
_TABLES: Final = {
    "vm": (
        "'vm', id, name, wanted, on_poweroff, guarded, template_id, affinity_group_id",
        "account_id = :a AND closed_at IS NULL",
    ),
    "disk": ("'disk', id, name, description, trashed_at", "account_id = :a"),
    "security_group": ("'group', id, name, description", "account_id = :a AND deleted_at IS NULL"),
    "security_rule": ("'rule', id", "group_id IN (SELECT id FROM security_group WHERE account_id = :a)"),
    "affinity_group": ("'placement', id, name, affinity, strict", "account_id = :a AND deleted_at IS NULL"),
    "network": ("'network', id, name", "account_id = :a AND deleted_at IS NULL"),
    "image": ("'image', id, name, description, access", "account_id = :a AND deleted_at IS NULL AND kind = 'system'"),
    "acl": (
        "'acl', kind, object_id, level, o.account_id",
        "kind = 'image' AND object_id IN (SELECT id FROM image WHERE account_id = :a)",
    ),
    "public_address": ("'address', id, description, nic_id", "account_id = :a"),
    "bucket": ("'bucket', id, name", "account_id = :a"),
    "stored_object": ("'object', id, key, etag, size_bytes, headers", "account_id = :a AND state = 'ok'"),
    "multipart": ("'multipart', id, key", "account_id = :a"),
    "multipart_part": (
        "'part', id, number, etag",
        "etag <> '' AND multipart_id IN (SELECT id FROM multipart WHERE account_id = :a)",
    ),
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
    found += [each["GroupId"] for each in client.describe_placement_groups()["PlacementGroups"]]
    found += [each["LaunchTemplateId"] for each in client.describe_launch_templates()["LaunchTemplates"]]
    return found


def furnished(client: Any, name: str) -> None:
    """One object of each kind."""
    tags = [{"Key": "whose", "Value": name}]

    def spec(kind: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}, *tags]}]

    client.create_key_pair(KeyName=name, KeyType="ed25519")
    client.create_placement_group(GroupName=name, Strategy="cluster")
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

    keys: dict[str, Any] = {}
    clients: dict[str, Any] = {}
    for login in ("ann", "bob"):
        asked = {"name": "fuzz", "scope": ["all"], "ec2": True}
        key = keys[login] = federation.call("user.api_key.create", asked, login=login)
        for service in ("ec2", "s3"):
            clients[f"{service} {login}"] = boto3.session.Session().client(
                service, region_name="alpha", endpoint_url=f"http://127.0.0.1:{port}",
                aws_access_key_id=key["access_key"], aws_secret_access_key=key["secret_key"],
                # What S3 has is put there the same however often; a busy machine's cluster may be late to answer.
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": 5 if service == "s3" else 1},
                    s3={"addressing_style": "path"},
                ),
            )  # fmt: skip
    furnished(clients["ec2 ann"], CANARY)
    furnished(clients["ec2 bob"], "of-bob")
    uploads = s3_fuzz.furnished(clients["s3 ann"])
    clients["s3 bob"].create_bucket(Bucket=s3_fuzz.BUCKET)
    image = clients["ec2 bob"].describe_images()["Images"][0]["ImageId"]
    own, others = [*ids_of(clients["ec2 bob"]), image, "of-bob"], ids_of(clients["ec2 ann"])
    return Target(federation, port, keys["bob"], own, others, uploads)


def unhurried(federation: Federation) -> None:
    """Have nobody's share be held: there is one caller here, and a run would wait for it most of its time."""
    for manager in (federation.bench.manager, *(cloud.manager for cloud in federation.clouds.values())):
        dispatcher = manager.dispatcher
        dispatcher.turns.cpu = lambda: 0.0
        limits = replace(dispatcher.limits, changes_burst=10**9, changes_per_s=10.0**9)
        dispatcher._rate = ChangeRate(reactor.seconds, limits)


def alone(given: argparse.Namespace, say: Callable[[str], object]) -> Told:
    """
    One lane: a cloud of its own, and what is sent to it.

    :raises Broken: what it found.
    """
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
        unhurried(federation)
        return fuzz(target, given.inputs, given.seed, given.look_each, say, at_once=given.at_once)


def lane_of(given: argparse.Namespace, number: int) -> list[str]:
    """The command of one of several lanes; its inputs are of a seed of its own, by which it is run again alone."""
    inputs = given.inputs // given.lanes + (number < given.inputs % given.lanes)
    told = {"inputs": inputs, "seed": given.seed * SEEDS + number, "look-each": given.look_each,
            "at-once": given.at_once, "lanes": 1}  # fmt: skip
    options = [word for name, value in told.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "support.fuzz", given.front, "--as-lane", *options]


def several(given: argparse.Namespace) -> Told:
    """
    Lanes in processes of their own: one interpreter has one processor, and waits where a look waits.

    :raises Broken: what the first lane found that found something; the others are ended.
    """
    lanes = [subprocess.Popen(lane_of(given, number), stdout=subprocess.PIPE) for number in range(given.lanes)]
    told = Told()
    try:
        with ThreadPoolExecutor(len(lanes)) as threads:
            waiting = [threads.submit(lane.communicate) for lane in lanes]
            for ended in as_completed(waiting):
                lane = lanes[waiting.index(ended)]
                if lane.returncode:
                    for other in lanes:
                        other.terminate()
                    raise Broken("a lane found what it told above")
                found = json.loads(ended.result()[0])
                told.inputs += found["inputs"]
                told.looked += found["looked"]
                told.codes.update(found["codes"])
    finally:
        for lane in lanes:
            if lane.poll() is None:
                lane.terminate()
            lane.wait()
    return told


def main() -> None:
    about = "Send what nobody would send, and look at the answers."
    parser = argparse.ArgumentParser(prog="bin/fuzz", description=about)
    parser.add_argument("front", choices=["ec2"], help="EC2's port, which S3's requests come to, too")
    parser.add_argument("--inputs", type=int, default=10_000, help="how many (default: 10,000)")
    parser.add_argument("--seed", type=int, default=1, help="what they are made of (default: 1)")
    looks = "of how many changes one is looked at, for what it left (default: 50)"
    parser.add_argument("--look-each", type=float, default=50.0, help=looks)
    parser.add_argument("--at-once", type=int, default=8, help="connections of each lane (default: 8)")
    lanes = "clouds, each in processes of its own, that share the inputs out (default: two for each processor)"
    parser.add_argument("--lanes", type=int, default=2 * len(os.sched_getaffinity(0)), help=lanes)
    parser.add_argument("--as-lane", action="store_true", help=argparse.SUPPRESS)  # its end is read by a program
    given = parser.parse_args()
    given.lanes = max(1, min(given.lanes, given.inputs // LOOKS))
    began = time.monotonic()
    # What a lane began ends with it, however it was begun itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("it was ended"))

    def say(text: str) -> None:
        seconds = time.monotonic() - began
        print(f"seed {given.seed}: {text} in {seconds:.0f} s", file=sys.stderr, flush=True)

    try:
        done = alone(given, say) if given.lanes == 1 else several(given)
    except Broken as broken:
        sys.exit(f"of seed {given.seed}: {broken}")
    if given.as_lane:
        print(json.dumps({"inputs": done.inputs, "looked": done.looked, "codes": done.codes}))
        return
    seconds = time.monotonic() - began
    print(f"{done.inputs:,} inputs in {seconds:.0f} s, {done.looked:,} looks at what refused changes left; by answer:")
    for code, count in done.codes.most_common():
        print(f"{count:8,}  {code or 'done'}")


if __name__ == "__main__":
    main()
