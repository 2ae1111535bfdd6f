"""Which machine a node is: one cannot be two, and another one behind a node's address is not used until accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from admin_bench import Bench, cluster_bench, ended

from cm.drivers.memory.node import MemoryNode
from cm.rpc.errors import EnrolmentRefused, NoCapacity, NotApplicable, RunsElsewhere, SameHost
from cm.services import node as service
from cm.services.agent import enrol
from cm.services.reconcile import run_pass

UUID = "4c4c4544-0042-3510-8053-b7c04f4d3332"
FACTORY = "03000200-0400-0500-0006-000700080009"  # firmware that nobody gave a UUID


bench = cluster_bench


def become(world: str, uuid: str, hostname: str) -> None:
    """Have another machine answer at a memory node's address."""
    info = MemoryNode.named(world).world
    info.info = replace(info.info, host_uuid=uuid, hostname=hostname)


def add(bench: Bench, name: str, uri: str | None = None) -> Any:
    return bench.call("admin.node.add", name=name, uri=uri or f"memory:///{name}", address="192.0.2.1")


def connect(bench: Bench, node_id: int) -> None:
    """A pass, as the first since we are connected."""
    ended(run_pass(bench.services, node_id, fresh=True))


def placed(bench: Bench) -> dict[str, str]:
    """What placement says of each node."""
    if not bench.sql("SELECT count(*) FROM template"):
        bench.call("admin.template.add", name="small", cpu=1, memory_mib=64)
    template_id = bench.sql("SELECT min(id) FROM template")
    verdicts = bench.call("admin.placement.explain", template_id=template_id)["verdicts"]
    return {verdict["node"]: verdict["reason"] for verdict in verdicts}


def test_added_twice(bench: Bench) -> None:
    """The same machine by two ways to it, as by socket and by ssh, is refused, and the other node is named."""
    first = add(bench, "n1")
    before = bench.trace()
    for name, uri in (("again", "memory://by-another-way/n1"), ("third", "memory://and-another/n1")):
        with pytest.raises(SameHost) as refused:
            add(bench, name, uri)
        assert (refused.value.node, refused.value.node_id) == ("n1", first["node_id"])
    assert bench.trace() == before
    bench.call("admin.node.delete", node_id=first["node_id"])
    assert add(bench, "again", "memory://by-another-way/n1")["state"] == "ok"


def test_added_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two are added in the same moment the database tells them apart."""
    add(bench, "n1")
    monkeypatch.setattr(service, "node_of", lambda session, host, but=0: None)
    with pytest.raises(SameHost):
        add(bench, "again", "memory://by-another-way/n1")
    assert [node["name"] for node in bench.call("admin.node.get_list")] == ["n1"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((UUID, "left"), (UUID, "right")),  # boards of one kind with one UUID
        ((FACTORY, "clone"), (FACTORY, "clone")),  # no UUID, and names as cloned: nothing is known
        ((UUID, "clone"), (UUID.replace("4c", "5d"), "clone")),
        (("", "a"), ("", "a")),  # a driver that stands for no machine
    ],
)
def test_alike(bench: Bench, first: tuple[str, str], second: tuple[str, str]) -> None:
    """Machines that are alike in one of the two are not taken for one."""
    become("n1", *first)
    become("n2", *second)
    assert [add(bench, name)["state"] for name in ("n1", "n2")] == ["ok", "ok"]
    assert placed(bench) == {"n1": "fits", "n2": "fits"}


def test_name_with_domain(bench: Bench) -> None:
    """A resolver that tells the name with its domain does not make another machine."""
    become("n1", UUID, "left")
    node_id = add(bench, "n1")["node_id"]
    become("n1", UUID.upper(), "left.example.org")
    connect(bench, node_id)
    assert (bench.call("admin.drift.get_list"), placed(bench)) == ([], {"n1": "fits"})


@pytest.mark.parametrize("look", ["pass", "check"])
def test_other_machine(bench: Bench, look: str) -> None:
    """A machine that is another than the one added is told, and takes no VMs, until it is accepted or gone."""
    become("n1", UUID, "left")
    node_id = add(bench, "n1")["node_id"]
    for uuid, hostname in ((UUID, "right"), (UUID.replace("4c", "5d"), "left")):
        become("n1", uuid, hostname)
        connect(bench, node_id) if look == "pass" else bench.call("admin.node.check", node_id=node_id)
        assert placed(bench) == {"n1": "other_host"}
        [drift] = bench.call("admin.drift.get_list")
        assert (drift["kind"], drift["node_id"]) == ("other_host", node_id)
        assert drift["evidence"] == {"added": f"left ({UUID})", "found": f"{hostname} ({uuid})"}
        become("n1", UUID, "left")
        connect(bench, node_id)
        assert (bench.call("admin.drift.get_list"), placed(bench)) == ([], {"n1": "fits"})
    become("n1", UUID, "right")
    connect(bench, node_id)
    bench.call("admin.drift.apply", drift_id=bench.call("admin.drift.get_list")[0]["drift_id"])
    connect(bench, node_id)
    assert (bench.call("admin.drift.get_list"), placed(bench)) == ([], {"n1": "fits"})
    with pytest.raises(SameHost):
        add(bench, "again", "memory://by-another-way/n1")


def test_became_another_node(bench: Bench) -> None:
    """An address that leads to another node's machine cannot be accepted; corrected, it is well."""
    become("n1", UUID, "left")
    become("n2", UUID, "right")
    first, second = add(bench, "n1"), add(bench, "n2")
    become("n2", UUID, "left")
    connect(bench, second["node_id"])
    [drift] = bench.call("admin.drift.get_list")
    assert drift["evidence"]["node"] == f"n1 ({first['node_id']})" and "delete one" in drift["proposal"]
    with pytest.raises(SameHost):
        bench.call("admin.drift.apply", drift_id=drift["drift_id"])
    assert placed(bench) == {"n1": "fits", "n2": "other_host"}
    become("n3", UUID, "third")
    bench.call("admin.node.edit", node_id=second["node_id"], uri="memory:///n3")
    ended(bench.services.fleet.forget(second["node_id"]))  # what the notification leads to
    connect(bench, second["node_id"])
    assert (bench.call("admin.drift.get_list"), placed(bench)) == ([], {"n1": "fits", "n2": "fits"})


def test_from_before(bench: Bench) -> None:
    """Of nodes that were added before machines were recorded the first that answers has its own; a second is told."""
    first, second = bench.node("n1"), bench.node("n2")
    bench.change("UPDATE node SET host_uuid = '', host_label = '', seen_host_uuid = '', seen_host_label = ''")
    become("n1", UUID, "left")
    become("n2", UUID, "left")
    connect(bench, first)
    connect(bench, second)
    assert placed(bench) == {"n1": "fits", "n2": "other_host"}
    bench.call("admin.node.delete", node_id=first)
    connect(bench, second)
    assert (bench.call("admin.drift.get_list"), placed(bench)) == ([], {"n2": "fits"})


def test_placement_refuses(bench: Bench) -> None:
    """Who creates a VM is told why no node takes it."""
    become("n1", UUID, "left")
    node_id = add(bench, "n1")["node_id"]
    storage_id = bench.storage(node_id)
    become("n1", UUID, "right")
    connect(bench, node_id)
    image_id = bench.image(storage_id, account_id=bench.admin.account_id, access="public")
    template_id = bench.call("admin.template.add", name="small", cpu=1, memory_mib=64)["template_id"]
    bench.call("admin.network.add", name="net", network="10.128.0.0/24")
    with pytest.raises(NoCapacity, match="1 node: other_host"):
        bench.call(
            "user.vm.create", by=bench.user, name="vm", description="", image_id=image_id,
            template_id=template_id,
        )  # fmt: skip


def test_missing_domain_is_not_over(bench: Bench) -> None:
    """That a domain is missing on another machine, or while another node runs it, is no end that could be recorded."""
    become("n1", UUID, "left")
    node_id, other_id = add(bench, "n1")["node_id"], add(bench, "n2")["node_id"]
    storage_id = bench.storage(node_id)
    vm_id = bench.vm(node_id, storage_id, bench.image(storage_id))
    bench.change("UPDATE vm SET seen = 'running', wanted = 'running', launches = 1 WHERE id = :v", v=vm_id)
    become("n1", UUID, "right")
    connect(bench, node_id)
    ids = {drift["kind"]: drift["drift_id"] for drift in bench.call("admin.drift.get_list")}
    with pytest.raises(NotApplicable, match="leads to another machine"):
        bench.call("admin.drift.apply", drift_id=ids["missing_domain"])
    become("n1", UUID, "left")
    connect(bench, node_id)
    bench.change(
        "INSERT INTO unknown_domain (node_id, uuid, name, state)"
        " SELECT :n, uuid, 'vm-1', 'running' FROM vm WHERE id = :v", n=other_id, v=vm_id,
    )  # fmt: skip
    with pytest.raises(RunsElsewhere):
        bench.call("admin.drift.apply", drift_id=ids["missing_domain"])
    assert bench.sql("SELECT seen || ' ' || (closed_at IS NULL) FROM vm") == "running true"


def test_enrolled_twice(bench: Bench) -> None:
    """The agent of one machine is that of one node. The token that was refused is still good, on its own machine."""
    first, second = add(bench, "n1")["node_id"], add(bench, "n2")["node_id"]
    tokens = [bench.call("admin.node.enrol", node_id=node_id)["token"] for node_id in (first, second)]
    told = ("boot", "1", "1", "machine")
    bench.database.transact_now(enrol, tokens[0], *told, "left")
    with pytest.raises(SameHost) as refused:
        bench.database.transact_now(enrol, tokens[1], *told, "left.example.org")
    assert refused.value.node == "n1"
    # Cloned with their machine id, and then named: two machines.
    assert bench.database.transact_now(enrol, tokens[1], *told, "right").node_id == second
    with pytest.raises(EnrolmentRefused):
        bench.database.transact_now(enrol, tokens[1], *told, "right")
