"""Nodes: probed before they are added, edited, locked, and deleted once nothing is placed there."""

from __future__ import annotations

from typing import Any

import pytest
from admin_bench import Bench, cluster_bench

from cm.rpc.errors import InUse, InvalidParameter, NameTaken, NodeUnreachable, ObjectNotFound, VersionChanged
from cm.store.vm import render_vm

bench = cluster_bench


def _image(bench: Bench, storage_id: int) -> int:
    return bench.image(storage_id)


def test_add(bench: Bench) -> None:
    """What is not given follows from the node's own facts; it is usable at once, with its VNC ports."""
    made = bench.call("admin.node.add", name="n1", uri="memory:///n1", address="192.0.2.7", comment="rack 3")
    assert (made["cpu_total"], made["memory_mib_total"]) == (16, 65_536 - 4096)
    assert (made["cpu_overcommit"], made["memory_overcommit"]) == (4.0, 1.0)
    assert (made["state"], made["locked"], made["hooks"]) == ("ok", False, False)
    assert made["info"]["hypervisor"] == "memory"
    assert bench.sql("SELECT array_agg(port ORDER BY port) FROM vnc_port") == [5900, 5901, 5902, 5903]
    assert bench.sql("SELECT count(*) FROM audit WHERE method = 'admin.node.add'") == 1
    assert [n["name"] for n in bench.call("admin.node.get_list")] == ["n1"]
    given = bench.call(
        "admin.node.add", name="n2", uri="memory:///n2", address="n2.example.org", cpu_total=2, memory_mib_total=1000,
        cpu_overcommit=1.5, memory_overcommit=0.5, priority=-3,
    )  # fmt: skip
    assert (given["cpu_total"], given["memory_mib_total"], given["priority"]) == (2, 1000, -3)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("uri", {"uri": "xen:///"}),
        ("uri", {"uri": "ftp://x"}),
        ("uri", {"uri": "memory:///"}),
        ("uri", {"uri": "qemu+ssh://n/system?command=/bin/sh"}),
        ("uri", {"uri": "qemu+ssh://n/system?netcat=x"}),
        ("uri", {"uri": "qemu+ssh://-oProxyCommand=x/system"}),
        ("uri", {"uri": "qemu+tls://ala:secret@n/system"}),
        ("uri", {"uri": "qemu+tls://n/sys tem"}),
        ("uri", {"uri": "qemu+tls://n/sys\x7ftem"}),
        ("uri", {"uri": "qemu+tls:///system"}),
        ("address", {"address": "-x"}),
        ("address", {"address": "a b"}),
        ("cpu_total", {"cpu_total": 0}),
        ("cpu_overcommit", {"cpu_overcommit": 0.0}),
        ("priority", {"priority": 1001}),
    ],
)
def test_add_refused(bench: Bench, parameter: str, values: dict[str, Any]) -> None:
    before = bench.trace()
    with pytest.raises(InvalidParameter) as refused:
        bench.call("admin.node.add", **{"name": "n1", "uri": "memory:///n1", "address": "192.0.2.1", **values})
    assert refused.value.parameter == parameter
    assert bench.trace() == before


def test_add_unreachable(bench: Bench) -> None:
    """A node that does not answer is not added."""
    bench.memory("n1").unreachable = True
    before = bench.trace()
    with pytest.raises(NodeUnreachable):
        bench.node("n1")
    assert bench.trace() == before


def test_add_taken(bench: Bench) -> None:
    bench.node("n1")
    before = bench.trace()
    with pytest.raises(NameTaken):
        bench.node("n1", uri="memory:///n2")
    with pytest.raises(NameTaken):
        bench.node("n2", uri="memory:///n1")
    assert bench.trace() == before


def test_edit(bench: Bench) -> None:
    """What is given changes, the rest stays; another URI waits for VMs to leave."""
    node_id = bench.node("n1")
    bench.node("n2")
    was = bench.call("admin.node.get_by_id", node_id=node_id)
    now = bench.call("admin.node.edit", node_id=node_id, cpu_total=3, comment="old")
    assert now == {**was, "cpu_total": 3, "comment": "old", "version": was["version"] + 1}
    with pytest.raises(VersionChanged):
        bench.call("admin.node.edit", node_id=node_id, cpu_total=4, if_version=was["version"])
    with pytest.raises(NameTaken):
        bench.call("admin.node.edit", node_id=node_id, name="n2")
    storage_id = bench.storage(node_id)
    bench.vm(node_id, storage_id, _image(bench, storage_id))
    before = bench.trace()
    with pytest.raises(InUse):
        bench.call("admin.node.edit", node_id=node_id, uri="memory:///n3")
    bench.call("admin.node.edit", node_id=node_id, uri="memory:///n1", cpu_total=3, dry_run=True)
    assert bench.trace() == before


def test_lock(bench: Bench) -> None:
    """Placement skips a locked node, and says why."""
    node_id = bench.node("n1")
    template_id = bench.call("admin.template.add", name="small")["template_id"]
    assert bench.call("admin.node.lock", node_id=node_id)["locked"]
    trial = bench.call("admin.placement.explain", template_id=template_id)
    assert (trial["node_id"], trial["verdicts"][0]["change"]) == (None, "unlock it")
    assert not bench.call("admin.node.unlock", node_id=node_id)["locked"]
    assert bench.call("admin.placement.explain", template_id=template_id)["node_id"] == node_id
    with pytest.raises(InvalidParameter):
        bench.call("admin.placement.explain")
    with pytest.raises(ObjectNotFound):
        bench.call("admin.placement.explain", vm_id=1)


def test_delete(bench: Bench) -> None:
    """A node with a VM stays; a stopped VM that last ran there starts elsewhere."""
    node_id = bench.node("n1")
    storage_id = bench.storage(node_id)
    vm_id = bench.vm(node_id, storage_id, _image(bench, storage_id))
    before = bench.trace()
    with pytest.raises(InUse) as refused:
        bench.call("admin.node.delete", node_id=node_id)
    assert refused.value.users == f"VM {vm_id}"
    assert bench.trace() == before
    bench.change("UPDATE vm SET node_claimed = false, seen = 'off'")
    bench.change("UPDATE node SET vms_used = 0, cpu_used = 0, memory_mib_used = 0")
    bench.call("admin.node.delete", node_id=node_id)
    assert bench.sql("SELECT node_id FROM vm") is None
    assert bench.sql("SELECT count(*) FROM vnc_port") + bench.sql("SELECT count(*) FROM storage_attachment") == 0
    with pytest.raises(ObjectNotFound):
        bench.call("admin.node.get_by_id", node_id=node_id)
    assert bench.leaks() == []
    bench.node("n1")


def test_enrol(bench: Bench) -> None:
    """The token is told once; the database keeps its hash."""
    node_id = bench.node("n1")
    told = bench.call("admin.node.enrol", node_id=node_id)
    assert told["expires"] and bench.sql("SELECT count(*) FROM enrolment_token") == 1
    with pytest.raises(ObjectNotFound):
        bench.call("admin.node.enrol", node_id=99)
    with pytest.raises(InvalidParameter):
        bench.call("admin.node.enrol", node_id=node_id, ttl_s=1)


def test_check(bench: Bench) -> None:
    """A look brings facts and figures; a node that does not answer is noted as such."""
    node_id = bench.node("n1")
    storage_id = bench.storage(node_id)
    seen = bench.call("admin.node.check", node_id=node_id)
    assert seen["state"] == "ok"
    assert seen["storage_usage"] == [
        {"storage_id": storage_id, "error": "", "capacity_bytes": 2**40, "available_bytes": 2**40}
    ]
    # It is no pass: whoever looks again and again keeps none from being made.
    bench.change("UPDATE node SET passed_at = '2001-01-01', seen_at = '2001-01-01'")
    bench.call("admin.node.check", node_id=node_id)
    assert bench.sql("SELECT passed_at < '2002-01-01' AND seen_at > '2002-01-01' FROM node")
    bench.memory("n1").unreachable = True
    with pytest.raises(NodeUnreachable):
        bench.call("admin.node.check", node_id=node_id)
    assert bench.call("admin.node.get_by_id", node_id=node_id)["state"] == "unreachable"
    # Whoever follows the feed is told when that changes, and not at each look.
    told = "SELECT count(*) FROM change WHERE kind = 'node' AND object_id = :i"
    before = bench.sql(told, i=node_id)
    with pytest.raises(NodeUnreachable):
        bench.call("admin.node.check", node_id=node_id)
    assert bench.sql(told, i=node_id) == before
    bench.memory("n1").unreachable = False
    bench.call("admin.node.check", node_id=node_id)
    assert bench.sql(told, i=node_id) == before + 1
    with pytest.raises(ObjectNotFound):
        bench.call("admin.node.check", node_id=99)


def test_check_cluster(bench: Bench) -> None:
    """Books that do not balance are told, by whose they are."""
    assert bench.call("admin.cluster.check")["ok"]
    bench.change("UPDATE account SET used_vms = 3 WHERE login = 'ala'")
    checked = bench.call("admin.cluster.check")
    assert (checked["ok"], checked["leaks"][0]["subject"], checked["open_drift"]) == (False, "account ala", 0)


def test_drift(bench: Bench) -> None:
    """Findings are listed with their age, and dismissed."""
    node_id = bench.node("n1")
    bench.change(
        "INSERT INTO drift (kind, node_id, subject, evidence) VALUES ('unknown_domain', :n, 'x', '{\"name\": \"y\"}')",
        n=node_id,
    )
    [found] = bench.call("admin.drift.get_list", node_id=node_id)
    assert (found["kind"], found["node"], found["evidence"]) == ("unknown_domain", "n1", {"name": "y"})
    bench.call("admin.drift.dismiss", drift_id=found["drift_id"])
    assert bench.call("admin.drift.get_list") == []
    assert bench.call("admin.drift.get_list", closed=True)[0]["outcome"] == "dismissed"


def test_vms(bench: Bench) -> None:
    """Administrators list everybody's VMs, by user and by node, and erase one whose node is gone."""
    node_id = bench.node("n1")
    storage_id = bench.storage(node_id)
    vm_id = bench.vm(node_id, storage_id, _image(bench, storage_id))
    bench.database.transact_now(render_vm, vm_id)
    assert [v["vm_id"] for v in bench.call("admin.vm.get_list", node_id=node_id)] == [vm_id]
    assert bench.call("admin.vm.get_list", user_id=bench.admin.account_id) == []
    assert bench.call("admin.vm.get_by_id", vm_id=vm_id)["user_id"] == bench.user.account_id
    bench.call("admin.vm.erase", vm_id=vm_id)
    assert [v["state"] for v in bench.call("admin.vm.get_list", closed=True)] == ["destroyed"]
    assert bench.leaks() == []


def test_add_libvirt(bench: Bench) -> None:
    """libvirt's test driver makes a node like others, and takes a storage."""
    pytest.importorskip("libvirt")
    made = bench.call("admin.node.add", name="t1", uri="test:///default", address="127.0.0.1")
    assert (made["info"]["hypervisor"], made["info"]["domain_types"]) == ("TEST", ["test"])
    assert 0 < made["memory_mib_total"] < made["info"]["memory_mib"]
    storage_id = bench.storage(made["node_id"])
    seen = bench.call("admin.node.check", node_id=made["node_id"])
    assert seen["storage_usage"][0]["capacity_bytes"] > 0
    assert bench.call("admin.storage.get_by_id", storage_id=storage_id)["capacity_bytes"] > 0


def test_add_nobody_there(bench: Bench) -> None:
    """Where nobody listens there is no node."""
    pytest.importorskip("libvirt")
    before = bench.trace()
    with pytest.raises(NodeUnreachable):
        bench.call("admin.node.add", name="q1", uri="qemu+tcp://127.0.0.1:1/system", address="127.0.0.1")
    assert bench.trace() == before


def test_drift_plan(bench: Bench) -> None:
    """What applying would do is told of each finding, and done of all but those that need a hand or are refused."""
    node_id, other = bench.node("n1"), bench.node("n2")
    storage_id = bench.storage(node_id)
    vm_id = bench.vm(node_id, storage_id, _image(bench, storage_id))
    bench.change("UPDATE vm SET seen = 'running', launches = 1, launched_at = now() WHERE id = :v", v=vm_id)
    for kind, of, vm, subject, evidence in (
        ("missing_domain", node_id, vm_id, f"vm-{vm_id}", "{}"),
        ("unknown_domain", node_id, None, "x", "{}"),
        ("leaked_volume", node_id, None, f"wawel-{storage_id}/left.qcow2", '{"plan": "delete"}'),
        ("leaked_volume", node_id, None, f"wawel-{storage_id}/used.qcow2", '{"plan": "leave"}'),
        ("other_host", other, None, "host", "{}"),
    ):
        bench.change(
            "INSERT INTO drift (kind, node_id, vm_id, subject, evidence, proposal)"
            " VALUES (:k, :n, :v, :s, CAST(:e AS jsonb), 'see')", k=kind, n=of, v=vm, s=subject, e=evidence,
        )  # fmt: skip
    planned = [(each["kind"], each["remedy"]) for each in bench.call("admin.drift.plan", node_id=node_id)]
    assert planned == [
        ("missing_domain", "record_end"),
        ("unknown_domain", "by_hand"),
        ("leaked_volume", "delete_volume"),
        ("leaked_volume", "by_hand"),
    ]
    before = bench.trace()
    steps = [step["step"] for step in bench.call("admin.drift.apply_all", dry_run=True)["plan"]]
    assert steps.count("apply") == 3 and bench.trace() == before
    (volume,) = bench.call("admin.drift.apply_all", kind="leaked_volume")
    assert volume["status"] == "ok" and bench.sql("SELECT count(*) FROM drift WHERE approved_at IS NOT NULL") == 1
    seen = "INSERT INTO unknown_domain (node_id, uuid, name, state) SELECT :n, uuid, 'vm', 'running' FROM vm"
    bench.change(seen, n=other)
    refused = {each["drift_id"]: each["status"] for each in bench.call("admin.drift.apply_all", node_id=node_id)}
    assert sorted(refused.values()) == ["ok", "vm_runs_elsewhere"]
    bench.change("DELETE FROM unknown_domain")
    assert {each["status"] for each in bench.call("admin.drift.apply_all", kind="missing_domain")} == {"ok"}
    assert bench.sql("SELECT seen FROM vm") == "absent"
    assert [each["kind"] for each in bench.call("admin.drift.plan", kind="missing_domain")] == []
