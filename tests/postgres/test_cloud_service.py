"""
VMs by a template and a size, in a resource pool: oVirt's CloudService, the acceptance cases a to j by their letters.
Each test has a hardware pool and a resource pool of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from test_attach_or_create import GIB, House, at_once

from cm.rpc.errors import (
    CloudError,
    InUse,
    InvalidParameter,
    NoStorage,
    ObjectNotFound,
    QuotaReached,
    RoleNeeded,
    VersionChanged,
)
from cm.rpc.vocabulary import Privilege
from cm.rules.access import AccessNeeded
from cm.rules.resource_pool import PoolTooSmall, PrivilegeNeeded
from cm.services.free_volume import sweep
from support.cloud import MemoryCloud, at_database, run


class Service(House):
    """A hardware pool, a template of its image, a size of 15 GB, and a resource pool in which the user makes VMs."""

    def __init__(self, cloud: MemoryCloud, pool: str) -> None:
        super().__init__(cloud, pool)
        self.by = cloud.call("user.vm_template.create", {"name": "web", "image_id": self.image_id})["vm_template_id"]
        sizes = {"small": {"cpus": 1, "memory": 262144, "storage_size_in_gb": 15}}
        self.size = self.admin("template.load", sizes=sizes)[0]["template_id"]
        self.pool_id = self.pool_of("mine", hardware_pool=pool)
        self.grant(self.pool_id)

    def admin(self, view: str, **params: Any) -> Any:
        return self.cloud.call(f"admin.{view}", params, account="admin")

    def pool_of(self, name: str, **more: Any) -> int:
        return int(self.admin("resource_pool.add", name=f"{self.pool}-{name}"[:60], **more)["resource_pool_id"])

    def grant(self, pool_id: int, privilege: str = "cloud_create", login: str = "user") -> None:
        self.admin("resource_pool.grant", resource_pool_id=pool_id, privilege=privilege, login=login)

    def order(self, account: str = "user", **more: Any) -> dict[str, Any]:
        """A VM, asked for."""
        params = {"name": "vm", "vm_template_id": self.by, "template_id": self.size, **more}
        (made,) = self.cloud.call("user.cloud_service.svc_create", params, account=account)
        return made

    def made(self, **more: Any) -> dict[str, Any]:
        """A VM, until it runs."""
        return self.cloud.wait(self.order(**more)["vm_id"], "running")

    def volume(self, vm_id: int) -> tuple[int, int, int]:
        """Storage, volume and size of a VM's disk beside its first."""
        found = self.cloud.sql(
            "SELECT ARRAY[u.storage_id, u.id, u.size_bytes] FROM attachment t JOIN disk k ON k.id = t.disk_id"
            " JOIN volume u ON u.id = k.volume_id WHERE t.vm_id = :v AND t.number = 1",
            v=vm_id,
        )
        return tuple(found)

    def volumes(self) -> int:
        return int(self.cloud.sql("SELECT count(*) FROM volume"))

    def told(self, pool_id: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.admin("resource_pool.get_by_id", resource_pool_id=pool_id)
        return answer

    def close(self) -> None:
        super().close()
        self.cloud.sql("DELETE FROM resource_pool_grant")
        self.cloud.sql("DELETE FROM acl")
        self.cloud.sql("UPDATE vm_template SET deleted_at = now()")


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "svc", nodes=1, reconcile_s=3600.0) as made:
        yield made


@pytest.fixture
def house(cloud: MemoryCloud, request: pytest.FixtureRequest) -> Iterator[Service]:
    made = Service(cloud, request.node.name)
    yield made
    made.close()


def test_a_free_volume_first(house: Service) -> None:
    """A free volume of 15 GiB is used before any is made."""
    free = house.free(house.root, 15 * GIB)
    vm = house.made()
    assert house.volume(vm["vm_id"]) == (house.root, free, 16_106_127_360)
    assert (vm["cpu"], vm["memory_mib"]) == (1, 256)
    told = house.cloud.vm(vm["vm_id"])
    assert (told["vm_template_id"], told["resource_pool_id"]) == (house.by, house.pool_id)
    again = house.made()
    assert house.volume(again["vm_id"])[1] != free


def test_b_two_requests_and_one_free_volume(house: Service) -> None:
    """Of two at once one uses it, the other has one made."""
    free = house.free(house.root, 15 * GIB)
    vms = [made["vm_id"] for made in at_once(house.order, house.order)]
    for vm_id in vms:
        house.cloud.wait(vm_id, "running")
    used = [house.volume(vm_id)[1] for vm_id in vms]
    assert used.count(free) == 1 and len(set(used)) == 2


def test_c_two_requests_and_room_for_one(house: Service) -> None:
    """Of two at once one succeeds, the other is told that there is no room."""
    house.cloud.sql("UPDATE storage SET capacity_bytes = claimed_bytes + :c WHERE id = :s", c=20 * GIB, s=house.root)
    answers = at_once(house.order, house.order)
    (refused,) = [answer for answer in answers if isinstance(answer, NoStorage)]
    assert {each["reason"] for each in refused.checked} == {"insufficient"}
    (made,) = [answer for answer in answers if isinstance(answer, dict)]
    house.cloud.wait(made["vm_id"], "running")
    assert house.told(house.pool_id)["pending"]["vms"] == 1


def test_d_iscsi_alone(house: Service) -> None:
    """Where nothing but a storage that makes no volumes has room, each says why, and nothing is left of the call."""
    house.cloud.sql("UPDATE storage SET capacity_bytes = claimed_bytes + :c WHERE id = :s", c=2 * GIB, s=house.root)
    iscsi = house.storage("iscsi", 1000 * GIB, kind="iscsi")
    with pytest.raises(NoStorage) as refused:
        house.order()
    reasons = {each["storage_id"]: each["reason"] for each in refused.value.checked}
    assert reasons == {house.root: "insufficient", iscsi: "wrong_type"}
    assert house.vm_ids() == [] and house.told(house.pool_id)["pending"]["vms"] == 0


def test_e_another_hardware_pool(house: Service) -> None:
    """A volume of another hardware pool is never used, and no template of its images either."""
    elsewhere = house.storage("elsewhere", 1000 * GIB, pool=f"{house.pool}-other")
    house.free(elsewhere, 15 * GIB)
    assert house.volume(house.made()["vm_id"])[0] == house.root
    foreign = house.pool_of("foreign", hardware_pool=f"{house.pool}-other")
    house.grant(foreign)
    with pytest.raises(InvalidParameter, match="hardware pool"):
        house.order(resource_pool_id=foreign)
    house.cloud.sql("UPDATE storage SET locked = true WHERE id = :s", s=elsewhere)


def test_f_full_after_all(house: Service) -> None:
    """A storage that turns out to be full when the volume is made passes it on to the next one."""
    first, second = house.storage("first", 3000 * GIB), house.storage("second", 2000 * GIB)
    house.share(first).files_max = 0
    vm = house.made()
    assert house.volume(vm["vm_id"])[0] == second
    assert (house.used(first), house.used(second)) == (0, 15 * GIB)


def test_g_without_the_privilege(house: Service) -> None:
    """Who has cloud_create on no pool is told nothing and makes nothing; who only sees one, neither."""
    share = {"kind": "vm_template", "object_id": house.by, "level": "user", "login": "other"}
    house.cloud.call("user.acl.set", share)
    with pytest.raises(PrivilegeNeeded):
        house.cloud.call("user.cloud_service.svc_new", account="other")
    with pytest.raises(PrivilegeNeeded):
        house.order("other")
    assert house.cloud.call("user.resource_pool.get_list", account="other") == []
    house.grant(house.pool_id, "cloud_view", "other")
    (seen,) = house.cloud.call("user.resource_pool.get_list", account="other")
    assert seen["privileges"] == ["cloud_view"]
    for params in ({}, {"resource_pool_id": house.pool_id}):
        with pytest.raises(PrivilegeNeeded):
            house.order("other", **params)
    with pytest.raises(PrivilegeNeeded):
        house.cloud.call("user.cloud_service.svc_new", account="other")
    house.admin("resource_pool.revoke", resource_pool_id=house.pool_id, privilege="cloud_view", login="other")
    assert house.cloud.call("user.resource_pool.get_list", account="other") == []


def test_h_pools_where_there_are_several(house: Service) -> None:
    """With one pool no list of pools is told, and none has to be named; with two one has to be."""
    told = house.cloud.call("user.cloud_service.svc_new")
    assert "pools" not in told and told["default_pool"]["resource_pool_id"] == house.pool_id
    assert [each["vm_template_id"] for each in told["templates"]] == [house.by]
    assert house.size in {each["template_id"] for each in told["sizes"]} and told["profiles"] == []
    house.made()
    second = house.pool_of("second")
    house.grant(second)
    told = house.cloud.call("user.cloud_service.svc_new")
    assert told["default_pool"] is None
    assert {each["resource_pool_id"] for each in told["pools"]} == {house.pool_id, second}
    with pytest.raises(InvalidParameter) as refused:
        house.order()
    assert refused.value.details()["parameter"] == "resource_pool_id"
    house.made(resource_pool_id=second)
    assert house.told(second)["pending"]["vms"] == 1


def test_i_given_up_between_reserving_and_making(house: Service) -> None:
    """
    What is given up before its volume is ready leaves no reservation and nothing in the pool; the volume that it would
    have used is free as before, and was not deleted. The same call then works.
    """
    free = house.free(house.root, 15 * GIB, writer=house.cloud.other_id)
    house.node.calls.clear()
    release = house.node.hang(methods=("wipe",))
    vm = house.order()
    house.cloud.until(lambda: "wipe" in house.node.calls, "a worker is at it")
    pending = house.told(house.pool_id)["pending"]
    assert (pending["vms"], pending["cpu"], pending["memory_mib"], pending["nics"]) == (1, 1, 256, 1)
    assert pending["storage_mib"] == 15 * 1024 + 64
    house.cloud.call("user.vm.destroy", [[vm["vm_id"]]])
    release()
    house.cloud.wait(vm["vm_id"], "destroyed")
    run(lambda: sweep(house.cloud.manager.services))
    assert house.cloud.sql("SELECT count(*) FROM reservation WHERE vm_id = :v", v=vm["vm_id"]) == 0
    (left,) = house.cloud.call("admin.storage.get_free_volumes", [house.root], account="admin")
    assert (left["volume_id"], left["reserved_for"]) == (free, None)
    assert set(house.told(house.pool_id)["pending"].values()) == {0}
    assert house.volume(house.made()["vm_id"])[1] == free


def test_j_rights_to_templates_and_to_pools(house: Service) -> None:
    """Neither a right on a template gives one on a pool, nor the other way round."""
    house.grant(house.pool_id, login="other")
    with pytest.raises(ObjectNotFound):
        house.order("other")
    call = {"kind": "vm_template", "object_id": house.by, "login": "other"}
    house.cloud.call("user.acl.set", {**call, "level": "user"})
    vm_id = house.order("other")["vm_id"]
    house.cloud.call("user.vm.destroy", [[vm_id]], account="other")
    with pytest.raises(AccessNeeded):
        house.cloud.call("user.vm_template.delete", [house.by], account="other")
    with pytest.raises(RoleNeeded):
        house.cloud.call("admin.resource_pool.get_list", account="other")
    house.admin("resource_pool.revoke", resource_pool_id=house.pool_id, privilege="cloud_create", login="other")
    with pytest.raises(PrivilegeNeeded):
        house.order("other")


# ------------------------------------------------------------------ quotas of pools


def test_quota(house: Service) -> None:
    """The nearest limit counts, of two at once too; a VM that is resized or ends counts otherwise from then on."""
    top = house.pool_of("top", vms=3, cpu=4, hardware_pool=house.pool)
    inner = house.pool_of("inner", parent_pool_id=top, vms=2)
    house.grant(top)
    for _ in range(2):
        last = house.made(resource_pool_id=inner)["vm_id"]
    with pytest.raises(QuotaReached) as refused:
        house.order(resource_pool_id=inner)
    assert refused.value.resource == f"vms of resource pool {inner}"
    answers = at_once(*[lambda: house.order(resource_pool_id=top)] * 2)
    assert sum(isinstance(each, QuotaReached) for each in answers) == 1
    (made,) = [each for each in answers if isinstance(each, dict)]
    house.cloud.wait(made["vm_id"], "running")
    told = house.told(top)
    assert (told["pending"]["vms"], told["current"]["vms"], told["pending"]["cpu"]) == (3, 3, 3)
    assert (told["effective"]["vms"], house.told(inner)["effective"]["cpu"]) == (3, 4)
    house.cloud.call("user.vm.stop", [last])
    house.cloud.wait(last, "stopped")
    told = house.told(inner)
    assert (told["pending"]["vms"], told["current"]["vms"]) == (2, 1)
    sizes = {"two": {"cpus": 2, "memory": 262144, "storage_size_in_gb": 1}}
    sizes["three"] = {**sizes["two"], "cpus": 3}
    two, three = (each["template_id"] for each in house.admin("template.load", sizes=sizes))
    with pytest.raises(QuotaReached, match="cpu of resource pool"):
        house.cloud.call("user.vm.resize", [last, three])
    house.cloud.call("user.vm.resize", [last, two])
    assert house.told(top)["pending"]["cpu"] == 4
    house.cloud.call("user.vm.destroy", [[last]])
    house.cloud.wait(last, "destroyed")
    house.made(resource_pool_id=inner)


def test_pool_that_shrinks(house: Service) -> None:
    """No limit becomes less than what is used or given to pools within; none of these is given more than there is."""
    top = house.pool_of("top", vms=3)
    inner = house.pool_of("inner", parent_pool_id=top, vms=2)
    before = house.told(top), house.told(inner)
    with pytest.raises(PoolTooSmall) as refused:
        house.admin("resource_pool.edit", resource_pool_id=top, vms=1)
    assert refused.value.details() == {"resource": "vms", "pool_id": top, "limit": 1, "promised": 2}
    with pytest.raises(PoolTooSmall):
        house.admin("resource_pool.edit", resource_pool_id=inner, vms=4)
    with pytest.raises(PoolTooSmall):
        house.pool_of("second", parent_pool_id=top, vms=2)
    assert (house.told(top), house.told(inner)) == before
    house.grant(top)
    house.made(resource_pool_id=inner)
    with pytest.raises(PoolTooSmall):
        house.admin("resource_pool.edit", resource_pool_id=inner, vms=0)
    told = house.admin("resource_pool.edit", resource_pool_id=inner, inherit=["vms"])
    assert (told["limits"]["vms"], told["effective"]["vms"]) == (None, 3)
    assert house.admin("resource_pool.edit", resource_pool_id=top, vms=1)["limits"]["vms"] == 1


def test_profiles(house: Service) -> None:
    """Any size goes with any template; a pair is saved under a name, listed, and VMs are made by it."""
    sizes = {"large": {"cpus": 2, "memory": "512 MiB", "storage_size_in_gb": 1}}
    (large,) = house.admin("template.load", sizes=sizes)
    pair = {"vm_template_id": house.by, "template_id": large["template_id"]}
    made = house.cloud.call("user.vm_profile.create", {"name": "big web", **pair})
    assert (made["template_name"], made["vm_template_name"]) == ("large", "web")
    assert house.cloud.call("user.cloud_service.svc_new")["profiles"] == [made]
    profile = made["vm_profile_id"]
    vm = house.made(vm_template_id=None, template_id=None, vm_profile_id=profile)
    assert (vm["cpu"], vm["memory_mib"]) == (2, 512)
    assert house.volume(vm["vm_id"])[2] == GIB
    with pytest.raises(InvalidParameter):
        house.order(vm_profile_id=profile)
    with pytest.raises(InUse, match=f"VM profile {profile}"):
        house.cloud.call("user.vm_template.delete", [house.by])
    with pytest.raises(ObjectNotFound):
        house.cloud.call("user.vm_profile.get_by_id", [profile], account="other")
    house.cloud.call("user.vm_profile.edit", {"vm_profile_id": profile, "template_id": house.size})
    house.cloud.call("user.vm_profile.delete", [profile])
    assert house.cloud.call("user.vm_profile.get_list") == []


def test_refused(house: Service) -> None:
    """Unknown pools, parents, privileges and words; limits below zero; names that are taken. Nothing is changed."""
    before = house.admin("resource_pool.get_list")
    for wrong in ({"vms": -1}, {"disk": 1}, {"name": ""}):
        with pytest.raises(InvalidParameter):
            house.admin("resource_pool.add", **{"name": "x", **wrong})
    with pytest.raises(CloudError, match="already"):
        house.pool_of("mine")
    for view, params in (("add", {"name": "x", "parent_pool_id": 10**9}), ("edit", {"resource_pool_id": 10**9})):
        with pytest.raises(ObjectNotFound):
            house.admin(f"resource_pool.{view}", **params)
    with pytest.raises(InvalidParameter):
        house.admin("resource_pool.edit", resource_pool_id=house.pool_id, vms=1, inherit=["vms"])
    with pytest.raises(VersionChanged):
        house.admin("resource_pool.edit", resource_pool_id=house.pool_id, vms=1, if_version=99)
    with pytest.raises(InvalidParameter):
        house.grant(house.pool_id, "cloud_destroy")
    with pytest.raises(ObjectNotFound):
        house.grant(house.pool_id, login="nobody")
    with pytest.raises(InvalidParameter):
        house.pool_of("far", parent_pool_id=house.pool_id, hardware_pool="another")
    assert house.admin("resource_pool.get_list") == before
    (held,) = house.admin("resource_pool.get_grants", resource_pool_id=house.pool_id)
    assert (held["privilege"], held["subject"]["login"]) == (Privilege.CLOUD_CREATE, "user")
    house.made()
    with pytest.raises(InUse, match="1 VMs"):
        house.admin("resource_pool.delete", resource_pool_id=house.pool_id)
    inner = house.pool_of("inner", parent_pool_id=house.pool_id)
    with pytest.raises(InUse, match=f"resource pool {inner}"):
        house.admin("resource_pool.delete", resource_pool_id=house.pool_id)
    house.admin("resource_pool.delete", resource_pool_id=inner)
    for account in ("user", "other"):
        with pytest.raises(RoleNeeded):
            house.cloud.call("admin.resource_pool.add", {"name": "x"}, account=account)
