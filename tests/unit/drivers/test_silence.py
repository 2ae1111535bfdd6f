"""
Whether the servers of a domain's disks answer. What libvirt does with a real one is in
``tests/functional/test_nfs.py``; here
is who is asked, and how often.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

pytest.importorskip("libvirt")

from cm.drivers.libvirt import silence as module
from cm.drivers.libvirt.connection import Connections
from cm.drivers.libvirt.pool import LibvirtPools
from cm.drivers.libvirt.silence import Silence
from cm.rpc.errors import HypervisorError, NodeUnreachable, StorageSilent


class Server:
    """A connection whose volumes lie on a server that answers as long as ``answers`` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.node = "n1"

    @contextmanager
    def slow(self, subject: str = "", storage: str = "") -> Iterator[Any]:
        if self.error is not None:
            raise self.error
        yield self

    def storageVolLookupByPath(self, path: str) -> Server:
        self.asked.append(path)
        return self

    def info(self) -> None:
        assert self.answers.wait(30)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    made = Server()
    yield made
    made.answers.set()


@pytest.fixture
def silence(server: Server) -> Silence:
    connections = cast(Connections, server)
    return Silence(connections, LibvirtPools(connections))


def domain(*disks: tuple[str, bool]) -> str:
    """:param disks: path, and whether it is a server's."""
    policy = {True: "error_policy='stop' rerror_policy='stop'", False: ""}
    made = "".join(
        f"<disk type='file'><driver name='qemu' {policy[remote]}/><source file='{path}'/></disk>"
        for path, remote in disks
    )
    return f"<domain><devices><disk type='file' device='cdrom'/>{made}</devices></domain>"


def test_answers(silence: Silence, server: Server) -> None:
    """A server is asked once for each directory; who has no disk on one is not held up."""
    silence.check(domain(("/nfs/a/1", True), ("/nfs/a/2", True), ("/nfs/b/1", True), ("/local/1", False)))
    assert {path.rpartition("/")[0] for path in server.asked} == {"/nfs/a", "/nfs/b"} and len(server.asked) == 2
    server.answers.clear()
    silence.check(domain(("/local/1", False)))


def test_silent(silence: Silence, server: Server) -> None:
    """One that has no answer is told; nobody asks again before the first question is over, and then it is well."""
    server.answers.clear()
    for _ in range(3):
        with pytest.raises(StorageSilent, match="/nfs"):
            silence.check(domain(("/nfs/1", True)))
    assert len(server.asked) == 1
    server.answers.set()
    silence._questions["/nfs"].ended.wait(20)
    silence.check(domain(("/nfs/2", True)))
    assert len(server.asked) == 2


def test_refused(silence: Silence, server: Server) -> None:
    """What libvirt says of a file is an answer, whatever it is; of a node that does not answer it is told."""
    server.error = HypervisorError("cannot stat", 38)
    silence.check(domain(("/nfs/1", True)))
    server.error = NodeUnreachable("n1", "no route")
    with pytest.raises(NodeUnreachable):
        silence.check(domain(("/nfs/1", True)))
