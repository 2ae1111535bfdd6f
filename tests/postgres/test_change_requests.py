"""Requests: what people ask administrators for, and that to accept one is to do it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import InvalidParameter, ObjectNotFound, QuotaReached, WrongVMState
from cm.rules.access import AccessNeeded
from cm.services.account import NotLocal
from cm.services.change_request import OPEN_MAX, AlreadyAsked, ChangeRequestClosed
from cm.store.prune import prune
from support.cloud import MemoryCloud


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    assert made.leaks() == []
    made.stop()


def ask(cloud: MemoryCloud, what: str, account: str = "user", **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = cloud.call(f"user.change_request.ask_{what}", given, account=account)
    return found


def answer(cloud: MemoryCloud, how: str, made: dict[str, Any], **given: Any) -> dict[str, Any]:
    given = {"change_request_id": made["change_request_id"], **given}
    found: dict[str, Any] = cloud.call(f"admin.change_request.{how}", given, account="admin")
    return found


def told(cloud: MemoryCloud, account: str) -> list[tuple[str, Any]]:
    messages = cloud.call("user.message.get_list", account=account)
    return [(m["code"], m["params"].get("answer")) for m in messages if m["code"].startswith("change_request")]


def test_quota(cloud: MemoryCloud) -> None:
    """A quota is as was asked once an administrator accepts; what was not asked for stays."""
    before = cloud.call("user.account.get")
    made = ask(cloud, "quota", quota_cpu=200, quota_vms=150, text="a course of 150")
    assert (made["state"], made["wanted"]) == ("open", {"quota_cpu": 200, "quota_vms": 150})
    assert told(cloud, "admin") == [("change_requested", None)] and cloud.call("user.account.get") == before
    (seen,) = cloud.call("admin.change_request.get_list", account="admin")
    assert seen == made == cloud.call("user.change_request.get_list")[0]
    for view, account in (("get_by_id", "other"), ("withdraw", "other")):
        with pytest.raises(ObjectNotFound):
            cloud.call(
                f"user.change_request.{view}", {"change_request_id": made["change_request_id"]}, account=account
            )
    with pytest.raises(AlreadyAsked):
        ask(cloud, "quota", quota_cpu=300)
    with pytest.raises(InvalidParameter):
        ask(cloud, "quota", "other", text="more")
    assert answer(cloud, "accept", made, text="until June")["state"] == "accepted"
    after = cloud.call("user.account.get")
    assert (after["quota_cpu"], after["quota_vms"]) == (200, 150)
    assert after["quota_memory_mib"] == before["quota_memory_mib"]
    assert told(cloud, "user") == [("change_request_accepted", "until June")]
    for how in ("accept", "decline"):
        with pytest.raises(ChangeRequestClosed):
            answer(cloud, how, made, **({"text": ""} if how == "decline" else {}))
    assert cloud.call("user.change_request.get_list") == []
    assert cloud.call("user.change_request.get_list", {"answered": True})[0]["answer"] == "until June"
    cloud.sql("UPDATE change_request SET created_at = now() - interval '31 days'")
    assert cloud.manager.database.transact_now(prune)["change_request"] == 1


def test_a_clouds_account(cloud: MemoryCloud) -> None:
    """How much a cloud manager's account may have that one says: it would put its own record back."""
    cloud.sql("UPDATE account SET origin = 'clm:here', external_id = '4' WHERE id = :a", a=cloud.user_id)
    with pytest.raises(NotLocal):
        ask(cloud, "quota", quota_cpu=200)


def test_resize(cloud: MemoryCloud) -> None:
    """A VM has another size once that is accepted; what the direct call refuses is refused, and the request stays."""
    vm_id = cloud.wait(cloud.create()["vm_id"], "running")["vm_id"]
    cloud.call("user.vm.stop", [vm_id])
    cloud.wait(vm_id, "stopped")
    large = cloud.call("admin.template.add", {"name": "large", "cpu": 4, "memory_mib": 512}, account="admin")
    wanted = {"vm_id": vm_id, "template_id": large["template_id"]}
    cloud.call("user.acl.set", {"kind": "vm", "object_id": vm_id, "level": "operator", "login": "other"})
    with pytest.raises(AccessNeeded):
        ask(cloud, "resize", "other", **wanted)
    made = ask(cloud, "resize", **wanted)
    cloud.sql("UPDATE account SET quota_cpu = 2 WHERE id = :a", a=cloud.user_id)
    with pytest.raises(QuotaReached):
        answer(cloud, "accept", made)
    assert cloud.vm(vm_id)["cpu"] == 1
    assert cloud.call("user.change_request.get_list")[0]["state"] == "open" and told(cloud, "user") == []
    cloud.sql("UPDATE account SET quota_cpu = 20 WHERE id = :a", a=cloud.user_id)
    with pytest.raises(InvalidParameter):
        answer(cloud, "accept", made, expiry_id=1)
    answer(cloud, "accept", made)
    assert (cloud.vm(vm_id)["cpu"], cloud.vm(vm_id)["memory_mib"]) == (4, 512)
    cloud.call("user.vm.destroy", [[vm_id]])
    cloud.wait(vm_id, "destroyed")
    with pytest.raises(WrongVMState):
        ask(cloud, "resize", **wanted)


def test_expiry(cloud: MemoryCloud) -> None:
    """A VM gets a lease that is not its owner's to choose; one that is declined leads to nothing but its reason."""
    vm_id = cloud.wait(cloud.create()["vm_id"], "running")["vm_id"]
    lease = cloud.call("admin.expiry.add", {"name": "year", "suspend_s": 31_536_000}, account="admin")
    with pytest.raises(ObjectNotFound):
        cloud.call("user.expiry.set", {"vm_id": vm_id, "expiry_id": lease["expiry_id"]})
    made = ask(cloud, "expiry", vm_id=vm_id, lease="a year", text="a thesis")
    with pytest.raises(InvalidParameter):
        answer(cloud, "accept", made)
    answer(cloud, "decline", made, text="ask your teacher")
    assert told(cloud, "user") == [("change_request_declined", "ask your teacher")]
    again = ask(cloud, "expiry", vm_id=vm_id, lease="a year")
    cloud.call("user.change_request.withdraw", {"change_request_id": again["change_request_id"]})
    with pytest.raises(ChangeRequestClosed):
        answer(cloud, "accept", again, expiry_id=lease["expiry_id"])
    answer(cloud, "accept", ask(cloud, "expiry", vm_id=vm_id, lease="a year"), expiry_id=lease["expiry_id"])
    (found,) = cloud.call("user.expiry.get_vms", {"vm_ids": [vm_id]})
    assert (found["expiry"], found["renewable"]) == ("year", False)


def test_bound(cloud: MemoryCloud) -> None:
    """An account asks for so much at once, whatever it asked for before."""
    vm_id = cloud.wait(cloud.create()["vm_id"], "running")["vm_id"]
    cloud.sql(
        "INSERT INTO change_request (account_id, kind, wanted, state, closed_at)"
        " SELECT :a, 'quota', '{}', 'declined', now() FROM generate_series(1, 50)",
        a=cloud.user_id,
    )
    ask(cloud, "quota", quota_cpu=200)
    cloud.sql("DROP INDEX uq_change_request_open")
    cloud.sql(
        "INSERT INTO change_request (account_id, kind, vm_id, wanted)"
        " SELECT :a, 'resize', :v, '{}' FROM generate_series(2, :n)",
        a=cloud.user_id, v=vm_id, n=OPEN_MAX,
    )  # fmt: skip
    with pytest.raises(QuotaReached):
        ask(cloud, "expiry", vm_id=vm_id, lease="a year")
