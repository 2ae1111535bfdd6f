"""Security groups: what they are, whose, what nodes are told of them, and what is explained by them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from admin_bench import Bench, cluster_bench
from cluster_builder import add_nic
from test_node_documents import Polls

from cm.rpc.errors import CloudError, InUse, InvalidParameter, NameTaken, ObjectNotFound, QuotaReached
from cm.services.security_group import GROUPS_MAX, RULES_MAX, default_group, join
from node_hooks.document import parse_document

bench = cluster_bench


class Cloud:
    """Three VMs on two nodes and one network for everybody, two of the user's and one of the administrator's."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        first = bench.node()
        storage_id = bench.storage(first)
        second = bench.call("admin.node.add", name="n2", uri="memory:///n2", address="192.0.2.2")["node_id"]
        self.nodes = [first, second]
        bench.call("admin.network.add", name="lan", network="10.1.0.0/24", bridge="br0")
        image_id = bench.image(storage_id)
        self.vms = []
        for number, (node_id, account) in enumerate(
            ((first, bench.user), (second, bench.user), (second, bench.admin)), 2
        ):
            vm_id = bench.vm(node_id, storage_id, image_id, account_id=account.account_id)
            bench.database.transact_now(add_nic, vm_id, f"10.1.0.{number}")
            self.vms.append(vm_id)

    def call(self, method: str, **named: Any) -> Any:
        return self.bench.call(f"user.{method}", by=self.bench.user, **named)

    def group(self, name: str, *rules: dict[str, Any]) -> int:
        group_id: int = self.call("security_group.create", name=name)["security_group_id"]
        for rule in rules:
            self.call("security_group.add_rule", security_group_id=group_id, **rule)
        return group_id


@pytest.fixture
def cloud(bench: Bench) -> Cloud:
    return Cloud(bench)


def test_life(cloud: Cloud) -> None:
    """A group gets rules and loses them; it goes when nobody uses it."""
    made = cloud.call("security_group.create", name="web", description="d")
    group_id = made["security_group_id"]
    assert (made["rules"], made["nics"], made["default"]) == ([], 0, False)
    told = {"direction": "in", "protocol": "TCP", "ports": "80-80"}
    added = cloud.call("security_group.add_rule", security_group_id=group_id, **told)
    [rule] = added["rules"]
    assert (rule["direction"], rule["protocol"], rule["ports"]) == ("in", "tcp", "80")
    same = {"direction": "in", "protocol": "6", "ports": "80"}
    again = cloud.call("security_group.add_rule", security_group_id=group_id, **same)
    assert again["rules"] == [rule] and added["version"] > made["version"]
    said = {"security_group_id": group_id, "rule_id": rule["rule_id"], "description": "the web"}
    described = cloud.call("security_group.edit_rule", **said)
    assert described["rules"] == [{**rule, "description": "the web"}] and described["version"] > added["version"]
    with pytest.raises(ObjectNotFound):
        cloud.call("security_group.edit_rule", **{**said, "rule_id": rule["rule_id"] + 1})
    cloud.call("security_group.assign", vm_id=cloud.vms[0], security_group_ids=[group_id])
    with pytest.raises(InUse) as refused:
        cloud.call("security_group.delete", security_group_id=group_id)
    assert refused.value.users == f"VM {cloud.vms[0]}"
    cloud.call("security_group.assign", vm_id=cloud.vms[0], security_group_ids=[])
    other = cloud.group("other", {"direction": "in", "remote_group_id": group_id})
    with pytest.raises(InUse):
        cloud.call("security_group.delete", security_group_id=group_id)
    cloud.call("security_group.delete", security_group_id=other)
    assert cloud.call("security_group.remove_rule", security_group_id=group_id, rule_id=rule["rule_id"])["rules"] == []
    with pytest.raises(ObjectNotFound):
        cloud.call("security_group.remove_rule", security_group_id=group_id, rule_id=rule["rule_id"])
    assert cloud.call("security_group.edit", security_group_id=group_id, name="www")["name"] == "www"
    assert cloud.call("security_group.get_by_id", security_group_id=group_id)["description"] == "d"
    cloud.call("security_group.delete", security_group_id=group_id)
    assert cloud.call("security_group.get_list") == []


@pytest.mark.parametrize(
    "wrong",
    [{"protocol": "tpc"}, {"protocol": "256"}, {"protocol": "icmp", "ports": "8"}, {"protocol": "tcp", "ports": "0"},
     {"protocol": "tcp", "ports": "90-80"}, {"protocol": "tcp", "ports": "1-70000"},
     {"protocol": "tcp", "ports": "ssh"}, {"remote": "10.0.0.1/8"}, {"remote": "x"},
     {"remote": "10.0.0.0/8", "remote_group_id": 1}, {"remote_group_id": 99}],
)  # fmt: skip
def test_bad_rule(cloud: Cloud, wrong: dict[str, Any]) -> None:
    """A rule that makes no sense is refused, and changes nothing."""
    group_id = cloud.group("web")
    before = cloud.call("security_group.get_list")
    with pytest.raises((InvalidParameter, ObjectNotFound)):
        cloud.call("security_group.add_rule", security_group_id=group_id, direction="in", **wrong)
    assert cloud.call("security_group.get_list") == before


def test_whose(cloud: Cloud) -> None:
    """Groups are their account's: others neither see nor name them, nor put their VMs into them."""
    group_id = cloud.group("web")
    theirs = cloud.bench.call("user.security_group.create", name="web", by=cloud.bench.admin)["security_group_id"]
    with pytest.raises(NameTaken):
        cloud.call("security_group.create", name="web")
    for method, named in (
        ("get_by_id", {}), ("edit", {"name": "x"}), ("add_rule", {"direction": "in"}), ("delete", {}),
        ("remove_rule", {"rule_id": 1}),
    ):  # fmt: skip
        with pytest.raises(ObjectNotFound):
            cloud.call(f"security_group.{method}", security_group_id=theirs, **named)
    with pytest.raises(ObjectNotFound):
        cloud.call("security_group.add_rule", security_group_id=group_id, direction="in", remote_group_id=theirs)
    with pytest.raises(ObjectNotFound):
        cloud.call("security_group.assign", vm_id=cloud.vms[0], security_group_ids=[theirs])
    with pytest.raises(CloudError):
        cloud.call("security_group.assign", vm_id=cloud.vms[2], security_group_ids=[group_id])
    every = cloud.bench.call("admin.security_group.get_list")
    assert {each["security_group_id"] for each in every} == {theirs, group_id}
    mine = cloud.bench.call("admin.security_group.get_list", user_id=cloud.bench.user.account_id)
    assert [each["security_group_id"] for each in mine] == [group_id]
    assert cloud.bench.call("admin.security_group.get_by_id", security_group_id=theirs)["name"] == "web"


def test_bounds(cloud: Cloud) -> None:
    """An account has a number of groups, a group one of rules, and a NIC is in a few."""
    group_id = cloud.group("g")
    cloud.bench.change(
        "INSERT INTO security_rule (group_id, direction, protocol, port_first, port_last)"
        " SELECT :id, 'in', 'tcp', n, n FROM generate_series(1, :n) n", id=group_id, n=RULES_MAX,
    )  # fmt: skip
    with pytest.raises(QuotaReached):
        cloud.call("security_group.add_rule", security_group_id=group_id, direction="out")
    cloud.bench.change(
        "INSERT INTO security_group (account_id, name) SELECT :id, 'x' || n FROM generate_series(2, :n) n",
        id=cloud.bench.user.account_id, n=GROUPS_MAX,
    )  # fmt: skip
    with pytest.raises(QuotaReached):
        cloud.call("security_group.create", name="one more")
    every = [each["security_group_id"] for each in cloud.call("security_group.get_list")]
    with pytest.raises(QuotaReached):
        cloud.call("security_group.assign", vm_id=cloud.vms[0], security_group_ids=every[:9])


def test_default(cloud: Cloud) -> None:
    """The default group is made once; NICs on users' networks begin in it, on others in none."""
    cloud.group("default")
    made = cloud.call("security_group.ensure_default")
    assert made["default"] and made["name"] == "default-2"
    assert [(rule["direction"], rule["remote_group_id"]) for rule in made["rules"]] == [
        ("out", None), ("in", made["security_group_id"])
    ]  # fmt: skip
    account_id = cloud.bench.user.account_id
    assert cloud.bench.database.transact_now(default_group, account_id) == made["security_group_id"]
    cloud.bench.database.transact_now(join, account_id, cloud.vms[:2], None)
    assert cloud.bench.sql("SELECT count(*) FROM nic_group") == 0
    cloud.bench.change("UPDATE network SET kind = 'vxlan'")
    cloud.bench.database.transact_now(join, account_id, cloud.vms[:1], None)
    assert cloud.bench.sql("SELECT json_agg(group_id) FROM nic_group") == [made["security_group_id"]]


def test_document(cloud: Cloud) -> None:
    """
    A node is told the groups of its NICs, with addresses of those that their rules name; a change of rules or of
    members wakes the nodes that it concerns, and no other. What agents read is what the database says.
    """
    web = cloud.group("web", {"direction": "out"})
    database = cloud.group(
        "db", {"direction": "in", "protocol": "tcp", "ports": "5432", "remote_group_id": web},
        {"direction": "in", "protocol": "icmp", "remote": "10.1.0.0/24"},
        {"direction": "in", "protocol": "udp", "ports": "53"},
    )
    polls = Polls(cloud.bench, cloud.nodes)
    assert polls.section(cloud.nodes[0], "security") == {"groups": {}}
    cloud.call("security_group.assign", vm_id=cloud.vms[0], security_group_ids=[database])
    assert polls.woken == {cloud.nodes[0]: 1}
    told = polls.section(cloud.nodes[0], "security")["groups"]
    assert told[str(web)] == {"members": []} and len(told[str(database)]["rules"]) == 2 + 1 + 2
    assert polls.section(cloud.nodes[0], "nics")["nics"][0]["groups"] == [database]
    polls.reset()
    # A VM on the other node joins the group that this one's rules name.
    cloud.call("security_group.assign", vm_id=cloud.vms[1], security_group_ids=[web])
    assert set(polls.woken) == set(cloud.nodes)
    assert polls.section(cloud.nodes[0], "security")["groups"][str(web)]["members"] == ["10.1.0.3"]
    polls.reset()
    cloud.call("security_group.add_rule", security_group_id=database, direction="out", remote="2001:db8::/32")
    assert set(polls.woken) == {cloud.nodes[0]}
    parsed = parse_document(json.loads(polls.newest[cloud.nodes[0]].body))
    assert parsed.problems == () and parsed.nics is not None and parsed.groups is not None
    assert len(parsed.groups[database].rules) == 6 and parsed.nics[0].groups == (database,)
    # Its end is nobody's address in a rule.
    polls.reset()
    cloud.call("security_group.assign", vm_id=cloud.vms[1], security_group_ids=[])
    assert polls.section(cloud.nodes[0], "security")["groups"][str(web)]["members"] == []
    versions = polls.newest[cloud.nodes[0]].versions
    assert "security" not in versions and "networks" in versions


def test_explain(cloud: Cloud) -> None:
    """It is said what decides, for guests and for addresses outside, before anybody sends anything."""
    def asked(**named: Any) -> tuple[bool, str]:
        found = cloud.call("network.explain", vm_id=cloud.vms[0], **named)
        return found["passes"], found["verdict"]

    ssh = {"protocol": "tcp", "port": 22}
    assert asked(to_vm_id=cloud.vms[1], **ssh) == (False, "kept_apart")
    assert asked(address="198.51.100.7", **ssh) == (True, "passes")
    assert asked(address="198.51.100.7", incoming=True, **ssh) == (False, "answers_only")
    assert asked(address="192.0.2.1", **ssh) == (False, "management")
    assert asked(address="2001:db8::1", **ssh) == (False, "no_address")
    cloud.bench.change("UPDATE network SET kind = 'vxlan'")
    assert asked(to_vm_id=cloud.vms[1], **ssh) == (True, "passes")
    web = cloud.group("web", {"direction": "out", "protocol": "tcp"})
    cloud.call("security_group.assign", vm_id=cloud.vms[0], security_group_ids=[web])
    cloud.call("security_group.assign", vm_id=cloud.vms[1], security_group_ids=[cloud.group("shut")])
    assert asked(to_vm_id=cloud.vms[1], **ssh) == (False, "no_rule_in")
    assert asked(to_vm_id=cloud.vms[1], protocol="icmp") == (False, "no_rule_out")
    assert asked(to_vm_id=cloud.vms[1], incoming=True, **ssh) == (False, "no_rule_out")
    found = cloud.call("network.explain", vm_id=cloud.vms[0], address="198.51.100.7", **ssh)
    assert [rule["direction"] for rule in found["rules"]] == ["out"] and found["source"] == "10.1.0.2"
    by_admin = cloud.bench.call("admin.network.explain", vm_id=cloud.vms[0], to_vm_id=cloud.vms[2], **ssh)
    assert by_admin["verdict"] == "passes"
    for wrong in (
        {}, {"address": "x"}, {"address": "1.1.1.1", "to_vm_id": cloud.vms[1]},
        {"address": "1.1.1.1", "protocol": "tcp"},
        {"address": "1.1.1.1", "protocol": "icmp", "port": 8}, {"address": "1.1.1.1", "protocol": "any"},
        {"address": "1.1.1.1", "nic": 7, **ssh},
    ):  # fmt: skip
        with pytest.raises(InvalidParameter):
            asked(**wrong)
