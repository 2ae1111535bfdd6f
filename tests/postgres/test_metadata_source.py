"""Where guests find what they are told: as the image says, or their VM's maker. Saved images make new instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import InvalidParameter
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


def create(cloud: MemoryCloud, image_id: int | None = None, **more: Any) -> dict[str, Any]:
    """A VM that runs."""
    told = {
        "name": "told", "description": "", "image_id": image_id or cloud.image_id, "template_id": cloud.template_id,
    }  # fmt: skip
    (made,) = cloud.call("user.vm.create", {**told, **more})
    return cloud.wait(made["vm_id"], "running")


def serial(cloud: MemoryCloud, vm: dict[str, Any]) -> str:
    """What the machine's guest reads as its number."""
    (found,) = (m.world.domains[vm["uuid"]] for m in cloud.memory.values() if vm["uuid"] in m.world.domains)
    assert found.running is not None
    return found.running.smbios_serial


def source(cloud: MemoryCloud, vm: dict[str, Any]) -> str:
    told: str = cloud.call("user.vm.get_by_id", {"vm_id": vm["vm_id"]})["metadata"]
    (whole,) = (
        each for each in cloud.call("user.vm.list_whole") if each["vm_id"] == vm["vm_id"]
    )  # fmt: skip
    assert whole["metadata"] == told
    return told


def test_image_says(cloud: MemoryCloud) -> None:
    """VMs are told as their image says when they are made; a VM's maker may say otherwise, and it stays so."""
    first = create(cloud)
    assert serial(cloud, first) == f"ds=nocloud-net;s=http://169.254.169.254/nocloud/{first['uuid']}/"
    assert source(cloud, first) == "nocloud" and not first["uuid"].startswith("ec2")
    asked = {"image_id": cloud.image_id, "metadata": "imds"}
    assert cloud.call("admin.system_image.edit", asked, account="admin")["metadata"] == "imds"
    second = create(cloud)
    assert serial(cloud, second) == second["uuid"] and second["uuid"].startswith("ec2")
    third = create(cloud, metadata="none")
    assert (serial(cloud, third), source(cloud, third)) == ("", "none")
    assert [source(cloud, vm) for vm in (first, second)] == ["nocloud", "imds"]
    with pytest.raises(InvalidParameter):
        create(cloud, metadata="floppy")


def test_saved(cloud: MemoryCloud) -> None:
    """What is saved of a VM keeps its image's word, and a VM of that is another instance."""
    cloud.call("admin.system_image.edit", {"image_id": cloud.image_id, "metadata": "imds"}, account="admin")
    vm = create(cloud)
    answer = cloud.call("user.vm.save_and_shutdown", {"vm_id": vm["vm_id"], "name": "kept", "description": ""})
    cloud.wait(vm["vm_id"], "destroyed")
    image = cloud.call("user.system_image.get_by_id", {"image_id": answer["image_id"]})
    assert image["metadata"] == "imds"
    again = create(cloud, answer["image_id"])
    assert again["uuid"].startswith("ec2") and again["uuid"] != vm["uuid"]
    copied = cloud.call("user.system_image.copy", {"image_id": answer["image_id"], "name": "copied"})
    assert cloud.call("user.system_image.get_by_id", {"image_id": copied["image_id"]})["metadata"] == "imds"
