"""Imports by URL and from local directories, against a real HTTP server on this machine."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from cm.drivers.images import target as target_module
from cm.drivers.images.fetch import fetch
from cm.drivers.images.local import copy_local, open_beneath
from cm.drivers.images.policy import FetchPolicy, embedded, refusal
from cm.rpc.errors import AddressRefused, DownloadFailed, DownloadRefused, InvalidParameter, StorageFull, TooLarge

BODY = os.urandom(700_000)
LOCAL = FetchPolicy(
    allowed_networks=(ipaddress.ip_network("127.0.0.1/32"),), max_bytes=2**20, timeout_s=5.0, stall_s=0.5
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, _, argument = self.path.strip("/").partition("/")
        try:
            getattr(self, f"serve_{path}")(argument)
        except OSError:
            pass  # the client hung up, as it should

    def start(self, status: int = 200, **headers: str | int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def serve_body(self, argument: str) -> None:
        self.start(Content_Length=len(BODY))
        self.wfile.write(BODY)

    def serve_host(self, argument: str) -> None:
        name = self.headers["Host"].encode()
        self.start(Content_Length=len(name))
        self.wfile.write(name)

    def serve_chunked(self, argument: str) -> None:
        self.start(Transfer_Encoding="chunked")
        for at in range(0, len(BODY), 100_000):
            part = BODY[at : at + 100_000]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def serve_unsized(self, argument: str) -> None:
        self.start(Connection="close")
        self.wfile.write(BODY)
        self.close_connection = True

    def serve_short(self, argument: str) -> None:
        self.start(Content_Length=len(BODY) + 1)
        self.wfile.write(BODY)
        self.close_connection = True

    def serve_short_chunked(self, argument: str) -> None:
        self.start(Transfer_Encoding="chunked")
        self.wfile.write(b"10\r\nabc")
        self.close_connection = True

    def serve_huge(self, argument: str) -> None:
        self.start(Content_Length=2**50)

    def serve_endless(self, argument: str) -> None:
        self.start(Connection="close")
        while True:
            self.wfile.write(BODY)

    def serve_stall(self, argument: str) -> None:
        self.start(Content_Length=100)
        self.wfile.write(b"x")
        self.wfile.flush()
        time.sleep(2)

    def serve_drip(self, argument: str) -> None:
        self.start(Content_Length=10_000)
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def serve_dripping_header(self, argument: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def serve_status(self, argument: str) -> None:
        self.start(int(argument), Content_Length=0)

    def serve_compressed(self, argument: str) -> None:
        self.start(Content_Length=3, Content_Encoding="gzip")

    def serve_to(self, argument: str) -> None:
        self.start(302, Location=argument, Content_Length=0)

    def serve_loop(self, argument: str) -> None:
        left = int(argument)
        self.start(301, Location=f"/loop/{left - 1}" if left else "/body", Content_Length=0)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that hang up are what is tested


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture()
def out(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "image")


def gone(out: str) -> bool:
    return not os.path.exists(out)


@pytest.mark.parametrize("path", ["body", "chunked", "unsized", "to//body", "loop/4"])
def test_body(url: str, out: str, path: str) -> None:
    """The bytes arrive, counted and hashed, however the server sends them."""
    told: list[int] = []
    fetched = fetch(f"{url}/{path}", out, LOCAL, progress=lambda done, total: told.append(done))
    assert Path(out).read_bytes() == BODY
    assert (fetched.size_bytes, fetched.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert told == sorted(told) and told[-1] == len(BODY)
    assert os.stat(out).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("short", DownloadFailed),
        ("short_chunked", DownloadFailed),
        ("huge", TooLarge),
        ("endless", TooLarge),
        ("stall", DownloadFailed),
        ("loop/6", DownloadRefused),
        ("to/file:///etc/shadow", AddressRefused),
        ("to/http://169.254.169.254/latest/meta-data/", AddressRefused),
        ("to/http://[::1]/", AddressRefused),
        ("to/http://10.0.0.1/", AddressRefused),
        ("to/http://0x7f.2/", AddressRefused),
        ("to/http://user:secret@127.0.0.1/", AddressRefused),
    ],
)
def test_refused(url: str, out: str, path: str, error: type[Exception]) -> None:
    """Nothing stays of what was refused or broke off."""
    with pytest.raises(error) as caught:
        fetch(f"{url}/{path}", out, LOCAL)
    assert gone(out)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("path", ["drip", "dripping_header", "endless"])
def test_deadline(url: str, out: str, path: str) -> None:
    """The whole takes no longer than it may, though bytes keep coming."""
    began = time.monotonic()
    with pytest.raises(DownloadFailed, match="longer than"):
        fetch(f"{url}/{path}", out, replace(LOCAL, timeout_s=0.8, max_bytes=2**50))
    assert time.monotonic() - began < 2.5
    assert gone(out)


def test_slow(url: str, out: str) -> None:
    """A server that drips is given up, though it never stalls; one that is fast enough is not."""
    slow = replace(LOCAL, pace_s=0.2, bytes_per_s_min=1000)
    with pytest.raises(DownloadFailed, match="less than 1000 bytes a second") as caught:
        fetch(f"{url}/drip", out, slow)
    assert caught.value.tries == 3 and gone(out)
    assert fetch(f"{url}/body", out, slow).size_bytes == len(BODY)


def test_cancelled(url: str, out: str) -> None:
    """A call-off ends it between two chunks."""
    calls: list[None] = []

    def cancelled() -> bool:
        calls.append(None)
        return len(calls) > 3

    with pytest.raises(DownloadFailed, match="called off"):
        fetch(f"{url}/endless", out, replace(LOCAL, max_bytes=2**50), cancelled=cancelled)
    assert gone(out)


def test_existing_target(url: str, out: str) -> None:
    """A file that is there already is not touched."""
    Path(out).write_text("mine")
    with pytest.raises(FileExistsError):
        fetch(f"{url}/body", out, LOCAL)
    assert Path(out).read_text() == "mine"


def test_full(url: str, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Free space is looked at before the first byte."""
    monkeypatch.setattr(target_module, "RESERVE_BYTES", 2**60)
    with pytest.raises(StorageFull):
        fetch(f"{url}/body", out, LOCAL)
    assert gone(out)


def test_pinned(url: str, out: str) -> None:
    """The name is asked once and the connection goes to that answer; the server still sees the name."""
    answers = iter(["127.0.0.1", "10.0.0.1"])
    port = url.rpartition(":")[2]
    fetch(f"http://mirror.test:{port}/host", out, LOCAL, resolver=lambda host, port: [next(answers)])
    assert Path(out).read_text() == f"mirror.test:{port}"


def test_flip_on_redirect(url: str, out: str) -> None:
    """A name that was harmless at first is judged anew after a redirect to itself."""
    answers = iter(["127.0.0.1", "169.254.169.254"])
    port = url.rpartition(":")[2]
    with pytest.raises(AddressRefused, match="link-local"):
        fetch(f"http://mirror.test:{port}/to//body", out, LOCAL, resolver=lambda host, port: [next(answers)])


def test_one_bad_answer(url: str, out: str) -> None:
    """A name with one forbidden address among good ones is refused, whichever comes first."""
    with pytest.raises(AddressRefused):
        fetch(f"{url}/body".replace("127.0.0.1", "m.test"), out, LOCAL, resolver=lambda h, p: ["127.0.0.1",
        "127.0.0.2"])


@pytest.mark.parametrize("answers", [[], ["nonsense"]])
def test_no_address(out: str, answers: list[str]) -> None:
    """A resolver that gives nothing useful ends the import."""
    with pytest.raises((DownloadFailed, AddressRefused)):
        fetch("http://m.test/", out, LOCAL, resolver=lambda host, port: answers)


@pytest.mark.parametrize(
    "bad",
    ["ftp://a/b", "file:///etc/shadow", "//a/b", "http://", "http:///x", "http://u:p@a/", "http://a:x/", "http://a/b c",
     "http://a/\r\nX: y", "gopher://a", "http://é/", "http://[::1", "http://a/" + "x" * 5000],
)  # fmt: skip
def test_bad_url(out: str, bad: str) -> None:
    """Only plain http and https URLs are taken; nothing is resolved for others."""

    def resolver(host: str, port: int) -> list[str]:
        raise AssertionError("asked")

    with pytest.raises((AddressRefused, InvalidParameter)):
        fetch(bad, out, LOCAL, resolver=resolver)


def test_refused_connection(out: str) -> None:
    """Nobody listening is worth a retry."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DownloadFailed):
        fetch(f"http://127.0.0.1:{port}/", out, LOCAL)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.255.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "10.1.2.3", "172.31.0.1",
     "192.168.1.1", "100.64.0.1", "198.18.0.1", "::", "::1", "fe80::1", "ff02::1", "fc00::1", "fd12::1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a9fe:a9fe",
     "2002:7f00:1::", "2002:a00:1::1", "2001:0:1:2:3:4:80ff:fffe", "240.0.0.1", "203.0.113.9"],
)  # fmt: skip
def test_forbidden_address(address: str) -> None:
    """Every way to write a forbidden address is refused."""
    assert refusal(ipaddress.ip_address(address), FetchPolicy()) is not None


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::1"])
def test_public_address(address: str) -> None:
    """Public addresses may be reached, translated ones too; our own never."""
    parsed = ipaddress.ip_address(address)
    assert refusal(parsed, FetchPolicy()) is None
    own = FetchPolicy(own_addresses=frozenset(embedded(parsed)))
    assert refusal(parsed, own) is not None


def test_policy_options() -> None:
    """Private ranges can be opened, loopback only by name."""
    private, loopback = ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("127.0.0.1")
    assert refusal(private, FetchPolicy(allow_private=True)) is None
    assert refusal(loopback, FetchPolicy(allow_private=True)) is not None
    assert refusal(loopback, LOCAL) is None


@given(st.integers(0, 2**32 - 1))
def test_embedded_no_weaker(number: int) -> None:
    """Wrapping an IPv4 address into IPv6 never makes a refused one acceptable."""
    plain = ipaddress.IPv4Address(number)
    if refusal(plain, FetchPolicy()) is None:
        return
    for prefix in ("::ffff:0:0", "64:ff9b::", "::"):
        wrapped = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + number)
        assert refusal(wrapped, FetchPolicy()) is not None


# ---------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of its own signing for mirror.test, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mirror.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mirror.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return path


@pytest.fixture(scope="module")
def tls_port(certificate: Path) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def test_tls(tls_port: int, certificate: Path, out: str) -> None:
    """TLS is verified against the name, though the connection goes to an address; the system's trust is the default."""
    trust = ssl.create_default_context(cafile=str(certificate))
    resolver = lambda host, port: ["127.0.0.1"]  # noqa: E731
    fetched = fetch(f"https://mirror.test:{tls_port}/body", out, LOCAL, resolver=resolver, tls=trust)
    assert fetched.size_bytes == len(BODY)
    for host, tls in (("other.test", trust), ("mirror.test", None)):
        with pytest.raises(DownloadRefused, match="certificate"):
            fetch(f"https://{host}:{tls_port}/body", out + "2", LOCAL, resolver=resolver, tls=tls)
    with pytest.raises(DownloadFailed, match="longer than|stalls"):
        fetch(f"https://mirror.test:{tls_port}/drip", out + "2", replace(LOCAL, timeout_s=0.5), resolver=resolver,
        tls=trust)
    assert gone(out + "2")


# ---------------------------------------------------------------------- local files


def test_copy_local(tmp_path: Path, out: str) -> None:
    """A file beneath an allowed directory is copied and hashed."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    source = tmp_path / "in" / "deep" / "a.raw"
    source.write_bytes(BODY)
    fetched = copy_local(str(source), out, [str(tmp_path / "in")], max_bytes=2**20)
    assert fetched.sha256 == hashlib.sha256(BODY).hexdigest() and Path(out).read_bytes() == BODY
    with pytest.raises(TooLarge):
        copy_local(str(source), out + "2", [str(tmp_path / "in")], max_bytes=10)
    assert gone(out + "2")


def test_local_elsewhere(tmp_path: Path) -> None:
    """Links at any depth, climbing, devices, FIFOs, directories and other places are refused."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("s")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "dir").symlink_to(outside)
    (inside / "sub").mkdir()
    os.mkfifo(inside / "fifo")
    make: Callable[[str], str] = lambda name: str(inside / name)  # noqa: E731
    bad = [make("link"), make("dir/secret"), make("../out/secret"), make("absent"), make("sub"), make("fifo"),
           str(outside / "secret"), str(inside), "in/a", str(tmp_path / "in2"), make("a\0b"), "/dev/zero"]  # fmt: skip
    for path in bad:
        with pytest.raises(InvalidParameter):
            open_beneath(path, [str(inside)])
