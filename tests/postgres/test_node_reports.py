"""Reports of nodes' agents: taken once, shown, judged, and what placement makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from admin_bench import Bench, cluster_bench, ended
from cluster_builder import Peer

from cm.rpc.errors import NoCapacity, NotApplicable
from cm.rules.placement import VMRequest
from cm.services.placement import Placing
from cm.services.reconcile import run_pass
from contextualization.report import REPORT_MAX
from contextualization.wire import Answer, Exchange
from node_hooks.qemu_hook import HOOK_VERSION

NFT = {"code": "nft_missing", "subject": "table bridge", "text": "nft is not installed: guests can forge addresses"}


class Reports(Peer):
    """An endpoint with nodes that report."""

    def __init__(self, bench: Bench, *names: str) -> None:
        self.bench = bench
        add = "admin.node.add"
        ids = {n: bench.call(add, name=n, uri=f"memory:///{n}", address="192.0.2.1")["node_id"] for n in names}
        super().__init__(bench.database, ids)
        for name in names:
            self.enrol(name)
        self.sequence = 0

    def wanted(self, node: str) -> dict[str, str]:
        found = json.loads(self.send(self.signed(node, "GET", "/node/document?format=2&version=&wait=0")).body)
        return {name: each["version"] for name, each in found["sections"].items()}

    def exchange(self, node: str, *problems: Any, skew_s: int = 0, **told: Any) -> Exchange:
        self.sequence += 1
        report = {
            "protocol": 2, "run": "run-1", "sequence": self.sequence, "boot_id": "boot-1", "problems": problems,
            "applied": self.wanted(node), "versions": {"agent": "0.2.0", "kernel": "6.1"},
            "hook": {"path": "/etc/libvirt/hooks/qemu", "version": HOOK_VERSION, "last": self.now - 60},
            "bridges": [{"network": "net", "bridge": "wbr0", "present": True, "metadata": True, "taps": 3}],
        }  # fmt: skip
        return self.signed(node, "POST", "/node/report", json.dumps({**report, **told}).encode(), skew_s=skew_s)

    def report(self, node: str, *problems: Any, **told: Any) -> Answer:
        answer = self.send(self.exchange(node, *problems, **told))
        assert answer.status == 200 and json.loads(answer.body) == {"again_s": 60}, answer.body
        return answer

    def shown(self, node: str) -> Any:
        return self.bench.call("admin.node.get_by_id", node_id=self.ids[node])

    def codes(self, node: str) -> list[str]:
        return [trouble["code"] for trouble in self.shown(node)["troubles"]]

    def explained(self) -> dict[str, Any]:
        if not self.bench.sql("SELECT count(*) FROM template"):
            self.bench.call("admin.template.add", name="small", cpu=1, memory_mib=64)
        template_id = self.bench.sql("SELECT min(id) FROM template")
        told = self.bench.call("admin.placement.explain", template_id=template_id)
        return {verdict["node"]: (verdict["reason"], verdict["change"]) for verdict in told["verdicts"]}

    def drift(self) -> list[tuple[str, str]]:
        return sorted((each["kind"], each["subject"]) for each in self.bench.call("admin.drift.get_list"))

    def changes(self, node: str) -> int:
        counted = "SELECT count(*) FROM change WHERE kind = 'node' AND object_id = :n"
        return int(self.bench.sql(counted, n=self.ids[node]))


bench = cluster_bench


def test_shown(bench: Bench) -> None:
    """A report is shown with its node; in the list without what is long; an agent that never reported has none."""
    reports = Reports(bench, "n1", "n2")
    reports.report("n1", capabilities=["firewall"])
    shown = reports.shown("n1")
    assert shown["report"]["versions"]["kernel"] == "6.1" and shown["report"]["capabilities"] == ["firewall"]
    assert shown["report"]["bridges"][0]["taps"] == 3 and shown["report"]["behind_since"] is None
    assert datetime.fromisoformat(shown["report"]["hook"]["last"]).timestamp() == reports.now - 60
    assert (shown["agent_version"], shown["agent_protocol"], shown["health"]) == ("0.2.0", 2, "ok")
    first, second = bench.call("admin.node.get_list")
    assert first["report"]["versions"] == shown["report"]["versions"] and "bridges" not in first["report"]
    assert second["report"] is None and second["agent_protocol"] == 0


def test_changed_by_others(bench: Bench) -> None:
    """What somebody else changed in a node's networks is shown, and in the ledger with what helps, while it is told."""
    reports = Reports(bench, "n1")
    found = [
        {"kind": "link", "subject": "wn7", "text": "somebody changed it; put right by: link add name wn7"},
        {"kind": "rules", "subject": "inet wawel_public", "text": "somebody removed it"},
        {"kind": "public", "subject": "203.0.113.9", "text": "an address of the node's own"},
        {"kind": "weather", "subject": "sky", "text": "of a newer agent"},
    ]
    reports.report("n1", differences=found)
    assert reports.shown("n1")["report"]["differences"] == found and reports.codes("n1") == []
    rows = {each["kind"]: each for each in bench.call("admin.drift.get_list")}
    assert {kind: (row["subject"], row["evidence"]) for kind, row in rows.items()} == {
        "wrong_link": ("wn7", {"found": found[0]["text"]}),
        "wrong_rules": ("inet wawel_public", {"found": found[1]["text"]}),
        "wrong_public": ("203.0.113.9", {"found": found[2]["text"]}),
    }
    with pytest.raises(NotApplicable, match="ip neigh show proxy"):
        bench.call("admin.drift.apply", drift_id=rows["wrong_public"]["drift_id"])
    reports.report("n1", differences=found[:1])
    assert reports.drift() == [("wrong_link", "wn7")]
    reports.report("n1")
    assert reports.drift() == []


def test_without_firewall(bench: Bench) -> None:
    """A node whose firewall is not in place gets no VMs, with the reason; once it is in place it is well again."""
    reports = Reports(bench, "n1", "n2")
    reports.report("n1")
    before = reports.changes("n1")
    reports.report("n1", NFT)
    shown = reports.shown("n1")
    assert (shown["state"], shown["health"]) == ("ok", "degraded")
    [trouble] = shown["troubles"]
    assert (trouble["code"], trouble["text"]) == ("nft_missing", NFT["text"])
    assert reports.explained()["n1"] == ("nft_missing", "install nftables there")
    assert reports.explained()["n2"][0] == "fits"
    assert bench.call("admin.cluster.check")["nodes_degraded"] == 1
    reports.report("n1", NFT)
    assert reports.shown("n1")["troubles"] == [trouble] and reports.changes("n1") == before + 1
    ended(run_pass(bench.services, reports.ids["n1"]))
    assert reports.codes("n1") == ["nft_missing"]  # a pass has nothing to say of it

    def refused(session: Any) -> None:
        with pytest.raises(NoCapacity, match="1 node: nft_missing"):
            Placing(session, "spread", without=reports.ids["n2"]).choose(VMRequest(1, 64, frozenset()))

    bench.database.transact_now(refused)
    reports.report("n1")
    assert reports.codes("n1") == [] and reports.explained()["n1"][0] == "fits"
    assert reports.changes("n1") == before + 2


def test_not_applied(bench: Bench) -> None:
    """A section that is not applied for long keeps VMs away and is drift. So is another hook."""
    reports = Reports(bench, "n1")
    old = {**reports.wanted("n1"), "firewall": "older"}
    reports.report("n1", applied=old)
    assert reports.codes("n1") == [] and reports.drift() == []
    assert reports.shown("n1")["report"]["behind_since"] is not None
    bench.change("UPDATE node_report SET behind_since = now() - interval '1 minute'")
    reports.report("n1", applied=old, hook={"path": "/etc/libvirt/hooks/qemu", "version": "0"})
    assert reports.codes("n1") == ["document_behind"] and reports.explained()["n1"][0] == "document_behind"
    assert reports.drift() == [("document_behind", "firewall"), ("wrong_hook", "hook")]
    ended(run_pass(bench.services, reports.ids["n1"]))
    assert len(reports.drift()) == 2
    reports.report("n1")
    assert reports.codes("n1") == [] and reports.drift() == []


def test_taken_once(bench: Bench) -> None:
    """A report that comes again, or late, changes nothing: neither here nor where another process takes it."""
    reports = Reports(bench, "n1")
    older, sick = reports.exchange("n1"), reports.exchange("n1", NFT)
    assert reports.send(sick).status == 200 and reports.codes("n1") == ["nft_missing"]
    reports.now += 10
    reports.report("n1")
    for again in (sick, older):
        assert reports.send(again).status == 200 and reports.codes("n1") == []
        reports.start()  # another process has seen none of them
        assert reports.send(again).status == 200 and reports.codes("n1") == []
    reports.now += 5
    next_run = {"run": "run-2", "sequence": 1}
    reports.report("n1", NFT, **next_run)
    assert reports.codes("n1") == ["nft_missing"]
    reports.start()
    reports.send(older)
    assert reports.codes("n1") == ["nft_missing"]


def test_clock_set_back(bench: Bench) -> None:
    """A node whose clock was set back between two runs is heard once no report of before can come again."""
    reports = Reports(bench, "n1")
    reports.report("n1", skew_s=200)
    reports.report("n1", NFT, run="run-2", sequence=1)
    assert reports.codes("n1") == []
    bench.change("UPDATE node_report SET received_at = now() - interval '11 minutes'")
    reports.report("n1", NFT, run="run-2", sequence=2)
    assert reports.codes("n1") == ["nft_missing"]


def test_refused(bench: Bench) -> None:
    """What is no report, too large, or not signed is refused and changes nothing."""
    reports = Reports(bench, "n1")
    reports.report("n1")
    before = reports.shown("n1")["report"]
    good = reports.exchange("n1", NFT)
    assert reports.send(replace(good, body=good.body + b" ")).status == 401
    for body, status in (
        (b"", 400), (b"[]", 400), (b"{}", 400), (b"\xff", 400), (b"[" * 1000, 400), (b'{"protocol": 1}', 400),
        (b" " * (REPORT_MAX + 1), 413),
    ):  # fmt: skip
        answer = reports.send(reports.signed("n1", "POST", "/node/report", body))
        assert answer.status == status and json.loads(answer.body)["error"]["message"], body[:20]
    assert reports.send(reports.signed("n1", "GET", "/node/report")).status == 405
    assert reports.shown("n1")["report"] == before


def test_agent_of_before(bench: Bench) -> None:
    """An agent that was replaced by an older one says nothing: what was reported is forgotten."""
    reports = Reports(bench, "n1")
    reports.report("n1", NFT, hook={"path": "/x", "version": "0"})
    assert reports.codes("n1") == ["nft_missing"] and reports.drift()
    reports.send(reports.signed("n1", "GET", "/node/document?version=x&wait=0"))
    shown = reports.shown("n1")
    assert (shown["agent_protocol"], shown["report"], shown["troubles"]) == (1, None, [])
    assert reports.drift() == [] and reports.explained()["n1"][0] == "fits"


def test_other_machine(bench: Bench) -> None:
    """What the machine of before reported goes when the node is enrolled anew, and with the node."""
    reports = Reports(bench, "n1")
    reports.report("n1", NFT)
    reports.enrol("n1")
    assert reports.codes("n1") == [] and reports.shown("n1")["report"] is None
    reports.now += 1
    reports.report("n1", NFT)
    bench.call("admin.node.delete", node_id=reports.ids["n1"])
    assert bench.sql("SELECT count(*) FROM node_report") == 0
