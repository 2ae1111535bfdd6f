"""Signatures and the HTTP client."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_endpoint import Endpoint

from node_hooks.client import Client, Credential, parse_endpoint
from node_hooks.errors import EndpointRefused, EndpointUnavailable, WrongUse
from node_hooks.signature import Authorization, is_signed_by, parse_authorization, sign

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))


def test_known_signature() -> None:
    """The signature is part of the wire for ever: HMAC-SHA256; this one was computed with `openssl dgst`."""
    found = sign("secret", "GET", "/node/document?version=&wait=20", 1700000000, b"", "br0", "10.128.0.5")
    assert found == "f5a74de0ae51a1b3c0c14cc7ca60fbe5c2286c425bdf7b78eb10771d736cfc24"


@settings(deadline=None)
@given(texts, texts, texts, texts, st.binary(), st.integers(0, 10**11))
def test_signature_covers_all(method: str, path: str, bridge: str, address: str, body: bytes, when: int) -> None:
    """What was signed is accepted, and no field may be changed."""
    claim = Authorization(1, when, sign("secret", method, path, when, body, bridge, address))
    assert parse_authorization(claim.header()) == claim
    assert is_signed_by(claim, "secret", method, path, body, bridge, address)
    for other in (
        is_signed_by(claim, "secreT", method, path, body, bridge, address),
        is_signed_by(claim, "secret", method + "x", path, body, bridge, address),
        is_signed_by(claim, "secret", method, path + "x", body, bridge, address),
        is_signed_by(claim, "secret", method, path, body + b"x", bridge, address),
        is_signed_by(claim, "secret", method, path, body, bridge + "x", address),
        is_signed_by(claim, "secret", method, path, body, bridge, address + "x"),
        is_signed_by(Authorization(1, when + 1, claim.signature), "secret", method, path, body, bridge, address),
    ):
        assert not other


def test_signature_borders() -> None:
    """A line feed in a field would let one request's signature fit another; it is refused, not signed."""
    with pytest.raises(ValueError):
        sign("secret", "GET", "/a\n1", 1, b"")
    claim = Authorization(1, 1, sign("secret", "GET", "/", 1, b"", "a", "b"))
    assert not is_signed_by(claim, "secret", "GET", "/", b"", "a\nb", "")


@pytest.mark.parametrize(
    "header",
    ["", "Basic x", "Wawel-Node node=1,time=2", "Wawel-Node node=-1,time=2,signature=" + "a" * 64,
     "Wawel-Node node=1,time=2,signature=" + "A" * 64, "Wawel-Node node=1,time=2,signature=" + "a" * 64 + "\n"],
)
def test_no_authorization(header: str) -> None:
    """Anything but the exact form is no claim."""
    assert parse_authorization(header) is None


def test_json(endpoint: Endpoint, client: Client) -> None:
    """A signed request is answered, over one connection; a wrong credential is refused by name."""
    assert client.json("GET", "/node/document?version=&wait=0")["version"] == "v1"
    first = client._connection
    client.json("GET", "/node/document?version=&wait=0")
    assert client._connection is first and first is not None
    stranger = Client(parse_endpoint(endpoint.url), Credential(7, "other"))
    with pytest.raises(EndpointRefused) as caught:
        stranger.json("GET", "/node/document?version=&wait=0")
    stranger.close()
    assert (caught.value.status, caught.value.slug) == (401, "unsigned")
    assert "other" not in repr(stranger.credential)


def test_stale_connection(endpoint: Endpoint, client: Client) -> None:
    """A connection that the endpoint closed meanwhile is opened again without anybody noticing."""
    client.json("GET", "/node/document?version=&wait=0")
    endpoint.close()
    again = Endpoint(port=endpoint.port)
    try:
        assert client.json("GET", "/node/document?version=&wait=0")["version"] == "v1"
    finally:
        again.close()


def test_deadline() -> None:
    """An endpoint that is silent, or that drips its answer, is given up in time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def drip() -> None:
            connection, _ = server.accept()
            connection.recv(65536)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(30):
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                pass

        threading.Thread(target=drip, daemon=True).start()
        client = Client(parse_endpoint(f"http://127.0.0.1:{server.getsockname()[1]}"), None)
        began = time.monotonic()
        with pytest.raises(EndpointUnavailable):
            client.request("GET", "/", timeout_s=0.3)
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
                                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
                                    b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}",
                                    b"HTTP/1.1 302 Go\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"])
def test_broken_answers(answer: bytes) -> None:
    """Whatever is no answer means: later."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        client = Client(parse_endpoint(f"http://127.0.0.1:{server.getsockname()[1]}"), None)
        with pytest.raises(EndpointUnavailable):
            client.json("GET", "/", timeout_s=2)
        client.close()


@pytest.mark.parametrize("url", ["", "ftp://x", "https://", "http://u@x", "http://x:99999", "http://x/?a", "x:1"])
def test_wrong_url(url: str) -> None:
    """A URL that is none is told in a sentence."""
    with pytest.raises(WrongUse):
        parse_endpoint(url)


def test_ports() -> None:
    """Ports default by scheme, the path becomes a prefix."""
    assert parse_endpoint("https://h").port == 443
    assert parse_endpoint("http://h:8002/cluster/").prefix == "/cluster"
    with pytest.raises(WrongUse):
        parse_endpoint("https://h", "/nonexistent/ca.pem")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="TLS was not tried: openssl is not installed")
def test_tls(tmp_path: Path) -> None:
    """An endpoint of the named CA is trusted; any other certificate is no endpoint."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    endpoint = Endpoint(tls=context)
    try:
        trusting = Client(parse_endpoint(endpoint.url, str(certificate)), Credential(7, endpoint.credential))
        assert trusting.json("GET", "/node/document?version=&wait=0")["version"] == "v1"
        trusting.close()
        with pytest.raises(EndpointUnavailable, match="certificate"):
            Client(parse_endpoint(endpoint.url), Credential(7, endpoint.credential)).json("GET", "/node/document")
    finally:
        endpoint.close()
