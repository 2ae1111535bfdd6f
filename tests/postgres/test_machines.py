"""The machine of a VM beside its size: who says what it is, what its domain has, which nodes take it, what stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import (
    HypervisorError,
    InvalidParameter,
    NoCapacity,
    NoCpuBaseline,
    NodeUnreachable,
    NoVariables,
    WrongVMState,
)
from cm.rules.machine import Cpu
from support.cloud import MemoryCloud
from support.guest import Guest


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    for node_id in made.memory:
        offer(made, node_id, "pc", "q35", "uefi", "x86_64")
    yield made
    made.stop()


def spec(guest: Guest) -> Any:
    return guest.node.world.domains[guest.uuid].running


def told(guest: Guest) -> tuple[Any, ...]:
    found = guest.cloud.call("user.vm.get_by_id", {"vm_id": guest.vm_id})
    return found["firmware"], found["machine"], found["boot_menu_s"], found["cpu_model"], found["architecture"]


def files(cloud: MemoryCloud) -> set[str]:
    """That UEFI keeps variables in, on all nodes."""
    found = set()
    for node in cloud.memory.values():
        for storage in node.world.storages.specs():
            names = node.world.storages.share(storage.name).variables
            found |= {name.removeprefix("nvram/") for name in names}
    return found


def offer(cloud: MemoryCloud, node_id: int, *words: str) -> None:
    world = cloud.memory[node_id].world
    world.info = replace(world.info, offers=words)
    assert cloud.call("admin.node.check", {"node_id": node_id}, account="admin")["info"]["offers"] == list(words)


def test_who_says(cloud: MemoryCloud) -> None:
    """The caller, else the VM template, else the image; a stopped VM may be given another, one that runs not."""
    plain = Guest(cloud)
    assert told(plain) == ("bios", "auto", 0, "host", "x86_64")
    assert (spec(plain).firmware, spec(plain).nvram, spec(plain).machine, spec(plain).cpu) == ("bios", "", "auto", None)
    edited = {"image_id": cloud.image_id, "firmware": "uefi", "machine": "q35"}
    assert cloud.call("admin.system_image.edit", edited, account="admin")["firmware"] == "uefi"
    by = cloud.call("user.vm_template.create", {"name": "t", "machine": "pc", "boot_menu_s": 7})["vm_template_id"]
    heir = cloud.call("user.vm_template.create", {"name": "u", "parent_template_id": by, "boot_menu_s": 3})
    assert (heir["machine"], heir["effective"]["machine"], heir["effective"]["boot_menu_s"]) == (None, "pc", 3)
    first = Guest(cloud, vm_template_id=heir["vm_template_id"])
    assert told(first)[:3] == ("uefi", "pc", 3)
    second = Guest(cloud, vm_template_id=heir["vm_template_id"], firmware="bios", boot_menu_s=0)
    assert told(second)[:3] == ("bios", "pc", 0)
    assert (spec(first).machine, spec(first).boot_menu_s) == ("pc", 3)
    assert spec(first).nvram.endswith(f"/nvram/vm-{first.uuid}.fd") and files(cloud) == {f"vm-{first.uuid}.fd"}
    change = {"vm_id": plain.vm_id, "firmware": "uefi", "boot_menu_s": 9, "name": "renamed"}
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.edit", change)
    assert cloud.vm(plain.vm_id)["name"] != "renamed"
    plain.stop()
    planned = cloud.call("user.vm.edit", {**change, "dry_run": True})["plan"]
    assert [step["step"] for step in planned] == ["place", "set machine", "edit"] and told(plain)[0] == "bios"
    assert cloud.call("user.vm.edit", change)["name"] == "renamed"
    plain.start()
    assert told(plain)[:3] == ("uefi", "auto", 9) and spec(plain).boot_menu_s == 9
    for wrong in ({"firmware": "coreboot"}, {"machine": "i440fx"}, {"boot_menu_s": 61}, {"cpu_model": "EPYC"}):
        with pytest.raises(InvalidParameter):
            cloud.create(**wrong)


def test_variables(cloud: MemoryCloud) -> None:
    """They outlast a stop, and end with their VM, be it that it has BIOS by then; a saved VM's image has UEFI too."""
    guest = Guest(cloud, firmware="uefi")
    name = f"vm-{guest.uuid}.fd"
    storage = cloud.sql("SELECT nvram_storage_id FROM vm WHERE id = :v", v=guest.vm_id)
    assert storage == cloud.sql("SELECT u.storage_id FROM disk k JOIN volume u ON u.id = k.volume_id WHERE k.id = :d",
                                d=guest.disk_id())  # fmt: skip
    guest.stop()
    assert all(guest.uuid not in node.world.domains for node in cloud.memory.values()) and files(cloud) == {name}
    guest.start()
    assert files(cloud) == {name}
    guest.stop()
    cloud.call("user.vm.edit", {"vm_id": guest.vm_id, "firmware": "bios"})
    guest.start()
    assert spec(guest).nvram == "" and files(cloud) == {name}
    cloud.call("user.vm.destroy", {"vm_ids": [guest.vm_id]})
    cloud.wait(guest.vm_id, "destroyed")
    assert files(cloud) == set() and cloud.leaks() == []
    saved = Guest(cloud, firmware="uefi")
    asked = {"vm_id": saved.vm_id, "name": "kept", "description": ""}
    answer = cloud.call("user.vm.save_and_shutdown", asked)
    cloud.wait(saved.vm_id, "destroyed")
    assert cloud.call("user.system_image.get_by_id", {"image_id": answer["image_id"]})["firmware"] == "uefi"
    assert files(cloud) == set()


def test_nodes(cloud: MemoryCloud) -> None:
    """Nodes that do not offer it are refused with what they lack; one that has told nothing has no UEFI."""
    nodes = sorted(cloud.memory)
    for node_id in nodes:
        offer(cloud, node_id, "pc", "x86_64")
    for asked, lacks in (({"firmware": "uefi"}, "uefi"), ({"machine": "q35"}, "q35")):
        with pytest.raises(NoCapacity) as caught:
            cloud.create(**asked)
        assert f"does not offer {lacks}" in str(caught.value)
    guest = Guest(cloud, machine="pc")
    guest.stop()
    with pytest.raises(NoCapacity):
        cloud.call("user.vm.edit", {"vm_id": guest.vm_id, "firmware": "uefi"})
    assert told(guest)[:2] == ("bios", "pc")
    cloud.call("admin.system_image.edit", {"image_id": cloud.image_id, "architecture": "aarch64"}, account="admin")
    with pytest.raises(NoCapacity) as caught:
        cloud.create()
    assert "does not offer aarch64" in str(caught.value)
    cloud.call("admin.system_image.edit", {"image_id": cloud.image_id, "architecture": "x86_64"}, account="admin")
    for node_id in nodes:
        offer(cloud, node_id)
    with pytest.raises(NoCapacity):
        cloud.create(firmware="uefi")
    assert told(Guest(cloud, machine="q35"))[1] == "q35"
    offer(cloud, nodes[-1], "q35", "uefi", "x86_64")
    last = Guest(cloud, firmware="uefi")
    assert cloud.sql("SELECT node_id FROM vm WHERE id = :v", v=last.vm_id) == nodes[-1]


def test_refused(cloud: MemoryCloud) -> None:
    """IDE disks are no q35's, and devices keep no variables."""
    cloud.call("admin.system_image.edit", {"image_id": cloud.image_id, "disk_controller": "ide"}, account="admin")
    with pytest.raises(InvalidParameter) as caught:
        cloud.create(machine="q35")
    assert "IDE" in str(caught.value)
    guest = Guest(cloud)
    guest.stop()
    with pytest.raises(InvalidParameter):
        cloud.call("user.vm.edit", {"vm_id": guest.vm_id, "machine": "q35"})
    cloud.sql("UPDATE storage SET kind = 'logical' RETURNING id")
    with pytest.raises(NoVariables):
        cloud.call("user.vm.edit", {"vm_id": guest.vm_id, "firmware": "uefi"})
    assert told(guest)[:2] == ("bios", "auto")


def test_baseline(cloud: MemoryCloud) -> None:
    """What all nodes have, found out once and kept; a VM that asks for it has it when it is started."""
    with pytest.raises(NoCpuBaseline):
        cloud.call("admin.cluster.cpu_baseline", account="admin")
    with pytest.raises(NoCpuBaseline):
        cloud.create(cpu_model="baseline")
    first, *others = (cloud.memory[node_id] for node_id in sorted(cloud.memory))
    first.world.cpu = Cpu("memory", "none", (("fast", True), ("large", False)))
    found = cloud.call("admin.cluster.set_cpu_baseline", account="admin")
    assert (found["model"], found["features"], found["without"]) == ("memory", ["fast"], ["large"])
    assert found["node_ids"] == sorted(cloud.memory)
    assert cloud.call("admin.cluster.cpu_baseline", account="admin") == found
    guest = Guest(cloud, cpu_model="baseline")
    assert spec(guest).cpu == Cpu("memory", "none", (("fast", True), ("large", False)))
    for node in others:
        node.world.cpu = Cpu("another")
        with pytest.raises(HypervisorError):
            cloud.call("admin.cluster.set_cpu_baseline", account="admin")
        node.unreachable = True
        with pytest.raises(NodeUnreachable):
            cloud.call("admin.cluster.set_cpu_baseline", account="admin")
        node.unreachable = False
    assert cloud.call("admin.cluster.cpu_baseline", account="admin") == found
