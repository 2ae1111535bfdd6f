"""VMs' screens and consoles by way of the cloud: the whole path of bytes, who may go it, and what ends it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clm.services import console as cloud_console
from cm.rpc import console as cluster_console
from cm.rpc.errors import (
    CloudError,
    InvalidParameter,
    NotAuthenticated,
    ObjectNotFound,
    Overloaded,
    ScreenClosed,
    TicketRefused,
    TooManyAtOnce,
)
from cm.rpc.limits import Share
from cm.rpc.places import Places
from cm.rpc.websocket_client import Socket
from cm.services import screen as service
from cm.services.agent import enrol, issue_enrolment_token
from cm.services.context import vnc_password
from contextualization.daemon.app import make_site
from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.document import fetch_document
from node_hooks.errors import NodeError
from node_hooks.screens import Screens
from support.cloud import reactor, run
from support.federation import PATIENT, Federation, federated
from support.screen import FakeScreen, Viewer


class Agent:
    """A node's agent as far as screens go: the production code polls, calls and joins."""

    def __init__(self, cloud: Any, node_id: int, url: str) -> None:
        transact = cloud.manager.database.transact_now
        token = transact(issue_enrolment_token, node_id)
        credential = Credential(node_id, transact(enrol, token, "boot", "1", "1").credential)
        self._connect = lambda: Client(parse_endpoint(url), credential)
        self.screens = Screens(self._connect)
        self.deaf = False
        self._stopped = False
        self._poller = self._connect()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        version = ""
        while not self._stopped:
            try:
                _, document = fetch_document(self._poller, version, 5)
            except NodeError:
                time.sleep(0.05)
                continue
            version = document.version
            if not self.deaf:
                self.screens.answer(document.calls, document.vnc_ports)

    def close(self) -> None:
        self._stopped = True
        self.screens.close()
        self._poller.abort()
        self._thread.join(10)


class Place:
    """A cloud of one cluster, whose node has an agent, and a VM of ann's with a screen."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.cloud = federation.clouds["alpha"]
        self.cluster, self.clm = self.cloud.manager, federation.bench.manager
        (node_id,) = self.cloud.node_ids
        site = make_site(reactor, self.cluster.database, self.cluster.listener, "alpha", b"k" * 32)

        async def listen() -> Any:
            return reactor.listenTCP(0, site, interface="127.0.0.1")

        self._port = run(listen)
        self.endpoint = f"http://127.0.0.1:{self._port.getHost().port}"
        self.agent = Agent(self.cloud, node_id, self.endpoint)
        self.vm = federation.create("alpha", vnc=True)
        self.vm_id = self.vm["vm_id"]
        self.cloud.until(lambda: self.seen()["state"] == "running", "it runs")
        self.screen = FakeScreen("")
        self.cloud.sql("UPDATE node SET address = '127.0.0.1' WHERE id = :n", n=node_id)
        self.cloud.sql("UPDATE vnc_port SET port = :p WHERE vm_id = :v", p=self.screen.port, v=self.vm_id)
        self.renew()
        self.tokens = {login: federation.token(login) for login in ("ann", "bob")}
        self.opened: list[Any] = []

    def seen(self) -> dict[str, Any]:
        return self.federation.call("user.vm.get_by_id", {"cluster": "alpha", "vm_id": self.vm_id})

    def rested(self) -> None:
        self.cloud.until(lambda: self.seen()["operation"] is None, "nothing is done to it")

    def renew(self) -> None:
        """The screen's password is the one of now, as the hypervisor is told it."""
        generation = self.cloud.sql("SELECT vnc_generation FROM vm WHERE id = :v", v=self.vm_id)
        self.screen.password = vnc_password(self.cluster.policy.secret, self.vm["uuid"], generation)

    def ticket(self, login: str = "ann", kind: str = "vnc", **more: Any) -> dict[str, Any]:
        told = {"cluster": "alpha", "vm_id": self.vm_id, "kind": kind, **more}
        return self.federation.call("user.vm.open_console", told, login=login)

    def url(self, ticket: dict[str, Any], cluster: str = "alpha") -> str:
        return f"ws://127.0.0.1:{self.federation.port}{ticket['path']}&cluster={cluster}"

    def options(self, login: str | None = "ann", **headers: str) -> dict[str, Any]:
        credentials = {"Authorization": f"Bearer {self.tokens[login]}"} if login else {}
        return {"headers": {**credentials, **headers}, "protocol": "binary"}

    def view(self, login: str = "ann", ticket: dict[str, Any] | None = None, query: str = "") -> Viewer:
        made = Viewer(self.url(ticket or self.ticket(login)) + query, **self.options(login))
        self.opened.append(made)
        return made

    def direct(self) -> Viewer:
        made = Viewer(f"ws://127.0.0.1:{self.federation.ports['alpha']}{self.ticket()['path']}")
        self.opened.append(made)
        return made

    def grant(self, level: str | None) -> None:
        told = {"cluster": "alpha", "kind": "vm", "object_id": self.vm_id, "login": "bob", "level": level}
        self.federation.call("user.acl.set", told)

    async def _stop_listening(self) -> None:
        await self._port.stopListening()

    def close(self) -> None:
        self.agent.close()
        self.screen.close()
        run(self._stop_listening)


@pytest.fixture(scope="module")
def place(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with federated(postgres, tmp_path_factory.mktemp("screens"), names=("alpha",), clusters=PATIENT) as federation:
        made = Place(federation)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(autouse=True)
def _nobody_stays(place: Place) -> Iterator[None]:
    yield
    for each in place.opened:
        each.close()
    place.opened.clear()
    place.cloud.until(lambda: not (place.cluster.consoles or place.clm.consoles), "nobody looks")
    place.cloud.until(lambda: not len(place.agent.screens), "the agent joins nobody")
    place.cloud.sql("DELETE FROM console_ticket")


def refusal(url: str, **options: Any) -> CloudError:
    with pytest.raises(CloudError) as refused:
        Socket(url, timeout_s=20, **options)
    return refused.value


def test_seen(place: Place) -> None:
    """
    By way of the cloud or not, the viewer is let in without a password, may not throw others out, and sees who else is
    there; what was asked of the agent is asked no more.
    """
    first = place.view(query="&viewers=1")
    assert (first.socket.protocol, first.size, first.name) == ("binary", (640, 480), "tiny")
    assert first.echoes()
    second = place.direct()
    assert second.echoes(b"another") and first.echoes(b"still here")
    assert place.screen.alone[-2:] == [b"\x01", b"\x01"]
    second.close()
    place.cloud.until(lambda: len(place.cluster.consoles) == 1, "the second has left")
    assert first.echoes()
    told = [json.loads(text)["viewers"] for text in first.socket.told]
    assert [len(each) for each in told] == [1, 2, 1] and told[1][0] == {"login": "ann", "kind": "vnc"}
    assert place.cloud.sql("SELECT count(*) FROM screen_call") == 0


def test_held_back(place: Place) -> None:
    """More than all buffers hold comes whole to who reads late; meanwhile no more is kept than they hold."""
    place.screen.flood = bytes(range(256)) * 80_000
    viewer = place.view()
    viewer.socket.send(b"go")
    time.sleep(0.3)
    inward = [each._ends.outward for each in place.cluster.consoles.standing]
    assert all(len(each) <= 2 * 256 * 1024 for each in inward)
    heard = b""
    while len(heard) < len(place.screen.flood):
        piece = viewer.read(min(1_000_000, len(place.screen.flood) - len(heard)))
        assert piece
        heard += piece
    assert heard == place.screen.flood
    sent = bytes(reversed(range(256))) * 2000
    for at in range(0, len(sent), 64_000):
        viewer.socket.send(sent[at : at + 64_000])
    assert viewer.read(len(sent)) == sent


def test_serial(place: Place) -> None:
    """The serial console goes the same way."""
    with Socket(place.url(place.ticket(kind="serial")), timeout_s=20, **place.options()) as socket:
        socket.send(b"ls\r")
        heard = b""
        while len(heard) < 3 and (data := socket.receive(20)):
            heard += data
        assert heard == b"ls\r"


def test_whose_ticket(place: Place) -> None:
    """A ticket is good once, soon, for who got it, and for pages of the origin that it was got for."""
    used = place.ticket()
    place.view(ticket=used).close()
    page = "http://portal.example"
    refused: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (used, place.options()),
        (place.ticket(), place.options("bob")),
        (place.ticket(), place.options(Origin=page)),
        (place.ticket(origin=page), place.options(Origin="http://evil.example")),
        (place.ticket(origin=page), place.options()),
    ]
    for ticket, options in refused:
        assert isinstance(refusal(place.url(ticket), **options), TicketRefused)
        assert isinstance(refusal(place.url(ticket), **place.options()), TicketRefused)  # and it is used up
    made = Viewer(place.url(place.ticket(origin=page)), **place.options(Origin=page))
    place.opened.append(made)
    for wrong in ("portal.example", "http://portal.example/ui", "javascript:alert(1)"):
        with pytest.raises(InvalidParameter):
            place.ticket(origin=wrong)


def test_who_comes(place: Place) -> None:
    """Who does not say who they are comes to no cluster; a cookie counts for pages of this site alone."""
    ticket = place.ticket(origin=f"http://127.0.0.1:{place.federation.port}")
    assert isinstance(refusal(place.url(ticket), **place.options(None)), CloudError)
    cookie = {"Cookie": f"__Host-wawel={place.tokens['ann']}"}
    for origin in ({}, {"Origin": "http://evil.example"}):
        error = refusal(place.url(ticket), **place.options(None, **cookie, **origin))
        assert not isinstance(error, TicketRefused), error
    own = {"Origin": f"http://127.0.0.1:{place.federation.port}"}
    place.opened.append(Viewer(place.url(ticket), **place.options(None, **cookie, **own)))
    assert isinstance(refusal(place.url(place.ticket(), "nowhere"), **place.options()), ObjectNotFound)
    with pytest.raises(InvalidParameter):
        place.ticket(force=True)


def test_no_websocket(place: Place) -> None:
    """A plain request is refused, and does not use the ticket up."""
    ticket = place.ticket()
    for method, status in (("GET", 400), ("POST", 405)):
        connection = http.client.HTTPConnection("127.0.0.1", place.federation.port, timeout=20)
        connection.request(method, place.url(ticket).partition(str(place.federation.port))[2])
        assert connection.getresponse().status == status
        connection.close()
    assert place.view(ticket=ticket).echoes()


def test_session_ends(place: Place) -> None:
    """A session that is ended elsewhere ends what was opened with it at once, and nothing else."""
    before, other = place.tokens["ann"], place.federation.token("ann")
    stays = place.view()
    place.tokens["ann"] = other
    try:
        viewer = place.view()
    finally:
        place.tokens["ann"] = before
    connection = http.client.HTTPConnection("127.0.0.1", place.federation.port, timeout=20)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "user.session.logout"})
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {other}"}
    connection.request("POST", "/jsonrpc", body, headers)
    assert "error" not in json.loads(connection.getresponse().read())
    began = time.monotonic()
    assert viewer.ended() == (cloud_console.GONE_WRONG, NotAuthenticated.code)
    assert time.monotonic() - began < cloud_console.CHECK_S  # it was told, and not found by looking
    assert stays.echoes()


def test_right_ends(place: Place) -> None:
    """Who is granted it sees the screen, who is not does not, and its withdrawal ends it without a look being due."""
    with pytest.raises(ObjectNotFound):
        place.ticket("bob")
    place.grant("operator")
    viewer = place.view("bob")
    assert viewer.echoes()
    began = time.monotonic()
    place.grant(None)
    assert viewer.ended() == (cluster_console.GONE_WRONG, ObjectNotFound.code)
    assert time.monotonic() - began < cluster_console.CHECK_S


def test_closed(place: Place) -> None:
    """Detaching ends it and those that would come, until the screen is attached again; the serial console goes on."""
    unused, viewer = place.ticket(), place.view()
    began = time.monotonic()
    place.federation.call("user.vm.detach_vnc", {"cluster": "alpha", "vm_id": place.vm_id})
    try:
        assert viewer.ended() == (cluster_console.GONE_WRONG, ScreenClosed.code)
        assert time.monotonic() - began < cluster_console.CHECK_S
        assert isinstance(refusal(place.url(unused), **place.options()), ScreenClosed)
        with pytest.raises(ScreenClosed):
            place.ticket()
        place.ticket(kind="serial")
    finally:
        place.rested()
        place.federation.call("user.vm.attach_vnc", {"cluster": "alpha", "vm_id": place.vm_id})
        place.renew()
    assert place.view().echoes()


def test_qemu_ends(place: Place) -> None:
    """What ends at the node ends in order; a reboot of the guest is none."""
    viewer = place.view()
    place.rested()
    place.federation.call("user.vm.reset", {"cluster": "alpha", "vm_ids": [place.vm_id]})
    assert viewer.echoes()
    place.screen.drop()
    assert viewer.ended()[0] == 1000
    place.rested()


def test_agent_is_silent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that does not call, or a screen that lets nobody in, is told by the close, without an address."""
    place.screen.password = "wrong"
    socket = Socket(place.url(place.ticket()), timeout_s=20, **place.options())
    place.opened.append(socket)
    while socket.receive(20):
        pass
    assert (socket.code, socket.reason) == (4000, "screen_unreachable: The screen cannot be reached; try again.")
    place.renew()
    monkeypatch.setattr(service, "CALL_S", 0.2)
    place.agent.deaf = True
    try:
        socket = Socket(place.url(place.ticket()), timeout_s=20, **place.options())
        place.opened.append(socket)
        while socket.receive(20):
            pass
        assert socket.reason.startswith("screen_unreachable")
    finally:
        place.agent.deaf = False


def test_nobody_else_calls(place: Place) -> None:
    """The endpoint joins a signed call that was asked for, once, and only what asks for that."""
    client: Client = place.agent._connect()
    for path, upgrade in (("/node/screen?token=" + "x" * 43, "wawel-screen"), ("/node/screen", "wawel-screen"),
                          ("/node/screen?token=" + "x" * 43, "websocket")):  # fmt: skip
        with pytest.raises(NodeError):
            client.open(path, upgrade)
    unsigned = Client(client.address, None)
    with pytest.raises(NodeError):
        unsigned.open("/node/screen?token=" + "x" * 43, "wawel-screen")


def test_bounds(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of one account and in all, at the cloud too."""
    consoles = place.clm.consoles
    before, consoles._places = consoles._places, Places("consoles", Share(3, 1, 10, 1))
    try:
        place.view()
        assert isinstance(refusal(place.url(place.ticket()), **place.options()), TooManyAtOnce)
        consoles._places = Places("consoles", Share(1, 1, 10, 1))
        assert isinstance(refusal(place.url(place.ticket()), **place.options()), Overloaded)
    finally:
        consoles._places = before


def test_stopped(place: Place) -> None:
    """A cloud that stops says so, and lets nobody in."""
    consoles, viewer = place.clm.consoles, place.view()

    async def stop() -> None:
        consoles.stop()

    run(stop)
    try:
        assert viewer.ended() == (1001, "the manager is stopped")
        assert isinstance(refusal(place.url(place.ticket()), **place.options()), Overloaded)
    finally:
        consoles.standing.stopped = False


def test_directory(tmp_path: Path) -> None:
    """Where managers meet endpoints nobody else comes, and what a killed one left goes with the next start."""
    from cm.rpc.meeting import DIRECTORY, Meetings

    first, second = Meetings(reactor, tmp_path), Meetings(reactor, tmp_path)

    async def start(meetings: Meetings) -> None:
        meetings.start()

    left = tmp_path / DIRECTORY / "dead.sock"
    run(lambda: start(first))
    import socket

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    run(lambda: start(second))
    assert (tmp_path / DIRECTORY).stat().st_mode & 0o77 == 0
    assert not left.exists() and Path(first.path).exists() and Path(second.path).exists()
    for each in (first, second):
        run(each.stop)
    assert not list((tmp_path / DIRECTORY).iterdir())
