"""What wakes nodes' polls, and what is read then."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from admin_bench import Bench, cluster_bench
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from cm.rules.node_document import Rendered
from contextualization import document
from contextualization.document import Documents

NODES = 500


class Polls:
    """A waiting poll for each node, and what wakes them: the very words that transactions notify."""

    def __init__(self, bench: Bench, node_ids: list[int]) -> None:
        self.clock = Clock()
        self.reads: Counter[str] = Counter()
        self.woken: Counter[int] = Counter()
        self.newest: dict[int, Rendered] = {}
        database: Any = bench.database  # of which this bench reads and hears through here
        self._read = database.read
        database.read, database._deliver = self._counted, self._delivered
        self.documents = Documents(database, self.clock, "1")
        for node_id in node_ids:
            self._begin(node_id, "")
        assert set(self.woken.values()) == {1} and self.documents.waiting == len(node_ids)
        self.reset()

    def reset(self) -> None:
        self.reads.clear()
        self.woken.clear()

    async def _counted(self, function: Callable[..., Any], *args: Any) -> Any:
        self.reads[function.__name__] += 1
        return await self._read(function, *args)

    def _delivered(self, payloads: list[str]) -> None:
        for payload in payloads:
            topic, _, subject = payload.partition(":")
            if topic == "document":
                self.documents.changed(subject)

    def _begin(self, node_id: int, version: str) -> None:
        """Poll, and again with each answer, as agents do."""
        poll = Deferred.fromCoroutine(self.documents.poll(node_id, version, 20))
        poll.addCallback(self._answered, node_id)
        poll.addErrback(lambda failure: self.woken.update([-node_id]))

    def _answered(self, found: Rendered, node_id: int) -> None:
        self.woken[node_id] += 1
        self.newest[node_id] = found
        self._begin(node_id, found.version)

    def section(self, node_id: int, name: str) -> Any:
        return json.loads(self.newest[node_id].body)["sections"][name]["content"]


bench = cluster_bench


@pytest.fixture
def node_ids(bench: Bench) -> list[int]:
    """As many nodes as a cluster is made for; the first is one that answers."""
    first = bench.call("admin.node.add", name="n1", uri="memory:///n1", address="192.0.2.1")["node_id"]
    bench.change(
        "INSERT INTO node (name, address, uri, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit)"
        " SELECT 'm' || i, 'm' || i, 'memory:///m' || i, 1, 1, 1, 1 FROM generate_series(2, :n) AS i", n=NODES,
    )  # fmt: skip
    listed = bench.sql("SELECT array_agg(id ORDER BY id) FROM node")
    assert len(listed) == NODES and listed[0] == first
    return list(listed)


def test_create(bench: Bench, node_ids: list[int]) -> None:
    """
    A VM that is created wakes one poll of five hundred, that of its node, which is told its NIC; and reads one node's
    facts.
    """
    bench.call("admin.network.add", name="net", network="10.128.0.0/24", bridge="wbr0")
    template_id = bench.call("admin.template.add", name="small", cpu=1, memory_mib=64)["template_id"]
    storage_id = bench.storage(node_ids[0])
    image_id = bench.image(storage_id, size_bytes=2**20)
    polls = Polls(bench, node_ids)
    [made] = bench.call(
        "user.vm.create", by=bench.user, name="one", description="", image_id=image_id, template_id=template_id
    )
    assert polls.woken == {node_ids[0]: 1} and polls.reads == {"own_facts": 1}
    [nic] = polls.section(node_ids[0], "nics")["nics"]
    assert nic["addresses"] == [made["leases"][0]["address"]]


def test_of_one_node(bench: Bench, node_ids: list[int]) -> None:
    """A change that concerns one of five hundred nodes wakes the poll of that one, and only it is read anew."""
    polls = Polls(bench, node_ids)
    storage = bench.call("admin.storage.add", name="s", kind="dir", path="/srv/s")
    polls.reset()
    answer = bench.call("admin.storage.attach", storage_id=storage["storage_id"], node_id=node_ids[0])
    assert bench.operation(answer["operation_id"])["state"] == "done"
    assert set(polls.woken) == {node_ids[0]} and polls.woken[node_ids[0]] == 1
    assert set(polls.reads) >= {"own_facts"} and polls.reads["own_facts"] <= 2 and not polls.reads["shared_facts"]
    assert polls.section(node_ids[0], "consoles")["directories"] == ["/var/log/libvirt/wawel", "/srv/s"]


def test_of_all_nodes(bench: Bench, node_ids: list[int]) -> None:
    """What all share is read once, however many are woken by it; it was read for each of them before."""
    polls = Polls(bench, node_ids)
    bench.call("admin.network.add", name="net", network="10.128.0.0/24", bridge="wbr0")
    assert polls.woken == dict.fromkeys(node_ids, 1)
    assert polls.reads["shared_facts"] == 1 and not polls.reads["own_facts"]
    polls.reset()
    bench.call("admin.node.edit", node_id=node_ids[0], address="192.0.2.99")
    assert polls.woken == dict.fromkeys(node_ids, 1)
    assert "192.0.2.99/32" in polls.section(node_ids[-1], "firewall")["management"]


def test_public_networks(bench: Bench, node_ids: list[int]) -> None:
    """All nodes that answer for public addresses are told of all there are, which are read once."""
    bench.change("UPDATE node SET answers_public = true WHERE id = ANY(:ids)", ids=node_ids[:2])
    polls = Polls(bench, node_ids[:3])
    bench.call("admin.public_address.add", addresses=["203.0.113.6", "203.0.113.7"])
    assert polls.woken == dict.fromkeys(node_ids[:2], 1) and polls.reads["shared_facts"] == 1
    for node_id in node_ids[:2]:
        assert polls.section(node_id, "public")["reachable"] == ["203.0.113.6/31"]


def test_nothing_changed(bench: Bench, node_ids: list[int]) -> None:
    """After a gap in the notifications everything is looked at, and polls of which nothing changed wait on."""
    polls = Polls(bench, node_ids[:3])
    polls.documents.changed("")
    assert not polls.woken and polls.reads == {"shared_facts": 1, "own_facts": 3}
    polls.reset()
    polls.documents.changed("999999")
    assert not polls.woken and not polls.reads


def test_kept_for_so_many(bench: Bench, node_ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many nodes ask, what is kept of them is bounded; who has to be read for again gets the same."""
    monkeypatch.setattr(document, "KEPT_MAX", 5)
    polls = Polls(bench, node_ids[:12])
    assert 0 < len(polls.documents._own) <= 5
    before = polls.documents.waiting
    polls.documents.changed("")
    assert not polls.woken and polls.documents.waiting == before


def test_lost_notification(bench: Bench, node_ids: list[int]) -> None:
    """What nobody told of is seen by the next poll all the same, once what is kept has become old."""
    polls = Polls(bench, node_ids[:2])
    bench.change("UPDATE node SET address = '192.0.2.77' WHERE id = :n", n=node_ids[0])
    bench.change("INSERT INTO vnc_port (node_id, port) VALUES (:n, 4242)", n=node_ids[1])
    polls.clock.advance(20)
    assert polls.woken == dict.fromkeys(node_ids[:2], 1)
    assert "192.0.2.77/32" in polls.section(node_ids[0], "firewall")["management"]
    assert polls.section(node_ids[1], "screens") == {"vnc_ports": [4242, 4242]}


def test_changed_meanwhile(bench: Bench, node_ids: list[int]) -> None:
    """A change that comes while a poll reads is not lost: it reads again before it waits."""
    polls = Polls(bench, node_ids[:1])
    own, read = [], polls._read

    async def slow(function: Callable[..., Any], *args: Any) -> Any:
        found = await read(function, *args)
        if function.__name__ == "own_facts" and not own:
            own.append(found)
            bench.change("INSERT INTO vnc_port (node_id, port) VALUES (:n, 4242)", n=args[0])
            polls.documents.changed(str(args[0]))
        return found

    polls._read = slow
    bench.change("DELETE FROM vnc_port WHERE node_id = :n", n=node_ids[0])
    polls.documents.changed(str(node_ids[0]))
    assert own and polls.section(node_ids[0], "screens") == {"vnc_ports": [4242, 4242]}


def test_deleted(bench: Bench, node_ids: list[int]) -> None:
    """The poll of a node that is deleted ends at once."""
    polls = Polls(bench, node_ids[:2])
    bench.call("admin.node.delete", node_id=node_ids[0])
    assert polls.woken[-node_ids[0]] == 1
