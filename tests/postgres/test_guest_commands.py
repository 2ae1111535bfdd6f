"""Our own agent in guests: what it is asked to do, by whom, until when; and what of it is anybody else's business."""

from __future__ import annotations

import json
import os
import pwd
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_builder import Peer, add_vm, change, result_of, value

from cm.rpc.errors import AgentNeeded, AgentRefused, AgentSilent, InvalidParameter
from cm.rpc.vocabulary import GuestCommandState
from cm.runtime.database import Database
from cm.services import guest_command
from cm.services.agent import enrol, issue_enrolment_token
from cm.services.guest_command import COMMAND_S, _enqueue, _seal, command_key, facts_of
from cm.store.guest_command import agent_of, collect
from contextualization.endpoint import Endpoint, site_of
from contextualization.guest.agent import asking as program
from contextualization.guest.agent import machine, shares, system, updating
from contextualization.guest.install import program as installed
from contextualization.guest.polls import CALLS_PER_S, SHORT_S, WAIT_S
from contextualization.settings import EndpointSettings
from contextualization.wire import Answer
from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.metadata import Forwarder
from support.cloud import MemoryCloud, reactor, run
from support.guest import Guest, rows

A, B = "10.128.0.5", "10.128.0.6"
KEY = "k" * 32
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7LpQ8eG1Sfbm5cLyZxmDnIM6oUOHpCyDRDmpjVXhRG ala"
PASSWORD = "Correct-horse-7"


# ------------------------------------------------------------------ the queue, as an agent asks


class Queue:
    """VM A's guest on node a, and B's on node b, which speak the agent's protocol; and who asks them."""

    def __init__(self, database: Database) -> None:
        self.peer = Peer(database)
        self.database = database
        for node, name, address in (("a", "A", A), ("b", "B", B)):
            self.peer.enrol(node)
            made = database.transact_now(
                lambda session, at=(node, name, address): add_vm(session, self.peer.ids, at[0], at[2], name=at[1])
            )
            self.peer.ids[name] = made

    def body(self, **said: Any) -> bytes:
        word = {"protocol": 1, "key": KEY, "version": program.VERSION, "actions": ["facts", "keys"]}
        return json.dumps({**word, **said}).encode()

    def say(self, what: str, node: str = "a", **said: Any) -> Answer:
        return self.peer.ask(node, A if node == "a" else B, f"/agent/{what}", "POST", self.body(**said))

    def poll(self, **said: Any) -> Any:
        answer = self.say("poll", wait_s=0, **said)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)["command"]

    def put(self, name: str = "A", **arguments: Any) -> int:
        vm_id = self.peer.ids[name]
        sealed = _seal(bytes(32), f"keys of {vm_id}", arguments)
        return self.database.transact_now(_enqueue, vm_id, 1, "keys", sealed)

    def outcome(self, command_id: int, give_up: bool = False) -> Any:
        return self.database.transact_now(collect, command_id, give_up)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


def test_in_turn(queue: Queue) -> None:
    """It is told which command is next until it begins, what that is once, and says once what became of it."""
    first = queue.put(user="ala")
    second = queue.put(user="ola")
    assert [queue.poll(), queue.poll()] == [first, first]
    begun = json.loads(queue.say("begin", command=first).body)
    assert COMMAND_S - 5 < begun.pop("left_s") < COMMAND_S
    assert begun == {"action": "keys", "arguments": {"user": "ala"}}
    assert queue.say("begin", command=first).status == 410
    assert value(queue.database, "SELECT arguments FROM guest_command WHERE id = :i", i=first) == ""
    assert queue.poll() == second
    assert queue.outcome(first).state is GuestCommandState.EXECUTING
    assert queue.say("result", command=second, ok=True).status == 410
    assert queue.say("result", command=first, ok=True, result=[SSH]).status == 200
    assert queue.say("result", command=first, ok=False, error="no").status == 410
    told = queue.outcome(first)
    assert (told.state, told.error) == (GuestCommandState.FINISHED, "") and told.result
    assert not queue.outcome(first).result  # it is told once


def test_too_late(queue: Queue) -> None:
    """What has not begun in time never does; what has may have been done, and nobody waits for its end."""
    never, begun = queue.put(), queue.put()
    assert queue.say("begin", command=begun).status == 200
    change(queue.database, "UPDATE guest_command SET expires_at = clock_timestamp() - interval '1 second'")
    assert queue.poll() is None and queue.say("begin", command=never).status == 410
    assert queue.outcome(never).state is GuestCommandState.EXPIRED
    assert queue.outcome(begun).state is GuestCommandState.TIMED_OUT
    assert queue.say("result", command=begun, ok=True).status == 410
    change(queue.database, "UPDATE guest_command SET expires_at = clock_timestamp() + interval '1 hour'")
    assert queue.poll() is None and queue.say("begin", command=never).status == 410
    left = queue.put()  # whoever asked has left
    assert queue.outcome(left, True).state is GuestCommandState.EXPIRED and queue.poll() is None


def test_woken(queue: Queue) -> None:
    """A poll is answered once there is something to do, or when its time or its node's is over, or by the next."""
    peer = queue.peer

    def wait(**headers: str) -> Any:
        asked = peer.signed("a", "POST", "/guest/agent/poll", queue.body(), bridge="wbr0", address=A, **headers)
        return peer.begin(asked)

    waits = wait(**{"X-Wawel-Wait": "25"})
    assert not waits.called
    command = queue.put()
    peer.clock.advance(1.0)  # without notifications the queue is looked at
    assert json.loads(result_of(waits).body) == {"command": command}
    queue.outcome(command, True)
    for headers, seconds in (({}, SHORT_S), ({"X-Wawel-Wait": "25"}, WAIT_S), ({"X-Wawel-Wait": "9999"}, WAIT_S)):
        waits = wait(**headers)
        for _ in range(int(seconds)):
            assert not waits.called
            peer.clock.advance(1.0)
        assert json.loads(result_of(waits).body) == {"command": None}
    first, second = wait(), wait()
    assert json.loads(result_of(first).body) == {"command": None} and not second.called
    second.addErrback(lambda _: None)
    second.cancel()


def test_whose(queue: Queue) -> None:
    """A guest's commands are its own; within it the first that spoke since the launch is the agent, nobody else."""
    command = queue.put()
    assert queue.poll() == command
    assert queue.say("begin", "b", command=command).status == 410
    assert json.loads(queue.say("poll", "b", wait_s=0).body) == {"command": None}
    other = {"key": "x" * 32, "command": command}
    assert queue.say("poll", **other).status == 403
    assert queue.say("begin", **other).status == 410
    begun = queue.say("begin", command=command)
    assert begun.status == 200
    assert queue.say("result", **other, ok=True).status == 410
    # Launched anew, it may be another program; what was asked before is over.
    late = queue.put()
    change(queue.database, "UPDATE vm SET launches = 2 WHERE id = :i", i=queue.peer.ids["A"])
    assert agent_now(queue) is None
    assert queue.say("poll", wait_s=0, **other).status == 200
    assert agent_now(queue) == (2, frozenset({"facts", "keys"}))
    assert queue.say("begin", **other | {"command": late}).status == 410


def agent_now(queue: Queue) -> Any:
    return queue.database.read_now(lambda session: agent_of(session, queue.peer.ids["A"]))


def test_other_node(queue: Queue) -> None:
    """Where a VM has moved on, the node before begins nothing for it."""
    command = queue.put()
    assert queue.poll() == command
    change(queue.database, "UPDATE vm SET node_id = :n WHERE id = :i", n=queue.peer.ids["b"], i=queue.peer.ids["A"])
    assert queue.say("begin", command=command).status == 404
    assert queue.outcome(command).state is GuestCommandState.PENDING


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"protocol": 2}, 400), ({"key": "short"}, 400), ({"key": 5}, 400), ({"key": "x" * 500}, 400),
        ({"command": "1"}, 400), ({"command": 2**70}, 400), ({"command": True}, 400), ({"command": 99}, 410),
    ],
)  # fmt: skip
def test_nonsense(queue: Queue, said: dict[str, Any], status: int) -> None:
    """What an agent would not say is refused, and changes nothing."""
    assert queue.say("begin", **said).status == status
    assert queue.peer.ask("a", A, "/agent/poll", "POST", b"[" * 99).status == 400
    assert queue.peer.ask("a", A, "/agent/poll", "POST", b"x" * 70_000).status == 413
    assert queue.peer.ask("a", A, "/agent/poll").status == 405
    assert queue.peer.ask("a", A, "/agent/moon", "POST", queue.body()).status == 404


def test_bounded(queue: Queue) -> None:
    """Of what it says so much is kept; one that floods is refused for the rest of the second; a queue is short."""
    many = ["a" * 99, "B", "a b", 5, None, *("x" + "abcdefghij"[n % 10] * (n // 10 + 1) for n in range(100))]
    queue.poll(actions=many, version="v\n" * 999)
    kept = value(queue.database, "SELECT actions FROM guest_agent")
    assert 0 < len(kept) <= 64 and all(len(each) <= 32 for each in kept)
    assert len(value(queue.database, "SELECT version FROM guest_agent")) <= 32
    for _ in range(8):
        queue.put()
    with pytest.raises(AgentSilent):
        queue.put()
    statuses = [queue.say("begin", command=99).status for _ in range(CALLS_PER_S + 5)]
    assert statuses.count(429) >= 5
    queue.peer.clock.advance(1.0)
    assert queue.say("begin", command=99).status == 410


def test_offered(queue: Queue, tmp_path: Path) -> None:
    """An agent of a version before is offered the newest, which the key that came with its installation verifies."""
    script = queue.peer.ask("a", A, "/agent/install").body.decode()
    told = re.search(r"^echo '(.*)' > /var/lib/wawel-guest/trusted$", script, re.MULTILINE)
    assert told is not None
    (tmp_path / updating.TRUSTED).write_text(told[1])
    key = updating.trusted(tmp_path)
    assert key is not None
    polled = json.loads(queue.say("poll", wait_s=0, version="1").body)
    assert polled["command"] is None
    file = tmp_path / "wawel-guest"

    def fetch(offset: int) -> Any:
        return json.loads(queue.say("program", offset=offset).body)

    assert updating.update(polled["update"], key, "1", fetch, file)
    assert file.read_bytes() == installed()
    for version in (program.VERSION, "99", "", "one"):
        assert json.loads(queue.say("poll", wait_s=0, version=version).body) == {"command": None}
    for offset in (-1, "0", None, 2**40):
        assert queue.say("program", offset=offset).status == 400
    queue.put()
    assert "update" not in json.loads(queue.say("poll", wait_s=0, version="1").body)


def test_facts() -> None:
    """Whatever a guest tells of itself, what is shown has its form, and its size."""
    for nonsense in (None, 5, "x", [], {"interfaces": 5, "users": {"a": 1}, "load": "x"}):
        told = facts_of(nonsense)
        assert told.interfaces == () and told.users == () and told.load == ()
    assert facts_of({}).silent == ("hostname", "os", "interfaces", "filesystems", "users")
    huge = {"name": "x\n" * 9999, "addresses": ["9" * 999] * 999, "total_bytes": 1e400, "since": -5, "used_bytes": "a"}
    told = facts_of({"hostname": {}, "interfaces": [huge] * 999, "filesystems": [huge] * 99, "users": [huge, 5]})
    assert len(told.interfaces) == 64 and len(told.interfaces[0].addresses) == 64
    assert len(told.interfaces[0].name) <= 255 and "\n" not in told.interfaces[0].name
    assert told.filesystems[0].total_bytes == 2**63 - 1 and told.filesystems[0].used_bytes == 0
    assert told.users[0].since == 0.0 and len(told.users) == 1


# ------------------------------------------------------------------ the whole way


class Inside:
    """The agent's own program in a thread, by a node's forwarder; of this machine it changes a directory alone."""

    def __init__(self, cloud: MemoryCloud, guest: Guest, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = directory / "home"
        self.home.mkdir()
        self.typed: list[tuple[list[str], str]] = []
        self.does: dict[str, Callable[[], None]] = {}  # by what is typed
        me = pwd.getpwuid(os.geteuid())

        def account(user: str) -> pwd.struct_passwd:
            if user != "ala":
                raise system.Failed(f"no user {user}")
            return pwd.struct_passwd((*me[:5], str(self.home), me[6]))

        real = system.run

        def run_program(argv: list[str], given: str = "", **more: Any) -> str:
            self.typed.append((argv, given))
            self.does.get(" ".join(argv), lambda: None)()
            return real(argv, given, **more) if argv[0] == "ssh-keygen" else "[]"

        monkeypatch.setattr(system, "account", account)
        monkeypatch.setattr(system, "run", run_program)
        monkeypatch.setattr(system, "has", lambda name: True)
        monkeypatch.setattr(system, "has_systemd", lambda: True)
        monkeypatch.setattr(machine, "HOSTS", directory / "hosts")
        monkeypatch.setattr(shares, "KEEP", directory / "keep")
        database, secret = cloud.manager.database, cloud.manager.policy.secret
        node_id = cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=guest.vm_id)
        token = database.transact_now(issue_enrolment_token, node_id)
        credential = Credential(node_id, database.transact_now(enrol, token, "boot", "1", "1").credential)
        cloud.sql("UPDATE network_lease SET address = '127.0.0.1' WHERE nic_id IS NOT NULL RETURNING 1")
        bridge = cloud.sql("SELECT bridge FROM network n JOIN nic c ON c.network_id = n.id WHERE c.vm_id = :v",
                           v=guest.vm_id)  # fmt: skip
        settings = EndpointSettings(b"k" * 32, command_key=command_key(secret))

        async def listen() -> Any:
            endpoint = Endpoint(database, settings, reactor, cloud.manager.listener)
            return reactor.listenTCP(0, site_of(endpoint, reactor), interface="127.0.0.1")

        self._port = run(listen)
        address = parse_endpoint(f"http://127.0.0.1:{self._port.getHost().port}")
        self.forwarder = Forwarder(bridge, lambda: Client(address, credential), ("127.0.0.1", 0), bind_device=False)
        self.agent = program.Agent(f"http://127.0.0.1:{self.forwarder.port}", directory / "state")
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self.agent.turn(2.0)
            except (OSError, program.Refused):
                time.sleep(0.05)

    def stop(self) -> None:
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(20)
        self.forwarder.close()

        async def close() -> None:
            await self._port.stopListening()

        run(close)


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def guest(cloud: MemoryCloud) -> Guest:
    return Guest(cloud, ssh_key=SSH, ssh_username="ala")


@pytest.fixture
def inside(cloud: MemoryCloud, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    made = Inside(cloud, guest, tmp_path, monkeypatch)
    yield made
    made.stop()


def test_asked(cloud: MemoryCloud, guest: Guest, inside: Inside) -> None:
    """
    Where our agent speaks it is asked and named, before QEMU's; that it refuses is told with its reason; a password is
    nobody's but the guest's.
    """
    guest.node.agents[guest.uuid] = True
    inside.start()
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM guest_agent"), "it has called")
    ask = {"vm_id": guest.vm_id}
    told = cloud.call("user.vm.guest_info", ask)
    assert told["way"] == "wawel" and told["hostname"] and len(told["load"]) == 3
    told = cloud.call("user.vm.password_reset", {**ask, "password": PASSWORD})
    assert told == {"vm_id": guest.vm_id, "way": "wawel", "user": "ala", "password": None}
    assert inside.typed[-1] == (["chpasswd"], f"ala:{PASSWORD}\n")
    other = SSH.replace("RG ala", "RH ola")
    assert cloud.call("user.vm.install_keys", {**ask, "keys": f"{SSH}\n{other}\n{SSH}"})["keys"] == [SSH, other]
    file = inside.home / ".ssh" / "authorized_keys"
    assert file.read_text() == f"{SSH}\n{other}\n" and file.stat().st_mode & 0o777 == 0o600
    assert cloud.call("user.vm.remove_keys", {**ask, "keys": SSH})["keys"] == [other]
    with pytest.raises(AgentRefused, match="no user ola"):
        cloud.call("user.vm.install_keys", {**ask, "keys": SSH, "user": "ola"})
    assert guest.node.insides.get(guest.uuid) is None  # QEMU's was asked for nothing
    tables = ("audit", "guest_command", "request")
    kept = [str(row) for table in tables for row in rows(cloud, f"SELECT * FROM {table}")]
    assert kept and not [row for row in kept if PASSWORD in row]
    assert rows(cloud, "SELECT DISTINCT arguments, result FROM guest_command") == [("", "")]


def test_silent(cloud: MemoryCloud, guest: Guest, inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has spoken and hangs now is told nothing: nobody waits for long, and it never does what it was asked."""
    monkeypatch.setattr(guest_command, "COMMAND_S", 0.4)
    assert not inside.agent.turn(0.0)
    with pytest.raises(AgentSilent, match="did not begin"):
        cloud.call("user.vm.install_keys", {"vm_id": guest.vm_id, "keys": SSH})
    assert not inside.agent.turn(0.0)
    assert rows(cloud, "SELECT state, arguments FROM guest_command") == [("expired", "")]
    assert not (inside.home / ".ssh").exists()
    # One that has not spoken for long is not asked any more: QEMU's is.
    cloud.sql("UPDATE guest_agent SET seen_at = seen_at - interval '1 minute' RETURNING 1")
    guest.node.agents[guest.uuid] = True
    assert cloud.call("user.vm.guest_info", {"vm_id": guest.vm_id})["way"] == "agent"


def called(cloud: MemoryCloud, inside: Inside) -> None:
    inside.start()
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM guest_agent"), "it has called")


def test_of_the_whole(cloud: MemoryCloud, guest: Guest, inside: Inside) -> None:
    """Its name, a key of an account's own and its root file system, which take our agent; each is in its history."""
    called(cloud, inside)
    ask = {"vm_id": guest.vm_id}
    told = cloud.call("user.vm.set_hostname", {**ask, "hostname": "web"})
    assert told["way"] == "wawel" and (["hostnamectl", "set-hostname", "web"], "") in inside.typed
    with pytest.raises(InvalidParameter):
        cloud.call("user.vm.set_hostname", {**ask, "hostname": "a b"})
    assert cloud.call("user.vm.set_hosts", {**ask, "hosts": "10.0.0.5 db\n\n# nobody\n"})["way"] == "wawel"
    assert "10.0.0.5 db\n" in machine.HOSTS.read_text()
    for wrong in ("db 10.0.0.5", "10.0.0.5", "10.0.0.5 a_b", "10.0.0.5 db\n" * 2000):
        with pytest.raises(InvalidParameter):
            cloud.call("user.vm.set_hosts", {**ask, "hosts": wrong})
    told = cloud.call("user.vm.generate_key", ask)
    assert (told["user"], told["made"]) == ("ala", True) and told["public_key"].startswith("ssh-ed25519 ")
    assert (inside.home / ".ssh" / "id_ed25519.pub").read_text().strip() == told["public_key"]
    assert cloud.call("user.vm.generate_key", ask) == {**told, "made": False}
    with pytest.raises(AgentRefused, match="no user ola"):
        cloud.call("user.vm.generate_key", {**ask, "user": "ola"})
    try:
        grown = cloud.call("user.vm.grow_root", ask)
        assert grown["total_bytes"] >= grown["before_bytes"] > 0
    except AgentRefused as refused:  # what this machine's own root is on
        assert "root file system" in str(refused) or "partition" in str(refused)
    codes = rows(cloud, "SELECT code FROM vm_event ORDER BY id")
    assert [code for (code,) in codes][:2] == ["set_hostname", "generate_key"]


def test_shares(cloud: MemoryCloud, guest: Guest, inside: Inside, tmp_path: Path) -> None:
    """What another host shares is mounted; the password has been nowhere but in the guest."""
    called(cloud, inside)
    point = tmp_path.resolve() / "data"
    ask = {"vm_id": guest.vm_id, "mountpoint": str(point)}
    smb = {**ask, "kind": "cifs", "source": "//nas/data", "user": "ala", "password": PASSWORD}
    assert cloud.call("user.vm.mount_share", smb)["way"] == "wawel"
    (argv, _) = inside.typed[-1]
    assert argv[:3] == ["mount", "-t", "cifs"] and argv[-2:] == ["//nas/data", str(point)] and PASSWORD not in str(argv)
    for wrong in (
        {"kind": "nfs", "source": "nas:/a", "password": PASSWORD}, {"kind": "sshfs", "source": "nas:a"},
        {"kind": "cifs", "source": "//nas/a", "key": "k"}, {"kind": "nfs", "source": "-o x"},
        {"kind": "nfs", "source": "nas:/a", "mountpoint": "data"},
    ):
        with pytest.raises(InvalidParameter):
            cloud.call("user.vm.mount_share", {**ask, **wrong})
    with pytest.raises(AgentRefused, match="no share"):
        cloud.call("user.vm.unmount_share", ask)
    tables = ("audit", "guest_command", "request", "vm_event")
    kept = [str(row) for table in tables for row in rows(cloud, f"SELECT * FROM {table}")]
    assert kept and not [row for row in kept if PASSWORD in row]


def test_needed(cloud: MemoryCloud, guest: Guest, inside: Inside) -> None:
    """A guest without our agent, or with one of before, is refused with that reason, though it has QEMU's."""
    guest.node.agents[guest.uuid] = True
    ask = {"vm_id": guest.vm_id, "hostname": "web"}
    with pytest.raises(AgentNeeded, match="has none"):
        cloud.call("user.vm.set_hostname", ask)
    assert not inside.agent.turn(0.0)
    cloud.sql("UPDATE guest_agent SET actions = '[\"facts\"]' RETURNING 1")
    with pytest.raises(AgentNeeded, match="another version"):
        cloud.call("user.vm.set_hostname", ask)


def test_power(cloud: MemoryCloud, guest: Guest, inside: Inside) -> None:
    """It reboots and shuts down by its agent, which is told."""
    node = guest.node
    node.agents[guest.uuid] = True
    called(cloud, inside)
    assert cloud.call("user.vm.reboot", {"vm_id": guest.vm_id}) == {"vm_id": guest.vm_id, "way": "wawel"}
    assert inside.typed[-1][0] == ["systemctl", "--no-block", "reboot"]
    inside.does["systemctl --no-block poweroff"] = lambda: node.guest_power_off(guest.uuid)
    asked = cloud.call("user.vm.shutdown", {"vm_id": guest.vm_id})
    ended = cloud.ended(asked["operation_id"])
    assert (ended["state"], ended["result"]) == ("done", {"way": "wawel"})
    assert node.insides.get(guest.uuid) is None  # QEMU's was asked for nothing


def test_power_refused(cloud: MemoryCloud, guest: Guest, inside: Inside) -> None:
    """An agent that refuses to reboot has said so; one that refuses to shut down is no reason to go on."""
    def fails() -> None:
        raise system.Failed("systemctl: no")

    inside.does["systemctl --no-block poweroff"] = inside.does["systemctl --no-block reboot"] = fails
    called(cloud, inside)
    with pytest.raises(AgentRefused, match="systemctl: no"):
        cloud.call("user.vm.reboot", {"vm_id": guest.vm_id})
    assert guest.node.world.pressed == []
    asked = cloud.call("user.vm.shutdown", {"vm_id": guest.vm_id})
    assert cloud.ended(asked["operation_id"])["result"] == {"way": "button"}
