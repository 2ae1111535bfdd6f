"""Xen Orchestra's session over a WebSocket: who signs in, what they call, what they are told, and what ends it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from wsproto.events import TextMessage

from cm.rpc.websocket_client import Socket
from cm.rpc.xo_method import GRANULARITIES, METHODS, NOW, pattern_filter
from cm.rpc.xo_session import EXPIRED, MESSAGE_MAX
from cm.runtime.wall import unix_seconds
from cm.store.sample import Kind, NewSample, begin_progress, number_layouts, write_samples
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud

PASSWORD = "correct horse battery"


class Client:
    """As one of theirs: calls by name, and a picture of the objects that follows what is pushed."""

    def __init__(self, port: int) -> None:
        self.socket = Socket(f"ws://127.0.0.1:{port}/api/", timeout_s=20)
        self.objects: dict[str, dict[str, Any]] = {}
        self.pushed: list[str] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0

    def send(self, text: str) -> None:
        self.socket._socket.sendall(self.socket._connection.send(TextMessage(text)))

    def _take(self, seconds: float) -> None:
        self.socket.receive(seconds)
        told, self.socket.told = self.socket.told, []
        for each in map(json.loads, told):
            if each.get("method") != "all":
                self._answers[each["id"]] = each
                continue
            self.pushed.append(each["params"]["type"])
            if each["params"]["type"] == "enter":
                self.objects |= each["params"]["items"]
            else:
                for uuid in each["params"]["items"]:
                    self.objects.pop(uuid, None)  # it may have gone before it was loaded

    def ask(self, method: str, **params: Any) -> int:
        self._number += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}))
        return self._number

    def answer(self, number: int | None, seconds: float = 30) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while number not in self._answers:
            assert self.socket.open and time.monotonic() < until, (number, self.socket.code, self.socket.reason)
            self._take(0.05)
        return self._answers.pop(number)

    def call(self, method: str, **params: Any) -> Any:
        answer = self.answer(self.ask(method, **params))
        assert "error" not in answer, answer
        return answer["result"]

    def refused(self, method: str, **params: Any) -> tuple[int, str]:
        error = self.answer(self.ask(method, **params))["error"]
        return error["code"], error["data"]["code"]

    def load(self) -> None:
        self.objects = self.call("xo.getAllObjects")

    def until(self, condition: Any, what: str, seconds: float = 20) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, (what, self.objects)
            self._take(0.05)

    def ended(self) -> tuple[int | None, str]:
        while self.socket.open:
            self._take(20)
        return self.socket.code, self.socket.reason


def _measure(session: Any, vm_id: int, at: int) -> None:
    begin_progress(session, at)
    names = ("vcpu/0", "vcpu/1", "memory", "read_bytes/vda")
    made = [NewSample(Kind.VM, vm_id, at, names, (25.0, 75.0, 2.0**27, 4096.0))]
    write_samples(session, made, number_layouts(session, {names}))


class Orchestra:
    def __init__(self, url: str, directory: Path) -> None:
        self.cloud = MemoryCloud(url, directory, rpc="127.0.0.1:0")
        self.port = self.cloud.manager.ports[0].getHost().port
        self.clients: list[Client] = []
        self.cloud.call("admin.storage.edit", {"storage_id": 1, "offered": True}, account="admin")
        for account_id in (self.cloud.admin_id, self.cloud.user_id, self.cloud.other_id):
            self.cloud.call("admin.user.set_password", [account_id, PASSWORD], account="admin")

    def client(self, who: str = "") -> Client:
        made = Client(self.port)
        self.clients.append(made)
        if who:
            made.call("session.signIn", **self.credentials(who))
            made.load()
        return made

    def credentials(self, who: str) -> dict[str, str]:
        return {"username": who, "password": PASSWORD}

    def vm(self, name: str = "web") -> tuple[int, str]:
        made = self.cloud.wait(self.cloud.create(name=name)["vm_id"], "running")
        return made["vm_id"], made["uuid"]

    def close(self) -> None:
        for each in self.clients:
            each.socket.close()
        self.cloud.stop()


@pytest.fixture(scope="module")
def orchestra(postgres: PrivatePostgres, tmp_path_factory: Any) -> Iterator[Orchestra]:
    postgres.create_database("orchestra", template="wawel_template")
    made = Orchestra(postgres.url("orchestra"), tmp_path_factory.mktemp("orchestra"))
    yield made
    made.close()
    postgres.drop_database("orchestra")


def test_who(orchestra: Orchestra) -> None:
    """Nobody sees anything; wrong credentials are told as such; who signs out is nobody again."""
    client = orchestra.client()
    assert client.call("session.getUser") is None
    assert client.refused("xo.getAllObjects") == (3, "not_authenticated")
    assert client.refused("vm.start", id="x") == (3, "not_authenticated")
    for wrong in ({}, {"username": "user"}, {"username": "user", "password": "nope"}, {"token": "x.y.z"}, {"token": 7}):
        assert client.refused("session.signIn", **wrong)[0] == 3
    user = client.call("session.signIn", **orchestra.credentials("user"))
    assert (user["name"], user["permission"]) == ("user", "none") and client.call("session.getUser") == user
    assert client.call("xo.getAllObjects", filter="type:pool")
    assert client.call("session.signOut") is True and client.call("session.getUser") is None
    assert client.refused("xo.getAllObjects")[0] == 3


def test_methods(orchestra: Orchestra) -> None:
    """They tell of themselves, and each is done by views that there are."""
    client = orchestra.client()
    names = client.call("system.listMethods")
    told = client.call("system.getMethodsInfo")
    assert sorted(told) == names and set(METHODS) < set(names)
    assert client.call("system.methodSignature", name="vm.start")[0]["params"]["id"]["type"] == "string"
    assert client.refused("vm.explode") == (-32601, "unknown_method")
    registry = orchestra.cloud.manager.registry
    ones = {"id": 1, "vm_id": 1, "disk_id": 1, "node_id": 1, "storage_id": 1}
    for name, method in METHODS.items():
        values = {each: True if bool in types else 1 if int in types else "x" for each, types in method.values.items()}
        values |= {"granularity": "hours", NOW: 1_772_366_400}
        for ask in method.asks({each: ones for each in method.objects}, values):
            view = registry.find(f"{'admin' if method.administrators else 'user'}.{ask.view}")
            assert view is not None, name
            view.bind(ask.arguments)


def test_life(orchestra: Orchestra) -> None:
    """A VM's life by their methods: each is answered when it is done, and everybody who sees it is told."""
    vm_id, uuid = orchestra.vm()
    mine, theirs, admin = orchestra.client("user"), orchestra.client("other"), orchestra.client("admin")
    assert mine.objects[uuid]["power_state"] == "Running" and uuid not in theirs.objects
    mine.call("vm.set", id=uuid, name_label="renamed", name_description="by a session")
    mine.call("tag.add", id=uuid, tag="team=red")
    mine.call("vm.pause", id=uuid)
    assert orchestra.cloud.vm(vm_id)["state"] == "paused"
    mine.call("vm.unpause", id=uuid)
    mine.call("vm.suspend", id=uuid)
    mine.call("vm.resume", id=uuid)
    admin.call("vm.stop", id=uuid, force=True)
    assert orchestra.cloud.vm(vm_id)["state"] == "stopped"
    assert mine.refused("vm.pause", id=uuid) == (13, "vm_wrong_state")
    for client in (mine, admin):
        client.until(lambda: client.objects[uuid]["power_state"] == "Halted", "it is off")  # noqa: B023 called now
    assert mine.objects[uuid]["name_label"] == "renamed" and mine.objects[uuid]["tags"] == ["team=red"]
    mine.call("vm.start", id=uuid)
    mine.call("vm.delete", id=uuid)
    for client in (mine, admin):
        client.until(lambda: uuid not in client.objects, "it is gone")  # noqa: B023 called now
    assert theirs.pushed.count("enter") == 0 and orchestra.cloud.leaks() == []
    fresh = orchestra.client("user")
    mine.until(lambda: mine.objects == fresh.objects, "what was pushed is what there is")


def test_disks(orchestra: Orchestra) -> None:
    """A disk is made, attached, found by its VBD, detached, grown and deleted."""
    _, uuid = orchestra.vm("disked")
    mine = orchestra.client("user")
    sr = next(each["UUID"] for each in mine.objects.values() if each["type"] == "SR")
    vdi = mine.call("disk.create", name="data", size=2**20, sr=sr)
    mine.call("vm.attachDisk", vm=uuid, vdi=vdi)
    mine.until(lambda: mine.objects.get(vdi, {}).get("$VBD"), "it has a VBD")
    vbd = mine.objects[vdi]["$VBD"]
    assert mine.objects[vbd] == {"type": "VBD", "UUID": vbd, "VDI": vdi, "VM": uuid}
    assert mine.call("vbd.connect", id=vbd) is True
    assert orchestra.client("other").refused("vbd.disconnect", id=vbd) == (1, "no_such_object")
    mine.call("vbd.disconnect", id=vbd)
    mine.until(lambda: vbd not in mine.objects, "it is detached")
    assert mine.refused("vbd.disconnect", id=vbd) == (1, "no_such_object")
    mine.call("vdi.set", id=vdi, name_label="more", size=3 * 2**20)
    mine.until(lambda: mine.objects[vdi]["size"] == 3 * 2**20, "it has grown")
    assert mine.refused("vdi.set", id=vdi, size=2**20)[0] == 10
    mine.call("vdi.delete", id=vdi)
    mine.until(lambda: vdi not in mine.objects, "it is in the trash")
    mine.call("vm.delete", id=uuid)


def test_administrators(orchestra: Orchestra) -> None:
    """Hosts, PBDs and SRs are theirs, and nobody else's."""
    admin, mine = orchestra.client("admin"), orchestra.client("user")
    host = next(each for each in admin.objects.values() if each["type"] == "host")
    sr = next(each for each in admin.objects.values() if each["type"] == "SR")
    pbd = next(each for each in admin.objects.values() if each["type"] == "PBD" and each["host"] == host["UUID"])
    for method, params in (
        ("host.disable", {"id": host["UUID"]}), ("sr.scan", {"id": sr["UUID"]}),
        ("pbd.disconnect", {"id": pbd["UUID"]}), ("pool.setDefaultSr", {"sr": sr["UUID"]}),
    ):  # fmt: skip
        assert mine.refused(method, **params) == (2, "role_needed")
    admin.call("host.disable", id=host["UUID"])
    admin.until(lambda: not admin.objects[host["UUID"]]["enabled"], "it is disabled")
    admin.call("host.enable", id=host["UUID"])
    admin.call("host.setMaintenanceMode", id=host["UUID"], maintenance=True)
    admin.call("host.setMaintenanceMode", id=host["UUID"], maintenance=False)
    admin.until(lambda: admin.objects[host["UUID"]]["enabled"], "it takes VMs again")
    admin.call("pbd.disconnect", id=pbd["UUID"])
    admin.until(lambda: not admin.objects.get(pbd["UUID"], {}).get("attached"), "its storage is detached")
    if pbd["UUID"] in admin.objects:
        admin.call("pbd.connect", id=pbd["UUID"])
    else:
        found = orchestra.cloud.call("admin.object.find", {"uuids": [host["UUID"], sr["UUID"]]}, account="admin")
        node, storage = (each["id"] for each in found)
        orchestra.cloud.call("admin.storage.attach", {"storage_id": storage, "node_id": node}, account="admin")
    admin.call("sr.scan", id=sr["UUID"])
    admin.call("pool.setDefaultSr", sr=sr["UUID"])
    admin.until(
        lambda: any(each.get("default_SR") == sr["UUID"] for each in admin.objects.values()), "it is the default"
    )


def test_statistics(orchestra: Orchestra) -> None:
    """What was measured, at each of their granularities: by devices in their order, and to the end of the last step."""
    vm_id, uuid = orchestra.vm("measured")
    now = int(unix_seconds())
    orchestra.cloud.manager.database.transact_now(_measure, vm_id, now)
    mine = orchestra.client("user")
    for name, (step, count) in GRANULARITIES.items():
        told = mine.call("vm.stats", id=uuid, granularity=name)
        stats = told["stats"]
        assert told["interval"] == step and now <= told["endTimestamp"] <= now + 60
        assert list(stats["cpus"]) == ["0", "1"] and list(stats["xvds"]["r"]) == ["0"], name
        assert all(len(each) <= count for each in (*stats["cpus"].values(), stats["memory"]))
        if name == "seconds":
            assert (stats["cpus"]["1"].count(75.0), stats["memory"].count(2**27), "vifs" in stats) == (1, 1, False)
    assert mine.refused("vm.stats", id=uuid, granularity="years")[0] == 10
    admin = orchestra.client("admin")
    host = next(each["UUID"] for each in admin.objects.values() if each["type"] == "host")
    assert set(admin.call("host.stats", id=host)["stats"]) <= {"cpus", "memory", "memoryFree", "load"}
    mine.call("vm.delete", id=uuid)


def test_rights_are_lost(orchestra: Orchestra) -> None:
    """Who may see a VM no more is told that it exits; who is blocked is put out."""
    vm_id, uuid = orchestra.vm("shared")
    share = {"kind": "vm", "object_id": vm_id, "login": "other"}
    theirs = orchestra.client("other")
    orchestra.cloud.call("user.acl.set", {**share, "level": "user"})
    theirs.until(lambda: uuid in theirs.objects, "it enters")
    assert theirs.refused("vm.stop", id=uuid, force=True) == (2, "access_needed")
    orchestra.cloud.call("user.acl.set", {**share, "level": None})
    theirs.until(lambda: uuid not in theirs.objects, "it exits")
    block = {"user_id": orchestra.cloud.other_id, "active": False}
    orchestra.cloud.call("admin.user.edit", block, account="admin")
    assert theirs.ended() == (EXPIRED, "the session has ended")
    orchestra.cloud.call("admin.user.edit", {**block, "active": True}, account="admin")
    orchestra.cloud.call("user.vm.destroy", {"vm_ids": [vm_id]})


def test_bad_messages(orchestra: Orchestra) -> None:
    """What is no request is told so, and the session goes on; what is too long, or no text, ends it."""
    client = orchestra.client("user")
    for text, code in (
        ("{", -32700), ("[]", -32600), ('{"jsonrpc":"1.0","method":"x","id":1}', -32600), ("[" * 5000, 10),
        ('"\\ud800"', -32700),
    ):  # fmt: skip
        client.send(text)
        assert client.answer(None)["error"]["code"] == code, text
    for params in ({"id": 7}, {"id": "no uuid"}, {}, {"id": "x", "wrong": 1}, {"id": "x", "force": 1}):
        assert client.refused("vm.stop", **params)[0] == 10
    assert client.refused("vm.stop", id="00000000-0000-0000-0000-000000000001") == (1, "no_such_object")
    for asked in ({"type": None}, {"a": {}}, "(", 7):
        assert client.refused("xo.getAllObjects", filter=asked)[0] == 10
    assert client.call("xo.getAllObjects", **{"filter": {"type": "pool"}, "limit": 1})
    client.send("x" * (MESSAGE_MAX + 1))
    assert client.ended()[0] == 1009
    client = orchestra.client()
    client.socket.send(b"bytes")
    assert client.ended()[0] == 1003


def test_patterns() -> None:
    assert pattern_filter({"type": "VM", "memory": {"size": 5}}) == '"type":/^VM$/ "memory":("size":5)'
    with pytest.raises(ValueError):
        pattern_filter({"type": ["VM"]})


def test_stopped(orchestra: Orchestra) -> None:
    """Sessions end with the manager's, in order, and nobody is let in beyond their share."""
    before = len(orchestra.cloud.manager.xo_sessions)
    client = orchestra.client()
    assert len(orchestra.cloud.manager.xo_sessions) == before + 1
    client.socket.close()
    orchestra.cloud.until(lambda: len(orchestra.cloud.manager.xo_sessions) == before, "it left")
    assert len(orchestra.cloud.manager.xo_sessions.places) == before
    last = orchestra.client("user")
    reactor.callFromThread(orchestra.cloud.manager.xo_sessions.stop)
    assert last.ended()[0] == 1001
