"""EC2 beside the other fronts: one VM, one state at every moment; and what comes of limits and of silent clusters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from clm.console.main import main
from clm.console.problems import UNREACHABLE
from clm.daemon.settings import ListenSettings
from cm.rpc.limits import Limits
from cm.rpc.vocabulary import VMState
from cm.rules.vm import EC2_STATE
from cm.services.mirror import look_at
from cm.store.managed import take_looks
from support.cloud import run
from support.ec2_site import Site, ann, bob, code, instances, made_of
from support.federation import Subscriber, federated, free_port, hanging
from support.wait import until

__all__ = ["ann", "bob", "made_of"]  # fixtures

BURST = 60


@pytest.fixture(scope="module")
def site(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Changes beyond ``BURST`` are refused for as long as a test lasts."""
    port = free_port()
    listen = ListenSettings(rpc=f"127.0.0.1:{free_port()}", ec2=f"127.0.0.1:{port}")
    limits = Limits(changes_burst=BURST, changes_per_s=0.001)
    with federated(postgres, tmp_path_factory.mktemp("fronts"), ("alpha",), listen=listen, limits=limits) as made:
        yield Site(made, port)


class Busy(Exception):
    """The machine is, and the console got no answer: it is asked again, as EC2 is."""


class Fronts:
    """What each says of one VM."""

    def __init__(self, site: Site, ann: Any, feed: Subscriber, vm_id: int, instance: str) -> None:
        self.site, self.ann, self.feed, self.vm_id, self.instance = site, ann, feed, vm_id, instance
        self.seen: list[str] = []

    def rpc(self) -> dict[str, Any]:
        asked = {"vm_id": self.vm_id, "cluster": "alpha"}
        found: dict[str, Any] = self.site.federation.call("user.vm.get_by_id", asked)
        return found

    def listed(self) -> str | None:
        """In the list of those that are not destroyed; None: it is not."""
        there = self.site.federation.call("user.vm.get_list", {"cluster": "alpha"})
        return next((vm["ec2_state"] for vm in there if vm["vm_id"] == self.vm_id), None)

    def portal(self, version: int) -> tuple[int, str] | None:
        """What its table shows, which the feed keeps, as of this version or a newer one; None: nothing any more."""

        def last() -> dict[str, Any]:
            told = self.feed.seen(kind="vm", object_id=self.vm_id, cluster="alpha")
            return told[-1] if told else {"event": "", "object": {"version": -1}}

        def told() -> bool:
            seen = last()  # of one that is destroyed the exit is still to come
            shown = seen["object"]
            return seen["event"] == "exit" or (version <= shown["version"] and shown["state"] != "destroyed")

        until(told)
        shown = last()
        return None if shown["event"] == "exit" else (shown["object"]["version"], shown["object"]["state"])

    def console(self) -> str:
        with CliRunner().isolation() as (out, errors, _):
            status = main(["vm", "show", str(self.vm_id), "-o", "json"])
        if status == UNREACHABLE:
            raise Busy
        assert status == 0, (out.getvalue(), errors.getvalue())
        return str(json.loads(out.getvalue())["state"])

    def ec2(self) -> str:
        by_id = instances(self.ann, InstanceIds=[self.instance])[0]["State"]["Name"]
        status = self.ann.describe_instance_status(InstanceIds=[self.instance], IncludeAllInstances=True)
        assert status["InstanceStatuses"][0]["InstanceState"]["Name"] == by_id
        by = [{"Name": "instance-state-name", "Values": [by_id]}]
        found = [each["InstanceId"] for each in instances(self.ann, Filters=by)]
        assert (self.instance in found) == (by_id != "terminated")
        return str(by_id)

    def agree(self) -> str:
        """The state that all tell, of a moment in which nothing changed."""
        while True:
            before = self.rpc()
            try:
                told = self.ec2(), self.console(), self.listed(), self.portal(before["version"])
            except AssertionError:
                if self.rpc()["version"] == before["version"]:
                    raise
                continue
            except Busy:
                continue
            except ClientError as error:
                if error.response["Error"]["Code"] != "Unavailable":
                    raise
                continue
            if self.rpc()["version"] == before["version"]:
                break
        ec2, console, listed, portal = told
        assert console == before["state"]
        assert portal == (None if ec2 == "terminated" else (before["version"], console))
        assert ec2 == before["ec2_state"] == EC2_STATE[VMState(console)]
        assert listed == (None if ec2 == "terminated" else ec2)
        if self.seen[-1:] != [ec2]:
            self.seen.append(ec2)
        return ec2

    def at(self, state: str) -> None:
        until(lambda: self.agree() == state)


def test_one_state(site: Site, ann: Any, made_of: dict[str, Any], monkeypatch: Any, tmp_path: Any) -> None:
    """
    EC2, JSON-RPC, the console and what the portal is told agree on a VM at every moment of its life, also while a node
    is asked for it.
    """
    key = site.federation.call("user.api_key.create", {"name": "console", "scope": ["all"]})["key"]
    rpc = site.federation.bench.settings.listen.rpc
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    for name, value in (("URL", f"http://{rpc}"), ("TOKEN", key), ("CLUSTER", "alpha")):
        monkeypatch.setenv(f"WAWEL_{name}", value)
    (memory,) = site.cloud.memory.values()
    calls: list[tuple[Callable[..., Any], str, str, str]] = [
        (ann.start_instances, "start", "pending", "running"),
        (partial(ann.stop_instances, Force=True), "destroy", "stopping", "stopped"),
        (ann.start_instances, "start", "pending", "running"),
        (ann.terminate_instances, "destroy", "shutting-down", "terminated"),
    ]
    feed = Subscriber(int(rpc.rpartition(":")[2]), key)
    release = memory.hang(120.0, ("start",))
    try:
        instance = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
        vm = next(vm for vm in site.federation.call("user.vm.get_list", {"cluster": "alpha"}))
        fronts = Fronts(site, ann, feed, vm["vm_id"], instance)
        fronts.at("pending")
    finally:
        release()
    fronts.at("running")
    for call, method, meanwhile, afterwards in calls[1:]:
        release = memory.hang(120.0, (method,))
        try:
            call(InstanceIds=[instance])
            fronts.at(meanwhile)
        finally:
            release()
        fronts.at(afterwards)
    feed.close()
    assert fronts.seen == ["pending", "running", "stopping", "stopped", "pending", "running", "shutting-down",
                           "terminated"]  # fmt: skip


class Everywhere:
    """What five fronts say of one VM."""

    def __init__(self, site: Site, ann: Any, vm_id: int, instance: str) -> None:
        self.site, self.ann, self.vm_id, self.instance = site, ann, vm_id, instance
        self.uuid = self.call("user.vm.get_by_id", vm_id=vm_id)["uuid"]
        self.types = {each["InstanceType"]: each for each in ann.describe_instance_types()["InstanceTypes"]}

    def call(self, method: str, **params: Any) -> Any:
        return self.site.federation.call(method, {"cluster": "alpha", **params})

    def rests(self, state: str) -> None:
        """Wait until it is in a state, and nothing is under way."""

        def found() -> bool:
            vm = self.call("user.vm.get_by_id", vm_id=self.vm_id)
            return vm["state"] == state and vm["operation_id"] is None

        until(found)

    def cc1(self) -> tuple[int, int, int, set[str]]:
        vm = self.call("user.vm.get_by_id", vm_id=self.vm_id)
        assert vm["uuid"] == self.uuid
        disks = {disk["uuid"] for disk in self.call("user.disk.get_list", vm_id=self.vm_id)}
        return vm["cc1_state"], vm["cpu"], vm["memory_mib"], disks

    def circle(self) -> tuple[str, int, int, set[str]]:
        vm = self.call("user.instance.get_by_id", vm_id=self.vm_id)
        assert vm["uuid"] == self.uuid
        return vm["status"], vm["num_cores"], vm["ram_size"], {disk["uuid"] for disk in vm["disks"]}

    def xo(self) -> tuple[str, int, int, set[str]] | None:
        """None: its object is gone."""
        told = {each["UUID"]: each for each in self.call("user.object.get_all", filter="|(type:VM type:VBD type:VDI)")}
        vm = told.get(self.uuid)
        if vm is None:
            return None
        disks = {told[told[link]["VDI"]]["UUID"] for link in vm["$VBDs"]}
        return vm["power_state"], len(vm["CPUs"]), vm["memory"]["size"] // 2**20, disks

    def ec2(self) -> tuple[str, int, int, set[str]]:
        (found,) = instances(self.ann, InstanceIds=[self.instance])
        assert found["InstanceId"] == "i-" + self.uuid.replace("-", "")[:17]
        size = self.types[found["InstanceType"]]
        volumes = {each["Ebs"]["VolumeId"] for each in found.get("BlockDeviceMappings", ())}
        cpus, mib = size["VCpuInfo"]["DefaultVCpus"], size["MemoryInfo"]["SizeInMiB"]
        return found["State"]["Name"], cpus, mib, volumes

    def ovirt(self) -> tuple[str, int, int] | None:
        """None: no node has its domain."""
        manager = self.site.cloud.manager
        for node_id in self.site.cloud.node_ids:
            run(lambda node_id=node_id: look_at(manager.services, node_id))
        found = self.site.cloud.call("admin.domain.lookup", {"uuid": self.uuid}, account="admin")
        if not found:
            return None
        info = found[0]["domain_info"]
        assert (found[0]["uuid"], found[0]["vm_id"]) == (self.uuid, self.vm_id)
        return info["state"], info["num_vcpus"], info["maximum_memory"] // 1024

    def row(self, moment: str) -> str:
        """A row of the table, once all agree on size and disks."""
        cc1, circle, xo, ec2, ovirt = self.cc1(), self.circle(), self.xo(), self.ec2(), self.ovirt()
        size, disks = cc1[1:3], cc1[3]
        assert circle[1:] == (*size, disks) and ec2[1:3] == size
        assert xo is None or xo[1:] == (*size, disks)
        assert ovirt is None or ovirt[1:] == size
        if ec2[0] != "terminated":
            assert ec2[3] == {"vol-" + disk.replace("-", "")[:17] for disk in disks}
        shown = (moment, cc1[0], circle[0], ovirt[0] if ovirt else "gone", xo[0] if xo else "gone", ec2[0])
        return "| " + " | ".join(map(str, (*shown, size[0], size[1], len(disks)))) + " |"


def test_one_vm_everywhere(site: Site, ann: Any, made_of: dict[str, Any]) -> None:
    """
    CC1's, CIRCLE's, oVirt's, Xen Orchestra's and EC2's front tell of one VM the same uuid, size and disks at each
    moment of its life, and its state in their words as docs/instances.md has them.
    """
    site.cloud.manager.database.transact_now(take_looks, 0.0, 1.0)
    instance = ann.run_instances(**made_of)["Instances"][0]["InstanceId"]
    (vm_id,) = [
        vm["vm_id"] for vm in site.federation.call("user.vm.get_list", {"cluster": "alpha"})
        if "i-" + vm["uuid"].replace("-", "")[:17] == instance
    ]  # fmt: skip
    everywhere = Everywhere(site, ann, vm_id, instance)
    everywhere.rests("running")
    lines = ["| moment | CC1 | CIRCLE | oVirt | Xen Orchestra | EC2 | CPUs | MiB | disks |", "|" + "---|" * 9]
    lines.append(everywhere.row("made"))
    for moment, method, params, state in (
        ("paused", "user.vm.pause", {"vm_id": vm_id}, "paused"),
        ("resumed", "user.vm.resume", {"vm_id": vm_id}, "running"),
        ("put to sleep", "user.instance.sleep", {"vm_ids": [vm_id]}, "suspended"),
        ("woken up", "user.instance.wake_up", {"vm_ids": [vm_id]}, "running"),
        ("given a disk", "user.instance.create_disk", {"vm_id": vm_id, "size": 16 * 2**20}, "running"),
        ("shut off", "user.instance.shut_off", {"vm_ids": [vm_id]}, "stopped"),
        ("deployed", "user.instance.deploy", {"vm_ids": [vm_id]}, "running"),
        ("destroyed", "user.instance.destroy", {"vm_ids": [vm_id]}, "trashed"),
        ("recovered", "user.instance.recover", {"vm_ids": [vm_id]}, "stopped"),
        ("destroyed for good", "user.vm.destroy", {"vm_ids": [vm_id]}, "destroyed"),
    ):
        everywhere.call(method, **params)
        everywhere.rests(state)
        lines.append(everywhere.row(moment))
    page = (Path(__file__).parents[2] / "docs/instances.md").read_text()
    committed = page.partition("<!-- begin life -->\n")[2].partition("\n<!-- end life -->")[0]
    assert "\n".join(lines) == committed


def test_silent_cluster(site: Site, bob: Any) -> None:
    """A region whose cluster never answers is unavailable in time; all regions are told, and others work."""
    with hanging() as port:
        site.federation.bench.sql(
            "INSERT INTO cluster (name, url, state) VALUES ('silent', :u, 'ok')", u=f"http://127.0.0.1:{port}"
        )
        try:
            key = site.key("bob")
            until(lambda: len(bob.describe_regions()["Regions"]) == 2)
            there = site.client(key, region="silent")
            assert code(there.describe_instances) == "Unavailable 503"
            assert code(there.run_instances, ImageId="ami-" + "0" * 17, InstanceType="x", MinCount=1, MaxCount=1) == (
                "Unavailable 503"
            )
            assert [each["RegionName"] for each in there.describe_regions()["Regions"]] == ["alpha", "silent"]
            assert instances(bob) == []
        finally:
            site.federation.bench.sql("UPDATE cluster SET deleted_at = now() WHERE name = 'silent'")


def test_limits(site: Site, bob: Any) -> None:
    """Too many changes are a 503 that clients wait for and repeat; what reads goes on, and others do."""
    refused = ""
    for number in range(BURST * 3):
        try:
            bob.create_security_group(GroupName=f"g{number}", Description="d")
        except ClientError as error:
            if "RequestLimitExceeded" in str(error):
                refused = f"{error.response['Error']['Code']} {error.response['ResponseMetadata']['HTTPStatusCode']}"
                break
            assert "SecurityGroupLimitExceeded" in str(error), error
    assert refused == "RequestLimitExceeded 503"
    assert code(bob.create_security_group, GroupName="more", Description="d") == "RequestLimitExceeded 503"
    assert len(bob.describe_security_groups()["SecurityGroups"]) < BURST
