"""Bodies that are taken while they come in: bounded, in order, refused early, and noticed when they end too soon."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from cm.rpc.http.body import FULL_BYTES
from cm.rpc.limits import Limits
from support.wait import until

from .sample import Server

READ_BYTES = 65_536  # of a socket at once


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(Limits())
    yield made
    made.stop()


def opened(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)


def head(method: str, target: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def sent(server: Server, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(data)
    return connection


def answer(connection: socket.socket) -> bytes:
    heard = b""
    while data := connection.recv(65_536):
        heard += data
    return heard


@pytest.mark.parametrize("chunked", [False, True])
def test_much(server: Server, chunked: bool) -> None:
    """Beyond every limit of calls all of it comes through, and no more waits at a time than may."""
    size = 40 * FULL_BYTES
    body = (b"x" * 500_000 for _ in range(size // 500_000)) if chunked else b"x" * size
    connection = opened(server)
    connection.request("PATCH", "/intake/a", body, encode_chunked=chunked)
    response = connection.getresponse()
    told = str(size // 500_000 * 500_000 if chunked else size)
    assert (response.status, response.read().decode()) == (200, told)
    assert server.intake.most <= FULL_BYTES + 2 * READ_BYTES
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200  # the connection goes on
    connection.close()


def test_held_back(server: Server) -> None:
    """What nobody takes stays with its sender."""
    with sent(server, head("PATCH", "/intake/?slow", f"Content-Length: {64 * FULL_BYTES}")) as connection:
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                connection.sendall(b"x" * READ_BYTES)
        [body] = server.intake.bodies
        assert body.received <= FULL_BYTES + READ_BYTES


def test_refused(server: Server) -> None:
    """A refusal is told before the body has come; the connection ends with what was sent all the same."""
    with sent(server, head("PATCH", "/intake/?refuse", "Content-Length: 2000000")) as connection:
        heard = connection.recv(65_536)
        assert heard.startswith(b"HTTP/1.1 409 ") and b"close" in heard.lower() and heard.endswith(b"no")
        connection.sendall(b"x" * 2_000_000)
        assert connection.recv(100) == b""


def test_refused_endless(server: Server) -> None:
    """Who goes on and on after a refusal is cut off."""
    with sent(server, head("PATCH", "/intake/?refuse", "Content-Length: 100000000")) as connection:
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"x" * 100_000)


@pytest.mark.parametrize("target", ["/intake/", "/intake/?refuse"])
def test_expected(server: Server, target: str) -> None:
    """Who asks first is told to send by being let in alone."""
    lines = ("Content-Length: 3", "Expect: 100-continue", "Connection: close")
    with sent(server, head("PUT", target, *lines)) as connection:
        heard = connection.recv(65_536)
        if target.endswith("refuse"):
            assert heard.startswith(b"HTTP/1.1 409 ")
            return
        assert heard == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert answer(connection).endswith(b"\r\n\r\n3")


def test_cut_off(server: Server) -> None:
    """A body that ends too soon is known for it."""
    sent(server, head("PATCH", "/intake/", "Content-Length: 9") + b"1234").close()
    until(lambda: server.intake.lost == 1)


def test_nothing_sent(server: Server) -> None:
    """One without a body is handed on, too, and its connection can be used again."""
    connection = opened(server)
    for method in ("GET", "DELETE", "OPTIONS", "HEAD"):
        connection.request(method, "/intake/x")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"" if method == "HEAD" else b"0")
    connection.close()
