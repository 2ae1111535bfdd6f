"""The agent's part in showing a screen: which calls it answers, and how it joins two connections."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from node_hooks import screens
from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.document import find_document, parse_document, save_document
from node_hooks.errors import EndpointRefused, EndpointUnavailable
from node_hooks.screens import Call, Screens, join, parse_calls


@contextmanager
def joined() -> Iterator[tuple[socket.socket, socket.socket, threading.Thread]]:
    """Two ends whose others the agent has joined."""
    ours, inner = socket.socketpair()
    theirs, outer = socket.socketpair()
    stop = threading.Event()

    def run() -> None:
        with suppress(OSError):  # one of the tests has left
            join(inner, outer, stop.is_set)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield ours, theirs, thread
    finally:
        stop.set()
        for each in (ours, theirs):
            each.close()
        thread.join(10)
        inner.close()
        outer.close()
        assert not thread.is_alive()


def read(sock: socket.socket, count: int) -> bytes:
    sock.settimeout(10)
    data = b""
    while len(data) < count and (piece := sock.recv(count - len(data))):
        data += piece
    return data


def test_both_ways_whole() -> None:
    """More than all buffers hold goes through in order, while the other way goes on."""
    sent = bytes(range(256)) * 20_000
    with joined() as (ours, theirs, _):
        writer = threading.Thread(target=ours.sendall, args=(sent,), daemon=True)
        writer.start()
        theirs.sendall(b"key")
        assert read(ours, 3) == b"key"
        assert read(theirs, len(sent)) == sent
        writer.join(10)


def test_held_back() -> None:
    """Of what nobody takes, no more than the buffers hold is taken from who sends it."""
    with joined() as (ours, theirs, _):
        ours.settimeout(0.3)
        taken = 0
        with pytest.raises(TimeoutError):
            while True:
                taken += ours.send(bytes(65_536))
        assert taken < 8 * screens.BUFFER_BYTES
        theirs.sendall(b"x")
        assert read(ours, 1) == b"x"


def test_last_words() -> None:
    """What a side said last goes out; then both are over."""
    with joined() as (ours, theirs, thread):
        ours.sendall(b"bye")
        ours.close()
        assert read(theirs, 3) == b"bye"
        thread.join(10)
        assert not thread.is_alive()


class _Endpoint:
    """Answers once, in whatever words."""

    def __init__(self, answer: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.asked = b""
        self.taken: socket.socket | None = None
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        self.taken, _ = self._server.accept()
        while b"\r\n\r\n" not in self.asked:
            self.asked += self.taken.recv(4096)
        self.taken.sendall(self._answer)

    def client(self) -> Client:
        return Client(parse_endpoint(f"http://127.0.0.1:{self.port}"), Credential(7, "secret"))


def test_upgraded() -> None:
    """After the head the connection is bytes, of which none is lost to the reader of heads."""
    endpoint = _Endpoint(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nfirst")
    with endpoint.client().open("/node/screen?token=t", "x") as opened:
        assert read(opened, 5) == b"first"
        opened.sendall(b"second")
        assert endpoint.taken is not None and read(endpoint.taken, 6) == b"second"
    head = endpoint.asked.decode()
    assert head.startswith("POST /node/screen?token=t HTTP/1.1\r\n") and "Upgrade: x\r\n" in head
    assert "Authorization: Wawel-Node node=7," in head


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"HTTP/1.1 404 No\r\n\r\n", EndpointRefused), (b"HTTP/1.1 503 No\r\n\r\n", EndpointUnavailable),
     (b"HTTP/1.1 429 No\r\n\r\n", EndpointUnavailable), (b"nonsense\r\n\r\n", EndpointUnavailable),
     (b"HTTP/1.1 101 " + b"x" * 20_000, EndpointUnavailable)],
)  # fmt: skip
def test_not_upgraded(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        _Endpoint(answer).client().open("/node/screen", "x", 5)


def test_shown_once() -> None:
    """A call is answered once, however often the document has it; none of a port that is no screen's."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    port = server.getsockname()[1]
    endpoint = _Endpoint(b"HTTP/1.1 101 S\r\n\r\n")
    shown = Screens(endpoint.client)
    calls = [Call("t" * 43, "127.0.0.1", port)]
    shown.answer([Call("u" * 43, "127.0.0.1", port)], (port + 1, port + 9))
    shown.answer([Call("v" * 43, "127.0.0.1", port)], None)
    assert len(shown) == 0
    shown.answer(calls, (port, port))
    shown.answer(calls, (port, port))
    screen, _ = server.accept()
    screen.sendall(b"RFB")
    while endpoint.taken is None or b"token=" + b"t" * 43 not in endpoint.asked:
        time.sleep(0.01)
    assert read(endpoint.taken, 3) == b"RFB" and len(shown) == 1
    shown.close()
    assert read(endpoint.taken, 1) == b""
    screen.close()
    server.close()


def test_understood(tmp_path: Path) -> None:
    """Calls are read out of a document; what is none is told of; and none is kept on the node."""
    problems: list[str] = []
    good = {"token": "t", "address": "10.0.0.1", "port": 5900}
    bad = [{**good, "port": 0}, {**good, "port": "5900"}, {**good, "token": ""}, {}, 7]
    assert parse_calls([good, *bad], problems) == (Call("t", "10.0.0.1", 5900),)
    assert len(problems) == len(bad)
    sections = {name: {"version": "1", "content": {}} for name in ("firewall", "screens", "consoles")}
    sections["networks"] = {"version": "1", "content": {"networks": []}}
    sections["settings"] = {"version": "1", "content": {"hook_version": "1"}}
    sections["calls"] = {"version": "1", "content": {"calls": [good]}}
    told = {"format": 2, "version": "v", "sections": sections}
    assert parse_document(told).calls == (Call("t", "10.0.0.1", 5900),)
    save_document(tmp_path, told)
    assert "calls" not in json.loads((tmp_path / "document.json").read_text())["sections"]
    kept = find_document(tmp_path)
    assert kept is not None and kept.calls == ()
