"""Expiry leases: who makes, chooses and renews them, what is told and done when they end, and what is shown of that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from cm.rpc.caller import Identity, LocalCaller
from cm.rpc.errors import (
    ExpiryNotYours,
    InvalidParameter,
    NameTaken,
    ObjectNotFound,
    RoleNeeded,
    StorageFull,
    WrongVMState,
)
from cm.rpc.vocabulary import Role
from cm.rules.access import AccessNeeded
from cm.rules.expiry import LOOKS_APART_S, Step
from cm.services import expiring
from cm.services.expiry import NoExpiry
from cm.services.guest_command import _unseal, command_key
from cm.store.prune import prune
from support.cloud import MemoryCloud, run
from support.guest import Guest, rows

DAY = 86_400
HOUR = 3600


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    made.manager.care.expiry.stop()  # who looks, and when, is each test's to say
    yield made
    assert made.leaks() == []
    made.stop()


def lease(cloud: MemoryCloud, suspend_s: int | None = DAY, delete_s: int | None = 10 * DAY, **more: Any) -> int:
    given = {"name": f"lease-{suspend_s}-{delete_s}", "for_all": True, **more}
    intervals = {"suspend_s": suspend_s, "delete_s": delete_s}
    found: int = cloud.call("admin.expiry.add", {**intervals, **given}, account="admin")["expiry_id"]
    return found


def give(cloud: MemoryCloud, vm_id: int, expiry_id: int) -> None:
    cloud.call("user.expiry.set", {"vm_id": vm_id, "expiry_id": expiry_id})


def shown(cloud: MemoryCloud, vm_id: int) -> dict[str, Any]:
    (found,) = cloud.call("user.expiry.get_vms", {"vm_ids": [vm_id]})
    return {**found, "ends": {each["end"]: each for each in found["ends"]}}


def pass_time(cloud: MemoryCloud, vm_id: int, seconds: float) -> None:
    """Have what is on record of a VM's lease be so much older."""
    columns = ("renewed_at", "suspend_at", "suspend_told_at", "delete_at", "delete_told_at", "found_at", "look_at")
    older = ", ".join(f"{name} = {name} - make_interval(secs => :s)" for name in columns)
    cloud.sql(f"UPDATE vm_expiry SET {older} WHERE vm_id = :v", s=seconds, v=vm_id)


def look(cloud: MemoryCloud, vm_id: int) -> Step | None:
    step: Step | None = cloud.manager.database.transact_now(expiring.look, vm_id)
    return step


def collect(cloud: MemoryCloud) -> None:
    run(lambda: expiring.collect(cloud.manager.services))


def told(cloud: MemoryCloud, code: str, account: str = "user") -> list[dict[str, Any]]:
    return [each["params"] for each in cloud.call("user.message.get_list", account=account) if each["code"] == code]


def seconds_between(earlier: str | datetime, later: str | datetime) -> float:
    first, second = (each if isinstance(each, datetime) else datetime.fromisoformat(each) for each in (earlier, later))
    return (second - first).total_seconds()


# ------------------------------------------------------------------ the leases


def test_leases(cloud: MemoryCloud) -> None:
    """Administrators make, change and delete leases; what makes no sense, or is taken, is refused."""
    made = cloud.call(
        "admin.expiry.add", {"name": "lab", "suspend_s": 18_000, "delete_s": 691_200, "description": "5 h, 8 d"},
        account="admin",
    )  # fmt: skip
    assert (made["user_id"], made["for_all"], made["is_default"]) == (cloud.admin_id, False, False)
    with pytest.raises(NameTaken):
        lease(cloud, name="lab")
    for wrong in ({"suspend_s": DAY, "delete_s": DAY}, {"suspend_s": DAY, "delete_s": HOUR}, {"delete_s": 0}):
        with pytest.raises(InvalidParameter):
            cloud.call("admin.expiry.add", {"name": "wrong", **wrong}, account="admin")
    with pytest.raises(InvalidParameter):
        cloud.call("admin.expiry.edit", {"expiry_id": made["expiry_id"], "delete_s": HOUR}, account="admin")
    with pytest.raises(RoleNeeded):
        cloud.call("admin.expiry.add", {"name": "mine"})
    edited = cloud.call(
        "admin.expiry.edit", {"expiry_id": made["expiry_id"], "suspend_s": HOUR, "never": True}, account="admin"
    )
    assert (edited["suspend_s"], edited["delete_s"], edited["name"]) == (HOUR, None, "lab")
    kept = cloud.call("admin.expiry.edit", {"expiry_id": made["expiry_id"], "name": "lab 2"}, account="admin")
    assert (kept["suspend_s"], kept["delete_s"], kept["version"]) == (HOUR, None, made["version"] + 2)
    assert [each["name"] for each in cloud.call("admin.expiry.get_list", account="admin")] == ["lab 2"]
    cloud.call("admin.expiry.delete", {"expiry_id": made["expiry_id"]}, account="admin")
    assert cloud.call("admin.expiry.get_list", account="admin") == []
    with pytest.raises(ObjectNotFound):
        cloud.call("admin.expiry.get_by_id", {"expiry_id": made["expiry_id"]}, account="admin")
    with pytest.raises(IntegrityError):
        cloud.sql("INSERT INTO expiry (name, account_id, suspend_s, delete_s) VALUES ('x', 1, 9, 8)")


def test_default(cloud: MemoryCloud) -> None:
    """New VMs get the default lease, or the one that was asked for. There is one; everybody may choose it."""
    first, second = lease(cloud, for_all=False), lease(cloud, HOUR, None, for_all=False)
    before = Guest(cloud)
    assert shown(cloud, before.vm_id)["expiry_id"] is None and shown(cloud, before.vm_id)["ends"] == {}
    assert cloud.call("user.expiry.get_list") == []
    for each in (first, second):
        cloud.call("admin.expiry.set_default", {"expiry_id": each}, account="admin")
    assert [each["expiry_id"] for each in cloud.call("user.expiry.get_list")] == [second]
    made = cloud.create(name="new")["vm_id"]
    found = shown(cloud, made)
    assert (found["expiry_id"], list(found["ends"])) == (second, ["suspend"])
    with pytest.raises(ObjectNotFound):
        cloud.create(name="not mine", expiry_id=first)
    cloud.call("admin.acl.set", {"kind": "expiry", "object_id": first, "level": "user", "login": "user"},
               account="admin")  # fmt: skip
    assert {each["expiry_id"] for each in cloud.call("user.expiry.get_list")} == {first, second}
    assert shown(cloud, cloud.create(name="chosen", expiry_id=first)["vm_id"])["expiry_id"] == first
    cloud.call("admin.expiry.set_default", {"expiry_id": None}, account="admin")
    assert shown(cloud, cloud.create(name="none")["vm_id"])["expiry_id"] is None
    assert len(cloud.call("user.expiry.list_vms")) == 2


def test_renew(cloud: MemoryCloud) -> None:
    """Both times begin anew; by who may, of a lease that is theirs; a lease that changed counts from then on."""
    guest, expiry_id = Guest(cloud), lease(cloud, for_all=False)
    with pytest.raises(NoExpiry):
        cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})
    with pytest.raises(ObjectNotFound):
        give(cloud, guest.vm_id, expiry_id)
    share = {"kind": "expiry", "object_id": expiry_id, "login": "user"}
    cloud.call("admin.acl.set", {**share, "level": "user"}, account="admin")
    give(cloud, guest.vm_id, expiry_id)
    pass_time(cloud, guest.vm_id, 9.5 * DAY)
    cloud.call("admin.expiry.edit", {"expiry_id": expiry_id, "suspend_s": 2 * DAY}, account="admin")
    before = shown(cloud, guest.vm_id)
    assert seconds_between(before["renewed"], before["ends"]["suspend"]["at"]) == pytest.approx(DAY, abs=1)
    version = cloud.vm(guest.vm_id)["version"]
    cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})
    after = shown(cloud, guest.vm_id)
    for end, seconds in (("suspend", 2 * DAY), ("delete", 10 * DAY)):
        assert seconds_between(after["renewed"], after["ends"][end]["at"]) == pytest.approx(seconds, abs=1)
    assert seconds_between(before["renewed"], after["renewed"]) == pytest.approx(9.5 * DAY, abs=60)
    assert cloud.vm(guest.vm_id)["version"] == version + 1
    with pytest.raises(ObjectNotFound):
        cloud.call("user.expiry.renew", {"vm_id": guest.vm_id}, account="other")
    friend = {"kind": "vm", "object_id": guest.vm_id, "login": "other"}
    cloud.call("user.acl.set", {**friend, "level": "user"})
    with pytest.raises(AccessNeeded):
        cloud.call("user.expiry.renew", {"vm_id": guest.vm_id}, account="other")
    cloud.call("user.acl.set", {**friend, "level": "operator"})
    with pytest.raises(ExpiryNotYours):
        cloud.call("user.expiry.renew", {"vm_id": guest.vm_id}, account="other")
    cloud.call("admin.acl.set", {**share, "level": None}, account="admin")
    with pytest.raises(ExpiryNotYours):
        cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})
    cloud.call("admin.expiry.renew", {"vm_id": guest.vm_id}, account="admin")
    cloud.call("admin.expiry.delete", {"expiry_id": expiry_id}, account="admin")
    assert not shown(cloud, guest.vm_id)["renewable"]
    with pytest.raises(ExpiryNotYours):
        cloud.call("admin.expiry.renew", {"vm_id": guest.vm_id}, account="admin")
    cloud.call("admin.expiry.set", {"vm_id": guest.vm_id, "expiry_id": None}, account="admin")
    assert shown(cloud, guest.vm_id)["expiry_id"] is None
    audited = rows(cloud, "SELECT method FROM audit WHERE method LIKE '%.expiry.%' ORDER BY id")
    assert [row.method for row in audited].count("user.expiry.renew") == 1
    guest.destroy()
    with pytest.raises(WrongVMState):
        cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})


def test_by_groups(cloud: MemoryCloud) -> None:
    """A lease that is granted to a group of a cloud manager's is its members'."""
    expiry_id, guest = lease(cloud, for_all=False), Guest(cloud)
    cloud.sql("UPDATE account SET origin = 'clm', external_id = '9' WHERE id = :a", a=cloud.user_id)
    cloud.sql(
        "INSERT INTO acl (kind, object_id, issuer, group_id, level) VALUES ('expiry', :e, 'clm', 7, 'user')",
        e=expiry_id,
    )
    params = {"vm_id": guest.vm_id, "expiry_id": expiry_id}

    def ask(*groups: int) -> Any:
        who = Identity(cloud.user_id, "user", frozenset({Role.USER}), groups, source="token", issuer="clm")
        caller = LocalCaller(cloud.manager.registry, cloud.manager.executor.execute, who)
        return run(lambda: caller.call("user.expiry.set", params))

    with pytest.raises(ObjectNotFound):
        ask(8)
    assert ask(7)["expiry_id"] == expiry_id


# ------------------------------------------------------------------ what becomes of VMs


def test_life(cloud: MemoryCloud) -> None:
    """Told at nine tenths, suspended, woken up for its whole time, told of its deletion, deleted at the second look."""
    guest, expiry_id = Guest(cloud), lease(cloud)
    give(cloud, guest.vm_id, expiry_id)
    assert look(cloud, guest.vm_id) is None
    pass_time(cloud, guest.vm_id, 0.89 * DAY)
    assert look(cloud, guest.vm_id) is None and told(cloud, "vm_expires") == []
    pass_time(cloud, guest.vm_id, 0.02 * DAY)
    assert look(cloud, guest.vm_id) is Step.NOTIFY and look(cloud, guest.vm_id) is None
    (notice,) = told(cloud, "vm_expires")
    assert (notice["vm_id"], notice["then"], notice["expiry"]) == (guest.vm_id, "suspended", f"lease-{DAY}-{10 * DAY}")
    pass_time(cloud, guest.vm_id, 0.09 * DAY)
    assert look(cloud, guest.vm_id) is None, "a tenth after they were told is not over"
    assert shown(cloud, guest.vm_id)["ends"]["suspend"]["due"] > shown(cloud, guest.vm_id)["ends"]["suspend"]["at"]
    pass_time(cloud, guest.vm_id, 0.02 * DAY)
    assert look(cloud, guest.vm_id) is Step.SUSPEND
    cloud.wait(guest.vm_id, "suspended")
    assert told(cloud, "vm_expired") == [{"vm_id": guest.vm_id, "name": "vm", "then": "suspended"}]
    assert cloud.sql("SELECT account_id IS NULL AND cause_kind = 'expiry' FROM operation WHERE kind = 'vm_suspend'")
    pass_time(cloud, guest.vm_id, DAY)
    assert look(cloud, guest.vm_id) is None
    cloud.call("user.vm.wake_up", {"vm_id": guest.vm_id})
    cloud.wait(guest.vm_id, "running")
    assert look(cloud, guest.vm_id) is None
    pass_time(cloud, guest.vm_id, 8 * DAY)
    assert look(cloud, guest.vm_id) is Step.NOTIFY
    assert sorted(each["then"] for each in told(cloud, "vm_expires")) == ["deleted", "suspended", "suspended"]
    pass_time(cloud, guest.vm_id, DAY)
    assert look(cloud, guest.vm_id) is None
    assert shown(cloud, guest.vm_id)["ends"]["delete"]["waits"] == "second_look"
    pass_time(cloud, guest.vm_id, LOOKS_APART_S - 5)
    assert look(cloud, guest.vm_id) is None
    pass_time(cloud, guest.vm_id, 10)
    assert look(cloud, guest.vm_id) is Step.DELETE
    cloud.wait(guest.vm_id, "destroyed")
    assert [each["then"] for each in told(cloud, "vm_expired")] == ["deleted", "suspended"]
    assert told(cloud, "vm_ended") == []
    assert cloud.sql("SELECT count(*) FROM vm_expiry") == 0
    assert look(cloud, guest.vm_id) is None


def test_order_of_a_round(cloud: MemoryCloud) -> None:
    """A round deletes, then suspends, then tells; and it leaves alone whose time has not come."""
    expiry_id = lease(cloud)
    doomed, tired, warned, fresh = (Guest(cloud, name=name) for name in ("doomed", "tired", "warned", "fresh"))
    for guest, seconds in ((warned, 0.95), (tired, 1.2), (doomed, 12), (fresh, 0)):
        give(cloud, guest.vm_id, expiry_id)
        pass_time(cloud, guest.vm_id, seconds * DAY)
    ago = "now() - interval '2 days'"
    cloud.sql(f"UPDATE vm_expiry SET suspend_told_at = {ago} WHERE vm_id = ANY(:v)", v=[tired.vm_id, doomed.vm_id])
    cloud.sql(
        f"UPDATE vm_expiry SET delete_told_at = {ago}, found_at = now() - interval '20 minutes' WHERE vm_id = :v",
        v=doomed.vm_id,
    )
    first = cloud.sql("SELECT max(id) FROM change")
    collect(cloud)
    for guest, state in ((doomed, "destroyed"), (tired, "suspended"), (warned, "running"), (fresh, "running")):
        cloud.wait(guest.vm_id, state)
    done = rows(
        cloud, "SELECT kind, object_id FROM change WHERE id > :f GROUP BY kind, object_id ORDER BY min(id)", f=first
    )  # fmt: skip
    order = [(row.kind, row.object_id) for row in done if (row.kind, row.object_id) != ("vm", warned.vm_id)]
    message_id = cloud.sql("SELECT id FROM message WHERE code = 'vm_expires'")
    places = [order.index(each) for each in (("vm", doomed.vm_id), ("vm", tired.vm_id), ("message", message_id))]
    assert places == sorted(places)
    assert [each["vm_id"] for each in told(cloud, "vm_expires")] == [warned.vm_id]


def notices(cloud: MemoryCloud, vm_id: int) -> list[str]:
    """What a guest's agent was asked to tell its people, in turn."""
    key = command_key(cloud.manager.policy.secret)
    asked = "SELECT arguments FROM guest_command WHERE vm_id = :v AND action = 'notice' ORDER BY id"
    found = rows(cloud, asked, v=vm_id)
    return [_unseal(key, f"notice of {vm_id}", row.arguments)["text"] for row in found]


def test_within_the_guest(cloud: MemoryCloud) -> None:
    """Who is logged in is told, too, where an agent of ours can; and nothing any more once it is renewed."""
    guest, expiry_id = Guest(cloud, name="warned"), lease(cloud)
    cloud.sql(
        "INSERT INTO guest_agent (vm_id, launch, key_hash, version, actions, seen_at)"
        " SELECT id, launches, 'x', '2', '[\"notice\"]', now() FROM vm WHERE id = :v RETURNING 1", v=guest.vm_id,
    )  # fmt: skip
    give(cloud, guest.vm_id, expiry_id)
    cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})
    assert notices(cloud, guest.vm_id) == []
    pass_time(cloud, guest.vm_id, 0.95 * DAY)
    for _ in range(2):
        collect(cloud)
    (said,) = notices(cloud, guest.vm_id)
    assert said.startswith("This machine, warned, will be suspended at ") and "lease-86400" in said
    cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})
    assert notices(cloud, guest.vm_id) == [said, ""]
    pass_time(cloud, guest.vm_id, 0.95 * DAY)
    cloud.sql("UPDATE guest_agent SET seen_at = now() - interval '1 hour' RETURNING 1")
    collect(cloud)
    assert len(told(cloud, "vm_expires")) == 2 and len(notices(cloud, guest.vm_id)) == 2


def test_once_for_two(cloud: MemoryCloud) -> None:
    """Two managers look at once: one notice, one suspension."""
    guest, expiry_id = Guest(cloud), lease(cloud)
    give(cloud, guest.vm_id, expiry_id)
    for seconds in (0.95 * DAY, 0.2 * DAY):
        pass_time(cloud, guest.vm_id, seconds)
        both = [threading.Thread(target=collect, args=(cloud,)) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()
    cloud.wait(guest.vm_id, "suspended")
    assert len(told(cloud, "vm_expires")) == 1
    assert cloud.sql("SELECT count(*) FROM operation WHERE kind = 'vm_suspend'") == 1


def test_waits(cloud: MemoryCloud) -> None:
    """What is guarded is not deleted, and says so; what is paused or busy is not suspended."""
    guest, expiry_id = Guest(cloud), lease(cloud)
    give(cloud, guest.vm_id, expiry_id)
    cloud.call("user.vm.set_policy", {"vm_id": guest.vm_id, "guarded": True})
    cloud.call("user.vm.pause", {"vm_id": guest.vm_id})
    cloud.wait(guest.vm_id, "paused")
    cloud.sql("UPDATE vm_expiry SET suspend_told_at = now(), delete_told_at = now()")
    pass_time(cloud, guest.vm_id, 11 * DAY)
    assert look(cloud, guest.vm_id) is None
    ends = shown(cloud, guest.vm_id)["ends"]
    assert {end: (each["due"], each["waits"]) for end, each in ends.items()} == {
        "suspend": (None, "state"), "delete": (None, "guarded"),
    }  # fmt: skip
    assert cloud.sql("SELECT delete_told_at IS NULL FROM vm_expiry"), "they are told anew before it is deleted"
    cloud.call("user.vm.resume", {"vm_id": guest.vm_id})
    cloud.wait(guest.vm_id, "running")
    pass_time(cloud, guest.vm_id, HOUR)
    assert look(cloud, guest.vm_id) is Step.SUSPEND
    cloud.wait(guest.vm_id, "suspended")
    assert look(cloud, guest.vm_id) is None
    cloud.call("user.vm.set_policy", {"vm_id": guest.vm_id, "guarded": False})
    assert look(cloud, guest.vm_id) is Step.NOTIFY
    assert cloud.sql("SELECT count(*) FROM operation WHERE kind = 'vm_destroy'") == 0


def test_busy(cloud: MemoryCloud) -> None:
    """A VM on which work is under way is left until that has ended."""
    guest, expiry_id = Guest(cloud), lease(cloud)
    give(cloud, guest.vm_id, expiry_id)
    cloud.sql("UPDATE vm_expiry SET suspend_told_at = now()")
    release = guest.node.hang(30.0, ["reset"])
    try:
        cloud.call("user.vm.reset", {"vm_ids": [guest.vm_id]})
        cloud.until(lambda: "reset" in guest.node.calls, "its node is asked")
        pass_time(cloud, guest.vm_id, 1.5 * DAY)
        assert look(cloud, guest.vm_id) is None
        assert shown(cloud, guest.vm_id)["ends"]["suspend"]["waits"] == "busy"
    finally:
        release()
    cloud.wait(guest.vm_id, "running")
    pass_time(cloud, guest.vm_id, 60)
    assert look(cloud, guest.vm_id) is Step.SUSPEND
    cloud.wait(guest.vm_id, "suspended")


def test_refused(cloud: MemoryCloud) -> None:
    """What has no room for its memory runs on, says why, and is tried again, later each time."""
    guest, expiry_id = Guest(cloud), lease(cloud)
    give(cloud, guest.vm_id, expiry_id)
    cloud.sql("UPDATE vm_expiry SET suspend_told_at = now()")
    cloud.sql("UPDATE storage SET capacity_bytes = 1000000, overcommit = 1.0")
    pass_time(cloud, guest.vm_id, 1.5 * DAY)
    with pytest.raises(StorageFull):
        look(cloud, guest.vm_id)
    waits = []
    for _ in range(3):
        collect(cloud)
        found = shown(cloud, guest.vm_id)
        assert found["reason"] != "" and found["state"] == "running"
        left = "SELECT extract(epoch FROM look_at - now())::float FROM vm_expiry"
        waits.append(cloud.sql(left))
        pass_time(cloud, guest.vm_id, waits[-1] + 1)
    assert waits[0] < waits[1] < waits[2]
    cloud.sql("UPDATE storage SET capacity_bytes = 1099511627776, overcommit = 4.0")
    collect(cloud)
    cloud.wait(guest.vm_id, "suspended")
    assert shown(cloud, guest.vm_id)["reason"] == ""


def test_renewed_in_time(cloud: MemoryCloud) -> None:
    """A renewal between the two looks at a deletion, or after a notice, ends nothing; notices come anew."""
    guest, expiry_id = Guest(cloud), lease(cloud, None, 10 * DAY)
    give(cloud, guest.vm_id, expiry_id)
    pass_time(cloud, guest.vm_id, 9.5 * DAY)
    assert look(cloud, guest.vm_id) is Step.NOTIFY
    pass_time(cloud, guest.vm_id, 2 * DAY)
    assert look(cloud, guest.vm_id) is None
    cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})
    pass_time(cloud, guest.vm_id, HOUR)
    assert look(cloud, guest.vm_id) is None
    pass_time(cloud, guest.vm_id, 9.5 * DAY)
    assert look(cloud, guest.vm_id) is Step.NOTIFY and len(told(cloud, "vm_expires")) == 2


def test_owners_are_told(cloud: MemoryCloud) -> None:
    """A notice goes to the VM's account and to everybody who was granted the level owner."""
    guest, expiry_id = Guest(cloud), lease(cloud)
    give(cloud, guest.vm_id, expiry_id)
    friend = {"kind": "vm", "object_id": guest.vm_id, "login": "other"}
    for level, expected in (("operator", 0), ("owner", 1)):
        cloud.call("user.acl.set", {**friend, "level": level})
        cloud.call("user.expiry.renew", {"vm_id": guest.vm_id})
        pass_time(cloud, guest.vm_id, 0.95 * DAY)
        assert look(cloud, guest.vm_id) is Step.NOTIFY
        assert len(told(cloud, "vm_expires", "other")) == expected
    assert len(told(cloud, "vm_expires")) == 2


def test_simulate(cloud: MemoryCloud) -> None:
    """What a lease would do to VMs, by account, without anything done; then it is given to those without one."""
    mine = Guest(cloud)
    other = cloud.call(
        "user.vm.create",
        {"name": "o", "description": "", "image_id": cloud.image_id, "template_id": cloud.template_id}, account="other",
    )[0]["vm_id"]  # fmt: skip
    cloud.until(lambda: cloud.sql("SELECT seen FROM vm WHERE id = :v", v=other) == "running", "it runs")
    cloud.call("user.vm.set_policy", {"vm_id": mine.vm_id, "guarded": True})
    expiry_id = lease(cloud, HOUR, DAY)

    def simulate(**params: Any) -> dict[int, Any]:
        found = cloud.call("admin.expiry.simulate", params, account="admin")
        return {each["vm_id"]: {end["end"]: end for end in each["ends"]} for each in found}

    before = cloud.sql("SELECT count(*) FROM message") + cloud.sql("SELECT count(*) FROM vm_expiry")
    found = simulate(expiry_id=expiry_id)
    assert set(found) == {mine.vm_id, other}
    assert (found[mine.vm_id]["delete"]["due"], found[mine.vm_id]["delete"]["waits"]) == (None, "guarded")
    suspend = found[other]["suspend"]
    assert suspend["due"] == suspend["at"]
    assert seconds_between(suspend["told"], suspend["at"]) == pytest.approx(HOUR / 10)
    deletion = found[other]["delete"]
    assert seconds_between(deletion["at"], deletion["due"]) == LOOKS_APART_S
    assert set(simulate(suspend_s=HOUR, user_id=cloud.other_id)) == {other}
    assert set(simulate(suspend_s=HOUR, limit=1, after=min(found))) == {max(found)}
    for wrong in ({"expiry_id": expiry_id, "suspend_s": HOUR}, {"suspend_s": DAY, "delete_s": HOUR}):
        with pytest.raises(InvalidParameter):
            simulate(**wrong)
    assert cloud.sql("SELECT count(*) FROM message") + cloud.sql("SELECT count(*) FROM vm_expiry") == before
    apply = {"expiry_id": expiry_id}
    assert cloud.call("admin.expiry.apply", {**apply, "user_id": cloud.other_id}, account="admin") == {"vms": 1}
    assert cloud.call("admin.expiry.apply", apply, account="admin") == {"vms": 1}
    assert cloud.call("admin.expiry.apply", {**apply, "replace": True}, account="admin") == {"vms": 2}
    listed = cloud.call("admin.expiry.list_vms", {"user_id": cloud.other_id}, account="admin")
    assert [(each["vm_id"], each["expiry_id"]) for each in listed] == [(other, expiry_id)]
    assert len(cloud.call("admin.expiry.list_vms", apply, account="admin")) == 2


def test_grants_go_with_it(cloud: MemoryCloud) -> None:
    """What was granted on a lease is forgotten a while after it was deleted."""
    expiry_id = lease(cloud, for_all=False)
    cloud.call("admin.acl.set", {"kind": "expiry", "object_id": expiry_id, "level": "user", "login": "user"},
               account="admin")  # fmt: skip
    cloud.call("admin.expiry.delete", {"expiry_id": expiry_id}, account="admin")
    cloud.manager.database.transact_now(prune)
    assert cloud.sql("SELECT count(*) FROM acl") == 1
    cloud.sql("UPDATE expiry SET deleted_at = now() - interval '30 days'")
    cloud.manager.database.transact_now(prune)
    assert cloud.sql("SELECT count(*) FROM acl") == 0


def test_renewable(cloud: MemoryCloud) -> None:
    """What says whether a VM may be renewed is what renewing it would answer: by its lease, and by who asks."""
    vm_id = cloud.wait(cloud.create(name="lent")["vm_id"], "running")["vm_id"]
    closed, opened = lease(cloud, for_all=False), lease(cloud, HOUR, None)

    def may(account: str = "user") -> bool:
        (found,) = cloud.call("user.expiry.get_vms", {"vm_ids": [vm_id]}, account=account)
        try:
            cloud.call("user.expiry.renew", {"vm_id": vm_id}, account=account)
        except (AccessNeeded, ExpiryNotYours, NoExpiry):
            assert not found["renewable"]
        else:
            assert found["renewable"]
        return bool(found["renewable"])

    assert not may()
    cloud.call("admin.expiry.set", {"vm_id": vm_id, "expiry_id": closed}, account="admin")
    assert not may()  # an administrator gave it one that is not its owner's to choose
    assert [each["renewable"] for each in cloud.call("user.expiry.list_vms")] == [False]
    assert [each["renewable"] for each in cloud.call("admin.expiry.list_vms", account="admin")] == [True]
    cloud.call("admin.expiry.edit", {"expiry_id": closed, "for_all": True}, account="admin")
    assert may() and cloud.call("user.expiry.list_vms")[0]["renewable"]
    for level, mine in (("user", False), ("operator", True)):
        cloud.call("user.acl.set", {"kind": "vm", "object_id": vm_id, "level": level, "login": "other"})
        assert may("other") is mine
    give(cloud, vm_id, opened)
    cloud.call("admin.expiry.delete", {"expiry_id": opened}, account="admin")
    assert not may()
