"""Offers of ownership: who offers what to whom, what changes hands then, and what keeps it where it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.errors import (
    CloudError,
    InvalidParameter,
    ObjectNotFound,
    OwnerBlocked,
    QuotaReached,
    VMBusy,
    WrongImageState,
    WrongVMState,
)
from cm.rpc.vocabulary import DiskFormat, Role
from cm.rules.transfer import NotTransferable, OwnersAlone, TransferClosed, TransferNotYours, TransferOffered
from cm.services.change_request import VMChangedHands
from cm.services.usage import PointsUsedUp
from cm.store.feed import read_changes
from cm.store.prune import prune
from support.cloud import MemoryCloud, run
from support.matrix import insert_network, insert_public

MIB = 2**20


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    assert made.leaks() == []
    made.stop()


def offer(cloud: MemoryCloud, object_id: int, kind: str = "vm", to: str = "other", **more: Any) -> dict[str, Any]:
    given = {"kind": kind, "object_id": object_id, "login": to, **more}
    found: dict[str, Any] = cloud.call("user.transfer.create", given)
    return found


def done(cloud: MemoryCloud, view: str, given: dict[str, Any], account: str = "user") -> dict[str, Any]:
    """Have an operation be done that a view opens."""
    found: dict[str, Any] = cloud.call(view, given, account=account)
    ended = "SELECT state FROM operation WHERE id = :o"
    cloud.until(lambda: cloud.sql(ended, o=found["operation_id"]) == "done", f"{view} is done")
    return found


def accept(cloud: MemoryCloud, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = cloud.call(
        "user.transfer.accept", {"transfer_id": made["transfer_id"]}, account="other"
    )
    return found


def running(cloud: MemoryCloud, **more: Any) -> int:
    vm_id: int = cloud.wait(cloud.create(**more)["vm_id"], "running")["vm_id"]
    return vm_id


def told(cloud: MemoryCloud, account: str) -> list[str]:
    found = cloud.call("user.message.get_list", account=account)
    return [each["code"] for each in found if each["code"].startswith("transfer_")]


def used(cloud: MemoryCloud, account_id: int) -> tuple[int, ...]:
    columns = ("used_cpu", "used_memory_mib", "used_storage_mib", "used_vms")
    return tuple(cloud.sql(f"SELECT {column} FROM account WHERE id = :a", a=account_id) for column in columns)


def disk(cloud: MemoryCloud, name: str = "data", account: str = "user") -> int:
    disk_id: int = done(cloud, "user.disk.create", {"name": name, "size_mib": 8}, account)["disk_id"]
    return disk_id


def volume(cloud: MemoryCloud, name: str, kind: DiskFormat) -> str:
    """A file on the storage, as each node sees it."""
    for memory in cloud.memory.values():
        memory.volumes.create_empty(f"wawel-{cloud.storage_id}", name, kind, MIB)
    return name


# ------------------------------------------------------------------ the offer


def test_life(cloud: MemoryCloud) -> None:
    """Its two parties see an offer, are told what becomes of it, and nobody else learns that it is there."""
    vm_id = running(cloud)
    before = used(cloud, cloud.user_id)
    made = offer(cloud, vm_id, text="yours now")
    assert (made["kind"], made["object_id"], made["state"], made["to_login"]) == ("vm", vm_id, "offered", "other")
    assert cloud.vm(vm_id)["user_id"] == cloud.user_id, "nothing changes before it is accepted"
    assert told(cloud, "other") == ["transfer_offered"] and told(cloud, "user") == []
    for account in ("user", "other"):
        (seen,) = cloud.call("user.transfer.get_list", account=account)
        assert seen == {name: value for name, value in made.items() if name != "token"}
    with pytest.raises(ObjectNotFound):
        cloud.call("user.transfer.get_by_id", {"transfer_id": made["transfer_id"]}, account="admin")
    for view in ("accept", "decline", "withdraw"):
        with pytest.raises(ObjectNotFound):
            cloud.call(f"user.transfer.{view}", {"transfer_id": made["transfer_id"]}, account="admin")
    for view, account in (("accept", "user"), ("decline", "user"), ("withdraw", "other")):
        with pytest.raises(TransferNotYours):
            cloud.call(f"user.transfer.{view}", {"transfer_id": made["transfer_id"]}, account=account)
    assert accept(cloud, made)["state"] == "accepted"
    assert told(cloud, "user") == ["transfer_accepted"]
    assert cloud.call("user.transfer.get_list") == []
    (seen,) = cloud.call("user.transfer.get_list", {"answered": True})
    assert seen["state"] == "accepted" and seen["closed"] is not None
    with pytest.raises(ObjectNotFound):
        cloud.vm(vm_id)
    theirs = cloud.call("user.vm.get_by_id", [vm_id], account="other")
    assert (theirs["user_id"], theirs["state"]) == (cloud.other_id, "running")
    assert used(cloud, cloud.user_id) == (0, 0, 0, 0) and used(cloud, cloud.other_id) == before
    with pytest.raises(TransferClosed):
        accept(cloud, made)
    assert "ownership_transferred" in json.dumps(activities(cloud, vm_id)[0])


def test_request_of_before(cloud: MemoryCloud) -> None:
    """What its old owner has asked administrators for is not done to a VM that is another's."""
    vm_id = running(cloud)
    request = cloud.call("user.change_request.ask_expiry", {"vm_id": vm_id, "lease": "a longer one"})
    lease = cloud.call("admin.expiry.add", {"name": "long", "delete_s": 864_000}, account="admin")["expiry_id"]
    accept(cloud, offer(cloud, vm_id))
    answer = {"change_request_id": request["change_request_id"], "expiry_id": lease}
    with pytest.raises(VMChangedHands):
        cloud.call("admin.change_request.accept", answer, account="admin")
    assert cloud.call("user.change_request.get_by_id", [request["change_request_id"]])["state"] == "open"
    del answer["expiry_id"]
    cloud.call("admin.change_request.decline", {**answer, "text": "it is another's"}, account="admin")
    found = cloud.call("admin.vm.get_by_id", [vm_id], account="admin")
    assert found["user_id"] == cloud.other_id


def activities(cloud: MemoryCloud, vm_id: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.call("user.instance.get_activities", {"vm_id": vm_id}, account="other")
    return found


def test_declined_and_withdrawn(cloud: MemoryCloud) -> None:
    """After either it can be offered anew, and accepted no more; the other party is told."""
    vm_id = running(cloud)
    first = offer(cloud, vm_id)
    with pytest.raises(TransferOffered):
        offer(cloud, vm_id)
    cloud.call("user.transfer.decline", {"transfer_id": first["transfer_id"]}, account="other")
    assert told(cloud, "user") == ["transfer_declined"]
    second = offer(cloud, vm_id)
    cloud.call("user.transfer.withdraw", {"transfer_id": second["transfer_id"]})
    assert told(cloud, "other") == ["transfer_withdrawn", "transfer_offered", "transfer_offered"]
    for made in (first, second):
        with pytest.raises(TransferClosed):
            accept(cloud, made)
    third = cloud.call(
        "admin.transfer.create", {"kind": "vm", "object_id": vm_id, "login": "other"}, account="admin"
    )
    assert third["user_id"] == cloud.user_id, "in its owner's name"
    (seen,) = cloud.call("admin.transfer.get_list", {"user_id": cloud.other_id}, account="admin")
    assert seen["transfer_id"] == third["transfer_id"]
    cloud.call("admin.transfer.withdraw", {"transfer_id": third["transfer_id"]}, account="admin")
    assert cloud.call("admin.transfer.get_list", account="admin") == []
    assert cloud.vm(vm_id)["user_id"] == cloud.user_id


def test_expired_and_void(cloud: MemoryCloud) -> None:
    """An offer that is too old, or whose VM is no more, leads to nothing; a new one takes the old one's place."""
    vm_id = running(cloud)
    made = offer(cloud, vm_id)
    cloud.sql("UPDATE transfer SET expires_at = now() - interval '1 s'")
    (seen,) = cloud.call("user.transfer.get_list")
    assert seen["state"] == "expired"
    for view, account in (("accept", "other"), ("decline", "other"), ("withdraw", "user")):
        with pytest.raises(TransferClosed):
            cloud.call(f"user.transfer.{view}", {"transfer_id": made["transfer_id"]}, account=account)
    again = offer(cloud, vm_id)
    cloud.call("user.vm.destroy", [[vm_id]])
    with pytest.raises((VMBusy, TransferClosed, WrongVMState)):
        accept(cloud, again)
    cloud.wait(vm_id, "destroyed")
    with pytest.raises(TransferClosed) as refused:
        accept(cloud, again)
    assert refused.value.state == "void"
    cloud.sql("UPDATE transfer SET created_at = now() - interval '31 days', expires_at = now() - interval '28 days'")
    assert cloud.manager.database.transact_now(prune)["transfer"] == 2


def test_who_may_offer(cloud: MemoryCloud) -> None:
    """Its own account alone, to another that is there and not blocked; a level, be it the highest, does not do."""
    vm_id = running(cloud)
    cloud.account("third")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.transfer.create", {"kind": "vm", "object_id": vm_id, "login": "third"}, account="other")
    cloud.call("user.acl.set", {"kind": "vm", "object_id": vm_id, "level": "owner", "login": "other"})
    with pytest.raises(OwnersAlone):
        cloud.call("user.transfer.create", {"kind": "vm", "object_id": vm_id, "login": "third"}, account="other")
    for given, error in (("user", InvalidParameter), ("nobody", ObjectNotFound)):
        with pytest.raises(error):
            offer(cloud, vm_id, to=given)
    cloud.sql("UPDATE account SET active = false WHERE login = 'third'")
    with pytest.raises(OwnerBlocked):
        offer(cloud, vm_id, to="third")


def test_link(cloud: MemoryCloud) -> None:
    """A link tells of an offer to whom it was made, and to nobody who has only the link, or made one up."""
    vm_id = running(cloud)
    made = offer(cloud, vm_id)
    found = cloud.call("user.transfer.find", {"token": made["token"]}, account="other")
    assert found["transfer_id"] == made["transfer_id"]
    number, _, signature = made["token"].partition(".")
    forged = (f"{number}.{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}", f"{int(number) + 1}.{signature}", "x")
    for account, token in (("user", made["token"]), ("admin", made["token"]), *(("other", each) for each in forged)):
        with pytest.raises(InvalidParameter):
            cloud.call("user.transfer.find", {"token": token}, account=account)


# ------------------------------------------------------------------ what goes along


def test_disks(cloud: MemoryCloud) -> None:
    """A VM's disks go with it, their snapshots and what was shared of them too; what is not attached stays."""
    own, spare = disk(cloud), disk(cloud, "spare")
    vm_id = running(cloud)
    done(cloud, "user.disk.attach", {"disk_id": own, "vm_id": vm_id})
    done(cloud, "user.vm.create_snapshot", {"vm_id": vm_id, "name": "before"})
    image_id = cloud.sql("SELECT image_id FROM disk WHERE id = :d", d=own)
    cloud.account("third")
    for kind, object_id in (("vm", vm_id), ("image", image_id)):
        cloud.call("user.acl.set", {"kind": kind, "object_id": object_id, "level": "owner", "login": "third"})
    spared = cloud.sql("SELECT ceil(u.claimed_bytes / 1048576.0) FROM disk k JOIN volume u ON u.id = k.volume_id"
                       " WHERE k.id = :d", d=spare)  # fmt: skip
    accept(cloud, offer(cloud, vm_id))
    assert used(cloud, cloud.user_id) == (0, 0, spared, 0)
    theirs = cloud.call("user.disk.get_list", account="other")
    assert {each["disk_id"] for each in theirs} >= {own} and len(theirs) == 2
    assert [each["disk_id"] for each in cloud.call("user.disk.get_list")] == [spare]
    assert len(cloud.call("user.snapshot.get_list", {"vm_id": vm_id}, account="other")) == 2
    assert cloud.sql("SELECT count(*) FROM acl") == 0, "whom it was shared with is its new owner's to say"
    cloud.call("user.vm.destroy", [[vm_id]], account="other")
    cloud.until(lambda: used(cloud, cloud.other_id)[3] == 0, "it ends as its owner's")


def test_network(cloud: MemoryCloud) -> None:
    """
    A card stays on its old owner's network where they shared that; its groups and public addresses are theirs, and are
    left; ports of shared addresses go along.
    """
    vm_id = running(cloud)
    network_id = insert_network(cloud, "own", "10.66.0.0/28", cloud.user_id)
    cloud.sql("UPDATE nic SET network_id = :n WHERE vm_id = :v", n=network_id, v=vm_id)
    cloud.sql(
        "WITH old AS (UPDATE network_lease SET nic_id = NULL WHERE nic_id IN (SELECT id FROM nic WHERE vm_id = :v))"
        " UPDATE network_lease SET nic_id = (SELECT id FROM nic WHERE vm_id = :v) WHERE network_id = :n",
        n=network_id, v=vm_id,
    )  # fmt: skip
    address_id = insert_public(cloud, vm_id, cloud.user_id)
    group = cloud.call("user.security_group.create", {"name": "mine"})["security_group_id"]
    cloud.call("user.security_group.assign", {"vm_id": vm_id, "security_group_ids": [group]})
    affinity = cloud.call("user.affinity_group.create", {"name": "apart", "affinity": "apart"})["affinity_group_id"]
    cloud.call("user.vm.set_affinity_group", {"vm_id": vm_id, "affinity_group_id": affinity})
    made = offer(cloud, vm_id)
    with pytest.raises(NotTransferable) as refused:
        accept(cloud, made)
    assert (refused.value.obstacle, refused.value.about) == ("network", network_id)
    cloud.call("user.acl.set", {"kind": "network", "object_id": network_id, "level": "user", "login": "other"})
    cloud.sql("UPDATE account SET quota_public_ports = 0 WHERE id = :a", a=cloud.other_id)
    with pytest.raises(QuotaReached):
        accept(cloud, made)
    cloud.sql("UPDATE account SET quota_public_ports = 1 WHERE id = :a", a=cloud.other_id)
    accept(cloud, made)
    found = cloud.call("user.public_address.get_by_id", {"public_address_id": address_id})
    assert (found["state"], found["vm_id"]) == ("unassigned", None)
    assert cloud.sql("SELECT count(*) FROM public_port") == 1
    default = cloud.sql("SELECT id FROM security_group WHERE account_id = :a AND is_default", a=cloud.other_id)
    assert cloud.sql("SELECT array_agg(group_id) FROM nic_group") == [default], "closed stays closed"
    assert cloud.sql("SELECT affinity_group_id FROM vm WHERE id = :v", v=vm_id) is None


def test_obstacles(cloud: MemoryCloud) -> None:
    """What is somebody else's, or others lean on, is named; nothing is taken from a VM silently."""
    vm_id = running(cloud)
    made = offer(cloud, vm_id)

    def kept_by(wanted: str) -> None:
        with pytest.raises(NotTransferable) as refused:
            accept(cloud, made)
        assert refused.value.obstacle == wanted and cloud.vm(vm_id)["user_id"] == cloud.user_id

    file = volume(cloud, "private.iso", DiskFormat.RAW)
    iso = cloud.image(file, kind="iso", name="iso", format="raw", size_bytes=MIB)
    done(cloud, "user.vm.insert_cd", {"vm_id": vm_id, "iso_image_id": iso})
    kept_by("iso")
    cloud.sql("UPDATE image SET access = 'public' WHERE id = :i", i=iso)
    cloud.sql("UPDATE vm SET vnc_enabled = true WHERE id = :v", v=vm_id)
    kept_by("screen")
    cloud.sql("UPDATE vm SET vnc_enabled = false WHERE id = :v", v=vm_id)
    foreign = disk(cloud, "foreign", "admin")
    theirs = cloud.sql("SELECT image_id FROM disk WHERE id = :d", d=foreign)
    granted = {"kind": "image", "object_id": theirs, "level": "owner", "login": "user"}
    cloud.call("admin.acl.set", granted, account="admin")
    done(cloud, "user.disk.attach", {"disk_id": foreign, "vm_id": vm_id})
    kept_by("foreign_disk")
    done(cloud, "user.disk.detach", {"disk_id": foreign, "vm_id": vm_id})
    pool = cloud.call("admin.resource_pool.add", {"name": "pool"}, account="admin")["resource_pool_id"]
    cloud.sql("UPDATE vm SET resource_pool_id = :p WHERE id = :v", p=pool, v=vm_id)
    kept_by("resource_pool")
    cloud.sql("UPDATE vm SET resource_pool_id = NULL WHERE id = :v", v=vm_id)
    accept(cloud, made)
    assert cloud.sql("SELECT account_id FROM image WHERE id = :i", i=iso) == cloud.user_id, "what lies in a drive stays"


@pytest.mark.parametrize("resource", ["cpu", "memory_mib", "storage_mib", "vms"])
def test_quota(cloud: MemoryCloud, resource: str) -> None:
    """Whoever has not so much left gets nothing, and the offer stands."""
    vm_id = running(cloud)
    made = offer(cloud, vm_id)
    cloud.sql(f"UPDATE account SET quota_{resource} = 0 WHERE id = :a", a=cloud.other_id)
    with pytest.raises(QuotaReached) as refused:
        accept(cloud, made)
    assert refused.value.resource == resource
    (seen,) = cloud.call("user.transfer.get_list", account="other")
    assert seen["state"] == "offered" and used(cloud, cloud.other_id) == (0, 0, 0, 0)


def test_points(database_url: str, tmp_path: Path) -> None:
    """What runs is paid by whose it is, from then on; who has used up their points gets nothing that runs."""
    cloud = MemoryCloud(database_url, tmp_path)
    cloud.sql("UPDATE template SET points = 10")
    vm_id = running(cloud)
    made = offer(cloud, vm_id)
    cloud.sql("UPDATE vm_run SET began_at = began_at - interval '1 hour'")
    accept(cloud, made)
    seconds = "extract(epoch FROM coalesce(ended_at, now()) - began_at)"
    paid = f"SELECT sum(points * {seconds}) FROM vm_run WHERE account_id = :a"
    assert cloud.sql(paid, a=cloud.user_id) >= 36_000 and cloud.sql(paid, a=cloud.other_id) < 36_000
    assert cloud.leaks() == []
    object.__setattr__(cloud.manager.services.policy, "points_refuse", True)
    object.__setattr__(cloud.manager.services.policy, "quota_points", 5)
    cloud.call("user.transfer.create", {"kind": "vm", "object_id": vm_id, "login": "user"}, account="other")
    (back,) = cloud.call("user.transfer.get_list")
    with pytest.raises(PointsUsedUp):
        cloud.call("user.transfer.accept", {"transfer_id": back["transfer_id"]})
    cloud.stop()


# ------------------------------------------------------------------ other kinds


def test_image(cloud: MemoryCloud) -> None:
    """An image changes hands with its quota; VMs that were made of it go on."""
    image_id = cloud.image("own.qcow2", name="own")
    volume(cloud, "own.qcow2", DiskFormat.QCOW2)
    cloud.sql("UPDATE account SET used_storage_mib = used_storage_mib + 64 WHERE id = :a", a=cloud.user_id)
    cloud.sql("UPDATE volume SET claimed_bytes = 67108864 WHERE name = 'own.qcow2'")
    cloud.sql("UPDATE storage SET claimed_bytes = claimed_bytes + 67108864")
    vm_id = running(cloud, image_id=image_id)
    made = offer(cloud, image_id, "image")
    cloud.sql("UPDATE image SET state = 'failed' WHERE id = :i", i=image_id)
    with pytest.raises(WrongImageState):
        accept(cloud, made)
    cloud.sql("UPDATE image SET state = 'ok' WHERE id = :i", i=image_id)
    accept(cloud, made)
    assert used(cloud, cloud.other_id)[2] == 64
    assert cloud.vm(vm_id)["image_id"] == image_id
    with pytest.raises(ObjectNotFound):
        cloud.call("user.system_image.get_by_id", {"image_id": image_id})
    found = cloud.call("user.system_image.get_by_id", {"image_id": image_id}, account="other")
    assert found["user_id"] == cloud.other_id


def test_attached_image(cloud: MemoryCloud) -> None:
    """A disk that a VM has goes with the VM, not without it."""
    own = disk(cloud)
    vm_id = running(cloud)
    done(cloud, "user.disk.attach", {"disk_id": own, "vm_id": vm_id})
    image_id = cloud.sql("SELECT image_id FROM disk WHERE id = :d", d=own)
    with pytest.raises(NotTransferable) as refused:
        offer(cloud, image_id, "image")
    assert (refused.value.obstacle, refused.value.about) == ("attached", vm_id)
    done(cloud, "user.disk.detach", {"disk_id": own, "vm_id": vm_id})
    accept(cloud, offer(cloud, image_id, "image"))
    assert cloud.sql("SELECT account_id FROM disk WHERE id = :d", d=own) == cloud.other_id


def test_vm_template(cloud: MemoryCloud) -> None:
    """A VM template changes hands; one that is made of another only to somebody who sees that."""
    parent = cloud.call("user.vm_template.create", {"name": "parent", "image_id": cloud.image_id})["vm_template_id"]
    child = cloud.call("user.vm_template.create", {"name": "child", "parent_template_id": parent})["vm_template_id"]
    made = offer(cloud, child, "vm_template")
    with pytest.raises(NotTransferable):
        accept(cloud, made)
    accept(cloud, offer(cloud, parent, "vm_template"))
    accept(cloud, made)
    assert cloud.call("user.vm_template.get_list") == []
    found = cloud.call("user.vm_template.get_by_id", {"vm_template_id": child}, account="other")
    assert (found["user_id"], found["effective"]["image_id"]) == (cloud.other_id, cloud.image_id)


# ------------------------------------------------------------------ at the same moment


@pytest.mark.parametrize("against", ["withdraw", "destroy", "accept", "decline"])
def test_two_at_once(cloud: MemoryCloud, against: str) -> None:
    """Of an acceptance and whatever else is asked at the same moment one is first, and the other finds that."""
    rivals = {
        "withdraw": ("user", lambda made: ("user.transfer.withdraw", {"transfer_id": made["transfer_id"]})),
        "destroy": ("user", lambda made: ("user.vm.destroy", {"vm_ids": [made["object_id"]]})),
        "accept": ("other", lambda made: ("user.transfer.accept", {"transfer_id": made["transfer_id"]})),
        "decline": ("other", lambda made: ("user.transfer.decline", {"transfer_id": made["transfer_id"]})),
    }
    account, asking = rivals[against]
    for vm_id in [running(cloud) for _ in range(3)]:
        made = offer(cloud, vm_id)
        begin = threading.Barrier(2)
        outcomes: dict[str, str] = {}
        asked = {
            "accept": ("other", "user.transfer.accept", {"transfer_id": made["transfer_id"]}),
            "rival": (account, *asking(made)),
        }
        threads = [
            threading.Thread(target=ask, args=(cloud, begin, outcomes, who, *call)) for who, call in asked.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(code == "ok" for code in outcomes.values()) == [False, True], outcomes
        owner = cloud.sql("SELECT account_id FROM vm WHERE id = :v", v=vm_id)
        taken = outcomes["accept"] == "ok" or against == "accept"
        assert owner == (cloud.other_id if taken else cloud.user_id), outcomes


def ask(
    cloud: MemoryCloud, begin: threading.Barrier, outcomes: dict[str, str], who: str, account: str, view: str,
    params: dict[str, Any],
) -> None:  # fmt: skip
    """Ask once the other is about to ask, too."""
    begin.wait()
    try:
        answer = cloud.call(view, params, account=account)
        # Of several VMs each has an answer of its own.
        outcomes[who] = answer[0]["status"] if isinstance(answer, list) else "ok"
    except CloudError as error:
        outcomes[who] = error.code


def test_feed(cloud: MemoryCloud) -> None:
    """The old owner sees the VM go, the new one sees it come, and a stranger hears of neither, nor of the offer."""
    vm_id = running(cloud)
    start = cloud.sql("SELECT max(id) FROM change")
    accept(cloud, offer(cloud, vm_id))
    rows = cloud.manager.database.read_now(read_changes, (0, 0), 10_000)
    found = [row for row in rows if row.position[1] > start]
    by = {(row.kind, row.event): row for row in found}
    assert by["vm", "exit"].users == {cloud.user_id} and by["vm", "exit"].personal
    assert by["vm", "enter"].users == {cloud.other_id}
    assert {account for row in found for account in row.users} == {cloud.user_id, cloud.other_id}
    assert {row.kind for row in found} >= {"vm", "disk", "transfer", "message"}


def test_levels_of_a_group(cloud: MemoryCloud) -> None:
    """Who sees a network by a group of theirs may have cards on it with a VM that they accept."""
    vm_id = running(cloud)
    network_id = insert_network(cloud, "own", "10.66.0.0/28", cloud.user_id)
    cloud.sql("UPDATE network_lease SET nic_id = (SELECT id FROM nic WHERE vm_id = :v) WHERE network_id = :n",
              v=vm_id, n=network_id)  # fmt: skip
    cloud.sql("UPDATE network_lease SET nic_id = NULL WHERE network_id <> :n", n=network_id)
    cloud.sql("UPDATE nic SET network_id = :n WHERE vm_id = :v", n=network_id, v=vm_id)
    cloud.sql(
        "INSERT INTO acl (kind, object_id, issuer, group_id, level) VALUES ('network', :n, 'clm:here', 7, 'user')",
        n=network_id,
    )
    made = offer(cloud, vm_id)
    with pytest.raises(NotTransferable):
        accept(cloud, made)
    member = Identity(cloud.other_id, "other", frozenset({Role.USER}), (7,), source="token", issuer="clm:here")
    caller = LocalCaller(cloud.manager.registry, cloud.manager.executor.execute, member)
    found = run(lambda: caller.call("user.transfer.accept", {"transfer_id": made["transfer_id"]}))
    assert found["state"] == "accepted"
