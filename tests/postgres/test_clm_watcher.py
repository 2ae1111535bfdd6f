"""Who looks after which cluster: one process at a time, another when it is gone; and clusters over TLS."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clm.daemon.app import CloudManager
from clm.daemon.settings import ListenSettings
from clm.daemon.watcher import CARE, DUTIES
from clm.drivers.cluster import ClusterUnavailable
from cm.rpc.errors import InvalidParameter
from cm.runtime.loop import Locks
from support.cloud import reactor, run
from support.federation import Federation, Proxy, federated
from support.wait import until


@pytest.fixture
def federation(postgres: Any, tmp_path: Path) -> Iterator[Federation]:
    with federated(postgres, tmp_path) as made:
        yield made


@pytest.fixture
def second(federation: Federation) -> Iterator[CloudManager]:
    """Another process's cloud manager, on the same database."""

    async def start() -> CloudManager:
        made = CloudManager(reactor, replace(federation.bench.settings, listen=ListenSettings(rpc="")))
        await made.start()
        return made

    made = run(start)
    yield made
    run(made.stop)


def test_one_at_a_time(federation: Federation, second: CloudManager) -> None:
    """While one process looks after the clusters another does not; it takes over when the first is gone."""
    both = set(federation.ids.values())
    until(lambda: set(federation.bench.manager.watcher.duties) == both)
    assert not second.watcher.duties
    federation.bench.stop()
    until(lambda: set(second.watcher.duties) == both, "the others' duties")
    federation.bench.start()
    assert not federation.bench.manager.watcher.duties


def test_told_to_all(federation: Federation, second: CloudManager) -> None:
    """What one process does to a cluster the others know at once."""
    federation.call("cloud.cluster.lock", [federation.ids["beta"]], login="admin")
    until(lambda: second.clusters.find(federation.ids["beta"]).facts.locked)  # type: ignore[union-attr]
    federation.call("cloud.cluster.delete", [federation.ids["beta"]], login="admin")
    until(lambda: second.clusters.find(federation.ids["beta"]) is None)
    until(lambda: set(federation.bench.manager.watcher.duties) == {federation.ids["alpha"]})


def test_new_cluster(postgres: Any, tmp_path: Path) -> None:
    """A cluster that is added is looked after at once."""
    with federated(postgres, tmp_path, ("alpha",), add=False) as made:
        made.add("alpha")
        until(lambda: made.bench.sql("SELECT feed_cursor <> '' FROM cluster"), "its feed", 1.9)


def test_locks(federation: Federation) -> None:
    """What one holds another does not get, until it is released or its connection ends."""
    url = federation.bench.settings.database.url
    run(federation.bench.manager.watcher.stop)
    one, two = Locks(url, DUTIES), Locks(url, DUTIES)
    assert one.hold({CARE, 7}) == {CARE, 7}
    assert two.hold({CARE, 7, 8}) == {8}
    assert one.hold({CARE}) == {CARE}
    assert two.hold({CARE, 7, 8}) == {7, 8}
    federation.bench.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wawel duties' AND pid = :pid",
        pid=two._connection.info.backend_pid,
    )
    assert two.hold({7, 8}) == frozenset(), "a connection that ended holds nothing"
    assert two.hold({7, 8}) == {7, 8}
    one.close()
    two.close()


# ------------------------------------------------------------------ TLS


def make_certificate(directory: Path) -> tuple[str, ssl.SSLContext]:
    """A certificate of its own authority for 127.0.0.1: its PEM, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "cluster.pem"
    path.write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return pem.decode(), context


def test_tls(postgres: Any, tmp_path: Path) -> None:
    """A cluster over TLS, its authority the system's or one that is given; another's certificate is not believed."""
    pem, context = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = make_certificate(tmp_path / "other")
    with federated(postgres, tmp_path, ("alpha",), add=False) as made:
        proxy = Proxy(made.ports["alpha"], context)
        try:
            told = {"name": "alpha", "url": f"https://127.0.0.1:{proxy.port}"}
            for wrong in (None, other):
                with pytest.raises(ClusterUnavailable, match="certificate verify failed"):
                    made.call("cloud.cluster.add", {**told, "ca": wrong}, login="admin")
            begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
            with pytest.raises(InvalidParameter):
                made.call("cloud.cluster.add", {**told, "ca": f"{begin}\nrubbish\n{end}"}, login="admin")
            added = made.call("cloud.cluster.add", {**told, "ca": pem}, login="admin")
            assert added["has_ca"]
            made.create("alpha")
            until(lambda: made.bench.sql("SELECT feed_cursor <> '' FROM cluster"), "its feed over TLS")
        finally:
            proxy.close()
