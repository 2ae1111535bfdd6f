"""Parts that are killed and come back: service resumes by itself, and what was asked is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cm.rpc.errors import Unavailable
from lab.cloud import Cloud
from lab.processes import wait_until


@pytest.fixture(scope="module")
def cloud(start_cloud: Callable[..., Cloud]) -> Iterator[Cloud]:
    made = start_cloud()
    made.import_blank()
    yield made


@pytest.fixture
def pair(cloud: Cloud) -> Iterator[list[dict[str, Any]]]:
    """A running VM on each node; afterwards nothing may be left."""
    image_id = cloud.import_blank()
    made = cloud.user.call("user.vm.create", {
        "name": "pair", "description": "", "image_id": image_id, "template_id": cloud.template_ids["tiny"], "count": 2,
    })  # fmt: skip
    vms = [cloud.wait_running(vm["vm_id"], contextualized=False) for vm in made]
    vms.sort(key=lambda vm: vm["node"])
    assert vms[0]["node"] != vms[1]["node"]
    yield vms
    for vm in cloud.user.call("user.vm.get_list"):
        ask(cloud, "user.vm.destroy", {"vm_ids": [vm["vm_id"]]}, f"end-{vm['vm_id']}-{time.time()}")
        cloud.wait_for(vm["vm_id"], "destroyed", 120)
    assert cloud.check_leaks() == []


def ask(cloud: Cloud, method: str, params: dict[str, Any], request_id: str) -> Any:
    """Repeat a call until it is answered, as a caller may with a ``request_id``."""
    until = time.monotonic() + 60
    while True:
        try:
            return cloud.user.call(method, params, request_id=request_id)
        except Unavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def create(cloud: Cloud, name: str) -> int:
    params = {"name": name, "description": "", "image_id": cloud.import_blank(),
              "template_id": cloud.template_ids["tiny"]}
    return int(ask(cloud, "user.vm.create", params, f"create-{name}")[0]["vm_id"])


def test_libvirtd(cloud: Cloud, pair: list[dict[str, Any]]) -> None:
    """A libvirtd dies and comes back: guests stay, a destroy asked meanwhile is done, and VMs start there again."""
    first, second = pair
    node = cloud.real_node(1)
    node.host.kill_libvirtd()
    assert cloud.user.call("user.vm.destroy", {"vm_ids": [first["vm_id"]]})[0]["status"] == "ok"
    time.sleep(3)
    assert cloud.vm(first["vm_id"])["state"] == "destroying"
    assert cloud.vm(second["vm_id"])["state"] == "running"
    node.host.start_libvirtd()
    cloud.wait_for(first["vm_id"], "destroyed", 90)
    other = cloud.real_node(2)
    other.restart_libvirtd()
    wait_until(lambda: node_state(cloud, 1) == node_state(cloud, 2) == "ok", "both nodes' answers", 60, pause=0.2)
    assert cloud.wait_running(second["vm_id"], contextualized=False)["node"] == second["node"]
    cloud.wait_running(create(cloud, "after-libvirtd"), contextualized=False)


def node_state(cloud: Cloud, number: int) -> str:
    found = cloud.admin.call("admin.node.get_by_id", {"node_id": cloud.nodes[number - 1].node_id})
    return str(found["state"])


@pytest.mark.parametrize("way", ["restart", "kill"])
def test_postgres(cloud: Cloud, pair: list[dict[str, Any]], way: str) -> None:
    """PostgreSQL is restarted, or killed: what was accepted before is done, and calls are answered again."""
    first, second = pair
    assert cloud.user.call("user.vm.destroy", {"vm_ids": [first["vm_id"]]})[0]["status"] == "ok"
    if way == "restart":
        cloud.postgres.restart()
    else:
        cloud.postgres.kill()
        time.sleep(2)
        with pytest.raises(Unavailable):
            cloud.user.call("user.vm.get_list")
        cloud.postgres.start()
    new = create(cloud, f"after-{way}")
    cloud.wait_for(first["vm_id"], "destroyed", 90)
    cloud.wait_running(new, contextualized=False)
    assert cloud.wait_running(second["vm_id"], contextualized=False)["node"] == second["node"]
    # Notifications come again, too: without them operations would wait for the next poll.
    began = time.monotonic()
    cloud.user.call("user.vm.pause", {"vm_id": new})
    cloud.wait_for(new, "paused")
    assert time.monotonic() - began < 5


def test_agent(cloud: Cloud, pair: list[dict[str, Any]]) -> None:
    """An agent is killed: VMs end without it, its records wait, and are delivered when it runs again."""
    first, _ = pair
    node = cloud.real_node(1)
    wait_until(lambda: not node.spooled(), "the delivery of the starts")
    cloud.kill_agent(1)
    assert cloud.user.call("user.vm.destroy", {"vm_ids": [first["vm_id"]]})[0]["status"] == "ok"
    cloud.wait_for(first["vm_id"], "destroyed", 60)
    assert node.spooled()
    cloud.start_agent(1)
    wait_until(lambda: not node.spooled(), "the delivery of the ends", 30)
    effects = f"SELECT effect FROM hook_event WHERE domain_uuid = '{first['uuid']}' AND operation = 'release'"
    assert cloud.sql(effects) == [["late"]]


def test_fenced(cloud: Cloud, pair: list[dict[str, Any]]) -> None:
    """
    A host loses its power while the other's guest is on its way there, and the administrator says so: its own guest is
    started on the other with its address, and is not there any more when the host is back, which then takes VMs again.
    The guest that was on its way runs on where it was.
    """
    first, second = pair
    node, other = cloud.real_node(1), cloud.real_node(2)
    for each in (node, other):  # hosts share their paths
        cloud.admin.call("admin.node.edit", {"node_id": each.node_id, "migration_uri": each.uri})
    asked = {"vm_id": second["vm_id"], "node_id": node.node_id, "limit_mib_s": 1}
    way = cloud.admin.call("admin.vm.migrate", asked)["operation_id"]

    def told() -> dict[str, Any]:
        found: dict[str, Any] = cloud.admin.call("admin.operation.get", {"operation_id": way})
        return found

    wait_until(lambda: "MiB" in told()["waiting_for"], "the sending of its memory", 60, pause=0.1)
    node.host.power_off()
    wait_until(lambda: node_state(cloud, 1) == "unreachable", "the silence of the first node", 60, pause=0.2)
    answer = cloud.admin.call("admin.node.fence", {"node_id": node.node_id, "reason": "no power"})
    assert [(ended["vm_id"], ended["kind"]) for ended in answer["ended"]] == [(first["vm_id"], "vm_start")]
    assert [(each["vm_id"], each["node_id"]) for each in answer["diverted"]] == [(second["vm_id"], other.node_id)]
    wait_until(lambda: bool(told()["finished"]), "the end of its way", 60, pause=0.2)
    assert (told()["state"], told()["error"]) == ("failed", "migration_failed") and "is off" in told()["text"]
    assert cloud.wait_running(second["vm_id"], contextualized=False)["node"] == second["node"]
    assert cloud.sql(f"SELECT launches FROM vm WHERE id = {second['vm_id']}") == [["1"]]
    there = cloud.wait_running(first["vm_id"], contextualized=False)
    assert (there["node"], there["leases"]) == (second["node"], first["leases"])
    node.host.boot().start_libvirtd()
    cloud.start_agent(1)
    wait_until(lambda: node_state(cloud, 1) == "ok", "the first node's answer", 60, pause=0.2)
    connection = node.open()
    assert [domain.UUIDString() for domain in connection.listAllDomains()] == []
    connection.close()
    assert cloud.wait_running(first["vm_id"], contextualized=False)["node"] == second["node"]
    cloud.admin.call("admin.node.unlock", {"node_id": node.node_id})
    for each in (node, other):
        cloud.admin.call("admin.node.edit", {"node_id": each.node_id, "migration_uri": ""})
    left = f"SELECT vm_id FROM console_leftover WHERE node_id = {node.node_id}"
    assert sorted(cloud.sql(left)) == sorted([str(vm["vm_id"])] for vm in pair)
    for vm in pair:  # the next pass over storages would, ten minutes later
        for log in node.console_dir.glob(f"vm-{vm['uuid']}*"):
            log.unlink()
