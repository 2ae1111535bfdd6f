"""Real nodes report how they are: what is amiss keeps VMs away, and only for as long as it is."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

import pytest
from console_program import Wawel

from cm.rpc.errors import NoCapacity
from lab.cloud import Cloud
from lab.nodes import RealNode
from lab.processes import command_of, wait_until

NFT = "/usr/sbin/nft"


@pytest.fixture(scope="module")
def cloud(start_cloud) -> Cloud:
    """Two hosts whose agents have reported that they are well."""
    made: Cloud = start_cloud(durable=False)
    for node in made.nodes:
        wait_until(lambda node=node: shown(made, node)["report"] is not None, f"a report of {node.name}", 30)
        wait_until(lambda node=node: shown(made, node)["health"] == "ok", f"the health of {node.name}", 30)
    return made


@pytest.fixture(scope="module")
def wawel(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Wawel:
    """Logged in as the administrator."""
    made = Wawel(tmp_path_factory.mktemp("home"))
    made.log_in(cloud.url, "root", cloud.credentials.admin)
    return made


def shown(cloud: Cloud, node: Any) -> Any:
    return cloud.admin.call("admin.node.get_by_id", {"node_id": node.node_id})


def codes(cloud: Cloud, node: Any) -> list[str]:
    return [trouble["code"] for trouble in shown(cloud, node)["troubles"]]


def test_well(cloud: Cloud) -> None:
    """With a guest on it a node is well too: its bridge is there and served, its rules are in place, its hook spoke."""
    vm = cloud.wait_running(cloud.create(name="one", image_id=cloud.import_blank())["vm_id"], contextualized=False)
    node = cloud.node_of(vm)
    wait_until(lambda: any(b["metadata"] for b in shown(cloud, node)["report"]["bridges"]), "the bridge", 30)
    wait_until(lambda: shown(cloud, node)["report"]["hook"]["last"] is not None, "the hook's first record", 30)
    sections = {"consoles", "firewall", "links", "networks", "screens", "settings"}
    wait_until(lambda: set(shown(cloud, node)["report"]["applied"]) == sections, "every section applied", 30)
    found = shown(cloud, node)
    report = found["report"]
    assert (found["health"], found["agent_protocol"], report["problems"]) == ("ok", 2, [])
    assert set(report["rules"]) == {"bridge", "inet"} and set(report["versions"]) >= {"agent", "kernel", "nft", "qemu"}
    assert report["hook"]["version"]
    assert cloud.admin.call("admin.drift.get_list", {}) == []
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait_for(vm["vm_id"], "destroyed")


def test_without_nft(cloud: Cloud, wawel: Wawel) -> None:
    """A node that loses nft says so, and gets no VMs; put back, it is well again within seconds."""
    first, second = cloud.nodes
    assert isinstance(first, RealNode)
    first.host.run(["mount", "--bind", "/dev/null", NFT])                # in this host's mount namespace alone
    try:
        wait_until(lambda: codes(cloud, first) == ["nft_missing"], "the node's word that nft is gone", 60)
        assert "forge their addresses" in shown(cloud, first)["troubles"][0]["text"]
        assert "nft is not installed" in wawel.run("node", "show", first.name)
        assert "nft missing" in wawel.run("node", "ls")
        blank = cloud.import_blank()
        vm = cloud.create(name="elsewhere", image_id=blank)
        assert cloud.node_of(cloud.wait_running(vm["vm_id"], contextualized=False)) is second
        cloud.admin.call("admin.node.lock", {"node_id": second.node_id})
        try:
            with pytest.raises(NoCapacity) as refused:
                cloud.create(name="nowhere", image_id=blank)
            assert "1 node: nft_missing" in str(refused.value)
        finally:
            cloud.admin.call("admin.node.unlock", {"node_id": second.node_id})
    finally:
        first.host.run(["umount", NFT])
    wait_until(lambda: codes(cloud, first) == [], "the node's word that nft is back", 60)
    assert "nft is not installed" not in wawel.run("node", "show", first.name)
    table = first.host.run(["nft", "--stateless", "--terse", "list", "table", "inet", "wawel"]).stdout
    assert "chain from_guest" in table
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait_for(vm["vm_id"], "destroyed")


def test_dnsmasq_killed(cloud: Cloud) -> None:
    """A bridge with guests whose dnsmasq was killed is told of; libvirtd starts it again when it is reloaded."""
    vm = cloud.wait_running(cloud.create(name="two", image_id=cloud.import_blank())["vm_id"], contextualized=False)
    node = cloud.node_of(vm)
    assert isinstance(node, RealNode)
    served = [pid for pid in node.host.pids() if command_of(pid) == "dnsmasq"]
    assert served
    for pid in served:
        with contextlib.suppress(ProcessLookupError):  # the one that root's part of it is ends with the other
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: codes(cloud, node) == ["dnsmasq_missing"], "the node's word", 60)
    node.host.reload_libvirtd()
    wait_until(lambda: codes(cloud, node) == [], "the node's word that it is well", 60)
    cloud.user.call("user.vm.destroy", {"vm_ids": [vm["vm_id"]]})
    cloud.wait_for(vm["vm_id"], "destroyed")
