"""What all answers have in common, whichever endpoint gives them."""

from __future__ import annotations

import gzip
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from cm.rpc.errors import (
    CloudError,
    Conflict,
    InternalError,
    InvalidParameter,
    InvalidRequest,
    LimitReached,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    TooManyAtOnce,
    Unavailable,
)
from cm.rpc.http.pages import Metrics, MetricsGate, Root, is_here, read_token
from cm.rpc.http.request import WireSite
from cm.rpc.http.status import status_of
from cm.rpc.limits import Limits
from cm.runtime.settings import SettingsError
from contextualization.endpoint import Endpoint, site_of
from contextualization.settings import EndpointSettings

from .sample import AS_ANNA, Server

ROOT = Path(__file__).parents[3]
GET_DATA = b'{"jsonrpc":"2.0","method":"get_data","id":1}'
JSON = {"Content-Type": "application/json", "Authorization": AS_ANNA.decode()}
ASKED: dict[str, tuple[str, str, bytes | None, dict[str, str]]] = {
    "a call": ("POST", "/jsonrpc", GET_DATA, JSON),
    "a refused call": ("POST", "/jsonrpc", GET_DATA, {**JSON, "Authorization": "Bearer x"}),
    "no call": ("GET", "/jsonrpc", None, JSON),
    "a notification": ("POST", "/jsonrpc", b'{"jsonrpc":"2.0","method":"get_data"}', JSON),
    "a large answer": ("POST", "/jsonrpc", b'{"jsonrpc":"2.0","method":"rpc.discover","id":1}', JSON),
    "health": ("GET", "/health", None, {}),
    "metrics": ("GET", "/metrics", None, {"Accept-Encoding": "gzip"}),
    "nothing": ("GET", "/cgi-bin/test", None, {}),
    "a resource that is not ours": ("POST", "/upload", b"x", {}),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def ask(server: Server, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_headers(server: Server, asked: tuple[str, str, bytes | None, dict[str, str]]) -> None:
    """Whatever is answered says once that it is no page and in no cache, and not which software of which version."""
    answer, _ = ask(server, *asked)
    told = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": "wawel"}
    told["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    for name, value in told.items():
        assert answer.headers.get_all(name) == [value], name
    assert len(answer.headers.get_all("Date")) == 1


def test_endpoint_headers() -> None:
    """What nodes and guests call back answers likewise."""
    clock = Clock()
    nothing: Any = None  # neither request comes as far as the database
    endpoint = Endpoint(nothing, EndpointSettings(b"k" * 32), clock)
    protocol: Any = site_of(endpoint, clock).buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\nHEAD /node/document HTTP/1.1\r\nHost: h\r\n\r\n")
    first, second = re.findall(rb"HTTP/1\.1 .*?\r\n\r\n", transport.value(), re.DOTALL)
    assert b" 200 " in first and b" 405 " in second
    for head in (first, second):
        lines = head.splitlines()
        for line in (b"X-Content-Type-Options: nosniff", b"Cache-Control: no-store", b"Server: wawel"):
            assert lines.count(line) == 1
    assert transport.value().endswith(b"\r\n\r\n")  # a HEAD has no body


def test_metrics_are_compressed(server: Server) -> None:
    """Whoever reads metrics every few seconds may have them compressed; by HEAD, their headers alone."""
    plain, exposition = ask(server, "GET", "/metrics", None, {})
    assert plain.headers["Content-Encoding"] is None and plain.headers["Vary"] == "accept-encoding"
    packed, body = ask(server, "GET", "/metrics", None, {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and len(body) < len(exposition)
    assert gzip.decompress(body).splitlines()[0] == exposition.splitlines()[0]
    assert ask(server, "HEAD", "/metrics", None, {})[1] == b""


def test_metrics_that_fail() -> None:
    """Whoever asks for metrics that cannot be made is answered so, at once."""

    def exposition() -> bytes:
        raise RuntimeError("no metrics")

    root = Root(b"")
    root.putChild(b"metrics", Metrics(exposition, MetricsGate()))
    protocol: Any = WireSite(root, Limits(), Clock()).buildProtocol(None)
    transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 4711))
    protocol.makeConnection(transport)
    protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
    assert transport.value().startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize(
    ("peer", "lines", "status"),
    [
        ("127.0.0.1", b"", b"200"),
        ("127.9.9.9", b"", b"200"),
        ("192.0.2.7", b"", b"403"),
        ("127.0.0.1", b"X-Forwarded-For: 192.0.2.7\r\n", b"403"),
        ("127.0.0.1", b"Forwarded: for=192.0.2.7\r\n", b"403"),
        ("127.0.0.1", b"Via: 1.1 proxy\r\n", b"403"),
        ("192.0.2.7", b"Authorization: Bearer 0123456789abcdef\r\n", b"200"),
        ("192.0.2.7", b"Authorization: bearer 0123456789abcdef\r\n", b"200"),
        ("192.0.2.7", b"Authorization: Bearer 0123456789abcdeX\r\n", b"403"),
        ("192.0.2.7", b"Authorization: Basic 0123456789abcdef\r\n", b"403"),
        ("192.0.2.7", b"Authorization: Bearer \r\n", b"403"),
    ],
)
def test_whose_metrics(peer: str, lines: bytes, status: bytes) -> None:
    """Metrics are for programs of this machine, not for whoever a proxy on it lets in, and for who has the token."""
    root = Root(b"")
    root.putChild(b"metrics", Metrics(lambda: b"wawel_samples_total 1\n", MetricsGate(b"0123456789abcdef")))
    protocol: Any = WireSite(root, Limits(), Clock()).buildProtocol(None)
    transport = StringTransport(peerAddress=IPv4Address("TCP", peer, 4711))
    protocol.makeConnection(transport)
    protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: h\r\n" + lines + b"\r\n")
    assert transport.value().startswith(b"HTTP/1.1 " + status)
    assert (b"wawel_samples_total" in transport.value()) == (status == b"200")


@pytest.mark.parametrize("peer", ["::1", "::ffff:127.0.0.1", "local"])
def test_this_machine(peer: str) -> None:
    assert is_here(peer)


@pytest.mark.parametrize("peer", ["::2", "::ffff:192.0.2.1", "0.0.0.0", "10.0.0.1", ""])  # noqa: S104  # nothing is bound to it
def test_another_machine(peer: str) -> None:
    assert not is_here(peer)


def test_token_of_metrics(tmp_path: Path) -> None:
    """A token that is not there, or could be guessed, is no token: nothing starts."""
    file = tmp_path / "token"
    with pytest.raises(SettingsError):
        read_token(file)
    file.write_bytes(b"short\n")
    with pytest.raises(SettingsError):
        read_token(file)
    file.write_bytes(b"0123456789abcdef\n")
    assert read_token(file) == b"0123456789abcdef" and read_token(None) is None


FAMILIES = {
    InvalidRequest: 400, NotAuthenticated: 401, NotPermitted: 403, NotFound: 404, Conflict: 409, LimitReached: 429,
    Unavailable: 503, InternalError: 500,
}  # fmt: skip


def test_statuses() -> None:
    """Every family of errors has a status, and its cases have it too; but who asks too much is told so."""
    families = {cls for cls in CloudError.__subclasses__() if cls.__module__ == "cm.rpc.errors.families"}
    assert families == set(FAMILIES)
    assert {cls: status_of(cls()) for cls in FAMILIES} == FAMILIES
    assert status_of(InvalidParameter("x", "it is not good")) == 400
    assert status_of(TooManyAtOnce("calls", 3)) == 429


def test_one_table() -> None:
    """Nobody keeps statuses of errors beside the one table."""
    rows = re.compile(r"\((?:NotPermitted|NotAuthenticated|Unavailable), (?:\d{3}|http\.[A-Z_]+)\)")
    found = [
        str(path.relative_to(ROOT))
        for top in ("cm", "clm", "contextualization")
        for path in (ROOT / top).rglob("*.py")
        if rows.search(path.read_text())
    ]
    assert found == ["cm/rpc/http/status.py"]
