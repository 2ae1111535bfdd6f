"""Nodes of a farm are nodes: what a manager asks of them is done in the farm, and outlives the manager."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.interfaces.hypervisor import DomainEvent, DomainSpec
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import DomainNotFound, NodeUnreachable
from cm.rpc.vocabulary import DiskFormat, Seen, StorageKind
from lab.farm_node import FarmLink, FarmNode
from lab.nodes import FarmHosts
from lab.processes import wait_until

UUID = "11111111-2222-4333-8444-555555555555"
SPEC = DomainSpec("one", UUID, "", 1, 64, (), (), None, None)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[FarmHosts]:
    made = FarmHosts(tmp_path)
    made.start()
    yield made
    made.program.stop()


def test_nodes(farm: FarmHosts, tmp_path: Path) -> None:
    """Calls, their errors, events and uploads; what one link did, another sees, and nodes are apart."""
    link = FarmLink(str(farm.socket))
    node = FarmNode(link, "memory:///n1", "n1")
    assert node.open().hypervisor == "memory"
    with pytest.raises(DomainNotFound) as missing:
        node.hypervisor.start(UUID)
    assert UUID in str(missing.value)
    heard: list[DomainEvent] = []
    started = threading.Event()

    def hear(event: DomainEvent) -> None:
        heard.append(event)
        if event.event == "started":
            started.set()

    node.hypervisor.subscribe(hear, lambda reason: None)
    # The subscription goes another way than calls do.
    wait_until(lambda: bool(node.hypervisor.define(SPEC) or heard), "an event")
    node.hypervisor.start(UUID)
    assert started.wait(10)
    image = tmp_path / "image"
    image.write_bytes(b"x" * 100)
    node.pools.attach(StorageSpec("pool", StorageKind.NETFS, "/mnt", "127.0.0.1", "/main"))
    sent: list[int] = []
    assert node.volumes.upload("pool", "image", str(image), DiskFormat.RAW, 100, sent.append).capacity_bytes == 100
    assert sent == [100]
    node.close()
    again = FarmNode(FarmLink(str(farm.socket)), "memory:///n1", "n1")
    assert [(each.uuid, each.state) for each in again.hypervisor.domains()] == [(UUID, Seen.RUNNING)]
    assert FarmNode(link, "memory:///n2", "n2").hypervisor.domains() == []
    assert farm.ask("", "populate", "pool", (UUID, "n1"), []) == 1
    farm.program.stop()
    with pytest.raises(NodeUnreachable):
        again.hypervisor.domains()
