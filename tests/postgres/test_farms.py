"""Farms: all of one or nothing, workers that wait for their head, and what can be given up, tried again and ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cm.rpc.errors import (
    CloudError,
    HypervisorError,
    InUse,
    InvalidParameter,
    NoCapacity,
    ObjectNotFound,
    QuotaReached,
    VersionChanged,
    VMBusy,
    VMGuarded,
)
from cm.rpc.vocabulary import VMId
from cm.rules.cloud_init import vendor_text
from cm.rules.farm import FARM, HEAD_S, FarmWrongState
from cm.services.farm_key import farm_secret_from, private_key_for
from cm.services.guest import guest_of, hello
from cm.store.feed import read_changes
from support.cloud import MemoryCloud, at_database
from support.links import link_agents


@pytest.fixture(scope="module")
def cloud(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryCloud]:
    with at_database(postgres, tmp_path_factory, "farms") as made:
        made.sql("INSERT INTO template (name, cpu, memory_mib) VALUES ('large', 2, 512)")
        yield made


@pytest.fixture(autouse=True)
def emptied(cloud: MemoryCloud) -> Iterator[None]:
    """Each leaves nothing, in the books or on nodes."""
    yield
    for farm in cloud.call("admin.farm.get_list", account="admin"):
        cloud.call("admin.farm.destroy", {"farm_ids": [farm["farm_id"]]}, account="admin")
    cloud.until(lambda: not cloud.sql("SELECT count(*) FROM vm WHERE closed_at IS NULL"), "all have ended")
    cloud.until(
        lambda: not cloud.sql("SELECT count(*) FROM operation WHERE state IN ('queued', 'running', 'waiting')"),
        "all work is over",
    )
    assert cloud.leaks() == []
    assert all(not node.hypervisor.domains() for node in cloud.memory.values())
    assert cloud.sql("SELECT used_cpu + used_memory_mib + used_storage_mib + used_vms FROM account WHERE id = :u",
                     u=cloud.user_id) == 0  # fmt: skip


def large(cloud: MemoryCloud) -> int:
    return int(cloud.sql("SELECT id FROM template WHERE name = 'large'"))


def make(cloud: MemoryCloud, count: int = 2, **more: Any) -> dict[str, Any]:
    values = {"name": "sums", "description": "of many", "image_id": cloud.image_id}
    values |= {"head_template_id": large(cloud), "worker_template_id": cloud.template_id, "count": count, **more}
    made: dict[str, Any] = cloud.call("user.farm.create", values)
    return made


def farm(cloud: MemoryCloud, farm_id: int) -> dict[str, Any]:
    found: dict[str, Any] = cloud.call("user.farm.get_by_id", [farm_id])
    return found


def greet(cloud: MemoryCloud, vm_id: int) -> None:
    """The guest of a VM says hello."""
    cloud.until(lambda: cloud.vm(vm_id)["state"] == "running", "it runs")
    database = cloud.manager.database
    assert database.transact_now(lambda session: hello(session, guest_of(session, vm_id)))


def ready(cloud: MemoryCloud, count: int = 2, **more: Any) -> dict[str, Any]:
    """A farm of which all runs."""
    made = make(cloud, count, **more)
    greet(cloud, made["made"][0])
    assert cloud.ended(made["operation_id"])["state"] == "done"
    return farm(cloud, made["farm_id"])


def lucky(cloud: MemoryCloud) -> None:
    """Nothing fails any more."""
    for node in cloud.memory.values():
        node._faults.next.clear()


def test_life(cloud: MemoryCloud) -> None:
    """It is claimed as a whole, its workers start after the head's hello, its sums are those of all; then it ends."""
    made = make(cloud)
    head, *workers = made["vms"]
    assert [vm["name"] for vm in made["vms"]] == ["sums", "sums-worker-1", "sums-worker-2"]
    assert [vm["role"] for vm in made["vms"]] == ["head", "worker", "worker"]
    assert all(vm["addresses"] for vm in made["vms"]) and made["state"] == "starting_head"
    assert cloud.sql("SELECT used_vms FROM account WHERE id = :u", u=cloud.user_id) == 3
    assert (made["cpu"], made["memory_mib"], made["disk_mib"], made["workers"]) == (4, 768, 192, 2)
    cloud.until(lambda: cloud.vm(head["vm_id"])["state"] == "running", "the head runs")
    cloud.until(lambda: "say hello" in farm(cloud, made["farm_id"])["vms"][1]["waiting_for"], "a worker says why")
    told = farm(cloud, made["farm_id"])
    assert told["state"] == "starting_head" and {vm["state"] for vm in told["vms"][1:]} == {"starting"}
    assert sum(len(node.hypervisor.domains()) for node in cloud.memory.values()) == 1
    greet(cloud, head["vm_id"])
    ended = cloud.ended(made["operation_id"])
    assert ended["result"] == {"started": made["made"], "reason": ""}
    told = farm(cloud, made["farm_id"])
    assert (told["state"], told["cc1_state"], told["operation_id"]) == ("running", 3, None)
    assert told["started"] is not None and told["uptime_s"] >= 0
    assert (told["head_template_name"], told["template_name"]) == ("large", "small")
    (listed,) = cloud.call("user.farm.get_list")
    assert listed["farm_id"] == made["farm_id"] and listed["user_login"] == "user"
    assert cloud.vm(workers[0]["vm_id"])["farm_id"] == made["farm_id"]
    outcome = cloud.call("user.farm.destroy", [made["farm_id"]])
    assert [each["status"] for each in outcome["vms"]] == ["ok"] * 3
    cloud.until(lambda: farm(cloud, made["farm_id"])["state"] == "destroyed", "it has ended")
    assert cloud.call("user.farm.get_list") == []
    with pytest.raises(FarmWrongState, match="destroyed"):
        cloud.call("user.farm.destroy", [made["farm_id"]])


def test_all_or_none(cloud: MemoryCloud) -> None:
    """What does not fit as a whole is refused and claims nothing: quota, room on nodes, what is not there."""
    rows = "SELECT (SELECT count(*) FROM farm) + (SELECT count(*) FROM vm) + (SELECT count(*) FROM operation)"
    before = cloud.sql(rows)
    with pytest.raises(QuotaReached):
        make(cloud, 150)
    cloud.sql("UPDATE account SET quota_cpu = 4 WHERE id = :u", u=cloud.user_id)
    with pytest.raises(QuotaReached):  # the head fits, and so do the workers; not both
        make(cloud, 3)
    cloud.sql("UPDATE account SET quota_cpu = 100 WHERE id = :u", u=cloud.user_id)
    cloud.sql("UPDATE node SET memory_mib_total = 1024")
    with pytest.raises(NoCapacity):
        make(cloud, 13)
    cloud.sql("UPDATE node SET memory_mib_total = 16384")
    for wrong in ({"worker_template_id": 10**6}, {"head_template_id": 10**6}, {"image_id": 10**6}):
        with pytest.raises(ObjectNotFound):
            make(cloud, **wrong)
    with pytest.raises(InvalidParameter):
        make(cloud, name="x" * 49)
    assert cloud.sql(rows) == before


def test_one_image_of_disks_for_the_head(cloud: MemoryCloud) -> None:
    """Disks and CDs are the head's, as in CC1, and its screen, whose password is told once."""
    data = cloud.image("data-farm.raw", kind="storage", name="data")
    made = make(cloud, 1, disk_list=[data], vnc=True)
    assert made["vnc_password"]
    attached = "SELECT array_agg(vm_id) FROM attachment a JOIN disk k ON k.id = a.disk_id WHERE k.image_id = :i"
    assert cloud.sql(attached, i=data) == [made["made"][0]]
    assert [cloud.vm(vm_id)["vnc_enabled"] for vm_id in made["made"]] == [True, False]


def test_bound(cloud: MemoryCloud) -> None:
    """A head that says nothing is not waited for longer than the bound; why its workers start is told."""
    made = make(cloud, 1)
    cloud.wait(made["made"][0], "running")
    late = "UPDATE vm SET launched_at = now() - make_interval(secs => :s) WHERE id = :v"
    cloud.sql(late, s=HEAD_S + 1, v=made["made"][0])
    cloud.sql("UPDATE operation SET not_before = now() WHERE vm_id = :v", v=made["made"][1])
    cloud.sql("SELECT pg_notify('wawel', 'operation')")
    ended = cloud.ended(made["operation_id"])
    assert (ended["state"], farm(cloud, made["farm_id"])["state"]) == ("done", "running")
    assert "has not said hello" in ended["result"]["reason"]


def test_no_hello_to_wait_for(cloud: MemoryCloud) -> None:
    """Where the head's guest is told nothing, workers start once it runs."""
    made = make(cloud, 1, metadata="none")
    assert cloud.ended(made["operation_id"])["result"]["reason"] == ""


def test_worker_fails(cloud: MemoryCloud) -> None:
    """A worker that fails is shown, and both the farm's work and its own can be tried again."""
    made = make(cloud)
    head, first, second = made["made"]
    cloud.wait(head, "running")
    for node in cloud.memory.values():
        node.fail_next("start", HypervisorError("start", "no luck"))
    greet(cloud, head)
    ended = cloud.ended(made["operation_id"])
    assert (ended["state"], ended["error"]) == ("failed", "farm_incomplete")
    failed = [vm["vm_id"] for vm in farm(cloud, made["farm_id"])["vms"] if vm["state"] == "error"]
    assert failed and farm(cloud, made["farm_id"])["state"] == "degraded"
    codes = [message["code"] for message in cloud.call("user.message.get_list")]
    assert "farm_launch_failed" in codes
    lucky(cloud)
    cloud.call("user.operation.retry", [made["operation_id"]])
    assert cloud.ended(made["operation_id"])["state"] == "done"
    assert farm(cloud, made["farm_id"])["state"] == "running"
    assert {first, second} >= set(failed)


def test_head_fails(cloud: MemoryCloud) -> None:
    """Without a head no worker starts, and each says why; a retry of the farm begins with the head again."""
    for node in cloud.memory.values():
        node.fail_next("start", HypervisorError("start", "no luck"))
    made = make(cloud, 1)
    ended = cloud.ended(made["operation_id"])
    assert ended["state"] == "failed" and farm(cloud, made["farm_id"])["state"] == "error"
    worker = farm(cloud, made["farm_id"])["vms"][1]
    assert worker["state"] == "error" and f"VM {made['made'][0]}, is error" in worker["error"]
    with pytest.raises(FarmWrongState):
        cloud.call("user.farm.grow", [made["farm_id"]])
    lucky(cloud)
    cloud.call("user.operation.retry", [made["operation_id"]])
    greet(cloud, made["made"][0])
    assert cloud.ended(made["operation_id"])["state"] == "done"


def test_given_up(cloud: MemoryCloud) -> None:
    """A creation that is given up is undone as a whole, and so is what a farm was to grow by, and no more."""
    made = make(cloud)
    cloud.wait(made["made"][0], "running")
    cloud.call("user.operation.abandon", [made["operation_id"]])
    cloud.until(lambda: farm(cloud, made["farm_id"])["state"] == "destroyed", "nothing is left")
    there = ready(cloud, 1)
    cloud.call("user.vm.stop", [there["vms"][0]["vm_id"]])
    cloud.wait(there["vms"][0]["vm_id"], "stopped")
    cloud.call("user.vm.start", [there["vms"][0]["vm_id"]])
    cloud.wait(there["vms"][0]["vm_id"], "running")  # its guest has not said hello since
    grown = cloud.call("user.farm.grow", {"farm_id": there["farm_id"], "count": 2})
    cloud.call("user.operation.abandon", [grown["operation_id"]])
    cloud.until(lambda: farm(cloud, there["farm_id"])["workers"] == 1, "the new ones have ended")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.operation.get", [grown["operation_id"]], account="other")


def test_grow_and_shrink(cloud: MemoryCloud) -> None:
    """More workers come with numbers of their own, in another size if asked; the youngest go, or those named."""
    there = ready(cloud)
    farm_id = there["farm_id"]
    grown = cloud.call("user.farm.grow", {"farm_id": farm_id, "count": 2, "template_id": large(cloud)})
    assert [vm["name"] for vm in grown["vms"]][3:] == ["sums-worker-3", "sums-worker-4"]
    assert grown["made"] == [vm["vm_id"] for vm in grown["vms"][3:]]
    with pytest.raises(InUse):
        cloud.call("user.farm.grow", {"farm_id": farm_id})
    assert cloud.ended(grown["operation_id"])["state"] == "done"  # the head has said hello long ago
    assert farm(cloud, farm_id)["cpu"] == 8
    gone = cloud.call("user.farm.shrink", {"farm_id": farm_id, "count": 1})
    assert [each["vm_id"] for each in gone["vms"]] == [grown["made"][1]]
    first = there["vms"][1]["vm_id"]
    cloud.call("user.farm.shrink", {"farm_id": farm_id, "worker_ids": [first]})
    cloud.until(lambda: farm(cloud, farm_id)["workers"] == 2, "they have ended")
    for wrong in ({"count": 3}, {"worker_ids": [there["vms"][0]["vm_id"]]}, {}, {"count": 1, "worker_ids": [first]}):
        with pytest.raises(InvalidParameter):
            cloud.call("user.farm.shrink", {"farm_id": farm_id, **wrong})
    again = cloud.call("user.farm.grow", {"farm_id": farm_id})
    assert again["vms"][-1]["name"] == "sums-worker-5"  # none gets the name of one that was
    cloud.ended(again["operation_id"])
    with pytest.raises(InvalidParameter):
        cloud.call("user.farm.grow", {"farm_id": farm_id, "count": 199})


def test_ends_whole(cloud: MemoryCloud) -> None:
    """A guarded VM, or one that cannot end now, keeps the whole farm; administrators end a guarded one all the same."""
    there = ready(cloud, 1)
    farm_id, worker = there["farm_id"], there["vms"][1]["vm_id"]
    cloud.call("user.vm.set_policy", {"vm_id": worker, "guarded": True})
    save = {"name": "s", "description": ""}
    for method, more in (("destroy", {}), ("shrink", {"count": 1}), ("save_and_shutdown", save)):
        with pytest.raises(VMGuarded):
            cloud.call(f"user.farm.{method}", {"farm_id": farm_id, **more})
    assert farm(cloud, farm_id)["state"] == "running"
    assert cloud.sql("SELECT count(*) FROM image WHERE name = 's'") == 0
    outcomes = cloud.call("admin.farm.destroy", {"farm_ids": [farm_id, 10**6]}, account="admin")
    assert [each["status"] for each in outcomes] == ["ok", "object_not_found"]


def test_destroyed_as_it_starts(cloud: MemoryCloud) -> None:
    """A farm can be destroyed while it waits for its head: what starts it is given up."""
    made = make(cloud)
    cloud.call("user.farm.destroy", [made["farm_id"]])
    assert cloud.ended(made["operation_id"])["state"] == "abandoned"
    cloud.until(lambda: farm(cloud, made["farm_id"])["state"] == "destroyed", "it has ended")


def test_save(cloud: MemoryCloud) -> None:
    """The head becomes an image and the workers go; what is refused ends nothing."""
    there = ready(cloud, 1)
    cloud.sql("UPDATE account SET quota_storage_mib = 130 WHERE id = :u", u=cloud.user_id)
    with pytest.raises(QuotaReached):
        cloud.call("user.farm.save_and_shutdown", [there["farm_id"], "kept", ""])
    cloud.sql("UPDATE account SET quota_storage_mib = 1000000 WHERE id = :u", u=cloud.user_id)
    assert farm(cloud, there["farm_id"])["state"] == "running"
    saved = cloud.call("user.farm.save_and_shutdown", [there["farm_id"], "kept", ""])
    assert saved["vm_id"] == there["vms"][0]["vm_id"] and [each["status"] for each in saved["workers"]] == ["ok"]
    with pytest.raises(VMBusy):
        cloud.call("user.farm.destroy", [there["farm_id"]])
    assert cloud.ended(saved["operation_id"])["state"] == "done"
    cloud.until(lambda: farm(cloud, there["farm_id"])["state"] == "destroyed", "it has ended")
    assert cloud.sql("SELECT state FROM image WHERE id = :i", i=saved["image_id"]) == "ok"
    cloud.call("user.system_image.delete", [saved["image_id"]])


def test_edit_and_whose(cloud: MemoryCloud) -> None:
    """Its name is another then, its hosts' are not; nobody else sees it, administrators see all."""
    there = ready(cloud, 1)
    farm_id = there["farm_id"]
    edited = cloud.call("user.farm.edit", {"farm_id": farm_id, "name": "other", "if_version": there["version"]})
    assert (edited["name"], edited["vms"][0]["name"], edited["version"]) == ("other", "sums", there["version"] + 1)
    with pytest.raises(VersionChanged):
        cloud.call("user.farm.edit", {"farm_id": farm_id, "name": "no", "if_version": there["version"]})
    for method, more in (
        ("get_by_id", {}), ("edit", {"name": "x"}), ("grow", {}), ("shrink", {"count": 1}), ("destroy", {}),
        ("save_and_shutdown", {"name": "x", "description": ""}),
    ):  # fmt: skip
        with pytest.raises(ObjectNotFound):
            cloud.call(f"user.farm.{method}", {"farm_id": farm_id, **more}, account="other")
    assert cloud.call("user.farm.get_list", account="other") == []
    (listed,) = cloud.call("admin.farm.get_list", {"user_id": cloud.user_id}, account="admin")
    assert listed["name"] == "other"
    assert cloud.call("admin.farm.get_by_id", [farm_id], account="admin")["vms"] == edited["vms"]


def test_key_is_told_to_the_head_alone(cloud: MemoryCloud) -> None:
    """The private part is in no row, answer or vendor data; the head is to have it, and workers if it is shared."""
    made = make(cloud, 1)
    secret = farm_secret_from(cloud.manager.policy.secret)
    database = cloud.manager.database

    def told(vm_id: int) -> str:
        guest = database.read_now(lambda session: guest_of(session, VMId(vm_id)))
        assert "PRIVATE KEY-----" not in vendor_text(guest, "http://x/hello")
        return private_key_for(guest, secret)

    head, worker = (told(vm_id) for vm_id in made["made"])
    assert "PRIVATE KEY" in head and not worker
    shared = make(cloud, 1, name="all", shared_key=True)
    assert "PRIVATE KEY" in told(shared["made"][1])
    key = head.partition("PRIVATE KEY-----\n")[2].split("\n")[2]  # the line in which the key itself begins
    tables = ("farm", "vm", "operation", "audit", "change", "request")
    for table in tables:
        assert not cloud.sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE :k", k=f"%{key}%"), table
    assert "PRIVATE" not in str(made)


def test_feed(cloud: MemoryCloud) -> None:
    """Readers hear of a farm as its views show it, also where it is its VMs that change."""
    start = cloud.manager.database.read_now(lambda session: read_changes(session, (0, 0), 1_000_000))
    there = ready(cloud, 1)

    def heard() -> list[Any]:
        rows = cloud.manager.database.read_now(lambda session: read_changes(session, start[-1].position, 1_000_000))
        return [row for row in rows if row.kind == "farm"]

    cloud.until(lambda: heard() and '"state":"running"' in heard()[-1].object, "the feed tells of it")
    farms = heard()
    assert {row.object_id for row in farms} == {there["farm_id"]} and farms[0].event == "enter"
    assert {row.users for row in farms} == {frozenset({cloud.user_id})}


def test_apart_or_joined(cloud: MemoryCloud) -> None:
    """Who makes a farm whose guests are kept apart hears it, before and after; on a network of his own they are not."""
    values = {"name": "sums", "description": "", "image_id": cloud.image_id, "head_template_id": large(cloud)}
    values |= {"worker_template_id": cloud.template_id}
    plan = cloud.call("user.farm.create", {**values, "dry_run": True})["plan"]
    made = make(cloud)
    assert not made["joined"] and "do not reach each other" in made["warning"]
    assert [step["message"] for step in plan if step["step"] == "warn"] == [made["warning"]]
    for agent in link_agents(cloud):
        agent.converge()
    pool = cloud.call("admin.pool.add", {"name": "vx", "network": "10.130.0.0/24"}, account="admin")
    one = make(cloud, metadata="none")
    assert one["joined"] and "neither names nor keys" in one["warning"]
    other = make(cloud)
    assert (other["joined"], other["warning"]) == (True, "")
    (network,) = cloud.call("user.network.list_user_networks")
    assert not make(cloud, 1, networks=[made_on(cloud, made)])["joined"]
    for each in (one, other):
        cloud.call("user.farm.destroy", [each["farm_id"]])
        cloud.until(lambda at=each["farm_id"]: farm(cloud, at)["state"] == "destroyed", "it has ended")
    cloud.call("user.network.release", [network["network_id"]])
    cloud.call("admin.pool.delete", {"pool_id": pool["pool_id"]}, account="admin")


def made_on(cloud: MemoryCloud, made: dict[str, Any]) -> int:
    return int(cloud.sql("SELECT network_id FROM nic WHERE vm_id = :v", v=made["made"][0]))


def test_two_at_once(cloud: MemoryCloud) -> None:
    """Of two who grow a farm, or make farms for which there is room but once, one is refused."""
    there = ready(cloud, 1)
    outcomes: list[str] = []

    def grow() -> None:
        try:
            cloud.call("user.farm.grow", {"farm_id": there["farm_id"]})
            outcomes.append("ok")
        except CloudError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=grow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "ok" in outcomes
    names = [vm["name"] for vm in farm(cloud, there["farm_id"])["vms"]]
    assert len(set(names)) == len(names) == 2 + outcomes.count("ok")


def test_journal_says_whose_head(cloud: MemoryCloud) -> None:
    """A worker's creation is about its farm; nothing else of it is in the journal."""
    made = make(cloud, 1)
    assert cloud.sql("SELECT arguments::text FROM operation WHERE vm_id = :v", v=made["made"][1]) == (
        f'{{"{FARM}": {made["farm_id"]}}}'
    )
    assert cloud.sql("SELECT parent_id FROM operation WHERE vm_id = :v", v=made["made"][0]) == made["operation_id"]
