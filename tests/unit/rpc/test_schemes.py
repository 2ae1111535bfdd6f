"""Addresses whose scheme is the wrong one: that is told, and at once."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cm.rpc.client import RpcClient, ServerUnreachable
from cm.rpc.schemes import WrongScheme
from tests.unit.console.wire import Wire


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of 127.0.0.1 that signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())  # fmt: skip
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"jsonrpc": "2.0", "id": 0, "error": {"code": -32004, "message": "x"}}')

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def encrypted(certificate: Path) -> Iterator[int]:
    """The port of a server that speaks TLS."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.stop()


def test_https_to_a_plain_port(plain: Wire) -> None:
    """The address that is right is told, without waiting for the end of the call's patience."""
    url = plain.url.replace("http:", "https:")
    patience = 600.0
    with RpcClient(url, timeout_s=patience) as client, pytest.raises(WrongScheme) as caught:
        client.call("guest.cluster.get_info")
    assert "speaks no TLS" in str(caught.value) and plain.url in str(caught.value)
    assert (caught.value.code, caught.value.retry) == ("server_unreachable", False)


def test_http_to_a_port_of_tls(encrypted: int) -> None:
    """Likewise the other way round."""
    with RpcClient(f"http://127.0.0.1:{encrypted}", timeout_s=20) as client, pytest.raises(WrongScheme) as caught:
        client.call("guest.cluster.get_info")
    assert f"https://127.0.0.1:{encrypted}" in str(caught.value)


def test_tls_as_before(encrypted: int, certificate: Path) -> None:
    """Who is trusted is answered; who is not is refused for that reason, not for another."""
    with RpcClient(f"https://127.0.0.1:{encrypted}", ca=str(certificate), timeout_s=20) as client:
        with pytest.raises(Exception, match="x|another request"):
            client.call("guest.cluster.get_info")
    with RpcClient(f"https://127.0.0.1:{encrypted}", timeout_s=20) as client:
        with pytest.raises(ServerUnreachable) as caught:
            client.call("guest.cluster.get_info")
    assert not isinstance(caught.value, WrongScheme)


def test_a_handshake_that_takes_long(certificate: Path) -> None:
    """A server that is slow to answer is doubted, asked in plain text, and then waited for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            first, _ = listening.accept()
            probe, _ = listening.accept()
            probe.close()
            second, _ = listening.accept()
            time.sleep(1.5)
            with context.wrap_socket(second, server_side=True) as stream:
                said = b""
                while not said.endswith(b"}"):
                    said += stream.recv(65_536)
                stream.sendall(b"HTTP/1.0 200 OK\r\n\r\nnothing of ours")
            first.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        with RpcClient(url, ca=str(certificate), timeout_s=20) as client, pytest.raises(ServerUnreachable) as caught:
            client.call("guest.cluster.get_info")
        thread.join()
    assert "no Wawel" in str(caught.value)


def test_nobody_there() -> None:
    """Where nobody listens that is what is told."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"
        with RpcClient(url, timeout_s=5) as client, pytest.raises(ServerUnreachable, match="refused") as caught:
            client.call("guest.cluster.get_info")
    assert not isinstance(caught.value, WrongScheme)
