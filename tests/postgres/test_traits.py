"""Traits: what nodes have, and sizes and VMs ask for; placement, starts and moves keep to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_evacuate import Cluster

from cm.rpc.errors import InvalidParameter, NoCapacity


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(database_url, tmp_path, nodes=3)
    yield made
    made.stop()


def has(cloud: Cluster, node_id: int, *traits: str) -> None:
    shown = cloud.call("admin.node.edit", {"node_id": node_id, "traits": list(traits)}, account="admin")
    assert shown["traits"] == list(traits)


def verdicts(cloud: Cluster, **asked: Any) -> dict[str, str]:
    told = cloud.call("admin.placement.explain", asked, account="admin")
    return {verdict["node"]: verdict["reason"] for verdict in told["verdicts"]}


def test_size(cloud: Cluster) -> None:
    """A size's traits keep its VMs on nodes that have them, and are the VM's from then on."""
    has(cloud, cloud.node_ids[1], "ssd", "west")
    template = cloud.template_id
    edited = cloud.call("admin.template.edit", {"template_id": template, "traits": ["ssd"]}, account="admin")
    assert edited["traits"] == ["ssd"]
    assert verdicts(cloud, template_id=template) == {"n1": "not ssd", "n2": "fits", "n3": "not ssd"}
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    assert cloud.place(vm_id) == cloud.node_ids[1]
    assert verdicts(cloud, vm_id=vm_id) == {"n1": "not ssd", "n2": "fits", "n3": "not ssd"}
    cloud.call("admin.template.edit", {"template_id": template, "traits": []}, account="admin")
    assert cloud.vm(vm_id)["traits"] == ["ssd"]
    has(cloud, cloud.node_ids[1])
    assert cloud.sql("SELECT seen FROM vm WHERE id = :v", v=vm_id) == "running"
    with pytest.raises(InvalidParameter):
        has(cloud, cloud.node_ids[1], "not, a trait")


def test_moves(cloud: Cluster) -> None:
    """A VM leaves for nodes alone that have what it asks for: by itself, and where its node is emptied."""
    first, second, third = cloud.node_ids
    (vm_id,) = cloud.begin(1)
    cloud.admin("vm.set_traits", vm_id, ["gpu"])
    with pytest.raises(NoCapacity, match="not gpu"):
        cloud.admin("vm.migrate", vm_id)
    (left,) = cloud.evacuate()["left"]
    assert "not gpu" in left["reason"] and cloud.place(vm_id) == first
    has(cloud, third, "gpu")
    (move,) = cloud.evacuate()["moving"]
    assert move["node_id"] == third
    assert cloud.over(move["operation_id"])["state"] == "done"
    assert cloud.place(vm_id) == third
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    has(cloud, third)
    has(cloud, second, "gpu")
    cloud.call("user.vm.start", [vm_id])
    cloud.wait(vm_id, "running")
    assert cloud.place(vm_id) == second and cloud.leaks() == []
