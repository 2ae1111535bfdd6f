"""What is told of each call about a disk, a snapshot or an image, beside what the call says: the two never differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_disk_bytes import Disks

from cm.rpc.errors import CloudError
from cm.rpc.view import Registry
from cm.rules.access import Level
from cm.services.offers import COPY_CALLS, DISK_CALLS, IMAGE_CALLS, SNAPSHOT_CALLS
from support.cloud import MemoryCloud

REGISTRY = Registry.collect("cm.views")
OF = {"disk": "disk", "snapshot": "snapshot", "image": "system_image"}
# Calls about these that none is told of: by another name, open to whoever sees it, or a VM's besides.
BESIDE = {"user.disk.create_snapshot", "user.disk.detach"}


class World:
    """A VM that runs, one that is stopped, one that never has the disk, and what they may have."""

    def __init__(self, cloud: Disks) -> None:
        self.cloud = cloud
        self.vm_id, self.root = cloud.running(name="one")
        self.other_id, self.spare_id = (cloud.create(name=name)["vm_id"] for name in ("two", "three"))
        for vm_id in (self.other_id, self.spare_id):
            cloud.wait(vm_id, "running")
        cloud.call("user.vm.stop", {"vm_id": self.other_id})
        cloud.wait(self.other_id, "stopped")
        self.iso = cloud.sql("SELECT id FROM disk WHERE image_id = :i", i=cloud.image("an.iso", kind="iso"))
        self.data = self.iso

    def needs(self, kind: str, number: int) -> dict[str, dict[str, Any]]:
        """What calls need that are about this one."""
        named = {"name": "new"}
        if kind == "snapshot":
            return {"edit": named, "revert": {}, "delete": {}, "create_disk": named, "to_image": named}
        if kind == "image":
            mine = {"edit": named, "set_private": {}, "create_download": {}, "copy": named, "delete": {}}
            return {**mine, "convert_to_storage_image": {}}
        at = "SELECT u.storage_id FROM disk k JOIN volume u ON u.id = k.volume_id WHERE k.id = :d"
        here, there = self.cloud.storage_id, self.cloud.other_storage
        size = f"SELECT CAST(u.size_bytes / {2**20} AS int)" + at.removeprefix("SELECT u.storage_id")
        elsewhere = there if self.cloud.sql(at, d=number) == here else here
        return {
            "edit": named, "grow": {"size_mib": self.cloud.sql(size, d=number) + 4}, "copy": named, "to_image": named,
            "move": {"storage_id": elsewhere}, "create_snapshot": named, "create_download": {}, "delete": {},
            "restore": {}, "purge": {}, "attach": {"vm_id": self.spare_id, "read_only": True},
        }  # fmt: skip


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    postgres.create_database("offers", template="wawel_template")
    directory = Path(tmp_path_factory.mktemp("offers"))
    made = Disks(postgres.url("offers"), directory, nodes=1, reconcile_s=3600.0, shutdown_s=600.0)
    yield made
    made.stop()
    postgres.drop_database("offers")


@pytest.fixture(scope="module")
def world(cloud: Disks) -> World:
    return World(cloud)


def offers(cloud: MemoryCloud, kind: str, number: int, account: str = "user") -> dict[str, str | None]:
    """By each call's last word, the slug of why not."""
    (told,) = cloud.call(f"user.{OF[kind]}.operations", {f"{kind}_ids": [number]}, account=account)
    assert told["status"] == "ok" and told[f"{kind}_id"] == number, told
    for each in told["operations"]:
        assert each["allowed"] is (each["reason"] is None)
        assert each["allowed"] or each["reason"]["message"]
    reasons = {each["call"]: each["reason"] and each["reason"]["slug"] for each in told["operations"]}
    return {call.rpartition(".")[2]: slug for call, slug in reasons.items() if call != "user.acl.set"}


def asked(cloud: MemoryCloud, call: str, params: dict[str, Any], account: str = "user") -> str | None:
    """The slug by which the call is refused, if it is."""
    try:
        cloud.call(call, {**params, "dry_run": True}, account=account)
    except CloudError as error:
        return error.code
    return None


def agreed(world: World, kind: str, number: int, account: str = "user") -> dict[str, str | None]:
    """:return: what is told, which is what the calls say."""
    told = offers(world.cloud, kind, number, account)
    said = {
        call: asked(world.cloud, f"user.{OF[kind]}.{call}", {f"{kind}_id": number, **more}, account)
        for call, more in world.needs(kind, number).items()
    }
    if kind == "disk":
        having = "SELECT json_agg(vm_id ORDER BY vm_id) FROM attachment WHERE disk_id = :d"
        holders = world.cloud.sql(having, d=number) or [world.spare_id]
        call = "user.disk.detach"
        detached = [asked(world.cloud, call, {"disk_id": number, "vm_id": vm_id}, account) for vm_id in holders]
        said["detach"] = None if None in detached else detached[0]
    assert {call: told[call] for call in said} == said
    return told


# ------------------------------------------------------------------ whatever was done before


def _on_vm(call: str, **more: str) -> Callable[[World], None]:
    def step(world: World) -> None:
        world.cloud.call(f"user.vm.{call}", {"vm_id": world.vm_id, **more})
        world.cloud.settled()

    return step


def _on_disk(call: str, **more: Any) -> Callable[[World], None]:
    def step(world: World) -> None:
        params = {name: value(world) if callable(value) else value for name, value in more.items()}
        world.cloud.call(f"user.disk.{call}", {"disk_id": world.data, **params})
        world.cloud.settled()

    return step


def _on_snapshot(call: str) -> Callable[[World], None]:
    def step(world: World) -> None:
        number = world.cloud.sql("SELECT min(id) FROM snapshot")
        world.cloud.call(f"user.snapshot.{call}", {"snapshot_id": number or 0})
        world.cloud.settled()

    return step


STEPS: dict[str, Callable[[World], None]] = {
    "start": _on_vm("start"), "stop": _on_vm("stop"), "pause": _on_vm("pause"),
    "attach": _on_disk("attach", vm_id=lambda world: world.vm_id),
    "read": _on_disk("attach", vm_id=lambda world: world.vm_id, read_only=True),
    "read twice": _on_disk("attach", vm_id=lambda world: world.other_id, read_only=True),
    "detach": _on_disk("detach", vm_id=lambda world: world.vm_id),
    "delete": _on_disk("delete"), "restore": _on_disk("restore"), "purge": _on_disk("purge"),
    "snapshot": _on_disk("create_snapshot", name="then"), "revert": _on_snapshot("revert"),
    "drop": _on_snapshot("delete"), "move": _on_disk("move", storage_id=lambda world: world.cloud.other_storage),
    "snapshot of all": _on_vm("create_snapshot", name="all"),
}  # fmt: skip


# What went before stays, so a failure is not made smaller.
@settings(
    max_examples=6, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=3, max_size=6))
def test_told_is_taken(world: World, steps: list[str]) -> None:
    """Whatever was done before: what is told to be allowed is taken, the rest refused for the reason that is told."""
    cloud = world.cloud
    world.data, _ = cloud.data()
    for step in steps:
        try:
            STEPS[step](world)
        except CloudError:
            continue
        for disk_id in (world.data, world.root):
            agreed(world, "disk", disk_id)
        for row in cloud.call("user.snapshot.get_list")[:2]:
            agreed(world, "snapshot", row["snapshot_id"])


def test_under_way(world: World) -> None:
    """While an operation is under way on the disk, or its VM is busy, or several VMs read it, all say so alike."""
    cloud = world.cloud
    assert agreed(world, "disk", world.iso)["create_snapshot"] == "invalid_parameter"
    free, _ = cloud.data()
    release = cloud.only.hang(60.0)
    try:
        copied = cloud.call("user.disk.copy", {"disk_id": free, "name": "copy"})
        told = agreed(world, "disk", free)
        assert told["grow"] == told["delete"] == told["create_snapshot"] == "disk_held" and told["edit"] is None
        made = cloud.sql("SELECT id FROM disk WHERE id > :d", d=free)
        assert agreed(world, "disk", made)["copy"] == "disk_wrong_state"
    finally:
        release()
    cloud.done(copied)
    vm_id, root = cloud.running(name="stubborn")
    cloud.only.ignores_power_button.add(cloud.vm(vm_id)["uuid"])
    cloud.call("user.vm.shutdown", {"vm_id": vm_id})
    told = agreed(world, "disk", root)
    assert told["grow"] == told["create_snapshot"] == told["copy"] == "vm_busy" and told["delete"] == "in_use"
    cloud.only.guest_power_off(cloud.vm(vm_id)["uuid"])
    cloud.wait(vm_id, "stopped")
    assert agreed(world, "disk", root)["grow"] is None


def test_images(world: World) -> None:
    """A system image that VMs are made from, one that none needs, one that is coming."""
    cloud = world.cloud
    cloud.sql("UPDATE image SET account_id = :u WHERE id = :i", u=cloud.user_id, i=cloud.image_id)
    used = agreed(world, "image", cloud.image_id)
    assert used["delete"] == used["convert_to_storage_image"] == "in_use" and used["copy"] is None
    free = cloud.image(f"free-{cloud.image_id}.qcow2", name="free")
    assert not any(agreed(world, "image", free).values())
    cloud.sql("UPDATE image SET state = 'adding' WHERE id = :i", i=free)
    coming = agreed(world, "image", free)
    assert coming["copy"] == coming["delete"] == "image_wrong_state" and coming["edit"] is None
    cloud.sql("UPDATE image SET state = 'ok' WHERE id = :i", i=free)


def test_levels(world: World) -> None:
    """Whom it is shared with is told what their level does not let them; who does not see it, that it is not there."""
    cloud = world.cloud
    disk_id, entry = cloud.data()
    taken = cloud.call("user.disk.create_snapshot", {"disk_id": disk_id, "name": "shared"})
    cloud.done(taken)
    (snapshot_id,) = taken["snapshot_ids"]
    image_id = cloud.image("shared.qcow2", name="shared")
    for kind, number in (("disk", disk_id), ("snapshot", snapshot_id), ("image", image_id)):
        (unseen,) = cloud.call(f"user.{OF[kind]}.operations", {f"{kind}_ids": [number]}, account="other")
        assert unseen["status"] == "object_not_found" and "operations" not in unseen
    grant = "INSERT INTO acl (kind, object_id, account_id, level) VALUES ('image', :i, :a, :l)"
    for level in Level:
        cloud.sql("DELETE FROM acl")
        for number in (entry, image_id):
            cloud.sql(grant, i=number, a=cloud.other_id, l=level)
        disk = offers(cloud, "disk", disk_id, "other")
        assert (disk["grow"] == "access_needed") is (level is Level.USER)
        assert (disk["delete"] == "access_needed") is (level is not Level.OWNER)
        snapshot = offers(cloud, "snapshot", snapshot_id, "other")
        assert (snapshot["revert"] == "access_needed") is (level is not Level.OWNER)
        image = agreed(world, "image", image_id, "other")
        assert (image["edit"] == "access_needed") is (level is Level.USER)
        assert image["delete"] == (None if level is Level.OWNER else "access_needed")


def test_declared() -> None:
    """Each is of a view that is there, by the action that it declares; a new view about one is told of, too."""
    told = {call.view: call.action for call in (*DISK_CALLS, *SNAPSHOT_CALLS, *COPY_CALLS, *IMAGE_CALLS)}
    for view, action in told.items():
        assert action in REGISTRY.get(view).on.values(), view
    changing = {
        view.name for view in REGISTRY if view.changing and view.name.split(".")[1] in OF.values()
        and view.name.startswith("user.") and {"disk_id", "snapshot_id", "image_id"} & view.on.keys()
    }  # fmt: skip
    assert changing - told.keys() == BESIDE
