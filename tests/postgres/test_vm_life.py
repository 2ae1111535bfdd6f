"""The life of a VM on memory nodes: every state, every way out, and books that balance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def test_create_and_destroy(cloud: MemoryCloud) -> None:
    """A VM runs, is destroyed, and leaves nothing."""
    vm = cloud.create()
    assert vm["state"] == "starting"
    running = cloud.wait(vm["vm_id"], "running")
    assert running["leases"]
    assert cloud.call("user.vm.destroy", [[vm["vm_id"]]])[0]["status"] == "ok"
    cloud.wait(vm["vm_id"], "destroyed")
    assert cloud.leaks() == []
    assert all(not node.domains() for node in cloud.memory.values())
