"""Affinity groups: where VMs of one group start and move to, and who may say so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_evacuate import Cluster

from cm.rpc.errors import InUse, NameTaken, NoCapacity, ObjectNotFound, WrongVMState
from cm.services import affinity_group as service


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(database_url, tmp_path, nodes=3)
    yield made
    made.stop()


def group(cloud: Cluster, affinity: str, strict: bool = True, name: str = "g") -> int:
    return int(cloud.call("user.affinity_group.create", [name, affinity, strict])["affinity_group_id"])


def places(cloud: Cluster) -> list[int]:
    """Of the VMs that are placed, by their ids."""
    rows = cloud.call("admin.vm.get_list", {}, account="admin")
    return [cloud.place(vm["vm_id"]) or 0 for vm in reversed(rows) if vm["state"] != "stopped"]


def test_apart(cloud: Cluster) -> None:
    """Three VMs of one call are on three nodes, a fourth is refused with the reason, and has a place once one ended."""
    one = group(cloud, "apart")
    made = cloud.call("user.vm.create", {**_asked(cloud), "count": 3, "affinity_group_id": one})
    for vm in made:
        cloud.wait(vm["vm_id"], "running")
    assert sorted(places(cloud)) == sorted(cloud.node_ids)
    assert cloud.call("user.affinity_group.get_by_id", [one])["vm_ids"] == [vm["vm_id"] for vm in made]
    with pytest.raises(NoCapacity, match="3 nodes: one of its affinity group is there"):
        cloud.create(affinity_group_id=one)
    left = cloud.place(made[1]["vm_id"])
    cloud.call("user.vm.stop", [made[1]["vm_id"]])
    cloud.wait(made[1]["vm_id"], "stopped")
    new = cloud.create(affinity_group_id=one)["vm_id"]
    assert cloud.place(new) == left
    cloud.call("user.affinity_group.edit", {"affinity_group_id": one, "strict": False})
    again = cloud.create(affinity_group_id=one)["vm_id"]
    told = cloud.call("admin.placement.explain", {"vm_id": again}, account="admin")
    assert {verdict["reason"] for verdict in told["verdicts"]} == {"fits, against the wish of its affinity group"}


def test_two_at_once(cloud: Cluster) -> None:
    """Of two that are placed at the same time neither overlooks the other."""
    one = group(cloud, "apart")
    found: list[Any] = []

    def make() -> None:
        found.append(cloud.create(affinity_group_id=one))

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and sorted(places(cloud)) == sorted(cloud.node_ids)


def test_together(cloud: Cluster) -> None:
    """A strict group leaves a node as a whole, and no VM of it by itself."""
    one = group(cloud, "together")
    vms = cloud.begin(2, affinity_group_id=one)
    with pytest.raises(NoCapacity, match="its affinity group is elsewhere"):
        cloud.admin("vm.migrate", vms[0])
    told = cloud.evacuate()
    assert told["left"] == [] and len({move["node_id"] for move in told["moving"]}) == 1
    assert cloud.over(told["operation_id"])["state"] == "done"
    assert len(set(places(cloud))) == 1 and places(cloud)[0] != cloud.first
    cloud.call("user.vm.stop", [vms[0]])
    cloud.wait(vms[0], "stopped")
    cloud.call("user.vm.start", [vms[0]])
    cloud.wait(vms[0], "running")
    assert len(set(places(cloud))) == 1 and cloud.leaks() == []


def test_emptied_apart(cloud: Cluster) -> None:
    """What a strict group keeps from leaving a node is named with the reason, and goes once that is a wish."""
    cloud.begin(0)
    one = group(cloud, "apart")
    for vm in cloud.call("user.vm.create", {**_asked(cloud), "count": 3, "affinity_group_id": one}):
        cloud.wait(vm["vm_id"], "running")
    (left,) = cloud.evacuate()["left"]
    assert "one of its affinity group is there" in left["reason"]
    (shown,) = cloud.admin("affinity_group.get_list")
    assert shown["strict"] and not cloud.admin("affinity_group.edit", one, False)["strict"]
    told = cloud.evacuate()
    assert told["left"] == [] and cloud.over(told["operation_id"])["state"] == "done"


def test_refused(cloud: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups are their account's alone, their names are used once, and one that VMs are in stays."""
    one = group(cloud, "apart", False)
    with pytest.raises(NameTaken):
        group(cloud, "together")
    monkeypatch.setattr(service, "AFFINITY_GROUPS_MAX", 1)
    with pytest.raises(Exception, match="affinity groups"):
        group(cloud, "together", name="other")
    vm_id = cloud.create()["vm_id"]
    cloud.wait(vm_id, "running")
    cloud.call("user.vm.set_affinity_group", [vm_id, one])
    assert cloud.vm(vm_id)["affinity_group_id"] == one
    with pytest.raises(InUse):
        cloud.call("user.affinity_group.delete", [one])
    with pytest.raises(ObjectNotFound):
        cloud.call("user.affinity_group.get_by_id", [one], account="admin")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm.create", {**_asked(cloud), "affinity_group_id": one}, account="admin")
    cloud.call("user.vm.set_affinity_group", [vm_id])
    cloud.call("user.affinity_group.delete", [one])
    with pytest.raises(ObjectNotFound):
        cloud.call("user.vm.set_affinity_group", [vm_id, one])
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.set_affinity_group", [vm_id])


def _asked(cloud: Cluster) -> dict[str, Any]:
    return {"name": "vm", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}
