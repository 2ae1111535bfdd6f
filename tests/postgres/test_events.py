"""The change feed on the wire: whom it tells, and how connections fare that read it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_trust import Issuer

from cm.daemon.settings import ListenSettings
from cm.rpc.caller import Control
from cm.rpc.credentials import TokenCredentials, authorization
from cm.rpc.limits import Share
from cm.rpc.vocabulary import Role
from cm.store.change import record_change
from support.cloud import MemoryCloud, run
from support.wait import until

PASSWORD = "correct horse"


class Events:
    """One connection to ``/events``, read as it comes."""

    def __init__(self, port: int, authorization: str = "", query: str = "", **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        if authorization:
            headers["Authorization"] = authorization
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", f"/events{query}", headers=named)
        self.answer = self._connection.getresponse()
        self.status = self.answer.status
        self.cursor = ""

    def next(self) -> tuple[str, dict[str, Any]] | None:
        """The next event; None when the connection ends."""
        kind, data = "", ""
        while True:
            line = self.answer.readline().decode()
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self.cursor = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
            elif line == "\n" and data:
                return kind, json.loads(data)

    def take(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        found = [self.next() for _ in range(count)]
        return [event for event in found if event is not None]

    def error(self) -> str:
        return str(json.loads(self.answer.read())["error"]["data"]["slug"])

    def close(self) -> None:
        self._connection.close()
        self.answer.close()


class Wire:
    """A whole cluster with its port open, and a password for everybody."""

    def __init__(self, url: str, directory: Path) -> None:
        self.cloud = MemoryCloud(url, directory, start=False)
        self.cloud.settings = replace(
            self.cloud.settings, listen=ListenSettings(rpc="127.0.0.1:0", contextualization="")
        )
        self.cloud.start()
        self.cloud.fill()
        self.manager = self.cloud.manager
        self.port = self.manager.ports[0].getHost().port
        self.tokens = {}
        for name, account_id in (
            ("admin", self.cloud.admin_id),
            ("user", self.cloud.user_id),
            ("other", self.cloud.other_id),
        ):
            self.cloud.call("admin.user.set_password", [account_id, PASSWORD], account="admin")
            session = self.cloud.call("guest.session.login", [name, PASSWORD])
            self.tokens[name] = f"Bearer {session['token']}"
        self.issuer = Issuer("clm:a", "a-1")
        self.cloud.call("admin.trust.add", ["a-1", "clm:a", self.issuer.public], account="admin")
        self.opened: list[Events] = []

    def events(self, who: str = "user", query: str = "", **headers: str) -> Events:
        made = Events(self.port, self.tokens.get(who, who), query, **headers)
        self.opened.append(made)
        return made

    def signed(self, account_id: int, *roles: Role, groups: tuple[int, ...] = ()) -> TokenCredentials:
        name = self.manager.policy.name
        return self.issuer.credentials(account_id, f"user{account_id}", *roles, cluster=name, groups=groups)

    def change(self, kind: str, object_id: int, account_id: int | None, event: str = "change") -> None:
        self.manager.database.transact_now(record_change, kind, object_id, account_id, event)

    def mark(self) -> None:
        """A change that everybody sees, to wait for: templates are public."""
        self.change("template", self.cloud.template_id, None)

    def close(self) -> None:
        for each in self.opened:
            each.close()
        self.cloud.stop()


@pytest.fixture
def wire(database_url: str, tmp_path: Path) -> Iterator[Wire]:
    made = Wire(database_url, tmp_path)
    yield made
    made.close()


def test_life_of_a_vm(wire: Wire) -> None:
    """Its owner is told of its coming, its changes and its end, with the object as lists show it; others are not."""
    mine, others, admins = wire.events("user"), wire.events("other"), wire.events("admin", "?all=1&kinds=vm")
    assert mine.status == 200 and mine.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    vm = wire.cloud.create(name="seen")
    seen = mine.take(1)
    while seen[-1][1]["object"]["state"] != "running":
        seen += mine.take(1)
    wire.cloud.wait(vm["vm_id"], "running")
    wire.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    while seen[-1][0] != "exit":
        seen += mine.take(1)
    kind, first = seen[0]
    assert (kind, first["event"], first["kind"], first["object_id"]) == ("enter", "enter", "vm", vm["vm_id"])
    assert first["uuid"] == vm["uuid"] and set(first["object"]) == set(vm) - {"vnc_password"}
    assert first["at"].endswith("Z") and "audience" not in first
    assert seen[-1][1]["object"] is None and seen[-1][1]["uuid"] == vm["uuid"]
    # The object is as it is when it is read, which is not the same moment for all.
    told = [(data["event"], data["object_id"], data["at"]) for _, data in seen if data["kind"] == "vm"]
    assert [(data["event"], data["object_id"], data["at"]) for _, data in admins.take(len(told))] == told
    wire.mark()
    assert [data["kind"] for _, data in others.take(1)] == ["template"]


def test_whose(wire: Wire) -> None:
    """Public images and templates are everybody's; accounts and private images their owners'; nodes administrators'."""
    cloud = wire.cloud
    mine, others, admins = wire.events("user"), wire.events("other"), wire.events("admin", "?all=1")
    wire.change("node", cloud.node_ids[0], None)
    wire.change("user", cloud.user_id, cloud.user_id)
    wire.change("image", cloud.image_id, cloud.admin_id)
    assert [data["kind"] for _, data in mine.take(2)] == ["user", "image"]
    assert [data["kind"] for _, data in others.take(1)] == ["image"]
    cloud.sql("UPDATE image SET access = 'private', account_id = :a", a=cloud.user_id)
    wire.change("image", cloud.image_id, cloud.user_id)
    wire.mark()
    assert [data["kind"] for _, data in mine.take(2)] == ["image", "template"]
    assert [data["kind"] for _, data in others.take(1)] == ["template"]
    everything = admins.take(5)
    while everything[-1][1]["kind"] != "template":  # passes tell of nodes, too
        everything += admins.take(1)
    told = [data["kind"] for _, data in everything]
    assert [kind for kind in told if kind != "node"] == ["user", "image", "image", "template"] and "node" in told
    assert all(data["object"] is not None for _, data in everything)
    assert all(data["uuid"] for _, data in everything)
    shown = next(data["object"] for _, data in everything if data["kind"] == "user")
    assert shown["login"] == "user" and [name for name in shown if "password" in name] == ["has_password"]


def test_shared(wire: Wire) -> None:
    """
    Who was granted something on an object hears of it, and of the end of it as an exit that nobody else is told; a
    cloud manager is told which of its people and groups to pass it on to.
    """
    made = wire.manager.services.authenticator
    person = run(partial(made.authenticate, wire.signed(7), ""))
    vm = wire.cloud.create(name="shared")
    vm_id = vm["vm_id"]
    wire.cloud.wait(vm_id, "running")
    grant = (
        "INSERT INTO acl (kind, object_id, account_id, issuer, group_id, level) VALUES ('vm', :vm, :a, :i, :g, 'user')"
    )
    wire.cloud.sql(grant, vm=vm_id, a=person.account_id, i=None, g=None)
    wire.cloud.sql(grant, vm=vm_id, a=None, i="clm:a", g=5)
    wire.cloud.sql(grant, vm=vm_id, a=None, i="clm:b", g=6)
    theirs = wire.events(authorization(wire.signed(7)), "?kinds=vm")
    members = wire.events(authorization(wire.signed(8, groups=(5, 6))), "?kinds=vm")
    strangers = wire.events(authorization(wire.signed(9, groups=(6,))), "?kinds=vm,template")
    owners, admins = wire.events("user", "?kinds=vm"), wire.events("admin", "?all=1&kinds=vm")
    clouds = wire.events(authorization(wire.signed(0, Role.ADMIN)), "?all=1&kinds=vm")
    wire.change("vm", vm_id, wire.cloud.user_id)
    for each in (theirs, members, owners, admins, clouds):
        ((_, data),) = each.take(1)
        assert (data["object_id"], data["object"]["name"]) == (vm_id, "shared")
        audience = {"users": [7], "groups": [5], "public": False}
        assert data.get("audience") == (audience if each is clouds else None)
    wire.cloud.sql("DELETE FROM acl WHERE account_id IS NOT NULL")
    wire.change("vm", vm_id, person.account_id, "exit")
    wire.change("vm", vm_id, wire.cloud.user_id)
    ((kind, data),) = theirs.take(1)
    assert (kind, data["object"], data["personal"]) == ("exit", None, True)
    for each in (members, owners, admins):
        assert [kind for kind, _ in each.take(1)] == ["change"]
    told = clouds.take(2)
    assert [(kind, data["audience"]["users"], data["audience"]["groups"]) for kind, data in told] == [
        ("exit", [7], []), ("change", [], [5]),
    ]  # fmt: skip
    execute, view = wire.manager.executor.execute, wire.manager.registry.get("admin.cloud.drop_groups")
    caller = run(partial(made.authenticate, wire.signed(0, Role.ADMIN), ""))
    assert run(lambda: execute(view, caller, {"group_ids": [5, 6]}, Control("test"))) == {"objects": 1}
    assert wire.cloud.sql("SELECT string_agg(issuer, ' ') FROM acl") == "clm:b"
    wire.mark()
    assert [data["kind"] for _, data in strangers.take(1)] == ["template"]


def test_cursor_on_the_wire(wire: Wire) -> None:
    """The cursor of an event goes on after it, by parameter or header, the header first; a bad one is told by reset."""
    first = wire.events()
    for _ in range(3):
        wire.mark()
    first.take(1)
    cursor = first.cursor
    first.take(2)
    for made in (wire.events(query=f"?cursor={cursor}"), wire.events(query="?cursor=x", Last_Event_ID=cursor)):
        again = made.take(2)
        assert [data["kind"] for _, data in again] == ["template"] * 2
        assert made.cursor == first.cursor
    lost = wire.events(query="?cursor=nonsense")
    event = lost.next()
    assert event is not None and event[0] == "reset" and event[1]["object"] is None
    wire.mark()
    on = wire.events(query=f"?cursor={lost.cursor}")
    assert [kind for kind, _ in on.take(1)] == ["change"]


def test_refused(wire: Wire) -> None:
    """Who may not read is told why, as calls are."""
    for who, query, status, slug in (
        ("", "", 401, "not_authenticated"),
        ("Bearer x", "", 401, "token_refused"),
        ("user", "?all=1", 403, "role_needed"),
        ("user", f"?token={wire.tokens['user'].split()[1]}", 400, "invalid_parameter"),
        ("user", f"?kinds={','.join('abcdefghijklmnopqrstuvwxyz')}", 400, "invalid_parameter"),
    ):
        refused = wire.events(who, query)
        assert (refused.status, refused.error()) == (status, slug)
    connection = http.client.HTTPConnection("127.0.0.1", wire.port, timeout=10)
    connection.request("POST", "/events", headers={"Authorization": wire.tokens["user"]})
    assert connection.getresponse().status == 405
    connection.close()
    # One of them is kept: a user gets none of the last two, an administrator does.
    places = wire.manager.events._places
    places.share = Share(size=len(places) + 2, per_account=20, per_address=400, kept=1)
    wire.events()
    full = wire.events()
    assert (full.status, full.error()) == (503, "overloaded")
    assert wire.events("admin").status == 200
    # Another time an account has its share, while others are let in.
    places.share = Share(size=2000, per_account=1, per_address=400, kept=0)
    full = wire.events()
    assert (full.status, full.error()) == (429, "too_many_at_once")
    assert wire.events("other").status == 200


def test_blocked(wire: Wire) -> None:
    """A blocked account's connections end at once, others' do not; coming again it is told why."""
    mine, others = wire.events("user"), wire.events("other")
    wire.cloud.call("admin.user.edit", {"user_id": wire.cloud.user_id, "active": False}, account="admin")
    while mine.next() is not None:
        pass
    assert wire.events("user").error() == "account_blocked"
    wire.mark()
    assert len(others.take(1)) == 1


def test_cloud_manager(wire: Wire) -> None:
    """
    A cloud manager's token opens a connection once. With ``all`` each event says whom of its people it concerns; it
    ends with the trust in its key.
    """
    person = run(partial(wire.manager.services.authenticator.authenticate, wire.signed(7), ""))
    once = authorization(wire.signed(0, Role.ADMIN))
    feed = wire.events(once, "?all=1&kinds=user,template,image")
    assert wire.events(once, "?all=1").error() == "token_refused"
    theirs = wire.events(authorization(wire.signed(7)))
    wire.change("user", wire.cloud.user_id, wire.cloud.user_id)
    wire.change("user", person.account_id, person.account_id)
    wire.mark()
    told = []
    while not told or told[-1]["kind"] != "template":
        event = feed.next()
        assert event is not None
        told.append(event[1])
    found = {(data["kind"], data["object_id"]): data["audience"] for data in told}
    nobody: dict[str, Any] = {"users": [], "groups": [], "public": False}
    assert found["user", wire.cloud.user_id] == nobody
    assert found["user", person.account_id] == {**nobody, "users": [7]}
    assert found["template", wire.cloud.template_id] == {**nobody, "public": True}
    own = [data["object_id"] for _, data in theirs.take(2)]
    assert own == [person.account_id, wire.cloud.template_id]
    wire.cloud.call("admin.trust.delete", ["a-1"], account="admin")
    for each in (feed, theirs):
        while each.next() is not None:
            pass


def test_cloud_manager_blocks(wire: Wire) -> None:
    """Whoever their cloud manager blocks is cut off, though their token opened the connection long ago."""
    theirs = wire.events(authorization(wire.signed(7)))
    execute, view = wire.manager.executor.execute, wire.manager.registry.get("admin.cloud.put_users")
    users = [{"external_id": "7", "login": "user7", "version": 1, "active": False}]
    arguments, _ = view.bind({"users": users})
    made = wire.manager.services.authenticator
    caller = run(partial(made.authenticate, wire.signed(0, Role.ADMIN), ""))
    run(lambda: execute(view, caller, arguments, Control("test")))
    while theirs.next() is not None:
        pass


def test_heartbeat(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent connection is heard of, and its cursor grows older with the feed, not with its own events."""
    monkeypatch.setattr("cm.rpc.events.BEAT_S", 0.2)
    others = wire.events("other")
    for _ in range(2):
        before, beats = others.cursor, 0
        wire.change("user", wire.cloud.user_id, wire.cloud.user_id)
        for _ in range(1000):  # lines, of a beat every 0.2 s
            line = others.answer.readline()
            beats += line.startswith(b":")
            if line.startswith(b"id: "):
                others.cursor = line.decode().split()[1]
                if beats and others.cursor != before:
                    break
        assert beats and others.cursor != before
    wire.mark()
    again = wire.events("other", f"?cursor={others.cursor}")
    assert [data["kind"] for _, data in again.take(1)] == ["template"]


def burst(wire: Wire, count: int) -> None:
    """Changes of 2.3 kB each, more than the buffers of both ends hold."""

    def write(session: Any) -> None:
        for _ in range(100):
            record_change(session, "template", wire.cloud.template_id, None)

    wire.cloud.sql("UPDATE template SET description = repeat('x', 2000)")
    for _ in range(count // 100):
        wire.manager.database.transact_now(write)


def test_slow_reader(wire: Wire) -> None:
    """One who reads slowly has everything in the end, once; and few bytes wait for it meanwhile."""
    slow, quick = wire.events("user"), wire.events("other")
    count = 4000
    rows: list[int] = []
    reading = threading.Thread(target=lambda: rows.append(len(quick.take(count))))
    reading.start()
    burst(wire, count)
    reading.join(30)
    assert rows == [count]
    (stream,) = [stream for stream in wire.manager.events._streams if stream.identity.login == "user"]
    assert stream.stalled_since is not None and stream._waiting_bytes < 3_000_000
    seen = set()
    for _ in range(count):
        assert slow.next() is not None
        seen.add(slow.cursor)
    assert len(seen) == count and slow.cursor == quick.cursor
    wire.mark()
    assert (len(slow.take(1)), len(quick.take(1))) == (1, 1) and slow.cursor == quick.cursor


def test_stalled_reader(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """One who does not read at all is cut off, and goes on from its cursor without a gap."""
    monkeypatch.setattr("cm.rpc.events.STALL_S", 0.5)
    stalled = socket.create_connection(("127.0.0.1", wire.port))
    head = f"GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: {wire.tokens['user']}\r\n\r\n"
    stalled.sendall(head.encode())
    until(lambda: len(wire.manager.events) == 1)
    count = 4000
    burst(wire, count)
    until(lambda: len(wire.manager.events) == 0)
    received = b""
    try:
        while chunk := stalled.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    stalled.close()
    cursors = [line[4:].decode() for line in received.split(b"\n") if line.startswith(b"id: ") and len(line) > 20]
    had = len(cursors) - 2  # the first is where it began, the last may be broken off
    assert 0 < had < count
    rest = wire.events("user", f"?cursor={cursors[-2]}")
    assert len(rest.take(count - had)) == count - had
    wire.mark()
    assert len(rest.take(1)) == 1


def test_stop(wire: Wire) -> None:
    """A cluster manager that stops ends its connections in order."""
    mine = wire.events("user")
    wire.cloud.stop()
    assert mine.next() is None


# ------------------------------------------------------------------ the graph of objects


class Graph:
    """A reader of the graph, and what they have."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.objects: dict[str, Any] = {}
        self.told: list[tuple[str, frozenset[str]]] = []

    def until(self, holds: Any) -> None:
        while not holds(self.objects):
            found = self.events.next()
            assert found is not None, self.told
            name, data = found
            assert name == data["type"]
            self.told.append((name, frozenset(data["items"])))
            for uuid, item in data["items"].items():
                if name == "enter":
                    self.objects[uuid] = item
                else:
                    assert item == 0 and self.objects.pop(uuid)

    def powers(self) -> list[str]:
        return sorted(each["power_state"] for each in self.objects.values() if each["type"] == "VM")


def whole(wire: Wire, who: str, filter: str = "") -> dict[str, Any]:
    role = "admin" if who == "admin" else "user"
    return {each["UUID"]: each for each in wire.cloud.call(f"{role}.object.get_all", {"filter": filter}, account=who)}


def test_graph(wire: Wire) -> None:
    """Each reader is told of the graph as it is to them, and of each change by what they see of it."""
    mine, others = Graph(wire.events("user", "?objects=1")), Graph(wire.events("other", "?objects=1&filter=type:VM"))
    running = Graph(wire.events("admin", "?all=1&objects=1&filter=type:VM%20power_state:running"))
    mine.until(lambda objects: len(objects) == len(whole(wire, "user")))
    vm = wire.cloud.create(name="seen")
    mine.until(lambda objects: mine.powers() == ["Running"])
    mine.until(lambda objects: objects == whole(wire, "user"))
    running.until(lambda objects: list(objects) == [vm["uuid"]])
    grant = {"kind": "vm", "object_id": vm["vm_id"], "login": "other"}
    wire.cloud.call("user.acl.set", {**grant, "level": "user"})
    others.until(lambda objects: list(objects) == [vm["uuid"]])
    wire.cloud.call("user.acl.set", {**grant, "level": None})
    others.until(lambda objects: not objects)
    assert [name for name, _ in others.told][-1] == "exit"
    wire.cloud.wait(vm["vm_id"], "running")
    wire.cloud.call("user.vm.stop", {"vm_id": vm["vm_id"]})
    running.until(lambda objects: not objects)
    mine.until(lambda objects: mine.powers() == ["Halted"])
    wire.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    mine.until(lambda objects: mine.powers() == [])
    mine.until(lambda objects: objects == whole(wire, "user"))
    for each in (mine, running):
        assert {name for name, _ in each.told} == {"enter", "exit"}


def test_graph_refused(wire: Wire) -> None:
    """A filter that is none, and what does not go together; none of them keeps a place."""
    for query in ("?objects=1&filter=(", "?filter=a", "?objects=1&kinds=vm", "?objects=1&filter=" + "!" * 200):
        refused = wire.events("user", query)
        assert refused.status == 400 and refused.error() == "invalid_parameter"
    assert not len(wire.manager.events) and not wire.manager.events._places._taken
