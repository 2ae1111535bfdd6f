"""VMs' serial consoles: who may speak to them, by which ticket, and what ends it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc import console as wire
from cm.rpc.errors import (
    AccountBlocked,
    MalformedRequest,
    NotAuthenticated,
    ObjectNotFound,
    Overloaded,
    TicketRefused,
    TooManyAtOnce,
    WrongVMState,
)
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.rpc.websocket_client import Socket
from cm.rules.access import AccessNeeded
from cm.services import console as service
from cm.services.console import TICKETS_MAX
from lab.postgres import PrivatePostgres
from support.cloud import MemoryCloud, run
from tests.unit.console.terminal import PROGRAM, Terminal


class Desk:
    """A cluster with its port open, a VM of ``user`` that runs, and whatever was opened."""

    def __init__(self, url: str, directory: Path) -> None:
        self.cloud = MemoryCloud(url, directory, rpc="127.0.0.1:0")
        self.port = self.cloud.manager.ports[0].getHost().port
        self.vm = self.start("spoken")
        self.vm_id = self.vm["vm_id"]
        self.opened: list[Socket] = []

    def start(self, name: str) -> dict[str, Any]:
        return self.cloud.wait(self.cloud.create(name=name)["vm_id"], "running")

    @property
    def memory(self) -> Any:
        node_id = self.cloud.sql("SELECT node_id FROM vm WHERE id = :id", id=self.vm_id)
        return self.cloud.memory[node_id]

    def ticket(self, who: str = "user", **more: Any) -> dict[str, Any]:
        return self.cloud.call("user.vm.open_console", {"vm_id": self.vm_id, **more}, account=who)

    def open(self, ticket: dict[str, Any] | None = None) -> Socket:
        path = (ticket or self.ticket())["path"]
        made = Socket(f"ws://127.0.0.1:{self.port}{path}", timeout_s=20)
        self.opened.append(made)
        return made

    def hear(self, socket: Socket, count: int) -> bytes:
        heard = b""
        while len(heard) < count and (data := socket.receive(20)):
            heard += data
        return heard

    def ended(self, socket: Socket) -> tuple[int | None, str]:
        while socket.receive(20):
            pass
        assert not socket.open
        return socket.code, socket.reason

    def audit(self, method: str) -> list[dict[str, Any]]:
        found = self.cloud.sql(
            "SELECT coalesce(json_agg(arguments || jsonb_build_object('login', login, 'remote', remote) ORDER BY id),"
            " '[]')::text FROM audit WHERE method = :m",
            m=method,
        )
        return json.loads(found)

    def close(self) -> None:
        for each in self.opened:
            each.close()
        self.cloud.stop()


@pytest.fixture(scope="module")
def desk(postgres: PrivatePostgres, tmp_path_factory: Any) -> Iterator[Desk]:
    postgres.create_database("consoles", template="wawel_template")
    made = Desk(postgres.url("consoles"), tmp_path_factory.mktemp("desk"))
    yield made
    made.close()
    postgres.drop_database("consoles")


@pytest.fixture(autouse=True)
def _nobody_stays(desk: Desk) -> Iterator[None]:
    yield
    for each in desk.opened:
        each.close()
    desk.opened.clear()
    desk.cloud.until(lambda: not desk.cloud.manager.consoles, "nobody speaks")


def test_spoken_to(desk: Desk) -> None:
    """Bytes go both ways; who, what, whence and how much is in the audit, and the ticket is nowhere."""
    ticket = desk.ticket()
    assert ticket["url"].endswith(ticket["path"]) and ticket["url"].startswith("ws://127.0.0.1:")
    with desk.open(ticket) as socket:
        desk.memory.write_console(desk.vm["uuid"], b"login: ")
        assert desk.hear(socket, 7) == b"login: "
        socket.send(b"root\xff\x00\r")
        assert desk.hear(socket, 7) == b"root\xff\x00\r"
    desk.cloud.until(lambda: desk.audit("console.end"), "its end is in the audit")
    about = {"vm_id": desk.vm_id, "kind": "serial", "login": "user", "remote": "127.0.0.1"}
    assert desk.audit("console.begin")[-1] == {**about, "force": False}
    assert desk.audit("console.end")[-1] == {**about, "reason": "they left", "written": 7, "read": 14}
    assert desk.audit("user.vm.open_console")[-1]["vm_id"] == desk.vm_id
    secret = ticket["path"].partition("=")[2]
    assert desk.cloud.sql("SELECT count(*) FROM audit WHERE arguments::text LIKE :s", s=f"%{secret}%") == 0
    assert desk.cloud.sql("SELECT count(*) FROM console_ticket WHERE digest = :d", d=secret.encode()) == 0


def test_much(desk: Desk) -> None:
    """More than all buffers hold goes through whole, in order, both ways."""
    sent = bytes(range(256)) * 8000
    with desk.open() as socket:
        heard = b""
        for at in range(0, len(sent), 64_000):
            socket.send(sent[at : at + 64_000])
            heard += socket.receive(0.001)
        heard += desk.hear(socket, len(sent) - len(heard))
        assert heard == sent


def test_once(desk: Desk) -> None:
    """A ticket that was used, that is unknown or missing opens nothing."""
    ticket = desk.ticket()
    desk.open(ticket).close()
    for path in (ticket["path"], "/console?ticket=nonsense", "/console"):
        with pytest.raises(TicketRefused):
            desk.open({"path": path})


def test_expired(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket ends by itself, and is removed by whoever asks for the next one."""
    monkeypatch.setattr(service, "TICKET_S", -1.0)
    ticket = desk.ticket()
    with pytest.raises(TicketRefused):
        desk.open(ticket)
    desk.ticket()
    monkeypatch.undo()
    desk.ticket()
    assert desk.cloud.sql("SELECT count(*) FROM console_ticket WHERE expires_at < now()") == 0


def test_strangers(desk: Desk) -> None:
    """Who does not see the VM finds none; who may only see it is told what it takes; an operator may."""
    with pytest.raises(ObjectNotFound):
        desk.ticket("other")
    about = {"kind": "vm", "object_id": desk.vm_id, "account": desk.cloud.other_id}
    grant(desk, "user", **about)
    with pytest.raises(AccessNeeded):
        desk.ticket("other")
    grant(desk, "operator", **about)
    desk.open(desk.ticket("other")).close()
    grant(desk, None, **about)


def grant(desk: Desk, level: str | None, kind: str, object_id: int, account: int) -> None:
    desk.cloud.sql("DELETE FROM acl WHERE kind = :k AND object_id = :o", k=kind, o=object_id)
    if level:
        desk.cloud.sql(
            "INSERT INTO acl (kind, object_id, account_id, level) VALUES (:k, :o, :a, :l)",
            k=kind, o=object_id, a=account, l=level,
        )  # fmt: skip


def test_withdrawn(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was granted and is withdrawn ends the console, and the ticket that was not used yet."""
    monkeypatch.setattr(wire, "CHECK_S", 0.05)
    about = {"kind": "vm", "object_id": desk.vm_id, "account": desk.cloud.other_id}
    grant(desk, "operator", **about)
    unused = desk.ticket("other")
    socket = desk.open(desk.ticket("other"))
    socket.send(b"x")
    assert desk.hear(socket, 1) == b"x"
    grant(desk, None, **about)
    code, reason = desk.ended(socket)
    assert (code, reason.partition(":")[0]) == (wire.GONE_WRONG, "object_not_found")
    with pytest.raises(ObjectNotFound):
        desk.open(unused)


def test_blocked(desk: Desk) -> None:
    """Blocking an account ends its consoles at once, and its tickets."""
    unused = desk.ticket()
    socket = desk.open()
    desk.cloud.call("admin.user.edit", {"user_id": desk.cloud.user_id, "active": False}, account="admin")
    try:
        assert desk.ended(socket)[1].partition(":")[0] == "account_blocked"
        with pytest.raises(AccountBlocked):
            desk.open(unused)
    finally:
        desk.cloud.call("admin.user.edit", {"user_id": desk.cloud.user_id, "active": True}, account="admin")
    # As sessions do, what was opened before does not come back with the account.
    again = desk.ticket()
    desk.cloud.call("admin.user.set_password", [desk.cloud.user_id, "correct horse"], account="admin")
    with pytest.raises(NotAuthenticated):
        desk.open(again)


def test_vm_ends(desk: Desk) -> None:
    """A console ends with its VM, in order; a VM that is off has none."""
    desk.vm = desk.start("ends")
    desk.vm_id = desk.vm["vm_id"]
    unused = desk.ticket()
    socket = desk.open()
    desk.cloud.call("user.vm.stop", [desk.vm_id])
    assert desk.ended(socket) == (1000, "the console has ended")
    desk.cloud.wait(desk.vm_id, "stopped")
    with pytest.raises(WrongVMState):
        desk.ticket()
    with pytest.raises(WrongVMState):
        desk.open(unused)
    desk.cloud.call("user.vm.start", [desk.vm_id])
    desk.cloud.wait(desk.vm_id, "running")


def test_one_at_a_time(desk: Desk) -> None:
    """The second is told that there is one; by force they have it, and the first is out."""
    first = desk.open()
    first.send(b"x")
    assert desk.hear(first, 1) == b"x"
    second = desk.open()
    code, reason = desk.ended(second)
    assert (code, reason.partition(":")[0]) == (wire.GONE_WRONG, "console_in_use")
    third = desk.open(desk.ticket(force=True))
    assert desk.ended(first)[0] == 1000
    third.send(b"y")
    assert desk.hear(third, 1) == b"y"


def test_idle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody writes for too long it ends; who writes stays."""
    monkeypatch.setattr(wire, "IDLE_S", 0.2)
    monkeypatch.setattr("cm.rpc.standing.TICK_S", 0.05)
    socket = desk.open()
    assert desk.ended(socket)[1].partition(":")[0] == "stream_idle"


def test_bounded(desk: Desk) -> None:
    """An account has so many tickets, and so many consoles; beyond them it is refused before anything is opened."""
    tickets = [desk.ticket() for _ in range(TICKETS_MAX - desk.cloud.sql("SELECT count(*) FROM console_ticket"))]
    with pytest.raises(TooManyAtOnce):
        desk.ticket()
    consoles = desk.cloud.manager.consoles
    before, consoles._places = consoles._places, Places("consoles", Share(3, 1, 10, 1))
    try:
        desk.open(tickets.pop())
        with pytest.raises(TooManyAtOnce):
            desk.open(tickets.pop())
        consoles._places = Places("consoles", Share(1, 1, 10, 1))
        with pytest.raises(Overloaded):
            desk.open(tickets.pop())
    finally:
        consoles._places = before
        desk.cloud.sql("DELETE FROM console_ticket")


def test_node_is_gone(desk: Desk) -> None:
    """A node that does not answer is told by the close, without its name; the next console works."""
    ticket, memory = desk.ticket(), desk.memory
    memory.unreachable = True
    try:
        code, reason = desk.ended(desk.open(ticket))
        assert (code, reason) == (wire.GONE_WRONG, "node_unreachable: The node does not answer.")
    finally:
        memory.unreachable = False
    desk.cloud.until(lambda: desk.cloud.vm(desk.vm_id)["state"] == "running", "it is seen running again")
    desk.open().close()


def test_no_websocket(desk: Desk) -> None:
    """A plain request is refused, and does not use the ticket up."""
    import http.client

    ticket = desk.ticket()
    for method, status in (("GET", 400), ("POST", 405)):
        connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
        connection.request(method, ticket["path"])
        answer = connection.getresponse()
        assert answer.status == status
        assert json.loads(answer.read())["error"]["data"]["slug"] == MalformedRequest.code
        connection.close()
    desk.open(ticket).close()


def test_connections_are_counted_out(desk: Desk) -> None:
    """A connection that became a WebSocket is counted out when it ends, as others are."""
    site = desk.cloud.manager.ports[0].factory
    desk.cloud.until(lambda: not site._open.total(), "all connections are gone")
    socket = desk.open()
    assert site._open.total() == 1
    socket.close()
    desk.cloud.until(lambda: not site._open.total(), "it is counted out")


def test_stopped(desk: Desk) -> None:
    """A manager that stops says so, and lets nobody in."""
    consoles = desk.cloud.manager.consoles
    socket, unused = desk.open(), desk.ticket()

    async def stop() -> None:
        consoles.stop()

    run(stop)
    try:
        assert desk.ended(socket) == (1001, "the manager is stopped")
        with pytest.raises(Overloaded):
            desk.open(unused)
    finally:
        consoles.standing.stopped = False


class Program:
    """The command line ``wawel`` for ``user``."""

    def __init__(self, desk: Desk, home: Path) -> None:
        desk.cloud.call("admin.user.set_password", [desk.cloud.user_id, "correct horse"], account="admin")
        token = desk.cloud.call("guest.session.login", ["user", "correct horse"])["token"]
        self.environment = {"WAWEL_URL": f"http://127.0.0.1:{desk.port}", "WAWEL_TOKEN": token, "HOME": str(home)}
        self.words = ["vm", "console", str(desk.vm_id), "-i"]

    def pipe(self, text: bytes, *more: str) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            [*PROGRAM, *self.words, *more], input=text, capture_output=True, env=environment, timeout=60
        )


class Shell(Terminal):
    """A shell on a terminal of its own; not forked by this process, which has threads."""

    def __init__(self, script: str, directory: Path, environment: dict[str, str]) -> None:
        self.seen = self.all = ""
        self.file, inner = pty.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", "/bin/sh", "-c", script],
            stdin=inner, stdout=inner, stderr=inner, cwd=directory, env={**os.environ, "TERM": "xterm", **environment},
        )  # fmt: skip
        os.close(inner)

    def end(self) -> int:
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()
            os.close(self.file)


@pytest.fixture
def program(desk: Desk, tmp_path: Path) -> Program:
    return Program(desk, tmp_path)


def test_program_on_a_terminal(desk: Desk, program: Program, tmp_path: Path) -> None:
    """Each key goes to the guest as it is, Ctrl-C too; Ctrl-] leaves, and the terminal is as it was."""
    desk.memory.world.on_console = lambda uuid, data: b"<" + data.replace(b"\x03", b"^C") + b">"
    script = f"stty -a > before; '{PROGRAM[0]}' {' '.join(PROGRAM[1:])} {' '.join(program.words)}; echo left $?; "
    script += "stty -a > after; cmp before after && echo the same"
    terminal = Shell(script, tmp_path, program.environment)
    try:
        terminal.expect("Ctrl-] leaves.")
        for key, shown in ((b"a", "<a>"), (b"\x03", "<^C>"), (b"\r", "<\r>"), (b"\x1b[A", "<\x1b[A>")):
            os.write(terminal.file, key)
            terminal.expect(shown)
        os.write(terminal.file, b"\x1d")
        terminal.expect("left 0")
        terminal.expect("the same")
    finally:
        desk.memory.world.on_console = lambda uuid, data: data
        terminal.end()


def test_program_is_killed(desk: Desk, program: Program, tmp_path: Path) -> None:
    """A signal ends it with the terminal as it was."""
    script = f"stty -a > before; sh -c 'echo $$ > pid; exec {' '.join([*PROGRAM, *program.words])}'; echo left $?; "
    script += "stty -a > after; cmp before after && echo the same"
    terminal = Shell(script, tmp_path, program.environment)
    try:
        terminal.expect("Ctrl-] leaves.")
        os.write(terminal.file, b"x")
        terminal.expect("x")
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
        terminal.expect("left 143")
        terminal.expect("the same")
    finally:
        terminal.end()


def test_program_in_a_pipe(desk: Desk, program: Program) -> None:
    """What comes by a pipe is written whole, and the answer is on standard output and nothing else is."""
    sent = bytes(range(256)) * 1000
    done = program.pipe(sent, "--linger", "0.5")
    assert (done.returncode, done.stdout, done.stderr) == (0, sent, b"")


def test_program_is_refused(desk: Desk, program: Program) -> None:
    """Somebody else speaks to it: a clear message, and by force it is taken."""
    other = desk.open()
    other.send(b"x")
    assert desk.hear(other, 1) == b"x"
    done = program.pipe(b"y")
    assert (done.returncode, done.stdout) == (1, b"") and b"--force takes it" in done.stderr
    assert program.pipe(b"y", "--force", "--linger", "0.2").stdout == b"y"
    assert program.pipe(b"", "--follow").returncode == 2
