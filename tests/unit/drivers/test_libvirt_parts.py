"""Parts of the libvirt driver that need no hypervisor: endpoints, errors, back-off."""

# What is tested imports libvirt; without it all of this is skipped, which has to be said before.
# ruff: noqa: E402

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

libvirt = pytest.importorskip("libvirt")

from cm.drivers.libvirt import connection
from cm.drivers.libvirt.endpoint import Endpoint, endpoint_of, probe
from cm.drivers.libvirt.errors import translate
from cm.drivers.libvirt.lane import Lane
from cm.drivers.libvirt.pool_kind import KINDS
from cm.drivers.libvirt.states import event_words, seen
from cm.rpc.errors import (
    DomainNotFound,
    HypervisorError,
    InvalidParameter,
    NodeBusy,
    NodeUnreachable,
    NotSupported,
    ObjectNotFound,
    StorageFull,
    VolumeNotFound,
)
from cm.rpc.vocabulary import Seen, SeenReason, StorageKind
from cm.rules.storage import capabilities


@pytest.mark.parametrize(
    ("uri", "endpoint"),
    [
        ("qemu+tcp://h/system", Endpoint("qemu", host="h", port=16509)),
        ("qemu://h/system", Endpoint("qemu", host="h", port=16514)),
        ("qemu+tls://h:99/system?pkipath=/x", Endpoint("qemu", host="h", port=99)),
        ("qemu+ssh://root@h/system", Endpoint("qemu", host="h", port=22)),
        ("qemu+libssh2://root@[::1]:2022/system", Endpoint("qemu", host="::1", port=2022)),
        ("qemu+unix:///system?socket=/a/b", Endpoint("qemu", sockets=("/a/b",))),
        ("qemu:///session", Endpoint("qemu")),
        ("test:///default", Endpoint("test", in_process=True)),
        ("test+tcp://h/default", Endpoint("test", host="h", port=16509)),
    ],
)
def test_endpoint(uri: str, endpoint: Endpoint) -> None:
    """A URI says where to knock."""
    assert endpoint_of(uri) == endpoint


@pytest.mark.parametrize("uri", ["xen:///", "qemu+x:///system", "qemu+tcp:///system", "qemu://h:port/system"])
def test_endpoint_unknown(uri: str) -> None:
    """Others are the caller's error."""
    with pytest.raises(InvalidParameter):
        endpoint_of(uri)


def test_probe() -> None:
    """The probe tells a listening port from a closed one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe(Endpoint("qemu", host="127.0.0.1", port=port), 1.0)
    with pytest.raises(OSError):
        probe(Endpoint("qemu", host="127.0.0.1", port=port), 1.0)


# As qemu-img tells of a chain whose lowest file is gone.
LOWEST_GONE = (
    "qemu-img: Could not open '/s/c.qcow2': Could not open backing file: Could not open backing file: Could not open"
    " '/s/a.qcow2': No such file or directory"
)


class Fake(libvirt.libvirtError):  # type: ignore[misc]
    def __init__(self, code: int, domain: int = 10, message: str = "words") -> None:
        Exception.__init__(self, message)
        self.err = (code, domain, message, 2, None, None, None, -1, -1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Fake(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "client socket is closed"), NodeUnreachable),
        (Fake(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, "Connection reset by peer"), NodeUnreachable),
        (Fake(libvirt.VIR_ERR_INVALID_CONN), NodeUnreachable),
        (Fake(libvirt.VIR_ERR_NO_DOMAIN), DomainNotFound),
        (Fake(libvirt.VIR_ERR_NO_STORAGE_VOL), VolumeNotFound),
        (Fake(libvirt.VIR_ERR_NO_STORAGE_POOL), ObjectNotFound),
        (Fake(libvirt.VIR_ERR_NO_NETWORK), ObjectNotFound),
        (Fake(libvirt.VIR_ERR_NO_SUPPORT), NotSupported),
        (Fake(libvirt.VIR_ERR_OPERATION_TIMEOUT, message="cannot acquire state change lock"), NodeBusy),
        (Fake(libvirt.VIR_ERR_SYSTEM_ERROR, 18, "cannot write: No space left on device"), StorageFull),
        (Fake(libvirt.VIR_ERR_INTERNAL_ERROR, 18, f"{'qemu-img ' * 90}: Disk quota exceeded"), StorageFull),
        (Fake(libvirt.VIR_ERR_INTERNAL_ERROR, 18, f"{'qemu-img ' * 90}{LOWEST_GONE}"), VolumeNotFound),
        (Fake(libvirt.VIR_ERR_INTERNAL_ERROR), HypervisorError),
        (Fake(libvirt.VIR_ERR_OPERATION_INVALID), HypervisorError),
    ],
)
def test_translate(error: Any, expected: type[Exception]) -> None:
    """libvirt's numbers become our cases."""
    translated = translate(error, node="n", subject="s", storage="p")
    assert type(translated) is expected
    str(translated)


def test_missing_base() -> None:
    """Which file is missing is told, and not which of those that stand on it was asked for."""
    error = translate(Fake(libvirt.VIR_ERR_INTERNAL_ERROR, 18, LOWEST_GONE), node="n", subject="c.qcow2", storage="p")
    assert isinstance(error, VolumeNotFound) and (error.storage, error.name) == ("p", "a.qcow2")


def test_states() -> None:
    """Numbers that a later libvirt may send are no reason to fail."""
    assert seen("u", "n", 5, 2).reason == "destroyed"
    assert (seen("u", "n", 99, 99).state, seen("u", "n", 99, 99).reason) == (Seen.UNKNOWN, SeenReason.OTHER)
    # Off for a reason that is not known is not off since the host was restarted, which alone starts a VM again.
    assert seen("u", "n", 5, 99).reason is SeenReason.OTHER
    assert seen("u", "n", 6, 0).reason is SeenReason.OTHER
    assert seen("u", "n", 5, 0).reason is SeenReason.HOST_RESTARTED
    assert event_words(5, 1) == ("stopped", "destroyed")
    assert event_words(77, 1) == ("unknown", "unknown")


def test_kinds() -> None:
    """Each kind of storage has its class, whose volumes are what the kind's table says."""
    assert {each.kind for each in KINDS.values()} == set(StorageKind)
    for kind in StorageKind:
        assert KINDS[kind].block == (not capabilities(kind).files)


def test_silent_server() -> None:
    """A port that accepts and says nothing ends in time; during the back-off calls fail at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        uri = f"qemu+tcp://127.0.0.1:{port}/system"
        lane = Lane(uri, endpoint_of(uri), node="n", connect_timeout_s=0.3)
        began = time.monotonic()
        with pytest.raises(NodeUnreachable, match="no answer"), lane.use():
            pass
        assert 0.2 < time.monotonic() - began < 2
        began = time.monotonic()
        with pytest.raises(NodeUnreachable), lane.use():
            pass
        assert time.monotonic() - began < 0.1
        lane.close()
        with pytest.raises(NodeUnreachable, match="closed"), lane.use():
            pass


def test_many_callers_one_attempt() -> None:
    """Callers that come while a connection is being made do not each wait in turn."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"qemu+tcp://127.0.0.1:{server.getsockname()[1]}/system"
        lane = Lane(uri, endpoint_of(uri), node="n", connect_timeout_s=0.5)
        took: list[float] = []

        def call() -> None:
            began = time.monotonic()
            with pytest.raises(NodeUnreachable), lane.use():
                pass
            took.append(time.monotonic() - began)

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(took) == 8 and max(took) < 2
        lane.close()


def test_pool_lends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lane has one borrower at a time, the first free one; who waits too long is told that the node is busy."""
    monkeypatch.setattr(connection, "WAIT_S", 0.05)
    pool = connection.LanePool("test:///default", endpoint_of("test:///default"), node="n", connect_timeout_s=1, size=2)
    with pool.lend() as one:
        assert one is pool.first
        with pool.lend() as two:
            assert two is not one
            for first in (True, False):
                with pytest.raises(NodeBusy), pool.lend(first):
                    pass
        with pytest.raises(NodeBusy), pool.lend(first=True):
            pass
    with pool.lend(first=True) as again:
        assert again is one
