"""Node agents: enrolment, signatures, events, documents, clocks."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster_builder import Peer, add_cluster, add_pool, add_vm, change, result_of, value
from endpoint_program import serving
from sqlalchemy import text
from twisted.logger import globalLogPublisher

from cm.rpc.errors import EnrolmentRefused, ObjectNotFound
from cm.rules.names import CONSOLE_DIRECTORY
from cm.runtime.database import Database, notify
from cm.services.agent import GuestSettings, enrol, issue_enrolment_token, record_agent
from cm.store.agent import credential_key
from cm.store.node_document import document_changed
from contextualization.wire import Exchange
from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.document import parse_document
from node_hooks.errors import EndpointRefused
from support.beside import listening


@pytest.fixture
def peer(database: Database) -> Peer:
    made = Peer(database)
    made.enrol("a")
    made.enrol("b")
    return made


@pytest.fixture
def heard(database_url: str) -> Iterator[Any]:
    """What is notified (``listening``)."""
    with listening(database_url) as take:
        yield take


def post(path: str, document: object) -> Exchange:
    return Exchange("POST", path, {}, json.dumps(document).encode())


class TestEnrolment:
    def test_once(self, database: Database) -> None:
        """A token gives a credential once; the database keeps hashes only, and hooks count from now on."""
        peer = Peer(database)
        token = database.transact_now(issue_enrolment_token, peer.ids["a"])
        told = {"token": token, "hostname": "h", "boot_id": "b9", "agent_version": "1", "hook_version": "2"}
        first, second = peer.send(post("/node/enrol", told)), peer.send(post("/node/enrol", told))
        assert first.status == 200 and json.loads(first.body)["node_id"] == peer.ids["a"]
        assert second.status == 403 and json.loads(second.body)["error"]["slug"] == "enrolment_refused"
        assert value(database, "SELECT hooks FROM node WHERE id = :id", id=peer.ids["a"]) is True
        assert value(database, "SELECT hook_version FROM node WHERE id = :id", id=peer.ids["a"]) == "2"
        everything = value(database, "SELECT string_agg(t::text, '') FROM enrolment_token t") + value(
            database, "SELECT string_agg(n::text, '') FROM node n"
        )
        assert token not in everything and json.loads(first.body)["credential"] not in everything

    def test_race(self, database: Database) -> None:
        """Of machines that spend one token at once, one gets the node."""
        ids = database.transact_now(add_cluster)
        token = database.transact_now(issue_enrolment_token, ids["a"])
        outcomes: list[str] = []
        barrier = threading.Barrier(6)

        def spend() -> None:
            barrier.wait()
            try:
                database.transact_now(enrol, token, "b", "1", "1")
                outcomes.append("enrolled")
            except EnrolmentRefused:
                outcomes.append("refused")

        threads = [threading.Thread(target=spend) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["enrolled"] + ["refused"] * 5

    def test_expired_and_unknown(self, database: Database) -> None:
        """Neither an old token nor a guessed one enrols; a node that is gone gets none."""
        ids = database.transact_now(add_cluster)
        token = database.transact_now(issue_enrolment_token, ids["a"], -1)
        for wrong in (token, "guess", "", "\ud800"):
            with pytest.raises(EnrolmentRefused):
                database.transact_now(enrol, wrong, "b", "1", "1")
        with pytest.raises(ObjectNotFound):
            database.transact_now(issue_enrolment_token, 99_999)

    def test_again(self, peer: Peer, heard: Any) -> None:
        """A new enrolment ends the credential before it, at once in every process."""
        exchange = peer.signed("a", "GET", "/node/document?version=&wait=0")
        assert peer.send(exchange).status == 200
        peer.enrol("a")
        assert peer.send(exchange).status == 401
        assert f"credential:{peer.ids['a']}" in heard()

    def test_before_notification(self, peer: Peer) -> None:
        """A new credential is good even where the old key is still cached and no notification has come."""
        assert peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0")).status == 200
        peer.clock.advance(2)
        token = peer.database.transact_now(issue_enrolment_token, peer.ids["a"])
        peer.credentials[peer.ids["a"]] = peer.database.transact_now(enrol, token, "b", "1", "1").credential
        assert peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0")).status == 200

    def test_malformed(self, peer: Peer) -> None:
        """What is no enrolment is refused before the database sees it."""
        for document in ([], {"token": 5}, {"token": "x" * 300}, {"token": "a\0"}):
            assert peer.send(post("/node/enrol", document)).status == 400
        assert peer.send(Exchange("POST", "/node/enrol", {}, b"[" * 5000)).status == 400


class TestSignatures:
    def test_refused(self, peer: Peer) -> None:
        """Unsigned, of an unknown node, malformed or given twice: 401, but 400 for the last."""
        good = peer.signed("a", "GET", "/node/document?version=&wait=0")
        header = good.header("Authorization")
        for wrong in ("", "Wawel-Node", header + " ", header.replace("node=", "node=9"), header[:-1] + "g"):
            assert peer.send(Exchange("GET", good.uri, {"authorization": (wrong,)})).status == 401
        assert peer.send(Exchange("GET", good.uri, {"authorization": (header, header)})).status == 400
        assert peer.send(good).status == 200

    def test_altered(self, peer: Peer) -> None:
        """Another path, method, body, bridge or address than what was signed is refused."""
        add = peer.database.transact_now(add_vm, peer.ids, "a", "10.128.0.5")
        assert add
        good = peer.signed("a", "GET", "/guest/latest/", bridge="wbr0", address="10.128.0.5")
        assert peer.send(good).status == 200
        other = dict(good.headers)
        for exchange in (
            Exchange("GET", "/guest/latest/user-data", other),
            Exchange("PUT", good.uri, other),
            Exchange("GET", good.uri, other, b"body"),
            Exchange("GET", good.uri + "?x", other),
            Exchange("GET", good.uri, {**other, "x-wawel-bridge": ("wbr1",)}),
            Exchange("GET", good.uri, {**other, "x-wawel-address": ("10.128.0.6",)}),
        ):
            assert peer.send(exchange).status == 401
        repeated = Exchange("GET", good.uri, {**other, "x-wawel-address": ("10.128.0.5", "10.128.0.6")})
        assert peer.send(repeated).status == 400

    def test_window(self, peer: Peer) -> None:
        """Five minutes in both directions."""
        for skew_s, status in ((299, 200), (-300, 200), (301, 401), (-302, 401)):
            answer = peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0", skew_s=skew_s))
            assert answer.status == status, skew_s

    def test_refused_clock_is_logged(self, peer: Peer) -> None:
        """Times beyond the window are said in the log, of each node once a minute: somebody has to mend a clock."""
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        try:
            for _ in range(5):
                peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0", skew_s=400))
                peer.clock.advance(29)
        finally:
            globalLogPublisher.removeObserver(events.append)
        told = [event for event in events if event.get("skew_s") == 400.0]
        assert [event["node_id"] for event in told] == [peer.ids["a"]] * 2

    def test_deleted_node(self, peer: Peer) -> None:
        """A node that was removed is nobody, at the latest when its cached key ends."""
        change(peer.database, "UPDATE node SET deleted_at = now() WHERE id = :id", id=peer.ids["a"])
        peer.clock.advance(11)
        assert peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0")).status == 401

    def test_clock(self, peer: Peer) -> None:
        """A clock that stays wrong for a minute becomes drift, one row; it ends when the clock is right."""
        drift = "SELECT count(*) FROM drift WHERE kind = 'clock_skew' AND closed_at IS NULL"
        for _ in range(5):
            peer.now += 29
            peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0", skew_s=30))
            peer.clock.advance(29)
        assert value(peer.database, drift) == 1
        assert value(peer.database, "SELECT evidence->>'skew_s' FROM drift") == "30.0"
        peer.now += 2
        peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0"))
        assert value(peer.database, drift) == 0

    def test_no_drift(self, peer: Peer) -> None:
        """A clock that was wrong for a moment does not matter."""
        for skew_s in (30, 0, 30, 0):
            peer.now += 40
            peer.send(peer.signed("a", "GET", "/node/document?version=&wait=0", skew_s=skew_s))
            peer.clock.advance(40)
        assert value(peer.database, "SELECT count(*) FROM drift") == 0

    @pytest.mark.parametrize("age_s", [100, 400], ids=["within the window", "beyond it"])
    def test_replayed(self, peer: Peer, age_s: int) -> None:
        """An old request of a good clock, sent again and again, writes no drift."""
        peer.now += 1
        overheard = peer.signed("a", "GET", "/node/document?version=&wait=0")
        assert peer.send(overheard).status == 200
        peer.now += age_s
        for _ in range(5):
            assert peer.send(overheard).status == (200 if age_s < 300 else 401)
            peer.now += 29
            peer.clock.advance(29)
        assert value(peer.database, "SELECT count(*) FROM drift") == 0

    def test_replayed_to_another_process(self, peer: Peer) -> None:
        """What was signed before a process began is no evidence to it of a clock, and neither is anything twice."""
        old = [peer.signed("a", "GET", f"/node/document?version={n}&wait=0") for n in range(5)]
        peer.now += 100
        peer.start()
        for request in old:
            assert peer.send(request).status == 200
            peer.now += 30
            peer.clock.advance(30)
        assert value(peer.database, "SELECT count(*) FROM drift") == 0

    def test_replayed_sign_of_life(self, peer: Peer) -> None:
        """A dead agent's last words, sent again, do not make it look alive."""
        peer.now += 1
        overheard = peer.signed("a", "GET", "/node/document?version=&wait=0")
        seen = "SELECT agent_seen_at FROM node WHERE id = :id"
        peer.send(overheard)
        change(peer.database, "UPDATE node SET agent_seen_at = now() - interval '1 hour'")
        was = value(peer.database, seen, id=peer.ids["a"])
        peer.clock.advance(100)
        assert peer.send(overheard).status == 200
        assert value(peer.database, seen, id=peer.ids["a"]) == was

    def test_trace(self, peer: Peer) -> None:
        """Who claims to be a node, from where, and what came of it, is kept; a node that polls is one row."""
        peer.now += 1
        good = [
            replace(peer.signed("a", "GET", f"/node/document?version={n}&wait=0"), remote="192.0.2.7") for n in "123"
        ]
        forged = replace(good[0], uri="/node/document?version=4&wait=0", remote="192.0.2.9")
        enrol = Exchange("POST", "/node/enrol", {}, json.dumps({"token": "x" * 43}).encode(), "192.0.2.9")
        assert [peer.send(each).status for each in (*good, forged, enrol)] == [200, 200, 200, 401, 403]
        peer.clock.advance(61)
        rows = peer.database.read_now(
            lambda session: session.execute(
                text("SELECT login, remote, how, outcome, count FROM login ORDER BY id")
            ).all()
        )
        node = f"node-{peer.ids['a']}"
        assert [tuple(row) for row in rows] == [
            (node, "192.0.2.7", "node", "ok", 3),
            (node, "192.0.2.9", "node", "bad_signature", 1),
            ("", "192.0.2.9", "enrolment", "enrolment_refused", 1),
        ]

    def test_paths(self, peer: Peer) -> None:
        """Paths and methods that are not there."""
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/node", 404),
            ("GET", "/node/events", 405),
            ("POST", "/node/document", 405),
            ("DELETE", "/node/events", 405),
            ("GET", "/health", 200),
            ("GET", "/guest", 401),
            ("GET", "/guestx", 404),
            ("GET", "//node/document", 404),
            ("GET", "/guest/../node/enrol", 401),
        ):
            assert peer.send(Exchange(method, path)).status == status, (method, path)


def event(sequence: int, uuid: str, operation: str = "release", **changes: Any) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "boot_id": "boot-1",
        "domain_uuid": uuid,
        "domain_name": "vm-1",
        "operation": operation,
        "sub_operation": "end",
        "extra": "-",
        "time": time.time() + 10,
        "xml_sha256": "",
        **changes,
    }


class TestEvents:
    @pytest.fixture
    def uuid(self, peer: Peer) -> str:
        vm_id = peer.database.transact_now(add_vm, peer.ids, "a", "10.128.0.5")
        return str(value(peer.database, "SELECT uuid::text FROM vm WHERE id = :id", id=vm_id))

    def count(self, peer: Peer) -> int:
        return int(value(peer.database, "SELECT count(*) FROM hook_event"))

    def seen(self, peer: Peer) -> str:
        return str(value(peer.database, "SELECT seen FROM vm"))

    def test_effect_once(self, peer: Peer, uuid: str) -> None:
        """An end that somebody waits for is recorded with its effect; a repeat is acknowledged and does nothing."""
        batch = [event(1, uuid, "stopped"), event(2, uuid)]
        change(peer.database, "UPDATE vm SET wanted = 'stopped'")
        assert json.loads(peer.deliver("a", *batch).body) == {"acknowledged": 2}
        assert self.seen(peer) == "off"
        work = value(peer.database, "SELECT count(*) FROM operation")
        change(peer.database, "UPDATE vm SET seen = 'running'")
        assert json.loads(peer.deliver("a", *batch).body) == {"acknowledged": 2}
        assert self.seen(peer) == "running" and self.count(peer) == 2
        assert value(peer.database, "SELECT count(*) FROM operation") == work

    def test_unasked_end(self, peer: Peer, uuid: str, heard: Any) -> None:
        """An end that nobody asked for has its node looked at, which knows why; nothing is decided before."""
        look = f"look:{peer.ids['a']}"
        assert json.loads(peer.deliver("a", event(1, uuid, "stopped"), event(2, uuid)).body) == {"acknowledged": 2}
        assert look in heard(look) and self.seen(peer) == "running"
        assert value(peer.database, "SELECT released_at IS NOT NULL FROM vm")
        assert value(peer.database, "SELECT count(*) FROM operation") == 0

    def test_order_and_gap(self, peer: Peer, uuid: str, heard: Any) -> None:
        """In order nothing is asked; a gap, what fills it late, and a new boot each ask for a look."""
        look = f"look:{peer.ids['a']}"
        peer.deliver("a", event(5, uuid, "prepare"))
        assert look in heard(look)
        peer.deliver("a", event(7, uuid, "start"), event(6, uuid, "prepare"))
        assert look not in heard()
        assert json.loads(peer.deliver("a", event(9, uuid, "started")).body) == {"acknowledged": 9}
        assert look in heard(look)
        peer.deliver("a", event(8, uuid, "start"))
        assert look in heard(look)
        peer.deliver("a", event(9, uuid, "started"))
        assert look not in heard()
        peer.deliver("a", event(10, uuid, "started", boot_id="boot-2"), boot_id="boot-2")
        assert look in heard(look)
        assert value(peer.database, "SELECT agent_boot_id FROM node WHERE name = 'a'") == "boot-2"

    def test_other_node(self, peer: Peer, uuid: str) -> None:
        """A node that tells of another node's VM is heard and believed nothing."""
        assert json.loads(peer.deliver("b", event(1, uuid)).body) == {"acknowledged": 1}
        assert self.seen(peer) == "running"
        assert value(peer.database, "SELECT effect FROM hook_event") == "foreign"
        assert value(peer.database, "SELECT count(*) FROM operation") == 0

    def test_rejected(self, peer: Peer, uuid: str) -> None:
        """Nothing of a batch with a record that is none is stored; the node sets that one aside and repeats."""
        answer = peer.deliver("a", event(1, uuid), event(2, "no uuid"))
        assert answer.status == 422 and json.loads(answer.body)["rejected"] == [2]
        assert self.count(peer) == 0

    def test_poison(self, peer: Peer, uuid: str, heard: Any) -> None:
        """A record that breaks us is refused in the end, so that those behind it come through; a look replaces it."""

        def break_on_two(session: Any, node_id: int, record: Any) -> str:
            if record.sequence == 2:
                raise RuntimeError("broken")
            return "recorded"

        peer.endpoint._events._take = break_on_two  # type: ignore[assignment]
        assert json.loads(peer.deliver("a", event(1, uuid), event(2, uuid)).body) == {"acknowledged": 1}
        statuses = [peer.deliver("a", event(2, uuid), event(3, uuid)).status for _ in range(5)]
        assert statuses == [500, 500, 500, 500, 422]
        assert f"look:{peer.ids['a']}" in heard()
        assert json.loads(peer.deliver("a", event(3, uuid)).body) == {"acknowledged": 3}

    def test_no_traceback(self, peer: Peer, uuid: str) -> None:
        """What breaks is told by an incident's number alone."""

        def broken(*args: Any) -> str:
            raise RuntimeError("inner words")

        peer.endpoint._events._take = broken
        answer = peer.deliver("a", event(1, uuid))
        assert answer.status == 500 and b"inner" not in answer.body and b"incident" in answer.body

    def test_agent_seen(self, peer: Peer, uuid: str) -> None:
        """That the agent spoke is written once in five seconds, or when it tells something new."""
        database, node_id = peer.database, peer.ids["a"]
        change(database, "UPDATE node SET agent_seen_at = NULL")
        assert database.transact_now(record_agent, node_id, "boot-1", "1")
        assert not database.transact_now(record_agent, node_id, "boot-1", "1")
        assert not database.transact_now(record_agent, node_id)
        assert database.transact_now(record_agent, node_id, "boot-2", "")
        assert value(database, "SELECT hook_version FROM node WHERE id = :id", id=node_id) == "1"


class TestDocument:
    def poll(self, peer: Peer, version: str, wait: str = "20") -> Any:
        return peer.begin(peer.signed("a", "GET", f"/node/document?version={version}&wait={wait}"))

    def test_content(self, peer: Peer) -> None:
        """Pools as the agent reads them; equal content has an equal version."""
        peer.database.transact_now(add_pool, "other", "10.129.0.0/28", "wbr1")
        change(peer.database, "UPDATE network SET deleted_at = now() WHERE name = 'other'")
        first = json.loads(result_of(self.poll(peer, "")).body)
        assert first["networks"] == [
            {"name": "net", "bridge": "wbr0", "gateway": "10.128.0.1/28", "pool": "10.128.0.0/28", "metadata": True}
        ]
        assert json.loads(result_of(self.poll(peer, "x")).body)["version"] == first["version"]

    def test_reach(self, database: Database) -> None:
        """Guests are kept from nodes, storages' servers and what the settings name; ports are the node's own."""
        guests = GuestSettings(management_networks=("10.9.0.0/16",), reachable_networks=("10.9.0.7/32",))
        peer = Peer(database, guests=guests)
        peer.enrol("a")
        change(database, "UPDATE node SET address = CASE name WHEN 'a' THEN '10.1.0.1' ELSE 'b.example' END")
        change(
            database,
            "INSERT INTO storage (name, kind, path, address, capacity_bytes, overcommit)"
            " VALUES ('shared', 'netfs', '/srv', '10.2.0.9', 1, 1)",
        )
        change(database, "DELETE FROM vnc_port")
        ports = "INSERT INTO vnc_port (node_id, port) SELECT :id, generate_series(5900, 5909)"
        change(database, ports, id=peer.ids["a"])
        told = json.loads(result_of(self.poll(peer, "")).body)
        assert told["management"] == ["10.1.0.1/32", "10.2.0.9/32", "10.9.0.0/16"]
        assert told["reachable"] == ["10.9.0.7/32"] and told["vnc_ports"] == [5900, 5909]
        assert parse_document(told).problems == ()
        change(database, "DELETE FROM vnc_port")
        assert json.loads(result_of(self.poll(peer, "")).body)["vnc_ports"] is None

    def test_console_logs(self, database: Database) -> None:
        """A node keeps the logs of consoles within bounds: its own, and those that are beside disks from of old."""
        peer = Peer(database, guests=GuestSettings(console_log_bytes=600_000))
        peer.enrol("a")
        change(database, "DELETE FROM storage_attachment")
        told = json.loads(result_of(self.poll(peer, "")).body)
        assert told["console_logs"] == {"directories": [CONSOLE_DIRECTORY], "max_bytes": 600_000}
        change(
            database,
            "WITH s AS (INSERT INTO storage (name, kind, path, capacity_bytes, overcommit)"
            " SELECT name, 'dir', '/srv/' || name, 1, 1 FROM unnest(ARRAY['main', 'failing']) AS name"
            " RETURNING id, name) INSERT INTO storage_attachment (storage_id, node_id, state)"
            " SELECT id, :id, CASE name WHEN 'main' THEN 'attached' ELSE 'failed' END FROM s",
            id=peer.ids["a"],
        )
        told = json.loads(result_of(self.poll(peer, "")).body)
        parsed = parse_document(told)
        assert (parsed.console_directories, parsed.console_bytes) == ((CONSOLE_DIRECTORY, "/srv/main"), 600_000)

    def test_bad_reach(self) -> None:
        """Settings that are no networks are named."""
        assert GuestSettings().problems() == []
        found = GuestSettings(("10.0.0.1/8", "fd00::/8"), ("everywhere",)).problems()
        assert len(GuestSettings(console_log_bytes=1000).problems()) == 1
        named = [each.partition(":")[0] for each in found]
        assert named == ["guests.management_networks"] * 2 + ["guests.reachable_networks"]

    def test_wakes(self, peer: Peer) -> None:
        """The poll waits while nothing changes, takes no thread meanwhile, and wakes for a new version alone."""
        version = json.loads(result_of(self.poll(peer, "")).body)["version"]
        waiting, answers = self.poll(peer, version), []
        waiting.addBoth(answers.append)
        peer.endpoint.documents.changed("")
        peer.clock.advance(5)
        assert not answers and peer.endpoint.documents.waiting == 1
        peer.database.transact_now(add_pool, "other", "10.129.0.0/28", "wbr1")
        peer.endpoint.documents.changed("")
        assert len(json.loads(answers[0].body)["networks"]) == 2
        assert peer.endpoint.documents.waiting == 0 and not peer.clock.getDelayedCalls()

    def test_sections(self, peer: Peer) -> None:
        """A document in sections says what the one in one piece says; what changes one leaves the others' versions."""
        told = json.loads(result_of(self.poll(peer, "")).body)
        first = json.loads(result_of(self.poll(peer, "&format=2")).body)
        assert first["format"] == 2 and first["version"] != told.pop("version")
        content = {name: each["content"] for name, each in first["sections"].items()}
        # Agents that ask for one piece find NICs out by themselves, and know no groups.
        assert (content.pop("nics"), content.pop("security")) == ({"nics": []}, {"groups": {}})
        flat = {"console_logs": content.pop("consoles")}
        for each in content.values():
            flat |= each
        assert told == flat
        peer.database.transact_now(add_pool, "other", "10.129.0.0/28", "wbr1")
        second = json.loads(result_of(self.poll(peer, "&format=3")).body)
        assert second["format"] == 2 and second["version"] != first["version"]
        changed = [n for n, each in second["sections"].items() if each["version"] != first["sections"][n]["version"]]
        assert changed == ["networks"]
        for wrong in ("0", "x", "", "12345"):
            assert result_of(self.poll(peer, f"&format={wrong}")).status == 400

    def test_time_out(self, peer: Peer) -> None:
        """After its time the poll answers with what is there, the same version again."""
        version = json.loads(result_of(self.poll(peer, "")).body)["version"]
        waiting, answers = self.poll(peer, version), []
        waiting.addBoth(answers.append)
        peer.clock.advance(19)
        assert not answers
        peer.clock.advance(2)
        assert json.loads(answers[0].body)["version"] == version

    def test_cancelled_and_bounded(self, peer: Peer) -> None:
        """A node has four polls at once; one that leaves makes room."""
        version = json.loads(result_of(self.poll(peer, "")).body)["version"]
        polls = [self.poll(peer, version) for _ in range(4)]
        assert result_of(self.poll(peer, version)).status == 429
        polls[0].addErrback(lambda failure: None)
        polls[0].cancel()
        assert peer.endpoint.documents.waiting == 3
        polls.append(self.poll(peer, version))
        assert peer.endpoint.documents.waiting == 4

    def test_wait(self, peer: Peer) -> None:
        """A wait is a number of seconds."""
        for wait in ("x", "-1", "1e9", "99999", ""):
            assert result_of(self.poll(peer, "", wait)).status == 400


class TestProgram:
    """The program itself, by the agent's own client."""

    @pytest.fixture
    def url(self, database_url: str, tmp_path: Path) -> Iterator[str]:
        with serving(database_url, tmp_path) as found:
            yield found
        told = (tmp_path / "endpoint.log").read_text()
        assert "Traceback" not in told, told
        assert "secret-of" not in told, "a guest's secret is in the log"

    def test_whole(self, database: Database, url: str) -> None:
        """Enrol, deliver, poll and be woken, forward a guest, lose the credential: over sockets and notifications."""
        ids = database.transact_now(add_cluster)
        vm_id = database.transact_now(add_vm, ids, "a", "10.128.0.5")
        token = database.transact_now(issue_enrolment_token, ids["a"])
        address = parse_endpoint(url)
        told = {"token": token, "hostname": "h", "boot_id": "b", "agent_version": "1", "hook_version": "1"}
        enrolled = Client(address, None).json("POST", "/node/enrol", told)
        client = Client(address, Credential(enrolled["node_id"], enrolled["credential"]))
        document = client.json("GET", "/node/document?version=&wait=0")

        def widen(session: Any) -> None:
            add_pool(session, "other", "10.129.0.0/28", "wbr1")
            document_changed(session)

        timer = threading.Timer(0.3, lambda: database.transact_now(widen))
        timer.start()
        started = time.monotonic()
        woken = client.json("GET", f"/node/document?version={document['version']}&wait=20", timeout_s=25)
        assert len(woken["networks"]) == 2 and time.monotonic() - started < 5
        uuid = str(value(database, "SELECT uuid::text FROM vm"))
        batch = {"boot_id": "boot-1", "events": [event(1, uuid, "started")]}
        assert client.json("POST", "/node/events", batch) == {"acknowledged": 1}
        guest = {"bridge": "wbr0", "address": "10.128.0.5"}
        path = "/guest/nocloud/secret-of-10.128.0.5/meta-data"
        assert client.request("GET", path, **guest).status == 200  # type: ignore[arg-type]
        assert client.request("GET", path + "x", **guest).status == 404  # type: ignore[arg-type]
        said = client.request("POST", "/guest/hello", b"hostname=web", **guest)  # type: ignore[arg-type]
        assert (said.status, said.body, said.headers["server"]) == (200, b"ok", "wawel")
        assert value(database, "SELECT contextualized_at FROM vm WHERE id = :id", id=vm_id) is not None
        assert client.request("PUT", "/guest/hello", b"x" * 70_000, **guest).status == 413  # type: ignore[arg-type]
        assert client.request("POST", "/node/events", b"x" * 1_100_000).status == 413
        change(database, "UPDATE node SET credential_key = NULL")
        database.transact_now(notify, "credential", ids["a"])
        time.sleep(0.2)
        with pytest.raises(EndpointRefused):
            client.json("GET", "/node/document?version=&wait=0")

    def test_hostile(self, database: Database, url: str) -> None:
        """Malformed HTTP and endless headers end the connection; the program goes on."""
        host, port = url.removeprefix("http://").split(":")
        for sent in (
            b"\0" * 100,
            b"GET /" + b"x" * 100_000,
            b"POST /node/enrol HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), 5) as connection:
                connection.settimeout(5)
                try:
                    connection.sendall(sent)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
                except OSError:  # it may have ended before all of this was said
                    pass
        assert Client(parse_endpoint(url), None).request("GET", "/health").status == 200


def test_key_of_absent(database: Database) -> None:
    """A node without credential has no key."""
    assert database.read_now(credential_key, 12345) is None
    assert database.read_now(lambda session: session.scalar(text("SELECT count(*) FROM node"))) == 0
