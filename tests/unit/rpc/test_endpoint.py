"""Where one may listen, and with which files."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cm.rpc.client import RpcClient
from cm.rpc.endpoint import make_listener, parse_address
from cm.rpc.server import make_site
from cm.runtime.settings import SettingsError
from tests.unit.runtime.reactor import Reactor

from .sample import Sample


@pytest.fixture(scope="module")
def thread() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


def listen(thread: Reactor, address: str, **options: Any) -> Any:
    def start() -> Any:
        sample = Sample(thread.reactor)
        return make_listener(thread.reactor, address, make_site(thread.reactor, sample.dispatcher), **options)

    return thread.do(start)


class TestListener:
    def test_tls(self, thread: Reactor, files: tuple[str, str]) -> None:
        """TLS serves, and not below version 1.2."""
        listener = listen(thread, "127.0.0.1:0", tls_certificate=files[0], tls_key=files[1])
        port = listener.getHost().port
        with RpcClient(f"https://127.0.0.1:{port}", ca=files[0]) as client:
            assert client.call("guest.time") == "2026-01-02T03:04:05Z"
        old = ssl.create_default_context(cafile=files[0])
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=old, timeout=5)
        with pytest.raises(OSError):
            connection.request("GET", "/health")
        thread.do(listener.stopListening)

    def test_unix(self, thread: Reactor, tmp_path: Path) -> None:
        """A UNIX socket serves plain HTTP; a stale one is replaced."""
        path = tmp_path / "cm.sock"
        for _ in range(2):
            listener = listen(thread, f"unix:{path}")
            with RpcClient(f"unix:{path}") as client:
                assert client.call("guest.time") == "2026-01-02T03:04:05Z"
            thread.do(listener.stopListening)

    def test_plain(self, thread: Reactor) -> None:
        """Plain HTTP is for loopback, unless it is allowed by name."""
        thread.do(listen(thread, "127.0.0.1:0").stopListening)
        thread.do(listen(thread, "[::1]:0").stopListening) if _has_ipv6() else None
        with pytest.raises(SettingsError, match="insecure = true"):
            listen(thread, "0.0.0.0:0")
        thread.do(listen(thread, "0.0.0.0:0", allow_plain=True).stopListening)

    def test_files(self, thread: Reactor, files: tuple[str, str], tmp_path: Path) -> None:
        """What is wrong with the files is told, all of it."""
        nonsense = tmp_path / "nonsense.pem"
        nonsense.write_text("nonsense")
        for certificate, key, words in (
            (files[0], None, "one is set without the other"),
            (str(tmp_path / "no.pem"), str(nonsense), "No such file.*\ntls_key .*PEM"),
            (str(nonsense), files[1], "holds no certificate"),
            (files[1], files[1], "holds no certificate"),
        ):
            with pytest.raises(SettingsError, match=words):
                listen(thread, "127.0.0.1:0", tls_certificate=certificate, tls_key=key)

    def test_foreign_key(self, thread: Reactor, files: tuple[str, str], tmp_path: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        path = tmp_path / "other.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with pytest.raises(SettingsError, match="not the key of"):
            listen(thread, "127.0.0.1:0", tls_certificate=files[0], tls_key=str(path))

    @pytest.mark.parametrize(
        "address", ["", "8001", ":8001", "host.example:80", "127.0.0.1:x", "127.0.0.1:65536", "::1"]
    )
    def test_addresses(self, address: str) -> None:
        if address == "::1":
            assert parse_address("[::1]:80") == ("::1", 80) and parse_address("*:1") == ("0.0.0.0", 1)
            return
        with pytest.raises(SettingsError):
            parse_address(address)


def _has_ipv6() -> bool:
    return (
        "00000000000000000000000000000001" in Path("/proc/net/if_inet6").read_text()
        if Path("/proc/net/if_inet6").exists()
        else False
    )
