"""The metadata forwarder, on 127.0.0.1 and without a bridge."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_endpoint import Endpoint

from lab.processes import wait_until
from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.guest_request import BODY_LIMIT, HEAD_LIMIT, RefusedRequest, normalise_path, parse_head
from node_hooks.metadata import BURST, CONCURRENT_PER_GUEST, PER_S, POLLS_PER_GUEST, Forwarder


@pytest.fixture
def forwarder(endpoint: Endpoint) -> Iterator[Forwarder]:
    forwarder = Forwarder(
        "br-test", lambda: Client(parse_endpoint(endpoint.url), Credential(7, endpoint.credential)),
        ("127.0.0.1", 0), bind_device=False, timeout_s=1.0,
    )
    yield forwarder
    forwarder.close()


def ask(forwarder: Forwarder, request: bytes, guest: str = "127.0.0.1") -> tuple[int, bytes, bytes]:
    """Status, head and body of the answer."""
    with socket.create_connection(("127.0.0.1", forwarder.port), timeout=5, source_address=(guest, 0)) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 169.254.169.254", *headers, "", ""]).encode()


def is_turned_away(forwarder: Forwarder) -> bool:
    """A refusal that does not wait for the request may arrive as a reset."""
    try:
        return ask(forwarder, get("/"))[0] == 503
    except ConnectionError:
        return True


def test_forward(forwarder: Forwarder, endpoint: Endpoint) -> None:
    """A request arrives signed with bridge and address; only safe headers go either way."""
    told = ("X-aws-ec2-metadata-token: T", "User-Agent: Cloud-Init/22.4.2", "Cookie: c")
    status, head, body = ask(forwarder, get("/latest//meta-data/?a=b", *told))
    assert (status, body) == (200, b"for br-test 127.0.0.1")
    ((method, path, bridge, address, headers, _),) = endpoint.guests
    assert (method, path, bridge, address) == ("GET", "/guest/latest/meta-data/?a=b", "br-test", "127.0.0.1")
    assert headers["X-aws-ec2-metadata-token"] == "T" and "Cookie" not in headers
    assert headers["User-Agent"] == "Cloud-Init/22.4.2"
    assert b"text/x-test" in head and b"Secret" not in head
    assert endpoint.unsigned == 0


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For: 1.2.3.4", "x-forwarded-host: a", "Forwarded: for=1", "X-Real-IP: 1", "X-Wawel-Bridge: other",
     "X-WAWEL-ADDRESS: 1.2.3.4", "x-wawel-anything:"],
)
def test_refused_headers(forwarder: Forwarder, endpoint: Endpoint, header: str) -> None:
    """A request that claims to come from somebody else goes nowhere."""
    assert ask(forwarder, get("/latest/", header))[0] == 403
    assert endpoint.guests == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/a/../b"), 400), (get("/a/%2e%2e/b"), 400), (get("/a%00b"), 400), (get("/a%0d%0ab"), 400),
        (get("http://other/"), 400), (get("/a\\b"), 400), (get("*"), 400), (get("/%ff"), 400),
        (get("/", method="DELETE"), 405), (get("/", method="CONNECT"), 405), (b"garbage\r\n\r\n", 400),
        (get("/", "Transfer-Encoding: chunked"), 411), (get("/", "Content-Length: 1", "Content-Length: 2"), 400),
        (get("/", "Content-Length: -1"), 400), (get("/", "Content-Length: +1"), 400), (get("/", " folded: x"), 400),
        (get("/", "Bad Name: x"), 400), (b"GET / HTTP/1.1\r\nA: b\nX-Wawel-Bridge: c\r\n\r\n", 400),
        (get("/", "X-Long: " + "x" * HEAD_LIMIT), 431), (get("/", f"Content-Length: {BODY_LIMIT + 1}"), 413),
        (get("/", "X-aws-ec2-metadata-token: a", "X-aws-ec2-metadata-token: b"), 400),
    ],
)
def test_malformed(forwarder: Forwarder, endpoint: Endpoint, request_bytes: bytes, status: int) -> None:
    """What two readers could understand differently is refused."""
    assert ask(forwarder, request_bytes)[0] == status
    assert endpoint.guests == []


def test_body(forwarder: Forwarder, endpoint: Endpoint) -> None:
    """A body of the largest size goes through whole, in pieces, and after 100-continue."""
    body = b"x" * BODY_LIMIT
    request = get("/agent", f"Content-Length: {len(body)}", "Expect: 100-continue", method="POST")
    with socket.create_connection(("127.0.0.1", forwarder.port), timeout=5) as connection:
        connection.sendall(request)
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body[:1000])
        time.sleep(0.02)
        connection.sendall(body[1000:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert endpoint.guests[0][5] == body


def test_token_hop_limit(forwarder: Forwarder, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer that carries a token may be routed as far as the endpoint says, or not at all; others may."""
    hops: list[int] = []
    original = Forwarder._answer

    def spy(self: Forwarder, connection: socket.socket, answer: object) -> None:
        hops.append(connection.getsockopt(socket.IPPROTO_IP, socket.IP_TTL))
        original(self, connection, answer)  # type: ignore[arg-type]

    monkeypatch.setattr(Forwarder, "_answer", spy)
    put = get("/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60", method="PUT")
    for told in ("", "2", "0", "-1", "99999", "x"):
        endpoint.hop_limit = told
        assert b"hop-limit" not in ask(forwarder, put)[1].lower()
    ask(forwarder, get("/latest/api/token"))
    assert hops[:6] == [1, 2, 1, 1, 1, 1] and hops[6] > 2


def test_endpoint_down(forwarder: Forwarder, endpoint: Endpoint) -> None:
    """Without endpoint the guest hears 502 and may try again."""
    ask(forwarder, get("/"))
    endpoint.close()
    assert ask(forwarder, get("/"))[0] == 502


def test_status_passes(forwarder: Forwarder, endpoint: Endpoint) -> None:
    """The endpoint's own refusals reach the guest: 401 asks it for a token."""
    endpoint.guest_status = 401
    assert ask(forwarder, get("/"))[0] == 401


def test_slow_guest(forwarder: Forwarder) -> None:
    """A guest that dawdles is hung up on in time, and a greedy one leaves places to others."""
    began = time.monotonic()
    assert ask(forwarder, b"GET / HTTP/1.1\r\n")[0] == 408
    assert time.monotonic() - began < 2
    greedy = [socket.create_connection(("127.0.0.1", forwarder.port)) for _ in range(CONCURRENT_PER_GUEST)]
    time.sleep(0.1)
    assert is_turned_away(forwarder)
    for connection in greedy:
        connection.close()
    deadline = time.monotonic() + 3
    while is_turned_away(forwarder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ask(forwarder, get("/"))[0] == 200


def test_flood(forwarder: Forwarder, endpoint: Endpoint) -> None:
    """
    10,000 requests of one guest, as fast as it can: others that boot meanwhile are answered each time they ask, and
    the endpoint hears of no more than its allowance.
    """
    done = threading.Event()

    def floods() -> None:
        for _ in range(10_000 // 8):
            is_turned_away(forwarder)
        done.set()

    began = time.monotonic()
    greedy = [threading.Thread(target=floods) for _ in range(8)]
    for each in greedy:
        each.start()
    answered, boots = [], 0
    while not done.is_set():
        answered += [ask(forwarder, get(f"/latest/{number}"), f"127.0.1.{boots % 200 + 1}")[0] for number in range(30)]
        boots += 1
    for each in greedy:
        each.join()
    assert boots > 1 and set(answered) == {200}
    heard = [address for _, _, _, address, _, _ in endpoint.guests]
    assert BURST <= heard.count("127.0.0.1") <= BURST + PER_S * (time.monotonic() - began)
    assert len(heard) - heard.count("127.0.0.1") == len(answered)


def test_poll(forwarder: Forwarder, endpoint: Endpoint) -> None:
    """A guest's agent may wait for longer than others, twice at the most, and takes none of their places."""
    endpoint.delay_s = 1.5
    poll = get("/agent/poll", "Content-Length: 0", method="POST")
    assert ask(forwarder, poll)[0] == 200
    assert ask(forwarder, get("/"))[0] == 502
    (told,) = [headers for _, path, _, _, headers, _ in endpoint.guests if path == "/guest/agent/poll"]
    assert told["X-Wawel-Wait"] == "25"
    wait_until(lambda: not forwarder._polls, "the place of the poll is free", 5)
    forwarder._polls["127.0.0.1"] = POLLS_PER_GUEST
    assert ask(forwarder, poll)[0] == 503
    # Who is answered leaves just after.
    wait_until(lambda: not forwarder._guests, "the places of those that were answered are free", 5)
    with forwarder._lock:
        forwarder._polls.clear()
        forwarder._guests["127.0.0.1"] = CONCURRENT_PER_GUEST - 1
    waiting = threading.Thread(target=ask, args=(forwarder, poll))
    waiting.start()
    wait_until(lambda: bool(forwarder._polls), "the poll has its place", 5)
    with forwarder._lock:
        assert forwarder._polls["127.0.0.1"] == 1 and forwarder._guests["127.0.0.1"] == CONCURRENT_PER_GUEST - 1
    waiting.join()


def test_close(endpoint: Endpoint) -> None:
    """After close the port is free and no thread stays."""
    before = threading.active_count()
    forwarder = Forwarder("br", lambda: Client(parse_endpoint(endpoint.url), None), ("127.0.0.1", 0), False)
    forwarder.close()
    again = Forwarder("br", lambda: Client(parse_endpoint(endpoint.url), None), ("127.0.0.1", forwarder.port), False)
    again.close()
    time.sleep(0.1)
    assert threading.active_count() <= before


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40))
def test_path_property(text: str) -> None:
    """A path that passes is one line of safe ASCII, climbs nowhere, and normalising it again changes nothing."""
    try:
        path = normalise_path("/" + text)
    except RefusedRequest:
        return
    assert path.startswith("/") and path.isascii() and path.isprintable() and " " not in path
    bare = path.partition("?")[0]
    assert ".." not in bare and "//" not in bare
    if "%25" not in bare:
        assert normalise_path(path) == path


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_head_property(head: bytes) -> None:
    """Any bytes are a request or a refusal."""
    try:
        parse_head(head)
    except RefusedRequest as refusal:
        assert 400 <= refusal.status < 500
