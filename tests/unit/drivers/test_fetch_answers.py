"""What imports make of servers that answer as broken ones do: definitively, in passing, or not what they were asked."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cm.drivers.images import answer
from cm.drivers.images.fetch import fetch
from cm.drivers.images.inspect import refuse_head
from cm.drivers.images.policy import FetchPolicy
from cm.rpc.errors import AddressRefused, CloudError, DownloadFailed, DownloadRefused, ImageRefused

DISK = bytes(510) + b"\x55\xaa" + bytes(100_000)
PAGE = b"<!DOCTYPE html><html><body>Log in first</body></html>"
LOCAL = FetchPolicy(
    allowed_networks=(ipaddress.ip_network("127.0.0.1/32"),), max_bytes=2**20, timeout_s=10.0, stall_s=1.0
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status, "a phrase of <b>its own</b>")
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path, _, argument = self.path.partition("?")[0].strip("/").partition("/")
        getattr(self, f"serve_{path}")(argument)

    def serve_disk(self, argument: str) -> None:
        self.reply(200, DISK)

    def serve_status(self, argument: str) -> None:
        self.reply(int(argument))

    def serve_busy(self, argument: str) -> None:
        in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        after = {"date": in_an_hour, "past": "Thu, 01 Jan 1970 00:00:00 GMT"}.get(argument, argument)
        self.reply(503 if argument == "7" else 429, Retry_After=after)

    def serve_loop(self, argument: str) -> None:
        self.reply(302, Location="/loop")

    def serve_nowhere(self, argument: str) -> None:
        self.reply(302)

    def serve_file(self, argument: str) -> None:
        self.reply(302, Location="file:///etc/passwd")

    def serve_blank(self, argument: str) -> None:
        self.reply(302, Location="/disk/with a blank.raw")

    def serve_private(self, argument: str) -> None:
        self.reply(302, Location="http://user:hidden@10.0.0.1/?token=hidden")

    def serve_away(self, argument: str) -> None:
        self.reply(302, Location="/status/404?token=hidden")

    def serve_encoded(self, argument: str) -> None:
        self.reply(200, gzip.compress(DISK), Content_Encoding=argument)

    def serve_typed(self, argument: str) -> None:
        self.reply(200, DISK, Content_Type=argument)

    def serve_page(self, argument: str) -> None:
        self.reply(200, PAGE + b" " * 1000)

    def serve_short(self, argument: str) -> None:
        self.reply(200, DISK, Content_Length=str(len(DISK) + 1))
        self.close_connection = True

    def serve_reset(self, argument: str) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def served(tls: ssl.SSLContext | None = None) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    yield from served()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mirror.test")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now - timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("mirror.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path, pem = tmp_path_factory.mktemp("tls") / "both.pem", serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture(scope="module")
def tls_port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield from served(context)


@pytest.fixture
def silent() -> Iterator[int]:
    """Takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def ssh() -> Iterator[int]:
    """A port of another protocol."""

    def serve() -> None:
        while True:
            try:
                taken, _ = server.accept()
            except OSError:
                return
            with taken:
                taken.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                taken.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def failure(url: str, out: Path, **options: Any) -> CloudError:
    """How the import fails; nothing stays of it."""
    resolver = options.pop("resolver", lambda host, port: ["127.0.0.1"])
    with pytest.raises(CloudError) as caught:
        fetch(url, str(out), LOCAL, resolver=resolver, **options)
    assert not out.exists()
    return caught.value


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("status/400", "mirror.test answers 400 Bad Request"),
        ("status/401", "mirror.test answers 401 Unauthorized, it wants a login, and imports have none"),
        ("status/403", "mirror.test answers 403 Forbidden"),
        ("status/404", "mirror.test answers 404 Not Found"),
        ("status/410", "mirror.test answers 410 Gone"),
        ("status/418", "mirror.test answers 418 I'm a Teapot"),
        ("status/499", "mirror.test answers 499"),
        ("status/204", "mirror.test answers 204 No Content, which is no file"),
        ("status/206", "mirror.test answers 206 Partial Content, which is a part of the file only"),
        ("status/304", "mirror.test answers 304 Not Modified"),
        ("away", "mirror.test answers 404 Not Found"),
        ("loop", "mirror.test redirects in a circle"),
        ("nowhere", "mirror.test redirects, and does not say where to"),
        ("encoded/gzip", "mirror.test sends it encoded (gzip), and was asked not to"),
        ("encoded/%3Cb%3E", "mirror.test sends it encoded"),
    ],
)
def test_definitive(port: int, tmp_path: Path, path: str, reason: str) -> None:
    """What asking again would not change ends it, with who answered what; administrators are told where, too."""
    error = failure(f"http://mirror.test:{port}/{path}?token=hidden", tmp_path / "image")
    assert isinstance(error, DownloadRefused) and not error.retry
    assert error.reason.startswith(reason)
    told = error.for_administrator()
    assert "at 127.0.0.1)" in told and f"mirror.test:{port}/" in told
    assert "hidden" not in told and "its own" not in told and "<" not in told


@pytest.mark.parametrize(("path", "error"), [("file", AddressRefused), ("private", AddressRefused)])
def test_redirected_where_none_may_go(port: int, tmp_path: Path, path: str, error: type[CloudError]) -> None:
    """Redirects to schemes and addresses that imports may not reach are definitive as well, and leak nothing."""
    found = failure(f"http://mirror.test:{port}/{path}", tmp_path / "image", resolver=lambda host, port: [
        host if host[0] == "1" else "127.0.0.1"])  # fmt: skip
    assert type(found) is error and not found.retry and "hidden" not in found.for_administrator()


def test_blank_in_a_redirect(port: int, tmp_path: Path) -> None:
    """Servers redirect to what is no URL; blanks are quoted, as browsers do."""
    out = tmp_path / "image"
    fetched = fetch(f"http://127.0.0.1:{port}/blank", str(out), LOCAL)
    assert out.read_bytes() == DISK and fetched.url.endswith("/disk/with%20a%20blank.raw")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing(port: int, tmp_path: Path, status: int) -> None:
    """What may pass is worth a retry."""
    error = failure(f"http://mirror.test:{port}/status/{status}", tmp_path / "image")
    assert isinstance(error, DownloadFailed) and error.retry and error.tries == 0
    assert error.reason.startswith(f"mirror.test answers {status}")


@pytest.mark.parametrize(
    ("given", "least", "most"),
    [("7", 7, 7), ("120", 120, 120), ("date", 3500, 3600), ("past", 0, 0), ("soon", 0, 0), ("9" * 30, 1e8, 1e9)],
)
def test_retry_after(port: int, tmp_path: Path, given: str, least: float, most: float) -> None:
    """A server says when to come again: in seconds, or at a time."""
    error = failure(f"http://mirror.test:{port}/busy/{given}", tmp_path / "image")
    assert isinstance(error, DownloadFailed) and least <= error.after_s <= most


def test_reset(port: int, tmp_path: Path) -> None:
    error = failure(f"http://mirror.test:{port}/reset", tmp_path / "image")
    assert isinstance(error, DownloadFailed) and error.reason == "mirror.test hangs up without an answer"


def test_wrong_length(port: int, tmp_path: Path) -> None:
    """A length that is wrong in the same way some times in a row is the server's fault."""
    error = failure(f"http://mirror.test:{port}/short", tmp_path / "image")
    assert isinstance(error, DownloadFailed) and error.tries == answer.SAME_MAX
    assert error.reason == f"mirror.test announced {len(DISK) + 1} bytes and sent {len(DISK)}"


# ------------------------------------------------------------------ pages


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "application/json", "application/x+json"])
def test_page_by_its_type(port: int, tmp_path: Path, kind: str) -> None:
    """What is said to be a page is refused at once, unless the importer says what it is; then the content decides."""
    url, out = f"http://mirror.test:{port}/typed/{kind}".replace(" ", ""), tmp_path / "image"
    error = failure(url, out)
    assert isinstance(error, ImageRefused) and kind.partition(";")[0] in error.reason
    fetch(url, str(out), LOCAL, resolver=lambda host, port: ["127.0.0.1"], take_pages=True)
    assert out.read_bytes() == DISK


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/x-qemu-disk", ""])
def test_type_of_images(port: int, tmp_path: Path, kind: str) -> None:
    """Servers that know no type of images say text/plain: there the content decides."""
    fetch(f"http://127.0.0.1:{port}/typed/{kind}", str(tmp_path / "image"), LOCAL, judge=refuse_head)


def test_page_by_its_content(port: int, tmp_path: Path) -> None:
    """A page is known by its first bytes, before the rest has come."""
    error = failure(f"http://127.0.0.1:{port}/page", tmp_path / "image", judge=refuse_head)
    assert isinstance(error, ImageRefused) and error.reason == "it is an HTML page, no disk"


# ------------------------------------------------------------------ TLS and names


def test_plain_port(port: int, tmp_path: Path) -> None:
    """https:// to a port of plain HTTP cannot work, and says so; likewise the reverse."""
    error = failure(f"https://mirror.test:{port}/disk", tmp_path / "image")
    assert isinstance(error, DownloadRefused)
    assert error.reason == f"mirror.test speaks no TLS at port {port}, but plain HTTP: https:// cannot work there"


def test_tls_port(tls_port: int, tmp_path: Path) -> None:
    error = failure(f"http://mirror.test:{tls_port}/disk", tmp_path / "image")
    assert isinstance(error, DownloadRefused)
    assert error.reason == f"mirror.test speaks TLS at port {tls_port}: http:// cannot work there"


@pytest.mark.parametrize(("host", "known"), [("mirror.test", False), ("mirror.test", True), ("other.test", True)])
def test_certificate(tls_port: int, certificate: Path, tmp_path: Path, host: str, known: bool) -> None:
    """An unknown authority, a certificate that has expired, one of another host: definitive."""
    tls = ssl.create_default_context(cafile=str(certificate)) if known else None
    error = failure(f"https://{host}:{tls_port}/disk", tmp_path / "image", tls=tls)
    assert isinstance(error, DownloadRefused)
    assert error.reason.startswith(f"the certificate of {host} is not good: ")


def test_silent(silent: int, tmp_path: Path) -> None:
    """A server that says nothing may be busy; one that gives no handshake some times in a row has no TLS."""
    error = failure(f"http://mirror.test:{silent}/disk", tmp_path / "image")
    assert isinstance(error, DownloadFailed) and (error.reason, error.tries) == ("mirror.test sends nothing", 0)
    error = failure(f"https://mirror.test:{silent}/disk", tmp_path / "image")
    assert isinstance(error, DownloadFailed) and error.tries == answer.SAME_MAX
    assert error.reason == f"mirror.test answers no TLS handshake at port {silent}"


def test_another_protocol(ssh: int, tmp_path: Path) -> None:
    error = failure(f"http://mirror.test:{ssh}/disk", tmp_path / "image")
    assert isinstance(error, DownloadFailed)
    assert (error.reason, error.tries) == (f"mirror.test speaks no HTTP at port {ssh}", answer.SAME_MAX)
    error = failure(f"https://mirror.test:{ssh}/disk", tmp_path / "image")
    assert isinstance(error, DownloadRefused) and "no TLS with mirror.test" in error.reason


def _raises(error: Exception) -> Callable[[str, int], list[str]]:
    def resolver(host: str, port: int) -> list[str]:
        raise error

    return resolver


@pytest.mark.parametrize(
    ("raised", "reason", "tries"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "there is no host mirror.test", 8),
        (socket.gaierror(socket.EAI_NODATA, "No address associated"), "there is no host mirror.test", 8),
        (socket.gaierror(socket.EAI_AGAIN, "Try again"), "mirror.test has no address: Try again", 0),
    ],
)
def test_no_name(tmp_path: Path, raised: Exception, reason: str, tries: int) -> None:
    """A name that does not exist is asked for a while; a name server that does not answer, for longer."""
    error = failure("http://mirror.test/", tmp_path / "image", resolver=_raises(raised))
    assert isinstance(error, DownloadFailed) and (error.reason, error.tries) == (reason, tries)


def test_closed_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = failure(f"http://mirror.test:{port}/", tmp_path / "image")
    assert isinstance(error, DownloadFailed) and error.tries == 0
    assert error.reason == f"mirror.test cannot be reached at port {port}: Connection refused"
