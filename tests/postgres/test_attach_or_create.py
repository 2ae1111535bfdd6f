"""
Attach or create, the acceptance cases a to j of its specification, each by its letter; and what becomes of volumes that
are freed. Each test has a hardware pool of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from cm.drivers.memory.volume import Share
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import (
    CloudError,
    HypervisorError,
    InUse,
    NodeUnreachable,
    NoStorage,
    ObjectNotFound,
    OwnerBlocked,
    QuotaReached,
    RoleNeeded,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskFormat, StorageKind
from cm.services.attach_or_create import Asked, Asker, reserve
from cm.services.free_volume import sweep
from cm.store.attachment import delete_place
from cm.store.leak import leaks
from cm.store.reservation import Seat
from cm.store.worker import take_over
from support.cloud import MemoryCloud, run

GIB = 2**30
MIB = 2**20


class House:
    """
    A hardware pool of a cloud: storages, of which the first has an image, and VMs made of that.

    :ivar root: the first storage.
    """

    def __init__(self, cloud: MemoryCloud, pool: str) -> None:
        self.cloud, self.pool = cloud, pool
        (self.node,) = cloud.memory.values()
        self.root = self.storage("root", 1000 * GIB)
        self.node.volumes.create_empty(f"wawel-{self.root}", "image.qcow2", DiskFormat.QCOW2, 64 * MIB)
        self.image_id = cloud.sql(
            "WITH u AS (INSERT INTO volume (storage_id, name, format, size_bytes, made) VALUES"
            " (:s, 'image.qcow2', 'qcow2', 67108864, true) RETURNING id) INSERT INTO image (kind, name, account_id,"
            " volume_id, state, access) SELECT 'system', 'tiny', :a, id, 'ok', 'public' FROM u RETURNING id",
            s=self.root,
            a=cloud.admin_id,
        )

    def storage(self, name: str, capacity_bytes: int, pool: str | None = None, **columns: Any) -> int:
        """One that the node has attached."""
        values = {"kind": "dir", "overcommit": 1.0, "locked": False, "keep_freed": False, "freed": "none", **columns}
        names = ", ".join(values)
        storage_id: int = self.cloud.sql(
            f"INSERT INTO storage (name, path, capacity_bytes, hardware_pool, {names}) VALUES (:name, :path, :capacity,"
            f" :pool, {', '.join(':' + key for key in values)}) RETURNING id",
            name=f"{self.pool}-{name}",
            path=f"/srv/{self.pool}-{name}",
            capacity=capacity_bytes,
            pool=self.pool if pool is None else pool,
            **values,
        )
        self.cloud.sql(
            "INSERT INTO storage_attachment (storage_id, node_id, state) VALUES (:s, :n, 'attached')",
            s=storage_id,
            n=self.cloud.node_ids[0],
        )
        self.node.pools.attach(StorageSpec(f"wawel-{storage_id}", StorageKind.DIR, f"/srv/{self.pool}-{name}"))
        return storage_id

    def share(self, storage_id: int) -> Share:
        return self.node.world.storages.share(f"wawel-{storage_id}")

    def free(
        self, storage_id: int, size_bytes: int, *, writer: int | None = None, account: int | None = None, name: str = ""
    ) -> int:
        """A volume that somebody wrote to and left."""
        name = name or f"left-{storage_id}-{size_bytes}-{time.monotonic_ns()}.qcow2"
        self.node.volumes.create_empty(f"wawel-{storage_id}", name, DiskFormat.QCOW2, size_bytes)
        self.share(storage_id).volumes[name].content = b"secret"
        volume_id: int = self.cloud.sql(
            "WITH u AS (INSERT INTO volume (storage_id, name, format, size_bytes, claimed_bytes, made)"
            " VALUES (:s, :name, 'qcow2', :size, :size, true) RETURNING id), c AS (UPDATE storage SET claimed_bytes ="
            " claimed_bytes + :size WHERE id = :s) INSERT INTO free_volume (volume_id, account_id, writer_id)"
            " SELECT id, CAST(:a AS bigint), CAST(:w AS bigint) FROM u RETURNING volume_id",
            s=storage_id,
            name=name,
            size=size_bytes,
            a=account,
            w=writer,
        )
        return volume_id

    def vm(self, runs: bool = False, **more: Any) -> dict[str, Any]:
        """One that is stopped, or runs."""
        vm = self.cloud.create(image_id=self.image_id, **more)
        running = self.cloud.wait(vm["vm_id"], "running")
        if runs:
            return running
        self.cloud.call("user.vm.stop", [vm["vm_id"]])
        return self.cloud.wait(vm["vm_id"], "stopped")

    def ask(self, vm: dict[str, Any], size_bytes: int, **more: Any) -> dict[str, Any]:
        params = {"vm_id": vm["vm_id"], "size_bytes": size_bytes, **more}
        answer: dict[str, Any] = self.cloud.call("admin.storage.attach_or_create", params, account="admin")
        return answer

    def given(self, vm: dict[str, Any], size_bytes: int, **more: Any) -> dict[str, Any]:
        """The same, until it is done; the disk, as the operation tells it, in what was answered."""
        answer = self.ask(vm, size_bytes, **more)
        op = self.cloud.ended(answer["operation_id"])
        assert op["state"] == "done", op
        (disk,) = op["result"]["disks"]
        assert (disk["number"], disk["size_bytes"]) == (answer["number"], answer["size_bytes"])
        return {**answer, **disk}

    def devices(self, vm: dict[str, Any]) -> list[str]:
        """What the domain has that runs."""
        domain = self.node.world.domains.get(vm["uuid"])
        return [] if domain is None or domain.running is None else [disk.device for disk in domain.running.disks]

    def is_as_before(self, vm: dict[str, Any], quota: int) -> None:
        """Nothing is left of a disk, wherever one looks; its VM runs on."""

        def settled() -> bool:
            run(lambda: sweep(self.cloud.manager.services))
            left = ("attachment WHERE vm_id = :v AND number > 0", "reservation WHERE vm_id = :v",
                    "operation WHERE vm_id = :v AND state IN ('queued', 'waiting', 'running')")  # fmt: skip
            if any(self.cloud.sql(f"SELECT count(*) FROM {each}", v=vm["vm_id"]) for each in left):
                return False
            # What was freed after this sweep goes with the next one.
            return self.cloud.call("admin.storage.get_free_volumes", [self.root], account="admin") == []

        self.cloud.until(settled, "it is taken back")
        assert self.cloud.wait(vm["vm_id"], "running") and self.devices(vm) == ["vda"]
        assert self.cloud.call("user.account.get")["used_storage_mib"] == quota
        assert len(self.share(self.root).volumes) == 2 and self.cloud.leaks() == []

    def used(self, storage_id: int) -> int:
        return int(self.cloud.sql("SELECT claimed_bytes FROM storage WHERE id = :s", s=storage_id))

    def close(self) -> None:
        for vm_id in self.vm_ids():
            self.cloud.call("user.vm.destroy", [[vm_id]])
        self.cloud.until(lambda: not self.vm_ids(), "all VMs are destroyed")
        self.cloud.sql("UPDATE storage SET locked = true WHERE hardware_pool = :p", p=self.pool)
        run(lambda: sweep(self.cloud.manager.services))
        assert self.cloud.leaks() == []

    def vm_ids(self) -> list[int]:
        found = self.cloud.sql(
            "SELECT array_agg(id) FROM vm WHERE image_id = :i AND closed_at IS NULL", i=self.image_id
        )
        return found or []


def _cloud(postgres: Any, directory: Path, name: str) -> MemoryCloud:
    postgres.create_database(name, template="wawel_template")
    return MemoryCloud(postgres.url(name), directory, nodes=1, reconcile_s=3600.0)


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    made = _cloud(postgres, Path(tmp_path_factory.mktemp("aoc")), "aoc")
    yield made
    made.stop()
    postgres.drop_database("aoc")


@pytest.fixture
def house(cloud: MemoryCloud, request: pytest.FixtureRequest) -> Iterator[House]:
    made = House(cloud, request.node.name)
    yield made
    made.close()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What several calls gave, or raised, that began together."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def go(number: int, call: Callable[[], Any]) -> None:
        barrier.wait(10)
        try:
            results[number] = call()
        except CloudError as error:
            results[number] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=go, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@contextmanager
def under_way(house: House, vm: dict[str, Any], size_bytes: int) -> Iterator[Session]:
    """Somebody else's request that has decided and not committed yet."""
    with Session(house.cloud.manager.database.engine) as session:
        asker = Asker(vm["vm_id"], vm["uuid"], house.cloud.user_id)
        reserve(session, Asked(size_bytes), Seat(house.root), vm=asker, number=9, operation_id=0)
        yield session
        house.cloud.sql("UPDATE reservation SET expires_at = now() WHERE operation_id = 0")


def waits(house: House) -> bool:
    return bool(house.cloud.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


# ------------------------------------------------------------------ the letters


def test_a_free_volume_is_used_before_one_is_made(house: House) -> None:
    """15 GiB are asked for and free: that volume is the disk, wiped, and counted; the VM boots with it."""
    volume_id = house.free(house.root, 15 * GIB, writer=house.cloud.other_id)
    vm = house.vm()
    before, quota = house.used(house.root), house.cloud.call("user.account.get")["used_storage_mib"]
    disk = house.given(vm, 15 * GIB)
    assert (disk["reused"], disk["wiped"], disk["storage_id"], disk["device"]) == (True, True, house.root, "vdb")
    assert house.used(house.root) == before
    assert house.cloud.call("user.account.get")["used_storage_mib"] == quota + 15 * 1024
    assert house.cloud.sql("SELECT volume_id FROM disk WHERE id = :k", k=disk["disk_id"]) == volume_id
    assert house.share(house.root).volumes[disk["volume"]].content == b""
    house.cloud.call("user.vm.start", [vm["vm_id"]])
    house.cloud.wait(vm["vm_id"], "running")
    running = house.node.world.domains[vm["uuid"]].running
    assert running is not None and [d.path for d in running.disks][1:] == [f"/srv/{house.pool}-root/{disk['volume']}"]


def test_b_two_requests_and_one_free_volume(house: House) -> None:
    """One has it, the other has one made: when both come at once, and when one has not committed yet."""
    vms = [house.vm(name=name) for name in ("one", "two")]
    house.free(house.root, GIB)
    answers = at_once(*(lambda vm=vm: house.given(vm, GIB) for vm in vms))  # type: ignore[misc]
    assert sorted(answer["reused"] for answer in answers) == [False, True]
    house.free(house.root, 2 * GIB)
    with under_way(house, vms[0], 2 * GIB) as session:
        second: list[Any] = []
        thread = threading.Thread(target=lambda: second.append(house.given(vms[1], 2 * GIB)))
        thread.start()
        house.cloud.until(lambda: waits(house), "the second waits for the first")
        session.commit()
        thread.join(30)
        assert second[0]["reused"] is False


def test_c_two_requests_and_room_for_one(house: House) -> None:
    """One has the room, the other is told that there is none: when both come at once, and one after the other."""
    vms = [house.vm(name=name) for name in ("one", "two")]
    house.cloud.sql("UPDATE storage SET capacity_bytes = claimed_bytes + 5368709120 WHERE id = :s", s=house.root)
    answers = at_once(*(lambda vm=vm: house.given(vm, 3 * GIB) for vm in vms))  # type: ignore[misc]
    (refused,) = [answer for answer in answers if isinstance(answer, NoStorage)]
    assert [(each["storage_id"], each["reason"]) for each in refused.checked] == [(house.root, "insufficient")]
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    with under_way(house, vms[0], 2 * GIB) as session:
        second: list[Any] = []
        thread = threading.Thread(target=lambda: second.extend(at_once(lambda: house.ask(vms[1], 2 * GIB))))
        thread.start()
        house.cloud.until(lambda: waits(house), "the second waits for the first")
        session.commit()
        thread.join(30)
        assert isinstance(second[0], NoStorage)


def test_d_iscsi_alone(house: House) -> None:
    """A kind of storage that makes no volumes is of the wrong type, but what is free on it is used."""
    vm = house.vm()
    house.cloud.sql("UPDATE storage SET kind = 'iscsi' WHERE id = :s", s=house.root)
    with pytest.raises(NoStorage) as refused:
        house.ask(vm, GIB)
    assert refused.value.details() == {
        "requested_bytes": GIB,
        "checked": [
            {
                "storage_id": house.root,
                "storage": f"{house.pool}-root",
                "reason": "wrong_type",
                "room_bytes": 1000 * GIB - 64 * MIB,
            }
        ],
        "volumes_checked": 0,
    }
    assert house.cloud.sql("SELECT count(*) FROM operation WHERE kind = 'attach_or_create' AND vm_id = :v",
                           v=vm["vm_id"]) == 0  # fmt: skip
    house.free(house.root, GIB, writer=house.cloud.user_id)
    assert house.given(vm, GIB)["reused"] is True
    house.cloud.sql("UPDATE storage SET kind = 'dir' WHERE id = :s", s=house.root)


def test_e_another_hardware_pool(house: House) -> None:
    """Neither its free volumes nor its room are used, however well they fit; nor what the VM's nodes do not reach."""
    other = house.storage("other", 5000 * GIB, pool=f"{house.pool}-other")
    house.free(other, GIB)
    away = house.storage("away", 5000 * GIB)
    house.free(away, GIB)
    house.cloud.sql("DELETE FROM storage_attachment WHERE storage_id = :s", s=away)
    vm = house.vm()
    disk = house.given(vm, GIB)
    assert (disk["reused"], disk["storage_id"]) == (False, house.root)
    house.cloud.sql("UPDATE storage SET capacity_bytes = 0 WHERE id = :s", s=house.root)
    with pytest.raises(NoStorage) as refused:
        house.ask(vm, GIB)
    assert {each["storage_id"]: each["reason"] for each in refused.value.checked} == {
        house.root: "insufficient",
        away: "inactive",
    }
    house.cloud.sql("UPDATE storage SET locked = true WHERE hardware_pool = :p", p=f"{house.pool}-other")


@pytest.mark.parametrize("runs", [False, True])
def test_f_full_after_all(house: House, runs: bool) -> None:
    """A storage that turns out to be full passes it on to the next; when all are, nothing is left of it."""
    first, second = house.storage("first", 3000 * GIB), house.storage("second", 2000 * GIB)
    house.share(first).files_max = 0
    vm = house.vm(runs)
    answer = house.ask(vm, GIB)
    assert answer["storage_id"] == first
    op = house.cloud.ended(answer["operation_id"])
    assert op["state"] == "done" and op["result"]["disks"][0]["storage_id"] == second
    assert (house.used(first), house.used(second)) == (0, GIB)
    assert list(house.share(second).volumes) == [answer["volume"]]
    for storage_id in (second, house.root):
        house.share(storage_id).files_max = 0
    op = house.cloud.ended(house.ask(vm, GIB)["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "no_storage")
    assert house.cloud.sql("SELECT count(*) FROM reservation WHERE vm_id = :v", v=vm["vm_id"]) == 0
    assert (house.used(first), house.used(second)) == (0, GIB)
    house.share(house.root).files_max = 100
    house.cloud.call("admin.operation.retry", [op["operation_id"]], account="admin")
    assert house.cloud.ended(op["operation_id"])["result"]["disks"][0]["storage_id"] == house.root
    assert house.devices(vm) == (["vda", "vdb", "vdc"] if runs else [])


def test_g_without_the_right(house: House) -> None:
    """Who may not make disks sees neither storages nor volumes, only that they may not."""
    vm = house.vm()
    house.free(house.root, GIB)
    for method, params in (
        ("admin.storage.attach_or_create", {"vm_id": vm["vm_id"], "size_bytes": GIB}),
        ("admin.storage.get_free_volumes", {}),
        ("admin.storage.delete_free_volume", {"volume_id": 1}),
    ):
        with pytest.raises(RoleNeeded) as refused:
            house.cloud.call(method, params)
        assert house.pool not in str(refused.value.details())
    house.cloud.sql("UPDATE account SET active = false WHERE id = :a", a=house.cloud.other_id)
    try:
        with pytest.raises(OwnerBlocked) as blocked:
            values = {"name": "x", "description": "", "image_id": house.image_id, "new_disks": [1024]}
            house.cloud.call("user.vm.create", {**values, "template_id": house.cloud.template_id}, account="other")
        assert blocked.value.details() == {"account_id": house.cloud.other_id}
    finally:
        house.cloud.sql("UPDATE account SET active = true WHERE id = :a", a=house.cloud.other_id)


def test_h_one_pool(postgres: Any, tmp_path: Path) -> None:
    """Where there is one hardware pool nobody is told of pools; where there are several the answer names them."""
    cloud = _cloud(postgres, tmp_path, "aoc_one")
    try:
        cloud.sql("DELETE FROM storage_attachment")
        cloud.sql("UPDATE image SET deleted_at = now(), volume_id = NULL, state = 'deleted'")
        cloud.sql("DELETE FROM volume")
        cloud.sql("DELETE FROM storage")
        house = House(cloud, "one")
        vm = house.vm()
        assert "hardware_pools" not in house.given(vm, GIB)
        house.storage("second", GIB, pool="two")
        assert house.given(vm, GIB)["hardware_pools"] == ["one", "two"]
    finally:
        cloud.stop()
        postgres.drop_database("aoc_one")


@pytest.mark.parametrize("found", ["it goes on", "nothing was made", "it was made"])
def test_i_a_crash_between_reserving_and_making(
    postgres: Any, tmp_path: Path, request: pytest.FixtureRequest, found: str
) -> None:
    """
    The manager dies when the room is reserved and no node was asked: the next one makes the disk. If the work is given
    up, what is reserved goes back; a volume that was made by then is free for others.
    """
    cloud = _cloud(postgres, tmp_path, "aoc_crash")
    try:
        house = House(cloud, "crash")
        vm = house.vm()
        used, quota = house.used(house.root), cloud.call("user.account.get")["used_storage_mib"]
        run(cloud.manager.engine.stop)
        answer = house.ask(vm, GIB)
        if found == "it was made":
            house.node.volumes.create_empty(f"wawel-{house.root}", answer["volume"], DiskFormat.QCOW2, GIB)
        if found != "it goes on":
            cloud.call("admin.operation.abandon", [answer["operation_id"]], account="admin")
        cloud.stop()
        cloud.start()
        if found == "it goes on":
            assert cloud.ended(answer["operation_id"])["state"] == "done"
            assert house.used(house.root) == used + GIB
            return
        run(lambda: sweep(cloud.manager.services))
        assert cloud.sql("SELECT count(*) FROM reservation") == 0
        assert cloud.call("user.account.get")["used_storage_mib"] == quota
        free = cloud.call("admin.storage.get_free_volumes", account="admin")
        if found == "it was made":
            assert [(each["name"], each["clean"]) for each in free] == [(answer["volume"], True)]
            assert house.used(house.root) == used + GIB
            again = house.given(vm, GIB)
            assert (again["volume"], again["reused"], again["wiped"]) == (answer["volume"], True, False)
        else:
            assert free == [] and house.used(house.root) == used
        assert cloud.leaks() == []
    finally:
        cloud.stop()
        postgres.drop_database("aoc_crash")


def test_j_rights_to_templates_and_to_room(house: House) -> None:
    """A right to the image is none to the room for a disk, and the other way round: both are needed, each is refused
    by itself, and nothing is reserved then."""
    cloud = house.cloud
    values = {"name": "j", "description": "", "image_id": house.image_id, "new_disks": [1024]}
    values |= {"template_id": cloud.template_id}
    cloud.sql("UPDATE image SET access = 'private' WHERE id = :i", i=house.image_id)
    with pytest.raises(ObjectNotFound) as no_image:
        cloud.call("user.vm.create", values)
    assert no_image.value.kind == "image"
    cloud.sql("UPDATE image SET access = 'public' WHERE id = :i", i=house.image_id)
    quota = cloud.call("user.account.get")["quota_storage_mib"]
    cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib + 1000 WHERE id = :a", a=cloud.user_id)
    try:
        with pytest.raises(QuotaReached):
            cloud.call("user.vm.create", values)
    finally:
        cloud.sql("UPDATE account SET quota_storage_mib = :q WHERE id = :a", q=quota, a=cloud.user_id)
    assert house.vm_ids() == [] and cloud.sql("SELECT count(*) FROM reservation") == 0
    vm = cloud.create(**values)
    cloud.wait(vm["vm_id"], "running")


# ------------------------------------------------------------------ in create


def test_create(house: House) -> None:
    """Each VM of a call has its own new disks, made before it starts, of free volumes first; they go with it."""
    house.free(house.root, GIB, writer=house.cloud.other_id)
    values = {"name": "m", "description": "", "image_id": house.image_id, "template_id": house.cloud.template_id}
    made = house.cloud.call("user.vm.create", {**values, "count": 2, "new_disks": [1024, 512]})
    paths = []
    for vm in made:
        house.cloud.wait(vm["vm_id"], "running")
        running = house.node.world.domains[vm["uuid"]].running
        assert running is not None
        assert [disk.device for disk in running.disks] == ["vda", "vdb", "vdc"]
        volumes = [house.node.world.storages.behind(disk.path) for disk in running.disks]
        assert [v.capacity_bytes for v in volumes if v is not None] == [64 * MIB, GIB, 512 * MIB]
        paths += [disk.path for disk in running.disks]
    assert len({*paths}) == 6 and sum("left-" in path for path in paths) == 1
    assert house.used(house.root) == 2 * (64 * MIB + GIB + 512 * MIB)
    house.cloud.call("user.vm.destroy", [[vm["vm_id"] for vm in made]])
    house.cloud.until(lambda: not house.vm_ids(), "both are gone")
    assert [*house.share(house.root).volumes] == ["image.qcow2"] and house.used(house.root) == 0


def test_create_without_room(house: House) -> None:
    """Nothing is made if a new disk fits nowhere, or only until it is made: then the VM is in error, without it."""
    values = {"name": "m", "description": "", "image_id": house.image_id, "template_id": house.cloud.template_id}
    with pytest.raises(NoStorage) as refused:
        house.cloud.call("user.vm.create", {**values, "new_disks": [2 * 2**20]})
    assert refused.value.requested_bytes == 2 * 2**40
    assert house.vm_ids() == []
    other = house.storage("second", 5000 * GIB)
    house.share(other).files_max = house.share(house.root).files_max = 1
    house.share(other).files_max = 0
    (vm,) = house.cloud.call("user.vm.create", {**values, "new_disks": [1024]})
    op = house.cloud.ended(vm["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "no_storage")
    assert house.cloud.sql("SELECT count(*) FROM reservation WHERE vm_id = :v", v=vm["vm_id"]) == 0
    assert house.used(other) == 0
    house.share(house.root).files_max = house.share(other).files_max = 100
    house.cloud.call("user.operation.retry", [vm["operation_id"]])
    house.cloud.wait(vm["vm_id"], "running")
    assert house.used(house.root) + house.used(other) == GIB + 64 * MIB


def test_create_given_up(house: House) -> None:
    """A destroy of a VM whose disk is still to be made gives back what was reserved for it."""
    house.free(house.root, GIB, writer=house.cloud.other_id)
    house.node.calls.clear()  # of tests before
    release = house.node.hang(methods=("wipe",))
    vm = house.cloud.create(image_id=house.image_id, new_disks=[1024, 2048])
    house.cloud.until(lambda: "wipe" in house.node.calls, "a worker is at it")
    assert house.cloud.sql("SELECT count(*) FROM reservation WHERE vm_id = :v", v=vm["vm_id"]) == 2
    house.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    run(lambda: sweep(house.cloud.manager.services))
    assert house.cloud.sql("SELECT count(*) FROM reservation WHERE vm_id = :v", v=vm["vm_id"]) == 2
    release()
    house.cloud.wait(vm["vm_id"], "destroyed")
    run(lambda: sweep(house.cloud.manager.services))
    assert house.cloud.sql("SELECT count(*) FROM reservation WHERE vm_id = :v", v=vm["vm_id"]) == 0
    assert house.used(house.root) == GIB
    (free,) = house.cloud.call("admin.storage.get_free_volumes", [house.root], account="admin")
    assert (free["clean"], free["reserved_for"]) == (False, None)


# ------------------------------------------------------------------ asked again, and of what


def test_number(house: House) -> None:
    """The same number asked for again gives what is under way; one that is taken is refused."""
    vm = house.vm()
    release = house.node.hang(methods=("create_empty",))
    first = house.ask(vm, GIB, number=3)
    assert house.ask(vm, GIB, number=3) == first
    release()
    assert house.cloud.ended(first["operation_id"])["state"] == "done"
    with pytest.raises(InUse):
        house.ask(vm, GIB, number=3)
    assert house.given(vm, GIB)["number"] == 4
    house.cloud.call("user.vm.pause", [house.vm(runs=True)["vm_id"]])
    house.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    house.cloud.wait(vm["vm_id"], "destroyed")
    with pytest.raises(WrongVMState):
        house.ask(vm, GIB)


# ------------------------------------------------------------------ while it runs


def test_a_running_vm(house: House) -> None:
    """It has the disk when that is told, wiped, and keeps it over a stop; it goes with the VM."""
    house.free(house.root, GIB, writer=house.cloud.other_id)
    vm = house.vm(runs=True)
    disk = house.given(vm, GIB)
    assert (disk["reused"], disk["wiped"], disk["device"]) == (True, True, "vdb")
    assert house.devices(vm) == ["vda", "vdb"] and house.cloud.wait(vm["vm_id"], "running")
    assert house.share(house.root).volumes[disk["volume"]].content == b""
    house.given(vm, 2 * GIB)
    house.cloud.call("user.vm.stop", [vm["vm_id"]])
    house.cloud.wait(vm["vm_id"], "stopped")
    house.cloud.call("user.vm.start", [vm["vm_id"]])
    house.cloud.wait(vm["vm_id"], "running")
    assert house.devices(vm) == ["vda", "vdb", "vdc"]
    house.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    house.cloud.wait(vm["vm_id"], "destroyed")
    assert list(house.share(house.root).volumes) == ["image.qcow2"]


@pytest.mark.parametrize("after", [False, True])
def test_running_vm_that_cannot_have_it(house: House, after: bool) -> None:
    """A node that refuses, whether or not the domain came to have it: nothing is left; tried again, it is given."""
    vm = house.vm(runs=True)
    quota = house.cloud.call("user.account.get")["used_storage_mib"]
    house.node.fail_next("attach", HypervisorError("no room on the bus", 1), after=after)
    op = house.cloud.ended(house.ask(vm, GIB)["operation_id"])
    assert (op["state"], op["error"]) == ("failed", "hypervisor_error")
    house.is_as_before(vm, quota)
    house.cloud.call("admin.operation.retry", [op["operation_id"]], account="admin")
    assert house.cloud.ended(op["operation_id"])["state"] == "done"
    assert house.devices(vm) == ["vda", "vdb"]


def test_running_vm_answer_lost(house: House) -> None:
    """A node is asked again, and has given it once."""
    vm = house.vm(runs=True)
    house.node.fail_next("attach", NodeUnreachable("n1", "gone"), after=True)
    house.given(vm, GIB)
    assert house.devices(vm) == ["vda", "vdb"]


def test_running_vm_given_up(house: House) -> None:
    """Given up while its node is asked, the guest is asked for it, and nothing is left."""
    vm = house.vm(runs=True)
    quota = house.cloud.call("user.account.get")["used_storage_mib"]
    release = house.node.hang(methods=("attach",))
    operation_id = house.ask(vm, GIB)["operation_id"]
    house.cloud.until(
        lambda: house.cloud.sql("SELECT step = 'attach' FROM operation WHERE id = :o", o=operation_id), "it is asked"
    )
    house.cloud.call("admin.operation.abandon", [operation_id], account="admin")
    release()
    house.is_as_before(vm, quota)


def test_running_vm_that_ends(house: House) -> None:
    """A guest that ends meanwhile has it when it is started."""
    vm = house.vm(runs=True)
    release = house.node.hang(methods=("create_empty",))
    operation_id = house.ask(vm, GIB)["operation_id"]
    house.node.hypervisor.destroy(vm["uuid"])
    release()
    assert house.cloud.ended(operation_id)["state"] == "done"
    house.cloud.wait(vm["vm_id"], "stopped")
    house.cloud.call("user.vm.start", [vm["vm_id"]])
    house.cloud.wait(vm["vm_id"], "running")
    assert house.devices(vm) == ["vda", "vdb"]


def test_leaving_with_snapshots(house: House) -> None:
    """A disk in no catalogue that has snapshots, and of which its guest lets go, stays its VM's."""
    vm = house.vm(runs=True)
    disk_id = house.given(vm, GIB)["disk_id"]
    taken = house.cloud.call("user.disk.create_snapshot", {"disk_id": disk_id, "name": "point"})
    assert house.cloud.ended(taken["operation_id"])["state"] == "done"
    with Session(house.cloud.manager.database.engine) as session:
        delete_place(session, vm["vm_id"], disk_id)
        session.commit()
    assert house.cloud.sql("SELECT leaving FROM attachment WHERE disk_id = :d", d=disk_id) is False
    assert house.cloud.leaks() == []


# ------------------------------------------------------------------ what may be used


def test_tolerance_and_owner(house: House) -> None:
    """At least: a tenth or 1 GiB larger will do, the smallest first; another tenant's is never used."""
    house.free(house.root, 20 * GIB, account=house.cloud.other_id)
    larger = house.free(house.root, 22 * GIB, account=house.cloud.user_id, writer=house.cloud.user_id)
    house.free(house.root, 23 * GIB)
    vm = house.vm()
    disk = house.given(vm, 20 * GIB, size_match="at_least", keep_data=True)
    assert house.cloud.sql("SELECT volume_id FROM disk WHERE id = :k", k=disk["disk_id"]) == larger
    assert disk["wiped"] is False and house.share(house.root).volumes[disk["volume"]].content == b"secret"
    assert house.given(vm, 20 * GIB)["reused"] is False


def test_file_that_is_gone(house: House) -> None:
    """A free volume whose file somebody took away is forgotten, and the disk is made."""
    vm = house.vm()
    house.free(house.root, GIB, writer=house.cloud.user_id, name="gone.qcow2")
    del house.share(house.root).volumes["gone.qcow2"]
    answer = house.ask(vm, GIB, keep_data=True)
    assert (answer["reused"], answer["volume"]) == (True, "gone.qcow2")
    op = house.cloud.ended(answer["operation_id"])
    assert op["state"] == "done" and op["result"]["disks"][0]["volume"] != "gone.qcow2"


# ------------------------------------------------------------------ what is freed


@pytest.mark.parametrize(("policy", "clean"), [("none", False), ("discard", True), ("wipe", True)])
def test_freed(house: House, policy: str, clean: bool) -> None:
    """A storage that keeps what is freed has a destroyed VM's disks for the next one, wiped by then; overlays go."""
    values = {"storage_id": house.root, "keep_freed": True, "freed": policy}
    house.cloud.call("admin.storage.edit", values, account="admin")
    vm = house.vm()
    disk = house.given(vm, GIB)
    house.share(house.root).volumes[disk["volume"]].content = b"secret"
    house.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    house.cloud.wait(vm["vm_id"], "destroyed")
    assert sorted(house.share(house.root).volumes) == ["image.qcow2", disk["volume"]]
    (free,) = house.cloud.call("admin.storage.get_free_volumes", [house.root], account="admin")
    assert (free["name"], free["writer_id"], free["clean"]) == (disk["volume"], house.cloud.user_id, clean)
    assert house.used(house.root) == GIB
    other = house.vm()
    again = house.given(other, GIB)
    assert (again["volume"], again["reused"], again["wiped"]) == (disk["volume"], True, not clean)
    assert house.share(house.root).volumes[disk["volume"]].content == b""


@pytest.mark.parametrize(("kept", "entry"), [(True, False), (False, False), (True, True)])
def test_freed_by_two(house: House, kept: bool, entry: bool) -> None:
    """
    Of a destroy, or of the deletion of a disk of the catalogue, whose worker was taken for dead while its node was at
    it, the next keeps nothing for others: the first would wipe it by its name when it is another's already. Whether the
    storage kept anything then is all one.
    """
    cloud = house.cloud
    edit = {"storage_id": house.root, "keep_freed": kept, "freed": "wipe"}
    cloud.call("admin.storage.edit", edit, account="admin")
    vm = house.vm()
    if entry:
        cloud.sql("UPDATE storage SET offered = true WHERE id = :s", s=house.root)
        made = cloud.call("user.disk.create", {"name": "data", "size_mib": 1024, "storage_id": house.root})
        assert cloud.ended(made["operation_id"])["state"] == "done"
        cloud.call("user.disk.delete", {"disk_id": made["disk_id"]})
    else:
        house.given(vm, GIB)
    release = house.node.hang(60.0, ["wipe"])
    calls = house.node._faults.calls
    calls.clear()
    try:
        if entry:
            cloud.call("user.disk.purge", {"disk_id": made["disk_id"]})
        else:
            cloud.call("user.vm.destroy", [[vm["vm_id"]]])
        cloud.until(lambda: "wipe" in calls, "its node to be asked")
        house.node._faults.hang = None  # the call that is under way goes on waiting
        cloud.call("admin.storage.edit", {**edit, "keep_freed": True}, account="admin")
        cloud.sql(
            "UPDATE operation SET state = 'queued', worker_id = NULL, lease_until = NULL, attempts = attempts + 1,"
            " not_before = now() WHERE state = 'running' AND kind IN ('vm_destroy', 'image_delete')"
        )
        cloud.manager.engine.wake()
        cloud.until(lambda: cloud.sql("SELECT count(*) FROM operation WHERE finished_at IS NULL") == 0, "it to be done")
        again = house.given(house.vm(), GIB)
        house.share(house.root).volumes[again["volume"]].content = b"another's"
        calls.clear()
    finally:
        release()
    cloud.until(lambda: calls.count("delete") + calls.count("find"), "the first to have wiped it")
    assert house.share(house.root).volumes[again["volume"]].content == b"another's"
    assert cloud.leaks() == []


@pytest.mark.parametrize("end", ["taken over", "given up", "erased"])
def test_wiped_by_two(house: House, end: str) -> None:
    """
    Of a free volume that a node may still be wiping, as it was begun by who was taken for dead, or given up, nobody
    gets anything: it is deleted.
    """
    cloud = house.cloud
    house.free(house.root, GIB, name=f"left-{end}.qcow2".replace(" ", "-"))
    vm = house.vm()

    def taken(session: Session) -> None:
        session.execute(text("UPDATE operation SET lease_until = now() - interval '1 s' WHERE worker_id IS NOT NULL"))
        take_over(session, cloud.manager.engine.worker_id, True)

    release = house.node.hang(60.0, ["wipe"])
    calls = house.node._faults.calls
    calls.clear()
    try:
        asked = house.ask(vm, GIB)
        assert asked["reused"]
        cloud.until(lambda: "wipe" in calls, "its node to be asked")
        house.node._faults.hang = None  # the call that is under way goes on waiting
        if end == "given up":
            cloud.call("user.operation.abandon", [asked["operation_id"]])
        elif end == "erased":
            cloud.call("admin.vm.erase", [vm["vm_id"]], account="admin")
        cloud.manager.database.transact_now(taken)
        cloud.manager.engine.wake()
        if end == "taken over":
            op = cloud.ended(asked["operation_id"])
            assert op["state"] == "done", op
            (mine,) = op["result"]["disks"]
        else:
            run(lambda: sweep(cloud.manager.services))
            mine = house.given(house.vm(), GIB)
        assert mine["volume"] != asked["volume"]
        house.share(house.root).volumes[mine["volume"]].content = b"mine"
        cloud.sql("UPDATE reservation SET expires_at = now()")  # of an erased VM an hour passes
        run(lambda: sweep(cloud.manager.services))
        run(lambda: sweep(cloud.manager.services))
        free = cloud.call("admin.storage.get_free_volumes", [house.root], account="admin")
        assert [row["deleting"] for row in free] == [True] * len(free)
        calls.clear()
    finally:
        release()
    cloud.until(lambda: not any(cloud.manager.threads.waiting().values()), "the first to have wiped it")
    assert house.share(house.root).volumes[mine["volume"]].content == b"mine"
    assert cloud.leaks() == []


def test_freed_entry(house: House) -> None:
    """A disk of the catalogue that goes with its VM is no entry any more once its volume is for others."""
    cloud = house.cloud
    cloud.call("admin.storage.edit", {"storage_id": house.root, "keep_freed": True}, account="admin")
    cloud.sql("UPDATE storage SET offered = true WHERE id = :s", s=house.root)
    made = cloud.call("user.disk.create", {"name": "data", "size_mib": 32, "storage_id": house.root})
    assert cloud.ended(made["operation_id"])["state"] == "done"
    image_id = cloud.sql("SELECT image_id FROM disk WHERE id = :d", d=made["disk_id"])
    vm = house.vm()
    attached = cloud.call(
        "user.disk.attach", {"disk_id": made["disk_id"], "vm_id": vm["vm_id"], "delete_with_vm": True}
    )
    if attached["operation_id"] is not None:
        assert cloud.ended(attached["operation_id"])["state"] == "done"
    cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    cloud.wait(vm["vm_id"], "destroyed")
    assert len(cloud.call("admin.storage.get_free_volumes", [house.root], account="admin")) == 1
    assert cloud.leaks() == []
    for view, id_ in (("storage_image", image_id), ("disk", made["disk_id"])):
        with pytest.raises(ObjectNotFound):
            cloud.call(f"user.{view}.get_by_id", [id_])
    told = cloud.sql("SELECT count(*) FROM change WHERE event = 'exit' AND (kind, object_id) IN (('image', :i),"
                     " ('disk', :d))", i=image_id, d=made["disk_id"])  # fmt: skip
    assert told == 2
    other = house.vm()
    assert house.given(other, 32 * MIB)["reused"]


def test_delete_free(house: House) -> None:
    """A free volume can be deleted, one that is reserved cannot; a storage with one is in use."""
    volume_id = house.free(house.root, GIB)
    vm = house.vm()
    house.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    house.cloud.wait(vm["vm_id"], "destroyed")
    with pytest.raises(InUse, match="1 free volumes"):
        house.cloud.call("admin.storage.delete", [house.root], account="admin")
    assert house.cloud.call("admin.storage.delete_free_volume", [volume_id], account="admin")["deleting"]
    run(lambda: sweep(house.cloud.manager.services))
    assert [*house.share(house.root).volumes] == ["image.qcow2"] and house.used(house.root) == 0
    with pytest.raises(ObjectNotFound):
        house.cloud.call("admin.storage.delete_free_volume", [volume_id], account="admin")


@pytest.mark.parametrize(("policy", "clean"), [("none", False), ("wipe", False), ("wipe", True)])
def test_delete_free_wiped(house: House, policy: str, clean: bool) -> None:
    """What others wrote to a free volume goes as its storage has it, once."""
    house.cloud.sql("UPDATE storage SET freed = :f WHERE id = :s", f=policy, s=house.root)
    volume_id = house.free(house.root, GIB)
    house.cloud.sql("UPDATE free_volume SET clean = :c WHERE volume_id = :v", c=clean, v=volume_id)
    house.cloud.call("admin.storage.delete_free_volume", [volume_id], account="admin")
    house.node.calls.clear()
    run(lambda: sweep(house.cloud.manager.services))
    run(lambda: sweep(house.cloud.manager.services))
    house.cloud.until(lambda: house.used(house.root) == 0, "its room is given back")
    assert [*house.share(house.root).volumes] == ["image.qcow2"] and house.cloud.leaks() == []
    assert house.node.calls.count("wipe") == (1 if policy == "wipe" and not clean else 0)


def test_books(house: House) -> None:
    """A reservation that its account or storage does not count, and a volume of two owners, are found."""
    vm = house.vm()
    with under_way(house, vm, GIB) as session:
        assert leaks(session) == []
        for statement, found in (
            ("DELETE FROM reservation", "and neither free nor reserved"),
            ("INSERT INTO free_volume SELECT volume_id FROM image WHERE deleted_at IS NULL", "though it is a disk's"),
        ):
            with session.begin_nested() as nested:
                session.execute(text(statement))
                assert any(found in leak["finding"] for leak in leaks(session)), statement
                nested.rollback()
